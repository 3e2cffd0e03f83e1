"""The study's fixed words: names that stand in tables and in several stages' code, each in one place.

They come from the paper's protocol or from a regulation and are no settings; what a user may choose is in the
config. This module imports nothing.
"""

# ------------------------------------------------------------------------------------ sets and centres

TRAIN = "train"
"""The set of the development centre on which models are trained; its scores are out of fold."""

INTERNAL_TEST = "internal_test"
"""The development centre's held-out test set."""

RESERVED_CENTERS = (TRAIN, INTERNAL_TEST)
"""The sets of the development centre; an external centre's set is called like the centre, so no centre may
have one of these names."""

DEVELOPMENT, EXTERNAL = "development", "external"
"""Roles of a centre: the one that trains, and those that only test."""

# ------------------------------------------------------------------------------------ films and cohort

ACCEPTED, QUARANTINED, REJECTED = "accepted", "quarantined", "rejected"
"""``status`` of a file: taken in, set aside since it is no usable film, or turned down for its exposure."""

PASS, REVIEW, REJECT = "pass", "review", "reject"
"""Verdicts on a film's exposure, of the rules and of a reader (who gives no ``review``)."""

EXCLUSIONS = (
    "secondary_osteoporosis",
    "high_density_foreign_body",
    "abnormal_spine",
    "orthopaedic_surgery",
    "poor_image_quality",
)
"""The paper's exclusion criteria, in its order."""

SITES = ("lumbar", "femoral_neck", "total_hip")
"""DXA sites whose T-score can give the label (WHO; ISCD official positions 2019)."""

PATIENT_AND_FILM = ("patient_id", "image_id")
"""What names a row of scores: the patient and the film that was scored."""

OLDEST_AGE = 90
"""Stands for all ages above 89 (45 CFR 164.514(b)(2)(i)(C))."""

# --------------------------------------------------------------------------------- models and variables

MAIN, BASELINE, ABLATION = "main", "baseline", "ablation"
"""Roles of a model: in Table 2 and all figures; in a table of its own; in the comparison of architectures
alone."""

FORMER_FOLDERS = ("results/deep", "results/boosting")
"""Folders of version 0.1.0 in which this one neither reads nor writes."""

CLINICAL = ("sex", "age", "height_cm", "weight_kg", "bmi")
"""The paper's five clinical variables, in the order in which the models know them."""

EVERYONE_POSITIVE = "everyone_positive"
"""The row of Table 2 that calls every patient positive."""

TREAT_ALL, TREAT_NONE = "all", "none"
"""The two strategies that stand beside the models in decision curves (Vickers and Elkin 2006)."""

ALSO_KNOWN = "also known: "
"""Begins the note of the complete cases where they need a value of a predictor of the study's own, too; the
predictors' names follow."""

# ---------------------------------------------------------------------------------------------- network

CASE_KINDS = ("TP", "FP", "TN", "FN")
"""Kinds of a patient whose heat map is shown: true and false positives and negatives."""

MASKS = ("spine_masked", "flanks_masked", "border_masked", "spine_only")
"""The spine's band covered; two bands beside it, together as wide, covered (a control for the covered area
itself); the outer border covered; all but the spine's band covered."""

NOTHING_LEARNED, LAGS, RESTARTED, LEARNED = "nothing_learned", "lags", "restarted", "learned"
"""``finding`` of a model or a training: its scores tell nothing; it, or a training of the model, lags behind
the others; a training was begun twice; none of these."""

ALL_FOLDS = "all"
"""The row of a model's out-of-fold scores of all folds together."""

# ------------------------------------------------------------------------------------------- statistics

SMALL_CLASS = 50
"""Below this many patients in the smaller class an AUC's interval is wide and a Wald interval too short."""

PROPORTIONS = ("sensitivity", "specificity", "accuracy", "ppv", "npv")
"""Proportions of patients that tell how a model classifies at its threshold, in Table 2's order."""

MAIN_METRICS = ("auc", "sensitivity", "specificity")
"""What subgroups and sensitivity analyses tell of a model."""

# --------------------------------------------------------------------------------------- what is shown

NO_VALUE = "–"
"""What a reader sees where a number is not defined."""

REDACTED = "[redacted]"
"""What stands for a part of the config that is not shared."""
