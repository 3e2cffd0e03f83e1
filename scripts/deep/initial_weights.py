"""Weights to start from: a ResNet-18, as torchvision saves it, for the trunk."""

from __future__ import annotations

import io

import torch

from scripts.common.errors import StudyError
from scripts.deep.resnet import Trunk

_OURS = (
    "Set 'deep.init' to 'imagenet', 'random' or a file of ResNet-18 weights that fits 'deep.architecture'."
)


def trunk_weights(resnet18: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """ResNet-18 weights for one channel: ``conv1`` summed over its input channels, ``fc`` left out.

    The sum gives what the original gives for a grey image fed into all three channels.
    """
    out = {name: value for name, value in resnet18.items() if not name.startswith("fc.")}
    if "conv1.weight" in out:
        out["conv1.weight"] = out["conv1.weight"].sum(1, keepdim=True)
    return out


def load_trunk(trunk: Trunk, content: bytes) -> None:
    """Put the ResNet-18 of a weights file's ``content`` into ``trunk``.

    A network that a fold trained is refused: all folds would start from what one of them learned, and the
    scores of the patients that it was trained on would be out of fold in name only.

    Raises ``StudyError`` when the file is no weights file, holds such a network or belongs to another
    architecture.
    """
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:
        raise StudyError(
            f"The weights file given by 'deep.init' can't be read as PyTorch weights. {_OURS}"
        ) from None
    if isinstance(found, dict) and isinstance(found.get("model"), dict):
        raise StudyError(
            "The weights file given by 'deep.init' holds a trained network, such as a fold's weights.pt. All"
            " folds would start from it, and patients that it was trained on would no longer be scored out"
            f" of fold. {_OURS}"
        )
    if not isinstance(found, dict) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise StudyError(f"The weights file given by 'deep.init' holds no table of weights. {_OURS}")
    if not all(torch.isfinite(value).all() for value in found.values()):
        raise StudyError(
            f"The weights file given by 'deep.init' holds values that are no finite numbers. {_OURS}"
        )
    weights = trunk_weights(found)
    wanted = trunk.state_dict()
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    for name, value in wanted.items():
        if name in counters and name not in weights:  # absent from files of old PyTorch versions
            weights[name] = value
        elif name not in weights:
            raise StudyError(
                f"The weights file given by 'deep.init' is of another architecture: it lacks '{name}'."
                f" {_OURS}"
            )
        elif weights[name].shape != value.shape:
            raise StudyError(
                f"The weights file given by 'deep.init' is of another architecture: '{name}' is"
                f" {tuple(weights[name].shape)} there and {tuple(value.shape)} here (deep.architecture)."
                f" {_OURS}"
            )
    surplus = sorted(set(weights) - set(wanted))
    if surplus:
        raise StudyError(
            f"The weights file given by 'deep.init' is of another architecture: '{surplus[0]}' has no place."
            f" {_OURS}"
        )
    trunk.load_state_dict(weights)
