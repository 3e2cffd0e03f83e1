"""What lies outside the waist in; the AUC of each training of a network, the baselines beside the models and
the shortcut audit of the main network out.
"""

from itertools import product

from scripts.common.contracts.statistics import BASELINE_DELONG, BASELINE_PERFORMANCE, FOLDS, SHORTCUTS
from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.statistics.baselines import baseline_delong, baseline_performance, with_published
from scripts.statistics.fold_performance import fold_table
from scripts.statistics.performance import auc_text
from scripts.statistics.proc import asked_proc
from scripts.statistics.scored_cohort import read_predictions, scored_cohort
from scripts.statistics.shortcuts import read_masked, shortcut_table, with_films
from scripts.statistics.thresholds import read_cuts

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, read, out = snakemake.params, snakemake.input, snakemake.output
    predictions = read_predictions(read.predictions, [*given.tested, *given.baselines])
    proc = asked_proc(given.use_r)

    scores = dict(zip(product(given.networks, given.sets), read.network_scores, strict=True))
    folds = fold_table(scores, read.cohort, given.confidence)
    write_table(folds, out.folds, FOLDS)
    for row in folds.itertuples():
        log.say(f"{row.model} {row.set} {row.fold}: AUC {auc_text(row)}")

    indices = dict(zip(product(given.osta, given.sets), read.osta_scores, strict=True))
    table = baseline_performance(
        with_published(predictions, given.osta, indices),
        given.baselines,
        given.sets,
        read_cuts(read.thresholds, given.baselines),
        given.confidence,
        given.bootstrap,
        given.seed,
    )
    write_table(table, out.performance, BASELINE_PERFORMANCE)
    tests = baseline_delong(predictions, given.tested, given.baselines, given.sets, given.confidence, proc)
    write_table(tests, out.delong, BASELINE_DELONG)
    for row in table.itertuples():
        log.say(f"{row.set} {row.model}: AUC {row.auc:.3f}, threshold {row.threshold:.3f} ({row.rule})")

    frame = with_films(scored_cohort(predictions, read.cohort), given.main_network, read.exposure)
    masked = read_masked(dict(zip(given.masked_sets, read.masked, strict=True)), frame)
    audit = shortcut_table(frame, masked, given.sets, given.confidence, given.seed, proc)
    write_table(audit, out.shortcuts, SHORTCUTS)
    for row in audit[audit["analysis"] != "within_manufacturer"].itertuples():
        log.say(
            f"{row.set} {row.subject}: R2 {row.r2_cross_validated:.3f}, AUC {row.auc:.3f}, difference"
            f" {row.difference:.3f}"
        )
