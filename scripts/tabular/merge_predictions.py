"""Every set's patients and every model's scores in; results/predictions.csv, the table that all statistics
read, out.
"""

from scripts.common.contracts.cohort import COHORT, PREDICTIONS
from scripts.common.log import rule_log
from scripts.common.tables import read_table, write_table
from scripts.tabular import progress
from scripts.tabular.predictions import merge_predictions, predictions_of_set, read_scores

with rule_log(snakemake.log[0], snakemake.rule) as log:
    read, given = snakemake.input, snakemake.params
    parts = []
    for place, name in enumerate(given.sets):
        paths = {model: read.scores[place * len(given.models) + k] for k, model in enumerate(given.models)}
        scores = {model: read_scores(path) for model, path in paths.items()}
        parts.append(predictions_of_set(name, read_table(read.cohorts[place], COHORT), scores))
        log.say(progress.merged(name, len(parts[-1]), len(scores)))
    write_table(merge_predictions(parts), snakemake.output.predictions, PREDICTIONS)
