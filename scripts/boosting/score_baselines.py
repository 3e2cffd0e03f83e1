"""Test patients and the fitted baselines in; all patients' baseline scores out, training patients' out of
fold.
"""

import pandas as pd

from scripts.boosting import progress
from scripts.boosting.baselines import from_table, scored
from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.tabular import BASELINES, COEFFICIENTS
from scripts.common.log import rule_log
from scripts.common.tables import read_table, write_table

with rule_log(snakemake.log[0], snakemake.rule) as log:
    models = from_table(read_table(snakemake.input.coefficients, COEFFICIENTS))
    parts = [read_table(snakemake.input.out_of_fold, BASELINES)]
    for path in snakemake.input.cohorts:
        cohort = read_table(path, COHORT)
        parts.append(scored(cohort, {name: model.score(cohort) for name, model in models.items()}))
    table = pd.concat(parts, ignore_index=True)
    write_table(table, snakemake.output.baselines, BASELINES)
    log.say(progress.scored(len(table)))
