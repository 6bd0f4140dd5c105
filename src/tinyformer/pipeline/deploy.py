"""Stage ``deploy``: the firmware, verified against the reference bit for bit, and measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from rich.console import Console

from tinyformer.compression.onnx_runs import logits
from tinyformer.data.loading import normalize
from tinyformer.data.splits import load_splits
from tinyformer.engine.firmware import build_firmware, run_firmware
from tinyformer.engine.host import HostModel
from tinyformer.engine.metrics import LayerMetrics, check_budgets, measure
from tinyformer.errors import TinyFormerError
from tinyformer.ir.onnx_import import import_onnx
from tinyformer.ir.reference import execute
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.documents import write_json
from tinyformer.pipeline.stage import Stage, run_stage
from tinyformer.report.inputs import LayerRow

_TIMED_IMAGES = 4
"""Images of the run with the cycle model; data hardly change the cycles, and it is several times slower."""

_CHUNK = 256
"""Images that the reference executor takes at once."""


def deploy(stage: Stage) -> Mapping[str, Any]:
    """Write the ELF file and ``layers.json`` to ``deploy/``; the metrics are accuracy, sizes and speed as deployed."""
    config, mcu, console = stage.config, stage.config.mcu, Console()
    graph = import_onnx(artifacts.MODEL)
    test = load_splits(artifacts.PROCESSED / config.data.name).test
    images = (test.images.astype(np.int16) - 128).astype(np.int8)

    with console.status("Running the reference and the host build on the test split"):
        expected = np.concatenate([execute(graph, images[i : i + _CHUNK]) for i in range(0, len(images), _CHUNK)])
        _require_equal("host build", HostModel(artifacts.FIRMWARE).run(images), expected)
    with console.status("Comparing with onnxruntime"):
        outside = logits(onnx.load(artifacts.MODEL), normalize(test.images).numpy())

    verified = min(config.engine.verify_images, len(images))
    with console.status(f"Running {verified} images on the simulated {mcu.name}"):
        artifacts.DEPLOY.mkdir(parents=True, exist_ok=True)
        elf = build_firmware(artifacts.FIRMWARE, mcu, artifacts.DEPLOY / "firmware.elf")
        run = run_firmware(elf, mcu, images[:verified], directory=artifacts.FIRMWARE, mode="functional")
        _require_equal(f"firmware on the simulated {mcu.name}", run.outputs[0], expected[:verified])
        timed = run_firmware(elf, mcu, images[:_TIMED_IMAGES], directory=artifacts.FIRMWARE)
        _require_equal("firmware under the cycle model", timed.outputs[0], expected[:_TIMED_IMAGES])
    measured = measure(elf, mcu, timed, directory=artifacts.FIRMWARE)
    check_budgets(measured, mcu, config.engine)
    write_json(artifacts.DEPLOY / "layers.json", [_row(layer) for layer in measured.layers])
    figures = measured.to_dict()
    del figures["layers"]
    return figures | {
        "accuracy_int8": float(np.mean(expected.argmax(axis=1) == test.labels)),
        "accuracy_onnxruntime": float(np.mean(outside.argmax(axis=1) == test.labels)),
        "agreement_onnxruntime": float(np.mean(expected.argmax(axis=1) == outside.argmax(axis=1))),
        "bit_exact_images_host": len(images),
        "bit_exact_images_mcu": verified,
        "instructions": round(measured.instructions),
        "cycles": round(measured.cycles),
    }


def _row(layer: LayerMetrics) -> LayerRow:
    return LayerRow(
        name=layer.name,
        op=layer.operator,
        output_shape=layer.output,
        macs=layer.macs or None,
        sparsity=layer.zero_fraction if layer.macs else None,
        encoding=layer.encoding,
        flash_bytes=layer.flash_bytes,
        cycles=layer.cycles,
    )


def _require_equal(what: str, outputs: NDArray[np.int8], expected: NDArray[np.int8]) -> None:
    """Bit-exactness is a promise: a difference ends the stage."""
    wrong = np.flatnonzero((outputs != expected).reshape(len(expected), -1).any(axis=1))
    if len(wrong):
        raise TinyFormerError(
            f"The {what} differs from the reference on {len(wrong)} of {len(expected)} images, first on test image "
            f"{wrong[0]}: this is a bug of the engine; report it with outputs/model.onnx and outputs/firmware."
        )


if __name__ == "__main__":
    run_stage("deploy", deploy)
