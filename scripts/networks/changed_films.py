"""The source of batches for a network that sees each film changed anew at each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from scripts.networks.augmentation import augment
from scripts.networks.film_network import FilmNetwork
from scripts.networks.films import Film, FilmStack, rows_of
from scripts.networks.member import Member
from scripts.networks.scoring import for_scoring, probabilities
from scripts.networks.settings import Settings


class ChangedFilms:
    """Films of a stack that go through the whole network, changed at random by sub-seeds of the step."""

    def __init__(self, stack: FilmStack, settings: Settings, member: Member) -> None:
        self.device = stack.device
        self._stack, self._settings, self._member = stack, settings, member

    def read(self, batches: Sequence[Sequence[Film]], first_step: int) -> Iterator[Tensor]:
        """The bits of each batch's films, in order, for ``inputs``; close the iterator to stop early."""
        return self._stack.stream([rows_of(films) for films in batches])

    def inputs(self, bits: Tensor, films: Sequence[Film], step: int) -> Tensor:
        """What ``part`` takes of the films of a step."""
        seed = self._member.sub_seed(self._settings.seed, "augment", step)
        return augment(self._stack.standardize(bits, rows_of(films)), seed, self._settings.augmentation)

    @staticmethod
    def part(network: FilmNetwork) -> Callable[[Tensor], tuple[Tensor, ...]]:
        """What of a network the films go through."""
        return network

    def frozen(self, network: FilmNetwork, films: Sequence[Film]) -> Tensor:
        """What the frozen stages of ``network`` give of films as they are."""
        return network.frozen(self._stack.batch(rows_of(films)))

    def scores(self, network: FilmNetwork, films: Sequence[Film]) -> list[float]:
        """Each film's probability under the network."""
        precision = self._settings.training.precision
        return probabilities([for_scoring(network)], self._stack, rows_of(films), precision)[:, 0].tolist()
