"""The flow diagram: for each centre who was found, who was excluded for which first reason, and who was
included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scripts.common.errors import StudyError
from scripts.common.language import Language
from scripts.common.language.names import SET_ROLES, Names
from scripts.common.numbers import count
from scripts.common.vocabulary import INTERNAL_TEST, TRAIN
from scripts.statistics.style import DOUBLE_COLUMN, INK, SINGLE_COLUMN, mark_synthetic_at, wrapped


@dataclass(frozen=True)
class CenterFlow:
    """One centre's counts: found = the sum of excluded + included; sets are (name, n, OP)."""

    center: str
    found: int
    excluded: list[tuple[str, int]]
    included: int
    included_op: int
    sets: list[tuple[str, int, int]]


def flow_of(center: str, flow: pd.DataFrame, cohort: pd.DataFrame) -> CenterFlow:
    """One centre's counts from FLOW and COHORT. Raises ``StudyError`` where they don't add up."""
    rows = flow[flow["center"] == center]
    people = cohort[cohort["center"] == center]
    excluded = [(r.step, int(r.n_patients)) for r in rows[rows["kind"] == "excluded"].itertuples()]
    found = int(rows.loc[rows["kind"] == "found", "n_patients"].sum())
    included = int(rows.loc[rows["kind"] == "included", "n_patients"].sum())
    if found != included + sum(n for _, n in excluded) or included != len(people):
        raise StudyError(
            f"The patients of centre '{center}' don't add up: {found} found, {sum(n for _, n in excluded)}"
            f" excluded, {included} included, {len(people)} in the cohort. Delete results/cohort and run"
            " again."
        )
    sets = [
        (str(name), len(part), int((part["label"] == 1).sum()))
        for name, part in people.groupby("set", sort=False)
    ]
    sets.sort(key=lambda item: {TRAIN: 0, INTERNAL_TEST: 1}.get(item[0], 2))
    return CenterFlow(center, found, excluded, included, int((people["label"] == 1).sum()), sets)


INSET = 0.06
"""Inches between a box and its text."""


def _fitted(texts: Sequence[str], width: float) -> list[str]:
    """The lines of a box of ``width`` inches."""
    size = matplotlib.rcParams["font.size"]
    return [line for text in texts for line in wrapped(text, width - 2 * INSET - 0.02, size)]


def _box(
    axis, x: float, top: float, width: float, height: float, lines: Sequence[str], align: str = "center"
) -> None:
    axis.add_patch(
        plt.Rectangle((x, top - height), width, height, facecolor="white", edgecolor=INK, linewidth=0.7)
    )
    at = x + width / 2 if align == "center" else x + INSET
    axis.text(at, top - height / 2, "\n".join(lines), ha=align, va="center", linespacing=1.35)


@dataclass(frozen=True)
class _Boxes:
    """The lines in the boxes of one centre's column: found, excluded, included, and each of its sets."""

    found: list[str]
    excluded: list[str]
    included: list[str]
    sets: list[list[str]]

    def heights(self, line: float, pad: float) -> tuple[float, float, float, float]:
        """Heights in inches of the four rows of boxes."""
        last = max((len(lines) for lines in self.sets), default=0)
        return tuple(n * line + pad for n in (len(self.found), len(self.excluded), len(self.included), last))


def _boxes(item: CenterFlow, language: Language, names: Names, width: float) -> _Boxes:
    left_out = [(language.say_code("step", reason), n) for reason, n in item.excluded if n]
    reasons = [f"{reason}: {count(n)}" for reason, n in left_out] or ["-"]
    out = sum(n for _, n in item.excluded)
    share = width / max(len(item.sets), 1) - (0.03 if len(item.sets) > 1 else 0)
    sets = []
    for name, n, n_op in item.sets:
        label = names.set(name) if name in SET_ROLES else language.say("test_set")
        counts = [
            f"n = {count(n)}",
            f"{language.say('op')} {count(n_op)}",
            f"{language.say('non_op')} {count(n - n_op)}",
        ]
        sets.append(_fitted([label, *counts], share))
    return _Boxes(
        _fitted([names.center(item.center), f"{language.say('step_found')}: n = {count(item.found)}"], width),
        _fitted([f"{language.say('excluded')}: n = {count(out)}", *reasons], width - 0.32),
        _fitted(
            [
                f"{language.say('step_included')}: n = {count(item.included)}",
                (
                    f"{language.say('op')} {count(item.included_op)}, {language.say('non_op')}"
                    f" {count(item.included - item.included_op)}"
                ),
            ],
            width,
        ),
        sets,
    )


def _arrow(axis, start: tuple[float, float], end: tuple[float, float]) -> None:
    axis.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "-|>",
            "color": INK,
            "linewidth": 0.7,
            "shrinkA": 0,
            "shrinkB": 0,
            "mutation_scale": 6,
        },
    )


def draw_flow(
    flow: pd.DataFrame,
    cohort: pd.DataFrame,
    centers: Sequence[str],
    language: Language,
    names: Names,
    synthetic: bool,
) -> Figure:
    """One column of boxes per centre, up to three beside each other; sizes in inches; long texts are broken
    into lines.
    """
    flows = [flow_of(center, flow, cohort) for center in centers]
    per_row = min(3, len(flows))
    column = SINGLE_COLUMN if per_row == 1 else DOUBLE_COLUMN / per_row
    line = matplotlib.rcParams["font.size"] * 1.35 / 72
    pad, gap = 0.14, 0.22
    width = column - 0.16
    boxes = [_boxes(item, language, names, width) for item in flows]
    rows = [list(zip(flows, boxes))[i : i + per_row] for i in range(0, len(flows), per_row)]
    row_heights = [np.max([own.heights(line, pad) for _, own in row], axis=0) for row in rows]
    top_space = 0.35 if synthetic else 0.08
    total = sum(heights.sum() + 4 * gap for heights in row_heights) + top_space
    figure = plt.figure(figsize=(column * per_row, total))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, column * per_row), ylim=(0, total))
    axis.set_axis_off()
    top = total - top_space
    for row, (first, reasons_height, third, last) in zip(rows, row_heights, strict=True):
        for i, (item, own) in enumerate(row):
            left = i * column + 0.08
            spine = left + 0.16
            y = top
            _box(axis, left, y, width, first, own.found)
            y -= first
            middle = y - gap - reasons_height / 2
            high = own.heights(line, pad)[1]
            _box(axis, spine + 0.16, middle + high / 2, width - 0.32, high, own.excluded, align="left")
            _arrow(axis, (spine, middle), (spine + 0.16, middle))
            bottom = y - 2 * gap - reasons_height
            _arrow(axis, (spine, y), (spine, bottom))
            y = bottom
            _box(axis, left, y, width, third, own.included)
            y -= third
            share = width / max(len(item.sets), 1)
            for j, lines in enumerate(own.sets):
                x = left + j * share + (0.03 if j else 0)
                own_width = share - (0.03 if len(item.sets) > 1 else 0)
                _arrow(axis, (x + own_width / 2, y), (x + own_width / 2, y - gap))
                _box(axis, x, y - gap, own_width, last, lines)
        top -= first + reasons_height + third + last + 4 * gap
    if synthetic:
        mark_synthetic_at(figure, language, 0.08)
    return figure
