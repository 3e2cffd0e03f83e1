"""Two archives of a study: what a reader who has both learns of the patients in whom they differ."""

from __future__ import annotations

import csv
import io
import json
import stat

import pandas as pd
import pytest

from scripts.common.errors import StudyError
from scripts.share.pack_results import pack
from scripts.share.releases import FOLDER

from . import test_attacks
from .conftest import record, write_csv
from .test_packing import command, opened

SET = "external_1"
ORIGINAL = test_attacks.simulated


def study(folder, monkeypatch, without: int):
    """A study without the last ``without`` patients of one external centre, in a folder that keeps
    ``private/``."""
    cohort, predictions = ORIGINAL(1)
    gone = list(cohort.index[cohort["set"] == SET][::-1][:without])
    parts = tuple(frame.drop(index=gone).reset_index(drop=True) for frame in (cohort, predictions))
    monkeypatch.setattr(test_attacks, "simulated", lambda seed: parts)
    made = test_attacks.Study(folder, 1)
    parts[1].to_csv(made.folder / "results/predictions.csv", index=False)
    return cohort.loc[gone]


def rows(archive: dict[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.get(name, b"").decode())))


def subtracted(one: dict[str, bytes], other: dict[str, bytes]) -> dict[str, float]:
    """A newcomer's values, from the means and numbers of two Tables 1, and the counts of patients that
    changed by one."""
    found = {}
    tables = [
        {r["variable"]: r for r in rows(a, "statistics/table1.csv") if r["center"] == SET}
        for a in (one, other)
    ]
    for variable in set(tables[0]) & set(tables[1]):
        for group in ("op", "non_op"):
            try:
                sums = [float(t[variable][f"{group}_mean"]) * int(t[variable][f"{group}_n"]) for t in tables]
                change = int(tables[1][variable][f"{group}_n"]) - int(tables[0][variable][f"{group}_n"])
            except ValueError:
                continue
            if change == 1:
                found[variable] = sums[1] - sums[0]
    for name in one.keys() & other.keys():
        for r1, r2 in zip(rows(one, name), rows(other, name)):
            keys = [r2.get(k, "") for k in ("set", "center", "subgroup", "level", "analysis", "population")]
            if (
                SET in keys
                and r1.get("n", "").isdigit()
                and r2.get("n", "").isdigit()
                and int(r2["n"]) - int(r1["n"]) == 1
            ):
                found["/".join([name, *keys])] = 1
    return found


def test_the_attack_gives_a_newcomer_back_from_two_archives_of_which_none_is_recorded(tmp_path, monkeypatch):
    archives = []
    for n in (1, 0):
        folder = tmp_path / str(n)
        newcomer = study(folder, monkeypatch, n)
        pack(folder / "results", folder / "private", folder / "a.tar.gz")
        archives.append(opened(folder / "a.tar.gz"))
        if n:
            who = newcomer.iloc[0]
    found = subtracted(*archives)
    assert found["age"] == pytest.approx(who["age"], abs=1e-6) and found["bmd"] == pytest.approx(
        who["bmd"], abs=1e-6
    )
    assert len(found) > 5


def test_a_second_archive_that_differs_by_one_is_refused_and_a_coarse_one_tells_nothing_of_him(
    tmp_path, monkeypatch
):
    study(tmp_path, monkeypatch, 1)
    pack(tmp_path / "results", tmp_path / "private", tmp_path / "first.tar.gz")
    study(tmp_path, monkeypatch, 0)
    with pytest.raises(
        StudyError, match=rf"in 1 of the included patients of '{SET}/{SET}/no osteoporosis'.*RELEASE=coarse"
    ) as refusal:
        pack(tmp_path / "results", tmp_path / "private", tmp_path / "second.tar.gz")
    assert (
        not (tmp_path / "second.tar.gz").exists()
        and "\n" not in str(refusal.value)
        and f"{SET}0" not in str(refusal.value)
    )
    chosen = pack(tmp_path / "results", tmp_path / "private", tmp_path / "second.tar.gz", coarse=True)
    one, other = opened(tmp_path / "first.tar.gz"), opened(tmp_path / "second.tar.gz")
    assert subtracted(one, other) == {}
    for name in other:
        assert not [
            r for r in rows(other, name) if name.endswith(".csv") and SET in (r.get("set"), r.get("center"))
        ], name
    assert [r for r in rows(other, "statistics/table2.csv") if r["set"] == "internal_test"], (
        "the other sets are told"
    )
    assert not [name for name in other if name.startswith(("figures/", "tables/"))]
    assert (
        f"rows of centre {SET}" in chosen.left_out and f"rows of centre {SET}".encode() in other["README.txt"]
    )


@pytest.mark.parametrize(("newcomers", "refused"), [(5, True), (19, True), (20, False)])
def test_how_many_must_differ(tmp_path, monkeypatch, newcomers, refused):
    study(tmp_path, monkeypatch, newcomers)
    pack(tmp_path / "results", tmp_path / "private", tmp_path / "first.tar.gz")
    study(tmp_path, monkeypatch, 0)
    if refused:
        with pytest.raises(StudyError, match=f"in {newcomers} of the included patients"):
            pack(tmp_path / "results", tmp_path / "private", tmp_path / "second.tar.gz")
    else:
        pack(tmp_path / "results", tmp_path / "private", tmp_path / "second.tar.gz")


def test_what_a_coarse_archive_held_back_counts_as_untold(tmp_path, monkeypatch):
    """The third archive is compared with what the second told; with the first it still differs by one."""
    for n, coarse in ((1, False), (0, True)):
        study(tmp_path, monkeypatch, n)
        pack(tmp_path / "results", tmp_path / "private", tmp_path / f"{n}.tar.gz", coarse=coarse)
    told = [
        json.loads(path.read_text())["groups"]["values"]
        for path in (tmp_path / "private" / FOLDER).glob("*.json")
    ]
    assert sorted(sum(group.startswith(SET) for group in groups) for groups in told) == [0, 2]
    with pytest.raises(StudyError, match="in 1 of the included patients"):
        pack(tmp_path / "results", tmp_path / "private", tmp_path / "third.tar.gz")
    for path in (tmp_path / "private" / FOLDER).glob("*.json"):
        path.unlink()
    pack(tmp_path / "results", tmp_path / "private", tmp_path / "third.tar.gz")


def edited(path, change):
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(frame)
    frame.to_csv(path, index=False)


@pytest.fixture
def shared(run):
    """A run of which an archive was packed."""
    measured = {
        "sex": "F",
        "age": "70",
        "height_cm": "160",
        "weight_kg": "60",
        "bmi": "23.4",
        "bmd": "0.8",
        "t_score": "-2",
    }
    path = run / "results/cohort/cohort.csv"
    cohort = pd.read_csv(path, dtype=str).assign(center="internal", **measured)
    cohort.to_csv(path, index=False)
    cohort[["patient_id"]].assign(film="0.3").to_csv(run / "results/predictions.csv", index=False)
    write_csv(run / "results/cohort/internal/excluded.csv", ("patient_id", "reason"), *(
        {"patient_id": f"P{900 + k:016X}", "reason": "no_film"} for k in range(20)
    ))  # fmt: skip
    record(run)
    pack(run / "results", run / "private", run / "first.tar.gz")
    return run


OTHER_DATA = {
    "a corrected label": (
        "cohort/cohort.csv",
        lambda f: f.__setitem__("label", ["0", *f["label"][1:]]),
        "1 of the included patients of 'internal/train/",
    ),
    "one exchanged for another": (
        "cohort/cohort.csv",
        lambda f: f.__setitem__("patient_id", [*f["patient_id"][:-1], "PFFFFFFFFFFFFFFFF"]),
        "2 of the included",
    ),
    "one other score": (
        "predictions.csv",
        lambda f: f.__setitem__("film", ["0.9", *f["film"][1:]]),
        "1 of the included patients' scores of 'internal/train/",
    ),
    "another reason": (
        "cohort/internal/excluded.csv",
        lambda f: f.__setitem__("reason", ["too_young", *f["reason"][1:]]),
        "1 of the patients left out of 'internal'",
    ),
    "another file": (
        "intake/files.csv",
        lambda f: f.__setitem__("status", ["rejected", *f["status"][1:]]),
        "1 of the files found of 'internal'",
    ),
    "another verdict": (
        "intake/exposure.csv",
        lambda f: f.__setitem__("verdict", ["reject", *f["verdict"][1:]]),
        "1 of the verdicts of films of 'internal'",
    ),
}


@pytest.mark.parametrize("case", OTHER_DATA)
def test_whatever_differs_by_few_is_seen(shared, case):
    name, change, said = OTHER_DATA[case]
    edited(shared / "results" / name, change)
    record(shared)
    with pytest.raises(StudyError, match=said):
        pack(shared / "results", shared / "private", shared / "second.tar.gz")
    coarse = pack(shared / "results", shared / "private", shared / "second.tar.gz", coarse=True)
    told = opened(shared / "second.tar.gz")
    assert not rows(told, "cohort/flow.csv") and "rows of centre internal" in coarse.left_out
    assert bool(rows(told, "statistics/table2.csv")) == (name not in ("cohort/cohort.csv", "predictions.csv"))


def test_the_same_run_new_scores_of_all_and_a_simulated_centre_are_no_difference(shared):
    pack(shared / "results", shared / "private", shared / "again.tar.gz")
    assert (shared / "again.tar.gz").read_bytes() and len(list((shared / "private" / FOLDER).iterdir())) == 1
    edited(
        shared / "results/predictions.csv",
        lambda f: f.__setitem__("film", [str(k / 1000) for k in range(len(f))]),
    )
    record(shared)
    pack(shared / "results", shared / "private", shared / "retrained.tar.gz")
    edited(shared / "results/cohort/cohort.csv", lambda f: f.__setitem__("label", ["0", *f["label"][1:]]))
    record(shared)
    path = shared / "results/provenance.json"
    path.write_text(
        path.read_text().replace('{"name": "internal"}', '{"name": "internal", "simulate": {"n_op": 5}}')
    )
    pack(shared / "results", shared / "private", shared / "simulated.tar.gz")


def test_the_record_is_private_holds_no_value_and_is_left_by_no_failure(shared, monkeypatch):
    folder = shared / "private" / FOLDER
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700
    text = path.read_text()
    assert "HOSP" not in text and "no_film" not in text and "KOWALSKI" not in text
    edited(
        shared / "results/predictions.csv",
        lambda f: f.__setitem__("film", [str(k / 1000) for k in range(len(f))]),
    )
    record(shared)
    with pytest.raises(OSError, match="first.tar.gz"):
        pack(shared / "results", shared / "private", shared / "first.tar.gz/second.tar.gz")
    assert list(folder.iterdir()) == [path]
    path.write_text("{")
    with pytest.raises(StudyError, match="the record of an earlier archive, can't be read"):
        pack(shared / "results", shared / "private", shared / "second.tar.gz")


def test_the_command_says_that_a_record_was_made_and_refuses_an_unknown_release(shared):
    assert "noted in private/releases/" in command(shared).stdout
    wrong = command(shared, "--release", "yes")
    assert (
        wrong.returncode == 1
        and wrong.stderr == "ERROR: RELEASE: 'yes' does not fit; it should be 'refuse' or 'coarse'.\n"
    )
