"""The split and the folds: sizes, strata, and that nobody moves when others come or go."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.cohort import split as split_module
from scripts.cohort.split import LOCK, empty_lock, read_lock, split_patients, write_lock
from scripts.common.errors import StudyError
from scripts.common.key import simulated_key

KEY = simulated_key(7)
SETTINGS = {"test_fraction": 0.2, "folds": 5, "center": "alpha", "lock": "state/split_lock.csv"}


def people(n_op, n_non_op, start=0):
    """Patients with labels 1 and 0 in an order that is not that of their ids."""
    labels = [1] * n_op + [0] * n_non_op
    names = [f"P{(start + i) * 7919 % 100003:06d}" for i in range(len(labels))]
    return pd.DataFrame({"patient_id": names, "label": pd.array(labels, dtype="Int64")})


def draw(cohort, lock=None, **changes):
    return split_patients(cohort, empty_lock() if lock is None else lock, {**SETTINGS, **changes}, KEY)


def places(cohort):
    """Patient to (set, fold)."""
    folds = cohort["fold"].astype("float64").fillna(-1).astype(int)
    return dict(zip(cohort["patient_id"], zip(cohort["set"], folds)))


def test_the_papers_split():
    """4,278 patients (1,518 with osteoporosis) give 3,422 for training and 856 for the internal test."""
    cohort, lock = draw(people(1518, 2760))
    table = cohort.groupby(["set", "label"]).size()
    assert table["internal_test", 1] == 304 and table["internal_test", 0] == 552
    assert table["train", 1] + table["train", 0] == 3422
    train = cohort[cohort["set"] == "train"]
    assert set(train.groupby(["fold", "label"]).size().loc[:, 1]) <= {242, 243}
    assert set(train.groupby(["fold", "label"]).size().loc[:, 0]) <= {441, 442}
    assert set(train.groupby("fold").size()) <= {684, 685}
    assert cohort.loc[cohort["set"] == "internal_test", "fold"].isna().all()
    assert len(lock) == 4278 and cohort["patient_id"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("sizes", "fraction", "quotas"),
    [
        ({0: 2760, 1: 1518}, 0.2, {0: 552, 1: 304}),
        ({0: 30, 1: 20}, 0.2, {0: 6, 1: 4}),
        ({0: 13, 1: 12}, 0.1, {0: 2, 1: 1}),
        ({0: 7, 1: 0}, 0.2, {0: 1, 1: 0}),
        ({0: 35, 1: 15}, 0.7, {0: 24, 1: 11}),
        ({0: 5, 1: 5}, 0.5, {0: 2, 1: 3}),
    ],
)
def test_quotas(sizes, fraction, quotas):
    assert split_module.test_quotas(sizes, fraction) == quotas


@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from([0.1, 0.15, 0.2, 0.25, 1 / 3, 0.5]))
@settings(derandomize=True, deadline=None)
def test_quotas_are_near_their_share(n_op, n_non_op, fraction):
    quotas = split_module.test_quotas({0: n_non_op, 1: n_op}, fraction)
    assert abs(sum(quotas.values()) - fraction * (n_op + n_non_op)) <= 0.5 + 1e-9
    assert abs(quotas[1] - fraction * n_op) < 1 and abs(quotas[0] - fraction * n_non_op) < 1


def test_the_draw_is_by_the_key_and_not_by_the_order_of_rows():
    cohort = people(40, 60)
    mixed, _ = draw(cohort.sample(frac=1, random_state=3))
    pd.testing.assert_frame_equal(mixed, draw(cohort)[0])
    other, _ = split_patients(cohort, empty_lock(), SETTINGS, simulated_key(8))
    assert places(other) != places(mixed)


@given(
    st.integers(15, 60),
    st.integers(15, 60),
    st.integers(0, 40),
    st.integers(0, 40),
    st.randoms(use_true_random=False),
)
@settings(max_examples=25, derandomize=True, deadline=None)
def test_nobody_moves_when_others_come_or_go(n_op, n_non_op, more_op, more_non_op, random):
    first = people(n_op, n_non_op)
    one, lock = draw(first)
    stay = first[[random.random() < 0.8 for _ in range(len(first))]]
    late = pd.concat([stay, people(more_op, more_non_op, start=5000)], ignore_index=True)
    try:
        two, lock_two = draw(late, lock)
    except StudyError as error:
        assert "need at least one" in str(error)
        return
    before, after = places(one), places(two)
    assert all(after[p] == before[p] for p in stay["patient_id"])
    assert set(after) == set(late["patient_id"])
    back, lock_three = draw(pd.concat([first, late]).drop_duplicates("patient_id"), lock_two)
    assert all(places(back)[p] == {**before, **after}[p] for p in {*before, *after})
    pd.testing.assert_frame_equal(lock_three, lock_two)
    grown, _ = draw(pd.concat([first, people(more_op, more_non_op, start=5000)], ignore_index=True), lock)
    for label in (0, 1):
        rows = grown[grown["label"] == label]
        assert abs((rows["set"] == "internal_test").sum() - 0.2 * len(rows)) < 1.5
        sizes = rows[rows["set"] == "train"].groupby("fold").size()
        assert sizes.max() - sizes.min() <= 1


def test_a_corrected_label_moves_nobody():
    cohort = people(30, 50)
    one, lock = draw(cohort)
    corrected = cohort.assign(label=cohort["label"].where(cohort.index != 3, 1 - cohort["label"]))
    two, _ = draw(corrected, lock)
    assert places(two) == places(one)


def test_the_lock_survives_a_file(tmp_path):
    path = tmp_path / "state/split_lock.csv"
    one, lock = draw(people(20, 30), read_lock(path))
    write_lock(lock, path)
    again, after = draw(people(20, 30), read_lock(path))
    pd.testing.assert_frame_equal(one, again)
    assert after[list(LOCK)].astype(str).equals(lock.astype(str))
    first = path.read_bytes()
    write_lock(after, path)
    assert path.read_bytes() == first


def test_a_lock_of_other_settings_or_another_key_is_refused():
    cohort = people(20, 30)
    _, lock = draw(cohort)
    with pytest.raises(StudyError, match=r"cohort\.test_fraction is 0\.3.*drawn with 0\.2"):
        draw(cohort, lock, test_fraction=0.3)
    with pytest.raises(StudyError, match=r"cohort\.folds is 4.*drawn with 5"):
        draw(cohort, lock, folds=4)
    with pytest.raises(StudyError, match="another study key"):
        split_patients(cohort, lock, SETTINGS, simulated_key(8))
    for damaged in (pd.concat([lock, lock.head(1)]), lock.assign(set="test"), lock.assign(fold=pd.NA)):
        with pytest.raises(StudyError, match="damaged"):
            draw(cohort, damaged)


@pytest.mark.parametrize(
    ("n_op", "n_non_op", "kind"), [(0, 40, "with"), (40, 0, "without"), (5, 40, "with"), (3, 40, "with")]
)
def test_too_few_patients(n_op, n_non_op, kind):
    with pytest.raises(StudyError, match=rf"internal test patients {kind} osteoporosis"):
        draw(people(n_op, n_non_op))
