"""Train a network on all folds but one and score the one held out.

A command, so that it runs on a GPU node that has PyTorch and NumPy only:
``python -m scripts.networks.train_fold --cache state/cache/<side>/train --model <name> --run 0 --kind hybrid
--settings '{...}' --output results/models/<name>/fold_0``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.common.log import rule_log
from scripts.networks.commands import training_arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as ``arguments`` say (None: those of the command line); returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    training_arguments(parser)
    parser.add_argument(
        "--run", required=True, help="the fold that is held out, from 0; of a further seed 0_seed_1"
    )
    parser.add_argument(
        "--views", type=Path, nargs="?", help="views.json of cache_views, where training.views is above 0"
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
    parser.add_argument(
        "--checkpoint-minutes", type=float, default=5.0, help="longest time between two saved states"
    )
    given = parser.parse_args(arguments)
    with rule_log(given.log, "train_fold") as log:
        from scripts.networks import progress
        from scripts.networks.fold_training import train_fold
        from scripts.networks.machine.locks import hold_one
        from scripts.networks.member import Member
        from scripts.networks.settings import read_settings

        member = Member.of_run(given.model, given.run)
        lock = given.state / "locks" / f"{member}.lock"
        with hold_one([lock], progress.another_process(), log.say):
            return train_fold(
                given.cache,
                member,
                read_settings(given.settings, given.kind),
                given.weights,
                given.output,
                given.state,
                given.device,
                given.checkpoint_minutes,
                log,
                given.views,
            )


if __name__ == "__main__":
    sys.exit(main())
