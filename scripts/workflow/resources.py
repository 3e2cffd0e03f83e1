"""Threads, memory and time of jobs."""

from __future__ import annotations

from collections.abc import Callable

from snakemake.iocontainers import Wildcards

from scripts.common.config import Config


def grows(amount: int) -> Callable[[Wildcards, int], int]:
    """A resource (MB or minutes) that grows with each attempt: a job that hit a limit passes when it is tried
    again.

    Only the SLURM profile tries again; elsewhere the first attempt is the only one.
    """
    return lambda wildcards, attempt: attempt * amount


def simulation_threads(config: Config) -> Callable[[Wildcards], int]:
    """One thread per 500 simulated patients, at most 8: a small centre leaves cores to other jobs."""

    def threads(wildcards: Wildcards) -> int:
        simulate = config.center(wildcards.center).simulate
        return min(8, 1 + (simulate.n_op + simulate.n_non_op) // 500)

    return threads
