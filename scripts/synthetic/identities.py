"""Invented people and hospitals: names, ids, addresses and UIDs that a search of bytes can't meet by
chance.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np

from scripts.common.seeds import sub_seed

_STARTS = ("Zq", "Xv", "Kzw", "Qr", "Vx", "Wz", "Jq", "Bx", "Gzh", "Tsk")
_VOWELS = ("a", "o", "u", "ei", "ya", "oi")
_ENDS = ("rk", "vld", "mzt", "xk", "ndq", "lwz", "gv", "pts")
_RARE = "龘靐齉爨麤鱻犇骉羴猋嘂巭彧翀頔镕喆旻昶晟骐骥鸾鹓"
_STREETS = ("Quarrow", "Vexley", "Zandermoor", "Jolvik", "Kwistdyke", "Xanthorpe")
_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ23456789"


@dataclass(frozen=True)
class Identity:
    """What names one patient, or a person or place near the patient. No two patients share any of it."""

    patient_id: str
    other_id: str
    family: str
    given: str
    ideographic: str
    address: str
    phone: str
    birth_name: str
    insurance: str

    @property
    def full_name(self) -> str:
        return f"{self.given} {self.family}"


@dataclass(frozen=True)
class Hospital:
    """A centre's own identifying strings."""

    name: str
    address: str
    department: str
    station: str
    serials: tuple[str, ...]
    physicians: tuple[str, ...]
    operators: tuple[str, ...]
    uid_root: str


def _word(rng: np.random.Generator, syllables: int) -> str:
    parts = []
    for _ in range(syllables):
        parts.append(str(rng.choice(_STARTS)).lower() + str(rng.choice(_VOWELS)) + str(rng.choice(_ENDS)))
    return "".join(parts).capitalize()


def code(rng: np.random.Generator, length: int) -> str:
    """Letters and digits that spell nothing."""
    return "".join(rng.choice(list(_ALPHABET), length))


def _digits(rng: np.random.Generator, length: int) -> str:
    return str(rng.integers(1, 10)) + "".join(str(d) for d in rng.integers(0, 10, length - 1))


def make_identity(seed: int, center: str, like: str, patient: str) -> Identity:
    """The identity of one patient, by seed, centre and the patient's name in the simulation."""
    rng = np.random.default_rng(sub_seed(seed, "simulate", center, "identity", patient))
    if like == "internal":
        patient_id = "JQ" + code(rng, 9)
    elif like == "external_1":
        patient_id = "00" + _digits(rng, 12)
    else:
        patient_id = f"XH-{code(rng, 6)}-{code(rng, 4)}"
    family, given = _word(rng, 2), _word(rng, 2)
    if like == "external_1" or (like == "internal" and rng.random() < 0.5):
        given += "é"  # a letter outside ASCII, as Latin-1 allows
    return Identity(
        patient_id=patient_id,
        other_id="OLD" + code(rng, 9),
        family=family,
        given=given,
        ideographic="".join(rng.choice(list(_RARE), 4)),
        address=f"{rng.integers(1, 99)} {rng.choice(_STREETS)} {_word(rng, 1)} Lane",
        phone="+86-0" + _digits(rng, 11),
        birth_name=_word(rng, 3),
        insurance="INS" + _digits(rng, 14),
    )


def make_hospital(seed: int, center: str) -> Hospital:
    """The hospital of a simulated centre."""
    rng = np.random.default_rng(sub_seed(seed, "simulate", center, "hospital"))
    return Hospital(
        name=f"{_word(rng, 2)} General Hospital",
        address=f"{rng.integers(1, 99)} {_word(rng, 2)} Avenue",
        department=f"Radiology {_word(rng, 1)}",
        station="STN" + code(rng, 8),
        serials=("SNR" + code(rng, 10), "SNR" + code(rng, 10)),
        physicians=tuple(f"{_word(rng, 2)}^{_word(rng, 1)}" for _ in range(4)),
        operators=tuple(f"{_word(rng, 2)}^{_word(rng, 1)}" for _ in range(3)),
        uid_root="1.2.826.0.1.3680043.10." + _digits(rng, 6),
    )


def make_uid(hospital: Hospital, rng: np.random.Generator) -> str:
    """A UID under the hospital's root."""
    return f"{hospital.uid_root}.{_digits(rng, 13)}.{_digits(rng, 15)}"


def random_time(rng: np.random.Generator) -> datetime.time:
    """A time in the working day."""
    second = int(rng.integers(7 * 3600, 18 * 3600))
    return datetime.time(second // 3600, second // 60 % 60, second % 60, int(rng.integers(1, 999)) * 1000)
