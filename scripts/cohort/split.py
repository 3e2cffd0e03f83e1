"""The development centre's training and internal test set, and the folds of the training set.

Both are drawn by a keyed hash of the pseudonym within each stratum of the label, so the draw depends on no
order of rows and on no generator's state. A lock keeps who was drawn into what: patients who come or go later
move nobody else, and a patient whose label changes stays too. So the strata may drift;
``scripts/common/strata.py`` says when.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from scripts.common.errors import StudyError
from scripts.common.key import StudyKey
from scripts.common.strata import test_quotas
from scripts.common.tables import Columns, read_table, write_table
from scripts.common.vocabulary import INTERNAL_TEST, TRAIN

LOCK: Columns = {
    "patient_id": "text",
    "set": "text",
    "fold": "int",
    "test_fraction": "float",
    "folds": "int",
    "key": "text",
}
"""The split lock: a row per patient who was ever drawn; ``key`` is the study key's fingerprint."""


def empty_lock() -> pd.DataFrame:
    """The lock before the first draw."""
    return pd.DataFrame({name: pd.Series(dtype="object") for name in LOCK})


def read_lock(path: str | Path) -> pd.DataFrame:
    """The lock at ``path``; an empty one where there is no file yet."""
    return read_table(path, LOCK) if Path(path).exists() else empty_lock()


def write_lock(lock: pd.DataFrame, path: str | Path) -> None:
    """Write the lock, atomically."""
    write_table(lock, path, LOCK)


def check_lock(lock: pd.DataFrame, settings: dict, key: StudyKey) -> None:
    """Refuse a lock that was drawn by other settings or under another key, or that isn't whole."""
    if lock.empty:
        return
    place = f"'{settings['lock']}'"
    if set(lock["key"]) != {key.fingerprint()}:
        raise StudyError(
            f"The split in {place} was drawn under another study key (study.key_file, or study.seed of a "
            "simulated study). Put "
            "that key or seed back; or, to draw a new split and train every model again, delete this file."
        )
    for name in ("test_fraction", "folds"):
        drawn = set(lock[name])
        if drawn != {settings[name]}:
            raise StudyError(
                f"cohort.{name} is {settings[name]}, but the split in {place} was drawn with "
                f"{', '.join(map(str, sorted(drawn)))}. Put "
                "that value back; or, to draw a new split and train every model again, delete this file."
            )
    train = lock["set"].eq(TRAIN)
    whole = (
        lock["patient_id"].is_unique
        and (train | lock["set"].eq(INTERNAL_TEST)).all()
        and lock.loc[train, "fold"].between(0, settings["folds"] - 1).fillna(False).all()
    )
    if not whole:
        raise StudyError(
            f"The split lock {place} is damaged: a patient stands in it twice, or without a set or fold. "
            "Restore it from a backup; "
            "or, to draw a new split and train every model again, delete it."
        )


def split_patients(
    cohort: pd.DataFrame, lock: pd.DataFrame, settings: dict, key: StudyKey
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put every patient into a set and every training patient into a fold.

    A patient of the lock stays where it was drawn. New patients are ranked by the keyed hash within their
    label: the first ones fill the internal test set up to its share of the patients there are now, the others
    train. New training patients go, in the order of a second hash, to the fold that has fewest patients of
    their label.

    Parameters
    ----------
    cohort
        The development centre's included patients (``patient_id``, ``label`` and further columns).
    lock
        What was drawn before (LOCK).
    settings
        ``test_fraction``, ``folds``, ``center`` and ``lock`` (its path, for messages).

    Returns
    -------
    cohort
        The same patients by patient id, with ``set`` and ``fold`` filled in.
    lock
        The earlier lock and the new patients, by patient id. Patients who left stay in it, for their return.
    """
    check_lock(lock, settings, key)
    drawn_set = dict(zip(lock["patient_id"], lock["set"]))
    drawn_fold = {p: int(f) for p, f, s in zip(lock["patient_id"], lock["fold"], lock["set"]) if s == TRAIN}
    labels = {p: int(x) for p, x in zip(cohort["patient_id"], cohort["label"])}
    quotas = test_quotas({x: sum(y == x for y in labels.values()) for x in (0, 1)}, settings["test_fraction"])

    sets = {p: drawn_set[p] for p in labels if p in drawn_set}
    for label in (1, 0):
        new = [p for p, x in labels.items() if x == label and p not in sets]
        new.sort(key=lambda p: (key.rank("set", p), p))
        there = sum(1 for p, s in sets.items() if s == INTERNAL_TEST and labels[p] == label)
        places = max(0, quotas[label] - there)
        sets.update({p: INTERNAL_TEST if i < places else TRAIN for i, p in enumerate(new)})

    train = [p for p in labels if sets[p] == TRAIN]
    folds = {p: drawn_fold[p] for p in train if p in drawn_fold}
    size = dict.fromkeys(range(settings["folds"]), 0)
    of_label = {(f, x): 0 for f in size for x in (0, 1)}
    for p, f in folds.items():
        size[f] += 1
        of_label[f, labels[p]] += 1
    for label in (1, 0):
        new = [p for p in train if labels[p] == label and p not in folds]
        for p in sorted(new, key=lambda p: (key.rank("fold", p), p)):
            fold = min(size, key=lambda f: (of_label[f, label], size[f], f))
            folds[p] = fold
            size[fold] += 1
            of_label[fold, label] += 1

    _check_sizes(labels, sets, of_label, settings)
    out = cohort.sort_values("patient_id", ignore_index=True)
    out["set"] = out["patient_id"].map(sets).astype("object")
    out["fold"] = pd.array([folds.get(p, pd.NA) for p in out["patient_id"]], dtype="Int64")
    fresh = sorted(p for p in labels if p not in drawn_set)
    added = pd.DataFrame(
        {
            "patient_id": pd.Series(fresh, dtype="object"),
            "set": pd.Series([sets[p] for p in fresh], dtype="object"),
            "fold": pd.array([folds.get(p, pd.NA) for p in fresh], dtype="Int64"),
            "test_fraction": float(settings["test_fraction"]),
            "folds": int(settings["folds"]),
            "key": key.fingerprint(),
        }
    )
    whole = pd.concat([lock, added], ignore_index=True) if len(lock) else added
    return out, whole.sort_values("patient_id", ignore_index=True)[list(LOCK)]


def _check_sizes(labels: dict, sets: dict, of_label: dict, settings: dict) -> None:
    """Refuse a development centre too small to train, to validate in folds and to test with both labels."""
    where = (
        f"See why patients of '{settings['center']}' are left out in "
        f"results/cohort/{settings['center']}/flow.csv, or lower "
        "cohort.folds; the development centre needs more patients of this kind."
    )
    for label, name in ((1, "with"), (0, "without")):
        n_train = sum(1 for p, s in sets.items() if s == TRAIN and labels[p] == label)
        n_test = sum(1 for p, s in sets.items() if s == INTERNAL_TEST and labels[p] == label)
        if n_test == 0 or min(of_label[f, label] for f in range(settings["folds"])) == 0:
            raise StudyError(
                f"The development centre has {n_train} training and {n_test} internal test patients {name} "
                "osteoporosis; every one of the "
                f"{settings['folds']} folds and the internal test set need at least one. {where}"
            )
