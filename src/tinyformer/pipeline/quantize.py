# SPDX-License-Identifier: Apache-2.0
"""Stage ``quantize``: INT8 on every layer, as an ONNX QDQ file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from tinyformer.compression.export import batchnorms, build_float_onnx
from tinyformer.compression.folding import fold_batchnorm
from tinyformer.compression.onnx_runs import accuracy
from tinyformer.compression.quantization_training import train_quantized
from tinyformer.compression.quantize import quantize
from tinyformer.data.normalization import normalize
from tinyformer.data.splits import load_splits
from tinyformer.ir.onnx_metadata import write_metadata
from tinyformer.ir.pixels import PIXELS
from tinyformer.nets.blocks import BATCHNORM_EPSILON
from tinyformer.nets.pruning import block_sparsity, verify_plan
from tinyformer.pipeline import artifacts
from tinyformer.pipeline.networks import read_genome
from tinyformer.pipeline.stage import Stage, run_stage
from tinyformer.training.checkpoint import load_weights


def quantize_stage(stage: Stage) -> Mapping[str, Any]:
    """Write ``model.onnx``; the metrics describe it, and the accuracy of the float model on the full test split."""
    config = stage.config
    genome = read_genome(artifacts.SUBNET_SPEC)
    weights = load_weights(artifacts.SUBNET)
    verify_plan(weights, genome.plan)
    processed = artifacts.PROCESSED / config.data.name
    splits = load_splits(processed)
    parameters = fold_batchnorm(weights, batchnorms(genome.subnet), BATCHNORM_EPSILON)
    float_model = build_float_onnx(genome.subnet, parameters)
    calibration = normalize(splits.calibration.images).numpy()
    if config.quantization.training is None:
        model = quantize(float_model, calibration, config.quantization)
    else:
        model = train_quantized(
            float_model,
            calibration,
            splits,
            config.data,
            config.quantization,
            config.trainer,
            seed=config.seed,
            checkpoints=stage.checkpoints(),
            runtime=config.runtime,
            on_metrics=stage.log,
        ).model
    write_metadata(model, replace(PIXELS, numbers=splits.manifest.value_range), splits.classes)
    artifacts.MODEL.write_bytes(model.SerializeToString(deterministic=True))
    onnx.checker.check_model(str(artifacts.MODEL))
    stage.run.add_artifact(artifacts.MODEL, f"{config.experiment}-model", "model")
    return {
        "accuracy_float": accuracy(float_model, normalize(splits.test.images).numpy(), splits.test.labels),
        "block_sparsity": block_sparsity(weights, genome.subnet, genome.plan),
        "params": sum(array.size for array in parameters.values()),
        "params_nonzero": sum(int(np.count_nonzero(array)) for array in parameters.values()),
        "model_bytes": artifacts.MODEL.stat().st_size,
    }


if __name__ == "__main__":
    run_stage("quantize", quantize_stage)
