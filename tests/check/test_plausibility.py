"""Notes on T-scores and labels that are unusual, and on which nothing is refused."""

from __future__ import annotations

import pandas as pd

from scripts.check.expectations import _sites_lacking
from scripts.check.plausibility import by_age_and_sex, falling_with_age, odd_slopes
from scripts.intake.readings import Reading


def cohort(*groups):
    """Patients of (sex, age, with osteoporosis, without)."""
    rows = [(sex, age, label) for sex, age, n_op, rest in groups for label in [1] * n_op + [0] * rest]
    return pd.DataFrame(rows, columns=["sex", "age", "label"])


def test_shares_by_age_and_sex():
    lines = by_age_and_sex(
        cohort(("F", 49, 1, 9), ("F", 50, 3, 7), ("F", 64, 0, 10), ("F", 65, 5, 5), ("M", 70, 1, 3))
    )
    assert lines == [
        (
            "    women with osteoporosis: below 50 1 of 10 (10 %), 50-64 3 of 20 (15 %), 65 and above 5 of 10"
            " (50 %)"
        ),
        "    men with osteoporosis: 65 and above 1 of 4 (25 %)",
    ]


def test_a_share_that_falls_with_age_is_named_and_chance_is_not():
    assert falling_with_age(cohort(("F", 55, 10, 30), ("F", 70, 20, 20)), "c") == []
    (hint,) = falling_with_age(cohort(("F", 55, 20, 20), ("F", 70, 6, 34)), "c")
    assert "of women 50 % have osteoporosis at 50-64, but 15 % at 65 and above" in hint
    assert falling_with_age(cohort(("F", 55, 5, 5), ("F", 70, 1, 9)), "c") == [], "too few to compare"
    assert falling_with_age(cohort(("F", 55, 12, 28), ("F", 70, 9, 31)), "c") == [], "chance"


def test_slopes_beyond_the_published_ones_are_named():
    lines = pd.DataFrame(
        [("lumbar", "l1-l4", "", "F", 60, 8.3, -9.0, 0), ("total_hip", "total", "", "M", 40, 4.2, -4.0, 0)],
        columns=["site", "code", "device", "sex", "n", "slope", "intercept", "n_off"],
    )
    (hint,) = odd_slopes(lines, "c")
    assert "site 'total_hip', sex M rise by 4.2 SD per g/cm2 of density (40 rows)" in hint


def test_exams_without_a_usual_site_are_told():
    rows = [
        (f"p{n}", "2020-01-05", site)
        for n in range(30)
        for site in ("lumbar", "femoral_neck")
        if (n, site) != (3, "lumbar")
    ]
    frame = pd.DataFrame(rows, columns=["source_id", "exam_date", "site"])
    (hint,) = _sites_lacking(Reading(frame, frame, frame, [], []), "c.dxa")
    assert "1 of 30 exams lack the site 'lumbar'" in hint
    usual = frame[frame["site"] == "femoral_neck"]
    assert _sites_lacking(Reading(usual, usual, usual, [], []), "c.dxa") == []
