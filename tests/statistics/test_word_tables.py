"""Table 1 and 2 for Word and as HTML."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import docx
import numpy as np
import pytest

from scripts.common.language import Language
from scripts.common.language.names import Names, labels_of_models
from scripts.common.manuscript_tables import table_1, table_2
from scripts.common.numbers import p_value
from scripts.statistics.auc_comparison import delong_table
from scripts.statistics.cohort_description import count_missing, describe
from scripts.statistics.performance import performance_table
from scripts.statistics.three_line import Table, three_line, to_html, write_docx
from scripts.statistics.thresholds import freeze

MODELS = ["deep", "clinical", "combined"]
SETS = ["internal_test", "external_1", "external_2"]
CENTERS = ["internal", "external_1", "external_2"]


@pytest.fixture
def tables(predictions, cohort):
    def make(language: str, synthetic: bool, engine: str = "r") -> list[Table]:
        cohort.loc[cohort["center"] == "external_1", "weight_kg"] = np.nan
        words = Language(language, "tables")
        names = Names(words, {"internal": "Jiang <Men> & Co"}, labels_of_models(words))
        cuts = freeze(predictions, MODELS, "youden", None)
        numbers = performance_table(
            predictions, MODELS, SETS, dict(zip(cuts["model"], cuts["threshold"])), 0.95, 100, 1
        )
        tests = delong_table(predictions, MODELS, SETS, ["combined", "clinical"], 0.95, None)
        record = {"engine": engine, "R": "4.2.2", "pROC": "1.18.0"}
        made = (
            table_1(describe(cohort, CENTERS), count_missing(cohort), CENTERS, words, names),
            table_2(numbers, tests, cuts, record, SETS, 0.95, words, names),
        )
        return [three_line(table, words, synthetic) for table in made]

    return make


@pytest.mark.parametrize("language", ["en", "zh"])
def test_word_file_holds_the_whole_table(tables, tmp_path, language):
    for table in tables(language, True):
        write_docx(table, tmp_path / "table.docx")
        document = docx.Document(tmp_path / "table.docx")
        grid = document.tables[0]
        assert [cell.text for cell in grid.rows[0].cells] == list(table.head)
        for row, wanted in zip(grid.rows[1:], table.body, strict=True):
            assert [cell.text for cell in row.cells] == (
                list(wanted) if len(wanted) > 1 else [wanted[0]] * len(table.head)
            )
        said = [p.text for p in document.paragraphs]
        assert said[0] == table.warning and said[1] == table.caption and list(table.notes) == said[2:]
        assert ("SYNTHETIC" if language == "en" else "模拟数据") in said[0]


def test_three_lines_and_no_more(tables, tmp_path):
    for table in tables("en", False):
        write_docx(table, tmp_path / "table.docx")
        grid = docx.Document(tmp_path / "table.docx").tables[0]
        assert grid.style is None or "Grid" not in grid.style.name
        lined = {i for i, row in enumerate(grid.rows) if "w:tcBorders" in row._tr.xml}
        assert lined == {0, len(grid.rows) - 1}


def test_same_table_same_bytes(tables, tmp_path):
    for i, table in enumerate(tables("en", True)):
        for name in ("a", "b"):
            write_docx(table, tmp_path / f"{name}{i}.docx")
        assert (tmp_path / f"a{i}.docx").read_bytes() == (tmp_path / f"b{i}.docx").read_bytes()


def test_html_is_whole_escaped_and_needs_nothing_from_outside(tables):
    first, second = tables("en", True)
    page = to_html(first)
    assert "Jiang &lt;Men&gt; &amp; Co" in page and "SYNTHETIC" in page
    assert not re.search(r"https?://|<script|<link|url\(", page)
    assert page.count("<tr>") == len(first.body) + 1
    assert "SYNTHETIC" not in to_html(tables("en", False)[0])
    assert "pROC 1.18.0" in to_html(second) and "without R" in to_html(tables("en", True, "numpy")[1])


def test_table_1_says_what_is_missing_and_dashes_what_has_no_number(tables):
    table = tables("en", True)[0]
    assert any(
        "External 1" in note or "External_1" in note or "external 1" in note.lower()
        for note in table.notes
        if "missing" in note
    )
    heading = [row[0] for row in table.body].index("External 1: n = 56, OP 35, Non-OP 21")
    weight = next(row for row in table.body[heading:] if row[0] == "Weight (kg)")
    assert weight[1:] == ["–"] * 5


def test_table_2_gives_holm_p_against_the_reference(tables, predictions):
    table = tables("en", True)[1]
    tests = delong_table(predictions, MODELS, SETS, ["combined", "clinical"], 0.95, None).set_index(
        ["set", "model_a", "model_b"]
    )
    deep, clinical, combined, everyone = table.body[1:5]
    assert deep[-1] == p_value(tests.loc[("internal_test", "combined", "deep"), "p_holm"])
    assert clinical[-1] == p_value(tests.loc[("internal_test", "combined", "clinical"), "p_holm"])
    assert combined[-1] == everyone[-1] == "" and everyone[2].startswith("100.0") and everyone[6] == "–"
    assert deep[1].endswith("†")


def test_notes_count_the_capped_ages_of_each_centre(tables, cohort):
    note = next(note for note in tables("en", True)[0].notes if "89" in note)
    capped = {center: int((part["age"] >= 90).sum()) for center, part in cohort.groupby("center")}
    assert sum(capped.values()), "the case is part of this test"
    for center, n in capped.items():
        name = Names(Language("en"), {"internal": "Jiang <Men> & Co"}).center(center)
        assert (f"{name} {n}" in note) == bool(n)


def test_headings_stay_with_their_rows_and_the_head_comes_again_on_every_page(tables, tmp_path):
    for language in ("en", "zh"):
        for table in tables(language, True):
            write_docx(table, tmp_path / "table.docx")
            grid = docx.Document(tmp_path / "table.docx").tables[0]
            assert "w:tblHeader" in grid.rows[0]._tr.xml and all(
                "w:cantSplit" in row._tr.xml for row in grid.rows
            )
            for row, wanted in zip(grid.rows[1:], table.body, strict=True):
                paragraph = row.cells[0].paragraphs[0]
                assert bool(paragraph.paragraph_format.keep_with_next) == (len(wanted) == 1)
                run = paragraph.runs[0]
                assert (run.bold, run.italic) == (
                    len(wanted) == 1 and language == "zh",
                    len(wanted) == 1 and language == "en",
                )
                assert 'w:eastAsia="SimSun"' in run._element.xml


@pytest.mark.skipif(
    shutil.which("soffice") is None or shutil.which("pdftotext") is None,
    reason="LibreOffice is not installed",
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_cell_is_broken_on_the_printed_page(tables, tmp_path, language):
    for i, table in enumerate(tables(language, True)):
        write_docx(table, tmp_path / f"{i}.docx")
    command = [
        "soffice",
        f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}",
        "--headless",
        "--convert-to",
        "pdf",
        "--outdir",
        tmp_path,
    ]
    plain = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
    }  # without what R has set for its own libraries
    subprocess.run(
        [*command, tmp_path / "0.docx", tmp_path / "1.docx"],
        check=True,
        capture_output=True,
        timeout=180,
        env=plain,
    )
    for i, table in enumerate(tables(language, True)):
        said = subprocess.run(
            ["pdftotext", "-layout", tmp_path / f"{i}.pdf", "-"], capture_output=True, text=True, check=True
        ).stdout
        said = re.sub(" +", "", said)
        for row in table.body:
            for cell in row if len(row) > 1 else []:
                assert "".join(cell.split()) in said, cell


@pytest.mark.chromium
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed (make test-tools)")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_html_tables_need_no_sideways_scrolling_on_a_desktop(tables, tmp_path, language):
    probe = (
        '<script>addEventListener("load",()=>{const'
        ' s=document.querySelector(".scroll");document.title=`${s.scrollWidth}'
        " ${s.clientWidth}`})</script></body>"
    )
    for i, table in enumerate(tables(language, True)):
        page = tmp_path / f"{i}.html"
        page.write_text(to_html(table).replace("</body>", probe), encoding="utf-8")
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-dev-shm-usage",
            f"--user-data-dir={tmp_path / 'profile'}",
        ]
        command = ["chromium", *flags, "--window-size=1200,800", "--dump-dom", page.as_uri()]
        plain = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        said = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=True, env=plain
        ).stdout
        needed, given = map(int, re.search(r"<title>(\d+) (\d+)</title>", said).groups())
        assert 0 < needed <= given
