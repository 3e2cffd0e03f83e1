"""The cache of films: values, order, index, and refusals."""

import hashlib

import cv2
import numpy as np
import pytest

from scripts.common.errors import StudyError
from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.intake.png_encoding import encode_png16
from scripts.networks.csv_tables import csv_text, read_csv
from scripts.networks.film_cache import cache_films, decode_png16, read_film, resize_film

QUIET = Log(None, "test", echo=False)


@pytest.fixture
def center(tmp_path):
    """Five films of a centre, their table and a cohort of four of them."""
    rng = np.random.default_rng(1)
    films = {}
    for n in range(5):
        films[f"i{n}"] = rng.integers(0, 65536, (130 + n, 110), np.uint16)
        cv2.imwrite(str(tmp_path / f"i{n}.png"), films[f"i{n}"])
    write_text(
        tmp_path / "films.csv", csv_text(("image_id", "png"), [(i, tmp_path / f"{i}.png") for i in films])
    )
    cohort = [("p3", "i3", 1, 0), ("p0", "i0", 0, 1), ("p4", "i4", 0, ""), ("p1", "i1", 1, 2)]
    write_text(tmp_path / "cohort.csv", csv_text(("patient_id", "image_id", "label", "fold"), cohort))
    return films


def build(folder, threads=1, side=96, further=None):
    cache_films(
        folder / "cohort.csv",
        further,
        folder / "films.csv",
        side,
        folder / f"{threads}.npy",
        folder / f"{threads}.csv",
        threads,
        QUIET,
    )
    return np.load(folder / f"{threads}.npy"), read_csv(folder / f"{threads}.csv", ())


def test_films_and_index_belong_together(center, tmp_path):
    films, index = build(tmp_path)
    assert films.dtype == np.uint16 and films.shape == (4, 96, 96)
    assert [row["image_id"] for row in index] == ["i0", "i1", "i3", "i4"]
    assert [row["fold"] for row in index] == ["1", "2", "0", ""]
    assert [row["label"] for row in index] == ["0", "1", "1", "0"]
    for n, row in enumerate(index):
        assert (
            films[n] == cv2.resize(center[row["image_id"]], (96, 96), interpolation=cv2.INTER_LINEAR)
        ).all()
        assert float(row["mean"]) == films[n].mean() and float(row["sd"]) == films[n].std()
        assert row["sha256"] == hashlib.sha256(films[n].tobytes()).hexdigest()


def test_further_films_of_the_patients_stand_beside_the_first_ones(center, tmp_path):
    before, plain = build(tmp_path)
    assert "further" not in plain[0]
    for name in ("f0", "f1", "f2", "f3"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), center["i2"])
    with (tmp_path / "films.csv").open("a") as file:
        file.writelines(f"{name},{tmp_path / name}.png\n" for name in ("f0", "f1", "f2", "f3"))
    rows = [("p0", "f0", 0), ("p0", "f1", 1), ("p3", "f2", ""), ("p9", "f3", 1)]
    write_text(tmp_path / "further.csv", csv_text(("patient_id", "image_id", "label"), rows))
    films, index = build(tmp_path, further=tmp_path / "further.csv")
    assert [(row["image_id"], row["further"]) for row in index] == [
        *(("f0", "1"), ("i0", ""), ("i1", ""), ("i3", ""), ("i4", ""))
    ], "f1 has another label, f2 none, and p9 is another patient"
    assert [index[0][name] for name in ("patient_id", "label", "fold")] == ["p0", "0", "1"]
    assert (films[1:] == before).all() and (films[0] == resize_film(center["i2"], 96)).all()


def test_threads_change_no_byte(center, tmp_path):
    build(tmp_path, 1)
    build(tmp_path, 3)
    assert (tmp_path / "1.npy").read_bytes() == (tmp_path / "3.npy").read_bytes()
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "3.csv").read_bytes()


def test_resizing_the_film_equals_resizing_each_block():
    film = np.random.default_rng(2).integers(0, 65536, (222, 180), np.uint16)
    whole = resize_film(film, 120)
    for r in range(6):
        for c in range(6):
            block = film[37 * r : 37 * (r + 1), 30 * c : 30 * (c + 1)]
            assert (whole[20 * r : 20 * (r + 1), 20 * c : 20 * (c + 1)] == cv2.resize(block, (20, 20))).all()


def test_a_much_larger_film_is_averaged_not_sampled():
    noise = np.random.default_rng(3).integers(0, 65536, (960, 960), np.uint16)
    assert resize_film(noise, 96).std() < 0.35 * noise.std()
    even = np.full((960, 900), 12345, np.uint16)
    assert (resize_film(even, 96) == 12345).all()


def test_an_absent_or_cut_film_and_an_empty_set_are_refused(center, tmp_path):
    path = tmp_path / "i3.png"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(StudyError, match="image i3 can't be read"):
        build(tmp_path)
    assert not (tmp_path / "1.npy").exists()
    write_text(tmp_path / "films.csv", csv_text(("image_id", "png"), [("i0", "")]))
    with pytest.raises(StudyError, match=r"no film for 4 image"):
        build(tmp_path)
    write_text(tmp_path / "cohort.csv", "patient_id,image_id,label,fold\n")
    with pytest.raises(StudyError, match="holds no patient"):
        build(tmp_path)


@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (1, 9), (133, 77)])
def test_the_workflows_own_png_is_decoded_as_by_opencv(shape):
    film = np.random.default_rng(4).integers(0, 65536, shape, np.uint16)
    content = encode_png16(film)
    decoded = decode_png16(content)
    assert decoded.dtype == np.uint16 and (decoded == film).all()
    assert (cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) == decoded).all()


def test_any_other_png_is_left_to_opencv(tmp_path):
    film = np.random.default_rng(5).integers(0, 65536, (60, 50), np.uint16)
    path = tmp_path / "film.png"
    for kind in (cv2.IMWRITE_PNG_FILTER_NONE, cv2.IMWRITE_PNG_FILTER_PAETH, cv2.IMWRITE_PNG_ALL_FILTERS):
        cv2.imwrite(str(path), film, [cv2.IMWRITE_PNG_FILTER, kind])
        assert decode_png16(path.read_bytes()) is None
        assert (read_film(path, "i", 50) == resize_film(film, 50)).all()
    cv2.imwrite(str(path), (film >> 8).astype(np.uint8))
    assert decode_png16(path.read_bytes()) is None
    with pytest.raises(StudyError, match="16-bit grey"):
        read_film(path, "i", 50)


def test_a_damaged_png_is_never_decoded():
    content = encode_png16(np.random.default_rng(6).integers(0, 65536, (20, 16), np.uint16))
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 4
        assert decode_png16(bytes(changed)) is None
        assert decode_png16(content[:at]) is None
