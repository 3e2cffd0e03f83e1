"""What a centre's own data will give, from the headers of its films and its tables, before anything is
computed.

This stage composes on purpose: it reads as the intake does and selects as the cohort stage does, so that what
it foretells is what a run finds. It writes nothing.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from scripts.check.plausibility import falling_with_age, odd_slopes
from scripts.check.predictor_values import described_predictors
from scripts.cohort.selection import Counted, Selection, select_cohort
from scripts.cohort.split import empty_lock, split_patients
from scripts.common.config import Center
from scripts.common.contracts.intake import BIRTH_DATES, FILMS, FILMS_WITH_AGES, HEADER_AGES
from scripts.common.errors import StudyError, sentences_of
from scripts.common.key import StudyKey
from scripts.common.log import Log
from scripts.common.manifest import check_contents, read_manifest
from scripts.common.plain_text import code_key
from scripts.common.predictors import Predictor
from scripts.common.tables import empty_table, read_table
from scripts.common.vocabulary import ACCEPTED, DEVELOPMENT, EXCLUSIONS, PASS, QUARANTINED
from scripts.intake.cells import codes, is_missing
from scripts.intake.codestream import NATIVE
from scripts.intake.dicom_reading import (
    DAYS_APART,
    Film,
    Unusable,
    film_of,
    read_source,
    refusal,
    silence_readers,
    text,
    text_of_id,
    transfer_syntax,
)
from scripts.intake.dxa_rows import OTHER_SITES, read_dxa, site_codes
from scripts.intake.frontal_view import UNKNOWN
from scripts.intake.handover import read_handed_films, read_handed_tables
from scripts.intake.identity import Pseudonyms, normalise_id
from scripts.intake.image_rows import read_images, views
from scripts.intake.image_table import ImageTable, rows_without_file
from scripts.intake.listing import FoundFile, path_of_text, scan_folder
from scripts.intake.patient_rows import USUAL_BMI, read_patients
from scripts.intake.png_reading import examined_png, read_png_header, read_png_values
from scripts.intake.pseudonymization import Pseudonymous, pseudonymize
from scripts.intake.readings import FEWEST_FOR_A_COLUMN, Reading
from scripts.intake.review_table import read_review, verdicts_of
from scripts.intake.table_checks import account, checked, reasons, refuse_unjoined, t_score_lines
from scripts.intake.table_columns import column, read_cells

MOST_CODES = 12
"""Unknown codes shown per column."""
FEWEST_WITH_A_CODE = 3
"""Patients who must have a code of more than two characters before it is shown."""
FEW_PATIENTS, MOST_IN_CONFLICT = 5, 0.02
"""Patients with contradicting rows, and their share, from which on a table must be fixed."""
MOST_LACKING = 0.1
"""Share of exams up to which the lack of a site is unusual."""
LONGEST_GAP = 400
"""Days between two parts of what may be one examination, a date typed a year off among them."""
MOST_OTHER_BIRTH = 0.2
"""Share of patients whose birth date may differ between table and film headers before a wrong join is
suspected.
"""
FEWEST_OF_ONE_BIRTH, MOST_OF_ONE_BIRTH = 4, 0.02
"""Patients with one and the same birth date, and their share, from which on it is a hint."""
MOST_HEAVY = 0.02
"""Share of rows that may have a body mass index above the usual ones before another unit is suspected."""
MOST_FLAGGED = 0.5
"""Share of rows that may bear an exclusion flag before a wrong coding is suspected."""
SAMPLED_FILMS = 20
"""PNG films whose values are looked at, to see how many bits they use."""
MOST_OTHER_SITES = 0.2
"""Share of a DXA table's rows without a known site that is a hint where a site of the label has no row."""

MOST_OTHER_SEX = 0.2
"""Share of patients whose sex may differ between table and film headers before a wrong coding is
suspected.
"""


@dataclass
class Expectation:
    """What was found for one centre.

    ``faults`` are sentences on what must be mended before a run; ``selection`` is None where tables or films
    can't be read. ``predictors``: a line on each; ``medians``: of those that are
    numbers. ``n_makers_lost`` counts usable films whose manufacturer is not kept. ``people``: (id, date
    of birth) of the patient table's rows with a film, to find a patient whom two centres have.
    """

    center: str
    role: str
    handed_over: bool = False
    n_files: int = 0
    refused: Counter = field(default_factory=Counter)
    n_makers_lost: int = 0
    views: Counter = field(default_factory=Counter)
    film_ids: set[str] = field(default_factory=set)
    patient_ids: set[str] = field(default_factory=set)
    dxa_ids: set[str] = field(default_factory=set)
    people: set[tuple[str, str]] = field(default_factory=set)
    tables_read: set[str] = field(default_factory=set)
    hints: list[str] = field(default_factory=list)
    missing: list[tuple[str, str, int, int]] = field(default_factory=list)
    issues: list[tuple[str, str, int]] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    unknown_codes: list[tuple[str, list[str]]] = field(default_factory=list)
    predictors: list[str] = field(default_factory=list)
    medians: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    selection: Selection | None = None
    screened: Selection | None = None


def _header(
    path: Path, size: int, names: Pseudonyms, patterns: dict
) -> tuple[str, Film | None, str, str | None, str]:
    """Reason, facts, SOP Instance UID, and patient id (None where unknown) and manufacturer as written, of a
    DICOM file, by its header.
    """
    film, written = None, None
    try:
        dataset = read_source(path, with_pixels=False)
        film = film_of(dataset, names, patterns)
        reason = refusal(dataset, film)
        uid = text(dataset, "SOPInstanceUID")
        if not reason and transfer_syntax(dataset) in NATIVE and not transfer_syntax(dataset).endswith(".99"):
            need = int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) // 8
            reason = "cut_short_or_no_pixels" if size < need else ""
        return reason, film, uid, text_of_id(dataset), text(dataset, "Manufacturer")
    except Unusable as error:
        return error.reason, film, "", written, ""
    except Exception:  # the intake names the reason; here one odd header must not end the look
        return "unreadable_header", None, "", None, ""


def _film_rows(
    center: Center,
    files: list[FoundFile],
    images: ImageTable | None,
    names: Pseudonyms,
    patterns: dict,
    log: Log,
) -> tuple[pd.DataFrame, list[str], int, set[str]]:
    """FILMS rows from headers alone, with ``source_id`` and the header's ``birth_date``; the ids as they are
    written; of how many usable films no manufacturer is kept though one is given; and all image ids that the
    run may give the files.

    A PNG's header is its row of ``images``, whose ids are normalised already.
    """
    silence_readers()
    tomorrow = datetime.date.today() + datetime.timedelta(days=1)  # of other time zones
    rows, written, seen, makers_lost, image_ids = [], [], set(), 0, set()
    for found in log.progress(files, len(files), "headers"):
        path, uid = Path(center.films) / path_of_text(found.path), ""
        if images is None:
            reason, film, uid, id_written, maker = _header(path, found.size, names, patterns)
        else:
            reason, film, facts = examined_png(path, found.path, images, names, patterns, with_pixels=False)
            maker = "" if facts is None else text(facts, "Manufacturer")
            id_written = film.patient_id if film else None
        if id_written is not None:
            written.append(id_written)
        if not reason and uid and uid in seen:
            reason = "duplicate"
        seen.add(uid)
        image_ids |= {names.image_of_path(found.path), *([names.image_of_uid(uid)] if uid else [])}
        makers_lost += bool(not reason and maker and not film.manufacturer)
        known = film is not None and bool(film.patient_id)
        day = film.film_date if known else None
        inside = (
            center.enrolment is None or day is None or center.enrolment.first <= day <= center.enrolment.last
        )
        rows.append(
            {
                "image_id": names.image_of_path(found.path),
                "patient_id": names.patient(film.patient_id) if known else "",
                "status": QUARANTINED if reason else ACCEPTED,
                "reason": reason,
                "film_date": names.shifted(day, film.patient_id).isoformat() if day else "",
                "same_day_order": 1,
                "view": film.view if film else "",
                "sex": film.sex if film else "",
                "age": film.age if film else None,
                "manufacturer": film.manufacturer if film else "",
                "enrolled": int(inside),
                "burned_in": film.burned_in if film else "",
                "verdict": "" if reason else PASS,
                "verdict_reason": "",
                "png": "",
                "source_id": film.patient_id if known else "",
                "birth_date": film.birth_date.isoformat() if known and film.birth_date else "",
                "dates_differ": film is not None and film.dates_differ,
                "in_the_future": bool(film and film.film_date and film.film_date > tomorrow),
            }
        )
    further = ["source_id", "birth_date", "dates_differ", "in_the_future"]
    frame = pd.DataFrame(rows, columns=[*FILMS_WITH_AGES, *further])
    frame["age"], frame["enrolled"] = frame["age"].astype("Int64"), frame["enrolled"].astype("Int64")
    return frame, written, makers_lost, image_ids


def _hints(written: dict[str, list[str]], ids: dict) -> list[str]:
    """Settings of ``ids`` under which more patients of the films would be found in the tables."""

    def joined(settings: dict, table: str) -> int:
        films = {normalise_id(i, settings) for i in written["films"]} - {""}
        return len(films & {normalise_id(i, settings) for i in written[table]})

    changes = {
        "leading_zeros: drop": {"leading_zeros": "drop"},
        "upper: true": {"upper": True},
        "strip: true": {"strip": True},
        "separators: drop": {"separators": "drop"},
        "separators: drop, leading_zeros: drop": {"separators": "drop", "leading_zeros": "drop"},
        "leading_zeros: drop, upper: true": {"leading_zeros": "drop", "upper": True},
    }
    found = []
    for table in ("patients", "dxa"):
        now = joined(ids, table)
        best = max(changes, key=lambda change: joined({**ids, **changes[change]}, table))
        more = joined({**ids, **changes[best]}, table) - now
        if more > 0:
            found.append(f"{more} more patients of the films would be found in {table} with  ids: {{{best}}}")
    return found


def _made_one(written: dict[str, list[str]], ids: dict, where: str) -> list[str]:
    """Hints on ids of one table that are written in several ways and become one by ``ids``."""
    hints = []
    for kind in ("patients", "dxa"):
        forms: dict[str, set[str]] = {}
        for raw in written.get(kind, ()):
            forms.setdefault(normalise_id(raw, ids), set()).add(
                normalise_id(raw, {**AS_WRITTEN, "strip": True})
            )
        several = sum(len(ways) > 1 for ways in forms.values())
        if several:
            hints.append(
                f"{where}: {several} ids of the {'patient' if kind == 'patients' else 'DXA'} table are"
                " written in several ways that 'ids' makes one; if these are different people, change the"
                " rule"
            )
    return hints


AS_WRITTEN = {"strip": False, "leading_zeros": "keep", "upper": False, "separators": "keep"}


def _bits_used(
    center: Center, films: pd.DataFrame, files: list[FoundFile], names: Pseudonyms
) -> tuple[list[str], list[str]]:
    """Hints and faults where the values of 16-bit PNG films don't use the bits that ``images.bits`` says.

    With fewer their exposure would be misjudged; a film with more would be set aside.
    """
    usable = set(films.loc[films["status"] == ACCEPTED, "image_id"])
    paths = [
        Path(center.films) / path_of_text(f.path) for f in files if names.image_of_path(f.path) in usable
    ]
    highest = n = beyond = 0
    for path in paths[:: max(1, len(paths) // SAMPLED_FILMS)]:
        try:
            header = read_png_header(path)
            if header.depth == 16:
                value = int(read_png_values(path, header).max())
                highest, n, beyond = max(highest, value), n + 1, beyond + bool(value >> center.images.bits)
        except Unusable:
            continue
    bits = max(8, highest.bit_length())
    if beyond:
        said = (
            f"centers[{center.name}].images.bits: {beyond} of {n} 16-bit films that were looked at have"
            f" values beyond {center.images.bits} bits and would be set aside; their values use {bits} bits."
        )
        return ([], [said]) if beyond * 2 > n else ([said], [])
    if not n or bits == center.images.bits:
        return [], []
    return [
        f"the values of {n} 16-bit films that were looked at use {bits} bits; if that is their range, set "
        f" images: {{bits: {bits}}}"
    ], []


def _unknown(kind: str, table: dict, where: str, patterns: dict) -> list[tuple[str, list[str]]]:
    """Codes in the table that the config doesn't know: (key of the config, codes).

    ``patterns`` is ``intake.frontal_view``.
    """
    frame = read_cells(table, where)
    names = table["columns"]
    ids = column(frame, names["patient_id"], f"{where}.columns.patient_id")
    found = []
    for key, name, coding in _coded(kind, table):
        try:
            cells = (
                site_codes(frame, names, f"{where}.columns")
                if key == "columns.site"
                else column(frame, name, f"{where}.{key}")
            )
        except StudyError:
            continue  # the reading says so
        unknown = codes(cells, coding, table.get("missing") or ())[1]
        if key == "columns.site":
            keys = cells.map(lambda cell: code_key(cell).casefold())
            unknown &= ~keys.isin(OTHER_SITES) & ~keys.str.rpartition("/")[2].isin(OTHER_SITES)
        if key == "columns.view":
            unknown &= views(cells, coding, patterns) == UNKNOWN
        if not unknown.any():
            continue
        several = ids[unknown].groupby(cells[unknown]).nunique().sort_values(ascending=False)
        # A code is one or two plain characters, or several patients have it. Anything else may be a name or
        # an id: it is not shown.
        shown = [
            code
            for code, n in several.items()
            if (len(code) <= 2 and code.isascii()) or n >= FEWEST_WITH_A_CODE
        ][:MOST_CODES]
        left = len(several) - len(shown)
        told = (
            [
                f"{left} {'more ' if shown else ''}different one(s), not"
                f" shown{'' if shown else ': is this the right column?'}"
            ]
            if left
            else []
        )
        found.append((f"{where}.{key}", [code[:30] for code in shown] + told))
    return found


LABELS = {"height": "height_cm", "weight": "weight_kg", "file": "file"}
"""Columns of the config whose column in a reading is called otherwise."""


def _missing(name: str, reading: Reading, table: dict) -> list[tuple[str, str, int, int]]:
    """(table, column, empty or unreadable cells, rows) of every mapped column with some."""
    cells = reading.cells
    columns = {**table["columns"], **table.get("exclusions", {}), **table.get("predictors", {})}
    mapped = [key for key, column_name in columns.items() if column_name]
    found = []
    for key in mapped:
        label = LABELS.get(key, key)
        if label not in cells or label in ("patient_id", "site", "scan", "device"):
            continue
        absent = cells[label].isna() | cells[label].astype("object").map(lambda v: v == "")
        if label == "t_score":
            absent &= cells["t_below"].isna() & cells["t_above"].isna()
        if absent.any():
            found.append((name, label, int(absent.sum()), len(cells)))
    return found


ROWS_SHOWN = 5
"""Row numbers that a hint shows; all of them are in private/<centre>/table_rows.csv after the run."""

NOTES_TOLD = {
    "unreadable_t_score": "T-scores can't be read; their exams say no 'no osteoporosis'",
    "implausible_t_score": (
        "T-scores are below -9 or above 9 and count as unreadable; their exams say no 'no osteoporosis'"
    ),
    "unreadable_exam_date": "exam dates can't be read; no exam of these patients says 'no osteoporosis'",
    "no_exam_date": "results have no exam date; no exam of these patients says 'no osteoporosis'",
    "unknown_site_code": (
        "results have a site code that the config doesn't know; their exams say no 'no osteoporosis'"
    ),
    "ambiguous_total": (
        "results are called 'Total' in exams that have regions of the forearm and none of the hip, so that"
        " nobody can say of which region they are; give columns.scan. Their exams say no 'no osteoporosis'"
    ),
    "no_patient_id": "rows have no patient id",
    "shortened_id": "ids were shortened by Excel (1.2E+10); nobody can tell whose rows these are",
    "damaged_id": "ids hold characters that were lost when the file was saved in another encoding",
    "too_many_cells": "rows have more cells than the heading, so that none of them can be trusted",
    "too_few_cells": "rows have fewer cells than the heading, so that none of them can be trusted",
    "date_stored_as_number": (
        "dates are stored as day numbers without a date format; they were read as Excel counts them"
    ),
    "date_moved_by_time_zone": (
        "dates stand in the evening of the day before, as midnights of another time zone do; they were moved"
        " to the day meant"
    ),
    "day_and_month_exchanged": (
        "dates are stored with day and month exchanged (all stored dates have a day up to 12, all dates left"
        " as text one above): an Excel of another country opened the file; they were exchanged back. Better"
        " export the table again, with this column as text"
    ),
    "placeholder_birth_date": (
        "birth dates are days that stand for an unknown one (such as 1900-01-01); they count as missing"
    ),
    "born_after_exam": "birth dates lie after an exam of the patient; they count as missing",
    "exchanged_height_and_weight": (
        "rows seem to have height and weight exchanged; both count as missing there"
    ),
    "no_value_code": (
        "numbers stand for 'no value' (such as -9.9 or 999); they count as missing. Name further ones in"
        " 'missing'"
    ),
    "remark_behind_number": "numbers have a mark or a remark behind them, which is left out",
    "person_under_two_ids": (
        "rows are of persons who seem to stand under two ids (same birth date, sex, height and DXA results);"
        " leave one out, since a person must not be trained on and tested"
    ),
    "id_in_another_form": (
        "rows bear a patient's id in another form (without its leading zeros, with .0 or a hyphen); they "
        "give no value, and keep their patient from counting as without osteoporosis. Make the ids alike"
    ),
    "doubtful_t_score": "T-scores don't fit the bone density of their row; they are used",
}
"""What a note of the reading means to the user; the number of rows stands before it."""


def _told_of_notes(kind: str, reading: Reading, table: dict, where: str) -> list[str]:
    """Hints on what was read with care, and on mapped columns that are wholly empty."""
    rows = {reason: part["_row"].tolist() for reason, part in reading.issues.groupby("reason")}
    found = []
    for reason, said in NOTES_TOLD.items():
        if reason in rows:
            first = ", ".join(str(row) for row in rows[reason][:ROWS_SHOWN])
            found.append(
                f"{where}: {len(rows[reason])} {said} (rows"
                f" {first}{', ...' if len(rows[reason]) > ROWS_SHOWN else ''})"
            )
    for _, label, absent, rows in _missing(kind, reading, table):
        if absent == rows:
            found.append(
                f"{where}: the column of {label.removesuffix('_cm').removesuffix('_kg')} is wholly empty or"
                " unreadable"
            )
    return found


def _contradictions(found: Pseudonymous, where: str) -> list[str]:
    """A sentence for each table in which so many patients have contradicting rows that the table can hardly
    be meant so.
    """
    told = []
    causes = {
        "patients": (
            "rows of one patient and visit that differ; is 'columns.measured_on' missing, or does one id"
            " stand for several people?"
        ),
        "dxa": (
            "several results of one day under one site code that differ; does a code stand for two regions"
            " (Hologic's 'Total' of spine and hip: give columns.scan), or one id for several people?"
        ),
    }
    for kind, cause in causes.items():
        table = getattr(found, kind)
        n, marked = table["patient_id"].nunique(), table.loc[table["conflict"] == 1, "patient_id"].nunique()
        if marked >= FEW_PATIENTS and marked > MOST_IN_CONFLICT * n:
            told.append(f"{where}.{kind}: {marked} of {n} patients have {cause}")
    return told


def _shared_births(patients: Reading, where: str) -> list[str]:
    """A hint where many rows share one birth date: it may stand for an unknown one."""
    born = patients.rows.dropna(subset=["birth_date"]).drop_duplicates("source_id")["birth_date"]
    often = int(born.value_counts().max()) if len(born) else 0
    if often < FEWEST_OF_ONE_BIRTH or often < MOST_OF_ONE_BIRTH * len(born):
        return []
    return [
        f"{where}.columns.birth_date: {often} of {len(born)} patients have the same birth date; does it stand"
        " for an unknown one?"
    ]


def _sites_apart(dxa: Reading, window: int, where: str) -> list[str]:
    """A hint where patients have sites of one examination on days that don't count as one exam: ``window`` is
    ``cohort.exam_window_days``.
    """
    rows = dxa.rows[dxa.rows["exam_date"].notna() & dxa.rows["site"].ne("") & dxa.rows["unreadable"].eq(0)]
    gaps = []
    for _, own in rows.groupby("source_id"):
        days = own.groupby("exam_date")["site"].agg(set).sort_index()
        for (first, before), (second, after) in zip(days.items(), list(days.items())[1:]):
            if window < (second - first).days <= LONGEST_GAP and after - before and before - after:
                gaps.append((second - first).days)
                break
    if not gaps:
        return []
    return [
        f"{where}: {len(gaps)} patients have other sites {min(gaps)} to {max(gaps)} days after an exam's own;"
        " each day is an exam of its own unless cohort.exam_window_days spans them. Are they one"
        " examination, or is a date wrong?"
    ]


def _sites_lacking(dxa: Reading, where: str) -> list[str]:
    """Hints on exams without a site that nearly all exams have: its row may stand under another id or date,
    or be lost.
    """
    rows = dxa.rows[dxa.rows["exam_date"].notna() & dxa.rows["site"].ne("")]
    exams = rows.groupby(["source_id", "exam_date"])["site"].agg(set)
    hints = []
    for site in sorted(set(rows["site"])):
        lacking = int((~exams.map(lambda sites, site=site: site in sites)).sum())
        if 0 < lacking <= MOST_LACKING * len(exams) and len(exams) >= FEWEST_FOR_A_COLUMN:
            hints.append(
                f"{where}: {lacking} of {len(exams)} exams lack the site '{site}', which nearly all have;"
                " their labels come from the other sites. Do rows of them stand under another id or date?"
            )
    return hints


def _without_t_score(dxa: Reading, where: str) -> list[str]:
    """A hint where sites have a density and no T-score, so that they have no part in the label."""
    rows = dxa.rows[(dxa.rows["unreadable"] == 0) & dxa.rows["bmd"].notna()]
    n = int(rows[["t_score", "t_below", "t_above"]].isna().all(axis=1).sum())
    return (
        [
            f"{where}.columns.t_score: {n} results have a density and no T-score; their exams say no 'no"
            " osteoporosis'"
        ]
        if n
        else []
    )


def _ranges_alone(dxa: Reading, sites: list[str], where: str) -> list[str]:
    """A hint where exams have results of vertebrae but none that counts as the lumbar spine."""
    if "lumbar" not in sites:
        return []
    cells = dxa.cells[dxa.cells["exam_date"].notna() & dxa.cells["code"].ne("")]
    spine = cells["code"].str.rpartition("/")[2].str.fullmatch(r"l[1-4](-l?[1-4])?")
    exams = (
        cells.assign(lumbar=cells["site"].eq("lumbar"), spine=spine)
        .groupby(["source_id", "exam_date"])[["lumbar", "spine"]]
        .any()
    )
    n = int((exams["spine"] & ~exams["lumbar"]).sum())
    if not n:
        return []
    return [
        f"{where}.site_coding.lumbar: {n} of {len(exams)} exams have results of vertebrae but none under a"
        " code of the lumbar spine; if a range such as L2-L4 counts for the label, add it there"
    ]


def _against_headers(
    films: pd.DataFrame,
    births: dict[str, str],
    found: Pseudonymous,
    patients: Reading,
    names: Pseudonyms,
    where: str,
) -> tuple[list[str], list[str]]:
    """Hints and faults where table and film headers disagree on who a patient is, or headers tell what the
    table lacks.

    ``births``: date of birth of the films' headers by pseudonym.
    """
    told = {
        names.patient(i): day
        for i, day in zip(patients.rows["source_id"], patients.rows["birth_date"])
        if not pd.isna(day)
    }
    both = sorted(set(told) & set(births))
    differ = [i for i in both if told[i].isoformat() != births[i]]
    hints, faults = [], []
    if differ:
        many = len(differ) >= FEW_PATIENTS and len(differ) > MOST_OTHER_BIRTH * len(both)
        (faults if many else hints).append(
            f"{where}: of {len(both)} patients whose films have a birth date, {len(differ)} have another one"
            " in the patient table; they may be joined with somebody else's row"
        )
    standing = films[(films["status"] == ACCEPTED) & films["patient_id"].isin(found.patients["patient_id"])]
    aged = set(standing.loc[standing["age"].notna(), "patient_id"])
    no_birth = set(found.patients.loc[found.patients["age"].isna(), "patient_id"]) - set(told)
    if no_birth & aged:
        hints.append(
            f"{where}: {len(no_birth & aged)} patients have no usable birth date or age in the table; the age"
            " of their film's header counts"
        )
    no_sex = set(found.patients.loc[found.patients["sex"] == "", "patient_id"])
    sexed = set(standing.loc[standing["sex"].isin(["F", "M"]), "patient_id"])
    if no_sex & sexed:
        hints.append(
            f"{where}: {len(no_sex & sexed)} patients have no usable sex in the table; that of their film's"
            " header counts"
        )
    return hints, faults


def expect(
    center: Center,
    key: StudyKey,
    patterns: dict,
    cohort: dict,
    log: Log,
    root: Path = Path(),
    split: dict | None = None,
    predictors: Mapping[str, Predictor] | None = None,
) -> Expectation:
    """Look at one centre's films (headers only) and tables, and select its cohort.

    ``center`` has its sources filled in, ``patterns`` is ``intake.frontal_view``, ``cohort`` the config's
    section. ``split`` (``test_fraction``, ``folds``): the development centre's patients must be enough for
    it. ``predictors`` are the study's.

    Where an earlier run left ``results/intake/<center>/films.csv`` below ``root``, its exposure verdicts
    are used as well.
    """
    result = Expectation(center.name, center.role)
    settings = {**cohort, "center": center.name, "role": center.role}
    if center.deidentified is not None:
        return _expect_handed_over(center, settings, root, predictors or {})
    ids = center.ids.model_dump(mode="json")
    names = Pseudonyms(key, center.name, ids)
    tables = {kind: getattr(center, kind).model_dump(mode="json") for kind in ("patients", "dxa")}
    written: dict[str, list[str]] = {}
    films = images = None
    try:
        files, table = scan_folder(center.films), None
        if center.images is not None:
            where = f"centers[{center.name}].images"
            tables["images"] = center.images.model_dump(mode="json")
            result.unknown_codes += _unknown("images", tables["images"], where, patterns)
            images = read_images(tables["images"], ids, patterns, where)
            table = ImageTable(images, center.images.bits)
            images = rows_without_file(images, [found.path for found in files])
        films, written["films"], result.n_makers_lost, image_ids = _film_rows(
            center, files, table, names, patterns, log
        )
        result.hints += _odd_film_dates(films)
        if table is not None:
            hints, faults = _bits_used(center, films, files, names)
            result.hints += hints
            result.faults += faults
        result.n_files = len(films)
        result.refused = Counter(films.loc[films["reason"] != "", "reason"])
        result.views = Counter(films.loc[films["status"] == ACCEPTED, "view"])
        result.film_ids = set(films["source_id"]) - {""}
    except StudyError as error:
        result.faults += sentences_of(error)
    if center.review is not None:
        try:
            verdicts = read_review(center.review, f"centers[{center.name}].review")
            if films is not None:
                verdicts_of(verdicts, center.name, image_ids)
        except StudyError as error:
            result.faults += sentences_of(error)
    readings: dict[str, Reading] = {}
    for kind, read in (("patients", read_patients), ("dxa", read_dxa)):
        where = f"centers[{center.name}].{kind}"
        try:
            cells = column(
                read_cells(tables[kind], where),
                tables[kind]["columns"]["patient_id"],
                f"{where}.columns.patient_id",
            )
            written[kind] = [cell for cell, gone in zip(cells, is_missing(cells)) if not gone]
            result.unknown_codes += _unknown(kind, tables[kind], where, patterns)
        except StudyError:
            pass  # the reading below says so, with all else that is wrong
        try:
            readings[kind] = read(tables[kind], ids, where)
        except StudyError as error:
            result.faults += sentences_of(error)
    if len(readings) == 2:
        both = checked(
            readings["patients"], readings["dxa"], images, tables["dxa"], f"centers[{center.name}]"
        )
        readings["patients"], readings["dxa"], faults = both
        lines = t_score_lines(readings["dxa"], readings["patients"])
        result.hints += odd_slopes(lines, f"centers[{center.name}].dxa.columns.t_score")
        result.faults += faults
    looked_at = {**readings, **({} if images is None else {"images": images})}
    for kind, reading in looked_at.items():
        result.accounts.append(account(kind, reading))
        result.hints += reading.form
        result.hints += _told_of_notes(kind, reading, tables[kind], f"centers[{center.name}].{kind}")
        result.missing += _missing(kind, reading, tables[kind])
        result.issues += [(kind, reason, n) for reason, n, _ in reasons(reading)]
    result.tables_read = set(readings)
    result.patient_ids = set(readings["patients"].rows["source_id"]) if "patients" in readings else set()
    result.dxa_ids = set(readings["dxa"].rows["source_id"]) if "dxa" in readings else set()
    if "patients" in readings:
        result.predictors, result.medians = described_predictors(
            readings["patients"].cells, center.name, predictors or {}
        )
        born = readings["patients"].rows[["source_id", "birth_date"]].dropna()
        result.people = {
            (i, day.isoformat())
            for i, day in zip(born["source_id"], born["birth_date"])
            if i in result.film_ids
        }
    hints = _hints(written, ids) if len(written) == 3 else []
    result.hints += hints + _made_one(written, ids, f"centers[{center.name}].ids")
    if films is not None and "patients" in readings and not hints:
        try:
            refuse_unjoined(
                result.film_ids,
                result.patient_ids,
                ("films", "patient table"),
                f"centers[{center.name}].patients",
            )
        except StudyError as error:
            result.faults += sentences_of(error)
    if "patients" in readings:
        result.hints += _odd_values(readings["patients"].cells, f"centers[{center.name}].patients")
        result.hints += _shared_births(readings["patients"], f"centers[{center.name}].patients")
        told = tables["patients"]["exclusions"]
        absent = [flag for flag in settings["exclusions"] if not told.get(flag)]
        if absent:
            result.hints.append(
                f"centers[{center.name}].patients.exclusions: no column for {', '.join(absent)}; nobody of"
                " this centre is excluded for that, and the flow shows 0"
            )
    if "dxa" in readings:
        result.hints += _sites_not_told(readings["dxa"], settings["sites"], f"centers[{center.name}].dxa")
        result.hints += _sites_apart(
            readings["dxa"], settings["exam_window_days"], f"centers[{center.name}].dxa"
        )
        result.hints += _sites_lacking(readings["dxa"], f"centers[{center.name}].dxa")
        result.hints += _without_t_score(readings["dxa"], f"centers[{center.name}].dxa")
        result.hints += _ranges_alone(readings["dxa"], settings["sites"], f"centers[{center.name}].dxa")
    joined = result.film_ids & result.patient_ids & result.dxa_ids
    if len(readings) == 2 and films is not None and (joined or not result.faults):
        found = pseudonymize(readings["patients"], readings["dxa"], names, images)
        told = films.loc[films["status"] == ACCEPTED, ["patient_id", "sex"]].drop_duplicates()
        sexes = told.merge(
            found.patients[["patient_id", "sex"]], on="patient_id", suffixes=("_film", "_table")
        )
        sexes = sexes[sexes["sex_film"].isin(["F", "M"]) & sexes["sex_table"].isin(["F", "M"])]
        differ = (sexes["sex_film"] != sexes["sex_table"]).mean() if len(sexes) else 0.0
        if differ > MOST_OTHER_SEX:
            result.faults.append(
                f"centers[{center.name}].patients.sex_coding: table and film headers differ on the sex of"
                f" {100 * differ:.0f} % of the patients; check the column and its codes."
            )
        result.faults += _contradictions(found, f"centers[{center.name}]")
        result.hints += _born_after_films(films, found)
        told = films[(films["birth_date"] != "") & (films["status"] == ACCEPTED)]
        births = dict(zip(told["patient_id"], told["birth_date"]))
        hints, faults = _against_headers(
            films, births, found, readings["patients"], names, f"centers[{center.name}].patients"
        )
        result.hints += hints
        result.faults += faults
        try:
            result.selection = _select(films[list(FILMS_WITH_AGES)], found, settings)
            _judge_labels(result)
            result.hints += falling_with_age(result.selection.cohort, f"centers[{center.name}]")
            if split is not None and center.role == DEVELOPMENT and not result.faults:
                drawn = {**split, "center": center.name, "lock": ""}
                split_patients(result.selection.cohort.reset_index(drop=True), empty_lock(), drawn, key)
            screened = _screened(center.name, root)
            if screened is not None and set(screened["patient_id"]) & set(found.patients["patient_id"]):
                result.screened = _select(screened, found, settings)
        except StudyError as error:
            if not result.faults:
                result.faults += sentences_of(error)
    return result


def _screened(center: str, root: Path) -> pd.DataFrame | None:
    """FILMS_WITH_AGES of an earlier run under ``root``; None where there is none."""
    films, ages = root / f"results/intake/{center}/films.csv", root / f"private/{center}/header_ages.csv"
    if not films.is_file() or not ages.is_file():
        return None
    return read_table(films, FILMS).merge(
        read_table(ages, HEADER_AGES), on="image_id", how="left", validate="one_to_one"
    )


def _expect_handed_over(
    center: Center, settings: dict, root: Path, predictors: Mapping[str, Predictor]
) -> Expectation:
    """Look at the folder that a site handed over: its files by name and size, its tables by their contents,
    and the cohort.

    The ids are the site's pseudonyms, which join or don't as they did there. The films' contents are checked
    by the run.
    """
    result = Expectation(center.name, center.role, handed_over=True)
    where = f"centers[{center.name}]"
    try:
        declared = {name: one.declared for name, one in predictors.items()}
        tables = read_handed_tables(center.deidentified, where, settings, declared)
        result.predictors, result.medians = described_predictors(tables["patients"], center.name, predictors)
        result.tables_read = {"patients", "dxa"}
        manifest = read_manifest(center.deidentified, where)
        check_contents(
            manifest, center.deidentified, [f"films/batch_{b}.csv" for b in range(manifest.batches)], where
        )
        parts = [read_handed_films(center.deidentified, b, where) for b in range(manifest.batches)]
        films = pd.concat(parts, ignore_index=True).drop_duplicates("image_id")
        result.n_files = sum(len(part) for part in parts)
        result.refused = Counter(films.loc[films["reason"] != "", "reason"])
        result.views = Counter(films.loc[films["status"] == ACCEPTED, "view"])
        result.film_ids = set(films["patient_id"]) - {""}
        result.patient_ids, result.dxa_ids = (
            set(tables["patients"]["patient_id"]),
            set(tables["dxa"]["patient_id"]),
        )
        result.issues = list(tables["table_issues"].itertuples(index=False, name=None))
        stands = films["status"] == ACCEPTED
        known = films.assign(
            same_day_order=films["order_in_day"],
            verdict=stands.map({True: PASS, False: ""}),
            verdict_reason="",
            png="",
        )
        counted = Counted(tables["film_ages"], tables["pairs"], tables["visit_order"])
        looks = {"selection": known.loc[known["patient_id"] != "", list(FILMS_WITH_AGES)]}
        screened = _screened(center.name, root)
        if screened is not None:
            looks["screened"] = screened
        for look, rows in looks.items():
            if set(rows["patient_id"]) & result.patient_ids:
                selection = select_cohort(
                    rows,
                    tables["patients"],
                    tables["dxa"],
                    tables["set_aside"],
                    empty_table(BIRTH_DATES),
                    settings,
                    counted,
                )
                setattr(result, look, selection)
        _judge_labels(result)
    except StudyError as error:
        result.faults += sentences_of(error)
    return result


def shared_patients(development: Expectation, external: Expectation) -> str:
    """A sentence where an external centre has patients of the development centre, by id and date of birth;
    else empty.

    Pseudonyms are a centre's own, so the run can't see them: such a patient would be trained on and tested.
    """
    n = len(development.people & external.people)
    if not n:
        return ""
    return (
        f"HINT: centers[{external.center}]: {n} of {len(external.people)} patients with a film have the id"
        f" and the date of birth of a patient of centers[{development.center}]; if they are the same people,"
        " leave them out of one of the two patient tables, since a model must not be tested on whom it"
        " learned from"
    )


def _odd_values(patients: pd.DataFrame, where: str) -> list[str]:
    """Hints on columns of the patient table that can be read, yet are hardly what they are called."""
    found = []
    bmi = (patients["weight_kg"] / (patients["height_cm"] / 100) ** 2).dropna()
    heavy = int((bmi > USUAL_BMI[1]).sum())
    if len(bmi) >= FEWEST_FOR_A_COLUMN and heavy > MOST_HEAVY * len(bmi):
        found.append(
            f"{where}.columns.weight: {heavy} of {len(bmi)} rows have a body mass index above"
            f" {USUAL_BMI[1]:.0f}; are their weights in pounds?"
        )
    for flag in EXCLUSIONS:
        known = patients[flag].dropna()
        if len(known) >= FEWEST_FOR_A_COLUMN and known.mean() > MOST_FLAGGED:
            found.append(
                f"{where}.exclusions.{flag}: {int(known.sum())} of {len(known)} rows have this flag and would"
                f" be excluded; are 'yes' and 'no' of {where}.flag_coding the right way round?"
            )
    return found


def _sites_not_told(dxa: Reading, sites: list[str], where: str) -> list[str]:
    """A hint where sites of the label have no row, and many rows have codes of no site: labels would come
    from the others alone.
    """
    absent = [site for site in sites if not (dxa.cells["site"] == site).any()]
    other = int((dxa.cells["site"] == "").sum())
    if not absent or other < MOST_OTHER_SITES * len(dxa.cells):
        return []
    return [
        f"{where}.site_coding: no row is of {' or '.join(absent)}, from which labels are taken as well, and"
        f" {other} of {len(dxa.cells)} rows have codes that the config doesn't know; add the codes, or leave"
        " these sites out of cohort.sites"
    ]


def _odd_film_dates(films: pd.DataFrame) -> list[str]:
    """Hints where a device's clock was wrong: dates of one header that contradict each other, films of days
    to come."""
    differ, future = films[films["dates_differ"]], int(films["in_the_future"].sum())
    found = []
    if len(differ):
        borne_out = int((differ["film_date"] != "").sum())
        found.append(
            f"film dates of one header differ by years (more than {DAYS_APART} days): {len(differ)} films;"
            f" {borne_out} of them keep the date that the others bear out, {len(differ) - borne_out} are set"
            " aside where nothing says which is right"
        )
    if future:
        found.append(
            f"{future} films are dated in the future; the clock of their device was wrong, and so may be the "
            "dates of its other films"
        )
    return found


def _born_after_films(films: pd.DataFrame, found: Pseudonymous) -> list[str]:
    """A hint where patients have a film from before their birth. Both dates are shifted by the same days."""
    dated = films.loc[films["film_date"] != "", ["patient_id", "film_date"]]
    both = dated.merge(found.birth_dates[found.birth_dates["birth_date"] != ""], on="patient_id")
    n = both.loc[both["birth_date"] > both["film_date"], "patient_id"].nunique()
    return (
        [
            f"{n} patients were born after a film of theirs; check the birth dates (years of two digits?) and"
            " the films' dates"
        ]
        if n
        else []
    )


def _judge_labels(result: Expectation) -> None:
    """Name a cohort that has patients of one kind only: nothing can be trained on it, nor an AUC computed."""
    if result.selection is None:
        return
    n, n_op = len(result.selection.cohort), int(result.selection.cohort["label"].sum())
    if n_op not in (0, n):
        return
    which = "with" if n_op == 0 else "without"
    said = (
        f"centers[{result.center}]: no patient {which} osteoporosis is left; check the T-scores, and that the"
        " exclusion flags are not coded the wrong way round"
    )
    if result.role == DEVELOPMENT:
        result.faults.append(said + ". The development centre needs both kinds.")
    else:
        result.hints.append(said + "; without both kinds there is no AUC")


def _coded(kind: str, table: dict) -> list[tuple[str, str, dict]]:
    if kind == "dxa":
        return [("columns.site", table["columns"]["site"], table["site_coding"])]
    if kind == "images":
        given = [
            ("view", table["view_coding"]),
            ("sex", table["sex_coding"]),
            ("burned_in", table["flag_coding"]),
        ]
        return [
            (f"columns.{name}", table["columns"][name], coding)
            for name, coding in given
            if table["columns"][name]
        ]
    flags = [
        (f"exclusions.{flag}", table["exclusions"][flag], table["flag_coding"])
        for flag in EXCLUSIONS
        if table["exclusions"].get(flag)
    ]
    predictors = [
        (f"predictors.{name}", one["column"], one["coding"])
        for name, one in table["predictors"].items()
        if one["coding"]
    ]
    return [("columns.sex", table["columns"]["sex"], table["sex_coding"]), *flags, *predictors]


def _select(films: pd.DataFrame, found: Pseudonymous, settings: dict) -> Selection:
    return select_cohort(films, found.patients, found.dxa, found.set_aside, found.birth_dates, settings)
