"""The cases' films and heat maps in, the Grad-CAM figure out; a film is shown only where that is allowed."""

from scripts.common.log import rule_log
from scripts.common.tables import read_table
from scripts.statistics import style
from scripts.statistics.gradcam_figure import CASES, draw_gradcam, read_maps, showable
from scripts.statistics.words import Language

with rule_log(snakemake.log[0], snakemake.rule) as log:  # noqa: F821
    given, read = snakemake.params, snakemake.input  # noqa: F821
    style.apply(given.language, given.font_size, given.dpi)
    cases = read_table(read.cases, CASES)
    films, heat = read_maps(read.maps, cases)
    allowed = showable(read.films, given.show_films == "signed_off")
    figure = draw_gradcam(cases, films, heat, allowed, Language(given.language), given.synthetic)
    style.save(figure, [snakemake.output.gradcam, *snakemake.output.gradcam_copies])  # noqa: F821
    hidden = 0 if allowed is None else int((~cases["image_id"].isin(list(allowed))).sum())
    log.say(f"{len(cases)} cases, {hidden} of their films not shown")
