"""The kinds of networks: where the class of each stands, and the class of its architecture.

The names are strings and no imports. So the code of a kind counts for those alone who run it (``code_hash``),
and an architecture is there without PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from scripts.common.dotted_names import file_of, named
from scripts.networks.trunks.registry import class_of_trunk

if TYPE_CHECKING:
    from scripts.networks.film_network import Architecture, FilmNetwork


class Kind(NamedTuple):
    """Dotted names of a kind's network and of its architecture."""

    network: str
    architecture: str


HYBRID = "hybrid"
"""The paper's network, and the kind of a weights file that names none: version 0.1.0 had no other."""

WHOLE_FILM = "whole_film"
"""A torchvision backbone over the whole film."""

KINDS = {
    HYBRID: Kind(
        "scripts.networks.kinds.hybrid.HybridNetwork",
        "scripts.networks.kinds.hybrid_architecture.HybridArchitecture",
    ),
    WHOLE_FILM: Kind(
        "scripts.networks.kinds.whole_film.WholeFilmNetwork",
        "scripts.networks.kinds.whole_film_architecture.WholeFilmArchitecture",
    ),
}


def architecture_class(kind: str) -> type[Architecture]:
    """The class of a kind's architecture, a frozen dataclass; needs no PyTorch."""
    return named(KINDS[kind].architecture)


def new_network(kind: str, architecture: Architecture) -> FilmNetwork:
    """A network of a kind with random weights, drawn from PyTorch's generator."""
    return named(KINDS[kind].network)(architecture)


def kind_of(network: FilmNetwork) -> str:
    """The kind of a network."""
    dotted = f"{type(network).__module__}.{type(network).__qualname__}"
    return next(kind for kind, named in KINDS.items() if named.network == dotted)


def code_of(kind: str, architecture: Architecture) -> list[str]:
    """The files that hold a kind's network and its trunk, for the hash of the code that runs them."""
    return [file_of(KINDS[kind].network), file_of(class_of_trunk(architecture.trunk))]
