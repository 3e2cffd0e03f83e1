"""Small film sets whose label is a texture: the network can learn it, and mean brightness says nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from scripts.common.files import write_text
from scripts.networks.csv_tables import csv_text

TINY = {
    "seed": 7,
    "init": "random",
    "cpu_threads": 1,
    "architecture": {
        "grid": 3,
        "block_size": 32,
        "trunk_width": 8,
        "layers": 2,
        "heads": 4,
        "mlp_ratio": 4,
        "dropout": 0.1,
        "head_hidden": 16,
    },
    "training": {
        "epochs": 2,
        "batch_size": 8,
        "learning_rate": 0.03,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "warmup_fraction": 0.25,
        "clip_norm": 1.0,
        "local_weight": 1.0,
        "norm_batches": 2,
        "precision": "fp32",
        "compile": False,
    },
    "augmentation": {
        "flip": 0.5,
        "rotation": 10.0,
        "crop_scale": [0.9, 1.1],
        "shift": 0.05,
        "brightness": 0.1,
        "contrast": 0.1,
    },
}


@pytest.fixture(scope="session")
def fresh_settings():
    """The function that makes a copy of the settings of a network that trains in a second."""
    return lambda: json.loads(json.dumps(TINY))


@pytest.fixture
def settings(fresh_settings) -> dict:
    """A copy for each test."""
    return fresh_settings()


def write_cache(folder: Path, n: int, side: int, folds: int | None = 5, seed: int = 0) -> Path:
    """A cache of ``n`` films: coarse texture in the middle of the film is label 1, fine texture label 0."""
    rng = np.random.default_rng(seed)
    films, rows = np.zeros((n, side, side), np.uint16), []
    middle = np.zeros((side, side))
    middle[side // 4 : -side // 4, side // 4 : -side // 4] = 1
    for i in range(n):
        label = i % 2
        texture = cv2.GaussianBlur(rng.normal(size=(side, side)), (0, 0), 2.0 if label else 0.7)
        film = 0.5 + rng.uniform(-0.1, 0.1) + 0.1 * middle * texture / texture.std()
        film += 0.02 * rng.normal(size=(side, side))
        films[i] = (np.clip(film, 0, 1) * 65535).astype(np.uint16)
        digest = hashlib.sha256(films[i].tobytes()).hexdigest()
        fold = (i // 2) % folds if folds else ""
        mean, sd = float(films[i].mean()), float(films[i].std())
        rows.append((i, f"image{i:03d}", f"patient{i:03d}", label, fold, mean, sd, digest))
    folder.mkdir(parents=True)
    np.save(folder / "films.npy", films)
    header = ("row", "image_id", "patient_id", "label", "fold", "mean", "sd", "sha256")
    write_text(folder / "index.csv", csv_text(header, rows))
    return folder


@pytest.fixture(scope="session")
def make_cache():
    """The function that writes a film cache."""
    return write_cache


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """Forty films of 96 x 96 in five folds; tests only read it."""
    return write_cache(tmp_path_factory.mktemp("films") / "cache", 40, 96)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
