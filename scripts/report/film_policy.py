"""Which images with films on them may be shown: the one place in the report that decides it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from scripts.common.errors import StudyError

POLICIES = ("not_burned_in", "signed_off")


@dataclass(frozen=True)
class SheetDecision:
    """How many films a contact sheet shows, how many of them don't declare that no text is burned in, and the verdict on it."""

    films: int
    undeclared: int
    show: bool


def contact_sheet_decision(films: pd.DataFrame, verdict: str, policy: str) -> SheetDecision:
    """Whether the contact sheet of one centre's films with ``verdict`` may be shown.

    Under ``not_burned_in`` every film with that verdict must declare BurnedInAnnotation NO: one that does not
    hides the whole sheet. Under ``signed_off`` somebody has looked at the films. An empty sheet is not shown.

    Parameters
    ----------
    films: the centre's ``films.csv`` with ``verdict`` and ``burned_in``.
    verdict: ``reject`` or ``review``.
    policy: ``report.show_films``.
    """
    if policy not in POLICIES:
        raise StudyError(f"report.show_films: '{policy}' is no policy; use {' or '.join(POLICIES)}.")
    on_sheet = films[films["verdict"] == verdict]
    undeclared = int((on_sheet["burned_in"] != "NO").sum())
    show = len(on_sheet) > 0 and (policy == "signed_off" or undeclared == 0)
    return SheetDecision(len(on_sheet), undeclared, show)
