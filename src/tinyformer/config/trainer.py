# SPDX-License-Identifier: Apache-2.0
"""Section ``trainer``: where and how training runs; PyTorch Lightning's words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tinyformer.config.base import Section


class TrainerConfig(Section):
    """Hardware and its use. Two runs give the same bytes under the same settings on every x86-64 processor with AVX2
    (docs/reproducibility.md), elsewhere on the same hardware."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "cpu"
    """What trains; ``auto`` takes an accelerator where there is one."""

    devices: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    """Devices (processes) of each node."""

    num_nodes: int = Field(default=1, ge=1)
    """Machines that train together."""

    strategy: str = "auto"
    """Lightning's strategy, e.g. ``ddp``; a supernet's step leaves weights unused:
    ``ddp_find_unused_parameters_true``."""

    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Arithmetic of forward and backward; bf16-mixed also on CPUs that multiply bfloat16 (AVX512-BF16,
    AMX; needs ``isa: native``); far slower on all others."""

    num_threads: int = Field(default=2, ge=1)
    """Threads of one process on the CPU. Part of the result: another number rounds sums in another order."""

    isa: Literal["portable", "native"] = "portable"
    """Instructions: ``portable`` holds all libraries to AVX2, so that results do not depend on the processor;
    ``native`` lets each take the widest it finds."""

    channels_last: bool = True
    """Keep feature maps in channels-last memory (faster on CPUs and GPUs)."""

    compile: bool = False
    """Compile the forward and backward pass of fixed networks (torch.compile): pays on GPUs after a minute."""

    deterministic: bool = True
    """Deterministic kernels where they exist; without, GPUs choose the fastest and repeat a result only roughly."""
