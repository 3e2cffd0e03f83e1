"""A hospital's patient table in the study's terms."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from scripts.common.errors import StudyError
from scripts.common.predictors import NUMBER, YES_NO
from scripts.common.vocabulary import EXCLUSIONS
from scripts.intake.cells import LENGTH_UNITS, WEIGHT_UNITS, numbers, unit_key
from scripts.intake.column_values import AGE, ages, coded, dated, look_like_dates, measured, patient_ids
from scripts.intake.readings import FEWEST_FOR_A_COLUMN, Issues, Reading, finished, started
from scripts.intake.table_columns import column

HEIGHT_CM = (100.0, 230.0)
WEIGHT_KG = (20.0, 300.0)
"""Plausible values of adults; one outside is missing."""
PLAUSIBLE_MEDIAN_BMI = (15.0, 40.0)
"""A median outside, kg/m2, means a wrong unit."""
USUAL_BMI = (12.0, 45.0)
"""Rows with a body mass index outside are counted as doubtful, and used."""
EXCHANGED_BMI = 80.0
"""From this body mass index on, height and weight are taken for exchanged where the exchange gives a usual
one.
"""
PLACEHOLDER_BIRTHS = frozenset(
    datetime.date(*day) for day in ((1900, 1, 1), (1899, 12, 30), (1899, 12, 31), (1900, 1, 2), (1901, 1, 1))
)
"""Days that programs write where a birth date is unknown."""


def read_patients(table: dict, ids: dict, where: str) -> Reading:
    """A patient table: ``source_id, sex, birth_date, age, height_cm, weight_kg, measured_on``, the exclusion
    flags (0, 1, NaN) and the predictors (numbers; 0, 1, NaN; levels or an empty text).

    ``table`` is the config's ``patients`` section, ``where`` its place. Raises ``StudyError`` for faults of
    whole columns.
    """
    frame, issues, out = started(table, where)
    names, at, words = table["columns"], f"{where}.columns", table.get("missing") or ()
    base = frame.attrs["file"].serial_base
    for name, empty in (
        ("source_id", ""),
        ("sex", ""),
        ("birth_date", None),
        ("age", np.nan),
        ("height_cm", np.nan),
        ("weight_kg", np.nan),
    ):
        out[name] = empty
    out["measured_on"] = None
    with issues.column():
        out["source_id"] = patient_ids(frame, names["patient_id"], ids, issues, f"{at}.patient_id")
    with issues.column():
        cells = column(frame, names["sex"], f"{at}.sex")
        out["sex"], unknown = coded(cells, table["sex_coding"], f"{at}.sex", f"{where}.sex_coding", words)
        issues.note(unknown, "unknown_sex_code")
    with issues.column():
        if names.get("birth_date"):
            cells = column(frame, names["birth_date"], f"{at}.birth_date")
            born, unreadable = dated(cells, table, issues, f"{at}.birth_date", base)
            issues.note(unreadable, "unreadable_birth_date")
            placeholder = born.isin(PLACEHOLDER_BIRTHS)
            issues.note(placeholder, "placeholder_birth_date")
            out["birth_date"] = born.where(~placeholder, None).astype("object")
        else:

            def age_fault(values: pd.Series | None) -> None:
                raise StudyError(f"{at}.age: most of its cells are no ages in years.")

            out["age"] = measured(
                ages(column(frame, names["age"], f"{at}.age"), words), AGE, issues, "age", fault=age_fault
            )
    _read_body(frame, table, where, issues, out)
    with issues.column():
        if names.get("measured_on"):
            cells = column(frame, names["measured_on"], f"{at}.measured_on")
            out["measured_on"], unreadable = dated(cells, table, issues, f"{at}.measured_on", base)
            issues.note(unreadable, "unreadable_measured_on")
    for flag in EXCLUSIONS:
        out[flag] = np.nan
        if table["exclusions"].get(flag):
            place = f"{where}.exclusions.{flag}"
            with issues.column():
                cells = column(frame, table["exclusions"][flag], place)
                meaning, unknown = coded(cells, table["flag_coding"], place, f"{where}.flag_coding", words)
                out[flag] = meaning.map({"yes": 1.0, "no": 0.0})
                issues.note(unknown, "unreadable_flag")
    predictors = table.get("predictors") or {}
    for name, one in predictors.items():
        out[name] = _predictor(frame, name, one, f"{where}.predictors.{name}", words, issues)
    issues.refuse()
    types = {name: one["type"] for name, one in predictors.items()}
    return replace(finished(out, issues, frame, where), predictors=types)


def _predictor(
    frame: pd.DataFrame, name: str, one: dict, where: str, words: Sequence[str], issues: Issues
) -> pd.Series | float:
    """A predictor's column: a cell that can't be read is missing, and noted. ``one`` is its config entry."""

    def fault(values: pd.Series | None) -> None:
        if values is None:
            raise StudyError(
                f"{where}.column: most of its cells are no numbers; check the column and, if it holds codes,"
                f" the type in {where}.type. A date can't be a predictor."
            )
        if one["range"] is None:
            raise StudyError(
                f"{where}.column: most of its numbers have more than seven digits or stand for 'no value', as"
                " dates, ids and phone numbers do, which can't be predictors; if they are measured, give"
                f" {where}.range."
            )
        low, high = one["range"]
        raise StudyError(
            f"{where}.range: most of the column's numbers lie outside of {low:g} to {high:g}; check the"
            " column, its unit and the range."
        )

    with issues.column():
        cells = column(frame, one["column"], f"{where}.column")
        if one["type"] == NUMBER:
            units = {unit_key(one["unit"]): 1.0} if one.get("unit") else None
            read = numbers(cells, units, words)
            if look_like_dates(read.values):
                raise StudyError(f"{where}.column: its numbers look like dates; a date can't be a predictor.")
            return measured(read, one["range"], issues, f"predictor_{name}", fault=fault)
        meaning, unknown = coded(cells, one["coding"], f"{where}.column", f"{where}.coding", words)
        issues.note(unknown, f"unreadable_predictor_{name}")
        return meaning.map({"yes": 1.0, "no": 0.0}) if one["type"] == YES_NO else meaning
    return np.nan


def _read_body(frame: pd.DataFrame, table: dict, where: str, issues: Issues, out: pd.DataFrame) -> None:
    """Fill ``height_cm`` and ``weight_kg`` of ``out`` where the table has them; both are missing where they
    seem to be exchanged.
    """
    names, at, unit, words = (
        table["columns"],
        f"{where}.columns",
        table["height_unit"],
        table.get("missing") or (),
    )

    def height_fault(values: pd.Series | None) -> None:
        if values is not None:
            other, scale = ("m", 100.0) if unit == "cm" else ("cm", 1.0)
            if (values * scale).between(*HEIGHT_CM).mean() > 0.5:
                raise StudyError(
                    f"{at}.height: heights look like {other}, not {unit}: set {where}.height_unit to {other}."
                )
        raise StudyError(
            f"{at}.height: most of its cells are no heights in {unit}; check the column and"
            f" {where}.height_unit."
        )

    def weight_fault(values: pd.Series | None) -> None:
        raise StudyError(
            f"{at}.weight: most of its cells are no weights in kg; check the column and its unit."
        )

    scale, heights, weights = 1.0 if unit == "cm" else 100.0, None, None
    if names.get("height"):
        with issues.column():
            heights = numbers(column(frame, names["height"], f"{at}.height"), LENGTH_UNITS, words)
            out["height_cm"] = measured(heights, HEIGHT_CM, issues, "height", scale, height_fault).round(6)
    if names.get("weight"):
        with issues.column():
            weights = numbers(column(frame, names["weight"], f"{at}.weight"), WEIGHT_UNITS, words)
            out["weight_kg"] = measured(weights, WEIGHT_KG, issues, "weight", fault=weight_fault)
    if heights is None or weights is None:
        return
    with issues.column():
        given = heights.values * heights.scales.fillna(scale)
        as_told, exchanged = out["weight_kg"] / (given / 100) ** 2, given / (out["weight_kg"] / 100) ** 2
        swapped = (
            (as_told > EXCHANGED_BMI) & exchanged.between(*USUAL_BMI) & out["weight_kg"].between(*HEIGHT_CM)
        )
        issues.note(swapped, "exchanged_height_and_weight")
        for name in ("height_cm", "weight_kg"):
            out[name] = out[name].where(~swapped)
        bmi = (out["weight_kg"] / (out["height_cm"] / 100) ** 2).dropna()
        issues.note(~bmi.between(*USUAL_BMI).reindex(out.index, fill_value=True), "doubtful_bmi")
        if (
            len(bmi) >= FEWEST_FOR_A_COLUMN
            and not PLAUSIBLE_MEDIAN_BMI[0] <= bmi.median() <= PLAUSIBLE_MEDIAN_BMI[1]
        ):
            raise StudyError(
                f"{at}.weight: the median body mass index is {bmi.median():.0f} kg/m2; check that weights are"
                f" in kg and heights in {unit}."
            )
