"""Out-of-fold scores of the networks, of the models on embeddings, and of each training in; whether they
learned out.
"""

from scripts.common.contracts.statistics import LEARNING
from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.statistics.learning import learning_table, read_training
from scripts.statistics.performance import auc_text
from scripts.statistics.scored_cohort import read_predictions

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, read = snakemake.params, snakemake.input
    predictions = read_predictions(read.predictions, list(given.starts))
    trainings = {model: [] for model in given.starts}
    files = zip(given.trainings, read.held_out, read.histories, read.trained_on, strict=True)
    for (model, run), *paths in files:
        trainings[model].append(read_training(run, *paths))
    table = learning_table(predictions, trainings, given.starts, given.confidence)
    write_table(table, snakemake.output.learning, LEARNING)
    for row in table.itertuples():
        log.say(
            f"{row.model} {row.fold}: AUC {auc_text(row)}, SD of logits {row.sd_logit:.2f}: {row.finding}"
        )
