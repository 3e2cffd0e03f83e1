"""The checked config of a run; what is wrong with it ends the run before any job."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from snakemake.exceptions import WorkflowError

from scripts.common.config import Config, check_paths, read_config
from scripts.common.config.files import read_config_file
from scripts.common.errors import StudyError
from scripts.common.fonts import check_labels
from scripts.common.key import open_key
from scripts.common.key_record import record_key, refuse_another_key
from scripts.intake.review_table import read_review

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def refusing(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """``function`` with its ``StudyError`` as Snakemake's own error, which prints the sentence and no
    traceback.
    """

    @functools.wraps(function)
    def called(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except StudyError as error:
            raise WorkflowError(str(error)) from None

    return called


@refusing
def checked_config(
    raw: Mapping[str, Any], files: Sequence[str | Path], given: Sequence[str | Path], main: bool
) -> Config:
    """The typed config.

    Parameters
    ----------
    raw : the config as Snakemake has merged it.
    files : the config files of the run, ``given`` those of the command line, which count last.
    main : whether this is the process that plans; jobs may run on machines that draw nothing.

    Raises
    ------
    WorkflowError : with a sentence for each fault: an unknown key, a wrong value, an absent file, a label
        that no font can show, a reader's table of another form, another key than the results'.
    """
    last = [str(path) for path in given]
    own = [str(path) for path in files if str(path) not in last]
    read = {os.path.relpath(path): read_config_file(path) for path in (*own, *last)}
    config = read_config(raw, read)
    check_paths(config, read)
    if main:
        check_labels(config.labels, config.study.language)
    for entry in config.running:
        if entry.review is not None:
            read_review(entry.review, f"centers[{entry.name}].review")
    if config.tables is None:
        refuse_another_key(open_key(config.study.key_file, config.study.seed))
    return config


def remember_key(config: Config) -> None:
    """Note which key the study was begun under, before its first job."""
    if config.tables is None:
        record_key(open_key(config.study.key_file, config.study.seed))
