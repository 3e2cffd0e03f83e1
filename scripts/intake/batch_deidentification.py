"""De-identification of one batch: a row for every file found, whatever it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from scripts.common.contracts.intake import BATCH_FILMS, CROSSWALK
from scripts.common.files import atomic_folder, atomic_path, private_folder
from scripts.common.log import Log
from scripts.common.tables import write_table
from scripts.common.vocabulary import ACCEPTED, QUARANTINED
from scripts.intake import progress
from scripts.intake.deidentification import deidentified
from scripts.intake.dicom_reading import (
    DAYS_APART,
    Film,
    Unusable,
    film_of,
    read_source,
    refusal,
    silence_readers,
    text,
)
from scripts.intake.film_process import UNFINISHED, each_film
from scripts.intake.identity import Pseudonyms
from scripts.intake.image_table import ImageTable
from scripts.intake.listing import check_folder_is_there, files_of_batch, path_of_text
from scripts.intake.png_reading import examined_png


def _examined(path: Path, names: Pseudonyms, patterns: dict) -> tuple[str, Film | None, str, object]:
    """Reason for quarantine (empty where usable), facts, SOP Instance UID and the dataset of one file."""
    try:
        dataset = read_source(path)
        reason = ""
    except Unusable as error:
        reason = error.reason
        if reason != "cut_short":
            return reason, None, "", None
        try:  # the header may be whole, so that the patient is known
            dataset = read_source(path, with_pixels=False)
        except Unusable:
            return reason, None, "", None
    film = film_of(dataset, names, patterns)
    return reason or refusal(dataset, film), film, text(dataset, "SOPInstanceUID"), dataset


def deidentify_batch(
    *,
    folder: str | Path,
    batch: int,
    n_batches: int,
    names: Pseudonyms,
    patterns: dict[str, list[str]],
    images: ImageTable | None = None,
    films_folder: str | Path,
    films_table: str | Path,
    crosswalk: str | Path,
    log: Log,
) -> None:
    """Write a de-identified file for each usable film of a batch, the batch's table and its private
    crosswalk.

    ``patterns`` is the config's ``intake.frontal_view``; ``images`` is given where the films are PNG files.
    The order of files in the source reaches no output: rows and names follow the keyed image ids.
    """
    silence_readers()
    listed = [(names.image_of_path(path), path) for path in files_of_batch(folder, batch, n_batches)]
    listed.sort()
    rows: list[dict] = []
    makers_lost = 0
    taken: set[str] = set()
    n_differ = n_settled = 0
    with atomic_folder(films_folder) as target:

        def written(item: tuple[str, str]) -> tuple[str, Film | None, str, str, str, bool]:
            """Reason, facts, SOP Instance UID and image id of one file, what kind of fault was unexpected,
            and whether the film's manufacturer is left out."""
            path_id, path = item
            fault, maker_lost = "", False
            try:
                file, uid = Path(folder) / path_of_text(path), ""
                if images is None:
                    reason, film, uid, dataset = _examined(file, names, patterns)
                else:
                    reason, film, dataset = examined_png(file, path, images, names, patterns)
                new = None if reason else deidentified(dataset, film, names)
                maker_lost = new is not None and not film.manufacturer and bool(text(dataset, "Manufacturer"))
            except Unusable as error:
                reason, new = error.reason, None
            except MemoryError:
                raise
            except Exception as error:  # a file must never end the batch; its type helps to fix the software
                reason, film, uid, new = "unreadable_header", None, "", None
                fault = type(error).__name__
            if reason == "unreadable_file":
                check_folder_is_there(folder)
            uid_id = names.image_of_uid(uid) if uid else ""
            image_id = path_id
            if new is not None and uid_id and uid_id not in taken:
                image_id = uid_id
                taken.add(uid_id)
            if new is not None:
                with (target / UNFINISHED).open("wb") as handle:
                    handle.writelines(new.content)
                (target / UNFINISHED).replace(target / f"{image_id}.dcm")
            return reason, film, uid, image_id, fault, maker_lost

        results = each_film(listed, written)
        for (path_id, path), result in log.progress(zip(listed, results, strict=True), len(listed), "files"):
            if result is None:
                log.only_file(progress.put_aside("file", ""))
            reason, film, uid, image_id, fault, lost = result or (
                "reader_failed",
                None,
                "",
                path_id,
                "",
                False,
            )
            makers_lost += lost
            if fault:
                log.only_file(progress.put_aside("file", fault))
            uid_id = names.image_of_uid(uid) if uid else ""
            if film and film.dates_differ:
                n_differ, n_settled = n_differ + 1, n_settled + (film.film_date is not None)
            if image_id == uid_id:
                taken.add(uid_id)
            rows.append(
                {
                    "image_id": image_id,
                    "patient_id": names.patient(film.patient_id) if film and film.patient_id else "",
                    "status": QUARANTINED if reason else ACCEPTED,
                    "reason": reason,
                    "film_date": (
                        names.shifted(film.film_date, film.patient_id).isoformat()
                        if film and film.patient_id and film.film_date
                        else ""
                    ),
                    "view": film.view if film else "",
                    "sex": film.sex if film else "",
                    # free text of the source, searched for identifiers in accepted films only
                    "manufacturer": film.manufacturer if film and not reason else "",
                    "burned_in": film.burned_in if film else "",
                    "uid_image_id": uid_id,
                    "path_image_id": path_id,
                    "path": path,
                    "source_patient_id": film.patient_id if film else "",
                    "source_sop_instance_uid": uid,
                    "true_date": film.film_date.isoformat() if film and film.film_date else "",
                    "acquisition_time": film.acquisition_time if film else "",
                    "age": film.age if film else None,
                }
            )
        (target / UNFINISHED).unlink(missing_ok=True)
        for row in rows:  # a UID whose every file is in quarantine names the first of them
            if row["uid_image_id"] and row["uid_image_id"] not in taken:
                row["image_id"] = row["uid_image_id"]
                taken.add(row["uid_image_id"])
    frame = pd.DataFrame(
        rows, columns=[*BATCH_FILMS, *(c for c in CROSSWALK if c not in BATCH_FILMS), "true_date"]
    )
    frame = frame.sort_values("image_id", ignore_index=True)
    private = frame.drop(columns="film_date").rename(columns={"true_date": "film_date"})[list(CROSSWALK)]
    private_folder(Path(crosswalk).parent)
    with atomic_path(crosswalk, mode=0o600) as part:
        private.to_csv(part, index=False, lineterminator="\n", encoding="utf-8")
    write_table(frame[list(BATCH_FILMS)], films_table, BATCH_FILMS)
    accepted = int((frame["status"] == ACCEPTED).sum())
    log.say(progress.deidentified(batch, len(frame), accepted))
    for reason, count in sorted(Counter(frame.loc[frame["reason"] != "", "reason"]).items()):
        log.say(progress.counted(reason, count))
    if n_differ:
        log.say(progress.dates_differ(DAYS_APART, n_differ, n_settled))
    if makers_lost:
        log.say(progress.makers_left_out(makers_lost))
