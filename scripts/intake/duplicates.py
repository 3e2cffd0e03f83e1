"""The same film sent twice, and films that only claim to be the same.

A film has an id from its SOP Instance UID and a checksum of its pixels. Same id and pixels: one is kept. Same
id and other pixels, patient or date: nobody can say which is true, all are quarantined. Same pixels under
another id: one film of the patient is kept; under two patients' ids all are quarantined.
"""

from __future__ import annotations

import pandas as pd

from scripts.common.vocabulary import ACCEPTED, QUARANTINED, REJECTED


def resolve_duplicates(films: pd.DataFrame) -> pd.DataFrame:
    """Settle which copies stand, and give every file its own image id.

    Parameters
    ----------
    films
        One row per file: ``image_id, uid_image_id, path_image_id, patient_id, status, reason, film_date,
        true_date, acquisition_time, pixel_sha256`` (empty where not converted), ``batch``.

    Returns
    -------
    pandas.DataFrame
        The same rows with ``image_id`` unique, and ``status`` and ``reason`` set for duplicates.
    """
    films = films.copy()
    usable = films["status"] == ACCEPTED
    named = films["uid_image_id"] != ""

    for _, group in films[usable & named].groupby("uid_image_id", sort=True):
        if len(group) == 1:
            continue
        if len(group[["pixel_sha256", "patient_id", "true_date"]].drop_duplicates()) > 1:
            films.loc[group.index, ["status", "reason"]] = [QUARANTINED, "conflicting_duplicate"]
            continue
        # only a copy whose file bears the UID's id can stand; path_image_id is the same in every run
        bearers = group[group["image_id"] == group["uid_image_id"]]
        keep = (bearers if len(bearers) else group).sort_values("path_image_id").index[0]
        films.loc[group.index.drop(keep), ["status", "reason"]] = [QUARANTINED, "duplicate"]

    usable = films["status"] == ACCEPTED
    for _, group in films[usable].groupby("pixel_sha256", sort=True):
        if len(group) == 1:
            continue
        if group["patient_id"].nunique() > 1:
            films.loc[group.index, ["status", "reason"]] = [QUARANTINED, "conflicting_duplicate"]
            continue
        keep = group.sort_values(["true_date", "acquisition_time", "image_id"]).index[0]
        films.loc[group.index.drop(keep), ["status", "reason"]] = [QUARANTINED, "duplicate"]

    # one file bears the UID's id: the one that stands, else the first; the others are named by their paths
    order = {ACCEPTED: 0, REJECTED: 0, QUARANTINED: 1}
    claims = films[named & (films["image_id"] == films["uid_image_id"])]
    claims = claims.assign(rank=claims["status"].map(order)).sort_values(
        ["image_id", "rank", "path_image_id"]
    )
    losers = claims.index[claims.duplicated("image_id", keep="first")]
    films.loc[losers, "image_id"] = films.loc[losers, "path_image_id"]
    return films
