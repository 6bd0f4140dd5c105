# SPDX-License-Identifier: Apache-2.0
"""What `tinyformer measure` found on a board: `board.json`, and how the report shows it."""

from __future__ import annotations

from pydantic import Field

from tinyformer.config.base import Section
from tinyformer.report.formatting import integer, milliseconds, percent
from tinyformer.report.headline import HeadlineRow


class BoardFigures(Section):
    """A package on a board, beside the same C on this computer and the same firmware on the simulated board."""

    board: str
    mcu: str
    model: str
    model_sha256: str
    firmware_sha256: str
    date: str
    """ISO 8601, UTC."""

    images: int = Field(ge=1)
    exact_images: int = Field(ge=0)
    """Images whose outputs are those of the C on this computer, bit for bit."""

    cycles: float = Field(gt=0)
    """Of one inference on the board, on average."""

    cycles_smallest: int
    cycles_largest: int
    latency_ms: float = Field(gt=0)
    simulated_cycles: float = Field(gt=0)
    """Of the first images, in the simulator."""

    simulation_error: float
    """Simulated cycles over those of the board for the same images, less 1."""

    def rows(self) -> list[HeadlineRow]:
        """Lines of the headline table."""
        exact = "all" if self.exact_images == self.images else f"{self.exact_images:,} of {self.images:,}"
        side = "above" if self.simulation_error > 0 else "below"
        obtained = (
            f"measured on {self.board}, {self.date[:10]}: {self.images:,} images, {exact} outputs exact; "
            f"the simulation is {percent(abs(self.simulation_error))} {side}"
        )
        return [
            HeadlineRow(key, label, text, text, "", None, obtained)
            for key, label, text in (
                ("board_latency_ms", "Latency, board", milliseconds(self.latency_ms)),
                ("board_cycles", "Cycles, board", integer(self.cycles)),
            )
        ]
