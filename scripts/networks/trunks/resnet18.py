"""A ResNet-18 (He et al. 2016) for films of one channel."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from scripts.networks.initial_weights import fill
from scripts.networks.trunks.fused_resnet import FusedResNet, can_fuse
from scripts.networks.trunks.trunk import Trunk


class BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions, with torchvision's parameter names."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(x)).add_(shortcut), inplace=True)


class Stem(nn.Module):
    """The first convolution of a trunk, its norm and a pooling, to a quarter of the side."""

    def __init__(self, conv1: nn.Module, bn1: nn.Module) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv1, bn1

    def forward(self, x: Tensor) -> Tensor:
        # the ReLU after the pooling instead of before: the same values and gradients, on a quarter of the
        # pixels
        return F.relu(F.max_pool2d(self.bn1(self.conv1(x)), 3, 2, 1), inplace=True)


class ResNet18(Trunk):
    """Five stages: convolution and pooling, and four of two residual blocks.

    With 64 ``channels`` in the first stage the state dict has torchvision's ``resnet18`` names and shapes,
    but for ``conv1`` (one input channel instead of three) and the absent ``fc``.
    """

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.width = 8 * channels
        self.conv1 = nn.Conv2d(1, channels, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = self._stage(channels, channels, 1)
        self.layer2 = self._stage(channels, 2 * channels, 2)
        self.layer3 = self._stage(2 * channels, 4 * channels, 2)
        self.layer4 = self._stage(4 * channels, 8 * channels, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # a tuple, which registers nothing: the weights keep torchvision's names
        self.stages = (Stem(self.conv1, self.bn1), self.layer1, self.layer2, self.layer3, self.layer4)

    @staticmethod
    def _stage(channels_in: int, channels: int, stride: int) -> nn.Sequential:
        return nn.Sequential(BasicBlock(channels_in, channels, stride), BasicBlock(channels, channels, 1))

    def _blocks(self) -> list[BasicBlock]:
        return [block for stage in self.stages[1:] for block in stage]

    def load_initial(self, content: bytes) -> None:
        """By torchvision's names, which are timm's too."""
        fill(self, content, [{name: name for name in self.state_dict()}], {"fc"})

    def fold_norms(self) -> None:
        """Each stands behind a convolution."""
        stem = self.stages[0]
        self.conv1, self.bn1 = fuse_conv_bn_eval(self.conv1, self.bn1), nn.Identity()
        stem.conv1, stem.bn1 = self.conv1, self.bn1
        for block in self._blocks():
            block.conv1, block.bn1 = fuse_conv_bn_eval(block.conv1, block.bn1), nn.Identity()
            block.conv2, block.bn2 = fuse_conv_bn_eval(block.conv2, block.bn2), nn.Identity()
            if block.downsample is not None:
                block.downsample = nn.Sequential(fuse_conv_bn_eval(*block.downsample))

    def largest_map(self, side: int) -> int:
        """Of the first convolution, halved in height and width."""
        return self.conv1.out_channels * (-(-side // 2)) ** 2

    def scorer(self, device_type: str, precision: str) -> Callable[[Tensor], Tensor]:
        """On a CPU that has them the fused operators, elsewhere the trunk."""
        if device_type != "cpu" or not can_fuse(precision):
            return self
        blocks = [
            (block.conv1, block.conv2, None if block.downsample is None else block.downsample[0])
            for block in self._blocks()
        ]
        return FusedResNet(self.conv1, blocks, precision)
