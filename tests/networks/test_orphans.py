"""Trainings that a killed run left over are named by their lock: those of this study alone, and of no other
run.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.networks.orphans import holders

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from scripts.networks.machine.locks import hold_one
with hold_one([Path(sys.argv[2])], "waiting", print):
    print("held", flush=True)
    sys.stdin.readline()
"""
RUN = """
import subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1], *sys.argv[2:]])
"""


def hold(lock: Path, folder: Path, *before: str) -> subprocess.Popen:
    """A process that holds a lock and has ``train_fold`` in its command line, as any study's trainings
    have.
    """
    command = [sys.executable, *(before or ("-c",)), HOLD, str(ROOT), str(lock), "train_fold"]
    job = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert job.stdout.readline() == "held\n"
    return job


def command(study: Path) -> str:
    """What the command of the docs says in a study's folder."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.networks.orphans"],
        cwd=study,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def jobs():
    started = []
    yield started
    for job in started:
        job.kill()
        job.communicate()


def test_a_left_over_training_is_named_by_its_lock_and_ended_by_its_line(tmp_path, jobs):
    mine, other = tmp_path / "mine", tmp_path / "other"
    for study in (mine, other):
        study.mkdir()
        jobs.append(hold(study / "state/locks/net, fold 3.lock", study))
    said = command(mine)
    assert (
        f"net, fold 3: process {jobs[0].pid}" in said and "left over" in said and str(jobs[1].pid) not in said
    )
    pid = int(re.search(r"To end it: kill (\d+)$", said, flags=re.M)[1])
    os.kill(pid, signal.SIGTERM)
    assert jobs[0].wait(20) == -signal.SIGTERM and jobs[1].poll() is None
    assert command(mine) == "No process of this study holds the lock of a fold or a GPU on this machine.\n"


def test_a_training_of_a_run_that_is_going_on_is_left_alone_until_the_run_is_killed(tmp_path, jobs):
    """The run is a process named snakemake with the training below it; SIGKILL leaves the training behind."""
    (tmp_path / "snakemake").write_text(RUN)
    jobs.append(hold(tmp_path / "state/locks/net, fold 0.lock", tmp_path, str(tmp_path / "snakemake")))
    run = jobs[0]
    (found,) = holders(tmp_path / "state")
    assert (
        found.run == run.pid and "kill" not in found.sentence().replace("killed", "") and found.pid != run.pid
    )
    run.send_signal(signal.SIGKILL)
    run.wait(20)
    (left,) = holders(tmp_path / "state")
    assert left.pid == found.pid and left.run is None and f"kill {found.pid}" in left.sentence()
    os.kill(left.pid, signal.SIGKILL)
    for _ in range(100):
        if not list(holders(tmp_path / "state")):
            return
        time.sleep(0.05)
    raise AssertionError("the lock is still held")


def test_a_gpu_counts_where_the_job_works_in_the_studys_folder(tmp_path, jobs):
    """The folder of the GPUs' locks is shared by all of a user's studies."""
    mine, other, slots = tmp_path / "mine", tmp_path / "other", tmp_path / "slots"
    for number, study in enumerate((mine, other)):
        (study / "state").mkdir(parents=True)
        jobs.append(hold(slots / f"gpu-{number}.lock", study))
    assert [(one.lock, one.pid) for one in holders(mine / "state", slots)] == [("gpu-0", jobs[0].pid)]


def test_a_free_lock_names_nobody(tmp_path):
    (tmp_path / "state/locks").mkdir(parents=True)
    (tmp_path / "state/locks/net, fold 0.lock").touch()
    assert list(holders(tmp_path / "state")) == [] == list(holders(tmp_path / "none"))
