"""Snakemake's copies of scripts that a killed run left in ``.snakemake/scripts``.

Each holds the job's inputs, parameters and the config: paths of tables and names of hospitals. Snakemake
removes a copy when its job ends, whether well or not; only a job that is killed outright (``kill -9``, no
memory, a power cut) leaves it."""

from __future__ import annotations

import time
from pathlib import Path

FOLDER = Path(".snakemake/scripts")

STARTED = 60.0
"""Seconds after which a job has read its copy. Jobs on a cluster may outlive the run that sent them."""


def remove_leftover_scripts(folder: Path = FOLDER) -> int:
    """Remove copies that no starting job can need any more; returns how many."""
    removed = 0
    for path in folder.glob("*"):
        try:
            if path.is_file() and time.time() - path.stat().st_mtime > STARTED:
                path.unlink()
                removed += 1
        except FileNotFoundError:  # its job ended
            continue
    return removed
