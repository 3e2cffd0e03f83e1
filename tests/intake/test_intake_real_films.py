"""The intake on films that nobody of this project made (beside the checkout, never in it)."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from scripts.common.config import Exposure
from scripts.common.tables import read_table
from scripts.intake.batch_conversion import convert_batch
from scripts.intake.batch_deidentification import CROSSWALK, deidentify_batch
from scripts.intake.codestream import NATIVE, clean_codestream
from scripts.intake.dicom_reading import read_source, transfer_syntax
from scripts.intake.identifier_scan import identifying_values
from scripts.intake.pixels import RLE, decoded_values, film_image
from scripts.intake.screening import read_batches, screen

REAL = Path(__file__).resolve().parents[3] / "shared/real"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not REAL.is_dir(), reason="the real films (../shared/real) are not beside this checkout"),
]
WINDOW = {"rows": (0.2, 0.9), "columns": (0.1, 0.9)}


def intake(folder: Path, target: Path, names, patterns, silent):
    """Run the stage over a folder; return the screened tables and (path, status, reason, image_id) of every file."""
    deidentify_batch(
        folder=folder, batch=0, n_batches=1, names=names, patterns=patterns, films_folder=target / "dicom",
        films_table=target / "dicom.csv", crosswalk=target / "private/crosswalk.csv", log=silent,
    )  # fmt: skip
    convert_batch(
        films_folder=target / "dicom", films_table=target / "dicom.csv", window=WINDOW, png_folder=target / "png",
        png_table=target / "png.csv", log=silent,
    )  # fmt: skip
    rows = read_batches(
        [str(target / "dicom.csv")], [str(target / "png.csv")], [str(target / "private/crosswalk.csv")], [str(target / "png")]
    )
    screened = screen("c", rows, Exposure().model_dump(mode="json"), None, {})
    known = read_table(target / "private/crosswalk.csv", CROSSWALK)[["image_id", "path"]]
    return screened, screened.files.merge(known, on="image_id", validate="one_to_one")


@pytest.fixture(scope="module")
def kept():
    return {}


def test_usable_chest_films_are_accepted_and_the_rest_quarantined_with_true_reasons(tmp_path, names, patterns, silent):
    screened, files = intake(REAL / "dicom", tmp_path, names, patterns, silent)
    found = {row.path.split(".")[0]: (row.status, row.reason) for row in files.itertuples()}
    assert len(files) == len(list((REAL / "dicom").iterdir()))
    usable = {"966_fixed_canon_dx_chest", "RG1_J2KI", "RG1_JLSN", "siim_1"}
    assert {name for name, (status, _) in found.items() if status == "accepted"} == usable
    assert found["gdcm-CR-MONO1-10-chest"] == ("quarantined", "no_patient_id")
    assert found["chrJapMulti"] == found["chrKoreanMulti"] == ("quarantined", "no_pixels")
    assert found["mlut_18"] == found["vlut_04"] == ("quarantined", "not_cr_or_dx")
    assert {found[n] for n in found if n.startswith(("RG2", "RG3"))} == {("quarantined", "not_chest")}
    assert set(screened.films.loc[screened.films["status"] == "accepted", "view"]) == {"PA"}
    assert (screened.exposure["polarity"] > 0).all(), "lungs are darker than the mediastinum"
    for image_id in screened.exposure["image_id"]:
        image = cv2.imread(str(tmp_path / "png" / f"{image_id}.png"), cv2.IMREAD_UNCHANGED)
        assert image.dtype == np.uint16 and min(image.shape) >= 1024
    written = b"".join(p.read_bytes()[:5000] for p in (tmp_path / "dicom").iterdir())
    for path in (REAL / "dicom").iterdir():
        by_name, _ = identifying_values(read_source(path, with_pixels=False))
        assert [value for value in by_name if value in written] == []


@pytest.mark.parametrize("film", ["RG2", "RG3"])
@pytest.mark.parametrize("coding", ["RLE", "JLSL", "JPLL", "J2KR"])
def test_lossless_variants_give_the_same_pixels(film, coding, kept):
    def image(name):
        source = read_source(REAL / "dicom" / f"{name}.dcm")
        syntax = transfer_syntax(source)
        if syntax not in NATIVE and syntax != RLE:
            import pydicom

            frame = pydicom.encaps.get_frame(source.PixelData, 0, number_of_frames=1)
            source.PixelData = pydicom.encaps.encapsulate([clean_codestream(frame, syntax)])
        return film_image(source, decoded_values(source, syntax))[0]

    reference = kept.setdefault(film, image(f"{film}_UNC"))
    assert np.array_equal(image(f"{film}_{coding}"), reference)


@pytest.mark.parametrize("coding", ["JPLY", "J2KI", "JLSN"])
def test_lossy_variants_stay_near(coding, kept):
    for film in ("RG2", "RG3"):
        one, two = (
            film_image(source, decoded_values(source, transfer_syntax(source)))[0].astype(int)
            for source in (read_source(REAL / "dicom" / f"{film}_{c}.dcm") for c in ("UNC", coding))
        )
        assert np.abs(one - two).mean() / 65535 < 0.005 and np.abs(one - two).max() / 65535 < 0.12


def test_frontal_films_of_another_set_are_accepted(tmp_path, names, patterns, silent, make_film, save):
    with (REAL / "cxr.csv").open(encoding="utf-8") as handle:
        listed = list(csv.DictReader(handle))
    for number, row in enumerate(listed):
        picture = cv2.imread(str(REAL / "cxr" / row["file"]), cv2.IMREAD_GRAYSCALE)
        film = make_film(
            picture, PatientID=f"PID-{row['file'][:8]}", PatientSex=row["sex"], ViewPosition=row["view"],
            SOPInstanceUID=f"1.2.826.0.1.3680043.10.999.7.{number}", Manufacturer=None,
        )  # fmt: skip
        save(film, tmp_path / "in" / f"{number}")
    screened, files = intake(tmp_path / "in", tmp_path, names, patterns, silent)
    assert (files["status"] == "accepted").all() and len(files) == len(listed)
    assert (screened.exposure["verdict"] == "review").mean() < 0.1
    by_path = files.set_index("path")["image_id"]
    picture = cv2.imread(str(REAL / "cxr" / listed[0]["file"]), cv2.IMREAD_GRAYSCALE)
    image = cv2.imread(str(tmp_path / "png" / f"{by_path.loc['0']}.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(image, picture.astype(np.uint16) << 8)
    assert pd.Series(screened.films["manufacturer"]).eq("").all()
