"""Score the films of a set with the spine, the border or all but the spine covered, by every fold's network.

A command, so that it runs where PyTorch and NumPy are all there is: ``python -m scripts.networks.score_masked
--cache state/cache/internal_test --weights results/models/<name>/fold_*/weights.pt --output ...``
"""

from __future__ import annotations

import sys

from scripts.common.log import rule_log
from scripts.networks.commands import scoring_command


def main() -> None:
    """Read the command line and score."""
    parser = scoring_command(__doc__)
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
