"""Tables that every model has, whatever its kind."""

from __future__ import annotations

from scripts.common.contracts.contract import Column, Contract, person

_SCORES = (
    person("patient_id", "pseudonym of the patient"),
    person("image_id", "pseudonym of the film"),
    person("score", "probability of osteoporosis", "float"),
    person("raw", "the score on the model's own scale: the probability itself, or an index", "float"),
)

SET_SCORES = Contract(
    "results/models/{model}/scores/{set}.csv",
    "patient of a test set",
    _SCORES,
    others=Column("fold_<k>", "float", "person", "of a network: the probability by one of its trainings"),
    row_key=("patient_id",),
)

OUT_OF_FOLD = Contract(
    "results/models/{model}/out_of_fold.csv",
    "training patient",
    (*_SCORES, person("fold", "the fold that did not see the patient", "int")),
    row_key=("patient_id",),
)
