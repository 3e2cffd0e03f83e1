"""The folds' histories in, the figure of the training curves out."""

from scripts.common.log import rule_log
from scripts.common.tables import read_table
from scripts.statistics import style
from scripts.statistics.training_figure import HISTORY, draw_training
from scripts.statistics.words import Language

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    given = snakemake.params  # noqa: F821
    style.apply(given.language, given.font_size, given.dpi)
    histories = [read_table(path, HISTORY) for path in snakemake.input.histories]  # noqa: F821
    figure = draw_training(histories, Language(given.language), given.synthetic)
    style.save(figure, [snakemake.output.training, *snakemake.output.training_copies])  # noqa: F821
    log.say(f"training curves of {len(histories)} folds")
