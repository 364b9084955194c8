"""The columns of a network's layers, as a table and as records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.questions.analyze import flat_rows, with_reaches
from bneck_cli.report import Column, Records
from bneck_cli.words.values import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Cost
    from bneck_cli.questions.analyze import LayerRow, View
    from bneck_cli.sizes.shape import Shape

    Value = Callable[[LayerRow, Analysis, bool], Any]
    Cell = Callable[[LayerRow], Any]

PER_INPUT = frozenset({"macs", "conv_macs", "linear_macs", "attention_macs", "activations"})
"""Columns that a batch multiplies; the others are the same for any number of inputs."""


class Shown(NamedTuple):
    """A column of the table, and the value of a row in it: of the row, the analysis, and whether the list is flat."""

    column: Column
    value: Value


# Windows


def _axes(row: LayerRow, field: str) -> tuple[Any, ...]:
    return tuple(getattr(row.window, field)) if row.window else ()


def _extent(row: LayerRow, field: str) -> str:
    """Write a window's sizes: one number where all axes agree, ``1x7`` where not."""
    values = _axes(row, field)
    if not values:
        return ""
    return str(values[0]) if len(set(values)) == 1 else "x".join(str(value) for value in values)


def _kernel(row: LayerRow) -> str:
    return "×".join(str(size) for size in _axes(row, "kernel"))


def _padding(row: LayerRow) -> str:
    """Write padding: one number where all sides agree, else (top,bottom,left,right)."""
    sides = _axes(row, "padding")
    if not sides or "tf_same" in sides:  # the word stays where the sizes are symbolic
        return "tf_same" if sides else ""
    flat = [side for pair in sides for side in pair]
    if len(set(flat)) == 1:
        return str(flat[0])
    if all(before == after for before, after in sides):
        return "x".join(str(before) for before, _ in sides)
    return f"({','.join(str(side) for side in flat)})"


def _share(row: LayerRow, analysis: Analysis, _flat: bool) -> Share | None:
    return share(row.total, analysis)


def share(cost: Cost, analysis: Analysis) -> Share | None:
    """Return a cost's part of all multiply-adds; None where they are symbols."""
    macs, whole = cost.macs, analysis.cost.macs
    if not isinstance(macs, int) or not isinstance(whole, int):
        return None
    return Share(macs / whole if whole else 0.0)


def reach_axes(row: LayerRow, field: str) -> list[Any]:
    """Return a figure of a row's reach by axis; nothing where it is unknown."""
    return [getattr(axis, field) for axis in row.reach.axes] if row.reach is not None and row.reach.known else []


def _reach(field: str) -> Value:
    def value(row: LayerRow, _analysis: Analysis, _flat: bool) -> str:
        if row.reach is not None and row.reach.whole:
            return "all" if field == "size" else ""
        values = [f"{value:g}" if isinstance(value, float) else str(value) for value in reach_axes(row, field)]
        return values[0] if len(set(values)) == 1 else "×".join(values)

    return value


def _name(text: str) -> str:
    """Return a step's name, with the count before it where it is a repeat."""
    words = text.split(" ")
    return " ".join(words[: 2 if text[:1] in tuple("(0123456789") else 1])


def _count(key: str) -> Value:
    if key in PER_INPUT:
        return lambda row, analysis, _: getattr(row.total, key) * analysis.batch
    return lambda row, _, __: getattr(row.total, key)


# The table's columns

_ALL = (
    Shown(Column("layer", "layer", "name"), lambda row, _, flat: row.path if flat else row.label),
    Shown(
        Column("op", "op", "word", 1, shorten=_name, joins=True),
        lambda row, _, __: row.text if not row.is_layer and row.text else row.op,
    ),
    Shown(Column("input", "input", "word", 3), lambda row, _, __: row.shape),
    Shown(Column("output", "output", "word", 9), lambda row, _, __: row.out),
    Shown(Column("kernel", "kernel", "word", 7, "k"), lambda row, _, __: _kernel(row)),
    Shown(Column("stride", "stride", "word", 8, "s"), lambda row, _, __: _extent(row, "stride")),
    Shown(Column("padding", "pad", "word", 6, "p"), lambda row, _, __: _padding(row)),
    Shown(Column("dilation", "dilation", "word", 4, "d"), lambda row, _, __: _extent(row, "dilation")),
    Shown(Column("groups", "groups", "number", 5, "g"), lambda row, _, __: row.window.groups if row.window else None),
    Shown(Column("repeat", "×", "number"), lambda row, _, __: row.repeat if row.repeat != 1 else None),
    Shown(Column("params", "params", "number"), _count("params")),
    Shown(Column("macs", "MACs", "number"), _count("macs")),
    Shown(Column("share", "share", "share", 2), _share),
    Shown(Column("path", "path", "name"), lambda row, _, __: row.path),
    Shown(Column("activations", "activations", "number"), _count("activations")),
    Shown(Column("conv_macs", "conv MACs", "number"), _count("conv_macs")),
    Shown(Column("linear_macs", "linear MACs", "number"), _count("linear_macs")),
    Shown(Column("attention_macs", "attention MACs", "number"), _count("attention_macs")),
    Shown(Column("text", "in the spec", "words"), lambda row, _, __: row.text),
    Shown(Column("receptive_field", "sees", "number"), _reach("size")),
    Shown(Column("jump", "jump", "number"), _reach("jump")),
    Shown(Column("start", "start", "number"), _reach("start")),
)
COLUMNS = {shown.column.key: shown for shown in _ALL}
DEFAULT = tuple(COLUMNS)[:13]
PLAIN = {"kernel": "", "stride": "1", "padding": "0", "dilation": "1", "groups": 1, "repeat": None, "share": None}
"""What is too plain to be worth a column, where every row has it."""


def total(key: str, label: str, cost: Cost, analysis: Analysis) -> Any:
    """Return a total row's cell."""
    if key in ("layer", "path"):
        return label
    if key == "params":
        return cost.params
    if key == "share":
        return share(cost, analysis)
    return getattr(cost, key) * analysis.batch if key in PER_INPUT else None


def keyed(asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return columns by their keys where they are asked for by their titles, in any case: ``pad``, ``sees``."""
    titles = {shown.column.title.lower(): shown.column.key for shown in _ALL}
    return tuple(titles.get(name.lower(), name) for name in asked)


def selected_columns(
    asked: tuple[str, ...], known: Mapping[str, Any], wider: Mapping[str, tuple[str, ...]], default: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the columns asked for; a name in ``wider`` stands for several. Raises BneckError for an unknown one."""
    for name in asked:
        if name not in known and name not in wider:
            words = [*known, *wider]
            raise BneckError(
                f"--columns: unknown column '{name}'", hint=nearest(name, words) or f"they are {listed(words, 'and')}"
            )
    return tuple(dict.fromkeys(each for name in asked for each in wider.get(name, (name,)))) if asked else default


# Records


def _size(shape: Shape, axis: int) -> Any:
    """Return height (axis 0) or width (axis 1); a sequence is a map of height 1, a vector one of 1 by 1."""
    spatial = (1, 1, *shape.spatial)[-2:]
    return spatial[axis]


def _per_axis(field: str, axis: int) -> Cell:
    def cell(row: LayerRow) -> Any:
        if row.window is None:
            return ""
        values = getattr(row.window, field)
        return (1, *values)[-2:][axis]

    return cell


def _side(axis: int, side: int) -> Cell:
    def cell(row: LayerRow) -> Any:
        sides = ((0, 0), *row.window.padding)[-2:][axis] if row.window else ("", "")
        return sides if isinstance(sides, str) else sides[side]

    return cell


def _seen(field: str, axis: int) -> Cell:
    def cell(row: LayerRow) -> Any:
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
RECORDED = tuple(CELLS)[:22]
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


def records(analysis: Analysis, view: View) -> Records:
    """Return a row for every executed layer; a sum over a column is the network's total.

    With ``view.fold``, identical copies are one row with the figures of one, and ``repeat`` says how many they are.
    """
    names = selected_columns(view.columns, CELLS, WIDER, RECORDED)
    if view.fold and "repeat" not in names:
        names = (*names, "repeat") if view.columns else (*names[:2], "repeat", *names[2:])
    elif not view.fold and not view.columns:
        names = tuple(name for name in names if name != "repeat")
    rows = flat_rows(analysis, view, folded=view.fold)
    if SEEN.intersection(names):
        rows = with_reaches(rows, analysis, folded=view.fold)
    cells = [_times(CELLS[name], analysis.batch) if name in PER_INPUT else CELLS[name] for name in names]
    titles = {"macs": analysis.rule.key} if analysis.rule else {}
    return Records([titles.get(name, name) for name in names], ([cell(row) for cell in cells] for row in rows))


def _times(cell: Cell, batch: Any) -> Cell:
    return cell if batch == 1 else lambda row: cell(row) * batch
