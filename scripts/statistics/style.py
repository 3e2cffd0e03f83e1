"""The one place that decides how figures look, and how they are written: same numbers, same bytes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from scripts.common.files import atomic_path
from scripts.common.fonts import CHINESE_FONTS as CHINESE_FONTS
from scripts.common.fonts import chinese_font as chinese_font
from scripts.common.fonts import families_for, refuse_boxes
from scripts.common.language import Language

matplotlib.use("Agg")

DOUBLE_COLUMN = 7.1
"""Width in inches of a figure across a journal's page (180 mm)."""

SINGLE_COLUMN = 3.35
"""Width in inches of a figure in one column (85 mm)."""

LEAST_POINTS = 6.0
"""No text is smaller at the printed width."""

INK = "#1a1a1a"
GREY = "#6f6f6f"
PALE = "#d9d9d9"
WARNING = "#a4001d"

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7300E6", "#732A11")
"""Colours of models that the config names none for: Okabe and Ito's, violet and brown in place of their
yellow, too pale for lines, and their black, the colour of treating nobody."""

LINE_STYLES = (
    "solid",
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (4, 1.2, 1, 1.2)),
    (0, (9, 1.5)),
    (0, (4, 1.2, 1, 1.2, 1, 1.2)),
    (0, (1.2, 2.8)),
    (0, (9, 1.2, 3, 1.2)),
)

SET_COLORS = (INK, "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours of the sets, train first; they repeat where there are more. Of Okabe and Ito."""

FOLD_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
"""Colours of the folds; they repeat where there are more. Of Okabe and Ito."""

MARKERS = "osD^vPX<>"
"""Marks of models, sets or folds, so that they are told apart without colour too."""


def apply(language: Language, font_size: float, dpi: int, names: Mapping[str, str] | None = None) -> None:
    """Set matplotlib's style.

    Text is drawn as paths in SVG and its fonts are embedded in PDF, so that it looks alike everywhere.

    ``names`` are those that the figures show, by the place where each can be changed: fonts that have their
    characters are chosen among the installed ones, and a name that none can draw is refused (``StudyError``).
    Small text is up to 1.5 points smaller than ``font_size``, but never below ``LEAST_POINTS``.
    """
    fonts = families_for(names or {}, language.code, language.texts)
    font_size = max(font_size, LEAST_POINTS)
    small, smallest = (max(font_size - less, LEAST_POINTS) for less in (1, 1.5))
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(
        {
            "backend": "Agg",
            "font.family": fonts,
            "font.size": font_size,
            "axes.titlesize": font_size,
            "axes.labelsize": font_size,
            "xtick.labelsize": small,
            "ytick.labelsize": small,
            "legend.fontsize": smallest,
            "legend.title_fontsize": smallest,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.linewidth": 0.6,
            "xtick.major.width": 0.6,
            "ytick.major.width": 0.6,
            "xtick.major.size": 2.5,
            "ytick.major.size": 2.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.unicode_minus": True,
            "text.parse_math": False,  # a dollar sign in a name is one
            "lines.linewidth": 1.3,
            "legend.frameon": False,
            "legend.handlelength": 1.8,
            "legend.borderaxespad": 0.2,
            "legend.labelspacing": 0.25,
            "savefig.dpi": dpi,
            "figure.dpi": 100,
            "text.hinting": (
                "no_hinting"
            ),  # as wide in bitmaps as in vector graphics, so that one layout fits all
            "text.hinting_factor": 1,
            "svg.fonttype": "path",
            "svg.hashsalt": "osteocxr",
            "pdf.fonttype": 42,
            "path.simplify": True,
        }
    )


def _palette() -> Iterator[str]:
    """The palette, and behind it hues a golden angle apart, the darkness changing, without end."""
    yield from PALETTE
    for i in itertools.count():
        hue = (0.55 + i * 0.618034) % 1
        yield matplotlib.colors.to_hex(matplotlib.colors.hsv_to_rgb((hue, 0.75, (0.85, 0.55)[i % 2])))


def colors_of(models: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """A colour per model: the config's, else the next of the palette that no model has; no two are the same
    unless the config says so.
    """
    taken = {matplotlib.colors.to_hex(chosen[model]) for model in models if model in chosen}
    spare = (color for color in _palette() if matplotlib.colors.to_hex(color) not in taken)
    return {model: chosen[model] if model in chosen else next(spare) for model in models}


def line_styles_of(models: Sequence[str]) -> dict[str, object]:
    """A line style per model, so that curves are told apart without colour too."""
    return {model: LINE_STYLES[i % len(LINE_STYLES)] for i, model in enumerate(models)}


def markers_of(models: Sequence[str]) -> dict[str, str]:
    """A mark per model."""
    return {model: MARKERS[i % len(MARKERS)] for i, model in enumerate(models)}


@cache
def _measure() -> RendererAgg:
    return RendererAgg(1, 1, 720)


def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Width in inches of one line of ``text`` in the style's font, ``size`` in points."""
    font = font_manager.FontProperties(size=size, weight=weight)
    return _measure().get_text_width_height_descent(text, font, ismath=False)[0] / 720


def _pieces(text: str) -> Iterator[str]:
    """What a line may be broken between: words with the space after them, and single Chinese characters."""
    word = ""
    for character in text:
        if ord(character) > 0x2E7F:
            yield from filter(None, (word, character))
            word = ""
        else:
            word += character
            if character == " ":
                yield word
                word = ""
    if word:
        yield word


def wrapped(text: str, width: float, size: float) -> list[str]:
    """``text`` in lines of at most ``width`` inches; a word that is wider alone is broken."""
    lines = [""]
    for piece in _pieces(text):
        if lines[-1] and text_width((lines[-1] + piece).rstrip(), size) > width:
            lines.append("")
        if text_width(piece.rstrip(), size) <= width:
            lines[-1] += piece
            continue
        for character in piece:
            if lines[-1] and text_width(lines[-1] + character, size) > width:
                lines.append("")
            lines[-1] += character
    return [line.rstrip() for line in lines]


def with_detail(name: str, detail: str, width: float, size: float) -> str:
    """``name`` in lines of at most ``width`` inches; ``detail`` whole behind it, or in a line of its own."""
    *lines, last = wrapped(name, width, size)
    if text_width(f"{last} {detail}", size) <= width:
        return "\n".join([*lines, f"{last} {detail}"])
    return "\n".join([*lines, last, detail])


def panels(count: int, height: float, width: float = DOUBLE_COLUMN, per_row: int = 3) -> tuple[Figure, list]:
    """A figure with ``count`` panels, up to three in a row, each ``height`` inches high.

    One panel alone is a column wide, and higher in the same measure."""
    columns = min(per_row, max(count, 1))
    rows = -(-max(count, 1) // columns)
    wide = width * columns / per_row
    if columns == 1 and wide < SINGLE_COLUMN:
        height, wide = height * SINGLE_COLUMN / wide, SINGLE_COLUMN
    figure, axes = plt.subplots(
        rows, columns, figsize=(wide, height * rows), squeeze=False, layout="constrained"
    )
    flat = list(axes.flat)
    for spare in flat[count:]:
        spare.set_axis_off()
    return figure, flat[:count]


def indented(text: str, position: int, size: float) -> str:
    """``text`` with room for a panel's letter before its first line; from the 27th panel on there is none."""
    if position >= 26:
        return text
    blank = text_width("a a", size) - text_width("aa", size)
    wide = text_width(chr(ord("A") + position), size, "bold")
    return " " * (round(wide / blank) + 2) + text


def draw_letter(axis, of: Text, position: int) -> None:
    """Write a panel's bold letter into the room before the first line of the text ``of``, on the same
    baseline.

    Matplotlib's math text would make one text of both, but it takes no character from a second font.
    """
    if position >= 26:
        return

    def first_baseline(renderer) -> Bbox:
        """The start of the first line, in pixels; a box of one pixel there, as ``annotate`` wants it."""
        x, y = of.get_transform().transform(of.get_unitless_position())
        _, lines, *_ = of._get_layout(renderer)  # Matplotlib tells a line's place nowhere else
        right, up = lines[0][2]
        return Bbox.from_bounds(x + right, y + up, 1, 1)

    axis.annotate(
        chr(ord("A") + position),
        xy=(0, 0),
        xycoords=first_baseline,
        va="baseline",
        fontsize=of.get_fontsize(),
        fontweight="bold",
        annotation_clip=False,
    )


def letter(axis, position: int, title: str, detail: str = "", **more: object) -> None:
    """Give a panel its letter and title, broken into lines that fit over it; ``detail`` stays whole."""
    size = matplotlib.rcParams["axes.titlesize"]
    grid = axis.get_subplotspec()
    columns = grid.get_gridspec().ncols if grid else 1
    room = axis.figure.get_size_inches()[0] / columns - 0.47
    indent = text_width("AA", size, "bold") if position < 26 else 0.0
    lines = wrapped(title, room - indent, size)
    if detail:
        beside = (
            0.1 if grid and grid.colspan.stop < columns else 0.0
        )  # the next panel's title begins further right
        if len(lines) == 1 and text_width(f"{lines[0]} {detail}", size) <= room - indent + beside:
            lines = [f"{lines[0]} {detail}"]
        else:
            lines.append(detail)
    drawn = axis.set_title(indented("\n".join(lines), position, size), loc="left", **more)
    draw_letter(axis, drawn, position)


def make_room_for_titles(figure: Figure, axes: Sequence) -> None:
    """Make the figure higher by the further lines of its panels' titles, so that long names take nothing from
    the panels.
    """
    lines: dict[int, int] = {}
    for axis in axes:
        row = axis.get_subplotspec().rowspan.start
        lines[row] = max(lines.get(row, 0), axis.get_title(loc="left").count("\n"))
    extra = sum(lines.values()) * matplotlib.rcParams["axes.titlesize"] * 1.2 / 72
    figure.set_size_inches(figure.get_size_inches()[0], figure.get_size_inches()[1] + extra)


def make_room_for_legends(figure: Figure, axes: Sequence) -> None:
    """Make the figure higher until the legend below each panel ends above the next row's titles and the
    figure's lower edge.

    The layout engine alone leaves too little room below panels whose aspect is fixed.
    """
    rows: dict[int, list] = {}
    for axis in axes:
        rows.setdefault(axis.get_subplotspec().rowspan.start, []).append(axis)
    order = [rows[row] for row in sorted(rows)]
    for _ in range(6):
        figure.draw_without_rendering()
        lacking = 0.0
        for row, following in itertools.zip_longest(order, order[1:], fillvalue=()):
            legends = [axis.get_legend().get_window_extent().y0 for axis in row if axis.get_legend()]
            tops = [
                axis.get_title(loc="left") and axis._left_title.get_window_extent().y1 for axis in following
            ]
            if legends:
                lacking = max(lacking, max(tops, default=0.0) / figure.dpi + 0.03 - min(legends) / figure.dpi)
        if lacking <= 0:
            return
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + lacking * len(order) + 0.01)


def legend_rows(names: Sequence[str], width: float) -> tuple[list[str], int, float]:
    """How a legend below all panels of a figure of ``width`` inches is set: the names in lines, the rows, and
    how many inches it is higher than a single line.
    """
    size, room = matplotlib.rcParams["legend.fontsize"], width - 0.2
    names = ["\n".join(wrapped(name, room - 5 * size / 72, size)) for name in names]
    widest = max(text_width(line, size) for name in names for line in name.split("\n"))
    fitting = max(int((room + 2 * size / 72) / (widest + 4.6 * size / 72)), 1)
    rows = -(-len(names) // min(fitting, len(names)))
    lines = rows * max(name.count("\n") + 1 for name in names)
    return names, rows, (lines - 1) * size * 1.5 / 72


def shared_legend(figure: Figure, axes: Sequence, note: str = "") -> None:
    """One legend below all panels, from the first panel that has named marks, in as many columns as fit;
    ``note`` stands over it. Where panels are laid out by an engine, a long one makes the figure higher and
    takes nothing from them.
    """
    found = (axis.get_legend_handles_labels() for axis in axes)
    handles, names = next((pair for pair in found if pair[0]), ([], []))
    if not handles:
        return
    width, height = figure.get_size_inches()
    names, rows, more = legend_rows(names, width)
    if figure.get_layout_engine() is not None:
        figure.set_size_inches(width, height + more)
    told = wrapped(note, width - 0.2, matplotlib.rcParams["legend.fontsize"]) if note else []
    legend = figure.legend(
        handles,
        names,
        loc="outside lower center",
        ncols=-(-len(names) // rows),
        title="\n".join(told) or None,
    )
    legend.get_title().set(color=GREY, multialignment="center")


def mark_synthetic(figure: Figure, language: Language) -> None:
    """Write over the figure that its patients are simulated."""
    size = matplotlib.rcParams["font.size"] + 1
    lines = wrapped(language.say("synthetic"), (figure.get_size_inches()[0] - 0.1) / 1.15, size)
    figure.suptitle("\n".join(lines), color=WARNING, fontweight="bold", fontsize=size)


def mark_synthetic_at(figure: Figure, language: Language, below: float) -> None:
    """As ``mark_synthetic`` for a figure without a layout engine: ``below`` inches under the upper edge."""
    height = figure.get_size_inches()[1]
    size = matplotlib.rcParams["font.size"] + 1
    look = {"color": WARNING, "fontweight": "bold", "fontsize": size}
    figure.text(0.5, 1 - below / height, language.say("synthetic"), ha="center", va="top", **look)


def save(figure: Figure, paths: Sequence[str | Path]) -> None:
    """Write ``figure`` to each path in the format of its suffix, without dates, atomically, and close it.

    A character that no font of its text has is refused before anything is written (``StudyError``).
    """
    metadata = {
        ".svg": {"Date": None, "Creator": None},
        ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    texts = [text for text in figure.findobj(Text) if text.get_visible()]
    refuse_boxes((text.get_text(), text.get_fontfamily()) for text in texts)
    figure.draw_without_rendering()  # lays the panels out, once for all formats
    figure.set_layout_engine("none")
    for path in map(Path, paths):
        with atomic_path(path) as part:
            figure.savefig(
                part, format=path.suffix[1:], metadata=metadata.get(path.suffix), facecolor="white"
            )
    plt.close(figure)
