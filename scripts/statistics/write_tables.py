"""The statistics' CSV tables in, Table 1 and Table 2 for Word and as HTML out."""

import json
from pathlib import Path

from scripts.common.contracts.statistics import DELONG, MISSING, TABLE1, TABLE2, THRESHOLDS
from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.common.log import rule_log
from scripts.common.manuscript_tables import table_1, table_2
from scripts.common.predictors import Predictor
from scripts.common.study_models import labels_of, study_models
from scripts.common.tables import read_table
from scripts.statistics.three_line import three_line, write_docx, write_html

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, read, out = snakemake.params, snakemake.input, snakemake.output
    words = Language.of(given.words)
    predictors = {one["name"]: Predictor.of(one) for one in given.predictors}
    names = Names(words, given.labels, labels_of(study_models(given.models)), predictors)
    first = table_1(
        read_table(read.table1, TABLE1), read_table(read.missing, MISSING), given.centers, words, names
    )
    second = table_2(
        read_table(read.table2, TABLE2),
        read_table(read.delong, DELONG),
        read_table(read.thresholds, THRESHOLDS),
        json.loads(Path(read.engine).read_text(encoding="utf-8")),
        given.sets,
        given.confidence,
        words,
        names,
    )
    for table, name in ((first, "table1"), (second, "table2")):
        shown = three_line(table, words, given.synthetic)
        write_docx(shown, out[f"{name}_docx"])
        write_html(shown, out[f"{name}_html"])
    log.say("Table 1 and Table 2 for Word and as HTML")
