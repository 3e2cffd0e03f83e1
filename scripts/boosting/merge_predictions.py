"""Every set's patients and scores in; results/predictions.csv out, the table that all statistics read."""

from scripts.boosting import progress
from scripts.boosting.predictions import MODELS, merge_predictions, predictions_of_set, read_scores
from scripts.common.contracts.cohort import COHORT, PREDICTIONS
from scripts.common.log import rule_log
from scripts.common.tables import read_table, write_table

with rule_log(snakemake.log[0], snakemake.rule) as log:
    source = snakemake.input
    parts = []
    for place, name in enumerate(snakemake.params.sets):
        scores = {model: read_scores(source[model][place], name, model) for model in MODELS}
        parts.append(predictions_of_set(name, read_table(source.cohorts[place], COHORT), scores))
        log.say(progress.merged(name, len(parts[-1])))
    write_table(merge_predictions(parts), snakemake.output.predictions, PREDICTIONS)
