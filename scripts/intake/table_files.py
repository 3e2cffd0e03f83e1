"""The rows of a table's file as text, as a hospital or a reader saved it: CSV with any usual separator, TSV,
Excel.

What the file's form says and a row of text doesn't is told beside the rows: rows that Excel hides, cells
merged over rows, formulas without a value, more than one sheet.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.common.errors import StudyError
from scripts.common.plain_text import plain
from scripts.intake.cells import Covered, Merged, StoredDate, says_nothing

EAST_ASIAN_DATES = frozenset({*range(27, 37), *range(50, 59)})
"""Number formats 27 to 36 and 50 to 58: dates in Chinese, Japanese and Korean Excel (ECMA-376, 18.8.30),
plain numbers elsewhere.
"""

MANY_SHORT_ROWS = 0.1
"""Share of rows with fewer cells than the heading from which on they are the program's habit, not damage."""
NO_TEXT = (b"PK\x03\x04", b"%PDF", b"\xd0\xcf\x11\xe0", b"\x1f\x8b")
"""How files of Excel, PDF and archives begin."""
NEAR_MIDNIGHT = datetime.timedelta(minutes=2)
"""A stored time so close before midnight stands for the day that follows: web exports lose the seconds by
which China's time zone differed from Greenwich before 1901."""


@dataclass
class FileRows:
    """All rows of a table, each cell as text.

    ``numbers``: each row's number in the file, the first is 1. ``hidden``: how many of them Excel hides.
    ``formulas``: columns (from 0) and how many of their cells hold a formula without a value.
    ``other_sheets``: how many further sheets the workbook shows.
    ``hidden_sheet``: the sheet that was read is hidden. ``serial_base``: the day 0 of day numbers, None in
    text files. ``before_midnight``: stored dates that lie seconds before a day and were taken for it.
    ``open_end``: a text file whose last row has no line end, as one that was cut short.
    """

    rows: list[list[str]]
    numbers: list[int]
    hidden: set[int] = field(default_factory=set)
    formulas: Counter = field(default_factory=Counter)
    other_sheets: int = 0
    hidden_sheet: bool = False
    serial_base: datetime.datetime | None = None
    before_midnight: int = 0
    open_end: bool = False

    def __deepcopy__(self, memo: dict) -> FileRows:
        """Itself: pandas copies a frame's ``attrs`` with every operation, and nothing changes these rows."""
        return self


# ------------------------------------------------------------------------------------------------ Excel


def zero_format(value: int, number_format: str) -> str | None:
    """``value`` as Excel shows it under a format of zeros and fixed text (``00000000``, ``"H"0000``,
    ``000-000``); else None.

    Leading zeros and letters that Excel shows so are not stored, yet they belong to an id.
    """
    tokens = re.findall(r'"[^"]*"|\\.|0|[- /]|.', number_format)
    if tokens.count("0") < 2 or any(not (t in "0- /" or t[0] in '"\\') for t in tokens):
        return None
    digits = str(abs(value)).zfill(tokens.count("0"))
    surplus = digits[: len(digits) - tokens.count("0")]
    left, out = iter(digits[len(surplus) :]), []
    for token in tokens:
        if token == "0":
            out.append((surplus if surplus else "") + next(left))
            surplus = ""
        else:
            out.append(token.strip('"').removeprefix("\\"))
    return ("-" if value < 0 else "") + "".join(out)


def _before_midnight(moment: datetime.datetime) -> bool:
    return (moment + NEAR_MIDNIGHT).date() != moment.date()


def _day(moment: datetime.datetime) -> StoredDate:
    """A stored moment's date, a moment just before midnight taken for it; a time of day stays behind the
    date.
    """
    if _before_midnight(moment):
        return StoredDate((moment + NEAR_MIDNIGHT).date().isoformat())
    midnight = moment.hour == moment.minute == 0
    return StoredDate(moment.date().isoformat() if midnight else moment.strftime("%Y-%m-%d %H:%M:%S"))


def _excel_text(cell: Any, base: datetime.datetime) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        return _day(value)
    if isinstance(value, datetime.date):
        return StoredDate(value.isoformat())
    if isinstance(value, int | float) and _format_number(cell) in EAST_ASIAN_DATES and 1 <= value < 2958466:
        return _day(base + datetime.timedelta(days=value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int):
        return zero_format(value, str(cell.number_format)) or str(value)
    return str(value)


def _format_number(cell: Any) -> int:
    style = getattr(cell, "_style", None)
    return getattr(style, "numFmtId", 0)


def _sheet(book: Any, wanted: str | None, where: str) -> Any:
    """The sheet to read.

    Raises ``StudyError``; no sheet's name stands in its message, only the config's own.
    """
    if wanted is None:
        shown = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if not shown:
            raise StudyError(
                f"{where}.sheet: every sheet of the workbook is hidden; give the name of the one to read."
            )
        return shown[0]
    if wanted in book.sheetnames:
        table = book[wanted]
        if table not in book.worksheets:
            raise StudyError(
                f"{where}.sheet: the sheet '{wanted}' is a chart and holds no rows; give the sheet of the"
                " table."
            )
        return table
    near = [name for name in book.sheetnames if plain(name).casefold() == plain(wanted).casefold()]
    advice = (
        "there is one that differs in capitals or spaces"
        if near
        else f"the workbook has {len(book.sheetnames)} sheet(s)"
    )
    raise StudyError(
        f"{where}.sheet: there is no sheet '{wanted}'; {advice}; write the name as Excel shows it."
    )


def _excel_rows(path: Path, sheet: str | None, where: str) -> FileRows:
    import openpyxl

    def opened(values: bool) -> Any:
        try:
            return openpyxl.load_workbook(path, data_only=values)
        except Exception:  # openpyxl raises many kinds for a broken or foreign file
            said = "the file can't be read as Excel (.xlsx); save it again as .xlsx or CSV."
            raise StudyError(f"{where}.path: {said}") from None

    book = opened(values=True)
    table = _sheet(book, sheet, where)
    base = book.epoch
    cells = [list(row) for row in table.iter_rows()]
    texts = [[_excel_text(cell, base) for cell in row] for row in cells]
    late = sum(
        _before_midnight(cell.value)
        for row in cells
        for cell in row
        if isinstance(cell.value, datetime.datetime)
    )
    for area in table.merged_cells.ranges:
        if area.max_row > area.min_row and area.min_row <= len(texts):
            content = Merged(texts[area.min_row - 1][area.min_col - 1])
            if isinstance(texts[area.min_row - 1][area.min_col - 1], StoredDate):
                content = _MergedDate(content)
            for row in texts[area.min_row - 1 : area.max_row]:
                row[area.min_col - 1] = content
        first = texts[area.min_row - 1][area.min_col - 1] if area.min_row <= len(texts) else ""
        covered = Merged(first) if says_nothing(first) else Covered()
        for row in texts[area.min_row - 1 : area.max_row]:
            row[area.min_col : area.max_col] = [covered] * len(row[area.min_col : area.max_col])
    formulas: Counter = Counter()
    if any(cell.value is None for row in cells for cell in row):
        written = _sheet(opened(values=False), sheet, where)
        for row, told in zip(cells, written.iter_rows()):
            for place, (cell, other) in enumerate(zip(row, told)):
                formulas[place] += cell.value is None and other.data_type == "f"
    hidden = {number for number, size in table.row_dimensions.items() if size.hidden}
    shown = [s for s in book.worksheets if s.sheet_state == "visible" and s is not table and s.max_row > 1]
    return FileRows(
        texts,
        list(range(1, len(texts) + 1)),
        {number for number in hidden if number <= len(texts) and any(texts[number - 1])},
        +formulas,
        len(shown),
        table.sheet_state != "visible",
        base,
        late,
    )


class _MergedDate(Merged, StoredDate):
    """A date that stands merged over several rows."""

    __slots__ = ()


# ------------------------------------------------------------------------------------------------ text


def _separator(content: str, suffix: str) -> str:
    """The separator under which the heading has as many cells as the rows below it have.

    A separator that stands in headings or in numbers (a decimal comma) gives heading and rows different
    counts.
    """
    if suffix in (".tsv", ".tab"):
        return "\t"
    best, chosen = (-1.0, -1), ","
    for separator in ",;\t|":
        counts = []
        for record in csv.reader(io.StringIO(content, newline=""), delimiter=separator):
            if any(cell.strip() for cell in record):
                counts.append(len(record))
            if len(counts) == 200:
                break
        if not counts:
            continue
        usual, often = Counter(counts).most_common(1)[0]
        fits = usual > 1 and counts[0] == usual
        rank = (often / len(counts) if fits else 0.0, usual if fits else counts[0] - 1000)
        if rank > best:
            best, chosen = rank, separator
    return chosen


def _refuse_open_quote(content: str, separator: str, where: str) -> None:
    """Raise ``StudyError`` where a quote opens a cell that swallows the rows below it.

    Such a cell holds line breaks, and lines behind them that have the separators of a whole row.
    """
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=separator)
    lines, width, number, before = content.splitlines(), 0, 0, 0
    for number, record in enumerate(reader, start=1):
        width = width or len(record)
        if reader.line_num > before + 1 and number > 1:
            swallowed = max(
                (line.count(separator) for cell in record for line in cell.splitlines()[1:]), default=0
            )
            if width > 1 and swallowed >= max(1, (width - 1) // 2):
                raise StudyError(
                    f'{where}.path: row {number} (line {before + 1} of the file): a quote (") opens a cell'
                    " and isn't closed there, so that the rows below it are swallowed; close it or take it"
                    " out."
                )
        before = reader.line_num
    last = lines[before - 1] if 0 < before <= len(lines) else ""
    if last.count('"') % 2 and number > 1 and content.count('"') % 2:
        raise StudyError(
            f"{where}.path: row {number}: a quote (\") opens a cell and isn't closed before the end; close it"
            " or take it out."
        )


def _text_rows(path: Path, encoding: str, where: str) -> FileRows:
    raw = path.read_bytes()
    if raw.startswith(NO_TEXT):
        raise StudyError(
            f"{where}.path: the file is no text table, but Excel, PDF or an archive under another name; save"
            " it as .xlsx or 'CSV UTF-8'."
        )
    try:
        content = raw.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        raise StudyError(
            f"{where}.encoding: the table can't be read as '{encoding}'; give its encoding, e.g. gb18030 for"
            " Chinese Windows, or save it as 'CSV UTF-8'."
        ) from None
    content = content.removeprefix("\ufeff")
    if "\0" in content:
        raise StudyError(
            f"{where}.path: the file holds zero bytes, as UTF-16 and damaged files do; save it as 'CSV"
            " UTF-8', or give its encoding."
        )
    told = re.match(
        r"sep=([,;\t|])\r?\n", content
    )  # a line for Excel, which shows it no more than it counts it
    if told:
        content = content[told.end() :]
    csv.field_size_limit(1 << 24)
    try:
        separator = told[1] if told else _separator(content, path.suffix.lower())
        _refuse_open_quote(content, separator, where)
        rows = list(csv.reader(io.StringIO(content, newline=""), delimiter=separator))
    except csv.Error:
        raise StudyError(
            f"{where}.path: the table can't be read as CSV; save it again as 'CSV UTF-8'."
        ) from None
    return FileRows(rows, list(range(1, len(rows) + 1)), open_end=not content.endswith(("\n", "\r")))


def plain_heading(text: str) -> str:
    """A heading as columns are found by it: NFKC, single spaces, none around it."""
    return re.sub(r"\s+", " ", plain(text)).strip()


def read_file(
    path: str | Path, where: str, sheet: str | None = None, encoding: str = "utf-8-sig"
) -> FileRows:
    """All rows of a table, the heading among them, and what the file's form says.

    ``where`` is the table's section in the config, for messages. A first line ``sep=;``, as Excel takes it,
    is followed and left out. Raises ``StudyError``.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".xls":
        raise StudyError(f"{where}.path: old Excel files (.xls) are not read; save it as .xlsx or CSV.")
    try:
        return (
            _excel_rows(path, sheet, where)
            if suffix in (".xlsx", ".xlsm")
            else _text_rows(path, encoding, where)
        )
    except OSError as error:
        raise StudyError(f"{where}.path: the file can't be opened ({error.strerror}).") from None


def read_rows(
    path: str | Path, where: str, sheet: str | None = None, encoding: str = "utf-8-sig"
) -> list[list[str]]:
    """All rows of a table, the heading first, each cell as text. Raises ``StudyError``."""
    return read_file(path, where, sheet, encoding).rows
