"""What the report's prose may say of a run, as plain values computed from its config and results.

The templates choose sentences by these facts and format them; no sentence stands here. The settings are the
sections of the config as it was resolved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scripts.common.numbers import is_missing
from scripts.common.scores import SAME_SCORE
from scripts.common.strata import SLACK
from scripts.common.study_models import StudyModel
from scripts.common.trunks import RESNET18, TRUNKS, transformer_width
from scripts.common.vocabulary import (
    ABLATION,
    ACCEPTED,
    ALL_FOLDS,
    CLINICAL,
    MAIN,
    NOTHING_LEARNED,
    OLDEST_AGE,
    QUARANTINED,
    REJECTED,
    SMALL_CLASS,
)
from scripts.report.run_files import RunFiles

MOST_SET_ASIDE = 0.02
"""Above this share of a centre's patients with a pair, the limits name those set aside without a label."""

NO_SETTINGS = ("label", "role", "like", "predictors", "embeddings")
"""Keys of a model in which models that are told together may differ."""

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
    """A model with its part of the config: ``predictors`` are columns of the cohort, ``scores`` the models
    whose scores it reads.
    """

    name: str
    label: str
    kind: str
    settings: Mapping[str, Any]
    predictors: tuple[str, ...] = ()
    scores: tuple[Model, ...] = ()


@dataclass(frozen=True)
class Alike:
    """Models of one kind with the same settings, which are told together."""

    kind: str
    settings: Mapping[str, Any]
    models: tuple[Model, ...]


@dataclass(frozen=True)
class Network(Model):
    """A network and what its scores show.

    Attributes
    ----------
    precision : of scoring
    threshold : frozen; None where there is none
    performance : rows of Table 2 with ``label`` of the set, for the test sets that have one
    slopes : label of a set and calibration slope, where it could be estimated
    external_aucs : of the external sets
    failures : counts ``fp``, ``fn``, ``tp`` and ``tn`` over all test sets; None without a threshold
    spread : smallest and largest SD of a training's logits, where the trainings that learned spread unevenly;
        else None
    learned : whether it learned anything (``learning.csv``)
    """

    precision: str = ""
    threshold: float | None = None
    performance: tuple[Mapping[str, Any], ...] = ()
    slopes: tuple[tuple[str, float], ...] = ()
    external_aucs: tuple[float, ...] = ()
    failures: Mapping[str, int] | None = None
    spread: tuple[float, float] | None = None
    learned: bool = True

    @property
    def init(self) -> str:
        """``random``, ``imagenet`` or ``file``."""
        return start_of(self.settings)

    @property
    def side(self) -> int:
        """Of the films that it reads, in pixels."""
        if self.kind == "hybrid":
            return self.settings["architecture"]["grid"] * self.settings["architecture"]["block_size"]
        return self.settings["side"]

    @property
    def trunk(self) -> str:
        """Name of what looks at the pixels, as the config has it."""
        return self.settings["architecture"]["trunk"] if self.kind == "hybrid" else self.settings["backbone"]

    @property
    def features(self) -> int:
        """Values of a block's feature behind the trunk, of a hybrid."""
        if self.trunk == RESNET18:
            return 8 * self.settings["architecture"]["trunk_width"]
        return TRUNKS[self.trunk].width

    @property
    def width(self) -> int:
        """Width of a hybrid's Transformer."""
        net = self.settings["architecture"]
        return net["width"] or transformer_width(self.trunk, net["trunk_width"])

    @property
    def departures(self) -> list[str]:
        """In what a hybrid differs from the paper's network: names of these keys."""
        net, train = self.settings["architecture"], self.settings["training"]
        layers = net["layers"] > 0
        found = {
            "trunk": self.trunk != RESNET18,
            "trunk_sees": net["trunk_sees"] == "film",
            "feature_norm": net["feature_norm"],
            "layer_order": layers and net["layer_order"] == "pre_norm",
            "read_out": layers and net["read_out"] == "token_and_mean",
            "optimizer": train["optimizer"] == "adamw",
            "trained_stages": train["trained_stages"] != "all",
        }
        return [name for name, differs in found.items() if differs]


def start_of(settings: Mapping[str, Any]) -> str:
    """What a trunk starts from: ``random``, ``imagenet``, or ``file`` for weights or embeddings of the user's
    own.
    """
    if settings.get("embeddings"):
        return "file"
    return settings["init"] if settings["init"] in ("random", "imagenet") else "file"


@dataclass(frozen=True)
class SetAside:
    """Patients of a centre who have a pair and no sure label, and those whom another value keeps."""

    label: str
    n: int
    paired: int
    stay: int


def _network(run: RunFiles, model: StudyModel, label: str, sets: Mapping[str, str]) -> Network:
    name, settings = model.name, run.config["models"][model.name]
    precision = run.config["networks"]["scoring"]["precision"]
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
    learning = run.statistics["learning"]
    learning = learning[learning["model"] == name].astype({"fold": str}).set_index("fold")
    trainings = learning[learning.index != ALL_FOLDS]
    sd = trainings.loc[trainings["finding"] != NOTHING_LEARNED, "sd_logit"]
    return Network(
        name,
        label,
        model.kind,
        settings,
        precision=settings["training"]["precision"] if precision == "trained" else precision,
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
        learned=learning["learned"].get(ALL_FOLDS) == "yes",
        spread=(sd.min(), sd.max()) if len(sd) and sd.max() > UNEVEN * sd.min() else None,
    )


def _models(run: RunFiles, sets: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Model]:
    """All models by name, in the config's order."""
    by_name = {model.name: model for model in run.models}
    columns = {*CLINICAL, *run.predictors}
    found: dict[str, Model] = {}

    def of(name: str) -> Model:
        if name not in found:
            model = by_name[name]
            if model.network:
                found[name] = _network(run, model, labels[name], sets)
            else:
                read = tuple(of(n) for n in model.predictors if n not in columns)
                own = tuple(n for n in model.predictors if n in columns)
                settings = run.config["models"][name]
                found[name] = Model(name, labels[name], model.kind, settings, own, read)
        return found[name]

    return {name: of(name) for name in by_name}


def _alike(models: Sequence[Model]) -> tuple[Alike, ...]:
    """Tabular models by kind and settings, in the order of the first of each."""
    groups: dict[str, list[Model]] = {}
    for model in models:
        own = {key: value for key, value in model.settings.items() if key not in NO_SETTINGS}
        groups.setdefault(json.dumps([model.kind, own], sort_keys=True), []).append(model)
    return tuple(Alike(of[0].kind, of[0].settings, tuple(of)) for of in groups.values())


def _flat_sets(
    run: RunFiles, models: Sequence[Model], sets: Mapping[str, str]
) -> tuple[tuple[str, Model], ...]:
    """Test sets, each with a model that gives all their patients one score."""
    tests = run.predictions[run.predictions["set"].isin(run.sets[1:])].groupby("set")
    found = []
    for model in models:
        of = tests[model.name].agg(["size", "min", "max"])
        flat = of.index[(of["size"] > 1) & (of["max"] - of["min"] < SAME_SCORE)]
        found += [(sets[name], model) for name in run.sets[1:] if name in flat]
    return tuple(found)


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
    models : those with the role main, in the config's order
    main : the network that the card and the audits look at
    networks, ablations : networks that are told for themselves, the main one first; those that only stand in
        the comparison of architectures
    tabular, variables : the other models, those alike together, and the columns that any of them reads
    labelled : labels of the predictors that the patient tables map
    kinds : the kinds of all models
    stacked : models that read other models' scores
    contrast : labels of the declared main comparison; None where there is none
    flat_sets : label of a test set, and a model that gives all its patients one score
    found : patients in tables and films; None where the flow doesn't tell
    files : counts by status, and ``reader`` for those that a reader rejected
    steps : patients by step of the flow, over all centres
    training_films : films that the networks train on; None where that is one a patient
    oldest, under_review : included patients of ``oldest_age`` or older, and those with a flag
    makers : manufacturers of devices among the included
    missing : included patients without a value, by variable, where there are some
    drifted : whether today's share of the internal test set differs from the declared one
    thresholds : label of a main model and its frozen threshold
    pairs, bounded : rows of Table 2 for the models, and those of them whose AUC has an interval
    calibrations, slopes : rows of the calibration table, and those with a slope
    """
    config, cohort, files = run.config, run.cohort, run.files
    every = _models(run, sets, labels)
    roles = {model.name: model.role for model in run.models}
    main = every[run.main_network]
    models = tuple(model for name, model in every.items() if roles[name] == MAIN)
    networks = tuple(every[name] for name in run.networks)
    tabular = tuple(model for model in every.values() if not isinstance(model, Network))
    variables = tuple(dict.fromkeys(name for model in tabular for name in model.predictors))
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
    contrast = config["statistics"]["primary_contrast"]
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
        "main": main,
        "networks": networks,
        "ablations": tuple(
            model for name, model in every.items() if roles[name] == ABLATION and name not in run.networks
        ),
        "tabular": _alike(tabular),
        "kinds": {model.kind for model in every.values()},
        "stacked": tuple(model for model in tabular if model.scores),
        "variables": variables,
        "labelled": {name: predictor.label for name, predictor in run.predictors.items()},
        "contrast": contrast and tuple(every[name].label for name in contrast),
        "flat_sets": _flat_sets(run, tuple(every.values()), sets),
        "study": config["study"],
        "cohort": config["cohort"],
        "exposure": config["intake"]["exposure"],
        "ocr": config["intake"]["ocr"],
        "gradcam": config["networks"]["gradcam"],
        "statistics": config["statistics"],
        "strata": run.strata,
        "drifted": abs(run.strata.test_share - config["cohort"]["test_fraction"]) > SLACK,
        "small_class": SMALL_CLASS,
        "oldest_age": OLDEST_AGE,
        "n": len(cohort),
        "op": int((cohort["label"] == 1).sum()),
        "found": int(found.sum()) if len(found) else None,
        "steps": {step: int(n) for step, n in run.flow.groupby("step")["n_patients"].sum().items()},
        "training_films": int(run.flow["n_films"].loc[run.flow["kind"] == "set"].sum())
        if "n_films" in run.flow
        else None,
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
            (every[row.model].label, row.threshold)
            for row in statistics["thresholds"].itertuples()
            if roles[row.model] == MAIN
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
