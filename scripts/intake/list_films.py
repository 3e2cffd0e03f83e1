"""List the films of one centre and give each to a batch."""

from scripts.common.log import rule_log
from scripts.intake import progress
from scripts.intake.listing import write_listing

with rule_log(snakemake.log[0], snakemake.rule) as log:
    counts = write_listing(snakemake.input.folder, snakemake.params.batches, snakemake.output.listing)
    log.say(progress.listed(sum(counts), len(counts), max(counts)))
