"""Make one simulated centre: its films, its clinical tables, and the truth about both."""

from pathlib import Path

from scripts.common.log import rule_log
from scripts.synthetic.center import simulate_center

with rule_log(snakemake.log[0], snakemake.rule) as log:
    simulate_center(
        snakemake.wildcards.center,
        snakemake.params.simulate,
        seed=snakemake.params.seed,
        folder=Path(snakemake.output.truth).parent,
        log=log,
        workers=snakemake.threads,
    )
