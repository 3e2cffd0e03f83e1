"""The image table of a centre whose films are PNG files: which row belongs to which file, and what is left
over.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd

from scripts.intake.image_rows import file_key
from scripts.intake.listing import batch_of, path_of_text
from scripts.intake.readings import NOTES, Reading
from scripts.intake.table_columns import ROW, column, read_cells

SLIPPED = ("too_many_cells", "too_few_cells")
"""Reasons of rows whose cells don't stand under their headings."""


@dataclass(frozen=True)
class ImageRow:
    """A row of the image table in the study's terms; date and id are the source's own.

    ``whole`` is False where the row has more or fewer cells than the heading, so that none of them can be
    trusted.
    """

    source_id: str
    film_date: datetime.date | None
    film_time: str
    view: str
    sex: str
    age: int | None
    manufacturer: str
    burned_in: str
    whole: bool


class ImageTable:
    """Rows by file. Rows for one file that say the same count as one."""

    def __init__(self, reading: Reading, bits: int) -> None:
        self.bits = bits
        slipped = set(reading.issues.loc[reading.issues["reason"].isin(SLIPPED), ROW])
        self._rows: dict[str, list[ImageRow]] = {}
        for number, cells in zip(reading.cells[ROW], reading.cells.itertuples(index=False)):
            row = ImageRow(
                source_id=cells.source_id,
                film_date=None if pd.isna(cells.film_date) else cells.film_date,
                film_time=cells.film_time,
                view=cells.view,
                sex=cells.sex,
                age=None if pd.isna(cells.age) else int(cells.age),
                manufacturer=cells.manufacturer,
                burned_in=cells.burned_in,
                whole=number not in slipped,
            )
            several = self._rows.setdefault(cells.file, [])
            if cells.file and row not in several:
                several.append(row)

    def rows_of(self, path: str) -> list[ImageRow]:
        """The differing rows for a file; ``path`` is as the listing writes it."""
        return self._rows.get(file_key(path_of_text(path)), [])


def rows_without_file(reading: Reading, paths: Iterable[str]) -> Reading:
    """The reading with its rows that name no file of ``paths`` among the issues, and their patients set
    aside.

    A patient is set aside who stands in the image table but whose every row names no file, or a file that
    several rows claim for different patients: no film can be theirs.
    """
    found = {file_key(path_of_text(path)) for path in paths}
    cells = reading.cells
    faults = reading.issues[~reading.issues["reason"].isin(NOTES)]
    absent = ~cells["file"].isin(found) & ~cells[ROW].isin(faults[ROW])
    slipped = cells[ROW].isin(faults.loc[faults["reason"].isin(SLIPPED), ROW])
    claimed = cells[cells["file"].isin(found)].groupby("file")["source_id"].nunique()
    sure = cells["file"].isin(claimed.index[claimed == 1]) & ~slipped
    issues = pd.concat(
        [reading.issues, pd.DataFrame({ROW: cells.loc[absent, ROW], "reason": "no_such_file"})]
    )
    set_aside = sorted(set(cells["source_id"]) - set(cells.loc[sure, "source_id"]) - {""})
    issues = issues.sort_values([ROW, "reason"], ignore_index=True)
    rows = reading.rows[~reading.rows[ROW].isin(cells.loc[absent, ROW])]
    return replace(reading, rows=rows, issues=issues, set_aside=set_aside, other_site=[])


def row_fingerprints(table: dict, where: str, paths: Iterable[str], n_batches: int) -> list[str]:
    """For each batch of files a hash of the rows that belong to them: a new row touches its film's batch
    only.

    A row goes with the file that it names, or, where there is none, with the batch in which that file would
    be. ``paths`` are the files found. Raises ``StudyError`` for a table that can't be read or lacks a column.
    """
    frame = read_cells(table, where)
    given = {field: name for field, name in table["columns"].items() if name}
    cells = pd.DataFrame(
        {field: column(frame, name, f"{where}.columns.{field}") for field, name in given.items()}
    )
    path_of = {file_key(path_of_text(path)): path for path in paths}
    lines: list[list[str]] = [[] for _ in range(n_batches)]
    for row, slipped in zip(cells.itertuples(index=False), frame["_too_long"] | frame["_too_short"]):
        key = file_key(row.file)
        lines[batch_of(path_of.get(key, key), n_batches)].append("\x1f".join([*row, str(slipped)]))
    return [hashlib.sha256("\n".join(sorted(part)).encode()).hexdigest()[:16] for part in lines]
