"""The figure of the training: losses, held-out AUC and learning rate of every fold over the epochs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scripts.common.language import Language
from scripts.statistics.style import (
    FOLD_COLORS,
    INK,
    MARKERS,
    PALE,
    letter,
    mark_synthetic,
    panels,
    shared_legend,
)

MARKS = 10
"""Marks on a fold's line, about."""


def draw_training(histories: Sequence[pd.DataFrame], language: Language, synthetic: bool) -> Figure:
    """Losses (global solid, local dashed), held-out AUC and learning rate, a line per fold.

    ``histories`` are the folds' tables (HISTORY) in order. An AUC that is missing, since a fold held out one
    class only, leaves a gap. A line below says that the last epoch's weights are used, whatever the held-out
    AUC is.
    """
    figure, (loss, auc, rate) = panels(3, 2.75)
    for fold, history in enumerate(histories):
        look = {
            "color": FOLD_COLORS[fold % len(FOLD_COLORS)],
            "linewidth": 1.0,
            "marker": MARKERS[fold % len(MARKERS)],
            "markevery": max(len(history) // MARKS, 1),
            "markersize": 2.5,
        }
        epochs = history["epoch"].to_numpy(float)
        loss.plot(epochs, history["loss_global"], **look)
        loss.plot(epochs, history["loss_local"], **look, linestyle=(0, (3, 1.2)))
        auc.plot(epochs, history["held_out_auc"], **look, label=language.say("fold_number", n=fold))
        rate.plot(epochs, history["lr"], **look)
    auc.axhline(0.5, color=PALE, linewidth=0.8, zorder=0)
    auc.set_ylim(min(0.4, *(history["held_out_auc"].min(skipna=True) - 0.05 for history in histories)), 1.01)
    loss.set_ylim(bottom=0)
    rate.set_ylim(bottom=0)
    rate.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for place, (axis, title) in enumerate(
        ((loss, "loss_axis"), (auc, "held_out_auc_axis"), (rate, "learning_rate_axis"))
    ):
        letter(axis, place, language.say(title))
        axis.set_xlabel(language.say("epoch_axis"))
        axis.xaxis.get_major_locator().set_params(integer=True)
    kinds = [Line2D([], [], color=INK, linewidth=1.0, linestyle=style) for style in ("solid", (0, (3, 1.2)))]
    loss.legend(kinds, [language.say("loss_global"), language.say("loss_local")], loc="best")
    shared_legend(figure, [auc], language.say("last_weights"))
    if synthetic:
        mark_synthetic(figure, language)
    return figure
