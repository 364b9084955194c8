"""The rows of an analysis: its layers, or the tree of stages, blocks and layers with their subtotals."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.network import Cost, Layer, Node, Series, bounded, children, entries, inner
from bneck_cli.errors import BneckError, listed, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.layers import Window
    from bneck_cli.engine.layers.reach import Reach
    from bneck_cli.sizes.shape import Shape

SORTS = ("params", "macs", "activations")
REACH = frozenset({"receptive_field", "jump", "start"})
"""Columns that need the receptive fields."""


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
        notes.append("`sees`, `jump` and `start` follow the windows, in positions of the input; gates see everything")
    return rows, notes


def is_flat(view: View) -> bool:
    """Return whether a view asks for a list of layers, not for the tree."""
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
    """Return the cost of what does not run: its parameters."""
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
