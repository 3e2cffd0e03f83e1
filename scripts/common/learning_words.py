"""What a reader is told of a model that did not plainly learn: one text for a run's last lines, the report,
the model card and the bundle.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from scripts.common import numbers as fmt
from scripts.common.language import Language
from scripts.common.vocabulary import ALL_FOLDS, LAGS, LEARNED, NOTHING_LEARNED, RESTARTED

WORDS = "learning"
"""The group of words that this module says."""


def run_title(run: str, words: Language) -> str:
    """A training by its fold, and by its seed where a fold has several."""
    fold, _, seed = run.partition("_seed_")
    said = words.say("fold_number", n=fold)
    return words.say("seed_of_fold", fold=said, seed=seed) if seed else said


def _number(row: Mapping[str, Any], name: str) -> float:
    """A number of a row as CSV or pandas gives it; NaN where it is empty."""
    return float(row[name]) if row[name] != "" else float("nan")


def _cure(start: str) -> str:
    """The key of the likely cure for a model that began from ``start``."""
    return f"cure_{start if start in ('random', 'embeddings') else 'pretrained'}"


def _nothing(row: Mapping[str, Any], words: Language, model: str) -> str:
    auc, low, high = (_number(row, f"auc{end}") for end in ("", "_low", "_high"))
    return words.say(
        "said_nothing_learned",
        model=model,
        auc=fmt.with_interval(auc, low, high, lambda value: fmt.decimal(value, 2)),
        lowest=fmt.decimal(_number(row, "lowest"), 2),
        highest=fmt.decimal(_number(row, "highest"), 2),
        sd=fmt.decimal(_number(row, "sd_logit"), 2),
        cure=words.say(_cure(row["start"])),
    )


def _of_some(key: str, rows: list[Mapping[str, Any]], words: Language, model: str, **more: str) -> str:
    """A sentence about some of a model's trainings."""
    named = words.say("list_separator").join(run_title(str(row["fold"]), words) for row in rows)
    return words.say(key, model=model, folds=named, **more)


def told(rows: Iterable[Mapping[str, Any]], words: Language, name: Callable[[str], str]) -> dict[str, str]:
    """What is to be said of each model with a finding other than LEARNED, by model.

    Parameters
    ----------
    rows : of LEARNING, numbers as numbers or as a CSV file has them
    words : with the group WORDS
    name : gives a model's name as the reader knows it
    """
    said: dict[str, str] = {}
    by_model: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(row)
    for model, own in by_model.items():
        (whole,) = [row for row in own if row["fold"] == ALL_FOLDS]
        folds = [row for row in own if row["fold"] != ALL_FOLDS]
        if whole["finding"] == NOTHING_LEARNED:
            said[model] = _nothing(whole, words, name(model))
        elif whole["finding"] != LEARNED:
            behind = [row for row in folds if row["finding"] in (LAGS, NOTHING_LEARNED)]
            again = [row for row in folds if row["finding"] == RESTARTED]
            parts = []
            if behind:
                spread = {
                    "sd": fmt.decimal(min(_number(row, "sd_logit") for row in behind), 2),
                    "median": fmt.decimal(statistics.median(_number(row, "sd_logit") for row in folds), 2),
                    "cure": words.say(_cure(whole["start"])),
                }
                parts.append(_of_some("said_lags", behind, words, name(model), **spread))
            if again:
                parts.append(_of_some("said_restarted", again, words, name(model)))
            said[model] = (
                words.say("sentences", first=parts[0], second=parts[1]) if again and behind else parts[0]
            )
    return said
