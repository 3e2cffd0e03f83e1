"""Damaged clinical tables through the reading and the selection: no wrong label, nobody lost, no row
unaccounted for, no traceback.

    python -m tests.intake.fuzz_tables --seconds 600 --seed 1

Each try takes the good hospital of ``good_tables``, damages one or both of its tables in one to three ways
that leave a trace, and takes them in by the real functions. A failing one is printed with ``--only
tables:NUMBER``, which tries it alone, and its tables are kept in a temporary folder.
"""

from __future__ import annotations

import argparse
import collections
import csv
import datetime
import io
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.intake.good_tables import SITES as CODE_OF
from tests.intake.good_tables import Hospital, Outcome, Sheet, fault_of, good_hospital, taken_in

RIGHT, ASIDE, REFUSED = "right", "aside", "refused"
"""All labels right and nobody missing; labels right or patients set aside with a reason that is counted; one
sentence for each fault.
"""


@dataclass(frozen=True)
class Damage:
    """A way to damage a table.

    ``kind``: its class; ``form``: csv or xlsx where only such a file has it; ``table``: patients or dxa where
    only that table has it; ``allowed``: what may come of it, each of RIGHT, ASIDE, REFUSED.
    """

    name: str
    kind: str
    allowed: frozenset[str]
    form: str
    table: str
    apply: Callable[[Hospital, Sheet, random.Random], None]


DAMAGES: list[Damage] = []


def damage(kind: str, *allowed: str, form: str = "", table: str = "") -> Callable:
    """Register a function as a ``Damage``."""

    def register(function: Callable[[Hospital, Sheet, random.Random], None]) -> Callable:
        DAMAGES.append(Damage(function.__name__, kind, frozenset(allowed), form, table, function))
        return function

    return register


def few(sheet: Sheet, by: random.Random, most: int = 3) -> list[list[Any]]:
    """One to ``most`` rows of a table."""
    return by.sample(sheet.rows, by.randint(1, min(most, len(sheet.rows))))


def numeric(sheet: Sheet, by: random.Random) -> int:
    """A column of numbers."""
    return sheet.at(by.choice([name for name in sheet.decimals if name in sheet.headings]))


def dated(sheet: Sheet) -> int:
    return sheet.at("BirthDate" if "BirthDate" in sheet.headings else "ExamDate")


def mapped(sheet: Sheet, by: random.Random) -> int:
    """A column that the config names."""
    return by.choice(
        [
            place
            for place, name in enumerate(sheet.headings)
            if name and name not in ("Name", "Further", "Notes")
        ]
    )


def as_text(sheet: Sheet, row: list[Any], column: int) -> str:
    return sheet.text(row[column], column)


def every(sheet: Sheet, column: int, change: Callable[[str], Any]) -> None:
    for row in sheet.rows:
        row[column] = change(as_text(sheet, row, column))


def dispensable(hospital: Hospital, sheet: Sheet, by: random.Random, most: int = 3) -> list[list[Any]]:
    """DXA rows without which their patient's label stays the same: not the only site that is low."""
    t, site = sheet.at("TScore"), sheet.at("Region")
    people = {p.source_id: p for p in hospital.people}
    found = []
    for row in sheet.rows:
        person = people.get(str(row[sheet.at("PatientID")]))
        if person is None or not isinstance(row[t], float) or row[site] not in SITE_OF:
            continue
        others = [value for key, value in person.t.items() if CODE_OF[key] != row[site]]
        if (min(others) <= -2.5) == bool(person.label) and len(others) == 2:
            found.append(row)
    seen: set[str] = set()  # one row of a patient, so that two sites are left
    by.shuffle(found)
    found = [row for row in found if not (row[0] in seen or seen.add(row[0]))]
    return found[: by.randint(1, most)]


SITE_OF = {code: site for site, code in CODE_OF.items()}


# ------------------------------------------------------------------------------------------------ form


@damage("form", RIGHT, form="csv")
def another_separator(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Semicolons, tabs or bars between cells."""
    sheet.separator = by.choice(";\t|")


@damage("form", RIGHT, form="csv")
def all_quoted(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Every cell in quotes."""
    sheet.quoting = csv.QUOTE_ALL


@damage("form", RIGHT, form="csv")
def line_ends(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Line ends of Windows or of old Macs."""
    sheet.line_end = by.choice(["\r\n", "\r"])


@damage("form", RIGHT, form="csv")
def separator_line(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A first line ``sep=;`` for Excel."""
    sheet.byte_changes.append(
        lambda content: f"sep={sheet.separator}\n".encode(sheet.encoding.removesuffix("-sig")) + content
    )


@damage("form", ASIDE, form="csv")
def short_rows(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A row without its last cells, or one that lost a cell in the middle."""
    for row in few(sheet, by):
        if by.random() < 0.5:
            del row[by.randint(1, len(row) - 1) :]
        else:
            del row[by.randrange(len(row))]


@damage("form", ASIDE, form="csv")
def long_rows(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A cell more in a row, as by a comma that nobody quoted."""
    for row in few(sheet, by):
        row.insert(by.randrange(len(row)), by.choice(["x", "7", "0"]))


@damage("form", ASIDE, REFUSED, form="csv")
def cut_short(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """The file ends within a row."""
    sheet.rows_known = False

    def cut(content: bytes) -> bytes:
        text = content.decode(sheet.encoding)
        lines = text.split(sheet.line_end)
        if len(lines) < 9:
            return content
        at = by.randint(len(lines) // 2, len(lines) - 2)
        line = lines[at]
        if len(line) < 6:
            return content
        return sheet.line_end.join([*lines[:at], line[: by.randint(1, len(line) - 1)]]).encode(sheet.encoding)

    sheet.byte_changes.append(cut)


@damage("form", RIGHT)
def title_rows(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Lines of title above the heading."""
    sheet.before = [
        [by.choice(["Bone density 2018-2022", "骨密度报告", "Export"])],
        *([[]] * by.randint(0, 2)),
        ["printed by", "the clinic"],
    ]


@damage("form", RIGHT, ASIDE)
def repeated_heading(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """The heading again at each page's end."""
    sheet.rows_known = False
    for _ in range(by.randint(1, 3)):
        sheet.rows.insert(by.randrange(len(sheet.rows)), list(sheet.headings))


@damage("form", RIGHT)
def blank_rows(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Rows of empty cells or of spaces."""
    for _ in range(by.randint(1, 9)):
        sheet.rows.insert(
            by.randrange(len(sheet.rows)), [by.choice(["", " "])] * by.randint(1, len(sheet.headings))
        )


@damage("form", RIGHT)
def other_order_of_columns(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Columns in another order."""
    order = by.sample(range(len(sheet.headings)), len(sheet.headings))
    if all(len(row) == len(order) for row in sheet.rows):
        sheet.headings = [sheet.headings[i] for i in order]
        sheet.rows = [[row[i] for i in order] for row in sheet.rows]


@damage("form", RIGHT)
def other_order_of_rows(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Rows sorted by another column, or shuffled."""
    column = by.randrange(len(sheet.headings) + 1)
    if column == len(sheet.headings) or any(len(row) <= column for row in sheet.rows):
        by.shuffle(sheet.rows)
    else:
        sheet.rows.sort(key=lambda row: str(row[column]))


@damage("form", RIGHT)
def further_columns(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A column of remarks, one without a heading, or empty ones at the end."""
    place = by.choice([0, len(sheet.headings)])
    if all(len(row) == len(sheet.headings) for row in sheet.rows):
        sheet.headings.insert(place, by.choice(["Further", "Notes", ""]))
        for row in sheet.rows:
            row.insert(place, by.choice(["", "as before", 'said "no", twice', "a, b; c"]))


@damage("form", RIGHT, ASIDE)
def last_line(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A line below the table that tells how many rows there are."""
    sheet.rows.append([by.choice(["Total", "180 rows", "-- end of report --", "合计"])])


@damage("form", RIGHT, form="csv")
def line_breaks_in_cells(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A line break in a cell of remarks, quoted as it should be."""
    if "Name" in sheet.headings:
        for row in few(sheet, by):
            if len(row) > sheet.at("Name"):
                row[sheet.at("Name")] = "Anna\nMaria"


@damage("form", REFUSED, ASIDE, form="csv")
def open_quote(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A quote that opens a cell and isn't closed."""
    sheet.rows_known = False
    sheet.quoting = csv.QUOTE_MINIMAL

    def opened(content: bytes) -> bytes:
        lines = content.decode(sheet.encoding).split(sheet.line_end)
        if len(lines) < len(sheet.before) + 9:
            return content
        at = by.randint(len(sheet.before) + 1, len(lines) - 3)
        place = by.choice([m.end() for m in re.finditer(re.escape(sheet.separator), lines[at])] or [0])
        lines[at] = lines[at][:place] + '"' + lines[at][place:]
        return sheet.line_end.join(lines).encode(sheet.encoding)

    sheet.byte_changes.append(opened)


@damage("form", RIGHT, REFUSED, form="csv")
def quote_within_a_cell(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A quote in the middle of a name, not doubled."""
    sheet.byte_changes.append(
        lambda content: (
            content.replace("Muster".encode(sheet.encoding)[-4:], 'te"r'.encode(sheet.encoding)[-8:], 1)
            if sheet.encoding == "utf-8"
            else content
        )
    )


@damage("form", REFUSED)
def two_columns_of_a_name(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A heading that the config names stands over two columns."""
    sheet.headings.append(sheet.headings[mapped(sheet, by)])
    for row in sheet.rows:
        row.append("1")


@damage("form", REFUSED)
def another_heading(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A heading that the config doesn't know."""
    place = mapped(sheet, by)
    sheet.headings[place] = by.choice(
        [sheet.headings[place] + "2", sheet.headings[place].upper() + "_", "Spalte"]
    )


@damage("form", REFUSED)
def no_rows(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A table without rows."""
    sheet.rows = []


@damage("form", REFUSED)
def no_heading(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A table without its heading."""
    sheet.headings, sheet.rows = [sheet.text(v, i) for i, v in enumerate(sheet.rows[0])], sheet.rows[1:]


@damage("form", REFUSED, RIGHT)
def another_suffix(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Text under the name of an Excel file, Excel under that of text, or a page of HTML under either."""
    page = b"<html><table><tr><td>1</td></tr></table></html>"
    sheet.byte_changes.append(
        by.choice(
            [
                lambda content: b"PK\3\4" + content,
                lambda content: page,
                lambda content: content[: len(content) // 2] if sheet.kind == "xlsx" else page,
            ]
        )
    )


# ------------------------------------------------------------------------------------------------ encoding


@damage("encoding", RIGHT, form="csv")
def byte_order_mark(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A byte order mark in front."""
    if sheet.encoding == "utf-8":
        mark = b"\xef\xbb\xbf"
        sheet.byte_changes.append(lambda content: mark + content if sheet.encoding == "utf-8" else content)


@damage("encoding", REFUSED, form="csv")
def two_bytes_a_letter(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """UTF-16, and the config doesn't say so."""
    sheet.encoding = by.choice(["utf-16", "utf-16-le"])


@damage("encoding", RIGHT, form="csv")
def told_encoding(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Another encoding, and the config says so."""
    sheet.encoding = by.choice(["utf-16", "gb18030", "cp1252", "big5"])
    sheet.settings["encoding"] = sheet.encoding


@damage("encoding", REFUSED, form="csv", table="patients")
def untold_encoding(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Names in an encoding that the config doesn't tell."""
    word, sheet.encoding = by.choice([("患者女", "gb18030"), ("Müller", "cp1252"), ("患者", "big5")])
    every(sheet, sheet.at("Name"), lambda cell: word)


@damage("encoding", RIGHT, table="patients")
def mojibake_in_names(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Names read by another encoding and saved so."""
    every(sheet, sheet.at("Name"), lambda cell: "Ã¼å¼ é\u0080\u0081"[by.randrange(3) :])


@damage("encoding", RIGHT)
def unseen_characters(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Zero-width spaces, byte order and direction marks, and spaces of all kinds around cells."""
    if sheet.encoding != "utf-8":
        return
    column = mapped(sheet, by)
    for row in few(sheet, by, 60):
        if len(row) > column:
            cell = as_text(sheet, row, column)
            row[column] = (
                by.choice(["\u200b", "\ufeff", "\u00a0", "\u200e", "\u3000", " ", "\t", ""])
                + cell
                + by.choice(["\u200b", "\u00a0", "\u200f", " ", "\u2009"])
            )


@damage("encoding", RIGHT)
def full_width(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Digits, letters and points of the width of Chinese characters."""
    if sheet.encoding != "utf-8":
        return
    column = mapped(sheet, by)
    for row in few(sheet, by, 60):
        if len(row) > column:
            row[column] = "".join(
                chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in as_text(sheet, row, column)
            )


@damage("encoding", ASIDE)
def lost_characters(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A character that an earlier conversion lost (U+FFFD)."""
    if sheet.encoding != "utf-8":
        return
    column = mapped(sheet, by)
    for row in few(sheet, by):
        if len(row) > column and (cell := as_text(sheet, row, column)):
            at = by.randrange(len(cell))
            row[column] = cell[:at] + "\ufffd" + cell[at + 1 :]


@damage("encoding", RIGHT, ASIDE, table="dxa")
def other_minus_signs(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Minus signs as typesetters, PDF readers and Chinese keyboards write them."""
    if sheet.encoding != "utf-8":
        return
    sign = by.choice(
        [
            "\u2212",
            "\u2013",
            "\u2014",
            "\uff0d",
            "\ufe63",
            "\u2010",
            "\u2011",
            "\u00ad",
            "\u2796",
            "\u02d7",
            "\u30fc",
            "\u4e00",
            "_",
            "\u00af",
            "~",
            "&minus;",
            "\u2500",
            "- ",
        ]
    )
    for row in few(sheet, by, 3):
        if len(row) > sheet.at("TScore"):
            row[sheet.at("TScore")] = as_text(sheet, row, sheet.at("TScore")).replace("-", sign)


@damage("encoding", REFUSED, form="csv")
def zero_bytes(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Zero bytes in the file."""
    sheet.byte_changes.append(
        lambda content: content[: len(content) // 2] + b"\0\0" + content[len(content) // 2 :]
    )


# ------------------------------------------------------------------------------------------------ structure


@damage("structure", RIGHT, ASIDE, form="xlsx")
def merged_down(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Cells merged over rows: ids and dates of one patient's rows."""
    columns = [
        name for name in by.choice([("PatientID",), ("PatientID", "ExamDate")]) if name in sheet.headings
    ]
    start = len(sheet.before) + 2

    def merge(book: Any, table: Any) -> None:
        for name in columns:
            column, first = sheet.at(name) + 1, 0
            key = [
                str(row[sheet.at("PatientID")]) if len(row) > sheet.at("PatientID") else ""
                for row in sheet.rows
            ]
            content = [str(row[column - 1]) if len(row) >= column else None for row in sheet.rows]
            for place in range(1, len(sheet.rows) + 1):
                if place == len(sheet.rows) or (key[place], content[place]) != (key[first], content[first]):
                    if place - first > 1:
                        table.merge_cells(
                            start_row=start + first,
                            end_row=start + place - 1,
                            start_column=column,
                            end_column=column,
                        )
                    first = place

    sheet.book_changes.append(merge)


@damage("structure", ASIDE, form="xlsx")
def merged_numbers(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A number merged over two rows or over the cell beside it; what was below is gone."""
    column, row = numeric(sheet, by) + 1, len(sheet.before) + 2 + by.randrange(len(sheet.rows) - 1)
    down = by.random() < 0.5 or column == len(sheet.headings)
    sheet.book_changes.append(
        lambda book, table: table.merge_cells(
            start_row=row, end_row=row + down, start_column=column, end_column=column + (not down)
        )
    )


@damage("structure", REFUSED, form="xlsx")
def formulas(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Formulas that no program has computed."""
    column = mapped(sheet, by)
    for row in few(sheet, by, 60):
        if len(row) > column:
            row[column] = "=1+1"


@damage("structure", RIGHT, form="xlsx")
def hidden_parts(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Rows and columns that Excel hides, and a hidden sheet in front."""
    rows = [by.randint(2, len(sheet.rows)) for _ in range(by.randint(1, 20))]

    def hide(book: Any, table: Any) -> None:
        for row in rows:
            table.row_dimensions[row].hidden = True
        table.column_dimensions["B"].hidden = True
        book.create_sheet("old", 0).sheet_state = "hidden"
        book["old"].append(["PatientID", "TScore"])
        book.active = book.index(table)

    sheet.book_changes.append(hide)


@damage("structure", RIGHT, form="xlsx")
def wrong_dimension(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A sheet that tells a smaller size than it has."""
    told = by.choice(["A1", "A1:B20"])

    def smaller(content: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w") as target:
            for name in source.namelist():
                part = source.read(name)
                target.writestr(
                    name,
                    (
                        re.sub(rb'<dimension ref="[^"]*"', f'<dimension ref="{told}"'.encode(), part)
                        if name.startswith("xl/worksheets/")
                        else part
                    ),
                )
        return out.getvalue()

    sheet.byte_changes.append(smaller)


@damage("structure", REFUSED, form="xlsx")
def another_first_sheet(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Notes on the first sheet, the table on the second."""
    sheet.book_changes.append(lambda book, table: book.create_sheet("notes", 0).append(["read me", "first"]))


@damage("structure", RIGHT, form="xlsx")
def named_sheet(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """The table on a further sheet that the config names."""
    sheet.book_changes.append(lambda book, table: book.create_sheet("Cover", 0).append(["a cover"]))
    sheet.settings["sheet"] = "data"


@damage("structure", RIGHT, form="xlsx")
def number_formats(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Numbers that Excel shows rounded, and ids stored as numbers that it shows with their zeros."""
    ids = sheet.at("PatientID")
    whole = all(len(row) > ids and re.fullmatch(r"[0-9]{8}", str(row[ids])) for row in sheet.rows)
    if whole:
        for row in sheet.rows:
            row[ids] = int(row[ids])
    start = len(sheet.before) + 2

    def formats(book: Any, table: Any) -> None:
        for row in table.iter_rows(min_row=start):
            for cell in row:
                if isinstance(cell.value, float):
                    cell.number_format = "0"
                elif whole and cell.column == ids + 1:
                    cell.number_format = "00000000"

    sheet.book_changes.append(formats)


@damage("structure", RIGHT, ASIDE, form="xlsx")
def dates_otherwise(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Some dates as text, as day numbers, or with a time of day."""
    column = dated(sheet)
    for row in few(sheet, by, 40):
        if len(row) > column and isinstance(row[column], datetime.date):
            day = row[column]
            row[column] = by.choice(
                [
                    day.isoformat(),
                    day.strftime("%Y/%m/%d"),
                    (day - datetime.date(1899, 12, 30)).days,
                    datetime.datetime(day.year, day.month, day.day, 9, 30),
                    day.strftime("%Y年%m月%d日"),
                ]
            )


@damage("structure", RIGHT, form="xlsx")
def dates_from_1904(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A workbook whose days count from 1904."""
    import openpyxl

    sheet.book_changes.append(
        lambda book, table: setattr(book, "epoch", openpyxl.utils.datetime.CALENDAR_MAC_1904)
    )


@damage("structure", RIGHT, form="xlsx")
def numbers_as_text(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Numbers stored as text, with the apostrophe that keeps them so."""
    column, guard = numeric(sheet, by), by.choice(["", "'"])
    for row in few(sheet, by, 60):
        if len(row) > column:
            row[column] = guard + as_text(sheet, row, column)


@damage("structure", ASIDE, form="xlsx")
def error_cells(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Excel's errors in cells."""
    column = numeric(sheet, by)
    for row in few(sheet, by):
        if len(row) > column:
            row[column] = by.choice(["#N/A", "#VALUE!", "#DIV/0!", "#REF!", "#NAME?"])


@damage("structure", RIGHT, form="xlsx")
def last_bits(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Numbers that a formula left a last bit off."""
    for row in sheet.rows:
        for place, value in enumerate(row):
            if isinstance(value, float):
                row[place] = value * (1 - 2e-16)


@damage("structure", RIGHT, form="xlsx")
def not_in_the_corner(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A table that begins some rows and columns from the corner."""
    down, right = by.randint(0, 3), by.randint(1, 2)
    if not sheet.book_changes and all(len(row) == len(sheet.headings) for row in sheet.rows):
        sheet.before = [*sheet.before, *([[]] * down)]
        sheet.headings = [*([""] * right), *sheet.headings]
        sheet.rows = [[*([None] * right), *row] for row in sheet.rows]


# ------------------------------------------------------------------------------------------------ cells


def at_t(sheet: Sheet, rows: list[list[Any]]) -> list[tuple[list[Any], int]]:
    column = sheet.at("TScore")
    return [(row, column) for row in rows if len(row) > column and isinstance(row[column], float)]


@damage("cells", RIGHT, table="dxa")
def deciding_bounds(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """The lowest T-scores as '<-3.0', the highest as '>-1.0'."""
    low, high = (
        by.choice(["<", "< ", "≤", "<=", "＜", "less than ", "低于", "under "]),
        by.choice([">", "> ", "≥", ">=", "＞", "above ", "大于"]),
    )
    for row, column in at_t(sheet, sheet.rows):
        if row[column] <= -3.0 - 0.1 * (low[0] not in "≤<" or "=" not in low):
            row[column] = f"{low}-3.0"
        elif row[column] > -1.0:
            row[column] = f"{high}-1.0"


@damage("cells", ASIDE, table="dxa")
def open_bounds(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Bounds that don't tell on which side of -2.5 the T-score lies."""
    for row, column in at_t(sheet, few(sheet, by)):
        row[column] = "<-1.0" if row[column] < -1.0 else ">-4"


@damage("cells", RIGHT, table="dxa")
def marks(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Marks, units and remarks behind T-scores."""
    behind = by.choice(
        [
            "*",
            "↓",
            " L",
            " H",
            "#",
            "†",
            "(骨质疏松)",
            " (low)",
            "（骨量减少）",
            " [osteopenia]",
            " SD",
            "SD",
            " s.d.",
            "↓ (low)",
            "**",
        ]
    )
    for row, column in at_t(sheet, few(sheet, by, 90)):
        row[column] = as_text(sheet, row, column) + behind


@damage("cells", ASIDE, table="dxa")
def doubtful_numbers(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Cells from which no number can be told for sure."""
    for row, column in at_t(sheet, few(sheet, by)):
        cell = f"{abs(row[column]):.1f}"
        row[column] = by.choice(
            [
                f"--{cell}",
                f"{cell}-",
                f"({cell})",
                f"-{cell}?",
                f"~-{cell}",
                f"-{cell} (L2)",
                f"-{cell}/-1.0",
                f"-{cell} -1.0",
                f"-{cell}±0.1",
                f"-{cell.replace('.', '. ')}",
                f"-{cell.replace('.', '..')}",
                f"-{cell.replace('.', '·')}",
                f"-{cell.replace('0', 'O').replace('1', 'l')}x",
                f"-{cell.replace('.', '')}",
                f"ca. -{cell}",
                f"-{cell} bis -1.0",
                f"-{cell} (artefact)",
                f"-{cell}(伪影)",
                f"T=-{cell}",
                "2024-08-02",
                "see report",
                "骨质疏松",
                "!!",
                f"-{cell}%",
                f"Z -{cell}",
                f"–{cell}–",
            ]
        )


WORDS = [
    "not measured", "Not evaluable", "N/A", "n/a", "NA", "-", "—", "", " ", ".", "/", "n.a.", "not done",
    "metal", "hip prosthesis", "refused", "artifact", "bedridden",
    "未测", "无法测量", "未查", "不能配合", "内固定", "假体", "金属伪影", "拒测", "缺失", "无", "卧床未测",
    "nicht gemessen", "nicht auswertbar", "nicht beurteilbar", "Endoprothese", "non mesuré", "non évaluable",
    "no medido", "no evaluable", "no valorable",
    "nicht durchgeführt", "k.A.", "entfällt", "non réalisé", "prothèse", "no realizado", "prótesis",
    "illisible",
]  # fmt: skip


@damage("cells", RIGHT, ASIDE, table="dxa")
def words_for_nothing(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Words in place of a density and a T-score that were not measured; an unknown word sets aside."""
    word = by.choice(WORDS)
    for row in dispensable(hospital, sheet, by):
        row[sheet.at("TScore")] = word
        row[sheet.at("BMD")] = by.choice([word, ""])
        hospital.not_measured.add((row[sheet.at("PatientID")], SITE_OF[row[sheet.at("Region")]]))


@damage("cells", ASIDE, table="dxa")
def unknown_words(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Words that say that a T-score isn't known, not that it wasn't measured."""
    for row, column in at_t(sheet, few(sheet, by)):
        row[column] = by.choice(["?", "unknown", "不详", "unk", "??"])


@damage("cells", RIGHT, table="dxa")
def sentinels(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Numbers that stand for 'no value'."""
    number = by.choice(["-99", "999", "-9.9", "-999.0", "9999", "99.9"])
    for row in dispensable(hospital, sheet, by):
        row[sheet.at("TScore")] = number
        row[sheet.at("BMD")] = by.choice([number, "", "0.000"])
        hospital.not_measured.add((row[sheet.at("PatientID")], SITE_OF[row[sheet.at("Region")]]))


@damage("cells", ASIDE, REFUSED, table="dxa")
def exchanged_results(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Density and T-score exchanged in a few rows."""
    for row, column in at_t(sheet, few(sheet, by)):
        if row[column] >= 0:
            continue  # two positive numbers leave no trace
        other = sheet.at("BMD")
        row[column], row[other] = as_text(sheet, row, other), as_text(sheet, row, column)


@damage("cells", ASIDE)
def exchanged_cells(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Two cells of other kinds exchanged in a few rows: id and date, date and site, sex and height."""
    kinds = [
        ("PatientID", "ExamDate"),
        ("ExamDate", "Region"),
        ("Region", "TScore"),
        ("PatientID", "Region"),
        ("Sex", "Height"),
        ("BirthDate", "Weight"),
        ("Height", "Weight"),
        ("PatientID", "Name"),
    ]
    one, other = by.choice([pair for pair in kinds if set(pair) <= set(sheet.headings)])
    for row in few(sheet, by):
        if len(row) == len(sheet.headings):
            a, b = sheet.at(one), sheet.at(other)
            row[a], row[b] = as_text(sheet, row, b), as_text(sheet, row, a)


@damage("cells", RIGHT)
def units_in_cells(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Units behind numbers."""
    units = {
        "Height": ["cm", " cm", "厘米", "公分"],
        "Weight": ["kg", " kg", "公斤", "千克"],
        "BMD": [" g/cm2", "g/cm²"],
        "TScore": [" SD", "SD"],
    }
    column = numeric(sheet, by)
    unit = by.choice(units[sheet.headings[column]])
    for row in few(sheet, by, 90):
        if len(row) > column and isinstance(row[column], float):
            row[column] = as_text(sheet, row, column) + unit


@damage("cells", RIGHT)
def decimal_commas(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Decimal commas."""
    for name in sheet.decimals:
        if name in sheet.headings:
            column = sheet.at(name)
            for row in sheet.rows:
                if len(row) > column and isinstance(row[column], float):
                    row[column] = as_text(sheet, row, column).replace(".", ",")


@damage("cells", RIGHT, ASIDE)
def odd_dates(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Dates that don't exist, in another order, with two digits of the year, or of a wrong century."""
    column = dated(sheet)
    for row in few(sheet, by):
        if len(row) > column and isinstance(row[column], datetime.date):
            day = row[column]
            row[column] = by.choice(
                [
                    "0000-00-00",
                    "2018-02-30",
                    "1900-01-00",
                    "1900-01-01",
                    day.strftime("%d.%m.%Y"),
                    day.strftime("%m/%d/%Y"),
                    day.strftime("%y-%m-%d"),
                    f"10{day:%y-%m-%d}",
                    f"19{day:%y-%m-%d}" if "ExamDate" in sheet.headings else f"20{day:%y-%m-%d}",
                    "yesterday",
                    "?",
                    "",
                    f"{day:%Y-%m}",
                    f"{day:%Y}",
                    f"{day:%Y-%m-%d} - {day:%Y-%m-%d}",
                    f"{day:%d %b %Y}",
                    f"{day:%b-%y}",
                ]
            )


@damage("cells", REFUSED, RIGHT, ASIDE)
def dates_of_a_column(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """All dates of a column written another way, told by the config or not."""
    told = by.choice(["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y-%m-%d %H:%M:%S", "%Y%m%d", "%Y年%m月%d日"])
    column = dated(sheet)
    for row in sheet.rows:
        if len(row) > column and isinstance(row[column], datetime.date):
            row[column] = row[column].strftime(told)
    if by.random() < 0.5:
        sheet.settings["date_format"] = told


@damage("cells", RIGHT, ASIDE, table="patients")
def body_otherwise(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Heights in m, exchanged with weights, words, sentinels, ranges and lost points; no height is used that
    isn't his.
    """
    height, weight = sheet.at("Height"), sheet.at("Weight")
    for row in few(sheet, by, 8):
        if (
            len(row) > max(height, weight)
            and isinstance(row[height], float)
            and isinstance(row[weight], float)
        ):
            if by.random() < 0.3:
                row[height], row[weight] = row[weight], row[height]
            else:
                row[height] = by.choice(
                    [
                        row[height] / 100,
                        row[height] / 10,
                        row[height] * 10,
                        "卧床未测",
                        "999",
                        "-1",
                        f"{row[height] / 100:.3f} m",
                        "160-165",
                        "unknown",
                        "",
                        "n/a",
                        "5'4\"",
                        f"{row[height]:.1f} (est.)",
                    ]
                )


@damage("cells", RIGHT, ASIDE, table="patients")
def sex_otherwise(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A sex that the coding doesn't know; the film's header tells it."""
    for row in few(sheet, by, 8):
        if len(row) > sheet.at("Sex"):
            row[sheet.at("Sex")] = by.choice(["U", "O", "9", "?", "", "不详", "3"])


@damage("cells", RIGHT, table="dxa")
def sites_otherwise(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Codes of sites with other dashes, spaces and capitals."""
    if sheet.encoding != "utf-8":
        return
    column = sheet.at("Region")
    for row in few(sheet, by, 180):
        if len(row) > column:
            cell = str(row[column])
            row[column] = by.choice(
                [
                    cell.replace("-", "\u2013"),
                    cell.replace("-", " - "),
                    cell.lower(),
                    cell.upper(),
                    cell.replace(" ", "\u00a0"),
                    cell + " ",
                    cell.replace(" ", "  "),
                ]
            )


@damage("cells", ASIDE, table="dxa")
def sites_in_doubt(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Codes of sites that nobody declared, none, or another row's."""
    column = sheet.at("Region")
    for row in few(sheet, by):
        if len(row) > column:
            row[column] = by.choice(["", "XX", "Region", "Hip?", "L", "n/a", "总", "12"])


@damage("cells", RIGHT, ASIDE, REFUSED, table="dxa")
def exchanged_sites(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A row under the code of another row of the same exam, whose own row it then contradicts."""
    column = sheet.at("Region")
    for row in few(sheet, by):
        if len(row) == len(sheet.headings):
            row[column] = by.choice([code for code in CODE_OF.values() if code != row[column]])


@damage("cells", RIGHT, ASIDE, table="patients")
def flags_otherwise(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Flags as words, as truth values, or that nobody can read."""
    for row in few(sheet, by, 20):
        if len(row) > sheet.at("Secondary"):
            row[sheet.at("Secondary")] = by.choice(["no", "否", "0.0", "FALSE", "", "perhaps", "?"])


# ------------------------------------------------------------------------------------------------ redundancy


@damage("redundancy", RIGHT)
def rows_twice(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Rows, or the whole table, twice."""
    again = [list(row) for row in (sheet.rows if by.random() < 0.3 else few(sheet, by, 20))]
    if by.random() < 0.5:
        sheet.rows += again
    else:
        for row in again:
            sheet.rows.insert(by.randrange(len(sheet.rows)), row)


@damage("redundancy", RIGHT)
def rows_twice_with_blanks(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Rows a second time, with some measurements left empty."""
    blanks = [name for name in ("Height", "Weight", "Secondary", "BMD", "Sex") if name in sheet.headings]
    for row in few(sheet, by, 20):
        if len(row) == len(sheet.headings):
            again = list(row)
            again[sheet.at(by.choice(blanks))] = by.choice(["", None])
            sheet.rows.insert(by.randrange(len(sheet.rows)), again)


@damage("redundancy", ASIDE, REFUSED)
def contradicting_copies(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Rows a second time, with another result."""
    for row in few(sheet, by):
        if len(row) == len(sheet.headings):
            again, column = list(row), numeric(sheet, by)
            if isinstance(again[column], float):
                again[column] = round(again[column] * 0.8 + 0.1, 3)
                sheet.rows.insert(by.randrange(len(sheet.rows)), again)


@damage("redundancy", ASIDE, REFUSED)
def rows_without_id(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Rows whose id is empty, a word, or damaged."""
    for row in few(sheet, by):
        if len(row) > sheet.at("PatientID"):
            row[sheet.at("PatientID")] = by.choice(
                ["", " ", None, "NA", "unknown", "?", "6.92E+05", "0\ufffd43", "-"]
            )


@damage("redundancy", ASIDE, REFUSED)
def ids_in_another_form(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Ids of a few rows without their zeros, as numbers with decimals, with hyphens or spaces."""
    for row in few(sheet, by):
        column = sheet.at("PatientID")
        if len(row) > column and (cell := str(row[column])):
            row[column] = by.choice(
                [
                    cell.lstrip("0"),
                    cell + ".0",
                    cell.lstrip("0") + ".0",
                    f"{cell[:4]}-{cell[4:]}",
                    f"{cell[:4]} {cell[4:]}",
                    "0" + cell,
                    f"{cell}/",
                    cell + ".",
                ]
            )


@damage("redundancy", RIGHT)
def guarded_ids(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """Ids guarded as text for Excel."""
    before, behind = by.choice([('="', '"'), ("'", "")])
    if sheet.kind == "xlsx":
        before, behind = "'", ""
    column = sheet.at("PatientID")
    for row in few(sheet, by, 180):
        if len(row) > column and re.fullmatch(r"[0-9]{8}", str(row[column])):
            row[column] = before + str(row[column]) + behind


@damage("redundancy", ASIDE, REFUSED, table="patients")
def two_persons_under_one_id(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A row of the patient table under another patient's id."""
    column = sheet.at("PatientID")
    one, other = by.sample(sheet.rows, 2)
    if min(len(one), len(other)) == len(sheet.headings):
        one[column] = other[column]


@damage("redundancy", RIGHT)
def one_person_under_two_ids(hospital: Hospital, sheet: Sheet, by: random.Random) -> None:
    """A patient registered again under a new id, of whom there is no film."""
    for row in few(sheet, by):
        if len(row) == len(sheet.headings):
            again = list(row)
            again[sheet.at("PatientID")] = "99123456"
            sheet.rows.append(again)


# ------------------------------------------------------------------------------------------------ trying


@dataclass
class Tried:
    """One damaged hospital and what came of it.

    ``fault``: how it breaks the principle, empty where it doesn't. ``written``: whether the damages could be
    written together.
    """

    hospital: Hospital
    damages: list[Damage]
    outcome: Outcome = field(default_factory=Outcome)
    fault: str = ""
    trace: str = ""
    written: bool = True

    @property
    def came(self) -> str:
        if self.fault:
            return "FAULT"
        if not self.written:
            return "not written"
        return (
            REFUSED
            if self.outcome.refused
            else RIGHT
            if len(self.outcome.cohort) == len(self.hospital.people)
            else ASIDE
        )


def damaged(seed: int, number: int) -> Tried:
    """The good hospital with one to three damages, the same ones for the same ``seed`` and ``number``."""
    by = random.Random(f"{seed}:{number}")
    hospital = good_hospital()
    for sheet in (hospital.patients, hospital.dxa):
        sheet.kind = by.choice(["csv", "csv", "xlsx"])
    how_many = by.choice([1, 1, 2, 3])
    done: list[Damage] = []
    for _ in range(200):
        if len(done) == how_many:
            break
        chosen = by.choice(DAMAGES)
        which = chosen.table or by.choice(["patients", "dxa", "dxa"])
        sheet = getattr(hospital, which)
        if chosen in done or (chosen.form and sheet.kind != chosen.form):
            continue
        try:
            chosen.apply(hospital, sheet, by)
        except (ValueError, IndexError):  # an earlier damage took what this one needs
            continue
        done.append(chosen)
    return Tried(hospital, done)


def tried(one: Tried, folder: Path) -> Tried:
    """Take a damaged hospital in and judge what came of it."""
    try:
        one.outcome = taken_in(one.hospital, folder)
        one.fault = fault_of(one.hospital, one.outcome)
    except UnicodeEncodeError:
        one.written = False  # an encoding that lacks another damage's characters
    except Exception as error:
        one.fault, one.trace = f"{type(error).__name__} in place of a sentence", traceback.format_exc()
    allowed = allowed_of(one.damages)
    if one.written and not one.fault and one.came not in allowed:
        one.fault = f"came out '{one.came}', may only be {' or '.join(sorted(allowed))}"
    return one


def allowed_of(damages: list[Damage]) -> set[str]:
    """What may come of damages. Several that aren't harmless may together pass a limit from which on a table
    is refused.
    """
    allowed = set().union(*(d.allowed for d in damages))
    if ASIDE in allowed:
        allowed.add(RIGHT)  # the damaged row need not decide
    return {RIGHT, ASIDE, REFUSED} if len(damages) > 1 and allowed != {RIGHT} else allowed


def told(one: Tried) -> str:
    """What came of a try, in lines."""
    lines = [f"{one.came}: {', '.join(d.name for d in one.damages)}", *one.outcome.refused, *one.outcome.said]
    return "\n  ".join([*lines, f"left out: {one.outcome.excluded}"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--share", type=float, default=1, help="part of the seconds that these tries get")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="tables:NUMBER of one try")
    options = parser.parse_args()
    which, _, one_number = (options.only or "tables:").partition(":")
    if which != "tables":
        return 0  # a film of fuzz_intake
    counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    kept = Path(tempfile.mkdtemp(prefix="fuzz-tables-"))
    start, number, failures = time.monotonic(), int(one_number or 0), 0
    while time.monotonic() - start < options.seconds * options.share:
        folder = kept / str(number)
        folder.mkdir()
        one = tried(damaged(options.seed, number), folder)
        for kind in {d.kind for d in one.damages}:
            counts[kind][one.came] += 1
        if one.fault:
            failures += 1
            names = ", ".join(d.name for d in one.damages)
            print(f"FAILED {one.fault}: --seed {options.seed} --only tables:{number}  {names}  {folder}")
            print(one.trace, end="", flush=True)
        else:
            shutil.rmtree(folder)
        number += 1
        if one_number:
            print(told(one))
            break
    for kind, outcomes in sorted(counts.items()):
        print(f"{kind} ({sum(outcomes.values())}): {dict(outcomes.most_common())}")
    print(f"{number} damaged hospitals, {failures} failures")
    if not failures:
        kept.rmdir()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
