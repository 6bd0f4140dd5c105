# SPDX-License-Identifier: Apache-2.0
"""When, where and of which commit a stage was computed: kept beside DVC's cache under the stage's key, so that who
restores a result knows it, too. It changes no result, and no result holds it: those are the same bytes everywhere."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import tinyformer
from tinyformer.config.root import Config
from tinyformer.files import replace_file
from tinyformer.instruction_set import Level, cpu_features
from tinyformer.keys import PACKAGE_ROOT
from tinyformer.pipeline.publish import OVERRIDES

_LIBRARIES = ("torch", "pytorch-lightning", "numpy", "onnx", "onnxruntime", "ziglang", "unicorn")


@dataclass(frozen=True)
class Provenance:
    """Of one stage; in words."""

    command: str
    """Makes this result in the project."""
    commit: str
    """Of the sources; empty where Git does not know them."""
    date: str
    """When the stage ended, in UTC."""
    seconds: float
    machine: str
    versions: str

    @staticmethod
    def here(config: Config, seconds: float) -> Provenance:
        """Of a stage that has just ended after ``seconds``."""
        return Provenance(
            command=_command(config.experiment, json.loads(os.environ.get(OVERRIDES, "[]"))),
            commit=_commit(),
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            seconds=round(seconds, 1),
            machine=_machine(config.trainer.isa),
            versions=_versions(),
        )

    def write(self, path: Path) -> None:
        """Keep it; a disk that is full or read-only harms nothing but this."""
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, json.dumps(asdict(self), indent=1, sort_keys=True).encode())

    @staticmethod
    def read(path: Path) -> Provenance | None:
        """What was kept; None where nothing was, or it is damaged."""
        with suppress(OSError, ValueError, TypeError):
            return Provenance(**json.loads(path.read_text("utf-8")))
        return None


def _command(experiment: str, overrides: Sequence[str]) -> str:
    return shlex.join(["tinyformer", "repro", "--experiment", experiment, *overrides])


def _commit() -> str:
    """Of this package's sources, marked where they were edited since."""
    with suppress(OSError, subprocess.CalledProcessError):
        if _git("ls-files", "__init__.py"):
            edited = _git("status", "--porcelain", "--untracked-files=no", ".")
            return _git("rev-parse", "--short=12", "HEAD") + (", edited" if edited else "")
    return ""


def _git(*arguments: str) -> str:
    result = subprocess.run(
        ["git", *arguments], cwd=PACKAGE_ROOT, capture_output=True, text=True, check=True, timeout=20
    )
    return result.stdout.strip()


def _machine(isa: Level) -> str:
    held = isa == "portable" and "avx2" in cpu_features()  # as the stages' processes do
    level = "AVX2" if held else "native"
    system = f"{platform.system()} {platform.release()}"
    return f"{platform.node()}: {_processor()}, {os.cpu_count()} cores, instructions {level}, {system}"


def _processor() -> str:
    with suppress(OSError):
        if found := re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text("utf-8"), re.M):
            return found[1].strip()
    return platform.processor() or platform.machine()


def _versions() -> str:
    found = [f"tinyformer {tinyformer.__version__}", f"Python {platform.python_version()}"]
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found)
