"""check-data on the tables that other hospitals' reports tell of: how many patients, no wrong label, or the
sentence that refuses.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from scripts.check import expectations
from scripts.check.expectations import Expectation, expect
from scripts.common.config import read_config
from scripts.common.config.files import laid_over, read_config_file
from scripts.common.errors import StudyError
from scripts.common.key import StudyKey
from scripts.common.log import Log
from scripts.intake.identity import Pseudonyms

CASES = Path("../shared/cases/tables")
KEY = StudyKey(b"a key of the tests, 32 bytes....")

pytestmark = [pytest.mark.shared, pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared")]

ALL_RIGHT = (60, 30, "")
EXPECTED: dict[str, tuple[int, int, str]] = {
    "002_j_dxa_other_ids": (0, 0, "no patient of the patient table is in the DXA table"),
    "004_c_id_hyphen": (0, 0, "separators"),
    "010_d_dxa_emptydate": (0, 0, "no row of the table has a date"),
    "011_k_chart_sheet_named": (0, 0, "is a chart and holds no rows"),
    "015_t_double_minus": (42, 20, ""),
    "019_x_formula_some": (0, 0, "60 cells of the column 'TScore' hold formulas without a value"),
    "023_k_forearm_total": (52, 28, ""),
    "024_s_holo_total": (0, 0, "columns.scan"),
    "025_v_float_few": (0, 0, "6 of 150 T-scores (4.0 %) don't fit the bone density"),
    "029_z_instead": (0, 0, "the column is called a Z-score"),
    "031_c_unclosed": (0, 0, "row 14 (line 14 of the file)"),
    "036_x_formula_height": (0, 0, "60 cells of the column 'Height' hold formulas"),
    "037_x_formula_T": (0, 0, "180 cells of the column 'TScore' hold formulas"),
    "044_m_two_ids": (70, 35, ""),
    "068_w_wide": (0, 0, "columns.site"),
    "071_w_label": (0, 0, "columns.site"),
    "072_b_none": (0, 0, "columns.bmd"),
    "073_v_tdate_only": (0, 0, "columns.t_score"),
    "074_d_dxa_nodate": (0, 0, "columns.exam_date"),
    "076_w_omop": (0, 0, "value_as_number"),
    "077_u_bmi_only": (0, 0, "columns.bmi"),
    "081_d_birthyear": (0, 0, "date_format"),
    "087_j_prefix": (0, 0, "no patient of the films is in the patient table"),
    "088_j_suffix": (0, 0, "no patient of the films is in the patient table"),
    "090_m_id_check": (0, 0, "no patient of the films is in the patient table"),
    "091_m_other_id": (0, 0, "no patient of the films is in the patient table"),
    "093_u_inch_lb": (0, 0, "no heights in cm"),
    "101_v_one_op": (0, 0, "at least"),
}
"""Patients, of them with osteoporosis, and words of the sentence that refuses (then nobody); every other
case is all right.
"""


def cases() -> list[str]:
    return sorted(path.parent.name for path in CASES.glob("*/config.yaml"))


@pytest.fixture(scope="module", autouse=True)
def _films_read_once():
    """The cases share films: their headers are read once for each folder and rule for ids."""
    read, known = expectations._film_rows, {}

    def once(center, files, table, names, patterns, *rest):
        key = (center.films, center.ids.model_dump_json(), str(center.model_dump().get("images")))
        if key not in known:
            known[key] = read(center, files, table, names, patterns, *rest)
        films, *others = known[key]
        return films.copy(), *others

    expectations._film_rows = once
    yield
    expectations._film_rows = read


@pytest.fixture(scope="module")
def truth() -> dict[str, int]:
    """Labels by source id, from a case whose DXA table is as it should be."""
    rows = pd.read_csv(CASES / "031_c_unclosed/dxa.csv", dtype={"PatientID": str}, encoding="utf-8-sig")
    return (rows.groupby("PatientID")["TScore"].min() <= -2.5).astype(int).to_dict()


def looked_at(case: str, **dxa: object) -> tuple[Expectation, Pseudonyms]:
    own = yaml.safe_load((CASES / case / "config.yaml").read_text(encoding="utf-8"))
    own["centers"][0]["dxa"].update(dxa)
    raw = laid_over(read_config_file("config.yaml"), own)
    config = read_config(raw)
    center = config.centers[0]
    cohort = config.cohort.model_dump(mode="json", exclude={"test_fraction", "folds"})
    patterns = config.intake.frontal_view.model_dump()
    split = config.cohort.model_dump(mode="json", include={"test_fraction", "folds"})
    found = expect(center, KEY, patterns, cohort, Log(None, "test", echo=False), Path("absent"), split)
    return found, Pseudonyms(KEY, center.name, center.ids.model_dump(mode="json"))


@pytest.mark.parametrize("case", cases())
def test_case(case, truth):
    n, n_op, said = EXPECTED.get(case, ALL_RIGHT)
    try:
        found, names = looked_at(case)
    except StudyError as error:
        assert said and said in str(error), error
        return
    if said:
        assert any(said in sentence for sentence in found.faults), found.faults
        return
    assert found.faults == [] and judged(found, names, truth) == (n, n_op, 0)


def test_t_scores_that_contradict_their_densities_are_read_where_the_user_says_so(truth):
    """The sentence that refuses the table names the key; a T-score of -2.4999999999999996 is at most -2.5."""
    found, names = looked_at("025_v_float_few", most_odd_t_scores=0.05)
    assert found.faults == [] and judged(found, names, truth) == (60, 30, 0)


def judged(found: Expectation, names: Pseudonyms, truth: dict[str, int]) -> tuple[int, int, int]:
    """Patients, of them with osteoporosis, and wrong labels."""
    cohort = found.selection.cohort
    known = {names.patient(names.normalised(source)): label for source, label in truth.items()}
    wrong = [
        label
        for patient, label in zip(cohort["patient_id"], cohort["label"])
        if known.get(patient, label) != label
    ]
    return len(cohort), int(cohort["label"].sum()), len(wrong)
