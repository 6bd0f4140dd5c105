# SPDX-License-Identifier: Apache-2.0
"""Stage ``deploy``: the firmware, verified against the reference bit for bit, and measured."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from rich.console import Console

from tinyformer.budget import Budget
from tinyformer.compression.onnx_runs import logits
from tinyformer.data.normalization import normalize
from tinyformer.data.splits import load_splits
from tinyformer.engine.compiler import record_profile
from tinyformer.engine.run.firmware import build_firmware, run_firmware
from tinyformer.engine.run.host import HostModel
from tinyformer.engine.run.profile import LayerProfile, check_budget, profile_firmware
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

_LEAST_AGREEMENT = 0.95
"""Share of the test images that INT8 and onnxruntime put into the same class. Rounding alone separates few."""


def deploy(stage: Stage) -> Mapping[str, Any]:
    """Write the ELF file, ``layers.json`` and the class of each test image to ``deploy/`` and the package, proven and
    with its figures, to ``firmware/``.

    The metrics are accuracy, sizes and speed as deployed.
    """
    config, mcu, console = stage.config, stage.config.mcu, Console()
    graph = import_onnx(artifacts.MODEL)
    test = load_splits(artifacts.PROCESSED / config.data.name).test
    images = graph.input_rule.from_pixels(test.images)

    with console.status("Running the reference and the host build on the test split"):
        expected = np.concatenate([execute(graph, images[i : i + _CHUNK]) for i in range(0, len(images), _CHUNK)])
        _require_equal("host build", HostModel(artifacts.CODEGEN).run(images), expected)
    with console.status("Comparing with onnxruntime"):
        outside = logits(onnx.load(artifacts.MODEL), normalize(test.images).numpy())
        agreement = _agreement(expected, outside)

    verified = min(config.runtime.verify_images, len(images))
    with console.status(f"Running {verified} images on the simulated {mcu.name}"):
        artifacts.DEPLOY.mkdir(parents=True, exist_ok=True)
        elf = build_firmware(artifacts.CODEGEN, mcu, artifacts.ELF)
        run = run_firmware(elf, mcu, images[:verified], directory=artifacts.CODEGEN, mode="functional")
        _require_equal(f"firmware on the simulated {mcu.name}", run.outputs[0], expected[:verified])
        timed = run_firmware(elf, mcu, images[:_TIMED_IMAGES], directory=artifacts.CODEGEN)
        _require_equal("firmware under the cycle model", timed.outputs[0], expected[:_TIMED_IMAGES])
    measured = profile_firmware(elf, mcu, timed, directory=artifacts.CODEGEN)
    check_budget(measured, mcu, Budget.of(config.limits, mcu))
    write_json(artifacts.DEPLOY / "layers.json", [_row(layer) for layer in measured.layers])
    predicted = expected.argmax(axis=1)
    write_json(artifacts.PREDICTIONS, predicted.tolist())
    shutil.rmtree(artifacts.FIRMWARE, ignore_errors=True)
    shutil.copytree(artifacts.CODEGEN, artifacts.FIRMWARE, copy_function=shutil.copyfile)  # not the cache's permissions
    record_profile(artifacts.FIRMWARE, measured)
    stage.run.add_artifact(artifacts.FIRMWARE, f"{config.experiment}-firmware", "firmware")
    figures = measured.to_dict()
    del figures["layers"]
    return figures | {
        "accuracy_int8": float(np.mean(predicted == test.labels)),
        "accuracy_onnxruntime": float(np.mean(outside.argmax(axis=1) == test.labels)),
        "agreement_onnxruntime": agreement,
        "bit_exact_images_host": len(images),
        "bit_exact_images_mcu": verified,
        "instructions": round(measured.instructions),
        "cycles": round(measured.cycles),
    }


def _row(layer: LayerProfile) -> LayerRow:
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


def _agreement(expected: NDArray[np.int8], outside: NDArray[np.float32]) -> float:
    """Share of images with the same class; too small a one ends the stage: the two do not compute the same network."""
    share = float(np.mean(expected.argmax(axis=1) == outside.argmax(axis=1)))
    if share < _LEAST_AGREEMENT:
        raise TinyFormerError(
            f"The compiled model and onnxruntime differ in the class of {1 - share:.1%} of {len(expected)} test images"
            f" (at most {1 - _LEAST_AGREEMENT:.0%} is rounding): the metadata of {artifacts.MODEL} do not match its"
            " training, or the importer has a bug; run the stage `quantize` again, or report it with that file."
        )
    return share


def _require_equal(what: str, outputs: NDArray[np.int8], expected: NDArray[np.int8]) -> None:
    """Bit-exactness is a promise: a difference ends the stage."""
    wrong = np.flatnonzero((outputs != expected).reshape(len(expected), -1).any(axis=1))
    if len(wrong):
        raise TinyFormerError(
            f"The {what} differs from the reference on {len(wrong)} of {len(expected)} images, first on test image "
            f"{wrong[0]}: this is a bug of the engine; report it with outputs/model.onnx and outputs/codegen."
        )


if __name__ == "__main__":
    run_stage("deploy", deploy)
