"""Every centre's selection in; the study's cohort, flow and excluded patients out."""

import pandas as pd

from scripts.cohort.merging import check_accounts, merge_cohorts, merge_flows
from scripts.common.log import rule_log
from scripts.common.predictors import columns_of, read_with
from scripts.common.tables import COHORT, COHORT_FURTHER, FLOW, read_table, write_table

EXCLUDED = {"patient_id": "text", "reason": "text"}

with rule_log(snakemake.log[0], snakemake.rule) as log:
    source, result, params = snakemake.input, snakemake.output, snakemake.params
    predictors = columns_of(params.predictors)
    whole = {**COHORT, **COHORT_FURTHER}
    cohort = merge_cohorts([read_with(path, whole, predictors) for path in source.sets], predictors)
    flow = merge_flows([read_table(path, FLOW) for path in source.flows], cohort, params.development)
    check_accounts(flow, cohort)
    excluded = [
        read_table(path, EXCLUDED).assign(center=name) for name, path in zip(params.centers, source.excluded)
    ]
    write_table(cohort, result.cohort, {**COHORT, **predictors, **COHORT_FURTHER})
    write_table(flow, result.flow, FLOW)
    write_table(pd.concat(excluded, ignore_index=True), result.excluded, {"center": "text", **EXCLUDED})
    log.say(
        f"{len(cohort)} patients of {cohort['center'].nunique()} centres, {int(cohort['label'].sum())} with "
        "osteoporosis"
    )
