"""Scores, cohort, flow and the evaluation's tables in; ROC, decision curves, calibration, forest plot and
flow figures out.
"""

from scripts.common.contracts.cohort import COHORT, FLOW
from scripts.common.contracts.statistics import CALIBRATION_CURVE, NET_BENEFIT, SUBGROUPS, TABLE2
from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.common.log import rule_log
from scripts.common.tables import read_table
from scripts.statistics import style
from scripts.statistics.curves import Look, draw_calibration, draw_decision_curves, draw_roc
from scripts.statistics.flow_diagram import draw_flow
from scripts.statistics.forest_figure import draw_forest
from scripts.statistics.waist import read_predictions

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, read, out = snakemake.params, snakemake.input, snakemake.output
    words = Language.of(given.words)
    names = Names(words, given.labels, given.model_labels)
    predictions, models = read_predictions(read.predictions)
    style.apply(words, given.font_size, given.dpi, names.shown(models, given.sets, given.centers))
    look = Look(models, given.sets, words, names, given.colors, given.synthetic, given.confidence)
    table2 = read_table(read.table2, TABLE2)
    style.save(draw_roc(predictions, table2, look), [out.roc, *out.roc_copies])
    style.save(
        draw_decision_curves(read_table(read.net_benefit, NET_BENEFIT), table2, look),
        [out.decision_curves, *out.decision_curves_copies],
    )
    curve = read_table(read.calibration_curve, CALIBRATION_CURVE)
    style.save(draw_calibration(predictions, curve, look), [out.calibration, *out.calibration_copies])
    subgroups = read_table(read.subgroups, SUBGROUPS)
    style.save(draw_forest(subgroups, table2, look), [out.forest, *out.forest_copies])
    if read.flow:
        flow, cohort = read_table(read.flow, FLOW), read_table(read.cohort, COHORT)
        style.save(
            draw_flow(flow, cohort, given.centers, words, names, given.synthetic),
            [out.flow, *out.flow_copies],
        )
    log.say(f"figures of {len(given.sets)} test sets and {len(given.centers)} centres")
