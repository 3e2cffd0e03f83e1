"""Put a centre's patient and DXA tables under pseudonyms, in the study's columns, units and codings."""

from pathlib import Path

from scripts.common.contracts.intake import (
    BIRTH_DATES,
    DXA,
    LISTING,
    PATIENTS,
    SET_ASIDE,
    TABLE_ISSUES,
    TABLE_ROWS,
)
from scripts.common.errors import StudyErrors
from scripts.common.files import private_folder
from scripts.common.key import open_key
from scripts.common.log import rule_log
from scripts.common.predictors import with_predictors
from scripts.common.tables import read_table, write_table
from scripts.intake import progress
from scripts.intake.dxa_rows import read_dxa
from scripts.intake.identity import Pseudonyms
from scripts.intake.image_rows import read_images
from scripts.intake.image_table import rows_without_file
from scripts.intake.patient_rows import read_patients
from scripts.intake.pseudonymization import pseudonymize
from scripts.intake.table_checks import account, checked

with rule_log(snakemake.log[0], snakemake.rule) as log:
    made, settings = snakemake.output, snakemake.params
    center = snakemake.wildcards.center
    names = Pseudonyms(open_key(snakemake.input.get("key") or None, settings.seed), center, settings.ids)
    patients = read_patients(settings.patients, settings.ids, f"centers[{center}].patients")
    dxa = read_dxa(settings.dxa, settings.ids, f"centers[{center}].dxa")
    images = None
    if settings.images:
        images = read_images(
            settings.images, settings.ids, settings.frontal_view, f"centers[{center}].images"
        )
        images = rows_without_file(images, read_table(snakemake.input.listing, LISTING)["path"])
    patients, dxa, faults = checked(patients, dxa, images, settings.dxa, f"centers[{center}]")
    if faults:
        raise StudyErrors(faults)
    tables = pseudonymize(patients, dxa, names, images)
    write_table(tables.patients, made.patients, with_predictors(PATIENTS, patients.predictors))
    write_table(tables.dxa, made.dxa, DXA)
    write_table(tables.set_aside, made.set_aside, SET_ASIDE)
    write_table(tables.issues, made.issues, TABLE_ISSUES)
    for frame, path, columns in (
        (tables.birth_dates, made.birth_dates, BIRTH_DATES),
        (tables.rows, made.rows, TABLE_ROWS),
    ):
        private_folder(Path(path).parent)
        write_table(frame, path, columns)
        Path(path).chmod(0o600)
    log.say(
        progress.pseudonymous(len(tables.patients), tables.patients["patient_id"].nunique(), len(tables.dxa))
    )
    for table, reading in (("patients", patients), ("dxa", dxa), *((("images", images),) if images else ())):
        log.say(f"  {account(table, reading)}")
        for said in reading.form:
            log.say(f"  NOTE: {said}")
    for table, reason, count in tables.issues.itertuples(index=False):
        log.say(progress.counted(f"{table}: {reason}", count))
