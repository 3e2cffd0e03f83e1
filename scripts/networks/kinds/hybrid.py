"""The paper's network (section 1.3): a shared ResNet-18 over the blocks of a film, a Transformer over the
blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

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
    the block's feature. A learnable [BMD] token is put in front, learnable positions are added, ``layers``
    Post-Norm layers follow; a head on the token gives the global logit, a head of its own on every block a
    local one. Without layers there is neither token nor positions, and the global head is on the mean of the
    blocks' features.
    """

    def __init__(self, architecture: HybridArchitecture) -> None:
        super().__init__(architecture)
        grid, width, hidden = architecture.grid, architecture.feature_width, architecture.head_hidden
        self.grid = grid
        self.trunk = new_trunk(architecture.trunk, channels=architecture.trunk_width)
        self.token = _drawn(1, width) if architecture.layers else None
        self.positions = _drawn(grid * grid + 1, width) if architecture.adds_positions else None
        self.dropout = nn.Dropout(architecture.dropout)
        self.encoder = nn.Sequential(
            *(
                EncoderLayer(width, architecture.heads, architecture.mlp_ratio, architecture.dropout)
                for _ in range(architecture.layers)
            )
        )
        self.global_head = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.local_heads = LocalHeads(grid * grid, width, hidden) if architecture.local_heads else None

    def feature_maps(self, films: Tensor) -> Tensor:
        """Films ``(n, 1, side, side)`` to the trunk's maps ``(n * grid**2, 8 * trunk_width, h, h)``."""
        return self.trunk(cut_blocks(films, self.grid))

    def logits(self, features: Tensor) -> tuple[Tensor, ...]:
        """Block features ``(n, grid**2, 8 * trunk_width)`` to global ``(n,)`` and, where there are local
        heads, local ``(n, grid**2)`` logits.
        """
        n = features.shape[0]
        x = features if self.token is None else torch.cat([self.token.expand(n, -1, -1), features], dim=1)
        x = x if self.positions is None else x + self.positions
        x = self.encoder(self.dropout(x))
        film, blocks = (x.mean(1), x) if self.token is None else (x[:, 0], x[:, 1:])
        logits = self.global_head(film).squeeze(-1)
        return (logits,) if self.local_heads is None else (logits, self.local_heads(blocks))

    def _logits_of_maps(self, maps: Tensor) -> tuple[Tensor, ...]:
        return self.logits(maps.mean((2, 3)).view(-1, self.grid**2, maps.shape[1]))

    def forward(self, films: Tensor) -> tuple[Tensor, ...]:
        """Films ``(n, 1, side, side)`` to the logits of ``logits``."""
        return self._logits_of_maps(self.feature_maps(films))

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

    def measure_norms(self, batches: Iterable[Tensor]) -> None:
        """All BatchNorms are the trunk's."""
        update_bn((cut_blocks(films, self.grid) for films in batches), self.trunk)

    def fold_norms(self) -> None:
        """All BatchNorms are the trunk's, each behind a convolution."""
        self.trunk.fold_norms()

    def scorer(self, device_type: str, precision: str) -> Callable[[Tensor], Tensor]:
        """The trunk's own."""
        trunk = self.trunk.scorer(device_type, precision)
        return lambda films: self._logits_of_maps(trunk(cut_blocks(films, self.grid)))[0]

    def largest_map(self) -> int:
        """The trunk's of a block, times the blocks."""
        return self.grid**2 * self.trunk.largest_map(self.side // self.grid)

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
        logits = self.logits(features)[0]
        (alpha,) = torch.autograd.grad(logits.sum(), features)
        evidence = (maps * alpha.reshape(n * grid * grid, -1, 1, 1) / (h * h)).sum(1)
        return evidence.view(n, grid, grid, h, h).transpose(2, 3).reshape(n, grid * h, grid * h)

    def load_initial(self, content: bytes) -> None:
        """The trunk."""
        self.trunk.load_initial(content)
