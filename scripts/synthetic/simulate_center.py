"""Make one simulated centre: its films, its clinical tables, and the truth about both."""

from pathlib import Path

from scripts.common.config import Center
from scripts.common.log import rule_log
from scripts.synthetic.center import simulate_center

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    simulate_center(
        Center.model_validate({"name": snakemake.wildcards.center, "role": "external", "simulate": snakemake.params.simulate}),  # noqa: F821
        seed=snakemake.params.seed,  # noqa: F821
        folder=Path(snakemake.output.truth).parent,  # noqa: F821
        log=log,
        workers=snakemake.threads,  # noqa: F821
    )
