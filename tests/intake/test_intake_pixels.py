"""Stored values and the 16-bit image made of them, in every coding that films come in."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from scripts.common.contracts.intake import CONVERTED, CROSSWALK
from scripts.common.tables import read_table
from scripts.intake.batch_conversion import convert_batch
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.codestream import BrokenStream, clean_codestream
from scripts.intake.dicom_reading import Unusable
from scripts.intake.pixels import (
    LookupTable,
    Mapping,
    ShortPixels,
    canonical,
    decoded_values,
    film_image,
    modality_values,
    stored_values,
)
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


# ---------------------------------------------------------------------------------- numerical faults


def spread(bits, signed=False, shape=(132, 85)):
    """All of a range, evenly, in an image of rows and columns that no codec finds too small."""
    values = np.linspace(0, (1 << bits) - 1, shape[0] * shape[1]).astype(np.int32).reshape(shape)
    return (values - (1 << (bits - 1))).astype(np.int16) if signed else values.astype(np.uint16)


def rle_film(make_film, cells, **changes):
    import rle

    rows, columns = cells.shape
    frame = rle.encode_pixel_data(
        cells.tobytes(),
        byteorder="<",
        rows=rows,
        columns=columns,
        samples_per_pixel=1,
        bits_allocated=16,
        number_of_frames=1,
    )
    film = make_film(cells, PixelData=pydicom.encaps.encapsulate([frame]), **changes)
    film["PixelData"].is_undefined_length = True
    film.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.5"
    return film


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize(("bits", "high"), [(12, 15), (12, 13), (10, 11), (8, 7), (8, 15), (15, 15)])
def test_high_bit_apart_from_bits_stored(make_film, save, take_in, tmp_path, bits, high, signed):
    stored = spread(bits, signed)
    cells = (stored.view(np.uint16) & ((1 << bits) - 1)) << (high + 1 - bits)
    geometry = {"BitsStored": bits, "HighBit": high, "PixelRepresentation": int(signed)}
    for name, film in (
        ("plain", make_film(cells, **geometry)),
        ("rle", rle_film(make_film, cells, **geometry)),
    ):
        image, mapping = take_in(save(film, tmp_path / name))
        back, exact = stored_values(image, mapping)
        assert exact.all() and back.dtype == stored.dtype and np.array_equal(back, stored)


@pytest.mark.parametrize(("bits", "signed"), [(15, False), (15, True), (8, False), (8, True)])
def test_rare_depths_in_every_codec(make_film, bits, signed):
    import imagecodecs
    import jpeg_ls
    from openjpeg.utils import encode_array

    stored = spread(bits, signed)
    cells = stored.view(np.uint16) & np.uint16((1 << bits) - 1)
    narrow = (
        cells.astype(np.uint8) if bits == 8 else cells
    )  # codecs code 8 bits in bytes, whatever BitsAllocated says
    j2k = stored.astype(np.int8) if bits == 8 and signed else stored if signed else narrow
    frames = {
        "1.2.840.10008.1.2.4.70": imagecodecs.ljpeg_encode(narrow, bitspersample=bits),
        "1.2.840.10008.1.2.4.80": bytes(jpeg_ls.encode_array(narrow, lossy_error=0)),
        "1.2.840.10008.1.2.4.90": bytes(
            encode_array(j2k, bits_stored=bits, photometric_interpretation=2, use_mct=False)
        ),
    }
    for syntax, frame in frames.items():
        film = make_film(
            stored, BitsStored=bits, HighBit=bits - 1, PixelData=pydicom.encaps.encapsulate([frame])
        )
        found = decoded_values(film, syntax)
        assert found.dtype == stored.dtype and np.array_equal(found, stored), syntax


def test_a_lossy_codec_that_overshoots_signed_values_stays_at_the_end(make_film):
    from openjpeg.utils import encode_array

    beyond = np.clip(spread(12, True).astype(int) * 2, -4000, 4000).astype(
        np.int16
    )  # a 16-bit stream of a 12-bit film
    frame = bytes(encode_array(beyond, bits_stored=16, photometric_interpretation=2, use_mct=False))
    film = make_film(beyond, PixelData=pydicom.encaps.encapsulate([frame]))
    assert np.array_equal(decoded_values(film, "1.2.840.10008.1.2.4.91"), np.clip(beyond, -2048, 2047))


@pytest.mark.parametrize("vr", ["OW", "OB"])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_an_odd_number_of_bytes_in_both_byte_orders(make_film, save, take_in, tmp_path, signed, vr):
    stored = (np.arange(33 * 21) % 256).astype(np.uint8).view(np.int8 if signed else np.uint8).reshape(33, 21)
    body = stored.tobytes() + b"\0"
    swapped = np.frombuffer(body, np.uint8).reshape(-1, 2)[:, ::-1].tobytes()
    for syntax in (EXPLICIT, "1.2.840.10008.1.2.2"):
        film = make_film(
            stored, syntax=syntax, PixelData=swapped if vr == "OW" and syntax != EXPLICIT else body
        )
        film["PixelData"].VR = vr
        back, exact = stored_values(*take_in(save(film, tmp_path / f"{vr}{syntax}")))
        assert exact.all() and np.array_equal(back, stored)


def test_big_endian_with_all_that_depends_on_it(make_film, save, take_in, tmp_path, lookup_table):
    stored = spread(12, True)
    entries = np.arange(1000, dtype=np.uint16) * 65
    sequence = lookup_table(entries.astype(">u2").view("<u2"), -500, 16, signed=True)
    film = make_film(
        stored,
        syntax="1.2.840.10008.1.2.2",
        PixelData=stored.astype(">i2").tobytes(),
        ModalityLUTSequence=sequence,
    )
    film.add_new(0x00280120, "SS", -2048)
    image, mapping = take_in(save(film, tmp_path / "film"))
    expected = entries[np.clip(stored.astype(int) + 500, 0, 999)]
    expected[stored == -2048] = 0
    assert np.array_equal(image, expected) and mapping.padding_pixels == int((stored == -2048).sum()) > 0


@pytest.mark.parametrize(
    ("slope", "kept"), [("0.000244", 0.000244), ("-0.000244", -0.000244), ("-2.44140625e-4", -2.44140625e-4)]
)
def test_small_rescale_slopes_lose_nothing(make_film, save, take_in, tmp_path, slope, kept):
    stored = spread(12)
    image, mapping = take_in(
        save(make_film(stored, RescaleSlope=slope, RescaleIntercept="0.5"), tmp_path / "film")
    )
    back, exact = stored_values(image, mapping)
    assert exact.all() and np.array_equal(back, stored) and mapping.inverted == (kept < 0)
    assert np.allclose(modality_values(back, mapping), stored * kept + 0.5, rtol=1e-12, atol=0)


def test_a_rescale_slope_longer_than_the_standard_allows_still_counts(make_film, save, take_in, tmp_path):
    film = make_film(spread(12))
    film.add_new(
        "RescaleSlope",
        "DS",
        pydicom.valuerep.DSfloat("-0.00024420024420024", validation_mode=pydicom.config.IGNORE),
    )
    film.RescaleIntercept = "0"
    _, mapping = take_in(save(film, tmp_path / "film"))
    assert mapping.inverted == 1 and mapping.rescale_slope == pytest.approx(-0.00024420024420024, rel=1e-8)


def test_a_rescale_slope_that_is_no_number_puts_the_film_aside(make_film, save, take_in, tmp_path):
    path = save(make_film(RescaleSlope="-1.5"), tmp_path / "film")
    content = path.read_bytes()
    assert content.count(b"-1.5") == 1
    path.write_bytes(content.replace(b"-1.5", b"x1.5"))
    with pytest.raises(Unusable, match="unsupported"):
        take_in(path)


@pytest.mark.parametrize("first", [-500, 65036])
def test_lut_of_16_bits_with_a_signed_first_value(make_film, save, take_in, tmp_path, lookup_table, first):
    """65036 is -500 in the wrong VR."""
    stored, entries = spread(12, True), np.arange(1000) * 65
    film = make_film(stored, ModalityLUTSequence=lookup_table(entries, first, 16, signed=first < 0))
    image, _ = take_in(save(film, tmp_path / "film"))
    assert np.array_equal(image, entries[np.clip(stored.astype(int) + 500, 0, 999)])
    assert np.array_equal(image_of(film)[0], image)


def test_lut_of_all_65536_entries(make_film, save, take_in, tmp_path, lookup_table):
    stored, entries = spread(16), np.arange(65536)[::-1]
    film = make_film(stored, BitsStored=16, HighBit=15, ModalityLUTSequence=lookup_table(entries, 0, 16))
    image, mapping = take_in(save(film, tmp_path / "film"))
    back, exact = stored_values(image, mapping)
    assert np.array_equal(image, 65535 - stored) and exact.all() and np.array_equal(back, stored)


@pytest.mark.parametrize(("value", "limit"), [(-2048, -2000), (-2000, -2048)])
def test_padding_range_of_signed_values_in_either_order(make_film, value, limit):
    stored = spread(12, True)
    film = make_film(stored)
    film.add_new(0x00280120, "SS", value)
    film.add_new(0x00280121, "SS", limit)
    _, padding, mapping = image_of(film)
    assert np.array_equal(padding, stored <= -2000)
    assert (mapping.padding_low, mapping.padding_high) == (-2048, -2000)


# -------------------------------------------------------------------------------- from PNG and row back


def films_of_every_kind(make_film, compress, lookup_table):
    """Name to (film, modality values of a stored value)."""
    wide, small, signed = spread(12), np.arange(1200, dtype=np.uint16).reshape(40, 30) % 256, spread(12, True)

    def same(v):
        return v

    made = {
        f"{bits} bits {'signed' if s else 'unsigned'} {photometric}": (
            make_film(spread(bits, s), BitsStored=bits, HighBit=bits - 1,
            PhotometricInterpretation=photometric), same
        )
        for bits, s, photometric in [
            (8, False, "MONOCHROME1"), (10, False, "MONOCHROME1"), (12, True, "MONOCHROME1"),
            (14, False, "MONOCHROME2"),
            (15, True, "MONOCHROME2"), (16, True, "MONOCHROME1"), (16, False, "MONOCHROME1"),
        ]
    }  # fmt: skip
    made["bytes"] = make_film(small.astype(np.uint8)), same
    for slope, intercept in (("0.5", "-7.25"), ("-1", "4095"), ("0.000244", "0")):
        film = make_film(wide, RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US")
        made[f"slope {slope}"] = film, lambda v, a=float(slope), b=float(intercept): v * a + b
    rising = (np.arange(4096) * 16 + 7).astype(np.uint16)
    made["lut"] = make_film(wide, ModalityLUTSequence=lookup_table(rising, 0, 16)), lambda v: rising[v]
    falling = (4095 - np.arange(4096)).astype(np.uint16)
    of_signed = make_film(
        signed,
        PhotometricInterpretation="MONOCHROME1",
        ModalityLUTSequence=lookup_table(falling, -2048, 12, signed=True),
    )
    made["lut of signed"] = of_signed, lambda v: falling[v.astype(int) + 2048]
    made["padding 0"] = make_film(wide, PixelPaddingValue=0), same
    inside = make_film(np.where(wide < 9, 77, wide.clip(9)).astype(np.uint16), PixelPaddingValue=77)
    made["padding inside"] = inside, same
    for syntax in ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"):
        made[f"coded {syntax}"] = compress(make_film(PhotometricInterpretation="MONOCHROME1"), syntax), same
    return made


def test_png_file_and_table_row_give_the_stored_values(
    make_film, compress, lookup_table, save, tmp_path, names, patterns, silent
):
    """The oracle is what pydicom decodes from the file of the hospital."""
    made = films_of_every_kind(make_film, compress, lookup_table)
    for number, (name, (film, _)) in enumerate(made.items()):
        film.SOPInstanceUID = f"1.2.826.0.1.3680043.10.999.8.{number}"
        save(film, tmp_path / "in" / name)
    deidentify_batch(
        folder=tmp_path / "in", batch=0, n_batches=1, names=names, patterns=patterns,
        films_folder=tmp_path / "dicom",
        films_table=tmp_path / "dicom.csv", crosswalk=tmp_path / "private/crosswalk.csv", log=silent,
    )  # fmt: skip
    convert_batch(
        films_folder=tmp_path / "dicom", films_table=tmp_path / "dicom.csv",
        window={"rows": (0.2, 0.9), "columns": (0.1, 0.9)},
        png_folder=tmp_path / "png", png_table=tmp_path / "png.csv", log=silent,
    )  # fmt: skip
    image_of_path = read_table(tmp_path / "private/crosswalk.csv", CROSSWALK).set_index("path")["image_id"]
    typed = read_table(tmp_path / "png.csv", CONVERTED).set_index("image_id", drop=False)
    with (tmp_path / "png.csv").open(newline="") as handle:  # as a program without pandas reads it
        rows = {row["image_id"]: row for row in csv.DictReader(handle)}
    for name, (_, modality) in made.items():
        image_id = image_of_path[name]
        image = cv2.imread(str(tmp_path / "png" / f"{image_id}.png"), cv2.IMREAD_UNCHANGED)
        mapping = Mapping.of_row(rows[image_id])
        assert mapping == Mapping.of_row(typed.loc[image_id]), name
        back, exact = stored_values(image, mapping)
        oracle = pydicom.dcmread(tmp_path / "in" / name).pixel_array
        assert exact.all() and np.array_equal(back, oracle), name
        assert np.allclose(modality_values(back, mapping), modality(oracle), rtol=1e-12, atol=0), name


def test_what_cannot_be_traced_is_named(make_film, lookup_table):
    stored = spread(12)
    entries = np.arange(4096) // 4 * 4  # four stored values of one level, but the last entry
    entries[4095] = 4095
    image, _, mapping = image_of(make_film(stored, ModalityLUTSequence=lookup_table(entries, 0, 12)))
    back, exact = stored_values(image, mapping)
    assert np.array_equal(exact, stored == 4095)
    assert np.array_equal(back[~exact], stored[~exact] // 4 * 4), "the lowest that may be meant"

    image, padding, mapping = image_of(make_film(stored, PixelPaddingValue=0, PixelPaddingRangeLimit=20))
    back, exact = stored_values(image, mapping)
    assert np.array_equal(exact, ~padding) and np.array_equal(back[exact], stored[exact])
    assert (mapping.padding_low, mapping.padding_high) == (0, 20) and (back[padding] == 0).all()

    turned = make_film(stored, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0)
    image, padding, mapping = image_of(turned)  # the brightest film is as black as the padding
    back, exact = stored_values(image, mapping)
    assert np.array_equal(exact, ~padding & (stored != 4095)) and np.array_equal(back[exact], stored[exact])


def test_an_image_of_another_film_is_refused(make_film, lookup_table):
    image, _, mapping = image_of(make_film(spread(12)))
    with pytest.raises(ValueError, match="another size"):
        stored_values(image[1:], mapping)
    with pytest.raises(ValueError, match="never makes"):
        stored_values(image + np.uint16(1), mapping)
    film = make_film(spread(12), ModalityLUTSequence=lookup_table(np.arange(4096) // 2 * 2, 0, 12))
    _, _, mapping = image_of(film)
    with pytest.raises(ValueError, match="never makes"):
        stored_values(image, mapping)


@pytest.mark.parametrize("entries", [[0], [65535, 0, 65535], list(range(0, 60000, 7))])
def test_lookup_tables_are_kept_as_text(entries):
    table = LookupTable(np.array(entries, np.uint16), -3, 16)
    back = LookupTable.of_text(table.as_text(), -3, 16)
    assert np.array_equal(back.entries, table.entries) and "," not in table.as_text()
