"""What a registry names by a dotted string, so that only who uses it imports it."""

from __future__ import annotations

import importlib
from typing import Any


def named(dotted: str) -> Any:
    """What stands under a dotted name, such as ``scripts.networks.kinds.hybrid.HybridNetwork``."""
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def file_of(dotted: str) -> str:
    """The file that holds it, from the repository's root."""
    return dotted.rpartition(".")[0].replace(".", "/") + ".py"
