"""Tables of the networks. The code that a finished fold's key is made of must not import them."""

from __future__ import annotations

from scripts.common.contracts.contract import Column, Contract, person, unhidden
from scripts.common.vocabulary import MASKS

_WHO = (person("patient_id", "pseudonym of the patient"), person("image_id", "pseudonym of the film"))
_DEEP = person("deep", "the network's probability", "float")

HISTORY = Contract(
    "results/deep/{fold}/history.csv",
    "epoch",
    (
        unhidden("epoch", "number of the epoch, from 1", "int"),
        unhidden("loss", "mean over the epoch's steps"),
        unhidden("loss_global", "of the head on the token"),
        unhidden("loss_local", "of the heads on the blocks"),
        unhidden("held_out_auc", "AUC of the held-out films; empty where they are of one class"),
        unhidden("lr", "learning rate of the last step"),
        unhidden("films_per_s", "films a second, without the scoring of the held-out films"),
        unhidden("data_wait", "share of the time in which nothing was computed for lack of films"),
    ),
    row_key=("epoch",),
)
"""Losses on the training patients: not shared, as the network is not."""

HELD_OUT = Contract(
    "results/deep/{fold}/held_out.csv",
    "film that the fold did not see",
    (
        *_WHO,
        person("fold", "the fold", "int"),
        person("label", "1 osteoporosis, 0 not", "int"),
        _DEEP,
    ),
    row_key=("image_id",),
)

OUT_OF_FOLD = Contract(
    "results/deep/scores/train.csv",
    "training patient",
    (*_WHO, _DEEP, person("fold", "the fold that did not see the film", "int")),
    row_key=("patient_id",),
)

SET_SCORES = Contract(
    "results/deep/scores/{set}.csv",
    "patient of a test set",
    (*_WHO, _DEEP),
    others=Column("fold_<k>", "float", "person", "probability of the fold's network"),
    row_key=("patient_id",),
)

_COVERED = (
    "the spine's band covered",
    "two bands beside it, together as wide, covered",
    "the outer border covered",
    "all but the spine's band covered",
)
_MASKED = tuple(
    person(mask, f"probability with {covered}", "float")
    for mask, covered in zip(MASKS, _COVERED, strict=True)
)

MASKED = Contract(
    "results/deep/masked/{set}.csv", "patient of a test set", (*_WHO, *_MASKED), row_key=("patient_id",)
)

CASES = Contract(
    "results/deep/gradcam/cases.csv",
    "case; row n belongs to entry n of the arrays in maps.npz",
    (
        person("set", "the set"),
        person("image_id", "pseudonym of the film"),
        person("patient_id", "pseudonym of the patient"),
        person("kind", "TP, FP, TN or FN"),
        _DEEP,
        person("label", "1 osteoporosis, 0 not", "int"),
        person("threshold", "the frozen one", "float"),
        person("chosen", "certain: the most certain of its kind; random: drawn from the whole set"),
    ),
    row_key=("image_id", "chosen"),
)

ALL = (HISTORY, HELD_OUT, OUT_OF_FOLD, SET_SCORES, MASKED, CASES)
