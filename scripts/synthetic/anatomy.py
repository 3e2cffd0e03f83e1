"""A chest in numbers: what differs between patients, and the path lengths of X-rays through soft tissue and
bone.

Lengths are millimetres in the patient's own frame: ``u`` to the right of the film (the patient's left), ``v``
downwards, the origin on the midline at the level of the first thoracic vertebra. Maps are float32 arrays of
shape (rows, columns) of the film.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

FILM_MM = 375.0
"""Longer side of a film."""

_RIB_REACH = (70, 97, 111, 118, 124, 128, 131, 133, 133, 130, 118)
"""Greatest distance of ribs 1 to 11 from the midline."""
_RIB_DROP = (32, 62, 84, 100, 108, 112, 114, 112, 106, 96, 70)
"""How much lower a rib's front end lies than its head."""


@dataclass(frozen=True)
class BoneState:
    """What bone looks like on the film.

    ``cortex_mm`` thickness of a rib's cortex; ``cortex_density`` and ``trabecular_density`` shares of the
    attenuation of compact bone; ``texture`` relative amplitude of the trabecular pattern; ``coarseness`` 0
    (fine network) to 1 (few, thick trabeculae).
    """

    cortex_mm: float
    cortex_density: float
    trabecular_density: float
    texture: float
    coarseness: float


def bone_state(t_score: float) -> BoneState:
    """Bone as a smooth function of the T-score, flat below -5.5 and above +1.5."""
    z = float(np.clip((t_score + 2.2) / 1.2, -3.0, 3.0))
    grade = 1.0 / (1.0 + math.exp(-1.5 * z))
    return BoneState(
        cortex_mm=0.55 + 1.55 * grade,
        cortex_density=0.84 + 0.16 * grade,
        trabecular_density=0.13 + 0.37 * grade,
        texture=0.12 + 0.68 * grade,
        coarseness=1.0 - grade,
    )


@dataclass(frozen=True)
class Anatomy:
    """One patient's build and position before the detector; lengths in mm, angles in radians."""

    female: bool
    depth: float
    scale: float
    widen: float
    rotation: float
    shift_u: float
    shift_v: float
    inspiration: float
    rib_phase: float
    rib_drop: float
    fat: float
    heart: float
    knob: float
    vessels: int
    clavicle: float
    shoulder: float
    scoliosis: float
    stomach: bool
    vertebra: float


def draw_anatomy(rng: np.random.Generator, sex: str, height_cm: float, bmi: float, age: float) -> Anatomy:
    """Draw a build. Sex, height, BMI and age move it a little; most of the variation is the patient's own."""
    female = sex == "F"
    build = (height_cm - 162.0) / 9.0
    return Anatomy(
        female=female,
        depth=float(np.clip(218 + 3.0 * (bmi - 23.5) + rng.normal(0, 16), 170, 290)),
        scale=float(np.clip(1.0 + 0.012 * build + rng.normal(0, 0.035), 0.9, 1.1)),
        widen=float(np.clip(1.0 + rng.normal(0, 0.04), 0.9, 1.1)),
        rotation=math.radians(float(np.clip(rng.normal(0, 1.4), -4, 4))),
        shift_u=float(np.clip(rng.normal(0, 5), -12, 12)),
        shift_v=float(np.clip(rng.normal(0, 7), -16, 16)),
        inspiration=float(np.clip(rng.normal(0, 11), -24, 22)),
        rib_phase=float(rng.uniform(-9, 9)),
        rib_drop=float(rng.normal(1.0, 0.10)),
        fat=float(np.clip(22 + 1.0 * (bmi - 23.5) + rng.normal(0, 6), 9, 45)),
        heart=float(np.clip(1.0 + 0.002 * (age - 62) + rng.normal(0, 0.09), 0.78, 1.3)),
        knob=float(np.clip(14 + 0.03 * (age - 62) + rng.normal(0, 2.5), 8, 22)),
        vessels=int(rng.integers(16, 27)),
        clavicle=float(rng.normal(0, 6)),
        shoulder=float(rng.normal(0, 9)),
        scoliosis=float(rng.normal(0, 2.5)),
        stomach=bool(rng.random() < 0.6),
        vertebra=float(rng.normal(22.5, 0.7)),
    )


@dataclass
class PathLengths:
    """Path lengths in mm: soft tissue (bone taken out), compact bone of the cortex and within trabecular
    bone.
    """

    tissue: np.ndarray
    cortex: np.ndarray
    trabecular: np.ndarray


class _Canvas:
    """The film's grid and how the patient's frame lies on it; drawing happens on a grid ``fine`` times as
    dense.
    """

    def __init__(self, rows: int, columns: int, anatomy: Anatomy, top_mm: float) -> None:
        self.shape = (rows, columns)
        self.fine = 2 if max(rows, columns) <= 700 else 1
        self.mm = FILM_MM / max(rows, columns)
        a = anatomy
        self._a = a.scale * math.cos(a.rotation)
        self._b = a.scale * math.sin(a.rotation)
        self._u0 = columns * self.mm / 2 + a.shift_u
        self._v0 = top_mm + a.shift_v

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Patient coordinates (u, v) of every pixel's centre."""
        x = (np.arange(self.shape[1], dtype=np.float32) + 0.5) * np.float32(self.mm) - np.float32(self._u0)
        y = (np.arange(self.shape[0], dtype=np.float32) + 0.5) * np.float32(self.mm) - np.float32(self._v0)
        n = self._a**2 + self._b**2
        u = (x[None, :] * (self._a / n) + y[:, None] * (self._b / n)).astype(np.float32)
        v = (y[:, None] * (self._a / n) - x[None, :] * (self._b / n)).astype(np.float32)
        return u, v

    def pixels(self, points: np.ndarray, fine: int) -> np.ndarray:
        """Fixed-point positions (4 fractional bits) on a grid ``fine`` times as dense, of points (..., 2) in
        mm.
        """
        turn = np.array([[self._a, self._b], [-self._b, self._a]])
        at = np.asarray(points, dtype=np.float64) @ turn + np.array([self._u0, self._v0])
        return np.round((at * (fine / self.mm) - 0.5) * 16).astype(np.int32)

    @property
    def fine_shape(self) -> tuple[int, int]:
        return self.shape[0] * self.fine, self.shape[1] * self.fine

    def coarse(self, fine_map: np.ndarray) -> np.ndarray:
        """Mean over the fine pixels of each film pixel."""
        if self.fine == 1:
            return fine_map
        return cv2.resize(fine_map, (self.shape[1], self.shape[0]), interpolation=cv2.INTER_AREA)

    def length(self, fine: int) -> float:
        """Length (mm of the patient) of a pixel of a grid ``fine`` times as dense as the film's."""
        return self.mm / fine / math.hypot(self._a, self._b)

    def from_lines(self, lines: list[np.ndarray]) -> np.ndarray:
        """Distance (fine pixels) of every fine pixel to the nearest of some lines."""
        canvas = np.full(self.fine_shape, 255, np.uint8)
        courses = [self.pixels(line, self.fine).reshape(-1, 1, 2) for line in lines]
        cv2.polylines(canvas, courses, False, 0, 1, cv2.LINE_8, 4)
        return cv2.distanceTransform(canvas, cv2.DIST_L2, 5)

    def inside(self, polygons: list[np.ndarray]) -> np.ndarray:
        """Distance (mm) of every pixel of the film to the border of the polygons it lies in; 0 outside."""
        canvas = np.zeros(self.shape, np.uint8)
        for polygon in polygons:
            cv2.fillPoly(canvas, [self.pixels(polygon, 1).reshape(-1, 1, 2)], 255, cv2.LINE_8, 4)
        return cv2.distanceTransform(canvas, cv2.DIST_L2, 5) * np.float32(self.length(1))


def _add_shell(
    cortex: np.ndarray,
    marrow: np.ndarray,
    where: np.ndarray,
    depth_in: np.ndarray,
    radius: float,
    shell: float,
    flat: float | np.ndarray,
) -> None:
    """Add a hollow tube: chords through its cortex and its marrow.

    ``where`` are flat indices, ``depth_in`` the distances (mm) from the border inwards there; ``radius`` half
    the width seen; ``shell`` the cortex' thickness; ``flat`` depth over width, greater where a bone is seen
    along its course. A chord at depth d of a circle of radius r is 2 sqrt(r^2 - (r - d)^2).
    """
    d = np.minimum(depth_in, np.float32(radius))
    outer = np.sqrt(np.maximum(radius**2 - (radius - d) ** 2, 0))
    core = radius - shell
    d = np.clip(d - np.float32(shell), 0, core)
    inner = np.sqrt(np.maximum(core**2 - (core - d) ** 2, 0))
    factor = 2 * flat
    cortex.ravel()[where] += (outer - inner) * factor
    marrow.ravel()[where] += inner * factor


def _add_tubes(
    canvas: _Canvas,
    cortex: np.ndarray,
    marrow: np.ndarray,
    lines: list[np.ndarray],
    radius: float,
    shell: float,
    flat: float,
    stretch: np.ndarray | None = None,
) -> None:
    """Add tubes along ``lines`` to the fine maps; ``stretch`` (fine grid) multiplies their depth."""
    pixel = canvas.length(canvas.fine)
    distance = canvas.from_lines(lines).ravel()
    where = np.flatnonzero(distance < radius / pixel)
    depth = np.float32(radius) - distance[where] * np.float32(pixel)
    _add_shell(
        cortex,
        marrow,
        where,
        depth,
        radius,
        shell,
        flat if stretch is None else flat * stretch.ravel()[where],
    )


def _rib(anatomy: Anatomy, index: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Posterior and anterior course of a rib: a helix round the chest, seen from the front."""
    reach = _RIB_REACH[index] * anatomy.widen
    drop = _RIB_DROP[index] * anatomy.rib_drop
    start = 6 + anatomy.rib_phase * 0.4 + anatomy.vertebra * index
    first = math.asin(min(20.0 / reach, 0.9))
    angle = np.linspace(first, 2.42 if index < 7 else 2.1, 56)
    u = side * reach * np.sin(angle)
    v = start + drop * (1 - np.cos(angle)) / 2 - 5 * np.sin(angle * 1.4)
    course = np.stack([u, v], 1)
    turn = int(np.searchsorted(angle, math.pi / 2))
    return course[: turn + 1], course[turn:]


def _lung(anatomy: Anatomy, side: int) -> np.ndarray:
    """Outline of one lung; ``side`` -1 is on the film's left (the patient's right)."""
    a = anatomy
    level = np.arange(9)
    wall_u = np.array([_RIB_REACH[i] for i in level]) * a.widen - 5
    wall_v = np.array([6 + a.vertebra * i + _RIB_DROP[i] * a.rib_drop / 2 for i in level])
    base = (232 if side < 0 else 244) + a.inspiration
    keep = wall_v < base + 12
    lateral = np.stack([wall_u[keep], wall_v[keep]], 1)
    angle = np.array([base + 20])
    corner = np.stack([[wall_u[keep][-1] - 2], angle], 1)
    dome_u = np.linspace(wall_u[keep][-1] - 10, 22, 12)
    peak = 62.0
    dome_v = base - 16 + ((dome_u - peak) / 62.0) ** 2 * 25
    dome = np.stack([dome_u, dome_v], 1)
    medial = np.array([[20, base - 22], [19, 150], [23, 110], [25, 80], [22, 50], [20, 22]], float)
    apex = np.array([[26, 0], [42, -9], [57, -4]], float)
    outline = np.concatenate([apex, lateral, corner, dome, medial])
    outline[:, 0] *= side
    return _smooth(outline)


def _smooth(points: np.ndarray, per_step: int = 6) -> np.ndarray:
    """Closed Catmull-Rom spline through the points."""
    p0, p1, p2, p3 = (np.roll(points, shift, 0) for shift in (1, 0, -1, -2))
    t = (np.arange(per_step) / per_step)[:, None, None]
    curve = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    return curve.transpose(1, 0, 2).reshape(-1, 2)


def _vessels(canvas: _Canvas, anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Thickness (mm) of the lung vessels, which branch from each hilum outwards and thin out."""
    steps, trees = 9, anatomy.vessels
    drawn = np.zeros(canvas.shape, np.float32)
    pixel = canvas.length(1)
    for side in (-1, 1):
        heading = rng.uniform(-1.5, 1.5, (trees, 1)) + np.cumsum(rng.normal(0, 0.2, (trees, steps)), 1)
        stride = rng.uniform(8, 14, (trees, steps))
        move = np.stack([side * stride * np.cos(heading), stride * np.sin(heading)], 2)
        root = np.array([side * 34.0, 128.0 if side < 0 else 120.0]) + rng.normal(0, 6, (trees, 1, 2))
        course = canvas.pixels(np.concatenate([root, root + np.cumsum(move, 1)], 1), 1)
        width = rng.uniform(3.0, 6.0, (trees, 1)) * 0.8 ** np.arange(steps)
        for tree in range(trees):
            for step in range(steps):
                thick = max(1, int(round(width[tree, step] / pixel)))
                colour = (
                    float(width[tree, step]) if thick > 1 else float(width[tree, step] ** 2 / pixel / 1.5)
                )
                start, end = course[tree, step], course[tree, step + 1]
                cv2.line(drawn, start.tolist(), end.tolist(), colour, thick, cv2.LINE_8, 4)
    return cv2.GaussianBlur(drawn, (0, 0), max(0.9 / pixel, 0.3))


def _ellipse(
    u: np.ndarray, v: np.ndarray, at: tuple[float, float], half: tuple[float, float], tilt: float = 0.0
):
    """Squared normalised radius about ``at``; below 1 inside."""
    c, s = math.cos(tilt), math.sin(tilt)
    du, dv = u - np.float32(at[0]), v - np.float32(at[1])
    return ((c * du + s * dv) / half[0]) ** 2 + ((c * dv - s * du) / half[1]) ** 2


def _dome(r2: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(1 - r2, 0))


def frontal_paths(
    rows: int, columns: int, anatomy: Anatomy, bone: BoneState, rng: np.random.Generator
) -> PathLengths:
    """Path lengths of a frontal film of ``rows`` x ``columns`` pixels."""
    a = anatomy
    canvas = _Canvas(rows, columns, a, top_mm=66.0)
    u, v = canvas.grid()
    side_u = np.abs(u)

    # Trunk, shoulders and neck: an elliptical cross-section whose half-width changes down the body.
    trunk = 136 * a.widen + a.fat + 14
    shoulder = 215.0
    half = np.interp(
        v[:, v.shape[1] // 2],
        [-110, -45, -30, -8, 10, 60, 110, 165, 250, 400],
        [58, 60, 66, 120, 190, shoulder, shoulder, trunk + 10, trunk, trunk + 6],
    ).astype(np.float32)[:, None]
    depth = np.interp(
        v[:, v.shape[1] // 2],
        [-110, -30, 30, 110, 400],
        [0.55 * a.depth, 0.58 * a.depth, 0.8 * a.depth, a.depth, 1.1 * a.depth],
    ).astype(np.float32)[:, None]
    tissue = depth * np.sqrt(np.maximum(1 - (side_u / half) ** 2, 0))
    arm = np.interp(v[:, v.shape[1] // 2], [-20, 10, 90, 200, 400], [0, 90, 95, 85, 80]).astype(np.float32)[
        :, None
    ]
    arm_at = np.float32(194 + a.fat * 0.5 + a.shoulder)
    tissue = np.maximum(tissue, arm * _dome(((side_u - arm_at) / (33 + 0.5 * a.fat)) ** 2))
    if a.female:
        for side in (-1, 1):
            r2 = _ellipse(u, v, (side * 82, 178), (52 + 0.4 * a.fat, 56 + 0.4 * a.fat))
            tissue = tissue + (12 + 0.9 * a.fat) * _dome(r2)

    # Lungs push tissue aside; heart, aorta, hila and vessels put it back.
    lung_depth = canvas.inside([_lung(a, -1), _lung(a, 1)])
    lung = 0.70 * a.depth * np.sqrt(np.maximum(1 - (1 - np.minimum(lung_depth / 36.0, 1)) ** 2, 0))
    base = 236 + a.inspiration
    heart = np.maximum(
        110 * a.heart * _dome(_ellipse(u, v, (30, base - 48), (62 * a.heart, 44 * a.heart), 0.62)),
        95 * _dome(_ellipse(u, v, (0, base - 66), (37 * a.heart, 58), 0.0)),
    )
    aorta = 46 * _dome(_ellipse(u, v, (24, 62), (a.knob + 6, a.knob + 4)))
    aorta = np.maximum(aorta, 34 * _dome(((u - 14) / (a.knob + 8)) ** 2) * (v > 62))
    cava = 36 * _dome(_ellipse(u, v, (-22, 70), (11, 46)))
    solid = np.maximum.reduce([heart, aorta, cava])
    hila = 0
    for side, level in ((-1, 128), (1, 118)):
        hila = hila + 34 * np.exp(-0.5 * _ellipse(u, v, (side * 36, level), (10, 22)))
    lung = np.maximum(lung - solid, 0)
    in_lung = np.minimum(lung / 30.0, 1)
    air = 0.74 * lung - in_lung * (hila + 2.6 * _vessels(canvas, a, rng))
    bronchus = np.minimum(v - 96, 0) < 0
    trachea = 15 * _dome(((u + 3) / 8.5) ** 2) * bronchus * (v > -70)
    air = np.maximum(air, 0) + trachea
    if a.stomach:
        air = air + 45 * _dome(_ellipse(u, v, (72, base + 34), (30, 15))) * (v > base + 26)

    # Bones.
    shell = bone.cortex_mm
    cortex = np.zeros(canvas.fine_shape, np.float32)
    marrow = np.zeros(canvas.fine_shape, np.float32)
    count = len(_RIB_REACH)
    posterior, anterior = [], []
    for side in (-1, 1):
        for i in range(count):
            behind, front = _rib(a, i, side)
            posterior.append(behind)
            if i < 9:
                anterior.append(front)
    fine_u = np.abs(cv2.resize(u, canvas.fine_shape[::-1], interpolation=cv2.INTER_LINEAR))
    stretch = 1 + 1.1 * np.clip(fine_u / (128 * a.widen), 0, 1) ** 10
    for lines, half_width in ((posterior, 6.2), (anterior, 6.8)):
        _add_tubes(canvas, cortex, marrow, lines, half_width, shell, 0.95, stretch)
    lift = a.clavicle
    bars, plates = [], []
    for side in (-1, 1):
        bars.append(
            np.array(
                [
                    [14, 34],
                    [34, 28],
                    [62, 24 + lift * 0.3],
                    [92, 12 + lift * 0.7],
                    [122, 3 + lift],
                    [152, 2 + lift],
                ]
            )
            * [side, 1]
        )
    lateral = 8 + a.shoulder
    for side in (-1, 1):
        plates.append(
            np.array([[118, 18], [150, 10], [166, 30], [160, 60], [140, 120], [126, 152], [118, 120]])
            * [side, 1]
            + [side * lateral, lift * 0.4]
        )
    for s in (-1, 1):
        bars.append(np.array([[128, 34], [150, 16], [172, 12]]) * [s, 1] + [s * lateral, lift * 0.4])
    _add_tubes(canvas, cortex, marrow, [_open(bar) for bar in bars], 6.0, 1.3 * shell, 0.95)
    humeri = [
        _smooth(
            np.array(
                [
                    [164, 30],
                    [180, 18],
                    [198, 26],
                    [205, 46],
                    [202, 80],
                    [205, 200],
                    [184, 200],
                    [182, 86],
                    [166, 62],
                ]
            )
            * [s, 1]
            + [s * lateral, lift * 0.4]
        )
        for s in (-1, 1)
    ]
    bone_cortex, bone_marrow = canvas.coarse(cortex), canvas.coarse(marrow)
    for polygons, radius, thickness, flat in (
        ([_smooth(p) for p in plates], 7.0, 0.9 * shell, 0.40),
        (humeri, 11.5, 1.9 * shell, 1.0),
    ):
        depth_in = canvas.inside(polygons)
        where = np.flatnonzero(depth_in.ravel() > 0)
        _add_shell(bone_cortex, bone_marrow, where, depth_in.ravel()[where], radius, thickness, flat)
    _add_spine(bone_cortex, bone_marrow, u, v, a, bone)
    body = tissue > 12
    bone_cortex, bone_marrow = bone_cortex * body, bone_marrow * body
    return PathLengths(np.maximum(tissue - air - bone_cortex - bone_marrow, 0), bone_cortex, bone_marrow)


def _open(points: np.ndarray) -> np.ndarray:
    """Open spline through the points."""
    ends = np.concatenate([points[:1], points, points[-1:]])
    return np.concatenate(
        [_segment(*ends[i : i + 4]) for i in range(len(points) - 1)] + [points[-1:].astype(float)]
    )


def _segment(p0, p1, p2, p3) -> np.ndarray:
    t = (np.arange(8) / 8)[:, None]
    return 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )


def _add_spine(
    cortex: np.ndarray, marrow: np.ndarray, u: np.ndarray, v: np.ndarray, a: Anatomy, bone: BoneState
) -> None:
    """Vertebral bodies with end plates, pedicles, spinous and transverse processes, added in a strip on the
    midline.
    """
    columns = np.flatnonzero((np.abs(u) < 48).any(axis=0))
    if columns.size == 0:
        return
    strip = np.s_[:, columns[0] : columns[-1] + 1]
    y = v[strip]
    x = u[strip] - np.float32(a.scoliosis) * np.sin(y / np.float32(70))
    phase = (y - np.float32(8)) / np.float32(a.vertebra)
    number = np.round(phase)
    dy = (phase - number) * np.float32(a.vertebra)
    grow = np.clip(number, 0, 14)
    half_w, half_h = 14.5 + 0.45 * grow, 8.6 + 0.06 * grow
    waist = half_w - 1.6 * (1 - (dy / half_h) ** 2)
    border = np.minimum(waist - np.abs(x), half_h - np.abs(dy))
    body = np.clip(border / 1.0, 0, 1)
    plate = np.exp(-0.5 * ((border - 0.5 * bone.cortex_mm) / (0.35 + 0.45 * bone.cortex_mm)) ** 2) * (
        border > -1
    )
    cortex[strip] += body * 2.0 * bone.cortex_mm + plate * 4.0 * bone.cortex_mm
    marrow[strip] += body * 17
    pedicle = np.sqrt(((np.abs(x) - 0.62 * half_w) / 3.6) ** 2 + ((dy + 2.5) / 5.0) ** 2)
    cortex[strip] += 4.2 * bone.cortex_mm * np.exp(-0.5 * ((pedicle - 1) / 0.25) ** 2)
    spinous = ((x) / 2.6) ** 2 + ((dy - 6) / 6.0) ** 2
    cortex[strip] += 3.4 * bone.cortex_mm * np.exp(-(spinous**2))
    marrow[strip] += 8 * np.exp(-(spinous**2))
    transverse = ((np.abs(x) - half_w - 7) / 9) ** 4 + ((dy + 4) / 3.6) ** 2
    marrow[strip] += 6 * np.exp(-(transverse**2))
    cortex[strip] += 1.2 * bone.cortex_mm * np.exp(-(transverse**2))


def lateral_paths(
    rows: int, columns: int, anatomy: Anatomy, bone: BoneState, rng: np.random.Generator
) -> PathLengths:
    """Path lengths of a lateral film: one lung field between sternum and spine, ribs across it."""
    a = anatomy
    canvas = _Canvas(rows, columns, a, top_mm=70.0)
    u, v = canvas.grid()
    front, back = -112.0 - 0.6 * a.fat, 128.0 + 0.4 * a.fat
    centre, reach = (front + back) / 2, (back - front) / 2
    level = v[:, v.shape[1] // 2]
    half = np.interp(level, [-110, -40, 20, 90, 400], [58, 64, 0.8 * reach, reach, reach]).astype(np.float32)[
        :, None
    ]
    width = np.interp(level, [-110, -30, 20, 400], [110, 130, 300, 290]).astype(np.float32)[:, None]
    tissue = width * np.sqrt(np.maximum(1 - ((u - np.float32(centre)) / half) ** 2, 0))
    base = 226 + a.inspiration
    outline = np.array(
        [
            [10, -4],
            [-40, 12],
            [-84, 60],
            [-96, 120],
            [-88, base - 34],
            [-30, base - 22],
            [40, base - 2],
            [92, base + 40],
            [100, 160],
            [88, 80],
            [60, 20],
        ],
        float,
    )
    lung_depth = canvas.inside([_smooth(outline)])
    lung = 190 * np.sqrt(np.maximum(1 - (1 - np.minimum(lung_depth / 40.0, 1)) ** 2, 0))
    heart = 120 * a.heart * _dome(_ellipse(u, v, (-38, base - 60), (52 * a.heart, 62), 0.5))
    air = 0.74 * np.maximum(lung - heart, 0)
    air = np.maximum(air - 2.0 * _vessels(canvas, a, rng) * (lung > 30), 0)
    cortex = np.zeros(canvas.fine_shape, np.float32)
    marrow = np.zeros(canvas.fine_shape, np.float32)
    ribs = []
    for i in range(9):
        top = 12 + a.rib_phase + a.vertebra * i
        ribs.append(_open(np.array([[96, top], [40, top + 30], [-20, top + 58], [-70, top + 74]], float)))
    _add_tubes(canvas, cortex, marrow, ribs, 5.5, bone.cortex_mm, 1.1)
    cortex, marrow = canvas.coarse(cortex), canvas.coarse(marrow)
    _add_spine(cortex, marrow, u - np.float32(86), v, a, bone)
    body = tissue > 12
    cortex, marrow = cortex * body, marrow * body
    return PathLengths(np.maximum(tissue - air - cortex - marrow, 0), cortex, marrow)
