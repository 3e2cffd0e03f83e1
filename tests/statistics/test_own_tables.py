"""Statistics of scores that were made elsewhere: other models, other hospitals, fewer columns; what is
refused, and how.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from scripts.common.errors import StudyError
from scripts.statistics.own_tables import main, prepare

FAST = {"engine": "numpy", "bootstrap": 100, "figures": {"formats": ["svg"], "dpi": 72}}
SETS = {"internal_test": "own_hospital", "external_1": "hospital_b", "external_2": "hospital_c"}


def foreign(
    cohort: pd.DataFrame, predictions: pd.DataFrame, models: list[str], seed: int = 7
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of other hospitals and models: no fold, and of the patients sex and age alone."""
    rng = np.random.default_rng(seed)
    scored = predictions[["patient_id", "center", "set", "label"]].copy()
    scored["center"] = scored["center"].replace(
        {"internal": "own_hospital", "external_1": "hospital_b", "external_2": "hospital_c"}
    )
    scored["set"] = scored["set"].replace(SETS)
    for model in models:
        scored[model] = 1 / (1 + np.exp(-(2 * scored["label"] - 1 + rng.normal(0, 1.2, len(scored)))))
    known = cohort[["patient_id", "sex", "age"]].assign(center=scored["center"])
    return scored, known


def write(folder: Path, scored: pd.DataFrame, known: pd.DataFrame, **sections: dict) -> list[str]:
    """The two tables and a config in ``folder``; the command's arguments for them, all that is made in
    ``out``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scored.to_csv(folder / "p.csv", index=False)
    known.to_csv(folder / "c.csv", index=False)
    settings = {"statistics": FAST | sections.pop("statistics", {}), **sections}
    (folder / "my.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return [
        "--predictions", str(folder / "p.csv"), "--cohort", str(folder / "c.csv"), "--to",
        str(folder / "out"),
        "--configfile", str(folder / "my.yaml"), "--cores", "2",
    ]  # fmt: skip


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"out/results/statistics/{name}.csv")


def test_five_models_of_other_hospitals(tmp_path, cohort, predictions):
    models = ["age", "ResNet-50 (v2)", "my_model", "vit", "fused"]
    scored, known = foreign(cohort, predictions, models)
    labels = {"my_model": "Our <model>", "hospital_b": "Hospital B"}
    arguments = write(
        tmp_path, scored, known, tables={"labels": labels}, statistics={"primary_contrast": ["fused", "vit"]}
    )
    assert main(arguments) == 0
    table2 = table(tmp_path, "table2")
    assert list(table2["set"].unique()) == list(SETS.values())
    assert list(table2["model"].unique()) == [*models, "everyone_positive"]
    delong = table(tmp_path, "delong")
    assert len(delong) == 3 * 10
    assert [
        tuple(pair) for pair in delong.loc[delong["primary"] == 1, ["model_a", "model_b"]].to_numpy()
    ] == [("fused", "vit")] * 3
    assert set(table(tmp_path, "table1")["variable"]) == {"age", "sex"}
    assert set(table(tmp_path, "subgroups")["subgroup"]) == {"age", "sex"}
    assert set(table(tmp_path, "sensitivity")["analysis"]) == {"main", "complete_cases"}
    page = (tmp_path / "out/results/tables/table2.html").read_text(encoding="utf-8")
    assert (
        "Our &lt;model&gt;" in page
        and "Hospital B" in page
        and "P against fused" in page
        and "<td>age</td>" in page
    )
    assert not (tmp_path / "out/results/figures/flow.svg").exists()
    index = (tmp_path / "out/results/index.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'(?:href|src)="([^"]+)"', index))
    assert len(linked) > 20 and all((tmp_path / "out/results" / name).stat().st_size for name in linked)
    assert "SYNTHETIC" not in index + page
    ids = set(scored["patient_id"])
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and path.name not in ("predictions.csv", "cohort.csv"):
            text = path.read_bytes().decode("utf-8", errors="ignore")
            assert not [name for name in ids if name in text], path.name


def test_two_models_without_training_patients(tmp_path, cohort, predictions):
    scored, known = foreign(cohort, predictions, ["a", "b"])
    scored = scored[scored["set"].isin(["hospital_b", "hospital_c"])]
    known = known[known["center"].isin(["hospital_b", "hospital_c"])]
    arguments = write(
        tmp_path,
        scored,
        known,
        statistics={"threshold": {"rule": "value", "value": 0.4}},
        tables={"synthetic": True},
    )
    assert main(arguments) == 0
    cuts = table(tmp_path, "thresholds")
    assert (
        list(cuts["threshold"]) == [0.4, 0.4] and cuts["sensitivity"].isna().all() and (cuts["n"] == 0).all()
    )
    delong = table(tmp_path, "delong")
    assert len(delong) == 2 and (delong["primary"] == 0).all()
    page = (tmp_path / "out/results/tables/table2.html").read_text(encoding="utf-8")
    assert "given beforehand" in page and "out-of-fold" not in page and "P against a" in page
    assert "SYNTHETIC" in page and "SYNTHETIC" in (tmp_path / "out/results/index.html").read_text(
        encoding="utf-8"
    )
    called = scored[(scored["set"] == "hospital_b") & (scored["a"] >= 0.4) & (scored["label"] == 1)]
    row = table(tmp_path, "table2").set_index(["set", "model"]).loc[("hospital_b", "a")]
    assert row["tp"] == len(called)


def test_one_model_has_no_test_and_no_column_of_p(tmp_path, cohort, predictions):
    scored, known = foreign(cohort, predictions, ["only"])
    assert main(write(tmp_path, scored, known, statistics={"engine": "r"})) == 0
    assert table(tmp_path, "delong").empty
    assert set(table(tmp_path, "table2")["model"]) == {"only", "everyone_positive"}
    with zipfile.ZipFile(tmp_path / "out/results/tables/table2.docx") as file:
        text = file.read("word/document.xml").decode()
    assert "only" in text and "P against" not in text and "DeLong's paired test" not in text
    # the same command again, with another table, makes all that depends on it anew
    before = table(tmp_path, "table2")
    assert main(write(tmp_path, scored.assign(only=1 - scored["only"]), known)) == 0
    assert not table(tmp_path, "table2").equals(before)


def without(column):
    return lambda scored, known: (scored.drop(columns=column), known)


def cell(column, value, row=0):
    def change(scored, known):
        scored = scored.astype({column: object})
        scored.iloc[row, scored.columns.get_loc(column)] = value
        return scored, known

    return change


def known_cell(column, value, row=0):
    def change(scored, known):
        known = known.astype({column: object})
        known.iloc[row, known.columns.get_loc(column)] = value
        return scored, known

    return change


REFUSED = {
    "no label": (
        without("label"),
        "The predictions: there is no column 'label'; found: patient_id, center, set, a, b",
    ),
    "no centre": (without("center"), "there is no column 'center'"),
    "no score": (without(["a", "b"]), "has no score column"),
    "label of 2": (cell("label", 2, 4), "1 row(s), the first in line 6"),
    "label yes": (cell("label", "yes"), "'label' must be 1"),
    "empty score": (cell("a", ""), "the score 'a' is missing or not a number for 1 patient(s) in: train"),
    "score of nan": (cell("a", "NaN"), "the score 'a' is missing or not a number"),
    "score above 1": (cell("b", 1.2), "'b' leaves the range 0 to 1"),
    "no number": (lambda s, k: (s.assign(b="high"), k), "the column 'b' holds no numbers"),
    "empty set": (cell("set", "", 1), "'set' is empty in 1 row(s), the first in line 3"),
    "Train": (
        lambda s, k: (s.assign(set=s["set"].replace("train", "Train")), k),
        "'set' holds 'Train', which differs from 'train' in capitals only",
    ),
    "a set in two ways": (
        cell("set", "Hospital_b", -1),
        "'set' holds 'Hospital_b', which differs from 'hospital_b' in capitals only",
    ),
    "twice": (
        lambda s, k: (pd.concat([s, s[:1]]), k),
        "The predictions: a patient stands twice within a centre",
    ),
    "twice in the cohort": (lambda s, k: (s, pd.concat([k, k[:1]])), "The cohort: a patient stands twice"),
    "stranger": (lambda s, k: (s, k[1:]), "1 patient(s) of the predictions are not in the cohort"),
    "not scored": (
        lambda s, k: (s[1:], k.assign(set=s["set"], label=s["label"])),
        "1 patient(s) of a scored set have no scores",
    ),
    "nothing of a patient": (
        lambda s, k: (s[1:], k),
        "1 patient(s) have no score and no 'label' and 'set' of their own",
    ),
    "another label": (
        lambda s, k: (s, k.assign(label=1 - s["label"])),
        "The cohort: 'label' differs from the predictions",
    ),
    "sex": (
        known_cell("sex", "w", 2),
        "'sex' must be F, M or empty, but is something else in 1 row(s), the first in line 4",
    ),
    "age": (known_cell("age", "old"), "'age' must be a number or empty"),
    "age in months": (known_cell("age", 800), "'age' lies outside 18 to 120"),
    "a site's label of 2": (lambda s, k: (s, k.assign(label_lumbar=2)), "'label_lumbar' lies outside 0 to 1"),
    "half a label": (
        lambda s, k: (s, k.assign(label_lumbar=0.5)),
        "'label_lumbar' must be a whole number or empty",
    ),
    "taken name": (
        lambda s, k: (s.rename(columns={"a": "all"}), k),
        "the score column 'all' needs another name",
    ),
    "brace in a set": (
        lambda s, k: (s.assign(set=s["set"].replace("hospital_b", "b{1}")), k),
        "the name 'b{1}' (sets) holds one of",
    ),
    "angle bracket in a model": (
        lambda s, k: (s.rename(columns={"a": "net <2>"}), k),
        "the name 'net <2>' (models) holds one of",
    ),
    "only train": (lambda s, k: (s.assign(set="train"), k), "hold no test set"),
    "no training patients": (
        lambda s, k: (s.assign(set=s["set"].replace("train", "more")), k),
        "No threshold can be chosen by the rule 'youden'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_and_how(tmp_path, cohort, predictions, capsys, name):
    change, sentence = REFUSED[name]
    scored, known = change(*foreign(cohort, predictions, ["a", "b"]))
    assert main(write(tmp_path, scored, known)) == 1
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1, said
    assert not [one for one in cohort["patient_id"] if one in said]
    assert not (tmp_path / "out").exists()


def test_settings_that_fit_no_table_are_refused(tmp_path, cohort, predictions, capsys):
    scored, known = foreign(cohort, predictions, ["a", "b"])
    for sections, sentence in (
        ({"statistics": {"primary_contrast": ["a", "c"]}}, "there is no model 'c'; the models are: a, b"),
        ({"tables": {"models": ["c"]}}, "the predictions have no column 'c'"),
        ({"tables": {"sets": ["hospital_x"]}}, "tables.sets: the tables have no 'hospital_x'"),
        ({"tables": {"label": {}}}, "did you mean 'labels'"),
        (
            {"tables": {"labels": {"a": "B "}}},
            "tables.models: two models are shown as 'B '; give each a name in",
        ),
        ({"tables": {"labels": {"a": "treat all"}}}, "tables.models: 'treat all' is what tables and figures"),
        ({"tables": {"labels": {"hospital_b": "x", "hospital_c": "X"}}}, "two sets are shown as 'x'"),
    ):
        assert main(write(tmp_path, scored, known, **sections)) == 1
        assert sentence in capsys.readouterr().err


def test_a_studys_own_config_serves_as_far_as_it_speaks_of_statistics(tmp_path, cohort, predictions):
    """What it says of films, models and the contrast of its own models is left out."""
    scored, known = foreign(cohort, predictions, ["a", "b"])
    write(tmp_path, scored, known)
    part = yaml.safe_dump({"models": {"deep": {"training": {"epochs": 3}}}, "study": {"title": "Mine"}})
    (tmp_path / "my.yaml").write_text(part, encoding="utf-8")
    tables = [str(tmp_path / name) for name in ("p.csv", "c.csv")]
    prepare(*tables, None, tmp_path / "out", [str(tmp_path / "my.yaml")])
    made = yaml.safe_load((tmp_path / "out/config.yaml").read_text(encoding="utf-8"))
    assert made["study"]["title"] == "Mine" and made["tables"]["models"] == ["a", "b"]
    assert made.keys() == {"study", "statistics", "tables"}


def test_a_folder_with_something_else_is_left_alone(tmp_path, cohort, predictions):
    scored, known = foreign(cohort, predictions, ["a", "b"])
    write(tmp_path, scored, known)
    (tmp_path / "study/results").mkdir(parents=True)
    for to in (
        tmp_path / "study",
        Path(__file__).resolve().parents[2],
        Path(__file__).resolve().parents[2] / "results/mine",
    ):
        with pytest.raises(StudyError, match="holds a study or something else"):
            prepare(str(tmp_path / "p.csv"), str(tmp_path / "c.csv"), None, to, [])


def test_cells_are_taken_as_they_stand(tmp_path, cohort, predictions):
    scored, known = foreign(cohort, predictions, ["a", "b"])
    lumbar = np.where(cohort["label"] == 1, "1", "")
    known = known.assign(
        age=known["age"] + 0.7, bmi=22.123456789012345, label_lumbar=lumbar, t_score="", remark="x"
    )
    write(tmp_path, scored, known)
    chosen = tmp_path / "chosen.yaml"
    chosen.write_text(
        "tables: {models: [b], centers: [hospital_c, hospital_b, own_hospital]}\n", encoding="utf-8"
    )
    prepare(str(tmp_path / "p.csv"), str(tmp_path / "c.csv"), None, tmp_path / "out", [str(chosen)])
    read = pd.read_csv(tmp_path / "out/results/cohort/cohort.csv", dtype=str)
    assert "remark" not in read.columns and set(read["bmi"]) == {repr(22.123456789012345)}
    assert (read["age"].astype(int) == cohort["age"].astype(int)).all()
    assert read["label_lumbar"].fillna("").tolist() == lumbar.tolist() and read["t_score"].isna().all()
    write(tmp_path, scored, known.assign(age=cohort["age"] - 1e-12))
    prepare(str(tmp_path / "p.csv"), str(tmp_path / "c.csv"), None, tmp_path / "out", [str(chosen)])
    again = pd.read_csv(tmp_path / "out/results/cohort/cohort.csv", dtype=str)
    assert (again["age"] == read["age"]).all(), "an age that a spreadsheet stores a hair too low"
    assert list(pd.read_csv(tmp_path / "out/results/predictions.csv").columns) == [
        "patient_id",
        "center",
        "set",
        "fold",
        "label",
        "b",
    ]
    config = yaml.safe_load((tmp_path / "out/config.yaml").read_text(encoding="utf-8"))
    assert (
        config["tables"]["centers"] == ["hospital_c", "hospital_b", "own_hospital"]
        and config["statistics"]["primary_contrast"] is None
    )
