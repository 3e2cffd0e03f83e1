"""The shortcut audit's table in, its figure out."""

from scripts.common.log import rule_log
from scripts.common.tables import read_table
from scripts.statistics import style
from scripts.statistics.shortcut_figure import draw_shortcuts
from scripts.statistics.shortcuts import SHORTCUTS
from scripts.statistics.words import Language

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    given = snakemake.params  # noqa: F821
    style.apply(given.language, given.font_size, given.dpi)
    table = read_table(snakemake.input.shortcuts, SHORTCUTS)  # noqa: F821
    words = Language(given.language, given.labels)
    figure = draw_shortcuts(table, given.sets, tuple(given.spine), given.border, words, given.synthetic)
    style.save(figure, [snakemake.output.shortcuts, *snakemake.output.shortcuts_copies])  # noqa: F821
    log.say(f"{len(table)} rows drawn")
