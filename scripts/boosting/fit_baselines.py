"""Training patients in; the baselines' coefficients and out-of-fold scores out."""

from scripts.boosting import progress
from scripts.boosting.baselines import VARIABLES, coefficient_table, out_of_fold, scored
from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.tabular import BASELINES, COEFFICIENTS
from scripts.common.log import rule_log
from scripts.common.tables import read_table, write_table

with rule_log(snakemake.log[0], snakemake.rule) as log:
    train = read_table(snakemake.input.train, COHORT)
    _, coefficients = coefficient_table(train)
    write_table(coefficients, snakemake.output.coefficients, COEFFICIENTS)
    scores = {model: out_of_fold(train, model) for model in VARIABLES}
    write_table(scored(train, scores), snakemake.output.out_of_fold, BASELINES)
    log.say(progress.fitted_baselines(", ".join(VARIABLES), len(train)))
