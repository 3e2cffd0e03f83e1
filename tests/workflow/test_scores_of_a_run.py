"""Who scored whom in a finished run: no patient by a network that trained on him; every score follows from
the published weights.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from scripts.networks.arithmetic import exact_arithmetic
from scripts.networks.films import FilmStack, data_hash, split_fold
from scripts.networks.member import Member
from scripts.networks.scoring import for_scoring, probabilities
from scripts.networks.settings import settings_of
from scripts.networks.trained_networks import load_networks
from scripts.networks.training_store import fold_key

FOLDS = range(5)


def read(study, name):
    return pd.read_csv(study.path / "results" / name, dtype={"patient_id": str, "image_id": str})


@pytest.fixture(scope="module")
def cohort(finished):
    return read(finished, "cohort/cohort.csv")


@pytest.fixture(scope="module")
def training_films(finished):
    side = torch.load(finished.path / "results/models/deep/fold_0/weights.pt", weights_only=True)[
        "architecture"
    ]
    return FilmStack(finished.path / "state/cache/192/train", side["grid"] * side["block_size"])


def networks_of(study, folds):
    exact_arithmetic(1)
    networks, precision = load_networks(
        [study.path / f"results/models/deep/fold_{k}/weights.pt" for k in folds], torch.device("cpu")
    )
    return [for_scoring(network) for network in networks], precision


def test_the_folds_networks_saw_training_patients_only(cohort, training_films):
    """What the folds are trained from holds the cohort's training patients, each with the cohort's fold, and
    nobody else.
    """
    train = cohort[cohort["set"] == "train"].set_index("patient_id")
    seen = pd.DataFrame(
        [(f.patient_id, f.image_id, f.fold, f.label) for f in training_films.films],
        columns=["patient_id", "image_id", "fold", "label"],
    )
    assert seen["patient_id"].is_unique and set(seen["patient_id"]) == set(train.index)
    for row in seen.itertuples():
        assert (row.image_id, row.fold, row.label) == tuple(
            train.loc[row.patient_id, ["image_id", "fold", "label"]]
        )
    others = set(cohort.loc[cohort["set"] != "train", "patient_id"])
    assert others and not others & set(seen["patient_id"])


def test_no_patient_was_scored_by_a_fold_that_trained_on_him(finished, cohort, training_films):
    train = cohort[cohort["set"] == "train"]
    out_of_fold = read(finished, "models/deep/out_of_fold.csv").set_index("patient_id")
    predictions = read(finished, "predictions.csv").set_index("patient_id")
    scored = []
    for k in FOLDS:
        trained_on, _ = split_fold(training_films.films, k)
        held_out = read(finished, f"models/deep/fold_{k}/held_out.csv")
        assert set(held_out["patient_id"]) == set(train.loc[train["fold"] == k, "patient_id"])
        assert not set(held_out["patient_id"]) & {film.patient_id for film in trained_on}
        assert (held_out["fold"] == k).all()
        for row in held_out.itertuples():
            assert (
                out_of_fold.loc[row.patient_id, "score"]
                == row.score
                == predictions.loc[row.patient_id, "deep"]
            )
            assert out_of_fold.loc[row.patient_id, "fold"] == k
        scored += list(held_out["patient_id"])
    assert sorted(scored) == sorted(train["patient_id"]) == sorted(out_of_fold.index)


def test_the_published_weights_are_of_the_training_that_held_those_patients_out(finished, training_films):
    """The store knows a fold by a hash of the films that it trained on and held out: the weights lie under
    that very hash.
    """
    for k in FOLDS:
        weights = (finished.path / f"results/models/deep/fold_{k}/weights.pt").read_bytes()
        places = [
            p.parent
            for p in (finished.path / "state/store").glob("*/weights.pt")
            if p.read_bytes() == weights
        ]
        assert places
        record = json.loads((places[0] / "record.json").read_text())
        settings, member = settings_of(record["settings"], record["kind"]), Member("deep", k)
        key, another = (
            fold_key(data_hash(*split_fold(training_films.films, n)), settings, member, None)
            for n in (k, (k + 1) % 5)
        )
        assert record["run"] == str(k) and key in [place.name for place in places]
        assert another not in [place.name for place in places]


def test_out_of_fold_scores_come_out_again_from_the_folds_weights(finished, training_films):
    """Bit for bit, and another fold's weights give other scores."""
    row_of = {film.image_id: film.row for film in training_films.films}
    networks, precision = networks_of(finished, FOLDS)
    for k in FOLDS:
        held_out = read(finished, f"models/deep/fold_{k}/held_out.csv")
        rows = [row_of[image] for image in held_out["image_id"]]
        again = probabilities(networks, training_films, rows, precision)
        assert (again[:, k] == held_out["score"].to_numpy()).all()
        for other in set(FOLDS) - {k}:
            assert (again[:, other] != held_out["score"].to_numpy()).any()


@pytest.mark.parametrize("name", ["internal_test", "external_1", "external_2"])
def test_test_scores_are_the_mean_of_all_folds_and_come_out_again(finished, cohort, name):
    scores = read(finished, f"models/deep/scores/{name}.csv")
    assert sorted(scores["patient_id"]) == sorted(cohort.loc[cohort["set"] == name, "patient_id"])
    networks, precision = networks_of(finished, FOLDS)
    stack = FilmStack(finished.path / f"state/cache/192/{name}", 192)
    assert [film.image_id for film in stack.films] == list(scores["image_id"])
    columns = [f"fold_{k}" for k in FOLDS]
    assert (probabilities(networks, stack, range(len(stack)), precision) == scores[columns].to_numpy()).all()
    np.testing.assert_allclose(scores["score"], scores[columns].mean(axis=1), rtol=0, atol=1e-15)


def test_the_folds_table_has_the_ensembles_auc_of_table_2(finished):
    folds, table2 = read(finished, "statistics/folds.csv"), read(finished, "statistics/table2.csv")
    ensemble = folds[folds["fold"] == "ensemble"].set_index("set")
    deep = table2[table2["model"] == "deep"].set_index("set")
    assert list(ensemble.index) == list(deep.index) and len(folds) == 6 * len(deep)
    for column in ("n", "n_pos", "auc", "auc_low", "auc_high"):
        np.testing.assert_allclose(
            ensemble[column].astype(float), deep[column].astype(float), rtol=0, atol=1e-12
        )


def test_the_first_answer_is_that_of_the_models_without_a_network(finished, cohort):
    """Its AUCs follow from the table of all predictions, and no network was needed for them."""
    table = read(finished, "statistics/first_answer.csv").set_index("model")
    assert list(table.index) == ["clinical", "age", "logistic", "osta", "habits"]
    predictions = read(finished, "predictions.csv")
    train = predictions[predictions["set"] == "train"]
    for model, row in table.iterrows():
        op, other = (train.loc[train["label"] == label, model].to_numpy() for label in (1, 0))
        right = (op[:, None] > other).mean() + (op[:, None] == other).mean() / 2
        assert row["auc"] == pytest.approx(right) and (row["n"], row["n_pos"]) == (len(train), len(op))
    assert "train_fold" not in finished.snakemake("-n", "--forceall", "--", "first_answer")
