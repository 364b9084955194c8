"""Every layer of a network with its shapes and its costs: the rows, and the report of them."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.network import PRODUCTS, Cost, Layer, Node, Series, bounded, children, entries, inner
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.report import Facts, Report, Row, Table, telling
from bneck_cli.shown import grouped
from bneck_cli.sizes.amounts import rounded
from bneck_cli.sizes.number import are_whole
from bneck_cli.words.values import Bytes, people

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.layers import Window
    from bneck_cli.engine.layers.reach import Reach
    from bneck_cli.engine.network import Size
    from bneck_cli.report import Part
    from bneck_cli.sizes.shape import Shape

RULE = (
    "one multiply-add of a convolution, a linear layer or a product of attention is 1 MAC; "
    "nothing else is counted (torchvision's rule)"
)
MACS = "1 MAC = 1 multiply-add = 2 FLOPs; papers often write FLOPs for MACs"
UNITS = ("macs", "flops")
ACTIVATIONS = "activations are the elements that convolutions, linear layers and attention give (pycls's measure)"
SORTS = ("params", "macs", "activations")


class LayerRow(NamedTuple):
    """A layer, or a group of them with its subtotal.

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
    shared: str = ""
    """The name under which a layer's weights are shared."""

    @property
    def total(self) -> Cost:
        """The cost of all copies."""
        return self.cost if self.repeat == 1 else Cost().plus(self.cost, self.repeat)


class View(NamedTuple):
    """What is asked of a report: which rows, in which order, with which columns."""

    depth: int | None = None
    expand: bool = False
    only: tuple[str, ...] = ()
    sort: str | None = None
    top: int | None = None
    columns: tuple[str, ...] = ()
    fold: bool = False
    """Whether records have one row for identical layers."""


def report(analysis: Analysis, view: View = View()) -> Report:
    """Lay an analysis out: a table of its layers, its totals, and the counting rule.

    With ``only``, ``sort`` or ``top`` the rows are a flat list of layers; otherwise they follow the tree.
    Raises BneckError for an unknown column, sort key or layer kind.
    """
    from bneck_cli.questions.columns import keyed, records
    from bneck_cli.questions.document import document
    from bneck_cli.questions.source import source

    view = view._replace(columns=keyed(view.columns))
    return Report(
        "analyze",
        analysis.name,
        describe_input(analysis),
        parts=lambda: _parts(analysis, view),
        records=lambda: records(analysis, view),
        data=lambda: document(analysis, view),
        source=lambda: source(analysis),
    )


def _parts(analysis: Analysis, view: View) -> Iterator[Part]:
    rows, notes = shown_rows(analysis, view)
    found = table(analysis, view, rows)
    shown = {column.key for column in found.columns}
    if "activations" in shown:
        notes = [*notes, ACTIVATIONS]
    if "repeat" in shown:
        notes = [*notes, "a row with × stands for so many copies, and its figures are those of all of them together"]
    yield found
    yield Facts((*_footer(analysis), *(("note", note) for note in (*notes, *_holds(analysis)))))


def shown_rows(analysis: Analysis, view: View) -> tuple[list[LayerRow], list[str]]:
    """Select the rows that a view asks for; the notes say how they were selected."""
    folded = not view.expand
    rows = list(flat_rows(analysis, view, folded) if is_flat(view) else all_rows(analysis.root, view))
    notes = []
    if view.only:
        notes.append(f"only {listed(view.only, 'and')}")
    if view.sort:
        notes.append(f"sorted by {view.sort}")
    if view.top is not None:
        notes.append(f"the first {len(rows)} rows")
    if REACH.intersection(view.columns):
        rows = list(with_reaches(rows, analysis, folded))
        notes.append("`sees`, `jump` and `start` are those of windows, in positions of the input; gates see everything")
    return rows, notes


def table(analysis: Analysis, view: View, rows: list[LayerRow]) -> Table:
    """Lay rows out in columns, those asked for or those that tell something, and end in the network's total.

    A flat list, which need not hold every layer, has the sum of what is shown before the total.
    """
    from bneck_cli.questions.columns import COLUMNS, DEFAULT, PLAIN, selected_columns, total

    names = selected_columns(view.columns, COLUMNS, {}, DEFAULT)
    columns = [COLUMNS[name].column for name in names]
    values = [COLUMNS[name].value for name in names]
    if analysis.rule is not None:
        title = analysis.rule.title
        columns = [column._replace(title=column.title.replace("MACs", title)) for column in columns]
    flat = is_flat(view)
    lines = [
        Row(
            [value(row, analysis, flat) for value in values],
            0 if flat else row.level,
            style="" if row.is_layer else "group",
        )
        for row in rows
    ]
    found = Table(columns, lines)
    if not view.columns:
        found = telling(found, PLAIN)
    names = tuple(column.key for column in found.columns)
    totals = []
    if flat and (view.only or view.top is not None):
        summed = Cost()
        for row in rows:
            summed = summed.plus(row.cost, row.repeat)
        label = f"{people(len(rows))} row{'s' * (len(rows) != 1)}"
        totals.append(Row([total(name, label, summed, analysis) for name in names], total=True))
    totals.append(Row([total(name, "total", analysis.cost, analysis) for name in names], total=True))
    return found._replace(rows=[*found.rows, *totals])


def _footer(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """State the totals, the counting rule, and what it leaves out."""
    cost, rule = analysis.cost, analysis.rule
    macs = cost.macs * analysis.batch
    said = f"{people(cost.params)} params, {people(macs)} {rule.title if rule else 'MACs'}"
    if isinstance(cost.params, int) and isinstance(macs, int) and max(cost.params, macs) >= MILLION:
        said += f" ({rounded(cost.params)}, {rounded(macs)})"
    if cost.idle_params != 0:
        said += f" ({people(cost.inference_params)} params run at inference)"
    if cost.inactive_params != 0:
        said += f" ({people(cost.active_params)} params are active at each position)"
    yield "total", said
    yield from units_of(analysis)
    yield from _size(analysis)
    yield "rule", rule_of(analysis)
    left = ", ".join(f"{label} {people(size)}" for label, size in uncounted(analysis).items() if size != 0)
    if left:
        yield "not counted, in elements", left


def units_of(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """Say what the unit is, where figures are in multiply-adds or in twice as many FLOPs."""
    rule = analysis.rule
    return (("units", MACS),) if rule is None or rule.unit == "FLOPs" else ()


def _size(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Say how large the weights are, and what of them training changes."""
    params, stored = analysis.cost.params, buffers(analysis)
    if analysis.rule is not None and analysis.rule.unit != "FLOPs":
        return
    if isinstance(params, int) and isinstance(stored, int) and params:
        size = (params + stored) * FP32
        kept = f", and {people(stored)} buffers, kept and not trained" if stored else ""
        yield (
            "size",
            f"{grouped(size / 10**6, '.1f')} MB in fp32 ({Bytes(size)}): {people(params)} params, all trainable{kept}",
        )


def buffers(analysis: Analysis) -> Size:
    """Count the values that are kept beside parameters and not learned: running statistics."""
    total: Size = 0
    for entry in entries(analysis.root):
        total = total + entry.layer.buffers * entry.copies
    return total


def _holds(analysis: Analysis) -> tuple[str, ...]:
    """Say what is counted in vain, and for which inputs the figures hold."""
    return (
        *shared_weights(analysis),
        *unread_results(analysis),
        *requirements(analysis),
        *least_input(analysis),
        *counting_notes(analysis),
    )


def shared_weights(analysis: Analysis) -> Iterator[str]:
    """Say which steps work with the weights of others, which count once."""
    for _, place, holder in analysis.shared:
        if place == holder:
            yield f"all copies of `{place.text()}` have one set of weights"
        else:
            yield f"`{place.text()}` has the weights of `{holder.text()}` (line {holder.location().line})"


FP32 = 4
"""Bytes of a value."""
MILLION = 10**6
MOST_NAMED = 3
"""How many layers a note names."""
REACH = frozenset({"receptive_field", "jump", "start"})
"""Columns that need the receptive fields."""


def _only(rows: list[LayerRow], kinds: tuple[str, ...]) -> list[LayerRow]:
    """Keep layers of the named kinds; a name that no layer here has is an error."""
    present = {row.op for row in rows}
    for kind in kinds:
        if kind not in present:
            here = f"the kinds here are {listed(sorted(present), 'and')}" if present else "it has no layers"
            raise BneckError(f"--only: no layer here is a '{kind}'", hint=nearest(kind, present) or here)
    return [row for row in rows if row.op in kinds]


def _sorted(rows: list[LayerRow], key: str) -> list[LayerRow]:
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


def flat_rows(analysis: Analysis, view: View, folded: bool) -> Iterator[LayerRow]:
    """Yield the layers that a view asks for; with a depth, the groups at that depth stand for what they hold."""
    if view.depth is not None and not is_flat(view):
        tree = all_rows(analysis.root, view._replace(expand=not folded))
        yield from (row for row in tree if row.is_layer or row.level + 1 == view.depth)
        return
    rows: Iterator[LayerRow] = layer_rows(analysis.root, folded)
    if view.only:
        rows = iter(_only(list(rows), view.only))
    if view.sort:
        rows = iter(_sorted(list(rows), view.sort))
    yield from rows if view.top is None else islice(rows, min(view.top, sys.maxsize))


def layer_rows(root: Series, folded: bool = True) -> Iterator[LayerRow]:
    """Yield a row for every layer in execution order."""
    for path, layer, copies, idle in entries(root, folded):
        yield _layer_row(layer, path, path, 0, copies, idle)


def _layer_row(layer: Layer, path: str, label: str, level: int, copies: int, idle: bool) -> LayerRow:
    window = layer.rule.geometry(layer.shape) if layer.rule is not None else None
    cost = _idle(layer.cost) if idle else layer.cost
    return LayerRow(
        path,
        label,
        level,
        layer.op,
        layer.text,
        copies,
        layer.shape,
        layer.out,
        window,
        cost,
        True,
        shared=layer.shared,
    )


def _idle(cost: Cost) -> Cost:
    """Give the cost of what does not run: its parameters."""
    return Cost(cost.params, cost.params)


def all_rows(root: Series, view: View) -> Iterator[LayerRow]:
    """Yield the rows of a whole network, as ``tree_rows`` does. Raises BneckError for too many."""
    return bounded(tree_rows(root, view), root, folded=not view.expand)


def tree_rows(
    node: Node, view: View, path: str = "", level: int = 0, outer: int = 1, idle: bool = False
) -> Iterator[LayerRow]:
    """Yield groups with their subtotals, each followed by what it holds, down to the view's depth."""
    for held in children(node):
        away = idle or held.idle
        for child in held.opened() if view.expand else (held,):
            label, inside, copies = child.label, child.node, outer * child.copies
            place = f"{path}.{label}" if path else label
            if isinstance(inside, Layer):
                yield _layer_row(inside, place, label, level, copies, away)
                continue
            shown = inner(inside) if isinstance(inside, Series) else None
            text = shown.text if shown and shown.kind != "chain" else ""
            cost = _idle(inside.cost) if away else inside.cost
            op = shown.name if shown else ""
            yield LayerRow(place, label, level, op, text, copies, inside.shape, inside.out, None, cost, False)
            if view.depth is None or level + 1 < view.depth:
                yield from tree_rows(inside, view, place, level + 1, copies, away)


def with_reaches(rows: Iterable[LayerRow], analysis: Analysis, folded: bool) -> Iterator[LayerRow]:
    """Yield the rows with what a position of each one's output sees; of folded copies, the last's."""
    from bneck_cli.flow.receptive import reaches

    found = reaches(analysis, folded)
    for row in rows:
        yield row._replace(reach=found.get(row.path))


# What stands around the rows


def describe_input(analysis: Analysis) -> str:
    """Write the input for a title: ``3×224×224``, with the batch where it is not 1."""
    shapes = [f"{name} {shape}" if len(analysis.inputs) > 1 else str(shape) for name, shape in analysis.inputs.items()]
    described = ", ".join(shapes)
    for name, value in analysis.values.items():
        described += f", {name}={value}"
    for name, known in analysis.assume.items():
        described += "".join(f", {said.replace(' is ', ' ')}" for said in known.said(name))
    if analysis.settings.past:
        described += f", {analysis.settings.past} past"
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
    return (("scaling", layer.out.elements * (len(layer.inputs) - 1)),) if layer.op in PRODUCTS else ()


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


def unread_results(analysis: Analysis) -> tuple[str, ...]:
    """Name the layers whose result nobody reads, with what it costs that they and others lead to no output."""
    if analysis.in_a_row:
        return ()
    from bneck_cli.flow.unread import vain

    found = vain(analysis).values()
    if not found:
        return ()
    params, macs = sum(one.cost.params for one in found), sum(one.cost.macs for one in found)
    names = [
        one.entry.path + (f" (×{people(one.unread)})" if one.entry.copies > 1 else "") for one in found if one.unread
    ]
    more = f" and {people(len(names) - MOST_NAMED)} more" if len(names) > MOST_NAMED else ""
    said = ", ".join(names[:MOST_NAMED]) + more if more else listed(names, "and")
    unit = "MACs" if analysis.rule is None else analysis.rule.title
    lost = f"{people(params)} params and {people(macs * analysis.batch)} {unit}"
    return (f"nobody reads the result of {said}: {lost} are counted that lead to no output",)


def least_input(analysis: Analysis) -> tuple[str, ...]:
    """Say what the smallest input is, where the input's sides are symbols; below it a formula means nothing."""
    if are_whole(*(size for shape in analysis.inputs.values() for size in shape.spatial)):
        return ()
    from bneck_cli.engine.analysis import smallest_input

    least = smallest_input(analysis.program, analysis.settings)
    return (f"the smallest legal input is {least}",) if least else ()


def requirements(analysis: Analysis) -> tuple[str, ...]:
    """Say for which values of the symbols the formulas hold: where sizes are whole, and no shortcut is another."""
    sizes = [size for entry in entries(analysis.root) for size in (*entry.layer.out.spatial, entry.layer.out.channels)]
    rules = [(entry.layer.rule, entry.layer.shape) for entry in entries(analysis.root)]
    if are_whole(*sizes) and not analysis.apart:
        return ()
    from bneck_cli.sizes.agreement import requirements as required

    for rule, shape in rules:
        if rule is not None:
            sizes += [*(getattr(rule, field.name) for field in rule.fields), *rule.shares(shape)]
    units = {name: known.unit for name, known in analysis.assume.items()}
    return tuple(f"holds where {condition}" for condition in (*required(sizes, units), *analysis.apart))
