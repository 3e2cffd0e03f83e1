"""Check the films of one batch of a hand-over and take them in."""

from scripts.common.log import rule_log
from scripts.intake.dicom_reading import silence_readers
from scripts.intake.handover import receive_films

with rule_log(snakemake.log[0], snakemake.rule) as log:
    made = snakemake.output
    silence_readers()
    receive_films(
        folder=snakemake.input.folder,
        batch=int(snakemake.wildcards.batch),
        where=f"centers[{snakemake.wildcards.center}]",
        films_folder=made.folder,
        films_table=made.table,
        crosswalk=made.crosswalk,
        log=log,
    )
