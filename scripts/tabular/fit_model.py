"""Training patients, other models' out-of-fold scores and embeddings in; a model and its out-of-fold scores
out.
"""

from scripts.common.log import rule_log
from scripts.common.tables import COHORT, read_table, write_table
from scripts.tabular.fitting import OUT_OF_FOLD, VARIABLES, fit_model, variable_table
from scripts.tabular.inputs import Inputs

with rule_log(snakemake.log[0], snakemake.rule) as log:
    read, out, given, model = snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards.model
    train = read_table(read.cohort, COHORT)
    design = Inputs.of_rule(read, given).design(train, "train")
    fitted, out_of_fold = fit_model(given.kind, model, train, design, given.settings, given.seed)
    fitted.write(out.model)
    write_table(out_of_fold, out.out_of_fold, OUT_OF_FOLD)
    write_table(variable_table(fitted, design), out.variables, VARIABLES)
    log.say(
        f"{model} ({given.kind}): {len(design.names)} variables, {len(train)} patients, "
        f"{train['fold'].nunique()} folds"
    )
