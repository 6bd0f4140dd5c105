# SPDX-License-Identifier: Apache-2.0
"""What a configuration asks of the machine, looked at before the first stage instead of hours later by a late one."""

from __future__ import annotations

from importlib.util import find_spec

from tinyformer.config.root import Config
from tinyformer.config.runtime import RAY_MISSING
from tinyformer.errors import TinyFormerError
from tinyformer.instruction_set import cpu_features

_BFLOAT16 = {"avx512_bf16", "amx_bf16"}
"""Linux's names of the extensions that multiply bfloat16."""


def check_requirements(config: Config) -> None:
    """Raise :class:`TinyFormerError` where this machine lacks what ``config`` needs; the message says what instead."""
    if config.runtime.pool == "ray" and find_spec("ray") is None:
        raise TinyFormerError(RAY_MISSING)
    wanted = {"trainer.accelerator": config.trainer.accelerator, "sparsenas.device": config.sparsenas.device}
    for key, device in wanted.items():
        if device in ("gpu", "cuda") and not _has_gpu():
            raise TinyFormerError(
                f"{key} is {device}, but PyTorch finds no GPU here: set {key}=cpu, or install PyTorch with CUDA."
            )


def slow_choices(config: Config) -> list[str]:
    """Sentences about settings that work here, but much more slowly than others."""
    trainer = config.trainer
    if trainer.accelerator != "cpu" or trainer.precision != "bf16-mixed":
        return []
    if trainer.isa == "portable":
        return ["trainer.precision=bf16-mixed is slow with trainer.isa=portable, which has no bfloat16: set native."]
    if cpu_features().isdisjoint(_BFLOAT16):
        return [
            "trainer.precision=bf16-mixed is about ten times slower than 32-true on this processor, which has neither "
            "AVX512-BF16 nor AMX: set trainer=cpu."
        ]
    return []


def _has_gpu() -> bool:
    import torch  # noqa: PLC0415 - slow to import, and hardly ever asked

    return bool(torch.cuda.is_available())
