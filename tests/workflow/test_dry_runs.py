"""Dry runs: the shipped configs plan cleanly, wrong ones are refused before any job, the plan stays small."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml

from scripts.common.catalogue import CATALOGUE
from scripts.share.suppression import TABLES

RULES_ONCE = {
    "merge_intake",
    "merge_cohort",
    "split_cohort",
    "merge_predictions",
    "write_report",
    "record_provenance",
}


@pytest.fixture(scope="module")
def study(fresh_study):
    return fresh_study("dry")


@pytest.mark.parametrize("overlay", ["config.yaml", "config/tiny.yaml", "config/paper.yaml"])
def test_shipped_configs_plan(study, overlay):
    study.configfile = overlay
    jobs = study.jobs()
    assert jobs["train_fold"] == 5 and jobs["simulate_center"] == 3
    assert {rule: jobs[rule] for rule in RULES_ONCE} == dict.fromkeys(RULES_ONCE, 1)
    assert sum(jobs.values()) < 120


@pytest.mark.parametrize(("overlay", "views"), [("config/real_cpu.yaml", 1), ("config/real_gpu.yaml", 0)])
def test_a_network_for_real_films_plans_and_answers_before_it_trains(study, overlay, views):
    study.configfile = overlay
    jobs = study.jobs()
    assert (jobs["train_fold"], jobs.get("cache_views", 0), jobs["first_answer"]) == (5, views, 1)
    assert jobs["cache_films"] == jobs["embed_films"] == 4, "one cache a set serves network and first answer"
    text = study.snakemake("-n", "--quiet", "rules", "--", "first_answer")
    assert "embed_films" in text and "train_fold" not in text and "cache_views" not in text


@pytest.mark.parametrize("overlay", ["config.yaml", "config/paper.yaml"])
def test_a_study_is_a_few_dozen_submissions_to_slurm(study, overlay):
    """Groups of rules and single rules that are submitted; what runs in the main process is none."""
    study.configfile = overlay
    text = study.snakemake("-n", "--workflow-profile", "profiles/slurm")
    groups = re.findall(r"^\[.*\] Group job (\w+) \(jobs in", text, flags=re.M)
    here = {"all", "score_out_of_fold", "fetch_weights", "first_answer"}
    single = [name for name in re.findall(r"^rule (\w+):", text, flags=re.M) if name not in here]
    assert set(single) == {"simulate_center", "train_fold", "score_images", "score_masked", "explain_gradcam"}
    batches = len(re.findall(r"^    rule deidentify:", text, flags=re.M))
    # Batches of films; tables of all centres; three cohorts; models; statistics. Three simulations, five
    # folds, scores of the sets.
    assert len(groups) == batches + 1 + 3 + 1 + 1
    assert len(groups) + len(single) - batches <= 20


def test_every_rule_has_its_place_on_slurm(study):
    """Each rule is in a group of the profile, computes for long by itself, runs in the main process, or only
    when asked for.
    """
    profile = yaml.safe_load((study.path / "profiles/slurm/config.yaml").read_text(encoding="utf-8"))
    rules, text = set(), ""
    for file in sorted((study.path / "rules").glob("*.smk")):
        text += file.read_text(encoding="utf-8")
    rules = set(re.findall(r"(?m)^rule (\w+):", text))
    local = set(re.findall(r"\w+", " ".join(re.findall(r"(?m)^localrules:\n((?:    \w+,\n?)+)", text))))
    alone = {
        "simulate_center",
        "cache_views",
        "train_fold",
        "score_images",
        "score_masked",
        "embed_films",
        "explain_gradcam",
        "hand_over",
        "make_bundle",
    }
    assert set(profile["groups"]) | local | alone == rules
    assert not set(profile["groups"]) & (local | alone)


def test_memory_and_time_grow_with_the_attempt(study):
    """In every rule; `retries` stands in the SLURM profile and in no rule, where the two would multiply."""
    for file in sorted((study.path / "rules").glob("*.smk")):
        text = file.read_text(encoding="utf-8")
        for amount in re.findall(r"(?m)^ +(?:mem_mb|runtime)=(.*),$", text):
            grown = amount.startswith("grows(") or amount == "MODELS.training_memory_mb"
            assert grown, f"{file.name}: {amount}"
        assert "retries:" not in text


def test_jobs_do_not_grow_with_films(study):
    study.configfile = "config/paper.yaml"
    few = sum(study.jobs().values())

    def grow(raw):
        raw["centers"][0]["simulate"].update(n_op=8000, n_non_op=12000)

    study.configfile = "config/grown.yaml"
    (study.path / study.configfile).write_text((study.path / "config/paper.yaml").read_text())
    study.edit_config(grow)
    assert sum(study.jobs().values()) == few


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ({"models": {"deep": {"trainng": {}}}}, "did you mean 'training'"),
        ({"models": {"deep": {"training": {"epochs": "many"}}}}, "models.deep.training.epochs"),
        (
            {
                "centers": [
                    {"name": "a", "role": "development", "dicom": "nowhere", "patients": {}, "dxa": {}}
                ]
            },
            "centers[a]",
        ),
        ({"study": {"key_file": "private/none.key"}}, "make key"),
    ],
)
def test_a_wrong_config_is_refused_before_any_job(study, overlay, said):
    study.configfile = "config/wrong.yaml"
    (study.path / study.configfile).write_text(yaml.safe_dump(overlay))
    text = study.snakemake(check=False)
    assert said in text
    assert "Traceback" not in text and "rule " not in text.split(said)[1]


def test_every_table_that_can_be_shared_is_recorded(study):
    study.configfile = "config/tiny.yaml"
    text = study.snakemake("-n", "results/provenance.json")
    job = text[text.index("rule record_provenance:") :].split("input: ")[1]
    inputs = set(job.splitlines()[0].split(", "))
    tables = {f"results/{name}" for name in TABLES if not name.startswith("intake/")}
    tables -= {file for row in CATALOGUE if not row.made_with(()) for file in row.files()}
    counted = {
        f"results/intake/{name}"
        for name in ("files.csv", "exposure.csv", "internal/table_issues.csv", "external_1/table_issues.csv")
    }
    documents = {
        f"results/{name}.{suffix}"
        for name in (row.name for row in CATALOGUE if row.sharing.how == "derived")
        for suffix in (("docx", "html") if "tables/" in name else ("svg", "png"))
    }
    assert tables | counted | documents | {"results/statistics/engine.json"} <= inputs


def test_lint(study):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"], cwd=study.path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


ORDER = [
    *("input", "output", "log", "benchmark", "wildcard_constraints", "priority", "conda"),
    *("threads", "resources", "params", "script", "shell"),
]
"""The directives of a rule, in the order in which they stand."""

OPTIONAL = {"input", "wildcard_constraints", "priority", "params", "script", "shell"}


def test_every_rule_has_what_a_rule_needs(study):
    """A docstring, and directives in one order: log, benchmark, environment, resources, hash of the code."""
    seen = 0
    for file in sorted((study.path / "rules").glob("*.smk")):
        for block in re.split(r"(?m)^(?=rule )", file.read_text(encoding="utf-8"))[1:]:
            seen += 1
            name = re.match(r"rule (\w+)", block)[1]
            assert re.match(r'rule \w+:\n    """\w[^"]*\.', block), f"rule {name} has no docstring"
            if "output:" not in block:  # it asks for another rule's files, as `all` does
                continue
            found = re.findall(r"(?m)^    (\w+):", block.split("localrules:")[0])
            assert found == [part for part in ORDER if part in found], f"rule {name}: order of directives"
            assert set(ORDER) - OPTIONAL <= set(found) and len({"script", "shell"} & set(found)) == 1, name
            assert re.search(r"mem_mb=(grows\(|MODELS\.training_memory_mb)", block), name
            assert "runtime=grows(" in block, name
            # without params a file placed by hand is never deleted to be fetched again
            assert re.search(r"code=.*code(\(|_of_)", block) or name == "fetch_weights", name
            assert f'"logs/{name}' in block and f'"benchmarks/{name}' in block, name
            folder = "statistics" if file.stem == "own_tables" else file.stem
            assert (study.path / "scripts" / folder / f"{name}.py").is_file(), f"no script for rule {name}"
    assert seen > 30


def test_a_rule_taken_over_with_other_files_names_them_in_its_command(fresh_study):
    """`use rule ... with:` other inputs and outputs; no path of the rule's own stands in the command."""
    study = fresh_study("taken_over")
    (study.path / "Snakefile").write_text(
        (study.path / "Snakefile").read_text(encoding="utf-8")
        + """

use rule score_images as score_elsewhere with:
    input:
        films="my films/{set}/films.npy",
        index="my films/{set}/index.csv",
        weights=["my weights/0.pt", "my weights/1.pt"],
    output:
        "my {model} scores/{set}.csv",
    log:
        "logs/score_elsewhere/{model}_{set}.log",


use rule train_fold as train_elsewhere with:
    input:
        films="my films/train/films.npy",
        index="my films/train/index.csv",
        weights="my weights/start.pt",
        views="my views/views.json",
    output:
        weights="my {model} folds/{run}/weights.pt",
        history="my {model} folds/{run}/history.csv",
        held_out="my {model} folds/{run}/held_out.csv",
        trained_on="my {model} folds/{run}/trained_on.json",
    log:
        "logs/train_elsewhere/{model}_{run}.log",
""",
        encoding="utf-8",
    )
    for name in ("my films/internal_test", "my films/train", "my weights", "my views"):
        (study.path / name).mkdir(parents=True)
        for file in ("films.npy", "index.csv", "0.pt", "1.pt", "start.pt", "views.json"):
            (study.path / name / file).touch()
    targets = ["my deep scores/internal_test.csv", "my deep folds/1/weights.pt"]
    text = study.snakemake("-n", "-p", "--", *targets)
    commands = [line.strip() for line in text.splitlines() if "python -m scripts.networks" in line]
    assert len(commands) == 2 and not any("results/" in line or "state/" in line for line in commands)
    scoring, training = sorted(commands, key=lambda line: "train_fold" in line)
    assert """--cache "$(dirname 'my films/internal_test/index.csv')" """ in scoring
    assert (
        "--weights 'my weights/0.pt' 'my weights/1.pt' --output 'my deep scores/internal_test.csv' "
        in scoring
    )
    assert "--log logs/score_elsewhere/deep_internal_test.log" in scoring
    assert """--cache "$(dirname 'my films/train/index.csv')" --model deep --run 1 """ in training
    assert "--weights 'my weights/start.pt' --views 'my views/views.json' --output " in training
    assert """--output "$(dirname 'my deep folds/1/weights.pt')" """ in training


def test_views_are_made_once_before_all_trainings_of_their_network(fresh_study):
    study = fresh_study("kept_views")
    trunk = study.path / "trunk.pth"
    trunk.touch()

    def ask(raw):
        raw["models"]["deep"] |= {"init": str(trunk)}
        raw["models"]["deep"].setdefault("training", {}).update(trained_stages=0, views=4)

    study.edit_config(ask)
    text = study.snakemake("-n", "-p", "--", "results/models/deep/out_of_fold.csv")
    commands = [line.strip() for line in text.splitlines() if "python -m scripts.networks" in line]
    making = [line for line in commands if "cache_views" in line]
    assert len(making) == 1 and len(commands) == 6
    assert """--output "$(dirname state/cache/views/deep/views.json)" """ in making[0]
    for line in commands:
        assert f"--weights {trunk}" in line
        assert line in making or "--views state/cache/views/deep/views.json --output" in line


def test_no_command_names_a_file_again(study):
    """Commands say {input}, {output} and {log}."""
    for file in sorted((study.path / "rules").glob("*.smk")):
        text = file.read_text(encoding="utf-8")
        for command in re.findall(r"(?ms)^    shell:\n(.*?)(?:\n\n|\Z)", text):
            assert not re.search(r"(results|state|data|private|weights|logs)/", command), file.name
