"""Conversion of one batch of de-identified films to 16-bit PNG, with the measures of their exposure."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import pydicom

from scripts.common.contracts.intake import BATCH_FILMS, CONVERTED
from scripts.common.errors import StudyError
from scripts.common.files import atomic_folder
from scripts.common.log import Log
from scripts.common.tables import read_table, write_table
from scripts.common.vocabulary import ACCEPTED, QUARANTINED
from scripts.intake import progress
from scripts.intake.border_text import border_words, check_tesseract
from scripts.intake.dicom_reading import silence_readers
from scripts.intake.exposure import measure
from scripts.intake.film_process import UNFINISHED, each_film
from scripts.intake.pixels import decoded_values, film_image
from scripts.intake.png_encoding import encode_png16


def _header_number(dataset: pydicom.Dataset, keyword: str) -> float:
    value = dataset.get(keyword)
    return float("nan") if value in (None, "") else float(value)


def measured_film(content: BinaryIO | Path, window: dict, ocr: dict | None = None) -> tuple[np.ndarray, dict]:
    """The 16-bit image (rows, columns) of a de-identified film and its row (without id and status).

    ``window`` holds ``rows`` and ``columns``; ``ocr`` is the config's ``intake.ocr``, or None where the gate
    is off.
    """
    dataset = pydicom.dcmread(io.BytesIO(content) if isinstance(content, bytes) else content)
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    image, padding, mapping = film_image(dataset, decoded_values(dataset, syntax))
    digest = hashlib.sha256(f"{mapping.rows}x{mapping.columns}\n".encode())
    digest.update(image.astype("<u2", copy=False).data)
    row = {
        "pixel_sha256": digest.hexdigest(),
        "transfer_syntax": syntax,
        "photometric": str(dataset.PhotometricInterpretation),
        **mapping.as_row(),
        **measure(image, padding, mapping.bits, tuple(window["rows"]), tuple(window["columns"])),
        "exposure_index": _header_number(dataset, "ExposureIndex"),
        "target_exposure_index": _header_number(dataset, "TargetExposureIndex"),
        "deviation_index": _header_number(dataset, "DeviationIndex"),
    }
    row["border_text"], row["border_words"] = ("", None) if ocr is None else border_words(image, ocr)
    return image, row


def convert_film(content: BinaryIO | Path, window: dict, ocr: dict | None = None) -> tuple[bytes, dict]:
    """The PNG of a de-identified film and its row; arguments as of ``measured_film``."""
    image, row = measured_film(content, window, ocr)
    return encode_png16(image), row


def convert_batch(
    *,
    films_folder: str | Path,
    films_table: str | Path,
    window: dict,
    ocr: dict | None = None,
    png_folder: str | Path,
    png_table: str | Path,
    log: Log,
) -> None:
    """Write ``<image_id>.png`` for each film of a batch, and the batch's table.

    A film that can't be decoded is quarantined.
    """
    silence_readers()
    if ocr is not None:
        check_tesseract()
    films = read_table(films_table, BATCH_FILMS)
    ids = sorted(films.loc[films["status"] == ACCEPTED, "image_id"])
    rows, failed = [], 0
    with atomic_folder(png_folder) as target:

        def converted(image_id: str) -> tuple[dict | None, str]:
            """The row of one film; without one the kind of fault."""
            content = (Path(films_folder) / f"{image_id}.dcm").read_bytes()
            try:
                png, row = convert_film(io.BytesIO(content), window, ocr)
            except (MemoryError, StudyError):
                raise
            except Exception as error:  # any fault of a decoder concerns this film only
                return None, type(error).__name__
            (target / UNFINISHED).write_bytes(png)
            (target / UNFINISHED).replace(target / f"{image_id}.png")
            return row, ""

        for image_id, result in log.progress(
            zip(ids, each_film(ids, converted), strict=True), len(ids), "films"
        ):
            row, fault = result or (None, "")
            if row is None:
                failed += 1
                log.only_file(progress.put_aside("film", fault))
                reason = "unreadable_pixels" if fault else "reader_failed"
                rows.append({"image_id": image_id, "status": QUARANTINED, "reason": reason})
            else:
                rows.append({"image_id": image_id, "status": "converted", "reason": "", **row})
        (target / UNFINISHED).unlink(missing_ok=True)
    frame = pd.DataFrame(rows, columns=list(CONVERTED))
    for name, kind in CONVERTED.items():
        if kind == "text":
            frame[name] = frame[name].astype("object").where(frame[name].notna(), "")
    write_table(frame, png_table, CONVERTED)
    log.say(progress.converted(len(ids) - failed, failed))
    if ocr is not None:
        flagged, unread = (int((frame["border_text"] == kind).sum()) for kind in ("words", "unread"))
        log.say(progress.with_words(flagged))
        if unread:
            log.say(progress.unread(unread))
