"""The page in headless Chromium: no console message, nothing fetched, no sideways scrolling, tables sort, figures enlarge, print."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.report.render import report_html

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed (make test-tools)"),
]

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--disable-dev-shm-usage",
]  # fmt: skip

# Appended to a copy of the page: acts as a reader does and leaves what it saw in the title.
PROBE = """<script>
addEventListener("load", () => {
  const seen = {};
  const table = document.getElementById("table-2");
  const column = 4;
  const values = () => Array.from(table.tBodies[0].rows).map((row) => Number(row.cells[column].dataset.sort));
  const button = table.tHead.rows[0].cells[column].querySelector("button");
  button.click();
  seen.rising = values();
  button.click();
  seen.falling = values();
  seen.sorted = table.tHead.rows[0].cells[column].getAttribute("aria-sort");
  seen.images = Array.from(document.images).map((image) => image.complete && image.naturalWidth > 0);
  document.querySelector("#figure-roc .enlarge").click();
  const dialog = document.getElementById("enlarged");
  seen.enlarged = dialog.open && dialog.querySelectorAll("img").length;
  document.getElementById("close-enlarged").click();
  seen.closed = !dialog.open;
  seen.page = document.documentElement.scrollWidth;
  seen.window = window.innerWidth;
  seen.contents = document.getElementById("contents").open;
  seen.dead = Array.from(document.querySelectorAll("a[href^='#']")).filter((a) => !document.querySelector(a.getAttribute("href"))).length;
  seen.fetched = performance.getEntriesByType("resource").map((entry) => entry.name).filter((name) => !name.startsWith("data:"));
  const pre = document.createElement("pre");
  pre.id = "seen";
  pre.textContent = JSON.stringify(seen);
  document.body.append(pre);
});
</script></body>"""


def chromium(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = ["chromium", *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def console(process: subprocess.CompletedProcess) -> list[str]:
    return [line for line in process.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture
def page(study, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report_html(study()), encoding="utf-8")
    return path


def _seen(tmp_path: Path, page: Path, width: int) -> dict:
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text(encoding="utf-8").replace("</body>", PROBE), encoding="utf-8")
    process = chromium(tmp_path, f"--window-size={width},900", "--virtual-time-budget=5000", "--dump-dom", probed.as_uri())
    assert console(process) == []
    found = re.search(r'<pre id="seen">(.*?)</pre>', process.stdout)
    assert found, process.stdout[-500:]
    return json.loads(found.group(1))


def test_a_reader_on_a_desk(tmp_path, page):
    seen = _seen(tmp_path, page, 1300)
    assert seen["rising"] == sorted(seen["rising"]) and len(seen["rising"]) == 12
    assert seen["falling"] == sorted(seen["rising"], reverse=True) and seen["sorted"] == "descending"
    assert seen["images"] and all(seen["images"])
    assert seen["enlarged"] == 1 and seen["closed"] is True
    assert seen["page"] <= seen["window"] and seen["contents"] is True
    assert seen["dead"] == 0 and seen["fetched"] == []


def test_a_reader_on_a_phone(tmp_path, page):
    # Chromium's window is at least 500 wide, so the phone is an embedded frame of 390 on a page of its own
    frame = tmp_path / "phone.html"
    script = "addEventListener('load',()=>{const d=document.querySelector('iframe').contentDocument.documentElement;document.title=d.scrollWidth+' '+d.clientWidth})"
    frame.write_text(
        f'<!DOCTYPE html><title>x</title><iframe src="report.html" width="390" height="800" style="border:0"></iframe><script>{script}</script>',
        encoding="utf-8",
    )
    process = chromium(tmp_path, "--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom", frame.as_uri())
    assert console(process) == []
    title = re.search(r"<title>(\d+) (\d+)</title>", process.stdout)
    assert title, process.stdout[:300]
    width, window = int(title.group(1)), int(title.group(2))
    assert window == 390 and width <= window


def test_screenshot_and_print(tmp_path, page):
    shot, sheet = tmp_path / "report.png", tmp_path / "report.pdf"
    process = chromium(tmp_path, "--window-size=1300,1000", f"--screenshot={shot}", page.as_uri())
    assert console(process) == [] and shot.stat().st_size > 20_000
    chromium(tmp_path, f"--print-to-pdf={sheet}", page.as_uri())
    assert sheet.read_bytes().startswith(b"%PDF")
    if shutil.which("pdftotext") is None:
        return
    text = subprocess.run(["pdftotext", "-layout", sheet, "-"], capture_output=True, text=True, check=True).stdout
    assert "SYNTHETIC DATA" in text and "Internal test set" in text
    assert "results/predictions.csv" in text  # a long table is open in print
