"""Trainings that are killed, run out of disk or out of memory: what is saved stays whole, and nothing is lost
in the end.
"""

import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scripts.common.errors import StudyError
from scripts.common.log import Log
from scripts.networks.csv_tables import read_csv
from scripts.networks.fold_training import train_fold
from scripts.networks.member import Member
from scripts.networks.settings import settings_of
from tests.networks.train_command import train_arguments

ROOT = Path(__file__).resolve().parents[2]

SERVER = """
import json, os, sys
import torch._dynamo  # which PyTorch imports at an optimizer's first step
import scripts.networks.fold_training
from scripts.networks.train_fold import main
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = main(json.loads(line))
        except SystemExit as end:
            status = end.code
        finally:
            os._exit(status)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Imports PyTorch once, computes nothing, and forks a process for every training that it is told to run."""


class Training:
    """A training's command in a process of its own, forked by a server; it saves its state after every
    step.
    """

    def __init__(self, server, cache, settings, folder, device):
        self.server, self.status = server, None
        more = ("--device", device, "--checkpoint-minutes", "0", "--log", folder / "log.txt")
        arguments = train_arguments(cache, settings, folder, *more)
        (folder / "log.txt").unlink(missing_ok=True)
        server.stdin.write(json.dumps(arguments) + "\n")
        server.stdin.flush()
        self.pid = int(server.stdout.readline())

    def ended_within(self, seconds):
        """Whether the process has ended, after at most ``seconds``."""
        if self.status is None and select.select([self.server.stdout], [], [], seconds)[0]:
            self.status = int(self.server.stdout.readline())
        return self.status is not None

    def end(self, number=None):
        """Wait for the end, after a signal where one is given; returns the exit status."""
        if number is not None and self.status is None:
            os.kill(self.pid, number)  # the server waits for it, so its number is not another's by now
        assert self.ended_within(120)
        return self.status


@pytest.fixture
def server():
    """The server; its answers are read without a buffer, so that they can be waited for."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.stdin.close()
    process.wait(timeout=60)
    process.stdout.close()


def train_here(cache, settings, folder, device="cpu"):
    path = folder / "log.txt"
    log = Log(path, "test", echo=False)
    try:
        status = train_fold(
            cache,
            Member("net", 0),
            settings_of(settings, "hybrid"),
            None,
            folder / "out",
            folder / "state",
            device,
            5,
            log,
        )
    finally:
        log.close()
    return status, path.read_text()


def files(folder):
    """Content of a fold's files but for its two speeds, which no run repeats."""
    history = [
        {k: v for k, v in row.items() if k not in ("films_per_s", "data_wait")}
        for row in read_csv(folder / "history.csv", ())
    ]
    return (folder / "weights.pt").read_bytes(), (folder / "held_out.csv").read_bytes(), history


def saved_states(folder):
    return [path for path in (folder / "state" / "train").glob("*/*.pt") if not path.name.startswith(".")]


def when_saved(folder):
    found = [path.stat().st_mtime_ns for path in saved_states(folder)]
    return found[0] if found else None


def parts(folder):
    return list((folder / "state" / "train").glob("*/.part-*"))


def kill_at(moment, process, folder, rng):
    """Kill ``process`` by SIGKILL: at a random time, at a random time after its first step, or while it
    writes its state.
    """
    before = when_saved(folder)
    if moment == "any":
        process.ended_within(rng.uniform(0, 0.4))
    elif moment == "after a step":
        while not process.ended_within(0.002) and when_saved(folder) == before:
            pass
        process.ended_within(rng.uniform(0, 0.1))
    else:
        old = set(parts(folder))
        while not process.ended_within(0) and not set(parts(folder)) - old:
            pass
    return process.end(signal.SIGKILL)


def kill_often(server, cache, settings, folder, device, kills):
    """Kill trainings ``kills`` times and let the last one end.

    Returns the number of kills within the writing of a state.
    """
    (folder / "whole").mkdir(parents=True)
    assert train_here(cache, settings, folder / "whole", device)[0] == 0
    expected = files(folder / "whole" / "out")
    rng = random.Random(20260317)
    killed, torn, resumed = 0, 0, 0
    while killed < kills:
        process = Training(server, cache, settings, folder, device)
        status = kill_at(("after a step", "any", "writing")[killed % 3], process, folder, rng)
        if status == -signal.SIGKILL:
            killed += 1
            torn += bool(parts(folder))
            resumed += (folder / "log.txt").exists() and "resuming from step" in (
                folder / "log.txt"
            ).read_text()
            for path in saved_states(folder):  # never half a state under its name
                assert torch.load(path, weights_only=True, map_location="cpu")["step"] > 0
        else:  # it was through before its moment came
            assert status == 0 and files(folder / "out") == expected
            shutil.rmtree(folder / "state")
            shutil.rmtree(folder / "out")
    assert Training(server, cache, settings, folder, device).end() == 0
    assert files(folder / "out") == expected
    assert not list((folder / "state" / "train").glob("*"))
    assert resumed >= kills / 4, "the test must see trainings that go on"
    return torn


def test_twenty_kills_at_random_moments_end_with_the_weights_of_an_unbroken_training(
    server, cache, settings, tmp_path
):
    settings["training"]["epochs"] = 20  # 80 steps
    assert kill_often(server, cache, settings, tmp_path, "cpu", 20) >= 1, (
        "none of the kills fell within the writing of a state"
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_kills_on_a_gpu_end_with_the_weights_of_an_unbroken_training(
    server, cache, settings, tmp_path, precision
):
    settings["training"] |= {"epochs": 20, "precision": precision}
    kill_often(server, cache, settings, tmp_path, "cuda", 6)


def test_five_sigterms_save_five_states_and_change_no_number(server, cache, settings, tmp_path):
    settings["training"]["epochs"] = 15
    (tmp_path / "whole").mkdir()
    train_here(cache, settings, tmp_path / "whole")
    steps = []
    for _ in range(5):
        before, process = when_saved(tmp_path), Training(server, cache, settings, tmp_path, "cpu")
        while not process.ended_within(0.002) and when_saved(tmp_path) == before:
            pass
        assert process.end(signal.SIGTERM) == 143
        assert "stopped by a signal; the state is saved" in (tmp_path / "log.txt").read_text()
        steps.append(torch.load(saved_states(tmp_path)[0], weights_only=True)["step"])
    assert steps == sorted(set(steps)) and steps[-1] < 60
    _, log = train_here(cache, settings, tmp_path)
    assert f"resuming from step {steps[-1]}" in log and f"optimiser steps: {60 - steps[-1]}\n" in log
    assert files(tmp_path / "out") == files(tmp_path / "whole" / "out")


# ------------------------------------------------------------------------------------------------ no space,
# no memory


@pytest.fixture(params=["small disk", "limit of a file"])
def little_space(request, tmp_path):
    """A folder where half a MiB can be written: a file system of that size, or a limit that this process has
    everywhere.
    """
    place = tmp_path / "little"
    place.mkdir()
    if request.param == "small disk":
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)], capture_output=True
        ).returncode:
            pytest.skip("a small file system can be mounted by root only")
        yield place
        subprocess.run(["umount", "-l", str(place)], check=True)
    else:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, hard))
        yield place
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("what", ["state", "output"])
def test_a_full_disk_is_one_sentence_and_loses_nothing(cache, settings, tmp_path, little_space, what):
    place = {"state": tmp_path / "state", "output": tmp_path / "out"} | {what: little_space / what}
    log = Log(None, "test", echo=False)
    with pytest.raises(
        StudyError, match=r"^The disk is full.*could not write in '.*Free some space"
    ) as caught:
        train_fold(
            cache,
            Member("net", 0),
            settings_of(settings, "hybrid"),
            None,
            place["output"],
            place["state"],
            "cpu",
            0,
            log,
        )
    assert str(caught.value).count("\n") == 0
    if os.path.ismount(little_space):
        assert str(little_space / what) in str(caught.value)
    assert not [path for path in tmp_path.rglob(".part-*") if path.is_file()]
    if what == "output" and os.path.ismount(
        little_space
    ):  # the finished fold is kept: with space again nothing is trained
        _, said = train_here(cache, settings, tmp_path)
        assert "optimiser steps: 0" in said


def test_out_of_memory_is_one_sentence_with_the_keys_to_lower(cache, settings, tmp_path):
    """The limit is what the process holds when PyTorch is loaded, and 100 MB more."""
    settings["architecture"] |= {"trunk_width": 32}
    limit = (
        "import resource, torch._dynamo, scripts.networks.fold_training\n"
        "held = int(open('/proc/self/status').read().split('VmData:')[1].split()[0]) * 1024\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (held + 100_000_000,) * 2)\n"
        "import runpy; runpy.run_module('scripts.networks.train_fold', run_name='__main__')"
    )
    arguments = train_arguments(cache, settings, tmp_path, "--device", "cpu")
    done = subprocess.run(
        [sys.executable, "-c", limit, *arguments],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    errors = [line for line in done.stderr.splitlines() if "ERROR" in line]
    assert (
        len(errors) == 1
        and "out of memory on the CPU" in errors[0]
        and "'models.net.training.batch_size' (now 8)" in errors[0]
    )
