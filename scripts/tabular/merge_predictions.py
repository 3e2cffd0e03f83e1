"""Every set's patients and every model's scores in; results/predictions.csv, the table that all statistics
read, out.
"""

from scripts.common.log import rule_log
from scripts.common.tables import COHORT, read_table, write_table
from scripts.tabular.predictions import SCORED, merge_predictions, predictions_of_set, read_scores

with rule_log(snakemake.log[0], snakemake.rule) as log:
    read, given = snakemake.input, snakemake.params
    parts = []
    for place, name in enumerate(given.sets):
        paths = {model: read.scores[place * len(given.models) + k] for k, model in enumerate(given.models)}
        scores = {model: read_scores(path) for model, path in paths.items()}
        parts.append(predictions_of_set(name, read_table(read.cohorts[place], COHORT), scores))
        log.say(f"{name}: {len(parts[-1])} patients, {len(scores)} models")
    write_table(merge_predictions(parts), snakemake.output.predictions, SCORED)
