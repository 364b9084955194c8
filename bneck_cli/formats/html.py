"""HTML: one self-contained page, without scripts; what comes from a spec is escaped."""

from __future__ import annotations

import re
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

from bneck_cli.formats._layout import lanes
from bneck_cli.report import Beside, Chapter, Facts, Figure, Source, Table
from bneck_cli.shown import shown
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bneck_cli.formats import Style
    from bneck_cli.formats._layout import Lane
    from bneck_cli.report import Part, Report

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 80em; padding: 0 1em }}
table {{ border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums }}
caption {{ text-align: left; font-weight: bold }}
th, td {{ padding: .15em .6em; text-align: left; vertical-align: top; white-space: nowrap }}
thead th {{ position: sticky; top: 0; background: Canvas; border-bottom: 1px solid }}
tbody th, tfoot th {{ font-weight: inherit }}
.wide {{ overflow: auto; max-height: 85vh; margin: 1em 0 }}
.wide table {{ margin: 0 }}
tfoot {{ border-top: 1px solid; font-weight: bold }}
.number, .share {{ text-align: right }}
p {{ margin: .5em 0 }}
.words {{ white-space: normal; min-width: 12em }}
.group {{ font-weight: bold }}
.idle {{ opacity: .55 }}
figure {{ margin: 1em 0; overflow: auto }}
.skip {{ position: absolute; left: -99em }}
.skip:focus {{ position: static }}
figure svg {{ max-width: 100%; height: auto }}
.dark {{ display: none }}
summary h2 {{ display: inline; font-size: 1.2em }}
details {{ margin: 1em 0 }}
pre {{ overflow: auto; padding: .6em; border: 1px solid }}
td.share {{ min-width: 9em; background: linear-gradient(90deg, #3d7fc455 var(--part, 0), transparent 0) }}
tr:target {{ outline: 2px solid #3d7fc4; outline-offset: -2px }}
tr {{ scroll-margin-top: 3em }}
:focus-visible {{ outline: 3px solid #3d7fc4; outline-offset: 2px }}
svg a:focus-visible {{ outline: none }}
svg a:focus-visible rect {{ stroke: #3d7fc4; stroke-width: 5 }}
@media print {{
  details::details-content {{ display: block; content-visibility: visible }} thead th {{ position: static }}
  body {{ font-size: 8.5pt; margin: 0; max-width: none }} .wide {{ overflow: visible; max-height: none }}
  th, td {{ padding: .1em .4em }} pre {{ white-space: pre-wrap }} figure svg {{ max-height: 85vh }}
  figure div {{ min-width: 0 !important }} tfoot {{ display: table-row-group }}
  h2, summary {{ break-after: avoid }} tr, figure {{ break-inside: avoid }} .skip {{ display: none }}
}}
.added {{ color: #176f2c }}
.removed {{ color: #b3261e }}
.changed {{ color: #7a5200 }}
@media screen and (prefers-color-scheme: dark) {{
  .light {{ display: none }} .dark {{ display: block }}
  :root {{ color-scheme: dark; background: #14171b }} thead th {{ background: #14171b }}
  .added {{ color: #6fdd8b }} .removed {{ color: #ff9a92 }} .changed {{ color: #f1c75b }}
}}
</style>
</head>
<body>
<h1>{title}</h1>
"""


def write(report: Report, _style: Style) -> Iterator[str]:
    """Write the page: the title, and each part below it."""
    parts = list(report.parts())  # an error comes before any text
    title = f"{report.title} · {report.subtitle}" if report.subtitle else report.title or f"bneck {report.command}"
    yield PAGE.format(title=_shown(title))
    for part in parts:
        yield from _part(part)
    yield "</body>\n</html>\n"


def _part(part: Part) -> Iterator[str]:
    if isinstance(part, Table):
        yield from _table(part)
        return
    if isinstance(part, Beside):
        for table in part.tables:
            yield from _table(table)
        return
    if isinstance(part, Figure):
        yield from _figure(part)
        return
    if isinstance(part, Source):
        text = "\n".join(_shown(line) for line in part.text.splitlines())
        yield f'<pre tabindex="0">{text}</pre>\n'
        return
    if isinstance(part, Chapter):
        yield from _chapter(part)
        return
    if part.title:
        yield f"<h2>{_shown(part.title)}</h2>\n"
    if isinstance(part, Facts):
        items = (f"<dt>{_shown(name)}</dt><dd>{_prose(people(value))}</dd>\n" for name, value in part.pairs)
        yield f"<dl>\n{''.join(items)}</dl>\n"
    else:
        yield "".join(f"<p>{_prose(line.strip())}</p>\n" for line in part.lines)


LEGIBLE = 0.6
"""How much smaller than drawn a figure becomes at most; a narrower window scrolls it."""


def _figure(part: Figure) -> Iterator[str]:
    """Write a drawing for light paper and for dark; the link before it leads past those of its boxes."""
    light, dark = part.draw("svg", None, False), part.draw("dark", None, False)
    width = re.search(r' width="([0-9.]+)"', light)
    least = f' style="min-width: {float(width[1]) * LEGIBLE:.0f}px"' if width else ""
    after = f"after-{sha256(light.encode()).hexdigest()[:8]}" if "<a " in light else ""
    yield f'<a class="skip" href="#{after}">Skip the drawing</a>\n' if after else ""
    yield f'<figure>\n<div class="light"{least}>{light}</div>\n<div class="dark"{least}>{dark}</div>\n</figure>\n'
    yield f'<div id="{after}" tabindex="-1"></div>\n' if after else ""


def _prose(text: str) -> str:
    """Write a sentence, what it quotes as code set as such."""
    return CODE.sub(r"<code>\1</code>", _shown(text))


CODE = re.compile("`([^`]+)`")


def _chapter(part: Chapter) -> Iterator[str]:
    heading = f"<h2>{_shown(part.title)}</h2>"
    yield f"<details>\n<summary>{heading}</summary>\n" if part.folded else f"<section>\n{heading}\n"
    for inside in part.parts:
        yield from _part(inside)
    yield "</details>\n" if part.folded else "</section>\n"


def _table(table: Table) -> Iterator[str]:
    """Write a table; totals are its foot, and the level of a row is its indentation."""
    found = lanes(table)
    yield f'<div class="wide"{_scrolled(table, found)}>\n<table>\n'
    yield f"<caption>{_shown(table.title)}</caption>\n" if table.title else ""
    heads = (f'<th scope="col" class="{lane.column.kind}">{_shown(lane.title)}</th>' for lane in found)
    yield f"<thead><tr>{''.join(heads)}</tr></thead>\n<tbody>\n"
    foot = False
    for index, row in enumerate(table.rows):
        if row.total and not foot:
            foot = True
            yield "</tbody>\n<tfoot>\n"
        cells = "".join(_cell(lane, index, row.level) for lane in found)
        words = f' class="{row.style}"' if row.style else ""
        words += f' id="{escape(row.anchor)}"' if row.anchor else ""
        yield f"<tr{words}>{cells}</tr>\n"
    yield ("</tfoot>" if foot else "</tbody>") + "\n</table>\n</div>\n"


MANY_COLUMNS = 6
MANY_ROWS = 20


def _scrolled(table: Table, found: Sequence[Lane]) -> str:
    """Let keys scroll a table that may be larger than the window."""
    if len(found) < MANY_COLUMNS and len(table.rows) < MANY_ROWS:
        return ""
    return f' tabindex="0" role="region" aria-label="{_shown(table.title or "table")}"'


def _cell(lane: Lane, index: int, level: int) -> str:
    """Write a cell; the name of a row is its heading."""
    tag, scope = ("th", ' scope="row"') if lane.column.kind == "name" else ("td", "")
    text = (_prose if lane.column.kind == "words" else _shown)(lane.cells[index].strip())
    return f'<{tag}{scope} class="{lane.column.kind}"{_look(lane, index, level)}>{text}</{tag}>'


def _look(lane: Lane, index: int, level: int) -> str:
    """Indent a name by its level, and draw a share as a bar behind its number."""
    if lane.column.kind == "name":
        return _indent(level)
    share = lane.values[index]
    return f' style="--part: {share.value * 100:.1f}%"' if lane.column.kind == "share" and share else ""


def _indent(level: int) -> str:
    return f' style="padding-left: {level * 1.5 + 0.6:g}em"' if level else ""


def _shown(text: str) -> str:
    return escape(shown(text))
