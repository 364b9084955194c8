"""Calls on sequences: embeddings, recurrent states, rotations, masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.bridges.calls.handlers import handles
from bneck_cli.bridges.calls.layers import elementwise
from bneck_cli.bridges.calls.layout import CHANNELS, Atom, whole
from bneck_cli.bridges.calls.tensors import Constant, Scores, Value
from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from bneck_cli.bridges.calls.handlers import Bound
    from bneck_cli.bridges.calls.tensors import Thing


@handles("embedding")
def embedding(call: Bound) -> Thing:
    """A row of a table for each index."""
    lowering, table = call.lowering, call.get(1, "weight")
    value = lowering.picked(call.value())
    if not isinstance(table, Constant):
        raise BneckError("a table that is computed from the input")
    rows, channels = table.shape
    node = lowering.graph.layer(
        "embed", value.node, {"vocabulary": rows, "channels": channels}, call.stack, lowering.charge([table])
    )
    for number in table.reads:
        lowering.tables[number] = node
    return Value(node, (*value.axes, whole(lowering.graph.shape(node), CHANNELS)))


@handles("masked_fill")
def masked(call: Bound) -> Thing:
    """Elements that a constant forbids; scores of attention stay what they are."""
    thing = call.thing()
    return thing if isinstance(thing, Scores) else elementwise(call, call.value(), "masked_fill")


@handles("rotary_embedding")
def rotated(call: Bound) -> Thing:
    """Positions by turning pairs of channels, in one call."""
    return elementwise(call, call.value(), "rotary")


@handles("recurrent_lstm", "recurrent_gru", "recurrent_rnn")
def recurrent(call: Bound) -> Thing:
    """A state along the first axis: steps, ways, batch, channels leave."""
    lowering, graph = call.lowering, call.lowering.graph
    length, ways, _, hidden = call.out
    value = lowering.channels_at(call.value(), -1, call.stack)
    ready = lowering.arranged(value, [2], [[1], [0]] if value.axes[1] else [[0]], call.stack)
    weights = [one for one in (call.get(place, "") for place in (1, 2, 3)) if isinstance(one, Constant)]
    slots = {"hidden": hidden, "both": call.raw(9, "both"), "nobias": call.raw(9, "nobias")}
    if value.axes[1]:
        slots["along"] = "width"
    kind = call.name.removeprefix("recurrent_")
    node = graph.layer(kind, ready.node, slots, call.stack, lowering.charge(weights), call.record.macs)
    rank = len(graph.shape(node).spatial)
    steps = (Atom(rank, 1, length),) if length > 1 else ()
    both = (Atom(CHANNELS, hidden, ways),) if ways > 1 else ()
    batch = whole(graph.shape(node), 1) if rank > 1 else ()
    return Value(node, (steps, both, batch, (Atom(CHANNELS, 1, hidden),)))
