"""Decode and resize the films of a set once, into one array and an index."""

from scripts.common.log import rule_log
from scripts.networks.film_cache import cache_films

with rule_log(snakemake.log[0], snakemake.rule) as log:
    cache_films(
        cohort=snakemake.input.cohort,
        further=snakemake.input.get("further") or None,
        films_table=snakemake.input.films,
        side=snakemake.params.side,
        films_npy=snakemake.output.films,
        index_csv=snakemake.output.index,
        threads=snakemake.threads,
        log=log,
    )
