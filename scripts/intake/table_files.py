"""The rows of a table's file as text, as a hospital or a reader saved it: CSV with any usual separator, TSV, Excel."""

from __future__ import annotations

import csv
import datetime
import difflib
import io
import re
import unicodedata
from pathlib import Path

from scripts.common.errors import StudyError


def _excel_text(cell: object) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int) and re.fullmatch(r"0{2,}", str(cell.number_format)):
        return str(value).zfill(len(cell.number_format))  # leading zeros that Excel shows but doesn't store
    return str(value)


def _excel_rows(path: Path, sheet: str | None, where: str) -> list[list[str]]:
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception:  # openpyxl raises many kinds for a broken or foreign file
        raise StudyError(f"{where}.path: the file can't be read as Excel (.xlsx); save it again as .xlsx or CSV.") from None
    try:
        if sheet is not None and sheet not in book.sheetnames:
            near = difflib.get_close_matches(sheet, book.sheetnames, n=1)
            advice = f"did you mean '{near[0]}'?" if near else f"the file has {len(book.sheetnames)} sheet(s)."
            raise StudyError(f"{where}.sheet: there is no sheet '{sheet}'; {advice}")
        table = book[sheet] if sheet is not None else book.worksheets[0]
        return [[_excel_text(cell) for cell in row] for row in table.iter_rows()]
    finally:
        book.close()


def _text_rows(path: Path, encoding: str, where: str) -> list[list[str]]:
    try:
        content = path.read_bytes().decode(encoding)
    except (UnicodeDecodeError, LookupError):
        raise StudyError(
            f"{where}.encoding: the table can't be read as '{encoding}'; give its encoding, e.g. gb18030 for Chinese Windows, "
            "or save it as 'CSV UTF-8'."
        ) from None
    content = content.removeprefix("\ufeff")
    told = re.match(r"sep=([,;\t|])\r?\n", content)  # a line for Excel, which shows it no more than it counts it
    if told:
        content = content[told.end() :]
    heading = content.split("\n", 1)[0]
    delimiter = "\t" if path.suffix.lower() in (".tsv", ".tab") else max(",;\t|", key=heading.count)
    delimiter = told[1] if told else delimiter
    csv.field_size_limit(1 << 24)
    try:
        return list(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter))
    except csv.Error:
        raise StudyError(f"{where}.path: the table can't be read as CSV; save it again as 'CSV UTF-8'.") from None


def plain_heading(text: str) -> str:
    """A heading as columns are found by it: NFKC, single spaces, none around it."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip()


def read_rows(path: str | Path, where: str, sheet: str | None = None, encoding: str = "utf-8-sig") -> list[list[str]]:
    """All rows of a table, the heading first, each cell as text.

    ``where`` is the table's section in the config, for messages. A first line ``sep=;``, as Excel takes it, is followed and left out.
    Raises ``StudyError``.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".xls":
        raise StudyError(f"{where}.path: old Excel files (.xls) are not read; save it as .xlsx or CSV.")
    try:
        return _excel_rows(path, sheet, where) if suffix in (".xlsx", ".xlsm") else _text_rows(path, encoding, where)
    except OSError as error:
        raise StudyError(f"{where}.path: the file can't be opened ({error.strerror}).") from None
