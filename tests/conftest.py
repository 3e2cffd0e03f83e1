"""What all tests share: compiled modules are kept for the many processes that the tests start, and long files
come first.
"""

from __future__ import annotations

import os
import sys

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Let Python keep compiled modules, as it usually does, where it was told not to
    (PYTHONDONTWRITEBYTECODE, usual in containers).

    Else each of the hundreds of processes of the workflow's tests would compile what it imports anew.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        sys.dont_write_bytecode = False


LONG_FILES = (
    "slurm",
    "signal",
    "reruns",
    "real_study",
    "bundle_of_a_run",
    "finished_run",
    "killed_intake",
    "other_inputs",
)
"""Files of tests/workflow that run the workflow, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that pytest-xdist's workers end together."""
    rank = {f"test_{name}.py": at for at, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))
