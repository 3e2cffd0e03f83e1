"""Heat maps, folds' histories and the shortcut audit in; the figures of the deep network out.

A film is shown only where allowed.
"""

from scripts.common.contracts.networks import CASES, HISTORY
from scripts.common.contracts.statistics import SHORTCUTS
from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.common.log import rule_log
from scripts.common.tables import read_table
from scripts.statistics import style
from scripts.statistics.gradcam_figure import draw_gradcam, films_to_show, read_maps
from scripts.statistics.shortcut_figure import draw_shortcuts
from scripts.statistics.training_figure import draw_training

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, read, out = snakemake.params, snakemake.input, snakemake.output
    words = Language.of(given.words)
    names = Names(words, given.labels)
    style.apply(words, given.font_size, given.dpi, names.shown(sets=given.sets))

    histories = [read_table(path, HISTORY) for path in read.histories]
    style.save(draw_training(histories, words, given.synthetic), [out.training, *out.training_copies])
    log.say(f"training curves of {len(histories)} folds")

    table = read_table(read.shortcuts, SHORTCUTS)
    figure = draw_shortcuts(
        table, given.sets, tuple(given.spine), given.border, words, names, given.synthetic
    )
    style.save(figure, [out.shortcuts, *out.shortcuts_copies])
    log.say(f"{len(table)} rows of the shortcut audit drawn")

    cases = read_table(read.cases, CASES)
    films, heat = read_maps(read.maps, cases)
    allowed = films_to_show(read.films, given.show_films)
    style.save(
        draw_gradcam(cases, films, heat, allowed, words, given.synthetic), [out.gradcam, *out.gradcam_copies]
    )
    hidden = int((~cases["image_id"].isin(list(allowed))).sum())
    log.say(f"{len(cases)} cases of the heat maps, {hidden} of their films not shown")
