"""Check the folder that a site handed over and take its tables in."""

from scripts.common.log import rule_log
from scripts.intake.handover import TABLES, receive_tables

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    made = snakemake.output  # noqa: F821
    receive_tables(
        folder=snakemake.input.folder,  # noqa: F821
        where=f"centers[{snakemake.wildcards.center}]",  # noqa: F821
        criteria=snakemake.params.criteria,  # noqa: F821
        targets={name: made[name] for name in TABLES},
        listing=made.listing,
        log=log,
    )
