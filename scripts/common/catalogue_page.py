"""Write the table of results in ``docs/outputs.md`` from the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.common.catalogue import CATALOGUE, FIGURE, RESULTS, ROOT, Result
from scripts.common.files import write_text
from scripts.common.language import Language

PAGE = Path("docs/outputs.md")
BEGIN, END = "<!-- results: written by make docs -->", "<!-- end of results -->"

_WORDS = Language("en", RESULTS)
_SHARED = {
    "whole": "as it is",
    "redacted": "without what could tell",
    "suppressed": "small cells hidden",
    "counted": "counts of its rows",
    "derived": "where nothing is hidden in what it shows",
    "counting": "with `SMALLEST=1` only",
    "films": "after a sign-off on films",
    "never": "no",
}


def _row(result: Result) -> str:
    """A result's line."""
    name = re.sub(r"\{(\w+)\}", r"<\1>", result.name).replace("<center>", "<centre>").replace("<fold>", "<k>")
    suffix = "svg" if result.suffix == FIGURE else result.suffix.split()[0]
    further = [f"`.{one}`" for one in result.suffixes() if one != suffix]
    file = ", ".join([f"`{ROOT}{name}.{suffix}`", *further])
    shared = _SHARED["whole" if result.sharing.by == "nothing" else result.sharing.how]
    shared += ", with `OUTCOMES=keep` only" if result.sharing.outcomes else ""
    section = f"`#{result.place}`" if result.place else ""
    return f"| {file} | {result.titled(_WORDS)} | {section} | {'yes' if result.own else ''} | {shared} |"


def results_table() -> str:
    """The table: file, title, section of the report, whether own tables give it, and how it is shared."""
    head = ["| file | what | in the report | own tables | `make share` |", "| -- | -- | -- | -- | -- |"]
    return "\n".join([*head, *map(_row, CATALOGUE)])


def with_table(page: str) -> str:
    """The page with the table between its marks. Raises ``ValueError`` where the marks are gone."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} lacks the marks '{BEGIN}' and '{END}'")
    return f"{before}{begin}\n\n{results_table()}\n\n{end}{after}"


if __name__ == "__main__":
    write_text(PAGE, with_table(PAGE.read_text(encoding="utf-8")))
