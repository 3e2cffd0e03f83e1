"""The cohort in, Table 1 and the counts of missing values out."""

from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.statistics import MISSING, TABLE1
from scripts.common.log import rule_log
from scripts.common.predictors import Predictor
from scripts.common.tables import read_with, write_table
from scripts.statistics.cohort_description import count_missing, describe

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given = snakemake.params
    predictors = {one["name"]: Predictor.of(one) for one in given.predictors}
    types = {name: one.type for name, one in predictors.items()}
    cohort = read_with(snakemake.input.cohort, COHORT, types)
    write_table(describe(cohort, given.centers, predictors), snakemake.output.table1, TABLE1)
    write_table(count_missing(cohort, list(predictors)), snakemake.output.missing, MISSING)
    log.say(f"Table 1 of {len(cohort)} patients")
