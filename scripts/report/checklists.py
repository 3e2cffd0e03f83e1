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
from scripts.common.language import LANGUAGES
from scripts.report.prose import Prose

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


def answers(facts: dict[str, Any]) -> dict[str, str]:
    """By statement, the answers that the run decides; elsewhere the item's own in ``report/checklists``
    holds.
    """
    external = facts["sets"][2:]
    whole = 0 < facts["pairs"] == facts["bounded"] and facts["calibrations"] == facts["slopes"]
    decided = {
        "dates": "partly" if any(center.enrolment for center in facts["centers"]) else "authors",
        "disjoint": "partly" if facts["in_two_sets"] or external else "",
        "heterogeneity": "" if len(facts["main"].external_aucs) > 1 else "absent",
        "fairness": "" if facts["subgroups"]["rows"] else "absent",
        "performance": "" if whole else "partly",
        "robustness": "" if facts["sensitivity_analyses"] else "partly",
        "internal_test": "" if facts["sets"][1].n else "partly",
        "external_test": "" if external else "absent",
        "failures": "" if facts["main"].failures else "absent",
    }
    return {name: answer for name, answer in decided.items() if answer}


def filled(name: str, prose: Prose) -> list[Filled]:
    """All items of a checklist, in their order, with the run's own statements."""
    decided, pick = answers(prose.facts), LANGUAGES.index(prose.language)
    out = []
    for entry in read_checklist(name)["items"]:
        says = entry.get("says")
        out.append(
            Filled(
                entry["item"],
                entry["part"],
                entry["topic"][pick],
                decided.get(says, entry["answer"]),
                prose.block("statements.j2", says) if says else "",
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
