"""Give every training patient the probability of the fold that did not see the film."""

from scripts.common.log import rule_log
from scripts.networks.out_of_fold import collect_out_of_fold

with rule_log(snakemake.log[0], snakemake.rule):
    collect_out_of_fold(
        index=snakemake.input.index,
        held_out=snakemake.input.held_out,
        output=snakemake.output[0],
    )
