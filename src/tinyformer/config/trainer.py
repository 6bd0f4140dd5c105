"""Section ``trainer``: where and how training runs; PyTorch Lightning's words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tinyformer.config.base import Section


class TrainerConfig(Section):
    """Hardware and its use. Two runs give the same bytes on the same hardware under the same settings."""

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
    """Arithmetic of forward and backward; 32-true on CPUs, where bf16 is slower."""

    num_threads: int = Field(default=2, ge=1)
    """Threads of one process on the CPU. Part of the result: another number rounds sums in another order."""

    channels_last: bool = True
    """Keep feature maps in channels-last memory (faster on CPUs and GPUs)."""

    progress_bar: bool = True
    """Show a progress bar while training."""
