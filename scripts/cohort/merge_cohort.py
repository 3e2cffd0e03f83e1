"""Every centre's selection in; the study's cohort, flow and excluded patients out."""

import pandas as pd

from scripts.cohort import progress
from scripts.cohort.merging import check_accounts, merge_cohorts, merge_flows, with_training_films
from scripts.common.contracts.cohort import COHORT, EXCLUDED, EXCLUDED_OF_CENTER, FLOW, FURTHER_FILMS
from scripts.common.log import rule_log
from scripts.common.predictors import with_predictors
from scripts.common.tables import read_table, read_with, write_table

with rule_log(snakemake.log[0], snakemake.rule) as log:
    source, result, params = snakemake.input, snakemake.output, snakemake.params
    predictors = params.predictors
    cohort = merge_cohorts([read_with(path, COHORT.whole, predictors) for path in source.sets], predictors)
    flow = merge_flows([read_table(path, FLOW) for path in source.flows], cohort, params.development)
    check_accounts(flow, cohort)
    if source.get("further"):
        flow = with_training_films(flow, cohort, read_table(source.further, FURTHER_FILMS))
    excluded = [
        read_table(path, EXCLUDED_OF_CENTER).assign(center=name)
        for name, path in zip(params.centers, source.excluded)
    ]
    write_table(cohort, result.cohort, with_predictors(COHORT, predictors).whole)
    write_table(flow, result.flow, FLOW)
    write_table(pd.concat(excluded, ignore_index=True), result.excluded, EXCLUDED)
    log.say(progress.merged(len(cohort), cohort["center"].nunique(), int(cohort["label"].sum())))
