"""Whole centres whose films' headers are written as hospitals write them (beside the checkout, never in
it)."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts.check.check_data import described
from scripts.check.expectations import expect
from scripts.common.config import Center, Cohort, FrontalView
from scripts.common.key import StudyKey
from scripts.common.log import Log

CASES = Path(__file__).resolve().parents[3] / "shared/cases/tables"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not CASES.is_dir(), reason="the cases (../shared/cases) are not beside this checkout"),
]


@pytest.mark.parametrize(
    ("case", "views", "hint"),
    [
        (
            "047_m_clock",
            {"PA": 60},
            "film dates of one header differ by years (more than 180 days): 12 films",
        ),
        (
            "048_m_future",
            {"PA": 60},
            "film dates of one header differ by years (more than 180 days): 12 films",
        ),
        ("050_m_zhengce", {"unknown": 60}, ""),
        ("051_m_idfull", {"PA": 60}, ""),
    ],
)
def test_every_patient_joins(case, views, hint, tmp_path):
    root = CASES.parents[2]
    center = yaml.safe_load((CASES / case / "config.yaml").read_text(encoding="utf-8"))["centers"][0]
    center["dicom"] = str(root / center["dicom"].removeprefix("../"))
    for table in ("patients", "dxa"):
        center[table]["path"] = str(root / center[table]["path"].removeprefix("../"))
    cohort = Cohort().model_dump(mode="json", exclude={"test_fraction", "folds"})
    key = StudyKey(b"a key of the tests, 32 bytes....")
    log = Log(None, "t", echo=False)
    found = expect(Center.model_validate(center), key, FrontalView().model_dump(), cohort, log, tmp_path)
    assert found.selection is not None and len(found.selection.cohort) == 60 and found.views == views
    assert hint in "\n".join(described(found))
