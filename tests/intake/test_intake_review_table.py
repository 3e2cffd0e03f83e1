"""A reader's table: read however it was saved, refused in one sentence where it can't be used as it is."""

from __future__ import annotations

import pandas as pd
import pytest

from scripts.common.contracts.intake import CROSSWALK, REVIEW
from scripts.common.errors import StudyError
from scripts.common.tables import write_table
from scripts.intake.review_table import read_review, verdicts_of
from scripts.intake.screening import known_image_ids, read_overrides

ONE, TWO, THREE = (f"I00000000000000A{n}" for n in "123")
WHERE = "centers[c].review"
DECIDED = {ONE: "pass", TWO: "reject"}


def saved(text: str, encoding: str = "utf-8") -> bytes:
    return text.encode(encoding)


WAYS = {
    "as it is": saved(f"image_id,verdict\n{ONE},pass\n{TWO},reject\n{THREE},\n"),
    "semicolons": saved(
        f"image_id;verdict;automatic_reason\r\n{ONE};pass;clipped;range\r\n{TWO};reject;\r\n\r\n", "utf-8-sig"
    ),
    "a line for Excel": saved(f"sep=,\r\nimage_id,verdict\r\n{ONE},pass\r\n{TWO},reject\r\n"),
    "capitals": saved(f"Verdict,Image ID\nPASS,{ONE.lower()}\nReject ,{TWO}\n"),
    "Chinese Windows": saved(f"image_id,verdict,备注\n{ONE},pass,清晰\n{TWO},reject,欠曝\n", "gb18030"),
    "Western Windows": saved(
        f"image_id,verdict,Bemerkung\n{ONE},pass,schön\n{TWO},reject,für später ü\n", "cp1252"
    ),
    "Unicode text of Excel": saved(f"image_id\tverdict\r\n{ONE}\tpass\r\n{TWO}\treject\r\n", "utf-16"),
}


@pytest.mark.parametrize("way", WAYS)
def test_tables_are_read_however_they_were_saved(tmp_path, way):
    (tmp_path / "review.csv").write_bytes(WAYS[way])
    assert verdicts_of(read_review(tmp_path / "review.csv", WHERE), "c", {ONE, TWO, THREE}) == DECIDED


def test_excel(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    for cells in (["image_id", "verdict"], [ONE, "pass"], [None, None], [TWO, "reject"], [THREE, None]):
        book.active.append(cells)
    book.save(tmp_path / "review.xlsx")
    rows = read_review(tmp_path / "review.xlsx", WHERE)
    assert [row.number for row in rows] == [2, 4, 5] and verdicts_of(rows, "c", {ONE, TWO, THREE}) == DECIDED


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,verdict\nI1,pass\n", "'image_id' and 'verdict'"),
        ("", "'image_id' and 'verdict'"),
        ("image_id,verdict,Verdict\n", "each once"),
        (f"image_id,verdict\n{ONE},maybe\n", "row 2: the verdict must be 'pass' or 'reject'"),
        (f"image_id,verdict\n{ONE},pass\n{ONE},reject\n", "row 3: this film has both verdicts"),
        ("image_id,verdict\nHOSP-0042,pass\n", "row 2: this is no image id"),
        (f"image_id,verdict\n{ONE[:-1]},\n", "row 2: this is no image id"),
        ("image_id,verdict\n,pass\n", "row 2: this is no image id"),
    ],
)
def test_a_slip_is_one_sentence_that_quotes_nothing(tmp_path, text, said):
    (tmp_path / "review.csv").write_text(text)
    with pytest.raises(StudyError, match=said) as caught:
        read_review(tmp_path / "review.csv", WHERE)
    message = str(caught.value)
    assert (
        message.startswith(WHERE + ": ")
        and "\n" not in message
        and "HOSP" not in message
        and "maybe" not in message
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("review.xls", "old Excel files"),
        ("broken.xlsx", "can't be read as Excel"),
        ("none.csv", "can't be opened"),
    ],
)
def test_a_file_that_is_no_table_is_named_by_its_key(tmp_path, name, said):
    if name != "none.csv":
        (tmp_path / name).write_bytes(b"\xd0\xcf\x11\xe0 old")
    with pytest.raises(StudyError, match=said) as caught:
        read_review(tmp_path / name, WHERE)
    assert str(caught.value).startswith(WHERE + ": ")


def test_ids_of_no_film_are_refused_never_passed_over(tmp_path):
    (tmp_path / "review.csv").write_text(f"image_id,verdict\n{ONE},pass\n{TWO},reject\n{THREE},\n")
    rows = read_review(tmp_path / "review.csv", WHERE)
    with pytest.raises(StudyError, match="row 3 \\(and 1 further rows\\): no film of this centre") as caught:
        verdicts_of(rows, "c", {ONE})
    assert TWO not in str(caught.value)


def test_a_film_is_known_by_all_its_ids(tmp_path):
    content = {"image_id": [ONE], "uid_image_id": [TWO], "path_image_id": [THREE]}
    write_table(
        pd.DataFrame(
            {name: content.get(name, [None if kind == "int" else ""]) for name, kind in CROSSWALK.items()}
        ),
        tmp_path / "c.csv",
        CROSSWALK,
    )
    assert known_image_ids([str(tmp_path / "c.csv")]) == {ONE, TWO, THREE}


def test_screening_takes_the_verdicts_as_they_were_read(tmp_path):
    write_table(pd.DataFrame(list(DECIDED.items()), columns=list(REVIEW)), tmp_path / "v.csv", REVIEW)
    assert read_overrides(tmp_path / "v.csv") == DECIDED and read_overrides(None) == {}
    write_table(pd.DataFrame([], columns=list(REVIEW)), tmp_path / "v.csv", REVIEW)
    assert read_overrides(tmp_path / "v.csv") == {}
