"""The trunks that the software builds itself: how many stages each has, and how wide it is.

Plain facts, so that neither the config nor a rule needs PyTorch for them; ``scripts/networks/trunks`` holds
the code.
"""

from __future__ import annotations

from typing import NamedTuple


class TrunkFacts(NamedTuple):
    """A trunk's stages, of which the last ones may train alone, and the channels of its last map; of each
    stage the channels of its map, how many pixels of the picture's side one of its places stands for, and its
    share, in 1/10,000, of what a training step saves of a picture for the backward pass.
    """

    stages: int
    width: int
    maps: tuple[tuple[int, int], ...]
    saved: tuple[int, ...]


RESNET18, EFFICIENTNET_LITE0 = "resnet18", "efficientnet_lite0"

TRUNKS = {
    RESNET18: TrunkFacts(
        5,
        512,
        ((64, 4), (64, 4), (128, 8), (256, 16), (512, 32)),
        (3779, 2949, 1843, 922, 507),
    ),
    EFFICIENTNET_LITE0: TrunkFacts(
        9,
        1280,
        ((32, 2), (16, 2), (24, 4), (40, 8), (80, 16), (112, 16), (192, 32), (320, 32), (1280, 32)),
        (432, 915, 3884, 1537, 991, 1150, 836, 184, 71),
    ),
}
"""By name; a ResNet-18 is this wide with 64 channels in its first stage."""


def transformer_width(trunk: str, channels: int) -> int:
    """Width of a Transformer behind a trunk where none is given: that of a ResNet-18 with so many
    ``channels`` in its first stage; 256 behind another trunk, whose last map is wider than few films need.
    """
    return 8 * channels if trunk == RESNET18 else 256


def map_numbers(trunk: str, trained: int, side: int) -> int:
    """Numbers of the map of a picture of ``side`` x ``side`` pixels that goes into a trunk's last ``trained``
    stages; the picture itself goes into the first one.
    """
    facts = TRUNKS[trunk]
    if trained == facts.stages:
        return side**2
    channels, pixels = facts.maps[-1 - trained]
    return channels * (-(-side // pixels)) ** 2


def share_saved(trunk: str, trained_stages: str | int) -> float:
    """Share (0 to 1) of what a trunk saves for the backward pass that its last ``trained_stages`` save, or
    ``all``; 1 for a trunk whose stages aren't known here, unless none trains.
    """
    if trained_stages == 0:
        return 0.0
    if trained_stages == "all" or trunk not in TRUNKS:
        return 1.0
    saved = TRUNKS[trunk].saved
    return sum(saved[-trained_stages:]) / sum(saved)
