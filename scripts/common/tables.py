"""One reader and one writer for the study's own tables: the columns and types of their contracts
(``scripts/common/contracts``), the same bytes each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from scripts.common.contracts.contract import Contract
from scripts.common.errors import StudyError
from scripts.common.files import atomic_path
from scripts.common.predictors import COLUMN_TYPES, with_predictors

Columns = Mapping[str, str]
"""Column name to type (``contract.TYPES``); a Contract is such a mapping."""

_DTYPES = {"text": "object", "date": "object", "int": "Int64", "float": "float64"}


def write_table(frame: pd.DataFrame, path: str | Path, columns: Columns, mode: int | None = None) -> None:
    """Write ``frame`` as CSV, atomically: the declared columns first and in order, any further ones behind.

    ``mode`` is the file's (0600 of a private one). Floats keep full precision, missing values are empty.
    Raises ``KeyError`` for an absent declared column, and for one that the table's contract doesn't know."""
    absent = [name for name in columns if name not in frame.columns]
    if absent:
        raise KeyError(f"{Path(path).name}: columns not made: {', '.join(absent)}")
    extra = [name for name in frame.columns if name not in columns]
    if isinstance(columns, Contract) and (unknown := [name for name in extra if not columns.knows(name)]):
        raise KeyError(f"{Path(path).name}: columns not in the contract: {', '.join(unknown)}")
    out = frame[[*columns, *extra]].copy()
    for name, kind in columns.items():
        if kind == "int":
            out[name] = out[name].astype("Int64")
        elif kind == "float":
            out[name] = out[name].astype("float64")
    with atomic_path(path, mode=mode) as part:
        out.to_csv(part, index=False, lineterminator="\n", encoding="utf-8")


def empty_table(columns: Columns) -> pd.DataFrame:
    """A table without rows, its columns of the declared types."""
    return pd.DataFrame({name: pd.Series(dtype=_DTYPES[kind]) for name, kind in columns.items()})


def read_table(path: str | Path, columns: Columns) -> pd.DataFrame:
    """Read one of the study's own tables with the declared types; further columns come as pandas reads them.

    Raises ``StudyError`` where a declared column is absent (a file of another version, or edited by hand).
    """
    types = {name: _DTYPES[kind] for name, kind in columns.items()}
    frame = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""], encoding="utf-8")
    absent = [name for name in columns if name not in frame.columns]
    if absent:
        raise StudyError(
            f"'{path}' lacks the column '{absent[0]}'. Delete the file and run again; it is made anew."
        )
    for name, kind in columns.items():
        if kind in ("text", "date"):
            frame[name] = frame[name].where(frame[name].notna(), "")
    return frame


def read_with(path: str | Path, table: Contract, types: Mapping[str, str]) -> pd.DataFrame:
    """A table of the study with its predictors (names and types); a column is empty where the file has none
    of its name.
    """
    header = pd.read_csv(path, nrows=0, encoding="utf-8").columns
    frame = read_table(path, with_predictors(table, {n: kind for n, kind in types.items() if n in header}))
    absent = {name: COLUMN_TYPES[kind] for name, kind in types.items() if name not in header}
    empty = empty_table(absent).reindex(frame.index)
    texts = [name for name, kind in absent.items() if kind == "text"]
    return frame.assign(**empty.fillna(dict.fromkeys(texts, "")))
