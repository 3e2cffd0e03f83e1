"""A gate for text burned into a film: words that Tesseract reads in its border strips.

It finds a reason to look at a film; it misses names and removes nothing. It reads light, upright, Latin text,
as machines burn it in. The words are counted, and neither kept nor printed. A film that Tesseract can't read
counts as one to look at.
"""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess

import cv2
import numpy as np

from scripts.common.errors import StudyError

READING_SIDE = 2000
"""Longer side, in pixels, to which a film is scaled before it is read; a small one is enlarged to twice its
size at most, since noise enlarged further looks like letters."""

_MISSING = (
    "intake.ocr is on, but the program 'tesseract' is not installed. Run: apt-get install -y tesseract-ocr"
    " (as root), or set intake.ocr.enabled to false."
)

_NOISE, _FAINTEST = 8, 40
"""Of 255 levels: what stands out from its ground by fewer than the first is taken for noise, by the second or
more for ink.
"""


def border_strips(image: np.ndarray, border: float) -> list[np.ndarray]:
    """The four strips along the edges of a film as 8-bit pictures, light text on them black on white.

    A white top-hat takes out what is broader than a letter's stroke, so that text on bright tissue stands out
    as well.

    Parameters
    ----------
    image
        uint16 (rows, columns).
    border
        Width of a strip as a share of the film's side, above 0 and at most 0.5.
    """
    scale = min(READING_SIDE / max(image.shape), 2)
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    small = (image >> 8).astype(np.uint8)
    small = cv2.resize(small, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    side = max(max(size) // 32, 3) | 1  # wider than a letter's strokes, narrower than anatomy
    strokes = cv2.morphologyEx(small, cv2.MORPH_TOPHAT, np.ones((side, side), np.uint8))
    ink = np.maximum(strokes.astype(np.float32) - _NOISE, 0) / (max(int(strokes.max()), _FAINTEST) - _NOISE)
    page = (255 - np.rint(255 * ink)).astype(np.uint8)
    rows, columns = page.shape
    high, wide = max(int(border * rows), 1), max(int(border * columns), 1)
    strips = [
        page[:high],
        page[rows - high :],
        page[high : rows - high, :wide],
        page[high : rows - high, columns - wide :],
    ]
    return [strip for strip in strips if min(strip.shape) > 2]


def check_tesseract() -> None:
    """Raise ``StudyError`` unless Tesseract runs and has its English data."""
    try:
        answer = subprocess.run(["tesseract", "--list-langs"], capture_output=True, timeout=60, check=False)
    except OSError:
        raise StudyError(_MISSING) from None
    except subprocess.TimeoutExpired:
        raise StudyError(
            "intake.ocr is on, but 'tesseract --list-langs' does not end. Fix the installation of Tesseract."
        ) from None
    if answer.returncode != 0 or b"eng" not in (answer.stdout + answer.stderr).split():
        raise StudyError(
            "intake.ocr is on, but Tesseract has no English data ('tesseract --list-langs' must name 'eng'). "
            "Run: apt-get install -y tesseract-ocr-eng (as root)."
        )


def read_strip(strip: np.ndarray, timeout: float) -> list[tuple[str, float]]:
    """Words on an 8-bit picture and Tesseract's confidence in each (0 to 100).

    Raises ``StudyError`` where Tesseract is missing, ``subprocess.SubprocessError`` where it fails or does
    not end in
    ``timeout`` seconds, and ``OSError`` where it can't be started.
    """
    done, png = cv2.imencode(".png", strip)
    assert done
    command = ["tesseract", "stdin", "stdout", "-l", "eng", "--psm", "11", "--dpi", "150", "tsv"]
    try:
        answer = subprocess.run(
            command,
            input=png.tobytes(),
            capture_output=True,
            timeout=timeout,
            check=True,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    except FileNotFoundError:
        raise StudyError(_MISSING) from None
    rows = csv.DictReader(
        io.StringIO(answer.stdout.decode("utf-8", "replace")), delimiter="\t", quoting=csv.QUOTE_NONE
    )
    return [(row["text"], float(row["conf"])) for row in rows if (row.get("text") or "").strip()]


def count_words(found: list[tuple[str, float]], settings: dict) -> int:
    """How many of the words read are no markers: long and certain enough, and not in ``markers``.

    ``settings`` is the config's ``intake.ocr``. Case and signs around a word do not count.
    """
    markers = {part for marker in settings["markers"] for part in re.findall(r"\w+", marker.upper())}
    return sum(
        len(word) >= settings["shortest"] and word not in markers
        for text, confidence in found
        if confidence >= settings["confidence"]
        for word in re.findall(r"[^\W_]+", text.upper())
    )


def border_words(image: np.ndarray, settings: dict) -> tuple[str, int]:
    """What the gate says of a film, and the number of words other than markers in its border strips.

    Returns ``words``, ``none``, or ``unread`` where Tesseract failed or took too long on a strip and read no
    such word on the others. ``image`` is uint16 (rows, columns), ``settings`` the config's ``intake.ocr``.
    """
    found, unread = [], False
    for strip in border_strips(image, settings["border"]):
        try:
            found += read_strip(strip, settings["timeout"])
        except (subprocess.SubprocessError, OSError):
            unread = True
    n = count_words(found, settings)
    return ("words" if n else "unread" if unread else "none"), n
