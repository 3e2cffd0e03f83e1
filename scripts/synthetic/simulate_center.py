"""Make one simulated centre: its films, its clinical tables, and the truth about both."""

from pathlib import Path

from scripts.common.config import Center
from scripts.common.log import rule_log
from scripts.synthetic.center import simulate_center

with rule_log(snakemake.log[0], snakemake.rule) as log:
    simulate_center(
        Center.model_validate(
            dict(
                name=snakemake.wildcards.center,
                role="external",
                simulate=snakemake.params.simulate,
            )
        ),
        seed=snakemake.params.seed,
        folder=Path(snakemake.output.truth).parent,
        log=log,
        workers=snakemake.threads,
    )
