"""Real films with a planted bone density, for ``tests.bench.real``; how strong it is, is known.

Each patient gets a T-score that is drawn and then made uncorrelated with sex, age and the first film's view.
In the bones of the patient's films the brightness falls by a share ``dose * u``, and a coarse texture, whose
SD is a fifth of that, comes in, where u goes from 0 (the highest T-score) to 1 (the lowest). So films of the
two classes differ by about half the dose on average.

Bones are found by simple anatomy, in shares of the film's size, without any model:

- spine: a vertical band at the brightest column of the film's middle, between the lungs' rows and below
- ribs: in both lung fields bands that repeat down the film and fall outwards; period, slope and phase of each
  lung are those whose waves fit the film best, its slow changes taken off

``python -m tests.bench.bone_films --films FOLDER --to FOLDER`` draws films, bones and differences to look at.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd
from scipy.special import ndtr

if TYPE_CHECKING:
    from tests.bench.real_studies import Hospitals

MEAN, SD = -2.3, 1.0
"""Of the planted T-score: two in five patients lie at -2.5 or below."""

SPINE_ROWS, SPINE_HALF = (0.12, 0.95), 0.045
MIDDLE = (0.38, 0.62)
LUNG_ROWS = (0.15, 0.62)
LUNG_COLUMNS = (0.09, 0.34)
"""Distance of a lung's inner and outer edge from the spine."""

PERIODS = np.linspace(0.055, 0.105, 11)
SLOPES = np.linspace(-0.1, 0.6, 8)
TEXTURE = 0.2
"""SD of the texture, as a share of the change of the brightness."""

EDGE = 0.012
"""Width over which bands and fields fade."""


def _inside(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """1 between ``low`` and ``high``, fading to 0 over EDGE."""
    return 1 / (1 + np.exp(-(values - low) / EDGE)) / (1 + np.exp((values - high) / EDGE))


def bones(film: np.ndarray) -> np.ndarray:
    """Where a film ``(h, w)`` shows spine or ribs: 0 to 1, float32 of its shape."""
    height, width = film.shape
    rows = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
    columns = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / width
    smooth = cv2.GaussianBlur(film.astype(np.float32), (0, 0), width / 40)
    chest = smooth[int(LUNG_ROWS[0] * height) : int(LUNG_ROWS[1] * height)].mean(0)
    middle = slice(int(MIDDLE[0] * width), int(MIDDLE[1] * width))
    center = (middle.start + int(chest[middle].argmax()) + 0.5) / width
    spine = _inside(columns, center - SPINE_HALF, center + SPINE_HALF) * _inside(rows, *SPINE_ROWS)
    found = spine
    detail = cv2.GaussianBlur(film.astype(np.float32), (0, 0), width / 200) - smooth
    for side in (-1, 1):
        outward = side * (columns - center)
        field = _inside(outward, *LUNG_COLUMNS) * _inside(rows, *LUNG_ROWS)
        period, slope, phase = _waves(detail * field, rows, outward)
        wave = np.cos(2 * np.pi * (rows - slope * outward) / period - phase)
        found = np.maximum(found, field / (1 + np.exp(-8 * (wave - 0.2))))
    return found.astype(np.float32)


def _waves(detail: np.ndarray, rows: np.ndarray, outward: np.ndarray) -> tuple[float, float, float]:
    """Period, slope and phase of the waves that fit ``detail`` (h, w) best, found on every fourth pixel."""
    detail, rows, outward = detail[::4, ::4], rows[::4], outward[:, ::4]
    best = (-1.0, 0.0, 0.0, 0.0)
    for period in PERIODS:
        for slope in SLOPES:
            # exp(2 pi i (row - slope * outward) / period) is a product of a column and a row
            down = np.exp(-2j * np.pi * rows[:, 0] / period)
            across = np.exp(2j * np.pi * slope * outward[0] / period)
            fit = down @ detail @ across
            best = max(best, (abs(fit), period, slope, -float(np.angle(fit))))
    return best[1:]


def _texture(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Noise without slow or fine changes, of SD 1."""
    noise = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    band = cv2.GaussianBlur(noise, (0, 0), 1.2) - cv2.GaussianBlur(noise, (0, 0), 3.0)
    return band / band.std()


def planted(film: np.ndarray, change: float, seed: int) -> np.ndarray:
    """A film of 8 bits whose bones lose the share ``change`` of their brightness and gain texture; at 0 the
    film itself.
    """
    if change == 0:
        return film
    where = change * bones(film)
    values = film * (1 - where + TEXTURE * where * _texture(film.shape, seed))
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def t_scores(traits: pd.DataFrame, seed: int) -> pd.Series:
    """A T-score for each patient (index), with no correlation to any of ``traits`` (numbers) among them."""
    drawn = np.random.default_rng(seed).standard_normal(len(traits))
    given = np.column_stack([np.ones(len(traits)), traits.to_numpy(dtype=float)])
    rest = drawn - given @ np.linalg.lstsq(given, drawn, rcond=None)[0]
    return pd.Series(MEAN + SD * rest / rest.std(), index=traits.index)


def traits(hospitals: Hospitals, center: Mapping[str, Any]) -> pd.DataFrame:
    """Sex, birth date and view of the first film as numbers, by patient id."""
    patients, named = hospitals.table(center, "patients"), hospitals.columns(center, "patients")
    patients = patients.drop_duplicates(named["patient_id"]).set_index(named["patient_id"]).sort_index()
    first = hospitals.first_films(center).reindex(patients.index)
    images = hospitals.columns(center, "images")
    born = pd.to_datetime(patients[named["birth_date"]])
    shot = pd.to_datetime(first[images["film_date"]])
    age = (shot - born).dt.days / 365.25
    return pd.DataFrame(
        {
            "female": patients[named["sex"]].eq("F").astype(int),
            "age": age.fillna(age.mean()),
            "ap": first[images["view"]].eq("AP").astype(int),
        }
    )


def plant_bone(hospitals: Hospitals, center: Mapping[str, Any], dose: float, folder: Path) -> pd.Series:
    """Write a centre's films with planted bones into ``folder``; gives the T-score by patient id.

    ``dose`` is the largest change in percent. The T-scores are the same for every dose.
    """
    seed = int.from_bytes(hashlib.sha256(center["name"].encode()).digest()[:4], "big")
    scores = t_scores(traits(hospitals, center), seed)
    share = pd.Series(ndtr((MEAN - scores) / SD), index=scores.index)
    named, images = hospitals.columns(center, "images"), hospitals.table(center, "images")
    folder.mkdir(parents=True, exist_ok=True)
    for n, (file, patient) in enumerate(zip(images[named["file"]], images[named["patient_id"]])):
        film = cv2.imread(str(Path(center["png"]) / file), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(folder / file), planted(film, dose / 100 * share[patient], seed + n))
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=Path, required=True, help="a folder of PNGs of 8 bits")
    parser.add_argument("--to", type=Path, required=True, help="folder for pictures: film, bones, difference")
    parser.add_argument("--films-drawn", type=int, default=6)
    parser.add_argument("--dose", type=float, default=5.0, help="percent")
    wanted = parser.parse_args()
    wanted.to.mkdir(parents=True, exist_ok=True)
    for n, path in enumerate(sorted(wanted.films.glob("*.png"))[: wanted.films_drawn]):
        film = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        changed = planted(film, wanted.dose / 100, n)
        difference = np.clip(128 + 8.0 * (changed.astype(float) - film), 0, 255)
        marked = np.clip(film * 0.6 + 100 * bones(film), 0, 255)
        cv2.imwrite(str(wanted.to / f"film_{n}.png"), np.hstack([film, changed, marked, difference]))


if __name__ == "__main__":
    main()
