"""A centre's films and tables in; its included patients, its flow and its excluded patients out."""

from scripts.cohort.selection import select_cohort
from scripts.common.log import rule_log
from scripts.common.tables import COHORT, DXA, FILMS, FLOW, PATIENTS, SET_ASIDE, read_table, write_table

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    source, result = snakemake.input, snakemake.output  # noqa: F821
    selection = select_cohort(
        films=read_table(source.films, FILMS),
        patients=read_table(source.patients, PATIENTS),
        dxa=read_table(source.dxa, DXA),
        set_aside=read_table(source.set_aside, SET_ASIDE),
        birth_dates=read_table(source.birth_dates, {"patient_id": "text", "birth_date": "date"}),
        settings=snakemake.params.settings,  # noqa: F821
    )
    for line in selection.flow.itertuples():
        if line.n_any:
            log.say(f"{line.kind} {line.step}: {line.n_patients} patients (counted by itself: {line.n_any})")
    write_table(selection.cohort, result.selected, COHORT)
    write_table(selection.flow, result.flow, FLOW)
    write_table(selection.excluded, result.excluded, {"patient_id": "text", "reason": "text"})
