"""The development centre's included patients in; its training and internal test set out, by the lock."""

from scripts.cohort import progress
from scripts.cohort.split import read_lock, split_patients, write_lock
from scripts.common.contracts.cohort import COHORT
from scripts.common.key import open_key
from scripts.common.log import rule_log
from scripts.common.predictors import with_predictors
from scripts.common.strata import strata_of_frame
from scripts.common.tables import read_table, write_table
from scripts.common.vocabulary import INTERNAL_TEST, TRAIN

with rule_log(snakemake.log[0], snakemake.rule) as log:
    params, result = snakemake.params, snakemake.output
    table = with_predictors(COHORT, params.predictors).whole
    before = read_lock(params.settings["lock"])
    cohort, lock = split_patients(
        read_table(snakemake.input.selected, table),
        before,
        params.settings,
        open_key(params.key_file, params.seed),
    )
    write_lock(lock, params.settings["lock"])
    for name in (TRAIN, INTERNAL_TEST):
        part = cohort[cohort["set"] == name]
        log.say(progress.part(name, len(part), int(part["label"].sum())))
        write_table(part, result[name], table)
    log.say(progress.drawn(len(lock) - len(before), len(before)))
    strata = strata_of_frame(cohort, params.settings["test_fraction"], params.settings["folds"])
    for warning in strata.warnings():
        log.say(warning)
