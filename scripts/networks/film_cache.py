"""Decode a set's films once: one uncompressed array and an index.

The only module of this stage that decodes PNG.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from scripts.common.contracts.cohort import FURTHER_FILMS
from scripts.common.errors import StudyError
from scripts.common.files import atomic_path, write_text
from scripts.common.log import Log
from scripts.common.standards import PNG_SIGNATURE
from scripts.networks.csv_tables import FURTHER, INDEX, csv_text, read_csv


def resize_film(film: np.ndarray, side: int) -> np.ndarray:
    """A film ``(h, w)`` as ``(side, side)``, bilinear, grey values kept (uint16).

    Resizing the whole film equals cutting it first and resizing each block, as long as it shrinks. A film
    more than twice as large is halved by 2x2 means first, else bilinear sampling would skip pixels and pick
    up noise.
    """
    while min(film.shape) >= 2 * side:
        height, width = film.shape
        film = cv2.resize(film, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(film, (side, side), interpolation=cv2.INTER_LINEAR)


try:
    from isal import isal_zlib
except ImportError:  # a bare GPU node; OpenCV gives the same pixels at half the speed
    isal_zlib = None


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and data of each chunk of a PNG (third edition, 5.3), checksums verified.

    ``ValueError`` where one is broken.
    """
    view, at = memoryview(content), 8
    while at < len(content):
        length, kind = int.from_bytes(view[at : at + 4], "big"), bytes(view[at + 4 : at + 8])
        data, checksum = view[at + 8 : at + 8 + length], view[at + 8 + length : at + 12 + length]
        if len(checksum) < 4 or isal_zlib.crc32(view[at + 4 : at + 8 + length]) != int.from_bytes(
            checksum, "big"
        ):
            raise ValueError("a chunk is cut or damaged")
        yield kind, data
        at += 12 + length


def decode_png16(content: bytes) -> np.ndarray | None:
    """Pixels (rows, columns), uint16, of a 16-bit grey PNG whose rows all have the filter Up, as this
    workflow writes them.

    None for any other PNG or a broken one, which a decoder of all kinds must read or refuse, and where ISA-L
    is not installed. More than twice as fast as libpng: ISA-L inflates, and the filter is one addition a row.
    """
    if isal_zlib is None:
        return None
    try:
        chunks = [(kind, data) for kind, data in _chunks(content)] if content[:8] == PNG_SIGNATURE else []
        if [kind for kind, _ in chunks] != [b"IHDR", b"IDAT", b"IEND"]:
            return None
        header, data = chunks[0][1], chunks[1][1]
        columns, rows = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
        if bytes(header[8:]) != b"\x10\0\0\0\0" or rows == 0 or columns == 0:
            return None
        inflated = isal_zlib.decompress(data, bufsize=rows * (2 * columns + 1))
    except (ValueError, zlib.error, isal_zlib.error):
        return None
    lines = np.frombuffer(bytearray(inflated), np.uint8)
    if lines.size != rows * (2 * columns + 1):
        return None
    lines = lines.reshape(rows, 2 * columns + 1)
    if not (lines[:, 0] == 2).all():
        return None
    lines = lines[:, 1:]
    for row in range(1, rows):
        np.add(lines[row], lines[row - 1], out=lines[row])
    return np.ascontiguousarray(lines).view(">u2").astype(np.uint16)


def read_film(path: str | Path, image_id: str, side: int) -> np.ndarray:
    """Decode a 16-bit grey PNG and resize it to ``(side, side)``. ``StudyError`` when it can't be read."""
    try:
        content = Path(path).read_bytes()
    except OSError:
        content = b""
    film = decode_png16(content)
    if film is None and content:
        film = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if film is None or film.ndim != 2 or film.dtype != np.uint16:
        raise StudyError(
            f"The film of image {image_id} can't be read as a 16-bit grey PNG. Delete the folder "
            f"'{Path(path).parent}' and run again; its films are converted anew."
        )
    return resize_film(film, side)


def _decoded(paths: list[str], image_ids: list[str], side: int, threads: int) -> Iterator[np.ndarray]:
    """Films in order; at most ``2 * threads`` are held at a time."""
    with ThreadPoolExecutor(threads) as pool:
        waiting = []
        for path, image_id in zip(paths, image_ids):
            waiting.append(pool.submit(read_film, path, image_id, side))
            if len(waiting) >= 2 * threads:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()


def further_rows(table: str | Path, patients: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Rows of FURTHER_FILMS whose own label is that of one of ``patients``, with that patient's fold, and a 1
    in FURTHER.
    """
    known = {row["patient_id"]: row for row in patients}
    rows = [row for row in read_csv(table, FURTHER_FILMS) if row["patient_id"] in known]
    return [
        {**known[row["patient_id"]], "image_id": row["image_id"], FURTHER: "1"}
        for row in rows
        if row["label"] == known[row["patient_id"]]["label"]
    ]


def cache_films(
    cohort: str | Path,
    further: str | Path | None,
    films_table: str | Path,
    side: int,
    films_npy: str | Path,
    index_csv: str | Path,
    threads: int,
    log: Log,
) -> None:
    """Write ``films.npy`` (uint16, ``(n, side, side)``) and ``index.csv`` of a set, ordered by image id.

    ``cohort`` gives patients, labels and folds, ``further`` (FURTHER_FILMS) other films of theirs that train;
    the index then has the column FURTHER. ``films_table`` (the centre's films) gives the PNG paths. The
    result does not depend on ``threads``. Raises ``StudyError`` when the set is empty or a film is absent or
    unreadable.
    """
    cv2.setNumThreads(1)
    patients = read_csv(cohort, ("patient_id", "image_id", "label", "fold"))
    header = INDEX
    if further is not None:
        patients, header = [*patients, *further_rows(further, patients)], (*INDEX, FURTHER)
    patients.sort(key=lambda row: row["image_id"])
    if not patients:
        raise StudyError(
            f"'{cohort}' holds no patient, so there is nothing to score. See the flow table for the reasons."
        )
    png_of = {row["image_id"]: row["png"] for row in read_csv(films_table, ("image_id", "png"))}
    absent = [row["image_id"] for row in patients if not png_of.get(row["image_id"])]
    if absent:
        raise StudyError(
            f"'{films_table}' has no film for {len(absent)} image(s) of '{cohort}', first {absent[0]}."
        )
    image_ids = [row["image_id"] for row in patients]
    rows = []
    with atomic_path(films_npy) as part:
        films = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint16, shape=(len(patients), side, side))
        decoded = _decoded([png_of[i] for i in image_ids], image_ids, side, threads)
        for n, film in enumerate(log.progress(decoded, len(patients), "films")):
            films[n] = film
            patient = patients[n]
            rows.append(
                (
                    n,
                    patient["image_id"],
                    patient["patient_id"],
                    patient["label"],
                    patient["fold"],
                    float(film.mean(dtype=np.float64)),
                    float(film.std(dtype=np.float64)),
                    hashlib.sha256(np.ascontiguousarray(film).tobytes()).hexdigest(),
                    patient.get(FURTHER, ""),
                )[: len(header)]
            )
        films.flush()
        del films
    write_text(index_csv, csv_text(header, rows))
