"""Training patients, other models' out-of-fold scores and embeddings in; a model and its out-of-fold scores
out.
"""

from scripts.common.contracts.models import OUT_OF_FOLD, SET_SCORES
from scripts.common.contracts.tabular import VARIABLES
from scripts.common.log import rule_log
from scripts.common.tables import read_table, write_table
from scripts.tabular import progress
from scripts.tabular.fitting import fit_model, variable_table
from scripts.tabular.inputs import by_model, design_of, read_patients

with rule_log(snakemake.log[0], snakemake.rule) as log:
    read, out, given, model = snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards.model
    train = read_patients(read.cohort, given.predictors)
    scores = {name: read_table(path, SET_SCORES) for name, path in by_model(read.scores).items()}
    embeddings = str(read.embeddings) if read.embeddings else None
    design = design_of(model, given.predictors, train, "train", scores, embeddings)
    fitted, out_of_fold = fit_model(given.kind, model, train, design, given.settings, given.seed)
    fitted.write(out.model)
    write_table(out_of_fold, out.out_of_fold, OUT_OF_FOLD)
    write_table(variable_table(fitted, design), out.variables, VARIABLES)
    if "penalties" in given.settings:
        warning = progress.penalty_at_the_end(model, fitted.penalty, given.settings["penalties"])
        if warning:
            log.say(warning)
    log.say(progress.fitted(model, given.kind, len(design.names), len(train), train["fold"].nunique()))
