"""Markdown: the same parts as the text, for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.formats._layout import lanes
from bneck_cli.report import Beside, Chapter, Facts, Figure, Source, Table
from bneck_cli.shown import shown
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.formats import Style
    from bneck_cli.report import Part, Report

SPECIAL = str.maketrans(
    {character: f"\\{character}" for character in "\\|*_`[]~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " "}
)
INDENT = "&nbsp;&nbsp;"


def write(report: Report, _style: Style) -> Iterator[str]:
    """Write the title and each part below it."""
    parts = list(report.parts())  # an error comes before any text
    yield f"**{escape(report.title)}**{f', {escape(report.subtitle)}' if report.subtitle else ''}\n"
    for part in parts:
        yield "\n"
        yield from _part(part)


def _part(part: Part) -> Iterator[str]:
    if isinstance(part, Beside):
        for index, table in enumerate(part.tables):
            yield "\n" if index else ""
            yield from _table(table)
    elif isinstance(part, Table):
        yield from _table(part)
    elif isinstance(part, Source):
        lines = "".join(f"    {shown(line)}\n" for line in part.text.splitlines())
        yield lines
    elif isinstance(part, Chapter):
        yield f"## {escape(part.title)}\n"
        for inside in part.parts:
            yield "\n"
            yield from _part(inside)
    elif isinstance(part, Figure):
        yield f"```text\n{part.draw('text', None, False)}```\n"
    else:
        if part.title:
            yield f"### {escape(part.title)}\n\n"
        if isinstance(part, Facts):
            yield "".join(f"- {escape(name)}: {escape(people(value))}\n" for name, value in part.pairs)
        elif part.title or part.listed:
            for line in part.lines:
                yield f"{'  ' if line.startswith(' ') else ''}- {escape(line.strip())}\n"
        else:
            yield "\n\n".join(_paragraph(line) for line in part.lines) + "\n"


def _table(table: Table) -> Iterator[str]:
    """Write a table; numbers align to the right, the level of a row is its indentation, totals are bold."""
    if table.title:
        yield f"**{escape(table.title)}**\n\n"
    found = lanes(table)
    yield f"| {' | '.join(escape(lane.title) for lane in found)} |\n"
    yield f"|{'|'.join('---:' if lane.column.kind in ('number', 'share') else '---' for lane in found)}|\n"
    for index, row in enumerate(table.rows):
        cells = [escape(lane.cells[index].strip()) for lane in found]
        if row.level:
            cells[0] = INDENT * row.level + cells[0]
        if row.total:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        yield f"| {' | '.join(cells)} |\n"


def escape(text: str) -> str:
    """Write text so that Markdown shows it as it is: no emphasis, no table, no HTML, no link."""
    return shown(text).translate(SPECIAL).replace("://", "&#58;//").replace("www.", "www&#46;")


def _paragraph(line: str) -> str:
    """Write a paragraph whose first character begins no heading, list or quotation."""
    text = escape(line.strip())
    return f"\\{text}" if text[:1] in ("#", "-", "+", "=") else text
