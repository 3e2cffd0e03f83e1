"""The allow-list against the Basic Profile's table: no tag of it is kept without an option that allows it.

``ps3_15_table_e1_1.csv`` holds DICOM PS3.15 Table E.1-1: the tag, its keyword, the Basic Profile's action,
and the actions of six options. Rows of the edition ``2025`` are the standard as published on 24 June 2025,
taken from the data of idiscore 1.6.0; the Basic Profile's actions are the same in dicom-anonymizer 2.1.0's
lists of 2024b and 2026c, which were made from the standard by others. Rows of the edition ``2026c`` are the
nine that are only in the latter; their options aren't known there.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pydicom
import pytest

from scripts.intake.deidentification import METHOD_CODES, allowed_tags

TABLE = Path(__file__).with_name("ps3_15_table_e1_1.csv")
OPTIONS = {
    "Retain Patient Characteristics": ("retain_patient_characteristics", "113108"),
    "Retain Longitudinal Temporal Information with Modified Dates": ("retain_modified_dates", "113107"),
}
STATED = {
    "PatientIdentityRemoved", "DeidentificationMethod", (
        "DeidentificationMethodCodeSequenc"
        "e"
), "LongitudinalTemporalInformationModified",
}  # fmt: skip
"""What PS3.15 E.1.1 and E.3.6 ask to be written; it isn't in the table."""

CODES_OF_ACTION = {
    "new_uid": {"U"},
    "empty": {"Z"},
    "pseudonym": {"Z", "D"},
    "shift_date": {"C", "K"},
    "sex": {"K"},
}
"""Action of the allow-list: the standard's codes that permit it. Z permits a dummy value as well as none."""


@pytest.fixture(scope="module")
def table() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def row_of(table: list[dict[str, str]], tag: str) -> dict[str, str] | None:
    """The table's row that speaks of a tag, those of repeating groups too."""
    if int(tag[:4], 16) % 2:
        return next(row for row in table if row["tag"] == "private")
    for row in table:
        pattern = row["tag"].upper().replace("X", "[0-9A-F]")
        if row["tag"] != "private" and re.fullmatch(pattern, tag):
            return row
    return None


def objection(table: list[dict[str, str]], row: dict[str, str]) -> str:
    """Why the standard doesn't permit an entry of the allow-list as it says; empty where it does."""
    listed = row_of(table, row["tag"])
    if listed is None:
        named = "required" if row["keyword"] in STATED else "not listed"
        return "" if row["option"].endswith(": " + named) else "names another reason than the table's"
    option, code = row["option"].rsplit(": ", 1)
    if option == "Basic Profile":
        column = "basic_profile"
    elif option in OPTIONS:
        column = OPTIONS[option][0]
    else:
        return "no such option"
    if listed[column] != code or not code:
        return f"the table says '{listed[column]}'"
    return (
        ""
        if CODES_OF_ACTION.get(row["action"], set()) & set(re.split(r"[/*]+", code))
        else "the action does more than that"
    )


def test_no_tag_of_the_table_is_kept_without_an_option(table):
    assert {row["keyword"]: objection(table, row) for row in allowed_tags() if objection(table, row)} == {}


def test_the_options_used_are_declared_in_every_film():
    used = {
        OPTIONS[row["option"].rsplit(": ")[0]][1]
        for row in allowed_tags()
        if row["option"].rsplit(": ")[0] in OPTIONS
    }
    assert {code for code, _ in METHOD_CODES} == used | {"113100"}


@pytest.mark.parametrize(
    "entry",
    [
        {
            "tag": "00080080",
            "keyword": "InstitutionName",
            "action": "copy_text",
            "option": "Basic Profile: not listed",
        },
        {
            "tag": "00080080",
            "keyword": "InstitutionName",
            "action": "copy_text",
            "option": "Basic Profile: X/Z/D",
        },
        {
            "tag": "00101020",
            "keyword": "PatientSize",
            "action": "copy_number",
            "option": "Retain Longitudinal: K",
        },
        {
            "tag": "00081010",
            "keyword": "StationName",
            "action": "empty",
            "option": "Retain Patient Characteristics: ",
        },
        {
            "tag": "60003000",
            "keyword": "OverlayData",
            "action": "copy_code",
            "option": "Basic Profile: not listed",
        },
        {"tag": "50010010", "keyword": "", "action": "copy_code", "option": "Basic Profile: not listed"},
        {"tag": "00091001", "keyword": "", "action": "copy_code", "option": "Basic Profile: not listed"},
        {"tag": "00080020", "keyword": "StudyDate", "action": "copy_code", "option": "Basic Profile: Z"},
        {"tag": "00180060", "keyword": "KVP", "action": "copy_number", "option": "Retain Device Identity: K"},
    ],
)
def test_the_check_would_object(table, entry):
    assert objection(table, entry)


def test_the_table_is_whole(table):
    tags = [row["tag"] for row in table]
    assert len(tags) == len(set(tags)) == 656 and sum(row["edition"] == "2025" for row in table) == 647
    assert {row["basic_profile"] for row in table} == {
        "X",
        "Z",
        "D",
        "U",
        "X/Z",
        "X/D",
        "Z/D",
        "X/Z/D",
        "X/Z/U*",
    }
    for row in table:
        known = (
            pydicom.datadict.keyword_for_tag(int(row["tag"], 16))
            if re.fullmatch("[0-9A-F]{8}", row["tag"])
            else ""
        )
        assert known in ("", row["keyword"])
    by_keyword = {row["keyword"]: row for row in table}
    assert (
        by_keyword["PatientID"]["basic_profile"] == "Z/D"
        and by_keyword["PatientSex"]["retain_patient_characteristics"] == "K"
    )
    assert (
        by_keyword["AcquisitionDate"]["retain_modified_dates"] == "C"
        and by_keyword["StudyInstanceUID"]["retain_uids"] == "K"
    )


def test_every_copied_code_and_number_has_its_values():
    for row in allowed_tags():
        if row["action"] in ("copy_number", "copy_pixel_value"):
            low, high = map(float, row["values"].split(".."))
            assert low <= high and abs(low) < 1e5 and abs(high) < 1e5, (
                f"{row['keyword']}: room for an id of six digits"
            )
        elif row["action"] == "copy_code" or row["keyword"] == "ModalityLUTType":
            terms = row["values"].split("|")
            assert all(re.fullmatch(r"[A-Z0-9_ ]{0,16}", term) for term in terms) and any(terms)
        else:
            assert row["values"] == "", row["keyword"]
