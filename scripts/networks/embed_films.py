"""Give every film of a set an embedding by a trunk with known weights.

A command, so that it runs where PyTorch and NumPy are all there is:
``python -m scripts.networks.embed_films --cache state/cache/448/internal_test --model head --trunk
resnet18 --weights weights/resnet18-f37072fd.pth --output ...``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.common.log import rule_log


def main(arguments: Sequence[str] | None = None) -> None:
    """Embed as ``arguments`` say (None: those of the command line)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder with films.npy and index.csv of the set"
    )
    parser.add_argument("--model", required=True, help="name of the model that the embeddings are for")
    parser.add_argument("--trunk", choices=("resnet18",), required=True, help="torchvision's name")
    parser.add_argument("--weights", type=Path, required=True, help="the trunk's weights, as torchvision's")
    parser.add_argument("--output", type=Path, required=True, help="CSV of the embeddings")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; they change the last bits")
    parser.add_argument("--log", type=Path, help="log file")
    given = parser.parse_args(arguments)
    with rule_log(given.log, "embed_films") as log:
        from scripts.networks.film_embeddings import embed_films

        embed_films(
            given.cache,
            given.model,
            given.trunk,
            given.weights,
            given.output,
            given.device,
            given.threads,
            log,
        )


if __name__ == "__main__":
    sys.exit(main())
