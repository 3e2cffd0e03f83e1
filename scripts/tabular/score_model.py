"""A test set's patients, other models' scores of them, embeddings and a fitted model in; its scores out."""

from scripts.common.log import rule_log
from scripts.common.tables import COHORT, read_table, write_table
from scripts.tabular.fitting import SCORES, scores_of
from scripts.tabular.inputs import Inputs
from scripts.tabular.kinds import module_of

with rule_log(snakemake.log[0], snakemake.rule) as log:
    read, given, name = snakemake.input, snakemake.params, snakemake.wildcards.set
    cohort = read_table(read.cohort, COHORT)
    design = Inputs.of_rule(read, given).design(cohort, name)
    fitted = module_of(given.kind).read(read.model)
    table = scores_of(cohort, fitted.score(design), fitted.raw(design))
    write_table(table, snakemake.output.scores, SCORES)
    log.say(f"{snakemake.wildcards.model}, {name}: {len(cohort)} patients scored")
