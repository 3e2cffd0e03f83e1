"""Probabilities of films under a trained network, and the AUC."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from scripts.deep.arithmetic import autocast
from scripts.deep.films import FilmStack
from scripts.deep.network import BasicBlock, HybridNetwork

FILMS_PER_FORWARD = {"cpu": 1, "cuda": 16}
"""Fixed per device: the last batch is filled up, so a film's score depends on no other film's presence or place."""


def for_scoring(network: HybridNetwork) -> HybridNetwork:
    """A copy in evaluation mode, with every BatchNorm folded into its convolution."""
    fused = copy.deepcopy(network).eval()
    trunk = fused.trunk
    trunk.conv1, trunk.bn1 = fuse_conv_bn_eval(trunk.conv1, trunk.bn1), nn.Identity()
    for block in trunk.modules():
        if isinstance(block, BasicBlock):
            block.conv1, block.bn1 = fuse_conv_bn_eval(block.conv1, block.bn1), nn.Identity()
            block.conv2, block.bn2 = fuse_conv_bn_eval(block.conv2, block.bn2), nn.Identity()
            if block.downsample is not None:
                block.downsample = nn.Sequential(fuse_conv_bn_eval(*block.downsample))
    return fused.to(memory_format=torch.channels_last)


@torch.inference_mode()
def probabilities(networks: Sequence[HybridNetwork], stack: FilmStack, rows: Sequence[int], precision: str) -> np.ndarray:
    """``(len(rows), len(networks))`` float64: sigmoid of the global logit of films ``rows`` under each network.

    ``networks`` come from ``for_scoring`` and lie on the stack's device.
    """
    size = FILMS_PER_FORWARD[stack.device.type]
    scores = np.empty((len(rows), len(networks)))
    for start in range(0, len(rows), size):
        chosen = list(rows[start : start + size])
        films = stack.batch(chosen + chosen[:1] * (size - len(chosen)))
        for n, network in enumerate(networks):
            with autocast(stack.device, precision):
                logits, _ = network(films)
            scores[start : start + len(chosen), n] = torch.sigmoid(logits.double()).cpu().numpy()[: len(chosen)]
    return scores


def auc(labels: Sequence[int], scores: Sequence[float]) -> float:
    """Area under the ROC curve by mid-ranks (Mann-Whitney); NaN when a class is absent."""
    labels, scores = np.asarray(labels, bool), np.asarray(scores, float)
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if positives == 0 or negatives == 0:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))
