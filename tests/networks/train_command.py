"""The command line of one small training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def train_arguments(
    cache: Path, settings: Mapping, folder: Path, *more: object, model: str = "net", kind: str = "hybrid"
) -> list[str]:
    """Arguments of ``scripts.networks.train_fold`` for fold 0 of ``model``, with ``out`` and ``state`` in
    ``folder``, and ``more`` behind them.
    """
    own = ("--model", model, "--run", "0", "--kind", kind, "--settings", json.dumps(settings))
    places = ("--cache", cache, "--output", folder / "out", "--state", folder / "state")
    return [str(argument) for argument in (*own, *places, *more)]
