"""What was read of a hospital's table, every row accounted for.

A cell that can't be read never becomes another value: where it decides a label its row says 'undecided',
where it is optional the value is missing, and both are counted. A column that is wrong as a whole ends the
run, since no row of it can be trusted; all such columns of a table are named together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import pandas as pd

from scripts.common.errors import StudyError, StudyErrors, sentences_of
from scripts.intake.table_columns import ROW, form_notes, read_cells

FEWEST_FOR_A_COLUMN = 20
"""Fewest values from which a whole column is judged."""
FEW_ROWS = 5
MOST_ROWS_IN_DOUBT = 0.02
"""Rows without an id or with a site code that nobody declared: from both this number and this share of a DXA
table on, it can't be used.
"""


@dataclass
class Reading:
    """A table in the study's terms, source ids and true dates still in it: never written to ``results/``.

    ``rows``: the rows that can be used, with ``ROW``; of a DXA table also those that say 'undecided'
    (``unreadable`` is 1).
    ``issues``: ``ROW, reason``, one per row set aside (its first reason), and, for reasons in ``NOTES``, per
    cell that was left empty or read with care though its row is used. ``cells``: every row that was read, in
    the study's terms, with unreadable cells empty (for counting). ``set_aside``: source ids, sorted, that
    stand in the table with rows set aside alone; rows of sites that aren't studied count neither way.
    ``other_site``: source ids, sorted, of whom there are only rows of such sites. ``form``: sentences on the
    file's form. ``predictors``: of a patient table, names and types.
    """

    rows: pd.DataFrame
    issues: pd.DataFrame
    cells: pd.DataFrame
    set_aside: list[str]
    other_site: list[str]
    form: tuple[str, ...] = ()
    predictors: dict[str, str] = field(default_factory=dict)

    @property
    def n_set_aside(self) -> int:
        """Rows set aside, each with a reason."""
        return int((~self.issues["reason"].map(is_note).astype(bool)).sum())

    @property
    def n_left_out(self) -> int:
        """Rows that need not be used: identical to another, of a site that isn't studied, or empty but for an
        id.
        """
        return int(self.issues["reason"].isin(LEFT_OUT).sum())


LEFT_OUT = ("identical_row", "other_site", "nothing_measured")
"""Reasons of rows that need not be used."""
NOTES = (
    *LEFT_OUT,
    "unreadable_flag", "unknown_sex_code", "unreadable_age", "implausible_age", "unknown_view",
    "unreadable_time", "unreadable_birth_date", "placeholder_birth_date",
    "born_after_exam", "unreadable_measured_on", "unreadable_height", "implausible_height",
    "unreadable_weight", "implausible_weight",
    "exchanged_height_and_weight", "unreadable_bmd", "implausible_bmd", "no_value_code",
    "remark_behind_number", "doubtful_bmi", "doubtful_t_score",
    "date_stored_as_number", "date_moved_by_time_zone", "day_and_month_exchanged", "person_under_two_ids",
    "id_in_another_form",
)  # fmt: skip
"""Reasons that leave no row of use out: a value left empty or read with care, or one to be looked at.

Of a sex or a birth date that the patient table lacks, the film's header tells (sex, age at the film).
"""
_OF_A_PREDICTOR = ("unreadable_predictor_", "implausible_predictor_")
"""Beginnings of reasons of cells that were left empty; the predictor's name follows."""


def is_note(reason: str) -> bool:
    """Whether a reason leaves no row of use out."""
    return reason in NOTES or reason.startswith(_OF_A_PREDICTOR)


class Issues:
    """The reasons of a table's rows, and the sentences on columns that are wrong as a whole."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.first = pd.Series("", index=frame.index, dtype="object")
        self.notes: list[tuple[int, str]] = []
        self.faults: list[str] = []
        self._rows = frame[ROW]

    def aside(self, which: pd.Series, reason: str) -> None:
        self.first[which & (self.first == "")] = reason

    def note(self, which: pd.Series, reason: str) -> None:
        self.notes.extend((int(row), reason) for row in self._rows[which & (self.first == "")])

    @contextlib.contextmanager
    def column(self) -> Iterator[None]:
        """Keep a column's fault until all columns were looked at."""
        try:
            yield
        except StudyError as error:
            self.faults += sentences_of(error)

    def refuse(self) -> None:
        """Raise ``StudyErrors`` where columns are wrong as a whole."""
        if self.faults:
            raise StudyErrors(list(dict.fromkeys(self.faults)))

    def table(self) -> pd.DataFrame:
        bad = self.first != ""
        listed = [*zip(self._rows[bad].astype(int), self.first[bad]), *self.notes]
        return pd.DataFrame(sorted(listed), columns=[ROW, "reason"])


def mostly(which: pd.Series, among: pd.Series) -> bool:
    """Whether more than half of ``among`` (at least one) are ``which``."""
    return bool(among.any()) and int((which & among).sum()) * 2 > int(among.sum())


def too_many(which: pd.Series, among: pd.Series) -> bool:
    """Whether so many of ``among`` are ``which`` that the table can't be used."""
    return int(which.sum()) >= FEW_ROWS and which.sum() > MOST_ROWS_IN_DOUBT * among.sum()


def started(table: dict, where: str) -> tuple[pd.DataFrame, Issues, pd.DataFrame]:
    """The table's cells, its issues (rows of another length among them), and the frame that is filled.

    Raises ``StudyError`` where most rows have more cells than the heading.
    """
    frame = read_cells(table, where)
    if frame["_too_long"].mean() > 0.5 and frame["_too_long"].sum() >= FEW_ROWS:
        raise StudyError(
            f"{where}.path: most rows have more cells than the heading; are there decimal commas in a file"
            " with commas between its cells? Save it with semicolons, or with decimal points."
        )
    issues = Issues(frame)
    issues.aside(frame["_too_long"], "too_many_cells")
    issues.aside(frame["_too_short"], "too_few_cells")
    return frame, issues, pd.DataFrame({ROW: frame[ROW]})


def finished(
    out: pd.DataFrame,
    issues: Issues,
    frame: pd.DataFrame,
    where: str,
    studied: pd.Series | bool = True,
    left_out: pd.Series | bool = False,
) -> Reading:
    """Rows of use without identical copies, the issues, and whom no row of use is left of among those
    ``studied``.
    """
    usable = (issues.first == "") & ~pd.Series(left_out, index=out.index)
    in_use = {*out.loc[usable & studied, "source_id"], ""}
    set_aside = set(out.loc[(issues.first != "") & studied, "source_id"]) - in_use
    other_site = set(out["source_id"]) - in_use - set_aside
    used = out[usable]
    content = [name for name in out.columns if name != ROW]
    again = used.duplicated(content, keep="first")
    issues.note(again.reindex(out.index, fill_value=False), "identical_row")
    return Reading(
        used[~again],
        issues.table(),
        out,
        sorted(set_aside),
        sorted(other_site),
        tuple(form_notes(frame, where)),
    )
