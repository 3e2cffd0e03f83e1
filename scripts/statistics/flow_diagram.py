"""The flow diagram: for each centre who was found, who was excluded for which first reason, and who was included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scripts.common.errors import StudyError
from scripts.statistics.style import DOUBLE_COLUMN, INK, WARNING
from scripts.statistics.words import Language


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
            f"The patients of centre '{center}' don't add up: {found} found, {sum(n for _, n in excluded)} excluded, {included} included, "
            f"{len(people)} in the cohort. Delete results/cohort and run again."
        )
    sets = [
        (str(name), len(part), int((part["label"] == 1).sum()))
        for name, part in people.groupby("set", sort=False)
    ]
    sets.sort(key=lambda item: {"train": 0, "internal_test": 1}.get(item[0], 2))
    return CenterFlow(center, found, excluded, included, int((people["label"] == 1).sum()), sets)


def _box(
    axis, x: float, top: float, width: float, height: float, lines: Sequence[str], align: str = "center"
) -> None:
    axis.add_patch(
        plt.Rectangle((x, top - height), width, height, facecolor="white", edgecolor=INK, linewidth=0.7)
    )
    inset = 0.06
    at = x + width / 2 if align == "center" else x + inset
    text = axis.text(at, top - height / 2, "\n".join(lines), ha=align, va="center", linespacing=1.35)
    wide = text.get_window_extent(axis.figure.canvas.get_renderer()).width / axis.figure.dpi
    if wide > width - 2 * inset:
        text.set_fontsize(text.get_fontsize() * (width - 2 * inset) / wide)


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
    flow: pd.DataFrame, cohort: pd.DataFrame, centers: Sequence[str], language: Language, synthetic: bool
) -> Figure:
    """One column of boxes per centre, up to three beside each other; sizes in inches; text shrinks where a box is too narrow."""
    flows = [flow_of(center, flow, cohort) for center in centers]
    per_row = min(3, len(flows))
    column = DOUBLE_COLUMN / max(per_row, 2)
    line = matplotlib.rcParams["font.size"] * 1.35 / 72
    pad, gap = 0.14, 0.22

    def heights(item: CenterFlow) -> tuple[float, float, float, float]:
        reasons = [reason for reason, n in item.excluded if n] or ["-"]
        return 2 * line + pad, (len(reasons) + 1) * line + pad, 2 * line + pad, 4 * line + pad

    rows = [flows[i : i + per_row] for i in range(0, len(flows), per_row)]
    row_heights = [sum(np.max([heights(item) for item in row], axis=0)) + 4 * gap for row in rows]
    top_space = 0.35 if synthetic else 0.08
    total = sum(row_heights) + top_space
    figure = plt.figure(figsize=(column * per_row, total))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, column * per_row), ylim=(0, total))
    axis.set_axis_off()
    top = total - top_space
    for row, height in zip(rows, row_heights, strict=True):
        first, reasons_height, third, last = np.max([heights(item) for item in row], axis=0)
        for i, item in enumerate(row):
            left, width = i * column + 0.08, column - 0.16
            spine = left + 0.16
            y = top
            _box(
                axis,
                left,
                y,
                width,
                first,
                [language.place(item.center), f"{language('found')}: n = {item.found}"],
            )
            y -= first
            out = sum(n for _, n in item.excluded)
            reasons = [f"{language(reason)}: {n}" for reason, n in item.excluded if n] or ["-"]
            own = (len(reasons) + 1) * line + pad
            middle = y - gap - reasons_height / 2
            _box(
                axis,
                spine + 0.16,
                middle + own / 2,
                width - 0.32,
                own,
                [f"{language('excluded')}: n = {out}", *reasons],
                align="left",
            )
            _arrow(axis, (spine, middle), (spine + 0.16, middle))
            bottom = y - 2 * gap - reasons_height
            _arrow(axis, (spine, y), (spine, bottom))
            y = bottom
            _box(
                axis, left, y, width, third,
                [f"{language('included')}: n = {item.included}", f"{language('op')} {item.included_op}, {language('non_op')} {item.included - item.included_op}"],
            )  # fmt: skip
            y -= third
            share = width / max(len(item.sets), 1)
            for j, (name, n, n_op) in enumerate(item.sets):
                x = left + j * share + (0.03 if j else 0)
                own_width = share - (0.03 if len(item.sets) > 1 else 0)
                _arrow(axis, (x + own_width / 2, y), (x + own_width / 2, y - gap))
                label = language(name) if name in ("train", "internal_test") else language("test_set")
                _box(
                    axis,
                    x,
                    y - gap,
                    own_width,
                    last,
                    [label, f"n = {n}", f"{language('op')} {n_op}", f"{language('non_op')} {n - n_op}"],
                )
        top -= height
    if synthetic:
        figure.text(
            0.5,
            1 - 0.08 / total,
            language("synthetic"),
            ha="center",
            va="top",
            color=WARNING,
            fontweight="bold",
            fontsize=matplotlib.rcParams["font.size"] + 1,
        )
    return figure
