"""What the jobs of the cohort say.

A leaf (``code_hash.LEAVES``): a reworded line runs nothing again.
"""

from __future__ import annotations


def noted(what: str, patients: int) -> str:
    """Included patients of whom the flow notes something."""
    return f"of the included: {what}: {patients} patients"


def flow_line(kind: str, step: str, patients: int, by_itself: int) -> str:
    """A line of the flow, and what its step counts regardless of those before it."""
    return f"{kind} {step}: {patients} patients (counted by itself: {by_itself})"


def merged(patients: int, centers: int, op: int) -> str:
    """The study's cohort."""
    return f"{patients} patients of {centers} centres, {op} with osteoporosis"


def part(name: str, patients: int, op: int) -> str:
    """One of the development centre's sets."""
    return f"{name}: {patients} patients, {op} with osteoporosis"


def drawn(now: int, before: int) -> str:
    """Patients whose set was drawn, and those of the lock."""
    return f"{now} patients were drawn now, {before} stood in the split lock before"
