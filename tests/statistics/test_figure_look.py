"""How every figure looks: legible, inside its page, told apart without colour, whole in both languages and
with any number of sets.
"""

from __future__ import annotations

import functools
import itertools
import re
import shutil
import subprocess

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from scripts.common.config import Figures
from scripts.common.contracts.cohort import FLOW
from scripts.common.contracts.networks import CASES
from scripts.common.errors import StudyError
from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.common.tables import read_table
from scripts.statistics import style
from scripts.statistics.calibration import calibration_tables
from scripts.statistics.curves import Look, draw_calibration, draw_decision_curves, draw_roc
from scripts.statistics.decision_curves import decision_curves, threshold_grid
from scripts.statistics.flow_diagram import draw_flow
from scripts.statistics.forest_figure import draw_forest
from scripts.statistics.gradcam_figure import draw_gradcam, read_maps
from scripts.statistics.performance import performance_table
from scripts.statistics.scored_cohort import ScoredCohort
from scripts.statistics.shortcut_figure import draw_shortcuts
from scripts.statistics.shortcuts import read_masked, shortcut_table, with_films
from scripts.statistics.subgroups import subgroup_table
from scripts.statistics.training_figure import draw_training

MODELS = ["deep", "clinical", "combined"]
MANY = [*MODELS, "x", "all_features", "second_network", "whole_film"]
"""Seven models."""

LABELS = {
    "en": {"deep": "Deep learning", "clinical": "Clinical", "combined": "Combined"},
    "zh": {"deep": "DL 模型", "clinical": "临床模型", "combined": "联合模型"},
}
MODEL = {
    "en": "Gradient-boosted trees on all clinical variables and the score of the network",
    "zh": "基于全部临床变量与神经网络评分的梯度提升树联合预测模型",
}
LONG = "The Affiliated Hospital of a Medical University with a Name that No Box Holds"
LONG_ZH = "某某医科大学附属第一医院放射科与骨质疏松诊疗中心东院区及其体检分部"


def use(language: str, size: float = 8) -> None:
    try:
        style.apply(Language(language), size, 60)
    except StudyError:
        pytest.skip("no Chinese font is installed")


class Study:
    """The tables of a random study with ``externals`` external sets and some models."""

    def __init__(self, maker, folder, externals: int, models: list[str]):
        self.models = models
        sizes = {"train": (90, 166), "internal_test": (22, 42)}
        sizes |= {
            f"external_{i}": [(35, 21), (28, 12), (9, 30), (0, 25)][i - 1] for i in range(1, externals + 1)
        }
        self.cohort, predictions = maker.write_study(folder, sizes)
        rng = np.random.default_rng(3)
        noise = {m: rng.normal(0, 1.2, len(predictions)) for m in models if m not in MODELS}
        logit = np.log(predictions["deep"] / (1 - predictions["deep"]))
        self.predictions = predictions.assign(**{m: 1 / (1 + np.exp(-logit - n)) for m, n in noise.items()})
        self.sets = [name for name in sizes if name != "train"]
        self.centers = ["internal", *self.sets[1:]]
        results = folder / "results"
        scored = ScoredCohort(self.predictions, self.cohort)
        cuts = dict.fromkeys(models, 0.4)
        self.table2 = performance_table(self.predictions, models, self.sets, cuts, 0.95, 50, 1)
        self.benefit = decision_curves(
            self.predictions, models, self.sets, threshold_grid(0.01, 0.8, 0.01), 0.95, 50, 1
        )
        self.curve = calibration_tables(self.predictions, models, self.sets, 0.95)[1]
        self.subgroups = subgroup_table(scored, models, self.sets, cuts, 0.95)
        self.flow = read_table(results / "cohort/flow.csv", FLOW)
        films = with_films(scored, "deep", results / "intake/exposure.csv")
        masked = read_masked({"internal_test": results / "models/deep/masked/internal_test.csv"}, films)
        self.shortcuts = shortcut_table(films, masked, self.sets, 0.95, 1, None)
        networks = ["deep", *(m for m in models if m in ("second_network", "whole_film"))]
        self.histories = {network: maker.random_histories("01234") for network in networks}
        self.cases = read_table(results / "models/deep/gradcam/cases.csv", CASES)
        self.films, self.evidence = read_maps(results / "models/deep/gradcam/maps.npz", self.cases)

    def figures(self, language: str, long: bool = False, only: tuple[str, ...] = ()) -> dict[str, Figure]:
        name = LONG if language == "en" else LONG_ZH
        words = Language(language)
        names = Names(
            words,
            {c: f"{name} {i}" for i, c in enumerate(self.centers)} if long else None,
            {m: f"{MODEL[language]} {i}" for i, m in enumerate(MANY)} if long else LABELS[language],
        )
        look = Look(self.models, self.sets, words, names, {}, True)
        drawings = {
            "roc": lambda: draw_roc(self.predictions, self.table2, look),
            "decision_curves": lambda: draw_decision_curves(self.benefit, self.table2, look),
            "calibration": lambda: draw_calibration(self.predictions, self.curve, look),
            "forest": lambda: draw_forest(self.subgroups, self.table2, look),
            "flow": lambda: draw_flow(self.flow, self.cohort, self.centers, words, names, True),
            "shortcuts": lambda: draw_shortcuts(
                self.shortcuts, self.sets, (0.36, 0.64), 0.08, words, names, True
            ),
            "training": lambda: draw_training(self.histories, words, names, True),
            "gradcam": lambda: draw_gradcam(self.cases, self.films, self.evidence, set(), True, words, True),
        }
        return {key: draw() for key, draw in drawings.items() if not only or key in only}


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """A study by its numbers of test sets and models, made once."""
    import importlib.util
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("figure_conftest", Path(__file__).with_name("conftest.py"))
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)

    @functools.cache
    def of(sets: int, models: int = 3) -> Study:
        return Study(maker, tmp_path_factory.mktemp(f"sets_{sets}_{models}"), sets - 1, MANY[:models])

    yield of
    matplotlib.pyplot.close("all")


def shown_texts(figure: Figure) -> list[Text]:
    """The texts that are drawn: visible, not of an axis that is off, no label of a tick outside the panel."""
    hidden = set()
    for axis in figure.axes:
        for side in (axis.xaxis, axis.yaxis):
            shown = set(side._update_ticks()) if axis.axison else set()
            hidden |= {
                id(text)
                for tick in [*side.majorTicks, *side.minorTicks]
                if tick not in shown
                for text in (tick.label1, tick.label2)
            }
            if not axis.axison:
                hidden |= {id(side.label), id(side.offsetText)}
    return [
        t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip() and id(t) not in hidden
    ]


@pytest.mark.parametrize(
    ("language", "sets", "models", "long"),
    [
        ("en", 1, 1, True), ("en", 2, 3, False), ("en", 3, 3, False), ("en", 3, 7, True), ("en", 5, 3, True),
        ("zh", 1, 7, True), ("zh", 2, 3, True), ("zh", 3, 1, False), ("zh", 3, 7, False), ("zh", 5, 3, True),
    ],
)  # fmt: skip
def test_text_is_legible_whole_and_on_the_page(studies, language, sets, models, long, recwarn):
    use(language)
    for name, figure in studies(sets, models).figures(language, long).items():
        figure.draw_without_rendering()
        renderer = figure.canvas.get_renderer()
        width, height = figure.get_size_inches() * figure.dpi
        assert figure.get_size_inches()[0] <= style.DOUBLE_COLUMN + 0.01, name
        for text in shown_texts(figure):
            said = f"{name}: {text.get_text()!r}"
            assert text.get_fontsize() >= style.LEAST_POINTS, said
            box = text.get_window_extent(renderer)
            assert box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1, said
        whole = "\n".join(text.get_text() for text in shown_texts(figure))
        assert "SYNTHETIC" in whole, name
        matplotlib.pyplot.close(figure)
    assert not [str(w.message) for w in recwarn if "missing from font" in str(w.message)]


@pytest.mark.parametrize(("sets", "models"), [(3, 3), (3, 7), (5, 3)])
def test_titles_and_legends_of_panels_do_not_run_into_each_other(studies, sets, models):
    use("en")
    for name, figure in (
        studies(sets, models).figures("en", True, ("roc", "decision_curves", "calibration")).items()
    ):
        figure.draw_without_rendering()
        boxes = [axis._left_title.get_window_extent() for axis in figure.axes if axis._left_title.get_text()]
        assert len(boxes) == sets
        boxes += [axis.get_legend().get_window_extent() for axis in figure.axes if axis.get_legend()]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2)), name


def test_no_text_gets_smaller_than_six_points_whatever_the_config_says(studies):
    use("en", size=6)
    for name, figure in studies(3).figures("en").items():
        assert min(text.get_fontsize() for text in shown_texts(figure)) >= style.LEAST_POINTS, name
    with pytest.raises(ValueError, match="greater than or equal to 6"):
        Figures(font_size=5)


# Machado, Oliveira, Fernandes: A physiologically-based model for simulation of color vision deficiency (IEEE
# TVCG 2009;15:1291), severity 1.0, on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(color: str, deficiency: str) -> np.ndarray:
    """CIE L*a*b* (D65) of a colour as somebody with the deficiency sees it."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(DEFICIENCIES[deficiency]) @ linear, 0, 1)
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    xyz = np.array(to_xyz) @ linear / [0.95047, 1, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def least_difference(colors, deficiency: str) -> float:
    seen = [lab(color, deficiency) for color in colors]
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize(
    "colors", [style.PALETTE, style.SET_COLORS, style.FOLD_COLORS], ids=["models", "sets", "folds"]
)
def test_colours_differ_for_the_colour_blind(colors, deficiency):
    assert least_difference(colors, deficiency) >= 15, deficiency


def test_the_test_of_colours_fails_where_colours_can_not_be_told_apart():
    assert (
        least_difference(["#d00000", "#7a6a00"], "none")
        > 40
        > 15
        > least_difference(["#c04040", "#807f40"], "deuteranopia")
    )
    assert np.allclose(lab("#ffffff", "none"), [100, 0, 0], atol=0.05) and np.allclose(
        lab("#808080", "protanopia")[1:], 0, atol=0.1
    )


def test_models_and_folds_differ_beside_colour(studies):
    use("en")
    assert (
        len(set(map(str, style.line_styles_of(MANY).values())))
        == len(set(style.markers_of(MANY).values()))
        == len(set(style.colors_of(MANY, {}).values()))
        == 7
    )
    figures = studies(3).figures("en", only=("roc", "decision_curves", "calibration", "training"))
    for name, axes in (("roc", slice(0, 3)), ("decision_curves", slice(0, 3)), ("calibration", slice(0, 2))):
        for axis in figures[name].axes[axes]:
            drawn_lines = {
                line.get_label(): str(line._unscaled_dash_pattern)
                for line in axis.lines
                if line.get_label() in legend_names(figures[name], axis)
            }
            models = [look for label, look in drawn_lines.items() if not label.startswith("Treat")]
            assert len(models) == len(set(models)) == 3, name
    marks = [
        line.get_marker()
        for line in figures["training"].axes[1].lines
        if not line.get_label().startswith("_")
    ]
    assert len(marks) == len(set(marks)) == 5


def legend_names(figure: Figure, axis) -> set[str]:
    return set(axis.get_legend_handles_labels()[1])


@pytest.mark.skipif(shutil.which("pdffonts") is None, reason="pdffonts is not installed")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_pdf_embeds_its_fonts_and_svg_holds_no_text(studies, tmp_path, language):
    use(language)
    for name, figure in studies(3).figures(language, only=("roc", "forest")).items():
        style.save(figure, [tmp_path / f"{name}.pdf", tmp_path / f"{name}.svg"])
        said = subprocess.run(
            ["pdffonts", tmp_path / f"{name}.pdf"], capture_output=True, text=True, check=True
        ).stdout
        rows = said.splitlines()[2:]
        assert rows and all(re.search(r"\s(yes)\s+(yes|no)\s+(yes|no)\s+\d+", row) for row in rows), said
        assert "Type 3" not in said
        assert "<text" not in (tmp_path / f"{name}.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("one two three four five", 0.6),
        ("内部测试集的名称很长很长很长", 0.5),
        ("Abcdefghijklmnopqrstuvwxyz", 0.4),
        ("", 1.0),
    ],
)
def test_wrapped_lines_fit_and_lose_nothing(text, width):
    use("zh")
    lines = style.wrapped(text, width, 8)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(style.text_width(line, 8) <= width for line in lines)
    assert (len(lines) > 1) == bool(text)
