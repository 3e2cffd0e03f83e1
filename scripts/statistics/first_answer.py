"""Out-of-fold scores of the models that need no network in, their AUC out."""

from scripts.common.contracts.statistics import FIRST_ANSWER
from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.statistics.early_performance import early_performance, said_of

with rule_log(snakemake.log[0], snakemake.rule) as log:
    scores = dict(zip(snakemake.params.models, snakemake.input.scores, strict=True))
    table = early_performance(scores, snakemake.input.cohort, snakemake.params.confidence)
    write_table(table, snakemake.output[0], FIRST_ANSWER)
    for row in table.itertuples():
        log.say(said_of(row))
