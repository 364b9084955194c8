"""Calls that move elements and compute nothing: views, permutations, slices, concatenations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.layout import CHANNELS, Atom, extent, number, sizes, whole
from bneck_cli.bridges.lowering import Constant, Picked, Scores, Value, handles, reviewed
from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from bneck_cli.bridges.lowering import Bound, Thing
    from bneck_cli.sizes.shape import Shape


def only(call: Bound) -> Value:
    """Return the one tensor that a call is about. Raises BneckError for scores of attention and for constants."""
    thing = call.get(0, "input")
    if not isinstance(thing, Value):
        raise BneckError(f"`{call.name}` of {'scores' if isinstance(thing, Scores) else 'a constant'}")
    return thing


@handles(
    "contiguous", "clone", "detach", "to", "float", "half", "type", "type_as", "alpha_dropout", "feature_dropout",
    "stochastic_depth", "requires_grad", "data",
)  # fmt: skip
def same(call: Bound) -> Thing:
    """The tensor as it is."""
    return call.thing()


@handles("dropout", "dropout2d", "dropout1d", "dropout3d")
def dropout(call: Bound) -> Thing:
    """A dropout that is there in training alone; one of probability 0 is none."""
    thing = call.thing()
    if isinstance(thing, Value) and call.raw(1, "p", 0.5) and not thing.pad and not thing.picks:
        return thing._replace(node=call.lowering.graph.layer("dropout", thing.node, {}, call.stack))
    return thing


@handles("view", "reshape", "flatten", "unflatten", "unsqueeze", "squeeze", "view_as", "reshape_as")
def view(call: Bound) -> Thing:
    """The same elements in their order, in other axes."""
    thing = call.get(0, "input")
    if isinstance(thing, Scores):
        return thing._replace(shape=call.out)
    value = call.lowering.picked(only(call))
    return reviewed(value, call.out)._replace(stack=call.stack)


@handles("expand", "expand_as")
def expand(call: Bound) -> Thing:
    """A tensor repeated along axes of size 1, which is what broadcasting does unasked."""
    value = only(call)
    if value.shape != call.out:
        raise BneckError("a tensor repeated along an axis")
    return value


@handles("permute")
def permute(call: Bound) -> Thing:
    """Axes in another order."""
    thing = call.get(0, "input")
    order = call.raw(1, "dims") if len(call.record.args) < 3 else call.record.args[1:]
    return _ordered(call, thing, list(order))


@handles("transpose", "swapaxes", "swapdims", "t", "mT", "T", "movedim")
def transpose(call: Bound) -> Thing:
    """Two axes exchanged."""
    thing = call.get(0, "input")
    rank = len(call.out)
    order = list(range(rank))
    if call.name == "movedim":
        source, target = call.raw(1, "source"), call.raw(2, "destination")
        if not isinstance(source, int):
            raise BneckError("several axes moved at once")
        order.insert(target % rank, order.pop(source % rank))
    else:
        one, other = (-2, -1) if call.name in ("t", "mT", "T") else (call.raw(1, "dim0"), call.raw(2, "dim1"))
        order[one], order[other] = order[other], order[one]
    return _ordered(call, thing, order)


def _ordered(call: Bound, thing: Thing, order: list[int]) -> Thing:
    if isinstance(thing, Value):
        return thing._replace(axes=tuple(thing.axes[axis] for axis in order), stack=call.stack)
    if isinstance(thing, Scores) and order[-2:] in ([-2, -1], [len(order) - 2, len(order) - 1]):
        return thing._replace(shape=call.out)
    raise BneckError("scores of attention exchanged")


@handles("roll")
def roll(call: Bound) -> Thing:
    """A map moved round its edges: windows over it are shifted."""
    value = only(call)
    shifts = call.raw(1, "shifts")
    amount = shifts[0] if isinstance(shifts, (tuple, list)) else shifts
    return value._replace(shift=value.shift + amount)


@handles("pad")
def pad(call: Bound) -> Thing:
    """Zeros around the last axes, kept for the window that follows; negative ones cut."""
    value = only(call)
    given = [int(size) for size in call.raw(1, "pad")]
    pairs = [(given[place], given[place + 1]) for place in range(0, len(given), 2)]
    while pairs and pairs[-1] == (0, 0):
        pairs.pop()
    if not pairs:
        return value
    if value.pad or min(map(min, pairs)) < 0:
        raise BneckError("a map that is cut, or padded twice")
    return value._replace(pad=tuple(pairs))


# Ranges


def picked(call: Bound, value: Value, axis: int, start: int, stop: int, step: int, drop: bool) -> Value:
    """Keep a range of an axis, or one index of it, which then has no axis any more."""
    axis %= len(value.axes)
    size = extent(value.axes[axis])
    start, stop, step = slice(start, stop, step).indices(size)
    count = max(0, -((start - stop) // step))
    atoms = value.axes[axis]
    if count == size and step == 1:
        new, picks = atoms, value.picks
    else:
        value = call.lowering.picked(value) if value.picks and step == 1 else value
        if len(atoms) != 1:
            value = call.lowering.channels_at(value, axis, call.stack)
            atoms = value.axes[axis]
        new, value, pick = _range(call, value, atoms[0], start, count, step)
        picks = (*value.picks, *pick)
    axes = [*value.axes]
    axes[axis] = new
    if drop:
        del axes[axis]
    return value._replace(axes=tuple(axes), picks=picks, stack=call.stack)


def _range(call: Bound, value: Value, atom: Atom, start: int, count: int, step: int) -> tuple[Any, Value, Any]:
    """Say which range of a dimension of ours is kept; of channels a part is made at once."""
    full = sizes(call.lowering.graph.shape(value.node))[atom.dimension] if atom.dimension >= 0 else 0
    if atom.dimension == CHANNELS:
        if step != 1:
            raise BneckError("every other channel")
        if atom.stride * atom.size != full:  # an inner one: which channels are kept is as good in another order
            value = _outermost(value, atom, full)
            atom = Atom(CHANNELS, full // atom.size, atom.size)
        value = call.lowering.picked(value)
        first = start * atom.stride
        node = call.lowering.part(value.node, first, first + count * atom.stride, call.stack)
        left = (Atom(CHANNELS, atom.stride, count),) if count > 1 else ()
        return left, value._replace(node=node), ()
    if atom.stride != 1 or atom.size != full:
        raise BneckError("a slice of positions in windows")
    left = (Atom(atom.dimension, 1, count),) if count > 1 else ()
    return left, value, (Picked(atom.dimension, start, count, step),)


def _outermost(value: Value, atom: Atom, full: int) -> Value:
    """Let one range of channels be the outermost: the order of channels is that of the weights before them."""
    axes = []
    for one in value.axes:
        moved = []
        for other in one:
            if other.dimension != CHANNELS or other.stride < atom.stride:
                moved.append(other)
            elif other == atom:
                moved.append(Atom(CHANNELS, full // atom.size, atom.size))
            else:
                moved.append(Atom(CHANNELS, other.stride // atom.size, other.size))
        axes.append(tuple(moved))
    return value._replace(axes=tuple(axes))


@handles("getitem")
def getitem(call: Bound) -> Thing:
    """Indices and slices of axes."""
    value, key = call.get(0, "input"), call.raw(1, "key")
    if not isinstance(value, Value):
        raise BneckError("a slice of scores")
    keys = list(key) if isinstance(key, (tuple, list)) else [key]
    if Ellipsis in keys:
        place = keys.index(Ellipsis)
        named = sum(one is not None for one in keys) - 1
        keys[place : place + 1] = [slice(None)] * (len(value.axes) - named)
    axis = 0
    for one in keys:
        if one is None:
            value = value._replace(axes=(*value.axes[:axis], (), *value.axes[axis:]))
            axis += 1
        elif isinstance(one, slice):
            value = picked(call, value, axis, one.start, one.stop, one.step or 1, drop=False)
            axis += 1
        elif isinstance(one, int):
            size = extent(value.axes[axis])
            value = picked(call, value, axis, one % size, one % size + 1, 1, drop=True)
        else:
            raise BneckError("elements picked by a list of indices")
    return value


@handles("select", "narrow")
def select(call: Bound) -> Thing:
    """One index of an axis, or a range of it."""
    value, axis, start = only(call), call.raw(1, "dim"), call.raw(2, "start", call.raw(2, "index"))
    count = call.raw(3, "length", 1) if call.name == "narrow" else 1
    return picked(call, value, axis, start, start + count, 1, drop=call.name == "select")


@handles("unbind")
def unbind(call: Bound) -> list[Thing]:
    """Every index of an axis by itself."""
    value, axis = only(call), call.raw(1, "dim", 0)
    return [picked(call, value, axis, index, index + 1, 1, drop=True) for index in range(len(call.record.outs))]


@handles("chunk", "split", "tensor_split", "split_with_sizes")
def chunk(call: Bound) -> list[Thing]:
    """Ranges of an axis one after the other."""
    value, axis = only(call), call.raw(2, "dim", 0)
    axis %= len(value.axes)
    found: list[Thing] = []
    start = 0
    for ref in call.record.outs:
        size = ref.shape[axis]
        found.append(picked(call, value, axis, start, start + size, 1, drop=False))
        start += size
    return found


# Concatenation


@handles("cat", "concat", "concatenate", "stack")
def cat(call: Bound) -> Thing:
    """Channels one after the other; tokens before a sequence; or the squares of a map as channels."""
    given = call.raw(0, "tensors")
    things = [call.lowering.thing(ref) for ref in given]
    axis = call.raw(1, "dim", 0) % len(call.out)
    if call.name == "stack":
        raise BneckError("tensors stacked in an axis of their own")
    if any(isinstance(one, Scores) for one in things):
        raise BneckError("scores concatenated")
    constants = [one for one in things if isinstance(one, Constant)]
    if constants:
        return _tokens(call, things, axis)
    values = [one for one in things if isinstance(one, Value)]
    if all(one.picks for one in values):
        squares = _squares(call, values, axis)
        if squares is not None:
            return squares
    lowering = call.lowering
    ready = [lowering.channels_at(one, axis, call.stack) for one in values]
    first = ready[0]
    for one in ready:
        if one.axes[:axis] + one.axes[axis + 1 :] != first.axes[:axis] + first.axes[axis + 1 :]:
            raise BneckError("tensors concatenated that lie apart")
    node = lowering.graph.join("concat", [one.node for one in ready], call.stack)
    full = whole(lowering.graph.shape(node), CHANNELS)
    return Value(node, (*first.axes[:axis], full, *first.axes[axis + 1 :]), first.shift)


def _squares(call: Bound, values: list[Value], axis: int) -> Thing | None:
    """See every other row and column, in all their phases, for what they are together."""
    graph = call.lowering.graph
    base, rank = values[0].node, len(graph.shape(values[0].node).spatial)
    step = values[0].picks[0].step
    starts = {tuple(pick.start for pick in one.picks) for one in values}
    regular = all(
        one.node == base and len(one.picks) == rank and all(pick.step == step > 1 for pick in one.picks)
        for one in values
    )
    if not regular or len(starts) != len(values) or len(values) != step**rank:
        return None
    uneven = any(number(size) % step for size in graph.shape(base).spatial)
    node = graph.layer("pixel_unshuffle", base, {"factor": step, "ceil": uneven}, call.stack)
    shape = graph.shape(node)
    axes = list(values[0].axes)
    axes[axis] = whole(shape, CHANNELS)
    for place, atoms in enumerate(axes):
        if place != axis and atoms:
            axes[place] = whole(shape, atoms[0].dimension)
    return Value(node, tuple(axes))


def _tokens(call: Bound, things: list[Thing], axis: int) -> Thing:
    """Put learned vectors before a sequence."""
    lowering = call.lowering
    *before, value = things
    if not isinstance(value, Value) or any(not isinstance(one, Constant) for one in before):
        raise BneckError("a constant concatenated behind a tensor")
    ready = lowering.channels_at(value, -1, call.stack)
    shape = lowering.graph.shape(ready.node)
    constants = [one for one in before if isinstance(one, Constant)]
    count = sum(one.shape[axis] for one in constants)
    if axis != 1 or len(ready.axes) != 3 or extent(ready.axes[1]) != shape.positions:
        raise BneckError("a constant concatenated along another axis than the positions")
    slots = {"cls": count, "pos": "none"}
    node = lowering.graph.layer("tokens", ready.node, slots, call.stack, lowering.charge(constants), call.record.macs)
    return Value(node, ((), whole(lowering.graph.shape(node), 1), ready.axes[2]))


@handles("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle")
def rearranged(call: Bound) -> Thing:
    """Channels to a finer map, back, or across groups."""
    lowering = call.lowering
    value = lowering.mapped(only(call), call.stack)
    kind, name = {"pixel_shuffle": ("pixel_shuffle", "factor"), "pixel_unshuffle": ("pixel_unshuffle", "factor")}.get(
        call.name, ("shuffle", "groups")
    )
    node = lowering.graph.layer(kind, value.node, {name: call.raw(1, name)}, call.stack)
    shape = lowering.graph.shape(node)
    return Value(node, ((), whole(shape, 0), *(whole(shape, 1 + axis) for axis in range(len(shape.spatial)))))


def as_map(lowering: Any, node: int, value: Value, channels: int) -> Value:
    """Return a node's tensor with axes like those of what it was made of, its channels at an axis."""
    shape: Shape = lowering.graph.shape(node)
    axes = list(value.axes)
    axes[channels] = whole(shape, CHANNELS)
    return Value(node, tuple(axes), value.shift)
