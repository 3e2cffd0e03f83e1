"""The paper's network (section 1.3): a shared ResNet-18 over the blocks of a film, a Transformer over the
blocks.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions (He et al. 2016), with torchvision's parameter names."""

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


class Trunk(nn.Module):
    """ResNet-18 for one channel, without its pooling and classification layers.

    At ``width`` 64 the state dict has torchvision's ``resnet18`` names and shapes, but for ``conv1`` (one
    input channel instead of three) and the absent ``fc``.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = self._stage(width, width, 1)
        self.layer2 = self._stage(width, 2 * width, 2)
        self.layer3 = self._stage(2 * width, 4 * width, 2)
        self.layer4 = self._stage(4 * width, 8 * width, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @staticmethod
    def _stage(channels_in: int, channels: int, stride: int) -> nn.Sequential:
        return nn.Sequential(BasicBlock(channels_in, channels, stride), BasicBlock(channels, channels, 1))

    def forward(self, blocks: Tensor) -> Tensor:
        """``(n, 1, b, b)`` to ``(n, 8 * width, b / 32, b / 32)``, rounded up."""
        # the ReLU after the pooling instead of before: the same values and gradients, on a quarter of the
        # pixels
        x = F.relu(F.max_pool2d(self.bn1(self.conv1(blocks)), 3, 2, 1), inplace=True)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class EncoderLayer(nn.Module):
    """A Post-Norm Transformer layer: ``E' = LN(MHSA(E) + E)``, ``E_next = LN(MLP(E') + E')``.

    Attention is written out: for 37 tokens it costs nothing and is exact on every device. Dropout falls on
    the attention weights and on each branch before its sum, as in Vaswani et al. 2017.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: float, dropout: float) -> None:
        super().__init__()
        hidden = int(width * mlp_ratio)
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def attend(self, x: Tensor) -> Tensor:
        """Multi-headed self-attention, ``(n, tokens, width)`` to the same shape."""
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).view(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q * (width // self.heads) ** -0.5) @ k.transpose(-2, -1)
        mixed = self.dropout(weights.softmax(-1)) @ v
        return self.out(mixed.transpose(1, 2).reshape(n, tokens, width))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.dropout(self.attend(x)) + x)
        return self.norm2(self.dropout(self.mlp(x)) + x)


class LocalHeads(nn.Module):
    """One Linear-ReLU-Linear head per block, all of them in two batched products."""

    def __init__(self, blocks: int, width: int, hidden: int) -> None:
        super().__init__()
        self.weight1 = nn.Parameter(torch.empty(blocks, width, hidden).uniform_(-(width**-0.5), width**-0.5))
        self.bias1 = nn.Parameter(torch.empty(blocks, 1, hidden).uniform_(-(width**-0.5), width**-0.5))
        self.weight2 = nn.Parameter(torch.empty(blocks, hidden, 1).uniform_(-(hidden**-0.5), hidden**-0.5))
        self.bias2 = nn.Parameter(torch.empty(blocks, 1, 1).uniform_(-(hidden**-0.5), hidden**-0.5))

    def forward(self, x: Tensor) -> Tensor:
        """``(n, blocks, width)`` to logits ``(n, blocks)``."""
        hidden = F.relu(torch.baddbmm(self.bias1, x.transpose(0, 1), self.weight1))
        return torch.baddbmm(self.bias2, hidden, self.weight2).squeeze(-1).transpose(0, 1)


def cut_blocks(films: Tensor, grid: int) -> Tensor:
    """Cut films ``(n, 1, s, s)`` into ``(n * grid**2, 1, s / grid, s / grid)``, row by row within a film."""
    n, _, side, _ = films.shape
    block = side // grid
    rows = films.view(n, grid, block, grid, block)
    return rows.transpose(2, 3).reshape(n * grid * grid, 1, block, block)


class HybridNetwork(nn.Module):
    """Global and local logits of osteoporosis for z-scored films.

    Every block of a ``grid`` x ``grid`` partition goes through the shared trunk; the mean of its last map is
    the block's feature. A learnable [BMD] token is put in front, learnable positions are added, ``layers``
    Post-Norm layers follow; a head on the token gives the global logit, a head of its own on every block a
    local one.

    Parameters
    ----------
    grid, block_size : blocks per side, and pixels per side of a block
    trunk_width : channels of the trunk's first stage; a feature has ``8 * trunk_width`` values
    layers, heads, mlp_ratio, dropout : of the Transformer
    head_hidden : hidden width of each head
    """

    def __init__(
        self,
        *,
        grid: int,
        block_size: int,
        trunk_width: int,
        layers: int,
        heads: int,
        mlp_ratio: float,
        dropout: float,
        head_hidden: int,
    ) -> None:
        super().__init__()
        width = 8 * trunk_width
        self.grid = grid
        self.side = grid * block_size
        self.trunk = Trunk(trunk_width)
        self.token = nn.Parameter(torch.empty(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, grid * grid + 1, width))
        nn.init.trunc_normal_(self.token, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.encoder = nn.Sequential(*(EncoderLayer(width, heads, mlp_ratio, dropout) for _ in range(layers)))
        self.global_head = nn.Sequential(nn.Linear(width, head_hidden), nn.ReLU(), nn.Linear(head_hidden, 1))
        self.local_heads = LocalHeads(grid * grid, width, head_hidden)

    def feature_maps(self, films: Tensor) -> Tensor:
        """Films ``(n, 1, side, side)`` to the trunk's maps ``(n * grid**2, 8 * trunk_width, h, h)``."""
        return self.trunk(cut_blocks(films, self.grid))

    def logits(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Block features ``(n, grid**2, 8 * trunk_width)`` to global ``(n,)`` and local ``(n, grid**2)``
        logits.
        """
        n = features.shape[0]
        x = torch.cat([self.token.expand(n, -1, -1), features], dim=1) + self.positions
        x = self.encoder(self.dropout(x))
        return self.global_head(x[:, 0]).squeeze(-1), self.local_heads(x[:, 1:])

    def forward(self, films: Tensor) -> tuple[Tensor, Tensor]:
        """Films ``(n, 1, side, side)`` to global ``(n,)`` and local ``(n, grid**2)`` logits."""
        features = self.feature_maps(films).mean((2, 3))
        return self.logits(features.view(films.shape[0], self.grid**2, -1))


def parameter_count(network: nn.Module) -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
