"""Convert the de-identified films of one batch to 16-bit PNG and measure their exposure."""

from scripts.common.log import rule_log
from scripts.intake.batch_conversion import convert_batch

with rule_log(snakemake.log[0], snakemake.rule) as log:
    convert_batch(
        films_folder=snakemake.input.folder,
        films_table=snakemake.input.table,
        window=snakemake.params.window,
        ocr=snakemake.params.ocr,
        png_folder=snakemake.output.folder,
        png_table=snakemake.output.table,
        log=log,
    )
