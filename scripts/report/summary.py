"""Print, at the end of a demo, the AUCs and where the results lie: ``python -m scripts.report.summary``."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

TABLE2 = Path("results/statistics/table2.csv")
MODELS = ("deep", "clinical", "combined")


def summary(rows: list[dict[str, str]]) -> str:
    """The AUCs with their intervals as a text table; ``rows`` are those of ``table2.csv``."""
    lines = [f"{'set':<16}{'patients (OP)':>16}" + "".join(f"{model + ' AUC':>26}" for model in MODELS)]
    for name in dict.fromkeys(row["set"] for row in rows):
        part = {row["model"]: row for row in rows if row["set"] == name}
        cells = [
            f"{float(part[m]['auc']):.3f} ({float(part[m]['auc_low']):.3f}-{float(part[m]['auc_high']):.3f})"
            for m in MODELS
        ]
        size = f"{part['deep']['n']} ({part['deep']['n_pos']})"
        lines.append(f"{name:<16}{size:>16}" + "".join(f"{cell:>26}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    if not TABLE2.is_file():
        sys.exit(f"There is no {TABLE2}: the study has not run to its end.")
    with TABLE2.open(encoding="utf-8", newline="") as stream:
        print(summary(list(csv.DictReader(stream))))
    print("Report: results/report.html   Word tables: results/tables   Figures: results/figures   Numbers: results/statistics")
