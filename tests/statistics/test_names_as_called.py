"""Sets, centres and models that are called like words of the figures and tables are shown as they are
called.
"""

from __future__ import annotations

from pathlib import Path

import docx
import pandas as pd
import pytest
from matplotlib.figure import Figure

from scripts.common.contracts.cohort import COHORT, FLOW
from scripts.common.errors import StudyError
from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.common.manuscript_tables import table_1, table_2
from scripts.common.tables import read_table, write_table
from scripts.statistics import style
from scripts.statistics.auc_comparison import delong_table
from scripts.statistics.calibration import calibration_tables
from scripts.statistics.cohort_description import count_missing, describe
from scripts.statistics.curves import Look, draw_calibration, draw_decision_curves, draw_roc
from scripts.statistics.decision_curves import decision_curves, threshold_grid
from scripts.statistics.flow_diagram import draw_flow
from scripts.statistics.forest_figure import draw_forest
from scripts.statistics.performance import performance_table
from scripts.statistics.subgroups import subgroup_table
from scripts.statistics.three_line import three_line, to_html, write_docx
from scripts.statistics.thresholds import freeze
from scripts.statistics.waist import read_predictions, with_cohort

CASES = Path(__file__).resolve().parents[2].parent / "shared/cases/statistics"
SETS = {"internal_test": "male", "external_1": "all", "external_2": "one_class"}
CENTERS = {"internal": "found", "external_1": "all", "external_2": "female"}
MODELS = {"deep": "overall", "clinical": "male", "combined": "excluded"}


def texts(figure: Figure) -> list[str]:
    found = figure.findobj(lambda part: hasattr(part, "get_text"))
    return [" ".join(part.get_text().split()) for part in found if part.get_text().strip()]


def named(texts: list[str], name: str) -> bool:
    """Whether a text is the name, or begins with it and goes on with numbers (``Male (n = 80, OP 32)``)."""
    return any(text == name or text.startswith((f"{name} (", f"{name} 0.", f"{name} 1.")) for text in texts)


def test_in_figures_word_and_pages(study_writer, tmp_path):
    cohort, predictions = study_writer(tmp_path)
    flow = read_table(tmp_path / "results/cohort/flow.csv", FLOW)
    for frame in (cohort, predictions):
        frame["set"], frame["center"] = frame["set"].replace(SETS), frame["center"].replace(CENTERS)
    flow["center"] = flow["center"].replace(CENTERS)
    predictions = predictions.rename(columns=MODELS)
    sets, centers, models = list(SETS.values()), list(CENTERS.values()), list(MODELS.values())
    words = Language("en")
    names = Names(words)
    style.apply(words, 8, 60, names.shown(models, sets, centers))
    look = Look(models, sets, words, names, {}, False)
    cuts = freeze(predictions, models, "youden", None)
    thresholds = dict(zip(cuts["model"], cuts["threshold"]))
    performance = performance_table(predictions, models, sets, thresholds, 0.95, 20, 1)
    benefit = decision_curves(predictions, models, sets, threshold_grid(0.1, 0.5, 0.1), 0.95, 20, 1)
    curve = calibration_tables(predictions, models, sets, 0.95)[1]
    write_table(cohort, tmp_path / "cohort.csv", COHORT)
    patients = with_cohort(predictions, tmp_path / "cohort.csv")
    subgroups = subgroup_table(patients, models, sets, thresholds, 0.95)
    for figure in (
        draw_roc(predictions, performance, look),
        draw_decision_curves(benefit, performance, look),
        draw_calibration(predictions, curve, look),
        draw_forest(subgroups, performance, look),
    ):
        said = texts(figure)
        assert [name for name in ("Male", "All", "One class", *models) if not named(said, name)] == []
        figure.clear()
    drawn = [line for text in draw_flow(flow, cohort, centers, words, names, False).axes[0].texts
             for line in text.get_text().split("\n")]  # fmt: skip
    assert {"Found", "All", "Female"} <= set(drawn)

    tests = delong_table(predictions, models, sets, ["excluded", "male"], 0.95, None)
    engine = {"engine": "numpy"}
    made = (
        table_1(describe(cohort, centers), count_missing(cohort), centers, words, names),
        table_2(performance, tests, cuts, engine, sets, 0.95, words, names),
    )
    for table, called in zip(made, (("Found", "All", "Female"), ("Male", "All", "One class")), strict=True):
        assert [block.name for block in table.blocks] == list(called)
        shown = three_line(table, words, False)
        write_docx(shown, tmp_path / "table.docx")
        rows = [row.cells[0].text for row in docx.Document(tmp_path / "table.docx").tables[0].rows]
        assert all(any(row.startswith(f"{name}: n = ") for row in rows) for name in called)
        assert all(f">{name}: n = " in to_html(shown) for name in called)
    assert [str(row[0]) for row in made[1].blocks[0].rows] == [
        *models,
        words.say("strategy_everyone_positive"),
    ]
    assert words.say("p_against", model="excluded") in made[1].head


@pytest.mark.parametrize("name", ["everyone_positive", "all", "none"])
def test_no_model_may_be_called_like_a_strategy(predictions, tmp_path, name):
    predictions.rename(columns={"deep": name}).to_csv(tmp_path / "predictions.csv", index=False)
    with pytest.raises(StudyError, match=f"rename the score columns .*'{name}'"):
        read_predictions(tmp_path / "predictions.csv")


@pytest.mark.shared
def test_the_sets_of_the_case_are_shown_as_they_are_called(tmp_path):
    """Test sets ``male`` and ``female``: once headed "Male, n (%)"."""
    predictions = pd.read_csv(CASES / "E_set_called_male_predictions.csv").assign(fold=0)
    words = Language("en")
    names = Names(words)
    sets = ["male", "female", "all_women"]
    cuts = freeze(predictions, ["m1", "m2"], "youden", None)
    performance = performance_table(
        predictions, ["m1", "m2"], sets, dict(zip(cuts["model"], cuts["threshold"])), 0.95, 20, 1
    )
    tests = delong_table(predictions, ["m1", "m2"], sets, ["m1", "m2"], 0.95, None)
    table = table_2(performance, tests, cuts, {"engine": "numpy"}, sets, 0.95, words, names)
    assert [block.heading(words) for block in table.blocks][:2] == [
        "Male: n = 80, OP 32, Non-OP 48",
        "Female: n = 80, OP 32, Non-OP 48",
    ]
    style.apply(words, 8, 60, names.shown(["m1", "m2"], sets))
    look = Look(["m1", "m2"], sets, words, names, {}, False)
    said = texts(draw_roc(predictions, performance, look))
    assert named(said, "Male") and named(said, "Female") and not [text for text in said if "n (%)" in text]
