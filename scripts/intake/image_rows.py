"""The image table of PNG films in the study's terms."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from scripts.common.plain_text import plain
from scripts.intake.cells import codes, is_missing
from scripts.intake.column_values import AGE, ages, coded, dated, patient_ids
from scripts.intake.frontal_view import UNKNOWN, view_of
from scripts.intake.readings import Reading, finished, started
from scripts.intake.table_columns import column


def read_images(table: dict, ids: dict, patterns: dict[str, list[str]], where: str) -> Reading:
    """An image table: ``file, source_id, film_date, film_time, view, sex, age, manufacturer, burned_in``.

    ``table`` is the config's ``images`` section, ``patterns`` its ``intake.frontal_view``. ``file`` is
    written as
    ``file_key`` does; ``view`` is PA, AP, lateral or unknown; ``burned_in`` YES, NO, unknown where the cell
    is empty, or unreadable where it holds no code of ``flag_coding``: such a film is not taken for one
    without text.
    """
    frame, issues, out = started(table, where)
    names, at, words = table["columns"], f"{where}.columns", table.get("missing") or ()
    for name, empty in (
        ("file", ""),
        ("source_id", ""),
        ("film_date", None),
        ("film_time", ""),
        ("view", UNKNOWN),
    ):
        out[name] = empty
    for name, empty in (("sex", ""), ("age", np.nan), ("manufacturer", ""), ("burned_in", UNKNOWN)):
        out[name] = empty

    def optional(name: str) -> pd.Series:
        given = names.get(name)
        return (
            column(frame, given, f"{at}.{name}")
            if given
            else pd.Series("", index=frame.index, dtype="object")
        )

    with issues.column():
        cells = column(frame, names["file"], f"{at}.file")
        out["file"] = cells.where(~is_missing(cells), "").map(file_key).astype("object")
        issues.aside(out["file"] == "", "no_file_name")
    with issues.column():
        out["source_id"] = patient_ids(frame, names["patient_id"], ids, issues, f"{at}.patient_id")
    with issues.column():
        cells = column(frame, names["film_date"], f"{at}.film_date")
        out["film_date"], unreadable = dated(
            cells, table, issues, f"{at}.film_date", frame.attrs["file"].serial_base
        )
        issues.aside(unreadable, "unreadable_film_date")
        issues.aside(out["film_date"].isna(), "no_film_date")
    with issues.column():
        cells = optional("film_time")
        out["film_time"] = cells.map(_time_of_day).astype("object")
        issues.note((out["film_time"] == "") & ~is_missing(cells), "unreadable_time")
    with issues.column():
        cells = column(frame, names["view"], f"{at}.view")
        out["view"] = views(cells, table["view_coding"], patterns)
        issues.note(out["view"].eq(UNKNOWN) & ~is_missing(cells), "unknown_view")
    with issues.column():
        out["sex"], unknown = coded(
            optional("sex"), table["sex_coding"], f"{at}.sex", f"{where}.sex_coding", words
        )
        issues.note(unknown, "unknown_sex_code")
    with issues.column():
        read = ages(optional("age"), words)
        out["age"] = np.floor(read.values.where(read.values.between(*AGE)))
        issues.note(out["age"].isna() & ~read.absent, "unreadable_age")
    with issues.column():
        out["manufacturer"] = optional("manufacturer")
    with issues.column():
        cells = optional("burned_in")
        told, unreadable = coded(
            cells, table["flag_coding"], f"{at}.burned_in", f"{where}.flag_coding", words
        )
        out["burned_in"] = (
            told.map({"yes": "YES", "no": "NO"})
            .fillna(UNKNOWN)
            .astype("object")
            .mask(unreadable, "unreadable")
        )
        issues.aside(unreadable, "unreadable_burned_in")
    issues.refuse()
    return finished(out, issues, frame, where)


def views(cells: pd.Series, coding: dict[str, list[str]], patterns: dict[str, list[str]]) -> pd.Series:
    """PA, AP, lateral or unknown of every cell: by the config's ``view_coding``, else as a film's header is
    read.
    """
    meanings, _ = codes(cells, coding)
    found = [known or view_of(cell, [], cell, patterns) for known, cell in zip(meanings, cells)]
    return pd.Series(found, index=cells.index, dtype="object")


def file_key(path: str) -> str:
    """A path from a folder as films and image tables are joined by it: NFKC, slashes, no ``./`` in front."""
    return plain(path).replace("\\", "/").removeprefix("./")


def _time_of_day(cell: str) -> str:
    """HHMM or HHMMSS(.f) of ``10:15``, ``101500`` or the end of a date with time; empty where there is
    none.
    """
    match = re.search(r"(?:^|[T ])(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,6})?))?$", cell) or re.fullmatch(
        r"(\d{2})(\d{2})(\d{2}(?:\.\d{1,6})?)?", cell
    )
    return match[1].zfill(2) + match[2] + (match[3] or "") if match else ""
