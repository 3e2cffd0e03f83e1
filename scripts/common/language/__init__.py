"""Every word that a reader of figures, tables and report sees, in the study's language.

The words stand in ``en.yaml`` and ``zh.yaml`` beside this module, in groups by where they are seen. Names of
sets, centres and models are no words: they are in :mod:`scripts.common.language.names`. Nothing that a number
depends on reads this package.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from scripts.common.errors import StudyError


@dataclass(frozen=True)
class Writing:
    """How a language is written: its tag in a page and in Word's text, whether its letters have italics, and
    whether its words stand apart.
    """

    page: str
    word: str
    italics: bool
    spaced: bool


WRITING = {"en": Writing("en", "en-GB", True, True), "zh": Writing("zh-CN", "zh-CN", False, False)}
LANGUAGES = tuple(WRITING)
COMMON = "common"
"""The group of words that are seen in several places; every language has it."""


@functools.cache
def words_by_group(code: str) -> dict[str, dict[str, str]]:
    """All words of the language ``code`` by group and key; ``StudyError`` where a key stands twice."""
    if code not in LANGUAGES:
        raise StudyError(f"study.language: '{code}' is not known; use {' or '.join(LANGUAGES)}.")
    path = Path(__file__).with_name(f"{code}.yaml")
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))
    keys = [key for words in groups.values() for key in words]
    for key in keys:
        if keys.count(key) > 1:
            raise StudyError(f"'{path.name}' has the key '{key}' in two groups; keep it in one of them.")
    return groups


class Language:
    """Words of one language: those of the group ``common`` and of ``groups``, of all groups where none is
    named.
    """

    def __init__(self, code: str, *groups: str) -> None:
        every = words_by_group(code)
        self.code = code
        self.groups = groups
        self._words = {
            key: text for group in (COMMON, *(groups or every)) for key, text in every[group].items()
        }

    @classmethod
    def of(cls, params: Mapping[str, object]) -> Language:
        """The language that a rule was given by :func:`words_of`."""
        return cls(str(params["language"]), *params["groups"])

    @property
    def writing(self) -> Writing:
        """How it is written."""
        return WRITING[self.code]

    def say(self, key: str, /, **values: object) -> str:
        """The words for ``key``, with ``values`` in place of the names in braces; ``StudyError`` without."""
        if key not in self._words:
            where = " or ".join((COMMON, *self.groups)) if self.groups else "any group"
            raise StudyError(
                f"scripts/common/language/{self.code}.yaml has no words for '{key}' in {where}; add them in"
                " each language."
            )
        text = self._words[key]
        return text.format(**values) if values else text

    def say_code(self, kind: str, code: str) -> str:
        """The words for a code that a user's own table may hold, ``<kind>_<code>``; a code that the software
        doesn't know is shown as it is called, underscores as spaces.
        """
        key = f"{kind}_{code}"
        return self._words[key] if key in self._words else code.replace("_", " ")

    def keys(self, start: str) -> list[str]:
        """The keys that begin with ``start``."""
        return [key for key in self._words if key.startswith(start)]

    @property
    def texts(self) -> Collection[str]:
        """All words, for the choice of fonts."""
        return self._words.values()


def words_of(code: str, *groups: str) -> dict[str, object]:
    """What a rule that shows words takes as a parameter: language, groups, and a hash of their words.

    Sixteen hex digits that change when, and only when, a word changes that the rule can show.
    """
    words = json.dumps(sorted(Language(code, *groups)._words.items()), ensure_ascii=False)
    return {
        "language": code,
        "groups": list(groups),
        "hash": hashlib.sha256(words.encode("utf-8")).hexdigest()[:16],
    }
