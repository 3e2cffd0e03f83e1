"""Score the films of a set with the spine, the border or all but the spine covered, by every fold's network.

A command, so that it runs where PyTorch and NumPy are all there is: ``python -m scripts.networks.score_masked
--cache state/cache/internal_test --weights results/models/<name>/fold_*/weights.pt --output ...``
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.common.log import rule_log


def main() -> None:
    """Read the command line and score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder with films.npy and index.csv of the set"
    )
    parser.add_argument(
        "--weights", type=Path, required=True, nargs="+", help="weights.pt of every fold, in their order"
    )
    parser.add_argument("--output", type=Path, required=True, help="CSV of the scores")
    parser.add_argument(
        "--spine",
        type=float,
        nargs=2,
        default=(0.35, 0.65),
        help="edges of the spine's band, fractions of the width",
    )
    parser.add_argument(
        "--border", type=float, default=0.08, help="width of the border, fraction of the side"
    )
    parser.add_argument(
        "--precision",
        choices=("trained", "fp32", "bf16"),
        default="trained",
        help="arithmetic of the forward pass",
    )
    parser.add_argument(
        "--films-per-forward", default="auto", help="films at once: auto (by the geometry) or a number"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; they change the last bits")
    parser.add_argument("--log", type=Path, help="log file")
    given = parser.parse_args()
    with rule_log(given.log, "score_masked") as log:
        from scripts.networks.masked_scores import score_masked

        score_masked(
            given.cache,
            given.weights,
            given.output,
            tuple(given.spine),
            given.border,
            given.device,
            given.threads,
            log,
            given.precision,
            given.films_per_forward,
        )


if __name__ == "__main__":
    sys.exit(main())
