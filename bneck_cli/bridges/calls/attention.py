"""Attention from its products: queries times keys, a softmax, times values; and products that are not attention."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.calls.capture import refs
from bneck_cli.bridges.calls.handlers import handles
from bneck_cli.bridges.calls.joins import joined, spread
from bneck_cli.bridges.calls.layers import elementwise, put
from bneck_cli.bridges.calls.layout import CHANNELS, Atom, Axes, Axis, dimensions, extent, number, viewed, whole
from bneck_cli.bridges.calls.shapes import as_map
from bneck_cli.bridges.calls.tensors import Constant, Scores, Value, plain
from bneck_cli.bridges.graph import SCORES, SUM, Node
from bneck_cli.engine.layers.attention import CONTINUOUS_WIDTH
from bneck_cli.errors import BneckError
from bneck_cli.sizes.shape import Shape
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from bneck_cli.bridges.calls.handlers import Bound
    from bneck_cli.bridges.calls.lowering import Lowering
    from bneck_cli.bridges.calls.tensors import Thing
    from bneck_cli.bridges.graph import Call, Graph


@handles("matmul", "bmm", "baddbmm", "rmatmul")
def matmul(call: Bound) -> Thing:
    """Scores of queries and keys, or the sum of values that they weigh; by a constant it is a linear layer."""
    left, right = call.get(0, "input"), call.get(1, "other", call.raw(1, "mat2"))
    if plain(call.name) == "rmatmul":
        left, right = right, left
    if plain(call.name) == "baddbmm":
        raise BneckError("`baddbmm` is outside the language")
    return _product(call, left, right, call.out)


def _product(call: Bound, left: Any, right: Any, out: tuple[int, ...], learned: bool = False) -> Thing:
    """Multiply rows by columns; a product with what is ``learned`` is no scores."""
    lowering = call.lowering
    learned = learned or isinstance(left, Constant) or isinstance(right, Constant)
    if isinstance(right, Constant) and isinstance(left, Value) and _is_matrix(lowering, right):
        ready = lowering.channels_at(left, -1, call.stack)
        return put(call, ready, "linear", {"channels": right.shape[-1], "nobias": True}, -1, [right])
    if isinstance(left, Constant) and isinstance(right, Value) and _is_matrix(lowering, left):
        ready = lowering.channels_at(right, -2, call.stack)
        return put(call, ready, "linear", {"channels": left.shape[-2], "nobias": True}, -2, [left])
    weighs = not left.turned if isinstance(left, Scores) else isinstance(left, Value) and _is_scores(lowering, left)
    if weighs and not isinstance(right, Scores):
        return attended(call, left, lowering.valued(right, call.stack))
    turned = right.turned if isinstance(right, Scores) else isinstance(right, Value) and _is_scores(lowering, right)
    if turned:  # values by scores whose rows are keys: the same, turned
        if isinstance(right, Scores):
            scores: Any = right._replace(turned=False)
        else:
            scores = _exchanged(right)
        return _exchanged(attended(call, scores, _exchanged(lowering.valued(left, call.stack))))
    one, other = (lowering.valued(each, call.stack) for each in (left, right))
    if not learned and lowering.becomes_scores(call.record.outs[0]):
        return Scores(one, _exchanged(other), out, call.record.macs)
    return multiplied(call, one, _exchanged(other), out)


def _is_scores(lowering: Lowering, value: Value) -> bool:
    """Return whether a tensor is made of scores."""
    return lowering.scores_of(value.node) is not None


def _is_matrix(lowering: Lowering, constant: Constant) -> bool:
    """Return whether a constant is a matrix of weights that nothing else has read."""
    params = lowering.fresh(constant)
    return not constant.made and len(constant.shape) >= 2 and prod(constant.shape[-2:]) == params


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
    if not inner or any(name not in result for name in (*rows, *columns)):
        raise BneckError(f"einsum {text}")
    if isinstance(left, Scores) and list(names[0]) == [*batch, *rows, *inner] and len(rows) == len(inner) == 1:
        one: Any = left
    else:
        one = _named(call, left, names[0], (batch, rows, inner))
    other = _named(call, right, names[1], (batch, inner, columns))
    learned = any(isinstance(operand, Constant) for operand in operands)
    found = _product(call, one, other, (*one.shape[:-1], other.shape[-1]), learned)
    if isinstance(found, Scores):
        if list(result) != [*batch, *rows, *columns]:
            raise BneckError(f"einsum {text}")
        return found._replace(shape=call.out)
    return _renamed(call, found, [*batch, *rows, *columns], result)


def _named(call: Bound, thing: Any, names: str, groups: tuple[list[str], ...]) -> Any:
    """Return an operand with its axes in the order of a product; several rows are one axis."""
    value = call.lowering.valued(thing, call.stack)
    batch, *others = groups
    axes = [value.axes[names.index(name)] for name in batch]
    axes += [tuple(atom for name in group for atom in value.axes[names.index(name)]) for group in others]
    return value._replace(axes=tuple(axes))


def _renamed(call: Bound, found: Any, names: list[str], result: str) -> Value:
    """Return a product with the axes of the result."""
    sizes = dict(zip(result, call.out, strict=True))
    axes = viewed(found.axes, tuple(sizes[name] for name in names))
    if axes is None:
        raise BneckError(f"einsum to {result}")
    value: Value = found._replace(axes=tuple(axes[names.index(name)] for name in result))
    return value


def _exchanged(value: Value) -> Value:
    return value._replace(axes=(*value.axes[:-2], value.axes[-1], value.axes[-2]))


@handles("scaled_dot_product_attention")
def sdpa(call: Bound) -> Thing:
    """The whole of it in one call."""
    parts = [call.get(place, name) for place, name in enumerate(("query", "key", "value"))]
    queries, keys, values = (call.lowering.valued(one, call.stack) for one in parts)
    mask = call.get(3, "attn_mask")
    scores = Scores(queries, keys, (*queries.shape[:-1], keys.shape[-2]), 0)
    if isinstance(mask, (Value, Scores)):
        table, bias = (call.lowering.valued(one, call.stack) for one in (scores, mask))
        return attended(call, joined(call.lowering, "add", table, bias, scores.shape, call.stack), values)
    if isinstance(mask, Constant):
        scores = scores._replace(added=(mask,))
    return attended(call, scores, values)


class Pairing(NamedTuple):
    """How queries meet keys: where their elements lie, and what the language says of it."""

    queries: Value
    keys: Value
    values: Value | None
    slots: dict[str, Any]


def paired(lowering: Lowering, queries: Value, keys: Value, values: Value | None) -> Pairing:
    """Arrange queries, keys and values so that heads are channels, with windows of a map as they are."""
    queries, keys = lowering.picked(queries), lowering.picked(keys)
    values = lowering.picked(values) if values is not None else None
    parts = [one for one in (queries, keys, values) if one is not None]
    batch = queries.axes[:-2]
    heads = prod(atom.size for axis in batch for atom in axis if atom.dimension == CHANNELS)
    windows = [atom for axis in batch for atom in axis if atom.dimension != CHANNELS]
    rank = len(queries.axes)
    alike = all(len(one.axes) == rank and _alike(one.axes[:-2], batch) for one in parts)
    same_rank = all(len(one.axes) == rank for one in parts)
    shared = _shared(batch, [one.axes[:-2] for one in parts[1:]]) if same_rank else 0
    if not windows and all(_over_positions(lowering, one) for one in parts):
        if alike:
            return Pairing(queries, keys, values, {"heads": heads})
        if shared:
            return Pairing(queries, keys, values, {"heads": heads, "kv": shared})
        if not any(axis for one in parts[1:] for axis in one.axes[:-2]):  # keys and values that all heads share
            return Pairing(queries, keys, values, {"heads": heads, "kv": 1})
    if alike and not windows and all(_over_channels(lowering, one, one is values) for one in parts):
        return Pairing(queries, keys, values, {"heads": heads, "over": "channels"})
    if alike and windows and values is not None and _tiles(lowering, parts, windows):
        sides = _sides(queries.axes[-2], len(lowering.graph.shape(queries.node).spatial))
        grid = any(atom.stride == 1 for atom in windows)
        return Pairing(queries, keys, values, {"heads": heads, "window": sides, "grid": grid})
    ready = [_headed(lowering, one, rank) for one in parts]
    slots = {"heads": prod(queries.shape[:-2])}
    if shared and shared != slots["heads"]:
        slots["kv"] = shared
    return Pairing(ready[0], ready[1], ready[2] if values is not None else None, slots)


def _shared(batch: Axes, others: list[Axes]) -> int:
    """Count the heads of keys and values, each of which several of the queries' share; 0 if they do not."""
    sizes = [tuple(map(extent, one)) for one in others]
    if len(set(sizes)) != 1 or any(mine not in (1, extent(axis)) for mine, axis in zip(sizes[0], batch, strict=True)):
        return 0
    leading = [mine for mine, axis in zip(sizes[0], batch, strict=True) if axis]
    if leading != sorted(leading, reverse=True) or 1 not in leading[1:]:  # heads that share stand side by side
        return 0
    return prod(sizes[0])


def _alike(one: Axes, other: Axes) -> bool:
    """Return whether axes hold the same: so many heads, and the same windows."""
    heads = [[atom.size for atom in axis if atom.dimension == CHANNELS] for axis in one]
    theirs = [[atom.size for atom in axis if atom.dimension == CHANNELS] for axis in other]
    rest = [[atom for atom in axis if atom.dimension != CHANNELS] for axis in one]
    return heads == theirs and rest == [[atom for atom in axis if atom.dimension != CHANNELS] for axis in other]


def _over_positions(lowering: Lowering, value: Value) -> bool:
    """Return whether a tensor's last axis is channels, and the one before it all positions."""
    rows, last = value.axes[-2:]
    shape = lowering.graph.shape(value.node)
    positions = number(shape.positions) if shape.spatial else 0
    return dimensions(last) <= {CHANNELS} and CHANNELS not in dimensions(rows) and extent(rows) == positions


def _over_channels(lowering: Lowering, value: Value, values: bool) -> bool:
    """Return whether rows are channels, and they meet each other over all positions; values are exchanged."""
    rows, last = value.axes[-2:]
    positions = number(lowering.graph.shape(value.node).positions)
    full = extent(last) == positions and CHANNELS not in dimensions(last) and dimensions(rows) <= {CHANNELS}
    return full and (values or positions > 1)


def _tiles(lowering: Lowering, parts: list[Value], windows: list[Atom]) -> bool:
    """Return whether windows tile a map that queries, keys and values share."""
    shapes = [lowering.graph.shape(one.node) for one in parts]
    spatial = shapes[0].spatial
    fits = len(spatial) > 1 and all(shape.spatial == spatial for shape in shapes)
    fits = fits and all(one.axes[-2] == parts[0].axes[-2] for one in parts)
    fits = fits and all(dimensions(one.axes[-1]) <= {CHANNELS} for one in parts)
    rows = parts[0].axes[-2]
    if not fits or CHANNELS in dimensions(rows) or len(rows) != len(dimensions(rows)):
        return False
    return prod(atom.size for atom in windows) * extent(rows) == prod(map(number, spatial))


def _sides(rows: Axis, rank: int) -> tuple[int, ...]:
    """Return the sides of a window."""
    sides = {atom.dimension: atom.size for atom in rows}
    return tuple(sides.get(dimension, 1) for dimension in range(1, rank + 1))


def _headed(lowering: Lowering, value: Value, rank: int) -> Value:
    """Return a tensor whose channels are all that is apart from rows, and what is multiplied or weighed."""
    value = value._replace(axes=((),) * (rank - len(value.axes)) + value.axes)
    return lowering.arranged(value, [*range(rank - 2), rank - 1], [[rank - 2]])


def scored(lowering: Lowering, scores: Scores, stack: tuple[Call, ...]) -> Value:
    """Make the node of scores to which something else is done."""
    pairing = paired(lowering, scores.queries, scores.keys, None)
    return _scores_node(lowering, scores, pairing, stack)


def _scores_node(lowering: Lowering, scores: Scores, pairing: Pairing, stack: tuple[Call, ...]) -> Value:
    """Add the scores, with what is learned for positions; what is computed for these is added to them."""
    graph, slots = lowering.graph, dict(pairing.slots)
    one, other = graph.shape(pairing.queries.node), graph.shape(pairing.keys.node)
    rows, columns = pairing.queries.axes[-2], pairing.keys.axes[-2]
    heads = slots["heads"]
    windows = [atom for axis in pairing.queries.axes[:-2] for atom in axis if atom.dimension != CHANNELS]
    sizes = [extent(rows), extent(columns)]
    if "window" in slots:
        sizes.insert(0, prod(atom.size for atom in windows))
    out = Shape(heads, tuple(sizes))
    summed = extent(pairing.queries.axes[-1])
    macs = number(out.elements) * summed
    wanted = scores.macs
    if wanted and wanted != macs:
        raise BneckError(f"{people(wanted)} multiply-adds, where scores of {one} and {other} have {people(macs)}")
    plain_ones = [added for added in scores.added if not added.made]
    computed = [added for added in scores.added if added.made]
    params = lowering.charge(plain_ones)
    slots["position"] = params
    spatial = tuple(map(number, one.spatial))
    if computed and len(spatial) == 2 and _is_continuous(lowering, computed, slots, heads, spatial):
        slots["continuous"] = lowering.cost(computed)
        slots["position"] = params = params + lowering.charge(computed)
        macs, computed = macs + slots["continuous"], []
    node = graph.node(
        Node(SCORES, tuple(slots.items()), (pairing.queries.node, pairing.keys.node), out, params, macs, stack)
    )
    lowering.queries[node] = pairing.queries
    value = Value(node, _axes_of_scores(pairing, len(sizes)), stack=stack)
    for added in computed:
        value = joined(lowering, "add", value, lowering.valued(added, stack), value.shape, stack)
    return value


def _is_continuous(
    lowering: Lowering, computed: list[Constant], slots: dict[str, Any], heads: int, spatial: tuple[int, ...]
) -> bool:
    """Return whether positions are computed by Swin V2's small network, which `attention` has a word for."""
    if slots.get("over"):
        return False
    made = {place for added in computed for place in added.made}
    if not any(plain(lowering.trace.records[place].name) == "sigmoid" for place in made):
        return False
    offsets = prod(2 * side - 1 for side in slots.get("window", spatial))
    reads = frozenset().union(*(added.reads for added in computed)) - lowering.charged
    params = sum(lowering.sizes[each] for each in reads)
    network = 3 * CONTINUOUS_WIDTH + CONTINUOUS_WIDTH * heads
    macs = offsets * CONTINUOUS_WIDTH * (2 + heads)
    return params in (network, network + heads) and sum(added.macs for added in computed) == macs


def _axes_of_scores(pairing: Pairing, rank: int) -> Axes:
    """Return where scores' elements lie: heads, windows, rows, columns."""
    axes: list[Axis] = []
    strides = [1] * (rank + 1)
    batch = pairing.queries.axes[:-2]
    for axis in reversed(batch):
        atoms = []
        for atom in reversed(axis):
            dimension = CHANNELS if atom.dimension == CHANNELS else 1
            atoms.append(Atom(dimension, strides[dimension], atom.size))
            strides[dimension] *= atom.size
        axes.append(tuple(reversed(atoms)))
    rows, columns = extent(pairing.queries.axes[-2]), extent(pairing.keys.axes[-2])
    last: list[Axis] = [
        (Atom(rank - 1, 1, rows),) if rows > 1 else (),
        (Atom(rank, 1, columns),) if columns > 1 else (),
    ]
    return (*reversed(axes), *last)


def attended(call: Bound, scores: Scores | Value, values: Value) -> Value:
    """Make the weighted sum of values, and the scores where they are no node yet."""
    lowering, graph = call.lowering, call.lowering.graph
    macs = call.record.macs
    if isinstance(scores, Scores):
        pairing = paired(lowering, scores.queries, scores.keys, values)
        table = _scores_node(lowering, scores, pairing, call.stack)
        queries, ready, over = pairing.queries, pairing.values, pairing.slots.get("over")
        if not scores.macs:
            macs -= number(graph.shape(table.node).elements) * extent(queries.axes[-1])
    else:
        first = lowering.scores_of(scores.node) or 0
        queries, over = lowering.queries[first], None
        if call.name == "scaled_dot_product_attention":
            macs -= number(graph.shape(first).elements) * extent(queries.axes[-1])
        table = lowering.picked(scores)
        wanted = graph.shape(first)
        if graph.shape(table.node) != wanted and not pairing_windows(graph, first):
            rank = len(table.axes)
            table = lowering.arranged(table, [*range(rank - 2)], [[rank - 2], [rank - 1]], call.stack)
        if graph.shape(table.node) != wanted:
            raise BneckError(f"scores of {wanted} that become {graph.shape(table.node)}")
        pairing = paired(lowering, queries, queries, values)
        ready, slots = pairing.values, dict(graph.nodes[first].slots)
        if any(pairing.slots.get(word) != slots.get(word) for word in ("window", "over", "heads")):
            raise BneckError("changed scores with values in another layout than the queries")
    if ready is None:
        raise BneckError("attention without values")
    return _weighed(call, table, queries, ready, macs, over)


def pairing_windows(graph: Graph, scores: int) -> bool:
    """Return whether scores are apart for each window."""
    return "window" in dict(graph.nodes[scores].slots)


def _weighed(call: Bound, table: Value, queries: Value, values: Value, macs: int, over: str | None) -> Value:
    """Add the weighted sum."""
    graph = call.lowering.graph
    heads, columns = number(graph.shape(table.node).channels), graph.shape(table.node).spatial[-1]
    shape = graph.shape(queries.node)
    batch, rows, inner = queries.axes[:-2], queries.axes[-2], values.axes[-1]
    if over:  # a row is a channel, and what is weighed lies in all positions
        each = extent(rows)
        out = Shape(heads * each, shape.spatial)
        axes = _relaid((*batch, rows, queries.axes[-1]), len(batch) + 1)
    else:
        each = extent(inner)
        out = Shape(heads * each, shape.spatial)
        axes = _relaid((*batch, rows, inner), len(batch) + 2)
    own = number(out.elements) * number(columns)
    if own != macs:
        raise BneckError(f"{people(macs)} multiply-adds, where a weighted sum to {out} has {people(own)}")
    node = graph.node(Node(SUM, (), (table.node, values.node), out, 0, own, call.stack))
    return Value(node, axes, stack=call.stack)


def _relaid(axes: Axes, count: int) -> Axes:
    """Let the channels among the first axes lie one behind the other, the last ones innermost."""
    stride = 1
    found = list(axes)
    for place in reversed(range(count)):
        atoms = []
        for atom in reversed(axes[place]):
            if atom.dimension == CHANNELS:
                atoms.append(Atom(CHANNELS, stride, atom.size))
                stride *= atom.size
            else:
                atoms.append(atom)
        found[place] = tuple(reversed(atoms))
    return tuple(found)


@handles("linear")
def linear(call: Bound) -> Thing:
    """A matrix over the last axis."""
    value = call.lowering.channels_at(call.value(), -1, call.stack)
    weight, bias = call.get(1, "weight"), call.get(2, "bias")
    if not isinstance(weight, Constant):
        raise BneckError("a linear layer whose weights are computed from the input")
    if not weight.reads and bias is None:  # a matrix that nothing learns
        return by_matrix(call, call.value(), weight)
    slots = {"channels": weight.shape[0], "nobias": bias is None}
    table = next((call.lowering.tables[one] for one in weight.reads if one in call.lowering.tables), None)
    if table is not None and bias is None and not call.lowering.fresh(weight):
        name = call.lowering.graph.shared(table, "words")
        macs = call.record.macs
        node = call.lowering.graph.layer("linear", value.node, slots, call.stack, 0, macs, share=name)
        return as_map(call.lowering, node, value, len(value.axes) - 1)
    if (
        isinstance(bias, Constant) and bias.reads and 0 < call.lowering.fresh(bias) < weight.shape[0]
    ):  # of some channels
        given = put(call, value, "linear", {**slots, "nobias": True}, -1, [weight])
        return elementwise(call, given, "bias", call.lowering.charge([bias]))
    return put(call, value, "linear", slots, -1, [one for one in (weight, bias) if isinstance(one, Constant)])


def by_matrix(call: Bound, value: Value, matrix: Constant) -> Value:
    """Multiply by a matrix that nothing learns, as a linear layer does."""
    value = call.lowering.picked(value)
    *others, last = value.axes
    rows = value._replace(axes=(tuple(atom for axis in others for atom in axis), last))
    found = multiplied(call, rows, call.lowering.valued(matrix, call.stack), (rows.shape[0], matrix.shape[0]))
    axes = viewed(found.axes, call.out)
    if axes is None:
        raise BneckError("a view that mixes axes")
    return found._replace(axes=axes)


def multiplied(call: Bound, left: Value, right: Value, out: tuple[int, ...]) -> Value:
    """Make the product of rows and columns that no softmax follows: in heads, whatever else lies apart."""
    lowering, graph = call.lowering, call.lowering.graph
    rank = max(len(left.axes), len(right.axes))
    left, right = (
        one if one.shape[:-2] == out[:-2] else spread(lowering, one, (*out[:-2], *one.shape[-2:]), call.stack)
        for one in (left, right)
    )
    ready = [_headed(lowering, one, rank) for one in (left, right)]
    heads = prod(max(a, b) for a, b in zip(left.shape[:-2], right.shape[:-2], strict=False))
    if any(number(graph.shape(one.node).channels) != heads * one.shape[-1] for one in ready):
        raise BneckError(f"a product of {left.shape} and {right.shape}, broadcast")
    node = graph.product(ready[0].node, ready[1].node, heads, call.record.macs, call.stack)
    rows, columns = out[-2:]
    shape = graph.shape(node)
    axes: list[Axis] = []
    stride = columns
    for size in reversed(out[:-2]):
        axes.append((Atom(CHANNELS, stride, size),) if size > 1 else ())
        stride *= size
    axes.reverse()
    last = (Atom(CHANNELS, 1, columns),) if columns > 1 else ()
    return Value(node, (*axes, whole(shape, 1) if rows > 1 else (), last), stack=call.stack)


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
