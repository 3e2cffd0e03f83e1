"""Put a centre's de-identified films and tables into one folder, with a manifest, for a study at another site."""

from scripts.common.log import rule_log
from scripts.intake.handover import hand_over

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    given = snakemake.input  # noqa: F821
    hand_over(
        center=snakemake.wildcards.center,  # noqa: F821
        film_folders=list(given.film_folders),
        film_tables=list(given.film_tables),
        crosswalks=list(given.crosswalks),
        tables={name: given[name] for name in ("patients", "dxa", "set_aside", "table_issues")},
        birth_dates=given.birth_dates,
        enrolment=snakemake.params.enrolment,  # noqa: F821
        criteria=snakemake.params.criteria,  # noqa: F821
        target=snakemake.output.folder,  # noqa: F821
        log=log,
    )
