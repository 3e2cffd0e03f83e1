"""The statistics' CSV tables in, Table 1 and Table 2 for Word and as HTML out."""

import json
from pathlib import Path

from scripts.common.contracts.statistics import DELONG, MISSING, TABLE1, TABLE2, THRESHOLDS
from scripts.common.log import rule_log
from scripts.common.tables import read_table
from scripts.statistics.manuscript_tables import reference_model, table_1, table_2
from scripts.statistics.three_line import write_docx, write_html
from scripts.statistics.words import Language

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, read, out = snakemake.params, snakemake.input, snakemake.output
    words = Language(given.language, given.labels)
    first = table_1(
        read_table(read.table1, TABLE1),
        read_table(read.missing, MISSING),
        given.centers,
        words,
        given.synthetic,
    )
    compared = read_table(read.delong, DELONG)
    second = table_2(
        read_table(read.table2, TABLE2),
        compared,
        read_table(read.thresholds, THRESHOLDS),
        json.loads(Path(read.engine).read_text(encoding="utf-8")),
        given.sets,
        reference_model(compared),
        given.confidence,
        words,
        given.synthetic,
    )
    for table, name in ((first, "table1"), (second, "table2")):
        write_docx(table, out[f"{name}_docx"])
        write_html(table, out[f"{name}_html"])
    log.say("Table 1 and Table 2 for Word and as HTML")
