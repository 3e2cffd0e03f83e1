"""What hospitals' tables have held, rebuilt on good tables: the right labels, patients set aside, or the
sentence that refuses.
"""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable, Sequence
from itertools import cycle

import openpyxl
import openpyxl.chart
import pytest
from pydantic import ValidationError

from tests.intake.good_tables import SITES, Hospital, Sheet, fault_of, good_hospital, people, taken_in

CSV, XLSX = "csv", "xlsx"
LOW_ONCE = [p for p in people() if p.label and sum(t <= -2.5 for t in p.t.values()) == 1]
WELL = [p for p in people() if not p.label]
LOW_TWICE = [p for p in people() if sum(t <= -2.5 for t in p.t.values()) > 1]


def cells(sheet: Sheet, name: str, change: Callable, which: Callable = lambda row: True) -> Sheet:
    """The sheet with the cells of one column changed in the rows for which ``which`` holds."""
    column = sheet.at(name)
    for row in filter(which, sheet.rows):
        row[column] = change(row[column])
    return sheet


def text(
    sheet: Sheet, name: str, change: Callable[[str], object], which: Callable = lambda row: True
) -> Sheet:
    """As ``cells``, of the cells' text."""
    column = sheet.at(name)
    return cells(sheet, name, lambda value: change(sheet.text(value, column)), which)


def of(*chosen: object) -> Callable[[list], bool]:
    """Rows of some persons."""
    ids = {person.source_id for person in chosen}
    return lambda row: any(value in ids for value in row[:2])


def at_site(person: object, site: str) -> Callable[[list], bool]:
    return lambda row: row[0] == person.source_id and row[2] == SITES[site]


def low_site(person: object) -> str:
    return min(person.t, key=person.t.get)


def high_site(person: object) -> str:
    return max(person.t, key=person.t.get)


def one_each(sheet: Sheet, name: str, written: Sequence[str], persons: Sequence, site: Callable) -> None:
    """Put each of the cells ``written`` into the row of one person's ``site``."""
    for cell, person in zip(written, persons, strict=True):
        cells(sheet, name, lambda value, cell=cell: cell, at_site(person, site(person)))


def ids_of(persons: Sequence) -> set[str]:
    return {person.source_id for person in persons}


def all_right(hospital: Hospital, tmp_path) -> object:
    outcome = taken_in(hospital, tmp_path)
    assert outcome.refused == [] and fault_of(hospital, outcome) == ""
    assert outcome.excluded == {} and outcome.labels == {p.source_id: p.label for p in people()}
    return outcome


def set_aside(hospital: Hospital, tmp_path, whom: set[str], reason: str) -> object:
    outcome = taken_in(hospital, tmp_path)
    assert outcome.refused == [] and fault_of(hospital, outcome) == ""
    assert outcome.excluded == dict.fromkeys(whom, reason), "nobody else is left out"
    return outcome


def refused(hospital: Hospital, tmp_path, said: str) -> None:
    outcome = taken_in(hospital, tmp_path)
    assert fault_of(hospital, outcome) == ""
    assert len(outcome.refused) == 1 and said in outcome.refused[0], outcome.refused


@pytest.fixture
def hospital() -> Hospital:
    return good_hospital()


# ------------------------------------------------------------ the good tables


@pytest.mark.parametrize("kind", [CSV, XLSX])
def test_the_good_hospital_is_right(hospital, tmp_path, kind):
    hospital.patients.kind = hospital.dxa.kind = kind
    outcome = all_right(hospital, tmp_path)
    assert len(people()) == 60 and sum(outcome.labels.values()) == 30 and len(LOW_ONCE) == 15
    rest = "+ 0 set aside with a reason + 0 not needed (identical, other sites, empty)"
    assert outcome.said == [f"patients: 60 rows = 60 used {rest}", f"dxa: 180 rows = 180 used {rest}"]
    assert outcome.cohort["height_cm"].notna().all()


def test_the_judge_sees_a_wrong_label_and_a_person_lost(hospital, tmp_path):
    outcome = all_right(hospital, tmp_path)
    outcome.cohort.iloc[3, outcome.cohort.columns.get_loc("label")] ^= 1
    assert fault_of(hospital, outcome).startswith("a wrong label")
    outcome.cohort = outcome.cohort.drop(outcome.cohort.index[3])
    assert fault_of(hospital, outcome) == "1 persons are neither in nor out"
    outcome.refused = [f"the row of {people()[0].source_id} is bad."]
    assert fault_of(hospital, outcome) == "a message holds a cell's content"


# ------------------------------------------------------------------------------------------------ T-scores


def test_bounds_that_decide(hospital, tmp_path):
    """'<-3.0' is at most -3.0: osteoporosis; '>-1.0' clears its site."""
    low = cycle(["<", "< ", "＜", "<=", "≤", "⩽", "less than ", "under ", "低于", "小于"])
    high = cycle([">", "> ", "＞", "above ", "over ", "高于", "大于"])
    cells(
        hospital.dxa,
        "TScore",
        lambda t: f"{next(low)}-3.0" if t <= -3.0 else f"{next(high)}-1.0" if t > -1.0 else t,
    )
    all_right(hospital, tmp_path)


def test_bounds_that_leave_the_label_open_set_aside(hospital, tmp_path):
    bounds = ["<-2.0", "≤ -2.4", ">-4.0", "≥-2.6", "> -3"]
    one_each(hospital.dxa, "TScore", bounds, WELL[:5], high_site)
    one_each(hospital.dxa, "TScore", bounds, LOW_TWICE[:5], low_site)
    outcome = set_aside(hospital, tmp_path, ids_of(WELL[:5]), "undecided_dxa")
    assert {outcome.labels[p.source_id] for p in LOW_TWICE[:5]} == {1}, "another site proves it"


def test_marks_units_and_remarks_behind_a_t_score(hospital, tmp_path):
    marks = ["*", "**", "†", "#", "↓", "H", "(骨质疏松)", "（骨量减少）", "SD", "个标准差"] + [
        " L",
        " (low)",
        " [osteopenia]",
        " SD",
        " s.d.",
        "↓ (low)",
    ]
    behind = cycle(marks)
    text(hospital.dxa, "TScore", lambda t: t + next(behind))
    all_right(hospital, tmp_path)


def test_minus_signs_of_all_kinds(hospital, tmp_path):
    signs = [*"\u2212\u2010\u2011\u2012\u2013\u2014\uff0d\ufe63\u207b\u00ad", "- ", "\u200b\u00ad", "\u00ad "]
    sign = cycle(signs)
    text(hospital.dxa, "TScore", lambda t: t.replace("-", next(sign)))
    all_right(hospital, tmp_path)


DOUBTFUL = [
    "--2.6", "2.6-", "(2.6)", "-2.6?", "~-2.6", "-2.6 (L2)", "-2.6/-1.0", "-2.6 -1.0", "-2.6±0.1", "-2. 6",
    "-2..6", "-2·6", "-2.O", "-l.5", "-08", "08", "−025", "-26", "ca. -2.6",
    "-2.6 bis -1.0", "-1.0 (artefact)", "-1.0(伪影)", "-2.6%", "Z -2.6", "–2.6–", "_2.6", "\u30fc2.6",
    "\u4e002.6", "\u02d72.6", "&minus;2.6", "-2.\ufffd", "#N/A", "#VALUE!",
    "?", "unknown", "不详", "see report", "骨质疏松", "2024-08-02", "True",
]  # fmt: skip


@pytest.mark.parametrize("first", range(0, len(DOUBTFUL), 15))
def test_a_t_score_in_doubt_sets_aside_unless_another_site_proves(hospital, tmp_path, first):
    written = DOUBTFUL[first : first + 15]
    alone, proved = LOW_ONCE[: len(written)], LOW_TWICE[: len(written)]
    one_each(hospital.dxa, "TScore", written, alone, low_site)
    one_each(hospital.dxa, "TScore", written, proved, low_site)
    outcome = set_aside(hospital, tmp_path, ids_of(alone), "undecided_dxa")
    assert {outcome.labels[p.source_id] for p in proved} == {1}


NOTHING = [
    "", " ", "-", "--", "—", ".", "/", "NA", "N/A", "n.a.", "NULL", "not measured", "Not evaluable",
    "not done", "non-diagnostic", "metal", "hip prosthesis", "refused", "artifact",
    "未测", "未做", "无法测量", "不能配合", "不可评", "内固定", "假体", "金属伪影", "拒测", "缺失", "无",
    "卧床未测",
    "nicht gemessen", "nicht auswertbar", "nicht beurteilbar", "Endoprothese", "Hüftprothese", "non mesuré",
    "non évaluable", "no medido", "no evaluable",
    "-99", "-999", "999", "-9.9", "99.9", "9999",
]  # fmt: skip


@pytest.mark.parametrize("first", range(0, len(NOTHING), 30))
def test_what_was_not_measured_has_no_part_in_the_label(hospital, tmp_path, first):
    """The other two sites say the label."""
    written = NOTHING[first : first + 30]
    for name in ("TScore", "BMD"):
        one_each(hospital.dxa, name, written, WELL[: len(written)], low_site)
    hospital.not_measured |= {(p.source_id, low_site(p)) for p in WELL[: len(written)]}
    outcome = all_right(hospital, tmp_path)
    sites = outcome.cohort.loc[[p.source_id for p in WELL[: len(written)]], "n_sites"]
    assert dict(zip(written, sites)) == dict.fromkeys(written, 2)


def test_t_scores_a_last_bit_off(hospital, tmp_path):
    hospital.dxa.kind = XLSX
    cells(hospital.dxa, "TScore", lambda t: t * (1 - 2e-16))
    all_right(hospital, tmp_path)


def test_a_heading_that_says_z_is_refused(hospital, tmp_path):
    hospital.dxa.headings[hospital.dxa.at("TScore")] = "Z-Score"
    hospital.dxa.settings["columns"] = {
        "patient_id": "PatientID",
        "exam_date": "ExamDate",
        "site": "Region",
        "bmd": "BMD",
        "t_score": "Z-Score",
    }
    refused(hospital, tmp_path, "the column is called a Z-score")


def test_density_and_t_score_exchanged(hospital, tmp_path):
    """In two rows: -2.8 is no density, and 0.711 is not taken for a T-score. In all rows the table is
    refused.
    """
    alone, well = LOW_ONCE[0], next(p for p in WELL if p.t["lumbar"] < 0)
    exchanged = hospital.copy()
    for sheet, rows in (
        (hospital.dxa, (at_site(alone, low_site(alone)), at_site(well, "lumbar"))),
        (exchanged.dxa, (lambda row: True,)),
    ):
        t, bmd = sheet.at("TScore"), sheet.at("BMD")
        for row in [row for row in sheet.rows if any(which(row) for which in rows)]:
            row[t], row[bmd] = sheet.text(row[bmd], bmd), sheet.text(row[t], t)
    outcome = set_aside(hospital, tmp_path, {alone.source_id, well.source_id}, "undecided_dxa")
    assert "exchanged_density_and_t_score" in outcome.reasons("dxa")
    assert taken_in(exchanged, tmp_path).refused


def test_a_missing_density_costs_no_label(hospital, tmp_path):
    cells(hospital.dxa, "BMD", lambda value: "", of(*WELL[:9]))
    all_right(hospital, tmp_path)


# ------------------------------------------------------------------------------------------------ sites


def test_codes_of_sites_in_other_writing(hospital, tmp_path):
    writing = cycle(
        [
            lambda code: code.replace("-", "–"), lambda code: code.replace("-", " - "), str.lower, str.upper,
            lambda code: f"\u00a0{code}\u200b",
            lambda code: code.replace(" ", "\u3000"), lambda code: code.replace(" ", "  "), lambda code:
            code.replace("-", "\u2011"),
            lambda code: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in code),
            lambda code: code,
        ]
    )  # fmt: skip
    cells(hospital.dxa, "Region", lambda code: next(writing)(code))
    all_right(hospital, tmp_path)


@pytest.mark.parametrize("codes", [["", "XX", "?"], ["Hip", "n/a", "总计"]])
def test_a_row_whose_site_nobody_knows_may_be_any_site(hospital, tmp_path, codes):
    one_each(hospital.dxa, "Region", codes, LOW_ONCE[:3], low_site)
    set_aside(hospital, tmp_path, ids_of(LOW_ONCE[:3]), "undecided_dxa")


def test_further_regions_are_left_aside(hospital, tmp_path):
    """A region that the study doesn't look at gives no label, though its T-score is low."""
    codes, sheet = (
        ["L1", "L2", "L4", "Ward's", "Troch", "Inter", "Forearm", "1/3 Radius", "大转子", "前臂"],
        hospital.dxa,
    )
    sheet.rows = [
        new
        for row in sheet.rows
        for new in (row, *([row[0], row[1], code, 0.4, -4.0] for code in codes if row[2] == "Neck"))
    ]
    outcome = all_right(hospital, tmp_path)
    assert outcome.reasons("dxa") == {"other_site"}


@pytest.mark.parametrize(("low", "other"), [("Neck Left", "Neck Right"), ("L1-L4", "L2-L4")])
def test_two_measurements_of_a_site_the_lower_counts(hospital, tmp_path, low, other):
    site = "femoral_neck" if "Neck" in low else "lumbar"
    sheet = hospital.dxa
    cells(sheet, "Region", lambda code: low if code == SITES[site] else code)
    sheet.rows += [
        [row[0], row[1], other, round(row[3] + 0.06, 3), round(row[4] + 0.5, 1)]
        for row in sheet.rows
        if row[2] == low
    ]
    sheet.settings["site_coding"] = {**{key: [code] for key, code in SITES.items()}, site: [low, other]}
    all_right(hospital, tmp_path)


def total_of_two_scans(hospital: Hospital) -> Sheet:
    """Hologic's layout: the sum rows of spine and hip are both 'Total'; another column names the scan."""
    sheet = hospital.dxa
    sheet.headings.append("Scan")
    for row in sheet.rows:
        row.append("Spine" if row[2] == "L1-L4" else "Left Hip")
        row[2] = "Neck" if row[2] == "Neck" else "Total"
    return sheet


def test_one_code_for_two_regions(hospital, tmp_path):
    """With the column of the scan all labels are right; without it the table is refused."""
    sheet = total_of_two_scans(hospital)
    alone = copy.deepcopy(hospital)
    sheet.settings["columns"] = {
        "patient_id": "PatientID",
        "exam_date": "ExamDate",
        "site": "Region",
        "scan": "Scan",
        "bmd": "BMD",
        "t_score": "TScore",
    }
    sheet.settings["site_coding"] = {
        "lumbar": ["Spine / Total"],
        "femoral_neck": ["Left Hip / Neck"],
        "total_hip": ["Left Hip / Total"],
    }
    all_right(hospital, tmp_path)
    alone.dxa.settings["site_coding"] = {
        "lumbar": ["L1-L4"],
        "femoral_neck": ["Neck"],
        "total_hip": ["Total"],
    }
    refused(alone, tmp_path, "give columns.scan")


def test_a_site_under_another_ones_code_contradicts_it(hospital, tmp_path):
    person = WELL[0]
    cells(hospital.dxa, "Region", lambda code: "Neck", at_site(person, "total_hip"))
    set_aside(hospital, tmp_path, {person.source_id}, "conflicting_rows")


def test_sites_on_neighbouring_days_are_one_exam(hospital, tmp_path):
    cells(
        hospital.dxa, "ExamDate", lambda day: day + datetime.timedelta(days=1), lambda row: row[2] != "L1-L4"
    )
    all_right(hospital, tmp_path)


# ------------------------------------------------------------------------------------------------ dates


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("%Y/%m/%d", None), ("%Y.%m.%d", None), ("%Y%m%d", None), ("%Y年%m月%d日", None),
        ("%Y-%m-%d 00:00:00",
        None), ("%Y-%m-%dT00:00:00.000+08:00", None),
        ("%d/%m/%Y", "%d/%m/%Y"), ("%m/%d/%Y", "%m/%d/%Y"), ("%d.%m.%Y", "%d.%m.%Y"), ("%d.%m.%y", None),
        ("%d/%m/%Y", None), ("%b-%y", None),
    ],
)  # fmt: skip
def test_formats_of_dates(hospital, tmp_path, form, told):
    """A column of dates is read, or refused with the key that tells its format."""
    cells(hospital.dxa, "ExamDate", lambda day: day.strftime(form))
    if told:
        hospital.dxa.settings["date_format"] = told
    if told is None and not form.startswith("%Y"):
        refused(hospital, tmp_path, "in centers[hospital].dxa.date_format")
    else:
        all_right(hospital, tmp_path)


def test_formats_of_years_first_mixed(hospital, tmp_path):
    forms = iter(["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y.%m.%d", "%Y年%m月%d日"] * 36)
    cells(hospital.dxa, "ExamDate", lambda day: day.strftime(next(forms)))
    all_right(hospital, tmp_path)


def test_two_formats_in_one_table(hospital, tmp_path):
    cells(hospital.patients, "BirthDate", lambda day: day.strftime("%d/%m/%Y"))
    hospital.patients.headings.append("Visit")
    for row, person in zip(hospital.patients.rows, people()):
        row.append(person.film.strftime("%Y/%m/%d"))
    hospital.patients.settings = {
        "date_format": "%d/%m/%Y",
        "columns": {
            "patient_id": "PatientID",
            "sex": "Sex",
            "birth_date": "BirthDate",
            "height": "Height",
            "weight": "Weight",
            "measured_on": "Visit",
        },
    }
    all_right(hospital, tmp_path)


def serial(day: datetime.date) -> int:
    return (day - datetime.date(1899, 12, 30)).days


def test_day_numbers_of_excel(hospital, tmp_path):
    """A workbook tells from which day they count; a text file doesn't."""
    cells(hospital.dxa, "ExamDate", serial)
    hospital.dxa.kind = XLSX
    all_right(hospital, tmp_path)
    hospital.dxa.kind = CSV
    refused(hospital, tmp_path, "Excel's day numbers")


def test_dates_under_any_format_of_a_workbook(hospital, tmp_path):
    forms = cycle(
        [
            "yyyy-mm-dd",
            "d-mmm-yy",
            "m/d/yyyy",
            '[$-804]yyyy"年"m"月"d"日"',
            "dd.mm.yyyy",
            "mmm yyyy",
            "yyyy/m/d h:mm",
        ]
    )
    hospital.dxa.kind = XLSX
    hospital.dxa.book_changes.append(
        lambda book, table: [setattr(cell, "number_format", next(forms)) for cell in table["B"][1:]]
    )
    all_right(hospital, tmp_path)


def test_a_workbook_that_counts_days_from_1904(hospital, tmp_path):
    hospital.dxa.kind = XLSX
    hospital.dxa.book_changes.append(
        lambda book, table: setattr(book, "epoch", openpyxl.utils.datetime.CALENDAR_MAC_1904)
    )
    all_right(hospital, tmp_path)


def test_seconds_before_midnight(hospital, tmp_path):
    hospital.dxa.kind = XLSX
    cells(
        hospital.dxa,
        "ExamDate",
        lambda day: datetime.datetime(day.year, day.month, day.day) - datetime.timedelta(seconds=43),
    )
    outcome = all_right(hospital, tmp_path)
    truth = {p.source_id: (p.exam - p.film).days for p in people()}
    assert outcome.cohort["dxa_interval_days"].to_dict() == truth


def test_day_and_month_exchanged_by_another_excel(hospital, tmp_path):
    hospital.dxa.kind, hospital.dxa.settings = XLSX, {"date_format": "%d/%m/%Y"}
    cells(
        hospital.dxa,
        "ExamDate",
        lambda day: day.replace(month=day.day, day=day.month) if day.day <= 12 else day.strftime("%d/%m/%Y"),
    )
    outcome = all_right(hospital, tmp_path)
    assert outcome.cohort["dxa_interval_days"].to_dict() == {
        p.source_id: (p.exam - p.film).days for p in people()
    }


def test_a_dxa_row_without_a_date_may_be_of_any_exam(hospital, tmp_path):
    written = [
        "2018-02-30",
        "0000-00-00",
        "yesterday",
        "",
        "?",
        "1918-03-07",
        "03/07/2018",
        "2018-03",
        "20180307?",
    ]
    one_each(hospital.dxa, "ExamDate", written, LOW_ONCE[:9], low_site)
    one_each(hospital.dxa, "ExamDate", written, LOW_TWICE[:9], high_site)
    outcome = set_aside(hospital, tmp_path, ids_of(LOW_ONCE[:9]), "undecided_dxa")
    assert {outcome.labels[p.source_id] for p in LOW_TWICE[:9]} == {1}


def test_no_date_at_all_is_refused(hospital, tmp_path):
    cells(hospital.dxa, "ExamDate", lambda day: "")
    refused(hospital, tmp_path, "no row of the table has a date")


def test_the_films_header_tells_the_age_where_the_birth_date_does_not(hospital, tmp_path):
    written = cycle(["", "?", "1900-01-01", "1899-12-30", "31.12.1950", "2090-01-01", "不详"])
    cells(hospital.patients, "BirthDate", lambda day: next(written), of(*people()[:21]))
    all_right(hospital, tmp_path)


def test_years_of_birth_alone_are_refused(hospital, tmp_path):
    cells(hospital.patients, "BirthDate", lambda day: str(day.year))
    refused(hospital, tmp_path, "patients.date_format")


def test_ages_in_place_of_birth_dates(hospital, tmp_path):
    written = cycle(["{}", "{}岁", "{} years", "{:03d}Y", "{} y", "{} ans", "{} Jahre"])
    ages = {p.source_id: p.age for p in people()}
    for row in hospital.patients.rows:
        row[hospital.patients.at("BirthDate")] = next(written).format(ages[row[0]])
    hospital.patients.settings["columns"] = {
        "patient_id": "PatientID",
        "sex": "Sex",
        "age": "BirthDate",
        "height": "Height",
        "weight": "Weight",
    }
    all_right(hospital, tmp_path)


# ------------------------------------------------------------ a file's form


@pytest.mark.parametrize(
    ("encoding", "separator"),
    [("utf-8-sig", ","), ("utf-16", ";"), ("gb18030", "\t"), ("big5", "|"), ("cp1252", ";")],
)
def test_separators_and_encodings(hospital, tmp_path, encoding, separator):
    for sheet in (hospital.patients, hospital.dxa):
        sheet.separator, sheet.encoding, sheet.settings = separator, encoding, {"encoding": encoding}
    all_right(hospital, tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16", "gb18030", "cp1252"])
def test_an_encoding_that_nobody_told_is_refused(hospital, tmp_path, encoding):
    word = {"gb18030": "患者", "cp1252": "Müller", "utf-16": "x"}[encoding]
    cells(hospital.patients, "Name", lambda name: word).encoding = encoding
    refused(hospital, tmp_path, "encoding")


@pytest.mark.parametrize(("line_end", "quoting"), [("\n", 1), ("\r\n", 0), ("\r", 1)])
def test_line_ends_and_quotes(hospital, tmp_path, line_end, quoting):
    hospital.dxa.line_end, hospital.dxa.quoting = line_end, quoting
    hospital.dxa.byte_changes.append(
        lambda content: content.removesuffix(line_end.encode())
    )  # no line end behind the last row
    all_right(hospital, tmp_path)


def test_decimal_commas_under_semicolons_and_headings_with_commas(hospital, tmp_path):
    sheet = hospital.dxa
    sheet.separator, sheet.headings = ";", ["Patient\nID", "Exam, date", "Region", "BMD, g/cm2", "T, score"]
    sheet.settings["columns"] = {
        "patient_id": "Patient ID",
        "exam_date": "Exam, date",
        "site": "Region",
        "bmd": "BMD, g/cm2",
        "t_score": "T, score",
    }
    for row in sheet.rows:
        row[3], row[4] = f"{row[3]:.3f}".replace(".", ","), f"{row[4]:.1f}".replace(".", ",")
    all_right(hospital, tmp_path)


@pytest.mark.parametrize("lines", [[["Bone density"]], [["Bone density"], [], ["2018", "to 2022", "all"]]])
@pytest.mark.parametrize("kind", [CSV, XLSX])
def test_lines_above_the_heading(hospital, tmp_path, lines, kind):
    hospital.dxa.kind, hospital.dxa.before = kind, lines
    outcome = all_right(hospital, tmp_path)
    assert any("header_row" in said for said in outcome.said)


@pytest.mark.parametrize("kind", [CSV, XLSX])
def test_headings_that_a_printed_page_repeats(hospital, tmp_path, kind):
    hospital.dxa.kind = kind
    rows = hospital.dxa.rows
    hospital.dxa.rows = [
        *rows[:50],
        list(hospital.dxa.headings),
        *rows[50:130],
        list(hospital.dxa.headings),
        *rows[130:],
    ]
    hospital.dxa.rows_known = False
    outcome = all_right(hospital, tmp_path)
    assert (
        outcome.said[-1].endswith("2 rows repeat the heading and are left out")
        and len(outcome.readings["dxa"].cells) == 180
    )


def test_a_quote_that_is_not_closed_is_refused(hospital, tmp_path):
    cells(hospital.patients, "Name", lambda name: name + "!", of(people()[12], people()[31]))
    hospital.patients.byte_changes.append(
        lambda content: content.replace(f"{people()[12].name}!".encode(), b'"said').replace(
            f"{people()[31].name}!".encode(), b'once"'
        )
    )
    refused(hospital, tmp_path, 'row 14 (line 14 of the file): a quote (")')


@pytest.mark.parametrize(
    ("at", "how", "sorted_by"),
    [
        (0, "lost", "patient"),
        (0, "more", "patient"),
        (0, "lost", "site"),
        (2, "more", "site"),
        (3, "lost", "patient"),
    ],
)
def test_a_row_of_another_length_may_be_of_its_neighbours(hospital, tmp_path, at, how, sorted_by):
    """The row of the low site lost a cell or got one more, so that its id may be gone, too: no one who may
    own it is called well.
    """
    person, sheet = LOW_ONCE[3], hospital.dxa
    if sorted_by == "site":
        sheet.rows.sort(key=lambda row: row[2])
    row = next(row for row in sheet.rows if at_site(person, low_site(person))(row))
    row.pop(at) if how == "lost" else row.insert(at, "7")
    outcome = taken_in(hospital, tmp_path)
    assert fault_of(hospital, outcome) == "" and outcome.excluded[person.source_id] == "undecided_dxa"
    assert len(outcome.excluded) <= 3 and outcome.readings["dxa"].n_set_aside == 1


@pytest.mark.parametrize("cut", [1, 3, 6, 14, 30])
def test_a_file_that_was_cut_short(hospital, tmp_path, cut):
    """The last row is the low site's of a patient. Without the end of its last cell it sets him aside;
    without whole cells the table is refused.
    """
    person, sheet = next(p for p in LOW_ONCE if low_site(p) == "total_hip"), hospital.dxa
    sheet.rows.sort(key=lambda row: row[0] == person.source_id)
    sheet.byte_changes.append(lambda content: content[: -1 - cut])
    sheet.rows_known = False
    if cut < 5:
        set_aside(hospital, tmp_path, {person.source_id}, "undecided_dxa")
    else:
        refused(hospital, tmp_path, "the file ends within row 181, without a line end")


# ------------------------------------------------------------------------------------------------ workbooks


def merged(sheet: Sheet, *names: str) -> None:
    """Merge a patient's rows in the columns."""

    def merge(book, table):
        for name in names:
            for first in range(2, len(sheet.rows) + 2, 3):
                table.merge_cells(
                    start_row=first,
                    end_row=first + 2,
                    start_column=sheet.at(name) + 1,
                    end_column=sheet.at(name) + 1,
                )

    sheet.kind = XLSX
    sheet.book_changes.append(merge)


def test_cells_merged_over_a_patients_rows(hospital, tmp_path):
    merged(hospital.dxa, "PatientID", "ExamDate")
    outcome = all_right(hospital, tmp_path)
    assert any("cells are merged" in said for said in outcome.said)


def test_numbers_merged_over_rows_are_none_of_theirs(hospital, tmp_path):
    merged(hospital.dxa, "TScore")
    refused(hospital, tmp_path, "most of its cells are no T-scores")


@pytest.mark.parametrize(("content", "excluded"), [(None, "undecided_dxa"), ("not measured", "")])
def test_a_cell_merged_with_the_one_beside_it(hospital, tmp_path, content, excluded):
    """A density merged over the T-score's cell: the T-score is gone, not absent. A word there counts for
    both.
    """
    person, sheet = (LOW_ONCE[0] if excluded else WELL[0]), hospital.dxa
    site = low_site(person) if excluded else high_site(person)
    at = 2 + next(i for i, row in enumerate(sheet.rows) if at_site(person, site)(row))
    sheet.kind = XLSX
    if content:
        cells(sheet, "BMD", lambda value: content, at_site(person, site))
        hospital.not_measured.add((person.source_id, site))
    sheet.book_changes.append(
        lambda book, table: table.merge_cells(start_row=at, end_row=at, start_column=4, end_column=5)
    )
    set_aside(hospital, tmp_path, {person.source_id} if excluded else set(), excluded)


@pytest.mark.parametrize(
    ("table", "name"),
    [("dxa", "TScore"), ("dxa", "PatientID"), ("patients", "Height"), ("patients", "BirthDate")],
)
def test_formulas_without_values_are_refused(hospital, tmp_path, table, name):
    sheet = getattr(hospital, table)
    sheet.kind = XLSX
    for row in sheet.rows[:7]:
        row[sheet.at(name)] = "=1+1"
    refused(hospital, tmp_path, f"7 cells of the column '{name}' hold formulas without a value")


def test_hidden_rows_and_sheets_are_told(hospital, tmp_path):
    def hide(book, table):
        for row in range(2, 32):
            table.row_dimensions[row].hidden = True
        book.create_sheet("old", 0).append(["PatientID", "TScore"])
        book["old"].sheet_state = "hidden"
        book.create_sheet("further").append(["a"])
        book["further"].append(["b"])
        book.active = book.index(table)

    hospital.dxa.kind = XLSX
    hospital.dxa.book_changes.append(hide)
    outcome = all_right(hospital, tmp_path)
    assert any("30 rows are hidden" in said for said in outcome.said) and any(
        "1 further sheet" in said for said in outcome.said
    )


def test_a_chart_or_a_sheet_that_is_not_there_is_refused(hospital, tmp_path):
    hospital.dxa.kind, hospital.dxa.settings = XLSX, {"sheet": "Chart"}
    hospital.dxa.book_changes.append(
        lambda book, table: book.create_chartsheet("Chart").add_chart(openpyxl.chart.BarChart())
    )
    refused(hospital, tmp_path, "is a chart and holds no rows")
    hospital.dxa.settings["sheet"] = "Data "
    refused(hospital, tmp_path, "differs in capitals or spaces")


@pytest.mark.parametrize("form", ["00000000", '"00"000000', "0000-0000", "General"])
def test_ids_stored_as_numbers(hospital, tmp_path, form):
    """Zeros and signs that a number format shows belong to the id; ids whose zeros are lost join nothing."""
    for sheet in (hospital.patients, hospital.dxa):
        sheet.kind = XLSX
        cells(sheet, "PatientID", int)
        sheet.book_changes.append(
            lambda book, table: [setattr(cell, "number_format", form) for cell in table["A"][1:]]
        )
    hospital.ids["separators"] = "drop"
    if form == "General":
        refused(hospital, tmp_path, "no patient of the films is in the patient table")
        hospital.ids["leading_zeros"] = "drop"
    all_right(hospital, tmp_path)


# ------------------------------------------------------------------------------------------------ ids


@pytest.mark.parametrize(
    "writing", [['="{}"', "'{}", "{}\u00a0", "\u200b{}", "\ufeff{}\u200f", " {} ", "\t{}"], ["{}.0"]]
)
def test_ids_guarded_padded_or_as_decimals(hospital, tmp_path, writing):
    for sheet in (hospital.patients, hospital.dxa):
        written = cycle(writing)
        cells(sheet, "PatientID", lambda text, written=written: next(written).format(text))
    all_right(hospital, tmp_path)


def test_ids_of_full_width(hospital, tmp_path):
    cells(hospital.patients, "PatientID", lambda text: "".join(chr(ord(c) + 0xFEE0) for c in text))
    all_right(hospital, tmp_path)


@pytest.mark.parametrize(
    ("written", "tables"),
    [("B{}", ["dxa"]), ("H01-{}", ["patients", "dxa"]), ("{}^^^HIS", ["patients", "dxa"]), ("{}-7", ["dxa"])],
)
def test_ids_that_join_nothing_are_refused(hospital, tmp_path, written, tables):
    for table in tables:
        cells(getattr(hospital, table), "PatientID", written.format)
    refused(hospital, tmp_path, "no patient of the")


def test_t_scores_of_people_whose_sex_nobody_knows_are_not_judged(hospital, tmp_path):
    """A DXA table of the whole hospital has many who are not in the study's patient table: both sexes on one
    line would look wrong.
    """
    sheet = hospital.dxa
    sheet.rows += [["7" + row[0][1:], *row[1:]] for row in sheet.rows]
    outcome = taken_in(hospital, tmp_path)
    assert fault_of(hospital, outcome) == "" and outcome.labels == {p.source_id: p.label for p in people()}
    assert outcome.reasons("dxa") == set()


def test_ids_with_hyphens_in_one_table(hospital, tmp_path):
    cells(hospital.dxa, "PatientID", lambda text: f"{text[:4]}-{text[4:]}")
    refused(hospital, tmp_path, "separators")
    hospital.ids["separators"] = "drop"
    all_right(hospital, tmp_path)


def test_ids_that_excel_shortened_are_refused(hospital, tmp_path):
    cells(hospital.dxa, "PatientID", lambda text: f"{float(text):.1E}")
    refused(hospital, tmp_path, "Excel has shortened ids")


def test_ids_in_another_form_in_some_rows(hospital, tmp_path):
    """The rows of the low site bear the id in another form: nobody is called well without them."""
    forms = [
        lambda i: i.lstrip("0"),
        lambda i: i + ".0",
        lambda i: f"{i[:4]}-{i[4:]}",
        lambda i: f"{i[:4]} {i[4:]}",
        lambda i: "0" + i,
    ]
    for form, alone, proved in zip(forms, LOW_ONCE, LOW_TWICE):
        cells(hospital.dxa, "PatientID", form, at_site(alone, low_site(alone)))
        cells(hospital.dxa, "PatientID", form, at_site(proved, high_site(proved)))
    outcome = taken_in(hospital, tmp_path)
    assert fault_of(hospital, outcome) == "" and "id_in_another_form" in outcome.reasons("dxa")
    out = {source: reason for source, reason in outcome.excluded.items() if source in ids_of(people())}
    assert out == dict.fromkeys(ids_of(LOW_ONCE[:5]), "undecided_dxa") and {
        outcome.labels[p.source_id] for p in LOW_TWICE[:5]
    } == {1}


@pytest.mark.parametrize(
    ("cell", "sorted_by"),
    [
        ("", "patient"),
        ("", "date"),
        (None, "site"),
        ("NA", "patient"),
        ("?", "site"),
        ("6.92E+05", "patient"),
        ("0\ufffd43", "site"),
    ],
)
def test_a_row_without_an_id_may_be_of_whoever_lacks_one(hospital, tmp_path, cell, sorted_by):
    person, sheet = LOW_ONCE[3], hospital.dxa
    if sorted_by != "patient":
        sheet.rows.sort(key=lambda row: row[1 if sorted_by == "date" else 2])
    cells(sheet, "PatientID", lambda text: cell, at_site(person, low_site(person)))
    outcome = taken_in(hospital, tmp_path)
    assert (
        fault_of(hospital, outcome) == ""
        and outcome.excluded[person.source_id] == "undecided_dxa"
        and len(outcome.excluded) <= 3
    )


def test_bad_rows_of_people_who_are_not_in_the_study_cost_nobody(hospital, tmp_path):
    """A DXA table of the whole hospital: rows of others that can't be read are not their neighbours'."""
    sheet = hospital.dxa
    others = [["7" + row[0][1:], *row[1:]] for row in sheet.rows]
    for row in others[::3]:
        row[4] = "see report"
    sheet.rows = [row for n in range(0, 180, 3) for row in (*sheet.rows[n : n + 3], *others[n : n + 3])]
    outcome = taken_in(hospital, tmp_path)
    assert fault_of(hospital, outcome) == "" and outcome.labels == {p.source_id: p.label for p in people()}


def test_a_row_without_an_id_concerns_exams_of_its_day_alone(hospital, tmp_path):
    """In a table sorted by site, many exams lack a site; one row without an id leaves those of other days
    alone.
    """
    person, sheet = LOW_ONCE[3], hospital.dxa
    site = low_site(person)
    lacking = ids_of([p for p in WELL if abs((p.exam - person.exam).days) > 1][:20])
    sheet.rows = [row for row in sheet.rows if not (row[0] in lacking and row[2] == SITES[site])]
    hospital.not_measured = {(source, site) for source in lacking}
    sheet.rows.sort(key=lambda row: row[2])
    cells(sheet, "PatientID", lambda text: "", at_site(person, site))
    outcome = taken_in(hospital, tmp_path)
    assert fault_of(hospital, outcome) == "" and person.source_id in outcome.excluded
    assert len(outcome.excluded) <= 3, "he, and the rows above and below"


@pytest.mark.parametrize(
    ("one", "other"),
    [("PatientID", "ExamDate"), ("PatientID", "Region"), ("ExamDate", "Region"), ("Region", "TScore")],
)
def test_cells_of_a_row_exchanged(hospital, tmp_path, one, other):
    person, sheet = LOW_ONCE[3], hospital.dxa
    row = next(row for row in sheet.rows if at_site(person, low_site(person))(row))
    a, b = sheet.at(one), sheet.at(other)
    row[a], row[b] = sheet.text(row[b], b), sheet.text(row[a], a)
    outcome = taken_in(hospital, tmp_path)
    assert (
        fault_of(hospital, outcome) == ""
        and outcome.excluded[person.source_id] == "undecided_dxa"
        and len(outcome.excluded) <= 3
    )


# ------------------------------------------------------------------------------------------------ rows twice


@pytest.mark.parametrize("table", ["patients", "dxa"])
def test_rows_twice(hospital, tmp_path, table):
    sheet = getattr(hospital, table)
    n, sheet.rows = len(sheet.rows), sheet.rows * 2
    outcome = all_right(hospital, tmp_path)
    assert outcome.readings[table].n_left_out == n


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("patients", ("Height", "Weight")),
        ("patients", ("BirthDate",)),
        ("patients", ("Sex",)),
        ("dxa", ("BMD",)),
        ("dxa", ("TScore", "BMD")),
    ],
)
def test_an_empty_cell_contradicts_nothing(hospital, tmp_path, table, names):
    sheet = getattr(hospital, table)
    again = [
        ["" if sheet.headings[place] in names else value for place, value in enumerate(row)]
        for row in sheet.rows[:12]
    ]
    sheet.rows += again
    outcome = all_right(hospital, tmp_path)
    assert outcome.cohort["height_cm"].notna().all()


def test_contradicting_rows_set_their_patients_aside(hospital, tmp_path):
    """Another height, sex, birth date, T-score or density on the same day."""
    changes = [
        ("patients", "Height", 140.0),
        ("patients", "Sex", None),
        ("patients", "BirthDate", datetime.date(1950, 1, 1)),
        ("dxa", "TScore", -3.3),
        ("dxa", "BMD", 0.5),
    ]
    for (table, name, cell), person in zip(changes, WELL):
        sheet = getattr(hospital, table)
        again = list(next(row for row in sheet.rows if row[0] == person.source_id))
        again[sheet.at(name)] = {"F": "M", "M": "F"}[person.sex] if name == "Sex" else cell
        sheet.rows.append(again)
    set_aside(hospital, tmp_path, ids_of(WELL[:5]), "conflicting_rows")


def test_two_persons_under_one_id(hospital, tmp_path):
    one, other = people()[:2]
    cells(hospital.patients, "PatientID", lambda text: one.source_id, of(other))
    outcome = taken_in(hospital, tmp_path)
    assert fault_of(hospital, outcome) == ""
    assert outcome.excluded == {one.source_id: "conflicting_rows", other.source_id: "not_in_patients_table"}


def test_a_person_under_two_ids_is_told(hospital, tmp_path):
    person = people()[0]
    for sheet in (hospital.patients, hospital.dxa):
        sheet.rows += [["99123456", *row[1:]] for row in sheet.rows if row[0] == person.source_id]
    outcome = taken_in(hospital, tmp_path)
    assert (
        fault_of(hospital, outcome) == ""
        and "person_under_two_ids" in outcome.reasons("patients")
        and len(outcome.cohort) == 60
    )


# ------------------------------------------------------------ height, weight, sex, flags


def test_units_behind_heights_and_weights(hospital, tmp_path):
    length, mass = cycle(["cm", " cm", "厘米", " 公分", ""]), cycle(["kg", " kg", "公斤", " 千克", ""])
    text(hospital.patients, "Height", lambda height: height + next(length))
    text(hospital.patients, "Weight", lambda weight: weight + next(mass))
    outcome = all_right(hospital, tmp_path)
    assert outcome.cohort["height_cm"].to_dict() == {p.source_id: p.height for p in people()}
    assert outcome.cohort["weight_kg"].to_dict() == {p.source_id: p.weight for p in people()}


def test_heights_that_cannot_be_read_cost_nobody(hospital, tmp_path):
    written = iter(
        [
            "卧床未测",
            "1.62",
            "16.2",
            "1620",
            "999",
            "-1",
            "160-165",
            "5'4\"",
            "unknown",
            "",
            "-",
            "nicht gemessen",
        ]
    )
    cells(hospital.patients, "Height", lambda height: next(written), of(*people()[:12]))
    outcome = all_right(hospital, tmp_path)
    assert outcome.cohort["height_cm"].isna().sum() == 12


def test_height_and_weight_exchanged(hospital, tmp_path):
    sheet = hospital.patients
    tall = [p for p in people() if p.weight < 75][:9]
    for row in filter(of(*tall), sheet.rows):
        row[4], row[5] = row[5], row[4]
    outcome = all_right(hospital, tmp_path)
    assert set(outcome.cohort.index[outcome.cohort["height_cm"].isna()]) == ids_of(tall)


@pytest.mark.parametrize(
    ("name", "factor", "said"),
    [
        ("Height", 1 / 2.54, "no heights in cm"),
        ("Height", 0.01, "heights look like m"),
        ("Weight", 2.2046, "median body mass index"),
    ],
)
def test_a_column_in_another_unit_is_refused(hospital, tmp_path, name, factor, said):
    text(hospital.patients, name, lambda value: f"{float(value) * factor:.2f}")
    refused(hospital, tmp_path, said)


def test_the_films_header_tells_a_sex_that_the_table_does_not(hospital, tmp_path):
    codes = cycle(["U", "O", "X", "9", "", "?", "未知"])
    cells(hospital.patients, "Sex", lambda sex: next(codes), of(*people()[:14]))
    all_right(hospital, tmp_path)


def test_flags_that_cannot_be_read_are_missing(hospital, tmp_path):
    codes = iter(["perhaps", "", "?", "2"])
    cells(hospital.patients, "Secondary", lambda flag: next(codes), of(*people()[:4]))
    hospital.cohort = {"missing_flag": "exclude", "exclusions": ["secondary_osteoporosis"]}
    set_aside(hospital, tmp_path, ids_of(people()[:4]), "exclusion_flag_missing")


# ------------------------------------------------------------ layouts for later


@pytest.mark.parametrize("absent", ["site", "bmd", "t_score", "exam_date"])
def test_a_layout_that_the_config_cannot_tell_is_refused(hospital, tmp_path, absent):
    """Wide tables, a label or densities alone, exams without dates: the key that is missing is named before
    anything is read.
    """
    columns = {
        "patient_id": "PatientID",
        "exam_date": "ExamDate",
        "site": "Region",
        "bmd": "BMD",
        "t_score": "TScore",
    }
    hospital.dxa.settings["columns"] = {name: column for name, column in columns.items() if name != absent}
    with pytest.raises(ValidationError, match=absent):
        taken_in(hospital, tmp_path)


@pytest.mark.parametrize("absent", ["BMD", "TScore", "ExamDate", "Region", "PatientID"])
def test_a_column_that_is_not_there_is_refused(hospital, tmp_path, absent):
    hospital.dxa.headings[hospital.dxa.at(absent)] = "Spalte"
    refused(hospital, tmp_path, f"the table has no column '{absent}'")
