"""Fetch the ImageNet weights of a backbone."""

from pathlib import Path

from scripts.common.log import rule_log

with rule_log(snakemake.log[0], snakemake.rule) as log:
    from scripts.networks.weights_file import address_of, fetch_weights

    target = Path(snakemake.output[0])
    fetch_weights(address_of(target.name), target, log)
