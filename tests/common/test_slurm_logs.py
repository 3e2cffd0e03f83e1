"""What the log of a job that SLURM stopped tells: rule, limit, key.

The lines are those of SLURM 22.05 and of cgroups.
"""

from __future__ import annotations

import os

import pytest

from scripts.common.slurm_logs import limit_hit, limits_hit

RULE = """
[Wed Nov 25 04:37:15 2026]
rule {rule}:
    input: state/cache/train/films.npy
    jobid: 0
    wildcards: {wildcards}
    resources: tmpdir=<TBD>, mem_mb=2000, mem=2 GB, mem_mib=1908, disk_mb=1000, runtime=60
"""
TIME = "slurmstepd: error: *** STEP 12.0 ON vm CANCELLED AT 2026-11-25T04:50:03 DUE TO TIME LIMIT ***\n"
MEMORY = (
    "slurmstepd: error: Step 12.0 exceeded memory limit (2200 > 2000), being killed\n",
    "slurmstepd: error: Exceeded job memory limit\n",
    (
        "slurmstepd: error: Detected 1 oom_kill event in StepId=12.0. Some of the step tasks have been OOM"
        " Killed.\n"
    ),
    "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=12.batch cgroup.\n",
    "srun: error: vm: task 0: Out Of Memory\n",
)


def test_a_time_limit_names_rule_limit_and_key():
    said = limit_hit(RULE.format(rule="train_fold", wildcards="fold=3") + TIME, "12").sentence()
    assert "job 12" in said and "'train_fold' (fold=3)" in said and "time limit of 60 minutes" in said
    assert "set-resources: {train_fold: {runtime: attempt * 120}}" in said


@pytest.mark.parametrize("line", MEMORY)
def test_a_memory_limit_names_rule_limit_and_key(line):
    said = limit_hit(RULE.format(rule="score_images", wildcards="set=internal_test") + line, "7").sentence()
    assert "'score_images' (set=internal_test)" in said and "memory limit of 2000 MB" in said
    assert "{score_images: {mem_mb: attempt * 4000}}" in said


def test_of_a_group_the_rule_that_ran_is_named():
    text = RULE.format(rule="deidentify", wildcards="center=a, batch=0") + RULE.format(
        rule="convert_png", wildcards="center=a, batch=0"
    )
    later = RULE.format(rule="other", wildcards="center=a")
    hit = limit_hit(text + TIME + later, "12", "films")
    assert hit.rule == "convert_png" and "the group 'films'" in hit.sentence()


def test_other_failures_say_nothing():
    cancelled = "slurmstepd: error: *** STEP 12.0 ON vm CANCELLED AT 2026-11-25T04:50:03 ***\n"
    preempted = "slurmstepd: error: *** JOB 12 ON vm CANCELLED AT 2026-11-25T04:50:03 DUE TO PREEMPTION ***\n"
    for line in (cancelled, preempted, "MemoryError\n", ""):
        assert limit_hit(RULE.format(rule="train_fold", wildcards="fold=3") + line, "12") is None


def test_only_logs_of_this_run_are_read(tmp_path):
    for name, age in (
        ("rule_train_fold/3/9.log", 100),
        ("rule_train_fold/3/10.log", 0),
        ("group_films_a_b/8.log", 0),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(RULE.format(rule="train_fold", wildcards="fold=3") + TIME)
        os.utime(path, (1000 - age, 1000 - age))
    assert [(hit.job, hit.group) for hit in limits_hit(tmp_path, 950)] == [("8", "films"), ("10", "")]
    assert limits_hit(tmp_path / "none", 0) == []
