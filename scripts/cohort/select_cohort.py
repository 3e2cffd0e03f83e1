"""A centre's films and tables in; its included patients, their further films, its flow and its excluded
patients out.
"""

from scripts.cohort import progress
from scripts.cohort.selection import Counted, select_cohort
from scripts.common.contracts.cohort import COHORT, EXCLUDED_OF_CENTER, FLOW, FURTHER_FILMS
from scripts.common.contracts.intake import (
    BIRTH_DATES,
    DXA,
    FILM_AGES,
    FILMS,
    HEADER_AGES,
    PAIRS,
    PATIENTS,
    SET_ASIDE,
    VISIT_ORDER,
)
from scripts.common.log import rule_log
from scripts.common.predictors import with_predictors
from scripts.common.tables import empty_table, read_table, read_with, write_table

with rule_log(snakemake.log[0], snakemake.rule) as log:
    source, result = snakemake.input, snakemake.output
    predictors = snakemake.params.predictors
    handed_over = not source.get("birth_dates")
    films = read_table(source.films, FILMS).merge(
        read_table(source.header_ages, HEADER_AGES), on="image_id", how="left", validate="one_to_one"
    )
    selection = select_cohort(
        films=films,
        patients=read_with(source.patients, PATIENTS, predictors),
        dxa=read_table(source.dxa, DXA),
        set_aside=read_table(source.set_aside, SET_ASIDE),
        birth_dates=empty_table(BIRTH_DATES) if handed_over else read_table(source.birth_dates, BIRTH_DATES),
        settings=snakemake.params.settings,
        counted=(
            Counted(
                film_ages=read_table(source.film_ages, FILM_AGES),
                pairs=read_table(source.pairs, PAIRS),
                visit_order=read_table(source.visit_order, VISIT_ORDER),
            )
            if handed_over
            else None
        ),
        predictors=predictors,
    )
    for line in selection.flow.itertuples():
        if line.kind == "note" and line.n_any:
            log.say(progress.noted(line.step, line.n_patients))
        elif line.n_any:
            log.say(progress.flow_line(line.kind, line.step, line.n_patients, line.n_any))
    write_table(selection.cohort, result.selected, with_predictors(COHORT, predictors))
    write_table(selection.flow, result.flow, FLOW)
    write_table(selection.excluded, result.excluded, EXCLUDED_OF_CENTER)
    write_table(selection.further, result.further, FURTHER_FILMS)
