"""The hybrid's architecture, and how large the network is that it makes.

Plain Python: the rules count memory by it, and must not import PyTorch for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from scripts.common.backbones import backbone_named
from scripts.common.trunks import RESNET18, TRUNKS, map_numbers, share_saved, transformer_width


@dataclass(frozen=True)
class HybridArchitecture:
    """``architecture`` of a model of this kind in the config.

    What version 0.1.0 didn't know has a default here, under which the network is the one that it had.

    Attributes
    ----------
    grid, block_size : blocks per side of a film, and pixels per side of a block
    trunk_width : channels of a ResNet-18's first stage; its last map has ``8 * trunk_width``
    layers, heads, mlp_ratio, dropout : of the Transformer; without layers there is no Transformer, and the
        global head takes the mean of the blocks' features
    head_hidden : hidden width of each head
    positions : ``learned`` or ``none``
    local_heads : whether every block has a head, which a local loss trains
    trunk : a name of TRUNKS
    trunk_sees : ``block``, each by itself, or ``film``, the grid being laid over the last map
    width : of the Transformer; None is what ``transformer_width`` gives
    feature_norm : LayerNorm on the blocks' features before token and positions
    layer_order : ``post_norm``, or ``pre_norm`` with one norm behind the last layer
    read_out : what the global head sees: ``token``, or ``token_and_mean`` of the blocks
    """

    grid: int
    block_size: int
    trunk_width: int
    layers: int
    heads: int
    mlp_ratio: float
    dropout: float
    head_hidden: int
    positions: str = "learned"
    local_heads: bool = True
    trunk: str = RESNET18
    trunk_sees: str = "block"
    width: int | None = None
    feature_norm: bool = False
    layer_order: str = "post_norm"
    read_out: str = "token"

    @property
    def adds_positions(self) -> bool:
        """Whether the blocks' places are added to their features, which the Transformer alone looks at."""
        return self.layers > 0 and self.positions == "learned"

    @property
    def adds_mean(self) -> bool:
        """Whether the global head sees the mean of the blocks beside the token."""
        return self.layers > 0 and self.read_out == "token_and_mean"

    @property
    def pre_norm(self) -> bool:
        """Whether the Transformer's layers are Pre-Norm ones."""
        return self.layers > 0 and self.layer_order == "pre_norm"

    @property
    def sees_film(self) -> bool:
        """Whether the trunk sees whole films."""
        return self.trunk_sees == "film"

    @property
    def side(self) -> int:
        """Rows and columns of a film, in pixels."""
        return self.grid * self.block_size

    @property
    def side_key(self) -> str:
        """The setting of a model that makes films smaller."""
        return "architecture.block_size"

    @property
    def picture_side(self) -> int:
        """Rows and columns of what the trunk sees at once."""
        return self.side if self.sees_film else self.block_size

    @property
    def pictures(self) -> int:
        """How many of them a film gives."""
        return 1 if self.sees_film else self.grid**2

    @property
    def map_side(self) -> int:
        """Rows and columns of the last map of a picture: a thirty-second, rounded up."""
        return -(-self.picture_side // 32)

    @property
    def trunk_size(self) -> dict[str, int]:
        """What the trunk's class takes."""
        return {"channels": self.trunk_width} if self.trunk == RESNET18 else {}

    @property
    def frozen_part(self) -> dict[str, object]:
        """What decides what a film's way to features is, heads and Transformer left out."""
        parts = ("grid", "block_size", "trunk", "trunk_sees")
        return {name: getattr(self, name) for name in parts} | self.trunk_size

    def view_numbers(self, trained_stages: int) -> int:
        """Numbers that the frozen stages give of a film, where so many of the last ones train."""
        if trained_stages == 0:
            return self.grid**2 * self.trunk_features
        found = self.pictures * map_numbers(self.trunk, trained_stages, self.picture_side)
        narrow = self.trunk == RESNET18 and trained_stages < TRUNKS[RESNET18].stages
        return found * self.trunk_width // 64 if narrow else found

    @property
    def trunk_features(self) -> int:
        """Channels of the trunk's last map."""
        return 8 * self.trunk_width if self.trunk == RESNET18 else TRUNKS[self.trunk].width

    @property
    def feature_width(self) -> int:
        """Values of a block's feature in the Transformer."""
        return self.width or transformer_width(self.trunk, self.trunk_width)

    def parameter_count(self) -> int:
        """Number of weights of the network, layer by layer."""
        width, head, blocks = self.feature_width, self.head_hidden, self.grid**2
        hidden = int(width * self.mlp_ratio)
        layer = 4 * width * (width + 1) + 2 * width * hidden + hidden + width + 4 * width
        one_head = width * head + head + head + 1
        tokens = (self.layers > 0) + self.adds_positions * (blocks + 1)
        heads = 1 + self.local_heads * blocks
        norms = 2 * width * (self.feature_norm + self.pre_norm)
        project = width * (self.trunk_features + 1) if width != self.trunk_features else 0
        return self._trunk_count() + project + norms + width * tokens + self.layers * layer + heads * one_head

    def _trunk_count(self) -> int:
        """Number of weights of the trunk."""
        if self.trunk != RESNET18:
            return backbone_named(self.trunk).parameters - self.trunk_features - 1  # without the one logit
        base = self.trunk_width
        count = 49 * base + 2 * base
        for stage in range(4):
            into, out = base * 2 ** max(stage - 1, 0), base * 2**stage
            count += 9 * out * (into + 3 * out) + 8 * out  # four 3x3 convolutions, each with its BatchNorm
            if stage:
                count += into * out + 2 * out
        return count

    def activations(self, value: int, trained_stages: str | int = "all") -> int:
        """Bytes that a training step saves of one film for the backward pass, at ``value`` bytes a number,
        where the last ``trained_stages`` of the trunk train.
        """
        of_trunk = share_saved(self.trunk, trained_stages) * self._trunk_activations(value)
        return round(of_trunk) + self._encoder_activations(value)

    def _trunk_activations(self, value: int) -> int:
        """Bytes that the trunk saves of one film."""
        side = self.picture_side
        if self.trunk == RESNET18:
            return self.pictures * trunk_activations(side, self.trunk_width, value)
        found = backbone_named(self.trunk)
        pixels = (32 * self.map_side) ** 2
        return round(self.pictures * pixels * (value * found.saved_numbers + found.saved_bytes))

    def _encoder_activations(self, value: int) -> int:
        """Bytes that the Transformer saves of one film (norms and softmax take fp32).

        A layer saves its input; queries, keys and values as computed and as multiplied; the mixed values;
        both sums and both norms; the MLP's hidden values before and after GELU and dropout; the attention
        weights twice; dropout's masks.
        """
        tokens, width = self.grid**2 + 1, self.feature_width
        hidden = int(width * self.mlp_ratio)
        masks = 1 if self.dropout else 0
        per_token = value * (8 * width + 3 * hidden) + 4 * 4 * width + masks * (2 * width + hidden)
        attention = self.heads * tokens**2 * (4 + value + masks)
        return self.layers * (tokens * per_token + attention)


def _halved(side: int) -> int:
    """Side of a map after a step of two (kernel 7, 3 or 1 with its padding)."""
    return (side + 1) // 2


def trunk_activations(block: int, width: int, value: int) -> int:
    """Bytes that the trunk saves of one block of ``block`` x ``block`` pixels, at ``value`` bytes a number.

    A convolution saves its input, a BatchNorm its input, a ReLU its output (in place of the BatchNorm's); the
    max-pooling saves its input and int64 places. So a residual block leaves four maps, and one more where its
    shortcut is a convolution.
    """
    half = _halved(block)
    side = _halved(half)
    saved = value * (block**2 + 2 * width * half**2) + (value + 8) * width * side**2
    for stage in range(4):
        if stage:
            side = _halved(side)
        maps = 8 if stage == 0 else 9
        saved += value * maps * width * 2**stage * side**2
    return saved
