"""The one place that decides how figures look, and how they are written: same numbers, same bytes."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.figure import Figure

from scripts.common.errors import StudyError
from scripts.common.files import atomic_path
from scripts.statistics.words import Language

matplotlib.use("Agg")

DOUBLE_COLUMN = 7.1
"""Width in inches of a figure across a journal's page (180 mm)."""

SINGLE_COLUMN = 3.35
"""Width in inches of a figure in one column (85 mm)."""

INK = "#1a1a1a"
GREY = "#6f6f6f"
PALE = "#d9d9d9"
WARNING = "#a4001d"

# Okabe and Ito's palette, for models that the config names no colour for
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
LINE_STYLES = ("solid", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (4, 1.2, 1, 1.2)))

CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Noto Sans SC",
    "Noto Sans CJK JP",
    "SimHei",
    "Microsoft YaHei",
    "PingFang SC",
)


def _first_chinese_font() -> str | None:
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in installed), None)


def _add_later_fonts() -> None:
    """Add the system's fonts that Matplotlib's list lacks; a file that it can't read is left out."""
    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        with contextlib.suppress(Exception):  # FreeType's errors have no family of their own
            font_manager.fontManager.addfont(path)


def chinese_font() -> str:
    """The first installed font that has Chinese characters. ``StudyError`` where there is none.

    Matplotlib keeps a list of fonts from its first use on; a font that was installed later is looked for on the disk.
    """
    name = _first_chinese_font()
    if name is None:
        _add_later_fonts()
        name = _first_chinese_font()
    if name is not None:
        return name
    raise StudyError(
        "study.language is 'zh' but no font with Chinese characters is installed: run 'apt-get install -y fonts-noto-cjk' "
        "(or install one of: " + ", ".join(CHINESE_FONTS[:5]) + "), or write 'language: en'."
    )


def apply(language: str, font_size: float, dpi: int) -> None:
    """Set matplotlib's style. Text is drawn as paths in SVG and embedded in PDF, so that it looks alike everywhere."""
    fonts = ["DejaVu Sans"]
    if language == "zh":
        fonts = [chinese_font(), *fonts]
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(
        {
            "backend": "Agg",
            "font.family": fonts,
            "font.size": font_size,
            "axes.titlesize": font_size,
            "axes.labelsize": font_size,
            "xtick.labelsize": font_size - 1,
            "ytick.labelsize": font_size - 1,
            "legend.fontsize": font_size - 1.5,
            "legend.title_fontsize": font_size - 1.5,
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
            "lines.linewidth": 1.3,
            "legend.frameon": False,
            "legend.handlelength": 1.8,
            "legend.borderaxespad": 0.2,
            "legend.labelspacing": 0.25,
            "savefig.dpi": dpi,
            "figure.dpi": 100,
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
    """A colour per model: the config's, else the next of the palette that no model has; no two are the same unless the config says so."""
    for model, color in chosen.items():
        if not matplotlib.colors.is_color_like(color):
            raise StudyError(
                f"statistics.figures.colors.{model}: '{color}' is no colour; use for instance '#0072B2'."
            )
    taken = {matplotlib.colors.to_hex(chosen[model]) for model in models if model in chosen}
    spare = (color for color in _palette() if matplotlib.colors.to_hex(color) not in taken)
    return {model: chosen[model] if model in chosen else next(spare) for model in models}


def line_styles_of(models: Sequence[str]) -> dict[str, object]:
    """A line style per model, so that curves are told apart without colour too."""
    return {model: LINE_STYLES[i % len(LINE_STYLES)] for i, model in enumerate(models)}


def panels(count: int, height: float, width: float = DOUBLE_COLUMN, per_row: int = 3) -> tuple[Figure, list]:
    """A figure with ``count`` panels, up to three in a row, each ``height`` inches high."""
    columns = min(per_row, max(count, 1))
    rows = -(-max(count, 1) // columns)
    wide = width if columns == per_row else width * columns / per_row
    figure, axes = plt.subplots(
        rows, columns, figsize=(wide, height * rows), squeeze=False, layout="constrained"
    )
    flat = list(axes.flat)
    for spare in flat[count:]:
        spare.set_axis_off()
    return figure, flat[:count]


def letter(axis, position: int, title: str) -> None:
    """Give a panel its letter and title."""
    axis.set_title(
        f"$\\mathbf{{{chr(ord('A') + position)}}}$  {title}" if position < 26 else title, loc="left"
    )


def mark_synthetic(figure: Figure, language: Language) -> None:
    """Write over the figure that its patients are simulated."""
    figure.suptitle(
        language("synthetic"), color=WARNING, fontweight="bold", fontsize=matplotlib.rcParams["font.size"] + 1
    )


def save(figure: Figure, paths: Sequence[str | Path]) -> None:
    """Write ``figure`` to each path in the format of its suffix, without dates, atomically, and close it."""
    metadata = {
        ".svg": {"Date": None, "Creator": None},
        ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    figure.draw_without_rendering()  # lays the panels out, once for all formats
    figure.set_layout_engine("none")
    for path in map(Path, paths):
        with atomic_path(path) as part:
            figure.savefig(
                part, format=path.suffix[1:], metadata=metadata.get(path.suffix), facecolor="white"
            )
    plt.close(figure)
