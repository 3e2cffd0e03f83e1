"""Scores, cohort, the films' measures and masked scores in; the shortcut audit out."""

from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.statistics.shortcuts import SHORTCUTS, read_masked, shortcut_table, with_films
from scripts.statistics.waist import read_predictions, with_cohort

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    given, read = snakemake.params, snakemake.input  # noqa: F821
    predictions, _ = read_predictions(read.predictions)
    frame = with_films(with_cohort(predictions, read.cohort), read.exposure)
    masked = read_masked(dict(zip(given.masked_sets, read.masked, strict=True)), frame)
    proc = None
    if given.use_r:
        from scripts.statistics.proc import Proc

        proc = Proc()
    table = shortcut_table(frame, masked, given.sets, given.confidence, given.seed, proc)
    write_table(table, snakemake.output.shortcuts, SHORTCUTS)  # noqa: F821
    for row in table[table["analysis"] != "within_manufacturer"].itertuples():
        log.say(f"{row.set} {row.subject}: R2 {row.r2_cross_validated:.3f}, AUC {row.auc:.3f}, difference {row.difference:.3f}")
