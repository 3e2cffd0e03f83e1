"""Scores of several networks, and what their trainings took, in; the comparison of architectures out."""

from scripts.common.contracts.statistics import ARCHITECTURES
from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.statistics.architectures import architecture_table, training_minutes
from scripts.statistics.performance import auc_text
from scripts.statistics.proc import asked_proc
from scripts.statistics.scored_cohort import read_predictions

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, read = snakemake.params, snakemake.input
    predictions = read_predictions(read.predictions, list(given.roles))
    trained = list(zip(given.trained, read.trainings, strict=True))
    minutes = {
        network: training_minutes([path for owner, path in trained if owner == network])
        for network in given.roles
    }
    proc = asked_proc(given.use_r)
    table = architecture_table(
        predictions, given.roles, given.parameters, minutes, given.sets, given.confidence, proc
    )
    write_table(table, snakemake.output.architectures, ARCHITECTURES)
    for row in table.itertuples():
        log.say(f"{row.set} {row.model}: AUC {auc_text(row)}, difference {row.difference:.3f} {row.note}")
