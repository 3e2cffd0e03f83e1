"""What lies outside the waist in; each fold's AUC, the baselines beside the models and the shortcut audit
out.
"""

from scripts.common.contracts.statistics import BASELINE_DELONG, BASELINE_PERFORMANCE, FOLDS, SHORTCUTS
from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.statistics.baselines import (
    baseline_delong,
    baseline_performance,
    baseline_thresholds,
    with_baselines,
)
from scripts.statistics.fold_performance import fold_table
from scripts.statistics.performance import auc_text
from scripts.statistics.shortcuts import read_masked, shortcut_table, with_films
from scripts.statistics.waist import read_predictions, with_cohort

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, read, out = snakemake.params, snakemake.input, snakemake.output
    predictions, _ = read_predictions(read.predictions)
    proc = None
    if given.use_r:
        from scripts.statistics.proc import Proc

        proc = Proc()

    folds = fold_table(dict(zip(given.sets, read.scores, strict=True)), read.cohort, given.confidence)
    write_table(folds, out.folds, FOLDS)
    for row in folds.itertuples():
        log.say(f"{row.set} {row.fold}: AUC {auc_text(row)}")

    frame = with_baselines(predictions, read.baselines)
    cuts = baseline_thresholds(frame, given.threshold["rule"], given.threshold["value"])
    table = baseline_performance(frame, given.sets, cuts, given.confidence, given.bootstrap, given.seed)
    write_table(table, out.performance, BASELINE_PERFORMANCE)
    write_table(baseline_delong(frame, given.sets, given.confidence, proc), out.delong, BASELINE_DELONG)
    for row in table.itertuples():
        log.say(f"{row.set} {row.model}: AUC {row.auc:.3f}, threshold {row.threshold:.3f} ({row.rule})")

    frame = with_films(with_cohort(predictions, read.cohort), read.exposure)
    masked = read_masked(dict(zip(given.masked_sets, read.masked, strict=True)), frame)
    audit = shortcut_table(frame, masked, given.sets, given.confidence, given.seed, proc)
    write_table(audit, out.shortcuts, SHORTCUTS)
    for row in audit[audit["analysis"] != "within_manufacturer"].itertuples():
        log.say(
            f"{row.set} {row.subject}: R2 {row.r2_cross_validated:.3f}, AUC {row.auc:.3f}, difference"
            f" {row.difference:.3f}"
        )
