"""All tables of the study together. A rule's script imports the contracts of its tables instead, so that
another table changes nothing for it."""

from __future__ import annotations

from scripts.common.contracts import cohort, intake, models, networks, report, statistics, tabular
from scripts.common.contracts.contract import Contract

CONTRACTS: tuple[Contract, ...] = tuple(
    found
    for module in (intake, cohort, models, networks, tabular, statistics, report)
    for name, found in vars(module).items()
    if isinstance(found, Contract) and not name.startswith("_")
)


def contract_of(path: str) -> Contract | None:
    """The contract of the file at ``path``, from the root of the study; the one that names it most closely
    where several do. None where there is none."""
    found = [contract for contract in CONTRACTS if contract.is_of(path)]
    return min(found, key=lambda contract: contract.path.count("{"), default=None)
