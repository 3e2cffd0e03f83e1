"""What is unusual in a centre's T-scores and in who has osteoporosis: notes to look at, nothing that a run
refuses.
"""

from __future__ import annotations

import math

import pandas as pd

from scripts.common.cutoffs import below

PUBLISHED_SLOPES = (6.0, 11.0)
"""SDs of T-score per g/cm2 of density at spine and hip; the slope is one over the young adults' SD.

Young white women and men of NHANES III have SDs of 0.120 and 0.137 g/cm2 at the femoral neck, 0.122 and 0.144
at the total hip (Looker et al., Osteoporos Int 1998;8:468), women at the lumbar spine 0.110 by Hologic's
reference: slopes of 6.9 to 9.1. The range leaves room for other devices and populations.
"""
AGES = ((0, 50), (50, 65), (65, 200))
"""Age groups: at least the first, below the second."""
FEWEST_TO_COMPARE = 20
"""Fewest patients of an age group that is compared with another."""
SIGNIFICANT = 2.0
"""Standard errors by which a share must fall with age before it is named."""


def odd_slopes(lines: pd.DataFrame, where: str) -> list[str]:
    """A hint for each site and sex whose line of T-score over density (``t_score_lines``) is steeper or
    flatter than published ones.
    """
    low, high = PUBLISHED_SLOPES
    odd = lines[(lines["slope"] < low) | (lines["slope"] > high)]
    return [
        f"{where}: T-scores of site '{row.site}'{f', sex {row.sex}' if row.sex else ''} rise by"
        f" {row.slope:.1f} SD per g/cm2 of density ({row.n} rows); published references give {low:.0f} to"
        f" {high:.0f}. Are densities in g/cm2, and T-scores by young adults of that sex?"
        for row in odd.itertuples()
    ]


def _groups(cohort: pd.DataFrame) -> list[tuple[str, list[tuple[str, int, int]]]]:
    """For each sex, the age groups that have patients: name, patients with osteoporosis, patients."""
    found = []
    for sex, name in (("F", "women"), ("M", "men")):
        several = []
        for first, last in AGES:
            rows = cohort[
                (cohort["sex"] == sex)
                & ~below(cohort["age"].astype(float), first)
                & below(cohort["age"].astype(float), last)
            ]
            label = (
                f"below {last}"
                if first == 0
                else f"{first} and above"
                if last == 200
                else f"{first}-{last - 1}"
            )
            if len(rows):
                several.append((label, int(rows["label"].sum()), len(rows)))
        if several:
            found.append((name, several))
    return found


def by_age_and_sex(cohort: pd.DataFrame) -> list[str]:
    """Lines: how many of each sex and age group have osteoporosis."""
    return [
        f"    {name} with osteoporosis: "
        + ", ".join(f"{label} {n_op} of {n} ({100 * n_op / n:.0f} %)" for label, n_op, n in groups)
        for name, groups in _groups(cohort)
    ]


def falling_with_age(cohort: pd.DataFrame, where: str) -> list[str]:
    """A hint where osteoporosis is rarer at a higher age by more than chance: labels may belong to other
    patients.
    """
    hints = []
    for name, groups in _groups(cohort):
        large = [group for group in groups if group[2] >= FEWEST_TO_COMPARE]
        for (younger, n_op, n), (older, m_op, m) in zip(large, large[1:]):
            both = (n_op + m_op) / (n + m)
            error = math.sqrt(both * (1 - both) * (1 / n + 1 / m))
            if error and (n_op / n - m_op / m) / error > SIGNIFICANT:
                hints.append(
                    f"{where}: of {name} {100 * n_op / n:.0f} % have osteoporosis at {younger}, but"
                    f" {100 * m_op / m:.0f} % at {older}; it rises with age elsewhere. Do DXA rows and birth"
                    " dates belong to the same patients?"
                )
    return hints
