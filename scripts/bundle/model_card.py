"""The model card of a bundle, after Mitchell et al., Model Cards for Model Reporting (FAT* 2019,
doi:10.1145/3287560.3287596).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.common.templates import template_environment, unwrapped

TEMPLATES = Path(__file__).resolve().parent / "templates"

SMALLEST = 5
"""Counts of people below it, from 1, are small cells: neither they nor what gives them away is shown."""

NOT_SHOWN = "not shown"

_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~]")
"""Characters of a label that Markdown or HTML would take for its own."""

ENSEMBLE = "ensemble"
"""The row of the folds' table that is of all of a network's trainings together."""

_METRICS = (
    ("auc", "AUC", 3, 1),
    ("sensitivity", "Sensitivity, %", 1, 100),
    ("specificity", "Specificity, %", 1, 100),
    ("ppv", "PPV, %", 1, 100),
    ("npv", "NPV, %", 1, 100),
)


def count(n: int) -> str:
    """A number of people, hidden where it is small."""
    return f"<{SMALLEST}" if 0 < n < SMALLEST else f"{n}"


def _mean_sd(values: pd.Series, digits: int = 1) -> str:
    known = values.dropna()
    return f"{known.mean():.{digits}f} ± {known.std():.{digits}f}" if len(known) > 1 else "not known"


def _cell(row: Mapping[str, Any], name: str, digits: int, factor: int) -> str:
    value, low, high = (row[name + end] for end in ("", "_low", "_high"))
    if pd.isna(value):
        return "not estimated"
    shown = f"{factor * value:.{digits}f}"
    return shown if pd.isna(low) else f"{shown} ({factor * low:.{digits}f} to {factor * high:.{digits}f})"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))


def _small(*parts: int) -> bool:
    """Whether one of the parts is a small cell, 1 to SMALLEST - 1."""
    return any(0 < part < SMALLEST for part in parts)


def _share(part: int, of: int) -> str:
    """A part of a set; not shown where it or the rest is small, since one gives the other away."""
    return NOT_SHOWN if _small(part, of - part) else f"{part} ({100 * part / of:.1f} %)" if of else "0"


def _patients(cohort: pd.DataFrame, sets: Sequence[str]) -> str:
    rows = []
    for name in sets:
        part = cohort[cohort["set"] == name]
        n, op = len(part), int((part["label"] == 1).sum())
        described = [
            _share(int((part["sex"] == "F").sum()), n),
            _mean_sd(part["age"].astype("float64")),
            _mean_sd(part["bmi"].astype("float64")),
            f"{part['manufacturer'].replace('', pd.NA).nunique()}",
        ]
        rows.append(
            [name, count(n), _share(op, n), *([NOT_SHOWN] * 4 if _small(n, op, n - op) else described)]
        )
    return _table(
        ("Set", "Patients", "Osteoporosis", "Women", "Age, years", "BMI, kg/m²", "Manufacturers of devices"),
        rows,
    )


def _performance(table: pd.DataFrame, model: str, sets: Sequence[str]) -> str:
    """Nothing of a set with a small class is shown; of other sets nothing from which a small cell of the
    confusion matrix follows.
    """
    own = table["model"] == model
    if "fold" in table:
        own &= table["fold"].astype(str) == ENSEMBLE
    frame = table[own].set_index("set")
    metrics = [metric for metric in _METRICS if metric[0] in frame.columns]
    rows = []
    for name in sets:
        if name in frame.index:
            row = frame.loc[name].to_dict()
            n, n_pos = int(row["n"]), int(row["n_pos"])
            tp, tn = (
                0 if pd.isna(row.get(m)) else round(row[m] * of)
                for m, of in (("sensitivity", n_pos), ("specificity", n - n_pos))
            )
            closed = _small(n, n_pos, n - n_pos)
            hidden = closed or _small(tp, n_pos - tp, tn, n - n_pos - tn)
            shown = [
                NOT_SHOWN if (closed if m == "auc" else hidden) else _cell(row, m, d, f)
                for m, _, d, f in metrics
            ]
            rows.append([name, count(n), NOT_SHOWN if closed else count(n_pos), *shown])
    return _table(("Test set", "n", "OP", *(title for _, title, _, _ in metrics)), rows)


def model_card(
    settings: Mapping[str, Any], cohort: pd.DataFrame, performance: pd.DataFrame, facts: Mapping[str, Any]
) -> str:
    """The card as Markdown.

    Parameters
    ----------
    settings : what ``bundle.json`` holds
    cohort : COHORT of all sets
    performance : ``table2.csv``, or ``folds.csv``, which holds the AUC alone
    facts : ``what`` (the kind in a sentence), ``test_sets`` (names), ``confidence`` (0 to 1), ``init``,
        ``epochs``, ``older_than``, ``op_t_score``, ``interval_months``, ``exclusions``, ``commit``
    """
    sets = list(facts["test_sets"])
    tables = {
        "patients": _patients(cohort, ["train", *sets]),
        "performance": _performance(performance, settings["model"], sets),
    }
    template = template_environment(TEMPLATES).get_template("model_card.md.j2")
    label = _MARKUP.sub(r"\\\g<0>", str(settings["label"]))
    known = {**settings, **facts, **tables, "label": label, "smallest": SMALLEST}
    return unwrapped(template.render(known)) + "\n"
