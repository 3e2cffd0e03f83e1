"""Tables of the models on tables of numbers: trees and baselines."""

from __future__ import annotations

from scripts.common.contracts.contract import Column, Contract, estimate, key, person

OUT_OF_FOLD = Contract(
    "results/boosting/{model}/out_of_fold.csv",
    "training patient",
    (
        person("patient_id", "pseudonym of the patient"),
        person("fold", "the fold that did not see him", "int"),
        person("score", "probability", "float"),
    ),
    row_key=("patient_id",),
)

SET_SCORES = Contract(
    "results/boosting/scores/{set}.csv",
    "patient of a test set",
    (person("patient_id", "pseudonym of the patient"),),
    others=Column("<model>", "float", "person", "the model's probability"),
    row_key=("patient_id",),
)

IMPORTANCE = Contract(
    "results/boosting/{model}/importance.csv",
    "variable of the model",
    (
        key("feature", "the variable"),
        estimate("gain", "mean gain of its splits"),
        estimate("cover", "mean cover of its splits"),
        estimate("n_splits", "number of its splits", "int"),
    ),
)

COEFFICIENTS = Contract(
    "results/boosting/baselines/coefficients.csv",
    "baseline and variable",
    (
        key("model", "age, logistic or osta"),
        key("variable", "the variable"),
        estimate("median", "stands for a missing value"),
        estimate("mean", "of the training patients"),
        estimate("sd", "of the training patients"),
        estimate("coefficient", "of (value - mean) / sd"),
        estimate("vif", "variance inflation factor"),
    ),
)

BASELINES = Contract(
    "results/boosting/baselines.csv results/boosting/baselines/out_of_fold.csv",
    "patient; higher means a higher risk; training patients out of fold",
    (
        person("patient_id", "pseudonym of the patient"),
        person("center", "the centre"),
        person("set", "train, internal_test or an external centre"),
        person("fold", "0 to 4 in train, else empty", "int"),
        person("label", "1 osteoporosis, 0 not", "int"),
        person("age", "probability by age alone", "float"),
        person("logistic", "probability by the logistic regression", "float"),
        person("osta", "minus the index", "float"),
    ),
    row_key=("center", "patient_id"),
)

ALL = (OUT_OF_FOLD, SET_SCORES, IMPORTANCE, COEFFICIENTS, BASELINES)
