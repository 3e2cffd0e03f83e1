"""The paper's network and training as one would first write them, for comparison: ``tests.bench.networks``
times it.

It is written fairly, as a careful author of a single-use script would: torchvision's ResNet-18 with a
one-channel first layer, a DataLoader with workers, Pillow and torchvision's transforms on each film in each
epoch, fp32, the blocks in a loop with
``AdaptiveAvgPool2d``, PyTorch's own Transformer layer, a list of local heads. It computes what HybridNetwork
computes (same parameter count but for the unused ``fc``), and nothing in it is slow on purpose.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms


class Films(Dataset):
    """PNG films of 16 bits and their labels; decoded, resized and augmented each time one is asked for."""

    def __init__(self, paths: list[Path], labels: list[int], side: int, augment: bool) -> None:
        self.paths, self.labels = paths, labels
        self.resize = transforms.Resize((side, side), antialias=False)
        self.change = transforms.Compose(
            [
                transforms.RandomHorizontalFlip(),
                transforms.RandomAffine(
                    10,
                    translate=(0.05, 0.05),
                    scale=(0.9, 1.1),
                    interpolation=transforms.InterpolationMode.BILINEAR,
                ),
            ]
        )
        self.augment = augment

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, n: int) -> tuple[Tensor, float]:
        with Image.open(self.paths[n]) as film:
            pixels = np.asarray(film).astype(np.float32)
        film = self.resize(torch.from_numpy(pixels)[None])
        film = (film - film.mean()) / film.std()
        if self.augment:
            film = self.change(film)
            film = film * (1 + 0.1 * (2 * torch.rand(1) - 1)) + 0.1 * (2 * torch.rand(1) - 1)
        return film, float(self.labels[n])


class NaiveNetwork(nn.Module):
    """ResNet-18 on each of ``grid**2`` blocks, a Post-Norm Transformer over them, global and local heads."""

    def __init__(self, grid: int = 6, layers: int = 6, heads: int = 8, hidden: int = 256) -> None:
        super().__init__()
        self.grid = grid
        resnet = models.resnet18(weights=None)
        resnet.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        self.features = nn.Sequential(*list(resnet.children())[:-2])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, 512))
        self.positions = nn.Parameter(0.02 * torch.randn(1, grid * grid + 1, 512))
        layer = nn.TransformerEncoderLayer(512, heads, 2048, 0.1, "gelu", batch_first=True, norm_first=False)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.global_head = nn.Sequential(nn.Linear(512, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.local_heads = nn.ModuleList(
            nn.Sequential(nn.Linear(512, hidden), nn.ReLU(), nn.Linear(hidden, 1)) for _ in range(grid * grid)
        )

    def forward(self, films: Tensor) -> tuple[Tensor, Tensor]:
        """``(n, 1, s, s)`` to global ``(n,)`` and local ``(n, grid**2)`` logits."""
        size = films.shape[-1] // self.grid
        tokens = [self.token.expand(len(films), -1, -1)]
        for row in range(self.grid):
            for column in range(self.grid):
                block = films[:, :, row * size : (row + 1) * size, column * size : (column + 1) * size]
                tokens.append(self.pool(self.features(block)).flatten(1)[:, None])
        x = self.encoder(torch.cat(tokens, 1) + self.positions)
        local = [head(x[:, n + 1])[:, 0] for n, head in enumerate(self.local_heads)]
        return self.global_head(x[:, 0])[:, 0], torch.stack(local, 1)


def train(
    paths: list[Path], labels: list[int], side: int, batch_size: int, steps: int, workers: int, device: str
):
    """Yield after each of ``steps`` training steps."""
    network = NaiveNetwork().to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    loss_of = nn.BCEWithLogitsLoss()
    films = Films(paths, labels, side, augment=True)
    loader = DataLoader(
        films, batch_size, shuffle=True, num_workers=workers, drop_last=True, pin_memory=device == "cuda"
    )
    done = 0
    while True:
        for x, y in loader:
            x, y = x.to(device), y.float().to(device)
            global_logits, local_logits = network(x)
            loss = loss_of(global_logits, y) + loss_of(local_logits, y[:, None].expand_as(local_logits))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            loss.item()  # as scripts do, for the progress line
            yield
            done += 1
            if done == steps:
                return


@torch.no_grad()
def score(paths: list[Path], side: int, batch_size: int, workers: int, device: str) -> list[float]:
    """Probability of each film."""
    network = NaiveNetwork().to(device).eval()
    loader = DataLoader(Films(paths, [0] * len(paths), side, augment=False), batch_size, num_workers=workers)
    return [p for x, _ in loader for p in torch.sigmoid(network(x.to(device))[0]).tolist()]
