"""A grid laid over a map: the mean of each cell."""

from __future__ import annotations

import torch
from torch import Tensor


def pooling(height: int, grid: int) -> Tensor:
    """Weights ``(height**2, grid**2)`` that take a map of ``height`` x ``height`` places, row by row, to the
    mean of each cell of a ``grid`` x ``grid`` partition; a place that lies in several cells counts in each by
    its area there.
    """
    places = torch.arange(height, dtype=torch.float64)[:, None] * grid / height
    cells = torch.arange(grid, dtype=torch.float64)
    end = torch.minimum(places + grid / height, cells + 1)
    shares = (end - torch.maximum(places, cells)).clamp(min=0)  # of a cell's length
    return torch.kron(shares, shares).float()
