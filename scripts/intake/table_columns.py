"""A hospital's table as columns of text: where its heading is, which column is meant, and what its rows' form
says.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import pandas as pd

from scripts.common.errors import StudyError
from scripts.common.plain_text import name_key, plain
from scripts.intake.cells import Merged
from scripts.intake.table_files import MANY_SHORT_ROWS, FileRows, plain_heading, read_file

ROW = "_row"
"""Column with the row's number in the source file (its first row is 1)."""

DEEPEST_HEADING = 30
"""Rows of a file among which a heading is looked for where the first row is none."""


def mapped_columns(table: dict) -> list[str]:
    """The headings that the config names for a table."""
    mapped = [*table.get("columns", {}).values(), *table.get("exclusions", {}).values()]
    return [name for name in mapped if name] + [one["column"] for one in table.get("predictors", {}).values()]


def _heading_at(filled: Sequence[tuple[int, list[str]]], table: dict, where: str) -> int:
    """Which of the filled rows is the heading: the config's ``header_row``, else the first row, or the first
    that has all columns.

    Raises ``StudyError`` where ``header_row`` is beyond the file's end.
    """
    given = table.get("header_row")
    if given:
        places = [place for place, (number, _) in enumerate(filled) if number == given]
        if not places:
            raise StudyError(f"{where}.header_row: row {given} of the file is empty or there is none.")
        return places[0]
    wanted = {plain_heading(name) for name in mapped_columns(table)}

    def found(row: list[str]) -> int:
        return len(wanted & {plain_heading(text) for text in row})

    if not wanted or found(filled[0][1]) > 0:
        return 0
    scores = [found(row) for _, row in filled[:DEEPEST_HEADING]]
    best = max(scores)
    # one word may stand in a title, too; a heading has most of what is looked for
    return scores.index(best) if best > len(wanted) / 2 else 0


def read_cells(table: dict, where: str) -> pd.DataFrame:
    """All cells of a table as text, with ``ROW``; empty rows are left out.

    ``table`` is the config's section (``path``, ``sheet``, ``encoding``, ``header_row``, column maps),
    ``where`` its place in the config, for messages. ``_too_long`` and ``_too_short`` mark rows whose cells
    don't match the heading's. What the file's form says stands in ``attrs["file"]`` (``FileRows``), the
    heading's row in ``attrs["header_row"]``. Rows that repeat the heading (of each printed page) are left out
    and counted in ``attrs["repeated_headings"]``. Raises ``StudyError``.
    """
    file = read_file(table["path"], where, table.get("sheet"), table.get("encoding") or "utf-8-sig")
    filled = [
        (number, row) for number, row in zip(file.numbers, file.rows) if any(cell.strip() for cell in row)
    ]
    if not filled:
        raise StudyError(f"{where}.path: the table is empty.")
    place = _heading_at(filled, table, where)
    header_row, heading = filled[place]
    headings = [plain_heading(text) for text in heading]
    again = [
        number for number, row in filled[place + 1 :] if [plain_heading(text) for text in row] == headings
    ]
    body = [(number, row) for number, row in filled[place + 1 :] if number not in set(again)]
    if not body:
        raise StudyError(f"{where}.path: the table has no rows below its heading (row {header_row}).")
    _refuse_no_heading(headings, header_row, table, where)
    width = len(headings)
    frame = pd.DataFrame(
        [(row + [""] * width)[:width] for _, row in body], columns=range(width), dtype="object"
    )
    frame.insert(0, ROW, [number for number, _ in body])
    frame["_too_long"] = [any(cell.strip() for cell in row[width:]) for _, row in body]
    short = pd.Series([len(row) < width for _, row in body])
    usual = file.serial_base is not None or short.mean() > MANY_SHORT_ROWS
    if file.open_end and short.iloc[-1] and not usual and not _is_footer(body[-1][1]):
        raise StudyError(
            f"{where}.path: the file ends within row {body[-1][0]}, without a line end: it was cut short, and"
            " rows are missing; export it again."
        )
    frame["_too_short"] = False if usual else short
    if file.open_end and _cut_off(frame[width - 1]):
        frame.loc[frame.index[-1], "_too_short"] = True
    frame.attrs["headings"] = headings
    frame.attrs["mapped"] = {plain_heading(name) for name in mapped_columns(table)}
    frame.attrs["file"] = file
    frame.attrs["header_row"] = header_row
    frame.attrs["repeated_headings"] = len(again)
    return frame


def _refuse_no_heading(headings: list[str], row: int, table: dict, where: str) -> None:
    """Raise ``StudyError`` where the row that was taken as the heading has none of the columns: it may be a
    patient's.

    Nothing of it is shown. A name without digits that differs in case, spaces or underscores alone is a
    heading's.
    """
    wanted = mapped_columns(table)
    plainly = {name_key(name) for name in wanted if not re.search(r"\d", name)} - {""}
    if (
        wanted
        and not {plain_heading(name) for name in wanted} & set(headings)
        and not plainly & set(map(name_key, headings))
    ):
        raise StudyError(
            f"{where}: row {row} of the file was taken as the heading and has none of the columns that the"
            f" config names; say in {where}.header_row which row is the heading, or give the table one, or"
            " correct the names."
        )


def _is_footer(row: list[str]) -> bool:
    """Whether a short last row is a line of words below the table."""
    return len(row) == 1 and not re.fullmatch(r"\S*\d\S*", row[0].strip())


def _cut_off(cells: pd.Series) -> bool:
    """Whether the last cell of a file's last column seems to be cut: shorter than any other, or with fewer
    decimals than others.
    """
    *others, last = (plain(cell) for cell in cells)
    others = [cell for cell in others if cell]
    if len(others) < len(cells) / 2:
        return False

    def decimals(text: str) -> int:
        return len(re.split("[.,]", text)[1]) if re.fullmatch(r"\D?\d+[.,]\d*", text) else 0

    return len(last) < min(map(len, others)) or decimals(last) < max(map(decimals, others))


def _advice(frame: pd.DataFrame, name: str) -> str:
    """What to do about a column that isn't there: the nearest name in a row that is surely a heading."""
    headings, mapped = frame.attrs["headings"], frame.attrs["mapped"]
    alike = [heading for heading in headings if name_key(heading) == name_key(name) and name_key(name)]
    if alike:
        return f"did you mean '{alike[0]}'?"
    free = {heading.casefold(): heading for heading in headings if heading not in mapped}
    near = difflib.get_close_matches(plain_heading(name).casefold(), list(free), n=3, cutoff=0.7)
    letters = sorted(plain_heading(name).casefold())  # swapped letters are nearer than any other word
    near.sort(key=lambda heading: sorted(heading) != letters)
    return (
        f"did you mean '{free[near[0]]}'?"
        if near
        else f"none of its {len(headings)} columns has a like name."
    )


def column(frame: pd.DataFrame, name: str, where: str) -> pd.Series:
    """The column called ``name``, its cells plain (``plain``) and without the guards by which text is kept
    text in Excel.

    Raises ``StudyError`` with the nearest name where there is none; a column that the config gives to another
    field is none. Also where cells of the column hold formulas that were never computed.
    """
    headings = frame.attrs["headings"]
    matches = [i for i, heading in enumerate(headings) if heading == plain_heading(name)]
    if not matches:
        raise StudyError(f"{where}: the table has no column '{name}'; {_advice(frame, name)}")
    if len(matches) > 1:
        raise StudyError(f"{where}: the table has {len(matches)} columns '{name}'; rename all but one.")
    file: FileRows = frame.attrs["file"]
    if file.formulas.get(matches[0]):
        raise StudyError(
            f"{where}: {file.formulas[matches[0]]} cells of the column '{name}' hold formulas without a"
            " value; open the file in Excel or LibreOffice, save it, and run again."
        )
    return frame[matches[0]].map(_bare).astype("object")


def _bare(cell: str) -> str:
    """A cell's plain content: ``="00123"`` and ``'00123`` are ``00123``.

    What kind of cell it is (``cells``) stays with it.
    """
    text = plain(cell)
    guarded = re.fullmatch(r'="([^"]*)"', text)
    text = plain(guarded[1]) if guarded else text.removeprefix("'") if re.match(r"'[^']*$", text) else text
    return type(cell)(text) if type(cell) is not str else text


def form_notes(frame: pd.DataFrame, where: str) -> list[str]:
    """Sentences on a table's form that its user should know, though it can be read."""
    file: FileRows = frame.attrs["file"]
    found = []
    if frame.attrs["header_row"] > 1:
        found.append(
            f"{where}: the heading is row {frame.attrs['header_row']} of the file (header_row); what stands"
            " above it is left out"
        )
    if frame.attrs["repeated_headings"]:
        found.append(f"{where}: {frame.attrs['repeated_headings']} rows repeat the heading and are left out")
    hidden = len(file.hidden & set(frame[ROW]))
    if hidden:
        found.append(
            f"{where}: {hidden} rows are hidden in Excel (by a filter or by hand) and are read like the"
            " others"
        )
    if file.hidden_sheet:
        found.append(f"{where}: the sheet that is read is hidden in Excel")
    if file.other_sheets:
        found.append(
            f"{where}: the workbook has {file.other_sheets} further sheet(s) with rows, which are not read"
        )
    if file.before_midnight:
        found.append(
            f"{where}: {file.before_midnight} stored dates lie seconds before a day, as web exports write"
            " them; the day that follows was taken"
        )
    merged = sum(
        isinstance(cell, Merged) for label in frame.columns if isinstance(label, int) for cell in frame[label]
    )
    if merged:
        found.append(
            f"{where}: {merged} cells are merged over several rows; ids, dates and words of such a cell count"
            " for each of them"
        )
    return found
