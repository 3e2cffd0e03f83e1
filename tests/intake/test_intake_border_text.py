"""The gate for text burned into films: what it reads, what it counts, and that no word of it is written."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from scripts.common.config import Ocr, check_paths, read_config
from scripts.common.contracts.intake import CONVERTED
from scripts.common.errors import StudyError
from scripts.common.tables import read_table
from scripts.intake import border_text
from scripts.intake.batch_conversion import convert_batch
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.border_text import border_strips, border_words, check_tesseract, count_words, read_strip

SETTINGS = Ocr().model_dump(mode="json")
REAL = Path(__file__).resolve().parents[3] / "shared/real/cxr"
tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="tesseract is not installed (make test-tools)"
)


def film(*texts: tuple[str, tuple[int, int]], size: int = 700, ink: int = 65535) -> np.ndarray:
    """A 16-bit film with a bright chest on a dark ground and light text at (column, row)."""
    y, x = np.mgrid[0:size, 0:size] / size
    values = 8000 + 30000 * np.exp(-(((x - 0.5) / 0.35) ** 4) - ((y - 0.6) / 0.45) ** 4)
    values += np.random.default_rng(3).normal(0, 40, values.shape)
    image = values.clip(0, 65535).astype(np.uint16)
    for text, at in texts:
        mask = np.zeros(image.shape, np.uint8)
        cv2.putText(mask, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.8, 1, 2)
        image[mask > 0] = ink
    return image


@pytest.mark.parametrize(
    ("found", "n"),
    [
        ([("PORTABLE:", 96), ("Supine", 90), ("(L)", 80), ("AP", 99)], 0),
        ([("Musterfrau", 80), ("12/1950", 70)], 2),
        ([("MUSTERFRAU^ERIKA", 80)], 2),
        ([("Musterfrau", 20), ("|", 95), ("8H", 90)], 0),
        ([], 0),
    ],
)
def test_markers_noise_and_signs_do_not_count(found, n):
    assert count_words(found, SETTINGS) == n


def test_the_strips_leave_the_middle_out():
    strips = border_strips(film(), 0.15)
    assert [strip.dtype == np.uint8 for strip in strips] == [True] * 4
    assert sum(strip.size for strip in strips) == pytest.approx((1 - 0.7**2) * 1400**2, rel=0.01)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2000), (40, 30)])
@tesseract
def test_tiny_and_odd_films_are_read(shape):
    assert border_words(np.full(shape, 700, np.uint16), SETTINGS) == ("none", 0)


@tesseract
def test_a_name_in_the_border_counts_and_markers_do_not():
    assert border_words(film(), SETTINGS) == ("none", 0)
    assert border_words(film(("PORTABLE", (20, 40)), ("SUPINE", (520, 40))), SETTINGS) == ("none", 0)
    for at in ((20, 40), (300, 680)):
        said, n = border_words(film(("Musterfrau Erika", at)), SETTINGS)
        assert said == "words" and n >= 1
    assert border_words(film(("Musterfrau Erika", (220, 350))), SETTINGS) == (
        "none",
        0,
    ), "the gate reads borders only"


@pytest.fixture
def convert(names, patterns, tmp_path, save, silent):
    """Takes films in and converts them with the gate's settings (None: off); returns the table.

    Both steps fork, with their limits.
    """

    def converted(films: list, ocr: dict | None):
        made = tmp_path / ("off" if ocr is None else "on")
        for number, one in enumerate(films):
            save(one, made / f"in/{number}")
        deidentify_batch(
            folder=made / "in", batch=0, n_batches=1, names=names, patterns=patterns,
            films_folder=made / "dicom",
            films_table=made / "dicom.csv", crosswalk=made / "crosswalk.csv", log=silent,
        )  # fmt: skip
        convert_batch(
            films_folder=made / "dicom", films_table=made / "dicom.csv",
            window={"rows": (0.2, 0.9), "columns": (0.1, 0.9)},
            ocr=ocr, png_folder=made / "png", png_table=made / "png.csv", log=silent,
        )  # fmt: skip
        return read_table(made / "png.csv", CONVERTED)

    return converted


@tesseract
def test_the_batch_counts_words_and_writes_none_of_them(make_film, convert, tmp_path, capfd):
    films = [
        make_film(film(("Musterfrau Erika", (20, 40))) >> 4),
        make_film(film(("PORTABLE", (20, 40))) >> 4, SOPInstanceUID="1.2.3.4"),
    ]
    made = {name: convert(films, ocr) for name, ocr in (("on", SETTINGS), ("off", None))}
    assert sorted(made["on"]["border_text"]) == ["none", "words"]
    assert ((made["on"]["border_words"] > 0) == (made["on"]["border_text"] == "words")).all()
    assert made["off"]["border_words"].isna().all() and made["off"]["border_text"].eq("").all()
    gate = ["border_text", "border_words"]
    assert made["on"].drop(columns=gate).equals(made["off"].drop(columns=gate))
    written = (tmp_path / "on/png.csv").read_text() + "".join(capfd.readouterr())
    assert "muster" not in written.lower() and "erika" not in written.lower()
    for path in (tmp_path / "on/png").iterdir():
        assert path.read_bytes() == (tmp_path / "off/png" / path.name).read_bytes()


def test_a_missing_tesseract_ends_the_run_before_any_job(monkeypatch):
    raw = {
        "centers": [
            {"name": "a", "role": "development", "simulate": {"like": "internal", "n_op": 8, "n_non_op": 8}}
        ],
        "deep": {"init": "random"},
    }
    monkeypatch.setenv("PATH", "/nowhere")
    check_paths(read_config(raw))
    with pytest.raises(StudyError, match="apt-get install -y tesseract-ocr"):
        check_paths(read_config({**raw, "intake": {"ocr": {"enabled": True}}}))
    with pytest.raises(StudyError, match="apt-get install -y tesseract-ocr"):
        border_words(film(), SETTINGS)
    with pytest.raises(StudyError, match="apt-get install -y tesseract-ocr"):
        check_tesseract()


@pytest.fixture
def program(monkeypatch, tmp_path):
    """Puts a shell script in Tesseract's place."""
    path = tmp_path / "bin/tesseract"
    path.parent.mkdir()
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")

    def write(script: str) -> None:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return write


def test_a_tesseract_without_its_english_data_ends_the_batch(program):
    program("echo 'List of available languages (1):' ; echo osd")
    with pytest.raises(StudyError, match="tesseract-ocr-eng"):
        check_tesseract()
    program("echo eng; echo osd")
    check_tesseract()


@pytest.mark.parametrize(
    "script",
    ["exec sleep 20", "echo Musterfrau >&2; exit 3", "kill -SEGV $$"],
    ids=["hangs", "fails", "crashes"],
)
def test_a_film_that_tesseract_cannot_read_goes_to_review_and_the_batch_goes_on(
    script, program, make_film, convert, capfd
):
    program(f'[ "$1" = --list-langs ] && {{ echo eng; exit; }}\n{script}')
    table = convert([make_film(film() >> 4)], {**SETTINGS, "timeout": 0.2})
    assert table[["status", "border_text"]].to_numpy().tolist() == [["converted", "unread"]]
    assert "Musterfrau" not in "".join(capfd.readouterr())


def test_words_on_one_strip_count_where_another_is_not_read(program, tmp_path):
    """The first call answers, the others fail."""
    once = tmp_path / "once"
    program(f"[ -e {once} ] && exit 3; touch {once}; printf 'level\\tconf\\ttext\\n5\\t90\\tMusterfrau\\n'")
    assert border_words(film(), SETTINGS) == ("words", 1)


def test_tesseract_is_called_without_a_shell(monkeypatch):
    calls = []

    def run(command, **given):
        calls.append((command, given))
        return subprocess.CompletedProcess(command, 0, stdout=b"level\ttext\tconf\n5\tMusterfrau\t90\n")

    monkeypatch.setattr(border_text.subprocess, "run", run)
    assert border_words(film(), SETTINGS) == ("words", 4)
    assert all(
        isinstance(c, list) and not g.get("shell") and g["timeout"] == SETTINGS["timeout"] for c, g in calls
    )


@tesseract
@pytest.mark.shared
@pytest.mark.skipif(not REAL.is_dir(), reason="the real films (../shared/real) are not beside this checkout")
def test_markers_of_a_real_film_are_read_and_pass():
    """A portable film of the public set: its machine-made marker is read, and does not count."""
    image = cv2.imread(str(REAL / "00000415_001.png"), cv2.IMREAD_GRAYSCALE).astype(np.uint16) << 8
    read = [
        word
        for strip in border_strips(image, SETTINGS["border"])
        for word in read_strip(strip, SETTINGS["timeout"])
    ]
    assert any("PORTABLE" in word and confidence > SETTINGS["confidence"] for word, confidence in read)
    assert count_words(read, SETTINGS) == 0
    assert count_words(read, {**SETTINGS, "markers": []}) > 0
