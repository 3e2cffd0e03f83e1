"""A centre's de-identified films and tables as one folder that another site's study takes: made here, and
taken in there.

The folder holds what the study computes with and nothing of ``private/``: no true or shifted date, birth
date, time of day, source name or shift. A patient's days stand in their order only (``handed_days.py``). What
needs dates is counted before it leaves: completed years at the films, the pairs of film and exam within the
study's interval and the days between them, which visit is nearest a film, and whether a film lies in the
enrolment period.

======================
=================================================================================================
``manifest.json``      every file with its size and SHA-256 (``scripts/common/manifest.py``)
``films/batch_<b>/``   de-identified films, ``<image_id>.dcm``
``films/batch_<b>.csv`` HANDED_FILMS: a row per file found at the site, so that the study's counts close
``patients.csv`` ...   PATIENTS and predictors, DXA, SET_ASIDE, ``table_issues.csv``; ``film_ages.csv``
                       (FILM_AGES), ``pairs.csv`` (PAIRS), ``visit_order.csv`` (VISIT_ORDER)
======================
=================================================================================================
"""

from __future__ import annotations

import datetime
import re
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from scripts.common.code_hash import ROOT
from scripts.common.contracts.intake import (
    BATCH_FILMS,
    BIRTH_DATES,
    CROSSWALK,
    DXA,
    FILM_AGES,
    HANDED_FILMS,
    LISTING,
    PAIRS,
    PATIENTS,
    SET_ASIDE,
    TABLE_ISSUES,
    VISIT_ORDER,
)
from scripts.common.errors import StudyError
from scripts.common.files import atomic_folder, atomic_path, private_folder, write_text
from scripts.common.log import Log
from scripts.common.manifest import (
    MANIFEST,
    Manifest,
    Recorded,
    check_contents,
    check_criteria,
    check_names,
    check_predictors,
    read_manifest,
    sha256_of,
)
from scripts.common.predictors import CATEGORY, NUMBER, YES_NO, with_predictors
from scripts.common.tables import Columns, read_table, write_table
from scripts.common.vocabulary import ACCEPTED, OLDEST_AGE, SITES
from scripts.intake import progress
from scripts.intake.column_values import look_like_dates
from scripts.intake.dicom_reading import PLAIN_MANUFACTURER
from scripts.intake.frontal_view import AP, LATERAL, PA, UNKNOWN
from scripts.intake.handed_days import film_ages, header_ages_to_tell, in_order, pairs_of, visit_order
from scripts.intake.handed_film import examined, write_of_day
from scripts.intake.listing import scan_folder
from scripts.intake.screening import enrolled

TABLES: dict[str, Columns] = {
    "patients": PATIENTS,
    "dxa": DXA,
    "set_aside": SET_ASIDE,
    "table_issues": TABLE_ISSUES,
    "film_ages": FILM_AGES,
    "pairs": PAIRS,
    "visit_order": VISIT_ORDER,
}
"""The tables beside the films, by name."""

_PATIENT, _IMAGE = r"P[0-9A-F]{16}", r"I[0-9A-F]{16}"

_FORMS = {
    "status": "accepted|quarantined",
    "reason": "[a-z0-9_]{0,60}",
    "view": f"{PA}|{AP}|{LATERAL}|{UNKNOWN}|",
    "sex": "F|M|",
    "manufacturer": PLAIN_MANUFACTURER.pattern,
    "burned_in": "YES|NO|unknown|unreadable|",
    "site": "|".join(SITES),
    "table": "patients|dxa|images|dxa_other_site",
}
_DAY = r"(19[0-4]\d-\d{2}-\d{2})?"
"""A patient's day by its place (``handed_days.FIRST_DAY``); a date of a film, shifted or not, is later."""
"""What the text of a hand-over's tables may be; free text is none of it."""


# -------------------------------------------------------------------------------------------------- at the
# site


def handed_films(
    film_tables: Sequence[str | Path], crosswalks: Sequence[str | Path], enrolment: dict | None
) -> pd.DataFrame:
    """HANDED_FILMS of all batches, with ``batch``. The tables are in the order of batches."""
    parts = []
    for batch, (films, private) in enumerate(zip(film_tables, crosswalks, strict=True)):
        source = read_table(private, CROSSWALK).rename(columns={"film_date": "true_date"})
        kept = ["image_id", "uid_image_id", "path_image_id", "true_date", "acquisition_time", "age"]
        parts.append(
            read_table(films, BATCH_FILMS)
            .merge(source[kept], on="image_id", validate="one_to_one")
            .assign(batch=batch)
        )
    rows = pd.concat(parts, ignore_index=True)
    timed = rows[(rows["acquisition_time"] != "") & (rows["patient_id"] != "") & (rows["film_date"] != "")]
    rank = timed.groupby(["patient_id", "film_date"])["acquisition_time"].rank(method="dense")
    rows["order_in_day"] = rank.reindex(rows.index).astype("Int64")
    rows["enrolled"] = enrolled(rows["true_date"], enrolment)
    return rows[[*HANDED_FILMS, "batch"]]


def hand_over(
    *,
    center: str,
    film_folders: Sequence[str],
    film_tables: Sequence[str],
    crosswalks: Sequence[str],
    tables: dict[str, str],
    birth_dates: str,
    enrolment: dict | None,
    criteria: dict[str, int],
    predictors: dict[str, dict],
    target: str | Path,
    log: Log,
) -> None:
    """Write the hand-over of a centre to ``target``.

    ``tables`` holds the paths of patients, dxa, set_aside and table_issues; ``criteria`` what the ages and
    pairs are counted for, ``predictors`` what the site says of each (``scripts/common/manifest.py``)."""
    rows = handed_films(film_tables, crosswalks, enrolment)
    births = read_table(birth_dates, BIRTH_DATES)
    declared = tables_with(predictors)
    content = {name: read_table(path, declared[name]) for name, path in tables.items()}
    patients, dxa = content["patients"], content["dxa"]
    content["pairs"] = pairs_of(rows, dxa, births, criteria["interval_months"])
    content["film_ages"] = film_ages(rows, dxa, patients, births, content["pairs"], criteria["older_than"])
    content["visit_order"] = visit_order(rows, patients)
    rows["age"] = header_ages_to_tell(rows, dxa, patients, criteria["older_than"])
    content = in_order({**content, "films": rows}, criteria["exam_window_days"])
    rows = content.pop("films")
    with atomic_folder(target) as folder:
        for name, columns in declared.items():
            write_table(content[name], folder / f"{name}.csv", columns)
        for batch, source in enumerate(film_folders):
            part = rows[rows["batch"] == batch]
            films = folder / "films" / f"batch_{batch}"
            films.mkdir(parents=True)
            write_table(part[list(HANDED_FILMS)], films.with_suffix(".csv"), HANDED_FILMS)
            for film in part[part["status"] == ACCEPTED].itertuples():
                name = f"{film.image_id}.dcm"
                write_of_day(Path(source) / name, films / name, datetime.date.fromisoformat(film.film_date))
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        files = {
            name: Recorded((folder / name).stat().st_size, sha256_of(folder / name))
            for name in log.progress(names, len(names), "files")
        }
        software = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        manifest = Manifest(center, len(film_folders), software, dict(criteria), files, dict(predictors))
        write_text(folder / MANIFEST, manifest.text())
    accepted = int((rows["status"] == ACCEPTED).sum())
    patients = content["patients"]["patient_id"].nunique()
    log.say(progress.handed_over(len(rows), accepted, patients))
    log.say(progress.hand_this_over(target))
    log.say(progress.tell_checksum(MANIFEST, sha256_of(Path(target) / MANIFEST)))


# ------------------------------------------------------------------------------------------------- at the
# study


def _checked(folder: Path, where: str, names: Sequence[str]) -> Manifest:
    """The manifest of a hand-over whose files are those that it names, and the ones called ``names``
    unchanged.
    """
    manifest = read_manifest(folder, where)
    check_names(manifest, {found.path: found.size for found in scan_folder(folder)}, where)
    absent = [name for name in names if name not in manifest.files]
    if absent:
        raise StudyError(
            f"{where}.deidentified: the hand-over has no '{absent[0]}'; ask the site to make it again with"
            " 'make handover'."
        )
    check_contents(manifest, folder, names, where)
    return manifest


def _read(
    folder: Path, name: str, columns: Columns, where: str, predictors: dict[str, dict] | None = None
) -> pd.DataFrame:
    """A table of the hand-over. ``predictors`` is what the manifest says of those among its columns.

    Raises ``StudyError`` where a column isn't there, can't be read, or holds what is no pseudonym.
    """
    of_type = {
        kind: [name for name, one in (predictors or {}).items() if one["type"] == kind]
        for kind in (NUMBER, YES_NO, CATEGORY)
    }
    levels = {name: "|".join([*map(re.escape, predictors[name]["levels"]), ""]) for name in of_type[CATEGORY]}
    forms = {**_FORMS, **levels}
    try:
        frame = read_table(folder / name, columns)[list(columns)]
    except (StudyError, ValueError, TypeError):
        raise StudyError(
            f"{where}.deidentified: '{name}' lacks a column or can't be read; use the same version of the"
            " software at both sites."
        ) from None
    for column in columns:
        pattern = _PATIENT if column == "patient_id" else _IMAGE if column.endswith("image_id") else None
        if pattern and not frame[column].str.fullmatch(f"({pattern})?").all():
            raise StudyError(
                f"{where}.deidentified: '{name}' holds ids that are no pseudonyms; delete the folder and tell"
                " the site."
            )
        form = _DAY if columns[column] == "date" else forms.get(column)
        if (
            form
            and not frame[column].str.fullmatch(form).all()
            or column == "age"
            and (frame[column] > OLDEST_AGE).any()
            or column in of_type[YES_NO]
            and not frame[column].dropna().isin([0, 1]).all()
        ):
            raise StudyError(
                f"{where}.deidentified: '{name}' holds in its column '{column}' what no hand-over holds;"
                " delete the folder and tell the site."
            )
    dates = [name for name in of_type[NUMBER] if look_like_dates(frame[name])]
    if dates:
        raise StudyError(
            f"{where}.deidentified: the predictor '{dates[0]}' holds numbers that look like dates; delete the"
            " folder and tell the site."
        )
    return frame


def read_handed_films(folder: str | Path, batch: int, where: str) -> pd.DataFrame:
    """HANDED_FILMS of one batch."""
    return _read(Path(folder), f"films/batch_{batch}.csv", HANDED_FILMS, where)


def tables_with(predictors: dict[str, dict]) -> dict[str, Columns]:
    """``TABLES``, the patients' with the columns of ``predictors``."""
    types = {name: one["type"] for name, one in predictors.items()}
    return {**TABLES, "patients": with_predictors(PATIENTS, types)}


def read_handed_tables(
    folder: str | Path, where: str, criteria: dict[str, int], predictors: dict[str, dict]
) -> dict[str, pd.DataFrame]:
    """The tables beside the films (``TABLES``), after the names, the sizes and these tables' contents were
    checked; of the site's predictors those of the study.

    Refuses a hand-over that was counted for other ``criteria`` than the study's, or whose ``predictors`` are
    other things (``StudyError``).
    """
    folder = Path(folder)
    manifest = _checked(folder, where, [f"{name}.csv" for name in TABLES])
    check_criteria(manifest, criteria, where)
    check_predictors(manifest, predictors, where)
    told = {name: manifest.predictors[name] for name in predictors if name in manifest.predictors}
    return {
        name: _read(folder, f"{name}.csv", columns, where, told if name == "patients" else None)
        for name, columns in tables_with(told).items()
    }


def receive_tables(
    *,
    folder: str,
    where: str,
    criteria: dict[str, int],
    predictors: dict[str, dict],
    targets: dict[str, str],
    listing: str,
    log: Log,
) -> None:
    """Check a hand-over and take its tables in: ``targets`` by the names of ``TABLES``, and the listing of
    its films.
    """
    tables = read_handed_tables(folder, where, criteria, predictors)
    manifest = read_manifest(folder, where)
    listed = []
    for batch in range(manifest.batches):
        check_contents(manifest, folder, [f"films/batch_{batch}.csv"], where)
        rows = read_handed_films(folder, batch, where)
        for image_id, path_id, status in zip(rows["image_id"], rows["path_image_id"], rows["status"]):
            film = manifest.files.get(f"films/batch_{batch}/{image_id}.dcm")
            if (film is not None) != (status == ACCEPTED):
                raise StudyError(
                    f"{where}.deidentified: films and their table don't agree; ask the site to make the"
                    " hand-over again."
                )
            listed.append((path_id, film.size if film else 0, 0, batch))
    for name, path in targets.items():
        write_table(tables[name], path, TABLES[name])
    private_folder(Path(listing).parent)
    with atomic_path(listing, mode=0o600) as part:
        frame = pd.DataFrame(listed, columns=list(LISTING)).sort_values("path")
        frame.to_csv(part, index=False, lineterminator="\n")
    log.say(progress.received(manifest.center, manifest.software, len(listed)))
    for name in sorted(predictors.keys() - manifest.predictors.keys()):
        log.say(progress.predictor_not_handed_over(name))
    for name in sorted(manifest.predictors.keys() - predictors.keys()):
        log.say(progress.predictor_left_out(name))
    log.say(progress.compare_checksum(MANIFEST, sha256_of(Path(folder) / MANIFEST)))


def _refuse_if_unlike(film: Path, row: object, name: str, where: str) -> None:
    """Refuse a film that is not as de-identification writes one, or not the one that its row in the table
    describes.
    """
    found, element = examined(film)
    if element:
        raise StudyError(
            f"{where}.deidentified: '{name}' is not as de-identification writes a film (element {element});"
            " delete the folder and tell the site; use the same version of the software at both sites."
        )
    told = [row.patient_id, row.film_date, row.sex, row.manufacturer, row.burned_in]
    if told != [
        found.patient_id,
        found.film_date.isoformat(),
        found.sex,
        found.manufacturer,
        found.burned_in,
    ]:
        raise StudyError(
            f"{where}.deidentified: '{name}' is not the film that its table describes; ask the site to make"
            " the hand-over again."
        )


def receive_films(
    *, folder: str, batch: int, where: str, films_folder: str, films_table: str, crosswalk: str, log: Log
) -> None:
    """Check the films of one batch of a hand-over and take them in, as if they had been de-identified here.

    In the private crosswalk a film's own path stands for its source, the place of its day for the true date,
    and the order in the day for the time: each compares with others of the same patient as what it stands
    for."""
    source = Path(folder)
    manifest = read_manifest(source, where)
    names = sorted(
        name
        for name in manifest.files
        if name.startswith((f"films/batch_{batch}/", f"films/batch_{batch}.csv"))
    )
    _checked(source, where, names)
    rows = read_handed_films(source, batch, where)
    accepted = rows[rows["status"] == ACCEPTED]
    with atomic_folder(films_folder) as target:
        for row in log.progress(list(accepted.itertuples(index=False)), len(accepted), "films"):
            film = source / "films" / f"batch_{batch}" / f"{row.image_id}.dcm"
            _refuse_if_unlike(film, row, f"films/batch_{batch}/{film.name}", where)
            shutil.copyfile(film, target / film.name)
    order = rows["order_in_day"].map(lambda n: "" if pd.isna(n) else f"{int(n):06d}").astype("object")
    private = rows.assign(
        path=rows["path_image_id"], source_patient_id="", source_sop_instance_uid="", acquisition_time=order
    )
    private_folder(Path(crosswalk).parent)
    with atomic_path(crosswalk, mode=0o600) as part:
        private[list(CROSSWALK)].to_csv(part, index=False, lineterminator="\n", encoding="utf-8")
    write_table(rows[[*BATCH_FILMS, "enrolled"]], films_table, BATCH_FILMS)
    log.say(progress.received_films(batch, len(rows), len(accepted)))
