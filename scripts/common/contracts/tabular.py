"""Tables of the models on columns of the cohort, other models' scores and embeddings."""

from __future__ import annotations

from scripts.common.contracts.contract import Column, Contract, estimate, key, person, unhidden

VARIABLES = Contract(
    "results/models/{model}/variables.csv",
    "variable of the model; a cell is empty where the kind has no such number",
    (
        key("variable", "the variable; of a category `name=level`"),
        estimate("gain", "of trees: mean gain of its splits"),
        estimate("cover", "of trees: mean cover of its splits"),
        estimate("n_splits", "of trees: number of its splits", "int"),
        unhidden("median", "of linear models: stands for a missing value"),
        unhidden("mean", "of linear models: of the training patients"),
        unhidden("sd", "of linear models: of the training patients"),
        unhidden("coefficient", "of linear models: of (value - mean) / sd"),
        unhidden("vif", "of linear models: variance inflation factor"),
    ),
)

EMBEDDINGS = Contract(
    "results/models/{model}/embeddings/{set}.csv",
    "film of a set",
    (person("image_id", "pseudonym of the film"),),
    others=Column("e<k>", "float", "person", "number of the embedding"),
)
