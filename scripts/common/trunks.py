"""The trunks that the software builds itself: how many stages each has, and how wide it is.

Plain facts, so that neither the config nor a rule needs PyTorch for them; ``scripts/networks/trunks`` holds
the code.
"""

from __future__ import annotations

from typing import NamedTuple


class TrunkFacts(NamedTuple):
    """A trunk's stages, of which the last ones may train alone, and the channels of its last map."""

    stages: int
    width: int


RESNET18, EFFICIENTNET_LITE0 = "resnet18", "efficientnet_lite0"

TRUNKS = {RESNET18: TrunkFacts(stages=5, width=512), EFFICIENTNET_LITE0: TrunkFacts(stages=9, width=1280)}
"""By name; a ResNet-18 is this wide with 64 channels in its first stage."""


def transformer_width(trunk: str, channels: int) -> int:
    """Width of a Transformer behind a trunk where none is given: that of a ResNet-18 with so many
    ``channels`` in its first stage; 256 behind another trunk, whose last map is wider than few films need.
    """
    return 8 * channels if trunk == RESNET18 else 256
