"""What a DXA exam says of osteoporosis, and whether it can say it at all.

An exam is one or several rows, each a measurement of a site; a site may be measured several times (left and
right). The lowest T-score over the studied sites decides (WHO: osteoporosis at or below -2.5), and a value
that can't be read never becomes another label:

- A T-score at or below the cut-off, or one known to be at most so much (``t_below``), proves osteoporosis,
  whatever else is unknown.
- A row is *undecided* where it can't be read, or where only a bound is known that doesn't tell on which side
  of the cut-off the T-score lies. Without proof of osteoporosis an exam with an undecided row has no label:
  the T-score that can't be read could be the lowest. A row whose site can't be read may be any site, one
  whose date can't be read may be of any exam of the patient.
- Otherwise the exam says 'no osteoporosis', if enough sites are known: by a number, or by a bound at or above
  the cut-off (``t_above``), which clears the site.
- A row that was never measured (no T-score, nothing unreadable) has no part in it.
"""

from __future__ import annotations

import pandas as pd

from scripts.common.cutoffs import at_least, at_most, rounded

EXAM = ["patient_id", "exam_date"]

LABELLED, UNDECIDED, TOO_FEW_SITES = "labelled", "undecided", "too_few_sites"
"""What an exam gives: a label, none since a row is undecided, none since too few sites are known."""


def as_exams(rows: pd.DataFrame, window_days: int) -> pd.DataFrame:
    """Dated DXA rows with the exam that they belong to: ``exam_date`` and ``day`` become those of its first
    row.

    Rows of a patient whose days (``day``, datetime) lie at most ``window_days`` after the exam's first one
    are of one exam.
    """
    days = rows[["patient_id", "exam_date", "day"]].drop_duplicates().sort_values(["patient_id", "day"])
    numbers = days["day"].to_numpy().astype("datetime64[D]").astype("int64")
    firsts: list[int] = []
    patient, first = None, 0
    for place, (name, number) in enumerate(zip(days["patient_id"], numbers)):
        if name != patient or number - numbers[first] > window_days:
            patient, first = name, place
        firsts.append(first)
    begun = days.iloc[firsts]
    exams = days[EXAM].assign(first_date=begun["exam_date"].to_numpy(), day=begun["day"].to_numpy())
    merged = rows.drop(columns="day").merge(exams, on=EXAM, how="left", validate="many_to_one")
    return merged.drop(columns="exam_date").rename(columns={"first_date": "exam_date"})


def exam_labels(dated: pd.DataFrame, undated: pd.DataFrame, settings: dict) -> pd.DataFrame:
    """What each exam says, a row per exam that has a T-score, a bound, or a row that can't be read.

    Parameters
    ----------
    dated, undated
        DXA rows of studied sites and rows whose site can't be read; those of ``dated`` as ``as_exams`` gives
        them. Each row of ``undated`` counts for every exam of its patient.
    settings
        ``sites`` (in the order in which equal T-scores count), ``op_t_score`` and ``min_sites``.

    Returns
    -------
    pd.DataFrame
        ``patient_id, exam_date, outcome`` (LABELLED, UNDECIDED or TOO_FEW_SITES) and, where labelled,
        ``label``, ``t_score``, ``bmd``, ``dxa_site``, ``n_sites`` (sites that are known by themselves),
        ``unreadable`` (1 where a row is undecided all the same), and per site ``t_score_<site>`` and
        ``label_<site>``. A T-score stands only where it is certainly the lowest.
    """
    rows = _judged(dated, undated, settings)
    exams = rows.groupby(EXAM)
    found = exams[["proved", "known", "undecided"]].any()
    found["t_score"] = _certain_lowest(rows, EXAM)

    by_site = rows.groupby([*EXAM, "site"])
    sites = by_site[["proved", "known", "undecided"]].any()
    sites["label"] = pd.Series(0, index=sites.index, dtype="Int64").mask(sites["proved"], 1)
    sites["label"] = sites["label"].where(sites["proved"] | (sites["known"] & ~sites["undecided"]))
    sites["t_score"] = _certain_lowest(rows, [*EXAM, "site"])
    found["n_sites"] = sites["label"].notna().groupby(level=EXAM).sum()
    for site in settings["sites"]:
        own = sites[sites.index.get_level_values("site") == site].droplevel("site")
        found[f"t_score_{site}"], found[f"label_{site}"] = own["t_score"], own["label"]

    found = found[found["known"] | found["undecided"]]
    few = ~found["proved"] & ~found["undecided"] & (found["n_sites"] < settings["min_sites"])
    outcome = pd.Series(LABELLED, index=found.index, dtype="object").mask(few, TOO_FEW_SITES)
    found["outcome"] = outcome.mask(found["undecided"] & ~found["proved"], UNDECIDED)
    found["label"] = found["proved"].astype("Int64")
    found["unreadable"] = found["undecided"].astype("Int64")
    found = found.join(_telling_row(rows, settings["sites"]))
    return found.drop(columns=["proved", "known", "undecided"]).reset_index()


def _judged(dated: pd.DataFrame, undated: pd.DataFrame, settings: dict) -> pd.DataFrame:
    """Every row with every exam and site that it may be of, and what it tells: ``proved``, ``known``,
    ``undecided``.

    ``t_below`` and ``t_above`` are kept only where they stand for a T-score that is missing. A site with a
    density and no T-score was measured, so it is undecided beside others that are known.
    """
    columns = [*EXAM, "site", "bmd", "t_score", "t_below", "t_above"]
    cutoff = settings["op_t_score"]
    placed = dated["site"].isin(settings["sites"])
    rows = dated[columns].assign(readable=placed & dated["unreadable"].fillna(0).ne(1).astype(bool))
    elsewhere = undated[["patient_id", "site"]].merge(dated[EXAM].drop_duplicates(), on="patient_id")
    rows = pd.concat([rows, elsewhere.reindex(columns=columns).assign(readable=False)], ignore_index=True)
    rows = rows.astype({name: "float64" for name in ("bmd", "t_score", "t_below", "t_above")})
    anywhere = ~rows["site"].isin(settings["sites"])
    everywhere = (
        rows[anywhere].drop(columns="site").merge(pd.DataFrame({"site": settings["sites"]}), how="cross")
    )
    rows = pd.concat([rows[~anywhere], everywhere], ignore_index=True)

    readable = rows["readable"].astype(bool)
    rows["t_score"] = rows["t_score"].where(readable)
    number = rows["t_score"].notna()
    for bound in ("t_below", "t_above"):
        rows[bound] = rows[bound].where(readable & ~number)
    rows["proved"] = at_most(rows["t_score"], cutoff) | at_most(rows["t_below"], cutoff)
    rows["known"] = number | rows["proved"] | at_least(rows["t_above"], cutoff)
    bounded = rows["t_below"].notna() | rows["t_above"].notna()
    told = rows["known"].groupby([rows[name] for name in EXAM]).transform("any")
    dense = rows["bmd"].notna() & ~number & ~bounded & told
    rows["undecided"] = ~readable | (bounded & ~rows["known"]) | dense
    return rows


def _certain_lowest(rows: pd.DataFrame, by: list[str]) -> pd.Series:
    """The lowest T-score of each group where no row of the group can hold a lower one; else missing."""
    groups = rows.groupby(by)
    lowest = groups["t_score"].min()
    lower = groups["undecided"].any() | groups["t_below"].count().gt(0) | (groups["t_above"].min() < lowest)
    return lowest.mask(lower)


def _telling_row(rows: pd.DataFrame, sites: list[str]) -> pd.DataFrame:
    """``bmd`` and ``dxa_site`` of the row that gives each exam its label, by exam.

    Rows that prove osteoporosis come first, numbers before bounds, then the lowest; of equal ones the first
    site of the config.
    """
    order = rows[rows["known"]].assign(
        unproved=lambda known: ~known["proved"],
        bound=lambda known: known["t_score"].isna(),
        value=lambda known: rounded(known["t_score"].fillna(known["t_below"]).fillna(known["t_above"])),
        place=lambda known: known["site"].map({site: place for place, site in enumerate(sites)}),
    )
    order = order.sort_values([*EXAM, "unproved", "bound", "value", "place", "bmd"]).drop_duplicates(EXAM)
    return order.set_index(EXAM)[["bmd", "site"]].rename(columns={"site": "dxa_site"})
