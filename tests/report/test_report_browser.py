"""The page in headless Chromium: nothing fetched, no message, tables sort and figures enlarge by click and by
key, phone, print.
"""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from scripts.report.render import report_html
from tests.report.browser import Browser
from tests.report.conftest import seven_models

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(
        shutil.which("chromium") is None, reason="chromium is not installed (make test-tools)"
    ),
]

# Tables that do not fit their box, as [id, their width, the box's width].
TOO_WIDE = """Array.from(document.querySelectorAll('.scroll'))
  .map((box) => [box.firstElementChild.id, box.scrollWidth, box.clientWidth])
  .filter(([, table, box]) => table > box)"""
PAGE_FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(study, tmp_path):
    run = study()
    run.statistics["delong"].loc[[0, 1, 2, 3], "p_value"] = [0.0004, 0.00002, 0.03, 0.9996]
    run.statistics["calibration"].loc[[0, 1, 2], "note"] = (
        "no curve: 28 events and 12 non-events, 20 of each are needed"
    )
    path = tmp_path / "report.html"
    path.write_text(report_html(run), encoding="utf-8")
    return path


def heading(table: str, title: str) -> str:
    """Marks a column's heading with the id ``sought`` and gives the place of the column."""
    return f"""(() => {{
      document.querySelector('#sought')?.removeAttribute('id');
      const heads = Array.from(document.getElementById('{table}').tHead.rows[0].cells);
      const place = heads.findIndex((head) => head.textContent === '{title}');
      heads[place].querySelector('button').id = 'sought';
      return place; }})()"""


def column(browser: Browser, table: str, place: int) -> list[str]:
    return browser.js(
        f"Array.from(document.getElementById('{table}').tBodies[0].rows).map((row) =>"
        f" row.cells[{place}].textContent.trim())"
    )


def sorted_as(browser: Browser) -> str | None:
    return browser.js("document.getElementById('sought').parentElement.getAttribute('aria-sort')")


def test_nothing_is_fetched_and_all_that_is_linked_is_there(browser, page):
    browser.open(page)
    assert browser.console == [] and browser.requests == []
    assert browser.js("Array.from(document.images).length") > 10
    assert (
        browser.js(
            "Array.from(document.images).filter((image) => !image.complete || image.naturalWidth ==="
            " 0).length"
        )
        == 0
    )
    links = browser.js("Array.from(document.links).map((link) => link.getAttribute('href'))")
    assert len(links) > 20 and all(link.startswith("#") for link in links)
    assert (
        browser.js(
            "Array.from(document.links).filter((link) =>"
            " !document.querySelector(link.getAttribute('href'))).length"
        )
        == 0
    )
    assert browser.js(
        "Array.from(document.querySelectorAll('nav a')).length === document.querySelectorAll('main >"
        " section').length"
    )


def test_the_page_can_ask_nothing_of_the_outside(browser, page):
    browser.open(page)
    tried = """Promise.allSettled([fetch('https://example.org/'), new Promise((done, fail) => {
      const image = new Image(); image.onload = done; image.onerror = () => fail(Error('refused'));
      image.src = 'https://example.org/x.png'; })])
      .then((all) => all.map((one) => one.status))"""
    assert browser.js(tried) == ["rejected", "rejected"]
    refused = [text for text in browser.console if "Content Security Policy" in text]
    assert any("connect" in text or "default-src" in text for text in refused) and any(
        "img-src" in text for text in refused
    )
    browser.js(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.planted ="
        " 1'}))"
    )
    assert browser.js("typeof planted") == "undefined"


def test_tables_sort_by_number_with_click_and_key(browser, page):
    browser.open(page)
    place = browser.js(heading("table-delong", "P"))
    assert sorted_as(browser) is None
    browser.click("#sought")
    rising = column(browser, "table-delong", place)
    assert sorted_as(browser) == "ascending"
    assert rising[:3] == ["<0.001", "<0.001", "0.012"] and rising[-2:] == ["0.030", ">0.999"]
    values = browser.js(
        "Array.from(document.getElementById('table-delong').tBodies[0].rows).map((row) =>"
        f" Number(row.cells[{place}].dataset.sort))"
    )
    assert values == sorted(values) and values[:2] == [0.00002, 0.0004]
    browser.key("Enter")  # the heading still has the focus
    assert sorted_as(browser) == "descending" and column(browser, "table-delong", place)[0] == ">0.999"
    browser.key(" ")
    assert sorted_as(browser) == "ascending" and column(browser, "table-delong", place) == rising
    browser.js(heading("table-delong", "Set"))
    browser.click("#sought")
    assert (
        browser.js("document.querySelectorAll('#table-delong [aria-sort]').length") == 1
        and sorted_as(browser) == "ascending"
    )


def test_a_column_of_means_sorts_by_the_mean(browser, study, tmp_path):
    run = study()
    table = run.statistics["table1"]
    run.statistics["table1"] = table[table["variable"].isin(["age", "bmi", "t_score"])]
    values = {"age": (9.5, 1.0), "bmi": (71.1, 8.9), "t_score": (-3.2, 0.6)}
    for variable, (mean, sd) in values.items():
        run.statistics["table1"].loc[table["variable"] == variable, ["op_mean", "op_sd"]] = [mean, sd]
    run.statistics["table1"].loc[table["center"] == "external_2", ["op_mean", "op_sd"]] = [None, None]
    path = tmp_path / "means.html"
    path.write_text(report_html(run), encoding="utf-8")
    browser.open(path)
    place = browser.js(heading("table-1", "OP"))
    browser.click("#sought")
    shown = column(browser, "table-1", place)
    told = [f"{mean}\u00a0±\u00a0{sd}" for mean, sd in (("\u22123.2", 0.6), ("9.5", 1.0), ("71.1", 8.9))]
    assert shown[:-3:2] == told
    assert shown[-3:] == ["–"] * 3


def test_figures_enlarge_with_click_and_key(browser, page):
    browser.open(page)
    is_open = "document.getElementById('enlarged').open"
    browser.click("#figure-roc .enlarge")
    assert browser.js(is_open) and browser.js("document.querySelectorAll('#enlarged img').length") == 1
    assert (
        browser.js("document.querySelector('#enlarged p').textContent")
        == "Receiver operating characteristic curves"
    )
    width = "document.querySelector('#enlarged img').getBoundingClientRect().width"
    once = browser.js(width)
    browser.click("#twice")
    assert (
        browser.js("document.getElementById('twice').getAttribute('aria-pressed')") == "true"
        and browser.js(width) > 1.9 * once
    )
    browser.key("Escape")
    assert not browser.js(is_open)
    assert (
        browser.js("document.activeElement.parentElement.id") == "figure-roc"
    )  # the focus is back where it was
    browser.key("Enter")
    assert browser.js(is_open) and browser.js("document.querySelector('#enlarged img').classList.length") == 0
    browser.click("#close-enlarged")
    assert not browser.js(is_open)
    for figure in browser.js("Array.from(document.querySelectorAll('figure')).map((figure) => figure.id)"):
        browser.js(f"document.querySelector('#{figure} .enlarge').focus()")
        browser.key("Enter")
        assert browser.js(is_open), figure
        browser.key("Escape")


def test_the_page_reads_without_script(browser, page):
    browser.open(page, script=False)
    assert browser.js("document.querySelectorAll('button').length") == 2  # both in the closed dialog
    assert browser.js("getComputedStyle(document.getElementById('enlarged')).display") == "none"
    assert browser.js("getComputedStyle(document.querySelector('.needs-script')).display") == "none"
    assert browser.js("document.querySelector('#figure-roc img').getBoundingClientRect().width") > 300
    assert browser.js("document.getElementById('contents').open")
    assert "SYNTHETIC DATA" in browser.js("document.body.innerText")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_table_fits_a_desk(browser, study, configs, tmp_path, language):
    path = tmp_path / "report.html"
    path.write_text(report_html(study(configs["simulated"](study={"language": language}))), encoding="utf-8")
    browser.open(path, 1200)
    browser.js("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert browser.js(PAGE_FITS) and browser.js(TOO_WIDE) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_seven_models_fit_a_desk_and_a_phone(browser, study, configs, tmp_path, language):
    config = configs["simulated"](
        study={"language": language},
        models=seven_models(),
        statistics={"primary_contrast": ["stack_x", "clin_x"]},
    )
    path = tmp_path / "report.html"
    path.write_text(report_html(study(config)), encoding="utf-8")
    for width in (1200, 390):
        browser.open(path, width)
        browser.js("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        assert browser.js(PAGE_FITS) and (width == 390 or browser.js(TOO_WIDE) == [])
    wide = "document.querySelector('#{} img').getBoundingClientRect().width"
    browser.open(path, 1200)
    main, other = (browser.js(wide.format(id)) for id in ("figure-scores", "figure-scores-net_b"))
    assert main > 1.3 * other > 300


@pytest.mark.parametrize("width", [360, 390])
def test_a_phone_scrolls_tables_not_the_page(browser, page, width):
    browser.open(page, width, 800)
    assert browser.js("document.getElementById('contents').open") is False
    browser.js("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert browser.js("innerWidth") == width and browser.js(PAGE_FITS)
    wide = browser.js(TOO_WIDE)
    assert "table-2" in [name for name, _, _ in wide]
    assert browser.js(
        "Array.from(document.querySelectorAll('.scroll')).every((box) => box.tabIndex === 0 &&"
        " box.clientWidth <= innerWidth)"
    )
    # a note keeps a width that reads: no row becomes a tower of single words
    assert (
        browser.js(
            "Math.max(...Array.from(document.querySelectorAll('#table-calibration tbody tr')).map((row) =>"
            " row.offsetHeight))"
        )
        < 140
    )


def test_print_cuts_nothing_and_repeats_headers(browser, page, tmp_path):
    sheet = tmp_path / "report.pdf"
    browser.open(page, 1200)
    browser.click("#figure-roc .enlarge")  # an open dialog is not printed
    browser.pdf(sheet)
    assert sheet.read_bytes().startswith(b"%PDF")
    # the same page as print lays it out on A4 between margins of 14 mm
    browser.open(page, 687)
    browser.call("Emulation.setEmulatedMedia", media="print")
    browser.js("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    right = (
        "Math.max(...Array.from(document.querySelectorAll('main table, main img')).map((part) =>"
        " part.getBoundingClientRect().right))"
    )
    assert browser.js(right) <= 687
    assert browser.js(
        "['nav', '.skip', 'dialog'].every((part) => getComputedStyle(document.querySelector(part)).display"
        " === 'none')"
    )
    browser.call("Emulation.setEmulatedMedia", media="")
    if shutil.which("pdftotext") is None:
        return
    text = subprocess.run(
        ["pdftotext", "-layout", sheet, "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "SYNTHETIC DATA" in text and "Internal test set" in text and "Twice as large" not in text
    assert "results/predictions.csv" in text  # a long table is open in print
    pages = [part for part in text.split("\f") if re.search(r"not-installed|Sensitivity \(%\)", part)]
    tables = [
        part
        for part in text.split("\f")
        if re.search(r"^ *Internal test set +(Deep learning|Clinical|Combined) +Sex", part, flags=re.M)
    ]
    assert pages and tables and all(re.search(r"Set +Model +Subgroup", part) for part in tables)


def test_screenshot(browser, page, tmp_path):
    browser.open(page, 1300)
    shot = tmp_path / "report.png"
    browser.screenshot(shot)
    assert shot.stat().st_size > 20_000
