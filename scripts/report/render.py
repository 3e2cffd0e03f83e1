"""The page as HTML: the sections through the templates, with everything escaped and nothing loaded from
outside.
"""

from __future__ import annotations

import base64
import hashlib

import pandas as pd

from scripts.common.templates import template_environment
from scripts.report.checklists import NAMES, checklist_frame
from scripts.report.prose import TEMPLATES
from scripts.report.run_files import RunFiles
from scripts.report.sections import Report


def checklist_tables(run: RunFiles) -> dict[str, pd.DataFrame]:
    """The reporting checklists by name, in the study's language (CHECKLIST)."""
    report = Report(run)
    tables = {}
    for name in NAMES:
        items = report.checklist(name)
        parts = {one.part: report.words.say(f"part_{one.part}") for one in items}
        answers = {one.answer: report.words.say(f"answer_{one.answer}") for one in items}
        tables[name] = checklist_frame(items, parts, answers)
    return tables


def content_policy(style: str, script: str) -> str:
    """The page's Content-Security-Policy: its own style and script, images within it, and nothing from
    outside.
    """

    def source(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"

    allowed = f"img-src data:; style-src {source(style)}; script-src {source(script)}"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def report_html(run: RunFiles) -> str:
    """The whole report, one self-contained HTML page, in the study's language."""
    from markupsafe import Markup

    study = run.config["study"]
    report = Report(run)
    environment = template_environment(TEMPLATES, autoescape=True)
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    return environment.get_template("report.html.j2").render(
        lang=report.words.writing.page,
        title=study["title"],
        synthetic=run.synthetic,
        words=report.words,
        policy=Markup(content_policy(style, script)),
        style=Markup(style),
        script=Markup(script),
        sections=report.sections(),
    )
