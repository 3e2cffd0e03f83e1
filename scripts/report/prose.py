"""The report's prose: the templates of one language, filled with the facts of a run.

``methods.j2`` and ``model_card.j2`` (after Mitchell et al., FAT* 2019, doi:10.1145/3287560.3287596) hold
parts under ``## `` headings, ``limits.j2`` a list, ``statements.j2`` a named block for each statement of the
reporting checklists. Numbers are formatted by filters: the functions of ``numbers`` under their own names.
Both languages see the same facts.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment

from scripts.common import numbers as fmt
from scripts.common.language import WRITING
from scripts.common.templates import template_environment, unwrapped
from scripts.common.vocabulary import NO_VALUE
from scripts.report.facts import Group, start_of

TEMPLATES = Path(__file__).resolve().parent / "templates"


def _sizes(groups: Sequence[Group]) -> str:
    """``Training set 64 (21); ...``: patients of each set, in brackets those with osteoporosis."""
    return "; ".join(f"{group.label} {fmt.count(group.n)} ({fmt.count(group.op)})" for group in groups)


def _shares(groups: Sequence[Group]) -> str:
    """Share of osteoporosis in each set that has patients."""
    return "; ".join(f"{group.label} {fmt.percent(group.share)} %" for group in groups if group.n)


def _thresholds(thresholds: Sequence[tuple[str, float]]) -> str:
    return "; ".join(f"{label} {fmt.decimal(value)}" for label, value in thresholds) or NO_VALUE


def _auc_with_bounds(row: Mapping[str, Any]) -> str:
    """The AUC of a row of Table 2, with its interval where it has one."""
    return fmt.with_interval(row["auc"], row["auc_low"], row["auc_high"], fmt.auc)


@functools.cache
def _environment(language: str) -> Environment:
    """The templates of a language, with the filters and the words that they use."""
    environment = template_environment(TEMPLATES / language)
    plain = (fmt.auc, fmt.count, fmt.decimal, fmt.number, fmt.percent, fmt.percentage, fmt.plural)
    environment.filters |= {function.__name__: function for function in plain} | {
        "auc_with_bounds": _auc_with_bounds,
        "sentence": lambda text: text[:1].upper() + text[1:],
        "shares": _shares,
        "sizes": _sizes,
        "thresholds": _thresholds,
    }
    environment.globals["start"] = start_of
    words = environment.get_template("words.j2").module
    environment.globals |= {name: value for name, value in vars(words).items() if name[0] != "_"}
    return environment


class Prose:
    """The templates of ``language`` (en or zh) with a run's facts (:func:`scripts.report.facts.facts_of`)."""

    def __init__(self, language: str, facts: dict[str, Any]) -> None:
        self.language, self.facts = language, facts
        self._environment = _environment(language)

    def _unwrapped(self, text: str) -> str:
        """Running text; what was left out leaves no empty line, since headings and items part it."""
        lines = "\n".join(line for line in text.splitlines() if line.strip())
        return unwrapped(lines, WRITING[self.language].spaced)

    def _rendered(self, file: str) -> str:
        return self._unwrapped(self._environment.get_template(file).render(self.facts))

    def parts(self, file: str) -> list[tuple[str, str]]:
        """Heading and paragraph of each part of a file."""
        texts = ("\n" + self._rendered(file)).split("\n## ")[1:]
        return [(heading, text.strip()) for heading, _, text in (part.partition("\n") for part in texts)]

    def items(self, file: str) -> list[str]:
        """The items of a file that is one list."""
        return [line.removeprefix("- ") for line in self._rendered(file).splitlines()]

    def blocks(self, file: str) -> set[str]:
        """The names of a file's blocks."""
        return set(self._environment.get_template(file).blocks)

    def block(self, file: str, name: str) -> str:
        """The text of one block."""
        template = self._environment.get_template(file)
        context = template.new_context(self.facts)
        return self._unwrapped("".join(template.blocks[name](context)))
