"""Which jobs SLURM stopped at a limit of memory or time, read from their logs: no accounting is needed for
it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SLURM_LOGS = Path(".snakemake/slurm_logs")
"""Where Snakemake's SLURM plugin keeps the output of jobs, by rule or group; it removes those of jobs that
ended well.
"""

PROFILE = "profiles/slurm/config.yaml"

_TIME = re.compile(r"DUE TO TIME LIMIT")
_MEMORY = re.compile(r"xceeded (?:job |step )?memory limit|oom[-_ ]kill|Out Of Memory", re.IGNORECASE)
_RULE = re.compile(
    r"^(?:local)?rule (?P<rule>\w+):\n(?P<block>(?:[ ]{4}.*\n)+)",
    re.MULTILINE,
)
_AMOUNTS = {"memory": ("mem_mb", "MB"), "time": ("runtime", "minutes")}


@dataclass(frozen=True)
class LimitHit:
    """A job that SLURM stopped: ``kind`` is memory or time, ``amount`` the rule's share of it in MB or
    minutes (None: not told).

    ``group`` names the group whose job ran several rules in turn; ``rule`` is then the one that ran.
    """

    job: str
    rule: str
    wildcards: str
    group: str
    kind: str
    amount: int | None

    def sentence(self) -> str:
        """What happened, where, and which key to raise."""
        key, unit = _AMOUNTS[self.kind]
        which = f"'{self.rule}'" + (f" ({self.wildcards})" if self.wildcards else "")
        shared = f", which shares a job with others of the group '{self.group}'," if self.group else ""
        had = f" of {self.amount} {unit}" if self.amount else ""
        raised = f"attempt * {2 * self.amount}" if self.amount else f"<{unit}>"
        return (
            f"SLURM stopped job {self.job} at its {self.kind} limit: rule {which}{shared} had asked for a"
            f" {self.kind} limit{had}. Raise '{key}' of the rule in {PROFILE}: 'set-resources: {{{self.rule}:"
            f" {{{key}: {raised}}}}}'."
        )


def limit_hit(text: str, job: str, group: str = "") -> LimitHit | None:
    """What a job's log tells of a limit; None where it hit none."""
    if _TIME.search(text):
        kind, place = "time", _TIME.search(text).start()
    elif _MEMORY.search(text):
        kind, place = "memory", _MEMORY.search(text).start()
    else:
        return None
    started = [found for found in _RULE.finditer(text) if found.start() < place]
    if not started:
        return None
    block = started[-1]["block"]
    amount = re.search(rf"\b{_AMOUNTS[kind][0]}=(\d+)", block)
    wildcards = re.search(r"^ +wildcards: (.*)$", block, re.MULTILINE)
    return LimitHit(
        job,
        started[-1]["rule"],
        wildcards[1] if wildcards else "",
        group,
        kind,
        int(amount[1]) if amount else None,
    )


def limits_hit(folder: Path, since: float) -> list[LimitHit]:
    """The limits that jobs hit whose logs in ``folder`` changed after ``since`` (seconds since the epoch), by
    job number.
    """
    found = []
    for path in folder.rglob("*.log"):
        if path.stat().st_mtime < since:
            continue
        # Of a group job the folder is group_<name of the group>_<its rules>.
        top = path.relative_to(folder).parts[0]
        name = top.split("_")[1] if top.startswith("group_") else ""
        hit = limit_hit(path.read_text(encoding="utf-8", errors="replace"), path.stem, name)
        if hit:
            found.append(hit)
    return sorted(found, key=lambda hit: (len(hit.job), hit.job))
