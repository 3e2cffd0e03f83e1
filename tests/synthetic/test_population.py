"""Simulated patients against the paper's Table 1."""

import datetime

import numpy as np
import pytest

from scripts.synthetic.population import (
    COHORTS,
    OP_T_SCORE,
    REFERENCE,
    Population,
    birth_date,
    months_later,
)

SEED = 20260317

# Table 1 of the paper: patients, men, and mean and SD of age, BMI and BMD (BMD to one digit).
TABLE_1 = {
    ("internal", True): (1518, 206, (71.1, 8.9), (22.2, 3.5), (0.6, 0.1)),
    ("internal", False): (2760, 840, (58.8, 11.3), (24.3, 3.4), (0.9, 0.1)),
    ("external_1", True): (119, 20, (74.2, 9.8), (22.9, 5.2), (0.6, 0.1)),
    ("external_1", False): (69, 31, (67.3, 11.8), (24.5, 3.8), (0.8, 0.1)),
    ("external_2", True): (63, 11, (75.3, 11.6), (21.0, 3.8), (0.6, 0.1)),
}


@pytest.mark.parametrize("cohort", list(TABLE_1), ids=lambda c: f"{c[0]}-{'op' if c[1] else 'non_op'}")
def test_moments_are_the_papers(cohort):
    like, op = cohort
    n, men, age, bmi, bmd = TABLE_1[cohort]
    population = Population(SEED, like, like)
    people = [population.person(op, i) for i in range(n)]
    assert sum(p.sex == "M" for p in people) == pytest.approx(men, abs=1)
    standard_error = 1 / np.sqrt(n)
    for name, (mean, sd) in (("age", age), ("bmi", bmi)):
        values = np.array([getattr(p, name) for p in people], float)
        assert values.mean() == pytest.approx(mean, abs=max(0.03 * sd, sd * standard_error))
        assert values.std() == pytest.approx(sd, rel=0.08)
    values = np.array([p.bmd for p in people])
    assert round(values.mean(), 1) == bmd[0]
    assert round(values.std(), 1) == bmd[1]


def test_a_group_of_thirteen_with_the_odd_sd():
    population = Population(SEED, "external_2", "external_2")
    values = np.array([population.person(False, i).bmd for i in range(400)])
    assert 0.75 < values.mean() < 0.9
    assert 0.15 < values.std() < 0.35


@pytest.mark.parametrize("like", list(COHORTS))
def test_label_t_score_and_bmd_agree(like):
    population = Population(SEED, like, like)
    for op in (True, False):
        for i in range(300):
            person = population.person(op, i)
            assert (person.t_score <= OP_T_SCORE) == op
            assert round(person.t_score, 1) == person.t_score
            mean, sd = REFERENCE[person.site]
            assert person.bmd == pytest.approx(mean + sd * person.t_score, abs=6e-4)
            assert person.bmi == pytest.approx(person.weight_kg / (person.height_cm / 100) ** 2)
            born, film = person.birth_date, person.film_date
            years = film.year - born.year - ((film.month, film.day) < (born.month, born.day))
            assert years == person.age > 40


def test_a_patient_is_the_same_in_a_cohort_of_any_size_and_another_under_another_seed():
    one, same, other = (Population(seed, "c", "internal") for seed in (1, 1, 2))
    assert [one.person(True, i) for i in (5, 2)] == [same.person(True, i) for i in (5, 2)]
    assert one.person(True, 5) != other.person(True, 5)
    assert one.person(True, 5) != Population(1, "d", "internal").person(True, 5)


def test_months_end_where_the_calendar_says():
    assert months_later(datetime.date(2023, 8, 31), 6) == datetime.date(2024, 2, 29)
    assert months_later(datetime.date(2024, 3, 15), -6) == datetime.date(2023, 9, 15)
    assert birth_date(datetime.date(2024, 2, 29), 41, 0) == datetime.date(1983, 2, 28)
