"""The figure of the shortcut audit: variance explained, AUC of the film's own variables, AUC with parts of
the film covered.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.common.scores import ONE_SCORE
from scripts.common.vocabulary import MASKS, TRAIN
from scripts.statistics.shortcuts import GROUPS
from scripts.statistics.style import (
    GREY,
    MARKERS,
    PALE,
    SET_COLORS,
    letter,
    mark_synthetic,
    panels,
    shared_legend,
)

HEIGHT = 3.3


def covered(mask: str, spine: tuple[float, float], border: float) -> list[tuple[float, float, float, float]]:
    """Rectangles (x, y, width, height) that a mask covers on a film of width and height 1."""
    left, right = spine
    half = (right - left) / 2
    if mask == "spine_masked":
        return [(left, 0, right - left, 1)]
    if mask == "flanks_masked":
        return [(middle - half / 2, 0, half, 1) for middle in (left / 2, (right + 1) / 2)]
    if mask == "border_masked":
        inner = 1 - 2 * border
        return [
            (0, 0, 1, border),
            (0, 1 - border, 1, border),
            (0, border, border, inner),
            (1 - border, border, border, inner),
        ]
    if mask == "spine_only":
        return [(0, 0, left, 1), (right, 0, 1 - right, 1)]
    return []


def _by_group(
    axis, table: pd.DataFrame, sets: Sequence[str], column: str, words: Language, names: Names, bars: bool
) -> None:
    """A row per group of variables, a mark per set; intervals where ``bars``."""
    part = table[table["analysis"] == "variables"]
    step = 0.7 / max(len(sets), 1)
    for s, name in enumerate(sets):
        rows = part[part["set"] == name].set_index("subject").reindex(list(GROUPS))
        if bars:  # variables with one value tell nothing of the label
            rows = rows[rows["auc_ci_method"] != ONE_SCORE].reindex(GROUPS)
        at = np.arange(len(GROUPS)) + (s - (len(sets) - 1) / 2) * step
        color, marker = SET_COLORS[s % len(SET_COLORS)], MARKERS[s % len(MARKERS)]
        axis.plot(rows[column], at, marker, color=color, markersize=3.4, label=names.set(name))
        if bars:
            axis.hlines(at, rows[f"{column}_low"], rows[f"{column}_high"], color=color, linewidth=0.8)
    for line in np.arange(len(GROUPS) - 1) + 0.5:
        axis.axhline(line, color=PALE, linewidth=0.4, zorder=0)
    axis.set_yticks(range(len(GROUPS)), [words.say(f"group_{group}") for group in GROUPS])
    axis.set_ylim(len(GROUPS) - 0.5, -0.5)


def _masks(axis, table: pd.DataFrame, spine: tuple[float, float], border: float, words: Language) -> None:
    """AUC and interval under each mask, a drawing of the mask at the left, a mark per set."""
    part = table[table["analysis"] == "masked"].drop_duplicates(["set", "subject"])
    names = ["unmasked", *MASKS]
    sets = list(dict.fromkeys(part["set"]))
    step = 0.7 / max(len(sets), 1)
    order = [TRAIN, *dict.fromkeys(table.loc[table["set"] != TRAIN, "set"])]
    for s, name in enumerate(sets):
        rows = part[part["set"] == name].set_index("subject").reindex(names)
        at = np.arange(len(names)) + (s - (len(sets) - 1) / 2) * step
        shade = order.index(name)
        color, marker = SET_COLORS[shade % len(SET_COLORS)], MARKERS[shade % len(MARKERS)]
        axis.plot(rows["auc"], at, marker, color=color, markersize=3.4)
        axis.hlines(at, rows["auc_low"], rows["auc_high"], color=color, linewidth=0.8)
    axis.set_yticks(range(len(names)), [words.say(f"mask_{name}") for name in names])
    axis.set_ylim(len(names) - 0.5, -0.5)
    for line in np.arange(len(names) - 1) + 0.5:
        axis.axhline(line, color=PALE, linewidth=0.4, zorder=0)
    for i, name in enumerate(names):
        share = 1 / len(names)
        film = axis.inset_axes([1.02, 1 - (i + 0.88) * share, 0.16, 0.76 * share])
        film.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[])
        for spine_line in film.spines.values():
            spine_line.set(visible=True, color=GREY, linewidth=0.5)
        for x, y, width, height in covered(name, spine, border):
            film.add_patch(Rectangle((x, y), width, height, color=GREY, linewidth=0))


def draw_shortcuts(
    table: pd.DataFrame,
    sets: Sequence[str],
    spine: tuple[float, float],
    border: float,
    language: Language,
    names: Names,
    synthetic: bool,
) -> Figure:
    """Three panels from ``SHORTCUTS``.

    A value that the table lacks has no mark; R^2 below -0.2 stands at the edge.
    """
    figure, (left, middle, right) = panels(3, HEIGHT)
    every = [TRAIN, *sets]
    shown = table.assign(r2=table["r2_cross_validated"].clip(lower=-0.2))
    _by_group(left, shown, every, "r2", language, names, bars=False)
    left.axvline(0, color=GREY, linewidth=0.6)
    left.set(xlim=(-0.23, 1.02), xlabel=language.say("r2_axis"))
    letter(left, 0, language.say("explained"))
    _by_group(middle, shown, every, "auc", language, names, bars=True)
    middle.axvline(0.5, color=GREY, linewidth=0.6)
    middle.set(xlim=(0, 1.02), xlabel=language.say("auc"))
    middle.tick_params(labelleft=False)
    letter(middle, 1, language.say("nuisance_auc"))
    _masks(right, shown, spine, border, language)
    right.axvline(0.5, color=GREY, linewidth=0.6)
    right.set(xlim=(0, 1.02), xlabel=language.say("auc"))
    letter(right, 2, language.say("masked_auc"))
    shared_legend(figure, [left])
    if synthetic:
        mark_synthetic(figure, language)
    return figure
