"""A test set's patients, the networks' scores of them, embeddings and fitted models in; every tabular model's
scores out.
"""

from scripts.common.contracts.models import SET_SCORES
from scripts.common.log import rule_log
from scripts.common.tables import read_table, write_table
from scripts.tabular import progress
from scripts.tabular.inputs import by_model, read_patients
from scripts.tabular.scoring import scored_set

with rule_log(snakemake.log[0], snakemake.rule) as log:
    read, models, name = snakemake.input, snakemake.params.models, snakemake.wildcards.set
    cohort = read_patients(read.cohort, [one for model in models for one in model["predictors"]])
    networks = {model: read_table(path, SET_SCORES) for model, path in by_model(read.scores).items()}
    files = iter(read.embeddings)
    embeddings = {model["name"]: next(files) for model in models if model["embeddings"]}
    tables = scored_set(cohort, name, models, by_model(read.models), networks, embeddings)
    for model, path in by_model(snakemake.output.scores).items():
        write_table(tables[model], path, SET_SCORES)
    log.say(progress.scored(name, len(cohort), len(tables)))
