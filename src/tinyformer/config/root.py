# SPDX-License-Identifier: Apache-2.0
"""The whole configuration: what ``params.yaml`` holds."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from tinyformer.config.base import Section
from tinyformer.config.data import DataConfig
from tinyformer.config.engine import EngineConfig
from tinyformer.config.finetune import FinetuneConfig
from tinyformer.config.limits import LimitsConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.config.network import NetworkConfig
from tinyformer.config.quantization import QuantizationConfig
from tinyformer.config.runtime import RuntimeConfig
from tinyformer.config.search_space import SearchSpaceConfig
from tinyformer.config.sparsenas import SparseNasConfig
from tinyformer.config.sparsity import SparsityConfig
from tinyformer.config.supernas import SuperNasConfig
from tinyformer.config.supernet_training import SupernetTrainingConfig
from tinyformer.config.tracking import TrackingConfig
from tinyformer.config.trainer import TrainerConfig


class Config(Section):
    """One experiment, composed from ``conf/`` and resolved."""

    experiment: str
    seed: int = Field(ge=0, lt=2**32)
    data: DataConfig
    network: NetworkConfig
    search_space: SearchSpaceConfig
    supernas: SuperNasConfig
    supernet_training: SupernetTrainingConfig
    sparsity: SparsityConfig
    sparsenas: SparseNasConfig
    finetune: FinetuneConfig
    quantization: QuantizationConfig
    engine: EngineConfig
    mcu: McuConfig
    limits: LimitsConfig
    tracking: TrackingConfig
    trainer: TrainerConfig
    runtime: RuntimeConfig

    @field_validator("limits")
    @classmethod
    def _limits_fit_the_mcu(cls, limits: LimitsConfig, info: ValidationInfo) -> LimitsConfig:
        if "mcu" in info.data:
            limits.require_within(info.data["mcu"])
        return limits
