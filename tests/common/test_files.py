"""Atomic writes, tables and logs."""

from __future__ import annotations

import pandas as pd
import pytest

from scripts.common.contracts.cohort import PREDICTIONS
from scripts.common.errors import StudyError
from scripts.common.files import atomic_folder, atomic_path, private_folder, write_text
from scripts.common.log import rule_log
from scripts.common.tables import read_table, write_table


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.csv"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    target = tmp_path / "films"
    with atomic_folder(target) as part:
        (part / "x").write_text("1")
    with pytest.raises(RuntimeError), atomic_folder(target) as part:
        (part / "y").write_text("2")
        raise RuntimeError
    assert [p.name for p in target.iterdir()] == ["x"]
    assert [p.name for p in tmp_path.iterdir()] == ["films"]


def test_full_disk_is_one_sentence(tmp_path):
    with pytest.raises(StudyError, match="disk is full"), atomic_path(tmp_path / "a"):
        raise OSError(28, "No space left on device")


def test_private_folder(tmp_path):
    folder = private_folder(tmp_path / "private" / "a" / "b")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700


def test_table_round_trip_keeps_every_bit(tmp_path):
    frame = pd.DataFrame(
        {
            "patient_id": ["P01", "P1E5"],
            "center": "a",
            "set": ["train", "internal_test"],
            "fold": [0, None],
            "label": [1, 0],
            "deep": [0.1 + 0.2, 1 / 3],
            "clinical": [1e-17, 1.0],
            "combined": [0.5, 0.25],
        }
    )
    write_table(frame, tmp_path / "p.csv", PREDICTIONS)
    back = read_table(tmp_path / "p.csv", PREDICTIONS)
    assert back["deep"].tolist() == frame["deep"].tolist()
    assert back["patient_id"].tolist() == ["P01", "P1E5"]
    assert back["fold"].isna().tolist() == [False, True]
    write_table(back, tmp_path / "q.csv", PREDICTIONS)
    assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "q.csv").read_bytes()


def test_declared_columns_are_demanded(tmp_path):
    with pytest.raises(KeyError, match="label"):
        write_table(pd.DataFrame({"patient_id": []}), tmp_path / "p.csv", PREDICTIONS)
    (tmp_path / "p.csv").write_text("patient_id\n1\n")
    with pytest.raises(StudyError, match="lacks the column"):
        read_table(tmp_path / "p.csv", PREDICTIONS)


def test_log_says_a_study_error_without_traceback(tmp_path, capsys):
    with pytest.raises(SystemExit), rule_log(tmp_path / "l.log", "rule"):
        raise StudyError("fix this")
    text = (tmp_path / "l.log").read_text()
    assert text.endswith("ERROR: fix this\n") and "Traceback" not in text


def test_log_withholds_the_message_of_a_defect(tmp_path, capsys):
    with pytest.raises(SystemExit), rule_log(tmp_path / "l.log", "rule"):
        int("secret-name")
    text = (tmp_path / "l.log").read_text() + capsys.readouterr().err
    assert "ValueError" in text and "test_files.py" in text
    assert text.count("secret-name") == text.count('int("secret-name")')
