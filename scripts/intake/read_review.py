"""Read a reader's table of verdicts and see that every film in it is one of the centre's."""

import pandas as pd

from scripts.common.contracts.intake import REVIEW
from scripts.common.log import rule_log
from scripts.common.tables import write_table
from scripts.intake import progress
from scripts.intake.review_table import read_review, verdicts_of
from scripts.intake.screening import known_image_ids

with rule_log(snakemake.log[0], snakemake.rule) as log:
    center = snakemake.wildcards.center
    rows = read_review(snakemake.input.review, f"centers[{center}].review")
    verdicts = verdicts_of(rows, center, known_image_ids(list(snakemake.input.crosswalks)))
    frame = pd.DataFrame(list(verdicts.items()), columns=list(REVIEW), dtype="object")
    write_table(frame, snakemake.output.verdicts, REVIEW)
    log.say(progress.verdicts(len(rows), len(verdicts)))
