"""Weights to start from: a backbone, as torchvision saves it."""

from __future__ import annotations

import io
import re
from collections.abc import Set

import torch
from torch import Tensor, nn

from scripts.common.errors import StudyError

_OURS = "Give 'imagenet', 'random' or a file of torchvision's weights of this backbone."

_OLD_NAMES = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")
"""Names in torchvision's files of DenseNets, ``norm.1.`` for what is called ``norm1.`` today."""


def refused(fault: str) -> StudyError:
    """The error of a weights file that a network can't start from; who reads it says which key names it."""
    return StudyError(f"the weights file {fault}. {_OURS}")


def read_weights(content: bytes) -> dict[str, Tensor]:
    """The weights in a file's ``content``, by torchvision's names.

    A network that a fold trained is refused: all folds would start from what one of them learned, and the
    scores of the patients that it was trained on would be out of fold in name only. ``StudyError`` for such a
    file, for one that holds no weights, and for weights that are no finite numbers.
    """
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:
        raise refused("can't be read as PyTorch weights") from None
    if isinstance(found, dict) and isinstance(found.get("model"), dict):
        raise refused(
            "holds a trained network, such as a fold's weights.pt. All folds would start from it, and"
            " patients that it was trained on would no longer be scored out of fold"
        )
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


def fill(trunk: nn.Module, first: str, content: bytes, classifier: Set[str]) -> None:
    """Put the weights of a file's ``content`` into ``trunk``.

    Parameters
    ----------
    trunk : a backbone for one channel and without its classifier
    first : name of its first convolution's weight
    classifier : names of the backbone's weights that the trunk lacks; the file may hold them

    Raises
    ------
    StudyError
        Where the file holds no weights (``read_weights``) or those of another backbone.
    """
    weights = {name: value for name, value in read_weights(content).items() if name not in classifier}
    if first in weights:
        weights[first] = for_one_channel(weights[first])
    wanted = trunk.state_dict()
    for name, value in wanted.items():
        if name not in weights and name.endswith("num_batches_tracked"):  # absent from old PyTorch's files
            weights[name] = value
        elif name not in weights:
            raise refused(f"is of another architecture: it lacks '{name}'")
        elif weights[name].shape != value.shape:
            raise refused(
                f"is of another architecture: '{name}' is {tuple(weights[name].shape)} there and"
                f" {tuple(value.shape)} here"
            )
    surplus = sorted(weights.keys() - wanted.keys())
    if surplus:
        raise refused(f"is of another architecture: '{surplus[0]}' has no place")
    trunk.load_state_dict(weights)


def fill_resnet18(trunk: nn.Module, content: bytes) -> None:
    """Put a ResNet-18 of a file's ``content`` into a ``Trunk``."""
    fill(trunk, "conv1.weight", content, {"fc.weight", "fc.bias"})
