"""Tables for the terminal, laid out by plan: a narrow terminal costs columns and words, never digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.questions.analyze import PER_INPUT, build_report, grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.formats import Style
    from bneck_cli.questions.analyze import Column, Report, Row, View

BAR = 8
GAP = 2
BLOCKS = " ▏▎▍▌▋▊▉█"


class Cells(NamedTuple):
    """A column ready to print: its heading, its cells as text, and where they align."""

    key: str
    title: str
    cells: list[str]
    right: bool

    @property
    def width(self) -> int:
        """The characters that the column needs."""
        return max(map(len, (self.title, *self.cells)))


def bar(share: float, width: int = BAR) -> str:
    """Draw a share of 0 to 1 as a bar, to an eighth of a character."""
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (BLOCKS[rest] if rest else "")).ljust(width)


def render_table(analysis: Analysis, view: View, style: Style) -> Iterator[str]:
    """Print the report as a table that fits ``style.width``, with its title, its totals and the counting rule."""
    report = build_report(analysis, view)
    columns = fitted(report_columns(report), style.width)
    title = f"{report.title} · {report.subtitle}"
    yield from print_table(title, columns, style, [not row.is_layer for row in report.rows], total=not report.flat)
    yield "\n".join(_footer(report, style)) + "\n"


def report_columns(report: Report, bars: bool = True, write: Callable[[Any], str] = grouped) -> list[Cells]:
    """Write a report's cells as people read them; a tree ends in its total."""
    columns = []
    for column in report.columns:
        cells = [_cell(column, row, report, bars, write) for row in report.rows]
        if not report.flat:
            cells.append(_total(column, report, write))
        columns.append(Cells(column.key, column.title, cells, column.number and column.key != "share"))
    return columns


def _total(column: Column, report: Report, write: Callable[[Any], str]) -> str:
    """Give the last line's cell: the totals of the whole network."""
    if column.key == "layer":
        return "total"
    if column.key == "params":
        return write(report.cost.params)
    if column.key in PER_INPUT:
        return write(getattr(report.cost, column.key) * report.batch)
    return ""


def _cell(column: Column, row: Row, report: Report, bars: bool, write: Callable[[Any], str]) -> str:
    if column.key == "layer":
        return row.label if report.flat else "  " * row.level + row.label
    value = column.value(row, report)
    if column.key == "share":
        if value is None:
            return ""
        return f"{value * 100:5.1f}%" + (f" {bar(value)}" if bars else "")
    if column.key == "op":
        return row.text if not row.is_layer and row.text else str(value)
    if column.key == "repeat":
        return "" if value == 1 else f"{value:,}"
    return write(value)


# The plan for narrow terminals: each step takes the least that a reader would miss.

SHORT = {"kernel": "k", "stride": "s", "pad": "p", "dilation": "d", "groups": "g"}
LAST_KEPT = ("share", "input", "dilation", "groups", "padding", "kernel", "stride")
"""What goes at last, in this order; the layer, what leaves it, and what it costs always stay."""


def fitted(columns: list[Cells], width: int | None) -> list[Cells]:
    """Shorten and drop, in order, until the table fits: words first, then the bar, headings, and columns."""
    if width is None:
        return columns
    for step in (_without_arguments, _without_bar, _with_short_titles, _without_op):
        if _needed(columns) <= width:
            return columns
        columns = step(columns)
    for key in LAST_KEPT:
        if _needed(columns) <= width:
            break
        columns = [column for column in columns if column.key != key]
    return columns


def _needed(columns: Sequence[Cells]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def _without_arguments(columns: list[Cells]) -> list[Cells]:
    """Say how many of which block, not the whole line of the spec."""
    return [
        column._replace(cells=[_name(cell) for cell in column.cells]) if column.key == "op" else column
        for column in columns
    ]


def _name(text: str) -> str:
    """Give a step's name, with the count before it where it is a repeat."""
    words = text.split(" ")
    return " ".join(words[: 2 if text[:1] in "(0123456789" else 1])


def _without_bar(columns: list[Cells]) -> list[Cells]:
    return [
        column._replace(cells=[cell[:6] for cell in column.cells]) if column.key == "share" else column
        for column in columns
    ]


def _without_op(columns: list[Cells]) -> list[Cells]:
    """Leave the operations out; a block is still named beside its place, where there is room."""
    ops = next((column.cells for column in columns if column.key == "op"), None)
    if ops is None:
        return columns
    columns = [column for column in columns if column.key != "op"]
    first = columns[0]
    named = [
        f"{label} {op}" if op and not label.strip().startswith(op) and len(label) + len(op) < first.width else label
        for label, op in zip(first.cells, ops, strict=True)
    ]
    return [first._replace(cells=named), *columns[1:]] if first.key == "layer" else columns


def _with_short_titles(columns: list[Cells]) -> list[Cells]:
    return [column._replace(title=SHORT.get(column.title, column.title)) for column in columns]


# Printing


def print_table(
    title: str, columns: Sequence[Cells], style: Style, bold: Sequence[bool] = (), total: bool = False
) -> Iterator[str]:
    """Print columns as a table under its title; with ``total``, the last cell of each stands below a rule."""
    from io import StringIO

    from rich.box import Box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    box = Box("    \n    \n ── \n    \n    \n ── \n    \n    \n")
    table = Table(box=box, padding=0, pad_edge=False, show_edge=False, show_footer=total)
    lines = [_aligned(column, last=column is columns[-1]) for column in columns]
    for heading, *cells in lines:
        footer = Text(cells[-1], style="bold") if total else ""
        table.add_column(Text(heading, style="bold"), footer, no_wrap=True, overflow="ignore")
    rows = list(zip(*lines, strict=True))[1:]
    for index, row in enumerate(rows[:-1] if total else rows):
        table.add_row(*map(Text, row), style="bold" if index < len(bold) and bold[index] else "")
    text = StringIO()  # and not the terminal, whose encoding and width are not the table's business
    width = _needed(columns) + len(columns)
    console = Console(file=text, width=width, force_terminal=style.color, no_color=not style.color, safe_box=False)
    console.print(table)
    yield f"\x1b[1m{title}\x1b[0m\n\n" if style.color else f"{title}\n\n"
    yield "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _aligned(column: Cells, last: bool) -> list[str]:
    """Pad a column's title and cells to its width; digits stand below digits."""
    width, gap = column.width, "" if last else " " * (GAP - 1)
    return [(text.rjust(width) if column.right else text.ljust(width)) + gap for text in (column.title, *column.cells)]


def _footer(report: Report, style: Style) -> Iterator[str]:
    """State the totals, the counting rule, and what it leaves out."""
    from textwrap import wrap

    width = min(style.width or 100, 120)
    cost, batch = report.cost, report.batch
    unit = next((column.title for column in report.columns if column.key == "macs"), "MACs")
    total = f"{grouped(cost.params)} params, {grouped(cost.macs * batch)} {unit}"
    if cost.idle_params != 0:
        total += f" ({grouped(cost.inference_params)} params run at inference)"
    yield ""
    yield from wrap(f"total: {total}", width, subsequent_indent="  ", break_long_words=False)
    yield from wrap(f"rule: {report.rule}", width, subsequent_indent="  ")
    left = ", ".join(f"{label} {grouped(size)}" for label, size in report.uncounted.items() if size != 0)
    if left:
        yield from wrap(f"not counted, in elements: {left}", width, subsequent_indent="  ", break_long_words=False)
    for note in report.notes:
        yield from wrap(f"note: {note}", width, subsequent_indent="  ", break_long_words=False)
