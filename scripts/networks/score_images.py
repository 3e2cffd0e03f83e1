"""Score the films of a test set by every training of a network.

A command, so that it runs where PyTorch and NumPy are all there is:
``python -m scripts.networks.score_images --cache state/cache/internal_test --weights
results/models/<name>/fold_*/weights.pt --output ...``
"""

from __future__ import annotations

import sys

from scripts.common.log import rule_log
from scripts.networks.commands import scoring_command


def main() -> None:
    """Read the command line and score."""
    given = scoring_command(__doc__).parse_args()
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
