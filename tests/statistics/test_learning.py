"""Whether a model learned: made-up networks that collapsed, of which a fold lags, that were begun twice, and
that learned.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from scripts.common.contracts.networks import HELD_OUT, HISTORY
from scripts.common.contracts.statistics import LEARNING
from scripts.common.errors import StudyError
from scripts.common.tables import write_table
from scripts.statistics.learning import Training, learning_table, read_training

FOLDS, OF_EACH = 5, 50


def patients(signal: float, spread: float, middle: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Training patients of five folds and their score ``net``; ``signal`` is the distance of the classes in
    SDs, ``spread`` the SD of the logits around ``middle``."""
    rng = np.random.default_rng(seed)
    n = FOLDS * OF_EACH
    label = np.tile([0, 1], n // 2)
    raw = signal * (label - 0.5) + rng.normal(size=n)
    logit = middle + spread * (raw - raw.mean()) / raw.std()
    return pd.DataFrame(
        {
            "set": "train",
            "fold": np.repeat(range(FOLDS), OF_EACH),
            "label": label,
            "net": 1 / (1 + np.exp(-logit)),
        }
    )


def trainings(frame: pd.DataFrame, **attempts: int) -> list[Training]:
    return [
        Training(
            str(k),
            k,
            part["label"].to_numpy(),
            part["net"].to_numpy(),
            0.5 + k / 10,
            attempts.get(f"f{k}", 1),
        )
        for k, part in frame.groupby("fold")
    ]


def judged(frame: pd.DataFrame, own: list[Training] | None = None) -> pd.DataFrame:
    own = trainings(frame) if own is None else own
    return learning_table(frame, {"net": own}, {"net": "random"}, 0.95).set_index("fold")


def test_a_network_that_learned():
    frame = patients(1.5, 1.6)
    table = judged(frame)
    assert list(table.reset_index()[list(LEARNING)]) == list(LEARNING)
    assert list(table.index) == ["all", "0", "1", "2", "3", "4"]
    assert set(table["finding"]) == {"learned"} and set(table["learned"]) == {"yes"}
    assert table.loc["all", "auc"] == pytest.approx(roc_auc_score(frame["label"], frame["net"]), abs=1e-12)
    assert table.loc["all", "auc_low"] > 0.5 and table.loc["all", "sd_logit"] == pytest.approx(1.6)
    assert table.loc["3", "loss"] == 0.8 and table.loc["all", "loss"] == pytest.approx(0.7)
    assert list(table["n"]) == [250, *[50] * 5] and list(table["attempts"]) == [1] * 6


def test_a_network_that_collapsed_ranks_and_still_learned_nothing():
    """All scores lie between .43 and .47, though they rank the patients far better than chance."""
    table = judged(patients(1.5, 0.02, middle=-0.2))
    assert table["lowest"].min() > 0.43 and table["highest"].max() < 0.47
    assert table.loc["all", "auc_low"] > 0.7
    assert set(table["finding"]) == {"nothing_learned"} and set(table["learned"]) == {"no"}


def test_wide_scores_that_tell_nothing():
    """The interval of the AUC holds .5; of a fold alone that would be no wonder, but no fold is said to have
    learned where all together did not.
    """
    table = judged(patients(0.0, 1.5))
    assert table.loc["all", "auc_low"] < 0.5 < table.loc["all", "auc_high"]
    assert (table.loc["all", "finding"], table.loc["all", "learned"]) == ("nothing_learned", "no")
    assert not (table["auc_low"] > 0.5).any() and set(table["finding"][1:]) == {"nothing_learned"}


def test_a_fold_that_shows_it_learned_where_all_together_show_nothing():
    frame = patients(-0.5, 1.5)
    own = frame["fold"] == 2
    frame.loc[own, "net"] = patients(2.0, 1.5).loc[own, "net"]
    table = judged(frame)
    assert table.loc["2", "auc_low"] > 0.5 and table.loc["2", "learned"] == "yes"
    assert table.loc["all", "learned"] == table.loc["1", "learned"] == "no"


def test_scores_the_wrong_way_round_are_not_learned():
    table = judged(patients(-1.5, 1.5))
    assert table.loc["all", "auc_high"] < 0.5 and table.loc["all", "finding"] == "nothing_learned"


def test_classes_without_an_overlap_are_learned():
    frame = patients(1.0, 1.0)
    frame["net"] = 0.2 + 0.5 * frame["label"] + 0.001 * np.arange(len(frame)) / len(frame)
    table = judged(frame)
    assert np.isnan(table.loc["all", "auc_low"]) and set(table["finding"]) == {"learned"}


@pytest.mark.parametrize(("share", "finding"), [(0.02, "nothing_learned"), (0.25, "lags"), (0.5, "learned")])
def test_a_fold_of_a_small_spread(share, finding):
    frame = patients(1.5, 1.6)
    logit = np.log(frame["net"] / (1 - frame["net"]))
    frame["net"] = 1 / (1 + np.exp(-logit.where(frame["fold"] != 2, share * logit)))
    table = judged(frame)
    assert table.loc["2", "finding"] == finding
    assert table.loc["all", "finding"] == ("learned" if finding == "learned" else "lags")
    assert table.loc["all", "learned"] == "yes"
    assert set(table["finding"].drop(["2", "all"])) == {"learned"}


def test_a_fold_that_ranks_worse_than_the_others_lags():
    frame = patients(3.0, 2.0)
    rng = np.random.default_rng(1)
    inside = frame["fold"] == 4
    frame.loc[inside, "net"] = rng.permutation(frame.loc[inside, "net"].to_numpy())
    table = judged(frame)
    assert table.loc["4", "finding"] == "lags" and table.loc["4", "learned"] == "no"
    assert table.loc["4", "sd_logit"] > 1 and table.loc["4", "auc_high"] < 0.9 < table.loc["3", "auc"]


def test_equal_folds_lag_seldom():
    """Of folds that are alike one lags by its AUC in few studies."""
    found = [judged(patients(1.2, 1.2, seed=s))["finding"].iloc[0] for s in range(100)]
    assert set(found) == {"learned", "lags"} or set(found) == {"learned"}
    assert found.count("lags") <= 6


def test_a_training_that_was_begun_twice():
    frame = patients(1.5, 1.6)
    table = judged(frame, trainings(frame, f3=2))
    assert list(table["finding"]) == ["restarted", *["learned"] * 3, "restarted", "learned"]
    assert set(table["learned"]) == {"yes"} and table.loc["all", "attempts"] == 2


def test_seeds_are_judged_one_by_one():
    """One seed of a fold collapsed; the fold's mean hides it."""
    frame = patients(1.5, 1.6)
    flat = Training("1_seed_1", 1, np.tile([0, 1], 25), np.linspace(0.44, 0.46, 50), 0.69, 1)
    table = judged(frame, [*trainings(frame), flat])
    assert table.loc["1_seed_1", "finding"] == "nothing_learned" and table.loc["1", "finding"] == "learned"
    assert table.loc["all", "finding"] == "lags"


def test_a_model_on_embeddings_is_told_by_its_folds():
    table = judged(patients(1.5, 1.6), [])
    assert list(table.index) == ["all", "0", "1", "2", "3", "4"] and set(table["finding"]) == {"learned"}
    assert table["loss"].isna().all() and table["attempts"].isna().all()


@pytest.mark.parametrize("attempts", [None, 2])
def test_a_training_from_its_files(tmp_path, attempts):
    """A record of before has no number of attempts: it was one."""
    held_out = {name: ["P1", "P2"] for name in HELD_OUT} | {
        "fold": [3, 3],
        "label": [0, 1],
        "score": [0.2, 0.75],
    }
    write_table(pd.DataFrame(held_out), tmp_path / "held_out.csv", HELD_OUT)
    history = pd.DataFrame({name: [0.9, 0.4] for name in HISTORY}).assign(epoch=[1, 2])
    write_table(history, tmp_path / "history.csv", HISTORY)
    told = {"device": "cpu", "torch": "2"} | ({"attempts": attempts} if attempts else {})
    (tmp_path / "trained_on.json").write_text(json.dumps(told))
    paths = [tmp_path / name for name in ("held_out.csv", "history.csv", "trained_on.json")]
    training = read_training("3_seed_1", *paths)
    assert (training.run, training.fold, training.loss, training.attempts) == (
        "3_seed_1",
        3,
        0.4,
        attempts or 1,
    )
    assert training.scores.tolist() == [0.2, 0.75] and training.labels.tolist() == [0, 1]
    write_table(history.iloc[:0], tmp_path / "history.csv", HISTORY)
    with pytest.raises(StudyError, match="history.csv"):
        read_training("3_seed_1", *paths)
