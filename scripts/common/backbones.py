"""Backbones that can look at a whole film, torchvision's and one of our own: names, sizes, smallest films.

The sizes stand in ``backbones.csv``, counted once (torchvision 0.29), so that neither the config nor a rule
needs PyTorch for them: ``parameters`` of the network for one channel with one logit; ``least_side``, of the
smallest film in pixels that the backbone takes; what a training step saves for the backward pass, per pixel
of a film of 512 x 512, as ``saved_numbers`` (of 4 bytes, or 2 in bf16) and ``saved_bytes`` (places and
masks).
"""

from __future__ import annotations

import csv
import difflib
import functools
from pathlib import Path
from typing import NamedTuple


class Backbone(NamedTuple):
    """A row of ``backbones.csv``."""

    parameters: int
    least_side: int
    saved_numbers: float
    saved_bytes: float


@functools.cache
def backbones() -> dict[str, Backbone]:
    """All backbones by name.

    Left out are those that are built for one size of image (vit_*, maxvit_t) or judge an image at two depths
    (googlenet, inception_v3).
    """
    with Path(__file__).with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        return {
            name: Backbone(int(parameters), int(least), float(numbers), float(others))
            for name, parameters, least, numbers, others in list(csv.reader(file))[1:]
        }


def backbone_named(name: str) -> Backbone:
    """The backbone ``name``; ``ValueError`` where there is none."""
    known = backbones()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean '{near[0]}'?" if near else "they are listed in scripts/common/backbones.csv"
        raise ValueError(f"backbone '{name}' is none of those for films of any size; {advice}")
    return known[name]


def backbone_for(name: str, side: int) -> Backbone:
    """The same; ``ValueError`` also where it can't take films of ``side`` x ``side`` pixels."""
    found = backbone_named(name)
    if side < found.least_side:
        raise ValueError(f"side ({side}) is too small for {name}; set at least {found.least_side}")
    return found
