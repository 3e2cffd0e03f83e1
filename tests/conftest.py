"""What all tests share: compiled modules are kept between the many processes that the tests start."""

from __future__ import annotations

import os
import sys

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Where Python is told to keep no compiled modules (PYTHONDONTWRITEBYTECODE), keep them in pytest's own cache.

    Else each of the hundreds of processes of the workflow's tests would compile its libraries anew, some seconds each.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", "") and config.pluginmanager.hasplugin("cacheprovider"):
        folder = str(config.cache.mkdir("bytecode"))
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = folder
        sys.dont_write_bytecode = False
