"""Text for people: on a terminal with styles, elsewhere without; the same words in the same places.

A table of rich's, with the same content, takes 0.94 of the floor of typer, yaml and rich on a terminal; written here it
takes 0.5, so rich only measures what is wider or narrower than its characters.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING

from bneck_cli.formats._layout import GAP, fitted, flow, measure
from bneck_cli.report import Beside, Chapter, Facts, Figure, Prose, Source, Table
from bneck_cli.shown import shown
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bneck_cli.formats import Style
    from bneck_cli.formats._layout import Lane
    from bneck_cli.report import Part, Report, Row

APART = " " * 5
PROSE = 100
WIDEST = 120
"""Sentences wider than this are hard to read."""
STYLES = {"group": "bold", "idle": "dim", "added": "green", "removed": "red", "changed": "yellow"}
CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def write(report: Report, style: Style) -> Iterator[str]:
    """Write the title and each part below it."""
    parts = list(report.parts())  # an error comes before any text
    separated = False
    if report.title:
        title = f"{report.title} · {report.subtitle}" if report.subtitle else report.title
        yield _heading(title, style)
        separated = True
    for part in parts:
        if separated:
            yield "\n"
        yield from _part(part, style)
        separated = True


def _part(part: Part, style: Style) -> Iterator[str]:
    if isinstance(part, Table):
        yield "\n".join(_table(part, style)) + "\n"
    elif isinstance(part, Beside):
        yield from _beside(part, style)
    elif isinstance(part, Figure):
        yield _figure(part, style)
    elif isinstance(part, Source):
        yield "".join(f"{shown(line)}\n" for line in part.text.splitlines())
    elif isinstance(part, Chapter):
        yield _heading(part.title, style)
        for inside in part.parts:
            yield "\n"
            yield from _part(inside, style)
    else:
        width = min(style.width or PROSE, WIDEST)
        if part.title:
            yield _heading(part.title, style)
        yield from _facts(part, width) if isinstance(part, Facts) else _prose(part, width)


def _figure(part: Figure, style: Style) -> str:
    """Draw in characters, where they fit; where they do not there is nothing but where to see it."""
    width = style.width or PROSE
    text = part.draw("text", width, style.plain)
    if all(len(line) <= width for line in text.splitlines()):
        return text
    return "\n".join(flow(f"(the drawing is wider than {width} columns: `bneck draw` writes it as SVG)", width)) + "\n"


def _heading(title: str, style: Style) -> str:
    lines = flow(shown(title), style.width or WIDEST)
    return "".join(f"{_painted(line, 'bold') if style.color else line}\n" for line in lines)


def _facts(part: Facts, width: int) -> Iterator[str]:
    for name, value in part.pairs:
        yield "\n".join(flow(f"{name}: {shown(people(value))}", width, rest="  ")) + "\n"


def _prose(part: Prose, width: int) -> Iterator[str]:
    for line in part.lines:
        indent = ("  " if part.title else "") + ("  " if line.startswith(" ") else "")
        text = shown(line.strip())
        yield "\n".join(flow(text, width, indent, indent + "  ")) + "\n"


def _beside(part: Beside, style: Style) -> Iterator[str]:
    """Set tables side by side where they fit, else one below the other."""
    texts = [_table(table, style._replace(width=None, page=None)) for table in part.tables]
    widths = [max(measure(ESCAPES.sub("", line)) for line in text) for text in texts]
    if style.width is None or sum(widths) + len(APART) * (len(widths) - 1) > style.width:
        yield "\n\n".join("\n".join(_table(table, style)) for table in part.tables) + "\n"
        return
    for lines in zip_longest(*texts, fillvalue=""):
        padded = [
            line + " " * (width - measure(ESCAPES.sub("", line))) for line, width in zip(lines, widths, strict=True)
        ]
        yield APART.join(padded).rstrip() + "\n"


def _table(table: Table, style: Style) -> list[str]:
    """Write a table in lines; one that is too wide for its numbers is parted."""
    lines = _heading(table.title, style).splitlines() if table.title else []
    for part in fitted(table, style.width):
        if lines:
            lines.append("")
        lines += _lines(part, table.rows, style)
    return lines


def _breaks(rows: Sequence[Row], style: Style) -> Iterator[tuple[int, bool, bool]]:
    """Yield each row's number, whether the totals begin there, and whether a page does."""
    for index, row in enumerate(rows):
        totals = row.total and not (index and rows[index - 1].total)
        yield index, totals, bool(style.page and index and index % style.page == 0 and not row.total)


def _lines(part: list[Lane], rows: Sequence[Row], style: Style) -> list[str]:
    """Write titles, a line, rows, a line, totals; groups and totals stand out, idle rows step back."""
    widths = [lane.width for lane in part]
    line = "─" * (sum(widths) + GAP * (len(widths) - 1))
    head = _row([lane.title for lane in part], part, widths)
    if style.color:
        head = [_painted(each, "bold") for each in head]
    lines = [*head, line]
    for index, totals, page in _breaks(rows, style):
        if totals:
            lines.append(line)
        if page:
            lines += [line, *head, line]
        texts = _row([lane.cells[index] for lane in part], part, widths)
        row = rows[index]
        look = "bold" if row.total else STYLES.get(row.style)
        if style.color and look:
            texts = [_painted(text, look) for text in texts]
        elif style.color and part[-1].column.kind == "share" and part[-1].cells[index]:
            end = len(texts[0]) - len(part[-1].cells[index].rstrip())
            texts[0] = texts[0][:end] + _painted(texts[0][end:], "cyan")
        lines += texts
    return lines


def _row(cells: list[str], part: list[Lane], widths: list[int]) -> list[str]:
    """Align the cells of one row, which may have several lines."""
    split = zip_longest(*[cell.split("\n") for cell in cells], fillvalue="") if "\n" in "".join(cells) else (cells,)
    lines = []
    for texts in split:
        padded = []
        for text, lane, width in zip(texts, part, widths, strict=True):
            space = " " * (width - (len(text) if text.isascii() else measure(text)))
            padded.append(space + text if lane.number else text + space)
        lines.append((" " * GAP).join(padded).rstrip())
    return lines


def _painted(text: str, look: str) -> str:
    return f"\x1b[{CODES[look]}m{text}\x1b[0m" if text else text
