"""The paper's network (section 1.3): a shared ResNet-18 over the blocks of a film, a Transformer over the
blocks.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scripts.networks.cells import pooling
from scripts.networks.film_network import FilmNetwork
from scripts.networks.kinds.hybrid_architecture import HybridArchitecture
from scripts.networks.trunks.registry import new_trunk


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


class PreNormLayer(EncoderLayer):
    """A Pre-Norm Transformer layer: ``E' = MHSA(LN(E)) + E``, ``E_next = MLP(LN(E')) + E'`` (Xiong et al.
    2020, "On Layer Normalization in the Transformer Architecture").
    """

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.attend(self.norm1(x))) + x
        return self.dropout(self.mlp(self.norm2(x))) + x


class FeatureNorm(nn.LayerNorm):
    """A LayerNorm on the blocks' features.

    Its output doesn't depend on the features' length, so the gradient by a block's features times these is 0
    for every block, and a heat map would not tell the blocks apart. Outside training its SD therefore counts
    as a constant when a gradient is taken (Ali et al., ICML 2022); the output stays the same.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training or not torch.is_grad_enabled():
            return super().forward(x)
        sd = (x.var(-1, correction=0, keepdim=True) + self.eps).sqrt().detach()
        return (x - x.mean(-1, keepdim=True)) / sd * self.weight + self.bias


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


def _drawn(tokens: int, width: int) -> nn.Parameter:
    """Learnable tokens ``(1, tokens, width)``, small at the start."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, tokens, width), std=0.02))


class HybridNetwork(FilmNetwork):
    """Global and local logits of osteoporosis for z-scored films.

    Every block of a ``grid`` x ``grid`` partition goes through the shared trunk; the mean of its last map is
    the block's feature. Or the trunk sees the whole film, and the mean over a cell of its last map is that
    block's feature. A linear map leads to the Transformer's width where that is another, a LayerNorm follows
    where ``feature_norm`` says so. A learnable [BMD] token is put in front, learnable positions are added,
    ``layers`` Transformer layers follow; a head on the token (or on token and mean of the blocks) gives the
    global logit, a head of its own on every block a local one. Without layers there is neither token nor
    positions, and the global head is on the mean of the blocks' features.
    """

    def __init__(self, architecture: HybridArchitecture) -> None:
        super().__init__(architecture)
        grid, width, hidden = architecture.grid, architecture.feature_width, architecture.head_hidden
        self.grid = grid
        self.trunk = new_trunk(architecture.trunk, **architecture.trunk_size)
        self.project = None if self.trunk.width == width else nn.Linear(self.trunk.width, width)
        self.feature_norm = FeatureNorm(width) if architecture.feature_norm else None
        self.token = _drawn(1, width) if architecture.layers else None
        self.positions = _drawn(grid * grid + 1, width) if architecture.adds_positions else None
        self.dropout = nn.Dropout(architecture.dropout)
        layer = PreNormLayer if architecture.pre_norm else EncoderLayer
        self.encoder = nn.Sequential(
            *(
                layer(width, architecture.heads, architecture.mlp_ratio, architecture.dropout)
                for _ in range(architecture.layers)
            )
        )
        self.last_norm = nn.LayerNorm(width) if architecture.pre_norm else None
        self.global_head = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.local_heads = LocalHeads(grid * grid, width, hidden) if architecture.local_heads else None
        cells = pooling(architecture.map_side, grid) if architecture.sees_film else None
        self.register_buffer("cells", cells, persistent=False)

    def cut(self, films: Tensor) -> Tensor:
        """The blocks of each film, or the films."""
        return films if self.architecture.sees_film else cut_blocks(films, self.grid)

    def pool(self, maps: Tensor) -> Tensor:
        """The trunk's last maps to block features ``(n, grid**2, channels)``."""
        if self.cells is None:
            return maps.mean((2, 3)).view(-1, self.grid**2, maps.shape[1])
        return (maps.flatten(2) @ self.cells).transpose(1, 2)

    def logits(self, features: Tensor) -> tuple[Tensor, ...]:
        """Block features ``(n, grid**2, channels)`` to global ``(n,)`` and, where there are local heads,
        local ``(n, grid**2)`` logits.
        """
        n = features.shape[0]
        features = features if self.project is None else self.project(features)
        features = features if self.feature_norm is None else self.feature_norm(features)
        x = features if self.token is None else torch.cat([self.token.expand(n, -1, -1), features], dim=1)
        x = x if self.positions is None else x + self.positions
        x = self.encoder(self.dropout(x))
        x = x if self.last_norm is None else self.last_norm(x)
        film, blocks = (x.mean(1), x) if self.token is None else (x[:, 0], x[:, 1:])
        film = film + blocks.mean(1) if self.architecture.adds_mean else film
        logits = self.global_head(film).squeeze(-1)
        return (logits,) if self.local_heads is None else (logits, self.local_heads(blocks))

    def laid_out(self, maps: Tensor) -> Tensor:
        """Those of blocks put together as the blocks lie in the film."""
        if self.architecture.sees_film:
            return maps
        grid, h = self.grid, maps.shape[-1]
        return maps.view(-1, grid, grid, h, h).transpose(2, 3).reshape(-1, grid * h, grid * h)

    def loss_terms(self, outputs: tuple[Tensor, ...], labels: Tensor) -> tuple[Tensor, Tensor]:
        """Binary cross-entropy of the global logits, and its mean over the local ones.

        Every block of a film has the film's label ``(n,)``.
        """
        loss_global = F.binary_cross_entropy_with_logits(outputs[0].float(), labels)
        if self.local_heads is None:
            return loss_global, torch.zeros_like(loss_global)
        local_logits = outputs[1]
        every_block = labels[:, None].expand_as(local_logits)
        return loss_global, F.binary_cross_entropy_with_logits(local_logits.float(), every_block)

    def largest_map(self) -> int:
        """The trunk's, of the film or of all its blocks."""
        return self.architecture.pictures * self.trunk.largest_map(self.architecture.picture_side)
