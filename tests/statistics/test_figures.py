"""Figures: the same bytes each time, every number on them right, films hidden where they must be."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from scripts.common.contracts.cohort import FLOW
from scripts.common.contracts.networks import CASES
from scripts.common.contracts.statistics import SUBGROUPS
from scripts.common.errors import StudyError
from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.common.tables import read_table
from scripts.statistics import style
from scripts.statistics.calibration import calibration_tables
from scripts.statistics.curves import Look, draw_calibration, draw_decision_curves, draw_roc, roc_points
from scripts.statistics.decision_curves import best_strategies, decision_curves, threshold_grid
from scripts.statistics.delong import auc_with_covariance
from scripts.statistics.flow_diagram import draw_flow, flow_of
from scripts.statistics.forest_figure import cell, draw_forest
from scripts.statistics.gradcam_figure import (
    EVIDENCE,
    draw_gradcam,
    films_to_show,
    marks_of,
    read_maps,
    scale_of,
)
from scripts.statistics.performance import performance_table
from scripts.statistics.scored_cohort import ScoredCohort
from scripts.statistics.subgroups import levels, subgroup_table
from scripts.statistics.training_figure import draw_training

MODELS = ["deep", "clinical", "combined"]
SETS = ["internal_test", "external_1", "external_2"]
CENTERS = ["internal", "external_1", "external_2"]
LABELS = {"deep": "Deep learning", "clinical": "Clinical", "combined": "Combined"}
COLORS = {"deep": "#0072B2", "clinical": "#E69F00"}


@pytest.fixture(autouse=True)
def plain_style():
    style.apply(Language("en"), 8, 60)


def look(synthetic: bool = True, sets: list[str] = SETS, language: str = "en") -> Look:
    words = Language(language)
    return Look(MODELS, sets, words, Names(words, None, LABELS), COLORS, synthetic)


def texts(figure: Figure) -> str:
    return "\n".join(item.get_text() for item in figure.findobj(lambda a: hasattr(a, "get_text")))


def table2(predictions: pd.DataFrame) -> pd.DataFrame:
    return performance_table(predictions, MODELS, SETS, dict.fromkeys(MODELS, 0.4), 0.95, 100, 1)


def test_area_under_the_drawn_curve_is_the_auc(predictions):
    labels, scores = predictions["label"].to_numpy(), predictions["deep"].round(1).to_numpy()
    x, y = roc_points(labels, scores)
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(auc_with_covariance(labels, scores[None]).auc[0], abs=1e-12)


def test_roc_figure_says_auc_and_synthetic(predictions):
    numbers = table2(predictions)
    figure = draw_roc(predictions, numbers, look())
    said = texts(figure)
    row = numbers[(numbers["set"] == "external_1") & (numbers["model"] == "deep")].iloc[0]
    assert (
        f"Deep learning {row['auc']:.3f} ({row['auc_low']:.3f}–{row['auc_high']:.3f})" in said
        and "AUC (95% CI)" in said
    )
    assert "SYNTHETIC" in said and "Internal test set" in said
    assert "SYNTHETIC" not in texts(draw_roc(predictions, numbers, look(synthetic=False)))


def test_figures_of_sets_without_patients_or_with_one_class(predictions):
    few = predictions[
        (predictions["set"] != "external_2")
        & ((predictions["set"] != "external_1") | (predictions["label"] == 1))
    ]
    numbers = table2(few)
    assert "No patients" in texts(draw_roc(few, numbers, look())) and "One class" in texts(
        draw_roc(few, numbers, look())
    )
    benefit = decision_curves(few, MODELS, SETS, threshold_grid(0.1, 0.5, 0.1), 0.95, 100, 1)
    said = texts(draw_decision_curves(benefit, numbers, look()))
    assert "No patients" in said and "No curve\n35 events, 0 non-events" in said
    _, curve = calibration_tables(few, MODELS, SETS, 0.95)
    assert "35 events, 0 non-events" in texts(draw_calibration(few, curve, look()))


def test_calibration_names_a_model_without_a_curve(predictions):
    predictions["clinical"] = 0.4
    _, curve = calibration_tables(predictions, MODELS, SETS, 0.95)
    assert "No curve: Clinical" in texts(draw_calibration(predictions, curve, look()))


def test_best_strategies_by_hand():
    """Of equals the strategy that needs no model comes first."""
    grid = [0.1, 0.2, 0.3, 0.4, 0.5]
    benefit = {
        "all": [0.4, 0.3, 0.1, -0.1, -0.3],
        "none": [0.0] * 5,
        "a": [0.4, 0.35, 0.2, 0.2, 0.0],
        "b": [0.3, 0.3, 0.25, 0.2, -0.1],
    }
    part = pd.DataFrame(
        [(m, t, v) for m, values in benefit.items() for t, v in zip(grid, values)],
        columns=["model", "threshold", "net_benefit"],
    )
    assert best_strategies(part, ["a", "b"]) == [
        ("all", 0.1, 0.1),
        ("a", 0.2, 0.2),
        ("b", 0.3, 0.3),
        ("a", 0.4, 0.4),
        ("none", 0.5, 0.5),
    ]
    assert best_strategies(part[part["threshold"] < 0.15], ["b", "a"]) == [("all", 0.1, 0.1)]


def test_lines_over_a_decision_curve_cover_every_threshold_once_and_name_the_best(predictions):
    numbers = table2(predictions)
    benefit = decision_curves(predictions, MODELS, SETS, threshold_grid(0.01, 0.8, 0.01), 0.95, 100, 1)
    figure = draw_decision_curves(benefit, numbers, look())
    colors = style.colors_of(MODELS, COLORS)
    for axis, name in zip(figure.axes, SETS):
        part = benefit[benefit["set"] == name]
        over = [line for line in axis.lines if line.get_linewidth() == 2]
        spans = sorted(tuple(line.get_xdata()) for line in over)
        assert spans[0][0] == pytest.approx(0.005) and spans[-1][1] == pytest.approx(0.8)
        assert all(a[1] == pytest.approx(b[0]) for a, b in zip(spans, spans[1:]))
        at = part[np.isclose(part["threshold"], 0.5)].set_index("model")["net_benefit"]
        there = next(line for line in over if line.get_xdata()[0] <= 0.5 <= line.get_xdata()[1])
        assert there.get_color() == colors[at[MODELS].idxmax()] and at[MODELS].max() > max(at["all"], 0)
    assert "Imprecise: 28 events,\n12 non-events" in texts(figure) and texts(figure).count("Imprecise") == 1
    assert "12 例" in texts(draw_decision_curves(benefit, numbers, look(language="zh")))


def forest_tables(cohort, predictions):
    return subgroup_table(
        ScoredCohort(predictions, cohort), MODELS, SETS, dict.fromkeys(MODELS, 0.4), 0.95
    ), table2(predictions)


def test_forest_plot_is_the_table(cohort, predictions):
    subgroups, numbers = forest_tables(cohort, predictions)
    figure = draw_forest(subgroups, numbers, look())
    said = texts(figure)
    page, panels = figure.axes[0], figure.axes[1:]
    assert len(panels) == 3 and "SYNTHETIC" in said
    for axis, name in zip(panels, SETS):
        for model in MODELS:
            part = subgroups[(subgroups["set"] == name) & (subgroups["model"] == model)]
            whole = numbers[(numbers["set"] == name) & (numbers["model"] == model)].iloc[0]
            auc, low = [whole["auc"], *part["auc"]], np.array([whole["auc_low"], *part["auc_low"]])
            color = style.colors_of(MODELS, COLORS)[model]
            lines = [line for line in axis.lines if line.get_color() == color]
            assert [
                line.get_xdata()[0]
                for line in lines
                if line.get_linestyle() != "None" and len(line.get_xdata()) == 2
            ] == [whole["auc"]]
            marks = sorted(
                x
                for line in lines
                if line.get_linestyle() == "None"
                for x in line.get_xdata()
                if not np.isnan(x)
            )
            assert marks == sorted(x for x in auc if not np.isnan(x))
            bars = [
                c
                for c in axis.collections
                if tuple(c.get_color()[0][:3]) == style.matplotlib.colors.to_rgb(color)
            ]
            assert sorted(s[0][0] for c in bars for s in c.get_segments()) == sorted(low[~np.isnan(low)])
            for row in [whole, *(row for _, row in part.iterrows())]:
                assert cell(row, Language("en")) in said and f"{row['n']} ({row['n_pos']})" in said
    drawn = [t.get_text() for t in page.texts]
    assert drawn.count("All patients") == 3 and "Women" in drawn and "Maker A" in drawn


@pytest.mark.parametrize(
    ("labels", "scores", "said"),
    [
        ([1, 0, 0, 0], [0.9, 0.1, 0.2, 0.95], "0.667 (1 OP)"),
        ([1, 1, 1, 0], [0.9, 0.8, 0.1, 0.2], "0.667 (1 non-OP)"),
        ([1, 1, 1, 1], [0.9, 0.8, 0.1, 0.2], "– (0 non-OP)"),
        ([0, 0, 0, 0], [0.9, 0.8, 0.1, 0.2], "– (0 OP)"),
        ([1, 1, 0, 0], [0.9, 0.8, 0.1, 0.2], "1.000 (separated)"),
        ([1, 1, 0, 0], [0.5, 0.5, 0.5, 0.5], "0.500 (constant)"),
    ],
)
def test_a_row_too_small_has_the_reason_in_place_of_the_interval(labels, scores, said):
    frame = pd.DataFrame({"set": "s", "label": labels, "m": scores})
    row = performance_table(frame, ["m"], ["s"], {"m": 0.4}, 0.95, 50, 1).iloc[0]
    assert cell(row, Language("en")) == said


def test_forest_plot_with_many_models_and_with_a_set_without_patients(cohort, predictions):
    subgroups, numbers = forest_tables(cohort, predictions)
    copies = [frame.assign(model=frame["model"] + "_2") for frame in (subgroups, numbers)]
    many = replace(
        look(synthetic=False),
        models=[*MODELS, *(f"{m}_2" for m in MODELS)],
        sets=[*SETS, "external_3"],
    )
    figure = draw_forest(
        pd.concat([subgroups, copies[0]])[list(SUBGROUPS)], pd.concat([numbers, copies[1]]), many
    )
    said = texts(figure)
    assert (
        "results/statistics/subgroups.csv" in said
        and "External 3 (No patients)" in said
        and "SYNTHETIC" not in said
    )
    assert len(figure.axes) == 4


def test_same_figure_same_bytes_in_every_format(predictions, tmp_path):
    numbers = table2(predictions)
    for suffix in ("svg", "png", "pdf"):
        paths = [tmp_path / f"{i}.{suffix}" for i in (1, 2)]
        for path in paths:
            style.apply(Language("en"), 8, 60)
            style.save(draw_roc(predictions, numbers, look()), [path])
        first, second = (path.read_bytes() for path in paths)
        assert first == second and len(first) > 1000
        assert b"20" + b"26-" not in first
    assert "<text" not in (tmp_path / "1.svg").read_text(encoding="utf-8")


def test_more_than_three_sets_wrap_and_letters_go_on():
    figure, axes = style.panels(5, 2.0)
    assert len(axes) == 5 and figure.get_size_inches()[1] == 4.0
    assert not figure.axes[5].axison


def test_every_model_has_a_colour_of_its_own():
    assert len(set(style.colors_of(MODELS, COLORS).values())) == 3
    many = [*MODELS, *(f"model_{i}" for i in range(27))]
    assert len({matplotlib.colors.to_hex(color) for color in style.colors_of(many, COLORS).values()}) == 30
    assert style.colors_of(["a", "b"], COLORS) == {"a": "#0072B2", "b": "#E69F00"}
    assert style.colors_of(["deep", "other"], COLORS)["other"] != COLORS["deep"]


def test_flow_closes_and_a_gap_is_refused(study_writer, tmp_path):
    cohort, _ = study_writer(tmp_path)
    flow = read_table(tmp_path / "results/cohort/flow.csv", FLOW)
    own = flow_of("internal", flow, cohort)
    assert own.found == own.included + sum(n for _, n in own.excluded)
    assert [name for name, _, _ in own.sets] == ["train", "internal_test"]
    assert (
        sum(n for _, n, _ in own.sets) == own.included and sum(op for _, _, op in own.sets) == own.included_op
    )
    words = Language("en")
    said = texts(draw_flow(flow, cohort, CENTERS, words, Names(words), True))
    for text in (
        f"Patients found: n = {own.found}",
        f"Included: n = {own.included}",
        "Too young: 6",
        "SYNTHETIC",
        "External test set",
    ):
        assert text in said
    assert "No DXA exam" not in said
    with pytest.raises(StudyError, match="don't add up"):
        draw_flow(flow[flow["step"] != "too_young"], cohort, CENTERS, words, Names(words), True)


def test_flow_text_stays_in_its_boxes(study_writer, tmp_path):
    cohort, _ = study_writer(tmp_path)
    flow = read_table(tmp_path / "results/cohort/flow.csv", FLOW)
    words = Language("en")
    long = dict.fromkeys(CENTERS, "The hospital with a name that is longer than any box could ever hold")
    figure = draw_flow(flow, cohort, CENTERS, words, Names(words, long), False)
    renderer = figure.canvas.get_renderer()
    boxes = [
        patch.get_window_extent(renderer) for patch in figure.axes[0].patches if hasattr(patch, "get_width")
    ]
    for text in figure.axes[0].texts:
        if text.get_text():
            extent = text.get_window_extent(renderer)
            assert any(
                b.x0 <= extent.x0 and extent.x1 <= b.x1 and b.y0 <= extent.y0 and extent.y1 <= b.y1
                for b in boxes
            )


def film_tiles(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for axis in figure.axes for image in axis.get_images()]


def test_films_are_shown_only_where_burned_in_is_no(study_writer, tmp_path):
    study_writer(tmp_path)
    cases = read_table(tmp_path / "results/models/deep/gradcam/cases.csv", CASES)
    films, evidence = read_maps(tmp_path / "results/models/deep/gradcam/maps.npz", cases)
    tables = sorted((tmp_path / "results/intake").glob("*/films.csv"))
    allowed = films_to_show(tables, "not_burned_in")
    hidden = cases.index[~cases["image_id"].isin(list(allowed))]
    assert list(hidden) == [len(cases) - 1]
    figure = draw_gradcam(cases, films, evidence, allowed, True, Language("en"), True)
    assert texts(figure).count("Film not shown") == 1 and "SYNTHETIC" in texts(figure)
    from scripts.statistics.gradcam_figure import window

    shown = [tile for tile in film_tiles(figure)]
    for i in range(len(cases)):
        there = any(tile.shape == films[i].shape and np.allclose(tile, window(films[i])) for tile in shown)
        assert there == (i not in hidden)
    signed_off = films_to_show(tables, "signed_off")
    everything = draw_gradcam(cases, films, evidence, signed_off, True, Language("en"), False)
    assert "Film not shown" not in texts(everything)
    nobody = draw_gradcam(cases, films, evidence, set(), True, Language("en"), False)
    assert texts(nobody).count("Film not shown") == len(cases)


def test_gradcam_without_a_kind_and_without_any_case(study_writer, tmp_path):
    study_writer(tmp_path)
    cases = read_table(tmp_path / "results/models/deep/gradcam/cases.csv", CASES)
    films, evidence = read_maps(tmp_path / "results/models/deep/gradcam/maps.npz", cases)
    keep = (cases["kind"] != "FN").to_numpy()
    assert (
        texts(
            draw_gradcam(cases[keep], films[keep], evidence[keep], None, True, Language("en"), False)
        ).count("No such case")
        == 1
    )
    assert (
        texts(draw_gradcam(cases[:0], films[:0], evidence[:0], None, True, Language("en"), False)).count(
            "No such case"
        )
        == 4
    )
    with pytest.raises(StudyError, match="different runs"):
        read_maps(tmp_path / "results/models/deep/gradcam/maps.npz", cases.iloc[::-1])


def maps_of(figure: Figure) -> list[tuple[np.ndarray, object, np.ndarray | None]]:
    """Of each map: its values, the limits of its colours, and how dense it is."""
    drawn = [image for axis in figure.axes for image in axis.get_images() if image.get_cmap() is EVIDENCE]
    return [(np.asarray(i.get_array()), i.get_clim(), i.get_alpha()) for i in drawn]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_maps_have_one_scale_and_show_what_speaks_against(study_writer, tmp_path, language):
    study_writer(tmp_path)
    cases = read_table(tmp_path / "results/models/deep/gradcam/cases.csv", CASES)
    films, evidence = read_maps(tmp_path / "results/models/deep/gradcam/maps.npz", cases)
    evidence[0] = 0.05 * evidence[0] / np.abs(evidence[0]).max()  # next to none
    scale = scale_of(evidence)
    assert np.quantile(np.abs(evidence), 0.99) == pytest.approx(scale) and scale < np.abs(evidence).max()
    figure = draw_gradcam(cases, films, evidence, None, True, Language(language), False)
    maps = maps_of(figure)
    assert len(maps) == len(cases) and {limits for _, limits, _ in maps} == {(-1, 1)}
    for of_film in evidence:
        shown = np.sign(of_film) * np.sqrt(np.clip(np.abs(of_film) / scale, 0, 1))
        (found,) = [m for m in maps if np.allclose(m[0], shown, atol=1e-6)]
        np.testing.assert_allclose(found[2], 0.7 * np.abs(found[0]), atol=1e-6)
    assert min(m[0].min() for m in maps) < -0.1 and max(m[0].max() for m in maps) == 1
    assert min(np.abs(m[0]).max() for m in maps) < 0.15  # a faint map stays faint
    bar = figure.axes[-1]
    assert bar.get_xlim() == (-1, 1)
    written = [float(label.get_text().replace("\u2212", "-")) for label in bar.get_xticklabels()]
    assert written == marks_of(scale) and written[-1] <= scale < 2 * written[-1]
    np.testing.assert_allclose(bar.get_xticks(), np.sign(written) * np.sqrt(np.abs(written) / scale))
    assert bar.get_xlabel() == Language(language).say("relevance")
    against, none, for_it = (np.array(EVIDENCE(at)) for at in (0.0, 0.5, 1.0))
    assert against[2] > 2 * against[0] and for_it[0] > 2 * for_it[2] and none[:3].min() > 0.98


def test_a_gallery_of_next_to_no_evidence_is_faint():
    assert scale_of(np.full((2, 8, 8), 0.01)) == scale_of(np.zeros((0, 0, 0))) == 1.0
    assert marks_of(1.0) == [-1, -0.25, 0, 0.25, 1] and marks_of(37.4) == [-30, -7.5, 0, 7.5, 30]


def test_where_nothing_was_learned_the_random_sample_stands_alone(study_writer, tmp_path):
    study_writer(tmp_path)
    cases = read_table(tmp_path / "results/models/deep/gradcam/cases.csv", CASES)
    films, evidence = read_maps(tmp_path / "results/models/deep/gradcam/maps.npz", cases)
    rest = (cases["chosen"] == "random").to_numpy()
    for keep in (rest, rest & False):
        said = draw_gradcam(cases[keep], films[keep], evidence[keep], None, False, Language("en"), False)
        assert "No film is called certain: nothing shows that the network learned" in texts(said)
        assert "No such case" not in texts(said) and len(maps_of(said)) == keep.sum()


def training(histories: dict, language: str = "en", synthetic: bool = True):
    words = Language(language)
    return draw_training(
        histories, words, Names(words, None, {"deep": "First", "other": "Second"}), synthetic
    )


def test_training_curves_are_the_histories_and_say_that_the_auc_chooses_nothing(histories_of):
    histories = histories_of("01234")
    figure = training({"deep": histories})
    loss, auc, rate = figure.axes
    for fold, history in enumerate(histories.values()):
        drawn = [line.get_ydata() for line in loss.lines[2 * fold : 2 * fold + 2]] + [
            rate.lines[fold].get_ydata()
        ]
        for values, column in zip(drawn, ("loss_global", "loss_local", "lr"), strict=True):
            np.testing.assert_array_equal(values, history[column])
        np.testing.assert_array_equal(auc.lines[fold].get_ydata(), history["held_out_auc"])
    assert histories["4"]["held_out_auc"].isna().all(), (
        "the gap of a fold with one class is part of this test"
    )
    said = texts(figure)
    assert "SYNTHETIC" in said and "The held-out AUC chooses nothing" in said and "Fold 4" in said
    assert "First" not in said, "a network alone needs no name"
    assert "SYNTHETIC" not in texts(training({"deep": histories}, synthetic=False))
    assert "不用于任何选择" in texts(training({"deep": histories}, "zh"))


def test_each_network_has_training_curves_and_each_seed_a_line(histories_of):
    seeds = ("0", "0_seed_1", "1", "1_seed_1")
    alone = {run: history.assign(loss_local=0.0) for run, history in histories_of("01").items()}
    figure = training({"deep": histories_of(seeds), "other": alone})
    (first, auc, _), (second, _, _) = figure.axes[:3], figure.axes[3:]
    assert len(first.lines) == 2 * len(seeds) and len(second.lines) == 2, "no line of a loss that isn't there"
    colors = [line.get_color() for line in auc.lines[: len(seeds)]]
    assert colors[0] == colors[1] != colors[2] == colors[3]
    said = texts(figure)
    assert "First" in said and "Second" in said and "further seeds" in said
    assert auc.get_legend_handles_labels()[1] == ["Fold 0", "Fold 1"]


def test_training_curves_show_one_epoch_and_ten_folds_and_no_speed(histories_of, tmp_path):
    many = training({"deep": {run: history[:1] for run, history in histories_of("0123456789").items()}})
    histories = histories_of("01234")
    assert all(line.get_marker() in style.MARKERS for line in many.axes[0].lines) and "Fold 9" in texts(many)
    for i, speed in enumerate((1.0, 2.0)):
        style.apply(Language("en"), 8, 60)
        for history in histories.values():
            history["films_per_s"] = history["data_wait"] = speed
        style.save(training({"deep": histories}), [tmp_path / f"{i}.svg"])
    assert (tmp_path / "0.svg").read_bytes() == (tmp_path / "1.svg").read_bytes()


def test_a_font_installed_after_the_first_figure_is_found(monkeypatch):
    """Matplotlib's stored list may be older than the font."""
    try:
        style.chinese_font()
    except StudyError:
        pytest.skip("no Chinese font is installed")
    fonts = style.font_manager.fontManager
    files = {font.fname for font in fonts.ttflist if font.name in style.CHINESE_FONTS}
    monkeypatch.setattr(fonts, "ttflist", [font for font in fonts.ttflist if font.fname not in files])
    assert style.chinese_font() in style.CHINESE_FONTS


def test_chinese_figures_draw_every_character(predictions, recwarn):
    try:
        style.apply(Language("zh"), 8, 60)
    except StudyError as error:
        assert "fonts-noto-cjk" in str(error)
        pytest.skip("no Chinese font is installed")
    figure = draw_roc(predictions, table2(predictions), look(language="zh"))
    figure.canvas.draw()
    assert "内部测试集" in texts(figure)
    assert not [w for w in recwarn if "missing from font" in str(w.message)]


def test_without_a_chinese_font_the_package_is_named(monkeypatch):
    monkeypatch.setattr(style.font_manager.fontManager, "ttflist", [])
    monkeypatch.setattr(style.font_manager, "findSystemFonts", lambda: [])
    with pytest.raises(StudyError, match="apt-get install -y fonts-noto-cjk"):
        style.chinese_font()


def test_every_subgroup_of_the_forest_has_words_in_both_languages():
    n = 12
    frame = pd.DataFrame(
        {"sex": ["F", "M"] * 6, "age": np.arange(60, 60 + n), "bmi": np.linspace(17, 30, n),
        "manufacturer": "", "dxa_interval_months": np.linspace(0, 4, n)}
    )  # fmt: skip
    keys = {f"level_{subgroup}_{level}" for subgroup, level, _ in levels(frame)}
    assert len([key for key in keys if key.startswith("level_dxa_interval_")]) == 3
    assert all(Language(code, "figures").say(key) for code in ("en", "zh") for key in keys)


NAMES = {"internal_test": "Hospital $1 and $2 北京协和医院", "deep": "深度学习"}


def test_names_in_chinese_are_drawn_in_an_english_study(predictions, tmp_path, recwarn):
    names = Names(Language("en"), NAMES, NAMES)
    try:
        style.apply(Language("en"), 8, 60, names.shown(MODELS, ["internal_test"]))
    except StudyError:
        pytest.skip("no Chinese font is installed")
    figure = draw_roc(predictions, table2(predictions), replace(look(), names=names))
    said = texts(figure).replace("\n", "").replace(" ", "")
    assert NAMES["internal_test"].replace(" ", "") in said and NAMES["deep"] in said
    style.save(figure, [tmp_path / f"roc.{suffix}" for suffix in ("png", "svg", "pdf")])
    assert not [w for w in recwarn if "missing from font" in str(w.message)]


def test_a_figure_with_a_box_is_refused_before_it_is_written(predictions, tmp_path):
    names = Names(Language("en"), {"internal_test": "\U00012000 Hospital"})
    with pytest.raises(StudyError, match="^the label of 'internal_test': no installed font"):
        style.apply(Language("en"), 8, 60, names.shown(MODELS, ["internal_test"]))
    style.apply(Language("en"), 8, 60)
    with pytest.raises(StudyError, match="^A text of this figure: no installed font"):
        figure = draw_roc(predictions, table2(predictions), replace(look(), names=names))
        style.save(figure, [tmp_path / "roc.png"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "title", ["One line", "A long title that is broken where it must be, twice at least in this panel"]
)
def test_a_panels_letter_stands_on_the_line_of_its_title(title):
    style.apply(Language("en"), 8, 60)
    figure, axes = style.panels(2, 2.0)
    for position, axis in enumerate(axes):
        style.letter(axis, position, title, "(n = 10)")
    figure.draw_without_rendering()
    for position, axis in enumerate(axes):
        mark = next(text for text in axis.texts if text.get_text() == "AB"[position])
        whole, letter = axis._left_title.get_window_extent(), mark.get_window_extent()
        lines = axis._left_title.get_text().count("\n") + 1
        assert letter.x0 == pytest.approx(whole.x0, abs=1) and mark.get_fontweight() == "bold"
        assert whole.y1 - whole.height / lines - 1 <= letter.y0 and letter.y1 <= whole.y1 + 1
        text = axis._left_title.get_text()
        blank = " " * (len(text) - len(text.lstrip(" ")))
        before = style.text_width(blank + "a", 8) - style.text_width("a", 8)
        assert letter.width / figure.dpi < before < letter.width / figure.dpi + 0.12
