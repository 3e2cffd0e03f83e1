"""What earlier archives of a study told of whom, so that no two of them give single patients away by
subtraction.

A mean in full precision of 61 patients and one of the same and one more are the newcomer's value. Small cells
within one archive don't help against it. So every archive leaves a record in ``private/releases/``, and a new
one is compared with each: the patients in whom the two differ (come, gone, or with other values) are a group
that a reader of both has all numbers of.

A record holds pseudonyms, and a digest of each patient's values; it never leaves ``private/``.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.common.errors import StudyError
from scripts.common.files import private_folder, write_text

FOLDER = "releases"
"""Of the records, within ``private/``."""

SMALL_CELLS = 4
"""Two archives may differ by as many patients of a class of a set as make this many small cells, and more.
Fewer are few."""

_UNTOLD = ("fold", "image_id", "patient_id")
"""Columns of a patient's row that no shared table tells of."""

Groups = dict[str, dict[str, dict[str, str]]]
"""Kind, group, id: digest of what is told of it. Kinds: ``values`` and ``scores`` (patients by set and
class), ``left_out`` (excluded patients by centre), ``files`` and ``verdicts`` (films by centre)."""

_OF_PATIENTS = ("values", "scores")
_SAID = {
    "values": "included patients",
    "scores": "included patients' scores",
    "left_out": "patients left out",
    "files": "files found",
    "verdicts": "verdicts of films",
}


@dataclass(frozen=True)
class HeldBack:
    """Centres of which a coarse archive tells nothing, and centres of whose files and patients left out it
    tells nothing."""

    centers: frozenset[str] = frozenset()
    counts: frozenset[str] = frozenset()


NOTHING = HeldBack()
"""Held back where no earlier archive is like the new one."""


def _rows(path: Path) -> Iterable[dict[str, str]]:
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as stream:
            yield from csv.DictReader(stream)


def _digest(row: Mapping[str, str]) -> str:
    told = sorted((name, value) for name, value in row.items() if name not in _UNTOLD)
    return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()[:16]


def groups_of(results: str | Path, simulated: Iterable[str] = ()) -> Groups:
    """Whom the results under ``results`` tell of, but for ``simulated`` centres, whose patients are
    nobody."""
    results, skipped = Path(results), set(simulated)
    found: Groups = {kind: {} for kind in _SAID}

    def add(kind: str, group: str, name: str, row: Mapping[str, str]) -> None:
        found[kind].setdefault(group, {})[name] = _digest(row)

    of_set: dict[str, str] = {}
    classes: dict[str, str] = {}
    for row in _rows(results / "cohort/cohort.csv"):
        center = row.get("center") or row["set"]
        if center not in skipped:
            of_set[row["set"]] = center
            classes[row["patient_id"]] = (
                f"{center}/{row['set']}/{'osteoporosis' if row['label'] == '1' else 'no osteoporosis'}"
            )
            add("values", classes[row["patient_id"]], row["patient_id"], row)
    for row in _rows(results / "predictions.csv"):
        if row["patient_id"] in classes:
            add("scores", classes[row["patient_id"]], row["patient_id"], row)
    for path in sorted(results.glob("cohort/*/excluded.csv")):
        if path.parent.name not in skipped:
            for row in _rows(path):
                add("left_out", path.parent.name, row["patient_id"], row)
    for kind, name in (("files", "files"), ("verdicts", "exposure")):
        for at, row in enumerate(_rows(results / f"intake/{name}.csv")):
            if row["center"] not in skipped:
                told = {column: row[column] for column in ("status", "reason", "verdict") if column in row}
                add(kind, row["center"], row.get("image_id") or str(at), told)
    return found


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> int:
    """How many are in one of both only, or differ; 0 where all do: then the rest, which both share, is
    nobody."""
    everybody = {*one, *other}
    n = sum(one.get(name) != other.get(name) for name in everybody)
    return n if n < len(everybody) else 0


def differences(now: Groups, earlier: Groups, smallest: int) -> dict[tuple[str, str], int]:
    """By kind and group, in how many patients (or films) two archives differ, where these are few."""
    few = {kind: smallest * (SMALL_CELLS if kind in _OF_PATIENTS else 1) for kind in _SAID}
    found = {}
    for kind in _SAID:
        before, after = earlier.get(kind, {}), now[kind]
        for group in sorted({*before, *after}):
            n = _differing(before.get(group, {}), after.get(group, {}))
            if 0 < n < few[kind]:
                found[kind, group] = n
    return found


def records(private: str | Path) -> dict[str, dict[str, Any]]:
    """The records of earlier archives, by file name. Raises ``StudyError`` for one that can't be read."""
    found = {}
    for path in sorted((Path(private) / FOLDER).glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            found[path.name] = {"groups": {kind: dict(groups) for kind, groups in record["groups"].items()}}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise StudyError(
                f"'{path}', the record of an earlier archive, can't be read; put it back from a copy, or"
                " delete it where that archive never left."
            ) from None
    return found


def held_back(now: Groups, private: str | Path, smallest: int, coarse: bool) -> HeldBack:
    """What a new archive must not tell beside the earlier ones; only ``coarse`` holds it back.

    Raises ``StudyError`` where something must be held back and ``coarse`` is not asked for. Nothing is hidden
    where ``smallest`` is 1."""
    centers: set[str] = set()
    counts: set[str] = set()
    for name, record in records(private).items() if smallest > 1 else ():
        for (kind, group), n in differences(now, record["groups"], smallest).items():
            if not coarse:
                fewest = smallest * (SMALL_CELLS if kind in _OF_PATIENTS else 1)
                raise StudyError(
                    f"The archive would differ from an earlier one (record {Path(private) / FOLDER / name})"
                    f" in {n} of the {_SAID[kind]} of '{group}', and whoever has both could subtract them:"
                    f" share again when at least {fewest} have changed, run 'make share RELEASE=coarse' to"
                    " tell nothing of that centre, or delete the record if that archive never left."
                )
            (centers if kind in _OF_PATIENTS else counts).add(group.split("/")[0])
    return HeldBack(frozenset(centers), frozenset(counts | centers))


@contextlib.contextmanager
def recorded(groups: Groups, held: HeldBack, private: str | Path, archive_sha256: str) -> Iterator[None]:
    """Note in ``private/`` whom the archive that is written within tells of. What it holds back is not told.

    The record comes first, so that no archive is without one; where the writing fails it goes again.
    """
    told = {
        kind: {
            group: members
            for group, members in of_kind.items()
            if group.split("/")[0] not in (held.centers if kind in _OF_PATIENTS else held.counts)
        }
        for kind, of_kind in groups.items()
    }
    path = private_folder(Path(private) / FOLDER) / f"{archive_sha256[:16]}.json"
    there = path.is_file()
    write_text(
        path, json.dumps({"archive": archive_sha256, "groups": told}, sort_keys=True) + "\n", mode=0o600
    )
    try:
        yield
    except BaseException:
        if not there:
            path.unlink(missing_ok=True)
        raise
