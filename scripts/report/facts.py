"""What the report's prose may say of a run, as plain values computed from its config and results.

The templates choose sentences by these facts and format them; no sentence stands here. The settings are the
sections of the config as it was resolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scripts.common.numbers import is_missing
from scripts.common.scores import SAME_SCORE
from scripts.common.strata import SLACK
from scripts.common.vocabulary import (
    ACCEPTED,
    CLINICAL,
    MODELS,
    OLDEST_AGE,
    QUARANTINED,
    REJECTED,
    SMALL_CLASS,
)
from scripts.report.run_files import RunFiles

MOST_SET_ASIDE = 0.02
"""Above this share of a centre's patients with a pair, the limits name those set aside without a label."""

UNEVEN = 3.0
"""Folds are said to spread unevenly where the largest SD of a fold's logits is more than so many times the
smallest.
"""


@dataclass(frozen=True)
class Center:
    """A centre by its label, and what is particular about its data."""

    label: str
    png: bool
    deidentified: bool
    enrolment: bool
    simulated: bool


@dataclass(frozen=True)
class Group:
    """A set: its patients and those with osteoporosis."""

    label: str
    n: int
    op: int

    @property
    def share(self) -> float:
        """Share of osteoporosis; NaN in an empty set."""
        return self.op / self.n if self.n else float("nan")

    @property
    def smaller(self) -> int:
        return min(self.op, self.n - self.op)


@dataclass(frozen=True)
class Model:
    """A model: ``predictors`` are columns of the cohort, ``scores`` the models whose scores it reads."""

    name: str
    label: str
    kind: str
    predictors: tuple[str, ...] = ()
    scores: tuple[Model, ...] = ()

    @property
    def word(self) -> str:
        """The name in running text."""
        return self.name.replace("_", " ")


@dataclass(frozen=True)
class Network(Model):
    """A network with its settings and what its scores show.

    Attributes
    ----------
    init : ``random``, ``imagenet`` or ``file``
    precision : of scoring
    threshold : frozen; None where there is none
    performance : rows of Table 2 with ``label`` of the set, for the test sets that have one
    slopes : label of a set and calibration slope, where it could be estimated
    external_aucs : of the external sets
    failures : counts ``fp``, ``fn``, ``tp`` and ``tn`` over all test sets; None without a threshold
    flat_folds : folds with one score for all their held-out patients
    spread : smallest and largest SD of a fold's logits, where the folds spread unevenly; else None
    flat_sets : labels of test sets with one score for all patients
    """

    architecture: Mapping[str, Any] = None  # type: ignore[assignment]
    training: Mapping[str, Any] = None  # type: ignore[assignment]
    augmentation: Mapping[str, Any] = None  # type: ignore[assignment]
    init: str = ""
    precision: str = ""
    threshold: float | None = None
    performance: tuple[Mapping[str, Any], ...] = ()
    slopes: tuple[tuple[str, float], ...] = ()
    external_aucs: tuple[float, ...] = ()
    failures: Mapping[str, int] | None = None
    flat_folds: tuple[str, ...] = ()
    spread: tuple[float, float] | None = None
    flat_sets: tuple[str, ...] = ()

    @property
    def side(self) -> int:
        """Of the films that it reads, in pixels."""
        return self.architecture["grid"] * self.architecture["block_size"]


@dataclass(frozen=True)
class SetAside:
    """Patients of a centre who have a pair and no sure label, and those whom another value keeps."""

    label: str
    n: int
    paired: int
    stay: int


def _network(run: RunFiles, name: str, label: str, sets: Mapping[str, str]) -> Network:
    deep = run.config["deep"]
    precision, init = deep["scoring"]["precision"], deep["init"]
    tests = run.predictions[run.predictions["set"].isin(run.sets[1:])]
    table2 = run.statistics["table2"]
    of_set = table2[table2["model"] == name].set_index("set").to_dict("index")
    calibration = run.statistics["calibration"]
    slopes = calibration[calibration["model"] == name] if "slope" in calibration else calibration.iloc[:0]
    threshold = run.statistics["thresholds"].set_index("model")["threshold"].get(name)
    failures = None
    if not is_missing(threshold):
        positive, op = tests[name] >= threshold, tests["label"] == 1
        kinds = {"fp": positive & ~op, "fn": ~positive & op, "tp": positive & op, "tn": ~positive & ~op}
        failures = {kind: int(rows.sum()) for kind, rows in kinds.items()}
    spreads = run.fold_spreads
    flat = spreads["highest"] - spreads["lowest"] < SAME_SCORE
    sd = spreads.loc[~flat, "sd_logit"]
    of_tests = tests.groupby("set")[name].agg(["size", "min", "max"])
    same = of_tests[(of_tests["size"] > 1) & (of_tests["max"] - of_tests["min"] < SAME_SCORE)].index
    return Network(
        name,
        label,
        "hybrid",
        architecture=deep["architecture"],
        training=deep["training"],
        augmentation=deep["augmentation"],
        init=init if init in ("random", "imagenet") else "file",
        precision=deep["training"]["precision"] if precision == "trained" else precision,
        threshold=threshold,
        performance=tuple({"label": sets[s], **of_set[s]} for s in run.sets[1:] if s in of_set),
        slopes=tuple(
            (sets.get(row["set"], row["set"]), row["slope"])
            for row in slopes.to_dict("records")
            if not is_missing(row["slope"])
        ),
        external_aucs=tuple(
            of_set[s]["auc"] for s in run.sets[2:] if s in of_set and not is_missing(of_set[s]["auc"])
        ),
        failures=failures,
        flat_folds=tuple(str(fold) for fold in spreads.index[flat]),
        spread=(sd.min(), sd.max()) if len(sd) and sd.max() > UNEVEN * sd.min() else None,
        flat_sets=tuple(sets[s] for s in run.sets[1:] if s in same),
    )


def _set_aside(run: RunFiles) -> tuple[SetAside, ...]:
    """The centres in which patients with a pair but no sure label are many.

    Whoever has osteoporosis by a readable value stays, so that leaving out the others chooses patients by
    their outcome.
    """
    named = []
    for center in run.centers:
        rows = run.flow[run.flow["center"] == center].reset_index(drop=True)
        undecided = rows.index[rows["step"] == "undecided_dxa"]
        if not len(undecided):
            continue
        paired = rows.loc[undecided[-1] :]
        paired = int(paired.loc[paired["kind"].isin(["excluded", "included"]), "n_patients"].sum())
        aside = int(rows.loc[rows["step"].isin(["undecided_dxa", "too_few_sites"]), "n_patients"].sum())
        stay = int(rows.loc[rows["step"] == "op_with_unreadable_row", "n_patients"].sum())
        if aside > MOST_SET_ASIDE * paired:
            named.append(SetAside(run.center_of(center), aside, paired, stay))
    return tuple(named)


def facts_of(run: RunFiles, sets: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Any]:
    """The facts of a run by name; ``sets`` and ``labels`` (of models) are names as a reader sees them.

    Of the config the sections stand as they are. Further names that don't tell all by themselves:

    sets : the training set, the internal test set, then the external ones
    main : the network that the card and the audits look at
    trees, variables : the models of boosted trees, and the columns that any model reads
    found : patients in tables and films; None where the flow doesn't tell
    files : counts by status, and ``reader`` for those that a reader rejected
    steps : patients by step of the flow, over all centres
    oldest, under_review : included patients of ``oldest_age`` or older, and those with a flag
    makers : manufacturers of devices among the included
    missing : included patients without a value, by variable, where there are some
    drifted : whether today's share of the internal test set differs from the declared one
    thresholds : label of a model and its frozen threshold
    pairs, bounded : rows of Table 2 for the models, and those of them whose AUC has an interval
    calibrations, slopes : rows of the calibration table, and those with a slope
    """
    config, cohort, files = run.config, run.cohort, run.files
    network, clinical, combined = MODELS
    deep = _network(run, network, labels[network], sets)
    trees = (
        Model(clinical, labels[clinical], "trees", CLINICAL),
        Model(combined, labels[combined], "trees", CLINICAL, (deep,)),
    )
    models = (deep, *trees)
    variables = tuple(dict.fromkeys(name for model in models for name in model.predictors))
    statistics = run.statistics
    table2 = statistics["table2"]
    table2 = table2[table2["model"].isin([model.name for model in models])]
    calibration, subgroups = statistics["calibration"], statistics["subgroups"]
    absent = statistics["missing"].groupby("variable")["n_missing"].sum()
    found = run.flow[run.flow["kind"] == "found"]["n_patients"]
    status = files["status"].value_counts()
    of_set = {name: cohort[cohort["set"] == name] for name in run.sets}
    train = of_set["train"]
    analyses = set(statistics["sensitivity"]["analysis"].dropna()) - {"main"}
    first, second = config["statistics"]["primary_contrast"]
    return {
        "synthetic": run.synthetic,
        "centers": tuple(
            Center(
                run.center_of(entry["name"]),
                *(bool(entry.get(key)) for key in ("png", "deidentified", "enrolment")),
                simulated=run.synthetic and bool(entry.get("simulate")),
            )
            for entry in config["centers"]
        ),
        "sets": tuple(
            Group(sets[name], len(part), int((part["label"] == 1).sum())) for name, part in of_set.items()
        ),
        "models": models,
        "networks": (deep,),
        "main": deep,
        "trees": trees,
        "variables": variables,
        "contrast": (labels.get(first, first), labels.get(second, second)),
        "study": config["study"],
        "cohort": config["cohort"],
        "exposure": config["intake"]["exposure"],
        "ocr": config["intake"]["ocr"],
        "boosting": config["boosting"],
        "statistics": config["statistics"],
        "strata": run.strata,
        "drifted": abs(run.strata.test_share - config["cohort"]["test_fraction"]) > SLACK,
        "small_class": SMALL_CLASS,
        "oldest_age": OLDEST_AGE,
        "n": len(cohort),
        "op": int((cohort["label"] == 1).sum()),
        "found": int(found.sum()) if len(found) else None,
        "steps": {step: int(n) for step, n in run.flow.groupby("step")["n_patients"].sum().items()},
        "files": {
            "found": len(files),
            **{name: int(status.get(name, 0)) for name in (ACCEPTED, QUARANTINED, REJECTED)},
            "reader": int(((files["status"] == REJECTED) & (files["reason"] == "reader")).sum()),
        },
        "train": {
            "women": int((train["sex"] == "F").sum()),
            "age_mean": train["age"].mean(),
            "age_sd": train["age"].std(),
        },
        "oldest": int((cohort["age"] >= OLDEST_AGE).sum()),
        "under_review": int((cohort["review"] == 1).sum()),
        "in_two_sets": int((cohort.groupby("patient_id")["set"].nunique() > 1).sum()),
        "makers": int(cohort["manufacturer"].replace("", pd.NA).nunique()),
        "missing": {name: int(absent[name]) for name in variables if absent.get(name, 0) > 0},
        "set_aside": _set_aside(run),
        "thresholds": tuple(
            (labels.get(row.model, row.model), row.threshold) for row in statistics["thresholds"].itertuples()
        ),
        "pairs": len(table2),
        "bounded": int(table2["auc_low"].notna().sum()),
        "calibrations": len(calibration),
        "slopes": int(calibration["slope"].notna().sum()) if "slope" in calibration else 0,
        "subgroups": {
            "kinds": subgroups["subgroup"].nunique(),
            "rows": len(subgroups),
            "open": int(subgroups["auc_low"].isna().sum()) if "auc_low" in subgroups else 0,
        },
        "sensitivity_analyses": len(analyses),
        "delong_engine": run.provenance["delong_engine"],
        "versions": run.provenance["versions"],
        "git": run.provenance["git"],
    }
