"""The kinds of networks: where the class of each stands, and the class of its architecture.

The names are strings and no imports. So the code of a kind counts for those alone who run it (``code_hash``),
and an architecture is there without PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from scripts.deep.film_network import Architecture, FilmNetwork


class Kind(NamedTuple):
    """Dotted names of a kind's network and of its architecture."""

    network: str
    architecture: str


HYBRID = "hybrid"
"""The paper's network."""

KINDS = {
    HYBRID: Kind(
        "scripts.deep.kinds.hybrid.HybridNetwork",
        "scripts.deep.kinds.hybrid_architecture.HybridArchitecture",
    ),
}


def _named(dotted: str) -> Any:
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def architecture_class(kind: str) -> type[Architecture]:
    """The class of a kind's architecture, a frozen dataclass; needs no PyTorch."""
    return _named(KINDS[kind].architecture)


def new_network(kind: str, architecture: Architecture) -> FilmNetwork:
    """A network of a kind with random weights, drawn from PyTorch's generator."""
    return _named(KINDS[kind].network)(architecture)


def code_of(kind: str) -> str:
    """The file that holds a kind's network, for the hash of the code that runs it."""
    return KINDS[kind].network.rpartition(".")[0].replace(".", "/") + ".py"
