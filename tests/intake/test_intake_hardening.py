"""Whatever lies in a folder of films: a row with a true reason for each, a bounded use of memory and time, no
batch lost.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.fileset import FileSet

from scripts.common.config import FrontalView
from scripts.common.errors import StudyError
from scripts.common.files import atomic_path
from scripts.common.log import rule_log
from scripts.intake import batch_deidentification, dicom_reading
from scripts.intake.batch_conversion import convert_batch
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.codestream import BrokenStream, stream_geometry
from scripts.intake.contact_sheet import draw_contact_sheets
from scripts.intake.dicom_reading import read_source
from scripts.intake.film_process import each_film
from scripts.intake.listing import scan_folder, write_listing
from tests.intake.fuzz_intake import NAMES, SYNTAXES, WINDOW, Remembering, damaged, intake, whole_film

ROOT = Path(__file__).resolve().parents[2]
MB = 1 << 20


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


# ------------------------------------------------------------------------------------------------ damaged
# films


@pytest.mark.parametrize("kind", SYNTAXES)
def test_every_damaged_film_becomes_a_row(kind, folder, tmp_path):
    """``intake`` asserts that there is a row for each, with a reason that has a meaning, and no source name
    in a new file.
    """
    whole = whole_film(kind)
    (folder / "whole").write_bytes(whole)
    for number in range(70):
        (folder / str(number)).write_bytes(damaged(whole, kind, 1, number))
    found = intake(folder, tmp_path, Remembering())
    assert found["whole"] == "converted"
    assert len(set(found.values())) > 3, "the damage reaches several places"


def test_a_film_cut_anywhere_is_never_taken_for_a_whole_one(folder, tmp_path):
    whole = whole_film("explicit", (8, 6))
    for length in range(0, len(whole), 23):
        (folder / f"{length:05d}").write_bytes(whole[:length])
    (folder / "whole").write_bytes(whole)
    found = intake(folder, tmp_path, Remembering())
    assert found.pop("whole") == "converted"
    assert set(found.values()) <= {"cut_short", "not_dicom", "unreadable_header", "no_pixels"}, found
    assert list(found.values()).count("no_pixels") <= 2, (
        "only where the cut falls between the header's last element and the pixels"
    )


def with_value(whole: bytes, tag: bytes, value: bytes) -> bytes:
    """``whole`` (explicit little endian) with another value of the same length in one of its elements."""
    at = whole.rindex(tag)
    length = int.from_bytes(whole[at + 6 : at + 8], "little")
    assert len(value) == length
    return whole[: at + 8] + value + whole[at + 8 + length :]


ROWS, COLUMNS = b"\x28\x00\x10\x00US", b"\x28\x00\x11\x00US"


def hostile_films() -> dict[str, tuple[bytes, set[str]]]:
    """Files made to exhaust a reader: content and the reasons that are true of it."""
    whole = whole_film("explicit")
    at = whole.index(b"\x28\x00\x02\x00US")  # before the pixel module
    head, tail = whole[:at], whole[at:]
    sequence = b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    close = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    tiny = b"".join(struct.pack("<HH2sH", 0x0011, n, b"LO", 0) for n in range(0x1000, 0xFFFF)) * 2
    items = b"\x40\x00\x75\x02SQ\0\0" + struct.pack("<I", 8 * 100_000) + b"\xfe\xff\x00\xe0\0\0\0\0" * 100_000
    unclosed = b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\0\0\0\0" * 20_000
    deflated = whole_film("deflated")
    start = 144 + int.from_bytes(deflated[140:144], "little")
    inflated = zlib.decompress(deflated[start:], -15)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = (
        packer.compress(inflated) + b"".join(packer.compress(bytes(MB)) for _ in range(400)) + packer.flush()
    )
    nested_closed = b""
    for _ in range(3000):  # defined lengths, one in the other
        item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(nested_closed)) + nested_closed
        nested_closed = b"\x40\x00\x75\x02SQ\0\0" + struct.pack("<I", len(item)) + item
    return {
        "65535 x 65535": (
            with_value(with_value(whole, ROWS, b"\xff\xff"), COLUMNS, b"\xff\xff"),
            {"too_large"},
        ),
        "no rows": (with_value(whole, ROWS, b"\0\0"), {"no_pixels"}),
        "4 GB claimed": (head + b"\x09\x00\x02\x10OB\0\0\xfe\xff\xff\xff" + tail, {"cut_short"}),
        "4 GB of pixels claimed": (
            whole.replace(
                b"\xe0\x7f\x10\x00OW\0\0" + struct.pack("<I", 64 * 48 * 2),
                b"\xe0\x7f\x10\x00OW\0\0\xfe\xff\xff\xff",
            ),
            {"cut_short"},
        ),
        "10,000 deep, never closed": (head + sequence * 10_000 + tail, {"unreadable_header"}),
        "10,000 deep, closed": (head + sequence * 10_000 + close * 10_000 + tail, {"unreadable_header"}),
        "3,000 deep, of known lengths": (head + nested_closed + tail, {"unreadable_header", "converted"}),
        "120,000 elements": (head + tiny + tail, {"converted"}),
        "100,000 items": (head + items + tail, {"converted", "reader_failed"}),
        "sequence never closed": (head + unclosed + tail, {"cut_short", "unreadable_header"}),
        "deflate bomb": (deflated[:start] + bomb, {"too_large"}),
        "nothing": (b"", {"not_dicom"}),
        "preamble alone": (bytes(128) + b"DICM", {"cut_short"}),
    }


def enlarged(kind: str) -> bytes:
    """A film whose compressed stream says that it holds 60000 x 60000 pixels; the header says 64 x 48."""
    whole = whole_film(kind)
    big = struct.pack(">H", 60000)
    if kind == "jpeg_2000":
        at = whole.index(b"\xff\x4f\xff\x51")
        return whole[: at + 8] + struct.pack(">II", 60000, 60000) + whole[at + 16 :]
    marker = {"jpeg": b"\xff\xc0", "jpeg_lossless": b"\xff\xc3", "jpeg_ls": b"\xff\xf7"}[kind]
    at = whole.index(marker, whole.rindex(b"\xe0\x7f\x10\x00"))
    return whole[: at + 5] + big + big + whole[at + 9 :]


def test_hostile_files_cost_a_row_and_no_more(folder, tmp_path):
    """In a process of its own, whose children's memory and time are measured."""
    expected = {}
    for name, (content, reasons) in hostile_films().items():
        (folder / name).write_bytes(content)
        expected[name] = reasons
    for kind in ("jpeg", "jpeg_lossless", "jpeg_ls", "jpeg_2000"):
        (folder / f"{kind} bomb").write_bytes(enlarged(kind))
        expected[f"{kind} bomb"] = {"unreadable_pixels"}
    with (folder / "5 GB").open("wb") as handle:  # sparse
        handle.write(whole_film("explicit"))
        handle.truncate(5 << 30)
    expected["5 GB"] = {"too_large"}
    (folder / "good").write_bytes(whole_film("jpeg_ls"))
    expected["good"] = {"converted"}
    script = (
        "import json, resource, sys; from pathlib import Path; from tests.intake.fuzz_intake import"
        " Remembering, intake\nfound = intake(Path(sys.argv[1]), Path(sys.argv[2]), Remembering())\npeak ="
        " max(resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF,"
        " resource.RUSAGE_CHILDREN))\nprint(json.dumps([found, peak // 1024]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), str(tmp_path / "out")],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found, peak = json.loads(done.stdout)
    assert {name: reason for name, reason in found.items() if reason not in expected[name]} == {}
    assert peak < 1900, "MB, what the rule asks of a cluster"


def test_a_stream_of_another_size_is_seen_before_it_is_decoded():
    for kind in ("jpeg", "jpeg_lossless", "jpeg_ls", "jpeg_2000"):
        for content, shape in ((whole_film(kind), (64, 48)), (enlarged(kind), (60000, 60000))):
            film = pydicom.dcmread(io.BytesIO(content))
            frame = pydicom.encaps.get_frame(film.PixelData, 0, number_of_frames=1)
            assert stream_geometry(frame, SYNTAXES[kind])[:2] == shape
    with pytest.raises(BrokenStream):
        stream_geometry(b"\xff\xd8\xff\xd9", SYNTAXES["jpeg"])


# ------------------------------------------------------------------------------------------------ what else
# lies in folders


def test_what_is_no_film_gets_a_row_with_a_true_reason(folder, tmp_path):
    film = whole_film("explicit")
    (folder / "sub").mkdir()
    (folder / "sub/film").write_bytes(film)
    (folder / ".hidden film").write_bytes(whole_film("jpeg_ls"))
    (folder / "._film").write_bytes(
        bytes.fromhex("00051607000200004d6163204f532058") + bytes(4000)
    )  # AppleDouble
    (folder / "Thumbs.db").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(3000))
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(2000))
    (folder / "README.txt").write_text("Export of Musterfrau")
    with zipfile.ZipFile(folder / "films.zip", "w") as archive:
        archive.writestr("film.dcm", film)
    (folder / "DICOMDIR").write_bytes(dicomdir(folder))
    os.mkfifo(folder / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.relpath(folder / "socket"))
    (folder / "to null").symlink_to("/dev/zero")
    (folder / "to pipe").symlink_to("pipe")
    (folder / "to itself").symlink_to("to itself")
    (folder / "to nothing").symlink_to("nowhere")
    (folder / "to the film").symlink_to("sub/film")
    try:
        found = intake(folder, tmp_path, Remembering())
    finally:
        listener.close()
    assert found.pop("sub/film") == found.pop(".hidden film") == found.pop("to the film") == "converted"
    assert found.pop("to itself") == found.pop("to nothing") == "unreadable_file"
    assert found.pop("DICOMDIR") == "not_cr_or_dx"
    assert set(found.values()) == {"not_dicom"} and len(found) == 9, found


def dicomdir(folder: Path) -> bytes:
    export = folder.parent / "export"
    film = pydicom.dcmread(folder / "sub/film")
    film.StudyTime, film.StudyID, film.SeriesNumber, film.InstanceNumber = "101500", "1", 1, 1
    files = FileSet()
    files.add(film)
    files.write(export)
    return (export / "DICOMDIR").read_bytes()


def test_links_between_folders_end_and_show_each_film_once(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    for name in ("in/a/1", "in/b/2", "elsewhere/c/3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for number in range(12):  # every folder leads to every other: 12! ways
        (folder / f"f{number}").mkdir()
        (folder / f"f{number}/film").write_bytes(b"x")
    for number in range(12):
        for other in range(12):
            (folder / f"f{number}/to{other}").symlink_to(folder / f"f{other}")
    (folder / "a/up").symlink_to(folder)
    (folder / "b/out").symlink_to(elsewhere)
    (elsewhere / "c/back").symlink_to(folder / "a")
    (elsewhere / "again").symlink_to(elsewhere)
    started = time.monotonic()
    paths = [row.path for row in scan_folder(folder)]
    assert paths == sorted(["a/1", "b/2", "b/out/c/3", *(f"f{n}/film" for n in range(12))])
    assert time.monotonic() - started < 5


def test_a_deep_folder_is_walked(folder):
    deep = folder.joinpath(*"d" * 1050)  # beyond Python's limit of recursion
    try:
        for parent in [*reversed(deep.parents), deep]:
            parent.mkdir(exist_ok=True)
        (deep / "film").write_bytes(b"x")
        (row,) = scan_folder(folder)
        assert row.path == "d/" * 1050 + "film"
    finally:  # pytest can't remove it
        (deep / "film").unlink(missing_ok=True)
        for parent in [deep, *deep.parents]:
            if parent == folder:
                break
            parent.rmdir()


def test_a_file_that_vanishes_is_a_row_and_a_folder_that_does_is_an_error(
    folder, tmp_path, monkeypatch, names, patterns
):
    (folder / "good").write_bytes(whole_film("explicit"))
    log = Remembering()
    listed = ["good", "lost"]
    monkeypatch.setattr(batch_deidentification, "files_of_batch", lambda *_: listed)
    settings = dict(
        batch=0, n_batches=1, names=names, patterns=patterns, films_folder=tmp_path / "dicom",
        films_table=tmp_path / "dicom.csv", crosswalk=tmp_path / "private/crosswalk.csv", log=log,
    )  # fmt: skip
    batch_deidentification.deidentify_batch(folder=folder, **settings)
    assert "  unreadable_file: 1" in log.lines and "1 de-identified" in " ".join(log.lines)
    with pytest.raises(StudyError, match="went away"):
        batch_deidentification.deidentify_batch(folder=tmp_path / "unmounted", **settings)


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's permissions can only be tried by root")
def test_a_file_without_permission_is_a_row(folder):
    folder.parent.chmod(0o755)
    (folder / "secret").write_bytes(whole_film("explicit"))
    (folder / "secret").chmod(0)

    def as_nobody(path):
        for parent in list(path.parents)[:3]:
            parent.chmod(0o755)
        os.seteuid(65534)
        try:
            read_source(path)
        except dicom_reading.Unusable as error:
            return error.reason
        return ""

    assert list(each_film([folder / "secret"], as_nobody)) == ["unreadable_file"]


# ------------------------------------------------------------------------------------------------ a process
# for the films


def misbehave(how: str) -> str:
    if how == "segfault":
        ctypes.string_at(0)
    if how == "abort":
        os.abort()
    if how == "exit":
        os._exit(1)
    if how == "endless":
        while True:
            pass
    if how == "memory":
        return len(bytes(10_000 * MB)) * ""
    if how == "print":
        os.write(1, b"name of a patient")
        os.write(2, b"name of a patient")
    return how


def test_a_crash_costs_its_film_only(capfd):
    films = ["a", "segfault", "b", "abort", "exit", "endless", "memory", "print", "c"]
    got = list(each_film(films, misbehave, seconds=1))
    assert got == ["a", None, "b", None, None, None, None, "print", "c"]
    assert "patient" not in "".join(capfd.readouterr())


def test_errors_of_the_place_come_through():
    def full(item):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        list(each_film(["a"], full))


def test_killed_from_outside_is_an_error_and_no_reason_of_a_film():
    with pytest.raises(StudyError, match="ran out of memory.*run the same command again"):
        list(each_film(["a"], lambda _: os.kill(os.getpid(), signal.SIGKILL)))


def test_a_decoder_that_crashes_the_process_leaves_the_other_films(folder, tmp_path, monkeypatch):
    import imagecodecs

    films = {f"{kind}": whole_film(kind) for kind in ("jpeg_ls", "jpeg_2000")}
    for name, content in films.items():
        (folder / name).write_bytes(content)
    monkeypatch.setattr(imagecodecs, "jpegls_decode", lambda *_: ctypes.string_at(0))
    assert intake(folder, tmp_path, Remembering()) == {"jpeg_ls": "reader_failed", "jpeg_2000": "converted"}


# ------------------------------------------------------------------------------------------------ killed


KILLED = (
    "import sys; from pathlib import Path; from tests.intake.fuzz_intake import Remembering, intake\n"
    "print('ready', flush=True); intake(Path(sys.argv[1]), Path(sys.argv[2]), Remembering())"
)


def test_killed_at_any_moment_leaves_whole_outputs_or_none(folder, tmp_path):
    for number in range(40):
        image = whole_film("explicit", (40 + number, 300))
        (folder / str(number)).write_bytes(image.replace(b"999.8", b"999." + str(number % 10).encode()))
    target = tmp_path / "out"
    whole = intake(folder, tmp_path / "whole", Remembering())
    expected = contents(tmp_path / "whole")
    states = set()
    for pause in (0.02 * 1.8**number for number in range(12)):  # to 13 s: a busy machine may be slow
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(folder), str(target)], cwd=ROOT, stdout=subprocess.PIPE
        )
        process.stdout.readline()
        time.sleep(pause)
        process.kill()
        process.wait()
        process.stdout.close()
        time.sleep(0.05)
        there = contents(target)
        assert {name: content for name, content in there.items() if expected[name] != content} == {}, (
            "not whole"
        )
        for part in ("dicom/", "png/"):
            names = {n for n in there if n.startswith(part)}
            assert not names or names == {n for n in expected if n.startswith(part)}, (
                "a folder is there in part"
            )
        states.add(tuple(sorted({name.split("/")[0] for name in there})))
        if len(states) > 1:
            break
    assert len(states) > 1, "killed at one and the same moment only"
    assert intake(folder, target, Remembering()) == whole
    assert contents(target) == expected
    left = [p.name for p in target.rglob("*") if p.name.startswith(".")]
    assert left == [], "leftovers of killed processes"


def contents(target: Path) -> dict[str, bytes]:
    """Every file under its final name."""
    return {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file() and not any(part.startswith(".part-") for part in path.relative_to(target).parts)
    }


# ------------------------------------------------------------------------------------------------ a full disk


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=200", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small file system can be mounted by root only")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def run_stage(what: str, source: Path, disk: Path, other: Path) -> None:
    """Every step of the stage, ``what`` it writes on ``disk`` and all else on ``other``, each as its rule
    runs it.
    """

    def place(*names: str) -> Path:
        return disk if what in names else other

    with rule_log(place("log") / "logs/x/1.log", "the_rule") as log:
        write_listing(source, 1, place("listing") / "private/c/listing.csv")
        deidentify_batch(
            folder=source, batch=0, n_batches=1, names=NAMES, patterns=FrontalView().model_dump(),
            films_folder=place("dicom") / "films/batch_0", films_table=place("table", "log") / "films.csv",
            crosswalk=place("crosswalk") / "private/c/batch_0.csv", log=log,
        )  # fmt: skip
        convert_batch(
            films_folder=place("dicom") / "films/batch_0", films_table=place("table", "log") / "films.csv",
            window=WINDOW,
            png_folder=place("png") / "png/batch_0", png_table=place("png_table") / "png.csv", log=log,
        )  # fmt: skip
        draw_contact_sheets([], "c", False, place("sheet") / "sheet.png", place("sheet"), "review")


@pytest.mark.parametrize(
    "what", ["listing", "dicom", "crosswalk", "table", "png", "png_table", "sheet", "log"]
)
def test_a_full_disk_is_one_sentence_at_every_place_that_is_written(
    what, folder, tmp_path, small_disk, capfd
):
    rng = np.random.default_rng(1)
    for number in range(9):
        content = bytearray(whole_film("explicit", (300, 250)))
        content[-150_000:] = rng.integers(0, 4096, 75_000, dtype=np.uint16).tobytes()
        (folder / str(number)).write_bytes(content)
    (small_disk / "finished").write_bytes(bytes(1000))
    if what not in ("dicom", "png"):  # these fill it themselves
        with pytest.raises(OSError, match="No space"):
            (small_disk / "ballast").write_bytes(bytes(2 * MB))
    with pytest.raises(SystemExit):
        run_stage(what, folder, small_disk, tmp_path / "other")
    said = capfd.readouterr().err
    errors = [line for line in said.splitlines() if "ERROR" in line]
    assert "Traceback" not in said and len(errors) == 1, said
    assert "The disk is full" in errors[0] and "run the same command again" in errors[0]
    assert (small_disk / "finished").stat().st_size == 1000, "what was finished is kept"
    assert [p.name for p in small_disk.rglob(".part-*")] == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)], capture_output=True
    ).returncode:
        pytest.skip("a file system that can't be written can be mounted by root only")
    try:
        with pytest.raises(StudyError, match="can't be written"), atomic_path(tmp_path / "a.csv") as part:
            part.write_text("x")
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_the_list_names_pipes_and_lost_links(folder, tmp_path):
    os.mkfifo(folder / "pipe")
    (folder / "lost").symlink_to("nowhere")
    assert write_listing(folder, 1, tmp_path / "private/c/listing.csv") == [2]
