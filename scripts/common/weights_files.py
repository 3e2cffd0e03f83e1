"""torchvision's ImageNet weights that a run can fetch: a name holds the first eight hex digits of its file's
SHA-256.
"""

from __future__ import annotations

FOLDER = "weights"

IMAGENET = {"resnet18": "resnet18-f37072fd.pth", "densenet121": "densenet121-a639ec97.pth"}
"""File by backbone (IMAGENET1K_V1), under FOLDER. Their addresses are torchvision's
(``torchvision.models.<Backbone>_Weights.IMAGENET1K_V1.url``)."""


def imagenet_path(backbone: str) -> str:
    """Where the ImageNet weights of a backbone lie."""
    return f"{FOLDER}/{IMAGENET[backbone]}"
