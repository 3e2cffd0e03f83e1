"""A test set's patients and deep scores and both models in; both models' probabilities out."""

import pandas as pd

from scripts.boosting import progress
from scripts.boosting.models import FEATURES, read_model, score, variables
from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.networks import SET_SCORES as DEEP_SCORES
from scripts.common.contracts.tabular import SET_SCORES
from scripts.common.log import rule_log
from scripts.common.tables import read_table, write_table

with rule_log(snakemake.log[0], snakemake.rule) as log:
    source = snakemake.input
    cohort = read_table(source.cohort, COHORT)
    deep = read_table(source.deep, DEEP_SCORES)
    scores = {
        model: score(read_model(source[model]), variables(cohort, model, deep), model) for model in FEATURES
    }
    table = pd.DataFrame({"patient_id": cohort["patient_id"], **scores})
    write_table(table, snakemake.output.scores, SET_SCORES)
    log.say(progress.scored(len(cohort), snakemake.wildcards.set))
