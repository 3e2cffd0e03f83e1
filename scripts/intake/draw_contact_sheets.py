"""Draw contact sheets of a centre's films that were rejected or flagged, those left blank that may not be
shown."""

from scripts.common.contracts.intake import EXPOSURE, FILMS
from scripts.common.files import atomic_folder
from scripts.common.log import rule_log
from scripts.common.tables import read_table
from scripts.common.vocabulary import REJECT, REVIEW
from scripts.intake import progress
from scripts.intake.contact_sheet import draw_contact_sheets, films_of_sheet

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, made, settings = snakemake.input, snakemake.output, snakemake.params
    center = snakemake.wildcards.center
    films, exposure = read_table(given.films, FILMS), read_table(given.exposure, EXPOSURE)
    with atomic_folder(made.further_sheets) as further:
        for verdict, path in ((REJECT, made.reject_sheet), (REVIEW, made.review_sheet)):
            shown = films_of_sheet(films, exposure, verdict, settings.show_films)
            title = f"{center}, {'rejected' if verdict == 'reject' else 'for review'}"
            draw_contact_sheets(shown, title, settings.synthetic, path, further, verdict)
            hidden = sum(not png for _, _, png in shown)
            log.say(progress.sheet(verdict, len(shown), hidden))
