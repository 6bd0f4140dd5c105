"""The whole configuration: what ``params.yaml`` holds."""

from __future__ import annotations

from pydantic import Field

from tinyformer.config.base import Section
from tinyformer.config.data import DataConfig
from tinyformer.config.engine import EngineConfig
from tinyformer.config.finetune import FinetuneConfig
from tinyformer.config.mcu import McuConfig
from tinyformer.config.quantization import QuantizationConfig
from tinyformer.config.search_space import SearchSpaceConfig
from tinyformer.config.sparsenas import SparseNasConfig
from tinyformer.config.sparsity import SparsityConfig
from tinyformer.config.supernas import SuperNasConfig
from tinyformer.config.tracking import TrackingConfig
from tinyformer.config.train import TrainConfig
from tinyformer.config.trainer import TrainerConfig


class Config(Section):
    """One experiment, composed from ``conf/`` and resolved."""

    experiment: str
    seed: int = Field(ge=0)
    data: DataConfig
    search_space: SearchSpaceConfig
    supernas: SuperNasConfig
    train: TrainConfig
    sparsity: SparsityConfig
    sparsenas: SparseNasConfig
    finetune: FinetuneConfig
    quantization: QuantizationConfig
    engine: EngineConfig
    mcu: McuConfig
    tracking: TrackingConfig
    trainer: TrainerConfig
