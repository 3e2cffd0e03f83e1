"""Which key a folder's study was begun under: a changed key is noticed before any job runs.

Under another key every pseudonym is another one. The films would be made anew, but the split lock, the
crosswalks and a reader's notes belong to the old pseudonyms.
"""

from __future__ import annotations

import csv
from pathlib import Path

from scripts.common.errors import StudyError
from scripts.common.files import private_folder, write_text
from scripts.common.key import StudyKey

RECORD = Path("private/key_fingerprint.txt")
"""The fingerprint of the key under which a folder's study was begun."""

_LOCK = Path("state/split_lock.csv")


def _fingerprint_of_results() -> str:
    """The fingerprint of the key under which the results in the current folder were made; empty where there
    are none.

    Studies begun before the record was kept tell it by their split lock.
    """
    made = (
        _LOCK.is_file()
        or any(Path("private").glob("*/crosswalk/*.csv"))
        or any(Path("results/intake").glob("*/*"))
    )
    if not made:
        return ""
    if RECORD.is_file():
        return RECORD.read_text(encoding="ascii", errors="replace").strip()
    if _LOCK.is_file():
        with _LOCK.open(encoding="utf-8", newline="") as handle:
            return next(csv.DictReader(handle), {}).get("key") or ""
    return ""


def refuse_another_key(key: StudyKey) -> None:
    """Refuse to go on in a folder whose results were made under another key: nothing in them would join."""
    made_under = _fingerprint_of_results()
    if made_under not in ("", key.fingerprint()):
        raise StudyError(
            "The study key (study.key_file, or study.seed of a simulated study) is not the one of the"
            f" results in this folder: its fingerprint is {key.fingerprint()}, theirs {made_under}. If the"
            " results were made with a config file (--configfile), give it again; else put the old key (or"
            " seed) back; or, to begin anew under the new one, move results/, state/ and all of private/ but"
            " the key file out of this folder."
        )


def record_key(key: StudyKey) -> None:
    """Note the key's fingerprint in ``private/`` (0600) at the start of a run."""
    if (
        not RECORD.is_file()
        or RECORD.read_text(encoding="ascii", errors="replace").strip() != key.fingerprint()
    ):
        private_folder(RECORD.parent)
        write_text(RECORD, key.fingerprint() + "\n", mode=0o600)
