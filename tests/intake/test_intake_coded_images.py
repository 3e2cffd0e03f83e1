"""Coded images whose header names another coding, other bits, or a lookup table that isn't there."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import jpeg_ls
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from scripts.intake.codestream import syntax_of
from scripts.intake.deidentification import deidentified
from scripts.intake.dicom_reading import Unusable, film_of, read_source, refusal

JPEG = "1.2.840.10008.1.2.4."
NAMES = [f"{JPEG}{end}" for end in ("50", "51", "57", "70", "80", "81", "90", "91", "201")] + [
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.1",
]

rng = np.random.default_rng(3)
EIGHT = np.sort(rng.integers(0, 256, (40, 30)).astype(np.uint8), axis=0)
TWELVE = (EIGHT.astype(np.uint16) << 4) + (EIGHT & 15)

STREAMS = {
    "baseline": (imagecodecs.jpeg8_encode(EIGHT, level=95), f"{JPEG}50", 8),
    "lossless": (imagecodecs.ljpeg_encode(TWELVE, bitspersample=12), f"{JPEG}57", 12),
    "jpeg_ls": (bytes(jpeg_ls.encode_array(TWELVE, lossy_error=0)), f"{JPEG}80", 12),
    "jpeg_ls near": (bytes(jpeg_ls.encode_array(TWELVE, lossy_error=2)), f"{JPEG}81", 12),
    "jpeg_2000": (
        imagecodecs.jpeg2k_encode(TWELVE, level=0, codecformat="j2k", bitspersample=12, reversible=True),
        f"{JPEG}91",
        12,
    ),
}


@pytest.fixture
def coded(make_film, save, tmp_path):
    """Writes a film whose pixels are a coded stream, under any name."""

    def write(stream: bytes, name: str, bits: int, **changes) -> Path:
        film = make_film(
            np.zeros((40, 30), np.uint16), syntax=f"{JPEG}50", BitsStored=bits, HighBit=bits - 1, **changes
        )
        film.PixelData = pydicom.encaps.encapsulate([stream])
        film["PixelData"].VR = "OB"
        film["PixelData"].is_undefined_length = True
        path = save(film, tmp_path / "film.dcm")
        other = (name.encode() + b"\0")[: len(name) + len(name) % 2]
        old = b"UI" + len(f"{JPEG}50").to_bytes(2, "little") + f"{JPEG}50".encode()
        content = path.read_bytes()
        assert content.count(old) == 1
        group = content.index(b"\x02\x00\x00\x00UL\x04\x00") + 8
        length = int.from_bytes(content[group : group + 4], "little") + len(other) - len(f"{JPEG}50")
        content = content[:group] + length.to_bytes(4, "little") + content[group + 4 :]
        path.write_bytes(content.replace(old, b"UI" + len(other).to_bytes(2, "little") + other))
        assert read_source(path).file_meta.TransferSyntaxUID == name
        return path

    return write


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_is_decoded_as_what_it_is_under_any_name(coded, names, patterns, take_in, kind, name):
    stream, own_name, bits = STREAMS[kind]
    path = coded(stream, name, bits)
    image, mapping = take_in(path)
    right = EIGHT.astype(np.uint16) if bits == 8 else TWELVE
    difference = np.abs((image >> mapping.shift).astype(int) - right)
    assert mapping.bits == bits and difference.max() <= {"baseline": 30, "jpeg_ls near": 2}.get(kind, 0)
    source = read_source(path)
    content = b"".join(deidentified(source, film_of(source, names, patterns), names).content)
    new = pydicom.dcmread(io.BytesIO(content))
    assert syntax_of(stream, new.file_meta.TransferSyntaxUID) == new.file_meta.TransferSyntaxUID
    assert (
        kind != "baseline" or name == f"{JPEG}50" or name == f"{JPEG}51" or new.LossyImageCompression == "01"
    )


@pytest.mark.parametrize("kind", STREAMS)
def test_the_kind_of_a_stream_is_told_by_its_markers(kind):
    stream, own_name, _ = STREAMS[kind]
    assert syntax_of(stream, "1.2.840.10008.1.2.1") == own_name
    assert syntax_of(b"no stream", f"{JPEG}70") == f"{JPEG}70"
    assert syntax_of(b"\xff\xd8\xff", f"{JPEG}70") == f"{JPEG}70"
    assert syntax_of(b"", f"{JPEG}90") == f"{JPEG}90"


@pytest.mark.parametrize(
    ("kind", "stored"),
    [("baseline", 9), ("baseline", 10), ("baseline", 12), ("baseline", 16)]
    + [(kind, stored) for kind in ("lossless", "jpeg_ls", "jpeg_2000") for stored in (12, 14, 16)],
)
def test_the_stream_knows_its_bits_better_than_the_header(coded, names, patterns, take_in, kind, stored):
    stream, name, bits = STREAMS[kind]
    image, mapping = take_in(coded(stream, name, stored))
    assert (mapping.bits, mapping.stored_bits) == (bits, bits)
    assert int(image.max()) >= 0.97 * 65535


def test_a_sign_in_a_stream_of_fewer_bits_is_not_guessed(coded, names, patterns):
    source = read_source(coded(*STREAMS["baseline"][:2], 12, PixelRepresentation=1))
    with pytest.raises(Unusable, match="unreadable_pixels"):
        deidentified(source, film_of(source, names, patterns), names)


def test_a_zero_byte_before_the_end_of_jpeg_ls(coded, take_in):
    """As encoders write that fill up to an even length before the marker (T.87 has no such byte)."""
    stream = STREAMS["jpeg_ls"][0]
    assert stream[-2:] == b"\xff\xd9"
    image, _ = take_in(coded(stream[:-2] + b"\0" + stream[-2:], f"{JPEG}80", 12))
    assert np.array_equal(image >> 4, TWELVE)


def empty(**given) -> Sequence:
    """A modality LUT sequence whose one item holds what is given."""
    item = Dataset()
    item.ModalityLUTType = "US"
    for keyword, value in given.items():
        item.add_new(
            pydicom.datadict.tag_for_keyword(keyword), "US" if keyword == "LUTDescriptor" else "OW", value
        )
    return Sequence([item])


@pytest.mark.parametrize("given", [{}, {"LUTDescriptor": None}, {"LUTData": b""}])
def test_a_modality_lut_without_a_table_is_none(
    make_film, save, names, patterns, take_in, tmp_path, pixels, given
):
    film = make_film(ModalityLUTSequence=empty(**given), RescaleSlope="2", RescaleIntercept="-5")
    path = save(film, tmp_path / "film.dcm")
    source = read_source(path)
    assert refusal(source, film_of(source, names, patterns)) == ""
    image, mapping = take_in(path)
    assert (mapping.modality_lut, mapping.rescale_slope) == (0, 2.0)
    assert np.array_equal(image >> 4, pixels)


@pytest.mark.parametrize("given", [{"LUTDescriptor": [4096, 0, 12]}, {"LUTData": [1, 2, 3]}])
def test_half_a_modality_lut_is_broken(make_film, save, names, patterns, tmp_path, given):
    film = make_film(ModalityLUTSequence=empty())
    item = film.ModalityLUTSequence[0]
    for keyword, value in given.items():
        item.add_new(pydicom.datadict.tag_for_keyword(keyword), "US", value)
    source = read_source(save(film, tmp_path / "film.dcm"))
    with pytest.raises(Unusable, match="unreadable_pixels"):
        deidentified(source, film_of(source, names, patterns), names)
