"""What the jobs of the simulation say.

A leaf (``code_hash.LEAVES``): a reworded line runs nothing again.
"""

from __future__ import annotations


def planned(patients: int, films: int) -> str:
    """Who is simulated."""
    return f"{patients} patients, {films} films"
