"""Scores, cohort and frozen thresholds in; Table 2 and all else that is told of single models, and their
differences, out.
"""

from scripts.common.contracts.statistics import (
    BEST_MODEL,
    CALIBRATION,
    CALIBRATION_CURVE,
    DIFFERENCES,
    NET_BENEFIT,
    NET_BENEFIT_DIFFERENCES,
    PREVALENCE,
    SENSITIVITY,
    SUBGROUPS,
    TABLE2,
    YOUDEN_UPPER_BOUND,
)
from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.statistics.calibration import calibration_tables
from scripts.statistics.decision_curves import best_ranges, decision_curves, threshold_grid
from scripts.statistics.model_differences import (
    benefit_differences_table,
    differences_table,
    upper_bound_table,
)
from scripts.statistics.performance import auc_text, performance_table
from scripts.statistics.scored_cohort import read_predictions, scored_cohort
from scripts.statistics.sensitivity_analyses import sensitivity_table
from scripts.statistics.subgroups import prevalence_table, subgroup_table
from scripts.statistics.thresholds import read_thresholds

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, out = snakemake.params, snakemake.output
    models = given.models
    predictions = read_predictions(snakemake.input.predictions, models)
    scored = scored_cohort(predictions, snakemake.input.cohort, given.predictors)
    cuts = read_thresholds(snakemake.input.thresholds, models)
    level, draws, seed = given.confidence, given.bootstrap, given.seed

    table2 = performance_table(predictions, models, given.sets, cuts, level, draws, seed)
    write_table(table2, out.table2, TABLE2)
    grid = threshold_grid(**given.net_benefit)
    curves = decision_curves(predictions, models, given.sets, grid, level, draws, seed)
    write_table(curves, out.net_benefit, NET_BENEFIT)
    write_table(best_ranges(curves), out.best_model, BEST_MODEL)
    differences = differences_table(
        predictions, models, given.sets, cuts, given.primary_contrast, level, draws, seed
    )
    write_table(differences, out.differences, DIFFERENCES)
    benefits = benefit_differences_table(
        predictions, models, given.sets, grid, given.primary_contrast, level, draws, seed
    )
    write_table(benefits, out.net_benefit_differences, NET_BENEFIT_DIFFERENCES)
    write_table(
        upper_bound_table(predictions, models, given.sets, cuts), out.youden_upper_bound, YOUDEN_UPPER_BOUND
    )
    calibration, curve = calibration_tables(predictions, models, given.sets, level)
    write_table(calibration, out.calibration, CALIBRATION)
    write_table(curve, out.calibration_curve, CALIBRATION_CURVE)
    write_table(subgroup_table(scored, models, given.sets, cuts, level), out.subgroups, SUBGROUPS)
    populations = prevalence_table(scored, models, given.sets, cuts, given.prevalences, level, draws, seed)
    write_table(populations, out.prevalence, PREVALENCE)
    others = sensitivity_table(
        scored, models, given.sets, cuts, given.op_t_score, level, draws, seed, list(given.predictors)
    )
    write_table(others, out.sensitivity, SENSITIVITY)
    for row in table2.itertuples():
        log.say(f"{row.set} {row.model}: AUC {auc_text(row)}")
