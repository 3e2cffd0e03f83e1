"""Train the network on all folds but one and score the one held out.

A command, so that it runs on a GPU node that has PyTorch and NumPy only:
``python -m scripts.deep.train_fold --cache state/cache/train --fold 0 --settings '{...}' --output
results/deep/fold_0``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.common.log import rule_log


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as ``arguments`` say (None: those of the command line); returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder with films.npy and index.csv of the training set"
    )
    parser.add_argument("--fold", type=int, required=True, help="the fold that is held out, from 0")
    parser.add_argument(
        "--settings",
        required=True,
        help="JSON: seed, init, cpu_threads, architecture, training, augmentation",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="folder for weights.pt, history.csv, held_out.csv and trained_on.json",
    )
    parser.add_argument(
        "--state", type=Path, default=Path("state"), help="folder of saved states and finished folds"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--checkpoint-minutes", type=float, default=5.0, help="longest time between two saved states"
    )
    parser.add_argument("--log", type=Path, help="log file")
    given = parser.parse_args(arguments)
    with rule_log(given.log, "train_fold") as log:
        from scripts.deep import progress
        from scripts.deep.fold_training import train_fold
        from scripts.deep.locks import hold_one
        from scripts.deep.settings import read_settings

        lock = given.state / "locks" / f"fold_{given.fold}.lock"
        with hold_one([lock], progress.another_process(), log.say):
            return train_fold(
                given.cache,
                given.fold,
                read_settings(given.settings),
                given.output,
                given.state,
                given.device,
                given.checkpoint_minutes,
                log,
            )


if __name__ == "__main__":
    sys.exit(main())
