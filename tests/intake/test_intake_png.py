"""Films that come as PNG: only their pixels pass, their rows say whose they are, and every file and row is
accounted for.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib

import cv2
import imagecodecs
import numpy as np
import pandas as pd
import pytest

from scripts.common.config import ImageTable as ImageSection
from scripts.common.contracts.intake import BATCH_FILMS, CONVERTED, CROSSWALK
from scripts.common.errors import StudyError
from scripts.common.tables import read_table
from scripts.intake.batch_conversion import convert_batch
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.dicom_reading import REASONS
from scripts.intake.image_rows import read_images
from scripts.intake.image_table import ImageTable, row_fingerprints, rows_without_file
from scripts.intake.listing import batch_of

IDS = {"strip": True, "leading_zeros": "keep", "upper": False}
WINDOW = {"rows": [0.2, 0.9], "columns": [0.1, 0.9]}
COLUMNS = {
    "file": "File", "patient_id": "Id", "film_date": "Date", "film_time": "Time", "view": "View",
    "sex": "Sex", "age": "Age",
    "manufacturer": "Maker", "burned_in": "Text",
}  # fmt: skip
WHERE = "centers[c1].images"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """``chunks`` behind the header, where a PNG's metadata stand."""
    return png[:33] + b"".join(chunks) + png[33:]


def png_of(image: np.ndarray) -> bytes:
    return imagecodecs.png_encode(image)


@pytest.fixture
def grey16(pixels) -> np.ndarray:
    return (pixels << 4) | (pixels >> 8)


@pytest.fixture
def table_of(tmp_path):
    """Writes an image table of rows (missing cells are filled in) and gives the config's section."""

    def write(*rows: dict, **changes) -> dict:
        usual = {
            "Id": "HOSP-0042",
            "Date": "2019-05-21",
            "Time": "10:15",
            "View": "PA",
            "Sex": "F",
            "Age": "69",
            "Maker": "ACME",
            "Text": "no",
        }
        frame = pd.DataFrame([usual | row for row in rows], columns=list(COLUMNS.values()))
        frame.to_csv(tmp_path / "images.csv", index=False)
        section = {"path": str(tmp_path / "images.csv"), "columns": COLUMNS, **changes}
        return ImageSection.model_validate(section).model_dump(mode="json")

    return write


@pytest.fixture
def run(tmp_path, names, patterns, silent):
    """De-identifies and converts a folder of PNG files as one batch; gives films, conversions, crosswalk and
    images by source path.
    """

    def go(files: dict[str, bytes], table: dict):
        for name, content in files.items():
            (tmp_path / "png" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "png" / name).write_bytes(content)
        out = tmp_path / "out"
        images = ImageTable(read_images(table, IDS, patterns, WHERE), table["bits"])
        deidentify_batch(
            folder=tmp_path / "png", batch=0, n_batches=1, names=names, patterns=patterns, images=images,
            films_folder=out / "dicom",
            films_table=out / "dicom.csv", crosswalk=out / "crosswalk.csv", log=silent,
        )  # fmt: skip
        convert_batch(
            films_folder=out / "dicom",
            films_table=out / "dicom.csv",
            window=WINDOW,
            png_folder=out / "made",
            png_table=out / "made.csv",
            log=silent,
        )
        films = read_table(out / "dicom.csv", BATCH_FILMS).merge(
            read_table(out / "crosswalk.csv", CROSSWALK)[["image_id", "path"]]
        )
        made = read_table(out / "made.csv", CONVERTED).set_index("image_id")
        assert len(films) == len(files), "a row for every file"
        assert set(films["reason"]) - {""} <= REASONS.keys()
        return films.set_index("path"), made, out

    return go


def test_pixels_of_8_and_16_bits_come_through_exactly(run, table_of, grey16):
    grey8 = (grey16 >> 8).astype(np.uint8)
    opaque = np.dstack([grey16, np.full_like(grey16, 65535)])
    files = {
        "a/16.png": png_of(grey16),
        "a/8.png": png_of(grey8),
        "alpha.png": png_of(opaque[:, ::-1].copy()),
    }
    films, made, out = run(files, table_of(*({"File": name} for name in files)))
    assert (films["status"] == "accepted").all()
    for name, expected, bits in (
        ("a/16.png", grey16, 16),
        ("a/8.png", grey8.astype(np.uint16) << 8, 8),
        ("alpha.png", grey16[:, ::-1], 16),
    ):
        image_id = films.loc[name, "image_id"]
        got = cv2.imread(str(out / f"made/{image_id}.png"), cv2.IMREAD_UNCHANGED)
        assert got.dtype == np.uint16 and np.array_equal(got, expected)
        assert made.loc[image_id, "bits"] == bits and made.loc[image_id, "shift"] == 16 - bits


def test_values_that_use_fewer_bits_are_shifted_to_the_full_range(run, table_of, pixels):
    high = pixels.copy()
    high[3, 3] = 4096
    films, made, out = run(
        {"12.png": png_of(pixels), "13.png": png_of(high)},
        table_of({"File": "12.png"}, {"File": "13.png"}, bits=12),
    )
    image_id = films.loc["12.png", "image_id"]
    assert np.array_equal(cv2.imread(str(out / f"made/{image_id}.png"), cv2.IMREAD_UNCHANGED), pixels << 4)
    assert made.loc[image_id, "bits"] == 12
    assert films.loc["13.png", "reason"] == "values_beyond_bits"


def test_the_row_is_the_header(run, table_of, grey16, names):
    films, _, _ = run(
        {"f.png": png_of(grey16)}, table_of({"File": ".\\f.png", "Age": "93", "View": "胸部正位"})
    )
    film = films.loc["f.png"]
    assert film["patient_id"] == names.patient("HOSP-0042")
    day = pd.Timestamp("2019-05-21") + pd.Timedelta(days=names.shift_days("HOSP-0042"))
    assert film["film_date"] == day.strftime("%Y-%m-%d")
    assert film[["view", "sex", "manufacturer", "burned_in"]].tolist() == ["PA", "F", "ACME", "NO"]


def test_no_metadata_pass(run, table_of, grey16):
    """Text, EXIF, time, unknown chunks and bytes behind the image stand in no file that is made, nor does the
    file's name.
    """
    secrets = [
        b"Musterfrau Erika",
        b"born 1950",
        b"HOSP-0042",
        b"Geheimnis",
        b"tail of the file",
        b"20190521",
        b"ward",
    ]
    png = with_chunks(
        png_of(grey16),
        chunk(b"tEXt", b"Patient\0" + secrets[0]),
        chunk(b"iTXt", b"Comment\0\0\0\0\0" + secrets[1]),
        chunk(b"zTXt", b"Id\0\0" + zlib.compress(secrets[2])),
        chunk(b"eXIf", b"MM\0*" + secrets[3]),
        chunk(b"tIME", b"\x07\xe3\x05\x15\x0a\x0f\x00"),
        chunk(b"prVt", secrets[3]),
    )
    films, _, out = run({"ward/HOSP-0042.png": png + secrets[4]}, table_of({"File": "ward/HOSP-0042.png"}))
    assert films["status"].tolist() == ["accepted"]
    shared = [path for path in out.rglob("*") if path.is_file() and path.name != "crosswalk.csv"]
    assert len(shared) == 4
    for path in shared:
        content = path.read_bytes()
        assert not [s for s in secrets if s in content or s.decode() in path.name], path.name
        if path.suffix == ".png":
            kinds = [
                content[i : i + 4]
                for i in range(len(content))
                if content[i : i + 4] in (b"IHDR", b"IDAT", b"IEND", b"tEXt", b"eXIf")
            ]
            assert kinds == [b"IHDR", b"IDAT", b"IEND"]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools (dciodvfy) is not installed")
def test_the_film_that_is_made_is_valid_dicom(run, table_of, grey16):
    grey8 = (grey16 >> 8).astype(np.uint8)
    _, _, out = run(
        {"16": png_of(grey16), "8": png_of(grey8)},
        table_of({"File": "16"}, {"File": "8", "View": "?", "Text": "", "Age": ""}),
    )
    films = sorted((out / "dicom").glob("*.dcm"))
    assert len(films) == 2
    for film in films:
        said = subprocess.run(["dciodvfy", str(film)], capture_output=True, text=True)
        assert "SCImage" in said.stderr + said.stdout and "Error" not in said.stderr + said.stdout, (
            said.stderr
        )


def test_every_fault_has_its_reason(run, table_of, grey16):
    grey8 = (grey16 >> 8).astype(np.uint8)
    whole = png_of(grey16)
    half = np.dstack([grey16, np.arange(grey16.size, dtype=np.uint16).reshape(grey16.shape)])
    palette = with_chunks(whole[:25] + b"\x03" + whole[26:], chunk(b"PLTE", b"\0\1\2" * 4))
    huge = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1 << 30, 1 << 30, 16, 0, 0, 0, 0))
        + chunk(b"IDAT", b"x")
        + chunk(b"IEND", b"")
    )
    broken = bytearray(whole)
    broken[80] ^= 255
    cases = {
        "text": (b"no picture", "not_png"),
        "empty": (b"", "not_png"),
        "jpeg.png": (b"\xff\xd8\xff\xe0" + bytes(100), "not_png"),
        "cut": (whole[: len(whole) // 2], "cut_short"),
        "no end": (whole[:-12], "cut_short"),
        "broken": (bytes(broken), "unreadable_pixels"),
        "headless": (whole[:8] + whole[33:], "unreadable_header"),
        "no image": (whole[:33] + chunk(b"IEND", b""), "no_pixels"),
        "colour": (png_of(np.dstack([grey8] * 3)), "unsupported"),
        "colour and alpha": (png_of(np.dstack([grey8] * 4)), "unsupported"),
        "see-through": (png_of(half), "unsupported"),
        "transparent grey": (
            with_chunks(png_of(grey8), chunk(b"tRNS", struct.pack(">H", int(grey8[5, 5])))),
            "unsupported",
        ),
        "palette": (palette, "unsupported"),
        "bilevel": (cv2.imencode(".png", grey8, [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes(), "unsupported"),
        "animation": (with_chunks(whole, chunk(b"acTL", struct.pack(">II", 2, 0))), "unsupported"),
        "huge": (huge, "too_large"),
        "lateral": (whole, "lateral"),
        "no id": (whole, "no_patient_id"),
        "no date": (whole, "no_film_date"),
        "text in it": (whole, "burned_in_text"),
        "perhaps text in it": (whole, "unreadable_burned_in"),
        "telling maker": (whole, "identifier_left"),
        "twice": (whole, "conflicting_image_rows"),
        "no row": (whole, "not_in_image_table"),
        "good": (whole, ""),
    }
    special = {
        "lateral": {"View": "LL"}, "no id": {"Id": "-"}, "no date": {"Date": "some day"},
        "text in it": {"Text": "yes"}, "perhaps text in it": {"Text": "有文字"},
        "telling maker": {"Maker": "made for HOSP-0042"},
    }  # fmt: skip
    rows = [{"File": name, **special.get(name, {})} for name in cases if name != "no row"]
    films, _, out = run(
        {name: content for name, (content, _) in cases.items()},
        table_of(*rows, {"File": "twice", "Date": "2019-05-22"}, {"File": "good"}),
    )
    converted = read_table(out / "made.csv", CONVERTED).set_index("image_id")["reason"]
    reason = {path: film.reason or converted[film.image_id] for path, film in films.iterrows()}
    assert reason == {name: said for name, (_, said) in cases.items()}
    assert films.loc["twice", "patient_id"] == films.loc["good", "patient_id"], (
        "both rows name one patient, who is known"
    )
    assert films.loc["no row", "patient_id"] == ""


def test_rows_for_two_patients_make_the_file_nobodys(run, table_of, grey16, patterns, names):
    table = table_of(
        {"File": "f"},
        {"File": "f", "Id": "HOSP-0043"},
        {"File": "gone", "Id": "HOSP-0044"},
        {"File": "gone too"},
        {"File": "g"},
    )
    films, _, _ = run({"f": png_of(grey16), "g": png_of(grey16[::-1].copy())}, table)
    assert films.loc["f", ["reason", "patient_id"]].tolist() == ["conflicting_image_rows", ""]
    left = rows_without_file(read_images(table, IDS, patterns, WHERE), ["f", "g"])
    assert left.issues["reason"].tolist() == ["no_such_file", "no_such_file"] and left.issues[
        "_row"
    ].tolist() == [4, 5]
    assert left.set_aside == ["HOSP-0043", "HOSP-0044"], "HOSP-0042 has the film g"


def test_a_row_whose_cells_slipped_is_not_trusted(run, table_of, grey16, tmp_path):
    table = table_of({"File": "f"})
    text = (tmp_path / "images.csv").read_text()
    (tmp_path / "images.csv").write_text(text.rstrip("\n") + ",one more\n")
    films, _, _ = run({"f": png_of(grey16)}, table)
    assert films.loc["f", ["reason", "patient_id"]].tolist() == ["unreadable_image_row", ""]


def test_a_new_row_touches_the_batch_of_its_file_only(table_of):
    paths = [f"ward/{n}.png" for n in range(40)]
    before = row_fingerprints(table_of(*({"File": p} for p in paths)), WHERE, paths, 4)
    more = "ward/new.png"
    after = row_fingerprints(table_of(*({"File": p} for p in reversed([*paths, more]))), WHERE, paths, 4)
    assert len(set(before)) == 4
    assert [b for b in range(4) if before[b] != after[b]] == [batch_of(more, 4)], (
        "the order of rows says nothing"
    )


def test_cells_that_cannot_be_read_are_counted(table_of, patterns):
    """An entry on burned-in text that is neither yes nor no sets its row aside; an empty one says nothing."""
    odd = [{"Text": "有文字"}, {"Text": "", "View": "chest"}, {"Time": "morning", "View": ""}]
    reading = read_images(
        table_of(*({"File": str(n), **row} for n, row in enumerate([*odd, {}, {}]))), IDS, patterns, WHERE
    )
    assert reading.cells["burned_in"].tolist() == ["unreadable", "unknown", "NO", "NO", "NO"]
    assert dict(zip(reading.issues["_row"], reading.issues["reason"])) == {
        2: "unreadable_burned_in",
        3: "unknown_view",
        4: "unreadable_time",
    }
    assert 2 not in set(reading.rows["_row"]) and len(reading.rows) == 4


@pytest.mark.parametrize(
    ("rows", "changes", "said"),
    [
        (
            [{"File": "f"}],
            {"columns": {**COLUMNS, "view": "Veiw"}},
            r"images.columns.view: .*did you mean 'View'",
        ),
        ([{"File": str(n), "Date": "21. May 19"} for n in range(3)], {}, r"images.date_format"),
        ([{"File": str(n), "Sex": "x"} for n in range(3)], {}, r"images.sex_coding"),
        (
            [{"File": str(n), "Text": "带姓名"} for n in range(3)],
            {},
            r"columns.burned_in: .*images.flag_coding",
        ),
        (
            [{"File": str(n)} for n in range(3)],
            {"columns": {**COLUMNS, "burned_in": "Maker", "manufacturer": None}},
            r"images.flag_coding",
        ),
    ],
)
def test_a_wrong_image_table_is_one_sentence(table_of, patterns, rows, changes, said):
    with pytest.raises(StudyError, match=said) as refusal:
        read_images(table_of(*rows, **changes), IDS, patterns, WHERE)
    assert "\n" not in str(refusal.value)
