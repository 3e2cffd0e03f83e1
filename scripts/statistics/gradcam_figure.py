"""The Grad-CAM figure: films chosen by rule, each beside its map of the evidence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from scripts.common.contracts.intake import FILMS
from scripts.common.errors import StudyError
from scripts.common.film_policy import showable
from scripts.common.language import Language
from scripts.common.numbers import decimal
from scripts.common.tables import read_table
from scripts.common.vocabulary import CASE_KINDS
from scripts.statistics.style import DOUBLE_COLUMN, GREY, PALE, PALETTE, mark_synthetic

PER_ROW = 2
"""Cases beside each other; each has two tiles."""

UNLEARNED = "unlearned"
"""Stands for all kinds of cases where the network learned nothing."""

LOW = 0.2
"""Height of the row that says so, as a share of a row with films."""

EVIDENCE = LinearSegmentedColormap.from_list(
    "evidence", (PALETTE[0], PALETTE[4], "#ffffff", PALETTE[1], PALETTE[5])
)
"""From against (blues) to for osteoporosis (oranges): told apart by the colour-blind too."""

LEAST_SCALE = 1.0
"""Smallest evidence, in units of the logit, at which the colour may be full: a film like this everywhere has
a logit of 1. So the maps of a network that learned next to nothing look faint."""

INSIDE = 0.99
"""Share of all places of all maps that lies within the scale; a single place can't make the others faint."""


def read_maps(path: str | Path, cases: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Films (n, m, m), uint16, and maps of the evidence (n, m, m), signed, in units of the logit, in the
    order of ``cases``.
    """
    with np.load(path, allow_pickle=False) as arrays:
        ids, films, evidence = (arrays[name] for name in ("image_id", "film", "evidence"))
    if list(ids) != list(cases["image_id"]):
        raise StudyError(
            f"'{path}' and the table of cases beside it are of different runs. Delete both and run again."
        )
    return films, evidence


def scale_of(evidence: np.ndarray) -> float:
    """The evidence of full colour, one for all maps (n, m, m) of a gallery."""
    return max(LEAST_SCALE, float(np.quantile(np.abs(evidence), INSIDE))) if len(evidence) else LEAST_SCALE


def films_to_show(films_tables: Sequence[str | Path], policy: str) -> Collection[str]:
    """Image ids of the films that may be shown under ``report.show_films``."""
    tables = [read_table(path, FILMS) for path in films_tables]
    return {image for table in tables for image in table["image_id"][showable(table["burned_in"], policy)]}


def shares_of(evidence: np.ndarray, scale: float) -> np.ndarray:
    """Evidence as colours show it, -1 to 1: the square root of its share of the scale, with its sign.

    Where a network is sure, its logit hardly follows the film any more and the evidence is small; without the
    root such a film's map would be blank beside others.
    """
    return np.sign(evidence) * np.sqrt(np.minimum(np.abs(evidence) / scale, 1))


def marks_of(scale: float) -> list[float]:
    """Evidence to write at the bar: 0, the scale cut to one digit, and a quarter of that, both ways."""
    digit = 10.0 ** np.floor(np.log10(scale))
    high = float(np.floor(scale / digit) * digit)
    return [-high, -high / 4, 0.0, high / 4, high]


def window(film: np.ndarray) -> np.ndarray:
    """Grey values (m, m) scaled for display: 1st percentile black, 99th white."""
    low, high = np.percentile(film, [1, 99])
    return np.clip((film.astype(np.float64) - low) / max(high - low, 1.0), 0, 1)


def _tile(axis) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


def _said(axis, text: str) -> None:
    """Words in the middle of a tile."""
    axis.text(0.5, 0.5, text, ha="center", va="center", color=GREY, transform=axis.transAxes)


def _draw_case(
    left, right, film: np.ndarray, share: np.ndarray, shown: bool, title: str, language: Language
) -> None:
    """A film and its map; ``share`` (m, m) is the evidence as colours show it, -1 to 1."""
    for axis in (left, right):
        _tile(axis)
    left.set_title(title, loc="left", fontsize=matplotlib.rcParams["xtick.labelsize"])
    if shown:
        grey = window(film)
        left.imshow(grey, cmap="gray", vmin=0, vmax=1, interpolation="none")
        right.imshow(grey, cmap="gray", vmin=0, vmax=1, interpolation="none")
        right.imshow(share, cmap=EVIDENCE, vmin=-1, vmax=1, alpha=0.7 * np.abs(share), interpolation="none")
    else:
        left.imshow(np.full(film.shape, 0.92), cmap="gray", vmin=0, vmax=1, interpolation="none")
        _said(left, language.say("film_not_shown"))
        right.imshow(share, cmap=EVIDENCE, vmin=-1, vmax=1, interpolation="none")


def _tell_why(axis, kind: str, room: str, language: Language) -> None:
    """Why no case of ``kind`` is shown: a tile that says so, or a line where nothing was learned."""
    if kind == UNLEARNED:
        said = axis.text(0, 1, language.say(UNLEARNED), va="top", transform=axis.transAxes)
        said.set_in_layout(False)  # it runs over the row
        return
    axis.set_axis_on()
    _tile(axis)
    axis.set_facecolor(PALE)
    axis.set_box_aspect(1)
    axis.set_title(room + language.say(kind), loc="left", fontsize=matplotlib.rcParams["xtick.labelsize"])
    _said(axis, language.say("no_case"))


def draw_gradcam(
    cases: pd.DataFrame,
    films: np.ndarray,
    evidence: np.ndarray,
    may_show: Collection[str] | None,
    learned: bool,
    language: Language,
    synthetic: bool,
) -> Figure:
    """A block of rows per kind with the most certain cases, and one with the random sample; two cases a row:
    the film and the film under its map. All maps have one scale.

    A film that may not be shown gives a tile that says so, and its map alone. Where the network ``learned``
    nothing, words stand for the most certain cases.
    """
    at_random = cases["chosen"] == "random"
    kinds = CASE_KINDS if learned else (UNLEARNED,)
    blocks = [(kind, np.flatnonzero((cases["kind"] == kind) & ~at_random)) for kind in kinds]
    scale = scale_of(evidence)
    shares = shares_of(evidence, scale)
    if at_random.any():
        blocks.append(("random_sample", np.flatnonzero(at_random)))
    rows = [
        (kind, found[i : i + PER_ROW])
        for kind, found in blocks
        for i in range(0, max(len(found), 1), PER_ROW)
    ]
    heights = [LOW if kind == UNLEARNED else 1 for kind, _ in rows]
    side = DOUBLE_COLUMN / (2 * PER_ROW)
    figure, axes = plt.subplots(
        len(rows),
        2 * PER_ROW,
        figsize=(DOUBLE_COLUMN, sum(heights) * (side + 0.24) + 0.75 + 0.5 * bool(at_random.any())),
        squeeze=False,
        height_ratios=heights,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    headed = set()
    for (kind, members), line in zip(rows, axes, strict=True):
        block = kind if kind == "random_sample" else "most_certain"
        room = ""  # lines above the title that the layout keeps free for a block's heading
        if at_random.any() and block not in headed:
            room = "\n\n\n"
            line[0].annotate(
                language.say(block),
                (0, 1),
                (0, 2.4 * matplotlib.rcParams["font.size"]),
                xycoords="axes fraction",
                textcoords="offset points",
                fontweight="bold",
            )
        headed.add(block)
        for place in range(PER_ROW):
            left, right = line[2 * place], line[2 * place + 1]
            if place >= len(members):
                for axis in (left, right):
                    axis.set_axis_off()
                if not len(members) and place == 0:
                    _tell_why(left, kind, room, language)
                continue
            case = cases.iloc[members[place]]
            title = f"{room}{language.say(case['kind'])}, {language.say('score')} {decimal(case['score'], 2)}"
            shown = may_show is None or case["image_id"] in may_show
            _draw_case(left, right, films[members[place]], shares[members[place]], shown, title, language)
    bar = figure.colorbar(
        ScalarMappable(Normalize(-1, 1), EVIDENCE),
        ax=list(axes.flat),
        orientation="horizontal",
        fraction=0.025,
        pad=0.01,
        aspect=50,
        shrink=0.5,
        extend="both" if (np.abs(evidence) > scale).any() else "neither",
    )
    marks = marks_of(scale)
    bar.set_ticks(
        shares_of(np.array(marks), scale), labels=[f"{mark:g}".replace("-", "\u2212") for mark in marks]
    )
    bar.set_label(language.say("relevance"))
    bar.outline.set_visible(False)
    if synthetic:
        mark_synthetic(figure, language)
    return figure
