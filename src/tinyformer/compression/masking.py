# SPDX-License-Identifier: Apache-2.0
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
    """The hidden weights of a model.

    With ``regrowth`` the hidden weights live on as dense shadows: forward and backward see zeros, every step is taken
    on the shadows with the gradients that zeros have (the straight-through estimator), and a later mask may let grown
    ones in again (Lin et al., arXiv 2006.07253), until :meth:`settle`.
    """

    def __init__(self, model: nn.Module, *, regrowth: bool = False) -> None:
        self._model = model
        self._regrowth = regrowth
        self._hidden: dict[str, Tensor] = {}
        self._shadows: dict[str, Tensor] = {}

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
        """Make every hidden weight +0.0, and remember its shadow where weights may grow again."""
        if self._regrowth:
            self._shadows = {layer: self._weight(layer).clone() for layer in self._hidden}
        self.hide()

    @torch.no_grad()
    def hide(self) -> None:
        """Make every hidden weight +0.0."""
        for layer, hidden in self._hidden.items():
            weight = self._weight(layer)
            weight.masked_fill_(hidden.to(weight.device), 0.0)

    @torch.no_grad()
    def release(self) -> None:
        """Put the shadows in the place of the hidden weights."""
        for layer, shadow in self._shadows.items():
            self._weight(layer).copy_(shadow)

    def settle(self) -> None:
        """From now on what is hidden stays so: the shadows are forgotten."""
        self._regrowth = False
        self._shadows = {}

    def masks(self) -> dict[str, Tensor]:
        """The masks in force."""
        return {layer: ~hidden for layer, hidden in self._hidden.items()}

    def shadows(self) -> dict[str, Tensor]:
        """The shadows by layer; none where weights do not grow again."""
        return self._shadows

    def restore(self, masks: Masks, shadows: Mapping[str, Tensor]) -> None:
        """Put saved masks and shadows in force. Raises as :meth:`set`."""
        self.set(masks)
        self._shadows = {layer: shadow.to(self._weight(layer).device) for layer, shadow in shadows.items()}
        self._regrowth = bool(shadows)

    def _weight(self, layer: str) -> Tensor:
        return self._model.get_parameter(f"{layer}.weight")
