"""The shipped network with one part changed, as ``tests.bench.screening`` trains it; nothing here is shipped.

Every change is a value of ``Changes``; with its defaults the network is the shipped one, weight for weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scripts.common.errors import StudyError
from scripts.networks.kinds.hybrid import HybridNetwork, PreNormLayer, cut_blocks
from scripts.networks.kinds.hybrid_architecture import HybridArchitecture
from scripts.networks.trunks.efficientnet_lite0 import EfficientNetLite0
from scripts.networks.trunks.resnet18 import BasicBlock


@dataclass(frozen=True)
class Changes:
    """What differs from the shipped network.

    Parameters
    ----------
    readout : what the global head sees: ``token``, ``token_mean`` (the token plus the mean of the blocks),
        ``mean`` (of the blocks alone), ``token_local`` (the head on the token plus the mean of the local
        logits)
    token_start : ``learned``, or ``mean`` (the mean of the film's blocks is added to it)
    token_sd : SD of the token's first values
    zero_branches : the last layer of each residual branch of the Transformer starts at zero
    norm_first : Pre-Norm layers and one norm behind them, instead of Post-Norm
    feature_norm : LayerNorm on the blocks' features before the Transformer
    layers : of the Transformer; None keeps the architecture's
    trunk_norm : ``batch``, ``group``, or ``frozen`` (BatchNorm with the statistics of the first films, kept)
    local_detached : the local heads learn, but send no gradient into the network
    trunk : ``resnet`` (on each block), ``resnet_film`` (on the whole film, its last map averaged over the
        grid), ``lite_blocks`` and ``lite_film`` (the same with EfficientNet-Lite0)
    trunk_frozen : the trunk stays as it starts
    """

    readout: str = "token"
    token_start: str = "learned"
    token_sd: float = 0.02
    zero_branches: bool = False
    norm_first: bool = False
    feature_norm: bool = False
    layers: int | None = None
    trunk_norm: str = "batch"
    local_detached: bool = False
    trunk: str = "resnet"
    trunk_frozen: bool = False


def pretrained_trunk(path: Path) -> EfficientNetLite0:
    """EfficientNet-Lite0 with the weights of the file that ``tests.bench.screening_films`` put there.

    Raises ``StudyError`` where the file is absent.
    """
    trunk = EfficientNetLite0()
    try:
        trunk.load_initial(path.read_bytes())
    except FileNotFoundError:
        raise StudyError(
            f"'{path}' is absent. Put it there with 'python -m tests.bench.screening_films --weights FILE'."
        ) from None
    return trunk


class ScreenedNetwork(HybridNetwork):
    """``HybridNetwork`` with ``changes``; a pretrained trunk needs its weights file ``lite``."""

    def __init__(self, changes: Changes, lite: Path | None = None, **architecture: object) -> None:
        kept = architecture["layers"]
        layers = kept if changes.layers is None else changes.layers
        # without layers the hybrid has no token; here a read-out without layers may still see one
        super().__init__(HybridArchitecture(**(architecture | {"layers": max(layers, 1)})))
        self.encoder = self.encoder[:layers]
        self.changes = changes
        width = self.token.shape[-1]
        if changes.token_sd != 0.02:
            self.token.data.mul_(changes.token_sd / 0.02)
        if changes.norm_first:
            for layer in self.encoder:
                layer.__class__ = PreNormLayer
        if changes.zero_branches:
            for layer in self.encoder:
                for last in (layer.out, layer.mlp[-1]):
                    nn.init.zeros_(last.weight)
                    nn.init.zeros_(last.bias)
        self.after = nn.LayerNorm(width) if changes.norm_first else nn.Identity()
        self.before = nn.LayerNorm(width) if changes.feature_norm else nn.Identity()
        self.project = nn.Identity()
        if changes.trunk.startswith("lite"):
            if lite is None:
                raise ValueError("a pretrained trunk needs its weights file")
            self.trunk = pretrained_trunk(lite)
            self.project = nn.Sequential(nn.Linear(self.trunk.width, width), nn.LayerNorm(width))
        elif changes.trunk_norm == "group":
            _group_norms(self.trunk)
        if changes.trunk_frozen:
            self.trunk.requires_grad_(False)

    def train(self, mode: bool = True) -> ScreenedNetwork:
        """As usual, but norms that are kept stay in evaluation mode."""
        super().train(mode)
        if self.changes.trunk_norm == "frozen" or self.changes.trunk.startswith("lite"):
            self.trunk.eval()
        return self

    def block_features(self, films: Tensor) -> Tensor:
        """Films ``(n, 1, side, side)`` to features ``(n, grid**2, width)``."""
        n = films.shape[0]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.changes.trunk_frozen):
            if self.changes.trunk.endswith("_film"):
                maps = self.trunk(films)
                cells = (
                    F.avg_pool2d(maps, maps.shape[-1] // self.grid)
                    if self.grid > 1
                    else maps.mean((2, 3), True)
                )
                features = cells.flatten(2).transpose(1, 2)
            else:
                features = self.trunk(cut_blocks(films, self.grid)).mean((2, 3)).view(n, self.grid**2, -1)
        return self.before(self.project(features))

    def encoded(self, features: Tensor) -> Tensor:
        """Features ``(n, blocks, width)`` to the Transformer's outputs ``(n, 1 + blocks, width)``."""
        token = self.token.expand(features.shape[0], -1, -1)
        if self.changes.token_start == "mean":
            token = token + features.mean(1, keepdim=True)
        x = torch.cat([token, features], dim=1) + self.positions
        return self.after(self.encoder(self.dropout(x)))

    def read_out(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The Transformer's outputs to global ``(n,)`` and local ``(n, grid**2)`` logits."""
        token, blocks = x[:, 0], x[:, 1:]
        local = self.local_heads(blocks.detach() if self.changes.local_detached else blocks)
        seen = {"mean": blocks.mean(1), "token_mean": token + blocks.mean(1)}.get(self.changes.readout, token)
        logit = self.global_head(seen).squeeze(-1)
        return (logit + local.mean(1) if self.changes.readout == "token_local" else logit), local

    def logits(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.read_out(self.encoded(features))

    def forward(self, films: Tensor) -> tuple[Tensor, Tensor]:
        return self.logits(self.block_features(films))

    def parts(self) -> list[list[nn.Parameter]]:
        """Trainable parameters of the trunk, of what lies between, and of the heads."""
        trunk = [p for p in self.trunk.parameters() if p.requires_grad]
        heads = [*self.global_head.parameters(), *self.local_heads.parameters()]
        known = {id(p) for p in (*trunk, *heads)}
        return [trunk, [p for p in self.parameters() if p.requires_grad and id(p) not in known], heads]


def _group_norms(trunk: nn.Module) -> None:
    """GroupNorm of groups of 8 channels in place of every BatchNorm of the ResNet."""
    for module in trunk.modules():
        if isinstance(module, BasicBlock):
            module.bn1, module.bn2 = _grouped(module.bn1), _grouped(module.bn2)
            if module.downsample is not None:
                module.downsample[1] = _grouped(module.downsample[1])
    trunk.bn1 = trunk.stages[0].bn1 = _grouped(trunk.bn1)


def _grouped(norm: nn.BatchNorm2d) -> nn.GroupNorm:
    return nn.GroupNorm(max(norm.num_features // 8, 1), norm.num_features)


def share_between_films(outputs: Sequence[Tensor] | Tensor) -> tuple[float, float]:
    """Share of the mean square of the token and of the blocks that differs between films.

    ``outputs`` is ``(films, 1 + blocks, width)``. At 0 every film has the same vector, at 1 their mean is 0.
    """
    between = outputs.var(0, unbiased=False).mean(-1)
    square = outputs.square().mean((0, 2))
    share = between / square
    return float(share[0]), float(share[1:].mean())
