"""Speed of the intake against peers and its own floor: ``make bench-intake``.

One uncompressed 12-bit CR film of 3000 x 2500 pixels, simulated, copied under as many ids as ``--films``
says: one batch, smaller than the 250 films that the docs advise. In each round (``tests.bench.rounds``) ours
and the floor handle all films once and the two slow peers the first ``--peer-films`` of them. All ways run on
one thread.

What each way does:

- ours: ``deidentify_batch`` and ``convert_batch``, whole: files read, new DICOM files, 16-bit PNGs,
  checksums, measures of the exposure and the tables written.
- dcmj2pnm: ``dcmj2pnm +on2`` of DCMTK, a process per film: the PNG alone. No de-identification, no checksum,
  no measures.
- pydicom + Pillow: ``pydicom.dcmread``, ``pixel_array``, left shift to 16 bits, ``Image.save`` as PNG with
  Pillow's defaults. No de-identification, no checksum, no measures.
- floor: the file's bytes read, the PNG encoded by the fastest encoder (NumPy Up filter, ISA-L level 1), both
  written. It parses nothing.

With ``--scale`` it also takes in many small films (``--small``), in batches of 250 as the rules do, in a
process of its own, and prints films per second and the highest memory so far after every tenth: time must be
linear and memory flat. Then it times Snakemake's dry run of a study of these films and prints its number of
jobs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset

from scripts.common.config import FrontalView
from scripts.common.key import StudyKey
from scripts.common.log import Log
from scripts.intake.batch_conversion import convert_batch
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.film_process import keep_freed_memory
from scripts.intake.identity import Pseudonyms
from scripts.intake.png_encoding import encode_png16
from tests.bench.films import simulated
from tests.bench.rounds import ratio, seconds_in_rounds
from tests.bench.scale import dry_run

ROWS, COLUMNS = 3000, 2500
WINDOW = {"rows": (0.20, 0.90), "columns": (0.10, 0.90)}
IDS = {"strip": True, "leading_zeros": "keep", "upper": False}
BATCH = 250
"""Films of a batch, as the docs advise."""


def cr_film(pixels: np.ndarray, number: int) -> Dataset:
    """An uncompressed CR film, explicit little endian, with the header that a hospital sends."""
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.3680043.10.999.7.{number}"
    film.StudyInstanceUID, film.SeriesInstanceUID = (
        f"1.2.826.0.1.3680043.10.999.8.{number}",
        f"1.2.826.0.1.3680043.10.999.9.{number}",
    )
    film.Modality, film.ViewPosition, film.BodyPartExamined = "CR", "PA", "CHEST"
    film.PatientID, film.PatientName = f"B{number:06d}", f"BENCH^FILM^{number}"
    film.PatientSex, film.PatientBirthDate, film.StudyDate = "F", "19500317", "20200615"
    film.Manufacturer, film.InstitutionName = "Lumenray Imaging", "Benchmark Hospital"
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    film.BurnedInAnnotation = "NO"
    film.PixelData = pixels.astype("<u2").tobytes()
    film["PixelData"].VR = "OW"
    return film


def take_in(source: Path, target: Path, batch: int = 0, n_batches: int = 1) -> int:
    """De-identify and convert one batch, as the two rules do; the number of PNGs made."""
    names = Pseudonyms(StudyKey(b"benchmark" * 4), "bench", IDS)
    log = Log(None, "bench")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    deidentify_batch(
        folder=source,
        batch=batch,
        n_batches=n_batches,
        names=names,
        patterns=FrontalView().model_dump(),
        films_folder=target / "dicom",
        films_table=target / "dicom.csv",
        crosswalk=target / "private" / "crosswalk.csv",
        log=log,
    )
    convert_batch(
        films_folder=target / "dicom",
        films_table=target / "dicom.csv",
        window=WINDOW,
        png_folder=target / "png",
        png_table=target / "png.csv",
        log=log,
    )
    return len(list((target / "png").glob("*.png")))


def ways(films: list[Path], n_peer: int, work: Path) -> dict[str, tuple[int, Callable[[], None]]]:
    """What is timed, by name: how many films it handles, and the work."""

    def ours() -> None:
        if take_in(films[0].parent, work / "ours") != len(films):
            raise SystemExit("not every film was taken in: the timing would mean nothing")

    def dcmj2pnm() -> None:
        for film in films[:n_peer]:
            subprocess.run(
                ["dcmj2pnm", "+on2", str(film), str(work / "peer.png")], check=True, capture_output=True
            )

    def pydicom_pillow() -> None:
        for film in films[:n_peer]:
            values = pydicom.dcmread(film).pixel_array
            Image.fromarray(values << 4).save(work / "peer.png")

    def floor() -> None:
        target = work / "floor"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for film in films:
            content = film.read_bytes()
            cells = np.frombuffer(
                content, "<u2", count=ROWS * COLUMNS, offset=len(content) - 2 * ROWS * COLUMNS
            )
            (target / f"{film.name}.png").write_bytes(encode_png16(cells.reshape(ROWS, COLUMNS) << 4))
            (target / f"{film.name}.dcm").write_bytes(content)

    found = {
        "ours": (len(films), ours),
        "floor": (len(films), floor),
        "pydicom + Pillow": (n_peer, pydicom_pillow),
    }
    if shutil.which("dcmj2pnm"):
        found["dcmj2pnm"] = (n_peer, dcmj2pnm)
    else:
        print("dcmj2pnm is not installed (apt-get install -y dcmtk): left out")
    return found


def compare(n_films: int, n_peer: int, rounds: int, work: Path) -> None:
    """Print seconds per film of each way and the ratios to ours."""
    pixels = simulated(ROWS, COLUMNS)
    source = work / "films"
    source.mkdir()
    films = [source / f"film{number}" for number in range(n_films)]
    for number, path in enumerate(films):
        pydicom.dcmwrite(path, cr_film(pixels, number), enforce_file_format=True)
    seconds = seconds_in_rounds(ways(films, n_peer, work), rounds)
    print(
        f"{n_films} films of {ROWS} x {COLUMNS}, 12 bit, uncompressed ({n_peer} for the slow peers); {rounds}"
        " rounds; one thread"
    )
    for name, values in seconds.items():
        told = "" if name == "ours" else f"   {ratio(values, seconds['ours'])} times ours"
        print(f"  {name:18s} {1000 * statistics.median(values):8.1f} ms a film{told}")
    print(f"  ours is {ratio(seconds['ours'], seconds['floor'])} times the floor")

    both = []
    for _ in range(rounds):
        alone = _timed_in_processes(films[0].parent, work, 1)
        together = _timed_in_processes(films[0].parent, work, 2)
        both.append(2 * alone / together)
    print(
        f"  two batches side by side on two cores: {statistics.median(both):.2f} times the throughput of one"
        f" ({min(both):.2f} to {max(both):.2f})",
        flush=True,
    )


def _timed_in_processes(source: Path, work: Path, n: int) -> float:
    """Seconds that ``n`` processes take, each with a whole batch."""
    with ProcessPoolExecutor(n) as pool:
        list(pool.map(_warm, range(n)))
        start = time.perf_counter()
        list(pool.map(take_in, [source] * n, [work / f"core{k}" for k in range(n)]))
        return time.perf_counter() - start


def _warm(number: int) -> int:
    """Import what a batch needs, so that the start of a process is not timed."""
    import imagecodecs  # noqa: F401
    import isal  # noqa: F401

    time.sleep(0.3)  # long enough that each process takes one
    return number


def scale(n_films: int, work: Path) -> None:
    """Print films per second and the highest memory so far, of this process or a film's, after each tenth of
    many small films.
    """
    pixels = simulated(200, 200)
    source = work / "small"
    start = time.perf_counter()
    for number in range(n_films):
        folder = source / f"{number % 97:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        film = cr_film(np.roll(pixels, number, axis=0), number)
        pydicom.dcmwrite(folder / f"{number}", film, enforce_file_format=True)
    n_batches = max(1, round(n_films / BATCH))
    print(
        f"{n_films} films of 200 x 200 in {n_batches} batches (written in"
        f" {time.perf_counter() - start:.0f} s)",
        flush=True,
    )
    done, mark, start = 0, 1, time.perf_counter()
    for batch in range(n_batches):
        done += take_in(source, work / "taken", batch, n_batches)
        if (batch + 1) * 10 >= mark * n_batches:
            taken = time.perf_counter() - start
            peak = max(_own_peak_kib(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
            print(
                f"  {done:6d} films, {taken:7.1f} s, {done / taken:6.1f} films/s, highest memory"
                f" {peak:.0f} MB",
                flush=True,
            )
            mark += 1
    if done != n_films:
        raise SystemExit(f"only {done} of {n_films} films were taken in")
    planned = dry_run(source, n_batches, work / "study")
    print(f"dry run: {planned.jobs} jobs, {planned.seconds:.1f} s, {planned.peak_mb:.0f} MB", flush=True)


def _own_peak_kib() -> int:
    """Highest memory of this program (proc(5), VmHWM); getrusage would count what the process held before it
    became this one.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=32, help="large films of the batch")
    parser.add_argument("--peer-films", type=int, default=4, help="how many of them the slow peers handle")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", action="store_true", help="also take in many small films")
    parser.add_argument("--small", type=int, default=20000, help="number of small films")
    chosen = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    keep_freed_memory()  # for the floor and for pydicom with Pillow too; ours does it itself
    with tempfile.TemporaryDirectory() as folder:
        compare(chosen.films, chosen.peer_films, chosen.rounds, Path(folder))
        if chosen.scale:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                pool.submit(scale, chosen.small, Path(folder)).result()


if __name__ == "__main__":
    sys.exit(main())
