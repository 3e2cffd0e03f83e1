"""Random changes to films: real, inside their ranges, and the same for the same seed."""

import pytest
import torch

from scripts.deep.augmentation import augment, draw_changes
from scripts.deep.settings import Augmentation

NONE = {"flip": 0, "rotation": 0, "crop_scale": [1, 1], "shift": 0, "brightness": 0, "contrast": 0}


@pytest.fixture
def films():
    x = torch.randn(6, 1, 32, 32, generator=torch.Generator().manual_seed(3))
    return (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True)


def test_without_changes_films_stay_as_they_are(films):
    torch.testing.assert_close(augment(films, 1, Augmentation(**NONE)), films, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"flip": 1},
        {"rotation": 10},
        {"crop_scale": [0.8, 0.9]},
        {"shift": 0.1},
        {"brightness": 0.3},
        {"contrast": 0.3},
    ],
)
def test_every_change_changes_the_input_of_the_network(films, change):
    changed = augment(films, 1, Augmentation(**{**NONE, **change}))
    assert ((changed - films).abs().amax((1, 2, 3)) > 1e-3).all()


def test_brightness_and_contrast_survive_the_z_score(films):
    brighter = augment(films, 1, Augmentation(**{**NONE, "brightness": 0.5}))
    shift = (brighter - films).mean((1, 2, 3))
    assert shift.abs().max() <= 0.5 and shift.std() > 0.05
    stretched = augment(films, 1, Augmentation(**{**NONE, "contrast": 0.4})).std((2, 3)).squeeze()
    assert (stretched >= 0.59).all() and (stretched <= 1.41).all() and stretched.std() > 0.05


def test_flip_is_left_right(films):
    torch.testing.assert_close(
        augment(films, 1, Augmentation(**{**NONE, "flip": 1})), films.flip(3), atol=1e-5, rtol=1e-5
    )


def test_zoom_enlarges_the_middle():
    film = torch.zeros(1, 1, 40, 40)
    film[..., 15:25, 15:25] = 1
    assert augment(film, 1, Augmentation(**{**NONE, "crop_scale": [2, 2]})).sum() == pytest.approx(
        400, rel=0.05
    )


def test_changes_depend_on_the_seed_only(films, settings):
    options = settings["augmentation"]
    assert torch.equal(augment(films, 5, Augmentation(**options)), augment(films, 5, Augmentation(**options)))
    assert not torch.equal(
        augment(films, 5, Augmentation(**options)), augment(films, 6, Augmentation(**options))
    )
    matrices, contrast, brightness = draw_changes(500, 5, Augmentation(**options))
    assert 200 < (torch.det(matrices[:, :, :2]) < 0).sum() < 300
    assert brightness.abs().max() <= 0.1 and (contrast - 1).abs().max() <= 0.1
    scale = 1 / torch.det(matrices[:, :, :2]).abs().sqrt()
    assert scale.min() >= 0.899 and scale.max() <= 1.101
