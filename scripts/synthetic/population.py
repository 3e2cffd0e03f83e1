"""Patients of a simulated centre: sex, age, build and bone density as in Table 1 of the paper.

Source of the counts, means and SDs: DOI 10.13929/j.issn.1003-3289.2026.03.017, Table 1. BMD there has one
digit. A group's T-scores lie on its own side of -2.5 by construction, and BMD follows from T-score and site.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

import numpy as np

from scripts.common.seeds import sub_seed

OP_T_SCORE = -2.5
YOUNGEST, OLDEST = 41, 96
"""Completed years of included patients."""

REFERENCE: dict[str, tuple[float, float]] = {
    "lumbar": (1.050, 0.120),
    "femoral_neck": (0.860, 0.110),
    "total_hip": (0.940, 0.120),
    "forearm": (0.560, 0.060),
}
"""Young adults' mean and SD of BMD (g/cm2) per site, of the simulated densitometers: BMD = mean + SD x T."""

_SITE_SHARE = (("lumbar", 0.62), ("femoral_neck", 0.22), ("total_hip", 0.16))


@dataclass(frozen=True)
class Group:
    """A cohort's osteoporotic or other patients: published means and SDs, and the law of the lowest
    T-score.
    """

    male: float
    age: tuple[float, float]
    bmi: tuple[float, float]
    t_score: tuple[float, float]
    outliers: float = 0.0


COHORTS: dict[str, dict[str, Group]] = {
    "internal": {
        "op": Group(206 / 1518, (71.1, 8.9), (22.2, 3.5), (-3.35, 0.62)),
        "non_op": Group(840 / 2760, (58.8, 11.3), (24.3, 3.4), (-0.95, 0.90)),
    },
    "external_1": {
        "op": Group(20 / 119, (74.2, 9.8), (22.9, 5.2), (-3.40, 0.65)),
        "non_op": Group(31 / 69, (67.3, 11.8), (24.5, 3.8), (-1.45, 0.65)),
    },
    "external_2": {
        "op": Group(11 / 63, (75.3, 11.6), (21.0, 3.8), (-3.40, 0.65)),
        # One degenerate spine in ten or so stretches the published SD of BMD to 0.3.
        "non_op": Group(4 / 13, (75.8, 10.4), (21.9, 3.5), (-1.60, 0.55), outliers=0.10),
    },
}

ENROLMENT: dict[str, tuple[datetime.date, datetime.date]] = {
    "internal": (datetime.date(2013, 11, 4), datetime.date(2024, 7, 19)),
    "external_1": (datetime.date(2022, 4, 6), datetime.date(2024, 3, 22)),
    "external_2": (datetime.date(2019, 4, 8), datetime.date(2024, 12, 13)),
}
"""First and last day of films per cohort."""


@dataclass(frozen=True)
class Person:
    """One patient's true values; ``t_score`` and ``bmd`` are those of ``site``, the lowest one."""

    index: int
    op: bool
    sex: str
    age: int
    height_cm: float
    weight_kg: float
    site: str
    t_score: float
    bmd: float
    film_date: datetime.date
    birth_date: datetime.date

    @property
    def bmi(self) -> float:
        return self.weight_kg / (self.height_cm / 100) ** 2


def _normal_grid(mean: float, sd: float, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    x = np.linspace(low, high, 801)
    density = np.exp(-0.5 * ((x - mean) / sd) ** 2)
    return x, density / density.sum()


def _parent_law(mean: float, sd: float, low: float, high: float) -> tuple[float, float]:
    """Mean and SD of the normal law that, cut off at ``low`` and ``high``, has the wanted mean and SD."""
    centre, spread = mean, sd
    for _ in range(400):
        x, p = _normal_grid(centre, spread, low, high)
        got = float((x * p).sum())
        got_sd = math.sqrt(float(((x - got) ** 2 * p).sum()))
        centre += 0.5 * (mean - got)
        spread = min(max(spread * (sd / got_sd) ** 0.5, 0.2 * sd), 3 * sd)
        centre = min(max(centre, mean - 3 * sd), mean + 3 * sd)
    return centre, spread


def quantile(u: float, mean: float, sd: float, low: float, high: float) -> float:
    """Quantile ``u`` of the cut-off normal law with this mean and SD after the cut."""
    x, p = _normal_grid(*_parent_law(mean, sd, low, high), low, high)
    cumulative = np.cumsum(p) - 0.5 * p
    return float(np.interp(u, cumulative, x))


class _Law:
    """A cut-off normal law, solved once per group."""

    def __init__(self, mean: float, sd: float, low: float, high: float) -> None:
        self._x, p = _normal_grid(*_parent_law(mean, sd, low, high), low, high)
        self._cumulative = np.cumsum(p) - 0.5 * p

    def __call__(self, u: float) -> float:
        return float(np.interp(u, self._cumulative, self._x))


# Irrational steps of a rank-1 sequence: each new patient falls into the widest gap, so small groups too
# come close to the published means and SDs, and patient i is the same in a group of any size.
_STEPS = tuple(math.sqrt(prime) % 1 for prime in (2, 3, 5, 7, 11))


class Population:
    """Draws a centre's patients. Patient ``index`` of a group doesn't depend on how many there are."""

    def __init__(self, seed: int, center: str, like: str) -> None:
        self.seed, self.center, self.like = seed, center, like
        self._laws = {}
        for name, group in COHORTS[like].items():
            t_range = (-5.4, OP_T_SCORE) if name == "op" else (OP_T_SCORE + 0.1, 3.0)
            self._laws[name] = (
                _Law(group.age[0] + 0.0, group.age[1], YOUNGEST, OLDEST),
                _Law(*group.bmi, 14.5, 40.0),
                _Law(*group.t_score, *t_range),
            )

    def t_score_of(self, op: bool, u: float, outlier: float) -> float:
        """Lowest T-score (one digit, as densitometers print it) at quantile ``u`` of a group."""
        name = "op" if op else "non_op"
        if outlier < COHORTS[self.like][name].outliers:
            return round(3.2 + 1.2 * u, 1)
        value = round(self._laws[name][2](u), 1)
        return min(value, OP_T_SCORE) if op else max(value, OP_T_SCORE + 0.1)

    def person(self, op: bool, index: int) -> Person:
        """Patient ``index`` (from 0) of a group."""
        name = "op" if op else "non_op"
        group = COHORTS[self.like][name]
        start = np.random.default_rng(
            sub_seed(self.seed, "simulate", self.center, "population", name)
        ).random(6)
        u = [(start[i] + (index + 1) * _STEPS[i]) % 1 for i in range(5)]
        rng = np.random.default_rng(sub_seed(self.seed, "simulate", self.center, "person", name, index))
        male = math.floor((index + start[5] * 0.999 + 1) * group.male) > math.floor(
            (index + start[5] * 0.999) * group.male
        )
        age_law, bmi_law, _ = self._laws[name]
        age = int(min(max(round(age_law(u[0])), YOUNGEST), OLDEST))
        height = rng.normal(167.0, 6.0) if male else rng.normal(155.5, 5.8)
        height = round(float(np.clip(height, 138, 190)) - 0.06 * (age - 60), 1)
        weight = round(bmi_law(u[1]) * (height / 100) ** 2, 1)
        site = _pick_site(u[3])
        t_score = self.t_score_of(op, u[2], u[4])
        first, last = ENROLMENT[self.like]
        film = first + datetime.timedelta(days=int(rng.integers(0, (last - first).days + 1)))
        return Person(
            index=index,
            op=op,
            sex="M" if male else "F",
            age=age,
            height_cm=height,
            weight_kg=weight,
            site=site,
            t_score=t_score,
            bmd=bmd_of(site, t_score),
            film_date=film,
            birth_date=birth_date(film, age, int(rng.integers(2, 360))),
        )


def _pick_site(u: float) -> str:
    total = 0.0
    for site, share in _SITE_SHARE:
        total += share
        if u < total:
            return site
    return _SITE_SHARE[-1][0]


def bmd_of(site: str, t_score: float) -> float:
    """BMD (g/cm2, three digits) of a site at a T-score."""
    mean, sd = REFERENCE[site]
    return round(mean + sd * t_score, 3)


def years_later(day: datetime.date, years: int) -> datetime.date:
    """The same calendar day some years on (or back); 29 February becomes the 28th."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def months_later(day: datetime.date, months: int) -> datetime.date:
    """The same day of the month some months on (or back), or the month's last day where there is none."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return datetime.date(year, month + 1, last)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def birth_date(film: datetime.date, age: int, days: int) -> datetime.date:
    """A birth date that makes the patient ``age`` completed years old on the day of the film."""
    return years_later(film, -age) - datetime.timedelta(days=days)
