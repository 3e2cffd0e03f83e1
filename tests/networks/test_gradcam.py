"""Heat maps: against autograd's Grad-CAM, one normalisation per film, cases by rule."""

import numpy as np
import pytest
import torch

from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.networks.csv_tables import csv_text, read_csv
from scripts.networks.films import FilmStack
from scripts.networks.gradcam import choose_cases, draw_cases, explain_cases, heat_map
from scripts.networks.kinds.hybrid import HybridNetwork, pooling
from scripts.networks.kinds.hybrid_architecture import HybridArchitecture
from scripts.networks.training_store import weights_bytes


def hybrid(settings):
    return HybridNetwork(HybridArchitecture(**settings["architecture"]))


@pytest.fixture
def network(settings):
    torch.manual_seed(4)
    return HybridNetwork(HybridArchitecture(**{**settings["architecture"], "block_size": 64})).eval()


def test_a_blocks_map_is_its_maps_weighed_by_the_gradient_of_their_means(network):
    """Grad-CAM (Selvaraju et al. 2017), block by block: one weight a block and channel."""
    films = torch.randn(2, 1, 192, 192)
    got = network.evidence(films)
    assert got.shape == (2, 6, 6)
    maps = network.last_maps(films).detach()
    features = maps.mean((2, 3)).view(2, 9, -1).requires_grad_()
    (alpha,) = torch.autograd.grad(network.logits(features)[0].sum(), features)
    hires = (maps * alpha.reshape(18, -1, 1, 1) / 4).sum(1)
    for film, r, c in ((0, 0, 1), (1, 2, 0), (1, 1, 2)):
        block = got[film, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2]
        torch.testing.assert_close(block, hires[9 * film + 3 * r + c], atol=1e-7, rtol=1e-4)


def test_of_a_whole_film_the_maps_evidence_sums_to_that_of_the_cells(settings):
    """The mean over cells lies inside the network, so gradient times maps is what gradient times means is."""
    torch.manual_seed(4)
    changes = {"trunk_sees": "film", "block_size": 50, "feature_norm": True, "read_out": "token_and_mean"}
    network = HybridNetwork(HybridArchitecture(**settings["architecture"] | changes)).eval()
    films = torch.randn(2, 1, 150, 150)
    got = network.evidence(films)
    assert got.shape == (2, 5, 5)  # a thirty-second of the side, rounded up, under a grid of 3
    features = network.pool(network.last_maps(films)).detach().requires_grad_()
    (alpha,) = torch.autograd.grad(network.logits(features)[0].sum(), features)
    torch.testing.assert_close(got.sum((1, 2)), (alpha * features).sum((1, 2)).detach(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("height", "grid"), [(6, 3), (5, 3), (14, 6), (2, 3), (1, 1)])
def test_a_cell_is_the_mean_of_what_lies_in_it(height, grid):
    weights = pooling(height, grid).double()
    torch.testing.assert_close(weights.sum(0), torch.ones(grid * grid).double())
    fine = torch.randn(height, height).double()
    # on a raster that both divide, the mean over a cell is plain
    raster = fine.repeat_interleave(grid, 0).repeat_interleave(grid, 1)
    expected = raster.view(grid, height, grid, height).mean((1, 3))
    torch.testing.assert_close((fine.flatten() @ weights).view(grid, grid), expected, atol=1e-6, rtol=1e-6)


def test_a_film_is_normalised_once_not_block_by_block():
    evidence = torch.tensor([[[4.0, 0.0], [2.0, -3.0]], [[-1.0, -2.0], [-3.0, -4.0]]])
    assert heat_map(evidence).tolist() == [[[1, 0], [0.5, 0]], [[0, 0], [0, 0]]]


def patients(scores, labels):
    return [
        {"patient_id": f"p{n}", "score": str(s), "label": str(y)}
        for n, (s, y) in enumerate(zip(scores, labels))
    ]


def test_the_most_certain_cases_of_each_kind_are_chosen():
    rows = patients([0.9, 0.8, 0.95, 0.5, 0.7, 0.1, 0.2, 0.05, 0.3], [1, 1, 1, 0, 0, 0, 0, 1, 1])
    chosen = [(kind, row["patient_id"]) for kind, row in choose_cases(rows, 0.5, 2)]
    assert chosen == [
        ("TP", "p2"),
        ("TP", "p0"),
        ("FP", "p4"),
        ("FP", "p3"),
        ("TN", "p5"),
        ("TN", "p6"),
        ("FN", "p7"),
        ("FN", "p8"),
    ]


def test_a_random_sample_depends_on_no_order_and_on_no_score():
    rows = patients([n / 40 for n in range(40)], [n % 2 for n in range(40)])
    drawn = [row["patient_id"] for _, row in draw_cases(rows, 0.5, 5, 7)]
    assert len(set(drawn)) == 5
    assert [row["patient_id"] for _, row in draw_cases(rows[::-1], 0.5, 5, 7)] == drawn
    turned = [{**row, "score": str(1 - float(row["score"]))} for row in rows]
    assert [row["patient_id"] for _, row in draw_cases(turned, 0.5, 5, 7)] == drawn
    assert [row["patient_id"] for _, row in draw_cases(rows, 0.5, 5, 8)] != drawn
    newer = [row["patient_id"] for _, row in draw_cases([*rows, *patients([0.5], [1])], 0.5, 5, 7)]
    assert len(set(newer) & set(drawn)) >= 4
    kinds = {row["patient_id"]: kind for kind, row in draw_cases(rows, 0.5, 40, 7)}
    assert [kinds[f"p{n}"] for n in (0, 1, 38, 39)] == ["TN", "FN", "FP", "TP"]
    times = np.zeros(40)
    for seed in range(400):
        for _, row in draw_cases(rows, 0.5, 4, seed):
            times[int(row["patient_id"][1:])] += 1
    assert times.min() > 15 and times.max() < 75  # 40 each are expected, SD 6


def test_cases_and_maps_belong_together_and_repeat(cache, settings, tmp_path):
    weights = []
    for fold in range(2):
        torch.manual_seed(fold)
        path = tmp_path / f"{fold}.pt"
        path.write_bytes(weights_bytes(hybrid(settings), "fp32", fold))
        weights.append(path)
    index = read_csv(cache / "index.csv", ())
    rows = [(r["patient_id"], "internal_test", r["label"], 0.02 * int(r["row"])) for r in index]
    rows += [("stranger", "external_1", 1, 0.99)]
    write_text(tmp_path / "predictions.csv", csv_text(("patient_id", "set", "label", "net"), rows))
    write_text(tmp_path / "thresholds.csv", "model,threshold,rule\nother,0.9,youden\nnet,0.4,youden\n")

    def explain(name):
        explain_cases(
            "net",
            tmp_path / "predictions.csv",
            tmp_path / "thresholds.csv",
            "internal_test",
            cache,
            weights,
            2,
            3,
            20,
            tmp_path / f"{name}.csv",
            tmp_path / f"{name}.npz",
            "cpu",
            1,
            Log(None, "test", echo=False),
        )

    explain("a")
    cases = read_csv(
        tmp_path / "a.csv", ("set", "image_id", "patient_id", "kind", "score", "label", "threshold", "chosen")
    )
    maps = np.load(tmp_path / "a.npz", allow_pickle=False)
    assert [c["kind"] for c in cases[:8]] == ["TP", "TP", "FP", "FP", "TN", "TN", "FN", "FN"]
    assert [c["chosen"] for c in cases] == ["certain"] * 8 + ["random"] * 3
    assert maps["image_id"].tolist() == [c["image_id"] for c in cases]
    assert {c["threshold"] for c in cases} == {"0.4"} and {c["set"] for c in cases} == {"internal_test"}
    assert maps["film"].shape == maps["heat"].shape == (11, 96, 96)
    assert maps["grid"].shape == (11, 3, 3)
    assert maps["film"].dtype == np.uint16 and maps["heat"].dtype == np.float32
    assert maps["heat"].min() >= 0 and maps["heat"].max() <= 1
    assert ((maps["grid"].max((1, 2)) == 1) | (maps["grid"].max((1, 2)) == 0)).all() and maps[
        "grid"
    ].max() == 1
    stack = FilmStack(cache, 96)
    for n, image_id in enumerate(maps["image_id"]):
        film = next(f for f in stack.films if f.image_id == image_id)
        original = np.load(cache / "films.npy")[film.row].astype(int)
        assert abs(maps["film"][n].astype(int) - original).max() <= 1
    explain("b")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
