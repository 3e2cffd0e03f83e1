"""The PNG against DCMTK's ``dcmj2pnm +on2``, to 1 LSB of 16 bits, in each mode that has an equivalent.

``v`` is a stored value, ``b`` a level's bits, ``level`` the PNG's value without its shift (0 to 2**b - 1,
bright is dense).

=============================
================================================================================== DCMTK
   what it makes of a level =============================
================================================================================== default, MONOCHROME2
   ``level << (16 - b)``: the PNG itself (it scales by 65536 / 2**b) default, MONOCHROME1           ``((level
+ 1) << (16 - b)) - 1``, since it turns the 16-bit value and we the level:
                               the bits that the shift leaves free are ones there and zeros here
``+Wm``                        ``(level - min) * 65535 / (max - min)`` of the film's own extremes
``+Wi 1``, window of 2**b      ``level * 65535 / (2**b - 1)`` (PS3.3 C.11.2.1.2, LINEAR)
default, whole slope ``k``     ``(m - lowest) * 65536 / (|k| * (2**b - 1) + 1)`` of the modality value ``m = k
* v + intercept``
``-M`` (and ``+P`` below 0)    as default without a slope
=============================
==================================================================================

No equivalent, and why:

- A slope that is no whole number, but for ``-M``: DCMTK keeps modality values as integers, so a slope of
  0.000244 leaves two greys. PS3.3 C.11.1.1.2 rounds nothing. The PNG holds the stored values; slope and
  intercept stand in the row.
- Padding inside the range: DCMTK shows it as film. PS3.3 C.7.5.1.1.2 says that it's none; here it is black
  and not measured. Without it the modes agree.
- A Presentation LUT Shape against the photometric interpretation: DCMTK follows the shape. PS3.3 C.8.11.3
  allows no such pair (IDENTITY goes with MONOCHROME2, INVERSE with MONOCHROME1); here the photometric
  interpretation decides.
- JPEG 2000: DCMTK has no decoder for it; those films are given to it uncompressed. JPEG-LS is read by its
  ``dcml2pnm``.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from scripts.intake.dicom_reading import read_source, transfer_syntax
from scripts.intake.pixels import decoded_values, film_image, modality_values, stored_values
from scripts.synthetic.detector import DETECTORS
from scripts.synthetic.radiograph import simulate_film

pytestmark = pytest.mark.skipif(
    shutil.which("dcmj2pnm") is None, reason="DCMTK (Debian package dcmtk) is not installed"
)
REAL = Path(__file__).resolve().parents[3] / "shared/real"
ONE, TWO = "MONOCHROME1", "MONOCHROME2"
SHAPE = (33, 21)
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")


def dcmtk(path: Path, *options: str, program: str = "dcmj2pnm") -> np.ndarray:
    """DCMTK's 16-bit PNG of a file, as float."""
    target = path.with_name("dcmtk.png")
    subprocess.run([program, "-q", "+on2", *options, str(path), str(target)], check=True, timeout=60)
    image = cv2.imread(str(target), cv2.IMREAD_UNCHANGED)
    assert image.dtype == np.uint16
    return image.astype(float)


def ramp(bits: int, signed: bool, low=0.12, high=0.83) -> np.ndarray:
    """A film of odd rows and columns between two shares of the range."""
    top = (1 << bits) - 1
    values = (
        np.linspace(round(low * top), round(high * top), SHAPE[0] * SHAPE[1]).astype(np.int32).reshape(SHAPE)
    )
    return (values - (1 << (bits - 1))).astype(np.int16) if signed else values.astype(np.uint16)


def as_default(image: np.ndarray, mapping, photometric: str) -> np.ndarray:
    """What DCMTK's default mode makes of the same levels."""
    ones = (1 << mapping.shift) - 1
    return (image | ones if photometric == ONE else image).astype(float)


def differ(one: np.ndarray, two: np.ndarray) -> float:
    assert one.shape == two.shape
    return float(np.abs(one - two).max())


@pytest.fixture
def film_and_png(make_film, save, take_in, tmp_path):
    """Writes a film; gives its path, the PNG of the whole stage and the mapping."""

    def make(image, **changes):
        path = save(make_film(image, **changes), tmp_path / "film.dcm")
        return path, *take_in(path)

    return make


@pytest.mark.parametrize("photometric", [ONE, TWO])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 15, 16])
def test_plain_films_in_three_modes(film_and_png, bits, signed, photometric):
    centre = 0 if signed else 1 << (bits - 1)
    stored = ramp(bits, signed)
    path, image, mapping = film_and_png(
        stored, BitsStored=bits, HighBit=bits - 1, PhotometricInterpretation=photometric,
        WindowCenter=str(centre), WindowWidth=str(1 << bits),
    )  # fmt: skip
    level = (image >> mapping.shift).astype(float)
    assert differ(dcmtk(path), as_default(image, mapping, photometric)) <= (0 if photometric == TWO else 1)
    assert differ(dcmtk(path, "+Wm"), (level - level.min()) * 65535 / np.ptp(level)) <= 1
    assert differ(dcmtk(path, "+Wi", "1"), level * 65535 / ((1 << bits) - 1)) <= 1


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_eight_bits_allocated_and_an_odd_number_of_bytes(film_and_png, signed):
    stored = ramp(8, signed).astype(np.int8 if signed else np.uint8)
    path, image, mapping = film_and_png(stored, PixelData=stored.tobytes() + b"\0")
    assert SHAPE[0] * SHAPE[1] % 2 == 1 and differ(dcmtk(path), as_default(image, mapping, TWO)) == 0


@pytest.mark.parametrize("photometric", [ONE, TWO])
@pytest.mark.parametrize(("slope", "intercept"), [("1", "-1024"), ("-1", "4095"), ("2", "0"), ("-3", "17")])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_rescale_by_whole_numbers(film_and_png, signed, slope, intercept, photometric):
    path, image, mapping = film_and_png(
        ramp(12, signed),
        RescaleSlope=slope,
        RescaleIntercept=intercept,
        PhotometricInterpretation=photometric,
    )
    stored, exact = stored_values(image, mapping)
    value, k = modality_values(stored, mapping), abs(int(slope))
    ends = modality_values(np.array([-2048, 2047] if signed else [0, 4095]), mapping)
    scaled = np.floor((value - ends.min()) * 65536 / (k * 4095 + 1))
    assert exact.all() and differ(dcmtk(path), 65535 - scaled if photometric == ONE else scaled) <= 1
    level = (image >> mapping.shift).astype(float)
    assert differ(dcmtk(path, "+Wm"), (level - level.min()) * 65535 / np.ptp(level)) <= 1
    if k == 1:
        assert differ(dcmtk(path), as_default(image, mapping, photometric)) <= 1


@pytest.mark.parametrize("photometric", [ONE, TWO])
@pytest.mark.parametrize("slope", ["0.5", "0.000244", "3.7", "-0.5", "-0.000244"])
def test_other_slopes_without_the_modality_step(film_and_png, slope, photometric):
    path, image, mapping = film_and_png(
        ramp(12, False), RescaleSlope=slope, RescaleIntercept="-7.3", PhotometricInterpretation=photometric
    )
    negative = slope.startswith("-")
    turned = (photometric == ONE) != negative
    found = dcmtk(path, "-M", *(["+P"] if negative else []))
    assert differ(found, as_default(image, mapping, ONE if turned else TWO)) <= 1
    if "0.000244" in slope:
        assert len(np.unique(dcmtk(path))) <= 2 and len(np.unique(image)) == len(np.unique(ramp(12, False)))


@pytest.mark.parametrize("photometric", [ONE, TWO])
@pytest.mark.parametrize(
    ("signed", "entries", "first", "bits"),
    [
        (False, np.arange(4096) ** 2 >> 12, 0, 12),
        (False, np.arange(4096) * 16, 0, 16),
        (False, 4095 - np.arange(4096), 0, 12),
        (False, np.arange(3000), 700, 12),
        (True, np.arange(1000) * 65, -500, 16),
        (True, np.arange(4096) // 16, -2048, 8),
    ],
    ids=["square", "16 bits", "falling", "clamped", "signed first", "8 bits"],
)
def test_modality_lut(film_and_png, lookup_table, signed, entries, first, bits, photometric):
    path, image, mapping = film_and_png(
        ramp(12, signed, 0, 1),
        ModalityLUTSequence=lookup_table(entries, first, bits, signed),
        PhotometricInterpretation=photometric,
    )
    assert differ(dcmtk(path), as_default(image, mapping, photometric)) <= 1
    level = (image >> mapping.shift).astype(float)
    assert differ(dcmtk(path, "+Wm"), (level - level.min()) * 65535 / np.ptp(level)) <= 1


@pytest.mark.parametrize("photometric", [ONE, TWO])
@pytest.mark.parametrize(
    "padding", [{"PixelPaddingValue": 0}, {"PixelPaddingValue": 900, "PixelPaddingRangeLimit": 1000}]
)
def test_padding_apart_the_film_is_the_same(film_and_png, padding, photometric):
    stored = ramp(12, False, 0, 1)
    path, image, mapping = film_and_png(stored, PhotometricInterpretation=photometric, **padding)
    low = padding["PixelPaddingValue"]
    film = (stored < low) | (stored > padding.get("PixelPaddingRangeLimit", low))
    found, expected = dcmtk(path), as_default(image, mapping, photometric)
    assert 0 < (~film).sum() == mapping.padding_pixels and differ(found[film], expected[film]) <= 1
    if photometric == TWO and low == 0:  # padding is black either way
        assert differ(found, expected) == 0


@pytest.mark.parametrize("photometric", [ONE, TWO])
@pytest.mark.parametrize(("high", "signed"), [(15, False), (13, False), (13, True), (15, True)])
def test_high_bit_above_the_stored_bits(film_and_png, high, signed, photometric):
    cells = (ramp(12, signed).view(np.uint16) & 0x0FFF) << (high - 11)
    path, image, mapping = film_and_png(
        cells, HighBit=high, PixelRepresentation=int(signed), PhotometricInterpretation=photometric
    )
    assert differ(dcmtk(path), as_default(image, mapping, photometric)) <= 1


@pytest.mark.parametrize(("photometric", "shape"), [(ONE, "IDENTITY"), (TWO, "INVERSE")])
def test_a_contradicting_presentation_shape_is_not_followed(film_and_png, photometric, shape):
    path, image, mapping = film_and_png(
        ramp(12, False), PhotometricInterpretation=photometric, PresentationLUTShape=shape
    )
    assert differ(dcmtk(path), as_default(image, mapping, photometric)) > 20000
    film = pydicom.dcmread(path)
    del film.PresentationLUTShape
    film.save_as(path)
    assert differ(dcmtk(path), as_default(image, mapping, photometric)) <= 1


@pytest.mark.parametrize("detector", [d for ds in DETECTORS.values() for d in ds], ids=lambda d: d.vendor)
def test_simulated_films(film_and_png, detector):
    stored = simulate_film((5, "c", "p"), 1, "F", 66, 161.0, 24.0, -2.0, detector, 129)
    photometric = ONE if detector.inverted else TWO
    path, image, mapping = film_and_png(
        stored, BitsStored=detector.bits, HighBit=detector.bits - 1, PhotometricInterpretation=photometric,
        PresentationLUTShape="INVERSE" if detector.inverted else "IDENTITY",
    )  # fmt: skip
    level = (image >> mapping.shift).astype(float)
    assert differ(dcmtk(path), as_default(image, mapping, photometric)) <= 1
    assert differ(dcmtk(path, "+Wm"), (level - level.min()) * 65535 / np.ptp(level)) <= 1


@pytest.mark.shared
@pytest.mark.skipif(not REAL.is_dir(), reason="the real films (../shared/real) are not beside this checkout")
@pytest.mark.parametrize(
    "name",
    [
        "RG1_J2KI", "RG1_JLSN", "RG2_UNC", "RG2_JLSL", "RG2_JPLY", "RG3_JPLL", "966_fixed_canon_dx_chest",
        "gdcm-CR-MONO1-10-chest",
        "mlut_18", "siim_*", "vlut_04",
    ],
)  # fmt: skip
def test_real_films(name, tmp_path):
    (path,) = (REAL / "dicom").glob(f"{name}.dcm")
    source = read_source(path)
    syntax = transfer_syntax(source)
    stored = decoded_values(source, syntax)
    image, padding, mapping = film_image(source, stored)
    assert padding is None
    photometric = source.PhotometricInterpretation
    if syntax in JPEG_2000:  # a part is enough, the coding is gone
        image, stored = image[:501, :701], np.ascontiguousarray(stored[:501, :701])
        source.Rows, source.Columns = stored.shape
        source.PixelData, source.HighBit, source.file_meta.TransferSyntaxUID = (
            stored.tobytes(),
            source.BitsStored - 1,
            EXPLICIT,
        )
        source["PixelData"].VR, source["PixelData"].is_undefined_length = "OW", False
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, source)
    program = "dcml2pnm" if syntax in JPEG_LS else "dcmj2pnm"  # DCMTK's tool with the JPEG-LS decoder
    assert differ(dcmtk(path, program=program), as_default(image, mapping, photometric)) <= 1
    if image.size < 1e6:
        level = (image >> mapping.shift).astype(float)
        assert differ(dcmtk(path, "+Wm"), (level - level.min()) * 65535 / np.ptp(level)) <= 1
