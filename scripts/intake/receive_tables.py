"""Check the folder that a site handed over and take its tables in."""

from scripts.common.log import rule_log
from scripts.intake.handover import TABLES, receive_tables

with rule_log(snakemake.log[0], snakemake.rule) as log:
    made = snakemake.output
    receive_tables(
        folder=snakemake.input.folder,
        where=f"centers[{snakemake.wildcards.center}]",
        criteria=snakemake.params.criteria,
        predictors=snakemake.params.predictors,
        targets={name: made[name] for name in TABLES},
        listing=made.listing,
        log=log,
    )
