"""The trainings' histories, and the main network's heat maps and shortcut audit in; the networks' figures
out.

A film is shown only where allowed.
"""

from scripts.common.contracts.networks import CASES, HISTORY
from scripts.common.contracts.statistics import LEARNING, SHORTCUTS
from scripts.common.language import Language
from scripts.common.language.names import Names
from scripts.common.log import rule_log
from scripts.common.study_models import labels_of, study_models
from scripts.common.tables import read_table
from scripts.common.vocabulary import ALL_FOLDS
from scripts.statistics import style
from scripts.statistics.gradcam_figure import draw_gradcam, films_to_show, read_maps
from scripts.statistics.shortcut_figure import draw_shortcuts
from scripts.statistics.training_figure import draw_training

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, read, out = snakemake.params, snakemake.input, snakemake.output
    words = Language.of(given.words)
    models = study_models(given.models)
    names = Names(words, given.labels, labels_of(models))
    order = sorted((model.name for model in models), key=lambda name: name != given.main_network)
    style.apply(words, given.font_size, given.dpi, names.shown(order, given.sets))

    histories = {name: {} for name in order}
    for (name, run), path in zip(given.trainings, read.histories, strict=True):
        histories[name][run] = read_table(path, HISTORY)
    style.save(draw_training(histories, words, names, given.synthetic), [out.training, *out.training_copies])
    log.say(f"training curves of {len(read.histories)} trainings")

    table = read_table(read.shortcuts, SHORTCUTS)
    figure = draw_shortcuts(
        table, given.sets, tuple(given.spine), given.border, words, names, given.synthetic
    )
    style.save(figure, [out.shortcuts, *out.shortcuts_copies])
    log.say(f"{len(table)} rows of the shortcut audit drawn")

    cases = read_table(read.cases, CASES)
    films, evidence = read_maps(read.maps, cases)
    allowed = films_to_show(read.films, given.show_films)
    learning = read_table(read.learning, LEARNING).set_index(["model", "fold"])
    learned = learning.loc[(given.main_network, ALL_FOLDS), "learned"] == "yes"
    figure = draw_gradcam(cases, films, evidence, allowed, learned, words, given.synthetic)
    style.save(figure, [out.gradcam, *out.gradcam_copies])
    hidden = int((~cases["image_id"].isin(list(allowed))).sum())
    log.say(f"{len(cases)} cases of the heat maps, {hidden} of their films not shown")
