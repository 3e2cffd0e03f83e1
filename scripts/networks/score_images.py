"""Score the films of a test set by every training of a network.

A command, so that it runs where PyTorch and NumPy are all there is:
``python -m scripts.networks.score_images --cache state/cache/internal_test --weights
results/models/<name>/fold_*/weights.pt --output ...``
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.common.log import rule_log


def _films(text: str) -> str:
    """``auto`` or a whole number of 1 or more, as text."""
    if text != "auto" and not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError("auto, or a whole number of 1 or more")
    return text


def main() -> None:
    """Read the command line and score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder with films.npy and index.csv of the set"
    )
    parser.add_argument(
        "--weights", type=Path, required=True, nargs="+", help="fold_<run>/weights.pt of every training"
    )
    parser.add_argument("--output", type=Path, required=True, help="CSV of the scores")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; they change the last bits")
    parser.add_argument(
        "--precision",
        choices=("trained", "fp32", "bf16"),
        default="trained",
        help="arithmetic of the forward pass",
    )
    parser.add_argument(
        "--films-per-forward",
        default="auto",
        type=_films,
        help="films at once: auto (by the geometry) or a number; may change the last bits",
    )
    parser.add_argument("--log", type=Path, help="log file")
    given = parser.parse_args()
    with rule_log(given.log, "score_images") as log:
        from scripts.networks.set_scores import score_set

        score_set(
            given.cache,
            given.weights,
            given.output,
            given.device,
            given.threads,
            log,
            given.precision,
            given.films_per_forward,
        )


if __name__ == "__main__":
    sys.exit(main())
