"""From a trace of PyTorch's calls to the flat graph: what each tensor is, and the call that makes the next of it.

A tensor is a constant (no input reaches it), or a node of the graph with its axes, or the scores of an attention under
way. Handlers by the function's name live in the rooms beside this one.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls import joins, layers, sequences, shapes  # noqa: F401  (their handlers)
from bneck_cli.bridges.calls.arranging import Arranging
from bneck_cli.bridges.calls.attention import scored
from bneck_cli.bridges.calls.capture import Record, Ref, refs
from bneck_cli.bridges.calls.handlers import HANDLERS, Bound
from bneck_cli.bridges.calls.layout import (
    CHANNELS,
    Atom,
    dimensions,
    fresh,
    viewed,
    whole,
)
from bneck_cli.bridges.calls.rotary import rotations
from bneck_cli.bridges.calls.tensors import Constant, Scores, Value, grouped, padded_shape, plain, strided
from bneck_cli.bridges.graph import SCORES, SUM, Graph
from bneck_cli.errors import BneckError
from bneck_cli.sizes.shape import Shape
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from bneck_cli.bridges.calls.capture import Trace
    from bneck_cli.bridges.calls.tensors import Thing
    from bneck_cli.bridges.graph import Call


MOST_HEADS = 64
FAR = 40
"""So many calls behind a product are looked at for a softmax."""
PRODUCTS = frozenset(
    {
        *("matmul", "rmatmul", "bmm", "baddbmm", "einsum", "scaled_dot_product_attention"),
        *("conv1d", "conv2d", "conv3d", "layer_norm", "batch_norm"),
    }
)
"""Calls behind which scores are no scores any more."""


class Lowering(Arranging):
    """The graph so far, and what each tensor is."""

    def __init__(self, trace: Trace, name: str) -> None:
        super().__init__(Graph(name))
        self.trace = trace
        self.known: dict[int, Thing] = {}
        self.charged: set[int] = set()
        self.paid: set[int] = set()
        """The calls for constants whose multiply-adds a node has."""
        self.queries: dict[int, Value] = {}
        """Of scores that are a node, the queries."""
        self.tables: dict[int, int] = {}
        """The node that looks the rows of a table up, by the number of the table."""
        self.before: list[tuple[int, Thing | None]] = []
        """What tensors were that are data now: constants that are followed."""
        self.takers: dict[int, list[Record]] = {}
        for record in trace.records:
            for ref in refs((record.args, record.kwargs)):
                self.takers.setdefault(ref.number, []).append(record)
        self.rotary, self.skipped = rotations(trace.records)
        self.sizes = {number: count for number, (_, count) in trace.parameters.items()}
        for parameter in trace.parameters:
            self.known[parameter] = Constant((), frozenset([parameter]), number=parameter)
        for place, ref in enumerate(trace.inputs):
            shape = input_shape(ref.shape)
            node = self.graph.input(shape, "input" if len(trace.inputs) == 1 else f"input{place + 1}")
            self.known[ref.number] = Value(node, fresh(shape, len(ref.shape), 1))

    def thing(self, ref: Ref) -> Thing:
        """Return what a tensor is; one that no call gave is a constant."""
        found = self.known.get(ref.number)
        if found is None:
            return Constant(ref.shape, number=ref.number)
        return found._replace(shape=ref.shape) if isinstance(found, Constant) else found

    def fresh(self, constant: Constant) -> int:
        """Count the parameters that a constant is made of and that nothing has read."""
        return sum(self.sizes[number] for number in constant.reads - self.charged)

    def cost(self, constants: list[Constant]) -> int:
        """Count the multiply-adds that making these takes, each call's for the first that needs it."""
        new = {place for one in constants for place in one.made} - self.paid
        self.paid |= new
        return sum(self.trace.records[place].macs for place in new)

    def charge(self, constants: list[Constant]) -> int:
        """Count the parameters that these are made of, each for the first that reads it."""
        new = frozenset().union(*(one.reads for one in constants)) - self.charged
        self.charged |= new
        return sum(self.sizes[number] for number in new)

    def run(self) -> Graph:
        """Follow every call, and return the graph."""
        for place, record in enumerate(self.trace.records):
            self.follow(record, place)
        for ref in self.trace.outputs:
            thing = self.thing(ref)
            if not isinstance(thing, Constant):
                self.graph.outputs.append(self.settled(self.valued(thing, ())))
        self.charge_rest()
        return self.graph

    def charge_rest(self) -> None:
        """Note the parameters that are read and that no node was charged with."""
        left = [self.trace.parameters[number] for number in self.sizes if number not in self.charged]
        if left and not self.graph.problems:
            names = ", ".join(name for name, _ in left[:3])
            self.graph.problem((), f"{people(sum(count for _, count in left))} parameters belong to no layer: {names}")

    def follow(self, record: Record, place: int, as_data: bool = False) -> None:
        """Compute what a call gives; what cannot be said becomes an opaque node and a problem."""
        if place in self.skipped:
            return
        call = Bound(self, record, place)
        if record.name.startswith("new_") or record.name.endswith("_like"):
            for ref in record.outs:
                self.known[ref.number] = Constant(ref.shape)
            return
        if not call.data and place not in self.rotary and not (as_data and record.macs):
            self.constant(call, place)
            return
        if not any(prod(ref.shape) for ref in record.outs):  # a slice of nothing
            for ref in record.outs:
                self.known[ref.number] = Constant(ref.shape)
            return
        name = "rotary" if place in self.rotary else plain(record.name)
        handler = HANDLERS.get(name, HANDLERS[""])
        graph = self.graph
        count, charged, paid, log = len(graph.nodes), set(self.charged), set(self.paid), len(self.before)
        try:
            given = handler(call)
            things = given if isinstance(given, list) else [given]
            if len(things) != len(record.outs):
                raise BneckError(f"`{name}` gives {len(record.outs)} tensors")
            for thing, ref in zip(things, record.outs, strict=True):
                if isinstance(thing, Value) and padded_shape(thing) != ref.shape:
                    raise BneckError(f"`{name}` gives {ref.shape}, where {padded_shape(thing)} was followed")
        except BneckError as error:
            self.forget(count)
            self.charged, self.paid = charged, paid
            while len(self.before) > log:
                number, was = self.before.pop()
                self.known.pop(number, None)
                if was is not None:
                    self.known[number] = was
            graph.problem(record.stack, error.message)
            things = self.unknown(call)
        for thing, ref in zip(things, record.outs, strict=True):
            self.known[ref.number] = thing

    def constant(self, call: Bound, place: int) -> None:
        """Keep what a call gives that no input reaches."""
        record = call.record
        reads = frozenset().union(*(one.reads for one in call.constants)) if call.constants else frozenset()
        macs = record.macs + sum(one.macs for one in call.constants)
        made = sorted({number for one in call.constants for number in one.made})
        if record.macs or made:
            made.append(place)
        for ref in record.outs:
            self.known[ref.number] = Constant(ref.shape, reads, macs, tuple(made), ref.number)

    def valued(self, thing: Thing, stack: tuple[Call, ...]) -> Value:
        """Return a tensor as data: what is learned is a source, and what multiplies for a constant is followed."""
        if isinstance(thing, Value):
            return self.picked(thing) if thing.pad else thing
        if isinstance(thing, Scores):
            found = scored(self, thing, stack)
            if thing.turned:
                found = found._replace(axes=(*found.axes[:-2], found.axes[-1], found.axes[-2]))
            axes = viewed(found.axes, thing.shape)
            if axes is None:
                raise BneckError(f"scores as a tensor of {thing.shape}")
            return found._replace(axes=axes)
        if not thing.made:
            return self.sourced(thing, stack)
        for place in thing.made:
            record = self.trace.records[place]
            if any(isinstance(self.known.get(ref.number), (Constant, type(None))) for ref in record.outs):
                self.before += [(ref.number, self.known.get(ref.number)) for ref in record.outs]
                self.follow(record, place, as_data=True)
                self.paid.add(place)
        made = self.known[thing.number]
        if isinstance(made, Constant):
            raise BneckError("a constant that is computed")
        return self.valued(made, stack)

    def sourced(self, constant: Constant, stack: tuple[Call, ...]) -> Value:
        """Add a constant as a tensor that is all weights, or as one that nothing learns."""
        params = self.charge([constant])
        axes = [axis for axis, size in enumerate(constant.shape) if size > 1] or [len(constant.shape) - 1]
        channels = axes[-1]
        spatial = grouped([[axis] for axis in axes[:-1]])
        sizes = [prod(constant.shape[axis] for axis in group) for group in ([channels], *spatial)]
        shape = Shape(sizes[0] if constant.shape else 1, tuple(sizes[1:]))
        if params in (0, prod(constant.shape)):
            node = self.graph.source(shape, params, stack)
        else:
            node = self.graph.free(self.graph.source(Shape(params), params, stack), "computed", 0, stack, shape)
        return Value(node, strided(constant.shape, [channels], spatial))

    def scores_of(self, node: int) -> int | None:
        """Return the scores that a tensor is made of, one step after the other; None if it is not."""
        for _ in range(FAR):
            found = self.graph.nodes[node]
            if found.kind == SCORES:
                return node
            if found.kind == SUM or not found.inputs:
                return None
            node = found.inputs[0]
        return None

    def becomes_scores(self, ref: Ref) -> bool:
        """Return whether a product is the scores of attention: a softmax follows before the next product."""
        left, seen = [ref.number], {ref.number}
        while left and len(seen) < FAR:
            for record in self.takers.get(left.pop(0), ()):
                name = plain(record.name)
                if name == "softmax":
                    return True
                weight = record.args[1] if name == "linear" and len(record.args) > 1 else None
                mixes = weight is None or (isinstance(weight, Ref) and max(weight.shape) <= MOST_HEADS)
                if name not in PRODUCTS and mixes:  # a linear layer of scores mixes heads
                    left += [one.number for one in record.outs if one.number not in seen]
                    seen |= {one.number for one in record.outs}
        return False

    def unknown(self, call: Bound) -> list[Thing]:
        """Make opaque nodes for what a call gives."""
        params = self.charge(call.constants)
        macs = call.record.macs + self.cost(call.constants)
        sources = list(dict.fromkeys(one.node if isinstance(one, Value) else one.queries.node for one in call.data))
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


def input_shape(shape: tuple[int, ...]) -> Shape:
    """Return our shape of an input: channels first, behind the batch."""
    return Shape(shape[1], shape[2:])


def guess_channels(shape: tuple[int, ...], values: list[Value]) -> int:
    """Say which axis of an unknown tensor holds channels: as in what it was made of, else the usual one."""
    for value in values:
        for axis, atoms in enumerate(value.axes):
            if len(value.axes) == len(shape) and dimensions(atoms) == {CHANNELS}:
                return axis
    return len(shape) - 1 if len(shape) == 3 else min(1, len(shape) - 1)


def lowered(trace: Trace, name: str) -> Graph:
    """Return the flat graph of a trace."""
    return Lowering(trace, name).run()
