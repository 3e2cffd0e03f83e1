"""The tiny study on a real SLURM of this machine: two GPUs, cancelled, preempted and crashed on the way, the
same numbers at its end.

One run serves all tests. The folds are stopped (SIGSTOP) before their first step, so that what happens to
them happens in the middle of their training, on a fast machine as on a slow one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.slurm.cluster import Cluster, NoCluster, start, stop
from tests.workflow.conftest import Study
from tests.workflow.test_finished_run import leaks, planted_strings

pytestmark = pytest.mark.slurm

GPU_RULES = ("train_fold", "score_images", "score_masked", "explain_gradcam")

SHORT_WAITS = [
    "--slurm-init-seconds-before-status-checks",
    "3",
    "--latency-wait",
    "15",
    "--slurm-keep-successful-logs",
]

MADE_ON_SLURM = [
    *(
        "results/models",
        "results/statistics",
        "results/figures",
        "results/tables",
        "results/predictions.csv",
    ),
    *("results/provenance.json", "results/report.html", "state/store", "state/train", "logs", "benchmarks"),
    *(
        "results/intake/external_2",
        "results/cohort/external_2",
        "private/external_2",
        "state/cache/external_2",
    ),
]
"""What the local run made and SLURM makes again: one centre's intake, and all from the training on."""

PATIENCE = 300
"""Seconds to wait for what takes a few; a loaded machine is slow."""


def wait_for(what: str, ready, process: subprocess.Popen | None = None):
    """The first true value of ``ready()``; fails after PATIENCE seconds or when ``process`` has ended."""
    ends = time.monotonic() + PATIENCE
    while True:
        found = ready()
        if found:
            return found
        assert process is None or process.poll() is None, f"the run ended before {what}"
        assert time.monotonic() < ends, f"waited in vain for {what}"
        time.sleep(0.05)


@dataclass
class Run:
    """A study on the cluster and what was seen on the way."""

    study: Study
    cluster: Cluster
    states: list[str] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)
    gpus: list[str] = field(default_factory=list)
    cancelled: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    preempted: list[str] = field(default_factory=list)
    requeued: str = ""
    crashed: str = ""
    alive_after_kill: bool = False
    refused: str = ""
    records: str = ""
    logs: dict[str, list[str]] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        """Snakemake on SLURM by the profile."""
        given = ["--workflow-profile", "profiles/slurm", "--configfile", self.study.configfile, *SHORT_WAITS]
        return [sys.executable, "-m", "snakemake", *given, *arguments]

    def begin(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake; what it prints is kept in ``printed.txt``."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SNAKEMAKE", "SLURM"))}
        command = self.command(*arguments)
        with (self.study.path / "printed.txt").open("ab") as file:
            return subprocess.Popen(
                command,
                cwd=self.study.path,
                stdout=file,
                stderr=file,
                env=environment,
                start_new_session=True,
            )

    def output(self) -> str:
        """All that was printed so far."""
        return (self.study.path / "printed.txt").read_text(encoding="utf-8")

    def fold_processes(self) -> dict[str, int]:
        """Process of each fold that trains in this study now."""
        found = {}
        for place in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (place / "cmdline").read_bytes().split(b"\0") if place.name.isdigit() else []
                ours = words[:3] == [b"python", b"-m", b"scripts.networks.train_fold"]
                if ours and (place / "cwd").readlink() == self.study.path:
                    found[words[words.index(b"--run") + 1].decode()] = int(place.name)
        return found

    def freeze_next(self, but: set[str]) -> str | None:
        """Stop a fold that isn't in ``but`` before or in its first steps; its number, or None where none is
        as far.
        """
        for fold, process in self.fold_processes().items():
            log = self.study.path / f"logs/train_fold/deep_{fold}.log"
            if fold not in but and log.is_file() and " training and " in log.read_text():
                os.kill(process, signal.SIGSTOP)
                return fold
        return None

    def situation(self) -> str:
        """The queue and the folds' logs: what to look at when the story went another way."""
        logs = sorted((self.study.path / "logs/train_fold").glob("*.log"))
        parts = [
            self.cluster.run("squeue", "--states=all", "--format=%i %T %r %k"),
            *(f"{p.name}: {p.read_text()}" for p in logs),
        ]
        return "\n".join([*parts, str(self.logs), self.output()[-4000:]])

    def keep_logs(self) -> None:
        """Collect the logs of the folds, which a new attempt begins anew."""
        for path in (self.study.path / "logs/train_fold").glob("*.log"):
            self.logs.setdefault(path.stem.removeprefix("deep_"), []).append(path.read_text())

    def fold_jobs(self, *states: str) -> dict[str, str]:
        """Fold to the number of its newest SLURM job in one of ``states``."""
        jobs = self.cluster.jobs(*states)
        of_fold = {
            n: c.rsplit("_", 1)[1] for n, (_, c) in jobs.items() if c.startswith("rule_train_fold_wildcards_")
        }
        return {fold: number for number, fold in sorted(of_fold.items(), key=lambda item: int(item[0]))}


@pytest.fixture(scope="module")
def cluster():
    try:
        running = start()
    except NoCluster as reason:
        pytest.skip(f"no SLURM can be started here: {reason}")
    yield running
    stop(running.folder)
    assert not running.folder.exists() and not Path("/etc/slurm/slurm.conf").is_symlink()


def study_for_slurm(finished: Study, target: Path, change, site: dict) -> Study:
    """A copy of the finished study without what SLURM shall make: ``change`` for its config, ``site`` for its
    profile.
    """
    study = finished.duplicate(target)
    for name in MADE_ON_SLURM:
        path = study.path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    study.edit_config(change)
    profile = study.path / "profiles/slurm/config.yaml"
    content = yaml.safe_load(profile.read_text(encoding="utf-8"))
    profile.write_text(yaml.safe_dump({**content, "set-resources": site}, sort_keys=False), encoding="utf-8")
    return study


@pytest.fixture(scope="module")
def run(finished, cluster, tmp_path_factory) -> Run:
    """The whole story: two folds side by side; one is cancelled, the other preempted; the main process is
    killed; recovery.
    """

    def change(raw):
        raw.setdefault("networks", {}).update(gpus_per_fold=1, device="cpu")  # SLURM hands out pretended GPUs

    site = {rule: {"slurm_partition": "gpu"} for rule in GPU_RULES}
    run = Run(study_for_slurm(finished, tmp_path_factory.mktemp("slurm") / "study", change, site), cluster)
    main = run.begin()
    try:
        go_through_troubles(run, main)
        main = run.begin()
        assert main.wait(timeout=900) == 0, run.output()[-6000:]
    except AssertionError as error:
        raise AssertionError(f"{error}\n{run.situation()}") from error
    finally:
        if main.poll() is None:
            main.send_signal(signal.SIGINT)
            main.wait(timeout=60)
    run.keep_logs()
    run.records = cluster.run("scontrol", "--details", "--oneliner", "show", "job")
    return run


def go_through_troubles(run: Run, main: subprocess.Popen) -> None:
    """From the start of the run to the recovery after a crash, with notes of what was seen."""
    cluster = run.cluster
    first = wait_for("a first fold", lambda: run.freeze_next(set()), main)
    second = wait_for("a second fold", lambda: run.freeze_next({first}), main)
    jobs = wait_for(
        "five jobs", lambda: len(found := run.fold_jobs("RUNNING", "PENDING")) == 5 and found, main
    )
    facts = {fold: cluster.facts(number) for fold, number in jobs.items()}
    run.states = sorted(job["JobState"] for job in facts.values())
    run.reasons = {job["Reason"] for job in facts.values() if job["JobState"] == "PENDING"}
    run.gpus = sorted(facts[fold]["GRES"] for fold in (first, second))

    run.cancelled = first
    cluster.run("scancel", jobs[first])
    wait_for("the end of the cancelled fold", lambda: first not in run.fold_processes(), main)
    run.keep_logs()
    third = wait_for("the next fold", lambda: run.freeze_next({first, second}), main)
    again = wait_for(
        "the second attempt", lambda: (n := run.fold_jobs("PENDING").get(first)) != jobs[first] and n, main
    )
    run.asked = [(job["MinMemoryNode"], job["TimeLimit"]) for job in (facts[first], cluster.facts(again))]

    run.preempted = [second, third]
    cluster.run("sbatch", "-p", "urgent", "--gpus=2", "--mem=10", "-o", "/dev/null", "--wrap", "sleep 1")
    wait_for(
        "preemption", lambda: all(cluster.facts(jobs[f])["Restarts"] == "1" for f in run.preempted), main
    )
    run.keep_logs()
    run.crashed = wait_for("one more fold", lambda: run.freeze_next({first, second, third}), main)
    log = run.study.path / f"logs/train_fold/deep_{second}.log"
    wait_for("the requeued fold", lambda: log.is_file() and "resuming from" in log.read_text(), main)
    run.requeued = second
    run.keep_logs()

    job = run.fold_jobs("RUNNING")[run.crashed]
    main.kill()
    main.wait()
    time.sleep(1)
    run.alive_after_kill = job in cluster.jobs("RUNNING")
    done = subprocess.run(run.command(), cwd=run.study.path, capture_output=True, text=True)
    run.refused = done.stdout + done.stderr
    # As docs/slurm.md tells: what still runs, end it, unlock, go on.
    cluster.run("scancel", *cluster.run("squeue", "--me", "--noheader", "--format=%i").split())
    wait_for("the end of all jobs", lambda: not cluster.run("squeue", "--me", "--noheader").strip())
    run.keep_logs()
    subprocess.run(run.command("--unlock"), cwd=run.study.path, check=True, capture_output=True)


def test_two_folds_at_a_time_with_a_gpu_each(run):
    assert run.states == ["PENDING"] * 3 + ["RUNNING"] * 2
    assert run.reasons <= {"Resources", "Priority"}
    assert run.gpus == ["gpu:1(IDX:0)", "gpu:1(IDX:1)"]


def test_the_second_attempt_asks_for_twice_the_memory_and_time(run):
    (memory, time_limit), (more_memory, longer) = run.asked
    assert int(more_memory.rstrip("M")) == 2 * int(memory.rstrip("M"))
    assert (time_limit, longer) == ("2-00:00:00", "4-00:00:00")


def test_the_numbers_are_those_of_a_local_run(run, finished):
    names = [
        "results/predictions.csv",
        "results/cohort/cohort.csv",
        "results/cohort/flow.csv",
        "results/intake/files.csv",
    ]
    names += [
        f"results/models/deep/fold_{k}/{name}" for k in range(5) for name in ("weights.pt", "held_out.csv")
    ]
    names += sorted(
        str(p.relative_to(finished.path)) for p in (finished.path / "results/statistics").glob("*.csv")
    )
    assert len(names) > 25
    assert [n for n in names if (finished.path / n).read_bytes() != (run.study.path / n).read_bytes()] == []


def resumed(run: Run, fold: str) -> list[int]:
    """The steps from which a fold went on, in any of its attempts: SLURM keeps what each of them printed."""
    attempts = sorted(
        (run.study.path / ".snakemake/slurm_logs/rule_train_fold" / f"deep_{fold}").glob("*.log")
    )
    texts = [*run.logs[fold], *(path.read_text(encoding="utf-8") for path in attempts)]
    return [int(step) for step in re.findall(r"resuming from step (\d+)", "\n".join(texts))]


def test_a_cancelled_fold_goes_on_from_its_state(run):
    assert any("stopped by a signal; the state is saved" in text for text in run.logs[run.cancelled])
    assert resumed(run, run.cancelled) and min(resumed(run, run.cancelled)) >= 1


def test_a_preempted_fold_goes_on_from_its_state(run):
    assert run.requeued in run.preempted
    for fold in run.preempted:
        assert resumed(run, fold) and min(resumed(run, fold)) >= 1


def test_after_a_crash_the_recipe_leads_on(run):
    assert run.alive_after_kill, "the job lives on without the main process"
    assert "cannot be locked" in run.refused
    assert resumed(run, run.crashed) and min(resumed(run, run.crashed)) >= 1


def test_a_second_run_has_nothing_to_do(run):
    done = subprocess.run(run.command(), cwd=run.study.path, capture_output=True, text=True)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_the_main_process_may_be_a_job_itself(run):
    """As docs/slurm.md tells, where long processes aren't allowed on the login node; it submits jobs from
    within its own.
    """
    lost = run.study.path / "results/statistics/table1.csv"
    before = lost.read_bytes()
    lost.unlink()
    options = ["--wait", "--partition=cpu", "--mem=1000", "--cpus-per-task=1", "--output=main.txt"]
    wrapped = ["sbatch", *options, "--wrap", shlex.join(run.command())]
    done = subprocess.run(wrapped, cwd=run.study.path, capture_output=True, text=True, timeout=2 * PATIENCE)
    said = (run.study.path / "main.txt").read_text()
    assert done.returncode == 0, said[-4000:]
    assert "running snakemake in a SLURM job context" in said and "rule describe_cohort:" in said
    assert lost.read_bytes() == before


def test_no_identifier_in_what_slurm_keeps(run, cluster):
    strings = planted_strings(run.study)
    for folder in (run.study.path / ".snakemake/slurm_logs", cluster.folder):
        assert len([p for p in folder.rglob("*") if p.is_file()]) > 5
        assert leaks(folder, strings) == []
    everything = (run.output() + run.records).encode()
    assert "Comment=rule_train_fold_wildcards_" in run.records
    assert not [s for s in strings if s in everything]


@pytest.fixture(scope="module")
def stopped_at_limits(run, finished, cluster, tmp_path_factory) -> Run:
    """Two folds that would train for days: one may have a minute, the other too little memory."""

    def change(raw):
        raw["models"]["deep"]["training"]["epochs"] = 100_000
        raw.setdefault("networks", {}).update(gpus_per_fold=1, device="cpu")  # SLURM hands out pretended GPUs

    site = {
        "train_fold": {
            "slurm_partition": "gpu",
            "gpu": 0,
            "gres": "gpu:1",
            "runtime": 1,
            "mem_mb": "attempt * (400 if wildcards.run == '1' else 3000)",
        }
    }
    limited = Run(
        study_for_slurm(finished, tmp_path_factory.mktemp("limits") / "study", change, site), cluster
    )
    main = limited.begin(
        "--retries", "0", "results/models/deep/fold_0/weights.pt", "results/models/deep/fold_1/weights.pt"
    )
    jobs = wait_for("two jobs", lambda: len(found := limited.fold_jobs("RUNNING")) == 2 and found, main)
    limited.gpus = sorted(cluster.facts(number)["GRES"] for number in jobs.values())
    assert main.wait(timeout=600) == 1
    return limited


def test_a_site_that_wants_gres(stopped_at_limits):
    assert stopped_at_limits.gpus == ["gpu:1(IDX:0)", "gpu:1(IDX:1)"]


def test_a_job_over_a_limit_is_named_with_its_limit_and_the_key(stopped_at_limits):
    said = [
        line
        for line in stopped_at_limits.output().splitlines()
        if line.startswith("OsteoCXR: SLURM stopped job")
    ]
    assert len(said) == 2
    memory, minutes = sorted(said, key=lambda line: "time limit" in line)
    assert "'train_fold' (model=deep, run=1)" in memory and "memory limit of 400 MB" in memory
    assert "set-resources: {train_fold: {mem_mb: attempt * 800}}" in memory
    assert "'train_fold' (model=deep, run=0)" in minutes and "time limit of 1 minutes" in minutes
    assert "set-resources: {train_fold: {runtime: attempt * 2}}" in minutes


def test_a_fold_at_its_time_limit_has_saved_its_state(stopped_at_limits):
    assert "the state is saved" in (stopped_at_limits.study.path / "logs/train_fold/deep_0.log").read_text()
