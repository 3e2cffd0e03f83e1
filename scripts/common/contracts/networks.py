"""Tables of the networks. The code that a finished fold's key is made of must not import them."""

from __future__ import annotations

from scripts.common.contracts.contract import Contract, person, unhidden
from scripts.common.vocabulary import MASKS

_WHO = (person("patient_id", "pseudonym of the patient"), person("image_id", "pseudonym of the film"))
_SCORE = person("score", "the network's probability", "float")

HISTORY = Contract(
    "results/models/{model}/{fold}/history.csv",
    "epoch",
    (
        unhidden("epoch", "number of the epoch, from 1", "int"),
        unhidden("loss", "mean over the epoch's steps"),
        unhidden("loss_global", "of the films' own logits"),
        unhidden("loss_local", "of the heads on the blocks; 0 without such heads"),
        unhidden("held_out_auc", "AUC of the held-out films; empty where they are of one class"),
        unhidden("lr", "learning rate of the last step"),
        unhidden("films_per_s", "films a second, without the scoring of the held-out films"),
        unhidden("data_wait", "share of the time in which nothing was computed for lack of films"),
    ),
    row_key=("epoch",),
)
"""Losses on the training patients: not shared, as the network is not."""

HELD_OUT = Contract(
    "results/models/{model}/{fold}/held_out.csv",
    "film that the fold did not see",
    (
        *_WHO,
        person("fold", "the fold", "int"),
        person("label", "1 osteoporosis, 0 not", "int"),
        _SCORE,
    ),
    row_key=("image_id",),
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
    "results/models/{model}/masked/{set}.csv",
    "patient of a test set",
    (*_WHO, *_MASKED),
    row_key=("patient_id",),
)

CASES = Contract(
    "results/models/{model}/gradcam/cases.csv",
    "case; row n belongs to entry n of the arrays in maps.npz",
    (
        person("set", "the set"),
        person("image_id", "pseudonym of the film"),
        person("patient_id", "pseudonym of the patient"),
        person("kind", "TP, FP, TN or FN"),
        _SCORE,
        person("label", "1 osteoporosis, 0 not", "int"),
        person("threshold", "the frozen one", "float"),
        person("chosen", "certain: of the most certain of its kind; random: drawn from the whole set"),
    ),
    row_key=("image_id", "chosen"),
)
