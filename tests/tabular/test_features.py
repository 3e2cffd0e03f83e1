"""The head on embeddings: its penalty is chosen without the fold that is scored, and every film is there."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from scripts.common.errors import StudyError
from scripts.tabular.embeddings import embedding_design, read_embeddings, together
from scripts.tabular.fitting import fit_model, variable_table
from scripts.tabular.kinds import features
from scripts.tabular.kinds.linear import ridge_logistic
from scripts.tabular.predictors import Design
from scripts.tabular.progress import penalty_at_the_end

SETTINGS = {"penalties": [0.1, 10.0, 1000.0]}


def made(n=80, columns=120, signal=1.0, seed=0):
    """Patients whose embedding tells the label in its first ten columns."""
    draw = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    values = draw.normal(size=(n, columns))
    values[:, :10] += signal * (labels[:, None] - 0.5)
    train = pd.DataFrame(
        {
            "patient_id": [f"P{i}" for i in range(n)],
            "image_id": [f"I{i}" for i in range(n)],
            "label": labels,
            "fold": np.arange(n) // 2 % 5,
        }
    )
    return train, Design(tuple(f"e{j}" for j in range(columns)), values)


def auc(labels, scores):
    positive, negative = scores[labels == 1], scores[labels == 0]
    return np.mean(positive[:, None] > negative[None, :])


@pytest.mark.parametrize("penalty", [0.01, 5.0, 1e5])
def test_the_fit_in_the_patients_space_is_the_ridge_solution(penalty):
    draw = np.random.default_rng(1)
    values, labels = draw.normal(size=(40, 90)), (np.arange(40) % 3 == 0).astype(int)
    direct = ridge_logistic(values, labels, penalty)
    products = values @ values.T
    for start in (None, draw.normal(size=40)):
        weights, intercept = features.ridge_in_span(products, labels, penalty, start)
        assert values.T @ weights == pytest.approx(direct[0], abs=1e-7)
        assert intercept == pytest.approx(direct[1], abs=1e-7)


def test_more_columns_than_patients_or_fewer_give_the_same_head():
    """Columns of zeros take the fit from the columns' space to the patients' and change nothing."""
    train, given = made(n=80, columns=60)
    wide = Design(
        (*given.names, *(f"z{j}" for j in range(40))), np.hstack([given.values, np.zeros((80, 40))])
    )
    narrow_head, narrow = fit_model("features", "head", train, given, SETTINGS, 1)
    wide_head, wider = fit_model("features", "head", train, wide, SETTINGS, 1)
    assert narrow_head.penalty == wide_head.penalty
    np.testing.assert_allclose(wider["score"], narrow["score"], atol=1e-7)
    np.testing.assert_allclose(wide_head.coefficients[:60], narrow_head.coefficients, atol=1e-7)


def test_a_grid_of_many_columns_is_fitted_in_seconds():
    """16 cells of 1280 numbers: the products of 200 patients are all that the folds look at."""
    train, given = made(n=200, columns=20480, signal=2.0)
    began = time.process_time()
    head, _ = fit_model("features", "head", train, given, {"penalties": [1.0, 1e3, 1e6]}, 1)
    assert time.process_time() - began < 20 and len(head.coefficients) == 20480


def test_the_log_says_where_a_penalty_of_the_lists_end_was_chosen():
    penalties = SETTINGS["penalties"]
    assert penalty_at_the_end("head", 10.0, penalties) == ""
    assert penalty_at_the_end("head", 5.0, [5.0]) == ""
    largest, smallest = (penalty_at_the_end("head", p, penalties) for p in (1000.0, 0.1))
    assert "WARNING" in largest and "models.head.penalties" in largest and "largest (1000)" in largest
    assert "smallest (0.1)" in smallest and "smaller" in smallest


def test_it_finds_the_signal_and_none_in_noise(tmp_path):
    train, given = made()
    head, out_of_fold = fit_model("features", "head", train, given, SETTINGS, 1)
    assert auc(train["label"].to_numpy(), out_of_fold["score"].to_numpy()) > 0.75
    outside, other = made(seed=5)
    assert auc(outside["label"].to_numpy(), head.score(other)) > 0.75
    assert len(variable_table(head, given)) == 120
    head.write(tmp_path / "model.json")
    assert (features.read(tmp_path / "model.json").score(other) == head.score(other)).all()
    train, given = made(signal=0.0)
    _, noise = fit_model("features", "head", train, given, SETTINGS, 1)
    assert abs(auc(train["label"].to_numpy(), noise["score"].to_numpy()) - 0.5) < 0.2


def test_the_penalty_follows_the_data():
    for signal, chosen in ((4.0, 0.1), (0.0, 1000.0)):
        train, given = made(signal=signal)
        head = features.fit(given, train["label"].to_numpy(), train["fold"].to_numpy(), SETTINGS, 1)
        assert head.penalty == chosen


def test_a_held_out_fold_has_no_part_in_the_choice_or_the_fit():
    train, given = made()
    _, before = fit_model("features", "head", train, given, SETTINGS, 1)
    inside = train["fold"] == 3
    flipped = train.assign(label=train["label"].where(~inside, 1 - train["label"]))
    _, after = fit_model("features", "head", flipped, given, SETTINGS, 1)
    assert before.loc[inside, "score"].equals(after.loc[inside, "score"])
    assert not before.loc[~inside, "score"].equals(after.loc[~inside, "score"])


def test_two_folds_leave_one_to_choose_in():
    train, given = made(n=60, columns=20)
    train["fold"] = np.arange(60) // 2 % 2
    _, out_of_fold = fit_model("features", "head", train, given, SETTINGS, 1)
    assert out_of_fold["score"].between(0, 1).all()


def write(path, rows):
    path.write_text("image_id,e0,e1\n" + "".join(f"{row}\n" for row in rows))
    return path


def test_embeddings_are_joined_by_image(tmp_path):
    table = read_embeddings(write(tmp_path / "e.csv", ["I2,3,4", "I1,1,2", "I9,0,0"]), "models.head")
    found = embedding_design(pd.DataFrame({"image_id": ["I1", "I2"]}), table, "train", "models.head")
    assert found.names == ("e0", "e1") and found.values.tolist() == [[1, 2], [3, 4]]
    with pytest.raises(StudyError, match="models.head: 1 of 2 films of 'beta' have no embedding"):
        embedding_design(pd.DataFrame({"image_id": ["I1", "I7"]}), table, "beta", "models.head")
    more = read_embeddings(write(tmp_path / "f.csv", ["I3,5,6", "I1,1,2"]), "models.head")
    assert together([table, more], "models.head").loc["I3"].tolist() == [5, 6]
    with pytest.raises(StudyError, match="differ in their columns"):
        together([table, more.rename(columns={"e0": "x"})], "models.head")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["I1,1,2", "I1,1,2"], "1 image\\(s\\) twice"),
        (["I1,1,"], "missing or no numbers, in 1 row"),
        (["I1,1,inf"], "missing or no numbers"),
        (["I1,1,2", "I2,-1e200,2"], "numbers beyond 1e\\+30 in the column 'e0'"),
        (["I1,1,name"], "missing or no numbers"),
    ],
)
def test_bad_embeddings_are_refused(tmp_path, rows, words):
    with pytest.raises(StudyError, match=f"models.head: .*{words}") as refused:
        read_embeddings(write(tmp_path / "e.csv", rows), "models.head")
    assert "name" not in str(refused.value).replace("image_id", "").replace("models.head", "")


@pytest.mark.parametrize("column", ["label", "fold", "age", "set", ""])
def test_columns_that_are_no_embedding_are_refused(tmp_path, column):
    (tmp_path / "e.csv").write_text(f"{column},image_id,e0\n1,I1,2\n")
    with pytest.raises(StudyError, match="models.head: .*is no number of an embedding"):
        read_embeddings(tmp_path / "e.csv", "models.head")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(StudyError, match="there is no file"):
        read_embeddings(tmp_path / "absent.csv", "models.head")
    (tmp_path / "e.csv").write_text("id,e0\nI1,2\n")
    with pytest.raises(StudyError, match="needs the column 'image_id'"):
        read_embeddings(tmp_path / "e.csv", "models.head")
    (tmp_path / "e.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyError, match="no CSV"):
        read_embeddings(tmp_path / "e.csv", "models.head")
