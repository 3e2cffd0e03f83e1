"""Out-of-fold scores of the training patients in, one frozen threshold per model out."""

from scripts.common.contracts.statistics import THRESHOLDS
from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.statistics.thresholds import freeze
from scripts.statistics.waist import read_predictions

with rule_log(snakemake.log[0], snakemake.rule) as log:
    predictions, models = read_predictions(snakemake.input.predictions)
    chosen = snakemake.params.threshold
    table = freeze(predictions, models, chosen["rule"], chosen["value"])
    write_table(table, snakemake.output.thresholds, THRESHOLDS)
    for row in table.itertuples():
        log.say(
            f"{row.model}: {row.threshold:.4f} ({row.rule}), sensitivity {row.sensitivity:.3f}, specificity"
            f" {row.specificity:.3f}"
        )
