"""Whether a model learned: its out-of-fold scores, pooled, and those of each of its trainings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.common.contracts.networks import HELD_OUT, HISTORY
from scripts.common.contracts.statistics import LEARNING
from scripts.common.errors import StudyError
from scripts.common.scores import CLIP, NEXT_TO_NOTHING
from scripts.common.tables import read_table
from scripts.common.vocabulary import ALL_FOLDS, LAGS, LEARNED, NOTHING_LEARNED, RESTARTED, TRAIN
from scripts.statistics.delong import auc_of

LAGGING_SHARE = 1 / 3
"""A training lags whose logits have less than this share of the median SD of the model's trainings: its part
of the mean probability and of the pooled scores then says little."""


@dataclass(frozen=True)
class Training:
    """A training and the patients that it did not see.

    Attributes
    ----------
    run : its name: the fold, and the seed where a fold has several
    fold : the patients' fold
    labels, scores : (n,) of 0 and 1, and probabilities
    loss : global training loss of the last epoch; NaN where it isn't known
    attempts : how often it was begun; None for a model that isn't trained step by step
    """

    run: str
    fold: int
    labels: np.ndarray
    scores: np.ndarray
    loss: float = float("nan")
    attempts: int | None = None


def read_training(run: str, held_out: str | Path, history: str | Path, trained_on: str | Path) -> Training:
    """A network's training from its files. Raises ``StudyError`` where one is empty."""
    scored, epochs = read_table(held_out, HELD_OUT), read_table(history, HISTORY)
    if scored.empty or epochs.empty:
        raise StudyError(f"'{held_out}' or '{history}' has no row. Delete that folder and run again.")
    return Training(
        run,
        int(scored["fold"].iloc[0]),
        scored["label"].to_numpy(int),
        scored["score"].to_numpy(float),
        float(epochs["loss_global"].iloc[-1]),
        int(json.loads(Path(trained_on).read_text(encoding="utf-8")).get("attempts", 1)),
    )


def trainings_of_folds(train: pd.DataFrame, model: str) -> list[Training]:
    """The fits of a model that has no files of its trainings, from the training patients' predictions."""
    return [
        Training(str(int(fold)), int(fold), part["label"].to_numpy(int), part[model].to_numpy(float))
        for fold, part in train.groupby("fold")
    ]


def _measures(labels: np.ndarray, scores: np.ndarray, confidence: float) -> dict[str, Any]:
    """Size, AUC after DeLong with its interval, and spread of some patients' scores."""
    clipped = np.clip(scores, CLIP, 1 - CLIP)
    return {
        "n": len(labels),
        "n_pos": int(labels.sum()),
        **auc_of(labels, scores, confidence),
        "sd_logit": float(np.log(clipped / (1 - clipped)).std()),
        "lowest": float(scores.min()),
        "highest": float(scores.max()),
    }


def _lower(row: Mapping[str, Any]) -> float:
    """Lower end of an AUC's interval; 1 where the classes are perfectly separated, NaN where there is none
    for another reason."""
    return 1.0 if row["auc"] == 1 else row["auc_low"]


def _finding(row: Mapping[str, Any], median: float, others: float) -> str:
    """What is found of one training.

    Parameters
    ----------
    row : its measures and ``attempts``
    median : SD of the logits, median of the model's trainings
    others : lower end of the AUC's interval of the patients of other folds, pooled

    A fold is small, so its own interval often holds .5; it lags by its AUC where that lies, interval beside
    interval, below the others'. Of five equal folds one does so in 2 of 100 studies: the ends don't meet when
    the difference is 2.6 of its standard errors.
    """
    if row["sd_logit"] < NEXT_TO_NOTHING:
        return NOTHING_LEARNED
    if row["sd_logit"] < LAGGING_SHARE * median or row["auc_high"] < others:
        return LAGS
    return RESTARTED if (row["attempts"] or 1) > 1 else LEARNED


def _of_model(train: pd.DataFrame, model: str, trainings: Sequence[Training], confidence: float) -> list:
    """Rows of LEARNING of one model, that of all folds first."""
    labels, scores, folds = (train[name].to_numpy() for name in ("label", model, "fold"))
    labels, scores = labels.astype(int), scores.astype(float)
    whole = _measures(labels, scores, confidence)
    rows = [
        {"fold": one.run, **_measures(one.labels, one.scores, confidence), "attempts": one.attempts}
        for one in trainings
    ]
    median = float(np.median([row["sd_logit"] for row in rows]))
    for row, one in zip(rows, trainings, strict=True):
        away = folds != one.fold
        others = _lower(_measures(labels[away], scores[away], confidence)) if away.any() else float("nan")
        row |= {"loss": one.loss, "finding": _finding(row, median, others)}
    found = {row["finding"] for row in rows}
    if not _lower(whole) > 0.5 or whole["sd_logit"] < NEXT_TO_NOTHING:
        finding = NOTHING_LEARNED
        for row in rows:  # folds of chance vary about .5: none of them learned unless it shows so by itself
            if not _lower(row) > 0.5:
                row["finding"] = NOTHING_LEARNED
    elif found & {NOTHING_LEARNED, LAGS}:
        finding = LAGS
    else:
        finding = RESTARTED if RESTARTED in found else LEARNED
    attempts = [one.attempts for one in trainings if one.attempts is not None]
    loss = float(np.mean([one.loss for one in trainings]))
    whole |= {"fold": ALL_FOLDS, "attempts": max(attempts, default=None), "loss": loss, "finding": finding}
    return [whole, *rows]


def learning_table(
    predictions: pd.DataFrame,
    trainings: Mapping[str, Sequence[Training]],
    starts: Mapping[str, str],
    confidence: float,
) -> pd.DataFrame:
    """LEARNING of the models in ``trainings``, in their order; ``starts`` says what each began from.

    ``predictions`` (PREDICTIONS) has a column per model; its training patients' scores are out of fold. A
    model without trainings of its own is told by the folds of that column.
    """
    train = predictions[predictions["set"] == TRAIN]
    rows = []
    for model, own in trainings.items():
        for row in _of_model(train, model, own or trainings_of_folds(train, model), confidence):
            missed = (NOTHING_LEARNED,) if row["fold"] == ALL_FOLDS else (NOTHING_LEARNED, LAGS)
            learned = "no" if row["finding"] in missed else "yes"
            rows.append(row | {"model": model, "start": starts[model], "learned": learned})
    return pd.DataFrame(rows, columns=list(LEARNING)).astype({"attempts": "Int64"})
