"""Print, at the end of a demo, the AUCs and where the results lie: ``python -m scripts.report.summary``."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.common.contracts.cohort import PREDICTIONS as COLUMNS
from scripts.common.language import Language
from scripts.common.learning_words import WORDS, told
from scripts.common.scores import SAME_SCORE
from scripts.common.vocabulary import EVERYONE_POSITIVE

TABLE2 = Path("results/statistics/table2.csv")
PREDICTIONS = Path("results/predictions.csv")
LEARNING = Path("results/statistics/learning.csv")

ACROSS = 3
"""Models side by side; further ones stand in a block below."""


def score_warnings(predictions: Path = PREDICTIONS) -> list[str]:
    """A sentence for each set and model, of whatever role, whose score is the same for all patients."""
    ranges: dict[tuple[str, str], tuple[float, float, int]] = {}
    with predictions.open(encoding="utf-8", newline="") as stream:
        table = csv.DictReader(stream)
        models = [name for name in table.fieldnames or () if name not in COLUMNS]
        for row in table:
            for model in models:
                score = float(row[model])
                low, high, n = ranges.get((row["set"], model), (score, score, 0))
                ranges[row["set"], model] = min(low, score), max(high, score), n + 1
    return [
        f"WARNING: in {name} the {model} score is the same for all patients; nothing made from it means"
        " anything."
        for (name, model), (low, high, n) in ranges.items()
        if n > 1 and high - low < SAME_SCORE
    ]


def learning_warnings(learning: Path = LEARNING) -> list[str]:
    """A sentence for each model that did not plainly learn, by its name in the config."""
    with learning.open(encoding="utf-8", newline="") as stream:
        said = told(csv.DictReader(stream), Language("en", WORDS), str)
    return [f"WARNING: {sentence}" for sentence in said.values()]


def _cell(row: dict[str, str]) -> str:
    """AUC with its interval, or the AUC alone where it has none."""
    bounds = f" ({float(row['auc_low']):.3f}-{float(row['auc_high']):.3f})" if row["auc_low"] else ""
    return f"{float(row['auc']):.3f}{bounds}" if row["auc"] else "-"


def _block(rows: Sequence[dict[str, str]], models: Sequence[str]) -> list[str]:
    """A line per set with the AUCs of some models, below their names."""
    widths = [max(26, len(model) + 6) for model in models]
    titles = "".join(f"{model + ' AUC':>{width}}" for model, width in zip(models, widths))
    lines = [f"{'set':<16}{'patients (OP)':>16}{titles}"]
    for name in dict.fromkeys(row["set"] for row in rows):
        part = {row["model"]: row for row in rows if row["set"] == name}
        cells = "".join(f"{_cell(part[model]):>{width}}" for model, width in zip(models, widths))
        size = f"{part[models[0]]['n']} ({part[models[0]]['n_pos']})"
        lines.append(f"{name:<16}{size:>16}{cells}")
    return lines


def summary(rows: list[dict[str, str]]) -> str:
    """The AUCs of the main models with their intervals as a text table; ``rows`` are those of
    ``table2.csv``.
    """
    models = [m for m in dict.fromkeys(row["model"] for row in rows) if m != EVERYONE_POSITIVE]
    blocks = [_block(rows, models[start : start + ACROSS]) for start in range(0, len(models), ACROSS)]
    return "\n\n".join("\n".join(lines) for lines in blocks)


if __name__ == "__main__":
    if not TABLE2.is_file():
        sys.exit(f"There is no {TABLE2}: the study has not run to its end.")
    for sentence in learning_warnings():
        print(sentence)
    with TABLE2.open(encoding="utf-8", newline="") as stream:
        print(summary(list(csv.DictReader(stream))))
    print(
        "Report: results/report.html   Word tables: results/tables   Figures: results/figures   Numbers:"
        " results/statistics"
    )
