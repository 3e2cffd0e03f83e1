"""Names that a reader must be able to tell apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from scripts.common.language import Language
from scripts.common.language.names import SET_ROLES, STRATEGIES


def _seen(text: str) -> str:
    """What an eye reads of a name: blanks, underscores and large letters tell nothing apart."""
    return " ".join(text.replace("_", " ").split()).casefold()


def refuse_alike(
    where: str, what: str, shown: Sequence[str], taken: Collection[str] = (), key: str = "'label'"
) -> None:
    """Refuse two names that look alike, and one that looks like what tables call something else
    (``ValueError``).

    ``shown`` are the names of ``what`` ("models") as a reader sees them, ``taken`` the study's own words
    beside them, ``key`` where a name is changed.
    """
    seen = [_seen(text) for text in shown]
    for text, own in zip(shown, seen, strict=True):
        if seen.count(own) > 1:
            raise ValueError(f"{where}: two {what} are shown as '{text}'; give each a {key} of its own")
        word = next((word for word in taken if _seen(word) == own), None)
        if word is not None:
            raise ValueError(
                f"{where}: '{text}' is what tables and figures call something else ('{word}'); give another"
                f" {key}"
            )


def words_beside_models(language: str, osta: Sequence[str] = ()) -> list[str]:
    """What stands where models do: the strategies, and each OSTA (as shown) at its published cut-off."""
    words = Language(language)
    cutoffs = [words.say("published_cutoff", model=name) for name in osta]
    return [*(words.say(key) for key in STRATEGIES.values()), *cutoffs]


def words_beside_centers(language: str) -> list[str]:
    """What stands where external centres do: the two sets of the development centre."""
    return [Language(language).say(key) for key in SET_ROLES.values()]


def words_beside_predictors(language: str) -> list[str]:
    """What Table 1 calls the study's own variables."""
    words = Language(language)
    return [words.say(key) for key in words.keys("variable_")]
