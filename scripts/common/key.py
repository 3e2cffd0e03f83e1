"""The study key and what is derived from it: pseudonyms, UIDs, date shifts, ranks.

Every use has its own domain, so that values of one use never match those of another. HMAC-SHA256 (RFC 2104).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from scripts.common.errors import StudyError

MAX_SHIFT_DAYS = 1825
"""Dates of a patient move by one whole number of days from 1 to 1825 (five years) into the past."""


FEWEST_BYTES = 12
"""Different bytes that a key must have; fewer among 32 random ones are rarer than one key in 10^20."""

FEWEST_DIGITS = 11
"""Different hexadecimal digits that a key must have; fewer among 64 random ones are rarer than one key in
10^9."""


class StudyKey:
    """Derives pseudonyms. The key itself is never printed or written."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise StudyError("The study key is too short: make one with 'make key'.")
        self._secret = secret

    def __repr__(self) -> str:
        return "StudyKey(...)"

    def digest(self, domain: str, *parts: str) -> bytes:
        """32 bytes of HMAC-SHA256 over the domain and the parts, each with its length in front."""
        message = b"".join(
            len(piece).to_bytes(4, "big") + piece for piece in (p.encode("utf-8") for p in (domain, *parts))
        )
        return hmac.new(self._secret, message, hashlib.sha256).digest()

    def patient(self, center: str, patient_id: str) -> str:
        """Pseudonymous patient id: ``P`` and 16 hex digits (64 bits), within the centre's own domain."""
        return "P" + self.digest("patient", center, patient_id).hex()[:16].upper()

    def image(self, center: str, source: str) -> str:
        """Image id: ``I`` and 16 hex digits, from the source SOP Instance UID (or the path where there is
        none).
        """
        return "I" + self.digest("image", center, source).hex()[:16].upper()

    def uid(self, kind: str, center: str, source: str) -> str:
        """A UID under 2.25 (PS3.5 B.2) from 128 bits of the digest."""
        return f"2.25.{int.from_bytes(self.digest('uid', kind, center, source)[:16], 'big')}"

    def shift_days(self, center: str, patient_id: str) -> int:
        """Days to add to every date of the patient: -1825 to -1, the same in DICOM and in every table."""
        value = int.from_bytes(self.digest("date shift", center, patient_id)[:8], "big")
        return -(1 + value % MAX_SHIFT_DAYS)

    def rank(self, domain: str, *parts: str) -> int:
        """A 64-bit number to sort by: random to everybody without the key, the same in every run."""
        return int.from_bytes(self.digest("rank " + domain, *parts)[:8], "big")

    def checksum(self, data: bytes) -> str:
        """Keyed checksum of input data: shows a change without helping anyone to guess the content."""
        return self.digest("checksum", hashlib.sha256(data).hexdigest()).hex()

    def fingerprint(self) -> str:
        """Eight hex digits that tell one key from another and reveal nothing of it."""
        return self.digest("fingerprint").hex()[:8]


def simulated_key(seed: int) -> StudyKey:
    """The public key of a simulated study, derived from its seed. It protects nothing and needn't."""
    return StudyKey(hashlib.sha256(f"public key of a simulated study {int(seed)}".encode()).digest())


def guessable(secret: bytes) -> bool:
    """Whether a key of 32 bytes is of a kind that somebody made up, and no random one (one in 10^8 is taken
    for such).

    Few different bytes or digits, hardly any zeros or ones, a text, bytes in order, repeated or alternating,
    and series whose steps are the same or grow by the same (modulo 256), every byte or every second to
    sixteenth."""
    values = list(secret)
    steps = {
        gap: [(b - a) % 256 for a, b in zip(values, values[gap:])] for gap in range(1, len(values) // 2 + 1)
    }
    growth = [(b - a) % 256 for a, b in zip(steps[1], steps[1][1:])]
    flips = [a ^ b for a, b in zip(values, values[1:])]
    ones = int.from_bytes(secret, "big").bit_count()
    return (
        len(set(values)) < FEWEST_BYTES
        or len(set(secret.hex())) < FEWEST_DIGITS
        or abs(ones - 4 * len(values)) > 2 * len(values)
        or all(32 <= value < 127 for value in values)
        or values in (sorted(values), sorted(values, reverse=True), values[::-1])
        or any(len(set(series)) < len(series) / 2 for series in (*steps.values(), growth, flips))
    )


def _refuse_open_folders(path: Path) -> None:
    """Refuse a key that others could exchange: in its folder, in one above it, or where a link to it leads.

    In the key's own folder nobody else may write. Of the folders above, which a group often shares, none may
    be open to everybody. Folders in which only a file's owner may rename it (sticky, like /tmp) pass.
    """
    for place in dict.fromkeys((path.absolute(), path.resolve())):
        for folder in place.parents:
            mode = folder.stat().st_mode
            if mode & (0o022 if folder == place.parent else 0o002) and not mode & stat.S_ISVTX:
                which = "the key's folder" if folder == place.parent else "a folder above the key"
                raise StudyError(
                    f"study.key_file: others can write in {which}, '{folder}'. Run: chmod go-w '{folder}'"
                )


def read_key(path: str | Path) -> StudyKey:
    """Read a key file made by ``make key``.

    Refused: a file that others can read, folders in which others could exchange it, what is not 64 random hex
    digits (``guessable``)."""
    if not str(path).strip():
        raise StudyError(
            "study.key_file is empty: write 'key_file: private/study.key' (the file that 'make key' makes),"
            " or leave the line out."
        )
    path = Path(path)
    if not path.is_file():
        raise StudyError(
            f"study.key_file: there is no file '{path}'. Make the key once with 'make key' and keep a copy in"
            " a safe place."
        )
    if path.stat().st_mode & 0o077:
        raise StudyError(f"study.key_file: others can read '{path}'. Run: chmod 600 '{path}'")
    _refuse_open_folders(path)
    text = path.read_text(encoding="ascii", errors="replace").strip()
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise StudyError(
            f"study.key_file: '{path}' is not a key (64 hexadecimal digits). Make one with 'make key'."
        )
    if guessable(secret):
        raise StudyError(
            f"study.key_file: '{path}' is no random key (its bytes are in order, repeat, are a text or few): "
            "anybody could guess it. Make one with 'make key'."
        )
    return StudyKey(secret)


def open_key(key_file: str | None, seed: int) -> StudyKey:
    """The key of a study: its file's, or the public one of a simulated study where ``key_file`` is None."""
    return simulated_key(seed) if key_file is None else read_key(key_file)


def make_key(path: str | Path) -> None:
    """Write a new random key (0600). An existing file is never touched."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.parent.name == "private":
        path.parent.chmod(0o700)
    _refuse_open_folders(path)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise StudyError(
            f"'{path}' exists already. A study keeps one key for its whole life; nothing was changed."
        ) from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    import argparse
    import sys

    parser = argparse.ArgumentParser(description="Make the key of a study (once).")
    parser.add_argument("path")
    try:
        target = parser.parse_args().path
        make_key(target)
        print(f"Made {target}. Keep a copy in a safe place: without it no later film can join this study.")
    except StudyError as error:
        sys.exit(f"ERROR: {error}")
