"""What the centres' tables hold of the study's predictors: shares, levels, medians side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from scripts.common.predictors import NUMBER, YES_NO, Predictor
from scripts.intake.readings import FEWEST_FOR_A_COLUMN

SMALLEST = 5
"""Smallest count of a level that is shown."""
OTHER_UNIT = 2.0
"""Factor between two centres' medians from which on another unit is suspected: the usual second units of
laboratories differ by more (vitamin D 2.5, calcium 4, glucose 18, creatinine 88)."""


def _counted(counts: Mapping[str, int]) -> str:
    """Counts by level. Small ones are hidden, and the next smallest with them, which else follows from the
    whole.
    """
    small = {level for level, n in counts.items() if 0 < n < SMALLEST}
    if len(small) == 1:
        rest = {level: n for level, n in counts.items() if level not in small and n}
        small |= {min(rest, key=rest.__getitem__)} if rest else set()
    return ", ".join(f"{level} {'not shown' if level in small else n}" for level, n in counts.items())


def described_values(values: pd.Series, predictor: Predictor) -> str:
    """One line on a predictor's column of a patient table: missing cells, and what the others hold."""
    told = values[values.notna() & values.ne("")]
    n_missing = len(values) - len(told)
    line = f"{predictor.name}: missing in {n_missing} of {len(values)} rows"
    if told.empty:
        return line
    if predictor.type == NUMBER:
        unit = f" {predictor.unit}" if predictor.unit else ""
        low, middle, high = told.astype("float64").quantile([0.05, 0.5, 0.95])
        spread = f", nine of ten from {low:.4g} to {high:.4g}" if len(told) >= FEWEST_FOR_A_COLUMN else ""
        return f"{line}; median {middle:.4g}{unit}{spread}"
    if predictor.type == YES_NO:
        counts = {"yes": int(told.eq(1).sum()), "no": int(told.eq(0).sum())}
    else:
        counts = {level: int(told.eq(level).sum()) for level in predictor.levels}
    return f"{line}; {_counted(counts)}"


def described_predictors(
    cells: pd.DataFrame, center: str, predictors: Mapping[str, Predictor]
) -> tuple[list[str], dict[str, float]]:
    """A line per predictor of the study on a centre's patient table (``cells``, in the study's terms), and
    the medians of its numbers.
    """
    lines, medians = [], {}
    for name, predictor in predictors.items():
        if name not in cells:
            lines.append(f"{name}: the table has none; it is missing for all patients of '{center}'")
            continue
        lines.append(described_values(cells[name], predictor))
        if predictor.type == NUMBER and cells[name].notna().sum() >= SMALLEST:
            medians[name] = float(cells[name].astype("float64").median())
    return lines, medians


def medians_side_by_side(
    medians: Sequence[tuple[str, Mapping[str, float]]], predictors: Mapping[str, Predictor]
) -> tuple[list[str], list[str]]:
    """Lines with each number's medians by centre, and hints where they differ as units do.

    ``medians`` holds a centre's name and its medians by predictor.
    """
    lines, hints = [], []
    for name, predictor in predictors.items():
        told = {center: found[name] for center, found in medians if name in found}
        if len(told) < 2:
            continue
        unit = f" ({predictor.unit})" if predictor.unit else ""
        shown = ", ".join(f"{value:.4g} in '{center}'" for center, value in told.items())
        lines.append(f"{name}: median {shown}{unit}")
        low, high = min(told, key=lambda c: abs(told[c])), max(told, key=lambda c: abs(told[c]))
        if abs(told[high]) >= OTHER_UNIT * abs(told[low]) and told[high] != told[low]:
            hints.append(
                f"{name}: the median is {told[low]:.4g} in '{low}' and {told[high]:.4g} in '{high}'; have"
                f" both tables the same unit{unit}? Nothing is converted"
            )
    return lines, hints
