"""Put all centres' tables of files and of exposure into one each."""

import pandas as pd

from scripts.common.contracts.intake import EXPOSURE, FILES
from scripts.common.log import rule_log
from scripts.common.tables import read_table, write_table
from scripts.intake import progress

with rule_log(snakemake.log[0], snakemake.rule) as log:
    for paths, columns, target in (
        (snakemake.input.files, FILES, snakemake.output.files),
        (snakemake.input.exposure, EXPOSURE, snakemake.output.exposure),
    ):
        merged = pd.concat([read_table(path, columns) for path in paths], ignore_index=True)
        write_table(merged, target, columns)
        log.say(progress.merged(len(merged), len(paths)))
