"""Tables and figures of own tables in, a page that shows and lists them out."""

from pathlib import Path

from scripts.common.files import write_text
from scripts.common.language import Language
from scripts.common.log import rule_log
from scripts.statistics.listing import listing_page

with rule_log(snakemake.log[0], snakemake.rule) as log:
    given, index = snakemake.params, Path(snakemake.output.index)
    files = [Path(path).relative_to(index.parent) for path in snakemake.input]
    write_text(index, listing_page(files, given.title, Language.of(given.words), given.synthetic))
    log.say(f"{len(files)} files listed")
