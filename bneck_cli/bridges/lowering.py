"""From a trace of PyTorch's calls to the flat graph: what each tensor is, and the call that makes the next of it.

A tensor is a constant (no input reaches it), or a node of the graph with its axes, or the scores of an attention under
way. Handlers by the function's name live in the rooms beside this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.capture import Record, Ref, refs
from bneck_cli.bridges.graph import Graph
from bneck_cli.bridges.layout import (
    CHANNELS,
    Atom,
    Axes,
    dimensions,
    extent,
    fresh,
    merged,
    number,
    sizes,
    viewed,
    whole,
)
from bneck_cli.errors import BneckError
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.bridges.capture import Trace
    from bneck_cli.bridges.graph import Call


class Constant(NamedTuple):
    """A tensor that no input reaches: its shape, the parameters that it is made of, what making it costs."""

    shape: tuple[int, ...]
    reads: frozenset[int] = frozenset()
    macs: int = 0


class Picked(NamedTuple):
    """A range of a dimension, which nothing has asked for yet: every ``step``-th, ``size`` of them from ``start``."""

    dimension: int
    start: int
    size: int
    step: int


class Value(NamedTuple):
    """A node's tensor, its elements in axes of the framework's.

    ``shift`` is how far its map is rolled; ``pad`` are zeros that stand around it, by axis of the framework's from the
    last, for the layer that follows; ``picks`` are ranges of it, which the axes are already without.
    """

    node: int
    axes: Axes
    shift: int = 0
    pad: tuple[tuple[int, int], ...] = ()
    picks: tuple[Picked, ...] = ()
    stack: tuple[Call, ...] = ()
    """The modules that its axes were last changed in: a node that brings its channels together belongs there."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The framework's shape."""
        return tuple(map(extent, self.axes))


class Scores(NamedTuple):
    """Products of queries and keys: ``heads`` tables of ``rows`` by ``columns``, in so many windows."""

    queries: Value
    keys: Value
    shape: tuple[int, ...]
    macs: int
    reads: frozenset[int] = frozenset()
    softmax: bool = False


Thing = Constant | Value | Scores


class Bound:
    """A call with its arguments by place or name, and what its tensors are."""

    def __init__(self, lowering: Lowering, record: Record) -> None:
        self.lowering = lowering
        self.record = record
        self.name = record.name

    def raw(self, index: int, name: str, default: Any = None) -> Any:
        """Return an argument as it was given."""
        return self.record.args[index] if index < len(self.record.args) else self.record.kwargs.get(name, default)

    def thing(self) -> Thing:
        """Return what the tensor is that a call is about. Raises BneckError where it is about none."""
        found = self.get(0, "input")
        if isinstance(found, (Constant, Value, Scores)):
            return found
        raise BneckError(f"`{self.name}` of no tensor")

    def get(self, index: int, name: str, default: Any = None) -> Any:
        """Return an argument; a tensor as what it is."""
        value = self.raw(index, name, default)
        return self.lowering.thing(value) if isinstance(value, Ref) else value

    @property
    def things(self) -> list[Thing]:
        """Return what all tensors among the arguments are."""
        return [self.lowering.thing(ref) for ref in refs((self.record.args, self.record.kwargs))]

    @property
    def data(self) -> list[Value | Scores]:
        """Return the tensors that are no constants."""
        return [thing for thing in self.things if not isinstance(thing, Constant)]

    @property
    def constants(self) -> list[Constant]:
        """Return the tensors that no input reaches."""
        return [thing for thing in self.things if isinstance(thing, Constant)]

    @property
    def out(self) -> tuple[int, ...]:
        """Return the framework's shape of the first tensor that it gives."""
        return self.record.outs[0].shape

    @property
    def stack(self) -> tuple[Call, ...]:
        """Return the modules that it runs in."""
        return self.record.stack


HANDLERS: dict[str, Callable[[Bound], Any]] = {}
"""What makes the result of a call, by the function's name: a value, or a list of one for each tensor that it gives."""


def handles(*names: str) -> Callable[[Callable[[Bound], Any]], Callable[[Bound], Any]]:
    """Register a handler under names of functions."""

    def register(handler: Callable[[Bound], Any]) -> Callable[[Bound], Any]:
        HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


class Lowering:
    """The graph so far, and what each tensor is."""

    def __init__(self, trace: Trace, name: str) -> None:
        self.trace = trace
        self.graph = Graph(name)
        self.known: dict[int, Thing] = {}
        self.charged: set[int] = set()
        self.gathered: dict[tuple[int, Axes, int], Value] = {}
        self.parts: dict[tuple[int, int, int], int] = {}
        self.sizes = {number: count for number, (_, count) in trace.parameters.items()}
        for parameter in trace.parameters:
            self.known[parameter] = Constant((), frozenset([parameter]))
        for place, ref in enumerate(trace.inputs):
            shape = input_shape(ref.shape)
            node = self.graph.input(shape, "input" if len(trace.inputs) == 1 else f"input{place + 1}")
            self.known[ref.number] = Value(node, fresh(shape, len(ref.shape), 1))

    def thing(self, ref: Ref) -> Thing:
        """Return what a tensor is; one that no call gave is a constant."""
        found = self.known.get(ref.number)
        if found is None:
            return Constant(ref.shape)
        return found._replace(shape=ref.shape) if isinstance(found, Constant) else found

    def charge(self, constants: list[Constant]) -> int:
        """Count the parameters that these are made of, each for the first that reads it."""
        new = frozenset().union(*(one.reads for one in constants)) - self.charged
        self.charged |= new
        return sum(self.sizes[number] for number in new)

    def run(self) -> Graph:
        """Follow every call, and return the graph."""
        for record in self.trace.records:
            self.follow(record)
        for ref in self.trace.outputs:
            thing = self.thing(ref)
            if isinstance(thing, Value):
                try:
                    self.graph.outputs.append(self.settled(thing))
                except BneckError as error:
                    self.graph.problem((), f"what leaves: {error.message}")
        self.charge_rest()
        return self.graph

    def charge_rest(self) -> None:
        """Note the parameters that are read and that no node was charged with."""
        left = [self.trace.parameters[number] for number in self.sizes if number not in self.charged]
        if left and not self.graph.problems:
            names = ", ".join(name for name, _ in left[:3])
            self.graph.problem((), f"{sum(count for _, count in left):,} parameters that no layer has: {names}")

    def follow(self, record: Record) -> None:
        """Work out what a call gives; what cannot be said becomes an opaque node and a problem."""
        call = Bound(self, record)
        if record.name.startswith("new_") or record.name.endswith("_like"):
            for ref in record.outs:
                self.known[ref.number] = Constant(ref.shape)
            return
        if not call.data:
            reads = frozenset().union(*(one.reads for one in call.constants)) if call.constants else frozenset()
            macs = record.macs + sum(one.macs for one in call.constants)
            for ref in record.outs:
                self.known[ref.number] = Constant(ref.shape, reads, macs)
            return
        name = record.name.strip("_") if record.name.startswith("__") else record.name.rstrip("_")
        handler = HANDLERS.get(name)
        graph = self.graph
        before = len(graph.nodes), set(self.charged)
        try:
            if handler is None:
                raise BneckError(f"`{name}` is outside the language")
            given = handler(call)
            things = given if isinstance(given, list) else [given]
            if len(things) != len(record.outs):
                raise BneckError(f"`{name}` gives {len(record.outs)} tensors")
            for thing, ref in zip(things, record.outs, strict=True):
                if isinstance(thing, Value) and padded_shape(thing) != ref.shape:
                    raise BneckError(f"`{name}` gives {ref.shape}, where {padded_shape(thing)} was followed")
        except BneckError as error:
            self.forget(before[0])
            self.charged = before[1]
            graph.problem(record.stack, error.message)
            things = self.unknown(call)
        for thing, ref in zip(things, record.outs, strict=True):
            self.known[ref.number] = thing

    def forget(self, count: int) -> None:
        """Take back the nodes that a call made before it failed."""
        del self.graph.nodes[count:]
        self.gathered = {key: value for key, value in self.gathered.items() if value.node < count}
        self.parts = {key: node for key, node in self.parts.items() if node < count}

    def part(self, node: int, start: int, stop: int, stack: tuple[Call, ...] = ()) -> int:
        """Return the node of a range of channels, which is made once."""
        key = (node, start, stop)
        if key not in self.parts:
            self.parts[key] = self.graph.part(node, start, stop, stack)
        return self.parts[key]

    def unknown(self, call: Bound) -> list[Thing]:
        """Make opaque nodes for what a call gives."""
        params = self.charge(call.constants)
        macs = call.record.macs + sum(one.macs for one in call.constants)
        sources = [one.node if isinstance(one, Value) else one.queries.node for one in call.data]
        things: list[Thing] = []
        for ref in call.record.outs:
            values = [one for one in call.data if isinstance(one, Value)]
            channels = guess_channels(ref.shape, values)
            spatial = tuple(size for axis, size in enumerate(ref.shape) if axis not in (0, channels))
            shape = Shape(ref.shape[channels] if len(ref.shape) > 1 else 1, spatial or ())
            node = self.graph.opaque(sources, call.name, shape, params, macs, call.stack)
            params = macs = 0
            axes: list[Any] = [()] * len(ref.shape)
            dimension = 0
            for axis in range(1, len(ref.shape)):
                if axis == channels:
                    axes[axis] = whole(shape, CHANNELS)
                else:
                    dimension += 1
                    axes[axis] = whole(shape, dimension)
            if ref.shape[:1] not in ((), (1,)):  # a batch that is not the input's: nothing is known of it
                axes[0] = (Atom(-1, 1, ref.shape[0]),)
            things.append(Value(node, tuple(axes)))
        return things

    # What a layer asks of a tensor

    def settled(self, value: Value) -> int:
        """Return a node that is the tensor as it is now: what was picked and padded is made."""
        return self.picked(value).node

    def picked(self, value: Value) -> Value:
        """Make a node of what was picked of a tensor."""
        if value.pad:
            raise BneckError("zeros are put around what no window follows")
        for pick in value.picks:
            value = self.made(value, pick)
        return value

    def made(self, value: Value, pick: Picked) -> Value:
        """Make a node of one range."""
        shape = self.graph.shape(value.node)
        stack = value.stack or self.graph.nodes[value.node].stack
        if pick.dimension == CHANNELS and pick.step == 1:
            node = self.part(value.node, pick.start, pick.start + pick.size, stack)
        elif pick.dimension == 1 and len(shape.spatial) == 1 and pick.size == 1:
            node = self.graph.layer("take", value.node, {"index": pick.start}, stack)
        elif pick.dimension == 1 and len(shape.spatial) == 1 and pick.step == 1:
            slots = {"start": pick.start, "stop": pick.start + pick.size, "along": "positions"}
            node = self.graph.layer("slice", value.node, slots, stack)
        else:
            raise BneckError("a slice of positions")
        return value._replace(node=node, picks=())

    def channels_at(self, value: Value, axis: int, stack: tuple[Call, ...] = ()) -> Value:
        """Return the tensor with all its channels in one axis, by a node that brings them there where they are not."""
        value = self.picked(value)
        axis %= len(value.axes)
        shape = self.graph.shape(value.node)
        at, full = value.axes[axis], whole(shape, CHANNELS)
        if at == full and not any(CHANNELS in dimensions(one) for place, one in enumerate(value.axes) if place != axis):
            return value
        key = (value.node, value.axes, axis)
        if key not in self.gathered:
            self.gathered[key] = self.gather(value, axis, value.stack or stack)
        return self.gathered[key]

    def gather(self, value: Value, axis: int, stack: tuple[Call, ...]) -> Value:
        """Bring all channels of a tensor into one axis."""
        shape = self.graph.shape(value.node)
        at, full = value.axes[axis], whole(shape, CHANNELS)
        others = tuple(atom for place, one in enumerate(value.axes) if place != axis for atom in one)
        if not others and extent(at) == _elements(shape):
            node = self.graph.layer("flatten", value.node, {}, stack)
            return Value(node, _only(len(value.axes), axis, whole(self.graph.shape(node), CHANNELS)))
        if dimensions(at) == {CHANNELS} and len(at) == 2 and not dimensions(others) & {CHANNELS}:
            node = self.graph.layer("shuffle", value.node, {"groups": at[1].size}, stack)
            return value._replace(node=node, axes=_with(value.axes, axis, full))
        gathered = self.unshuffled(value, axis, stack) or self.shuffled(value, axis, stack)
        if gathered is None:
            raise BneckError("a view that mixes axes")
        return gathered

    def unshuffled(self, value: Value, axis: int, stack: tuple[Call, ...]) -> Value | None:
        """Gather squares of positions in the channels, where that is what the axes have done."""
        shape, at = self.graph.shape(value.node), value.axes[axis]
        full = sizes(shape)
        sides = {atom.dimension: atom.size for atom in at if atom.dimension > 0 and atom.stride == 1}
        rest = merged(atom for atom in at if atom.dimension == CHANNELS)
        fits = rest == whole(shape, CHANNELS) and len(sides) == len(shape.spatial) and len(set(sides.values())) == 1
        if not fits or len(at) != len(sides) + len(rest):
            return None
        factor = next(iter(sides.values()))
        node = self.graph.layer("pixel_unshuffle", value.node, {"factor": factor}, stack)
        out = self.graph.shape(node)
        axes = []
        for place, one in enumerate(value.axes):
            if place == axis:
                axes.append(whole(out, CHANNELS))
            elif any(atom.stride % factor or atom.dimension < 1 for atom in one):
                return None
            else:
                axes.append(tuple(Atom(atom.dimension, atom.stride // factor, atom.size) for atom in one))
        return Value(node, tuple(axes), value.shift) if full else None

    def shuffled(self, value: Value, axis: int, stack: tuple[Call, ...]) -> Value | None:
        """Spread channels over squares of positions, where that is what the axes have done."""
        shape = self.graph.shape(value.node)
        rank = len(shape.spatial)
        found = {}
        for place, one in enumerate(value.axes):
            inner = [atom for atom in one if atom.dimension == CHANNELS]
            outer = [atom for atom in one if atom.dimension > 0]
            if place != axis and len(inner) == 1 and one == (*outer, *inner) and len(outer) <= 1:
                found[place] = inner[0].size
        factors = set(found.values())
        if len(found) != rank or len(factors) != 1:
            return None
        factor = factors.pop()
        node = self.graph.layer("pixel_shuffle", value.node, {"factor": factor}, stack)
        out = self.graph.shape(node)
        if extent(value.axes[axis]) != out.channels:
            return None
        axes = list(value.axes)
        axes[axis] = whole(out, CHANNELS)
        for dimension, place in enumerate(sorted(found), 1):
            axes[place] = whole(out, dimension)
        return Value(node, tuple(axes), value.shift)

    def mapped(self, value: Value, stack: tuple[Call, ...] = (), pads: bool = False) -> Value:
        """Return a tensor whose channels stand in the second axis and whose map in those behind it."""
        pad = value.pad
        value = self.channels_at(value._replace(pad=()), 1, stack)
        if pad and not pads:
            raise BneckError("zeros are put around what no window follows")
        shape = self.graph.shape(value.node)
        want = ((), whole(shape, CHANNELS), *(whole(shape, 1 + place) for place in range(len(shape.spatial))))
        if value.axes != want:
            raise BneckError("a view that mixes axes")
        return value._replace(pad=pad)


def input_shape(shape: tuple[int, ...]) -> Shape:
    """Return our shape of an input: channels first, behind the batch."""
    return Shape(shape[1], shape[2:])


def padded_shape(value: Value) -> tuple[int, ...]:
    """Return the framework's shape of a tensor with its zeros around it."""
    found = list(value.shape)
    for place, (before, after) in enumerate(value.pad):
        found[-1 - place] += before + after
    return tuple(found)


def guess_channels(shape: tuple[int, ...], values: list[Value]) -> int:
    """Say which axis of an unknown tensor holds channels: as in what it was made of, else the usual one."""
    for value in values:
        for axis, atoms in enumerate(value.axes):
            if len(value.axes) == len(shape) and dimensions(atoms) == {CHANNELS}:
                return axis
    return len(shape) - 1 if len(shape) == 3 else min(1, len(shape) - 1)


def reviewed(value: Value, shape: tuple[int, ...]) -> Value:
    """View a tensor in another shape. Raises BneckError where its elements lie across the axes."""
    axes = viewed(value.axes, shape)
    if axes is None:
        raise BneckError("a view that mixes axes")
    return value._replace(axes=axes)


def _elements(shape: Shape) -> int:
    return number(shape.elements)


def _only(rank: int, axis: int, atoms: tuple[Atom, ...]) -> Axes:
    return tuple(atoms if place == axis else () for place in range(rank))


def _with(axes: Axes, axis: int, atoms: tuple[Atom, ...]) -> Axes:
    return (*axes[:axis], atoms, *axes[axis + 1 :])


def lowered(trace: Trace, name: str) -> Graph:
    """Return the flat graph of a trace."""
    from bneck_cli.bridges import lowering_attention, lowering_joins, lowering_layers, lowering_shapes  # noqa: F401  (their handlers)

    return Lowering(trace, name).run()
