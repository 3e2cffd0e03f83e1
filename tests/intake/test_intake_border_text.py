"""The gate for text burned into films: what it reads, what it counts, and that no word of it is written."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from scripts.common.config import Ocr, check_paths, read_config
from scripts.common.errors import StudyError
from scripts.common.tables import read_table
from scripts.intake import border_text
from scripts.intake.batch_conversion import CONVERTED, convert_batch
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.border_text import border_strips, border_words, count_words

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
    assert border_words(np.full(shape, 700, np.uint16), SETTINGS) == 0


@tesseract
def test_a_name_in_the_border_counts_and_markers_do_not():
    assert border_words(film(), SETTINGS) == 0
    assert border_words(film(("PORTABLE", (20, 40)), ("SUPINE", (520, 40))), SETTINGS) == 0
    assert border_words(film(("Musterfrau Erika", (20, 40))), SETTINGS) >= 1
    assert border_words(film(("Musterfrau Erika", (20, 680))), SETTINGS) >= 1
    assert border_words(film(("Musterfrau Erika", (220, 350))), SETTINGS) == 0, "the gate reads borders only"


@tesseract
def test_the_batch_counts_words_and_writes_none_of_them(make_film, names, patterns, tmp_path, save, silent, capfd):
    save(make_film(film(("Musterfrau Erika", (20, 40))) >> 4), tmp_path / "in/a")
    save(make_film(film(("PORTABLE", (20, 40))) >> 4, SOPInstanceUID="1.2.3.4"), tmp_path / "in/b")
    deidentify_batch(
        folder=tmp_path / "in", batch=0, n_batches=1, names=names, patterns=patterns, films_folder=tmp_path / "dicom",
        films_table=tmp_path / "dicom.csv", crosswalk=tmp_path / "private/crosswalk.csv", log=silent,
    )  # fmt: skip
    made = {}
    for name, ocr in (("on", SETTINGS), ("off", None)):
        convert_batch(
            films_folder=tmp_path / "dicom", films_table=tmp_path / "dicom.csv", window={"rows": (0.2, 0.9), "columns": (0.1, 0.9)},
            ocr=ocr, png_folder=tmp_path / f"{name}", png_table=tmp_path / f"{name}.csv", log=silent,
        )  # fmt: skip
        made[name] = read_table(tmp_path / f"{name}.csv", CONVERTED)
    assert sorted((made["on"]["border_words"] > 0).tolist()) == [False, True]
    assert made["off"]["border_words"].isna().all()
    assert made["on"].drop(columns="border_words").equals(made["off"].drop(columns="border_words"))
    written = (tmp_path / "on.csv").read_text() + "".join(capfd.readouterr())
    assert "muster" not in written.lower() and "erika" not in written.lower()
    for path in (tmp_path / "on").iterdir():
        assert path.read_bytes() == (tmp_path / "off" / path.name).read_bytes()


def test_a_missing_tesseract_ends_the_run_before_any_job(monkeypatch):
    raw = {
        "centers": [{"name": "a", "role": "development", "simulate": {"like": "internal", "n_op": 8, "n_non_op": 8}}],
        "deep": {"init": "random"},
    }
    monkeypatch.setenv("PATH", "/nowhere")
    check_paths(read_config(raw))
    with pytest.raises(StudyError, match="apt-get install -y tesseract-ocr"):
        check_paths(read_config({**raw, "intake": {"ocr": {"enabled": True}}}))
    with pytest.raises(StudyError, match="apt-get install -y tesseract-ocr"):
        border_words(film(), SETTINGS)


def test_a_hanging_or_failing_tesseract_gives_one_sentence_and_no_word_of_the_film(monkeypatch, tmp_path):
    program = tmp_path / "tesseract"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program.write_text("#!/bin/sh\nexec sleep 20\n")
    program.chmod(0o755)
    with pytest.raises(StudyError, match=r"in 0.2 s\. Set a longer intake.ocr.timeout"):
        border_words(film(), {**SETTINGS, "timeout": 0.2})
    program.write_text("#!/bin/sh\necho Musterfrau >&2\nexit 3\n")
    with pytest.raises(StudyError, match="exit status 3") as caught:
        border_words(film(), SETTINGS)
    assert "Musterfrau" not in str(caught.value)


def test_tesseract_is_called_without_a_shell(monkeypatch):
    calls = []

    def run(command, **given):
        calls.append((command, given))
        return subprocess.CompletedProcess(command, 0, stdout=b"level\ttext\tconf\n5\tMusterfrau\t90\n")

    monkeypatch.setattr(border_text.subprocess, "run", run)
    assert border_words(film(), SETTINGS) == 4
    assert all(isinstance(c, list) and not g.get("shell") and g["timeout"] == SETTINGS["timeout"] for c, g in calls)


@tesseract
@pytest.mark.shared
@pytest.mark.skipif(not REAL.is_dir(), reason="the real films (../shared/real) are not beside this checkout")
def test_markers_of_real_films_are_read_and_pass():
    """Three portable films of the public set: machine-made markers are read, and none of them counts."""
    for name in ("00000415_001", "00007256_004"):
        image = cv2.imread(str(REAL / f"{name}.png"), cv2.IMREAD_GRAYSCALE).astype(np.uint16) << 8
        read = [w for strip in border_strips(image, 0.15) for w, confidence in border_text.read_strip(strip, 60) if confidence > 50]
        assert any("PORTABLE" in word for word in read)
        assert border_words(image, SETTINGS) == 0
