"""An analysis as plain rows: what a table prints, before any styling. Sizes stay exact numbers here."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.network import Cost, Layer, Node, Series, Wire, children, entries, inner
from bneck_cli.errors import BneckError, listed, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.layers import Window
    from bneck_cli.engine.network import Size
    from bneck_cli.flow.receptive import Reach
    from bneck_cli.sizes.shape import Shape

RULE = (
    "one multiply-add of a convolution, a linear layer or a product of attention is 1 MAC; "
    "nothing else is counted (torchvision's rule)"
)


class Row(NamedTuple):
    """A line of the report: a layer, or a group of them with its subtotal.

    ``cost`` is that of one copy; ``repeat`` says how many identical copies the row stands for.
    """

    path: str
    label: str
    level: int
    op: str
    text: str
    repeat: int
    shape: Shape
    out: Shape
    window: Window | None
    cost: Cost
    is_layer: bool
    reach: Reach | None = None
    """What a position of the output sees of the input, where a column asks for it."""

    @property
    def total(self) -> Cost:
        """The cost of all copies."""
        return Cost().plus(self.cost, self.repeat)


class Column(NamedTuple):
    """A column of the report: its key, its title, the value of a row, and how the value reads as text."""

    key: str
    title: str
    value: Callable[[Row, Report], Any]
    number: bool = False
    default: Any = None
    """The value that is too plain to be worth a column when every row has it."""


class Report(NamedTuple):
    """Rows in order, with what belongs above and below them."""

    title: str
    subtitle: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cost: Cost
    uncounted: dict[str, Size]
    notes: tuple[str, ...]
    batch: Size
    flat: bool
    rule: str = RULE


def _axes(row: Row, field: str) -> tuple[Any, ...]:
    return tuple(getattr(row.window, field)) if row.window else ()


def _extent(row: Row, field: str) -> str:
    """Write a window's sizes: one number where all axes agree, ``1x7`` where not."""
    values = _axes(row, field)
    if not values:
        return ""
    return str(values[0]) if len(set(values)) == 1 else "x".join(str(value) for value in values)


def _kernel(row: Row) -> str:
    return "×".join(str(size) for size in _axes(row, "kernel"))


def _padding(row: Row) -> str:
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


def _share(row: Row, report: Report) -> float | None:
    """Give a row's part of all multiply-adds, between 0 and 1; of the parameters where nothing multiplies."""
    macs, whole = row.total.macs, report.cost.macs
    if not isinstance(macs, int) or not isinstance(whole, int):
        return None
    return macs / whole if whole else 0.0


def _macs(part: str) -> Callable[[Row, Report], Any]:
    return lambda row, report: getattr(row.cost, part) * report.batch


def reach_axes(row: Row, field: str) -> list[Any]:
    """Give a figure of a row's reach by axis; nothing where it is unknown."""
    return [getattr(axis, field) for axis in row.reach.axes] if row.reach is not None and row.reach.known else []


def _reach(field: str) -> Callable[[Row, Report], str]:
    def value(row: Row, _: Report) -> str:
        if row.reach is not None and row.reach.whole:
            return "all" if field == "size" else ""
        values = [f"{value:g}" if isinstance(value, float) else str(value) for value in reach_axes(row, field)]
        return values[0] if len(set(values)) == 1 else "×".join(values)

    return value


COLUMNS = (
    Column("layer", "layer", lambda row, _: row.label),
    Column("op", "op", lambda row, _: row.op),
    Column("input", "input", lambda row, _: str(row.shape)),
    Column("output", "output", lambda row, _: str(row.out)),
    Column("kernel", "kernel", lambda row, _: _kernel(row), default=""),
    Column("stride", "stride", lambda row, _: _extent(row, "stride"), default="1"),
    Column("padding", "pad", lambda row, _: _padding(row), default="0"),
    Column("dilation", "dilation", lambda row, _: _extent(row, "dilation"), default="1"),
    Column("groups", "groups", lambda row, _: row.window.groups if row.window else "", number=True, default=1),
    Column("repeat", "×", lambda row, _: row.repeat, number=True, default=1),
    Column("params", "params", lambda row, _: row.cost.params, number=True),
    Column("macs", "MACs", _macs("macs"), number=True),
    Column("share", "share", _share, number=True),
)
MORE = (
    Column("path", "path", lambda row, _: row.path),
    Column("activations", "activations", _macs("activations"), number=True),
    Column("conv_macs", "conv MACs", _macs("conv_macs"), number=True),
    Column("linear_macs", "linear MACs", _macs("linear_macs"), number=True),
    Column("attention_macs", "attention MACs", _macs("attention_macs"), number=True),
    Column("text", "in the spec", lambda row, _: row.text),
    Column("receptive_field", "sees", _reach("size"), number=True),
    Column("jump", "jump", _reach("jump"), number=True),
    Column("start", "start", _reach("start"), number=True),
)
REACH = frozenset({"receptive_field", "jump", "start"})
"""Columns that need the receptive fields."""
PER_INPUT = frozenset({"macs", "conv_macs", "linear_macs", "attention_macs", "activations"})
"""Columns that a batch multiplies; the others are the same for any number of inputs."""
NAMES = {column.key: column for column in (*COLUMNS, *MORE)}


class View(NamedTuple):
    """What is asked of a report: which rows, in which order, with which columns."""

    depth: int | None = None
    expand: bool = False
    only: tuple[str, ...] = ()
    sort: str | None = None
    top: int | None = None
    columns: tuple[str, ...] = ()


SORTS = ("params", "macs", "activations")


def build_report(analysis: Analysis, view: View = View()) -> Report:
    """Lay an analysis out in rows.

    With ``only``, ``sort`` or ``top`` the rows are a flat list of layers; otherwise they follow the tree.
    Raises BneckError for an unknown column, sort key or layer kind.
    """
    columns = tuple(NAMES[name] for name in selected_columns(view.columns, NAMES, {}, tuple(NAMES)))
    flat = is_flat(view)
    notes = []
    if view.only:
        notes.append(f"only {listed(view.only, 'and')}")
    if view.sort:
        notes.append(f"sorted by {view.sort}")
    rows = list(flat_rows(analysis, view, folded=not view.expand) if flat else _tree_rows(analysis.root, view))
    if view.top is not None:
        notes.append(f"the first {len(rows)} rows")
    if REACH.intersection(view.columns):
        rows = list(with_reaches(rows, analysis, folded=not view.expand))
        notes.append("`sees`, `jump` and `start` are those of windows, in positions of the input; gates see everything")
    if not view.columns:
        shown = [row for row in rows if row.is_layer] or rows
        columns = tuple(column for column in COLUMNS if not _plain(column, shown, rows, analysis.cost))
    if any(column.key == "repeat" for column in columns):
        notes.append("a row with × stands for so many copies: its params and its count are those of one")
    if analysis.rule is not None:
        titled = {"macs": analysis.rule.title}
        columns = tuple(column._replace(title=titled.get(column.key, column.title)) for column in columns)
    return Report(
        analysis.name,
        describe_input(analysis),
        tuple(rows),
        columns,
        analysis.cost,
        uncounted(analysis),
        (*notes, *requirements(analysis), *least_input(analysis), *counting_notes(analysis)),
        analysis.batch,
        flat,
        rule_of(analysis),
    )


def _plain(column: Column, shown: list[Row], rows: list[Row], cost: Cost) -> bool:
    """Tell whether a column says nothing: every row has its default, or no value at all."""
    if column.key == "share":
        return not isinstance(cost.macs, int)
    if column.default is None:
        return False
    if column.key == "repeat":
        return all(row.repeat == 1 for row in rows)
    return all(column.value(row, None) in ("", column.default) for row in shown)  # type: ignore[arg-type]


def selected_columns(
    asked: tuple[str, ...], known: Mapping[str, Any], wider: Mapping[str, tuple[str, ...]], default: tuple[str, ...]
) -> tuple[str, ...]:
    """Give the columns asked for; a name in ``wider`` stands for several. Raises BneckError for an unknown one."""
    for name in asked:
        if name not in known and name not in wider:
            words = [*known, *wider]
            raise BneckError(
                f"--columns: unknown column '{name}'", hint=nearest(name, words) or f"they are {listed(words, 'and')}"
            )
    return tuple(each for name in asked for each in wider.get(name, (name,))) if asked else default


def _only(rows: list[Row], kinds: tuple[str, ...]) -> list[Row]:
    """Keep layers of the named kinds; a name that no layer here has is an error."""
    present = {row.op for row in rows}
    for kind in kinds:
        if kind not in present:
            here = f"the kinds here are {listed(sorted(present), 'and')}"
            raise BneckError(f"--only: no layer here is a '{kind}'", hint=nearest(kind, present) or here)
    return [row for row in rows if row.op in kinds]


def _sorted(rows: list[Row], key: str) -> list[Row]:
    """Sort by what the rows cost in all their copies, largest first."""
    if key not in SORTS:
        raise BneckError(f"--sort: unknown key '{key}'", hint=nearest(key, SORTS) or f"sort by {listed(SORTS)}")
    if not all(isinstance(getattr(row.total, key), int) for row in rows):
        raise BneckError("--sort: symbolic sizes have no order", hint="give the input numbers")
    return sorted(rows, key=lambda row: -getattr(row.total, key))


# Rows


def is_flat(view: View) -> bool:
    """Tell whether a view asks for a list of layers, not for the tree."""
    return bool(view.only or view.sort or view.top is not None)


def flat_rows(analysis: Analysis, view: View, folded: bool) -> Iterator[Row]:
    """Yield the layers that a view asks for; with a depth, the groups at that depth stand for what they hold."""
    if view.depth is not None and not is_flat(view):
        tree = _tree_rows(analysis.root, view._replace(expand=not folded))
        yield from (row for row in tree if row.is_layer or row.level + 1 == view.depth)
        return
    rows: Iterator[Row] = layer_rows(analysis.root, folded)
    if view.only:
        rows = iter(_only(list(rows), view.only))
    if view.sort:
        rows = iter(_sorted(list(rows), view.sort))
    yield from rows if view.top is None else islice(rows, view.top)


def layer_rows(root: Series, folded: bool = True) -> Iterator[Row]:
    """Yield a row for every layer in execution order."""
    for path, layer, copies, idle in entries(root, folded):
        yield _layer_row(layer, path, path, 0, copies, idle)


def _layer_row(layer: Layer, path: str, label: str, level: int, copies: int, idle: bool) -> Row:
    window = layer.rule.geometry(layer.shape) if layer.rule is not None else None
    cost = _idle(layer.cost) if idle else layer.cost
    return Row(path, label, level, layer.op, layer.text, copies, layer.shape, layer.out, window, cost, True)


def _idle(cost: Cost) -> Cost:
    """Give the cost of what does not run: its parameters."""
    return Cost(cost.params, cost.params)


def _tree_rows(
    node: Node, view: View, path: str = "", level: int = 0, outer: int = 1, idle: bool = False
) -> Iterator[Row]:
    """Yield groups with their subtotals, each followed by what it holds, down to the view's depth."""
    for held in children(node):
        away = idle or held.idle
        for child in held.opened() if view.expand else (held,):
            label, inside, copies = child.label, child.node, outer * child.copies
            place = f"{path}.{label}" if path else label
            if isinstance(inside, Layer):
                yield _layer_row(inside, place, label, level, copies, away)
                continue
            assert not isinstance(inside, Wire)
            shown = inner(inside) if isinstance(inside, Series) else None
            text = shown.text if shown and shown.kind != "chain" else ""
            cost = _idle(inside.cost) if away else inside.cost
            op = shown.name if shown else ""
            yield Row(place, label, level, op, text, copies, inside.shape, inside.out, None, cost, False)
            if view.depth is None or level + 1 < view.depth:
                yield from _tree_rows(inside, view, place, level + 1, copies, away)


def with_reaches(rows: Iterable[Row], analysis: Analysis, folded: bool) -> Iterator[Row]:
    """Yield the rows with what a position of each one's output sees; of folded copies, the last's."""
    from bneck_cli.flow.receptive import reaches

    found = reaches(analysis, folded)
    for row in rows:
        yield row._replace(reach=found.get(row.path))


# What stands around the rows


def grouped(value: Any) -> str:
    """Write a number for people: 4,089,184,256; a symbolic size in its mathematical form."""
    if value is None or value == "":
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, str):
        return value
    from bneck_cli.sizes.dim import pretty

    return pretty(value)


def describe_input(analysis: Analysis) -> str:
    """Write the input for a title: ``3×224×224``, with the batch where it is not 1."""
    shapes = [f"{name} {shape}" if len(analysis.inputs) > 1 else str(shape) for name, shape in analysis.inputs.items()]
    described = ", ".join(shapes)
    for name, value in analysis.values.items():
        described += f", {name}={value}"
    for name, unit in analysis.assume.items():
        described += f", {name} a multiple of {unit}"
    return described + (f", batch {analysis.batch}" if analysis.batch != 1 else "")


def uncounted(analysis: Analysis) -> dict[str, Size]:
    """Count the elements that go through operations which the rule leaves out, by what they are."""
    from bneck_cli.flow.counting import counts

    totals: dict[str, Size] = {}
    for entry in entries(analysis.root):
        if entry.idle:
            continue
        for label, elements in left_out(entry.layer):
            if analysis.rule is None or not counts(analysis.rule, label, entry.layer):
                totals[label] = totals.get(label, 0) + elements * (entry.copies * analysis.batch)
    return totals


def left_out(layer: Layer) -> tuple[tuple[str, Size], ...]:
    """Say what a layer does beside its multiply-adds, and to how many elements."""
    if layer.rule is not None:
        return layer.rule.uncounted(layer.shape, layer.out)  # type: ignore[no-any-return]
    if layer.op == "add":
        return (("addition", layer.out.elements * (len(layer.inputs) - 1)),)
    return (("scaling", layer.out.elements),) if layer.op == "scale" else ()


def rule_of(analysis: Analysis) -> str:
    """State what the figures count."""
    if analysis.rule is None:
        return RULE
    from bneck_cli.flow.counting import total_quantities

    return analysis.rule.words(total_quantities(analysis))


def counting_notes(analysis: Analysis) -> list[str]:
    """Say what figures under another rule depend on beyond the architecture."""
    if analysis.rule is None:
        return []
    from bneck_cli.flow.counting import notes_on

    return notes_on(analysis)


def least_input(analysis: Analysis) -> tuple[str, ...]:
    """Say what the smallest input is, where the input's sides are symbols; below it a formula means nothing."""
    if all(isinstance(size, int) for shape in analysis.inputs.values() for size in shape.spatial):
        return ()
    from bneck_cli.engine.analysis import smallest_input

    least = smallest_input(analysis.program, analysis.settings)
    return (f"the smallest legal input is {least}",) if least else ()


def requirements(analysis: Analysis) -> tuple[str, ...]:
    """Say what the symbols must be multiples of, for the sizes to be whole."""
    sizes = [size for entry in entries(analysis.root) for size in (*entry.layer.out.spatial, entry.layer.out.channels)]
    if all(isinstance(size, int) for size in sizes):
        return ()
    from bneck_cli.sizes.dim import requirements as required

    assumed = {f"{name} is a multiple of {unit}" for name, unit in analysis.assume.items()}
    return tuple(f"holds where {condition}" for condition in required(sizes) if condition not in assumed)
