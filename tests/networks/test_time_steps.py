"""Steps are timed before there is anything to train on, and a fold's log says early how long it will take."""

from __future__ import annotations

import json

import pytest
import torch

from scripts.common.log import Log
from scripts.networks import progress, time_steps
from scripts.networks.kinds.registry import HYBRID
from scripts.networks.member import Member
from scripts.networks.settings import settings_of

CPU = torch.device("cpu")


def test_the_command_prints_what_it_timed(settings, capsys):
    given = ["--model", "net", "--kind", HYBRID, "--settings", json.dumps(settings), "--device", "cpu"]
    assert time_steps.main([*given, "--seconds", "600"]) == 0
    timed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (timed["device"], timed["devices"], timed["batch"]) == (
        "cpu",
        0,
        settings["training"]["batch_size"],
    )
    assert timed["steps"] == time_steps.MOST and 0 < timed["step_s"] < 5
    assert 0 < timed["norms_s"] < timed["step_s"] and 0 < timed["score_s"] < timed["step_s"]


def test_where_views_are_kept_a_step_is_timed_behind_the_frozen_stages(settings):
    """Larger films cost a view more, and a step of the heads the same."""
    settings["training"] |= {"trained_stages": 0, "views": 4}
    settings["architecture"] |= {"block_size": 96}
    timed = time_steps.time_steps(Member("net", 0), settings_of(settings, HYBRID), CPU, 600)
    assert timed.view_s > 0 and timed.batch == 8
    settings["training"] |= {"views": 0}
    plain = time_steps.time_steps(Member("net", 0), settings_of(settings, HYBRID), CPU, 600)
    assert plain.view_s == 0 and timed.step_s < plain.step_s and timed.score_s < plain.score_s


def test_without_time_two_films_are_timed_once(settings):
    timed = time_steps.time_steps(Member("net", 0), settings_of(settings, HYBRID), CPU, 0)
    assert (timed.batch, timed.steps) == (2, 1) and timed.step_s > 0


def test_a_batch_that_does_not_fit_is_timed_smaller(settings, monkeypatch, capsys):
    chosen = settings_of(settings, HYBRID)
    options = chosen.training

    def need(batch):
        return time_steps.training_memory(chosen.architecture, batch, options.precision, "cpu").likely

    for free, batch in ((need(8), 8), (need(8) - 1, 7), (need(2), 2)):
        monkeypatch.setattr(time_steps, "device_memory", lambda device, free=free: (free, free))
        assert time_steps.largest_batch(chosen, CPU) == batch
    monkeypatch.setattr(time_steps, "device_memory", lambda device: (need(2) - 1, 10**12))
    given = ["--model", "net", "--kind", HYBRID, "--settings", json.dumps(settings), "--device", "cpu"]
    assert time_steps.main(given) == 1
    assert "memory" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("step_s", "device", "said"),
    [
        (0.5, "cpu", "net: about 1 min 34 s to go: 189 steps of 0.5 s, by the first 10;"),
        (30, "cpu", "net: about 1 h 39 min to go: 198 steps of 30 s, by the first 1;"),
        (0.01, "cuda", "net: about 2 s to go: 179 steps of 0.01 s, by the first 20;"),
    ],
)
def test_the_log_says_early_how_long_a_fold_will_take(tmp_path, monkeypatch, step_s, device, said):
    """After the first steps but the very first, which is slow; once; with a hint where a CPU needs hours."""
    now, waits = [0.0], []
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    log = Log(tmp_path / "log.txt", "test", echo=False)
    fold = progress.FoldProgress(log, "net", 0, 200, 50, device)
    for step in range(1, 31):
        now[0] += step_s + (60 if step == 1 else 0)
        fold.after_step(step, [], lambda: waits.append(1) or 0.5, lambda: 1.0)
    log.close()
    (line,) = [one for one in (tmp_path / "log.txt").read_text().splitlines() if "to go" in one]
    assert said in line
    assert ("config/real_cpu.yaml" in line) == (step_s == 30)
