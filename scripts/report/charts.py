"""Small vector charts that only the report shows: training curves and score distributions. No film is drawn here."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd

# Okabe-Ito colours: told apart by colour-blind readers.
_FOLD_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#F0E442")
_OP, _NON_OP = "#D55E00", "#0072B2"

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "osteocxr report",
    "font.family": ["Arial", "Helvetica", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Microsoft YaHei", "sans-serif"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "legend.frameon": False,
}


def _svg(figure: object) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})  # type: ignore[attr-defined]
    return buffer.getvalue()


def _figure(panels: int, height: float):
    import logging

    import matplotlib as mpl
    from matplotlib.figure import Figure

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # text stays text: the reader's fonts draw it
    mpl.rcParams.update(_STYLE)
    columns = min(panels, 4)
    rows = -(-panels // columns)
    figure = Figure(figsize=(max(2.6 * columns, 4.6), height * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for spare in axes[panels:]:
        spare.set_visible(False)
    return figure, axes[:panels]


def training_curves(histories: Sequence[pd.DataFrame], loss: Sequence[str], held_out: str, words: dict[str, str]) -> bytes:
    """Loss and held-out AUC over the epochs, a line per fold, as SVG.

    Parameters
    ----------
    histories: one table per fold with ``epoch``, the ``loss`` columns and ``held_out`` (AUC, 0 to 1, may have gaps).
    words: ``epoch``, ``loss``, ``auc`` and ``fold``: the texts of axes and legend.
    """
    figure, (left, right) = _figure(2, 2.6)
    for fold, history in enumerate(histories):
        color = _FOLD_COLORS[fold % len(_FOLD_COLORS)]
        marker = "o" if len(history) == 1 else None
        for column, style in zip(loss, ("-", "--", ":")):
            left.plot(history["epoch"], history[column], style, color=color, lw=1, marker=marker, ms=3)
        known = history.dropna(subset=[held_out])
        right.plot(
            known["epoch"], known[held_out], color=color, lw=1, marker=marker, ms=3, label=f"{words['fold']} {fold}"
        )
    left.set(xlabel=words["epoch"], ylabel=words["loss"])
    right.set(xlabel=words["epoch"], ylabel=words["auc"])
    right.axhline(0.5, color="#999999", lw=0.6, ls=":")
    right.legend(fontsize=7)
    for axis in (left, right):
        axis.xaxis.get_major_locator().set_params(integer=True)
    return _svg(figure)


def score_distributions(scores: Sequence[tuple[str, np.ndarray, np.ndarray]], words: dict[str, str]) -> bytes:
    """Histograms of the deep score (0 to 1) of patients with and without osteoporosis, a panel per set, as SVG.

    Parameters
    ----------
    scores: title, scores of shape (n,) and labels (0/1) of shape (n,) of each set.
    words: ``score``, ``share``, ``op`` and ``non_op``.
    """
    figure, axes = _figure(len(scores), 2.2)
    edges = np.linspace(0, 1, 21)
    for axis, (title, score, label) in zip(axes, scores):
        for value, color, name in ((0, _NON_OP, words["non_op"]), (1, _OP, words["op"])):
            part = score[label == value]
            if len(part):
                share = np.histogram(part, edges)[0] / len(part)
                axis.stairs(share, edges, color=color, fill=True, alpha=0.35)
                axis.stairs(share, edges, color=color, lw=1, label=f"{name} (n={len(part)})")
        axis.set(title=title, xlim=(0, 1), xlabel=words["score"])
        axis.legend(fontsize=6.5, loc="upper center")
        axis.margins(y=0.25)
    axes[0].set_ylabel(words["share"])
    return _svg(figure)
