"""What the loop, scoring, heat maps and bundle ask of a network, of whatever kind it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Protocol

from torch import Tensor, nn


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

    def parameter_count(self) -> int:
        """Number of weights."""

    def activations(self, value: int) -> int:
        """Bytes that a training step saves of one film for the backward pass, at ``value`` bytes a number."""


class FilmNetwork(nn.Module, ABC):
    """A network that gives z-scored films ``(n, 1, side, side)`` logits of osteoporosis.

    Parameters
    ----------
    architecture : what it is built from
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture

    @property
    def side(self) -> int:
        """Rows and columns of a film, in pixels."""
        return self.architecture.side

    @abstractmethod
    def forward(self, films: Tensor) -> tuple[Tensor, ...]:
        """Logits; the first are the films' own ``(n,)``, from which their scores come."""

    @abstractmethod
    def loss_terms(self, outputs: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """The global and the local loss of ``forward``'s outputs for labels ``(n,)``, in fp32.

        The second one counts ``training.local_weight`` times; 0 for a kind that judges no parts of a film.
        """

    @abstractmethod
    def measure_norms(self, batches: Iterable[Tensor]) -> None:
        """Set every BatchNorm's mean and variance to those of ``batches`` of films, under the present
        weights.
        """

    @abstractmethod
    def fold_norms(self) -> None:
        """Put each BatchNorm that follows a convolution into it; the network is in evaluation mode."""

    @abstractmethod
    def scorer(self, device_type: str, precision: str) -> Callable[[Tensor], Tensor]:
        """The fastest way from films to their logits ``(n,)`` once the norms are folded in.

        It follows ``forward`` but for the rounding of sums. ``device_type`` is cpu or cuda, ``precision``
        fp32 or bf16.
        """

    @abstractmethod
    def largest_map(self) -> int:
        """Numbers in the largest map that a film leaves in the network."""

    @abstractmethod
    def evidence(self, films: Tensor) -> Tensor:
        """Evidence for osteoporosis over each film, signed: ``(n, m, m)``, from the layer whose maps are
        shown.
        """

    @abstractmethod
    def load_initial(self, content: bytes) -> None:
        """Take over what this kind can start from, out of a weights file's ``content``.

        Raises ``StudyError`` where the file is none that fits.
        """
