"""The stage's rules, run by Snakemake over random predictions."""

from __future__ import annotations

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
import yaml

from scripts.common.code_hash import import_graph

ROOT = Path(__file__).resolve().parents[2]


def snakemake(folder: Path, *arguments: str, root: Path = ROOT) -> str:
    environment = os.environ | {
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        [
            sys.executable, "-m", "snakemake", "-s", str(root / "tests/statistics/waist.smk"), "--directory",
            str(folder),
            "--workflow-profile", str(root / "profiles/default"), "--cores", "2", *arguments,
        ],
        capture_output=True, text=True, env=environment, cwd=root, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def write_config(folder: Path, **statistics: object) -> None:
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    config["statistics"] = {
        "engine": "r" if shutil.which("R") else "numpy",
        "bootstrap": 200,
        "figures": {"formats": ["svg"], "dpi": 72},
    } | statistics
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of the stage; the tests below only look at it or ask for a dry run."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(
        "statistics_conftest", Path(__file__).with_name("conftest.py")
    )
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    folder = tmp_path_factory.mktemp("study")
    maker.write_study(folder)
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


def test_a_second_run_has_nothing_to_do_and_a_colour_redraws_one_job(finished):
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
    write_config(finished)
    assert jobs == {"draw_figures"}


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
    assert drawing < set(rules) and len(rules) <= 8
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
