"""A trunk over the whole film, at once and without blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

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

    def forward(self, films: Tensor) -> tuple[Tensor, ...]:
        """Films ``(n, 1, side, side)`` to logits ``(n,)``."""
        return self._logits_of_maps(self.trunk(films))

    def _logits_of_maps(self, maps: Tensor) -> tuple[Tensor, ...]:
        return (self.head(self.dropout(maps.mean((2, 3)))).squeeze(-1),)

    def loss_terms(self, outputs: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Binary cross-entropy of the logits; nothing is local."""
        loss = F.binary_cross_entropy_with_logits(outputs[0].float(), labels)
        return loss, torch.zeros_like(loss)

    @torch.no_grad()
    def measure_norms(self, batches: Iterable[Tensor]) -> None:
        """The BatchNorms alone are in training meanwhile: what is random in training stays still.

        A backbone without BatchNorm has nothing to measure.
        """
        norms = [module for module in self.trunk.modules() if isinstance(module, _BatchNorm)]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        self.trunk.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.train()
        for films in batches:
            self.trunk(films)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self.trunk.train()

    def fold_norms(self) -> None:
        """The trunk's."""
        self.trunk.fold_norms()

    def scorer(self, device_type: str, precision: str) -> Callable[[Tensor], Tensor]:
        """Through the trunk's own."""
        maps = self.trunk.scorer(device_type, precision)
        return lambda films: self._logits_of_maps(maps(films))[0]

    def largest_map(self) -> int:
        """The trunk's."""
        return self.trunk.largest_map(self.side)

    def evidence(self, films: Tensor) -> Tensor:
        """``(n, h, w)`` from the trunk's last maps, of evaluation.

        Between the maps and the logit there are a mean and a linear layer, so the gradient of the logit is
        the same at every place of a map: Grad-CAM (Selvaraju et al. 2017), HiResCAM (Draelos and Carin 2020)
        and CAM (Zhou et al. 2016) are one, and its sum over the places is the logit without its bias.
        """
        maps = self.trunk(films).detach().float()
        weights = self.head.weight.detach().float().view(1, -1, 1, 1)
        return (maps * weights).sum(1) / maps[0, 0].numel()

    def load_initial(self, content: bytes) -> None:
        """The trunk; a classifier in the file is left out."""
        self.trunk.load_initial(content)
