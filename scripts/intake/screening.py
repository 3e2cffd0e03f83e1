"""A centre's films after everything that is known of them: duplicates, exposure, a reader's overrides, order
in a day.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from scripts.common.contracts.intake import (
    BATCH_FILMS,
    CONVERTED,
    CROSSWALK,
    EXPOSURE,
    FILES,
    FILMS,
    HEADER_AGES,
    LISTING,
    REVIEW,
    REVIEW_TEMPLATE,
)
from scripts.common.errors import StudyError
from scripts.common.tables import read_table
from scripts.common.vocabulary import ACCEPTED, PASS, QUARANTINED, REJECT, REJECTED
from scripts.intake.duplicates import resolve_duplicates
from scripts.intake.exposure import judge


@dataclass(frozen=True)
class Screened:
    """A centre's tables: FILMS, FILES, EXPOSURE, REVIEW_TEMPLATE, HEADER_AGES, and how many overrides name a
    film that is not judged."""

    films: pd.DataFrame
    files: pd.DataFrame
    exposure: pd.DataFrame
    template: pd.DataFrame
    header_ages: pd.DataFrame
    unused_overrides: int


def read_batches(
    film_tables: list[str], png_tables: list[str], crosswalks: list[str], png_folders: list[str]
) -> pd.DataFrame:
    """All batches of a centre in one table, a row per file found. The lists are in the order of batches."""
    parts = []
    for batch, (films, pngs, private, folder) in enumerate(
        zip(film_tables, png_tables, crosswalks, png_folders, strict=True)
    ):
        film = read_table(films, BATCH_FILMS)
        converted = read_table(pngs, CONVERTED).drop(columns="lut_data")  # long, and nothing here needs it
        converted = converted.rename(columns={"status": "conversion", "reason": "conversion_reason"})
        source = read_table(private, CROSSWALK).rename(columns={"film_date": "true_date"})
        joined = film.merge(
            source[
                ["image_id", "uid_image_id", "path_image_id", "path", "true_date", "acquisition_time", "age"]
            ],
            on="image_id",
            validate="one_to_one",
        ).merge(converted, on="image_id", how="left", validate="one_to_one")
        failed = joined["conversion"] == QUARANTINED
        joined.loc[failed, "status"] = QUARANTINED
        joined.loc[failed, "reason"] = joined.loc[failed, "conversion_reason"]
        joined["pixel_sha256"] = joined["pixel_sha256"].fillna("")
        joined["png"] = [
            f"{folder}/{image}.png" if status == ACCEPTED else ""
            for image, status in zip(joined["image_id"], joined["status"])
        ]
        parts.append(joined.assign(batch=batch))
    return pd.concat(parts, ignore_index=True)


def check_all_listed(rows: pd.DataFrame, listing: str | Path) -> None:
    """Raise ``StudyError`` unless the batches hold exactly the files of the list."""
    listed = set(read_table(listing, LISTING)["path"])
    if listed != set(rows["path"]) or len(rows) != len(listed):
        raise StudyError(
            "The folder of films changed while the run was under way; run the same command again to go on."
        )


def known_image_ids(crosswalks: list[str]) -> set[str]:
    """All image ids that a file of the centre has, or had while another copy of it was absent."""
    known: set[str] = set()
    for path in crosswalks:
        source = read_table(path, CROSSWALK)
        known |= {*source["image_id"], *source["uid_image_id"], *source["path_image_id"]}
    return known - {""}


def read_overrides(verdicts: str | Path | None) -> dict[str, str]:
    """A reader's verdicts by image id (``REVIEW``); none without a table."""
    return {} if verdicts is None else dict(read_table(verdicts, REVIEW).itertuples(index=False, name=None))


def enrolled(true_dates: pd.Series, enrolment: dict | None) -> pd.Series:
    """1 where a film's true date lies in the enrolment period, 0 where not; missing without a date."""
    known = true_dates != ""
    if enrolment is None:
        inside = known
    else:
        first, last = (str(enrolment[k]) for k in ("from", "to"))
        for day in (first, last):
            datetime.date.fromisoformat(day)
        inside = known & (true_dates >= first) & (true_dates <= last)
    return inside.astype("Int64").where(known)


def _order_in_day(films: pd.DataFrame) -> pd.Series:
    """1, 2 ... for the films of one patient and day, by acquisition time and image id; films without a time
    come last.
    """
    known = films[(films["patient_id"] != "") & (films["film_date"] != "")]
    time = known["acquisition_time"].where(known["acquisition_time"] != "", "~")
    ordered = known.assign(time=time).sort_values(["patient_id", "film_date", "time", "image_id"])
    return (ordered.groupby(["patient_id", "film_date"]).cumcount() + 1).reindex(films.index).astype("Int64")


def screen(
    center: str, rows: pd.DataFrame, settings: dict, enrolment: dict | None, overrides: dict[str, str]
) -> Screened:
    """Apply duplicates, exposure rules and overrides to a centre's files (``read_batches``).

    ``settings`` is the config's ``intake.exposure``, ``enrolment`` the centre's (``from``, ``to``) or None.
    """
    rows = resolve_duplicates(rows).sort_values("image_id", ignore_index=True)
    rows["same_day_order"] = _order_in_day(rows)
    if "enrolled" in rows.columns:  # a centre that was handed over: its site knew the true dates
        rows["enrolled"] = rows["enrolled"].astype("Int64")
    else:
        rows["enrolled"] = enrolled(rows["true_date"], enrolment)
    stands = rows["status"] == ACCEPTED
    rows["png"] = rows["png"].where(stands, "")

    judged = rows[stands]
    fixed, refit = (judge(judged, {**settings, "refit": refitted}) for refitted in (False, True))
    automatic = refit if settings["refit"] else fixed
    reader = judged["image_id"].map(lambda image: overrides.get(image, "")).astype("object")
    verdict = automatic["verdict"].where(reader == "", reader)
    reason = automatic["reason"].where(reader == "", "reader")
    rows["verdict"] = verdict.reindex(rows.index).fillna("")
    rows["verdict_reason"] = reason.reindex(rows.index).fillna("")
    rejected = stands & (rows["verdict"] == REJECT)
    rows.loc[rejected, "status"] = REJECTED
    rows.loc[rejected, "reason"] = rows.loc[rejected, "verdict_reason"].str.split(";").str[0]

    exposure = judged.assign(
        center=center,
        verdict=verdict,
        reason=reason,
        automatic_verdict=automatic["verdict"],
        automatic_reason=automatic["reason"],
        fixed_verdict=fixed["verdict"],
        fixed_reason=fixed["reason"],
        refit_verdict=refit["verdict"],
        refit_reason=refit["reason"],
        reader_verdict=reader,
    )[list(EXPOSURE)]
    doubtful = exposure[(exposure["automatic_verdict"] != PASS) | (exposure["reader_verdict"] != "")]
    # What the pixels contradict, a header's declaration doesn't settle: such a film is not shown without a
    # sign-off.
    rows.loc[rows["border_text"].isin(["words", "unread"]), "burned_in"] = "unknown"
    return Screened(
        films=rows.loc[rows["patient_id"] != "", list(FILMS)].reset_index(drop=True),
        files=rows.assign(center=center)[list(FILES)],
        exposure=exposure.reset_index(drop=True),
        template=doubtful.assign(verdict=doubtful["reader_verdict"])[list(REVIEW_TEMPLATE)].reset_index(
            drop=True
        ),
        header_ages=rows.loc[rows["patient_id"] != "", list(HEADER_AGES)].reset_index(drop=True),
        unused_overrides=len(set(overrides) - set(judged["image_id"])),
    )
