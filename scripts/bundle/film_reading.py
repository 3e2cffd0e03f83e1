"""New DICOM films read as the study read its own: the same reader, conversion, exposure rules and
resizing.
"""

from __future__ import annotations

import dataclasses
import datetime
import io
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from scripts.common.key import StudyKey
from scripts.common.vocabulary import ACCEPTED, QUARANTINED, REJECT, REJECTED
from scripts.intake.batch_conversion import measured_film
from scripts.intake.deidentification import deidentified
from scripts.intake.dicom_reading import Unusable, film_of, read_source, refusal, silence_readers
from scripts.intake.exposure import judge
from scripts.intake.film_process import each_film
from scripts.intake.identity import Pseudonyms
from scripts.intake.listing import check_folder_is_there, path_of_text, scan_folder
from scripts.networks.film_cache import resize_film

_NOBODY, _ANY_DAY = "NOBODY", datetime.date(2000, 1, 1)
"""Stand for an absent id and date: a study needs them to join tables, a score doesn't."""


@dataclass(frozen=True)
class ReadFilm:
    """What became of a file: status, reason (a word of the intake), exposure verdict and reasons, and an
    accepted film's pixels.

    ``film`` is uint16 ``(side, side)``; None unless the status is accepted.
    """

    status: str
    reason: str = ""
    verdict: str = ""
    verdict_reason: str = ""
    film: np.ndarray | None = None


def throwaway_names() -> Pseudonyms:
    """Pseudonyms under a random key that is forgotten: nothing of them is written."""
    ids = {"strip": True, "leading_zeros": "keep", "upper": False}
    return Pseudonyms(StudyKey(secrets.token_bytes(32)), "scored", ids)


def exposure_verdict(
    row: Mapping[str, Any], manufacturer: str, view: str, exposure: Mapping[str, Any]
) -> tuple[str, str]:
    """Verdict (pass, review, reject) and reasons by the fixed rules: bounds refitted to a centre's films
    aren't frozen, and only flag.

    ``row`` is the film's of ``measured_film``, ``exposure`` the config's ``intake.exposure``.
    """
    film = pd.DataFrame([{**row, "manufacturer": manufacturer, "view": view}])
    found = judge(film, {**exposure, "refit": False}).iloc[0]
    return str(found["verdict"]), str(found["reason"])


def read_film(path: Path, names: Pseudonyms, preprocessing: Mapping[str, Any]) -> ReadFilm:
    """Read, convert, judge and resize one film.

    ``preprocessing`` holds ``side`` (pixels), ``frontal_view`` and ``exposure`` (the study's). The film goes
    through
    ``deidentified`` as the study's did, in memory alone, so that its pixels are the same to the bit. Raises
    ``MemoryError``.
    """
    try:
        source = read_source(path)
        facts = film_of(source, names, preprocessing["frontal_view"])
        facts = dataclasses.replace(
            facts, patient_id=facts.patient_id or _NOBODY, film_date=facts.film_date or _ANY_DAY
        )
        reason = refusal(source, facts)
        if reason:
            return ReadFilm(QUARANTINED, reason)
        new = deidentified(source, facts, names)
    except Unusable as error:
        return ReadFilm(QUARANTINED, error.reason)
    except MemoryError:
        raise
    except Exception:  # a file must never end the run
        return ReadFilm(QUARANTINED, "unreadable_header")
    try:
        image, row = measured_film(io.BytesIO(b"".join(new.content)), preprocessing["exposure"])
    except MemoryError:
        raise
    except Exception:  # any fault of a decoder concerns this film only
        return ReadFilm(QUARANTINED, "unreadable_pixels")
    verdict, why = exposure_verdict(row, facts.manufacturer, facts.view, preprocessing["exposure"])
    if verdict == REJECT:
        return ReadFilm(REJECTED, why.split(";")[0], verdict, why)
    return ReadFilm(ACCEPTED, "", verdict, why, resize_film(image, preprocessing["side"]))


def read_films(folder: Path, paths: Sequence[str], preprocessing: Mapping[str, Any]) -> Iterator[ReadFilm]:
    """``read_film`` of every path (as ``scan_folder`` gives it), in order, in a process of its own: what
    crashes it costs that film alone.

    Raises ``StudyError`` where the folder went away.
    """
    silence_readers()
    cv2.setNumThreads(1)
    names = throwaway_names()
    do: Callable[[str], ReadFilm] = lambda path: read_film(folder / path_of_text(path), names, preprocessing)  # noqa: E731
    for found in each_film(paths, do):
        if found is not None and found.reason == "unreadable_file":
            check_folder_is_there(folder)
        yield found or ReadFilm(QUARANTINED, "reader_failed")


def found_files(folder: Path) -> list[str]:
    """All files below ``folder``, at any depth, by path."""
    return [found.path for found in scan_folder(folder)]
