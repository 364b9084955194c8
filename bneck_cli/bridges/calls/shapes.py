"""Calls that move elements and compute nothing: views, permutations, slices, concatenations."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.handlers import handles
from bneck_cli.bridges.calls.layout import CHANNELS, Atom, dimensions, extent, merged, number, sizes, viewed, whole
from bneck_cli.bridges.calls.tensors import Constant, Picked, Scores, Value, grouped, shaped, strided
from bneck_cli.errors import BneckError
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.bridges.calls.handlers import Bound
    from bneck_cli.bridges.calls.tensors import Thing


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
    thing = call.thing()
    if isinstance(thing, Scores):
        return thing._replace(shape=call.out)
    value = call.lowering.picked(call.value())
    positions = call.lowering.graph.shape(value.node).positions
    if len(call.out) == 2 and call.out[0] == 1 and positions != 1:  # all values as a vector, as what follows has them
        return call.lowering.arranged(value._replace(axes=_flat(value)), [1], [], call.stack)
    return reviewed(call, value, call.out)._replace(stack=call.stack)


def _flat(value: Value) -> tuple[Any, ...]:
    """Return the axes of a tensor of which all elements are a vector."""
    return (), merged(atom for axis in value.axes for atom in axis)


def reviewed(call: Bound, value: Value, shape: tuple[int, ...]) -> Value:
    """View a tensor in another shape; where its elements lie across the axes, a layer gives them that shape."""
    axes = viewed(value.axes, shape)
    if axes is not None:
        return value._replace(axes=axes)
    lowering = call.lowering
    bare = lowering.apart(value)
    axes = viewed(bare.axes, shape)
    if axes is not None:
        return bare._replace(axes=axes)
    (channels,) = lowering.groups(value)[0]
    places = [axis for axis, size in enumerate(shape) if size == value.shape[channels] > 1]
    out = [places[-1] if places else len(shape) - 1]
    spatial = grouped([[axis] for axis, size in enumerate(shape) if axis not in out and size > 1])
    node = lowering.reshaped(bare.node, shaped(shape, out, spatial), call.stack)
    return Value(node, strided(shape, out, spatial))


@handles("")
def function(call: Bound) -> Thing:
    """What the language has no name for and that multiplies nothing: a function of the file's own."""
    lowering = call.lowering
    values = {lowering.picked(lowering.valued(one, call.stack)) for one in call.data}
    if call.record.macs or len(call.record.outs) != 1 or len(values) != 1:
        raise BneckError(f"`{call.name}` is outside the language")
    return functional(call, values.pop(), call.name)


def functional(call: Bound, value: Value, name: str, out: tuple[int, ...] | None = None) -> Value:
    """Add a function of the file's own, whatever shape it gives."""
    lowering, graph = call.lowering, call.lowering.graph
    out = call.out if out is None else out
    params = lowering.charge(call.constants)
    value = lowering.picked(value)
    name = name.strip("_")
    if value.shape == out:
        return value._replace(node=graph.free(value.node, name, params, call.stack))
    channels, spatial = lowering.groups(value)
    value = lowering.arranged(value, channels, spatial, call.stack)
    held = {*channels, *(axis for group in spatial for axis in group)}
    if len(out) != len(value.axes):
        place = channels[0]
        kept = place < len(out) and out[place] == value.shape[place]
        channels, held = [place if kept else len(out) - 1], set()
    if any(size > 1 and axis not in held for axis, size in enumerate(out)):
        spatial = grouped([[axis] for axis, size in enumerate(out) if axis not in channels and size > 1])
    elif not held:
        spatial = []
    node = graph.free(value.node, name, params, call.stack, shaped(out, channels, spatial))
    return Value(node, strided(out, channels, spatial))


@handles("expand", "expand_as")
def expand(call: Bound) -> Thing:
    """A tensor repeated along axes of size 1, which broadcasting does unasked where it can."""
    value = call.value()
    return value if value.shape == call.out else functional(call, value, "repeat")


@handles("permute")
def permute(call: Bound) -> Thing:
    """Axes in another order."""
    thing = call.thing()
    order = call.raw(1, "dims") if len(call.record.args) < 3 else call.record.args[1:]
    return _ordered(call, thing, list(order))


@handles("transpose", "swapaxes", "swapdims", "t", "mT", "T", "movedim")
def transpose(call: Bound) -> Thing:
    """Two axes exchanged."""
    thing = call.thing()
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
    rank = len(call.out)
    if isinstance(thing, Scores) and [axis % rank for axis in order] == [*range(rank - 2), rank - 1, rank - 2]:
        return thing._replace(shape=call.out, turned=not thing.turned)
    value = call.value()
    return value._replace(axes=tuple(value.axes[axis] for axis in order), stack=call.stack)


@handles("roll")
def roll(call: Bound) -> Thing:
    """A map moved round its edges: windows over it are shifted."""
    value = call.lowering.picked(call.value())
    shifts = call.raw(1, "shifts")
    amount = shifts[0] if isinstance(shifts, (tuple, list)) else shifts
    if not amount:
        return value
    return value._replace(node=call.lowering.graph.rolled(value.node, amount, call.stack))


@handles("pad")
def pad(call: Bound) -> Thing:
    """Zeros around the last axes, kept for the window that follows; negative ones cut."""
    value = call.value()
    given = [int(size) for size in call.raw(1, "pad")]
    pairs = [(given[place], given[place + 1]) for place in range(0, len(given), 2)]
    while pairs and pairs[-1] == (0, 0):
        pairs.pop()
    if not pairs:
        return value
    value = call.lowering.picked(value)
    mode = call.raw(2, "mode", "constant")
    value = value._replace(pad=tuple(pairs), stack=call.stack)
    if min(map(min, pairs)) < 0 or mode != "constant":
        return call.lowering.padded(value, "zeros" if mode == "constant" else mode)
    return value


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
        atoms = value.axes[axis]
        if len(atoms) == 2 and dimensions(atoms) == {CHANNELS}:  # shuffled ones
            value = call.lowering.channels_at(value, axis, call.stack)
            atoms = value.axes[axis]
        if len(atoms) != 1 or (atoms[0].dimension != CHANNELS and not _is_whole(call, value, atoms[0])):
            value = call.lowering.apart(call.lowering.picked(value), axis)
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
    full = sizes(call.lowering.graph.shape(value.node))[atom.dimension]
    if atom.dimension == CHANNELS:
        if step != 1:
            value = call.lowering.apart(value)
            shape = Shape(count, call.lowering.graph.shape(value.node).spatial)
            node = call.lowering.graph.free(value.node, "every_nth", 0, call.stack, shape)
            return ((Atom(CHANNELS, 1, count),) if count > 1 else ()), value._replace(node=node), ()
        if atom.stride * atom.size != full:  # an inner one: which channels are kept is as good in another order
            value = _outermost(value, atom, full)
            atom = Atom(CHANNELS, full // atom.size, atom.size)
        value = call.lowering.picked(value)
        first = start * atom.stride
        node = call.lowering.part(value.node, first, first + count * atom.stride, call.stack)
        left = (Atom(CHANNELS, atom.stride, count),) if count > 1 else ()
        return left, value._replace(node=node), ()
    left = (Atom(atom.dimension, 1, count),) if count > 1 else ()
    return left, value, (Picked(atom.dimension, start, count, step),)


def _is_whole(call: Bound, value: Value, atom: Atom) -> bool:
    """Return whether an atom is all of an axis of ours."""
    return atom.stride == 1 and atom.size == sizes(call.lowering.graph.shape(value.node))[atom.dimension]


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
    value, key = call.value(), call.raw(1, "key")
    keys = list(key) if isinstance(key, (tuple, list)) else [key]
    if any(not isinstance(one, (slice, int, type(None), type(Ellipsis))) or isinstance(one, bool) for one in keys):
        return functional(call, value, "index")
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
        else:
            size = value.shape[axis]
            value = picked(call, value, axis, one % size, one % size + 1, 1, drop=True)
    return value


@handles("setitem")
def setitem(call: Bound) -> Thing:
    """All elements put in another's place."""
    key = call.raw(1, "key")
    keys = key if isinstance(key, (tuple, list)) else [key]
    if not all(one is Ellipsis or one == slice(None) or one == slice(0, None) for one in keys):
        raise BneckError("some elements put in another's place")
    return call.lowering.thing(call.raw(2, "value"))


@handles("select", "narrow")
def select(call: Bound) -> Thing:
    """One index of an axis, or a range of it."""
    value, axis, start = call.value(), call.raw(1, "dim"), call.raw(2, "start", call.raw(2, "index"))
    count = call.raw(3, "length", 1) if call.name == "narrow" else 1
    return picked(call, value, axis, start, start + count, 1, drop=call.name == "select")


@handles("unbind")
def unbind(call: Bound) -> list[Thing]:
    """Every index of an axis separately."""
    value, axis = call.value(), call.raw(1, "dim", 0)
    return [picked(call, value, axis, index, index + 1, 1, drop=True) for index in range(len(call.record.outs))]


@handles("chunk", "split", "tensor_split", "split_with_sizes")
def chunk(call: Bound) -> list[Thing]:
    """Ranges of an axis in sequence."""
    value, axis = call.value(), call.raw(2, "dim", 0)
    axis %= len(value.axes)
    found: list[Thing] = []
    start = 0
    for ref in call.record.outs:
        size = ref.shape[axis]
        found.append(picked(call, value, axis, start, start + size, 1, drop=False))
        start += size
    return found


# Concatenation


@handles("cat", "concat", "concatenate")
def cat(call: Bound) -> Thing:
    """Channels in sequence; tokens before a sequence; or the squares of a map as channels."""
    axis = call.raw(1, "dim", 0) % len(call.out)
    things = [call.lowering.thing(ref) for ref in call.raw(0, "tensors") if prod(ref.shape)]
    if all(isinstance(one, Value) and one.picks for one in things):
        squares = _squares(call, [one for one in things if isinstance(one, Value)], axis)
        if squares is not None:
            return squares
    if _are_tokens(call, things, axis):
        return _tokens(call, things, axis)
    return concatenated(call, [call.lowering.valued(one, call.stack) for one in things], axis)


@handles("stack", "hstack", "vstack")
def stack(call: Bound) -> Thing:
    """Tensors side by side in an axis of their own."""
    if call.name != "stack":
        raise BneckError(f"`{call.name}` is outside the language")
    axis = call.raw(1, "dim", 0) % len(call.out)
    values = [call.lowering.valued(call.lowering.thing(ref), call.stack) for ref in call.raw(0, "tensors")]
    return concatenated(call, [one._replace(axes=(*one.axes[:axis], (), *one.axes[axis:])) for one in values], axis)


def concatenated(call: Bound, values: list[Value], axis: int) -> Value:
    """Put tensors behind each other: their channels where these stand in that axis, else their positions."""
    lowering, graph = call.lowering, call.lowering.graph
    values = [lowering.picked(one) for one in values]
    if len(values) == 1:
        return values[0]
    rank = len(call.out)
    whole_axes = [
        {place for place in range(rank) if one.axes[place] == whole(graph.shape(one.node), CHANNELS)} for one in values
    ]
    rest = [one.axes[:axis] + one.axes[axis + 1 :] for one in values]
    others = [place for place in range(rank) if place != axis and call.out[place] > 1]
    if all(axis in places for places in whole_axes) and all(one == rest[0] for one in rest):
        node = graph.join("concat", [one.node for one in values], call.stack)
        full = whole(graph.shape(node), CHANNELS)
        return Value(node, (*values[0].axes[:axis], full, *values[0].axes[axis + 1 :]))
    channels = next((place for place in reversed(others) if all(place in places for places in whole_axes)), None)
    if channels is None and not any(axis in places and call.out[axis] > 1 for places in whole_axes):
        channels = others[-1] if others else None
    if channels is None:
        spatial = grouped([[place] for place in others])
        ready = [lowering.arranged(one, [axis], spatial, call.stack) for one in values]
        node = graph.join("concat", [one.node for one in ready], call.stack)
        return Value(node, strided(call.out, [axis], spatial))
    spatial = [[axis, *(place for place in others if place != channels)]]
    ready = [lowering.arranged(one, [channels], spatial, call.stack) for one in values]
    node = graph.join("concat", [one.node for one in ready], call.stack, "positions")
    return Value(node, strided(call.out, [channels], spatial))


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


def _are_tokens(call: Bound, things: list[Any], axis: int) -> bool:
    """Return whether learned vectors stand before a sequence."""
    *before, value = things
    if not isinstance(value, Value) or not before or len(call.out) != 3 or axis != 1 or value.axes[0]:
        return False
    learned = [one for one in before if isinstance(one, Constant) and one.reads and not one.made]
    new = [number for one in learned for number in one.reads if number not in call.lowering.charged]
    count = sum(call.lowering.sizes[number] for number in new)
    return len(learned) == len(before) and count == sum(one.shape[1] for one in learned) * call.out[2]


def _tokens(call: Bound, things: list[Any], axis: int) -> Thing:
    """Put learned vectors before a sequence."""
    lowering = call.lowering
    *before, value = things
    ready = lowering.channels_at(value, -1, call.stack)
    count = sum(one.shape[axis] for one in before)
    slots = {"cls": count, "pos": "none"}
    node = lowering.graph.layer("tokens", ready.node, slots, call.stack, lowering.charge(before), call.record.macs)
    return Value(node, ((), whole(lowering.graph.shape(node), 1), whole(lowering.graph.shape(node), CHANNELS)))


@handles("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle")
def rearranged(call: Bound) -> Thing:
    """Channels to a finer map, back, or across groups."""
    lowering = call.lowering
    value = lowering.mapped(call.value(), call.stack)
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
    return Value(node, tuple(axes))
