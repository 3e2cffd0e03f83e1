"""The archive for others: what is in it, what is not, and when it is refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from scripts.common.catalogue import result
from scripts.common.contracts.cohort import PREDICTIONS
from scripts.common.contracts.contract import Column
from scripts.common.errors import StudyError
from scripts.share.pack_results import main, pack
from scripts.share.suppression import Rules

from .conftest import OWN_TABLES, record

ROOT = Path(__file__).resolve().parents[2]


def opened(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {m.name.split("/", 1)[1]: archive.extractfile(m).read() for m in archive.getmembers()}


def packed(run: Path, **options) -> dict[str, bytes]:
    pack(run / "results", run / "private", run / "out.tar.gz", **options)
    return opened(run / "out.tar.gz")


def test_nothing_by_patient_no_film_and_no_model_goes_in(run):
    found = packed(run)
    assert {
        "README.txt",
        "MANIFEST.sha256",
        "provenance.json",
        "cohort/flow.csv",
        "statistics/table2.csv",
    } <= found.keys()
    assert not [
        n
        for n in found
        if "predictions" in n or "cohort.csv" in n or "weights" in n or "gradcam" in n or n == "report.html"
    ]
    assert not [n for n, content in found.items() if re.search(rb"[PI][0-9A-F]{16}", content)]
    assert b"weights.pt" in found["README.txt"] and b"predictions.csv" in found["README.txt"]


def test_small_cells_are_hidden_and_figures_that_show_them_stay_behind(run):
    found = packed(run)
    assert b"<5" in found["statistics/table2.csv"] and b"0.85" not in found["statistics/table2.csv"]
    assert "figures/roc.svg" not in found and "statistics/net_benefit.csv" not in found
    assert "figures/flow.svg" in found and "tables/table1.docx" in found
    kept = packed(run, keep_outcomes=True)
    assert (
        b"0.85" in kept["statistics/table2.csv"]
        and "figures/roc.svg" in kept
        and "statistics/net_benefit.csv" in kept
    )


def test_figures_that_name_the_sizes_of_all_sets_stay_out_where_one_is_closed(run):
    path = run / "results/cohort/cohort.csv"
    lines = path.read_text().splitlines()
    few = [line for line in lines if line.endswith("internal_test,1")][3:]
    path.write_text("\n".join(line[:-1] + "0" if line in few else line for line in lines) + "\n")
    record(run)
    found = packed(run)
    assert (
        "statistics/table2.csv" in found
        and b"170" in found["cohort/flow.csv"]
        and "figures/flow.svg" not in found
    )


def test_a_figure_that_the_packer_does_not_know_or_the_run_did_not_make_is_left_out_and_named(run):
    (run / "results/figures/ages.svg").write_text("<svg/>")
    record(run)
    (run / "results/figures/flow.pdf").write_text("of an earlier run")
    found = packed(run)
    assert not {"figures/ages.svg", "figures/flow.pdf"} & found.keys() and "figures/flow.svg" in found
    assert b"figures/ages.svg: a figure or document that the packer does not know" in found["README.txt"]
    assert b"figures/flow.pdf: the run did not make it" in found["README.txt"]


@pytest.mark.parametrize("name", OWN_TABLES)
def test_a_table_that_was_changed_or_not_recorded_is_refused(run, name):
    path = run / "results" / name
    path.write_text(path.read_text() + "\n")
    with pytest.raises(StudyError, match=f"{name}' is not the file that the run recorded"):
        packed(run)
    kept = json.loads((run / "results/provenance.json").read_text())
    del kept["outputs"]["files"][f"results/{name}"]
    (run / "results/provenance.json").write_text(json.dumps(kept))
    if result(name.removesuffix(".csv")).only_with:
        found = packed(run)  # of a study that had it, and has it no more
        assert name not in found and f"{name}: the run did not make it".encode() in found["README.txt"]
        return
    with pytest.raises(StudyError, match=f"{name}' is not the file that the run recorded"):
        packed(run)


def test_results_of_version_0_1_0_are_refused_with_a_sentence(run):
    path = run / "results/provenance.json"
    content = json.loads(path.read_text())
    del content["config"]["models"]
    path.write_text(json.dumps(content))
    with pytest.raises(StudyError, match="is of version 0.1.0"):
        packed(run)


def test_what_is_left_of_models_that_the_run_does_not_have_is_left_out_and_named(run):
    """A model that was taken away since, and the folders of version 0.1.0."""
    for name in ("models/of_before/scores/internal_test.csv", "deep/fold_0/weights.pt", "boosting/a/b.csv"):
        (run / "results" / name).parent.mkdir(parents=True)
        (run / "results" / name).write_text("of an earlier run")
    found = packed(run)
    assert not [name for name in found if name.startswith(("models/", "deep/", "boosting/"))]
    for folder in ("models/of_before", "deep", "boosting"):
        assert f"{folder}/*: the run did not make it".encode() in found["README.txt"]
    assert b"models/film/*" not in found["README.txt"] and b"models/years/*" not in found["README.txt"]


def test_checksums_of_tables_with_hidden_cells_are_not_told(run):
    """With a table's SHA-256 and all but a few small cells anybody can try out the cells."""
    before = hashlib.sha256((run / "results/statistics/table2.csv").read_bytes()).hexdigest()
    assert before in (run / "results/provenance.json").read_text()
    found = packed(run)
    assert before.encode() not in b"".join(found.values())
    assert set(json.loads(found["provenance.json"])["outputs"]["files"]) <= {
        f"results/{name}" for name in found
    }


def test_the_manifest_is_that_of_sha256sum(run, tmp_path):
    found = packed(run)
    lines = dict(reversed(line.split("  ")) for line in found["MANIFEST.sha256"].decode().splitlines())
    assert lines == {n: hashlib.sha256(c).hexdigest() for n, c in found.items() if n != "MANIFEST.sha256"}


def test_the_same_run_gives_the_same_bytes(run, monkeypatch):
    packed(run)
    one = (run / "out.tar.gz").read_bytes()
    for path in (run / "results").rglob("*"):
        os.utime(path, (time.time() - 9e6,) * 2)
    later = time.time() + 9e6
    monkeypatch.setattr(time, "time", lambda: later)
    packed(run)
    assert (run / "out.tar.gz").read_bytes() == one


@pytest.mark.parametrize(
    "planted",
    [
        "HOSP-0042",
        "id: 9912345;",
        "1.2.826.0.1.99.7",
        "IM778812",
        "2019 export/KOWALSKI_J/IM778812",
        "ab" * 32,
        "P00000000000000A1",
    ],
)
def test_an_identifier_in_any_packed_byte_is_refused_and_not_repeated(run, planted):
    path = run / "results/figures/flow.svg"
    path.write_text(f"<svg><text>{planted}</text></svg>")
    record(run)
    with pytest.raises(StudyError, match="figures/flow.svg") as caught:
        packed(run)
    assert planted not in str(caught.value) and not (run / "out.tar.gz").exists()


def test_an_identifier_inside_a_word_document_is_refused(run):
    with zipfile.ZipFile(run / "results/tables/table1.docx", "w", zipfile.ZIP_DEFLATED) as document:
        document.writestr("word/document.xml", "patient HOSP-0042 " * 50)
    assert b"HOSP-0042" not in (run / "results/tables/table1.docx").read_bytes()
    record(run)
    with pytest.raises(StudyError, match="tables/table1.docx"):
        packed(run)


def test_digits_within_a_number_are_no_id(run):
    (run / "results/figures/flow.svg").write_text("<svg>0.9912345 1299123450</svg>")
    record(run)
    assert "figures/flow.svg" in packed(run)


def test_an_unknown_table_is_left_out_and_named(run):
    (run / "results/statistics/ages.csv").write_text("age,n\n51,1\n")
    (run / "results/statistics/missing.csv").write_text("center,set,variable,n,n_missing\n")
    record(run)
    found = packed(run)
    assert "statistics/ages.csv" not in found and "statistics/missing.csv" not in found
    assert b"statistics/ages.csv: a table that the packer does not know" in found["README.txt"]
    assert b"statistics/missing.csv: lacks the column 'n_capped'" in found["README.txt"]


def test_a_column_that_no_contract_declares_is_left_out_and_named(run, capsys, monkeypatch):
    name, row = "statistics/missing.csv", "internal,train,age,100,8,0"
    path = run / "results" / name
    path.write_text(f"{path.read_text()}{row}\n")
    record(run)
    before = packed(run)
    assert row.encode() in before[name] and "tables/table1.docx" in before
    path.write_text(path.read_text().replace("n_capped\n", "n_capped,youngest\n").replace(row, f"{row},41"))
    record(run)
    monkeypatch.chdir(run)
    assert main(["--release", "coarse"]) == 0
    told = f"column 'youngest' of {name}: its contract doesn't declare it"
    assert told in capsys.readouterr().out
    found = packed(run)
    assert found[name] == before[name], "the table goes in without the column"
    assert told.encode() in found["README.txt"]
    assert "tables/table1.docx" not in found, "a document of the table may show the column"


def test_a_column_whose_telling_is_unknown_cannot_be_declared():
    with pytest.raises(ValueError, match="'age_of_death': tells must be one of key, setting, size"):
        Column("age_of_death", "int", "secret", "age at death")
    with pytest.raises(ValueError, match="tells of single patients"):
        Rules(PREDICTIONS, lambda *_: None)


def test_films_go_in_only_after_a_sign_off(run):
    assert "figures/gradcam.png" not in packed(run)
    record(run, show_films="signed_off")
    assert "figures/gradcam.png" in packed(run)


def test_an_unfinished_or_changed_run_and_a_missing_crosswalk_are_refused(run):
    flow = run / "results/cohort/flow.csv"
    flow.write_text(flow.read_text().replace("170", "171"))
    with pytest.raises(StudyError, match="cohort/flow.csv' is not the file that the run recorded"):
        packed(run)
    flow.unlink()
    with pytest.raises(StudyError, match="has not run to its end"):
        packed(run)
    (run / "private/internal/crosswalk/batch_0.csv").unlink()
    with pytest.raises(StudyError, match="holds no crosswalk"):
        packed(run)


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "scripts.share.pack_results", *arguments], cwd=folder, capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_the_command_says_what_went_in_and_what_did_not(run):
    done = command(run)
    assert done.returncode == 0, done.stderr
    assert (
        "statistics/table2.csv  (small cells hidden)" in done.stdout
        and "predictions.csv: by patient or by film" in done.stdout
    )
    assert "statistics/table2.csv" in opened(run / "results/share/osteocxr_results.tar.gz")
    assert command(run).returncode == 0, "an earlier archive under results/share is in the way"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("smallest", "0", "SMALLEST: '0'"), ("smallest", "five", "SMALLEST: 'five'"),
    ("smallest", "", "SMALLEST: ''"),
     ("outcomes", "some", "OUTCOMES: 'some'"), ("to", "a.zip", "TO: 'a.zip'")],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_answered_with_a_sentence(run, option, value, said):
    wrong = command(run, f"--{option}", value)
    assert (
        wrong.returncode == 1 and wrong.stderr.startswith(f"ERROR: {said}") and wrong.stderr.count("\n") == 1
    )
