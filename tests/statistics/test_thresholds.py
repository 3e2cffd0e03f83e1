"""Thresholds: from train rows only, ties by the stated rule."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.common.contracts.cohort import PREDICTIONS
from scripts.common.contracts.statistics import THRESHOLDS
from scripts.common.errors import StudyError
from scripts.common.tables import write_table
from scripts.statistics.thresholds import cut_points, for_sensitivity, freeze, read_thresholds, youden
from scripts.statistics.waist import read_predictions, with_cohort

MODELS = ["deep", "clinical", "combined"]


def test_test_patients_change_nothing(predictions):
    before = freeze(predictions, MODELS, "youden", None)
    changed = predictions.copy()
    test = changed["set"] != "train"
    changed.loc[test, MODELS] = 0.01
    changed.loc[test, "label"] = 1 - changed.loc[test, "label"]
    assert freeze(changed, MODELS, "youden", None).equals(before)
    train = changed["set"] == "train"
    changed.loc[train, "label"] = 1 - changed.loc[train, "label"]
    assert not freeze(changed, MODELS, "youden", None).equals(before)


def test_youden_is_the_best_of_all_cuts():
    rng = np.random.default_rng(4)
    for _ in range(50):
        labels = rng.permutation(np.repeat([1, 0], rng.integers(1, 12, 2)))
        scores = rng.integers(0, 8, len(labels)) / 8
        best = {
            cut: (scores[labels == 1] >= cut).mean() - (scores[labels == 0] >= cut).mean()
            for cut in cut_points(scores)
        }
        chosen = youden(labels, scores)
        top = max(best.values())
        assert best[chosen] == pytest.approx(top, abs=1e-12)
        assert chosen == min(cut for cut, value in best.items() if value > top - 1e-12)


def test_ties_go_to_the_most_sensitive_threshold():
    # cutting below 0.4 and below 0.8 both give an index of 0.5
    labels = np.array([0, 0, 1, 0, 0, 1])
    scores = np.array([0.1, 0.2, 0.4, 0.5, 0.6, 0.8])
    labels[3] = labels[4] = 0
    assert youden(labels, scores) == pytest.approx(0.3)


def test_neighbouring_floats_still_part():
    high = np.nextafter(0.5, 1)
    cuts = cut_points(np.array([0.5, high]))
    assert cuts.tolist() == [0.5, high]
    assert youden(np.array([0, 1]), np.array([0.5, high])) == high


def test_sensitivity_and_value(predictions):
    train = predictions[predictions["set"] == "train"]
    labels, scores = train["label"].to_numpy(), train["deep"].to_numpy()
    cut = for_sensitivity(labels, scores, 0.9)
    assert (scores[labels == 1] >= cut).mean() >= 0.9
    higher = cut_points(scores)[cut_points(scores) > cut]
    assert all((scores[labels == 1] >= c).mean() < 0.9 for c in higher)
    table = freeze(predictions, MODELS, "value", 0.4)
    assert (table["threshold"] == 0.4).all() and (table["rule"] == "value 0.4").all()
    assert freeze(predictions, MODELS, "sensitivity", 0.9)["sensitivity"].min() >= 0.9
    assert freeze(predictions, MODELS, "sensitivity", 1.0)["sensitivity"].min() == 1.0


def test_constant_scores_call_everyone_positive(predictions):
    predictions["deep"] = 0.3
    row = freeze(predictions, MODELS, "youden", None).set_index("model").loc["deep"]
    assert (row["threshold"], row["sensitivity"], row["specificity"]) == (0.3, 1.0, 0.0)


def test_written_and_read_to_the_last_digit(predictions, tmp_path):
    table = freeze(predictions, MODELS, "youden", None)
    write_table(table, tmp_path / "thresholds.csv", THRESHOLDS)
    assert read_thresholds(tmp_path / "thresholds.csv", MODELS) == dict(
        zip(table["model"], table["threshold"], strict=True)
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"deep": np.nan}, "missing or not a number"),
        ({"clinical": 1.2}, "range 0 to 1"),
        ({"label": 2}, "0 or 1"),
    ],
)
def test_bad_scores_are_refused_without_naming_anybody(predictions, tmp_path, change, words):
    who = predictions.index[predictions["set"] == "external_1"][0]
    for column, value in change.items():
        predictions.loc[who, column] = value
    write_table(predictions, tmp_path / "predictions.csv", PREDICTIONS)
    with pytest.raises(StudyError, match=words) as refused:
        read_predictions(tmp_path / "predictions.csv")
    assert predictions.loc[who, "patient_id"] not in str(refused.value)


def test_one_class_in_train_is_refused(predictions):
    predictions = predictions[(predictions["set"] != "train") | (predictions["label"] == 1)]
    with pytest.raises(StudyError, match="one of the two classes"):
        freeze(predictions, MODELS, "youden", None)


def test_any_model_names_pass(predictions, cohort, tmp_path):
    own = predictions.rename(columns={"deep": "my_score"}).drop(columns=["clinical", "combined"])
    own.to_csv(tmp_path / "predictions.csv", index=False)
    frame, models = read_predictions(tmp_path / "predictions.csv")
    assert models == ["my_score"]
    cohort.to_csv(tmp_path / "cohort.csv", index=False)
    assert len(with_cohort(frame, tmp_path / "cohort.csv")) == len(cohort)
    cohort.head(50).to_csv(tmp_path / "cohort.csv", index=False)
    with pytest.raises(StudyError, match="different runs"):
        with_cohort(frame, tmp_path / "cohort.csv")
    cohort.assign(label=1 - cohort["label"]).to_csv(tmp_path / "cohort.csv", index=False)
    with pytest.raises(StudyError, match="differ"):
        with_cohort(frame, tmp_path / "cohort.csv")
