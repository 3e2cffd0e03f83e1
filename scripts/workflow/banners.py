"""The lines that a run prints at its start and its end."""

from __future__ import annotations

from pathlib import Path

from snakemake.settings.types import DAGSettings

from scripts.bundle.contents import bundle_warnings
from scripts.common.config import Config
from scripts.common.progress import random_weights
from scripts.common.slurm_logs import SLURM_LOGS, limits_hit
from scripts.common.strata import read_strata
from scripts.report.summary import learning_warnings, score_warnings

REPORT = "results/report.html"


def start(config: Config) -> str:
    """One line on what will run."""
    if config.tables is not None:
        return (
            f"OsteoCXR: statistics of {len(config.test_sets)} test set(s): {', '.join(config.test_sets)}. "
            "Logs: logs/, results: results/."
        )
    if config.handover is not None:
        return f"OsteoCXR: hand-over of centre {config.handover}. Logs: logs/."
    kind = "SYNTHETIC study" if config.synthetic else "Study"
    names = ", ".join(c.name for c in config.centers)
    begun = f"OsteoCXR: {kind} with {len(config.centers)} centre(s): {names}. Logs: logs/, results: results/."
    random = config.from_random_weights
    return f"{begun}\nOsteoCXR: WARNING: {random_weights(random)}" if random else begun


def limits(since: float, folder: Path = SLURM_LOGS) -> str:
    """A line for each job of this run that SLURM stopped at a limit, with the key to raise; nothing where
    none was. ``since`` is when the run began, in seconds since the epoch.
    """
    return "".join(f"OsteoCXR: {hit.sentence()}\n" for hit in limits_hit(folder, since))


def success(config: Config, asked: DAGSettings, with_configfile: bool) -> str:
    """Where the results lie.

    ``asked`` is what of the workflow was asked for; ``with_configfile`` tells that config files were given on
    the command line.
    """
    if config.tables is not None:
        return "OsteoCXR: done. Open results/index.html."
    if config.handover is not None:
        return (
            f"OsteoCXR: done. Hand over the folder results/handover/{config.handover}, and nothing of"
            " private/. logs/hand_over/ holds the checksum of its manifest."
        )
    partly = asked.until or asked.omit_from or not set(asked.targets) <= {"all", REPORT}
    if partly or not Path(REPORT).exists():
        given = ", with the --configfile of this run," if with_configfile else ""
        return (
            f"OsteoCXR: done with what was asked for. 'snakemake --cores all'{given} makes the whole study, "
            "its report included."
        )
    strata = read_strata("results/cohort/cohort.csv", config.cohort.test_fraction, config.cohort.folds)
    warnings = (*strata.warnings(), *score_warnings(), *learning_warnings(), *bundle_warnings())
    told = "".join(f"OsteoCXR: {sentence}\n" for sentence in warnings)
    return f"{told}OsteoCXR: done. Open {REPORT}; tables lie in results/statistics and results/tables."


def error() -> str:
    """Where to look after a failure, or after Ctrl-C, which Snakemake doesn't tell apart here."""
    return (
        "OsteoCXR: not done. Where a job failed by itself, its log (logs/<rule>/...) ends with a line"
        " 'ERROR: ...' that says what to fix. What is done is kept; run the same command again to go on."
    )
