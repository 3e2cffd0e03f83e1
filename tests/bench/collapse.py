"""Whether the shipped study's network learns in every fold, on several kinds of processor: ``make
bench-collapse``.

Each of the five folds is trained with each seed at each level of vector instructions that this machine has
(``ATEN_CPU_CAPABILITY``): the levels round differently, as processors do. A training has learned where the
lower bound of its held-out AUC lies above .5 and the SD of its held-out logits is at least a third of the
median of the five folds of its seed and level; else it has collapsed. The trainings are ``train_fold``'s own.
Rows go to ``collapse.jsonl`` in the scratch folder; a bench that was stopped goes on, and one after a change
of the network's code or settings begins anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from scripts.common.config import Config, read_config
from scripts.common.config.files import read_config_file
from scripts.common.errors import StudyError
from scripts.networks.collapse import logit_spread
from scripts.networks.films import FilmStack, data_hash, split_fold
from scripts.networks.member import Member
from scripts.networks.settings import read_settings
from scripts.networks.training_store import fold_key
from scripts.statistics.delong import auc_of
from scripts.workflow.models import Models
from tests.bench.real import Rows, processor
from tests.bench.real_studies import ROOT, code_copy, run_bench, snakemake
from tests.bench.real_tables import markdown

LEVELS = {
    "default": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "avx512": {"ATEN_CPU_CAPABILITY": "avx512"},
}
"""Levels of vector instructions, and the environment that has PyTorch and oneDNN use them."""

CAPABILITIES = {"default": "DEFAULT", "avx2": "AVX2", "avx512": "AVX512"}
"""What PyTorch calls the levels."""


@dataclass(frozen=True)
class Plan:
    """The shipped study's main network: where its films lie, and what ``train_fold`` is told."""

    code: Path
    study: Path
    cache: Path
    model: str
    kind: str
    settings: str
    folds: int

    @classmethod
    def of(cls, scratch: Path, cores: int, config_file: Path) -> Plan:
        """The plan of a config's study, whose films are made below ``scratch`` unless they are there."""
        folder = scratch / "studies" / hashlib.sha256(config_file.read_bytes()).hexdigest()[:12]
        folder.mkdir(parents=True, exist_ok=True)
        code = code_copy(scratch)
        shutil.copyfile(config_file, folder / "config.yaml")
        config: Config = read_config(read_config_file(config_file))
        models, name = Models(config), config.main_network
        side = models.side(name)
        cache = folder / f"state/cache/{side}/train"
        snakemake(code, folder, [f"state/cache/{side}/train/index.csv"], cores)
        asked = SimpleNamespace(model=name)
        settings, kind = models.training_settings(asked), models.kind(asked)
        return cls(code, folder, cache, name, kind, settings, config.cohort.folds)

    def key(self, member: Member) -> str:
        """The workflow's own key of a training."""
        settings = read_settings(self.settings, self.kind)
        films = FilmStack(self.cache, settings.architecture.side).films
        return fold_key(data_hash(*split_fold(films, member.fold)), settings, member, None)


def levels_here() -> list[str]:
    """The levels that PyTorch takes on this machine."""
    ask = "import torch; print(torch.backends.cpu.get_cpu_capability())"
    found = []
    for level, environment in LEVELS.items():
        said = subprocess.run(
            [sys.executable, "-c", ask], env=os.environ | environment, capture_output=True, text=True
        )
        if said.stdout.strip() == CAPABILITIES[level]:
            found.append(level)
    return found


def trained(plan: Plan, level: str, member: Member, running: set[subprocess.Popen]) -> dict[str, Any]:
    """The row of one training at a level; ``StudyError`` where it fails. Its process is in ``running`` while
    it lives.
    """
    folder = plan.study / "levels" / level
    output = folder / f"fold_{member.run}"
    command = [sys.executable, "-m", "scripts.networks.train_fold", "--cache", str(plan.cache)]
    command += ["--model", member.model, "--run", member.run, "--kind", plan.kind, "--device", "cpu"]
    command += ["--settings", plan.settings, "--output", str(output), "--state", str(folder / "state")]
    log = folder / f"fold_{member.run}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.Popen(
        [*command, "--log", str(log)],
        cwd=plan.code,
        env=os.environ | LEVELS[level],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    running.add(done)
    done.wait()
    running.discard(done)
    if done.returncode:
        raise StudyError(f"{member} at {level} ended with {done.returncode}; see '{log}'.")
    told = json.loads((output / "trained_on.json").read_text(encoding="utf-8"))
    return {
        "what": level,
        "key": plan.key(member),
        "seed": member.seed,
        "fold": member.fold,
        "attempts": told.get("attempts", 1),
        "minutes": round(told.get("seconds", float("nan")) / 60, 2),
        **measured(pd.read_csv(output / "held_out.csv")),
    }


def measured(held_out: pd.DataFrame) -> dict[str, float | None]:
    """AUC of held-out films, the lower bound of its interval (None where there is none), and the SD of the
    logits.
    """
    labels, scores = held_out["label"].to_numpy(), held_out["score"].to_numpy()
    found = auc_of(labels, scores, 0.95)
    low = 1.0 if found["auc"] == 1 else found["auc_low"]
    return {"auc": found["auc"], "low": None if np.isnan(low) else low, "sd": logit_spread(scores.tolist())}


def collapsed(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of ``rows`` that did not learn; each is held against the folds of its level and seed."""
    found = []
    for row in rows:
        same = [other["sd"] for other in rows if (other["what"], other["seed"]) == (row["what"], row["seed"])]
        if row["low"] is None or row["low"] <= 0.5 or row["sd"] < statistics.median(same) / 3:
            found.append(row)
    return found


def text_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each level, and the sum."""
    lines = []
    failed = collapsed(rows)
    for level in (*LEVELS, "all"):
        part = [row for row in rows if level in ("all", row["what"])]
        if not part:
            continue
        lost = [row for row in failed if level in ("all", row["what"])]
        aucs, spreads = [row["auc"] for row in part], [row["sd"] for row in part]
        lines.append(
            [
                level,
                f"{len(lost)} of {len(part)}",
                str(sum(row["attempts"] > 1 for row in part)),
                f"{statistics.median(aucs):.3f} ({min(aucs):.3f} to {max(aucs):.3f})",
                f"{statistics.median(spreads):.2f} ({min(spreads):.2f} to {max(spreads):.2f})",
            ]
        )
    titles = ("level", "collapsed", "started once more", "held-out AUC of a fold", "SD of logits")
    return markdown(titles, lines)


def missing(plan: Plan, levels: Sequence[str], seeds: int, rows: Rows) -> Iterator[tuple[str, Member]]:
    """The trainings without a row, a seed's at all levels first."""
    there = {(row["key"], row["what"]) for row in rows.read()}
    for seed in range(seeds):
        for level in levels:
            for fold in range(plan.folds):
                member = Member(plan.model, fold, seed)
                if (plan.key(member), level) not in there:
                    yield level, member


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2, help="seeds a fold and level; 2 make 30 trainings")
    parser.add_argument("--levels", default="", help="of default, avx2, avx512; all that are here")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="trainings at a time")
    parser.add_argument("--table", action="store_true", help="print what is there and train nothing")
    parser.add_argument("--config", type=Path, default=ROOT / "config.yaml", help="the study's config")
    parser.add_argument(
        "--scratch",
        type=Path,
        default=Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "osteocxr_bench_collapse",
        help="the folder of films, weights and rows, kept between calls",
    )
    wanted = parser.parse_args(arguments)
    here = levels_here()
    asked = [level for level in wanted.levels.split(",") if level] or here
    absent = [level for level in asked if level not in here]
    if absent:
        raise StudyError(f"--levels: this machine has no {absent[0]}; it has {', '.join(here)}.")
    scratch = wanted.scratch.resolve()
    plan, rows = Plan.of(scratch, wanted.cores, wanted.config), Rows(scratch / "collapse.jsonl")
    if not wanted.table:
        running: set[subprocess.Popen] = set()
        with ThreadPoolExecutor(wanted.cores) as pool:
            waiting = [
                pool.submit(trained, plan, level, member, running)
                for level, member in missing(plan, asked, wanted.seeds, rows)
            ]
            try:
                for one in as_completed(waiting):
                    row = one.result()
                    rows.add([row])
                    told = f"{row['what']}, fold {row['fold']}, seed {row['seed']}"
                    print(f"{told}: AUC {row['auc']:.3f}, SD of logits {row['sd']:.2f}", flush=True)
            except BaseException:  # this bench is being ended: trainings under way save their state
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(running):
                    process.terminate()
                raise
    members = [Member(plan.model, fold, seed) for seed in range(wanted.seeds) for fold in range(plan.folds)]
    valid = {plan.key(member) for member in members}
    found = [row for row in rows.read() if row["key"] in valid and row["what"] in asked]
    print(f"\n{processor()}; {len(found)} trainings\n\n{text_of(found)}")


if __name__ == "__main__":
    run_bench(main)
