"""A test set's patients, other models' scores of them, embeddings and a fitted model in; its scores out."""

from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.models import SET_SCORES
from scripts.common.log import rule_log
from scripts.common.tables import read_table, write_table
from scripts.tabular import progress
from scripts.tabular.fitting import scores_of
from scripts.tabular.inputs import Inputs
from scripts.tabular.kinds import module_of

with rule_log(snakemake.log[0], snakemake.rule) as log:
    read, given, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    cohort = read_table(read.cohort, COHORT)
    design = Inputs.of_rule(read, given, wildcards.model).design(cohort, wildcards.set)
    fitted = module_of(given.kind).read(read.model)
    table = scores_of(cohort, fitted.score(design), fitted.raw(design))
    write_table(table, snakemake.output.scores, SET_SCORES)
    log.say(progress.scored(wildcards.model, wildcards.set, len(cohort)))
