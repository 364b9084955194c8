"""Memory and weights by layer, as courses tabulate them: every map once, activations in place, the input as a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.data.precision import stored
from bneck_cli.engine.network import entries
from bneck_cli.flow.liveness import is_view
from bneck_cli.report import Column, Row, Table
from bneck_cli.words.values import Bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.network import Size
    from bneck_cli.questions.footprint import Footprint
    from bneck_cli.sizes.shape import Shape

COLUMNS = (
    Column("layer", "layer", "name"),
    Column("output", "output", "word", 2),
    Column("repeat", "×", "number"),
    Column("values", "values", "number"),
    Column("memory", "memory", "number", 3),
    Column("params", "params", "number"),
    Column("weights", "weights", "number", 1),
)


class Held(NamedTuple):
    """The input or a layer: the new values that one copy gives for the batch, and its parameters."""

    path: str
    out: Shape
    copies: int
    values: Size
    params: Size


def rows(footprint: Footprint) -> Iterator[Held]:
    """Yield the inputs, and then all layers that run.

    What works in place gives no value that was not there: activations, views, and an adaptive pooling of a map that is
    as large already.
    """
    analysis = footprint.analysis
    for name, shape in analysis.inputs.items():
        yield Held(name, shape, 1, shape.elements * analysis.batch, 0)
    for entry in entries(analysis.root):
        layer = entry.layer
        over = layer.rule is not None and layer.rule.part == "activation"
        over = over or (layer.op.startswith("adaptive_") and layer.shape == layer.out)
        if not entry.idle:
            values = 0 if over or is_view(layer) else layer.out.elements * analysis.batch
            yield Held(entry.path, layer.out, entry.copies, values, layer.cost.params)


def course(footprint: Footprint) -> Size:
    """Count the values of the input and of all that layers write, activations in place."""
    values: Size = 0
    for held in rows(footprint):
        values = values + held.values * held.copies
    return values


def table(footprint: Footprint) -> Table:
    """Write a row for each, of all its copies, so that columns add up to the total."""
    precision = footprint.precision
    shown: list[Row] = []
    sums: list[Size] = [0, 0, 0, 0]
    for held in rows(footprint):
        one = (held.values, stored(held.values, precision.activations), held.params)
        figures = [each * held.copies for each in (*one, stored(held.params, precision.weights))]
        sums = [whole + part for whole, part in zip(sums, figures, strict=True)]
        shown.append(Row(_cells(held.path, held.out, held.copies if held.copies > 1 else None, figures)))
    shown.append(Row(_cells("total", None, None, sums), total=True))
    kept = [index for index in range(len(COLUMNS)) if index != 2 or any(one.cells[2] for one in shown)]
    shown = [one._replace(cells=[one.cells[index] for index in kept]) for one in shown]
    return Table([COLUMNS[index] for index in kept], shown)


def _cells(path: str, out: Shape | None, copies: int | None, figures: list[Size]) -> list[Any]:
    values, memory, params, weights = figures
    return [path, out, copies, values, Bytes(memory), params, Bytes(weights)]
