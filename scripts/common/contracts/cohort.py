"""Tables of the cohort, and the scores of all its patients."""

from __future__ import annotations

from scripts.common.contracts.contract import Column, Contract, count, key, person

_WHO = (
    person("patient_id", "pseudonym of the patient"),
    person("center", "the centre"),
    person("set", "train, internal_test or an external centre"),
    person("fold", "0 to 4 in train, else empty", "int"),
    person("label", "1 osteoporosis, 0 not", "int"),
)

COHORT = Contract(
    "results/cohort/cohort.csv results/cohort/train.csv results/cohort/internal_test.csv"
    " results/cohort/{center}/selected.csv",
    "included patient",
    (
        *_WHO,
        person("sex", "F or M"),
        person("age", "completed years at the film; 90 for all above 89", "int"),
        person("height_cm", "height, cm", "float"),
        person("weight_kg", "weight, kg", "float"),
        person("bmi", "body mass index, kg/m2", "float"),
        person("bmd", "of the row that gives the label, g/cm2", "float"),
        person("t_score", "the lowest; empty where it isn't certain", "float"),
        person("dxa_site", "of the row that gives the label"),
        person("n_sites", "sites known by themselves", "int"),
        person("image_id", "pseudonym of the film"),
        person("dxa_interval_days", "DXA minus film", "int"),
        person("manufacturer", "of the device"),
        person("review", "1 where the film, or a difference between header and table, wants a look", "int"),
    ),
    optional=(
        person("dxa_interval_months", "fewest calendar months within which so many days can lie", "int"),
        person("t_score_lumbar", "of the paired exam; empty where it isn't certain", "float"),
        person("t_score_femoral_neck", "likewise", "float"),
        person("t_score_total_hip", "likewise", "float"),
        person("label_lumbar", "the label by that site alone; empty where it is unknown", "int"),
        person("label_femoral_neck", "likewise", "int"),
        person("label_total_hip", "likewise", "int"),
    ),
    others=Column("<predictor>", "float", "person", "a predictor; yes and no as 1 and 0, or a level's name"),
    row_key=("patient_id",),
    promised=(
        *("patient_id", "center", "set", "fold", "label", "sex", "age", "height_cm", "weight_kg", "bmi"),
        *("bmd", "t_score", "dxa_site", "n_sites", "image_id", "dxa_interval_days", "manufacturer", "review"),
    ),
)
"""The optional columns are read by the sensitivity analyses where they stand. A site's are empty where it was
not measured or is not studied; its T-score also where it isn't certainly the lowest (a bound, an unreadable
row), its label where an unreadable row may tell another one."""

FURTHER_FILMS = Contract(
    "results/cohort/{center}/further_films.csv",
    "further film of an included patient, eligible as the first one was, with an exam in the interval",
    (
        person("patient_id", "pseudonym of the patient"),
        person("image_id", "pseudonym of the film"),
        person("label", "by the film's own first exam; empty where that gives none", "int"),
    ),
    row_key=("image_id",),
)
"""Films beside the cohort's, which has one a patient: with `cohort.train_on: all_films` those of training
patients train where their label is the patient's."""

EXCLUDED_OF_CENTER = Contract(
    "results/cohort/{center}/excluded.csv",
    "excluded patient",
    (
        person("patient_id", "pseudonym of the patient"),
        person("reason", "the first that applies, in the order of the flow"),
    ),
    row_key=("patient_id",),
)

EXCLUDED = Contract(
    "results/cohort/excluded.csv",
    "excluded patient",
    (person("center", "the centre"), *EXCLUDED_OF_CENTER.columns),
    row_key=("patient_id",),
)

FLOW = Contract(
    "results/cohort/flow.csv results/cohort/{center}/flow.csv",
    "centre and step",
    (
        key("center", "the centre"),
        key("step", "what happened, or the set"),
        count("n_patients", "patients"),
        count("n_op", "patients with osteoporosis; empty before labels exist"),
        key("kind", "found, excluded, included, set or note"),
        count("n_any", "patients to whom the reason applies, not only those for whom it is the first"),
    ),
    optional=(
        count("n_films", "films of the row's patients, where all films of training patients may train"),
    ),
    promised=("center", "step", "n_patients", "n_op"),
)
"""Rows of the kind ``set`` divide the included patients, rows of the kind ``note`` tell something of some of
them; neither is added up."""

PREDICTIONS = Contract(
    "results/predictions.csv",
    "included patient",
    _WHO,
    others=Column("<model>", "float", "person", "the model's probability, in train out of fold"),
    row_key=("center", "patient_id"),
    promised=("patient_id", "center", "set", "fold", "label"),
)
