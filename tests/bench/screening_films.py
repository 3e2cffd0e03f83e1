"""Film stacks for ``tests.bench.screening``: ``python -m tests.bench.screening_films --out FOLDER``.

A stack is one ``.npz``, small enough to be sent: the films of a set, one a patient, each as the bytes of a
JPEG (real films, quality 95) or of a lossless WebP (simulated films, the upper 8 bits), the labels by name,
and each film's fold (-1: external). It holds no id. ``--hospitals`` is a folder of hospitals A and B (films,
``images.csv``, ``dxa_*.csv``), ``--state`` the caches of a finished simulated study, ``--weights`` the file
of EfficientNet-Lite0.
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from scripts.common.seeds import sub_seed

LABELS = ("sex", "age")


def stratified_folds(labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """A fold for each of ``labels`` (n,): every fold has its share of each label."""
    fold, order = np.empty(len(labels), int), np.random.default_rng(sub_seed(seed, "bench", "folds"))
    for label in np.unique(labels):
        places = order.permutation(np.flatnonzero(labels == label))
        fold[places] = np.arange(len(places)) % folds
    return fold


def encoded(films: list[np.ndarray], **how: object) -> dict[str, np.ndarray]:
    """8-bit films as one array of bytes and the place at which each starts (and the last ends)."""
    parts = []
    for film in films:
        buffer = io.BytesIO()
        Image.fromarray(film).save(buffer, **how)
        parts.append(buffer.getvalue())
    starts = np.cumsum([0, *map(len, parts)])
    return {"content": np.frombuffer(b"".join(parts), np.uint8), "starts": starts}


def decoded(stack: dict[str, np.ndarray] | np.lib.npyio.NpzFile) -> np.ndarray:
    """The films of a stack, ``(n, side, side)`` uint8."""
    content, starts = stack["content"].tobytes(), stack["starts"]
    films = (Image.open(io.BytesIO(content[a:b])).convert("L") for a, b in zip(starts, starts[1:]))
    return np.stack([np.asarray(film) for film in films])


def hospital(folder: Path) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """The first film of every patient, in the order of their ids, and the labels of LABELS.

    A patient is positive where the lowest T-score is -2.5 or less.
    """
    images = pd.read_csv(folder / "images.csv").sort_values(["PatientID", "Date", "File"])
    first = images.drop_duplicates("PatientID").set_index("PatientID")
    films = [np.asarray(Image.open(folder / "films" / name).convert("L")) for name in first["File"]]
    labels = {}
    for name in LABELS:
        lowest = pd.read_csv(folder / f"dxa_{name}.csv").groupby("PatientID")["T"].min()
        labels[name] = (lowest.loc[first.index] <= -2.5).to_numpy().astype(np.int64)
    return films, labels


def cached(folder: Path) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Films (their upper 8 bits), labels and folds (-1 where there is none) of a set that was cached."""
    index = pd.read_csv(folder / "index.csv")
    films = [(film >> 8).astype(np.uint8) for film in np.load(folder / "films.npy", mmap_mode="r")]
    return films, index["label"].to_numpy(), index["fold"].fillna(-1).to_numpy().astype(int)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hospitals", type=Path)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--weights", type=Path)
    wanted = parser.parse_args()
    wanted.out.mkdir(parents=True, exist_ok=True)
    if wanted.hospitals:
        for name in ("hospital_a", "hospital_b"):
            films, labels = hospital(wanted.hospitals / name)
            stored = encoded(films, format="JPEG", quality=95)
            for label, values in labels.items():
                folds = stratified_folds(values, 5, 1) if name == "hospital_a" else np.full(len(values), -1)
                stored |= {f"label_{label}": values, f"fold_{label}": folds}
            np.savez(wanted.out / f"{name}.npz", **stored)
    if wanted.state:
        for name in ("train", "external_1"):
            films, labels, folds = cached(wanted.state / name)
            stored = encoded(films, format="WEBP", lossless=True)
            np.savez(
                wanted.out / f"simulated_{name}.npz", label_simulated=labels, fold_simulated=folds, **stored
            )
    if wanted.weights:
        shutil.copyfile(wanted.weights, wanted.out / "lite0.pth")
    for path in sorted(wanted.out.glob("*.[np]*")):
        print(f"{path.name}: {path.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
