"""Check the films of one batch of a hand-over and take them in."""

from scripts.common.log import rule_log
from scripts.intake.dicom_reading import silence_readers
from scripts.intake.handover import receive_films

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    made = snakemake.output  # noqa: F821
    silence_readers()
    receive_films(
        folder=snakemake.input.folder,  # noqa: F821
        batch=int(snakemake.wildcards.batch),  # noqa: F821
        where=f"centers[{snakemake.wildcards.center}]",  # noqa: F821
        films_folder=made.folder,
        films_table=made.table,
        crosswalk=made.crosswalk,
        log=log,
    )
