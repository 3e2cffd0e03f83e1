"""Random changes to whole films in training, before they are cut into blocks."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from scripts.deep.settings import Augmentation


def draw_changes(n: int, seed: int, settings: Augmentation) -> tuple[Tensor, Tensor, Tensor]:
    """Draw the changes of ``n`` films on the CPU, so that every device gets the same ones for the same seed.

    Returns
    -------
    matrices : ``(n, 2, 3)``, from a changed film's coordinates (-1 to 1) to the film's
    contrast, brightness : ``(n, 1, 1, 1)``, factor, and addend in SDs of the film
    """
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(n, 7, generator=generator, dtype=torch.float64)
    signed = 2 * draw - 1
    flip = torch.where(draw[:, 0] < settings.flip, -1.0, 1.0)
    angle = signed[:, 1] * math.radians(settings.rotation)
    smallest, largest = settings.crop_scale
    shrink = 1 / (smallest + draw[:, 2] * (largest - smallest))
    shift_x, shift_y = 2 * settings.shift * signed[:, 3], 2 * settings.shift * signed[:, 4]
    cos, sin = shrink * angle.cos(), shrink * angle.sin()
    matrices = torch.stack(
        [torch.stack([flip * cos, -flip * sin, shift_x], 1), torch.stack([sin, cos, shift_y], 1)], 1
    )
    brightness = settings.brightness * signed[:, 5]
    contrast = 1 + settings.contrast * signed[:, 6]
    return matrices.float(), contrast.float().view(n, 1, 1, 1), brightness.float().view(n, 1, 1, 1)


def augment(films: Tensor, seed: int, settings: Augmentation) -> Tensor:
    """Flip, rotate, zoom and shift z-scored films ``(n, 1, s, s)``, then change contrast and brightness.

    All geometry is one bilinear sampling; beyond a film's edge its border value goes on. Contrast and
    brightness come after the z-score: before it they would cancel. The few drawn numbers go to the device
    without waiting for it.
    """
    matrices, contrast, brightness = (
        t.to(films.device, non_blocking=True) for t in draw_changes(len(films), seed, settings)
    )
    grid = F.affine_grid(matrices, list(films.shape), align_corners=False)
    moved = F.grid_sample(films, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return moved * contrast + brightness
