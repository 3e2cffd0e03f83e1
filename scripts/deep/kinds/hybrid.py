"""The paper's network (section 1.3): a shared ResNet-18 over the blocks of a film, a Transformer over the
blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.optim.swa_utils import update_bn

from scripts.deep.cpu_trunk import FusedTrunk, can_fuse
from scripts.deep.film_network import FilmNetwork
from scripts.deep.initial_weights import load_trunk
from scripts.deep.kinds.hybrid_architecture import HybridArchitecture
from scripts.deep.resnet import BasicBlock, Trunk


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


class HybridNetwork(FilmNetwork):
    """Global and local logits of osteoporosis for z-scored films.

    Every block of a ``grid`` x ``grid`` partition goes through the shared trunk; the mean of its last map is
    the block's feature. A learnable [BMD] token is put in front, learnable positions are added, ``layers``
    Post-Norm layers follow; a head on the token gives the global logit, a head of its own on every block a
    local one.
    """

    def __init__(self, architecture: HybridArchitecture) -> None:
        super().__init__(architecture)
        grid, width, hidden = architecture.grid, architecture.feature_width, architecture.head_hidden
        self.grid = grid
        self.trunk = Trunk(architecture.trunk_width)
        self.token = nn.Parameter(torch.empty(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, grid * grid + 1, width))
        nn.init.trunc_normal_(self.token, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.dropout = nn.Dropout(architecture.dropout)
        self.encoder = nn.Sequential(
            *(
                EncoderLayer(width, architecture.heads, architecture.mlp_ratio, architecture.dropout)
                for _ in range(architecture.layers)
            )
        )
        self.global_head = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.local_heads = LocalHeads(grid * grid, width, hidden)

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

    def _logits_of_maps(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        return self.logits(maps.mean((2, 3)).view(-1, self.grid**2, maps.shape[1]))

    def forward(self, films: Tensor) -> tuple[Tensor, Tensor]:
        """Films ``(n, 1, side, side)`` to global ``(n,)`` and local ``(n, grid**2)`` logits."""
        return self._logits_of_maps(self.feature_maps(films))

    def loss_terms(self, outputs: tuple[Tensor, Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Binary cross-entropy of the global logits, and its mean over the local ones.

        Every block of a film has the film's label ``(n,)``.
        """
        global_logits, local_logits = outputs
        loss_global = F.binary_cross_entropy_with_logits(global_logits.float(), labels)
        every_block = labels[:, None].expand_as(local_logits)
        return loss_global, F.binary_cross_entropy_with_logits(local_logits.float(), every_block)

    def measure_norms(self, batches: Iterable[Tensor]) -> None:
        """All BatchNorms are the trunk's."""
        update_bn((cut_blocks(films, self.grid) for films in batches), self.trunk)

    def fold_norms(self) -> None:
        """All BatchNorms are the trunk's, each behind a convolution."""
        trunk = self.trunk
        trunk.conv1, trunk.bn1 = fuse_conv_bn_eval(trunk.conv1, trunk.bn1), nn.Identity()
        for block in trunk.modules():
            if isinstance(block, BasicBlock):
                block.conv1, block.bn1 = fuse_conv_bn_eval(block.conv1, block.bn1), nn.Identity()
                block.conv2, block.bn2 = fuse_conv_bn_eval(block.conv2, block.bn2), nn.Identity()
                if block.downsample is not None:
                    block.downsample = nn.Sequential(fuse_conv_bn_eval(*block.downsample))

    def scorer(self, device_type: str, precision: str) -> Callable[[Tensor], Tensor]:
        """On a CPU that has them the trunk's fused operators, elsewhere the trunk."""
        fuse = device_type == "cpu" and can_fuse(precision)
        trunk = FusedTrunk(self.trunk, precision) if fuse else self.trunk
        return lambda films: self._logits_of_maps(trunk(cut_blocks(films, self.grid)))[0]

    def largest_map(self) -> int:
        """Of the first convolution: ``grid**2`` blocks of ``trunk_width`` channels, halved in height and
        width.
        """
        return self.trunk.conv1.out_channels * (self.side // 2) ** 2

    def evidence(self, films: Tensor) -> Tensor:
        """``(n, grid * h, grid * h)`` from the trunk's last maps, put together as the blocks lie in the film.

        The gradient of the global logit by a block's feature (the mean of its last map) weighs that block's
        maps: one weight per block and channel. As the mean lies inside the network, this is Grad-CAM
        (Selvaraju et al. 2017) and HiResCAM (Draelos and Carin 2020) at once.
        """
        n, grid = len(films), self.grid
        maps = self.feature_maps(films).detach().float()
        h = maps.shape[-1]
        features = maps.mean((2, 3)).view(n, grid * grid, -1).requires_grad_()
        logits, _ = self.logits(features)
        (alpha,) = torch.autograd.grad(logits.sum(), features)
        evidence = (maps * alpha.reshape(n * grid * grid, -1, 1, 1) / (h * h)).sum(1)
        return evidence.view(n, grid, grid, h, h).transpose(2, 3).reshape(n, grid * h, grid * h)

    def load_initial(self, content: bytes) -> None:
        """A ResNet-18, as torchvision saves it, for the trunk."""
        load_trunk(self.trunk, content)
