"""A film of a hand-over must be, byte for byte, what de-identification writes; whatever else stands in it is
named by its keyword.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from scripts.common.config.centers import Simulate
from scripts.common.log import Log
from scripts.intake.deidentification import deidentified
from scripts.intake.dicom_reading import Unusable, film_of, read_source, refusal
from scripts.intake.handed_film import PREAMBLE, examined
from scripts.synthetic.center import simulate_center

REAL = Path(__file__).resolve().parents[3] / "shared/real/dicom"


@pytest.fixture
def clean(make_film, save, names, patterns, tmp_path):
    """Makes a de-identified film and returns its path."""

    def make(film: Dataset | None = None) -> Path:
        source = read_source(
            save(
                film or make_film(PatientAge="069Y", BurnedInAnnotation="NO", KVP="120"), tmp_path / "source"
            )
        )
        path = tmp_path / "film.dcm"
        path.write_bytes(b"".join(deidentified(source, film_of(source, names, patterns), names).content))
        return path

    return make


def check_all(folder: Path, names, patterns, tmp_path) -> int:
    """De-identifies every usable film of a folder and holds it against the check; returns how many there
    were.
    """
    seen = 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            source = read_source(path)
            film = film_of(source, names, patterns)
            if refusal(source, film):
                continue
            new = deidentified(source, film, names)
        except Unusable:
            continue
        (tmp_path / "new.dcm").write_bytes(b"".join(new.content))
        found, fault = examined(tmp_path / "new.dcm")
        assert fault == "", path.suffix
        assert (found.patient_id, found.film_date, found.sex) == (
            names.patient(film.patient_id),
            new.film_date,
            film.sex,
        )
        assert (found.manufacturer, found.burned_in) == (film.manufacturer, film.burned_in)
        seen += 1
    return seen


@pytest.mark.parametrize("like", ["internal", "external_1", "external_2"])
def test_films_of_every_device_and_transfer_syntax_pass(like, names, patterns, tmp_path):
    settings = Simulate(like=like, n_op=4, n_non_op=4, film_size=96).model_dump(mode="json")
    simulate_center(like, settings, 7, tmp_path / "in", Log(None, "test", echo=False))
    assert check_all(tmp_path / "in", names, patterns, tmp_path) >= 5


@pytest.mark.skipif(not REAL.is_dir(), reason="the real films (../shared/real) are not beside this checkout")
def test_real_films_pass(names, patterns, tmp_path):
    assert check_all(REAL, names, patterns, tmp_path) >= 1


def test_signed_8_bit_and_lookup_table_films_pass(clean, make_film, lookup_table, pixels):
    table = np.arange(4096, dtype=np.uint16)
    for film in (
        make_film((pixels >> 4).astype(np.uint8)),
        make_film((pixels.astype(np.int16) - 2048), PixelPaddingValue=-2048),
        make_film(
            ModalityLUTSequence=lookup_table(table, 0, 12), WindowCenter=[100, 200], WindowWidth=[50, 60]
        ),
    ):
        assert examined(clean(film))[1] == ""


def _nested(film: Dataset) -> None:
    item = Dataset()
    item.PatientName = "Musterfrau^Erika"
    film.RequestAttributesSequence = Sequence([item])


def _beside_the_code(film: Dataset) -> None:
    film.DeidentificationMethodCodeSequence[0].CodingSchemeVersion = "Musterfrau"


def _private(film: Dataset) -> None:
    film.private_block(0x0009, "ACME", create=True).add_new(1, "LO", "Musterfrau")


ELEMENTS = {
    "PatientName": lambda film: setattr(film, "PatientName", "Musterfrau^Erika"),
    "PatientBirthDate": lambda film: setattr(film, "PatientBirthDate", "19500317"),
    "OtherPatientIDs": lambda film: setattr(film, "OtherPatientIDs", "HOSP-0042"),
    "AccessionNumber": lambda film: setattr(film, "AccessionNumber", "A123456"),
    "StudyTime": lambda film: setattr(film, "StudyTime", "101500"),
    "AcquisitionTime": lambda film: setattr(film, "AcquisitionTime", "101500"),
    "StudyInstanceUID": lambda film: setattr(film, "StudyInstanceUID", "1.2.826.0.1.3680043.10.999.2"),
    "BodyPartExamined": lambda film: setattr(film, "BodyPartExamined", "CHEST OF ERIKA"),
    "ViewPosition": lambda film: setattr(film, "ViewPosition", "ERIKA"),
    "PatientAge": lambda film: setattr(film, "PatientAge", "094Y"),
    "KVP": lambda film: setattr(film, "KVP", "0120"),
    "Manufacturer": lambda film: setattr(film, "Manufacturer", "ACME 0049123456"),
    "DeidentificationMethod": lambda film: setattr(film, "DeidentificationMethod", "by hand"),
    "DeidentificationMethodCodeSequence": _beside_the_code,
    "RequestAttributesSequence": _nested,
    "PatientIdentityRemoved": lambda film: film.__delattr__("PatientIdentityRemoved"),
    "(0009,0010)": _private,
    "SourceApplicationEntityTitle": lambda film: setattr(
        film.file_meta, "SourceApplicationEntityTitle", "WARD7"
    ),
    "SpecificCharacterSet": lambda film: setattr(film, "SpecificCharacterSet", "ISO_IR 192"),
}


@pytest.mark.parametrize("element", ELEMENTS)
def test_what_should_not_stand_there_is_named(clean, element):
    path = clean()
    film = pydicom.dcmread(path)
    assert examined(path)[1] == ""
    ELEMENTS[element](film)
    film.save_as(path)
    assert examined(path)[1] == element


def test_bytes_around_the_elements_are_named(clean):
    path = clean()
    whole = path.read_bytes()
    path.write_bytes(b"Musterfrau".ljust(128, b"\0") + whole[128:])
    assert examined(path)[1] == PREAMBLE
    path.write_bytes(whole + b"Erika")
    assert examined(path)[1] != ""
    path.write_bytes(whole[:-4])
    assert examined(path)[1] == "PixelData"
    film = pydicom.dcmread(path := clean())
    film.PixelData = film.PixelData[:-2] + b"\xff\xff"  # bits above the stored ones
    film.save_as(path)
    assert examined(path)[1] == "PixelData"


def test_deflated_and_run_length_films_are_none_of_a_hand_over(clean, compress, make_film):
    path = clean()
    film = pydicom.dcmread(path)
    for syntax in ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.99"):
        if syntax.endswith(".5"):
            film.compress(syntax, generate_instance_uid=False)
        else:
            film = pydicom.dcmread(clean())
            film.file_meta.TransferSyntaxUID = syntax
        film.save_as(path, enforce_file_format=True)
        assert examined(path)[1] != ""
