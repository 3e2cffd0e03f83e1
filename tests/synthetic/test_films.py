"""What the films show of bone density, and what they don't."""

import numpy as np
import pytest

from scripts.synthetic.anatomy import bone_state
from scripts.synthetic.cohort_plan import plan_center
from scripts.synthetic.detector import DETECTORS, film_shape, thoracic_window
from scripts.synthetic.radiograph import simulate_film

SEED = 20260317
SIZE = 200


def auc(labels, scores):
    labels, scores = np.asarray(labels, bool), np.asarray(scores, float)
    pairs = scores[labels][:, None] - scores[~labels][None, :]
    return float((pairs > 0).mean() + 0.5 * (pairs == 0).mean())


def film(detector, name="p", number=1, t_score=-2.0, exposure="normal", lateral=False, size=SIZE):
    """A film as shares of the full range, bright where the body is dense."""
    stored = simulate_film(
        (SEED, "c", name),
        number,
        "F",
        64,
        157.0,
        23.0,
        t_score,
        detector,
        size,
        lateral=lateral,
        exposure=exposure,
    )
    shares = stored.astype(float) / (2**detector.bits - 1)
    return 1 - shares if detector.inverted else shares


ALL = [machine for several in DETECTORS.values() for machine in several]


@pytest.mark.parametrize("detector", ALL, ids=lambda d: d.vendor)
def test_a_normal_film_passes_the_exposure_rules(detector):
    for k in range(4):
        window = thoracic_window(film(detector, name=f"p{k}"))
        low, high = np.percentile(window, [1, 99])
        assert high - low >= 0.35
        assert 0.25 < window.mean() < 0.75
        assert ((window <= 0) | (window >= 1)).mean() < 0.002
        rows, columns = window.shape
        middle = window[: rows // 2, int(columns * 0.44) : int(columns * 0.56)]
        lungs = window[: rows // 2, int(columns * 0.22) : int(columns * 0.32)]
        assert np.median(lungs) < np.median(middle) - 0.05


@pytest.mark.parametrize("detector", ALL, ids=lambda d: d.vendor)
def test_badly_exposed_films_break_the_exposure_rules(detector):
    under = thoracic_window(film(detector, exposure="under"))
    assert np.subtract(*np.percentile(under, [99, 1])) < 0.05
    over = thoracic_window(film(detector, exposure="over"))
    assert ((over <= 0) | (over >= 1)).mean() > 0.05


def test_size_is_the_longer_side_and_every_size_works():
    for machine in ALL:
        assert max(film_shape(440, machine)) == 440
    for size in (64, 96, 720):
        assert max(film(ALL[0], size=size).shape) == size
    assert film(ALL[0], lateral=True).shape == film(ALL[0]).shape


def test_bone_follows_the_t_score_without_steps():
    scores = np.linspace(-5, 1, 61)
    for name in ("cortex_mm", "cortex_density", "trabecular_density", "texture"):
        values = np.array([getattr(bone_state(t), name) for t in scores])
        steps = np.diff(values)
        assert (steps > 0).all()
        assert steps.max() < 0.1 * (values[-1] - values[0])


def test_the_same_chest_with_other_bone_has_the_same_brightness():
    for k in range(5):
        weak = film(ALL[0], name=f"q{k}", t_score=-4.5)
        strong = film(ALL[0], name=f"q{k}", t_score=0.5)
        assert thoracic_window(weak).mean() == pytest.approx(thoracic_window(strong).mean(), abs=0.02)
        assert np.abs(weak - strong).max() > 0.05


def _texture(image):
    """SD of fine detail in the middle of the chest, over the film's own SD."""
    rows, columns = image.shape
    detail = image[1:-1, 1:-1] - (image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]) / 4
    return detail[rows // 5 : rows * 4 // 5, columns // 5 : columns * 4 // 5].std() / image.std()


@pytest.fixture(scope="module", params=[True, False], ids=["signal", "no_signal"])
def cohort(request):
    """(signal on?, labels, T-scores, films) of 140 patients of one machine."""
    simulate = {
        "like": "internal",
        "n_op": 70,
        "n_non_op": 70,
        "film_size": SIZE,
        "density_signal": request.param,
        "trouble": False,
    }
    patients = plan_center(SEED, "c", simulate)
    films = []
    for p in patients:
        who = p.person
        stored = simulate_film(
            (SEED, "c", p.name), 1, who.sex, who.age, who.height_cm, who.bmi, p.bone_t_score, ALL[0], SIZE
        )
        films.append(stored / (2 ** ALL[0].bits - 1))
    return request.param, [p.person.op for p in patients], [p.person.t_score for p in patients], films


def test_brightness_tells_nothing(cohort):
    _, labels, _, films = cohort
    windows = [thoracic_window(image) for image in films]
    for measure in (np.mean, np.median):
        assert 0.4 < auc(labels, [measure(w) for w in windows]) < 0.6
        assert 0.4 < auc(labels, [measure(image) for image in films]) < 0.6
    assert 0.3 < auc(labels, [image.std() for image in films]) < 0.7


def test_texture_tells_bone_density_only_where_the_signal_is_on(cohort):
    on, labels, t_scores, films = cohort
    texture = [_texture(image) for image in films]
    low_means_op = 1 - auc(labels, texture)
    if on:
        assert low_means_op > 0.85
        assert low_means_op < 0.995  # ribs and spine don't tell all about the hip
        assert np.corrcoef(texture, t_scores)[0, 1] > 0.6
    else:
        assert 0.38 < low_means_op < 0.62
