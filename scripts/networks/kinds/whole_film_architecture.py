"""The geometry of a backbone over the whole film, and how large the network is that it makes.

Plain Python: the rules count memory by it, and must not import PyTorch for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from scripts.common.backbones import Backbone, backbone_for
from scripts.common.errors import StudyError
from scripts.common.trunks import TRUNKS, map_numbers, share_saved


@dataclass(frozen=True)
class WholeFilmArchitecture:
    """``backbone``, ``side`` and ``dropout`` of a model of this kind in the config.

    Attributes
    ----------
    backbone : a name of ``backbones.csv``
    side : rows and columns of a film, in pixels
    dropout : share of the features that is left out in training

    Raises
    ------
    StudyError : there is no such backbone, or it can't take films of this side
    """

    backbone: str
    side: int
    dropout: float

    def __post_init__(self) -> None:
        self._counted()

    @property
    def trunk(self) -> str:
        """The backbone."""
        return self.backbone

    @property
    def side_key(self) -> str:
        """The setting of a model that makes films smaller."""
        return "side"

    @property
    def frozen_part(self) -> dict[str, object]:
        """What decides what a film's way to features is, the last layer left out."""
        return {"backbone": self.backbone, "side": self.side}

    def view_numbers(self, trained_stages: int) -> int | None:
        """Numbers that the frozen stages give of a film, where so many of the last ones train; None for a
        backbone of torchvision's whose maps aren't known.
        """
        if self.backbone not in TRUNKS:
            return None
        whole = trained_stages == 0
        return TRUNKS[self.backbone].width if whole else map_numbers(self.backbone, trained_stages, self.side)

    def _counted(self) -> Backbone:
        try:
            return backbone_for(self.backbone, self.side)
        except ValueError as error:
            raise StudyError(f"The architecture's {error}.") from None

    def parameter_count(self) -> int:
        """Number of weights of the network, its last layer included."""
        return self._counted().parameters

    def activations(self, value: int, trained_stages: str | int = "all") -> int:
        """Bytes that a training step saves of one film for the backward pass, at ``value`` bytes a number,
        where the last ``trained_stages`` of the trunk train.

        Counted at 512 x 512 pixels and scaled by the area. Maps are rounded up at every halving, so the side
        counts as a multiple of 32.
        """
        found, side = self._counted(), -(-self.side // 32) * 32
        saved = side**2 * (value * found.saved_numbers + found.saved_bytes)
        return round(share_saved(self.backbone, trained_stages) * saved)
