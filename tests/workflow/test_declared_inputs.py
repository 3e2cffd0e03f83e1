"""What a job reads is its declared input: else a change of it would run nothing again."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from pathlib import Path, PurePosixPath

from tests.workflow.opened_files import NOTES

KEPT = {
    "train_fold": ("state/train", "state/store", "state/locks"),
    "score_images": ("state/locks",),
    "score_masked": ("state/locks",),
    "explain_gradcam": ("state/locks",),
    "split_cohort": ("state/split_lock.csv",),
}
"""What a rule keeps for itself outside its outputs, on purpose."""

WORDS = "scripts/common/language"

HASHED = {
    "deidentify": ("scripts/intake/allowed_tags.csv",),
    "write_report": ("scripts/report/templates", "report/checklists", WORDS),
    **dict.fromkeys(("draw_figures", "draw_network", "write_tables"), (WORDS,)),
    "record_provenance": ("envs/requirements.txt", "rules"),
}
"""Files of the repository that are neither code nor config; a hash of them stands in the rule's params, and
the scripts that the rules name in the provenance record.
"""

MANY_RULES = 28
"""Rules of a study with simulated centres that read anything; so many at least must be seen."""


def declared(study: Path) -> dict[str, tuple[str, set[str], set[str]]]:
    """Rule, inputs and outputs of every job that has run, by its log."""
    jobs = {}
    folder = study / ".snakemake/metadata"
    for file in filter(Path.is_file, folder.rglob("*")):
        made = json.loads(file.read_text(encoding="utf-8"))
        output = base64.b64decode("".join(part.removeprefix("@") for part in file.relative_to(folder).parts))
        for log in made["log"]:
            _, _, outputs = jobs.setdefault(log, (made["rule"], set(made["input"]), set()))
            outputs.add(output.decode())
    return jobs


def test_every_file_that_a_job_opens_is_one_of_its_inputs(finished):
    jobs = declared(finished.path)
    opened = defaultdict(set)
    for file in (finished.path / NOTES).iterdir():
        for line in file.read_text(encoding="utf-8").splitlines():
            log, path = line.split("\t")
            opened[log].add(path)
    assert len({jobs[log][0] for log in opened}) >= MANY_RULES
    undeclared = {}
    for log, paths in opened.items():
        rule, inputs, outputs = jobs[log]
        allowed = {*inputs, *outputs, *KEPT.get(rule, ()), *HASHED.get(rule, ())}
        written = {*outputs, *KEPT.get(rule, ())}
        beside = {str(PurePosixPath(path).parent) for path in written}  # listed when a file is written
        left = {
            path
            for path in paths - beside
            if (finished.path / path).exists()
            and not any(part in allowed for part in (path, *map(str, PurePosixPath(path).parents)))
        }
        if left:
            undeclared.setdefault(rule, set()).update(left)
    assert not undeclared
