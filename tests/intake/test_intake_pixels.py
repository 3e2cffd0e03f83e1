"""Stored values and the 16-bit image made of them, in every coding that films come in."""

from __future__ import annotations

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from scripts.intake.codestream import BrokenStream, clean_codestream
from scripts.intake.pixels import ShortPixels, canonical, decoded_values, film_image
from scripts.intake.png_encoding import encode_png16

EXPLICIT = "1.2.840.10008.1.2.1"


def image_of(film, syntax=EXPLICIT):
    return film_image(film, decoded_values(film, syntax))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (33, 21), (40, 30)])
def test_png_is_read_back_bit_for_bit(shape):
    image = np.random.default_rng(1).integers(0, 65536, shape, dtype=np.uint16)
    back = cv2.imdecode(np.frombuffer(encode_png16(image), np.uint8), cv2.IMREAD_UNCHANGED)
    assert back.dtype == np.uint16 and np.array_equal(back, image)


def test_png_encoder_refuses_other_images():
    with pytest.raises(ValueError, match="uint16"):
        encode_png16(np.zeros((3, 3), np.uint8))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 15, 16])
def test_full_range_by_left_shift(make_film, bits):
    stored = np.linspace(0, (1 << bits) - 1, 1200).astype(np.uint16).reshape(40, 30)
    image, _, mapping = image_of(make_film(stored, BitsStored=bits, HighBit=bits - 1))
    assert np.array_equal(image >> (16 - bits), stored)
    assert (mapping.shift, mapping.inverted, mapping.offset) == (16 - bits, 0, 0)


def test_eight_bits_allocated(make_film):
    stored = np.arange(1200, dtype=np.uint16).reshape(40, 30) % 256
    image, _, _ = image_of(make_film(stored.astype(np.uint8)))
    assert np.array_equal(image, stored << 8)


def test_monochrome1_is_inverted(make_film, pixels):
    image, _, mapping = image_of(make_film(PhotometricInterpretation="MONOCHROME1"))
    assert mapping.inverted == 1 and np.array_equal(image >> 4, 4095 - pixels)


def test_presentation_lut_shape_does_not_invert_a_second_time(make_film, pixels):
    film = make_film(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    assert np.array_equal(image_of(film)[0] >> 4, 4095 - pixels)


@pytest.mark.parametrize(("slope", "inverted"), [("1", 0), ("0.5", 0), ("-1", 1)])
def test_only_the_sign_of_the_rescale_slope_counts(make_film, pixels, slope, inverted):
    image, _, mapping = image_of(make_film(RescaleSlope=slope, RescaleIntercept="-1024"))
    assert mapping.inverted == inverted
    assert np.array_equal(image >> 4, 4095 - pixels if inverted else pixels)


def test_signed_values_are_offset(make_film):
    stored = np.linspace(-2048, 2047, 1200).astype(np.int16).reshape(40, 30)
    image, _, mapping = image_of(make_film(stored))
    assert mapping.offset == 2048 and np.array_equal((image >> 4).astype(int), stored.astype(int) + 2048)


def test_signed_values_without_sign_extension():
    stored = np.array([[-2048, -1, 0, 2047]], np.int16)
    cells = stored.view(np.uint16) & 0x0FFF
    assert np.array_equal(canonical(cells, 12, 11, True), stored)


def test_overlay_bits_above_and_below_the_pixel_are_cleared():
    value = np.array([[0, 1, 2047, 4095]], np.uint16)
    assert np.array_equal(canonical(value | 0xF000, 12, 11, False), value)
    assert np.array_equal(canonical((value << 4) | 0x000F, 12, 15, False), value)


def test_padding_becomes_black_and_is_reported(make_film, pixels):
    film = make_film(PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0, PixelPaddingRangeLimit=9)
    image, padding, mapping = image_of(film)
    assert np.array_equal(padding, pixels <= 9) and mapping.padding_pixels == int((pixels <= 9).sum()) > 0
    assert (image[padding] == 0).all() and np.array_equal((image >> 4)[~padding], (4095 - pixels)[~padding])


def test_modality_lut_is_applied(make_film, pixels):
    table = (np.arange(4096, dtype=np.uint32) ** 2 >> 12).astype(np.uint16)
    item = Dataset()
    item.add_new(0x00283002, "US", [4096, 0, 12])
    item.add_new(0x00283004, "LO", "OD")
    item.add_new(0x00283006, "OW", table.tobytes())
    image, _, mapping = image_of(make_film(ModalityLUTSequence=Sequence([item])))
    assert mapping.modality_lut == 1 and np.array_equal(image >> 4, table[pixels])


def test_modality_lut_of_signed_values_clamps_at_its_ends(make_film):
    stored = np.tile(np.array([-5, -2, 0, 3, 90], np.int16), (40, 6))
    item = Dataset()
    item.add_new(0x00283002, "SS", [4, -2, 16])
    item.add_new(0x00283006, "US", [10, 20, 30, 40])
    image, _, _ = image_of(make_film(stored, ModalityLUTSequence=Sequence([item])))
    assert image[0, :5].tolist() == [10, 10, 30, 40, 40]


@pytest.mark.parametrize(
    "syntax",
    [
        "1.2.840.10008.1.2.5",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.90",
    ],
)
def test_lossless_codings_give_the_stored_values(make_film, compress, pixels, syntax):
    film = compress(make_film(), syntax)
    assert np.array_equal(decoded_values(film, syntax), pixels)


def test_jpeg_lossless_gives_the_stored_values(make_film, pixels):
    import imagecodecs

    frame = imagecodecs.ljpeg_encode(pixels, bitspersample=12)
    film = make_film(PixelData=pydicom.encaps.encapsulate([frame]))
    assert np.array_equal(decoded_values(film, "1.2.840.10008.1.2.4.70"), pixels)


def test_big_endian(make_film, pixels):
    film = make_film(PixelData=pixels.astype(">u2").tobytes())
    assert np.array_equal(decoded_values(film, "1.2.840.10008.1.2.2"), pixels)


def test_too_few_pixels_are_noticed(make_film, pixels):
    with pytest.raises(ShortPixels):
        decoded_values(make_film(PixelData=pixels.tobytes()[:-2]), EXPLICIT)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"])
def test_streams_carry_no_passengers(make_film, compress, pixels, syntax):
    film = compress(make_film(), syntax)
    frame = pydicom.encaps.get_frame(film.PixelData, 0, number_of_frames=1)
    secret = b"Musterfrau Erika"
    marker = b"\xff\x64" if frame[:2] == b"\xff\x4f" else b"\xff\xfe"
    size = 4 if marker == b"\xff\x64" else 2
    segment = marker + (len(secret) + size).to_bytes(2, "big") + (b"\0\1" if size == 4 else b"") + secret
    at = 2 if marker == b"\xff\xfe" else 4 + int.from_bytes(frame[4:6], "big")
    dirty = frame[:at] + segment + frame[at:] + secret
    clean = clean_codestream(dirty, syntax)
    assert dirty.count(secret) == 2 and secret not in clean
    film.PixelData = pydicom.encaps.encapsulate([clean])
    assert np.array_equal(decoded_values(film, syntax), pixels)
    with pytest.raises(BrokenStream):
        clean_codestream(frame[: len(frame) * 2 // 3], syntax)
