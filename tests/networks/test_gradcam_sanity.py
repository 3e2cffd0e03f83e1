"""Whether a heat map depends on what was learned: after Adebayo et al., "Sanity checks for saliency maps",
NeurIPS 2018.

A network is trained on noise films in which a bright patch, somewhere, decides the label. Half of the films
of each label also have a dark patch of the same size and contrast that tells nothing: whatever stands out
draws the map of an untrained network too. The map must find the bright patch on films that the network has
not seen, and must not survive that the weights are drawn anew.
"""

import copy
import hashlib

import cv2
import numpy as np
import pytest
import torch

from scripts.common.files import write_text
from scripts.networks.csv_tables import csv_text
from scripts.networks.films import FilmStack
from scripts.networks.gradcam import evidence_map
from scripts.networks.kinds.hybrid import HybridNetwork
from scripts.networks.kinds.hybrid_architecture import HybridArchitecture
from scripts.networks.loop import FoldTraining, train
from scripts.networks.member import Member
from scripts.networks.scoring import auc
from scripts.networks.settings import settings_of

SIDE, PATCH, TRAINING, FRESH = 128, 20, 128, 160
SEEDS = (7, 8, 9)
ARCHITECTURE = {
    "grid": 4, "block_size": 32, "trunk_width": 8, "layers": 2, "heads": 4, "mlp_ratio": 4, "dropout": 0.0,
    "head_hidden": 16,
}  # fmt: skip


@pytest.fixture(scope="module")
def patch_films(tmp_path_factory):
    """A stack of films, the odd ones with a bright patch and label 1, and the upper left corners of bright
    and dark patches.
    """
    rng = np.random.default_rng(3)
    films, rows, corners = np.zeros((TRAINING + FRESH, SIDE, SIDE), np.uint16), [], []
    for i in range(len(films)):
        texture = cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE)), (0, 0), 3)
        film = 0.4 + rng.uniform(-0.1, 0.1) + 0.3 * texture + 0.02 * rng.normal(size=(SIDE, SIDE))
        bright, dark = rng.integers(0, SIDE - PATCH, (2, 2))
        while np.abs(bright - dark).max() < 2 * PATCH:
            dark = rng.integers(0, SIDE - PATCH, 2)
        for (r, c), change in ((bright, 0.35 * (i % 2)), (dark, -0.35 * (i // 2 % 2))):
            film[r : r + PATCH, c : c + PATCH] += change
        films[i] = (np.clip(film, 0, 1) * 65535).astype(np.uint16)
        corners.append((tuple(bright.tolist()), tuple(dark.tolist())))
        digest = hashlib.sha256(films[i].tobytes()).hexdigest()
        fold = 1 if i < TRAINING else 0
        # one mean and SD for all films: with its own, a film's texture would tell everywhere whether there is
        # a bright patch
        rows.append((i, f"i{i:03d}", f"p{i:03d}", i % 2, fold, 0.4 * 65535, 0.1 * 65535, digest))
    folder = tmp_path_factory.mktemp("patch")
    np.save(folder / "films.npy", films)
    header = ("row", "image_id", "patient_id", "label", "fold", "mean", "sd", "sha256")
    write_text(folder / "index.csv", csv_text(header, rows))
    return FilmStack(folder, SIDE), corners


@pytest.fixture(scope="module")
def trained(patch_films):
    """Networks after four epochs over the training films, from weights of their own; the report's maps are a
    mean over networks too.
    """
    torch.set_num_threads(1)
    training = {
        "epochs": 4, "batch_size": 8, "learning_rate": 0.015, "momentum": 0.9, "weight_decay": 1e-4,
        "warmup_fraction": 0.25,
        "clip_norm": 1.0, "local_weight": 1.0, "norm_batches": 0, "precision": "fp32", "compile": False,
    }  # fmt: skip
    augmentation = {
        "flip": 0.5,
        "rotation": 0.0,
        "crop_scale": [1.0, 1.0],
        "shift": 0.0,
        "brightness": 0.1,
        "contrast": 0.1,
    }
    stack, _ = patch_films
    learnt = [f for f in stack.films if f.fold == 1]
    fresh = [f for f in stack.films if f.fold == 0]

    networks = []
    for seed in SEEDS:
        settings = {
            "seed": seed,
            "init": "random",
            "cpu_threads": 1,
            "architecture": ARCHITECTURE,
            "training": training,
            "augmentation": augmentation,
        }
        run = FoldTraining(Member("net", 0), len(learnt), settings_of(settings, "hybrid"), None, stack.device)
        for _ in train(run, stack, learnt, fresh):
            pass
        assert auc([f.label for f in fresh], run.held_out) > 0.95
        networks.append(run.settled.eval())
    return networks


@pytest.fixture(scope="module")
def fresh_positives(patch_films):
    """Films with both patches that the network has not seen, z-scored, and the map's cells that each patch
    touches, (2, n, 4, 4).
    """
    stack, corners = patch_films
    films = [f for f in stack.films if f.fold == 0 and f.row % 4 == 3]
    cell = SIDE // 4
    touched = np.zeros((2, len(films), 4, 4), bool)
    for n, film in enumerate(films):
        for kind, (top, left) in enumerate(corners[film.row]):
            touched[
                kind,
                n,
                top // cell : (top + PATCH - 1) // cell + 1,
                left // cell : (left + PATCH - 1) // cell + 1,
            ] = True
    return stack.batch([f.row for f in films]), touched


def pointing_game(networks, films, touched):
    """Share of films whose highest cell touches the patch, for each kind of patch (Zhang et al., ECCV
    2016).
    """
    highest = evidence_map(networks, films).flatten(1).argmax(1).numpy()
    return touched.reshape(2, len(films), -1)[:, np.arange(len(films)), highest].mean(1)


def correlations(a, b):
    """Pearson correlation of each film's two maps, (n,)."""
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(a.flatten(1).numpy(), b.flatten(1).numpy())])


def drawn_anew(count):
    """Networks with weights of their own and no training."""
    for seed in range(count):
        torch.manual_seed(seed)
        yield HybridNetwork(HybridArchitecture(**ARCHITECTURE)).eval()


def test_the_map_finds_the_patch_that_decides_the_label(trained, fresh_positives):
    films, touched = fresh_positives
    by_chance = touched[0].mean()
    bright, dark = pointing_game(trained, films, touched)
    assert by_chance < 0.2
    assert bright > 2.5 * by_chance
    assert bright > dark + 0.1


def test_drawing_the_weights_anew_destroys_the_map(trained, fresh_positives):
    films, _ = fresh_positives
    learnt = evidence_map(trained, films)
    generator = torch.Generator().manual_seed(1)
    nearly = copy.deepcopy(trained)
    with torch.no_grad():
        for p in (p for network in nearly for p in network.parameters()):
            p.add_(0.002 * p.std(correction=0) * torch.randn(p.shape, generator=generator))
    assert correlations(learnt, evidence_map(nearly, films)).mean() > 0.9  # the measure itself can tell
    anew = np.array([correlations(learnt, other.evidence(films)).mean() for other in drawn_anew(30)])
    assert abs(anew.mean()) < 0.15
    assert np.abs(anew).mean() < 0.4
