"""Print, at the end of a demo, the AUCs and where the results lie: ``python -m scripts.report.summary``."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from scripts.common.scores import ONE_SCORE
from scripts.common.vocabulary import MODELS

TABLE2 = Path("results/statistics/table2.csv")


def score_warnings(table2: Path = TABLE2) -> list[str]:
    """A sentence for each set and model whose score is the same for all patients."""
    with table2.open(encoding="utf-8", newline="") as stream:
        flat = [
            row
            for row in csv.DictReader(stream)
            if row["model"] in MODELS and row["auc_ci_method"] == ONE_SCORE
        ]
    return [
        f"WARNING: in {row['set']} the {row['model']} score is the same for all patients; nothing made from"
        " it means anything."
        for row in flat
    ]


def _cell(row: dict[str, str]) -> str:
    """AUC with its interval, or the AUC alone where it has none."""
    bounds = f" ({float(row['auc_low']):.3f}-{float(row['auc_high']):.3f})" if row["auc_low"] else ""
    return f"{float(row['auc']):.3f}{bounds}" if row["auc"] else "-"


def summary(rows: list[dict[str, str]]) -> str:
    """The AUCs with their intervals as a text table; ``rows`` are those of ``table2.csv``."""
    lines = [f"{'set':<16}{'patients (OP)':>16}" + "".join(f"{model + ' AUC':>26}" for model in MODELS)]
    for name in dict.fromkeys(row["set"] for row in rows):
        part = {row["model"]: row for row in rows if row["set"] == name}
        cells = [_cell(part[m]) for m in MODELS]
        size = f"{part['deep']['n']} ({part['deep']['n_pos']})"
        lines.append(f"{name:<16}{size:>16}" + "".join(f"{cell:>26}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    if not TABLE2.is_file():
        sys.exit(f"There is no {TABLE2}: the study has not run to its end.")
    with TABLE2.open(encoding="utf-8", newline="") as stream:
        print(summary(list(csv.DictReader(stream))))
    print(
        "Report: results/report.html   Word tables: results/tables   Figures: results/figures   Numbers:"
        " results/statistics"
    )
