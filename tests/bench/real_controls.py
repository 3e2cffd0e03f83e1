"""What short cuts alone tell, for ``tests.bench.real``, and what a model finds where labels mean nothing.

Each control is a model of the kind ``features`` on a few numbers a film, in the same folds and with the same
ridge regression as the anchor:

- ``view_alone``: AP or PA
- ``exposure_alone``: the measures of the intake (clipped shares, range, mean, noise) and the film's SD
- ``pixels_16``: the film at 16 x 16 pixels
- ``border_alone``: the outer sixteenth of the film on every side, at 32 x 32 pixels
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd

from scripts.statistics.delong import auc_with_covariance
from scripts.tabular.embeddings import embedding_design, read_embeddings
from scripts.tabular.fitting import fit_model
from tests.bench.real_recipes import Recipe, Trial
from tests.bench.real_studies import SEED, Study

MEASURED = ("clipped_low", "clipped_high", "value_range", "mean", "noise_ratio")
SIDE, BORDER_SIDE, BORDER = 16, 32, 2


def _standardised(film: np.ndarray) -> np.ndarray:
    values = film.astype(np.float64)
    return (values - values.mean()) / max(values.std(), 1.0)


def _pixels(film: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(_standardised(film), (side, side), interpolation=cv2.INTER_AREA)


def _border(film: np.ndarray) -> np.ndarray:
    small = _pixels(film, BORDER_SIDE)
    ring = np.ones(small.shape, bool)
    ring[BORDER:-BORDER, BORDER:-BORDER] = False
    return small[ring]


def controls(study: Study) -> list[Recipe]:
    """The controls of a study; their numbers are written below its folder."""
    folder = study.path / "controls"
    names = ("view_alone", "exposure_alone", "pixels_16", "border_alone")
    if not all((folder / f"{name}.csv").is_file() for name in names):
        folder.mkdir(exist_ok=True)
        for name, table in zip(names, _tables(study)):
            table.to_csv(folder / f"{name}.csv", float_format="%.9g")
    models = {name: {"kind": "features", "embeddings": f"controls/{name}.csv"} for name in names}
    return [Recipe(name, model, {}, {}) for name, model in models.items()]


def _tables(study: Study) -> list[pd.DataFrame]:
    """Numbers of every film by image id, a table for each control."""
    cohort = study.cohort
    films = [cv2.imread(str(study.path / png), cv2.IMREAD_UNCHANGED) for png in cohort["png"]]
    exposure = cohort[list(MEASURED)].add_prefix("measured_")
    return [
        cohort["view"].eq("AP").astype(int).to_frame("ap"),
        exposure.assign(sd=[float(film.std(dtype=np.float64)) for film in films]),
        _columns([_pixels(film, SIDE).ravel() for film in films], cohort.index),
        _columns([_border(film) for film in films], cohort.index),
    ]


def _columns(values: Sequence[np.ndarray], index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(np.stack(values), index=index).add_prefix("p")


_given: tuple[Any, ...] = ()
"""What a worker fits again and again."""


def _take(*given: Any) -> None:
    global _given  # one worker, one design
    _given = given


def shuffled_within(labels: pd.Series, folds: pd.Series, number: int) -> np.ndarray:
    """Labels permuted within each fold: folds with other shares of a label than they were drawn with would
    push the pooled AUC below .5.
    """
    rng, shuffled = np.random.default_rng([SEED, number]), labels.to_numpy().copy()
    for fold in np.unique(folds):
        here = (folds == fold).to_numpy()
        shuffled[here] = rng.permutation(shuffled[here])
    return shuffled


def _permuted_auc(number: int) -> float:
    kind, name, train, design, settings = _given
    shuffled = train.assign(label=shuffled_within(train["label"], train["fold"], number))
    _, out_of_fold = fit_model(kind, name, shuffled, design, settings, SEED)
    found = auc_with_covariance(shuffled["label"].to_numpy(), out_of_fold["score"].to_numpy())
    return float(found.auc[0])


def permuted(trial: Trial, numbers: Sequence[int], cores: int) -> Iterator[dict[str, Any]]:
    """A row with the out-of-fold AUC for each permutation of the labels, by a ``features`` model whose
    embeddings are there.
    """
    name, study = trial.recipe.name, trial.study
    train = pd.read_csv(study.path / "results/cohort/train.csv")
    table = read_embeddings(study.path / f"results/models/{name}/embeddings/train.csv", name)
    given = ("features", name, train, embedding_design(train, table, "train", name), trial.settings)
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers: each has a core
    with multiprocessing.get_context("spawn").Pool(cores, _take, given) as pool:
        for number, auc in zip(numbers, pool.imap(_permuted_auc, numbers)):
            told = {"what": "permuted", "task": study.task.name, "recipe": name, "key": trial.key}
            yield {**told, "seed": number, "auc": auc}
