"""The small vector chart that only the report shows: distributions of scores. No film is drawn here."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of Okabe and Ito's palette: told apart by colour-blind readers.
_OP, _NON_OP = "#D55E00", "#0072B2"

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "osteocxr report",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.titlesize": 9.5,
    "legend.frameon": False,
}
_READERS_FONTS = (
    "Arial, Helvetica, 'Noto Sans CJK SC', 'Microsoft YaHei', 'WenQuanYi Zen Hei', 'DejaVu Sans', sans-serif"
)
"""Text stays text in these drawings: the reader's browser draws it, Chinese too, whatever fonts are installed
here.
"""

_LEFT, _BOTTOM, _TOP, _GAP, _RIGHT = 0.62, 0.5, 0.35, 0.42, 0.12
"""Margins around panels, inches."""


def _svg(figure: Figure) -> bytes:
    import warnings

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue().decode("utf-8").replace("'DejaVu Sans'", _READERS_FONTS).encode("utf-8")


def _figure(panels: int, height: float, width: float) -> tuple[Figure, np.ndarray]:
    """A figure with ``panels`` axes of ``height`` and ``width`` inches, at most four in a row."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update(_STYLE)
    columns = min(panels, 4)
    rows = -(-panels // columns)
    across = _LEFT + columns * width + (columns - 1) * _GAP + _RIGHT
    down = rows * (height + _BOTTOM + _TOP)
    figure = Figure(figsize=(across, down))
    axes = []
    for i in range(panels):
        row, column = divmod(i, columns)
        x, y = _LEFT + column * (width + _GAP), down - (row + 1) * (height + _BOTTOM + _TOP) + _BOTTOM
        axes.append(figure.add_axes((x / across, y / down, width / across, height / down)))
    return figure, np.array(axes)


def score_distributions(
    scores: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray | None]], words: dict[str, str]
) -> bytes:
    """Histograms of the deep score (0 to 1) of patients with and without osteoporosis, a panel per set, as
    SVG.

    Parameters
    ----------
    scores: title, scores of shape (n,), labels (0/1) of shape (n,), and single folds' scores of shape (n,
    folds) or None, of each set. words: ``deep_score``, ``share_of_patients``, ``op``, ``non_op`` and
    ``single_folds``.
    """
    figure, axes = _figure(max(len(scores), 1), 1.7, 2.1)
    edges = np.linspace(0, 1, 21)
    for axis, (title, score, label, folds) in zip(axes, scores):
        for value, color, name in ((0, _NON_OP, words["non_op"]), (1, _OP, words["op"])):
            part = score[label == value]
            if len(part):
                share = np.histogram(part, edges)[0] / len(part)
                axis.stairs(share, edges, color=color, fill=True, alpha=0.35)
                axis.stairs(share, edges, color=color, lw=1, label=f"{name} (n={len(part)})")
                if folds is not None:
                    pooled = folds[label == value].ravel()
                    axis.stairs(
                        np.histogram(pooled, edges)[0] / len(pooled), edges, color=color, lw=1, ls="--"
                    )
        if folds is not None:
            axis.plot([], [], color="#555555", lw=1, ls="--", label=words["single_folds"])
        axis.set(title=title, xlim=(0, 1), xlabel=words["deep_score"])
        axis.legend(fontsize=6.5, loc="upper center")
        axis.set_xticks([0, 0.5, 1])
        axis.set_ylim(0, 1.45 * max(axis.get_ylim()[1], 0.05))
        axis.set_yticks([tick for tick in axis.get_yticks() if tick <= 1])
    axes[0].set_ylabel(words["share_of_patients"])
    return _svg(figure)
