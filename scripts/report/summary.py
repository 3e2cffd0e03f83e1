"""Print, at the end of a demo, the AUCs and where the results lie: ``python -m scripts.report.summary``."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

from scripts.common.reasons import ONE_SCORE

TABLE2 = Path("results/statistics/table2.csv")
MODELS = ("deep", "clinical", "combined")


def run_warnings(results: Path = Path("results")) -> list[str]:
    """What a user should know of a finished run before trusting it: scores without a spread, a bundle of another model."""
    found = []
    with (results / "statistics/table2.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["model"] in MODELS and row["auc_ci_method"] == ONE_SCORE:  # a baseline such as 'everyone positive' has one by design
                found.append(f"WARNING: in {row['set']} the {row['model']} score is the same for all patients; nothing made from it means anything.")
    if (results / "bundle/MANIFEST.sha256").is_file() and not _bundle_is_current(results):
        found.append("WARNING: results/bundle was made from another model than this run's. 'make bundle' makes it anew.")
    return found


def _bundle_is_current(results: Path) -> bool:
    """Whether weights and threshold of ``results/bundle`` are those of the results."""
    sums = dict(reversed(line.split("  ", 1)) for line in (results / "bundle/MANIFEST.sha256").read_text(encoding="utf-8").splitlines())
    recorded = json.loads((results / "provenance.json").read_text(encoding="utf-8"))["outputs"]["files"]
    ours = {f"weights/{Path(name).parent.name}.pt": total for name, total in recorded.items() if name.endswith("/weights.pt")}
    with (results / "statistics/thresholds.csv").open(encoding="utf-8", newline="") as stream:
        threshold = next(float(row["threshold"]) for row in csv.DictReader(stream) if row["model"] == "deep")
    settings = json.loads((results / "bundle/bundle.json").read_text(encoding="utf-8"))
    return ours == {name: total for name, total in sums.items() if name.startswith("weights/")} and settings["threshold"]["value"] == threshold


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
    for sentence in run_warnings():
        print(sentence)
    print("Report: results/report.html   Word tables: results/tables   Figures: results/figures   Numbers: results/statistics")
