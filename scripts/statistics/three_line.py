"""Writing a journal's three-line table as Word (DOCX) and HTML: a rule above, one below the head, one at the
end.
"""

from __future__ import annotations

import html
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.common.files import atomic_path, write_text
from scripts.common.language import WRITING, Language, Writing
from scripts.common.manuscript_tables import ManuscriptTable


@dataclass(frozen=True)
class Table:
    """A table of texts. A body row with one cell is a heading over the rows below it.

    ``warning`` (e.g. that data are simulated) stands above the caption, ``notes`` below the table.
    """

    caption: str
    head: Sequence[str]
    body: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default_factory=tuple)
    warning: str = ""
    writing: Writing = WRITING["en"]
    landscape: bool = False


def three_line(table: ManuscriptTable, words: Language, synthetic: bool) -> Table:
    """A manuscript's table as texts: a heading over the rows of each block."""
    body: list[list[str]] = []
    for block in table.blocks:
        body.append([block.heading(words)])
        body += [[str(entry) for entry in row] for row in block.rows]
    warning = words.say("synthetic") if synthetic else ""
    return Table(table.caption, table.head, body, table.notes, warning, words.writing, table.landscape)


_STYLE = """
body{font-family:"Times New Roman","Songti SC","SimSun","Noto Serif CJK SC",serif;font-size:10.5pt;color:#111;
margin:2em}
.warning{color:#a4001d;font-weight:bold}
table{border-collapse:collapse;border-top:1.5pt solid #111;border-bottom:1.5pt solid #111}
caption{caption-side:top;text-align:left;font-weight:bold;padding:0 0 .4em}
th{border-bottom:.75pt solid #111;font-weight:normal;vertical-align:bottom}
th,td{padding:.15em .6em;text-align:center}
td{white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}
td.group,td:first-child{white-space:normal}
td:first-child{min-width:6.5em}
.wide{font-size:9pt}
.wide th,.wide td{padding:.15em .4em}
.wide th:first-child,.wide td:first-child{padding-left:0}
td.group{font-style:italic;padding-top:.5em}
:lang(zh) td.group{font-style:normal;font-weight:bold}
.notes{font-size:9pt;max-width:60em}
.scroll{overflow-x:auto}
@media print{body{margin:0}thead{display:table-header-group}tr{break-inside:avoid}.scroll{overflow:visible}}
"""


def to_html(table: Table) -> str:
    """A whole HTML page, without scripts and without anything from outside."""
    say = html.escape
    rows = []
    for row in table.body:
        if len(row) == 1:
            rows.append(f'<tr><td class="group" colspan="{len(table.head)}">{say(row[0])}</td></tr>')
        else:
            rows.append("<tr>" + "".join(f"<td>{say(cell)}</td>" for cell in row) + "</tr>")
    head = "".join(f'<th scope="col">{say(cell)}</th>' for cell in table.head)
    warning = f'<p class="warning">{say(table.warning)}</p>\n' if table.warning else ""
    wide = ' class="wide"' if table.landscape else ""
    notes = "".join(f"<p>{say(note)}</p>\n" for note in table.notes)
    return (
        f'<!DOCTYPE html>\n<html lang="{table.writing.page}">\n<head>\n'
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{say(table.caption)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'{warning}<div class="scroll"><table{wide}>\n<caption>{say(table.caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n"
        + "\n".join(rows)
        + f'\n</tbody>\n</table></div>\n<div class="notes">\n{notes}</div>\n</body>\n</html>\n'
    )


def write_html(table: Table, path: str | Path) -> None:
    """Write the table as an HTML page, atomically."""
    write_text(path, to_html(table))


def _set_borders(cell, **edges: int) -> None:
    """Borders of a Word cell; widths in eighths of a point."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    properties = cell._tc.get_or_add_tcPr()
    borders = properties.find(qn("w:tcBorders"))
    if borders is None:
        borders = OxmlElement("w:tcBorders")
        properties.append(borders)
    for edge in ("top", "bottom"):
        if edge in edges:
            line = OxmlElement(f"w:{edge}")
            for name, value in (
                ("val", "single"),
                ("sz", str(edges[edge])),
                ("space", "0"),
                ("color", "000000"),
            ):
                line.set(qn(f"w:{name}"), value)
            borders.append(line)


def _write(
    paragraph, text: str, size: float, bold: bool = False, italic: bool = False, color: str | None = None
) -> None:
    from docx.oxml.ns import qn
    from docx.shared import Pt, RGBColor

    run = paragraph.add_run(text)
    run.bold, run.italic = bold, italic
    run.font.size, run.font.name = Pt(size), "Times New Roman"
    fonts = run._element.get_or_add_rPr().get_or_add_rFonts()
    fonts.set(qn("w:eastAsia"), "SimSun")
    fonts.set(qn("w:cs"), "Times New Roman")
    if color:
        run.font.color.rgb = RGBColor.from_string(color)
    paragraph.paragraph_format.space_after = paragraph.paragraph_format.space_before = Pt(0)
    paragraph.paragraph_format.line_spacing = 1.0


def _set_language(style, writing: Writing) -> None:
    """The language of a Word style's text, for line breaks and the spelling check."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    properties = style.element.get_or_add_rPr()
    properties.get_or_add_rFonts().set(qn("w:eastAsia"), "SimSun")
    mark = OxmlElement("w:lang")
    mark.set(qn("w:val"), "en-GB")
    mark.set(qn("w:eastAsia"), writing.word)
    properties.append(mark)


def write_docx(table: Table, path: str | Path) -> None:
    """Write the table as an editable Word table, atomically; the same table gives the same bytes."""
    import docx
    from docx.enum.section import WD_ORIENT
    from docx.enum.table import WD_CELL_VERTICAL_ALIGNMENT, WD_TABLE_ALIGNMENT
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    from docx.shared import Cm, Pt

    document = docx.Document()
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    if table.landscape:
        section.orientation = WD_ORIENT.LANDSCAPE
        section.page_width, section.page_height = section.page_height, section.page_width
    section.left_margin = section.right_margin = Cm(1.5)
    document.core_properties.title = table.caption
    document.core_properties.author = ""
    document.core_properties.comments = ""
    size = 7.5 if table.landscape else 9
    if table.warning:
        _write(document.add_paragraph(), table.warning, 11, bold=True, color="A4001D")
    caption = document.add_paragraph()
    _write(caption, table.caption, 10.5, bold=True)
    caption.paragraph_format.space_after = Pt(3)
    caption.paragraph_format.keep_with_next = True
    normal = document.styles["Normal"]
    normal.font.size, normal.font.name = Pt(size), "Times New Roman"
    _set_language(normal, table.writing)
    columns = len(table.head)
    grid = document.add_table(rows=1 + len(table.body), cols=columns)
    grid.alignment = WD_TABLE_ALIGNMENT.CENTER
    grid.autofit = False
    shares = _column_shares(table)
    space = section.page_width - section.left_margin - section.right_margin
    for column, share in zip(grid.columns, shares, strict=True):
        column.width = int(space * share)
        for cell in column.cells:
            cell.width = int(space * share)
    for i, row in enumerate([table.head, *table.body]):
        cells = list(grid.rows[i].cells)
        if len(row) == 1:
            cells = [cells[0].merge(cells[-1])]
        for j, (cell, text) in enumerate(zip(cells, row, strict=True)):
            paragraph = cell.paragraphs[0]
            heading = len(row) == 1
            italics = table.writing.italics
            _write(paragraph, text, size, italic=heading and italics, bold=heading and not italics)
            paragraph.paragraph_format.keep_with_next = heading or i == 0
            paragraph.paragraph_format.space_before = Pt(3 if heading and i > 1 else 0)
            paragraph.alignment = WD_ALIGN_PARAGRAPH.LEFT if j == 0 else WD_ALIGN_PARAGRAPH.CENTER
        for cell in {id(c._tc): c for c in grid.rows[i].cells}.values():
            if i == 0:
                cell.vertical_alignment = WD_CELL_VERTICAL_ALIGNMENT.BOTTOM
                _set_borders(cell, top=12, bottom=6)
            elif i == len(table.body):
                _set_borders(cell, bottom=12)
        no_split = OxmlElement("w:cantSplit")
        grid.rows[i]._tr.get_or_add_trPr().append(no_split)
    repeat = OxmlElement("w:tblHeader")
    repeat.set(qn("w:val"), "true")
    grid.rows[0]._tr.get_or_add_trPr().append(repeat)
    for note in table.notes:
        _write(document.add_paragraph(), note, 8)
    with atomic_path(path) as part:
        document.save(part)
        _without_clock(part)


def _width(text: str) -> int:
    """Width of a text in half-width characters: a Chinese one counts two."""
    return sum(1 + (ord(c) > 0x2E7F) for c in text)


HEAD_WIDTH = 16
"""Half-width characters of a column's head that stand beside each other, unless a word is longer."""

_WORD = re.compile(r"[^\s\u2E80-\uFFFF]+|[\u2E80-\uFFFF]")
"""What a line is not broken in: a word, or a Chinese character."""


def _column_shares(table: Table) -> list[float]:
    """How a table's width is shared out: by each column's longest cell, which is not broken, and its head's
    longest word.

    A first column of long names takes at most a quarter and is broken, and so is a head of more than
    ``HEAD_WIDTH``.
    """
    rows = [row for row in table.body if len(row) > 1]
    longest = []
    for j, head in enumerate(table.head):
        whole = max((_width(row[j]) for row in rows), default=0)
        word = max((_width(word) for word in _WORD.findall(head)), default=0)
        longest.append(max(whole, word, min(_width(head) / 2, HEAD_WIDTH)) + 2)
    longest[0] = min(longest[0], max(sum(longest[1:]) / 3, 10))
    return [length / sum(longest) for length in longest]


def _without_clock(path: Path) -> None:
    """Pack a zip file anew with one fixed date for all members, in the same order."""
    with zipfile.ZipFile(path) as source:
        members = [(entry.filename, source.read(entry)) for entry in source.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members:
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content)
