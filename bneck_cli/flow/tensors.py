"""A network as a flow of tensors: who makes each one, who reads it, and what its positions see of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.network import Fork, Layer, Wire, entries
from bneck_cli.flow.receptive import UNKNOWN, WHOLE, Axis, Reach, here, joined, step_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Entry, Node

WEIGHTED = frozenset({"conv", "upconv", "linear"})
"""Layers whose channels that leave are a choice, whatever arrives."""
OUTPUT = -1
"""The reader of what leaves the network."""


class Tensor:
    """One tensor between layers.

    ``readers`` are indices into the flow's layers; ``onward`` are other names of the same values (what enters the next
    copy of a repeat); ``sources`` are the tensors that its channels come from, where no weight lies between.
    ``given`` says that its channels are the input's, not a choice.
    """

    __slots__ = ("given", "onward", "reach", "readers", "sources")

    def __init__(self, reach: Reach, given: bool, sources: tuple[Tensor, ...] = ()) -> None:
        self.reach = reach
        self.given = given
        self.readers: list[int] = []
        self.onward: list[Tensor] = []
        self.sources = list(sources)

    def again(self, reach: Reach) -> Tensor:
        """Give the same values another name, of which another stretch is seen."""
        other = Tensor(reach, self.given, (self,))
        self.onward.append(other)
        return other

    def all_readers(self) -> set[int]:
        """Collect the readers under every name."""
        found, names, seen = set(self.readers), list(self.onward), {id(self)}
        while names:
            tensor = names.pop()
            if id(tensor) not in seen:
                seen.add(id(tensor))
                found.update(tensor.readers)
                names += tensor.onward
        return found


class Box(NamedTuple):
    """One use of a block, in so many copies."""

    number: int
    copies: int


class Met(NamedTuple):
    """A layer as the walk met it: the tensors it reads and makes, the blocks around it, the innermost last."""

    entry: Entry
    reads: tuple[Tensor, ...]
    out: Tensor
    boxes: tuple[Box, ...]
    in_shortcut: bool

    @property
    def layer(self) -> Layer:
        """The layer itself."""
        return self.entry.layer


class Shortcut(NamedTuple):
    """The shortcut of a residual: the tensor that enters, and its layers, from ``first`` to before ``end``."""

    fork: Fork
    before: Tensor
    first: int
    end: int


class Flow(NamedTuple):
    """Every layer with what it reads; ``ends`` are the tensors whose channels leave the network as they are."""

    analysis: Analysis
    layers: tuple[Met, ...]
    shortcuts: tuple[Shortcut, ...]
    ends: frozenset[int]

    def running(self) -> Iterator[Met]:
        """Yield the layers that run at inference."""
        return (met for met in self.layers if not met.entry.idle)


class Around(NamedTuple):
    """What is around a node in the walk."""

    copies: int = 1
    boxes: tuple[Box, ...] = ()
    in_shortcut: bool = False


def follow(analysis: Analysis) -> Flow:
    """Follow the tensors through the network; folded copies are met once."""
    walk = _Walk(entries(analysis.root))
    wires = {name: Tensor(here(len(shape.spatial)), True) for name, shape in analysis.inputs.items()}
    last = walk.node(analysis.root, next(iter(wires.values())), wires, Around())
    program = analysis.program
    named = [wires[word.text] for word in program.spec.outputs if word.text in wires] if program.block is None else []
    for tensor in (last, *named):
        tensor.readers.append(OUTPUT)
    pending = [last, *named, *(met.out for met in walk.met if not met.out.all_readers())]
    ends: dict[int, Tensor] = {}
    while pending:
        tensor = pending.pop()
        if id(tensor) not in ends:
            ends[id(tensor)] = tensor
            pending += tensor.sources
    return Flow(analysis, tuple(walk.met), tuple(walk.shortcuts), frozenset(ends))


class _Walk:
    """A walk in execution order, which is the order of ``entries``."""

    def __init__(self, named: Iterator[Entry]) -> None:
        self.named = named
        self.met: list[Met] = []
        self.shortcuts: list[Shortcut] = []
        self.boxes = 0

    def node(self, node: Node, before: Tensor, wires: dict[str, Tensor], around: Around) -> Tensor:
        """Walk any node."""
        match node:
            case Layer():
                return self.layer(node, before, around)
            case Wire(kind="as"):
                wires[node.name] = before
                return before
            case Wire():
                return wires[node.name]
            case Fork():
                return self.fork(node, before, wires, around)
        if node.kind == "block":
            self.boxes += 1
            around = around._replace(boxes=(*around.boxes, Box(self.boxes, around.copies)))
            wires = {f"../{name}": tensor for name, tensor in wires.items()}
        for run in node.runs:
            if run.copies == 1:
                before = self.node(run.node, before, wires, around)
            else:
                before = self.copies(run.node, run.copies, before, wires, around)
        return before

    def copies(self, node: Node, count: int, before: Tensor, wires: dict[str, Tensor], around: Around) -> Tensor:
        """Walk copies in a row as the first, whose input is also what the copy before it gives."""
        entering = before.again(before.reach)
        inside = {name: tensor.again(UNKNOWN) for name, tensor in wires.items()}
        kept = set(inside)
        out = self.node(node, entering, inside, around._replace(copies=around.copies * count))
        out.onward.append(entering)
        entering.sources.append(out)
        for name in set(inside) - kept:
            wires[name] = inside[name].again(UNKNOWN)
        return out.again(_extended(entering.reach, out.reach, count))

    def layer(self, layer: Layer, before: Tensor, around: Around) -> Tensor:
        """Note one layer."""
        free = layer.op in WEIGHTED and layer.rule is not None
        given = layer.rule is None or (before.given and not free)
        out = Tensor(before.reach.then(step_of(layer)), given, () if free else (before,))
        return self.note(layer, (before,), out, around)

    def note(self, layer: Layer, reads: tuple[Tensor, ...], out: Tensor, around: Around) -> Tensor:
        """Record that a layer reads these tensors."""
        entry = next(self.named)
        assert entry.layer is layer
        for tensor in reads:
            tensor.readers.append(len(self.met))
        self.met.append(Met(entry, reads, out, around.boxes, around.in_shortcut))
        return out

    def fork(self, fork: Fork, before: Tensor, wires: dict[str, Tensor], around: Around) -> Tensor:
        """Walk branches, and the layer that joins them."""
        ends = []
        for index, branch in enumerate(fork.branches):
            first = len(self.met)
            is_shortcut = fork.kind == "residual" and index == 1
            inside = around._replace(in_shortcut=around.in_shortcut or is_shortcut)
            ends.append(self.node(branch, before, wires, inside))
            if is_shortcut:
                self.shortcuts.append(Shortcut(fork, before, first, len(self.met)))
        if fork.join is None:
            return before
        if fork.kind == "scale":
            ends.insert(0, before)
        reach = before.reach if fork.kind == "scale" else joined([end.reach for end in ends])
        agreeing = any if fork.join.op == "add" else all  # what is added has the same channels, given or not
        out = Tensor(reach, agreeing(end.given for end in ends), tuple(ends))
        return self.note(fork.join, tuple(ends), out, around)


def _extended(first: Reach, second: Reach, count: int) -> Reach:
    """Carry one copy's step on to ``count`` copies, which adds the same to either side each time."""
    if second.whole or not (first.known and second.known) or len(first.axes) != len(second.axes):
        return WHOLE if second.whole else UNKNOWN
    pairs = list(zip(first.axes, second.axes, strict=True))
    if any(one.jump != two.jump for one, two in pairs):
        return UNKNOWN
    return Reach(
        tuple(
            Axis(one.jump, one.low + count * (two.low - one.low), one.high + count * (two.high - one.high))
            for one, two in pairs
        )
    )
