"""Masks during training: which weights are zero, kept exactly so after every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

from tinyformer.errors import TinyFormerError
from tinyformer.nets.pruning import Masks

Prune: TypeAlias = Callable[[Mapping[str, Tensor], float], Masks]
"""From a state dict and a share, 0..1, of the final sparsity to masks; zero weights count as the least important."""


class MaskedWeights:
    """The hidden weights of a model."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._hidden: dict[str, Tensor] = {}

    def set(self, masks: Masks) -> None:
        """Hide what ``masks`` hide, and nothing else, from now on.

        Raises :class:`TinyFormerError` if a mask does not fit the model.
        """
        parameters = dict(self._model.named_parameters())
        self._hidden = {}
        for layer, mask in masks.items():
            weight = parameters.get(f"{layer}.weight")
            if weight is None or weight.shape != mask.shape:
                found = "no such layer" if weight is None else f"weights of shape {tuple(weight.shape)}"
                raise TinyFormerError(
                    f"The mask of layer '{layer}' has shape {tuple(mask.shape)}, but the network has {found}; "
                    "make the masks from this network's sparsity plan."
                )
            self._hidden[layer] = ~mask.bool()
        self.apply()

    @torch.no_grad()
    def apply(self) -> None:
        """Make every hidden weight +0.0."""
        for layer, hidden in self._hidden.items():
            weight = self._model.get_parameter(f"{layer}.weight")
            weight.masked_fill_(hidden.to(weight.device), 0.0)

    def masks(self) -> dict[str, Tensor]:
        """The masks in force."""
        return {layer: ~hidden for layer, hidden in self._hidden.items()}
