"""Convert the de-identified films of one batch to 16-bit PNG and measure their exposure."""

from scripts.common.log import rule_log
from scripts.intake.batch_conversion import convert_batch

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    convert_batch(
        films_folder=snakemake.input.folder,  # noqa: F821
        films_table=snakemake.input.table,  # noqa: F821
        window=snakemake.params.window,  # noqa: F821
        ocr=snakemake.params.ocr,  # noqa: F821
        png_folder=snakemake.output.folder,  # noqa: F821
        png_table=snakemake.output.table,  # noqa: F821
        log=log,
    )
