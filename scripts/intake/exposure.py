"""Exposure of a film: measures of the 16-bit image, fixed rules, and a refit that may only flag.

All measures are of the thoracic window and in shares of the film's full range (0 to 1). Clipped: share of
pixels at the film's own lowest or highest value. Range: P99 - P1. Noise: Immerkaer's estimate (J. Immerkaer,
Fast noise variance estimation, CVIU 64(2), 1996) over the range. Polarity, in ranks of the film's pixels (0
darkest, 1 brightest), which no exposure and no curve of a device moves: how much brighter the mediastinum is
than the lungs, plus how much brighter the abdomen is than the film's median. The first alone fails where the
chest lies off the centre, as on bedside films. All are places in the exposed field, so that collimated or
padded borders don't move them.
"""

from __future__ import annotations

import warnings

import cv2
import numpy as np
import pandas as pd

from scripts.common.contracts.intake import MEASURES
from scripts.common.vocabulary import PASS, REJECT, REVIEW

_SECOND_DIFFERENCE = np.array([1, -2, 1], np.float32)
"""Along rows and along columns it makes Immerkaer's mask, ((1, -2, 1), (-2, 4, -2), (1, -2, 1))."""


_COUNTED_AT_ONCE = 1 << 24
"""Pixels that OpenCV, which counts in single precision, can count exactly."""


def _window(
    image: np.ndarray, rows: tuple[float, float], columns: tuple[float, float]
) -> tuple[slice, slice]:
    height, width = image.shape
    top, bottom = int(rows[0] * height), max(int(rows[1] * height), int(rows[0] * height) + 1)
    left, right = int(columns[0] * width), max(int(columns[1] * width), int(columns[0] * width) + 1)
    return slice(top, bottom), slice(left, right)


def _histogram(levels: np.ndarray, bits: int) -> np.ndarray:
    """How many pixels (int64) have each level, 0 to ``2**bits - 1``."""
    line = levels.reshape(1, -1)
    counts = np.zeros(1 << bits, np.int64)
    for start in range(0, line.size, _COUNTED_AT_ONCE):
        part = line[:, start : start + _COUNTED_AT_ONCE]
        counts += cv2.calcHist([part], [0], None, [1 << bits], [0, 1 << bits]).ravel().astype(np.int64)
    return counts


def _quantile(counts: np.ndarray, share: float) -> float:
    """The smallest level below or at which ``share`` of the pixels lie."""
    return float(np.searchsorted(np.cumsum(counts), share * counts.sum()))


def measure(
    image: np.ndarray,
    padding: np.ndarray | None,
    bits: int,
    rows: tuple[float, float],
    columns: tuple[float, float],
) -> dict[str, float]:
    """The measures of one film (without the header's).

    Parameters
    ----------
    image
        uint16 (rows, columns), ``level << (16 - bits)``.
    padding
        Pixels to leave out, or None.
    bits
        Bits of a level.
    rows, columns
        The thoracic window as fractions of height and width.
    """
    full = float((1 << bits) - 1)
    at = _window(image, rows, columns)
    view = image[at]
    level = view >> (16 - bits)
    valid = None if padding is None else ~padding[at]
    pixels = level if valid is None else level[valid]
    whole = image if padding is None else image[~padding]
    if pixels.size == 0 or whole.size == 0:
        return dict.fromkeys(MEASURES[:6], float("nan"))
    counts = _histogram(pixels, bits)
    n = float(counts.sum())
    lowest, highest = int(whole.min()) >> (16 - bits), int(whole.max()) >> (16 - bits)
    p1, p99 = _quantile(counts, 0.01), _quantile(counts, 0.99)
    spread = (p99 - p1) / full
    single = lowest == highest
    found = {
        "clipped_low": 1.0 if single else counts[lowest] / n,
        "clipped_high": 1.0 if single else counts[highest] / n,
        "value_range": spread,
        "mean": float(counts @ np.arange(len(counts), dtype=np.float64)) / n / full,
    }
    noise = float("nan")
    if min(level.shape) >= 3:
        # whole numbers either way: of at most 8 * 4095 in 16 bits, of at most 8 * 65535 in single precision
        narrow = bits <= 12
        kernel = _SECOND_DIFFERENCE
        values, depth = (level.view(np.int16), cv2.CV_16S) if narrow else (level, cv2.CV_32F)
        response = cv2.sepFilter2D(values, depth, kernel, kernel)[1:-1, 1:-1]
        if valid is not None:  # pixels whose surroundings hold padding say nothing of noise
            whole_around = cv2.erode(valid.astype(np.uint8), np.ones((3, 3), np.uint8))[1:-1, 1:-1].astype(
                bool
            )
            response = response[whole_around]
        if response.size:
            noise = float(np.sqrt(np.pi / 2) / 6 * cv2.norm(response, cv2.NORM_L1) / response.size) / full
    found["noise_ratio"] = noise / spread if spread > 0 else (0.0 if noise == 0 else float("inf"))
    found["polarity"] = polarity_of(image, padding)
    return found


_SMALL = 192
"""Longer side in pixels of the small film on which polarity is measured."""
_EVEN = 0.03
"""A row or column whose values spread by less than this share of the film's range is border, not exposed
field.
"""
_CHEST_ROWS = (0.30, 0.55)
_MEDIASTINUM = (0.45, 0.58)
_LUNGS = ((0.20, 0.36), (0.66, 0.82))
_ABDOMEN = ((0.85, 1.0), (0.35, 0.65))
"""Where chest, mediastinum, lungs and abdomen (rows, columns) lie in the exposed field, as fractions of its
height and width."""


def _exposed_field(film: np.ndarray) -> np.ndarray:
    """The film without even borders of whatever value; pixels that are NaN are no film."""
    if np.isnan(film).all():
        return film
    least = _EVEN * (np.nanmax(film) - np.nanmin(film))
    for _ in range(2):  # what is even across a border on another side shows when that one is gone
        for axis in (0, 1):
            ordered = np.sort(film if axis == 0 else film.T, axis=1)  # NaN come last
            last = np.maximum(np.count_nonzero(~np.isnan(ordered), axis=1) - 1, 0)
            line = np.arange(len(ordered))
            low, high = (ordered[line, (share * last).astype(int)] for share in (0.05, 0.95))
            uneven = np.flatnonzero(high - low > least)  # a line of padding alone is none
            if uneven.size < film.shape[axis] / 3:
                return film
            film = np.take(film, range(uneven[0], uneven[-1] + 1), axis=axis)
    return film


def _ranks(film: np.ndarray) -> np.ndarray:
    """The share of a film's pixels that are darker than each, those of the same value counted half; NaN stay
    NaN."""
    known = film[~np.isnan(film)]
    _, places, counts = np.unique(known, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - 0.5 * counts) / max(known.size, 1)
    ranks = np.full(film.shape, np.nan, np.float64)
    ranks[~np.isnan(film)] = middle[places.reshape(-1)]
    return ranks


def polarity_of(image: np.ndarray, padding: np.ndarray | None = None) -> float:
    """From -1.5 to 1.5, negative where a film seems inverted, of which it has the opposite sign; NaN where a
    place has no pixels."""
    step = max(1, max(image.shape) // (4 * _SMALL))
    film = image[::step, ::step].astype(np.float32)
    scale = min(1.0, _SMALL / max(film.shape))
    size = tuple(max(1, round(side * scale)) for side in film.shape[::-1])
    small = cv2.resize(film, size, interpolation=cv2.INTER_AREA)
    if padding is not None:
        valid = (~padding[::step, ::step]).astype(np.float32)
        small[cv2.resize(valid, size, interpolation=cv2.INTER_AREA) < 0.999] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # medians of nothing are NaN
        field = _ranks(_exposed_field(small))

        def median(rows: tuple[float, float], columns: tuple[float, float]) -> float:
            parts = []
            for side, (start, stop) in zip(field.shape, (rows, columns)):
                parts.append(slice(int(start * side), max(int(stop * side), int(start * side) + 1)))
            return float(np.nanmedian(field[tuple(parts)]))

        chest = median(_CHEST_ROWS, _MEDIASTINUM) - 0.5 * sum(median(_CHEST_ROWS, lung) for lung in _LUNGS)
        return chest + median(*_ABDOMEN) - 0.5


def judge(measures: pd.DataFrame, settings: dict) -> pd.DataFrame:
    """Automatic verdict and reasons, one row per film.

    ``measures`` has MEASURES, ``manufacturer``, ``view`` and ``border_text``; ``settings`` is the config's
    ``intake.exposure``. Returns ``verdict`` (pass, review, reject) and ``reason`` (words joined by ``;``,
    empty for pass), with the index of ``measures``. A rule that rejects learns from no film; where ``refit``
    is on, bounds refitted to a manufacturer's films replace the fixed review rules of range and mean.
    """
    m = measures
    clipped = m[["clipped_low", "clipped_high"]].max(axis=1)
    deviation = m["deviation_index"].astype(float)
    limit = settings["deviation_index"]
    # a comparison with a missing value is False, so a missing measure rejects nothing
    reject = {
        "clipped": clipped > settings["reject_clipped"],
        "low_range": m["value_range"] < settings["reject_range"],
        "underexposed": (deviation < -limit) & (m["noise_ratio"] > settings["review_noise"]),
        "overexposed": (deviation > limit) & (clipped > settings["review_clipped"]),
        "no_measure": m["value_range"].isna(),
    }
    rejected = pd.DataFrame(reject, index=m.index).any(axis=1)
    refitted = _refit(m[~rejected], settings) if settings["refit"] else {}
    low_mean, high_mean = settings["review_mean"]
    fixed = pd.Series(True, index=m.index) if not refitted else ~m["manufacturer"].isin(list(refitted))
    review = {
        "deviation_index": deviation.abs() > limit,
        "noise": m["noise_ratio"] > settings["review_noise"],
        "clipped": clipped > settings["review_clipped"],
        "range": fixed & (m["value_range"] < settings["review_range"]),
        "mean": fixed & ((m["mean"] < low_mean) | (m["mean"] > high_mean)),
        "polarity": m["polarity"] < settings["review_polarity"],
        "view_unknown": m["view"] == "unknown",
        "text_in_border": m["border_text"] == "words",
        "text_unread": m["border_text"] == "unread",
    }
    for maker, bounds in refitted.items():
        of_maker = m["manufacturer"] == maker
        for name, column in (("range", "value_range"), ("mean", "mean")):
            low, high = bounds[column]
            review[name] = review[name] | (of_maker & ((m[column] < low) | (m[column] > high)))
    reject_frame = pd.DataFrame(reject, index=m.index)
    review_frame = pd.DataFrame(review, index=m.index)
    flagged = review_frame.any(axis=1)
    verdict = np.where(rejected, REJECT, np.where(flagged, REVIEW, PASS))
    reason = [
        ";".join(frame.columns[frame.loc[label].to_numpy(bool)])
        for label, frame in ((i, reject_frame if rejected.loc[i] else review_frame) for i in m.index)
    ]
    return pd.DataFrame({"verdict": verdict, "reason": reason}, index=m.index, dtype="object")


def _refit(films: pd.DataFrame, settings: dict) -> dict[str, dict[str, tuple[float, float]]]:
    """Bounds (median -/+ k MAD) of range and mean for each named manufacturer with enough films."""
    bounds: dict[str, dict[str, tuple[float, float]]] = {}
    for maker, group in films.groupby("manufacturer", sort=True):
        if not maker or len(group) < settings["refit_films"]:
            continue
        bounds[maker] = {}
        for column in ("value_range", "mean"):
            middle = float(group[column].median())
            spread = float((group[column] - middle).abs().median()) * settings["refit_mad"]
            bounds[maker][column] = (middle - spread, middle + spread)
    return bounds
