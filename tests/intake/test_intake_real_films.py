"""The intake on films that nobody of this project made (beside the checkout, never in it)."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest

from scripts.common.config import Exposure
from scripts.common.contracts.intake import CROSSWALK
from scripts.common.tables import read_table
from scripts.intake.batch_conversion import convert_batch
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.dicom_reading import read_source, transfer_syntax
from scripts.intake.exposure import measure
from scripts.intake.identifier_scan import identifying_values
from scripts.intake.pixels import Mapping, decoded_values, film_image, modality_values, stored_values
from scripts.intake.screening import read_batches, screen
from tests.bench.polarity import SIDES, count, cut, films_of

REAL = Path(__file__).resolve().parents[3] / "shared/real"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not REAL.is_dir(), reason="the real films (../shared/real) are not beside this checkout"
    ),
]
WINDOW = {"rows": (0.2, 0.9), "columns": (0.1, 0.9)}


def intake(folder: Path, target: Path, names, patterns, silent):
    """Run the stage over a folder; return the screened tables and (path, status, reason, image_id) of every
    file.
    """
    deidentify_batch(
        folder=folder, batch=0, n_batches=1, names=names, patterns=patterns, films_folder=target / "dicom",
        films_table=target / "dicom.csv", crosswalk=target / "private/crosswalk.csv", log=silent,
    )  # fmt: skip
    convert_batch(
        films_folder=target / "dicom", films_table=target / "dicom.csv", window=WINDOW,
        png_folder=target / "png",
        png_table=target / "png.csv", log=silent,
    )  # fmt: skip
    rows = read_batches(
        [str(target / "dicom.csv")],
        [str(target / "png.csv")],
        [str(target / "private/crosswalk.csv")],
        [str(target / "png")],
    )
    screened = screen("c", rows, Exposure().model_dump(mode="json"), None, {})
    known = read_table(target / "private/crosswalk.csv", CROSSWALK)[["image_id", "path"]]
    return screened, screened.files.merge(known, on="image_id", validate="one_to_one")


def png(target: Path, row: dict) -> np.ndarray:
    return cv2.imread(str(target / "png" / f"{row['image_id']}.png"), cv2.IMREAD_UNCHANGED)


def test_usable_chest_films_are_accepted_and_the_rest_quarantined_with_true_reasons(
    tmp_path, names, patterns, silent
):
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


CODINGS = ("UNC", "RLE", "JLSL", "JPLL", "J2KR")


@pytest.fixture(scope="module")
def lossless(tmp_path_factory):
    """RG2 and RG3 in every lossless coding through the whole stage, and a signed film with a modality LUT.

    They are no chest films, so their copies say that they are; gives folder, row (text) and source by name.
    """
    from scripts.common.config import FrontalView
    from scripts.common.key import StudyKey
    from scripts.common.log import Log
    from scripts.intake.identity import Pseudonyms

    target = tmp_path_factory.mktemp("lossless")
    (target / "in").mkdir()
    for name in (*(f"{film}_{coding}" for film in ("RG2", "RG3") for coding in CODINGS), "mlut_18"):
        film = pydicom.dcmread(REAL / "dicom" / f"{name}.dcm")
        film.BodyPartExamined, film.Modality, film.ViewPosition = "CHEST", "CR", "PA"
        film.PatientID, film.StudyDate, film.AcquisitionDate = "7", "20200131", "20200131"
        for keyword in ("SeriesDate", "ContentDate"):
            film.pop(keyword, None)
        film.save_as(target / "in" / name)
    names = Pseudonyms(
        StudyKey(b"a key of the tests, 32 bytes...."),
        "c",
        {"strip": True, "leading_zeros": "keep", "upper": False},
    )
    intake(target / "in", target, names, FrontalView().model_dump(), Log(None, "test", echo=False))
    known = read_table(target / "private/crosswalk.csv", CROSSWALK).set_index("image_id")["path"]
    with (target / "png.csv").open(newline="", encoding="utf-8") as handle:
        return target, {known[row["image_id"]]: row for row in csv.DictReader(handle)}


@pytest.mark.parametrize("film", ["RG2", "RG3"])
def test_lossless_variants_give_the_same_png_through_the_whole_stage(film, lossless):
    target, rows = lossless
    images = {c: png(target, rows[f"{film}_{c}"]) for c in CODINGS}
    declared = pydicom.dcmread(REAL / "dicom" / f"{film}_UNC.dcm")
    stored = declared.pixel_array
    inverted = declared.PhotometricInterpretation == "MONOCHROME1"
    expected = ((1023 - stored if inverted else stored) << 6).astype(np.uint16)
    for coding, image in images.items():
        assert np.array_equal(image, expected), coding
    assert len({rows[f"{film}_{c}"]["pixel_sha256"] for c in CODINGS}) == 1
    assert len({rows[f"{film}_{c}"]["transfer_syntax"] for c in CODINGS}) == 4, (
        "RLE is written uncompressed, the rest as it came"
    )


@pytest.mark.parametrize("name", ["RG2_JLSL", "RG3_UNC", "RG3_J2KR", "mlut_18"])
def test_png_and_row_lead_back_to_the_stored_values(name, lossless):
    target, rows = lossless
    mapping = Mapping.of_row(rows[name])
    image = png(target, rows[name])
    stored, exact = stored_values(image, mapping)
    oracle = pydicom.dcmread(REAL / "dicom" / f"{name}.dcm").pixel_array
    assert exact.all() and stored.dtype == oracle.dtype and np.array_equal(stored, oracle)
    if name == "mlut_18":
        assert mapping.signed == mapping.modality_lut == 1 and oracle.min() < 0
        assert np.array_equal(modality_values(stored, mapping), image >> mapping.shift)


@pytest.mark.parametrize("coding", ["JPLY", "J2KI", "JLSN"])
def test_lossy_variants_stay_near(coding):
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
    assert not screened.exposure["reason"].str.contains("polarity").any()
    assert (screened.exposure["verdict"] == "review").mean() < 0.1
    by_path = files.set_index("path")["image_id"]
    picture = cv2.imread(str(REAL / "cxr" / listed[0]["file"]), cv2.IMREAD_GRAYSCALE)
    image = cv2.imread(str(tmp_path / "png" / f"{by_path.loc['0']}.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(image, picture.astype(np.uint16) << 8)
    assert pd.Series(screened.films["manufacturer"]).eq("").all()


def test_films_declared_the_wrong_way_round_go_to_review_and_stay_as_declared(
    tmp_path, names, patterns, silent, make_film, save
):
    with (REAL / "cxr.csv").open(encoding="utf-8") as handle:
        listed = list(csv.DictReader(handle))
    for number, row in enumerate(listed):
        picture = cv2.imread(str(REAL / "cxr" / row["file"]), cv2.IMREAD_GRAYSCALE)[::2, ::2]
        film = make_film(
            np.ascontiguousarray(picture if number % 2 else 255 - picture),
            PatientID=f"PID-{row['file'][:8]}",
            SOPInstanceUID=f"1.2.826.0.1.3680043.10.999.7.{number}", ViewPosition=row["view"],
            PhotometricInterpretation="MONOCHROME1" if number % 2 else "MONOCHROME2",
        )  # fmt: skip
        save(film, tmp_path / "in" / f"{number}")
    screened, files = intake(tmp_path / "in", tmp_path, names, patterns, silent)
    exposure = screened.exposure
    assert len(exposure) == len(listed) and (exposure["verdict"] == "review").all()
    assert exposure["reason"].str.split(";").map(lambda reasons: "polarity" in reasons).all()
    first = files.set_index("path").loc["1", "image_id"]
    picture = cv2.imread(str(REAL / "cxr" / listed[1]["file"]), cv2.IMREAD_GRAYSCALE)[::2, ::2]
    assert np.array_equal(png(tmp_path, {"image_id": first}), (255 - picture).astype(np.uint16) << 8)


def test_borders_do_not_hide_a_wrong_polarity():
    """Collimated films: an even border of any side and grey, as wide as a fifth of the film."""
    missed = flagged = 0
    for path in sorted((REAL / "cxr").iterdir()):
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[::4, ::4].astype(np.uint16)
        for sides in ((0, 0, 51, 0), (0, 0, 0, 51), (26, 26, 26, 26), (51, 0, 0, 51)):
            for grey in (0, 255):
                film = cv2.copyMakeBorder(picture, *sides, cv2.BORDER_CONSTANT, value=grey)
                flagged += measure(film << 8, None, 8, *WINDOW.values())["polarity"] < 0
                missed += measure((255 - film) << 8, None, 8, *WINDOW.values())["polarity"] >= 0
    assert missed == flagged == 0


@pytest.mark.parametrize(("source", "view"), [("hospital_b", "PA"), ("hospital_b", "AP"), ("cxr", "AP")])
def test_the_polarity_of_films_that_took_no_part_in_the_rule(source, view):
    """The rates in docs/methods.md (``tests/bench/polarity.py``)."""
    films = [film for said, film in films_of(REAL, source) if said == view]
    assert len(films) >= 33
    assert count(films) == (0, 0)


def test_a_chest_that_is_cut_on_one_side_keeps_its_polarity():
    films = [film for _, film in films_of(REAL, "cxr")]
    assert all(count([cut(film, side, 0.05) for film in films]) == (0, 0) for side in SIDES)
