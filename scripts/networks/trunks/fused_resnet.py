"""A ResNet in evaluation on a CPU, each convolution with the sum and the ReLU behind it in one pass over
memory.

With bf16 units a CPU computes a convolution in the time in which its result is written and read again; a ReLU
or a sum of its own then costs as much as the convolution. oneDNN has them in one operation. PyTorch reaches
it through two operators that its compiler uses (``torch.ops.mkldnn``); they need no compiler. Where they are
absent the plain trunk is used: the numbers are the same but for the rounding of a sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scripts.networks.arithmetic import has_bf16


def can_fuse(precision: str) -> bool:
    """Whether this CPU and this build of PyTorch have the fused operators in ``precision`` (fp32, bf16)."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_convolution_pointwise_"):
        return False
    return precision == "fp32" or has_bf16()


class FusedResNet:
    """A trunk whose BatchNorms are folded in already, in the arithmetic of ``precision``.

    Called with films or blocks ``(n, 1, h, w)`` it gives the maps that the trunk gives. For inference only.

    Parameters
    ----------
    stem : the first convolution
    blocks : of each residual block its two convolutions and that of its shortcut, if it has one
    """

    def __init__(
        self, stem: nn.Conv2d, blocks: Sequence[tuple[nn.Conv2d, nn.Conv2d, nn.Conv2d | None]], precision: str
    ) -> None:
        self._kind = torch.bfloat16 if precision == "bf16" else torch.float32
        self._stem = self._weights(stem)
        self._blocks = [
            (
                self._weights(first),
                self._weights(second),
                None if shortcut is None else self._weights(shortcut),
            )
            for first, second, shortcut in blocks
        ]

    def _weights(self, convolution: nn.Conv2d) -> tuple[Tensor, Tensor, list[int], list[int]]:
        weight, bias = (t.detach().to(self._kind) for t in (convolution.weight, convolution.bias))
        return (
            weight.contiguous(memory_format=torch.channels_last),
            bias,
            list(convolution.stride),
            list(convolution.padding),
        )

    @staticmethod
    def _convolved(x: Tensor, convolution: tuple, activation: str) -> Tensor:
        weight, bias, stride, padding = convolution
        return torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, padding, stride, [1, 1], 1, activation, [], ""
        )

    def __call__(self, pictures: Tensor) -> Tensor:
        x = pictures.to(self._kind).contiguous(memory_format=torch.channels_last)
        x = F.max_pool2d(self._convolved(x, self._stem, "relu"), 3, 2, 1)
        for first, second, shortcut in self._blocks:
            total = x if shortcut is None else self._convolved(x, shortcut, "none")
            weight, bias, stride, padding = second
            # into ``total``: relu(conv2(relu(conv1(x))) + shortcut)
            torch.ops.mkldnn._convolution_pointwise_.binary(
                total,
                self._convolved(x, first, "relu"),
                weight,
                bias,
                padding,
                stride,
                [1, 1],
                1,
                "add",
                1.0,
                "relu",
                [],
                None,
            )
            x = total
        return x
