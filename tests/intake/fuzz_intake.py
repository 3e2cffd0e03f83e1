"""Damaged films through the intake, by the thousand: every one must become a row with a reason, and no batch
may end.

``python -m tests.intake.fuzz_intake --seconds 600 --seed 1`` (``make fuzz``) goes on until the time is up. A
damaged film is known by the name of the whole one and a number, from which it is made again; its content is
written to a temporary folder only. ``--only NAME:NUMBER`` repeats one, ``--only NAME`` damages one film over
and over (``jpeg_2000``, ``real_RG3_J2KR``).
"""

from __future__ import annotations

import argparse
import collections
import io
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from scripts.common.config import FrontalView
from scripts.common.contracts.intake import BATCH_FILMS, CONVERTED, CROSSWALK
from scripts.common.key import StudyKey
from scripts.common.log import Log
from scripts.common.tables import read_table
from scripts.intake.batch_conversion import convert_batch
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.dicom_reading import REASONS, silence_readers
from scripts.intake.identity import Pseudonyms
from scripts.intake.listing import path_of_text

REAL = Path(__file__).resolve().parents[3] / "shared/real/dicom"
WINDOW = {"rows": (0.2, 0.9), "columns": (0.1, 0.9)}
SECRETS = (b"Musterfrau", b"HOSP-0042", b"Klinikum Nirgendwo")
NAMES = Pseudonyms(
    StudyKey(b"a key of the tests, 32 bytes...."),
    "c1",
    {"strip": True, "leading_zeros": "keep", "upper": False},
)

SYNTAXES = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "deflated": "1.2.840.10008.1.2.1.99",
    "big_endian": "1.2.840.10008.1.2.2",
    "rle": "1.2.840.10008.1.2.5",
    "jpeg": "1.2.840.10008.1.2.4.50",
    "jpeg_lossless": "1.2.840.10008.1.2.4.70",
    "jpeg_ls": "1.2.840.10008.1.2.4.80",
    "jpeg_2000": "1.2.840.10008.1.2.4.90",
}


def whole_film(kind: str, size: tuple[int, int] = (64, 48)) -> bytes:
    """A frontal CR film in one of ``SYNTAXES``, with sequences, private tags and an overlay."""
    import imagecodecs

    syntax = SYNTAXES[kind]
    rng = np.random.default_rng(3)
    ramp = np.add.outer(np.arange(size[0]), np.arange(size[1])) * 20
    image = (ramp + rng.integers(0, 300, size)).clip(0, 4095).astype(np.uint16)
    bits = 8 if kind == "jpeg" else 12
    if kind == "jpeg":
        image = (image >> 4).astype(np.uint8)
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = syntax
    film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = (
        f"1.2.826.0.1.3680043.10.999.{len(kind)}"
    )
    film.StudyInstanceUID = "1.2.826.0.1.3680043.10.999.2"
    film.SeriesInstanceUID = "1.2.826.0.1.3680043.10.999.3"
    film.SpecificCharacterSet = "ISO_IR 100"
    film.Modality, film.PatientID, film.PatientName = "CR", "HOSP-0042", "Musterfrau^Erika"
    film.PatientSex, film.PatientBirthDate, film.StudyDate = "F", "19500317", "20190520"
    film.InstitutionName, film.Manufacturer = "Klinikum Nirgendwo", "ACME Imaging"
    film.AcquisitionDate, film.AcquisitionTime = "20190521", "101500"
    film.ViewPosition, film.BodyPartExamined = "PA", "CHEST"
    view = Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "272479007", "SCT", "postero-anterior"
    film.ViewCodeSequence = Sequence([view])
    film["ViewCodeSequence"].is_undefined_length = True
    lut = Dataset()
    lut.add_new(0x00283002, "US", [4096, 0, 12])
    lut.add_new(0x00283004, "LO", "OD")
    lut.add_new(0x00283006, "OW", np.arange(4096, dtype=">u2" if kind == "big_endian" else "<u2").tobytes())
    if kind in ("explicit", "implicit"):
        film.ModalityLUTSequence = Sequence([lut])
    film.private_block(0x0009, "ACME 1.0", create=True).add_new(1, "LO", "HOSP-0042")
    film.add_new(0x60003000, "OW", bytes(16))
    film.Rows, film.Columns = image.shape
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PixelRepresentation = 1, "MONOCHROME1", 0
    film.BitsAllocated, film.BitsStored, film.HighBit = 8 * image.dtype.itemsize, bits, bits - 1
    film.PixelPaddingValue = 0
    film.PixelData = image.astype(">u2").tobytes() if kind == "big_endian" else image.tobytes()
    film["PixelData"].VR = "OW"
    coded = {
        "jpeg": lambda: imagecodecs.jpeg8_encode(image, level=95),
        "jpeg_lossless": lambda: imagecodecs.ljpeg_encode(image, bitspersample=12),
        "jpeg_2000": lambda: imagecodecs.jpeg2k_encode(
            image, level=0, codecformat="j2k", bitspersample=12, reversible=True
        ),
    }
    if kind in coded:
        film.PixelData = pydicom.encaps.encapsulate([coded[kind]()])
        film["PixelData"].VR = "OB"
        film["PixelData"].is_undefined_length = True
    elif kind in ("rle", "jpeg_ls"):
        film.file_meta.TransferSyntaxUID = SYNTAXES["explicit"]
        film.compress(syntax, generate_instance_uid=False)
    buffer = io.BytesIO()
    little = kind != "big_endian"
    pydicom.dcmwrite(
        buffer, film, implicit_vr=kind == "implicit", little_endian=little, enforce_file_format=True
    )
    return buffer.getvalue()


# ------------------------------------------------------------------------------------------------ damage

_VRS = [
    vr.encode()
    for vr in [
        "AE",
        "AS",
        "AT",
        "CS",
        "DA",
        "DS",
        "DT",
        "FL",
        "FD",
        "IS",
        "LO",
        "LT",
        "OB",
        "OD",
        "OF",
        "OW",
        "PN",
        "SH",
        "SL",
        "SQ",
        "SS",
        "ST",
        "TM",
        "UI",
        "UL",
        "UN",
        "US",
        "UT",
        "ZZ",
    ]
]
_LENGTHS = [0, 1, 2, 0x7F, 0xFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]
_TAGS = [  # what decides how pixels are read
    0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102,
    0x00280103, 0x00281053,
    0x00283000, 0x00283002, 0x00283006, 0x00080005, 0x00080016, 0x00020010, 0x00020000, 0x7FE00010,
    0x00540220,
]  # fmt: skip


def _cut(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def _flip(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice([1, 2, 8, 64])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _flip_header(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice([1, 2, 8])):
        data[rng.randrange(min(132, len(data) - 1), min(1200, len(data)))] = rng.choice(
            [0, 0xFF, 0x7F, rng.randrange(256)]
        )


def _flip_stream(rng: random.Random, data: bytearray) -> None:
    """Bytes near the beginning of the pixel data, where codings keep their own headers."""
    start = max(data.rfind(b"\xe0\x7f\x10\x00"), data.rfind(b"\x7f\xe0\x00\x10"), 0)
    for _ in range(rng.choice([1, 2, 5])):
        data[rng.randrange(start, min(start + 300, len(data)))] = rng.choice([0, 0xFF, 1, rng.randrange(256)])


def _remove(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice([1, 2, 7, 100, 3000])]


def _repeat(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    data[at:at] = data[at : at + rng.choice([4, 8, 100, 1000])] * rng.choice([1, 3, 50])


def _insert(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    data[at:at] = rng.randbytes(rng.choice([1, 2, 8, 200]))


def _vr(rng: random.Random, data: bytearray) -> None:
    """Another VR at a place where one stands."""
    places = [at for vr in _VRS[:-1] for at in range(132, min(len(data), 3000)) if data[at : at + 2] == vr]
    if places:
        at = rng.choice(places)
        data[at : at + 2] = rng.choice(_VRS)


def _element(rng: random.Random, data: bytearray) -> int:
    tag = rng.choice(_TAGS)
    group, element = tag >> 16, tag & 0xFFFF
    order = rng.choice(["little", "little", "little", "big"])
    return data.find(group.to_bytes(2, order) + element.to_bytes(2, order))


def _length(rng: random.Random, data: bytearray) -> None:
    """A wrong length of an element: short, beyond the file, 4 GB, undefined and never closed."""
    at = _element(rng, data)
    if at >= 0:
        length = rng.choice([*_LENGTHS, rng.randrange(1 << 16)])
        if rng.random() < 0.5:
            data[at + 4 : at + 8] = length.to_bytes(4, "little")
        else:
            data[at + 6 : at + 8] = (length & 0xFFFF).to_bytes(2, "little")
            data[at + 8 : at + 12] = (
                length.to_bytes(4, "little") if rng.random() < 0.5 else data[at + 8 : at + 12]
            )


def _value(rng: random.Random, data: bytearray) -> None:
    """An extreme value of an element: no rows, 65535 columns, a thousand frames, three samples."""
    at = _element(rng, data)
    if at >= 0:
        data[at + 8 : at + 10] = rng.choice(
            [b"\0\0", b"\xff\xff", b"\xff\x7f", b"\0\x80", b"\1\0", b"\3\0", b"99", rng.randbytes(2)]
        )


def _nest(rng: random.Random, data: bytearray) -> None:
    """Sequences within sequences, open or closed, before an element."""
    at = _element(rng, data)
    if at >= 0:
        depth = rng.choice([2, 50, 1500, 10_000])
        explicit = b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
        implicit = b"\x40\x00\x75\x02\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
        close = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" * (depth if rng.random() < 0.5 else 0)
        data[at:at] = rng.choice([explicit, implicit]) * depth + close


def _splice(rng: random.Random, data: bytearray) -> None:
    """The end of a film of another coding."""
    other = whole_film(rng.choice(list(SYNTAXES)))
    at, from_ = rng.randrange(len(data)), rng.randrange(len(other))
    data[at:] = other[from_:]


DAMAGE: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _cut, _flip, _flip_header, _flip_stream, _flip_stream, _remove, _repeat, _insert, _vr, _length, _value,
    _nest, _splice
)  # fmt: skip


def damaged(whole: bytes, name: str, seed: int, number: int) -> bytes:
    """The film ``number`` made of the whole one ``name``: the same in every run and on every machine."""
    rng = random.Random(f"{seed}:{name}:{number}")
    data = bytearray(whole)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        if len(data) > 2:
            rng.choice(DAMAGE)(rng, data)
    return bytes(data)


# ------------------------------------------------------------------------------------------------ the intake


class Remembering(Log):
    """A log that keeps its lines."""

    def __init__(self) -> None:
        super().__init__(None, "fuzz", echo=False)
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def only_file(self, text: str) -> None:
        self.lines.append(text)


def intake(folder: Path, target: Path, log: Log) -> dict[str, str]:
    """Both steps of the intake over ``folder``; what became of each file: a reason, or ``converted``.

    Raises ``AssertionError`` for what must not be: a file without a row, a reason without a meaning, a film
    that is accepted and not there, a source's name in an output.
    """
    silence_readers()
    deidentify_batch(
        folder=folder, batch=0, n_batches=1, names=NAMES, patterns=FrontalView().model_dump(),
        films_folder=target / "dicom",
        films_table=target / "dicom.csv", crosswalk=target / "private/crosswalk.csv", log=log,
    )  # fmt: skip
    convert_batch(
        films_folder=target / "dicom", films_table=target / "dicom.csv", window=WINDOW,
        png_folder=target / "png",
        png_table=target / "png.csv", log=log,
    )  # fmt: skip
    films = read_table(target / "dicom.csv", BATCH_FILMS)
    pngs = read_table(target / "png.csv", CONVERTED).set_index("image_id")
    paths = read_table(target / "private/crosswalk.csv", CROSSWALK).set_index("image_id")["path"]
    found = {}
    for film in films.itertuples():
        outcome = film.reason or pngs.loc[film.image_id, "reason"] or "converted"
        assert outcome in REASONS or outcome == "converted", outcome
        found[path_of_text(paths[film.image_id])] = outcome
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}
    assert there == set(found), "a file without a row"
    accepted = set(films.loc[films["status"] == "accepted", "image_id"])
    assert {p.name for p in (target / "dicom").iterdir()} == {f"{i}.dcm" for i in accepted}
    assert {p.name for p in (target / "png").iterdir()} == {
        f"{i}.png" for i in pngs.index[pngs["status"] == "converted"]
    }
    for path in (target / "dicom").iterdir():
        content = path.read_bytes()
        header = content[: content.index(b"\xe0\x7f\x10\x00O")]
        assert not any(secret in header for secret in SECRETS), "a name of the source in a new file"
    return found


def wholes(real: bool) -> dict[str, bytes]:
    """The films that are damaged, by name: a small one of each coding and, where they are there, the real
    ones.
    """
    found = {kind: whole_film(kind) for kind in SYNTAXES}
    if real and REAL.is_dir():
        for path in sorted(REAL.iterdir()):
            film = pydicom.dcmread(path)
            film.BodyPartExamined, film.PatientID = (
                "CHEST",
                film.get("PatientID") or "1",
            )  # so that the decoders are reached
            film.Modality = "CR"
            film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
            film.StudyDate = film.get("StudyDate") or "20190520"
            buffer = io.BytesIO()
            pydicom.dcmwrite(buffer, film)
            found[f"real_{path.stem[:12]}"] = buffer.getvalue()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--share", type=float, default=1, help="part of the seconds that these tries get")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="NAME:NUMBER of one damaged film, or NAME of a whole one")
    options = parser.parse_args()
    if (options.only or "").startswith("tables:"):
        return 0  # a try of fuzz_tables
    films = wholes(real=True)
    name, _, one = (options.only or "").partition(":")
    if name and name not in films:
        parser.error(f"no film is called {name}; there are: {', '.join(films)}")
    names = [name] if name else list(films)
    counts: dict[str, collections.Counter] = {name: collections.Counter() for name in names}
    faults: collections.Counter = collections.Counter()
    start, number, failures = time.monotonic(), 0, 0
    while time.monotonic() - start < options.seconds * options.share:
        for name in names:
            at_once = 100 if len(films[name]) < 100_000 else 12
            numbers = [int(one)] if one else range(number * at_once, (number + 1) * at_once)
            with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
                source = Path(folder) / "in"
                source.mkdir()
                for n in numbers:
                    (source / str(n)).write_bytes(damaged(films[name], name, options.seed, n))
                log, began = Remembering(), time.monotonic()
                try:
                    found = intake(source, Path(folder), log)
                except Exception as error:
                    failures += 1
                    print(
                        f"FAILED {name}: {type(error).__name__}; among --seed {options.seed} --only"
                        f" {name}:{{n}}, n in {list(numbers)}"
                    )
                    for n in numbers:  # which of them
                        shutil.rmtree(source)
                        source.mkdir()
                        (source / str(n)).write_bytes(damaged(films[name], name, options.seed, n))
                        try:
                            intake(source, Path(folder), log)
                        except Exception as alone:
                            print(
                                f"  --seed {options.seed} --only {name}:{n}  {type(alone).__name__}: {alone}"
                            )
                    continue
                counts[name].update(found.values())
                for line in log.lines:
                    if line.startswith("a f"):
                        faults[name, line] += 1
                for path, outcome in found.items():
                    if outcome == "reader_failed":
                        print(f"reader_failed: --seed {options.seed} --only {name}:{path}")
                if (took := time.monotonic() - began) > 60:
                    print(f"slow: {name} {list(numbers)[0]}..{list(numbers)[-1]} took {took:.0f} s")
        number += 1
        if one:
            break
    for name in names:
        print(f"{name} ({sum(counts[name].values())}): {dict(counts[name].most_common())}")
    for (name, line), count in sorted(faults.items()):
        print(f"{name}: {count} x {line}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    print(
        f"{sum(map(lambda c: sum(c.values()), counts.values()))} films, {failures} failed batches, peak"
        f" memory of a process {peak} MB"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
