"""The hybrid's architecture, and how large the network is that it makes.

Plain Python: the rules count memory by it, and must not import PyTorch for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from scripts.common.trunks import RESNET18


@dataclass(frozen=True)
class HybridArchitecture:
    """``architecture`` of a model of this kind in the config.

    Attributes
    ----------
    grid, block_size : blocks per side of a film, and pixels per side of a block
    trunk_width : channels of the trunk's first stage; a block's feature has ``8 * trunk_width`` values
    layers, heads, mlp_ratio, dropout : of the Transformer; without layers there is no Transformer, and the
        global head takes the mean of the blocks' features
    head_hidden : hidden width of each head
    positions : ``learned`` or ``none``
    local_heads : whether every block has a head, which a local loss trains
    trunk : a name of scripts/common/trunks.py
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

    @property
    def adds_positions(self) -> bool:
        """Whether the blocks' places are added to their features, which the Transformer alone looks at."""
        return self.layers > 0 and self.positions == "learned"

    @property
    def side(self) -> int:
        """Rows and columns of a film, in pixels."""
        return self.grid * self.block_size

    @property
    def side_key(self) -> str:
        """The setting of a model that makes films smaller."""
        return "architecture.block_size"

    @property
    def feature_width(self) -> int:
        """Values of a block's feature."""
        return 8 * self.trunk_width

    def parameter_count(self) -> int:
        """Number of weights of the network, layer by layer."""
        base, blocks = self.trunk_width, self.grid**2
        trunk = 49 * base + 2 * base
        for stage in range(4):
            into, out = base * 2 ** max(stage - 1, 0), base * 2**stage
            trunk += 9 * out * (into + 3 * out) + 8 * out  # four 3x3 convolutions, each with its BatchNorm
            if stage:
                trunk += into * out + 2 * out
        width, head = self.feature_width, self.head_hidden
        hidden = int(width * self.mlp_ratio)
        layer = 4 * width * (width + 1) + 2 * width * hidden + hidden + width + 4 * width
        one_head = width * head + head + head + 1
        tokens = (self.layers > 0) + self.adds_positions * (blocks + 1)
        heads = 1 + self.local_heads * blocks
        return trunk + width * tokens + self.layers * layer + heads * one_head

    def activations(self, value: int) -> int:
        """Bytes that a training step saves of one film for the backward pass, at ``value`` bytes a number."""
        trunk = self.grid**2 * trunk_activations(self.block_size, self.trunk_width, value)
        return trunk + self._encoder_activations(value)

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
