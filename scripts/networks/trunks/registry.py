"""The trunks by name: where the class of each stands.

The names are strings and no imports. So the code of a trunk counts for those alone who run it
(``code_hash``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.common.dotted_names import named
from scripts.common.trunks import EFFICIENTNET_LITE0, RESNET18

if TYPE_CHECKING:
    from scripts.networks.trunks.trunk import Trunk

CLASSES = {
    RESNET18: "scripts.networks.trunks.resnet18.ResNet18",
    EFFICIENTNET_LITE0: "scripts.networks.trunks.efficientnet_lite0.EfficientNetLite0",
}

TORCHVISION = "scripts.networks.trunks.torchvision_backbone.TorchvisionBackbone"
"""What takes every other name, as torchvision's."""


def class_of_trunk(name: str) -> str:
    """Dotted name of a trunk's class."""
    return CLASSES.get(name, TORCHVISION)


def new_trunk(name: str, **size: int) -> Trunk:
    """A trunk with random weights, drawn from PyTorch's generator; ``size`` as its class takes it."""
    known = size if name in CLASSES else {"name": name}
    return named(class_of_trunk(name))(**known)
