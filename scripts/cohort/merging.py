"""The cohort of all centres in one table, their flow in another."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from scripts.common.contracts.cohort import COHORT, FLOW
from scripts.common.errors import StudyError
from scripts.common.predictors import with_predictors
from scripts.common.vocabulary import INTERNAL_TEST, TRAIN


def merge_cohorts(parts: list[pd.DataFrame], predictors: Mapping[str, str]) -> pd.DataFrame:
    """One row per included patient, in the order of the parts (COHORT with ``predictors``, names and types).
    No patient stands in two parts.
    """
    cohort = pd.concat(parts, ignore_index=True)
    table = with_predictors(COHORT, predictors).whole
    cohort = cohort[[name for name in table if name in cohort.columns]]
    if cohort["patient_id"].duplicated().any():
        raise StudyError(
            f"{int(cohort['patient_id'].duplicated().sum())} patients stand in two sets of the cohort. "
            "Delete results/cohort and run again."
        )
    return cohort


def merge_flows(flows: list[pd.DataFrame], cohort: pd.DataFrame, development: str) -> pd.DataFrame:
    """The centres' flow tables (FLOW) under each other; the development centre's two sets follow its own.

    These two rows have the kind ``set``: they divide the included patients and aren't to be added to them.
    """
    parts = []
    for flow in flows:
        parts.append(flow[list(FLOW)])
        if (flow["center"] == development).all():
            own = cohort[cohort["center"] == development]
            sets = [own[own["set"] == name] for name in (TRAIN, INTERNAL_TEST)]
            sizes = pd.array([len(part) for part in sets], dtype="Int64")
            parts.append(
                pd.DataFrame(
                    {
                        "center": development,
                        "step": [TRAIN, INTERNAL_TEST],
                        "n_patients": sizes,
                        "n_op": pd.array([int(part["label"].sum()) for part in sets], dtype="Int64"),
                        "kind": "set",
                        "n_any": sizes,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def with_training_films(flow: pd.DataFrame, cohort: pd.DataFrame, further: pd.DataFrame) -> pd.DataFrame:
    """The flow of ``merge_flows`` with ``n_films``: films that train, in the row of the training set.

    Rows of the kind ``note`` behind the development centre's say where they come from, and which films of
    training patients stay out since their own exam gives another label or none. ``further`` is the
    development centre's FURTHER_FILMS.
    """
    train = cohort[cohort["set"] == TRAIN]
    films = further.merge(train[["patient_id", "label"]], on="patient_id", suffixes=("", "_of_patient"))
    same = films["label"].eq(films["label_of_patient"]).fillna(False).astype(bool)
    untold = films["label"].isna()
    notes = {"films_train": same, "films_other_label": ~same & ~untold, "films_without_label": untold}
    center, lines = train["center"].iloc[0], []
    for step, which in notes.items():
        of = films[which].drop_duplicates("patient_id")
        n, n_op = len(of), int(of["label_of_patient"].sum())
        lines.append((center, step, n, n_op, "note", n, int(which.sum())))
    flow = flow.assign(n_films=pd.array([pd.NA] * len(flow), dtype="Int64"))
    flow.loc[flow["kind"].eq("set") & flow["step"].eq(TRAIN), "n_films"] = len(train) + int(same.sum())
    added = pd.DataFrame(lines, columns=list(FLOW.whole)).astype(flow.dtypes.to_dict())
    end = flow.index[flow["center"] == center][-1] + 1
    return pd.concat([flow[:end], added, flow[end:]], ignore_index=True)


def check_accounts(flow: pd.DataFrame, cohort: pd.DataFrame) -> None:
    """Found = included + excluded in every centre, and the included ones are those of the cohort table."""
    for center, rows in flow.groupby("center", sort=False):
        found, excluded, included = (
            int(rows.loc[rows["kind"] == kind, "n_patients"].sum())
            for kind in ("found", "excluded", "included")
        )
        if found != included + excluded or included != int((cohort["center"] == center).sum()):
            raise StudyError(
                f"The patients of centre '{center}' don't add up: {found} found, {included} included, "
                f"{excluded} excluded, "
                f"{int((cohort['center'] == center).sum())} in the cohort. Delete results/cohort and run "
                "again."
            )
