"""Films for the benchmarks."""

from __future__ import annotations

import numpy as np

from scripts.synthetic.detector import DETECTORS
from scripts.synthetic.radiograph import simulate_film


def simulated(rows: int, columns: int) -> np.ndarray:
    """Stored values (rows, columns), uint16, of a simulated 12-bit chest film."""
    detector = DETECTORS["internal"][1]
    pixels = simulate_film((1, "bench", "0"), 0, "F", 60, 160.0, 23.0, -1.0, detector, max(rows, columns))
    top, left = (pixels.shape[0] - rows) // 2, (pixels.shape[1] - columns) // 2
    return np.ascontiguousarray(pixels[top : top + rows, left : left + columns])
