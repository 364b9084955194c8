"""One list of operations: what an analysed network does with tensors, each of which is a number.

The tree of a network is for people; whoever follows tensors (depth, receptive fields, liveness, results that nobody
reads) follows these lists. Names of tensors are resolved here and nowhere else.

A part of the tree has a list of its own, relative to the part: -1 is the input tensor, -2, -3 and so on are
those that it takes by name from outside, and results are numbered from 0 in execution order. A list of tensors that
holds the results and then the inputs backwards is therefore indexed by any of these numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from bneck_cli.engine.layers.products import Sums
from bneck_cli.engine.network import Fork, Layer, Series, Wire
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Node

T = TypeVar("T")
ARRIVES = -1
"""The input tensor of a part."""
FUSED = ("·queries", "·keys")
"""The names under which scores that are not written hand on what they would be made of."""
OUTER = "../"
"""What a block puts before the name of a tensor of its caller."""


class Operation(NamedTuple):
    """A layer (``part`` is None) or a part, in so many copies in sequence.

    ``inputs`` are the tensors that it takes: the input, then others. A later copy takes what the one before it gave
    for the input and for the tensors whose names it gives again, and the same others. Results are numbered from
    ``first``: the output, then the tensors that a part names, of the last copy.
    """

    node: Layer | Series | Fork
    part: Part | None
    copies: int
    inputs: tuple[int, ...]
    first: int

    @property
    def results(self) -> range:
        """The numbers of the tensors that it gives."""
        return range(self.first, self.first + 1 + (len(self.part.given) if self.part else 0))

    @property
    def carried(self) -> dict[int, int]:
        """Which inputs of a later copy are which results of the one before it, by position."""
        return self.part.carried if self.part else {0: 0}

    def onward(self, inputs: Sequence[T], results: Sequence[T]) -> list[T]:
        """Return what the next copy takes, from what this one took and gave."""
        carried = self.carried
        return [results[carried[at]] if at in carried else one for at, one in enumerate(inputs)]


class Part(NamedTuple):
    """The operations of a series or a fork, in execution order.

    ``inputs`` are the shapes of the input and of the tensors that are ``taken`` by name from outside. ``outs`` are
    the numbers of the output and of the tensors that are ``given`` a name that holds outside. A part that the tree
    shares is shared.
    """

    node: Series | Fork
    inputs: tuple[Shape, ...]
    taken: tuple[str, ...]
    operations: tuple[Operation, ...]
    outs: tuple[int, ...]
    given: tuple[str, ...]
    results: int
    """How many tensors its operations give."""

    @property
    def idle(self) -> bool:
        """Whether it does not run at inference."""
        return isinstance(self.node, Fork) and self.node.kind == "aside"

    @property
    def carried(self) -> dict[int, int]:
        """What a copy hands to the next: the output of it, and the tensors whose names it takes and gives again."""
        given = {name: at for at, name in enumerate(self.given, 1)}
        return {0: 0} | {at: given[name] for at, name in enumerate(self.taken, 1) if name in given}


def operations(analysis: Analysis, attention: str = "plain") -> Part:
    """List what a network does; its first input arrives, and others are taken by name.

    Where ``attention`` is ``fused``, or ``usual`` and fused by PyTorch, scores are not written: what is, is a sum for
    each row, and the weighted sum takes queries and keys as well.
    """
    scope = _Scope(_Listing(attention), analysis.root)
    first, *others = analysis.inputs
    scope.names[first] = ARRIVES
    for name in others:
        scope.named(name, analysis.inputs[name])
    return scope.closed(analysis.root, scope.inside(analysis.root))


def network_outputs(analysis: Analysis, part: Part) -> tuple[int, ...]:
    """Return the output tensors of a network: those that its spec names, else the output of its last layer."""
    program = analysis.program
    if not program.spec.outputs or program.block is not None:
        return part.outs if _gives_several(part.node) else part.outs[:1]
    numbers = {next(iter(analysis.inputs)): ARRIVES}
    numbers |= {name: ~index for index, name in enumerate(part.taken, 1)}
    numbers |= zip(part.given, part.outs[1:], strict=True)
    return tuple(numbers[name] for name in analysis.outputs)


def _gives_several(node: Series | Fork) -> bool:
    return isinstance(node, Series) and bool(node.outputs)


class _Listing:
    """The parts listed so far, each by the identity of its node."""

    def __init__(self, attention: str) -> None:
        self.attention = attention
        self.known: dict[int, Part] = {}

    def part(self, node: Series | Fork) -> Part:
        """List a part once, however often it is used."""
        if id(node) not in self.known:
            scope = _Scope(self, node)
            self.known[id(node)] = scope.closed(node, scope.inside(node))
        return self.known[id(node)]


class _Scope:
    """A part while it is listed: the tensors in reach by name, and those that were taken from outside."""

    def __init__(self, listing: _Listing, node: Series | Fork) -> None:
        self.listing = listing
        self.inputs = [node.shape]
        self.taken: list[str] = []
        self.names: dict[str, int] = {}
        self.given: dict[str, int] = {}
        self.operations: list[Operation] = []
        self.count = 0

    def closed(self, node: Series | Fork, out: int) -> Part:
        """Return the part when all is listed; the names in a block are its own, and it gives its outputs."""
        given = self.given
        if isinstance(node, Series) and node.kind == "block":
            out, *others = [self.named(wire.name, wire.out) for wire in node.outputs] or [out]
            given = {str(index): number for index, number in enumerate(others, 1)}
        return Part(
            node=node,
            inputs=tuple(self.inputs),
            taken=tuple(self.taken),
            operations=tuple(self.operations),
            outs=(out, *given.values()),
            given=tuple(given),
            results=self.count,
        )

    def inside(self, node: Series | Fork) -> int:
        """List what a node holds; return the output tensor of it."""
        if isinstance(node, Series):
            tensor = ARRIVES
            for run in node.runs:
                tensor = self.node(run.node, run.copies, tensor)
            return tensor
        ends = [ARRIVES] if node.kind == "scale" else []
        ends += [self.node(branch, 1, ARRIVES) for branch in node.branches]
        if node.join is None:
            return ARRIVES
        join = node.join
        if node.kind == "scores" and join.rule.fuses(self.listing.attention):
            join = join._replace(rule=Sums(), out=Shape(join.out.channels, join.out.spatial[:-1]))
            self.given |= zip(FUSED, ends, strict=True)
        elif node.kind == "attend" and FUSED[0] in self.given:
            ends += [self.given.pop(name) for name in FUSED]
            scores = cast("Fork", node.branches[0])
            queries, keys = cast("Layer", scores.join).inputs
            sums = Shape(scores.out.channels, scores.out.spatial[:-1])
            join = join._replace(rule=join.rule.fused_one(), inputs=(sums, *join.inputs[1:], queries, keys))
        return self.operation(join, None, 1, ends)

    def node(self, node: Node, copies: int, tensor: int) -> int:
        """List copies of a node to which a tensor arrives; return the output of the last copy."""
        if isinstance(node, Wire):
            if node.kind == "from":
                return self.named(node.name, node.out)
            for name in (node.name, node.copy) if node.copy else (node.name,):
                self.names[name] = self.given[name] = tensor + (node.result or 0)
            return tensor
        if isinstance(node, Layer):
            return self.operation(node, None, copies, (tensor,))
        part = self.listing.part(node)
        block = isinstance(node, Series) and node.kind == "block"
        taken = [name.removeprefix(OUTER) if block else name for name in part.taken]
        inputs = [tensor, *map(self.named, taken, part.inputs[1:])]
        out = self.operation(node, part, copies, inputs)
        for number, name in enumerate(() if block else part.given, out + 1):
            self.names[name] = self.given[name] = number
        return out

    def named(self, name: str, shape: Shape) -> int:
        """Return the tensor of a name; one that nothing here gave comes from outside."""
        if name not in self.names:
            self.inputs.append(shape)
            self.taken.append(name)
            self.names[name] = -len(self.inputs)
        return self.names[name]

    def operation(self, node: Layer | Series | Fork, part: Part | None, copies: int, inputs: Iterable[int]) -> int:
        """Add an operation; return its first result."""
        done = Operation(node, part, copies, tuple(inputs), self.count)
        self.operations.append(done)
        self.count = done.results.stop
        return done.first
