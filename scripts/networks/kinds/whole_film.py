"""A trunk over the whole film, at once and without blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scripts.networks.film_network import FilmNetwork
from scripts.networks.trunks.registry import new_trunk

if TYPE_CHECKING:
    from scripts.networks.film_network import Architecture


class WholeFilmNetwork(FilmNetwork):
    """One logit for a z-scored film: the mean over the trunk's last maps, dropout, a linear layer.

    Parameters
    ----------
    architecture : ``backbone`` (a trunk's name, or torchvision's), ``side`` and ``dropout``
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.trunk = new_trunk(architecture.backbone)
        self.dropout = nn.Dropout(architecture.dropout)
        self.head = nn.Linear(self.trunk.width, 1)

    def pool(self, maps: Tensor) -> Tensor:
        """The means of the last maps ``(n, width)``."""
        return maps.mean((2, 3))

    def logits(self, features: Tensor) -> tuple[Tensor, ...]:
        """Features to logits ``(n,)``."""
        return (self.head(self.dropout(features)).squeeze(-1),)

    def loss_terms(self, outputs: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Binary cross-entropy of the logits; nothing is local."""
        loss = F.binary_cross_entropy_with_logits(outputs[0].float(), labels)
        return loss, torch.zeros_like(loss)

    def largest_map(self) -> int:
        """The trunk's."""
        return self.trunk.largest_map(self.side)
