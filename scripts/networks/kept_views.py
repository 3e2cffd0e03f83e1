"""The source of batches for a network whose first stages are frozen: what they give of a film's views, as
``cache_views`` kept it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scripts.common.errors import StudyError
from scripts.networks.arithmetic import autocast
from scripts.networks.film_network import FilmNetwork
from scripts.networks.films import Film
from scripts.networks.item_stack import ItemStack
from scripts.networks.member import Member
from scripts.networks.settings import Settings
from scripts.networks.view_cache import views_key


class KeptViews(ItemStack):
    """A film goes through what follows the frozen stages as one of its views, at each step another one, the
    film itself among them; it is looked at as itself.

    Parameters
    ----------
    path : array of ``cache_views``
    films, shape : how many films it is of, and the shape of what is kept of a view
    device, needed, anew : as of ``ItemStack``
    """

    def __init__(
        self,
        path: Path,
        films: int,
        shape: tuple[int, ...],
        settings: Settings,
        member: Member,
        device: torch.device,
        needed: int | None = None,
        anew: str = "",
    ) -> None:
        self.views = settings.training.views
        self._settings, self._member = settings, member
        axes, misfit = (films, 1 + self.views), "has another shape than its record tells"
        super().__init__(path, axes, shape, np.float16, torch.float16, device, needed, misfit, anew)

    def drawn(self, films: Sequence[Film], step: int) -> list[int]:
        """Which view each film of a step is seen as."""
        seed = self._member.sub_seed(self._settings.seed, "view", step)
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(1 + self.views, (len(films),), generator=generator).tolist()

    def read(self, batches: Sequence[Sequence[Film]], first_step: int) -> Iterator[Tensor]:
        """The views of each batch's films, in order, for ``inputs``; close the iterator to stop early."""
        return self.stream(
            [
                [film.row * (1 + self.views) + view for film, view in zip(films, self.drawn(films, step))]
                for step, films in enumerate(batches, first_step)
            ]
        )

    @staticmethod
    def inputs(bits: Tensor, films: Sequence[Film], step: int) -> Tensor:
        """What ``part`` takes of the films of a step."""
        return bits.float()

    @staticmethod
    def part(network: FilmNetwork) -> Callable[[Tensor], tuple[Tensor, ...]]:
        """What of a network the films go through."""
        return network.from_frozen

    def frozen(self, network: FilmNetwork, films: Sequence[Film]) -> Tensor:
        """What the frozen stages of ``network`` give of films as they are."""
        return self.bits([film.row * (1 + self.views) for film in films]).float()

    @torch.inference_mode()
    def scores(self, network: FilmNetwork, films: Sequence[Film]) -> list[float]:
        """Each film's probability under the network, but for the rounding of what is kept."""
        options, logits = self._settings.training, []
        network.eval()
        for start in range(0, len(films), options.batch_size):
            with autocast(self.device, options.precision):
                x = self.frozen(network, films[start : start + options.batch_size])
                logits += network.from_frozen(x)[0].double().sigmoid().tolist()
        return logits


def recorded_views(
    record: Path,
    films: Sequence[Film],
    settings: Settings,
    initial: bytes | None,
    member: Member,
    device: torch.device,
    needed: int | None = None,
) -> KeptViews:
    """The views that the file RECORD of ``cache_views`` tells of.

    Parameters
    ----------
    films : all films of the cache that they are of
    initial : content of the weights file that the training starts from

    Raises
    ------
    StudyError : the views are not there, or of other films, settings or weights
    """
    anew = f"Delete '{record.parent}' and run again; cache_views makes it anew."
    try:
        told = json.loads(record.read_text(encoding="utf-8"))
        key, shape = told["key"], tuple(told["shape"])
    except (OSError, ValueError, KeyError):
        raise StudyError(f"The views '{record}' are not there. {anew}") from None
    if initial is None or key != views_key(films, settings, initial):
        raise StudyError(f"The views '{record}' are of other films, settings, weights or code. {anew}")
    array = record.with_name(f"{key}.npy")
    return KeptViews(array, len(films), shape, settings, member, device, needed, anew)
