"""Tables of ``results/statistics``, in full precision, empty where something is not defined."""

from __future__ import annotations

from scripts.common.contracts.contract import (
    Column,
    Contract,
    count,
    estimate,
    interval,
    key,
    method,
    note,
    setting,
    size,
    sizes,
    unhidden,
)
from scripts.common.vocabulary import MAIN_METRICS, PROPORTIONS

_SET = key("set", "train, internal_test or an external centre")
_MODEL = key("model", "the model")
_PAIR = (key("model_a", "the one model"), key("model_b", "the other"))
_THRESHOLD = setting("threshold", "a score at or above it is positive", "float")
_PRIMARY = setting("primary", "1 for the contrast that the config declares", "int")
_NOTE = note("note", "what could not be estimated, and why")

METRICS = ("auc", *PROPORTIONS, "f1")
"""The metrics of Table 2."""

_TELLS = {
    "auc": "estimate",
    "sensitivity": "of_positives",
    "specificity": "of_negatives",
    **dict.fromkeys(("accuracy", "ppv", "npv", "f1", "net_benefit"), "of_both"),
}
_MEANING = {
    "auc": "area under the ROC curve",
    "sensitivity": "share of those with osteoporosis who are called positive",
    "specificity": "share of those without who are called negative",
    "accuracy": "share of those who are called right",
    "ppv": "share of the positives who have osteoporosis",
    "npv": "share of the negatives who have none",
    "f1": "harmonic mean of ppv and sensitivity",
    "net_benefit": "net benefit at the threshold",
}


def _metrics(*names: str) -> tuple[Column, ...]:
    """Metrics with their intervals, and the intervals' methods behind all of them."""
    return (*_ends(*names), *_methods(*names))


def _ends(*names: str) -> tuple[Column, ...]:
    return tuple(column for name in names for column in interval(name, _MEANING[name], _TELLS[name]))


def _methods(*names: str) -> tuple[Column, ...]:
    return tuple(method(name, _TELLS[name]) for name in names)


def _estimate(name: str, meaning: str, tells: str = "estimate") -> tuple[Column, ...]:
    return (*interval(name, meaning, tells), method(name, tells))


THRESHOLDS = Contract(
    "results/statistics/thresholds.csv",
    "model of any role; the numbers are of the training patients' out-of-fold scores",
    (
        _MODEL,
        _THRESHOLD,
        setting("rule", "how it was chosen"),
        Column("sensitivity", "float", "of_positives", _MEANING["sensitivity"]),
        Column("specificity", "float", "of_negatives", _MEANING["specificity"]),
        *sizes(),
        setting("ties", "which cut point was taken where several fulfil the rule equally well"),
    ),
    promised=("model", "threshold", "rule"),
)


def _group(name: str) -> tuple[Column, ...]:
    """The numbers of Table 1 behind ``op`` or ``non_op``."""
    return (
        count(f"{name}_n", "known values"),
        count(f"{name}_missing", "missing values"),
        Column(f"{name}_mean", "float", "mean", "mean of the known values"),
        Column(f"{name}_sd", "float", "mean", "their standard deviation"),
        count(f"{name}_male", "men"),
        count(f"{name}_female", "women"),
    )


TABLE1 = Contract(
    "results/statistics/table1.csv",
    "centre and variable; the development centre's two sets are one group",
    (
        key("center", "the centre"),
        key("variable", "the variable"),
        Column("op", "text", "mean", "mean ± SD with osteoporosis; counts male/female, yes/no or of levels"),
        Column("non_op", "text", "mean", "mean ± SD without, or counts"),
        estimate("statistic", "Welch's t or Pearson's chi-squared"),
        setting("test", "the test"),
        estimate("p_value", "its P"),
        estimate("fisher_p", "Fisher's exact P where an expected count is under 5"),
        estimate("smd", "standardised mean difference, OP minus non-OP (of the share of men, or of yes)"),
        estimate("df", "degrees of freedom"),
        count("n", "known values"),
        count("missing", "missing values"),
        *_group("op"),
        *_group("non_op"),
        estimate("min_expected", "the smallest expected count"),
        _NOTE,
    ),
    promised=("center", "variable", "op", "non_op", "statistic", "test", "p_value"),
)

MISSING = Contract(
    "results/statistics/missing.csv",
    "centre, set and variable",
    (
        key("center", "the centre"),
        _SET,
        key("variable", "the variable"),
        size("n", "patients"),
        count("n_missing", "missing values"),
        count("n_capped", "ages given as 90, which stands for all above 89"),
    ),
)

_CELLS = (
    Column("tp", "int", "cell", "true positives"),
    Column("fp", "int", "cell", "false positives"),
    Column("tn", "int", "cell", "true negatives"),
    Column("fn", "int", "cell", "false negatives"),
)

TABLE2 = Contract(
    "results/statistics/table2.csv",
    "test set and model, and one, everyone_positive, that calls every patient positive",
    (
        _SET,
        _MODEL,
        *sizes(),
        *_metrics(*METRICS),
        estimate("auc_wald_low", "lower end of the Wald interval"),
        estimate("auc_wald_high", "upper end of the Wald interval"),
        estimate("auc_logit_low", "lower end of the logit interval"),
        estimate("auc_logit_high", "upper end of the logit interval"),
        _THRESHOLD,
        *_CELLS,
    ),
    promised=("set", "model", "n", "n_pos", *(f"{m}{end}" for m in METRICS for end in ("", "_low", "_high"))),
)

FOLDS = Contract(
    "results/statistics/folds.csv",
    "network, test set and training, and one for ensemble, the trainings' mean probability",
    (
        _MODEL,
        _SET,
        key("fold", "0 ..., of a further seed 0_seed_1 ..., or ensemble"),
        *sizes(),
        *_metrics("auc"),
    ),
)

LEARNING = Contract(
    "results/statistics/learning.csv",
    "network or model on embeddings, and each of its trainings; of the patients whom it did not see",
    (
        _MODEL,
        key("fold", "all, or the training: 0 ..., of a further seed 0_seed_1 ..."),
        setting("start", "random, imagenet, file or embeddings: what it began from"),
        *sizes(),
        *_metrics("auc"),
        estimate("sd_logit", "SD of the scores' logits"),
        unhidden("lowest", "the lowest score"),
        unhidden("highest", "the highest score"),
        unhidden("loss", "global training loss of the last epoch, of all the trainings' mean; of networks"),
        setting("attempts", "how often it was begun, of all the largest; of networks", "int"),
        note("learned", "yes or no"),
        note("finding", "nothing_learned, lags, restarted or learned"),
    ),
)

FIRST_ANSWER = Contract(
    "results/statistics/first_answer.csv",
    "model that needs no network; of its out-of-fold scores of the training patients",
    (_MODEL, _SET, *sizes(), *_metrics("auc")),
)

ARCHITECTURES = Contract(
    "results/statistics/architectures.csv",
    "test set and network, the main network first; none is written where there is one network",
    (
        _SET,
        _MODEL,
        setting("role", "the model's role"),
        setting("n_parameters", "weights of one training, all that are learned", "int"),
        setting(
            "training_minutes",
            "time that all trainings took together; empty where it isn't known of one",
            "float",
        ),
        *sizes(),
        *_metrics("auc"),
        *interval("difference", "AUC less that of the main network, with a Wald interval"),
        estimate("p_value", "P of DeLong's paired test against the main network"),
        estimate("p_holm", "adjusted within the set"),
        note("engine", "pROC or numpy"),
        note("note", "why a row has no test"),
        estimate("brier", "Brier score"),
        *interval("slope", "calibration slope"),
        method("difference"),
        method("slope"),
    ),
)
"""Numbers that stand in other tables too, of networks of every role, side by side."""

DELONG = Contract(
    "results/statistics/delong.csv",
    "test set and pair of models",
    (
        _SET,
        *_PAIR,
        estimate("auc_a", "AUC of the one"),
        estimate("auc_b", "AUC of the other"),
        *interval("difference", "a minus b, with a Wald interval"),
        estimate("z", "DeLong's z"),
        estimate("p_value", "its P"),
        estimate("p_holm", "adjusted within the set"),
        note("engine", "pROC or numpy"),
        _PRIMARY,
        *sizes(),
        note("note", "why a row has no test"),
        method("difference"),
    ),
    promised=(
        *("set", "model_a", "model_b", "auc_a", "auc_b", "difference", "z", "p_value", "p_holm", "engine"),
    ),
)

CALIBRATION = Contract(
    "results/statistics/calibration.csv",
    "test set and model",
    (
        _SET,
        _MODEL,
        *sizes(),
        *interval("intercept", "calibration in the large (slope held at 1)"),
        *interval("slope", "calibration slope"),
        *interval("o_e", "observed over expected"),
        estimate("brier", "Brier score"),
        estimate("brier_no_model", "of giving everyone the set's prevalence"),
        estimate("ici", "mean distance of the smoothed curve from the diagonal"),
        note("smoother", "how the curve was smoothed"),
        note("ci_method", "methods of the intervals"),
        count("n_clipped", "scores within 1e-6 of 0 or 1, whose logit was taken there"),
        note("note", "what could not be estimated, and why; also why there is no curve"),
        *(method(name) for name in ("intercept", "slope", "o_e")),
    ),
)

CALIBRATION_CURVE = Contract(
    "results/statistics/calibration_curve.csv",
    "test set, model and point of the smoothed curve; none where there are too few patients",
    (
        _SET,
        _MODEL,
        estimate("predicted", "predicted probability"),
        *_estimate("observed", "observed share, smoothed"),
    ),
    row_key=("set", "model", "predicted"),
)

NET_BENEFIT = Contract(
    "results/statistics/net_benefit.csv",
    "test set, model (also all and none) and threshold probability",
    (
        _SET,
        _MODEL,
        setting("threshold", "threshold probability", "float"),
        *_estimate("net_benefit", "net benefit", "of_both"),
        *_estimate("over_default", "less that of the better of all and none", "of_both"),
    ),
    row_key=("set", "model", "threshold"),
    promised=("set", "model", "threshold", "net_benefit"),
)

BEST_MODEL = Contract(
    "results/statistics/best_model.csv",
    "test set and range of threshold probabilities in which nothing has a larger net benefit",
    (
        _SET,
        _MODEL,
        unhidden("threshold_from", "lowest threshold of the range"),
        unhidden("threshold_to", "highest threshold of the range"),
        unhidden("n_thresholds", "thresholds of the grid", "int"),
        unhidden("tied_with", "who is equally good there", "text"),
        unhidden("largest_lead", "over the next best that is not tied"),
    ),
    row_key=("set", "model", "threshold_from"),
)

_DIFFERENCE = (
    unhidden("difference", "a minus b"),
    unhidden("difference_low", "lower end of the interval of a paired bootstrap of patients"),
    unhidden("difference_high", "upper end of it"),
    unhidden("difference_ci_method", "method of the interval, or why there is none", "text"),
    _PRIMARY,
    *sizes(),
)

DIFFERENCES = Contract(
    "results/statistics/differences.csv",
    "test set, pair of models and metric of Table 2 at the frozen thresholds",
    (
        _SET,
        *_PAIR,
        key("metric", "the metric"),
        unhidden("value_a", "of the one"),
        unhidden("value_b", "of the other"),
        *_DIFFERENCE,
    ),
)
"""No P values: these are estimates beside the tests of ``delong.csv``."""

NET_BENEFIT_DIFFERENCES = Contract(
    "results/statistics/net_benefit_differences.csv",
    "test set, pair of models and threshold probability of the decision curves",
    (_SET, *_PAIR, setting("threshold", "threshold probability", "float"), *_DIFFERENCE),
    row_key=("set", "model_a", "model_b", "threshold"),
)
"""No P values, and no stars: a decision isn't taken by a test of its benefit."""

YOUDEN_UPPER_BOUND = Contract(
    "results/statistics/youden_upper_bound.csv",
    "test set and model",
    (
        _SET,
        _MODEL,
        note("use", "says in each row that this is an upper bound"),
        *sizes(),
        unhidden("best_threshold_on_test", "chosen on these test patients"),
        unhidden("best_sensitivity_on_test", "at it"),
        unhidden("best_specificity_on_test", "at it"),
        unhidden("best_youden_on_test", "the largest Youden index that any threshold reaches"),
        unhidden("youden_at_frozen_threshold", "Youden index at the frozen threshold"),
        unhidden("best_minus_frozen", "what the frozen threshold lacks"),
        note("ci_method", "there is none"),
        _NOTE,
    ),
)
"""Chosen on the patients that it is told for, so it is no estimate of performance; no other file uses it."""

SUBGROUPS = Contract(
    "results/statistics/subgroups.csv",
    "test set, model and level of a subgroup, at the frozen thresholds",
    (
        _SET,
        _MODEL,
        key("subgroup", "sex, age, BMI, manufacturer or DXA interval"),
        key("level", "the level"),
        *sizes(),
        *_metrics(*MAIN_METRICS),
    ),
)

_AT_PREVALENCE = ("sensitivity", "specificity", "ppv", "npv", "net_benefit")

PREVALENCE = Contract(
    "results/statistics/prevalence.csv",
    "population, test set and model; only the set's patients of the population's age count",
    (
        key("population", "the population"),
        key("from_age", "its youngest age", "int"),
        setting("prevalence", "of osteoporosis in it", "float"),
        _SET,
        _MODEL,
        *sizes(),
        _THRESHOLD,
        *_ends(*_AT_PREVALENCE),
        note("ci_method", "methods of the intervals"),
        _NOTE,
        *_methods(*_AT_PREVALENCE),
    ),
)
"""PPV and NPV by Bayes' theorem, net benefit (at the frozen threshold as threshold probability) at the
population's prevalence."""

_MINUS_MAIN = tuple(
    column
    for name in MAIN_METRICS
    for column in _estimate(f"{name}_minus_main", f"{name} less that of the main analysis", _TELLS[name])
)

SENSITIVITY = Contract(
    "results/statistics/sensitivity.csv",
    "analysis, test set and model; same models, same frozen thresholds",
    (
        key("analysis", "main, or another"),
        _SET,
        _MODEL,
        *sizes(),
        *_metrics(*MAIN_METRICS),
        *_MINUS_MAIN,
        note("note", "how an analysis was made where that isn't plain, or why it was refused (n is 0 then)"),
    ),
)

BASELINE_PERFORMANCE = TABLE2.at(
    "results/statistics/baseline_performance.csv",
    setting("rule", "how the threshold was chosen"),
    estimate("brier", "Brier score; empty where the score is no probability"),
    row="set and baseline, and one for each OSTA at its published cut-off (<model>_published)",
)

BASELINE_DELONG = DELONG.at("results/statistics/baseline_delong.csv", row="test set, model and baseline")

SHORTCUTS = Contract(
    "results/statistics/shortcuts.csv",
    "set, analysis and subject; cells that an analysis lacks are empty",
    (
        _SET,
        key("analysis", "variables, within_manufacturer or masked"),
        key("subject", "the group of variables, the manufacturer or the mask"),
        key("against", "what the difference is to"),
        *sizes(),
        estimate("r2_adjusted", "share of the score's logit that the group explains"),
        estimate("r2_cross_validated", "likewise, cross-validated"),
        estimate("r2_partial", "share of what the label leaves that the group explains"),
        estimate("p_partial", "P of its F test"),
        *_metrics("auc"),
        *interval("difference", "AUC of subject less that of against"),
        estimate("p_value", "DeLong's paired test"),
        note("engine", "pROC or numpy"),
        note("note", "why a cell is empty"),
    ),
)
