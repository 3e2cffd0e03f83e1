"""A hospital's DXA table in the study's terms: what decides a label, and what leaves it undecided."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scripts.common.errors import StudyError
from scripts.common.plain_text import code_key, name_key
from scripts.common.vocabulary import SITES
from scripts.intake.cells import DENSITY_UNITS, SD_UNITS, SENTINELS, Numbers, codes, numbers, says_why
from scripts.intake.column_values import dated, measured, patient_ids
from scripts.intake.readings import FEWEST_FOR_A_COLUMN, Issues, Reading, finished, mostly, started, too_many
from scripts.intake.table_columns import ROW, column

BMD = (0.1, 2.5)
T_SCORE = (-8.99, 8.99)
"""Plausible values. A density outside (g/cm2) is missing, a T-score outside is unreadable."""
EARLIEST_EXAM = datetime.date(1985, 1, 1)
"""No DXA exam is earlier: the first densitometers by DXA were sold in 1987. An earlier date is unreadable."""
OTHER_SITES = frozenset(
    {
        "forearm", "left forearm", "right forearm", "radius", "ulna", "radius+ulna", "r+u", "wrist", "ud",
        "mid", "1/3", "33%", "ultradistal",
        "distal", "total forearm", "radius ud", "radius 1/3", "radius 33%", "radius total", "radius mid",
        "1/3 radius",
        "ward", "wards", "ward's", "wards triangle", "ward's triangle", "troch", "trochanter", "troc", "gt",
        "inter", "intertroch",
        "intertrochanter", "intertrochanteric", "shaft", "femoral shaft", "upper neck", "lower neck",
        "whole body", "total body", "head", "arms", "legs",
        "trunk", "ribs", "pelvis", "heel", "calcaneus", "lateral spine", "l1", "l2", "l3", "l4", "l1-l2",
        "l1-l3", "l2-l3", "l2-l4", "l3-l4", "l1-2", "l1-3",
        "l2-3", "l2-4", "l3-4", "前臂", "桡骨", "尺骨", "尺桡骨", "桡骨远端", "桡骨1/3", "超远端", "大转子",
        "转子", "转子间", "粗隆", "大粗隆", "粗隆间", "ward区",
        "wards区", "ward三角", "ward's区", "ward's三角区", "股骨干", "全身", "跟骨",
    }
)  # fmt: skip
"""Regions of a DXA report that the study doesn't look at, in lower case; a config may add others
(``site_coding.other``).
"""
_FOREARM = re.compile(r"forearm|radius|ulna|wrist|^1/3$|^33%$|^ud$|^mid$|ultradistal|前臂|桡骨|尺骨|超远端")
"""Codes of the forearm's regions."""
_HIP = re.compile(r"neck|troch|inter|ward|shaft|颈|转子|粗隆|股骨干")
"""Codes of the hip's regions."""


def site_codes(frame: pd.DataFrame, names: dict, at: str) -> pd.Series:
    """What tells the site in each row: the site column's cell, with the scan column's before it (``scan /
    site``) where it isn't empty.
    """
    cells = column(frame, names["site"], f"{at}.site")
    if not names.get("scan"):
        return cells
    scans = column(frame, names["scan"], f"{at}.scan")
    both = [f"{scan} / {cell}" if scan and cell else cell for scan, cell in zip(scans, cells)]
    return pd.Series(both, index=cells.index, dtype="object")


def _sites(
    frame: pd.DataFrame, table: dict, at: str, where: str
) -> tuple[pd.Series, pd.Series, pd.Series, pd.Series]:
    """Site of each row (empty where it isn't a studied one), its code, whether the site is another one, and
    whether nobody knows.
    """
    cells = site_codes(frame, table["columns"], at)
    coding = table["site_coding"]
    sites, unknown = codes(cells, {site: coding[site] for site in SITES}, table.get("missing") or ())
    if not (sites != "").any():
        raise StudyError(
            f"{at}.site: none of its cells holds a code of {where}.site_coding; add the codes that the table"
            " uses there."
        )
    others = {code_key(code).casefold() for code in coding.get("other", ())} | OTHER_SITES
    keys = cells.map(lambda cell: code_key(cell).casefold())
    last = keys.map(lambda key: key.rpartition("/")[2]) if table["columns"].get("scan") else keys
    other = unknown & (keys.isin(others) | last.isin(others) | keys.str.contains(_FOREARM))
    nobody = unknown & ~other
    if too_many(nobody, sites.ne("") | unknown):
        raise StudyError(
            f"{at}.site: {int(nobody.sum())} rows hold {keys[nobody].nunique()} code(s) of which the config"
            f" doesn't say whether they are of a studied site; add each to {where}.site_coding, to its site"
            " or to 'other' (make check-data lists them)."
        )
    return sites, keys, other, nobody


def read_dxa(table: dict, ids: dict, where: str) -> Reading:
    """A DXA table: ``source_id, exam_date, site, code, device, bmd, t_score, t_below, t_above, unreadable``.

    Rows of sites that aren't studied are left aside. A row whose T-score, date or site can't be read stays,
    as ``unreadable``: the exam must not say 'no osteoporosis' without it. A row without an id is taken for
    one of the patient above it, undecided.
    """
    frame, issues, out = started(table, where)
    names, at, words = table["columns"], f"{where}.columns", table.get("missing") or ()
    for name, empty in (
        ("source_id", ""),
        ("exam_date", None),
        ("site", ""),
        ("code", ""),
        ("device", ""),
        ("bmd", np.nan),
    ):
        out[name] = empty
    none = pd.Series(False, index=frame.index)
    undated, other, nobody, given, read = none, none, none, None, None
    with issues.column():
        out["source_id"] = patient_ids(frame, names["patient_id"], ids, issues, f"{at}.patient_id")
    with issues.column():
        cells = column(frame, names["exam_date"], f"{at}.exam_date")
        out["exam_date"], undated = dated(
            cells, table, issues, f"{at}.exam_date", frame.attrs["file"].serial_base
        )
        early = out["exam_date"].map(lambda day: day is not None and day < EARLIEST_EXAM).astype(bool)
        out["exam_date"], undated = out["exam_date"].where(~early, None).astype("object"), undated | early
        if out["exam_date"].isna().all():
            raise StudyError(f"{at}.exam_date: no row of the table has a date; check the column.")
    with issues.column():
        out["site"], out["code"], other, nobody = _sites(frame, table, at, where)
    with issues.column():
        out["bmd"], given = _bmd(frame, names, at, issues, words)
    with issues.column():
        read = _t_scores(frame, names, at, words)
        # a density whose T-score 'is not evaluable' is no measurement; one beside an empty cell is
        cells = column(frame, names["t_score"], f"{at}.t_score")
        out["bmd"] = out["bmd"].where(~(read.absent & says_why(cells)))
    if names.get("device"):
        with issues.column():
            out["device"] = column(frame, names["device"], f"{at}.device")
    issues.refuse()
    assert read is not None and given is not None
    exchanged = given.between(T_SCORE[0], -1e-6) & read.values.between(*BMD)
    return _exams(out, issues, frame, where, _Doubts(undated, other, nobody, exchanged, read))


def _bmd(
    frame: pd.DataFrame, names: dict, at: str, issues: Issues, words: Sequence[str]
) -> tuple[pd.Series, pd.Series]:
    """The densities, and the numbers of all cells, plausible or not."""

    def fault(values: pd.Series | None) -> None:
        if values is not None and (values / 1000).between(*BMD).mean() > 0.5:
            raise StudyError(
                f"{at}.bmd: the densities look like mg/cm2, not g/cm2; divide the column by 1000."
            )
        raise StudyError(
            f"{at}.bmd: most of its cells are no bone densities in g/cm2; check the column and its unit."
        )

    read = numbers(column(frame, names["bmd"], f"{at}.bmd"), dict.fromkeys(DENSITY_UNITS, 1.0), words)
    return measured(read, BMD, issues, "bmd", fault=fault), read.values


def _t_scores(frame: pd.DataFrame, names: dict, at: str, words: Sequence[str]) -> Numbers:
    """The T-scores; of cells that hold 'unknown' it isn't known that nothing was measured, so they are
    unreadable.
    """
    heading = name_key(names["t_score"])
    if re.search(r"z(score|值|wert)", heading) and not re.search(r"t(score|值|wert)", heading):
        raise StudyError(
            f"{at}.t_score: the column is called a Z-score; the label needs T-scores. Map the column of the"
            " T-score."
        )
    cells = column(frame, names["t_score"], f"{at}.t_score")
    read = numbers(cells, dict.fromkeys(SD_UNITS, 1.0), words, unknown_is_absent=False)
    pointless = cells.map(lambda cell: re.match(r"\W?\s?0[0-9]+(?![0-9.,])", cell) is not None).astype(
        bool
    )  # -08 was -0.8
    read = replace(read, values=read.values.where(~pointless), unreadable=read.unreadable | pointless)
    told, known = ~read.absent, read.values.dropna()
    if not told.any():
        raise StudyError(f"{at}.t_score: the column is empty; labels need T-scores. Check the column.")
    sentinel = read.values.isin(SENTINELS)
    outside = read.values.notna() & ~read.values.between(*T_SCORE) & ~sentinel
    bad = read.unreadable | outside
    if mostly(bad, told):
        raise StudyError(f"{at}.t_score: most of its cells are no T-scores (-9 to 9); check the column.")
    if len(known) >= FEWEST_FOR_A_COLUMN and not (known < 0).any() and read.below.isna().all():
        raise StudyError(
            f"{at}.t_score: no T-score of {len(known)} is below 0; check the column and its minus signs."
        )
    return read


@dataclass(frozen=True)
class _Doubts:
    """Rows of a DXA table by what is known of them, and its T-scores."""

    undated: pd.Series
    other: pd.Series
    nobody: pd.Series
    exchanged: pd.Series
    read: Numbers


def _exams(out: pd.DataFrame, issues: Issues, frame: pd.DataFrame, where: str, doubts: _Doubts) -> Reading:
    read = doubts.read
    sentinel = read.values.isin(SENTINELS)
    outside = read.values.notna() & ~read.values.between(*T_SCORE) & ~sentinel
    out["t_score"] = read.values.where(~outside & ~sentinel)
    out["t_below"], out["t_above"] = read.below, read.above
    absent = read.absent | sentinel
    nothing = absent & out["bmd"].isna()
    issues.note(sentinel, "no_value_code")
    issues.note(read.remarked, "remark_behind_number")
    no_id = out["source_id"] == ""
    content = ~nothing & ~doubts.other
    if too_many(no_id & content, content):
        raise StudyError(
            f"{where}.columns.patient_id: {int((no_id & content).sum())} of {int(content.sum())} rows with"
            " results have no patient id; were its cells merged, or left empty below the first row of a"
            " patient? Fill the id down in every row, and export the table again."
        )
    empty = nothing & ((out["site"] == "") | out["exam_date"].isna()) & (issues.first == "")
    issues.note(doubts.other & ~empty, "other_site")
    issues.note(empty, "nothing_measured")
    left = doubts.other | empty
    used = ~left
    issues.aside(used & read.unreadable, "unreadable_t_score")
    issues.aside(used & outside, "implausible_t_score")
    issues.aside(used & doubts.exchanged, "exchanged_density_and_t_score")
    issues.aside(used & doubts.undated, "unreadable_exam_date")
    issues.aside(used & out["exam_date"].isna(), "no_exam_date")
    issues.aside(used & doubts.nobody, "unknown_site_code")
    issues.aside(used & (out["site"] == ""), "no_site")
    issues.aside(used & _ambiguous_total(out), "ambiguous_total")
    aside = issues.first != ""
    reading = finished(out, issues, frame, where, studied=~doubts.other, left_out=left)
    reading.rows = _stacked(
        reading.rows.assign(unreadable=0),
        _undecided(out[aside & used].assign(reason=issues.first[aside & used].to_numpy()), out),
    )
    return reading


def _ambiguous_total(out: pd.DataFrame) -> pd.Series:
    """Which rows have the bare code 'total' in an exam with bare regions of the forearm and none of the hip.

    Hologic calls the sum of spine, hip and forearm alike, and the forearm's parts ``1/3``, ``MID`` and
    ``UD``: then nobody can say whose sum this one is. Where the table writes the forearm's name (``Radius
    33%``), it would do so with the sum.
    """
    keys = out["source_id"] + "\x1f" + out["exam_date"].astype("object").map(str)
    arm = set(keys[out["code"].isin(("1/3", "33%", "mid", "ud", "ultradistal", "超远端"))])
    hip = set(keys[out["code"].str.contains(_HIP) | out["site"].eq("femoral_neck")])
    return out["code"].isin(("total", "总", "合计", "total bmd")) & keys.isin(arm - hip)


def _stacked(rows: pd.DataFrame, undecided: pd.DataFrame) -> pd.DataFrame:
    """Both in the order of the source's rows."""
    return (
        rows
        if undecided.empty
        else pd.concat([rows, undecided[rows.columns]]).sort_values(ROW, kind="stable")
    )


def _undecided(rows: pd.DataFrame, everything: pd.DataFrame) -> pd.DataFrame:
    """Rows set aside, as rows that say 'undecided' of their patient: without their numbers, and without what
    can't be trusted.

    A row without an id may be of the patient above or below it, so it stands for either, for any site and
    exam.
    """
    kept = rows.drop(columns="reason").assign(
        unreadable=1, t_score=np.nan, t_below=np.nan, t_above=np.nan, bmd=np.nan
    )
    slipped = rows["reason"].isin(("too_many_cells", "too_few_cells"))
    kept["exam_date"] = kept["exam_date"].where(~slipped, None)
    kept["site"] = kept["site"].where(~slipped, "")
    known = everything["source_id"].where(everything["source_id"] != "", None)
    parts = [kept[kept["source_id"] != ""]]
    lost = kept[kept["source_id"] == ""]
    for neighbour in (known.ffill(), known.bfill()):
        names = neighbour.reindex(lost.index).to_numpy()
        parts.append(
            lost.assign(source_id=names, exam_date=None, site="", code="").dropna(subset=["source_id"])
        )
    found = pd.concat([part for part in parts if not part.empty] or [kept])
    return found.assign(exam_date=found["exam_date"].astype("object").where(found["exam_date"].notna(), None))
