"""Exposure of a film: measures of the 16-bit image, fixed rules, and a refit that may only flag.

All measures are of the thoracic window and in shares of the film's full range (0 to 1). Clipped: share of pixels at the
film's own lowest or highest value. Range: P99 - P1. Noise: Immerkaer's estimate (J. Immerkaer, Fast noise variance
estimation, CVIU 64(2), 1996) over the range. Polarity: median of the mediastinum minus median of the lung fields.
"""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd

MEASURES = (
    "clipped_low",
    "clipped_high",
    "value_range",
    "mean",
    "noise_ratio",
    "polarity",
    "exposure_index",
    "target_exposure_index",
    "deviation_index",
)
"""Columns of ``exposure.csv`` that hold measures; the last three are the header's (IEC 62494-1), empty where it has none."""

_LAPLACIAN_DIFFERENCE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def _window(image: np.ndarray, rows: tuple[float, float], columns: tuple[float, float]) -> tuple[slice, slice]:
    height, width = image.shape
    top, bottom = int(rows[0] * height), max(int(rows[1] * height), int(rows[0] * height) + 1)
    left, right = int(columns[0] * width), max(int(columns[1] * width), int(columns[0] * width) + 1)
    return slice(top, bottom), slice(left, right)


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
    counts = np.bincount(pixels.ravel(), minlength=1 << bits)
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
        response = cv2.filter2D(level.astype(np.float32), cv2.CV_32F, _LAPLACIAN_DIFFERENCE)[1:-1, 1:-1]
        if valid is not None:  # pixels whose surroundings hold padding say nothing of noise
            whole_around = cv2.erode(valid.astype(np.uint8), np.ones((3, 3), np.uint8))[1:-1, 1:-1].astype(bool)
            response = response[whole_around]
        if response.size:
            noise = float(np.sqrt(np.pi / 2) / 6 * np.abs(response).mean(dtype=np.float64)) / full
    found["noise_ratio"] = noise / spread if spread > 0 else (0.0 if noise == 0 else float("inf"))
    found["polarity"] = _polarity(image) / 65535.0
    return found


def _polarity(image: np.ndarray) -> float:
    """Median of the mediastinum minus that of the lung fields; negative where lungs are the brighter."""
    height, width = image.shape
    band = slice(int(0.30 * height), max(int(0.55 * height), int(0.30 * height) + 1))

    def median(left: float, right: float) -> float:
        return float(np.median(image[band, int(left * width) : max(int(right * width), int(left * width) + 1)]))

    return median(0.45, 0.58) - 0.5 * (median(0.20, 0.36) + median(0.66, 0.82))


def judge(measures: pd.DataFrame, settings: dict) -> pd.DataFrame:
    """Automatic verdict and reasons, one row per film.

    ``measures`` has MEASURES, ``manufacturer``, ``view`` and ``border_words``; ``settings`` is the config's
    ``intake.exposure``. Returns ``verdict`` (pass, review, reject) and ``reason`` (words joined by ``;``, empty for pass),
    with the index of ``measures``. A rule that rejects learns from no film; where ``refit`` is on, bounds refitted to a
    manufacturer's films replace the fixed review rules of range and mean.
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
        "text_in_border": m["border_words"].astype("float64") > 0,
    }
    for maker, bounds in refitted.items():
        of_maker = m["manufacturer"] == maker
        for name, column in (("range", "value_range"), ("mean", "mean")):
            low, high = bounds[column]
            review[name] = review[name] | (of_maker & ((m[column] < low) | (m[column] > high)))
    reject_frame = pd.DataFrame(reject, index=m.index)
    review_frame = pd.DataFrame(review, index=m.index)
    flagged = review_frame.any(axis=1)
    verdict = np.where(rejected, "reject", np.where(flagged, "review", "pass"))
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
