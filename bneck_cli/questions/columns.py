"""The columns of a network's layers, as a table and as records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.network import entries
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.bodies import SHARE
from bneck_cli.questions.rows import flat_rows, with_reaches
from bneck_cli.report import Column, Records
from bneck_cli.words.values import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Cost, Layer
    from bneck_cli.questions.rows import LayerRow, View
    from bneck_cli.sizes.shape import Shape

    Value = Callable[[LayerRow, Analysis, bool], Any]
    Cell = Callable[[LayerRow], Any]

PER_INPUT = frozenset({"macs", "conv_macs", "linear_macs", "attention_macs", "activations", "elements"})
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
    """Return a cost's part of all multiply-adds; None if they are symbols."""
    macs, whole = cost.macs, analysis.cost.macs
    if not isinstance(macs, int) or not isinstance(whole, int):
        return None
    return Share(macs / whole if whole else 0.0)


def reach_axes(row: LayerRow, field: str) -> list[Any]:
    """Return a figure of a row's reach by axis; nothing if it is unknown."""
    return [getattr(axis, field) for axis in row.reach.axes] if row.reach is not None and row.reach.known else []


def _reach(field: str) -> Value:
    def value(row: LayerRow, _analysis: Analysis, _flat: bool) -> str:
        if row.reach is not None and row.reach.whole:
            return "all" if field == "size" else ""
        values = [f"{value:g}" if isinstance(value, float) else str(value) for value in reach_axes(row, field)]
        return values[0] if len(set(values)) == 1 else "×".join(values)

    return value


def _operation(row: LayerRow) -> str:
    """Return a group as the spec writes it, or a layer's kind, with the name under which its weights are shared."""
    if not row.is_layer and row.text:
        return row.text
    return f"{row.op} {SHARE}={row.shared}" if row.shared else row.op


def _name(text: str) -> str:
    """Return a step's name, with the count before it where it is a repeat."""
    words = text.split(" ")
    return " ".join(words[: 2 if text[:1] in tuple("(0123456789") else 1])


def _count(key: str) -> Value:
    if key in PER_INPUT:
        return lambda row, analysis, _: getattr(row.total, key) * analysis.batch
    return lambda row, _, __: getattr(row.total, key)


def _elements(row: LayerRow, analysis: Analysis, _flat: bool) -> Any:
    """Return the values of the output, in all copies and for the batch."""
    return row.out.elements * (row.repeat * analysis.batch)


# The table's columns

_ALL = (
    Shown(Column("layer", "layer", "name"), lambda row, _, flat: row.path if flat else row.label),
    Shown(
        Column("op", "op", "word", 1, shorten=_name, joins=True),
        lambda row, _, __: _operation(row),
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
    Shown(Column("elements", "elements", "number"), _elements),
    Shown(Column("activations", "activations", "number"), _count("activations")),
    Shown(Column("active_params", "active params", "number"), _count("active_params")),
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
    if key in ("params", "active_params"):
        return getattr(cost, key)
    if key == "share":
        return share(cost, analysis)
    return getattr(cost, key) * analysis.batch if key in PER_INPUT and key != "elements" else None


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


AXES = ("time", "height", "width")
"""The axes that records have; a sequence is a map of height 1, a vector one of 1 by 1, a map a video of 1 frame."""


def _sized(of: Callable[[LayerRow], Shape], axis: int) -> Cell:
    return lambda row: (1, 1, 1, *of(row).spatial)[-3:][axis]


def _per_axis(field: str, axis: int) -> Cell:
    return lambda row: (1, 1, *getattr(row.window, field))[-3:][axis] if row.window else ""


def _side(axis: int, side: int) -> Cell:
    def cell(row: LayerRow) -> Any:
        sides = ((0, 0), (0, 0), *row.window.padding)[-3:][axis] if row.window else ("", "")
        return sides if isinstance(sides, str) else sides[side]

    return cell


def _seen(field: str, axis: int) -> Cell:
    def cell(row: LayerRow) -> Any:
        values = reach_axes(row, field)
        return (*(values[:1] * 2), *values)[-3:][axis] if values else ""

    return cell


def _by_axis(name: str, cell: Callable[[int], Cell]) -> dict[str, Cell]:
    return {f"{name}_{axis}": cell(index) for index, axis in enumerate(AXES)}


SIDES = ("front", "back", "top", "bottom", "left", "right")
CELLS: dict[str, Cell] = {
    "path": lambda row: row.path,
    "op": lambda row: row.op,
    "repeat": lambda row: row.repeat,
    "in_channels": lambda row: row.shape.channels,
    **_by_axis("in", lambda axis: _sized(lambda row: row.shape, axis)),
    "out_channels": lambda row: row.out.channels,
    **_by_axis("out", lambda axis: _sized(lambda row: row.out, axis)),
    **_by_axis("kernel", lambda axis: _per_axis("kernel", axis)),
    **_by_axis("stride", lambda axis: _per_axis("stride", axis)),
    **{f"padding_{side}": _side(*divmod(index, 2)) for index, side in enumerate(SIDES)},
    **_by_axis("dilation", lambda axis: _per_axis("dilation", axis)),
    "groups": lambda row: row.window.groups if row.window else "",
    "params": lambda row: row.cost.params,
    "macs": lambda row: row.cost.macs,
    "active_params": lambda row: row.cost.active_params,
    "conv_macs": lambda row: row.cost.conv_macs,
    "linear_macs": lambda row: row.cost.linear_macs,
    "attention_macs": lambda row: row.cost.attention_macs,
    "activations": lambda row: row.cost.activations,
    "elements": lambda row: row.out.elements,
    "text": lambda row: row.text,
    **_by_axis("receptive_field", lambda axis: _seen("size", axis)),
    **_by_axis("jump", lambda axis: _seen("jump", axis)),
    **_by_axis("start", lambda axis: _seen("start", axis)),
}
RECORDED = tuple(CELLS)[: tuple(CELLS).index("macs") + 1]
WIDER = {
    "layer": ("path",),
    "input": ("in_channels", *(f"in_{axis}" for axis in AXES)),
    "output": ("out_channels", *(f"out_{axis}" for axis in AXES)),
    "padding": tuple(f"padding_{side}" for side in SIDES),
    **{
        name: tuple(f"{name}_{axis}" for axis in AXES)
        for name in ("kernel", "stride", "dilation", "receptive_field", "jump", "start")
    },
}
SEEN = frozenset(name for names in (WIDER["receptive_field"], WIDER["jump"], WIDER["start"]) for name in names)
TIME = frozenset(name for name in CELLS if name.endswith(("_time", "_front", "_back")))
"""Columns that a network without a third axis has only when they are asked for by their own names."""


def records(analysis: Analysis, view: View) -> Records:
    """Return a row for every executed layer; a sum over a column is the network's total.

    With ``view.fold``, identical copies are one row with the figures of one, and ``repeat`` says how many they are.
    """
    names = selected_columns(view.columns, CELLS, WIDER, RECORDED)
    if not has_time(entry.layer for entry in entries(analysis.root)):
        names = tuple(name for name in names if name not in TIME or name in view.columns)
    if view.fold and "repeat" not in names:
        names = (*names, "repeat") if view.columns else (*names[:2], "repeat", *names[2:])
    elif not view.fold and not view.columns:
        names = tuple(name for name in names if name != "repeat")
    rows = flat_rows(analysis, view, folded=view.fold)
    if SEEN.intersection(names):
        rows = with_reaches(rows, analysis, folded=view.fold)
    cells = [_times(CELLS[name], analysis.batch) if name in PER_INPUT else CELLS[name] for name in names]
    key = analysis.rule.key if analysis.rule else "macs"
    return Records([name.replace("macs", key) for name in names], ([cell(row) for cell in cells] for row in rows))


def has_time(layers: Iterable[Layer]) -> bool:
    """Return whether a tensor of some layer has three axes."""
    return any(len(shape.spatial) > 2 for layer in layers for shape in (layer.shape, layer.out))


def _times(cell: Cell, batch: Any) -> Cell:
    return cell if batch == 1 else lambda row: cell(row) * batch
