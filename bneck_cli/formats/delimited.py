"""Comma- and tab-separated values for spreadsheets: one header line, one number per cell, no total row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.questions.analyze import PER_INPUT, flat_rows, reach_axes, selected_columns, with_reaches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.formats import Style
    from bneck_cli.questions.analyze import Row, View
    from bneck_cli.sizes.shape import Shape

    Cell = Callable[[Row], Any]


def _size(shape: Shape, axis: int) -> Any:
    """Give height (axis 0) or width (axis 1); a sequence is a map of height 1, a vector one of 1 by 1."""
    spatial = (1, 1, *shape.spatial)[-2:]
    return spatial[axis]


def _per_axis(field: str, axis: int) -> Cell:
    def cell(row: Row) -> Any:
        if row.window is None:
            return ""
        values = getattr(row.window, field)
        return (1, *values)[-2:][axis]

    return cell


def _side(axis: int, side: int) -> Cell:
    def cell(row: Row) -> Any:
        sides = ((0, 0), *row.window.padding)[-2:][axis] if row.window else ("", "")
        return sides if isinstance(sides, str) else sides[side]

    return cell


def _seen(field: str, axis: int) -> Cell:
    def cell(row: Row) -> Any:
        values = reach_axes(row, field)
        return (values[0], *values)[-2:][axis] if values else ""

    return cell


CELLS: dict[str, Cell] = {
    "path": lambda row: row.path,
    "op": lambda row: row.op,
    "repeat": lambda row: row.repeat,
    "in_channels": lambda row: row.shape.channels,
    "in_height": lambda row: _size(row.shape, 0),
    "in_width": lambda row: _size(row.shape, 1),
    "out_channels": lambda row: row.out.channels,
    "out_height": lambda row: _size(row.out, 0),
    "out_width": lambda row: _size(row.out, 1),
    "kernel_height": _per_axis("kernel", 0),
    "kernel_width": _per_axis("kernel", 1),
    "stride_height": _per_axis("stride", 0),
    "stride_width": _per_axis("stride", 1),
    "padding_top": _side(0, 0),
    "padding_bottom": _side(0, 1),
    "padding_left": _side(1, 0),
    "padding_right": _side(1, 1),
    "dilation_height": _per_axis("dilation", 0),
    "dilation_width": _per_axis("dilation", 1),
    "groups": lambda row: row.window.groups if row.window else "",
    "params": lambda row: row.cost.params,
    "macs": lambda row: row.cost.macs,
    "conv_macs": lambda row: row.cost.conv_macs,
    "linear_macs": lambda row: row.cost.linear_macs,
    "attention_macs": lambda row: row.cost.attention_macs,
    "activations": lambda row: row.cost.activations,
    "text": lambda row: row.text,
    "receptive_field_height": _seen("size", 0),
    "receptive_field_width": _seen("size", 1),
    "jump_height": _seen("jump", 0),
    "jump_width": _seen("jump", 1),
    "start_height": _seen("start", 0),
    "start_width": _seen("start", 1),
}
DEFAULT = tuple(CELLS)[:22]
FORMULA = frozenset("=+-@\t\r")
WIDER = {
    "layer": ("path",),
    "input": ("in_channels", "in_height", "in_width"),
    "output": ("out_channels", "out_height", "out_width"),
    "kernel": ("kernel_height", "kernel_width"),
    "stride": ("stride_height", "stride_width"),
    "padding": ("padding_top", "padding_bottom", "padding_left", "padding_right"),
    "dilation": ("dilation_height", "dilation_width"),
    "receptive_field": ("receptive_field_height", "receptive_field_width"),
    "jump": ("jump_height", "jump_width"),
    "start": ("start_height", "start_width"),
}
SEEN = frozenset(name for names in (WIDER["receptive_field"], WIDER["jump"], WIDER["start"]) for name in names)


def render_delimited(analysis: Analysis, view: View, style: Style, delimiter: str) -> Iterator[str]:
    """Write a header and a row for every executed layer; a sum over a column is the network's total.

    With ``style.fold``, identical copies are one row and ``repeat`` says how many.
    """
    names = selected_columns(view.columns, CELLS, WIDER, DEFAULT)
    if style.fold and "repeat" not in names:
        names = (*names, "repeat") if view.columns else (*names[:2], "repeat", *names[2:])
    elif not style.fold and not view.columns:
        names = tuple(name for name in names if name != "repeat")
    rows = flat_rows(analysis, view, folded=style.fold)
    if SEEN.intersection(names):
        rows = with_reaches(rows, analysis, folded=style.fold)
    cells = [_times(CELLS[name], analysis.batch) if name in PER_INPUT else CELLS[name] for name in names]
    titles = {"macs": analysis.rule.key} if analysis.rule else {}
    header = [titles.get(name, name) for name in names]
    return delimited([header], delimiter, ([cell(row) for cell in cells] for row in rows))


def _times(cell: Cell, batch: Any) -> Cell:
    return cell if batch == 1 else lambda row: cell(row) * batch


def delimited(header: Iterable[Iterable[Any]], delimiter: str, lines: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Write lines of cells, quoted where needed; text that a spreadsheet would run as a formula is made harmless."""
    import csv
    import io
    from itertools import chain

    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
    for line in chain(header, lines):
        writer.writerow([cell if type(cell) is int else harmless(str(cell)) for cell in line])
        if buffer.tell() > 1 << 15:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def harmless(cell: str) -> str:
    """Put a quote before what a spreadsheet reads as a formula; a number stays a number."""
    if cell[:1] in FORMULA and cell and not cell[1:].isdigit():
        return f"'{cell}"
    return cell
