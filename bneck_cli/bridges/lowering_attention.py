"""Attention, from its products: queries times keys, a softmax, times values; with the linear layers around them."""

from __future__ import annotations

from math import isqrt, prod
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.capture import refs
from bneck_cli.bridges.graph import FREE, PART, Call, Graph, Node
from bneck_cli.bridges.layout import CHANNELS, Axes, Axis, dimensions, extent, fresh, number
from bneck_cli.bridges.lowering import Constant, Scores, Value, handles
from bneck_cli.errors import BneckError
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.bridges.lowering import Bound, Thing

ATTEND = "attend"


@handles("matmul", "bmm", "baddbmm", "rmatmul")
def matmul(call: Bound) -> Thing:
    """Scores of queries and keys, or the sum of values that they weigh; by a constant it is a linear layer."""
    left, right = call.get(0, "input"), call.get(1, "other", call.raw(1, "mat2"))
    if isinstance(left, Scores) and isinstance(right, Value):
        return attended(call, left, right)
    if isinstance(left, Value) and isinstance(right, Value):
        return Scores(left, _exchanged(right), call.out, call.record.macs)
    raise BneckError("a product of matrices")


@handles("einsum")
def einsum(call: Bound) -> Thing:
    """A product of matrices with its axes by name."""
    text, *given = call.record.args
    operands = [call.lowering.thing(ref) for ref in refs(given)]
    sides, _, result = text.replace(" ", "").partition("->")
    names = sides.split(",")
    if len(operands) != 2 or len(names) != 2 or "." in text:
        raise BneckError(f"einsum {text}")
    left, right = operands
    batch = [name for name in names[0] if name in names[1] and name in result]
    inner = [name for name in names[0] if name in names[1] and name not in result]
    rows = [name for name in names[0] if name not in names[1]]
    columns = [name for name in names[1] if name not in names[0]]
    if len(inner) != 1 or len(rows) != 1 or len(columns) != 1 or not isinstance(right, Value):
        raise BneckError(f"einsum {text}")
    ordered = [*batch, *rows, *columns]
    if isinstance(left, Scores):
        if list(names[0]) != [*batch, *rows, *inner]:
            raise BneckError(f"einsum {text}")
        values = right._replace(axes=tuple(right.axes[names[1].index(name)] for name in [*batch, *inner, *columns]))
        found = attended(call, left, values)
        return found._replace(axes=tuple(found.axes[ordered.index(name)] for name in result))
    if not isinstance(left, Value) or list(result) != ordered:
        raise BneckError(f"einsum {text}")
    queries = left._replace(axes=tuple(left.axes[names[0].index(name)] for name in [*batch, *rows, *inner]))
    keys = right._replace(axes=tuple(right.axes[names[1].index(name)] for name in [*batch, *columns, *inner]))
    return Scores(queries, keys, call.out, call.record.macs)


def _exchanged(value: Value) -> Value:
    return value._replace(axes=(*value.axes[:-2], value.axes[-1], value.axes[-2]))


@handles("scaled_dot_product_attention")
def sdpa(call: Bound) -> Thing:
    """The whole of it in one call."""
    queries, keys, values = call.get(0, "query"), call.get(1, "key"), call.get(2, "value")
    mask = call.get(3, "attn_mask")
    if not all(isinstance(one, Value) for one in (queries, keys, values)):
        raise BneckError("attention to a constant")
    if isinstance(mask, (Value, Scores)):
        raise BneckError("a mask computed from the input")
    reads = mask.reads if isinstance(mask, Constant) else frozenset()
    macs = mask.macs if isinstance(mask, Constant) else 0
    shape = (*queries.shape[:-1], keys.shape[-2])
    scores = Scores(queries, keys, shape, macs, reads, softmax=True)
    return attended(call, scores, values)


def attended(call: Bound, scores: Scores, values: Value) -> Value:
    """Make the node of an attention from its queries, keys and values."""
    lowering = call.lowering
    if not scores.softmax:
        raise BneckError("a product of three tensors")
    parts = [lowering.picked(one) for one in (scores.queries, scores.keys, values)]
    shapes = [lowering.graph.shape(one.node) for one in parts]
    batch, rows, columns = parts[0].axes[:-2], parts[0].axes[-2], parts[1].axes[-2]
    for one in parts:
        if dimensions(one.axes[-1]) - {CHANNELS} or CHANNELS in dimensions(one.axes[-2]):
            raise BneckError("attention over channels")
    heads = prod(atom.size for axis in batch for atom in axis if atom.dimension == CHANNELS)
    windows = [atom for axis in batch for atom in axis if atom.dimension > 0]
    if parts[1].axes[:-2] != batch or any(atom.dimension < 0 for axis in batch for atom in axis):
        raise BneckError("keys that lie otherwise than queries")
    shift = abs(parts[0].shift)
    slots: dict[str, Any] = {
        "heads": heads,
        "length": extent(rows),
        "keys": extent(columns),
        "windows": prod(atom.size for atom in windows),
        "grid": any(atom.stride == 1 for atom in windows) and bool(windows),
        "shift": shift,
        "bias": sum(lowering.sizes[number] for number in scores.reads - lowering.charged),
    }
    params = lowering.charge([Constant((), scores.reads)])
    macs = call.record.macs + scores.macs
    out = Shape(shapes[2].channels, shapes[0].spatial)
    node = Node(ATTEND, tuple(slots.items()), tuple(one.node for one in parts), out, params, macs, call.stack)
    index = lowering.graph._put(node)  # noqa: SLF001  (an operation of this room's, until it is part of an attention)
    return Value(index, _restrided(batch, rows, parts[2].axes[-1]), parts[0].shift)


def _restrided(batch: Axes, rows: Axis, last: Axis) -> Axes:
    """Return the axes of what leaves: heads of as many channels as the values have."""
    inner = extent(last)
    axes = []
    for axis in batch:
        if CHANNELS in dimensions(axis):
            if any(atom.dimension != CHANNELS for atom in axis) and len(axis) > 2:
                raise BneckError("heads that lie among windows")
            axes.append(tuple(atom if atom.dimension != CHANNELS else atom._replace(stride=inner) for atom in axis))
        else:
            axes.append(axis)
    return (*axes, rows, fresh(Shape(inner), 2, 1)[1])


@handles("multi_head_attention_forward")
def multihead(call: Bound) -> list[Any]:
    """PyTorch's own module: one call with all its weights; positions first, then the batch."""
    lowering, graph = call.lowering, call.lowering.graph
    query, key, value = call.get(0, "query"), call.get(1, "key"), call.get(2, "value")
    if not isinstance(query, Value) or not query == key == value:
        raise BneckError("attention to another tensor")
    source = lowering.channels_at(query, -1, call.stack)
    names = ("in_proj_weight", "in_proj_bias", "out_proj_weight", "out_proj_bias")
    places = (5, 6, 11, 12)
    constants = [call.get(place, name) for place, name in zip(places, names, strict=True)]
    given = [one for one in constants if isinstance(one, Constant)]
    slots = {"heads": call.raw(4, "num_heads"), "nobias": constants[1] is None}
    node = graph.layer("attention", source.node, slots, call.stack, lowering.charge(given), call.record.macs)
    found: list[Any] = [source._replace(node=node)]
    return found + [Constant(ref.shape) for ref in call.record.outs[1:]]


# From products to the layer


def with_attention(graph: Graph) -> Graph:
    """Return the graph with each attention as one layer, where its linear layers are the usual ones.

    What is another attention becomes a problem that says which figures differ.
    """
    readers = graph.readers()
    gone: set[int] = set()
    new: dict[int, Node] = {}
    for index, node in enumerate(graph.nodes):
        if node.kind != ATTEND:
            continue
        found = _around(graph, readers, index)
        if isinstance(found, str):
            graph.problem(_module(node), found)
            continue
        removed, last, made = found
        gone |= removed
        new[last] = made
    return _rebuilt(graph, gone, new)


def _module(node: Node) -> tuple[Call, ...]:
    return node.stack


def _around(graph: Graph, readers: list[list[int]], index: int) -> tuple[set[int], int, Node] | str:
    """Find the linear layers before and behind an attention's products, and say which layer they are together."""
    nodes, node = graph.nodes, graph.nodes[index]
    slots = dict(node.slots)
    removed = {index}
    sources, before, biased = set(), 0, []
    for part in node.inputs:
        place = part
        while nodes[place].kind == FREE and dict(nodes[place].slots)["name"] in ("times_number", "normalize"):
            removed.add(place)
            place = nodes[place].inputs[0]
        if nodes[place].kind == PART:
            removed.add(place)
            place = nodes[place].inputs[0]
        if nodes[place].kind != "linear":
            return f"attention whose queries, keys or values leave `{nodes[place].kind}`"
        if place not in removed:
            removed.add(place)
            before += nodes[place].params
            biased.append(not dict(nodes[place].slots).get("nobias"))
            sources.add(nodes[place].inputs[0])
    behind = readers[index]
    while len(behind) == 1 and nodes[behind[0]].kind == "dropout":
        removed.add(behind[0])
        behind = readers[behind[0]]
    if len(behind) != 1 or nodes[behind[0]].kind != "linear":
        return "attention without a linear layer behind it"
    last = behind[0]
    if len(sources) != 1 or any(reader not in removed | {last} for one in removed for reader in readers[one]):
        return "attention from several tensors"
    source = sources.pop()
    shape = graph.shape(source)
    given: dict[str, Any] = {"heads": slots["heads"], "nobias": not all(biased)}
    if slots["windows"] > 1 or slots["bias"]:
        side = isqrt(slots["length"])
        given |= {"window": side, "grid": slots["grid"] and slots["windows"] > 1, "shift": slots["shift"]}
        given["position"] = "relative" if slots["bias"] else "none"
        if node.macs > 2 * number(shape.positions) * slots["length"] * number(shape.channels):
            given["position"] = "continuous"
    params = before + node.params + nodes[last].params
    macs = node.macs + sum(nodes[one].macs for one in removed if nodes[one].kind == "linear") + nodes[last].macs
    made = Graph(graph.name)
    made.nodes.append(Node("input", (), (), shape))
    try:
        one = made.layer("attention", 0, given, node.stack, params, macs)
    except BneckError as error:
        return error.message
    return removed, last, made.nodes[one]._replace(inputs=(source,), stack=_common(nodes[last].stack, node.stack))


def _common(one: tuple[Call, ...], other: tuple[Call, ...]) -> tuple[Call, ...]:
    """Return the modules that two stacks begin with."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return one[:count]


def _rebuilt(graph: Graph, gone: set[int], new: dict[int, Node]) -> Graph:
    """Return a graph without nodes that are gone, and with new ones in their place."""
    place: dict[int, int] = {}
    made = Graph(graph.name)
    made.problems, made.notes = graph.problems, graph.notes
    for index, node in enumerate(graph.nodes):
        if index in gone:
            continue
        kept = new.get(index, node)
        place[index] = len(made.nodes)
        made.nodes.append(kept._replace(inputs=tuple(place[source] for source in kept.inputs)))
    made.outputs = [place[index] for index in graph.outputs]
    return made
