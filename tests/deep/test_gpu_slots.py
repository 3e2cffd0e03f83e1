"""GPUs shared by folds that run side by side, with slots that need no GPU."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from scripts.common.errors import StudyError
from scripts.deep.compute_device import choose_kind, hold_device
from scripts.deep.gpu_slots import hold_slot

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from scripts.deep.gpu_slots import hold_slot
with hold_slot(["0", "1", "2"], Path(sys.argv[1]), lambda text: print(text, flush=True), pause=0.02) as place:
    print("slot", place, flush=True)
    sys.stdin.readline()
"""


def holder(folder):
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_jobs_side_by_side_take_different_gpus_and_a_killed_one_frees_its_own(tmp_path):
    jobs = [holder(tmp_path) for _ in range(3)]
    try:
        places = [job.stdout.readline().strip() for job in jobs]
        assert sorted(places) == ["slot 0", "slot 1", "slot 2"]
        jobs.append(holder(tmp_path))
        assert "waiting for one" in jobs[3].stdout.readline()
        jobs[1].send_signal(signal.SIGKILL)
        assert jobs[3].stdout.readline().strip() == places[1]
        jobs[0].communicate("go\n", timeout=20)
        with hold_slot(["0", "1", "2"], tmp_path, print) as place:
            assert f"slot {place}" == places[0]
    finally:
        for job in jobs:
            job.kill()
            job.communicate()


def test_a_slot_is_free_again_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), hold_slot(["a"], tmp_path, print):
        raise RuntimeError
    began = time.monotonic()
    with hold_slot(["a"], tmp_path, print) as place:
        assert place == 0
    assert time.monotonic() - began < 1


def test_a_demanded_gpu_that_is_absent_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_kind("auto") == choose_kind("cpu") == "cpu"
    with pytest.raises(StudyError, match=r"deep\.device"):
        choose_kind("cuda")
    with hold_device("auto", print) as device:
        assert device.type == "cpu"


def test_devices_are_taken_as_slurm_or_the_user_gives_them(monkeypatch, tmp_path):
    taken = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda n: "fake")
    monkeypatch.setattr("scripts.deep.compute_device.slots_folder", lambda: tmp_path)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    with hold_device("auto", print) as first, hold_device("auto", print) as second:
        assert (first.index, second.index) == (0, 1)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["gpu-5.lock", "gpu-7.lock"]
    assert taken == [0, 1]
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    with hold_device("cuda", print) as first, hold_device("cuda", print) as second:
        assert first.index == second.index == 0
