"""EfficientNet-Lite0 (Tan and Le 2019; without squeeze-and-excitation, with ReLU6) for films of one channel,
padded as TensorFlow pads, where its weights were trained.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from scripts.common.trunks import EFFICIENTNET_LITE0, TRUNKS
from scripts.networks.initial_weights import fill
from scripts.networks.trunks.trunk import Trunk

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, kernel, stride of the first block, expansion and channels of each stage of blocks."""

STEM = 32
"""Channels of the first convolution."""

INPUT_SCALE = 0.5
"""The weights were trained on pixels from -1 to 1, whose SD over photographs is about a half; films come with
an SD of 1. The first convolution is linear and pads with zeros, so its weights take the factor."""


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow pads: its map's side is its input's over the stride, rounded up, and
    of an odd number of rows of zeros the last one lies behind.
    """

    def forward(self, x: Tensor) -> Tensor:
        pad = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1]):
            whole = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pad += [whole // 2, whole - whole // 2]
        return self._conv_forward(F.pad(x, pad), self.weight, self.bias)


class Layer(nn.Module):
    """A convolution with its BatchNorm, and a ReLU6 behind it where it is ``active``."""

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        active: bool = True,
    ) -> None:
        super().__init__()
        if stride == 1:  # the same on both sides
            self.conv = nn.Conv2d(channels_in, channels, kernel, 1, kernel // 2, groups=groups, bias=False)
        else:
            self.conv = SameConv(channels_in, channels, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return F.relu6(x, inplace=True) if self.active else x


class Block(nn.Module):
    """Inverted residual block: wider, over neighbours channel by channel, narrower."""

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels_in * expansion
        self.layers = nn.Sequential(
            *([Layer(channels_in, hidden, 1)] if expansion > 1 else []),
            Layer(hidden, hidden, kernel, stride, groups=hidden),
            Layer(hidden, channels, 1, active=False),
        )
        self.adds = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.adds else self.layers(x)


class EfficientNetLite0(Trunk):
    """Nine stages: a convolution, seven stages of blocks, a convolution to ``width`` channels."""

    def __init__(self) -> None:
        super().__init__()
        self.width = TRUNKS[EFFICIENTNET_LITE0].width
        stages: list[nn.Module] = [Layer(1, STEM, 3, 2)]
        channels = STEM
        for blocks, kernel, stride, expansion, out in STAGES:
            stage = [Block(channels, out, kernel, stride, expansion)]
            stage += [Block(out, out, kernel, 1, expansion) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*stage))
            channels = out
        self.stages = nn.ModuleList([*stages, Layer(channels, self.width, 1)])
        for _, layer in self._layers():
            weight = layer.conv.weight
            nn.init.normal_(weight, std=(2 * layer.conv.groups / (len(weight) * weight[0, 0].numel())) ** 0.5)

    def _layers(self) -> Iterator[tuple[str, Layer]]:
        return ((name, module) for name, module in self.named_modules() if isinstance(module, Layer))

    def load_initial(self, content: bytes) -> None:
        """By the names of TensorFlow's conversion (``_blocks.0._depthwise_conv``), or by timm's
        (``blocks.0.0.conv_dw``).
        """
        own = [name for name, _ in self._layers()]
        layouts = []
        for theirs in (_converted_names(), _timm_names()):
            modules = {}
            for name, (conv, norm) in zip(own, theirs, strict=True):
                modules |= {f"{name}.conv": conv, f"{name}.norm": norm}
            parts = (name.rpartition(".") for name in self.state_dict())
            layouts.append({f"{module}.{value}": f"{modules[module]}.{value}" for module, _, value in parts})
        fill(self, content, layouts, {"_fc", "classifier"}, INPUT_SCALE)

    def fold_norms(self) -> None:
        """Each stands behind a convolution."""
        for _, layer in self._layers():
            layer.conv, layer.norm = fuse_conv_bn_eval(layer.conv, layer.norm), nn.Identity()

    def largest_map(self, side: int) -> int:
        """Of the first block that expands: 96 channels, halved in height and width."""
        return STAGES[0][-1] * STAGES[1][3] * (-(-side // 2)) ** 2


def _converted_names() -> list[tuple[str, str]]:
    """Convolution and norm of each layer, by the names of TensorFlow's conversion to PyTorch."""
    layers, number = [("_conv_stem", "_bn0")], 0
    for blocks, _, _, expansion, _ in STAGES:
        for _ in range(blocks):
            parts = [("_expand_conv", "_bn0")] if expansion > 1 else []
            parts += [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
            layers += [(f"_blocks.{number}.{conv}", f"_blocks.{number}.{norm}") for conv, norm in parts]
            number += 1
    return [*layers, ("_conv_head", "_bn1")]


def _timm_names() -> list[tuple[str, str]]:
    """The same by timm's names."""
    layers = [("conv_stem", "bn1")]
    for stage, (blocks, _, _, expansion, _) in enumerate(STAGES):
        convolutions = ("conv_pw", "conv_dw", "conv_pwl") if expansion > 1 else ("conv_dw", "conv_pw")
        layers += [
            (f"blocks.{stage}.{block}.{conv}", f"blocks.{stage}.{block}.bn{number}")
            for block in range(blocks)
            for number, conv in enumerate(convolutions, start=1)
        ]
    return [*layers, ("conv_head", "bn2")]
