"""What networks ask of a trunk, of whatever name it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import Tensor, nn


class Trunk(nn.Module, ABC):
    """Convolutions over z-scored pictures of one channel, films or blocks of them, without a classifier.

    Attributes
    ----------
    width : channels of the last map
    stages : modules; applied one after the other they are ``forward``, and the last ones can train while
        those before them stay as they are
    """

    width: int
    stages: Sequence[nn.Module]

    def forward(self, pictures: Tensor) -> Tensor:
        """``(n, 1, h, w)`` to the last maps ``(n, width, h / 32, w / 32)``, sides rounded up."""
        x = pictures
        for stage in self.stages:
            x = stage(x)
        return x

    @abstractmethod
    def load_initial(self, content: bytes) -> None:
        """Take over the weights in a file's ``content``.

        Raises ``StudyError`` where the file holds none, or those of another architecture.
        """

    @abstractmethod
    def fold_norms(self) -> None:
        """Put each BatchNorm into the convolution before it; the trunk is in evaluation mode."""

    @abstractmethod
    def largest_map(self, side: int) -> int:
        """Numbers in the largest map that a picture of ``side`` x ``side`` pixels leaves."""

    def scorer(self, device_type: str, precision: str) -> Callable[[Tensor], Tensor]:
        """The fastest way to ``forward``'s maps once the norms are folded in, but for the rounding of sums.

        ``device_type`` is cpu or cuda, ``precision`` fp32 or bf16.
        """
        return self
