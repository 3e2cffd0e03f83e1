"""What a finished run of the tiny study must show: the contract, counts that close, no leak, nothing left to
do.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from scripts.common.config import read_config
from scripts.common.config.files import laid_over, read_config_file
from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.every import contract_of
from scripts.common.layouts import LAYOUTS
from scripts.common.predictors import with_predictors
from scripts.common.tables import read_table, read_with
from scripts.share.pack_results import pack
from tests.workflow.documented import without_test_packages

PREDICTORS = {"calcium": "number", "smoker": "yes_no", "alcohol": "category"}
TABLE2_METRICS = ["auc", "sensitivity", "specificity", "accuracy", "ppv", "npv", "f1"]

MODELS = ("deep", "clinical", "combined", "age", "logistic", "osta", "habits")

CONTRACT = {
    "results/intake/files.csv": ["center", "image_id", "status", "reason"],
    "results/intake/exposure.csv": ["center", "image_id", "verdict", "reason"],
    "results/cohort/cohort.csv": [
        "patient_id",
        "center",
        "set",
        "fold",
        "label",
        "sex",
        "age",
        "height_cm",
        "weight_kg",
        "bmi",
        "bmd",
        "t_score",
        "dxa_site",
        "n_sites",
        "image_id",
        "dxa_interval_days",
        "manufacturer",
        "review",
    ],
    "results/cohort/flow.csv": ["center", "step", "n_patients", "n_op"],
    "results/predictions.csv": [
        "patient_id",
        "center",
        "set",
        "fold",
        "label",
        *MODELS,
    ],
    "results/statistics/thresholds.csv": ["model", "threshold", "rule"],
    "results/statistics/table1.csv": ["center", "variable", "op", "non_op", "statistic", "test", "p_value"],
    "results/statistics/table2.csv": [
        "set",
        "model",
        "n",
        "n_pos",
        *(f"{m}{end}" for m in TABLE2_METRICS for end in ("", "_low", "_high")),
    ],
    "results/statistics/delong.csv": [
        "set",
        "model_a",
        "model_b",
        "auc_a",
        "auc_b",
        "difference",
        "z",
        "p_value",
        "p_holm",
        "engine",
    ],
    "results/statistics/net_benefit.csv": ["set", "model", "threshold", "net_benefit"],
    **{
        f"results/models/{model}/{name}.csv": ["patient_id", "image_id", "score", "raw"]
        for model in MODELS
        for name in ("out_of_fold", "scores/internal_test", "scores/external_1")
    },
    **{f"results/models/deep/fold_{k}/held_out.csv": ["patient_id", "score"] for k in range(5)},
    **{f"results/models/deep/fold_{k}/history.csv": ["epoch", "lr"] for k in range(5)},
}


@pytest.mark.parametrize("name", CONTRACT)
def test_contract_columns(finished, name):
    frame = pd.read_csv(finished.path / name)
    assert set(CONTRACT[name]) <= set(frame.columns)
    assert len(frame)


def test_every_table_fits_its_contract(finished):
    """Every CSV under ``results/`` is declared; its columns, and what names a row, are as declared."""
    tables = sorted((finished.path / "results").rglob("*.csv"))
    assert len(tables) > 60
    for path in tables:
        name = path.relative_to(finished.path).as_posix()
        contract = contract_of(name)
        assert contract is not None, f"{name}: no contract"
        frame = read_table(path, contract)
        assert list(frame.columns)[: len(contract)] == list(contract), name
        assert all(contract.knows(column) for column in frame.columns), name
        if contract.row_key:
            assert not frame.duplicated(list(contract.row_key)).any(), f"{name}: {contract.row_key}"


def test_what_is_promised_is_the_contract():
    for name, columns in CONTRACT.items():
        if not name.startswith("results/models/"):
            assert set(columns) <= {*contract_of(name).promised, *MODELS}, name


def test_other_files_of_the_contract(finished):
    for figure in ("roc", "decision_curves", "calibration", "gradcam", "training", "flow"):
        for suffix in ("svg", "png"):
            assert (finished.path / f"results/figures/{figure}.{suffix}").stat().st_size > 2000
    for name in ("table1.docx", "table2.docx"):
        assert zipfile.ZipFile(finished.path / "results/tables" / name).testzip() is None
    for k in range(5):
        assert (finished.path / f"results/models/deep/fold_{k}/weights.pt").stat().st_size > 10_000
    provenance = json.loads((finished.path / "results/provenance.json").read_text())
    assert {"config", "seeds"} <= provenance.keys() or "seed" in json.dumps(provenance)
    assert (finished.path / "results/report.html").stat().st_size > 50_000


def test_a_network_that_learned_nothing_is_told_everywhere(finished):
    """Two epochs on forty films teach nothing on the processors that were tried."""
    results = finished.path / "results"
    table = pd.read_csv(results / "statistics/learning.csv").set_index(["model", "fold"])
    assert list(table.index) == [("deep", fold) for fold in ("all", *"01234")]
    whole = table.loc[("deep", "all")]
    scores = pd.read_csv(results / "models/deep/out_of_fold.csv")["score"]
    assert (whole["lowest"], whole["highest"], whole["n"]) == (scores.min(), scores.max(), len(scores))
    assert whole["sd_logit"] == pytest.approx(np.log(scores / (1 - scores)).std(ddof=0))
    assert whole["start"] == "random" and whole["loss"] == pytest.approx(table["loss"].iloc[1:].mean())
    nothing = not whole["auc_low"] > 0.5 or whole["sd_logit"] < 0.1
    assert (whole["finding"] == "nothing_learned") == nothing == (whole["learned"] == "no")
    said = "nothing shows that it learned anything"
    last = finished.printed[finished.printed.rindex("OsteoCXR: done") - 3000 :]
    assert (f"OsteoCXR: WARNING: deep: {said}" in last) == nothing
    assert ((results / "report.html").read_text(encoding="utf-8").count(said) == 3) == nothing
    cases = pd.read_csv(results / "models/deep/gradcam/cases.csv")
    assert len(cases) >= 4 and not (nothing and (cases["chosen"] == "certain").any())
    maps = np.load(results / "models/deep/gradcam/maps.npz")
    assert (maps["evidence"] < 0).any() and len(maps["evidence"]) == len(cases)


def test_values_of_the_contract(finished):
    cohort = pd.read_csv(finished.path / "results/cohort/cohort.csv")
    assert set(cohort["set"]) == {"train", "internal_test", "external_1", "external_2"}
    assert cohort["patient_id"].is_unique and cohort["image_id"].is_unique
    train = cohort[cohort["set"] == "train"]
    assert sorted(train["fold"].unique()) == [0, 1, 2, 3, 4]
    assert cohort.loc[cohort["set"] != "train", "fold"].isna().all()
    assert set(cohort["label"]) == {0, 1} and set(cohort["sex"]) == {"F", "M"}
    sure = cohort[cohort["t_score"].notna()]
    assert ((sure["t_score"] <= -2.5) == (sure["label"] == 1)).all()
    flow = pd.read_csv(finished.path / "results/cohort/flow.csv").set_index("step")["n_patients"]
    assert flow["op_with_unreadable_row"].sum() == cohort["t_score"].isna().sum() == 3, (
        "one planted in each centre"
    )
    assert (cohort.loc[cohort["t_score"].isna(), "label"] == 1).all()
    assert (cohort["age"] > 40).all() and (cohort["age"] <= 90).all()
    assert (cohort["bmi"] - cohort["weight_kg"] / (cohort["height_cm"] / 100) ** 2).abs().max() < 0.01
    predictions = pd.read_csv(finished.path / "results/predictions.csv")
    assert sorted(predictions["patient_id"]) == sorted(cohort["patient_id"])
    assert predictions[list(MODELS)].apply(lambda s: s.between(0, 1).all()).all()


def test_predictors_go_from_the_hospitals_table_into_the_cohort_and_table_1(finished):
    cohort = read_with(finished.path / "results/cohort/cohort.csv", COHORT, PREDICTORS)
    assert list(cohort.columns) == list(with_predictors(COHORT, PREDICTORS).whole)
    table1 = pd.read_csv(finished.path / "results/statistics/table1.csv").set_index(["center", "variable"])
    for name, source in (("internal", "patients.csv"), ("external_1", "clinical_data.xlsx")):
        path = finished.path / "data/synthetic" / name / "tables" / source
        given = pd.read_csv(path, dtype=str) if path.suffix == ".csv" else pd.read_excel(path, dtype=str)
        layout = LAYOUTS[name]
        ids = given[layout["patients"]["columns"]["patient_id"]].str.strip().str.lstrip("0")
        films = [
            pd.read_csv(path, dtype=str)
            for path in (finished.path / f"private/{name}/crosswalk").glob("*.csv")
        ]
        who = pd.concat(films).drop_duplicates("image_id").set_index("image_id")["source_patient_id"]
        who = who.str.strip().str.lstrip("0")
        own = cohort[cohort["center"] == name]
        for predictor, one in layout["predictors"].items():
            cells = given.groupby(ids)[one["column"]].first().reindex(who.reindex(own["image_id"]))
            if predictor == "calcium":
                np.testing.assert_array_equal(own["calcium"], cells.astype(float))
            else:
                meaning = {codes[0]: level for level, codes in one["coding"].items()}
                told = {"yes": "1", "no": "0"} if predictor == "smoker" else {}
                wanted = cells.map(meaning).map(lambda level, told=told: told.get(level, level)).fillna("")
                assert own[predictor].astype("string").fillna("").tolist() == wanted.tolist()
            n = table1.loc[(name, predictor), ["n", "missing"]]
            assert n.tolist() == [cells.notna().sum(), cells.isna().sum()] and n["missing"] < n["n"]
    assert (table1.loc["external_2"].loc[list(PREDICTORS), "n"] == 0).all(), "a centre may lack them"


def test_a_model_on_the_hospitals_own_columns_scores_everybody(finished):
    """Also where a centre has none of them: then all its patients have the training medians in their place,
    and age alone tells their scores apart.
    """
    folder = finished.path / "results/models/habits"
    columns = ["age", "calcium", "smoker", "alcohol=never", "alcohol=sometimes", "alcohol=daily"]
    assert pd.read_csv(folder / "variables.csv")["variable"].tolist() == columns
    cohort = pd.read_csv(finished.path / "results/cohort/cohort.csv").set_index("patient_id")
    for name in ("internal_test", "external_1", "external_2"):
        scores = pd.read_csv(folder / f"scores/{name}.csv").set_index("patient_id")["score"]
        assert sorted(scores.index) == sorted(cohort.index[cohort["set"] == name])
        of_age = scores.groupby(cohort["age"]).nunique().max()
        assert scores.between(0, 1).all() and (of_age == 1 if name == "external_2" else scores.nunique() > 1)
    page = (finished.path / "results/report.html").read_text(encoding="utf-8")
    assert "age, Calcium, Smoker and Alcohol" in page


def test_sizes_are_those_that_were_simulated(finished):
    cohort = pd.read_csv(finished.path / "results/cohort/cohort.csv")
    found = cohort.groupby(["center", "label"]).size().unstack()
    assert found.loc["internal"].tolist() == [30, 20]
    assert found.loc["external_1"].tolist() == [6, 8]
    assert found.loc["external_2"].tolist() == [5, 6]


def test_every_file_found_is_accounted_for(finished):
    files = pd.read_csv(finished.path / "results/intake/files.csv", keep_default_na=False)
    assert files["image_id"].is_unique
    assert set(files["status"]) == {"accepted", "quarantined", "rejected"}
    assert (files.loc[files["status"] != "accepted", "reason"] != "").all()
    for center, part in files.groupby("center"):
        folder = finished.path / "data/synthetic" / center / "dicom"
        raw = [p for p in folder.rglob("*") if p.is_file() and p.name != ".snakemake_timestamp"]
        assert len(part) == len(raw)


def test_what_was_planted_was_found(finished):
    """Every planted fault of a file ends with the expected status."""
    for center in ("internal", "external_1", "external_2"):
        truth = pd.read_csv(finished.path / f"data/synthetic/{center}/truth.csv", keep_default_na=False)
        found = pd.read_csv(finished.path / f"results/intake/{center}/files.csv", keep_default_na=False)
        assert truth["expected_status"].value_counts().to_dict() == found["status"].value_counts().to_dict()


def test_every_patient_is_accounted_for(finished):
    flow = pd.read_csv(finished.path / "results/cohort/flow.csv")
    cohort = pd.read_csv(finished.path / "results/cohort/cohort.csv")
    excluded = pd.read_csv(finished.path / "results/cohort/excluded.csv")
    for center, part in flow.groupby("center"):
        found = part.loc[part["kind"] == "found", "n_patients"].iloc[0]
        out = part.loc[part["kind"] == "excluded", "n_patients"].sum()
        kept = part.loc[part["step"] == "included", "n_patients"].iloc[0]
        assert found == out + kept
        assert kept == (cohort["center"] == center).sum()
        assert out == (excluded["center"] == center).sum()
        assert (
            part.loc[part["step"] == "included", "n_op"].iloc[0]
            == cohort.loc[cohort["center"] == center, "label"].sum()
        )


# ------------------------------------------------------------------------------------------------- leaks


KEY_BYTES = 6
"""Planted strings are looked up by their first bytes; shorter ones would be found by chance."""


def planted_strings(study) -> dict[bytes, str]:
    """Every planted identifier, in each encoding in which it may stand, with its centre.

    Dates are left out: a shifted date may equal another patient's true one (`test_source_dates_moved` looks
    at them).
    """
    strings = {}
    for center in ("internal", "external_1", "external_2"):
        planted = json.loads(
            (study.path / f"data/synthetic/{center}/planted.json").read_text(encoding="utf-8")
        )
        for kinds in planted["files"].values():
            for kind, texts in kinds.items():
                for text in texts if kind != "dates" else []:
                    for encoding in [*planted["encodings"], "utf-16-le"]:
                        coded = text.encode(encoding, errors="ignore")
                        if len(coded) >= KEY_BYTES:
                            strings[coded] = center
    assert len(strings) > 1000 and len(set(strings.values())) == 3
    return strings


def contains_any(content: bytes, by_start: dict[bytes, list[bytes]], first_two: np.ndarray) -> bool:
    """Whether a planted string stands anywhere in ``content``; ``first_two`` marks the pairs of bytes that
    start one.
    """
    for parity in (0, 1):
        pairs = np.frombuffer(content, dtype="<u2", count=(len(content) - parity) // 2, offset=parity)
        for place in np.flatnonzero(first_two[pairs]):
            at = 2 * int(place) + parity
            if any(content.startswith(s, at) for s in by_start.get(content[at : at + KEY_BYTES], ())):
                return True
    return False


def leaks(folder: Path, strings) -> list[str]:
    """Files under ``folder`` with a planted identifier in their bytes or their name; zipped parts are looked
    into.
    """
    by_start: dict[bytes, list[bytes]] = {}
    first_two = np.zeros(1 << 16, dtype=bool)
    for text in strings:
        by_start.setdefault(text[:KEY_BYTES], []).append(text)
        first_two[int.from_bytes(text[:2], "little")] = True
    found = []
    for path in sorted(folder.rglob("*")):
        contents = [str(path.relative_to(folder)).encode()]
        if path.is_file():
            contents.append(path.read_bytes())
            if path.suffix in (".docx", ".xlsx", ".npz", ".zip"):
                with zipfile.ZipFile(path) as archive:
                    contents += [archive.read(name) for name in archive.namelist()]
        if any(len(content) > 1 and contains_any(content, by_start, first_two) for content in contents):
            found.append(str(path))
    return found


@pytest.mark.parametrize("folder", ["results", ".snakemake", "logs", "benchmarks", "state"])
def test_no_planted_identifier_anywhere(finished, folder):
    assert leaks(finished.path / folder, planted_strings(finished)) == []


def test_the_whole_run_says_where_its_report_is(finished):
    assert "OsteoCXR: done. Open results/report.html" in finished.printed


def test_nothing_planted_is_printed(finished):
    printed = finished.printed.encode()
    assert not [s for s in planted_strings(finished) if s in printed]


def test_the_search_for_leaks_finds_one(finished, tmp_path):
    strings = planted_strings(finished)
    one = next(s for s, center in strings.items() if center == "external_2")
    shutil.copytree(finished.path / "logs", tmp_path / "logs")
    target = sorted((tmp_path / "logs").rglob("*.log"))[0]
    target.write_bytes(target.read_bytes() + b"reading " + one)
    assert leaks(tmp_path / "logs", strings) == [str(target)]
    assert leaks(finished.path / "data/synthetic/internal", strings), (
        "the planted identifiers are not in the sources"
    )


def test_the_shared_archive_holds_no_patient_no_small_count_and_no_identifier(finished, tmp_path):
    chosen = pack(finished.path / "results", finished.path / "private", tmp_path / "shared.tar.gz")
    with tarfile.open(tmp_path / "shared.tar.gz") as archive:
        archive.extractall(tmp_path / "shared", filter="data")
    assert leaks(tmp_path / "shared", planted_strings(finished)) == []
    whole = b"".join(p.read_bytes() for p in sorted((tmp_path / "shared").rglob("*")) if p.is_file())
    cohort = pd.read_csv(finished.path / "results/cohort/cohort.csv")
    assert not [
        name for column in ("patient_id", "image_id") for name in cohort[column] if name.encode() in whole
    ]
    flow = pd.read_csv(tmp_path / "shared/shared/cohort/flow.csv", dtype=str)
    assert not set(flow[["n_patients", "n_op"]].to_numpy().ravel()) & set("1234") and "hidden" in set(
        flow["n_patients"]
    )
    recorded = json.loads((finished.path / "results/provenance.json").read_text())["outputs"]["files"]
    counted = {"intake/table_issues.csv", "intake/files_summary.csv", "intake/exposure_summary.csv"}
    written = {"README.txt", "MANIFEST.sha256", "provenance.json"}
    assert {f"results/{name}" for name in chosen.members.keys() - counted - written} <= recorded.keys()
    unknown = {
        name for name in chosen.left_out if name.endswith(".csv") and "does not know" in chosen.left_out[name]
    }
    assert unknown == set(), "a table of the run that the packer has no rules for"


def test_private_folder_is_closed(finished):
    private = finished.path / "private"
    assert private.stat().st_mode & 0o077 == 0
    for path in private.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_source_dates_moved(finished):
    """No film keeps its date: films.csv has shifted dates, all earlier than the earliest source date plus the
    shift's range.
    """
    for center in ("internal", "external_1", "external_2"):
        listing = pd.concat(
            pd.read_csv(p, dtype=str, keep_default_na=False)
            for p in sorted((finished.path / f"private/{center}/crosswalk").glob("*.csv"))
        )
        films = pd.read_csv(
            finished.path / f"results/intake/{center}/films.csv", dtype=str, keep_default_na=False
        )
        both = films.merge(listing, on="image_id", suffixes=("", "_source"))
        both = both[both["film_date"] != ""]
        assert len(both) > 5
        source = pd.to_datetime(both["film_date_source"])
        shifted = pd.to_datetime(both["film_date"])
        days = (shifted - source).dt.days
        assert days.between(-1825, -1).all()
        assert both.assign(days=days).groupby("patient_id")["days"].nunique().eq(1).all()


def test_results_say_synthetic(finished):
    assert "SYNTHETIC" in (finished.path / "results/report.html").read_text(encoding="utf-8").upper()
    document = (
        zipfile.ZipFile(finished.path / "results/tables/table2.docx").read("word/document.xml").decode()
    )
    assert "SYNTHETIC" in document.upper()


# ------------------------------------------------------------------------------------------ nothing left


def test_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.snakemake()


def test_snakemakes_own_report_works_and_leaks_nothing(finished, tmp_path):
    """With the packages of a run alone: those that only tests have are blocked."""
    target, blocked = tmp_path / "report.zip", tmp_path / "blocked"
    blocked.mkdir()
    finished.snakemake("--report", str(target), more=without_test_packages(blocked))
    with zipfile.ZipFile(target) as archive:
        assert any(name.endswith("report.html") for name in archive.namelist())
        captions = b"".join(archive.read(n) for n in archive.namelist() if n.endswith((".html", ".js")))
    assert b"roc" in captions and b"Table 2" in captions
    assert leaks(tmp_path, planted_strings(finished)) == []


def test_the_statistics_alone_come_out_the_same_from_the_runs_own_tables(finished, tmp_path):
    """`make statistics` on a study's own two tables and main models: the same bytes as the study wrote, but
    for the baselines' cut-offs, and for predictors, of which scores that were made elsewhere tell nothing.
    """
    merged = laid_over(
        *(read_config_file(finished.path / name) for name in ("config.yaml", finished.configfile))
    )
    labels = {center["name"]: center["label"] for center in merged["centers"] if center.get("label")}
    config = read_config(merged)
    labels |= {model["name"]: model["label"] for model in config.shown_models()}
    settings = {name: merged.get(name, {}) for name in ("study", "statistics")} | {
        "tables": {"synthetic": True, "labels": labels, "models": config.with_role("main")}
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    results = finished.path / "results"
    command = [
        sys.executable, "-m", "scripts.statistics.own_tables", "--predictions", results / "predictions.csv",
        "--cohort", results / "cohort/cohort.csv", "--flow", results / "cohort/flow.csv", "--to",
        tmp_path / "out",
        "--configfile", tmp_path / "own.yaml", "--cores", "2",
    ]  # fmt: skip
    done = subprocess.run(list(map(str, command)), cwd=finished.path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    made = sorted(
        path.relative_to(tmp_path / "out/results")
        for path in (tmp_path / "out/results").rglob("*")
        if path.is_file()
    )
    both = [
        name
        for name in made
        if (results / name).is_file() and name.parts[0] in ("statistics", "figures", "tables")
    ]
    assert len(both) > 25

    def content(folder: Path, name: Path) -> list[bytes]:
        lines = (folder / name).read_bytes().splitlines(keepends=True)
        left_out = [f",{predictor},".encode() for predictor in PREDICTORS]
        if name.name == "thresholds.csv":
            left_out = [f"{model},".encode() for model in config.with_role("baseline")]
        elif name.name not in ("table1.csv", "missing.csv"):
            left_out = []
        return [line for line in lines if not any(one in line for one in left_out)]

    differ = [
        name.as_posix() for name in both if content(results, name) != content(tmp_path / "out/results", name)
    ]
    assert set(differ) == {"tables/table1.docx", "tables/table1.html"}
