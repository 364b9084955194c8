"""Sums and products: of tensors, with what is learned, with numbers; those of scores are part of attention."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.layout import dimensions, number, sizes
from bneck_cli.bridges.lowering import Constant, Scores, Value, handles
from bneck_cli.bridges.lowering_layers import elementwise, put
from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.bridges.lowering import Bound, Thing


@handles("add", "iadd", "radd")
def add(call: Bound) -> Thing:
    """The sum of two tensors, of one and a constant, or of one and a number."""
    return _combined(call, _add_constant, "plus_number", _summed)


def _summed(call: Bound, left: Value, right: Value) -> Thing:
    """The sum of two tensors."""
    if call.raw(2, "alpha", 1) != 1:
        raise BneckError("a sum with a factor")
    return _joined(call, "add", left, right)


def _combined(
    call: Bound,
    constant: Callable[[Bound, Any, Constant], Thing],
    number: str,
    tensors: Callable[[Bound, Value, Value], Thing],
) -> Thing:
    """Combine a tensor with a constant, with a number (an op of that name), or with another tensor."""
    left, right = call.get(0, "input"), call.get(1, "other")
    if isinstance(left, Scores) or isinstance(right, Scores):
        return _scores(left, right)
    if isinstance(left, Constant):
        left, right = right, left
    if isinstance(right, Constant):
        return constant(call, left, right)
    return tensors(call, left, right) if isinstance(right, Value) else elementwise(call, left, number)


def _scores(left: Any, right: Any) -> Thing:
    """Scores, to which a constant or a number is added or by which they are multiplied, stay scores."""
    scores, other = (left, right) if isinstance(left, Scores) else (right, left)
    if not isinstance(scores, Scores) or isinstance(other, (Value, Scores)):
        raise BneckError("scores joined with a tensor")
    if isinstance(other, Constant):
        return scores._replace(reads=scores.reads | other.reads, macs=scores.macs + other.macs)
    return scores


def _joined(call: Bound, kind: str, left: Value, right: Value) -> Thing:
    """Join two tensors whose elements lie alike."""
    lowering = call.lowering
    left, right = lowering.picked(left), lowering.picked(right)
    one, other = lowering.graph.shape(left.node), lowering.graph.shape(right.node)
    rank = max(len(left.axes), len(right.axes))
    mine, theirs = (((),) * (rank - len(axes)) + axes for axes in (left.axes, right.axes))
    if one == other and mine == theirs and left.shift == right.shift:
        node = lowering.graph.join(kind, [left.node, right.node], call.stack)
        return Value(node, mine, left.shift)
    if one == other and left.shape == right.shape and left.axes != right.axes:
        for axis in range(len(left.axes)):  # the same elements once channels stand in one place
            try:
                first, second = lowering.channels_at(left, axis, call.stack), lowering.channels_at(right, axis)
            except BneckError:
                continue
            if first.axes == second.axes:
                return Value(lowering.graph.join(kind, [first.node, second.node], call.stack), first.axes)
    raise BneckError(f"`{call.name}` of {one} and {other}, broadcast")


def _add_constant(call: Bound, thing: Any, constant: Constant) -> Thing:
    """A learned vector for each position, or a shift for each channel."""
    lowering, graph = call.lowering, call.lowering.graph
    value: Value = lowering.picked(thing)
    shape = graph.shape(value.node)
    if prod(constant.shape) == 1 and not constant.reads:
        return elementwise(call, value, "plus_number")
    if prod(constant.shape) == shape.elements and constant.reads and len(shape.spatial) == 1:
        ready = lowering.channels_at(value, -1, call.stack)
        last = graph.nodes[ready.node]
        if last.kind == "tokens" and dict(last.slots).get("pos") == "none" and ready.node == len(graph.nodes) - 1:
            slots = {**dict(last.slots), "pos": "learned"}
            graph.nodes.pop()
            params = last.params + lowering.charge([constant])
            node = graph.layer("tokens", last.inputs[0], slots, last.stack, params, constant.macs)
        else:
            node = graph.layer("tokens", ready.node, {}, call.stack, lowering.charge([constant]), constant.macs)
        return ready._replace(node=node)
    if not constant.reads:
        raise BneckError("a constant tensor is added")
    if constant.macs == 0 and broadcasts(constant.shape, value.shape):
        if prod(constant.shape) == shape.elements:
            node = graph.learned(value.node, True, lowering.charge([constant]), call.stack)
            return value._replace(node=node)
        axis = next((place for place, size in enumerate(constant.shape) if size > 1), 0) - len(constant.shape)
        if prod(constant.shape) == constant.shape[axis] == number(shape.channels):
            ready = lowering.channels_at(value, axis, call.stack)
            node = graph.learned(ready.node, False, lowering.charge([constant]), call.stack)
            return ready._replace(node=node)
    raise BneckError(f"a learned tensor of {prod(constant.shape):,} elements is added")


@handles("mul", "imul", "rmul", "multiply", "div", "truediv", "rtruediv", "itruediv")
def mul(call: Bound) -> Thing:
    """A gate, a factor for each channel, or a number."""
    return _combined(call, _mul_constant, "times_number", _multiplied)


def _multiplied(call: Bound, left: Value, right: Value) -> Thing:
    """The product of two tensors."""
    if call.name.endswith("div"):
        raise BneckError("a tensor divided by a tensor")
    return _gated(call, left, right)


def broadcasts(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Tell whether a shape goes into another one, each side of it the same or 1."""
    last = large[len(large) - len(small) :] if len(small) <= len(large) else ()
    return len(last) == len(small) and all(mine in (1, theirs) for mine, theirs in zip(small, last, strict=True))


def _mul_constant(call: Bound, thing: Any, constant: Constant) -> Value:
    lowering, graph = call.lowering, call.lowering.graph
    value: Value = lowering.picked(thing)
    count = prod(constant.shape)
    if count == 1 and not constant.reads:
        return elementwise(call, value, "times_number")
    if count == 1:
        params = lowering.charge([constant])
        return value._replace(node=graph.free(value.node, "learned_factor", params, call.stack))
    axis = next(place for place, size in enumerate(constant.shape) if size > 1) - len(constant.shape)
    if count != graph.shape(value.node).channels or constant.shape[axis] != count:
        raise BneckError(f"a product with a constant of {count:,} elements")
    return put(call, lowering.channels_at(value, axis, call.stack), "layer_scale", {}, axis, [constant])


def _gated(call: Bound, left: Value, right: Value) -> Thing:
    """One tensor times another: a gate may have one position, or one channel."""
    lowering = call.lowering
    left, right = lowering.picked(left), lowering.picked(right)
    if prod(left.shape) < prod(right.shape):
        left, right = right, left
    whole_shape, gate = lowering.graph.shape(left.node), lowering.graph.shape(right.node)
    if whole_shape == gate:
        return _joined(call, "scale", left, right)
    if gate.channels not in (1, whole_shape.channels) or any(
        mine not in (1, theirs) for mine, theirs in zip(gate.spatial, whole_shape.spatial, strict=False)
    ):
        raise BneckError(f"a product of {whole_shape} and {gate}")
    rank = max(len(left.axes), len(right.axes))
    mine, theirs = (((),) * (rank - len(axes)) + axes for axes in (left.axes, right.axes))
    for one, other in zip(mine, theirs, strict=True):
        if other and (dimensions(one) != dimensions(other) or one != other):
            raise BneckError(f"a product of {whole_shape} and {gate}")
    if len(gate.spatial) not in (0, len(whole_shape.spatial)) or not sizes(gate):
        raise BneckError(f"a product of {whole_shape} and {gate}")
    node = lowering.graph.join("scale", [left.node, right.node], call.stack)
    return Value(node, mine, left.shift)
