"""The cohort in, Table 1 and the counts of missing values out."""

from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.statistics import MISSING, TABLE1
from scripts.common.log import rule_log
from scripts.common.tables import read_table, write_table
from scripts.statistics.cohort_description import count_missing, describe

with rule_log(snakemake.log[0], snakemake.rule) as log:
    cohort = read_table(snakemake.input.cohort, COHORT)
    write_table(describe(cohort, snakemake.params.centers), snakemake.output.table1, TABLE1)
    write_table(count_missing(cohort), snakemake.output.missing, MISSING)
    log.say(f"Table 1 of {len(cohort)} patients")
