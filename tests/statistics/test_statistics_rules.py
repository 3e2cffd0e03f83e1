"""The stage's rules, run by Snakemake over random predictions."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import torchvision
import yaml
from sklearn.metrics import roc_auc_score

from scripts.common.code_hash import import_graph
from scripts.common.config.models import Hybrid
from scripts.networks.kinds.registry import architecture_class, new_network
from scripts.statistics.delong import auc_with_covariance, compare

ROOT = Path(__file__).resolve().parents[2]


def snakemake(folder: Path, *arguments: str, root: Path = ROOT) -> str:
    environment = os.environ | {
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        [
            sys.executable, "-m", "snakemake", "-s", str(root / "tests/statistics/statistics_alone.smk"),
            "--directory", str(folder),
            "--workflow-profile", str(root / "profiles/default"), "--cores", "2", *arguments,
        ],
        capture_output=True, text=True, env=environment, cwd=root, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def write_config(folder: Path, models: dict | None = None, **statistics: object) -> None:
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    config["statistics"] = {
        "engine": "r" if shutil.which("R") else "numpy",
        "bootstrap": 200,
        "figures": {"formats": ["svg"], "dpi": 72},
    } | statistics
    if models is not None:
        config["models"] = models
    (folder / "config.yaml").write_text(
        yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )


def maker():
    """The module ``conftest``, for fixtures of a wider scope than its own."""
    spec = importlib.util.spec_from_file_location(
        "statistics_conftest", Path(__file__).with_name("conftest.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of the stage; the tests below only look at it or ask for a dry run."""
    folder = tmp_path_factory.mktemp("study")
    maker().write_study(folder)
    write_config(folder)
    snakemake(folder)
    return folder


def planned(folder: Path, root: Path = ROOT) -> set[str]:
    """The rules that a dry run would run."""
    said = snakemake(folder, "--dry-run", root=root)
    return set(re.findall(r"^(?:local)?rule (\w+):", said, flags=re.M)) - {"all"}


def test_contract_of_the_result_files(finished):
    columns = {
        "thresholds": "model,threshold,rule",
        "table1": "center,variable,op,non_op,statistic,test,p_value",
        "table2": (
            "set,model,n,n_pos,auc,auc_low,auc_high,sensitivity,sensitivity_low,sensitivity_high,specificity,specificity_low,"
            "specificity_high,accuracy,accuracy_low,accuracy_high,ppv,ppv_low,ppv_high,npv,npv_low,npv_high,f1,f1_low,f1_high"
        ),
        "delong": "set,model_a,model_b,auc_a,auc_b,difference,z,p_value,p_holm,engine",
        "net_benefit": "set,model,threshold,net_benefit",
    }
    for name, wanted in columns.items():
        found = pd.read_csv(finished / f"results/statistics/{name}.csv")
        assert not set(wanted.split(",")) - set(found.columns), name
    table2 = pd.read_csv(finished / "results/statistics/table2.csv")
    assert set(table2["model"]) == {"deep", "clinical", "combined", "everyone_positive"}
    assert list(table2["set"].unique()) == ["internal_test", "external_1", "external_2"]
    benefit = pd.read_csv(finished / "results/statistics/net_benefit.csv")
    assert {"all", "none"} < set(benefit["model"])
    engine = json.loads((finished / "results/statistics/engine.json").read_text(encoding="utf-8"))
    assert engine["engine"] in ("r", "numpy")


def test_auc_is_one_number_in_all_tables(finished):
    table2 = pd.read_csv(finished / "results/statistics/table2.csv").set_index(["set", "model"])["auc"]
    for row in pd.read_csv(finished / "results/statistics/delong.csv").itertuples():
        assert (
            abs(row.auc_a - table2[row.set, row.model_a]) < 1e-12
            and abs(row.auc_b - table2[row.set, row.model_b]) < 1e-12
        )


def test_no_identifier_leaves_the_stage(finished):
    ids = set(pd.read_csv(finished / "results/cohort/cohort.csv")["patient_id"])
    made = [
        *finished.glob("results/statistics/*"),
        *finished.glob("results/tables/*"),
        *finished.glob("logs/*"),
        *finished.glob("benchmarks/*"),
    ]
    assert len(made) > 20
    for path in made:
        text = path.read_bytes().decode("utf-8", errors="ignore")
        assert not [name for name in ids if name in text], path.name


def test_a_second_run_has_nothing_to_do_and_a_colour_or_label_redraws_what_shows_it(finished):
    assert "Nothing to be done" in snakemake(finished, "--dry-run")
    write_config(
        finished,
        figures={
            "formats": ["svg"],
            "dpi": 72,
            "colors": {"deep": "#000000", "clinical": "#E69F00", "combined": "#009E73"},
        },
    )
    jobs = planned(finished)
    models = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["models"]
    write_config(finished, models | {"clinical": models["clinical"] | {"label": "Known before the film"}})
    labelled = planned(finished)
    write_config(finished)
    assert jobs == {"draw_figures"} and labelled == {"draw_figures", "write_tables"}


@pytest.mark.parametrize(
    ("file", "old", "new", "wanted"),
    [
        ("en.yaml", "A dash: not defined.", "A dash stands for no value.", {"write_tables"}),
        ("en.yaml", "Observed proportion", "Share observed", {"draw_figures", "draw_network"}),
        ("en.yaml", "Too young", "Below the age", {"draw_figures"}),
        ("en.yaml", "Non-OP", "No OP", {"draw_figures", "draw_network", "write_tables"}),
        ("en.yaml", "Contents", "What is in it", set()),
        ("en.yaml", "common:", "# a remark\ncommon:", set()),
        ("zh.yaml", "短横线：无定义", "短横线：没有定义", set()),
    ],
)
def test_a_changed_word_draws_what_shows_it_and_nothing_else(finished, tmp_path, file, old, new, wanted):
    """A word of the tables, the figures, the flow, all of them, the report; a comment; another language."""
    for name in ("scripts", "rules", "profiles", "report", "envs", "config", "tests/statistics"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    words = tmp_path / "scripts/common/language" / file
    text = words.read_text(encoding="utf-8")
    assert text.count(old) == 1
    words.write_text(text.replace(old, new), encoding="utf-8")
    assert planned(finished, tmp_path) == wanted


def test_code_of_figures_is_code_of_drawing_rules_only():
    drawing = {"draw_figures", "draw_network"}
    figures = {"curves", "flow_diagram", "gradcam_figure", "shortcut_figure", "training_figure", "style"}
    folder = ROOT / "scripts/statistics"
    text = (ROOT / "rules/statistics.smk").read_text(encoding="utf-8")
    rules = [line.split()[1].rstrip(":") for line in text.splitlines() if line.startswith("rule ")]
    assert drawing < set(rules) and len(rules) <= 11
    assert all((folder / f"{name}.py").is_file() for name in figures)
    for rule in rules:
        used = {path.stem for path in import_graph(f"scripts/statistics/{rule}.py")}
        assert bool(used & figures) == (rule in drawing), rule


def test_snakemakes_own_report_holds_captions_of_all_figures_and_tables(finished, tmp_path):
    write_config(finished)
    snakemake(finished, "--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        said = "".join(
            archive.read(name).decode("utf-8", "ignore")
            for name in archive.namelist()
            if name.endswith((".html", ".js"))
        )
    for name in (
        "forest.svg",
        "roc.svg",
        "decision_curves.svg",
        "calibration.svg",
        "flow.svg",
        "table1.docx",
        "table2.html",
        "subgroups.csv",
    ):
        assert name in said, name
    assert (
        "Figures" in said and "SYNTHETIC DATA, simulated patients." in said and "highest net benefit" in said
    )


OTHERS = {
    "all_features": {"kind": "trees", "predictors": ["age", "bmi", "x"], "label": "Everything known"},
    "x": {"kind": "hybrid", "label": {"en": "Network X", "zh": "网络甲"}},
    "age": {"kind": "trees", "predictors": ["age", "sex"], "label": "Trees called age"},
    "second_network": {"kind": "whole_film", "role": "ablation", "seeds": 2, "label": "Second net"},
    "index": {"kind": "osta", "role": "baseline", "label": "The index"},
    "sex": {"kind": "logistic", "predictors": ["sex"], "role": "baseline", "label": "Sex alone"},
    "bmd": {"kind": "logistic", "predictors": ["bmi"], "role": "baseline", "label": "BMI alone"},
}
"""Seven models, two of them networks; three are called like columns of the cohort."""

CALLED = {"deep": "x", "combined": "all_features", "clinical": "age", "age": "sex", "logistic": "bmd"}
MAIN, BASELINES = ["all_features", "x", "age"], ["index", "sex", "bmd"]
LABELS = [OTHERS[name]["label"] for name in ("all_features", "age")] + ["Network X"]


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A finished run of the stage in a study with OTHERS; gives its folder, cohort and predictions."""
    folder = tmp_path_factory.mktemp("other")
    cohort, predictions = maker().write_study(
        folder, called={**CALLED, "osta": "index"}, further=["second_network"]
    )
    figures = {"formats": ["svg", "pdf"], "dpi": 72}
    write_config(folder, OTHERS, figures=figures, primary_contrast=["all_features", "age"])
    snakemake(folder)
    return folder, cohort, predictions


def table_of(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"results/statistics/{name}.csv")


def test_each_model_stands_in_every_table_of_its_role(other):
    folder, _, _ = other
    assert table_of(folder, "thresholds")["model"].tolist() == list(OTHERS)
    for name in (
        "calibration",
        "calibration_curve",
        "youden_upper_bound",
        "subgroups",
        "prevalence",
        "sensitivity",
    ):
        assert list(table_of(folder, name)["model"].unique()) == MAIN, name
    table2 = table_of(folder, "table2")
    for name, part in table2.groupby("set"):
        assert part["model"].tolist() == [*MAIN, "everyone_positive"], name
    assert list(table_of(folder, "net_benefit")["model"].unique()) == [*MAIN, "all", "none"]
    for name in ("delong", "differences", "net_benefit_differences"):
        pairs = table_of(folder, name)[["model_a", "model_b"]].drop_duplicates().to_numpy().tolist()
        assert pairs == [["all_features", "age"], ["all_features", "x"], ["x", "age"]], name
    performance = table_of(folder, "baseline_performance")
    assert set(performance["model"]) == {*BASELINES, "index_published"}
    assert performance["brier"].isna().eq(performance["model"] == "index_published").all()
    against = table_of(folder, "baseline_delong")
    assert set(zip(against["model_a"], against["model_b"])) == {
        (model, baseline) for model in ("x", "all_features") for baseline in BASELINES
    }
    folds = table_of(folder, "folds").groupby("model", sort=False)["fold"].unique()
    assert {name: list(found) for name, found in folds.items()} == {
        "x": ["0", "1", "2", "3", "4", "ensemble"],
        "second_network": [*(f"{k}{end}" for k in range(5) for end in ("", "_seed_1")), "ensemble"],
    }


def test_numbers_of_models_called_like_columns_are_those_of_their_scores(other):
    folder, cohort, predictions = other
    inside = (predictions["set"] == "external_1").to_numpy()
    labels = predictions.loc[inside, "label"].to_numpy()
    table = table_of(folder, "subgroups").set_index(["set", "model", "level"])
    young = (cohort["age"] < 65).to_numpy()
    assert table.loc[("external_1", "age", "<65"), "n"] == (inside & young).sum()
    auc = table_of(folder, "table2").set_index(["set", "model"])["auc"]
    assert auc["external_1", "age"] == pytest.approx(roc_auc_score(labels, predictions.loc[inside, "age"]))
    baselines = table_of(folder, "baseline_performance").set_index(["set", "model"])["auc"]
    for name in BASELINES:
        assert baselines["external_1", name] == pytest.approx(
            roc_auc_score(labels, predictions.loc[inside, name])
        )


def test_architectures_are_compared_with_the_main_network(other, finished):
    folder, _, predictions = other
    table = table_of(folder, "architectures")
    assert table.groupby("set", sort=False)["model"].apply(list).tolist() == [["x", "second_network"]] * 3
    assert dict(zip(table["model"], table["role"])) == {"x": "main", "second_network": "ablation"}
    assert dict(zip(table["model"], table["training_minutes"])) == {"x": 7.5, "second_network": 15.0}
    trained = {
        "x": new_network("hybrid", architecture_class("hybrid")(**Hybrid(kind="hybrid").geometry)),
        "second_network": torchvision.models.resnet18(num_classes=1),
    }
    for name, network in trained.items():
        count = sum(weights.numel() for weights in network.parameters())
        count -= 2 * 64 * 49 if name == "second_network" else 0  # one channel, not three
        assert set(table.loc[table["model"] == name, "n_parameters"]) == {count}
    rows = table.set_index(["set", "model"])
    known = table_of(folder, "table2").set_index(["set", "model"])
    for name in rows.index.get_level_values("set").unique():
        part = predictions[predictions["set"] == name]
        scores = part[["second_network", "x"]].to_numpy().T
        expected = compare(auc_with_covariance(part["label"].to_numpy(), scores), 0, 1, 0.95)
        row, main = rows.loc[name, "second_network"], rows.loc[name, "x"]
        assert (row["difference"], row["difference_low"], row["difference_high"], row["p_value"]) == (
            pytest.approx((expected.difference, expected.low, expected.high, expected.p_value), rel=1e-9)
        )
        assert row["p_holm"] == row["p_value"] and pd.isna(main["p_value"]) and pd.isna(main["difference"])
        assert row["brier"] == pytest.approx(((part["second_network"] - part["label"]) ** 2).mean())
        assert main["auc"] == pytest.approx(known.loc[(name, "x"), "auc"], abs=1e-12)
        assert row["slope_low"] < row["slope"] < row["slope_high"]
    assert not (finished / "results/statistics/architectures.csv").exists(), "it has one network"


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_each_model_stands_in_every_figure_of_its_role_and_in_word(other):
    folder, _, _ = other

    def said(name: str) -> str:
        path = folder / f"results/figures/{name}.pdf"
        told = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True)
        return " ".join(told.stdout.split())

    others = [OTHERS[name]["label"] for name in ("second_network", *BASELINES)]
    for name in ("roc", "decision_curves", "calibration", "forest"):
        shown = said(name)
        assert [label for label in LABELS if label not in shown] == [], name
        assert [label for label in others if label in shown] == [], name
    shown = said("training")
    assert "Network" in shown and "Second" in shown and "Everything" not in shown
    page = (folder / "results/tables/table2.html").read_text(encoding="utf-8")
    assert all(page.count(f"<td>{label}</td>") == 3 for label in LABELS)
    assert not [label for label in others if label in page]
