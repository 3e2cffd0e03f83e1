"""Films that were refused or misread for a false reason (beside the checkout, never in it)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from scripts.common.contracts.intake import BATCH_FILMS, CONVERTED, CROSSWALK
from scripts.intake.batch_conversion import convert_batch
from scripts.intake.batch_deidentification import deidentify_batch

CASES = Path(__file__).resolve().parents[3] / "shared/cases/dicom"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not CASES.is_dir(), reason="the cases (../shared/cases) are not beside this checkout"),
]
ACCEPTED = {
    "private_UN_icon": 12,
    "patient_id_190546": 12,
    "body_part_gb18030": 12,
    "jls_zero_byte_before_EOI": 12,
    "modality_lut_item_without_table": 12,
    "jpeg8_under_12_bit_header": 8,
    "date_dashes": 12,
    "pa_gbk_unmarked": 12,
}
"""Films that are right, and the bits that their values use."""


@pytest.fixture(scope="module")
def taken_in(tmp_path_factory):
    from scripts.common.config import FrontalView
    from scripts.common.key import StudyKey
    from scripts.common.log import Log
    from scripts.common.tables import read_table
    from scripts.intake.identity import Pseudonyms

    target, log = tmp_path_factory.mktemp("cases"), Log(None, "test", echo=False)
    (target / "in").mkdir()
    for path in CASES.glob("*.dcm"):
        (target / "in" / path.name).write_bytes(path.read_bytes())
    ids = {"strip": True, "leading_zeros": "keep", "upper": False}
    deidentify_batch(
        folder=target / "in",
        batch=0,
        n_batches=1,
        names=Pseudonyms(StudyKey(b"a key of the tests, 32 bytes...."), "c", ids),
        patterns=FrontalView().model_dump(),
        films_folder=target / "dicom",
        films_table=target / "dicom.csv",
        crosswalk=target / "private/crosswalk.csv",
        log=log,
    )
    convert_batch(
        films_folder=target / "dicom",
        films_table=target / "dicom.csv",
        window={"rows": (0.2, 0.9), "columns": (0.1, 0.9)},
        png_folder=target / "png",
        png_table=target / "png.csv",
        log=log,
    )
    films = read_table(target / "dicom.csv", BATCH_FILMS).merge(
        read_table(target / "private/crosswalk.csv", CROSSWALK)[["image_id", "path"]], on="image_id"
    )
    pngs = read_table(target / "png.csv", CONVERTED)[["image_id", "status", "bits", "value_range"]]
    joined = films.merge(pngs.rename(columns={"status": "conversion"}), on="image_id", how="left")
    return joined.set_index(joined["path"].str.removesuffix(".dcm"))


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_film_that_is_right_is_taken(taken_in: pd.DataFrame, name):
    film = taken_in.loc[name]
    assert (film["status"], film["reason"], film["conversion"]) == ("accepted", "", "converted")
    assert film["view"] == "PA" and film["bits"] == ACCEPTED[name] and film["value_range"] > 0.2


def test_a_lateral_film_is_set_aside_whatever_set_its_header_declares(taken_in):
    film = taken_in.loc["lateral_gbk_unmarked"]
    assert (film["status"], film["reason"], film["view"]) == ("quarantined", "lateral", "lateral")
