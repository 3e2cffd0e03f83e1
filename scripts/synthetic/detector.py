"""From path lengths to stored pixel values: Beer-Lambert attenuation, scatter, quantum noise, a vendor's
response.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from scripts.synthetic.anatomy import FILM_MM, BoneState, PathLengths

MU_TISSUE = 0.0195
"""Attenuation of soft tissue per mm at the effective energy of a chest film (about 60 keV)."""
MU_BONE = 0.0680
"""Attenuation of compact bone per mm at that energy, at the upper end of what is published: small films need
it.
"""

_SPREAD = 3.3
"""P99 - P1 of a chest film over its SD, about; the automatic exposure weighs both alike."""

THORAX_ROWS = (0.20, 0.90)
THORAX_COLUMNS = (0.10, 0.90)


@dataclass(frozen=True)
class Detector:
    """One vendor's machine.

    ``bits`` stored; ``inverted`` stores air high (MONOCHROME1); ``blur_mm`` sigma of the point spread;
    ``quanta`` photons per pixel behind the mean of the chest; ``curve`` 0 for a logarithmic response, more
    for a sigmoid (film-like) one; ``sharpen`` range of the edge enhancement; ``shape`` columns over rows of
    the film.
    """

    vendor: str
    model: str
    bits: int
    inverted: bool
    blur_mm: float
    quanta: float
    curve: float
    sharpen: tuple[float, float]
    shape: float
    pixel_pitch: float


DETECTORS: dict[str, tuple[Detector, ...]] = {
    "internal": (
        Detector("Lumenray Imaging", "LR-4300 Panel", 12, False, 0.50, 6500, 0.0, (0.15, 0.30), 0.93, 0.139),
        Detector("Norvik Medical", "DigiThorax 2", 12, False, 0.55, 5500, 0.6, (0.15, 0.30), 1.00, 0.143),
    ),
    "external_1": (
        Detector("Plateworks", "CR Reader 85", 10, True, 0.60, 5000, 1.0, (0.15, 0.35), 0.90, 0.175),
    ),
    "external_2": (
        Detector("Huaying DR", "HY-DR 3600", 14, False, 0.50, 6000, 0.3, (0.15, 0.30), 1.00, 0.125),
    ),
}
"""Machines of each centre; where there are several, patients are spread over them."""


def film_shape(size: int, detector: Detector) -> tuple[int, int]:
    """Rows and columns of a film whose longer side has ``size`` pixels."""
    return (
        (size, int(round(size * detector.shape)))
        if detector.shape <= 1
        else (int(round(size / detector.shape)), size)
    )


def _trabeculae(shape: tuple[int, int], bone: BoneState, rng: np.random.Generator) -> np.ndarray:
    """Relative variation of trabecular bone, mean 0: a fine network that becomes coarse and faint as bone is
    lost.
    """
    pixel = FILM_MM / max(shape)
    fine = cv2.GaussianBlur(rng.standard_normal(shape, dtype=np.float32), (0, 0), max(0.9 / pixel, 0.4))
    coarse = cv2.GaussianBlur(
        rng.standard_normal(shape, dtype=np.float32),
        (0, 0),
        max(2.2 / pixel, 0.4),
        sigmaY=max(3.2 / pixel, 0.4),
    )
    fine *= np.float32(1 / max(float(fine.std()), 1e-6))
    coarse *= np.float32(1 / max(float(coarse.std()), 1e-6))
    share = bone.coarseness
    mixed = (1 - share) * fine + share * coarse
    return np.float32(bone.texture / np.hypot(1 - share, share)) * mixed


def line_integrals(paths: PathLengths, bone: BoneState, rng: np.random.Generator) -> np.ndarray:
    """Attenuation exponent of every pixel (rows, columns), float32."""
    hardness = np.float32(rng.normal(1.0, 0.03))  # tube voltage: bone loses contrast as it rises
    texture = _trabeculae(paths.tissue.shape, bone, rng)
    density = np.float32(bone.trabecular_density) * np.clip(1 + texture, 0.1, 2.5)
    bone_part = np.float32(bone.cortex_density) * paths.cortex + density * paths.trabecular
    # Marrow fills what trabeculae leave.
    marrow = paths.trabecular * np.clip(1 - density, 0, 1)
    return np.float32(MU_TISSUE) * (paths.tissue + marrow) + np.float32(MU_BONE) * hardness * bone_part


def thoracic_window(film: np.ndarray) -> np.ndarray:
    """The part of a film in which exposure is judged: rows 20-90 %, columns 10-90 %."""
    rows, columns = film.shape
    return film[
        round(rows * THORAX_ROWS[0]) : round(rows * THORAX_ROWS[1]),
        round(columns * THORAX_COLUMNS[0]) : round(columns * THORAX_COLUMNS[1]),
    ]


def expose(
    exponent: np.ndarray, detector: Detector, rng: np.random.Generator, exposure: str = "normal"
) -> np.ndarray:
    """Stored pixel values (rows, columns), uint16.

    The automatic exposure fixes mean and range of the chest at targets drawn at random per film, so neither
    tells anything of the patient. ``exposure`` is ``normal``, ``under`` (a sliver of the range) or ``over``
    (a large part of the chest burnt out).
    """
    size = max(exponent.shape)
    pixel = FILM_MM / size
    primary = np.exp(-exponent)
    small = cv2.resize(primary, (48, 48), interpolation=cv2.INTER_AREA)
    veil = cv2.GaussianBlur(small, (0, 0), 3.0)
    scatter = cv2.resize(veil, exponent.shape[::-1], interpolation=cv2.INTER_LINEAR)
    intensity = primary + np.float32(rng.uniform(0.25, 0.45)) * np.minimum(scatter, np.float32(0.35))
    intensity = cv2.GaussianBlur(intensity, (0, 0), max(detector.blur_mm / pixel, 0.3))
    dose = detector.quanta * rng.uniform(0.7, 1.4)
    quanta = intensity * np.float32(dose / float(np.median(thoracic_window(intensity))))
    # Poisson noise; at these counts the normal law with the same variance is the same thing.
    quanta = quanta + np.sqrt(quanta) * rng.standard_normal(quanta.shape, dtype=np.float32)
    signal = -np.log(np.maximum(quanta, 1.0))
    gain = np.float32(rng.uniform(*detector.sharpen))
    signal = signal + gain * (signal - cv2.GaussianBlur(signal, (0, 0), 3.0 / pixel))

    window = thoracic_window(signal)[::2, ::2]
    low, high = np.percentile(window, [1, 99])
    extent = float(np.sqrt((high - low) * _SPREAD * window.std()))
    span, centre = rng.uniform(0.50, 0.64), rng.uniform(0.42, 0.58)
    if exposure == "under":
        span, centre = 0.03, 0.12
    elif exposure == "over":
        span, centre = 1.6, 0.15
    scaled = (signal - np.float32(window.mean())) * np.float32(span / extent) + np.float32(centre)
    if exposure == "normal":
        if detector.curve > 0:
            steep = np.float32(2.0 * detector.curve)
            scaled = np.float32(0.5) + np.tanh((scaled - np.float32(0.5)) * steep) / np.float32(
                2 * np.tanh(steep / 2)
            )
        scaled = _knee(scaled)
    full = 2**detector.bits - 1
    stored = np.clip(np.rint(scaled * full), 0, full).astype(np.uint16)
    return (full - stored).astype(np.uint16) if detector.inverted else stored


def _knee(scaled: np.ndarray, low: float = 0.10, high: float = 0.90) -> np.ndarray:
    """Bend both ends of the range smoothly, so that nothing but the empty background comes near them."""
    under, over = scaled < low, scaled > high
    out = scaled.copy()
    out[under] = low - (low - 0.015) * np.tanh((low - scaled[under]) / (low - 0.015))
    out[over] = high + (0.985 - high) * np.tanh((scaled[over] - high) / (0.985 - high))
    return out
