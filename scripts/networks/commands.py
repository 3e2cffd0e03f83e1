"""What the commands of the networks have in common on their command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from scripts.networks.kinds.registry import KINDS


def command(description: str, weights: str, many: bool = True) -> argparse.ArgumentParser:
    """A parser with cache, weights, device, threads and log; the first line of ``description`` is its own.

    Parameters
    ----------
    weights : what ``--weights`` is, for the help
    many : whether it takes several files
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder with films.npy and index.csv of the set"
    )
    parser.add_argument("--weights", type=Path, required=True, nargs="+" if many else None, help=weights)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; they change the last bits")
    parser.add_argument("--log", type=Path, help="log file")
    return parser


def training_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which network is trained, on which films and where."""
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder with films.npy and index.csv of the training set"
    )
    parser.add_argument("--model", required=True, help="name of the network, for messages")
    parser.add_argument("--kind", choices=tuple(KINDS), required=True, help="kind of the network")
    parser.add_argument(
        "--settings",
        required=True,
        help="JSON: seed, init, cpu_threads, architecture, training, augmentation",
    )
    parser.add_argument(
        "--weights", type=Path, nargs="?", help="file of weights to start from, unless init is random"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--log", type=Path, help="log file")


def _films(text: str) -> str:
    """``auto`` or a whole number of 1 or more, as text."""
    if text != "auto" and not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError("auto, or a whole number of 1 or more")
    return text


def scoring_command(description: str) -> argparse.ArgumentParser:
    """A parser of a command that scores films by every training of a network."""
    parser = command(description, "fold_<run>/weights.pt of every training")
    parser.add_argument("--output", type=Path, required=True, help="CSV of the scores")
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
    return parser
