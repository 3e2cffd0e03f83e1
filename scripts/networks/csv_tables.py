"""Small tables as CSV without pandas: a training node needs PyTorch and NumPy only."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts.common.errors import StudyError

INDEX = ("row", "image_id", "patient_id", "label", "fold", "mean", "sd", "sha256")
"""Columns of a set's ``index.csv``; ``mean`` and ``sd`` in grey values (0 to 65535), ``fold`` empty outside
train."""

FURTHER = "further"
"""A column behind these, where a patient may have several films: 1 for those beside the first pair's, which
train and are never scored."""


def read_csv(path: str | Path, needed: Iterable[str]) -> list[dict[str, str]]:
    """Rows of a CSV as texts.

    Raises ``StudyError`` where the file or one of the ``needed`` columns is absent.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            names = reader.fieldnames or []
    except FileNotFoundError:
        raise StudyError(f"'{path}' is not there. Run snakemake, which makes it.") from None
    absent = [name for name in needed if name not in names]
    if absent:
        raise StudyError(
            f"'{path}' lacks the column '{absent[0]}'. Delete the file and run again; it is made anew."
        )
    return rows


def csv_text(header: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV; floats keep full precision, ``None`` and NaN are empty."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(["" if v is None or v != v else repr(v) if isinstance(v, float) else v for v in row])
    return buffer.getvalue()
