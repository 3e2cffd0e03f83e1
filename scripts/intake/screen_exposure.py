"""Settle a centre's films: duplicates, exposure, the reader's overrides."""

from pathlib import Path

from scripts.common.contracts.intake import EXPOSURE, FILES, FILMS, HEADER_AGES, REVIEW_TEMPLATE
from scripts.common.files import private_folder
from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.intake import progress
from scripts.intake.screening import check_all_listed, read_batches, read_overrides, screen

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, made, settings = snakemake.input, snakemake.output, snakemake.params
    center = snakemake.wildcards.center
    rows = read_batches(
        list(given.film_tables), list(given.png_tables), list(given.crosswalks), list(given.png_folders)
    )
    check_all_listed(rows, given.listing)
    overrides = read_overrides(given.get("review") or None)
    screened = screen(center, rows, settings.exposure, settings.enrolment, overrides)
    write_table(screened.films, made.films, FILMS)
    private_folder(Path(made.header_ages).parent)
    write_table(screened.header_ages, made.header_ages, HEADER_AGES, mode=0o600)
    write_table(screened.files, made.files, FILES)
    write_table(screened.exposure, made.exposure, EXPOSURE)
    write_table(screened.template, made.template, REVIEW_TEMPLATE)
    counts = screened.files.groupby(["status", "reason"]).size()
    log.say(progress.found(len(screened.files)))
    for (status, reason), count in counts.items():
        log.say(progress.counted(f"{status} {reason}".rstrip(), count))
    for verdict, count in screened.exposure["verdict"].value_counts().sort_index().items():
        log.say(progress.counted(f"exposure {verdict}", count))
    if screened.unused_overrides:
        log.say(progress.unused_verdicts(screened.unused_overrides))
