"""How often the rule of polarity is right on films that nobody here made: ``python -m tests.bench.polarity``.

Each film of the folders below ``../shared/real`` is measured as it is and inverted. A film that is right and
flagged is a false flag, an inverted one that isn't flagged a miss. The places that the measure looks at were
chosen on hospital_a; the other films took no part in it. It also cuts away parts of each side, as a film does
that is centred badly.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from scripts.common.config import Exposure
from scripts.intake.exposure import polarity_of

REAL = Path(__file__).resolve().parents[3] / "shared/real"
CUTS = (0.0, 0.05, 0.1, 0.2)
SIDES = ("left", "right", "top", "bottom")


def films_of(real: Path, source: str) -> Iterator[tuple[str, np.ndarray]]:
    """(view, 8-bit film) of one source: hospital_a, hospital_b or cxr."""
    table, folder, name, view = (
        (real / "cxr.csv", real / "cxr", "file", "view")
        if source == "cxr"
        else (real / f"hospitals/{source}/images.csv", real / f"hospitals/{source}/films", "File", "View")
    )
    with table.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            yield row[view], cv2.imread(str(folder / row[name]), cv2.IMREAD_GRAYSCALE)


def cut(film: np.ndarray, side: str, share: float) -> np.ndarray:
    """The film without ``share`` of its width or height on one side."""
    rows, columns = (round(share * length) for length in film.shape)
    height, width = film.shape
    parts = {
        "left": film[:, columns:],
        "right": film[:, : width - columns],
        "top": film[rows:],
        "bottom": film[: height - rows],
    }
    return parts[side]


def faults(film: np.ndarray) -> tuple[bool, bool]:
    """Whether an 8-bit film is flagged as it is, and whether it isn't when inverted, under the rules as
    shipped."""
    least = Exposure().review_polarity
    right, inverted = (
        polarity_of(np.ascontiguousarray(values).astype(np.uint16) << 8) for values in (film, 255 - film)
    )
    return right < least, not inverted < least


def count(films: list[np.ndarray]) -> tuple[int, int]:
    """False flags and misses among films."""
    found = np.array([faults(film) for film in films], bool).reshape(-1, 2)
    return int(found[:, 0].sum()), int(found[:, 1].sum())


def main() -> None:
    """Print films, false flags and misses by source and view, then by what was cut away."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", type=Path, default=REAL, help="folder of the real films")
    real = parser.parse_args().real
    everything: dict[str, list[np.ndarray]] = {}
    print("source      view  films  false flags  misses")
    for source in ("hospital_a", "hospital_b", "cxr"):
        found = list(films_of(real, source))
        everything[source] = [film for _, film in found]
        for view in ("PA", "AP"):
            films = [film for said, film in found if said == view]
            print(
                f"{source:<11} {view:<5} {len(films):>5}  {count(films)[0]:>11}  {count(films)[1]:>6}",
                flush=True,
            )
    print("\ncut away of hospital_b and cxr: false flags and misses over all four sides")
    films = everything["hospital_b"] + everything["cxr"]
    for share in CUTS[1:]:
        several = [count([cut(film, side, share) for film in films]) for side in SIDES]
        said = ", ".join(f"{side} {n} / {m}" for side, (n, m) in zip(SIDES, several))
        print(f"{share:.0%} of {len(films)} films: {said}", flush=True)


if __name__ == "__main__":
    main()
