"""Weights to start from: a backbone, as torchvision, timm or a collection of chest films saves it."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence, Set

import torch
from torch import Tensor, nn

from scripts.common.errors import StudyError

_OURS = "Give 'imagenet', 'random' or a file of weights of this backbone, by torchvision's or timm's names."

_TRAINED = (
    "holds a trained network, such as a fold's weights.pt. All folds would start from it, and patients that"
    " it was trained on would no longer be scored out of fold"
)

_OLD_NAMES = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")
"""Names in torchvision's files of DenseNets, ``norm.1.`` for what is called ``norm1.`` today."""


def refused(fault: str) -> StudyError:
    """The error of a weights file that a network can't start from; who reads it says which key names it."""
    return StudyError(f"the weights file {fault}. {_OURS}")


def read_weights(content: bytes) -> dict[str, Tensor]:
    """The weights in a file's ``content``, by the file's names; a ``state_dict`` key around them is opened.

    A network that a fold trained is refused: all folds would start from what one of them learned, and the
    scores of the patients that it was trained on would be out of fold in name only. ``StudyError`` for such a
    file, for one that holds no weights, and for weights that are no finite numbers.
    """
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:
        raise refused(
            "can't be read as PyTorch weights (a file with more than weights in it isn't: save the network's"
            " state_dict() alone)"
        ) from None
    if isinstance(found, dict) and isinstance(found.get("model"), dict):
        raise refused(_TRAINED)
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        raise refused("holds no table of weights")
    if not all(torch.isfinite(value).all() for value in found.values()):
        raise refused("holds values that are no finite numbers")
    return {_OLD_NAMES.sub(r"\1\2.", name): value for name, value in found.items()}


def for_one_channel(weight: Tensor) -> Tensor:
    """Weights of a first convolution, summed over its input channels.

    It gives what the original gives for a grey image fed into all channels.
    """
    return weight.sum(1, keepdim=True)


def first_convolution(trunk: nn.Module) -> tuple[str, nn.Conv2d]:
    """The convolution that sees the film, with its name."""
    return next((name, m) for name, m in trunk.named_modules() if isinstance(m, nn.Conv2d))


def _counts(name: str) -> bool:
    """Whether an entry counts batches: absent from old PyTorch's files, and nothing depends on it."""
    return name.endswith("num_batches_tracked")


def _place(
    weights: Set[str], layouts: Sequence[Mapping[str, str]], first: str
) -> tuple[Mapping[str, str], str]:
    """The layout by which a file names a trunk's weights, and what stands before each name (``module.``).

    Where none has them all, the one that has most, if that is half of them. ``StudyError`` where the file
    holds several such trunks.
    """
    places = [(len(layouts[0]) // 2, layouts[0], "")]
    for layout in layouts:
        needed = [name for name in layout.values() if not _counts(name)]
        sought, found = layout[first], []
        for before in (n[: -len(sought)] for n in weights if n == sought or n.endswith(f".{sought}")):
            found.append((sum(before + name in weights for name in needed), layout, before))
        whole = [before for count, _, before in found if count == len(needed)]
        if len(whole) > 1:
            raise refused(
                f"holds several such backbones, under '{whole[0]}' and '{whole[1]}'; keep one of them"
            )
        if whole:
            return layout, whole[0]
        places += found
    _, layout, before = max(places, key=lambda place: place[0])
    return layout, before


def fill(
    trunk: nn.Module,
    content: bytes,
    layouts: Sequence[Mapping[str, str]],
    heads: Set[str],
    scale: float = 1.0,
) -> None:
    """Put the weights of a file's ``content`` into ``trunk``.

    What stands before all names of the backbone, such as ``module.`` or ``model.``, is taken off; what the
    file holds beside the backbone is left out, and so are buffers that stand alone.

    Parameters
    ----------
    trunk : a backbone for one channel and without its classifier
    layouts : ways in which files name the trunk's weights: the file's name by the trunk's
    heads : what the names of the backbone's classifier begin with, in any layout; the file may hold it
    scale : factor of the first convolution's weights

    Raises
    ------
    StudyError
        Where the file holds no weights (``read_weights``) or those of another backbone.
    """
    found, wanted = read_weights(content), trunk.state_dict()
    first = f"{first_convolution(trunk)[0]}.weight"
    layout, before = _place(found.keys(), layouts, first)
    if f".{before}".endswith(".trunk."):
        raise refused(_TRAINED)
    weights = {name.removeprefix(before): value for name, value in found.items() if name.startswith(before)}
    sought = layout[first]
    if sought in weights and weights[sought].ndim == 4 and weights[sought].shape[1] in (1, 3):
        weights[sought] = for_one_channel(weights[sought]) * scale
    taken = {}
    for name, value in wanted.items():
        theirs = layout[name]
        if theirs not in weights and _counts(name):
            taken[name] = value
        elif theirs not in weights:
            raise refused(f"is of another architecture: it lacks '{theirs}'")
        elif weights[theirs].shape != value.shape:
            raise refused(
                f"is of another architecture: '{theirs}' is {tuple(weights[theirs].shape)} there and"
                f" {tuple(value.shape)} here"
            )
        else:
            taken[name] = weights[theirs]
    known = set(layout.values())
    surplus = sorted(n for n in weights if n not in known and "." in n and n.split(".")[0] not in heads)
    if surplus:
        raise refused(f"is of another architecture: '{surplus[0]}' has no place")
    trunk.load_state_dict(taken)
