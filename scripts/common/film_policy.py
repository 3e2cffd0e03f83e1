"""Which films may be shown, and which pictures made of films: the one place that decides it.

Contact sheets, figures, report and ``make share`` ask here. A film may have a name burned into its pixels.
One whose header says that it has none (BurnedInAnnotation NO) may be shown; one whose header says nothing
only after somebody has looked at the films and signed for it (``report.show_films: signed_off``). A film that
declares burned-in text never comes so far: it is quarantined.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from scripts.common.errors import StudyError

POLICIES = ("not_burned_in", "signed_off")


def signed_off(policy: str) -> bool:
    """Whether somebody signed for all films. ``policy`` is ``report.show_films``; raises ``StudyError`` for
    any other word."""
    if policy not in POLICIES:
        raise StudyError(f"report.show_films: '{policy}' is no policy; use {' or '.join(POLICIES)}.")
    return policy == "signed_off"


def showable(burned_in: pd.Series, policy: str) -> pd.Series:
    """Which films may be shown (boolean). ``burned_in`` is the column of ``films.csv`` (NO or unknown)."""
    return burned_in.eq("NO") | signed_off(policy)


@dataclass(frozen=True)
class SheetDecision:
    """How many films a contact sheet is of, how many of them are left blank on it, and whether a page may
    show it."""

    films: int
    undeclared: int
    show: bool


def contact_sheet_decision(films: pd.DataFrame, verdict: str, policy: str) -> SheetDecision:
    """Whether the report shows the contact sheet of one centre's films with ``verdict``.

    It shows a sheet that has films, all of which may be shown; one with blank places is left in its folder.

    Parameters
    ----------
    films: the centre's ``films.csv`` with ``verdict`` and ``burned_in``.
    verdict: ``reject`` or ``review``.
    policy: ``report.show_films``.
    """
    on_sheet = films[films["verdict"] == verdict]
    undeclared = int((on_sheet["burned_in"] != "NO").sum())
    show = len(on_sheet) > 0 and bool(showable(on_sheet["burned_in"], policy).all())
    return SheetDecision(len(on_sheet), undeclared, show)
