"""Compute once what the frozen stages of a network give of each training film and of changed views of it.

A command, so that it runs on a GPU node that has PyTorch and NumPy only:
``python -m scripts.networks.cache_views --cache state/cache/<side>/train --model <name> --kind hybrid
--settings '{...}' --weights <file> --output state/cache/views/<name>``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.common.log import rule_log
from scripts.networks.commands import training_arguments


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the views as ``arguments`` say (None: those of the command line)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    training_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder of the network's views")
    given = parser.parse_args(arguments)
    with rule_log(given.log, "cache_views") as log:
        from scripts.networks.settings import read_settings
        from scripts.networks.view_cache import cache_views

        cache_views(
            given.cache,
            given.model,
            read_settings(given.settings, given.kind),
            given.weights,
            given.output,
            given.device,
            log,
        )


if __name__ == "__main__":
    sys.exit(main())
