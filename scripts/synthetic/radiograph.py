"""One simulated film from a patient's values: the anatomy drawn for the patient, bone after the T-score, a
detector.
"""

from __future__ import annotations

import cv2
import numpy as np

from scripts.common.seeds import sub_seed
from scripts.synthetic.anatomy import bone_state, draw_anatomy, frontal_paths, lateral_paths
from scripts.synthetic.detector import Detector, expose, film_shape, line_integrals

BONE_SD = 0.45
"""SD of what bone on the film tells of the T-score: ribs and spine aren't the sites that DXA measures."""


def simulate_film(
    seed: tuple[int, str, str],
    film: int,
    sex: str,
    age: int,
    height_cm: float,
    bmi: float,
    bone_t_score: float,
    detector: Detector,
    size: int,
    lateral: bool = False,
    exposure: str = "normal",
) -> np.ndarray:
    """Stored pixel values (rows, columns), uint16, of the detector's bit depth.

    ``seed`` is the study's seed, the centre's and the patient's name; the anatomy depends on these alone, so
    all films of a patient show the same chest. ``film`` numbers them and moves position, noise and exposure.
    """
    cv2.setNumThreads(1)
    own = np.random.default_rng(sub_seed(seed[0], "simulate", *seed[1:], "anatomy"))
    anatomy = draw_anatomy(own, sex, height_cm, bmi, age)
    bone = bone_state(bone_t_score + own.normal(0, BONE_SD))
    rng = np.random.default_rng(sub_seed(seed[0], "simulate", *seed[1:], "film", film))
    shape = film_shape(size, detector)
    paths = (lateral_paths if lateral else frontal_paths)(*shape, anatomy, bone, rng)
    return expose(line_integrals(paths, bone, rng), detector, rng, exposure)
