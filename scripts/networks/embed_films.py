"""Give every film of a set an embedding by a trunk with known weights.

A command, so that it runs where PyTorch and NumPy are all there is:
``python -m scripts.networks.embed_films --cache state/cache/448/internal_test --model head --trunk
resnet18 --weights weights/resnet18-f37072fd.pth --output ...``
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.common.log import rule_log
from scripts.common.trunks import TRUNKS
from scripts.networks.commands import command


def main(arguments: Sequence[str] | None = None) -> None:
    """Embed as ``arguments`` say (None: those of the command line)."""
    parser = command(__doc__, "the trunk's weights", many=False)
    parser.add_argument("--model", required=True, help="name of the model that the embeddings are for")
    parser.add_argument("--trunk", choices=tuple(TRUNKS), required=True, help="the trunk's name")
    parser.add_argument("--grid", type=int, default=1, help="cells in a row and in a column of a film")
    parser.add_argument("--output", type=Path, required=True, help="CSV of the embeddings")
    given = parser.parse_args(arguments)
    with rule_log(given.log, "embed_films") as log:
        from scripts.networks.film_embeddings import embed_films

        embed_films(
            given.cache,
            given.model,
            given.trunk,
            given.grid,
            given.weights,
            given.output,
            given.device,
            given.threads,
            log,
        )


if __name__ == "__main__":
    sys.exit(main())
