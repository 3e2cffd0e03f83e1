"""GPUs shared by folds that run side by side, with slots that need no GPU."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from scripts.common.errors import StudyError
from scripts.networks.machine.device import choose_kind, hold_device, warn_of_too_many_threads
from scripts.networks.machine.slots import hold_slot

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from scripts.networks.machine.slots import hold_slot
with hold_slot(["0", "1", "2"], Path(sys.argv[1]), lambda text: print(text, flush=True), pause=0.02) as place:
    print("slot", place, flush=True)
    sys.stdin.readline()
"""


def holder(folder):
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
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


def test_a_cpu_job_with_more_threads_than_cores_is_warned(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    said = []
    for device, threads in (("cpu", 2), ("cuda", 8), ("cpu", 4)):
        warn_of_too_many_threads(torch.device(device), threads, said.append)
    assert (
        len(said) == 1 and "'networks.cpu_threads' is 4" in said[0] and "networks.cpu_threads: 2" in said[0]
    )


def test_a_demanded_gpu_that_is_absent_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_kind("auto") == choose_kind("cpu") == "cpu"
    with pytest.raises(StudyError, match=r"networks\.device"):
        choose_kind("cuda")
    with hold_device("auto", print) as device:
        assert device.type == "cpu"


def test_devices_are_taken_as_slurm_or_the_user_gives_them(monkeypatch, tmp_path):
    taken = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda n: "fake")
    monkeypatch.setattr("scripts.networks.machine.device.slots_folder", lambda: tmp_path)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    with hold_device("auto", print) as first, hold_device("auto", print) as second:
        assert (first.index, second.index) == (0, 1)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["gpu-5.lock", "gpu-7.lock"]
    assert taken == [0, 1]
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    with hold_device("cuda", print) as first, hold_device("cuda", print) as second:
        assert first.index == second.index == 0


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Makes this a machine without SLURM whose PyTorch sees so many GPUs of those in CUDA_VISIBLE_DEVICES."""

    def make(count, visible):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "set_device", lambda place: None)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda place: "fake")
        monkeypatch.setattr("scripts.networks.machine.device.slots_folder", lambda: tmp_path / "slots")
        monkeypatch.delenv("SLURM_JOB_ID", raising=False)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        return tmp_path / "slots"

    return make


@pytest.mark.parametrize(
    ("count", "visible", "names"),
    [
        (2, None, {"0", "1"}),
        (2, "5,7", {"5", "7"}),
        (2, " 7 , 5", {"5", "7"}),
        (1, "5,9", {"5"}),  # 9 isn't there, so CUDA shows 5 alone
        (1, "GPU-8f3a,GPU-77aa", {"GPU-8f3a"}),
        (2, "MIG-GPU-8f3a/1/0,MIG-GPU-8f3a/2/0", {"MIG-GPU-8f3a_1_0", "MIG-GPU-8f3a_2_0"}),
    ],
)
def test_a_slot_has_the_name_of_the_gpu_on_this_machine(machine, count, visible, names):
    folder = machine(count, visible)
    held = [hold_device("cuda", print) for _ in range(count)]
    assert sorted(one.__enter__().index for one in held) == list(range(count))
    assert {path.name.removeprefix("gpu-").removesuffix(".lock") for path in folder.iterdir()} == names
    for one in held:
        one.__exit__(None, None, None)


def fold(number, times, killed):
    """What a fold's job does with its GPU: take one, use it, give it back; the one that is to be killed never
    gives it back.
    """
    with hold_device("cuda", lambda text: times.put((number, "said", text, 0.0))) as device:
        times.put((number, "took", device.index, time.monotonic()))
        time.sleep(60 if number == killed else 0.3)
        times.put((number, "gave", device.index, time.monotonic()))


def test_five_folds_on_two_gpus_wait_for_each_other_and_outlive_a_kill(machine):
    """Never two folds on one GPU at a time; the GPU of a fold that is killed with SIGKILL goes to one that
    waits.
    """
    machine(2, "5,7")
    fork = multiprocessing.get_context("fork")
    times, killed = fork.Queue(), 0
    jobs = [fork.Process(target=fold, args=(number, times, killed)) for number in range(5)]
    jobs[killed].start()
    found = [times.get(timeout=30)]
    while found[-1][1] != "took":
        found.append(times.get(timeout=30))
    lost = found[-1][2]
    for job in jobs[1:]:
        job.start()
    while sum(one[1] == "gave" for one in found) < 2:  # the other GPU serves folds, one after the other
        found.append(times.get(timeout=30))
    assert {one[2] for one in found if one[1] == "took"} == {0, 1}
    assert {one[2] for one in found if one[1] == "gave"} == {1 - lost}
    os.kill(jobs[killed].pid, signal.SIGKILL)
    death = time.monotonic()
    while sum(one[1] == "gave" for one in found) < 4:
        found.append(times.get(timeout=30))
    for job in jobs:
        job.join(timeout=30)
    assert [job.exitcode for job in jobs] == [-signal.SIGKILL, 0, 0, 0, 0]
    assert any(one[2] == lost and one[3] >= death for one in found if one[1] == "took"), (
        "the killed fold's GPU stayed taken"
    )
    for place in (0, 1):
        events = sorted(
            (one[3], one[1], one[0])
            for one in found
            if one[1] != "said" and one[2] == place and one[0] != killed
        )
        assert [kind for _, kind, _ in events] == ["took", "gave"] * (len(events) // 2)
        assert all(first[2] == second[2] for first, second in zip(events[::2], events[1::2], strict=True))
    assert any("all 2 GPU(s) are taken by other jobs; waiting" in str(one[2]) for one in found)
