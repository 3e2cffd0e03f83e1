"""A reader's verdicts on films, as the reader saved the table: checked before any job, since a slip must not
cost what was made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.common.contracts.intake import REVIEW
from scripts.common.errors import StudyError
from scripts.common.vocabulary import PASS, REJECT
from scripts.intake.table_files import plain_heading, read_rows


class ReaderRow(NamedTuple):
    """A row of the reader's table: its number there (the heading is row 1), the film, and pass, reject, or
    empty for undecided.
    """

    number: int
    image_id: str
    verdict: str


def _encoding_of(path: Path) -> str:
    """An encoding in which the table's ids and words, plain ASCII, come out right, whatever stands in its
    other columns.
    """
    try:
        content = path.read_bytes()
    except OSError:  # read_rows says so
        return "utf-8-sig"
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            content.decode(encoding)
            return encoding
        except UnicodeDecodeError:
            continue
    return "latin-1"


def read_review(path: str | Path, where: str) -> list[ReaderRow]:
    """The rows of a reader's table (CSV with any separator, TSV or .xlsx).

    ``where`` is ``centers[<name>].review``.

    Raises ``StudyError`` for absent columns, ids or verdicts that can't be any, and films with both verdicts.
    """
    path = Path(path)
    try:
        rows = read_rows(path, where, encoding=_encoding_of(path))
    except StudyError as error:
        raise StudyError(str(error).replace(f"{where}.path", where)) from None
    filled = [(number, row) for number, row in enumerate(rows, start=1) if any(cell.strip() for cell in row)]
    headings = [plain_heading(text).casefold().replace(" ", "_") for text in (filled[0][1] if filled else ())]
    if [headings.count(name) for name in REVIEW] != [1, 1]:
        raise StudyError(f"{where}: the table needs the columns 'image_id' and 'verdict', each once.")
    places = [headings.index(name) for name in REVIEW]
    found: list[ReaderRow] = []
    decided: dict[str, str] = {}
    for number, row in filled[1:]:
        image_id, verdict = (row[place].strip() if place < len(row) else "" for place in places)
        image_id, verdict = image_id.upper(), verdict.lower()
        if not image_id and not verdict:
            continue
        if verdict not in (PASS, REJECT, ""):
            raise StudyError(
                f"{where}: row {number}: the verdict must be 'pass' or 'reject', or empty for undecided."
            )
        if not re.fullmatch(r"I[0-9A-F]{16}", image_id):
            raise StudyError(
                f"{where}: row {number}: this is no image id (I and 16 digits or letters A to F); take ids"
                " from the 'review_template.csv' or 'exposure.csv' of this centre."
            )
        if verdict and decided.setdefault(image_id, verdict) != verdict:
            raise StudyError(f"{where}: row {number}: this film has both verdicts; keep one of the rows.")
        found.append(ReaderRow(number, image_id, verdict))
    return found


def verdicts_of(rows: Sequence[ReaderRow], center: str, known: set[str]) -> dict[str, str]:
    """The decided verdicts by image id, sorted. ``known`` holds the image ids of all files of the centre.

    Raises ``StudyError`` for an id that no file of the centre has: a verdict is never passed over.
    """
    unknown = [row.number for row in rows if row.image_id not in known]
    if unknown:
        more = f" (and {len(unknown) - 1} further rows)" if len(unknown) > 1 else ""
        raise StudyError(
            f"centers[{center}].review: row {unknown[0]}{more}: no film of this centre has this image id."
            f" Take ids from results/intake/{center}/exposure.csv, and leave out rows of films that are gone."
        )
    return {row.image_id: row.verdict for row in sorted(rows, key=lambda row: row.image_id) if row.verdict}
