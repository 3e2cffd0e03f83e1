"""Scores of models and baselines in; the baselines' performance and DeLong tests against them out."""

from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.statistics.auc_comparison import DELONG
from scripts.statistics.baselines import (
    PERFORMANCE,
    baseline_delong,
    baseline_performance,
    baseline_thresholds,
    with_baselines,
)
from scripts.statistics.waist import read_predictions

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    given, out = snakemake.params, snakemake.output  # noqa: F821
    predictions, _ = read_predictions(snakemake.input.predictions)  # noqa: F821
    frame = with_baselines(predictions, snakemake.input.baselines)  # noqa: F821
    proc = None
    if given.use_r:
        from scripts.statistics.proc import Proc

        proc = Proc()
    cuts = baseline_thresholds(frame, given.threshold["rule"], given.threshold["value"])
    table = baseline_performance(frame, given.sets, cuts, given.confidence, given.bootstrap, given.seed)
    write_table(table, out.performance, PERFORMANCE)
    write_table(baseline_delong(frame, given.sets, given.confidence, proc), out.delong, DELONG)
    for row in table.itertuples():
        log.say(f"{row.set} {row.model}: AUC {row.auc:.3f}, threshold {row.threshold:.3f} ({row.rule})")
