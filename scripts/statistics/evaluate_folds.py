"""Each fold's probabilities on the test sets and the cohort in; every fold's own AUC, beside the ensemble's, out."""

from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.statistics.fold_performance import FOLDS, fold_table

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    given = snakemake.params  # noqa: F821
    scores = dict(zip(given.sets, snakemake.input.scores, strict=True))  # noqa: F821
    table = fold_table(scores, snakemake.input.cohort, given.confidence)  # noqa: F821
    write_table(table, snakemake.output.folds, FOLDS)  # noqa: F821
    for row in table.itertuples():
        log.say(f"{row.set} {row.fold}: AUC {row.auc:.3f} ({row.auc_low:.3f} to {row.auc_high:.3f}; {row.auc_ci_method})")
