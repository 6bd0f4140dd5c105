# SPDX-License-Identifier: Apache-2.0
"""Errors of the cycle models against published MLPerf Tiny results: ``python benchmarks/validate_timing.py DIRECTORY``.

DIRECTORY holds clones of the published results (``tiny_results_v1.1``, ``tiny_results_v1.2``, ... of MLCommons on
GitHub); images that are not there are left out. Each image is booted unmodified, told over its serial port to infer,
and timed by its own time stamps, as the benchmark's runner does. The published figure is that of the table below or,
without one, the median throughput in the submission's ``results.txt``. Negative errors: the model is too fast.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tinyformer.errors import TinyFormerError
from tinyformer.mcu.simulator import Limits, SerialStep, SimulationResult, Simulator
from tinyformer.mcu.target import load_mcu

INFERENCES = 2
LAP = re.compile(rb"m-lap-us-(\d+)")
MEDIAN = re.compile(r"Median throughput is\s+([0-9.]+) inf")


@dataclass(frozen=True)
class Image:
    """A published image and figure."""

    mcu: str
    label: str
    """``calibration``: constants were fitted looking at it; ``held out``: of a calibrated chip; ``blind``: never seen
    before its comparison."""
    round: str
    path: str
    """Below the clone of its round."""
    results: str
    """Directory of the submission's logs, below the clone."""
    inferences_per_second: float | None = None


def _bosch(chip: str, mcu: str, label: str, files: dict[str, tuple[str, float | None]]) -> list[Image]:
    base = "closed/bosch"
    return [
        Image(mcu, label, "v1.2", f"{base}/code/{chip}/{file}", f"{base}/results/{chip}/{network}", figure)
        for network, (file, figure) in files.items()
    ]


def _v1_1(network: str, figure: float) -> Image:
    path = f"closed/bosch/code/DISCO_F746NG/{network}/BUILD/DISCO_F746NG/GCC_ARM-CUSTOM_PROFILE/code.bin"
    return Image("stm32f746", "calibration", "v1.1", path, f"closed/bosch/results/DISCO_F746NG/{network}", figure)


def _st(round_: str, chip: str, mcu: str, label: str) -> list[Image]:
    files = {
        "ad": ("anomaly_detection", "AD01"),
        "ic": ("image_classification", "IC01"),
        "kws": ("keyword_spotting", "KWS01"),
        "vww": ("visual_wake_words", "VWW01"),
    }
    base = "closed/STMicroelectronics"
    return [
        Image(
            *(mcu, label, round_, f"{base}/code/{chip}/{directory}/Binaries/{name}-Performance.bin"),
            results=f"{base}/results/{chip}/{network}",
        )
        for network, (directory, name) in files.items()
    ]


IMAGES = [
    *(_v1_1("ad", 587.34), _v1_1("ic", 16.242), _v1_1("kws", 54.293), _v1_1("vww", 17.490)),
    *_bosch(
        "DISCO_F746NG_int8",
        "stm32f746",
        "held out",
        {
            "ad": ("ad/disco_ad.bin", 584.380),
            "ic": ("ic/disco_ic.bin", 15.986),
            "kws": ("kws/disco_kws.bin", 52.746),
            "vww": ("vww/disco_vww.bin", 17.468),
        },
    ),
    *_bosch("DISCO_F746NG_int8_max_performance", "stm32f746", "calibration", {"ad": ("ad/disco_ad.bin", 701.809)}),
    *_bosch(
        "NUCLEO_H7A3ZI_int8",
        "stm32h7a3",
        "held out",
        {
            "ad": ("ad/h7_a3_ml_perf.bin", None),
            "ic": ("ic/h7a3_ic.bin", 21.811),
            "kws": ("kws/h7a3_kws.bin", None),
            "vww": ("vww/h7a3_vww.bin", None),
        },
    ),
    *_bosch("NUCLEO_H7A3ZI_int8_max_performance", "stm32h7a3", "held out", {"ad": ("ad/h7_a3_ml_perf.bin", 923.173)}),
    *_bosch("NUCLEO_H7A3ZI_float", "stm32h7a3", "held out", {"ic": ("ic/h7a3_ic_float.bin", 8.050)}),
    *_bosch(
        "NUCLEO_L4R5ZI_int8",
        "stm32l4r5",
        "calibration",
        {name: (f"{name}/l4r5_{name}.bin", None) for name in ("ad", "ic", "kws", "vww")},
    ),
    *_st("v1.2", "NUCLEO_H7A3ZI_Q", "stm32h7a3", "held out"),
    *_st("v1.2", "NUCLEO_L4R5ZI", "stm32l4r5_single_bank", "calibration"),
    *_st("v1.3", "NUCLEO_L4R5ZI", "stm32l4r5_single_bank", "blind"),
]


def published(image: Image, clone: Path) -> float:
    """Inferences a second on the board."""
    if image.inferences_per_second is not None:
        return image.inferences_per_second
    file = clone / image.results / "performance" / "results.txt"
    found = MEDIAN.search(file.read_text(encoding="utf-8", errors="replace")) if file.is_file() else None
    if found is None:
        raise TinyFormerError(f"{file} names no median throughput")
    return float(found.group(1))


def simulated(image: Image, path: Path) -> tuple[float, SimulationResult]:
    """Inferences a second in the simulator, between the time stamps that the firmware prints."""
    infer = SerialStep(f"infer {INFERENCES} 0%".encode(), b"m-ready")
    limits = Limits(instructions=4_000_000_000, stop_text=b"m-infer-done")
    result = Simulator(load_mcu(image.mcu)).run(path, uart=[infer], limits=limits)
    laps = [int(lap) for lap in LAP.findall(result.stdout)]
    if len(laps) < 2 or laps[-1] == laps[-2]:
        raise TinyFormerError(f"printed no two time stamps ({result.reason.name.lower()}, {result.fault})")
    return INFERENCES / ((laps[-1] - laps[-2]) * 1e-6), result


def main() -> int:
    """Compare all images that are there; the exit code tells whether there was one."""
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: {sys.argv[0]} DIRECTORY, which holds clones of the MLPerf Tiny results")
    console = Console()
    table = Table("microcontroller", "image", "published, 1/s", "simulated, 1/s", "error", "label", "kind of code")
    for image in IMAGES:
        clone = Path(sys.argv[1]) / f"tiny_results_{image.round}"
        path = clone / image.path
        if not path.is_file():
            continue
        name = f"{image.round} {image.path.removeprefix('closed/')}"
        try:
            board = published(image, clone)
            ours, result = simulated(image, path)
        except TinyFormerError as error:
            table.add_row(image.mcu, name, "", "", str(error), image.label, "")
            continue
        error = board / ours - 1  # of the time
        table.add_row(
            *(image.mcu, name, f"{board:.3f}", f"{ours:.3f}", f"{error:+.1%}", image.label),
            result.kind.replace("_", " "),
        )
    console.print(table)
    return 0 if table.row_count else 1


if __name__ == "__main__":
    sys.exit(main())
