"""What runs again after a change, and that costly steps do not."""

from __future__ import annotations

import ast
import csv
import os
import shutil
import subprocess
import time

import pytest

from scripts.common.code_hash import LEAVES

COSTLY = {"train_fold", "fit_model", "cache_films"}
OF_ONE_CENTRE = [
    "simulate_center",
    "list_films",
    "deidentify",
    "convert_png",
    "pseudonymize_tables",
    "screen_exposure",
    "select_cohort",
    "cache_films",
    "score_images",
    "score_masked",
    "score_model",
]
SAME_BYTES = [
    "results/predictions.csv",
    "results/cohort/cohort.csv",
    "results/cohort/flow.csv",
    "results/intake/files.csv",
    "results/intake/exposure.csv",
    "results/statistics/thresholds.csv",
    "results/statistics/table1.csv",
    "results/statistics/table2.csv",
    "results/statistics/delong.csv",
    "results/statistics/net_benefit.csv",
    "results/tables/table1.docx",
    "results/tables/table2.docx",
    "results/provenance.json",
]


def test_touching_every_file_runs_nothing(duplicate):
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=duplicate.path,
        capture_output=True,
        check=True,
    ).stdout.decode()
    names = [n for n in tracked.split("\0") if n]
    assert len(names) > 50
    time.sleep(1)
    for name in names:
        os.utime(duplicate.path / name)
    assert "Nothing to be done" in duplicate.snakemake()


def append(study, names, text):
    for name in names:
        with (study.path / name).open("a", encoding="utf-8") as stream:
            stream.write(text)


def test_a_comment_in_every_script_and_a_docs_change_run_nothing(duplicate):
    scripts = [path.relative_to(duplicate.path) for path in (duplicate.path / "scripts").rglob("*.py")]
    assert len(scripts) > 100
    append(duplicate, scripts, "\n# a remark\n")
    append(duplicate, ["README.md", "docs/methods.md", "rules/networks.smk"], "\n# A remark.\n")
    assert duplicate.jobs() == {}
    # a line of code in a module that draws: figures and what shows them, no number
    append(
        duplicate,
        ["scripts/statistics/curves.py", "scripts/statistics/training_figure.py"],
        "\nANOTHER_CONSTANT = 1\n",
    )
    jobs = duplicate.jobs()
    assert any(rule.startswith("draw_") for rule in jobs)
    assert not [
        rule
        for rule in jobs
        if not rule.startswith("draw_") and rule not in ("all", "record_provenance", "write_report")
    ]


def test_a_reworded_message_in_every_leaf_runs_nothing(duplicate):
    for name in LEAVES:
        path = duplicate.path / name
        text = path.read_text(encoding="utf-8")
        if path.name == "progress.py":
            reworded = ast.unparse(Reworded().visit(ast.parse(text)))
        else:
            reworded = text.replace("this is a defect of the software", "the software is at fault")
        assert ast.dump(ast.parse(reworded)) != ast.dump(ast.parse(text)), name
        path.write_text(reworded + "\n", encoding="utf-8")
    assert "Nothing to be done" in duplicate.snakemake()


class Reworded(ast.NodeTransformer):
    """Every message begins otherwise than before."""

    def visit_Return(self, node):
        text = isinstance(node.value, ast.JoinedStr | ast.Constant)
        if text:
            node.value = ast.BinOp(ast.Constant("In other words: "), ast.Add(), node.value)
        return node


def test_a_new_config_key_that_no_rule_reads_makes_nothing_again_but_the_record(duplicate):
    """The record holds the whole config as resolved, a new key's default included; the report quotes it."""
    path = duplicate.path / "scripts/common/config/report.py"
    text = path.read_text(encoding="utf-8")
    key = "    tagline: str = Field('', description='A line below the title.')\n"
    path.write_text(text.replace("    signed_off_by:", f"{key}    signed_off_by:", 1), encoding="utf-8")
    only_record = {"record_provenance", "write_report", "all"}
    assert duplicate.jobs().keys() <= only_record
    duplicate.edit_config(lambda raw: raw.setdefault("report", {}).update(tagline="Bones"))
    assert duplicate.jobs() and duplicate.jobs().keys() <= only_record


def test_a_changed_line_of_the_model_trains_all_folds(duplicate):
    path = duplicate.path / "scripts/networks/kinds/hybrid.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nANOTHER_CONSTANT = 1\n", encoding="utf-8")
    assert duplicate.jobs()["train_fold"] == 5


def test_training_on_all_films_selects_and_splits_nobody_again(duplicate):
    duplicate.edit_config(lambda raw: raw.setdefault("cohort", {}).update(train_on="all_films"))
    jobs = duplicate.jobs()
    assert jobs["cache_films"] == jobs["merge_cohort"] == 1 and jobs["train_fold"] == 5
    assert not {"select_cohort", "split_cohort"} & jobs.keys()
    before = (duplicate.path / "results/cohort/cohort.csv").read_bytes()
    duplicate.snakemake("results/cohort/flow.csv", "state/cache/192/train/index.csv")
    assert (duplicate.path / "results/cohort/cohort.csv").read_bytes() == before
    with (duplicate.path / "results/cohort/flow.csv").open(newline="") as file:
        films = {row["step"]: row["n_films"] for row in csv.DictReader(file) if row["n_films"]}
    with (duplicate.path / "state/cache/192/train/index.csv").open(newline="") as file:
        index = list(csv.DictReader(file))
    assert len(index) == int(films["train"])
    assert sum(row["further"] == "1" for row in index) == int(films["films_train"])


def test_a_changed_figure_setting_only_draws(duplicate):
    duplicate.edit_config(lambda raw: raw["statistics"]["figures"].update(font_size=9))
    jobs = duplicate.jobs()
    assert any(rule.startswith("draw_") for rule in jobs)
    assert (
        not COSTLY & jobs.keys()
        and not {"evaluate_models", "examine_models", "describe_cohort", "compare_auc"} & jobs.keys()
    )


def test_a_changed_label_or_device_trains_nothing(duplicate):
    def change(raw):
        raw["centers"][0]["label"] = "Another name"
        raw["networks"] = {"device": "cpu", "checkpoint_minutes": 1}
        raw["models"]["deep"]["label"] = "The network"

    duplicate.edit_config(change)
    assert not COSTLY & duplicate.jobs().keys()


def test_a_sign_off_draws_films_again_and_selects_nobody(duplicate):
    signed = {"show_films": "signed_off", "signed_off_by": "Dr Reader"}
    duplicate.edit_config(lambda raw: raw.setdefault("report", {}).update(signed))
    jobs = duplicate.jobs()
    assert jobs["draw_contact_sheets"] == 3 and "draw_network" in jobs
    assert not (COSTLY | {"deidentify", "convert_png", "screen_exposure", "select_cohort"}) & jobs.keys()


def test_a_readers_table_changes_its_centre_alone(duplicate):
    """The template, filled in and named under `review`: that centre's cohort is selected anew, no film is
    read again.
    """
    cohort = duplicate.path / "results/cohort/cohort.csv"
    with cohort.open(encoding="utf-8", newline="") as stream:
        before = list(csv.DictReader(stream))
    gone = next(row for row in before if row["center"] == "external_1")
    (duplicate.path / "review.csv").write_text(f"image_id,verdict\n{gone['image_id']},reject\n")
    duplicate.edit_config(lambda raw: raw["centers"][1].update(review="review.csv"))
    planned = duplicate.jobs()
    assert not {"train_fold", "fit_model", "deidentify", "convert_png"} & planned.keys()
    assert all(
        planned[rule] == 1
        for rule in ("read_review", "screen_exposure", "select_cohort", "cache_films", "score_images")
    )
    jobs = duplicate.jobs("results/cohort/cohort.csv")
    assert jobs == {"read_review": 1, "screen_exposure": 1, "select_cohort": 1, "merge_cohort": 1}
    duplicate.snakemake("results/cohort/cohort.csv")
    with cohort.open(encoding="utf-8", newline="") as stream:
        after = list(csv.DictReader(stream))
    assert [row for row in after if row["center"] != "external_1"] == [
        row for row in before if row["center"] != "external_1"
    ]
    assert gone["image_id"] not in {row["image_id"] for row in after}
    with (duplicate.path / "results/intake/external_1/review_template.csv").open(
        encoding="utf-8", newline=""
    ) as stream:
        assert (
            next(r["verdict"] for r in csv.DictReader(stream) if r["image_id"] == gone["image_id"])
            == "reject"
        )

    # a slip costs nothing of what the reader looks at: most are refused before any job, a film of no file by
    # a job of its own
    kept = [
        duplicate.path / f"results/intake/external_1/{name}"
        for name in ("exposure.csv", "review_template.csv", "contact_sheet_review.png")
    ]
    for table, said in (
        ("image_id,verdict\nHOSP,pass\n", "no image id"),
        ("image_id,verdict\nI0123456789ABCDEF,pass\n", "no film of this centre"),
    ):
        (duplicate.path / "review.csv").write_text(table)
        printed = duplicate.snakemake("results/cohort/cohort.csv", check=False)
        log = duplicate.path / "logs/read_review/external_1.log"
        assert said in (printed if said == "no image id" else log.read_text()) and "Traceback" not in printed
        assert all(path.is_file() for path in kept)
    assert "read_review" in duplicate.jobs(), "a refused table must be refused again, not passed over"
    (duplicate.path / "review.csv").write_text(f"sep=;\nVerdict;Image_ID\nReject;{gone['image_id']}\n")
    assert duplicate.jobs("results/cohort/cohort.csv").get("read_review") == 1
    printed = duplicate.snakemake("results/cohort/cohort.csv")
    assert "done with what was asked for" in printed and "Open results/report.html" not in printed, (
        "the report is the old one"
    )
    assert not duplicate.jobs("results/cohort/cohort.csv")


def test_a_changed_marker_of_the_gate_that_is_off_runs_nothing(duplicate):
    duplicate.edit_config(lambda raw: raw.update(intake={"ocr": {"enabled": False, "markers": ["L"]}}))
    assert not {"convert_png", "screen_exposure"} & duplicate.jobs().keys()


def test_a_changed_seed_is_noticed_and_trains_again_once_the_old_study_is_put_aside(duplicate):
    """A simulated study's key follows from its seed: the old split lock belongs to the old pseudonyms."""
    duplicate.edit_config(lambda raw: raw.update(study={"seed": 5}))
    assert "is not the one of the results in this folder" in duplicate.snakemake("-n", check=False)
    for made in ("results", "state", "private"):
        (duplicate.path / made).rename(duplicate.path / f"old_{made}")
    assert duplicate.jobs()["train_fold"] == 5


def test_another_key_under_finished_results_is_refused_before_any_job(duplicate):
    record = duplicate.path / "private/key_fingerprint.txt"
    assert record.stat().st_mode & 0o777 == 0o600 and record.parent.stat().st_mode & 0o777 == 0o700
    recorded = record.read_text()
    assert "Nothing to be done" in duplicate.snakemake()
    record.write_text("00000000\n")
    for arguments in (["-n"], [], ["results/report.html"]):
        text = duplicate.snakemake(*arguments, check=False)
        assert "put the old key (or seed) back" in text and "Traceback" not in text and "rule " not in text
    assert record.read_text() == "00000000\n", "a refused run changes no record"
    record.unlink()  # as in a study begun before the record was kept: the split lock tells
    lock = duplicate.path / "state/split_lock.csv"
    whole = lock.read_text()
    lock.write_text(whole.replace(recorded.strip(), "00000000"))
    assert "put the old key (or seed) back" in duplicate.snakemake("-n", check=False)
    lock.write_text(whole)
    assert duplicate.jobs() == {} and not record.exists(), "a dry run writes nothing"


def test_a_model_added_trains_alone_and_one_taken_away_trains_nothing(duplicate):
    def logs():
        return {path.name: path.stat().st_mtime_ns for path in duplicate.path.glob("logs/train_fold/*.log")}

    before, steps = logs(), duplicate.optimiser_steps()
    second = {"like": "deep", "role": "ablation", "training": {"epochs": 1, "local_weight": 0}}
    duplicate.edit_config(lambda raw: raw["models"].update(second=second))
    planned = duplicate.jobs()
    assert planned["train_fold"] == 5 and planned["score_images"] == 3 and planned["compare_networks"] == 1
    assert not {"cache_films", "fit_model", "score_model", "score_masked"} & planned.keys()
    duplicate.snakemake("results/predictions.csv", "results/statistics/architectures.csv")
    assert {name: time for name, time in logs().items() if name in before} == before, (
        "the first one is trained"
    )
    assert len(logs()) == 2 * len(before) and duplicate.optimiser_steps() > steps
    predictions = (duplicate.path / "results/predictions.csv").read_text(encoding="utf-8")
    assert predictions.splitlines()[0].endswith(",second")

    duplicate.edit_config(lambda raw: raw["models"].pop("second"))
    assert not {"train_fold", "fit_model", "score_images", "cache_films"} & duplicate.jobs().keys()


def test_a_changed_setting_makes_again_what_depends_on_it(duplicate):
    duplicate.edit_config(lambda raw: raw["models"]["clinical"].update(trees=30))
    assert duplicate.jobs()["fit_model"] == 1 and "train_fold" not in duplicate.jobs()
    duplicate.edit_config(lambda raw: raw["models"]["deep"]["training"].update(epochs=3))
    planned = duplicate.jobs()
    assert planned["train_fold"] == 5 and planned["fit_model"] == 2, (
        "clinical, and combined, which reads deep"
    )
    assert "cache_films" not in planned


def test_a_new_external_centre_trains_nothing(duplicate):
    def add(raw):
        raw["centers"].append(
            {
                "name": "external_3",
                "role": "external",
                "batches": 1,
                "simulate": {
                    "like": "external_2",
                    "n_op": 6,
                    "n_non_op": 5,
                    "film_size": 220,
                    "trouble": False,
                },
            }
        )

    steps_before = duplicate.optimiser_steps()
    assert steps_before > 0
    weights = (duplicate.path / "results/models/deep/fold_0/weights.pt").stat().st_mtime_ns
    duplicate.edit_config(add)
    planned = duplicate.jobs()
    assert not {"train_fold", "fit_model"} & planned.keys()
    assert planned["cache_films"] == 1 and planned["score_images"] == 1 and planned["deidentify"] == 1
    assert all(planned[rule] == 1 for rule in OF_ONE_CENTRE if rule in planned), (
        "more than the new centre is read or scored"
    )
    duplicate.snakemake()
    assert duplicate.optimiser_steps() == steps_before
    assert (duplicate.path / "results/models/deep/fold_0/weights.pt").stat().st_mtime_ns == weights
    assert "external_3" in (duplicate.path / "results/statistics/table2.csv").read_text()
    assert "Nothing to be done" in duplicate.snakemake()


def test_results_deleted_are_republished_on_one_core_without_training_to_the_same_bytes(duplicate):
    """All of them, from the intake to the report, by one core instead of two: films are read and cached
    again, the folds come out of state/store.

    ``tests/networks/test_network_rules.py`` trains on one core and on two.
    """
    results = duplicate.path / "results"
    kept = [
        *SAME_BYTES,
        *(
            f"results/models/deep/fold_{k}/{name}"
            for k in range(5)
            for name in ("weights.pt", "history.csv", "held_out.csv")
        ),
    ]
    kept += sorted(str(path.relative_to(duplicate.path)) for path in (results / "figures").iterdir())
    assert len(kept) > 40
    before = {name: (duplicate.path / name).read_bytes() for name in kept}
    assert duplicate.optimiser_steps() > 0
    shutil.rmtree(results)
    printed = duplicate.snakemake(cores=1)
    assert printed.count("rule train_fold:") == 5 and printed.count("rule deidentify:") == 4
    assert duplicate.optimiser_steps() == 0
    assert [name for name in kept if (duplicate.path / name).read_bytes() != before[name]] == []


LOST = {
    "results/intake/external_1/patients.csv": "pseudonymize_tables",
    "results/intake/internal/png/batch_0.csv": "convert_png",
    "state/cache/192/train/index.csv": "cache_films",
    "results/models/deep/fold_0/weights.pt": "train_fold",
    "results/models/combined/model.json": "fit_model",
}


def test_what_a_failed_job_lost_is_asked_for_again(duplicate):
    """Snakemake deletes a failed job's outputs; the next run must not end well because later files are still
    whole.
    """
    for name in LOST:
        (duplicate.path / name).unlink()
    assert set(LOST.values()) <= duplicate.jobs().keys()


@pytest.mark.parametrize("name", ["results/statistics/table2.csv", "results/figures/roc.svg"])
def test_a_lost_leaf_is_made_again_alone(duplicate, name):
    before = (duplicate.path / name).read_bytes()
    (duplicate.path / name).unlink()
    assert not COSTLY & duplicate.jobs().keys()
    duplicate.snakemake(name)
    assert (duplicate.path / name).read_bytes() == before
