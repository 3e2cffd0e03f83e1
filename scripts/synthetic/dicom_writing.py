"""DICOM files of simulated films: headers as hospitals send them, full of identifying values, in several
codings.

Every identifying value is planted on purpose and returned, so that a test can search every result for it.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

import cv2
import jpeg_ls
import numpy as np
import rle
from openjpeg.utils import encode_array as openjpeg_encode
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from scripts.common.standards import COMPUTED_RADIOGRAPHY, DX_FOR_PRESENTATION
from scripts.synthetic.cohort_plan import Film, Patient
from scripts.synthetic.detector import Detector
from scripts.synthetic.identities import Hospital, code, make_uid

_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"

SYNTAXES: dict[str, tuple[UID, ...]] = {
    "internal": (ExplicitVRLittleEndian,),
    "external_1": (RLELossless, JPEG2000Lossless),
    "external_2": (JPEGLSLossless, ImplicitVRLittleEndian),
}
"""Transfer syntaxes that each centre's archive hands out, in turn."""


def _rle(pixels: np.ndarray, bits: int) -> bytes:
    rows, columns = pixels.shape
    return rle.encode_pixel_data(
        pixels.tobytes(),
        byteorder="<",
        rows=rows,
        columns=columns,
        samples_per_pixel=1,
        bits_allocated=16,
        number_of_frames=1,
    )


def _jpeg_2000(pixels: np.ndarray, bits: int) -> bytes:
    return bytes(openjpeg_encode(pixels, bits_stored=bits, photometric_interpretation=2, use_mct=False))


def _jpeg_ls(pixels: np.ndarray, bits: int) -> bytes:
    return bytes(jpeg_ls.encode_array(pixels, lossy_error=0))


_ENCODERS = {RLELossless: _rle, JPEG2000Lossless: _jpeg_2000, JPEGLSLossless: _jpeg_ls}


@dataclass
class Planted:
    """Identifying strings of one file by kind.

    ``dates`` are DICOM dates (YYYYMMDD), ``times`` are HHMMSS.ffffff.
    """

    values: dict[str, set[str]] = field(default_factory=dict)

    def add(self, kind: str, *texts: str) -> str:
        """Note strings of a kind; return the first."""
        self.values.setdefault(kind, set()).update(texts)
        return texts[0]

    def as_lists(self) -> dict[str, list[str]]:
        return {kind: sorted(texts) for kind, texts in sorted(self.values.items())}


def _code_item(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _reference(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def film_bytes(
    patient: Patient,
    film: Film,
    pixels: np.ndarray,
    detector: Detector,
    hospital: Hospital,
    like: str,
    rng: np.random.Generator,
) -> tuple[bytes, Planted]:
    """The bytes of one DICOM file and the identifying strings in it.

    ``pixels`` are stored values (rows, columns), uint16, of the detector's bit depth.
    """
    planted = Planted()
    who, person = patient.identity, patient.person
    note = planted.add
    unnamed = film.fault == "no_patient_id"
    chinese = like == "external_2"
    if chinese:
        charset, name = "GB18030", f"{who.family}^{who.given}={who.ideographic}"
    elif like == "internal" and "é" not in who.given:
        charset, name = "ISO_IR 192", f"{who.family}^{who.given}={who.ideographic}"
    else:
        charset, name = "ISO_IR 100", f"{who.family}^{who.given}"
    note("names", who.family, who.given)
    if "=" in name:
        note("names", who.ideographic)

    day, clock = film.day.strftime("%Y%m%d"), film.time.strftime("%H%M%S.%f")
    earlier = (film.day - datetime.timedelta(days=int(rng.integers(1, 4)))).strftime("%Y%m%d")
    birth = person.birth_date.strftime("%Y%m%d")
    note("dates", day, earlier, birth)
    note("times", clock)
    study, series, instance, frame, earlier_study = (make_uid(hospital, rng) for _ in range(5))
    note("uids", study, series, instance, frame, earlier_study)
    accession = note("ids", "ACC" + code(rng, 10))
    request = note("ids", "REQ" + code(rng, 9))
    step = note("ids", "SPS" + code(rng, 9))
    physician = str(rng.choice(hospital.physicians))
    operator = str(rng.choice(hospital.operators))
    note("physicians", *physician.split("^"), *operator.split("^"))
    note("institution", hospital.name, hospital.address, hospital.department, hospital.station)
    serial = hospital.serials[0 if detector.model < "E" else 1]
    note("serials", serial)

    meta = FileMetaDataset()
    is_cr = like == "external_1"
    meta.MediaStorageSOPClassUID = COMPUTED_RADIOGRAPHY if is_cr else DX_FOR_PRESENTATION
    meta.MediaStorageSOPInstanceUID = instance
    turn = SYNTAXES[like]
    syntax = turn[int(rng.integers(len(turn)))]
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax in _ENCODERS else syntax
    meta.SourceApplicationEntityTitle = note("institution", hospital.station[:16])
    preamble = (
        note("names", f"{who.full_name}").encode("latin-1", "replace")[:60]
        + b" "
        + note("ids", who.patient_id).encode()
    )
    ds = FileDataset(None, {}, file_meta=meta, preamble=preamble[:128].ljust(128, b"\0"))
    ds.SpecificCharacterSet = charset

    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, instance
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.InstanceCreationDate, ds.InstanceCreationTime = day, clock
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = ds.AcquisitionDate = day
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = ds.AcquisitionTime = clock
    ds.AcquisitionDateTime = day + clock
    ds.AccessionNumber = accession
    ds.Modality = "CR" if is_cr else "DX"
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.Manufacturer = detector.vendor
    ds.ManufacturerModelName = detector.model
    ds.InstitutionName, ds.InstitutionAddress = hospital.name, hospital.address
    ds.InstitutionalDepartmentName, ds.StationName = hospital.department, hospital.station
    ds.ReferringPhysicianName = physician
    ds.PerformingPhysicianName = str(rng.choice(hospital.physicians))
    ds.PhysiciansOfRecord = str(rng.choice(hospital.physicians))
    note("physicians", *str(ds.PerformingPhysicianName).split("^"), *str(ds.PhysiciansOfRecord).split("^"))
    ds.OperatorsName = operator
    ds.StudyDescription = f"CHEST {who.full_name}"[:64] if not chinese else f"{who.ideographic} 胸部"
    ds.DeviceSerialNumber = serial
    ds.SoftwareVersions = "3.1"
    ds.ReferencedStudySequence = Sequence([_reference(_STUDY_MANAGEMENT, earlier_study)])
    ds.ProcedureCodeSequence = Sequence([_code_item("CXR1", "99LOCAL", f"Chest of {who.family}"[:64])])

    ds.PatientName = name
    if not unnamed:
        ds.PatientID = note("ids", who.patient_id)
        ds.IssuerOfPatientID = note("institution", hospital.name)
    ds.PatientBirthDate = birth
    ds.PatientSex = patient.dicom_sex
    ds.PatientAge = f"{_age(person.birth_date, film.day):03d}Y"
    ds.PatientSize = f"{person.height_cm / 100:.3f}"
    ds.PatientWeight = f"{person.weight_kg:.1f}"
    ds.OtherPatientIDsSequence = Sequence([Dataset()])
    ds.OtherPatientIDsSequence[0].PatientID = note("ids", who.other_id)
    ds.OtherPatientIDsSequence[0].TypeOfPatientID = "TEXT"
    ds.OtherPatientNames = f"{note('names', who.birth_name)}^{who.given}"
    ds.PatientBirthName = who.birth_name
    ds.PatientAddress = note("addresses", who.address)
    ds.PatientTelephoneNumbers = note("phones", who.phone)
    ds.MedicalRecordLocator = note("ids", who.insurance)
    ds.PatientComments = f"Call {who.full_name} at {who.phone}"
    ds.ImageComments = f"Film of {who.full_name}, read by {physician.replace('^', ' ')}"

    ds.BodyPartExamined = "CHEST"
    ds.ProtocolName = "Chest"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
    ds.StudyID = note("ids", "STU" + code(rng, 9))
    ds.SeriesNumber, ds.InstanceNumber = 1, film.number
    ds.FrameOfReferenceUID = frame
    ds.KVP = str(int(rng.choice([110, 117, 120, 125])))
    ds.DistanceSourceToDetector = "1800"
    _describe_view(ds, film, like, rng)

    asked = Dataset()
    asked.RequestedProcedureID, asked.ScheduledProcedureStepID = request, step
    asked.RequestedProcedureDescription = f"Chest for {who.family}"
    asked.ReasonForTheRequestedProcedure = f"{who.full_name}: check before treatment"
    ds.RequestAttributesSequence = Sequence([asked])
    ds.PerformedProcedureStepID = step
    ds.PerformedProcedureStepStartDate, ds.PerformedProcedureStepStartTime = day, clock
    ds.PerformedProcedureStepDescription = f"Thorax {who.family}"[:64]
    ds.RequestingPhysician = physician
    ds.RequestedProcedureDescription = f"Thorax, {who.given}"[:64]
    before = Dataset()
    before.AttributeModificationDateTime = earlier + clock
    before.ModifyingSystem = hospital.station
    before.SourceOfPreviousValues = hospital.name
    before.ReasonForTheAttributeModification = "CORRECT"
    was = Dataset()
    was.PatientName, was.PatientID = f"{who.birth_name}^{who.given}", who.other_id
    before.ModifiedAttributesSequence = Sequence([was])
    ds.OriginalAttributesSequence = Sequence([before])

    block = ds.private_block(0x0009, "LOCAL PATIENT DATA 1.0", create=True)
    block.add_new(0x01, "LO", who.full_name[:64])
    block.add_new(0x02, "UN", f"{who.phone};{who.family};".encode())
    inner = Dataset()
    inner.PatientName = f"{who.family}^{who.given}"
    inner.InstitutionName = hospital.name
    block.add_new(0x03, "SQ", Sequence([inner]))
    more = ds.private_block(0x0029, "LOCAL WORKFLOW", create=True)
    more.add_new(0x10, "ST", f"{who.insurance} {who.address}")

    _add_overlay(ds, who.full_name, who.family)
    coded = _add_pixels(ds, film, pixels, detector, who.full_name)
    padding = f"{who.family}|{accession}"
    ds.DataSetTrailingPadding = (padding + " " * (len(padding) % 2)).encode("latin-1")

    if film.fault == "no_pixels":
        del ds.PixelData
    elif syntax in _ENCODERS:
        meta.TransferSyntaxUID = syntax
        ds.PixelData = encapsulate([_ENCODERS[syntax](coded, detector.bits)])
        ds["PixelData"].is_undefined_length = True
    buffer = DicomBytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    content = buffer.getvalue()
    if film.fault == "cut_short":
        content = content[: len(content) - max(len(ds.PixelData) // 2, 64)]
        planted.values = {
            kind: {t for t in texts if any(_in(t, content, c) for c in ENCODINGS)}
            for kind, texts in planted.values.items()
        }
    return content, planted


ENCODINGS = ("utf-8", "gb18030", "latin-1")
"""Encodings in which planted strings stand in files."""


def _in(text: str, content: bytes, encoding: str) -> bool:
    try:
        return text.encode(encoding) in content
    except UnicodeEncodeError:
        return False


def _age(born: datetime.date, day: datetime.date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


_CODED = {
    "PA": ("272479007", "SCT", "postero-anterior"),
    "AP": ("399348003", "SCT", "antero-posterior"),
    "lateral": ("399173006", "SCT", "left lateral"),
}
_POSITIONS = {"PA": "PA", "AP": "AP", "lateral": "LL"}
_DESCRIBED = {
    "internal": {"PA": "CHEST PA", "AP": "CHEST AP portable", "lateral": "CHEST LAT"},
    "external_1": {"PA": "Thorax PA standing", "AP": "Thorax AP", "lateral": "Thorax lateral"},
    "external_2": {"PA": "胸部正位", "AP": "床旁胸片", "lateral": "胸部侧位"},
}


def _describe_view(ds: Dataset, film: Film, like: str, rng: np.random.Generator) -> None:
    """Say the view by ViewPosition, by ViewCodeSequence or only in SeriesDescription, as devices do."""
    how = rng.random()
    if how < 0.55:
        ds.ViewPosition = _POSITIONS[film.view]
        ds.SeriesDescription = "W033 Thorax"
    elif how < 0.75:
        ds.ViewCodeSequence = Sequence([_code_item(*_CODED[film.view])])
        ds.SeriesDescription = "W033 Thorax"
    else:
        ds.SeriesDescription = _DESCRIBED[like][film.view]


def _add_overlay(ds: Dataset, label: str, comment: str) -> None:
    """An overlay plane with the name drawn into it, and named in its label and description."""
    plane = np.zeros((32, 160), np.uint8)
    text = label.encode("ascii", "ignore").decode()[:14]
    cv2.putText(plane, text, (2, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1, 1)
    ds.add_new(0x60000010, "US", 32)
    ds.add_new(0x60000011, "US", 160)
    ds.add_new(0x60000022, "LO", f"Marks for {label}"[:64])
    ds.add_new(0x60000040, "CS", "G")
    ds.add_new(0x60000050, "SS", [1, 1])
    ds.add_new(0x60000100, "US", 1)
    ds.add_new(0x60000102, "US", 0)
    ds.add_new(0x60001500, "LO", comment[:64])
    ds.add_new(0x60003000, "OW", np.packbits(plane.ravel(), bitorder="little").tobytes())
    ds.add_new(0x60004000, "LT", f"Drawn by {comment}")


def _add_pixels(ds: Dataset, film: Film, pixels: np.ndarray, detector: Detector, label: str) -> np.ndarray:
    """Add the image and what describes it; return the stored values, with the text burned in where there is
    any.
    """
    if film.fault == "burned_in":
        text_plane = np.zeros(pixels.shape, np.uint8)
        ink = 0 if detector.inverted else 2**detector.bits - 1
        scale = pixels.shape[0] / 500
        text = label.encode("ascii", "ignore").decode()[:26]
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(text_plane, text, (8, int(24 * scale) + 8), font, 0.6 * scale, 1, max(1, round(scale)))
        pixels = np.where(text_plane > 0, np.uint16(ink), pixels)
        ds.BurnedInAnnotation = "YES"
    elif film.number != 1 or int(film.time.microsecond / 1000) % 8:
        ds.BurnedInAnnotation = "NO"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME1" if detector.inverted else "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.ImagerPixelSpacing = [f"{detector.pixel_pitch}", f"{detector.pixel_pitch}"]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, detector.bits, detector.bits - 1
    ds.PixelRepresentation = 0
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = 1 if detector.inverted else -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "INVERSE" if detector.inverted else "IDENTITY"
    ds.WindowCenter, ds.WindowWidth = str(2 ** (detector.bits - 1)), str(2**detector.bits)
    ds.LossyImageCompression = "00"
    ds.PixelData = pixels.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    return pixels
