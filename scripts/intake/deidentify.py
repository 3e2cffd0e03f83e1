"""De-identify the films of one batch: a new file from an allow-list for each that can be used, a row for each
that is there.
"""

from scripts.common.key import open_key
from scripts.common.log import rule_log
from scripts.intake.batch_deidentification import deidentify_batch
from scripts.intake.identity import Pseudonyms
from scripts.intake.image_rows import read_images
from scripts.intake.image_table import ImageTable

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, made, settings = snakemake.input, snakemake.output, snakemake.params
    center, images = snakemake.wildcards.center, None
    if settings.images:
        where = f"centers[{center}].images"
        images = ImageTable(
            read_images(settings.images, settings.ids, settings.frontal_view, where), settings.images["bits"]
        )
    deidentify_batch(
        folder=given.folder,
        batch=int(snakemake.wildcards.batch),
        n_batches=settings.batches,
        names=Pseudonyms(
            open_key(given.get("key") or None, settings.seed),
            center,
            settings.ids,
        ),
        patterns=settings.frontal_view,
        images=images,
        films_folder=made.folder,
        films_table=made.table,
        crosswalk=made.crosswalk,
        log=log,
    )
