"""Tables that ``make share`` counts from tables by file or by centre; paths are those within the archive."""

from __future__ import annotations

from scripts.common.contracts import intake
from scripts.common.contracts.contract import Contract, count, key

TABLE_ISSUES = Contract(
    "intake/table_issues.csv",
    "centre, table and reason for which rows were left aside",
    (key("center", "the centre"), *intake.TABLE_ISSUES.columns),
)

FILES_SUMMARY = Contract(
    "intake/files_summary.csv",
    "centre, status and reason",
    (
        key("center", "the centre"),
        key("status", "accepted, quarantined or rejected"),
        key("reason", "why it was not accepted"),
        count("n_files", "files"),
    ),
)

EXPOSURE_SUMMARY = Contract(
    "intake/exposure_summary.csv",
    "centre and verdict",
    (key("center", "the centre"), key("verdict", "pass, review or reject"), count("n_films", "films")),
)
