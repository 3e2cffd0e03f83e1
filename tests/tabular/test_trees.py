"""The trees: out-of-fold scores blind to their own patients, the same bytes each time, missing values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.common.errors import StudyError
from scripts.tabular.fitting import fit_model
from scripts.tabular.kinds import trees
from scripts.tabular.predictors import Predictor, design

SETTINGS = {
    "trees": 40, "depth": 3, "learning_rate": 0.05, "subsample": 0.8, "column_sample": 0.8,
    "min_child_weight": 5.0, "l2": 1.0,
}  # fmt: skip
CLINICAL = (
    Predictor("sex", "sex"), *(Predictor(name) for name in ("age", "height_cm", "weight_kg", "bmi"))
)  # fmt: skip
PREDICTORS = {"clinical": CLINICAL, "combined": (*CLINICAL, Predictor("deep", "score"))}


def variables(cohort, model, deep=None):
    return design(cohort, PREDICTORS[model], {"deep": deep} if model == "combined" else {})


def fitted(cohort, deep, model, seed):
    return fit_model("trees", model, cohort, variables(cohort, model, deep), SETTINGS, seed)


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
    deep = frame[["patient_id", "image_id"]].assign(score=1 / (1 + np.exp(-(truth + draw.normal(0, 0.7, n)))))
    return frame, deep


def auc(labels, scores):
    positive, negative = scores[labels == 1], scores[labels == 0]
    return np.mean(positive[:, None] > negative[None, :])


@pytest.fixture(scope="module")
def train():
    return cohort_of(300)


def test_the_order_and_coding_of_variables(train):
    cohort, deep = train
    found = variables(cohort, "combined", deep.sample(frac=1, random_state=1))
    values = found.values
    assert found.names == ("sex", "age", "height_cm", "weight_kg", "bmi", "deep")
    assert values.shape == (300, 6) and values.dtype == np.float64
    assert np.array_equal(values[:, 0] == 1, cohort["sex"].eq("F")) and np.isnan(values[5, 0])
    assert np.array_equal(values[:, 1], cohort["age"])
    assert np.array_equal(np.isnan(values[:, 2]), cohort["height_cm"].isna())
    assert np.array_equal(values[:, 5], deep["score"])
    assert np.array_equal(variables(cohort, "clinical").values, values[:, :5], equal_nan=True)


def test_scores_find_the_signal_out_of_fold_and_outside(train):
    cohort, deep = train
    outside, outside_deep = cohort_of(300, seed=2, fold=False)
    for model, least in (("clinical", 0.80), ("combined", 0.88)):
        booster, out_of_fold = fitted(cohort, deep, model, seed=3)
        assert auc(cohort["label"].to_numpy(), out_of_fold["score"].to_numpy()) > least
        scores = booster.score(variables(outside, model, outside_deep))
        assert auc(outside["label"].to_numpy(), scores) > least
        assert out_of_fold["patient_id"].tolist() == cohort["patient_id"].tolist()
        assert out_of_fold["score"].between(0, 1).all()


def test_noise_gives_no_out_of_fold_signal(train):
    """Labels that follow nothing: in-sample scores look good, out-of-fold ones must not."""
    cohort, deep = train
    noise = cohort.assign(label=np.random.default_rng(9).permutation(cohort["label"].to_numpy()))
    unrelated = deep.assign(score=np.random.default_rng(10).uniform(size=len(deep)))
    booster, out_of_fold = fitted(noise, unrelated, "combined", seed=3)
    labels = noise["label"].to_numpy()
    assert auc(labels, booster.score(variables(noise, "combined", unrelated))) > 0.75
    assert abs(auc(labels, out_of_fold["score"].to_numpy()) - 0.5) < 0.12


@pytest.mark.parametrize("patient", [0, 7, 123])
def test_a_patients_label_has_no_part_in_the_scores_of_its_fold(train, patient):
    cohort, deep = train
    flipped = cohort.assign(label=cohort["label"].where(cohort.index != patient, 1 - cohort["label"]))
    _, before = fitted(cohort, deep, "combined", seed=3)
    _, after = fitted(flipped, deep, "combined", seed=3)
    own = before["fold"] == before.loc[patient, "fold"]
    assert before.loc[own, "score"].equals(after.loc[own, "score"])
    assert not before.loc[~own, "score"].equals(after.loc[~own, "score"])


def test_the_same_bytes_each_time(train, tmp_path):
    cohort, deep = train
    written = []
    for name in ("one", "two"):
        booster, out_of_fold = fitted(cohort, deep, "combined", seed=3)
        booster.write(tmp_path / f"{name}.json")
        written.append(((tmp_path / f"{name}.json").read_bytes(), out_of_fold["score"].to_numpy().tobytes()))
    assert written[0] == written[1]
    other, _ = fitted(cohort, deep, "combined", seed=4)
    other.write(tmp_path / "other.json")
    assert (tmp_path / "other.json").read_bytes() != written[0][0]


def test_a_written_model_scores_as_before(train, tmp_path):
    cohort, deep = train
    booster, _ = fitted(cohort, deep, "clinical", seed=3)
    values = variables(cohort, "clinical")
    booster.write(tmp_path / "model.json")
    assert np.array_equal(trees.read(tmp_path / "model.json").score(values), booster.score(values))
    (tmp_path / "broken.json").write_bytes(b"no model")
    with pytest.raises(StudyError, match="is not a model of XGBoost"):
        trees.read(tmp_path / "broken.json")


def test_missing_values_are_scored(train):
    cohort, deep = train
    booster, _ = fitted(cohort, deep, "combined", seed=3)
    bare = cohort.assign(sex="", height_cm=np.nan, weight_kg=np.nan, bmi=np.nan)
    scores = booster.score(variables(bare, "combined", deep))
    assert np.isfinite(scores).all() and auc(cohort["label"].to_numpy(), scores) > 0.8


def test_the_clinical_model_does_not_read_deep_scores(train):
    cohort, deep = train
    _, without = fitted(cohort, None, "clinical", seed=3)
    _, with_other = fitted(cohort, deep.assign(score=0.5), "clinical", seed=3)
    pd.testing.assert_frame_equal(without, with_other)


def test_importance(train):
    cohort, deep = train
    booster, _ = fitted(cohort, deep, "combined", seed=3)
    table = booster.variables(variables(cohort, "combined", deep))
    assert table["variable"].tolist() == [one.name for one in PREDICTORS["combined"]]
    assert table.loc[table["gain"].idxmax(), "variable"] == "deep"
    splits = sum(
        '"split": ' in line
        for tree in booster.booster.get_dump(dump_format="json")
        for line in tree.replace(",", ",\n").splitlines()
    )
    assert table["n_splits"].sum() == splits


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.iloc[1:], "1 patients of one have no partner"),
        (lambda d: pd.concat([d, d.head(2)]), "2 patients of one have no partner, or several"),
        (lambda d: d.assign(image_id=["other", *d["image_id"][1:]]), "2 patients of one"),
        (
            lambda d: d.assign(score=[np.nan, *d["score"][1:]]),
            "1 scores of the model .deep. are missing or no probabilities",
        ),
        (
            lambda d: d.assign(score=[1.5, *d["score"][1:]]),
            "1 scores of the model .deep. are missing or no probabilities",
        ),
    ],
)
def test_deep_scores_that_do_not_fit_are_refused(train, change, words):
    cohort, deep = train
    with pytest.raises(StudyError, match=words):
        variables(cohort, "combined", change(deep))
