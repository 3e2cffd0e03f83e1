"""Training patients (combined: and their out-of-fold deep scores) in; trees and out-of-fold scores out."""

from scripts.boosting import progress
from scripts.boosting.models import fit_model, importance, write_model
from scripts.common.contracts.cohort import COHORT
from scripts.common.contracts.networks import SET_SCORES as DEEP_SCORES
from scripts.common.contracts.tabular import IMPORTANCE, OUT_OF_FOLD
from scripts.common.log import rule_log
from scripts.common.tables import read_table, write_table

with rule_log(snakemake.log[0], snakemake.rule) as log:
    source, result, params = snakemake.input, snakemake.output, snakemake.params
    model = snakemake.wildcards.model
    train = read_table(source.train, COHORT)
    deep = read_table(source.deep, DEEP_SCORES) if source.deep else None
    booster, out_of_fold = fit_model(train, deep, model, params.settings, params.seed)
    write_model(booster, result.model)
    write_table(out_of_fold, result.out_of_fold, OUT_OF_FOLD)
    write_table(importance(booster, model), result.importance, IMPORTANCE)
    log.say(progress.fitted(model, params.settings["trees"], len(train), train["fold"].nunique()))
