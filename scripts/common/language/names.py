"""How sets, centres, models and strategies are called where a reader sees them.

A name that a user gave is never looked up among the words: a set called ``male`` is shown as ``Male``, not as
the words of the table's row of men. Only fixed roles have words: the two sets of the development centre, and
the strategies that stand beside the models, whose names no model may have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scripts.common.language import Language
from scripts.common.predictors import Predictor
from scripts.common.study_models import PUBLISHED
from scripts.common.vocabulary import (
    EVERYONE_POSITIVE,
    INTERNAL_TEST,
    TRAIN,
    TREAT_ALL,
    TREAT_NONE,
)

SET_ROLES = {TRAIN: "set_train", INTERNAL_TEST: "set_internal_test"}
STRATEGIES = {
    EVERYONE_POSITIVE: "strategy_everyone_positive",
    TREAT_ALL: "strategy_all",
    TREAT_NONE: "strategy_none",
}


def spaced(name: str) -> str:
    """``name`` with spaces for the underscores between its words; underscores around it stay, so that no two
    names come out alike for them.
    """
    inner = name.strip("_ ")
    return name.replace(inner, inner.replace("_", " "), 1) if inner else name


def titled(name: str) -> str:
    """``name`` with spaces for underscores and a capital at its start: ``external_1`` is ``External 1``."""
    text = spaced(name)
    return text[:1].upper() + text[1:]


class Names:
    """Names as readers should see them: the label that was given, else the words of a fixed role, else the
    name itself.

    ``places`` are labels of sets and centres, ``models`` those of models, each by name; ``predictors`` are
    the study's.
    """

    def __init__(
        self,
        language: Language,
        places: Mapping[str, str] | None = None,
        models: Mapping[str, str] | None = None,
        predictors: Mapping[str, Predictor] | None = None,
    ) -> None:
        self._language = language
        self._places = dict(places or {})
        self._models = {name: label for name, label in (models or {}).items() if label != name}
        self._of_study = frozenset(models or {})
        self.predictors = dict(predictors or {})

    def variable(self, name: str) -> str:
        """A variable of the patients: a predictor's label with its unit, or the study's words."""
        if name in self.predictors:
            return self.predictors[name].title
        return self._language.say(f"variable_{name}")

    def model(self, name: str) -> str:
        """A model's name, also at its published cut-off, or that of a strategy beside the models."""
        if name in STRATEGIES:
            return self._language.say(STRATEGIES[name])
        base = name.removesuffix(PUBLISHED)
        if name not in self._of_study and base != name and base in self._of_study:
            return self._language.say("published_cutoff", model=self.model(base))
        return self._models.get(name) or spaced(name)

    def center(self, name: str) -> str:
        """A centre's name."""
        return self._places.get(name) or titled(name)

    def set(self, name: str) -> str:
        """A set's name; the set of an external centre is called like the centre."""
        if name in SET_ROLES and not self._places.get(name):
            return self._language.say(SET_ROLES[name])
        return self.center(name)

    def set_of_scores(self, name: str) -> str:
        """A set's name where scores are told: those of the training set are out of fold."""
        shown = self.set(name)
        return self._language.say("set_out_of_fold", set=shown) if name == TRAIN else shown

    def shown(
        self, models: Sequence[str] = (), sets: Sequence[str] = (), centers: Sequence[str] = ()
    ) -> dict[str, str]:
        """The names as figures show them, by the place where each can be changed."""
        found = [(name, self.model(name), name in self._models) for name in models]
        found += [(name, self.set(name), name in self._places) for name in sets]
        found += [(name, self.center(name), name in self._places) for name in centers]
        return {f"the {'label' if labelled else 'name'} of '{name}'": text for name, text, labelled in found}
