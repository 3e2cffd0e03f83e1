"""Who comes to a simulated centre: the patients who pass every filter, and the known troubles.

A trouble either befalls one of the patients who pass (and must do no harm) or brings an extra patient who
must be left out for a stated reason. The reasons are the words of the result tables.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from scripts.common.seeds import sub_seed
from scripts.common.vocabulary import ACCEPTED, EXCLUSIONS, QUARANTINED, REJECTED
from scripts.synthetic.identities import Identity, make_identity, random_time
from scripts.synthetic.population import Person, Population, birth_date, bmd_of, months_later

_FIRST_TROUBLE = 100_000
"""Index of the first extra patient of a group: far from those who pass, so neither moves the other."""


@dataclass
class Film:
    """One film to take.

    ``fault`` names what is wrong with its file, ``exposure`` is normal, under or over.
    """

    number: int
    day: datetime.date
    time: datetime.time
    view: str = "PA"
    exposure: str = "normal"
    fault: str = ""
    planted: str = ""
    status: str = ACCEPTED
    reason: str = ""
    copies: int = 0


@dataclass
class Exam:
    """One DXA exam: rows of (site, BMD, T-score or None, or a text in its place); ``unreadable`` spoils its
    date in the table.
    """

    day: datetime.date
    rows: list[tuple[str, float, float | str | None]]
    unreadable: bool = False


@dataclass
class Patient:
    """One patient with films, exams and table rows, and what must become of them.

    ``bone_t_score`` is the T-score that the films show. ``table_rows`` holds changes to the row of the
    patients table, one dict per row (normally one, empty); no entry leaves the patient out of the table.
    """

    name: str
    person: Person
    identity: Identity
    bone_t_score: float
    films: list[Film]
    exams: list[Exam]
    flags: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(EXCLUSIONS, False))
    table_rows: list[dict] = field(default_factory=lambda: [{}])
    dicom_sex: str = ""
    planted: str = ""
    included: bool = True
    reason: str = ""


def plan_center(seed: int, center: str, simulate: dict) -> list[Patient]:
    """All patients of a centre. ``simulate`` is the centre's section of the config, as plain values."""
    like = simulate["like"]
    population = Population(seed, center, like)
    share = simulate["n_op"] / (simulate["n_op"] + simulate["n_non_op"])

    def make(op: bool, index: int) -> Patient:
        return _ordinary(population, like, op, index, share, simulate["density_signal"])

    patients = [make(True, i) for i in range(simulate["n_op"])] + [
        make(False, i) for i in range(simulate["n_non_op"])
    ]
    if not simulate["trouble"]:
        return patients
    by_name = {p.name: p for p in patients}
    for (group, index), trouble in _HARMLESS.items():
        if f"{group}{index}" in by_name:
            trouble(by_name[f"{group}{index}"])
    for k, (planted, op, reason, trouble) in enumerate(_HARMFUL):
        patient = make(op, _FIRST_TROUBLE + k)
        patient.planted, patient.included, patient.reason = planted, False, reason
        trouble(patient)
        patients.append(patient)
    return patients


def _ordinary(population: Population, like: str, op: bool, index: int, share: float, signal: bool) -> Patient:
    person = population.person(op, index)
    name = f"{'op' if op else 'non_op'}{index}"
    rng = np.random.default_rng(sub_seed(population.seed, "simulate", population.center, "exams", name))
    apart = int(rng.integers(-150, 151))
    rows = [(person.site, person.bmd, person.t_score)]
    for site in ("lumbar", "femoral_neck", "total_hip"):
        if site != person.site and rng.random() < 0.6:
            higher = round(min(person.t_score + rng.uniform(0.1, 1.6), 4.0), 1)
            rows.append((site, bmd_of(site, higher), higher))
    if rng.random() < 0.25:  # a site that is not coded, as low as it likes
        forearm = round(float(rng.uniform(-4.0, 0.5)), 1)
        rows.append(("forearm", bmd_of("forearm", forearm), forearm))
    rng.shuffle(rows)
    exams = [Exam(person.film_date + datetime.timedelta(days=apart), [tuple(r) for r in rows])]
    if rng.random() < 0.1:
        later = round(person.t_score - 0.1, 1)
        exams.append(
            Exam(
                exams[0].day + datetime.timedelta(days=int(rng.integers(740, 1100))),
                [(person.site, bmd_of(person.site, later), later)],
            )
        )
    film = Film(1, person.film_date, random_time(rng), view="AP" if rng.random() < 0.08 else "PA")
    bone = person.t_score
    if not signal:  # somebody else's bone: same law, nothing to do with this patient
        other = np.random.default_rng(
            sub_seed(population.seed, "simulate", population.center, "unrelated bone", name)
        )
        bone = population.t_score_of(bool(other.random() < share), other.random(), other.random())
    return Patient(
        name=name,
        person=person,
        identity=make_identity(population.seed, population.center, like, name),
        bone_t_score=bone,
        films=[film],
        exams=exams,
        dicom_sex=person.sex,
    )


# -------------------------------------------------------------------------- troubles that must do no harm


def _interval_to_the_day(months: int) -> Callable[[Patient], None]:
    def change(patient: Patient) -> None:
        patient.exams = [replace(patient.exams[0], day=months_later(patient.person.film_date, months))]
        patient.planted = "interval_exactly_6_months"
        if months < 0:
            # Six months count from the earlier day, here the exam: the film moves to where they end.
            film = months_later(patient.exams[0].day, -months)
            person = patient.person
            patient.films[0].day = film
            patient.person = replace(person, film_date=film, birth_date=birth_date(film, person.age, 100))

    return change


def _several_exams(patient: Patient) -> None:
    person, film = patient.person, patient.films[0]
    patient.planted = "several_exams"
    later = film.day + datetime.timedelta(days=426)
    t_score = -1.2 if person.op else -3.1
    patient.films.append(Film(2, later, film.time, planted="later_film"))
    patient.exams = [
        patient.exams[0],
        Exam(later + datetime.timedelta(days=20), [(person.site, bmd_of(person.site, t_score), t_score)]),
    ]


def _lateral_beside(patient: Patient) -> None:
    film = patient.films[0]
    patient.planted = "lateral_beside_frontal"
    patient.films.append(
        Film(2, film.day, film.time, view="lateral", planted="lateral", status=QUARANTINED, reason="lateral")
    )


def _duplicate_file(patient: Patient) -> None:
    patient.planted = "duplicate_file"
    patient.films[0].copies = 1


def _duplicate_rows(patient: Patient) -> None:
    patient.planted = "identical_rows_and_unreadable_exam_date"
    patient.table_rows = [{}, {}]
    first = patient.exams[0]
    patient.exams = [first, first, Exam(first.day, [(patient.person.site, 0.999, 0.1)], unreadable=True)]


def _other_sex(patient: Patient) -> None:
    patient.planted = "sex_differs_from_film"
    patient.dicom_sex = "M" if patient.person.sex == "F" else "F"


def _id_with_spaces(patient: Patient) -> None:
    patient.planted = "spaces_round_id"
    patient.table_rows = [{"spaces": True}]


def _rejected_first(patient: Patient) -> None:
    film = patient.films[0]
    patient.planted = "first_film_badly_exposed"
    bad = Film(
        2,
        film.day,
        datetime.time(6, 30),
        exposure="over",
        planted="over_exposed",
        status=REJECTED,
        reason="clipped",
    )
    patient.films.append(bad)


_HARMLESS: dict[tuple[str, int], Callable[[Patient], None]] = {
    ("op", 0): _interval_to_the_day(6),
    ("non_op", 0): _interval_to_the_day(-6),
    ("op", 1): _several_exams,
    ("non_op", 1): _several_exams,
    ("op", 2): _lateral_beside,
    ("non_op", 2): _duplicate_file,
    ("op", 3): _duplicate_rows,
    ("non_op", 3): _other_sex,
    ("op", 4): _rejected_first,
    ("non_op", 4): _id_with_spaces,
}


# ------------------------------------------------------------------- troubles that leave a patient out


def _young(age: int, days: int) -> Callable[[Patient], None]:
    def change(patient: Patient) -> None:
        person = patient.person
        patient.person = replace(person, age=age, birth_date=birth_date(person.film_date, age, days))

    return change


def _too_far(days: int) -> Callable[[Patient], None]:
    def change(patient: Patient) -> None:
        day = patient.person.film_date
        edge = months_later(day, 6 if days > 0 else -6)
        patient.exams = [replace(patient.exams[0], day=edge + datetime.timedelta(days=days))]

    return change


def _flag(name: str) -> Callable[[Patient], None]:
    def change(patient: Patient) -> None:
        patient.flags[name] = True

    return change


def _film(**changes: object) -> Callable[[Patient], None]:
    def change(patient: Patient) -> None:
        patient.films = [replace(patient.films[0], planted=patient.planted, **changes)]

    return change


def _rows(*rows: dict) -> Callable[[Patient], None]:
    def change(patient: Patient) -> None:
        patient.table_rows = list(rows)

    return change


def _no_exams(patient: Patient) -> None:
    patient.exams = []


def _no_t_score(patient: Patient) -> None:
    exam = patient.exams[0]
    patient.exams = [
        replace(exam, rows=[(site, bmd, None) for site, bmd, _ in exam.rows if site != "forearm"])
    ]


def _unreadable_t_scores(patient: Patient) -> None:
    """Every T-score that makes the osteoporosis has a digit that can't be read."""
    exam = patient.exams[0]
    rows = [(site, bmd, f"{t:.0f}.?" if t <= -2.5 and site != "forearm" else t) for site, bmd, t in exam.rows]
    patient.exams = [replace(exam, rows=rows)]


def _unreadable_exam_dates(patient: Patient) -> None:
    patient.exams = [replace(exam, unreadable=True) for exam in patient.exams]


def _no_films(patient: Patient) -> None:
    patient.films = []


def _only_unreadable_rows(patient: Patient) -> None:
    patient.films = []
    patient.table_rows = [{"unreadable_birth": True}]
    patient.exams = [replace(exam, unreadable=True) for exam in patient.exams]


def _quarantined(reason: str, **changes: object) -> Callable[[Patient], None]:
    return _film(status=QUARANTINED, reason=reason, **changes)


_HARMFUL: list[tuple[str, bool, str, Callable[[Patient], None]]] = [
    ("too_young", False, "too_young", _young(34, 100)),
    ("too_young_by_days", False, "too_young", _young(40, 355)),
    ("dxa_too_late", True, "no_pair_in_interval", _too_far(1)),
    ("dxa_too_early", False, "no_pair_in_interval", _too_far(-4)),
    *((name, k % 2 == 0, name, _flag(name)) for k, name in enumerate(EXCLUSIONS)),
    ("lateral_only", True, "no_frontal_film", _quarantined("lateral", view="lateral")),
    (
        "under_exposed",
        False,
        "exposure_rejected",
        _film(exposure="under", status=REJECTED, reason="low_range"),
    ),
    ("over_exposed", True, "exposure_rejected", _film(exposure="over", status=REJECTED, reason="clipped")),
    ("cut_short", False, "no_usable_film", _quarantined("cut_short", fault="cut_short")),
    ("burned_in_text", True, "no_usable_film", _quarantined("burned_in_text", fault="burned_in")),
    ("no_patient_id", False, "no_film", _quarantined("no_patient_id", fault="no_patient_id")),
    ("no_pixels", True, "no_usable_film", _quarantined("no_pixels", fault="no_pixels")),
    ("not_in_patients_table", False, "not_in_patients_table", _rows()),
    ("not_in_dxa_table", True, "no_dxa", _no_exams),
    ("conflicting_height", False, "conflicting_rows", _rows({}, {"height_change": 9.0})),
    ("conflicting_sex", True, "conflicting_rows", _rows({}, {"other_sex": True})),
    ("no_t_score", False, "no_t_score", _no_t_score),
    ("unreadable_t_score", True, "undecided_dxa", _unreadable_t_scores),
    ("unreadable_exam_dates", False, "unreadable_row", _unreadable_exam_dates),
    ("no_film", True, "no_film", _no_films),
    ("only_unreadable_rows", False, "no_film", _only_unreadable_rows),
]
"""What is planted, whether the patient has osteoporosis, why the patient must be left out, and the change."""
