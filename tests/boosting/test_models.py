"""The trees: out-of-fold scores blind to their own patients, the same bytes each time, missing values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.boosting.models import (
    FEATURES,
    fit_model,
    importance,
    read_model,
    score,
    variables,
    write_model,
)
from scripts.common.config import Boosting
from scripts.common.errors import StudyError

SETTINGS = Boosting(trees=40).model_dump(mode="json")


def cohort_of(n, seed=1, fold=True):
    """Patients whose label follows age and an image score; some heights, weights and sexes are missing."""
    draw = np.random.default_rng(seed)
    age, height, weight = draw.uniform(41, 90, n), draw.normal(160, 8, n), draw.normal(60, 10, n)
    truth = (age - 65) / 12 + draw.normal(0, 1.0, n)
    height[::17] = np.nan
    frame = pd.DataFrame(
        {
            "patient_id": [f"P{seed}{i:04d}" for i in range(n)],
            "image_id": [f"I{seed}{i:04d}" for i in range(n)],
            "label": (truth > 0.3).astype(int),
            "sex": draw.choice(["F", "M"], n),
            "age": age.astype(int),
            "height_cm": height,
            "weight_kg": weight,
            "bmi": weight / (height / 100) ** 2,
            "fold": pd.array(np.arange(n) % 5 if fold else [pd.NA] * n, dtype="Int64"),
        }
    )
    frame.loc[5, "sex"] = ""
    deep = frame[["patient_id", "image_id"]].assign(deep=1 / (1 + np.exp(-(truth + draw.normal(0, 0.7, n)))))
    return frame, deep


def auc(labels, scores):
    positive, negative = scores[labels == 1], scores[labels == 0]
    return np.mean(positive[:, None] > negative[None, :])


@pytest.fixture(scope="module")
def train():
    return cohort_of(300)


def test_the_order_and_coding_of_variables(train):
    cohort, deep = train
    values = variables(cohort, "combined", deep.sample(frac=1, random_state=1))
    assert FEATURES["combined"] == ("sex", "age", "height_cm", "weight_kg", "bmi", "deep")
    assert values.shape == (300, 6) and values.dtype == np.float64
    assert np.array_equal(values[:, 0] == 1, cohort["sex"].eq("F")) and np.isnan(values[5, 0])
    assert np.array_equal(values[:, 1], cohort["age"])
    assert np.array_equal(np.isnan(values[:, 2]), cohort["height_cm"].isna())
    assert np.array_equal(values[:, 5], deep["deep"])
    assert np.array_equal(variables(cohort, "clinical"), values[:, :5], equal_nan=True)


def test_scores_find_the_signal_out_of_fold_and_outside(train):
    cohort, deep = train
    outside, outside_deep = cohort_of(300, seed=2, fold=False)
    for model, least in (("clinical", 0.80), ("combined", 0.88)):
        booster, out_of_fold = fit_model(cohort, deep, model, SETTINGS, seed=3)
        assert auc(cohort["label"].to_numpy(), out_of_fold["score"].to_numpy()) > least
        scores = score(booster, variables(outside, model, outside_deep), model)
        assert auc(outside["label"].to_numpy(), scores) > least
        assert out_of_fold["patient_id"].tolist() == cohort["patient_id"].tolist()
        assert out_of_fold["score"].between(0, 1).all()


def test_noise_gives_no_out_of_fold_signal(train):
    """Labels that follow nothing: in-sample scores look good, out-of-fold ones must not."""
    cohort, deep = train
    noise = cohort.assign(label=np.random.default_rng(9).permutation(cohort["label"].to_numpy()))
    unrelated = deep.assign(deep=np.random.default_rng(10).uniform(size=len(deep)))
    booster, out_of_fold = fit_model(noise, unrelated, "combined", SETTINGS, seed=3)
    labels = noise["label"].to_numpy()
    assert auc(labels, score(booster, variables(noise, "combined", unrelated), "combined")) > 0.75
    assert abs(auc(labels, out_of_fold["score"].to_numpy()) - 0.5) < 0.12


@pytest.mark.parametrize("patient", [0, 7, 123])
def test_a_patients_label_has_no_part_in_the_scores_of_its_fold(train, patient):
    cohort, deep = train
    flipped = cohort.assign(label=cohort["label"].where(cohort.index != patient, 1 - cohort["label"]))
    _, before = fit_model(cohort, deep, "combined", SETTINGS, seed=3)
    _, after = fit_model(flipped, deep, "combined", SETTINGS, seed=3)
    own = before["fold"] == before.loc[patient, "fold"]
    assert before.loc[own, "score"].equals(after.loc[own, "score"])
    assert not before.loc[~own, "score"].equals(after.loc[~own, "score"])


def test_the_same_bytes_each_time(train, tmp_path):
    cohort, deep = train
    written = []
    for name in ("one", "two"):
        booster, out_of_fold = fit_model(cohort, deep, "combined", SETTINGS, seed=3)
        write_model(booster, tmp_path / f"{name}.ubj")
        written.append(((tmp_path / f"{name}.ubj").read_bytes(), out_of_fold["score"].to_numpy().tobytes()))
    assert written[0] == written[1]
    other, _ = fit_model(cohort, deep, "combined", SETTINGS, seed=4)
    write_model(other, tmp_path / "other.ubj")
    assert (tmp_path / "other.ubj").read_bytes() != written[0][0]


def test_a_written_model_scores_as_before(train, tmp_path):
    cohort, deep = train
    booster, _ = fit_model(cohort, deep, "clinical", SETTINGS, seed=3)
    values = variables(cohort, "clinical")
    write_model(booster, tmp_path / "model.ubj")
    assert np.array_equal(
        score(read_model(tmp_path / "model.ubj"), values, "clinical"), score(booster, values, "clinical")
    )
    (tmp_path / "broken.ubj").write_bytes(b"no model")
    with pytest.raises(StudyError, match="is not a model of XGBoost"):
        read_model(tmp_path / "broken.ubj")


def test_missing_values_are_scored(train):
    cohort, deep = train
    booster, _ = fit_model(cohort, deep, "combined", SETTINGS, seed=3)
    bare = cohort.assign(sex="", height_cm=np.nan, weight_kg=np.nan, bmi=np.nan)
    scores = score(booster, variables(bare, "combined", deep), "combined")
    assert np.isfinite(scores).all() and auc(cohort["label"].to_numpy(), scores) > 0.8


def test_the_clinical_model_does_not_read_deep_scores(train):
    cohort, deep = train
    _, without = fit_model(cohort, None, "clinical", SETTINGS, seed=3)
    _, with_other = fit_model(cohort, deep.assign(deep=0.5), "clinical", SETTINGS, seed=3)
    pd.testing.assert_frame_equal(without, with_other)


def test_importance(train):
    cohort, deep = train
    booster, _ = fit_model(cohort, deep, "combined", SETTINGS, seed=3)
    table = importance(booster, "combined")
    assert table["feature"].tolist() == list(FEATURES["combined"])
    assert table.loc[table["gain"].idxmax(), "feature"] == "deep"
    splits = sum(
        '"split": ' in line
        for tree in booster.get_dump(dump_format="json")
        for line in tree.replace(",", ",\n").splitlines()
    )
    assert table["n_splits"].sum() == splits


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.iloc[1:], "1 patients of one have no partner"),
        (lambda d: pd.concat([d, d.head(2)]), "2 patients of one have no partner, or several"),
        (lambda d: d.assign(image_id=["other", *d["image_id"][1:]]), "2 patients of one"),
        (lambda d: d.assign(deep=[np.nan, *d["deep"][1:]]), "1 deep scores are missing or no probabilities"),
        (lambda d: d.assign(deep=[1.5, *d["deep"][1:]]), "1 deep scores are missing or no probabilities"),
    ],
)
def test_deep_scores_that_do_not_fit_are_refused(train, change, words):
    cohort, deep = train
    with pytest.raises(StudyError, match=words):
        variables(cohort, "combined", change(deep))
