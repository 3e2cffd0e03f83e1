"""Weights to start from: torchvision's ResNet-18 for the trunk, or a whole network of this workflow."""

from __future__ import annotations

import io

import torch

from scripts.common.errors import StudyError
from scripts.deep.network import HybridNetwork

_OURS = "Set 'deep.init' to 'imagenet', 'random' or a file of ResNet-18 weights that fits 'deep.architecture'."


def trunk_weights(resnet18: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """ResNet-18 weights for one channel: ``conv1`` summed over its input channels, ``fc`` left out.

    The sum gives what the original gives for a grey image fed into all three channels.
    """
    out = {name: value for name, value in resnet18.items() if not name.startswith("fc.")}
    if "conv1.weight" in out:
        out["conv1.weight"] = out["conv1.weight"].sum(1, keepdim=True)
    return out


def load_initial(network: HybridNetwork, content: bytes) -> None:
    """Put a weights file's ``content`` into ``network``: into the trunk, or everywhere when it holds a whole network.

    Raises ``StudyError`` when the file is no weights file or belongs to another architecture.
    """
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:
        raise StudyError(f"The weights file given by 'deep.init' can't be read as PyTorch weights. {_OURS}") from None
    whole = isinstance(found, dict) and isinstance(found.get("model"), dict)
    weights = found["model"] if whole else found
    if not isinstance(weights, dict) or not all(isinstance(v, torch.Tensor) for v in weights.values()):
        raise StudyError(f"The weights file given by 'deep.init' holds no table of weights. {_OURS}")
    target = network if whole else network.trunk
    weights = weights if whole else trunk_weights(weights)
    wanted = target.state_dict()
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    for name, value in wanted.items():
        if name in counters and name not in weights:  # absent from files of old PyTorch versions
            weights[name] = value
        elif name not in weights:
            raise StudyError(f"The weights file given by 'deep.init' is of another architecture: it lacks '{name}'. {_OURS}")
        elif weights[name].shape != value.shape:
            raise StudyError(
                f"The weights file given by 'deep.init' is of another architecture: '{name}' is "
                f"{tuple(weights[name].shape)} there and {tuple(value.shape)} here (deep.architecture). {_OURS}"
            )
    surplus = sorted(set(weights) - set(wanted))
    if surplus:
        raise StudyError(f"The weights file given by 'deep.init' is of another architecture: '{surplus[0]}' has no place. {_OURS}")
    target.load_state_dict(weights)
