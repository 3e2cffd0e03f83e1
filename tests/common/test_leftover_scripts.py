"""Copies of scripts that a killed run left."""

from __future__ import annotations

import os
import time

from scripts.common.leftover_scripts import STARTED, remove_leftover_scripts


def test_old_copies_go_and_those_of_starting_jobs_stay(tmp_path):
    for name, age in (("tmpa.deidentify.py", STARTED + 5), ("tmpb.train.py", STARTED - 30)):
        (tmp_path / name).write_text("/hospital/patients.csv")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    (tmp_path / "folder").mkdir()
    assert remove_leftover_scripts(tmp_path) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"tmpb.train.py", "folder"}
    assert remove_leftover_scripts(tmp_path / "none") == 0
