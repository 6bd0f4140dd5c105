# SPDX-License-Identifier: Apache-2.0
"""``make chaos``: attack after attack until the time is up.

    python -m tests.chaos [--minutes 30] [--seed 0] [--work DIR]     the campaign
    python -m tests.chaos --only "kill:123"                          one episode again, by its name and seed

Every episode prints its name and seed. What it found stays in the work directory; the exit status is 1 if there is
something.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.commands import FoundFaultError
from tests.chaos.input_attacks import hostile_inputs
from tests.chaos.pipeline_attacks import ATTACKS, Peace

ALL = {**ATTACKS, "hostile inputs": hostile_inputs}


def main() -> int:
    """Run the campaign that the command line describes; 1 if something was found."""
    arguments = _arguments()
    for number in (signal.SIGINT, signal.SIGHUP):  # a shell lets what it starts in the background ignore them
        signal.signal(number, signal.SIG_DFL)
    console = Console(highlight=False, soft_wrap=True)
    work = Path(arguments.work or tempfile.mkdtemp(prefix="chaos-"))
    work.mkdir(parents=True, exist_ok=True)
    console.print(f"seed {arguments.seed}, in {work}; the pipeline runs in peace first", markup=False)
    peace = Peace(work / "peace")
    console.print(f"in peace: {peace.seconds:.0f} s, {len(peace.digests)} outputs")
    counts, found = Counter[str](), Counter[str]()
    end = time.monotonic() + 60 * arguments.minutes
    for name, seed in _episodes(arguments):
        if time.monotonic() > end and not arguments.only:
            break
        place = work / f"{name.replace(' ', '_')}_{seed}"
        counts[name] += 1
        begin = time.monotonic()
        try:
            text = ALL[name](peace, place, random.Random(seed))
        except FoundFaultError as fault:
            found[name] += 1
            console.print(f"FOUND {name}:{seed}: {fault}", markup=False, style="red")
            continue
        console.print(f"{time.monotonic() - begin:5.0f} s  {name}:{seed}: {text}", markup=False)
        shutil.rmtree(place)
    table = Table("attack", "episodes", "found")
    for name in ALL:
        table.add_row(name, str(counts[name]), str(found[name]))
    console.print(table)
    if found:
        console.print(f"What was found lies in {work}; repeat one with --only NAME:SEED.", markup=False)
        return 1
    shutil.rmtree(work)
    return 0


def _episodes(arguments: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """Names in turn, so that a short campaign tries each kind, with seeds of their own."""
    if arguments.only:
        name, _, seed = arguments.only.rpartition(":")
        yield name, int(seed)
        return
    seeds = random.Random(arguments.seed)
    while True:
        for name in ALL:
            yield name, seeds.randrange(1 << 31)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="after which no further episode begins")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the campaign (default: the time)")
    parser.add_argument("--work", help="where to work (default: a temporary directory)")
    parser.add_argument("--only", help="NAME:SEED of one episode")
    arguments = parser.parse_args()
    if arguments.only and arguments.only.rpartition(":")[0] not in ALL:
        parser.error(f"--only: the attacks are {', '.join(ALL)}; write one as NAME:SEED")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
