"""The forest plot: each model's AUC with its interval in every subgroup of every test set, beside the AUC in
all patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scripts.common.language import Language
from scripts.common.numbers import auc as auc_text
from scripts.common.numbers import count, percentage, with_interval
from scripts.common.scores import ONE_SCORE
from scripts.statistics.curves import Look
from scripts.statistics.style import (
    DOUBLE_COLUMN,
    GREY,
    INK,
    LEAST_POINTS,
    PALE,
    colors_of,
    draw_letter,
    indented,
    legend_rows,
    line_styles_of,
    mark_synthetic_at,
    markers_of,
    shared_legend,
    text_width,
    wrapped,
)

ROW, MARKS_IN_ROW = 0.168, 4.5
"""Height in inches of a row with one line of text, and the models whose marks fit in it; more make it
higher."""

HEAD, FOOT, GAP = 0.33, 0.44, 0.1
"""Inches between a set's title and its first row (column heads), below its last row (axis), and between
columns.
"""

LABEL_WIDTH = 1.45
LEAST_PLOT = 1.2
"""Least width in inches of the plot; where the models' numbers leave less, they stand in the table alone."""

REASONS = {"none: classes perfectly separated": "separated", ONE_SCORE: "constant"}


@dataclass(frozen=True)
class Row:
    """A row of a set's panel: its lines of text, ``n (OP)``, and its part of the table, a row per model."""

    subgroup: str
    label: list[str]
    size: str
    numbers: pd.DataFrame


def why_no_interval(row: pd.Series, words: Language) -> str:
    """Why ``row`` has no interval, in a few words; empty where it has one."""
    if not np.isnan(row["auc_low"]):
        return ""
    n_pos, n_neg = int(row["n_pos"]), int(row["n"] - row["n_pos"])
    if n_pos < 2 and n_pos <= n_neg:
        return words.say("only_op", n=n_pos)
    if n_neg < 2:
        return words.say("only_non_op", n=n_neg)
    method = str(row["auc_ci_method"])
    return words.say(REASONS[method]) if method in REASONS else method.removeprefix("none: ")


def cell(row: pd.Series, words: Language) -> str:
    """AUC with its interval, or with the reason why there is none."""
    reason = why_no_interval(row, words)
    auc = with_interval(row["auc"], row["auc_low"], row["auc_high"], auc_text)
    return f"{auc} ({reason})" if reason else auc


def rows_of(name: str, subgroups: pd.DataFrame, table2: pd.DataFrame, look: Look, size: float) -> list[Row]:
    """All patients of the set, then its subgroups in the table's order."""
    words = look.language

    def row(subgroup: str, label: str, part: pd.DataFrame) -> Row:
        part = part.set_index("model", drop=False).loc[list(look.models)]
        n, n_pos = int(part["n"].iloc[0]), int(part["n_pos"].iloc[0])
        return Row(subgroup, wrapped(label, LABEL_WIDTH, size), f"{count(n)} ({count(n_pos)})", part)

    whole = table2[(table2["set"] == name) & table2["model"].isin(list(look.models))]
    found = [row("", words.say("overall"), whole)] if len(whole) and whole["n"].iloc[0] else []
    for (subgroup, level), part in subgroups[subgroups["set"] == name].groupby(
        ["subgroup", "level"], sort=False
    ):
        label = level if subgroup == "manufacturer" else words.say(f"level_{subgroup}_{level}")
        found.append(row(subgroup, label, part))
    return found


@dataclass(frozen=True)
class _Columns:
    """Where things stand, in inches from the left: sizes (right edge), the plot, and the left edge of each
    model's numbers.
    """

    size: float
    plot: tuple[float, float]
    numbers: list[float]


def _columns(rows: Sequence[Row], look: Look, size: float, level: str) -> _Columns:
    words = look.language
    sizes = max(text_width(text, size) for text in (words.say("size"), *(row.size for row in rows)))
    right = GAP / 2 + LABEL_WIDTH + GAP + sizes
    widths = [
        max(
            text_width(text, size)
            for text in (
                look.names.model(model),
                level,
                *(cell(row.numbers.loc[model], words) for row in rows),
            )
        )
        for model in look.models
    ]
    start, end = right + 1.5 * GAP, DOUBLE_COLUMN - GAP
    free = end - sum(widths) - 1.4 * GAP * len(widths)
    if free - start < LEAST_PLOT:
        return _Columns(right, (start, end), [])
    return _Columns(
        right, (start, free), [free + 1.4 * GAP * (i + 1) + sum(widths[:i]) for i in range(len(widths))]
    )


def _heights(rows: Sequence[Row], look: Look, size: float) -> np.ndarray:
    """Height in inches of each row."""
    least = _row(look)
    return np.array([max(least, ROW + (len(row.label) - 1) * size * 1.25 / 72) for row in rows])


def _row(look: Look) -> float:
    """Least height in inches of a row."""
    return ROW * max(1.0, len(look.models) / MARKS_IN_ROW)


def _interval_level(look: Look) -> str:
    return look.language.say("auc_ci", level=f"{percentage(look.confidence)}%")


def _heading(look: Look, name: str, rows: Sequence[Row]) -> list[str]:
    """Name of a set, in lines."""
    title = look.names.set(name) + ("" if rows else f" ({look.language.say('no_patients')})")
    return wrapped(title, DOUBLE_COLUMN - 0.5, matplotlib.rcParams["axes.titlesize"])


def _draw_marks(axis, rows: Sequence[Row], middles: np.ndarray, look: Look) -> None:
    """Each model's AUC and interval in each row, and a line down the panel at its AUC in all patients."""
    styles, colors, markers = (
        line_styles_of(look.models),
        colors_of(look.models, look.colors),
        markers_of(look.models),
    )
    step = min(0.62 * ROW / 3, 0.8 * _row(look) / len(look.models))
    for i, model in enumerate(look.models):
        at = middles + (i - (len(look.models) - 1) / 2) * step
        auc, low, high = (
            np.array([row.numbers.loc[model, c] for row in rows], float)
            for c in ("auc", "auc_low", "auc_high")
        )
        known = ~np.isnan(low)
        look_of_marks = {
            "color": colors[model],
            "marker": markers[model],
            "markersize": 3,
            "linestyle": "none",
            "clip_on": False,
        }
        axis.axvline(auc[0], color=colors[model], linestyle=styles[model], linewidth=0.6, alpha=0.8, zorder=1)
        axis.hlines(at[known], low[known], high[known], color=colors[model], linewidth=0.9)
        axis.plot(auc[known], at[known], **look_of_marks, zorder=3)
        axis.plot(
            auc[~known], at[~known], **look_of_marks, zorder=3, markerfacecolor="white", markeredgewidth=0.7
        )
        axis.plot(
            [],
            [],
            **(look_of_marks | {"linestyle": styles[model]}),
            linewidth=0.9,
            label=look.names.model(model),
        )


def draw_forest(subgroups: pd.DataFrame, table2: pd.DataFrame, look: Look) -> Figure:
    """A panel per test set, over the whole width: label, n (OP), marks with intervals, and the numbers
    (``SUBGROUPS``, ``TABLE2``).

    A row without an interval has hollow marks and the reason in its place. With so many models that their
    numbers leave no room for the marks the numbers stay in the table, and the figure says so.
    """
    words, size = look.language, max(matplotlib.rcParams["font.size"] - 1.8, LEAST_POINTS)
    panels = {name: rows_of(name, subgroups, table2, look, size) for name in look.sets}
    every = [row for rows in panels.values() for row in rows]
    columns = _columns(every, look, size, _interval_level(look))
    lows = [row.numbers[c].min() for row in every for c in ("auc", "auc_low")]
    lowest = min(0.4, np.floor(np.nanmin([*lows, 0.5]) * 10) / 10) - 0.005
    title_line = matplotlib.rcParams["axes.titlesize"] * 1.25 / 72
    titles = [_heading(look, name, rows) for name, rows in panels.items()]
    spaces = [
        len(title) * title_line + (HEAD + _heights(rows, look, size).sum() + FOOT if rows else 0.1)
        for title, rows in zip(titles, panels.values(), strict=True)
    ]
    note = words.say("forest_note") + ("" if columns.numbers else f" {words.say('numbers_aside')}")
    note_lines = wrapped(note, DOUBLE_COLUMN - 0.3, matplotlib.rcParams["legend.fontsize"])
    _, _, more = legend_rows([look.names.model(model) for model in look.models], DOUBLE_COLUMN)
    margin, below = 0.32 if look.synthetic else 0.06, 0.32 + len(note_lines) * size * 1.35 / 72 + more
    total = margin + sum(spaces) + below
    figure = plt.figure(figsize=(DOUBLE_COLUMN, total))
    page = figure.add_axes((0, 0, 1, 1))
    page.set(xlim=(0, DOUBLE_COLUMN), ylim=(total, 0))
    page.set_axis_off()
    axes, top = [], margin
    for i, (title, rows, space) in enumerate(zip(titles, panels.values(), spaces, strict=True)):
        text = indented("\n".join(title), i, matplotlib.rcParams["font.size"])
        head = page.text(GAP / 2, top, text, va="top", linespacing=1.25)
        draw_letter(page, head, i)
        if rows:
            axes.append(
                _draw_set(figure, page, rows, columns, top + len(title) * title_line, lowest, look, size)
            )
        top += space
    shared_legend(figure, axes, note)
    if look.synthetic:
        mark_synthetic_at(figure, words, 0.06)
    return figure


def _draw_set(
    figure, page, rows: Sequence[Row], columns: _Columns, top: float, lowest: float, look: Look, size: float
):
    """One set's heads, texts and marks from ``top`` inches downwards; returns the axis of the marks."""
    words = look.language
    heights, total = _heights(rows, look, size), page.get_ylim()[0]
    first, height = top + HEAD, heights.sum()
    middles = np.cumsum(heights) - heights / 2
    left, right = columns.plot
    axis = figure.add_axes(
        (left / DOUBLE_COLUMN, 1 - (first + height) / total, (right - left) / DOUBLE_COLUMN, height / total)
    )
    axis.set(xlim=(lowest, 1.005), ylim=(height, 0), yticks=[], xlabel=_interval_level(look))
    axis.spines["left"].set_visible(False)
    axis.patch.set_visible(False)
    axis.axvline(0.5, color=GREY, linewidth=0.6, zorder=0)
    _draw_marks(axis, rows, middles, look)
    style = {"fontsize": size, "va": "center"}
    head = first - 0.14
    page.text(GAP / 2, head, words.say("subgroup"), **style)
    page.text(columns.size, head, words.say("size"), **style, ha="right")
    for model, x in zip(look.models, columns.numbers):
        page.text(x, head - size * 1.3 / 72, look.names.model(model), **style)
        page.text(x, head, _interval_level(look), **style)
    page.hlines(first - 0.03, GAP / 2, DOUBLE_COLUMN - GAP / 2, color=INK, linewidth=0.6)
    for i, (row, middle) in enumerate(zip(rows, middles, strict=True)):
        page.text(GAP / 2, first + middle, "\n".join(row.label), **style, linespacing=1.25)
        page.text(columns.size, first + middle, row.size, **style, ha="right")
        for model, x in zip(look.models, columns.numbers):
            page.text(x, first + middle, cell(row.numbers.loc[model], words), **style)
        if i and row.subgroup != rows[i - 1].subgroup:
            line = first + middle - heights[i] / 2
            page.hlines(line, GAP / 2, DOUBLE_COLUMN - GAP / 2, color=PALE, linewidth=0.5)
    return axis
