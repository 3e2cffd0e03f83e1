"""The figure of the training: losses, held-out AUC and learning rate of every training over the epochs."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.statistics.style import (
    DOUBLE_COLUMN,
    FOLD_COLORS,
    INK,
    MARKERS,
    PALE,
    letter,
    make_room_for_titles,
    mark_synthetic,
    shared_legend,
    wrapped,
)

MARKS = 10
"""Marks on a training's line, about."""

MAIN_HEIGHT, FURTHER_HEIGHT = 2.75, 2.2
"""Inches of a row of panels: of the first network, and of each further one."""

DASHED = (0, (3, 1.2))


def draw_training(
    histories: Mapping[str, Mapping[str, pd.DataFrame]], language: Language, names: Names, synthetic: bool
) -> Figure:
    """A row of panels per network: losses (global solid, local dashed), held-out AUC and learning rate, a
    line per training.

    ``histories`` gives each network's tables (HISTORY) by training (``0``, ``0_seed_1`` ...), the main
    network first. A fold's further seeds are thin lines in its colour. An AUC that is missing, since a fold
    held out one class only, leaves a gap. A line below says that the last epoch's weights are used, whatever
    the held-out AUC is.
    """
    heights = [MAIN_HEIGHT, *[FURTHER_HEIGHT] * (len(histories) - 1)]
    figure, axes = plt.subplots(
        *(len(histories), 3),
        figsize=(DOUBLE_COLUMN, sum(heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for place, (row, (network, own)) in enumerate(zip(axes, histories.items(), strict=True)):
        label = names.model(network) if len(histories) > 1 else ""
        _draw_network(row, 3 * place, label, own, language)
    most = max(axes[:, 1], key=lambda axis: len(axis.get_legend_handles_labels()[0]))
    make_room_for_titles(figure, list(axes.flat))
    seeds = any("_" in run for own in histories.values() for run in own)
    last = language.say("last_weights")
    shared_legend(figure, [most], f"{last} {language.say('further_seeds')}" if seeds else last)
    if synthetic:
        mark_synthetic(figure, language)
    return figure


def _draw_network(
    axes: np.ndarray, position: int, label: str, histories: Mapping[str, pd.DataFrame], language: Language
) -> None:
    """The three panels of a network; ``label`` stands beside them."""
    loss, auc, rate = axes
    kinds = {"loss_global": "solid"}
    if any(history["loss_local"].gt(0).any() for history in histories.values()):
        kinds["loss_local"] = DASHED
    for run, history in histories.items():
        fold, _, seed = run.partition("_seed_")
        look = {"color": FOLD_COLORS[int(fold) % len(FOLD_COLORS)], "linewidth": 0.5 if seed else 1.0}
        if not seed:
            look |= {
                "marker": MARKERS[int(fold) % len(MARKERS)],
                "markevery": max(len(history) // MARKS, 1),
                "markersize": 2.5,
            }
        epochs = history["epoch"].to_numpy(float)
        for kind, style in kinds.items():
            loss.plot(epochs, history[kind], **look, linestyle=style)
        named = {} if seed else {"label": language.say("fold_number", n=int(fold))}
        auc.plot(epochs, history["held_out_auc"], **look, **named)
        rate.plot(epochs, history["lr"], **look)
    auc.axhline(0.5, color=PALE, linewidth=0.8, zorder=0)
    lowest = (history["held_out_auc"].min(skipna=True) - 0.05 for history in histories.values())
    auc.set_ylim(min(0.4, *lowest), 1.01)
    loss.set_ylim(bottom=0)
    rate.set_ylim(bottom=0)
    rate.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for place, (axis, title) in enumerate(
        ((loss, "loss_axis"), (auc, "held_out_auc_axis"), (rate, "learning_rate_axis"))
    ):
        letter(axis, position + place, language.say(title))
        axis.set_xlabel(language.say("epoch_axis"))
        axis.xaxis.get_major_locator().set_params(integer=True)
    size = matplotlib.rcParams["axes.labelsize"]
    loss.set_ylabel("\n".join(wrapped(label, FURTHER_HEIGHT - 0.6, size)), fontweight="bold")
    if len(kinds) > 1:
        lines = [Line2D([], [], color=INK, linewidth=1.0, linestyle=style) for style in kinds.values()]
        loss.legend(lines, [language.say(kind) for kind in kinds], loc="best")
