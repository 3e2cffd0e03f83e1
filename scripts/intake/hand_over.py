"""Put a centre's de-identified films and tables into one folder, with a manifest, for a study at another
site.
"""

from scripts.common.log import rule_log
from scripts.intake.handover import hand_over

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given = snakemake.input
    hand_over(
        center=snakemake.wildcards.center,
        film_folders=list(given.film_folders),
        film_tables=list(given.film_tables),
        crosswalks=list(given.crosswalks),
        tables={name: given[name] for name in ("patients", "dxa", "set_aside", "table_issues")},
        birth_dates=given.birth_dates,
        enrolment=snakemake.params.enrolment,
        criteria=snakemake.params.criteria,
        predictors=snakemake.params.predictors,
        target=snakemake.output.folder,
        log=log,
    )
