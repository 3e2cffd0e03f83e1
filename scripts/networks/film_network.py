"""What the loop, scoring, heat maps and bundle ask of a network, of whatever kind it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from scripts.common.errors import StudyError
from scripts.networks.trunks.trunk import Trunk


class Architecture(Protocol):
    """What a kind's architecture says of its network without building it; a frozen dataclass."""

    @property
    def side(self) -> int:
        """Rows and columns of a film, in pixels."""

    @property
    def side_key(self) -> str:
        """The setting of a model that makes films smaller."""

    @property
    def trunk(self) -> str:
        """Name of what looks at the pixels."""

    @property
    def frozen_part(self) -> dict[str, object]:
        """What decides what ``frozen`` gives, beside weights and frozen stages."""

    def view_numbers(self, trained_stages: int) -> int | None:
        """How many numbers ``frozen`` gives of a film; None where that is known to the network alone."""

    def parameter_count(self) -> int:
        """Number of weights."""

    def activations(self, value: int, trained_stages: str | int = "all") -> int:
        """Bytes that a training step saves of one film for the backward pass, at ``value`` bytes a number,
        where the last ``trained_stages`` of the trunk train.
        """


class FilmNetwork(nn.Module, ABC):
    """A network that gives z-scored films ``(n, 1, side, side)`` logits of osteoporosis.

    A film is cut or taken whole (``cut``), goes through the stages of a trunk to its last maps, these become
    features (``pool``), and the heads judge the features (``logits``). The first stages can be frozen:
    ``frozen`` computes them once, ``from_frozen`` goes on from there.

    Parameters
    ----------
    architecture : what it is built from

    Attributes
    ----------
    trunk : its stages are applied one after the other
    frozen_stages : how many of the first ones never train
    resting : whether the other stages don't train for now either
    fixed_norms : whether the BatchNorms keep their statistics in training, those of stages that train as well
    """

    trunk: Trunk

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.frozen_stages, self.resting, self.fixed_norms = 0, False, False

    @property
    def side(self) -> int:
        """Rows and columns of a film, in pixels."""
        return self.architecture.side

    # -------------------------------------------------------------------------------- what a kind says

    def cut(self, films: Tensor) -> Tensor:
        """What the trunk sees of films ``(n, 1, side, side)``: themselves, or the parts of each in order."""
        return films

    @abstractmethod
    def pool(self, maps: Tensor) -> Tensor:
        """The trunk's last maps to features ``(n, ...)``."""

    @abstractmethod
    def logits(self, features: Tensor) -> tuple[Tensor, ...]:
        """Features to logits; the first are the films' own ``(n,)``, from which their scores come."""

    def laid_out(self, maps: Tensor) -> Tensor:
        """Maps of one channel ``(m, h, h)``, which lie as the trunk's last ones do, put together as
        ``(n, k, k)`` over the films.
        """
        return maps

    @abstractmethod
    def loss_terms(self, outputs: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """The global and the local loss of ``forward``'s outputs for labels ``(n,)``, in fp32.

        The second one counts ``training.local_weight`` times; 0 for a kind that judges no parts of a film.
        """

    @abstractmethod
    def largest_map(self) -> int:
        """Numbers in the largest map that a film leaves in the network."""

    # ------------------------------------------------------------------------------------ the way through

    def last_maps(self, films: Tensor) -> Tensor:
        """Films ``(n, 1, side, side)`` to the trunk's last maps."""
        return self.trunk(self.cut(films))

    def frozen(self, films: Tensor) -> Tensor:
        """Films ``(n, 1, side, side)`` through the frozen stages, without gradient: one tensor a film
        ``(n, ...)``.

        Where all stages are frozen these are the features; where none is, the films themselves. They depend
        on the film, the frozen stages and the arithmetic alone, so they can be computed once and kept.
        """
        if not self.frozen_stages:
            return films
        with torch.no_grad():
            x = self.cut(films)
            for stage in self.trunk.stages[: self.frozen_stages]:
                x = stage(x)
            whole = self.frozen_stages == len(self.trunk.stages)
            return self.pool(x) if whole else x.unflatten(0, (len(films), -1))

    def from_frozen(self, x: Tensor) -> tuple[Tensor, ...]:
        """What ``frozen`` gave, to the logits of ``logits``."""
        if not self.frozen_stages:
            return self.logits(self.pool(self.last_maps(x)))
        if self.frozen_stages < len(self.trunk.stages):
            x = x.flatten(0, 1)
            for stage in self.trunk.stages[self.frozen_stages :]:
                x = stage(x)
            x = self.pool(x)
        return self.logits(x)

    def forward(self, films: Tensor) -> tuple[Tensor, ...]:
        """Films ``(n, 1, side, side)`` to the logits of ``logits``."""
        return self.from_frozen(self.frozen(films))

    def scorer(self, device_type: str, precision: str) -> Callable[[Tensor], Tensor]:
        """The fastest way from films to their logits ``(n,)`` once the norms are folded in.

        It follows ``forward`` but for the rounding of sums. ``device_type`` is cpu or cuda, ``precision``
        fp32 or bf16.
        """
        maps = self.trunk.scorer(device_type, precision)
        return lambda films: self.logits(self.pool(maps(self.cut(films))))[0]

    def fold_norms(self) -> None:
        """Put each BatchNorm that follows a convolution into it; the network is in evaluation mode."""
        self.trunk.fold_norms()

    def load_initial(self, content: bytes) -> None:
        """Take over the trunk's weights out of a file's ``content``.

        Raises ``StudyError`` where the file is none that fits.
        """
        self.trunk.load_initial(content)

    # ------------------------------------------------------------------------------------------- training

    def freeze(self, trained_stages: str | int, fixed_norms: bool) -> None:
        """Let the last ``trained_stages`` of the trunk train, or ``all``; the others stay as they are.

        Raises ``StudyError`` where the trunk has fewer stages.
        """
        stages = len(self.trunk.stages)
        trained = stages if trained_stages == "all" else trained_stages
        if trained > stages:
            raise StudyError(
                f"{trained} stages can't train, since {self.architecture.trunk} has {stages} that are known."
                " Give at most so many, or 'all'."
            )
        self.frozen_stages = stages - trained
        self.fixed_norms = fixed_norms
        self.rest(False)

    def rest(self, resting: bool) -> None:
        """Let the stages that aren't frozen rest, or train; while they rest the heads train alone."""
        self.resting = resting
        self.trunk.requires_grad_(not resting)
        for stage in self.trunk.stages[: self.frozen_stages]:
            stage.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> FilmNetwork:
        """As for every module, but what is frozen or rests stays in evaluation, and so do fixed norms."""
        super().train(mode)
        if mode and self.resting:
            self.trunk.eval()
        for stage in self.trunk.stages[: self.frozen_stages]:
            stage.eval()
        if self.fixed_norms:
            for norm in _batch_norms(self.trunk):
                norm.eval()
        return self

    def trunk_parameters(self) -> list[nn.Parameter]:
        """Weights of the stages that aren't frozen."""
        frozen = {id(p) for stage in self.trunk.stages[: self.frozen_stages] for p in stage.parameters()}
        return [p for p in self.trunk.parameters() if id(p) not in frozen]

    @torch.no_grad()
    def measure_norms(self, batches: Iterable[Tensor]) -> None:
        """Set the mean and variance of each BatchNorm that moves in training to those of ``batches``, as
        ``frozen`` gives them, under the present weights.

        The BatchNorms alone are in training meanwhile: what is random in training stays still. A network
        without such a norm takes no batch.
        """
        self.train()
        norms = [norm for norm in _batch_norms(self.trunk) if norm.training]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        self.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.train()
        for x in batches:
            self.from_frozen(x)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self.train()

    # ------------------------------------------------------------------------------------------ heat maps

    def evidence(self, films: Tensor) -> Tensor:
        """Evidence for osteoporosis over each film, signed: ``(n, k, k)``, from the trunk's last maps.

        The gradient of a film's logit by these maps times the maps, summed over the channels: HiResCAM
        (Draelos and Carin 2020). Where a mean lies between the maps and the rest of the network, the gradient
        is the same at every place of what is averaged, and this is Grad-CAM (Selvaraju et al. 2017) too.
        """
        maps = self.last_maps(films).detach().float().requires_grad_()
        (gradient,) = torch.autograd.grad(self.logits(self.pool(maps))[0].sum(), maps)
        return self.laid_out((maps.detach() * gradient).sum(1))


def _batch_norms(module: nn.Module) -> list[_BatchNorm]:
    return [one for one in module.modules() if isinstance(one, _BatchNorm)]
