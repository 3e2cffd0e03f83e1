"""Scores in, DeLong tests between the models and the versions of what computed them out."""

import json

from scripts.common.contracts.statistics import DELONG
from scripts.common.files import write_text
from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.statistics.auc_comparison import delong_table, engine_record
from scripts.statistics.waist import read_predictions

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given = snakemake.params
    predictions, models = read_predictions(snakemake.input.predictions)
    proc = None
    if given.use_r and len(models) > 1:
        from scripts.statistics.proc import Proc

        proc = Proc()
    table = delong_table(predictions, models, given.sets, given.primary_contrast, given.confidence, proc)
    write_table(table, snakemake.output.delong, DELONG)
    write_text(snakemake.output.engine, json.dumps(engine_record(proc), indent=2, sort_keys=True) + "\n")
    for row in table.itertuples():
        log.say(
            f"{row.set} {row.model_a} - {row.model_b}: {row.difference:.3f}, P {row.p_value:.3g}, Holm"
            f" {row.p_holm:.3g} {row.note}"
        )
