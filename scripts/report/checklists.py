"""The reporting checklists TRIPOD+AI and CLAIM 2024, filled from a run: what it answers and where, and what
is left to the authors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.common.code_hash import ROOT
from scripts.common.contracts.report import CHECKLIST
from scripts.report.checklist_statements import Statements

CHECKLISTS = ROOT / "report" / "checklists"
NAMES = ("tripod_ai", "claim")
"""The checklists by the name of their file in ``report/checklists``, which is also that of their section."""

ANSWERS = ("answered", "partly", "authors", "not_applicable", "absent")
"""Given by the run; in part, the authors complete it; only the authors can; no such thing in this design;
could be, but not in this run.
"""


@dataclass(frozen=True)
class Filled:
    """An item of a checklist: ``answer`` is one of ANSWERS, ``where`` holds ``#anchor``, file names and
    ``config: key``.
    """

    item: str
    part: str
    topic: str
    answer: str
    statement: str
    where: tuple[str, ...]


def read_checklist(name: str, folder: Path = CHECKLISTS) -> dict[str, Any]:
    """``name``, ``source`` and ``items`` of a checklist as they stand in its file."""
    import yaml

    return yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))


def filled(name: str, statements: Statements, language: str) -> list[Filled]:
    """All items of a checklist, in their order, with the run's own statements in ``language`` (en or zh)."""
    pick = 1 if language == "zh" else 0
    out = []
    for entry in read_checklist(name)["items"]:
        answer, text = entry["answer"], ""
        if "says" in entry:
            said = getattr(statements, entry["says"])()
            answer = said.answer or answer
            text = (said.english, said.chinese)[pick]
        out.append(
            Filled(
                entry["item"],
                entry["part"],
                entry["topic"][pick],
                answer,
                text,
                tuple(entry.get("where", ())),
            )
        )
    return out


def checklist_frame(
    items: Sequence[Filled], part_words: dict[str, str], answer_words: dict[str, str]
) -> pd.DataFrame:
    """CHECKLIST of the items, with parts and answers in words; an anchor becomes ``report.html#anchor``."""
    rows = []
    for one in items:
        where = "; ".join("report.html" + place if place.startswith("#") else place for place in one.where)
        rows.append(
            [one.item, part_words[one.part], one.topic, answer_words[one.answer], one.statement, where]
        )
    return pd.DataFrame(rows, columns=list(CHECKLIST))
