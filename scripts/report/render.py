"""The page as HTML: the sections through the templates, with everything escaped and nothing loaded from outside."""

from __future__ import annotations

import hashlib
from pathlib import Path

from scripts.report.run_files import RunFiles
from scripts.report.sections import Report
from scripts.report.wording import Words

TEMPLATES = Path(__file__).resolve().parent / "templates"


def templates_hash(folder: Path = TEMPLATES) -> str:
    """Sixteen hex digits over the templates' content; it stands in the rule's params, since templates are no Python."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def report_html(run: RunFiles) -> str:
    """The whole report, one self-contained HTML page, in the study's language."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    study = run.config["study"]
    words = Words(study["language"])
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.j2").render(
        lang={"en": "en", "zh": "zh-CN"}[study["language"]],
        title=study["title"],
        synthetic=run.synthetic,
        words=words,
        sections=Report(run, words).sections(),
    )
