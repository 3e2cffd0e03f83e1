"""Out-of-fold scores of the training patients in, one frozen threshold per model out."""

from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.statistics.thresholds import THRESHOLDS, freeze
from scripts.statistics.waist import read_predictions

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    predictions, models = read_predictions(snakemake.input.predictions)  # noqa: F821
    chosen = snakemake.params.threshold  # noqa: F821
    table = freeze(predictions, models, chosen["rule"], chosen["value"])
    write_table(table, snakemake.output.thresholds, THRESHOLDS)  # noqa: F821
    for row in table.itertuples():
        log.say(
            f"{row.model}: {row.threshold:.4f} ({row.rule}), sensitivity {row.sensitivity:.3f}, specificity {row.specificity:.3f}"
        )
