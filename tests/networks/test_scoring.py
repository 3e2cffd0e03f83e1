"""Scores: the same for a film whatever else is scored with it; the AUC; the collection of a set's scores."""

import numpy as np
import pytest
import torch

from scripts.common.errors import StudyError
from scripts.common.files import write_text
from scripts.common.log import Log
from scripts.networks.csv_tables import csv_text, read_csv
from scripts.networks.films import FilmStack
from scripts.networks.kinds.hybrid import HybridNetwork, cut_blocks
from scripts.networks.kinds.hybrid_architecture import HybridArchitecture
from scripts.networks.out_of_fold import collect_out_of_fold
from scripts.networks.scoring import SCORING_MEMORY, auc, films_per_forward, for_scoring, probabilities
from scripts.networks.set_scores import score_set
from scripts.networks.training_store import weights_bytes
from scripts.networks.trunks.fused_resnet import can_fuse


def trained_like(settings, seed):
    """A network whose BatchNorm has statistics of its own, as after training."""
    torch.manual_seed(seed)
    network = HybridNetwork(HybridArchitecture(**settings["architecture"]))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    return network


def test_folded_batch_norm_gives_the_same_logits(settings, cache):
    network = trained_like(settings, 1)
    films = FilmStack(cache, 96).batch(range(4))
    fused = for_scoring(network)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in fused.modules())
    with torch.no_grad():
        expected = network.eval()(films)
        got = fused(films)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 0.02)])
def test_convolutions_with_their_sums_in_one_pass_give_the_same(settings, cache, precision, tolerance):
    if not can_fuse(precision):
        pytest.skip(f"this CPU or this PyTorch has no fused convolutions in {precision}")
    fused = for_scoring(trained_like(settings, 1))
    blocks = cut_blocks(FilmStack(cache, 96).batch(range(2)), 3)
    with torch.inference_mode():
        before, expected = blocks.clone(), fused.trunk(blocks)
        got = fused.trunk.scorer("cpu", precision)(blocks)
    assert torch.equal(blocks, before) and got.shape == expected.shape and (expected > 0).any()
    assert ((got.float() - expected).abs().max() / expected.abs().max()).item() < tolerance


def test_scores_are_the_networks_own(settings, cache):
    network = trained_like(settings, 1)
    stack = FilmStack(cache, 96)
    with torch.no_grad():
        expected = torch.sigmoid(network.eval()(stack.batch(range(5)))[0]).numpy()
    for precision, tolerance in (("fp32", 1e-5), ("bf16", 0.02)):
        got = probabilities([for_scoring(network)], stack, range(5), precision)[:, 0]
        assert np.abs(got - expected).max() < tolerance


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_films_score_depends_on_no_other_film(settings, cache, at_once):
    stack = FilmStack(cache, 96)
    networks = [for_scoring(trained_like(settings, seed)) for seed in (1, 2)]
    everything = probabilities(networks, stack, range(40), "fp32", at_once)
    assert everything.shape == (40, 2) and len(np.unique(everything)) == 80
    some = [33, 5, 6, 0, 17]
    assert (probabilities(networks, stack, some, "fp32", at_once) == everything[some]).all()
    assert (probabilities(networks[1:], stack, [39], "fp32", at_once) == everything[39:, 1:]).all()


def test_films_at_once_follow_from_the_geometry_alone(settings):
    paper = {**settings["architecture"], "grid": 6, "block_size": 256, "trunk_width": 64, "heads": 8}
    with torch.device("meta"):
        network = HybridNetwork(HybridArchitecture(**paper))
    assert films_per_forward(network, "cpu", "fp32") == films_per_forward(network, "cpu", "bf16") == 1
    # a map of the first convolution: 36 blocks, 64 channels of 128 x 128
    film = 36 * 64 * 128 * 128
    for precision, size in (("fp32", 4), ("bf16", 2)):
        n = films_per_forward(network, "cuda", precision)
        assert 4 * size * film * n <= SCORING_MEMORY < 2 * 4 * size * film * n
    assert (
        films_per_forward(HybridNetwork(HybridArchitecture(**settings["architecture"])), "cuda", "fp32") == 64
    )


@pytest.mark.parametrize("at_once", ["auto", "3"])
def test_precision_and_films_at_once_are_the_configs(settings, cache, tmp_path, at_once):
    settings["training"]["precision"] = "bf16"
    path = tmp_path / "weights.pt"
    path.write_bytes(weights_bytes(trained_like(settings, 1), settings["training"]["precision"], 0))
    got = {}
    for precision in ("trained", "bf16", "fp32"):
        score_set(
            cache,
            [path],
            tmp_path / "scores.csv",
            "cpu",
            1,
            Log(tmp_path / "log", "test", echo=False),
            precision,
            at_once,
        )
        got[precision] = np.array([float(row["score"]) for row in read_csv(tmp_path / "scores.csv", ())])
        assert (
            f"{'fp32' if precision == 'fp32' else 'bf16'}, {3 if at_once == '3' else 1} film(s) at once"
            in (tmp_path / "log").read_text()
        )
    assert (got["trained"] == got["bf16"]).all()
    assert (got["fp32"] != got["bf16"]).any()
    np.testing.assert_allclose(got["fp32"], got["bf16"], atol=0.05)


def test_too_little_memory_is_said_with_the_key_to_change(settings, cache, tmp_path, monkeypatch):
    path = tmp_path / "weights.pt"
    path.write_bytes(weights_bytes(trained_like(settings, 1), settings["training"]["precision"], 0))

    def full(*given):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(HybridNetwork, "logits", full)
    for at_once, said in (("4", "films_per_forward' to less than 4"), ("1", "bf16")):
        with pytest.raises(StudyError, match=said):
            score_set(
                cache,
                [path],
                tmp_path / "scores.csv",
                "cpu",
                1,
                Log(None, "test", echo=False),
                "fp32",
                at_once,
            )


def test_auc_counts_pairs():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 60), rng.integers(0, 12, 60) / 12
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[labels == 1] for b in scores[labels == 0]]
    assert auc(labels, scores) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert auc([0, 1], [0.1, 0.2]) == 1.0
    assert np.isnan(auc([1, 1], [0.1, 0.2]))


def test_a_test_sets_score_is_the_mean_of_the_trainings_probabilities(settings, cache, tmp_path):
    paths = []
    for fold, run in enumerate(("fold_0", "fold_1_seed_1", "fold_2")):
        path = tmp_path / run / "weights.pt"
        path.parent.mkdir()
        path.write_bytes(weights_bytes(trained_like(settings, fold), settings["training"]["precision"], fold))
        paths.append(path)
    score_set(cache, paths, tmp_path / "scores.csv", "cpu", 1, Log(None, "test", echo=False))
    rows = read_csv(tmp_path / "scores.csv", ())
    assert list(rows[0]) == ["patient_id", "image_id", "score", "raw", "fold_0", "fold_1_seed_1", "fold_2"]
    assert [row["image_id"] for row in rows] == [f"image{n:03d}" for n in range(40)]
    stack = FilmStack(cache, 96)
    expected = probabilities([for_scoring(trained_like(settings, 1))], stack, range(40), "fp32")[:, 0]
    assert [float(row["fold_1_seed_1"]) for row in rows] == expected.tolist()
    for row in rows:
        assert row["raw"] == row["score"]
        assert float(row["score"]) == pytest.approx(
            np.mean([float(row[name]) for name in list(row)[4:]]), abs=1e-15
        )


def test_cut_weights_are_refused_with_a_sentence(settings, cache, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(weights_bytes(trained_like(settings, 0), settings["training"]["precision"], 0)[:-500])
    with pytest.raises(StudyError, match="comes from the store"):
        score_set(cache, [path], tmp_path / "scores.csv", "cpu", 1, Log(None, "test", echo=False))


def held_out(folder, run, fold, images, more=0.0):
    path = folder / "net" / f"fold_{run}" / "held_out.csv"
    rows = [(f"patient{i:03d}", f"image{i:03d}", fold, i % 2, 0.1 + i / 100 + more) for i in images]
    write_text(path, csv_text(("patient_id", "image_id", "fold", "label", "score"), rows))
    return path


def test_training_patients_get_the_score_of_the_fold_that_held_them_out(cache, tmp_path):
    index = read_csv(cache / "index.csv", ())
    folds = {k: [int(r["row"]) for r in index if r["fold"] == str(k)] for k in range(5)}
    paths = [held_out(tmp_path, k, k, folds[k]) for k in range(5)]
    collect_out_of_fold(cache / "index.csv", paths, tmp_path / "train.csv")
    rows = read_csv(tmp_path / "train.csv", ("patient_id", "image_id", "score", "raw", "fold"))
    assert len(rows) == 40 and all(row["raw"] == row["score"] for row in rows)
    assert [float(r["score"]) for r in rows] == [0.1 + i / 100 for i in range(40)]
    assert [r["fold"] for r in rows] == [r["fold"] for r in index]

    seeds = [*paths, *(held_out(tmp_path, f"{k}_seed_1", k, folds[k], 0.2) for k in range(5))]
    collect_out_of_fold(cache / "index.csv", seeds, tmp_path / "seeds.csv")
    means = [float(r["score"]) for r in read_csv(tmp_path / "seeds.csv", ())]
    assert means == pytest.approx([0.2 + i / 100 for i in range(40)], abs=1e-12)

    lines = (cache / "index.csv").read_text().splitlines()
    more = ["99,image099,patient000,0,0,1.0,1.0,,1"]
    rows = [f"{lines[0]},further", *more, *(f"{line}," for line in lines[1:])]
    (tmp_path / "index.csv").write_text("\n".join(rows) + "\n")
    collect_out_of_fold(tmp_path / "index.csv", paths, tmp_path / "further.csv")
    assert (tmp_path / "further.csv").read_bytes() == (tmp_path / "train.csv").read_bytes()

    wrong = {
        "scores a film of another fold": [*paths[:4], held_out(tmp_path, 9, 9, folds[4])],
        "scored 0 to 1 times": paths[:4],
        "scored 1 to 2 times": [*paths, seeds[-1]],
        "not in the training set": [*paths, held_out(tmp_path, 7, 4, [77])],
    }
    for said, given in wrong.items():
        with pytest.raises(StudyError, match=f"{said}.*Delete '{tmp_path / 'net'}' and run again"):
            collect_out_of_fold(cache / "index.csv", given, tmp_path / "again.csv")
