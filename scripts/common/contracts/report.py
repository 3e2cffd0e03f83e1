"""Tables that the report's rule writes."""

from __future__ import annotations

from scripts.common.contracts.contract import Contract, unhidden

CHECKLIST = Contract(
    "results/tables/{checklist}.csv",
    "item of a reporting checklist, in the study's language",
    (
        unhidden("item", "its number", "text"),
        unhidden("part", "of the checklist", "text"),
        unhidden("topic", "in our own short words", "text"),
        unhidden("answer", "by the run, in part, by the authors, not applicable, or not in this run", "text"),
        unhidden("statement", "from the run's numbers, none of which is suppressed", "text"),
        unhidden("where", "places, separated by '; '", "text"),
    ),
    row_key=("item",),
)
