"""Decode and resize the films of a set once, into one array and an index."""

from scripts.common.log import rule_log
from scripts.deep.film_cache import cache_films

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    cache_films(
        cohort=snakemake.input.cohort,  # noqa: F821
        films_table=snakemake.input.films,  # noqa: F821
        side=snakemake.params.side,  # noqa: F821
        films_npy=snakemake.output.films,  # noqa: F821
        index_csv=snakemake.output.index,  # noqa: F821
        threads=snakemake.threads,  # noqa: F821
        log=log,
    )
