"""Sums and products: of tensors, of learned values, of numbers; sums on scores are part of attention."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.handlers import handles
from bneck_cli.bridges.calls.layers import elementwise, put
from bneck_cli.bridges.calls.layout import CHANNELS, dimensions, number, whole
from bneck_cli.bridges.calls.tensors import Constant, Scores, Value, grouped, shaped, strided
from bneck_cli.engine.layers.kinds import MOST_AXES
from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from bneck_cli.bridges.calls.handlers import Bound
    from bneck_cli.bridges.calls.lowering import Lowering
    from bneck_cli.bridges.calls.tensors import Thing
    from bneck_cli.bridges.graph import Call
    from bneck_cli.sizes.shape import Shape


@handles("add", "iadd", "radd")
def add(call: Bound) -> Thing:
    """The sum of two tensors, of one and a constant, or of one and a number."""
    left, right = _operands(call)
    if call.raw(2, "alpha", 1) != 1 and isinstance(right, Value):
        right = elementwise(call, right, "times_number")
    return summed(call, left, right)


@handles("sub", "isub", "rsub", "subtract")
def sub(call: Bound) -> Thing:
    """The sum of a tensor and of another one's negative."""
    return summed(call, *_turned(call, "rsub", "negative"))


def summed(call: Bound, left: Any, right: Any) -> Thing:
    """Add a tensor, a constant or a number to another."""
    if isinstance(left, Scores) or isinstance(right, Scores):
        return _scores(call, "add", left, right)
    if isinstance(left, Value) and isinstance(right, Value):
        return joined(call.lowering, "add", left, right, call.out, call.stack)
    value, other = (left, right) if isinstance(left, Value) else (right, left)
    return _add_constant(call, value, other) if isinstance(other, Constant) else elementwise(call, value, "plus_number")


@handles("mul", "imul", "rmul", "multiply")
def mul(call: Bound) -> Thing:
    """A gate, a factor for each channel, or a number."""
    return multiplied(call, *_operands(call))


@handles("div", "truediv", "rtruediv", "itruediv", "divide")
def div(call: Bound) -> Thing:
    """The product of a tensor and of another one's inverse."""
    return multiplied(call, *_turned(call, "rtruediv", "inverse"))


def multiplied(call: Bound, left: Any, right: Any) -> Thing:
    """Multiply a tensor by another, a constant or a number."""
    if isinstance(left, Scores) or isinstance(right, Scores):
        return _scores(call, "scale", left, right)
    if isinstance(left, Value) and isinstance(right, Value):
        if prod(left.shape) < prod(right.shape):
            left, right = right, left
        return joined(call.lowering, "scale", left, right, call.out, call.stack)
    value, other = (left, right) if isinstance(left, Value) else (right, left)
    if isinstance(other, Constant):
        return _mul_constant(call, value, other)
    return elementwise(call, value, "times_number")


@handles("addcmul")
def addcmul(call: Bound) -> Thing:
    """A tensor and the product of two others."""
    return summed(call, call.thing(), multiplied(call, call.get(1, "tensor1"), call.get(2, "tensor2")))


def _operands(call: Bound) -> tuple[Any, Any]:
    return call.get(0, "input"), call.get(1, "other")


def _turned(call: Bound, swapped: str, kind: str) -> tuple[Any, Any]:
    """Return the operands of a difference or a quotient, the second turned into its negative or inverse.

    The function called ``swapped`` takes them the other way round.
    """
    left, right = _operands(call)
    if call.name.strip("_") == swapped:
        left, right = right, left
    return left, elementwise(call, right, kind) if isinstance(right, Value) else right


def _scores(call: Bound, kind: str, left: Any, right: Any) -> Thing:
    """Scores to which a constant or a number is added, or by which they are multiplied, stay scores."""
    scores, other = (left, right) if isinstance(left, Scores) else (right, left)
    if isinstance(other, Constant):
        return scores._replace(added=(*scores.added, other))
    if isinstance(other, (Value, Scores)):
        one, two = (call.lowering.valued(each, call.stack) for each in (scores, other))
        return joined(call.lowering, kind, one, two, call.out, call.stack)
    return scores


def joined(
    lowering: Lowering, kind: str, left: Value, right: Value, out: tuple[int, ...], stack: tuple[Call, ...]
) -> Value:
    """Join two tensors, of which one may be the same along some axes."""
    graph = lowering.graph
    left, right = lowering.picked(left), lowering.picked(right)
    rank = len(out)
    left, right = (one._replace(axes=((),) * (rank - len(one.axes)) + one.axes) for one in (left, right))
    if left.shape != out and (right.shape == out or prod(left.shape) < prod(right.shape)):
        left, right = right, left
    if left.shape != out:
        left = spread(lowering, left, out, stack)
    one, other = graph.shape(left.node), graph.shape(right.node)
    if not ((one == other and left.axes == right.axes) or _gates(kind, left, right, one, other)):
        channels, spatial = _common(lowering, left, right)
        left = lowering.arranged(left, channels, spatial, stack)
        right = lowering.arranged(right, channels, spatial, stack)
        one, other = graph.shape(left.node), graph.shape(right.node)
        if one != other and not _broadcasts(kind, one, other):
            right = spread(lowering, right, out, stack, channels, spatial)
    return left._replace(node=graph.join(kind, [left.node, right.node], stack))


def _gates(kind: str, left: Value, right: Value, one: Shape, other: Shape) -> bool:
    """Tell whether the second can be joined with the first as it lies: its elements stand where the first one's do."""
    if any(mine and mine != theirs for mine, theirs in zip(right.axes, left.axes, strict=True)):
        return False
    return one != other and _broadcasts(kind, one, other)


def _broadcasts(kind: str, whole_shape: Shape, part: Shape) -> bool:
    """Return whether the language joins these: a vector or one position with a map; of a product, 1 along any axis."""
    if len(part.spatial) not in (0, len(whole_shape.spatial)):
        return False
    if kind == "add":
        return part.channels == whole_shape.channels and part.positions == 1
    return part.channels in (1, whole_shape.channels) and all(
        mine in (1, theirs) for mine, theirs in zip(part.spatial, whole_shape.spatial, strict=False)
    )


def _common(lowering: Lowering, left: Value, right: Value) -> tuple[list[int], list[list[int]]]:
    """Find an arrangement for two tensors: the larger one's own, or one with its channels where they stand."""
    own = [[axis for axis, atoms in enumerate(left.axes) if dimensions(atoms) == {each}] for each in range(4)]
    own[1:] = [group for group in own[1:] if group]
    alike = all(len({right.shape[axis] == left.shape[axis] for axis in group}) == 1 for group in own if group)
    if own[0] and alike and strided(left.shape, own[0], own[1:]) == left.axes:
        return own[0], own[1:]
    ((place,), _) = lowering.groups(left)
    spatial = [[axis] for axis, size in enumerate(left.shape) if axis != place and size > 1]
    while len(spatial) > MOST_AXES:  # neighbours along which both are whole, or one is 1, become one axis
        pairs = [
            at
            for at in range(len(spatial) - 1)
            if len({right.shape[axis] == 1 for axis in (*spatial[at], *spatial[at + 1])}) == 1
        ]
        if not pairs:
            raise BneckError(f"a join of {left.shape} and {right.shape}")
        spatial[pairs[0] : pairs[0] + 2] = [spatial[pairs[0]] + spatial[pairs[0] + 1]]
    return [place], spatial


def spread(
    lowering: Lowering,
    value: Value,
    out: tuple[int, ...],
    stack: tuple[Call, ...],
    channels: list[int] | None = None,
    spatial: list[list[int]] | None = None,
) -> Value:
    """Repeat a tensor along the axes in which another is larger."""
    if channels is None or spatial is None:
        channels = [lowering.groups(value)[0][0] + len(out) - len(value.axes)]
        spatial = grouped([[axis] for axis, size in enumerate(out) if axis not in channels and size > 1])
    value = value._replace(axes=((),) * (len(out) - len(value.axes)) + value.axes)
    ready = lowering.arranged(value, channels, spatial, stack)
    node = lowering.graph.free(ready.node, "repeat", 0, stack, shaped(out, channels, spatial))
    return Value(node, strided(out, channels, spatial))


def _add_constant(call: Bound, value: Value, constant: Constant) -> Thing:
    """A learned vector for each position, or a shift for each channel."""
    lowering, graph = call.lowering, call.lowering.graph
    value = lowering.picked(value)
    shape = graph.shape(value.node)
    if prod(constant.shape) == 1:
        if not constant.reads:
            return elementwise(call, value, "plus_number")
        return elementwise(call, value, "learned_shift", lowering.charge([constant]))
    params = lowering.fresh(constant)
    plain = constant.reads and not constant.made and params == prod(constant.shape)
    if plain and prod(constant.shape) == shape.elements and len(shape.spatial) == 1 and value.axes[-1:] != ((),):
        ready = lowering.channels_at(value, -1, call.stack)
        if len(ready.axes) == 3 and not ready.axes[0]:
            return ready._replace(node=_positions(call, ready, constant))
    if plain and broadcasts(constant.shape, value.shape):
        if prod(constant.shape) == shape.elements:
            node = graph.learned(value.node, True, lowering.charge([constant]), call.stack)
            return value._replace(node=node)
        axis = next((place for place, size in enumerate(constant.shape) if size > 1), 0) - len(constant.shape)
        if prod(constant.shape) == constant.shape[axis] == number(shape.channels):
            ready = lowering.channels_at(value, axis, call.stack)
            if ready.axes[axis] == whole(graph.shape(ready.node), CHANNELS):
                node = graph.learned(ready.node, False, lowering.charge([constant]), call.stack)
                return ready._replace(node=node)
    return joined(lowering, "add", value, lowering.valued(constant, call.stack), call.out, call.stack)


def _positions(call: Bound, ready: Value, constant: Constant) -> int:
    """Add a vector for each position of a sequence, to its tokens where they have just been put there."""
    graph, charge = call.lowering.graph, call.lowering.charge
    last = graph.nodes[ready.node]
    if last.kind == "tokens" and dict(last.slots).get("pos") == "none" and ready.node == len(graph.nodes) - 1:
        slots = {**dict(last.slots), "pos": "learned"}
        graph.nodes.pop()
        return graph.layer("tokens", last.inputs[0], slots, last.stack, last.params + charge([constant]))
    return graph.layer("tokens", ready.node, {}, call.stack, charge([constant]))


def broadcasts(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Return whether a shape goes into another one, each side of it the same or 1."""
    last = large[len(large) - len(small) :] if len(small) <= len(large) else ()
    return len(last) == len(small) and all(mine in (1, theirs) for mine, theirs in zip(small, last, strict=True))


def _mul_constant(call: Bound, value: Value, constant: Constant) -> Value:
    """A factor for each channel, one for all, or any other that is learned or not."""
    lowering = call.lowering
    value = lowering.picked(value)
    count = prod(constant.shape)
    if count == 1:
        if not constant.reads:
            return elementwise(call, value, "times_number")
        return elementwise(call, value, "learned_factor", lowering.charge([constant]))
    axis = next(place for place, size in enumerate(constant.shape) if size > 1) - len(constant.shape)
    params = lowering.fresh(constant)
    if constant.shape[axis] == count == params and not constant.made and value.shape[axis] == count:
        at = value.axes[axis % len(value.axes)]
        if at == whole(lowering.graph.shape(value.node), CHANNELS):
            return put(call, lowering.channels_at(value, axis, call.stack), "layer_scale", {}, axis, [constant])
    return joined(lowering, "scale", value, lowering.valued(constant, call.stack), call.out, call.stack)
