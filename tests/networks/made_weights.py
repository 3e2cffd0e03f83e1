"""Weights as tests make them up."""

from __future__ import annotations

import io

import torch
from torch import nn


def saved(weights: object) -> bytes:
    """Content of a file of weights."""
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    return buffer.getvalue()


def trained_like(network: nn.Module) -> nn.Module:
    """The network in evaluation mode, its BatchNorms with statistics of their own, as after training."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return network.eval()
