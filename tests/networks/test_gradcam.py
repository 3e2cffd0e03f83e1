"""Heat maps: against autograd's Grad-CAM, signed, in units of the logit, of cases chosen by rule."""

import numpy as np
import pytest
import torch

from scripts.common.errors import StudyError
from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.networks.cells import pooling
from scripts.networks.csv_tables import csv_text, read_csv
from scripts.networks.films import FilmStack
from scripts.networks.gradcam import choose_cases, draw_cases, evidence_map, explain_cases
from scripts.networks.kinds.hybrid import HybridNetwork
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
    changes = {"trunk_sees": "film", "block_size": 50, "read_out": "token_and_mean"}
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


@pytest.mark.parametrize("trunk_sees", ["block", "film"])
def test_a_norm_on_the_features_leaves_the_blocks_told_apart(settings, trunk_sees):
    """Each block adds to the logit what its normalised features add, by their own gradient."""
    torch.manual_seed(4)
    changes = {"block_size": 64, "feature_norm": True, "trunk_sees": trunk_sees}
    network = HybridNetwork(HybridArchitecture(**{**settings["architecture"], **changes})).eval()
    torch.nn.init.normal_(network.feature_norm.weight, 1, 0.3)
    torch.nn.init.normal_(network.feature_norm.bias)
    films = torch.randn(2, 1, 192, 192)
    with torch.no_grad():
        maps = network.last_maps(films)
        features = network.pool(maps)
        normed = network.feature_norm(features)
        scored = network(films)[0]
    torch.testing.assert_close(network.logits(features)[0].detach(), scored, atol=1e-5, rtol=1e-4)
    seen = []
    hook = network.feature_norm.register_forward_hook(lambda _, __, out: seen.append(out) or out)
    logit = network.logits(features.clone().requires_grad_())[0].sum()
    hook.remove()
    (gradient,) = torch.autograd.grad(logit, seen[0])
    added = (gradient * (normed - network.feature_norm.bias)).sum(-1)
    got = network.evidence(films)
    torch.testing.assert_close(got.sum((1, 2)), added.sum(1), atol=1e-5, rtol=1e-3)
    assert added.abs().min() > 1e-6
    if trunk_sees == "block":
        k = got.shape[-1] // network.grid
        blocks = got.unflatten(1, (-1, k)).unflatten(3, (-1, k)).sum((2, 4)).flatten(1)
        torch.testing.assert_close(blocks, added, atol=1e-5, rtol=1e-3)


def test_evidence_is_signed_and_does_not_depend_on_the_number_of_places():
    class Fixed:
        """A network whose evidence is given."""

        def __init__(self, evidence):
            self._evidence = torch.as_tensor(evidence)

        def evidence(self, films):
            return self._evidence

    one, other = Fixed([[[4.0, 0.0], [2.0, -3.0]]]), Fixed([[[0.0, 0.0], [0.0, -1.0]]])
    assert evidence_map([one, other], None).tolist() == [[[8, 0], [4, -8]]]
    fine = Fixed(
        torch.tensor([[[4.0, 0.0], [2.0, -3.0]]]).repeat_interleave(2, 1).repeat_interleave(2, 2) / 4
    )
    assert evidence_map([fine], None).mean() == evidence_map([one], None).mean() == 3
    assert evidence_map([fine], None).amax() == evidence_map([one], None).amax() == 16


def patients(scores, labels):
    return [
        {"patient_id": f"p{n}", "score": str(s), "label": str(y)}
        for n, (s, y) in enumerate(zip(scores, labels))
    ]


def test_the_most_certain_cases_of_each_kind_are_chosen():
    rows = patients([0.9, 0.8, 0.95, 0.77, 0.76, 0.1, 0.2, 0.05, 0.24], [1, 1, 1, 0, 0, 0, 0, 1, 1])
    chosen = [(kind, row["patient_id"]) for kind, row in choose_cases(rows, 0.5, 2)]
    assert chosen == [
        ("TP", "p2"),
        ("TP", "p0"),
        ("FP", "p3"),
        ("FP", "p4"),
        ("TN", "p5"),
        ("TN", "p6"),
        ("FN", "p7"),
        ("FN", "p8"),
    ]


def test_no_film_near_the_threshold_is_called_certain():
    """Odds three times those at the threshold, or a third of them, are far enough."""
    rows = patients([0.44, 0.46, 0.45, 0.16, 0.1], [0, 1, 0, 0, 1])
    assert choose_cases(rows[:3], 0.452, 2) == []
    far = [(kind, row["score"]) for kind, row in choose_cases(rows, 0.452, 2)]
    assert far == [("TN", "0.16"), ("FN", "0.1")]
    for threshold, score, certain in ((0.5, 0.7501, 1), (0.5, 0.7499, 0), (0.1, 0.2501, 1), (0.1, 0.2499, 0)):
        assert len(choose_cases(patients([score], [1]), threshold, 2)) == certain
    assert len(choose_cases(patients([0.0, 1.0], [1, 1]), 0.0, 2)) == 1  # a threshold that nothing lies below


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

    def explain(name, learned="yes"):
        write_text(
            tmp_path / "learning.csv", f"model,fold,learned\nnet,0,no\nother,all,no\nnet,all,{learned}\n"
        )
        explain_cases(
            "net",
            tmp_path / "predictions.csv",
            tmp_path / "thresholds.csv",
            tmp_path / "learning.csv",
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
    assert maps["film"].shape == maps["evidence"].shape == (11, 96, 96)
    assert maps["grid"].shape == (11, 3, 3)
    assert maps["film"].dtype == np.uint16 and maps["evidence"].dtype == np.float32
    assert (maps["grid"] > 0).any() and (maps["grid"] < 0).any()
    assert len(set(np.abs(maps["grid"]).max((1, 2)))) > 1  # not each film to its own maximum
    np.testing.assert_allclose(maps["evidence"].mean((1, 2)), maps["grid"].mean((1, 2)), atol=0.2)
    stack = FilmStack(cache, 96)
    for n, image_id in enumerate(maps["image_id"]):
        film = next(f for f in stack.films if f.image_id == image_id)
        original = np.load(cache / "films.npy")[film.row].astype(int)
        assert abs(maps["film"][n].astype(int) - original).max() <= 1
    explain("b")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    explain("c", learned="no")
    cases = read_csv(tmp_path / "c.csv", ())
    assert [c["chosen"] for c in cases] == ["random"] * 3
    assert np.load(tmp_path / "c.npz")["image_id"].tolist() == [c["image_id"] for c in cases]
    with pytest.raises(StudyError, match="learning.csv' needs exactly one row"):
        explain("d", learned="yes\nnet,all,no")
