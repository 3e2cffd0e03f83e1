"""Small films and what stands for a centre's key, for the tests of the intake."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from scripts.common.config import FrontalView
from scripts.common.key import StudyKey
from scripts.common.log import Log
from scripts.intake.batch_conversion import convert_film
from scripts.intake.deidentification import deidentified
from scripts.intake.dicom_reading import film_of, read_source, silence_readers
from scripts.intake.identity import Pseudonyms
from scripts.intake.pixels import Mapping

IDS = {"strip": True, "leading_zeros": "keep", "upper": False}


@pytest.fixture(autouse=True)
def _quiet():
    silence_readers()


@pytest.fixture
def names() -> Pseudonyms:
    return Pseudonyms(StudyKey(b"a key of the tests, 32 bytes...."), "c1", IDS)


@pytest.fixture
def patterns() -> dict:
    return FrontalView().model_dump()


@pytest.fixture
def silent() -> Log:
    return Log(None, "test", echo=False)


@pytest.fixture
def pixels() -> np.ndarray:
    """A 12-bit picture of 40 x 30 with its full range."""
    rng = np.random.default_rng(7)
    image = rng.integers(0, 4096, (40, 30), dtype=np.uint16)
    image[0, 0], image[0, 1] = 0, 4095
    return image


@pytest.fixture
def make_film(pixels):
    """Makes a frontal CR film as a data set; keyword arguments set or (None) delete attributes."""

    def make(image: np.ndarray | None = None, syntax: str = "1.2.840.10008.1.2.1", **changes) -> Dataset:
        image = pixels if image is None else image
        film = Dataset()
        film.file_meta = FileMetaDataset()
        film.file_meta.TransferSyntaxUID = syntax
        film.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
        film.SOPInstanceUID = "1.2.826.0.1.3680043.10.999.1"
        film.StudyInstanceUID = "1.2.826.0.1.3680043.10.999.2"
        film.SeriesInstanceUID = "1.2.826.0.1.3680043.10.999.3"
        film.Modality = "CR"
        film.PatientID = "HOSP-0042"
        film.PatientName = "Musterfrau^Erika"
        film.PatientSex = "F"
        film.PatientBirthDate = "19500317"
        film.StudyDate = "20190520"
        film.AcquisitionDate = "20190521"
        film.AcquisitionTime = "101500"
        film.ViewPosition = "PA"
        film.BodyPartExamined = "CHEST"
        film.Manufacturer = "ACME Imaging"
        film.Rows, film.Columns = image.shape
        film.SamplesPerPixel = 1
        film.PhotometricInterpretation = "MONOCHROME2"
        film.BitsAllocated = 8 * image.dtype.itemsize
        film.BitsStored = 12 if image.dtype.itemsize == 2 else 8
        film.HighBit = film.BitsStored - 1
        film.PixelRepresentation = int(image.dtype.kind == "i")
        film.PixelData = image.tobytes()
        film["PixelData"].VR = "OW"
        for keyword, value in changes.items():
            if value is None:
                del film[keyword]
            else:
                setattr(film, keyword, value)
        return film

    return make


@pytest.fixture
def save():
    """Writes a data set as a DICOM file."""

    def write(film: Dataset, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        little = film.file_meta.TransferSyntaxUID != "1.2.840.10008.1.2.2"
        implicit = film.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
        film.file_meta.MediaStorageSOPClassUID = film.get("SOPClassUID", "1.2.3")
        film.file_meta.MediaStorageSOPInstanceUID = film.get("SOPInstanceUID", "1.2.3")
        pydicom.dcmwrite(path, film, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def take_in(names, patterns):
    """De-identifies and converts a film's file as the stage does; gives the PNG as an image, and its mapping
    from the row.
    """

    def through(path: Path) -> tuple[np.ndarray, Mapping]:
        source = read_source(path)
        new = deidentified(source, film_of(source, names, patterns), names)
        png, row = convert_film(b"".join(new.content), {"rows": (0.2, 0.9), "columns": (0.1, 0.9)})
        return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED), Mapping.of_row(row)

    return through


@pytest.fixture
def lookup_table():
    """Makes a modality LUT sequence."""

    def make(entries, first: int, bits: int, signed: bool = False) -> Sequence:
        item = Dataset()
        item.add_new(0x00283002, "SS" if signed else "US", [len(entries) % 65536, first, bits])
        item.add_new(0x00283004, "LO", "OD")
        item.add_new(0x00283006, "OW", np.asarray(entries, np.uint16).tobytes())
        return Sequence([item])

    return make


@pytest.fixture
def compress(pixels):
    """Compresses a film made by ``make_film`` in a lossless transfer syntax."""

    def code(film: Dataset, syntax: str) -> Dataset:
        if syntax == "1.2.840.10008.1.2.4.90":
            import imagecodecs

            frame = imagecodecs.jpeg2k_encode(
                pixels, level=0, codecformat="j2k", bitspersample=12, reversible=True
            )
            film.PixelData = pydicom.encaps.encapsulate([frame])
            film["PixelData"].VR = "OB"
            film["PixelData"].is_undefined_length = True
            film.file_meta.TransferSyntaxUID = syntax
        else:
            film.compress(syntax, generate_instance_uid=False)
        return film

    return code
