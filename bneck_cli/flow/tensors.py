"""A network as a flow of tensors: who makes each one, who reads it, and what its positions see of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from bneck_cli.engine.layers.reach import Reach
from bneck_cli.engine.network import JOINS, Fork, Layer, Series, Wire, entries
from bneck_cli.engine.operations import network_outputs
from bneck_cli.flow.follow import Follow
from bneck_cli.flow.receptive import Sight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Entry
    from bneck_cli.engine.operations import Operation, Part

Seen = tuple[Reach, ...]
"""What each tensor that a layer reads sees."""
OUTPUT = -1
"""The reader of the output of the network."""


class Tensor:
    """One tensor between layers.

    ``readers`` are indices into the flow's layers; ``onward`` are other names of the same values (the input of the next
    copy of a repeat); ``sources`` are the tensors that its channels come from, where no weight lies between.
    ``given`` says that its channels are the input's, not a choice.
    """

    __slots__ = ("given", "onward", "readers", "sources")

    def __init__(self, given: bool, sources: tuple[Tensor, ...] = ()) -> None:
        self.given = given
        self.readers: list[int] = []
        self.onward: list[Tensor] = []
        self.sources = list(sources)

    def again(self) -> Tensor:
        """Return another name of the same values, which may become those of others too."""
        other = Tensor(self.given, (self,))
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
    """A layer as the walk met it: the tensors it reads, and what each sees; the one it makes; the blocks around it.

    ``seen`` is what the first copy and the last see, of a layer that joins tensors.
    """

    entry: Entry
    reads: tuple[Tensor, ...]
    seen: tuple[Seen, Seen]
    out: Tensor
    boxes: tuple[Box, ...]
    in_shortcut: bool

    @property
    def layer(self) -> Layer:
        """The layer itself."""
        return self.entry.layer


class Shortcut(NamedTuple):
    """The shortcut of a residual: the input tensor, and its layers, from ``first`` to before ``end``."""

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
    sight: Follow[Reach]

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
    sight = Follow(analysis, Sight())
    part = sight.part
    first, last = _seen(sight, last=False), _seen(sight, last=True)
    pairs = zip(first, last, strict=True) if _repeats(part, set()) else ((seen, seen) for seen in first)
    walk = _Walk(zip(entries(analysis.root), pairs, strict=True))
    tensors = walk.part(part, [Tensor(given=True) for _ in part.inputs], Around())
    outputs = [tensors[number] for number in network_outputs(analysis, part)]
    for tensor in outputs:
        tensor.readers.append(OUTPUT)
    pending = [*outputs, *(met.out for met in walk.met if not met.out.all_readers())]
    ends: dict[int, Tensor] = {}
    while pending:
        tensor = pending.pop()
        if id(tensor) not in ends:
            ends[id(tensor)] = tensor
            pending += tensor.sources
    return Flow(analysis, tuple(walk.met), tuple(walk.shortcuts), frozenset(ends), sight)


def _seen(sight: Follow[Reach], last: bool) -> Iterator[Seen]:
    """Yield what each layer that joins tensors sees of each, and nothing of others."""
    for visit in sight.visits(last=last):
        if isinstance(visit.child.node, Layer):
            yield tuple(visit.entering) if len(visit.entering) > 1 else ()


def _repeats(part: Part, known: set[int]) -> bool:
    """Return whether a part holds copies of anything."""
    known.add(id(part))
    return any(
        operation.copies > 1
        or (operation.part is not None and id(operation.part) not in known and _repeats(operation.part, known))
        for operation in part.operations
    )


class _Walk:
    """A walk in execution order, which is that of ``entries``."""

    def __init__(self, named: Iterator[tuple[Entry, tuple[Seen, Seen]]]) -> None:
        self.named = named
        self.met: list[Met] = []
        self.shortcuts: list[Shortcut] = []
        self.boxes = 0

    def part(self, part: Part, inputs: list[Tensor], around: Around) -> list[Tensor]:
        """Walk a part; return its tensors, the results first and then the inputs backwards."""
        if isinstance(part.node, Series) and part.node.kind == "block":
            self.boxes += 1
            around = around._replace(boxes=(*around.boxes, Box(self.boxes, around.copies)))
        tensors = [inputs[0]] * part.results + inputs[::-1]
        for operation in part.operations:
            first = len(self.met)
            reads = [tensors[number] for number in operation.inputs]
            beside = isinstance(part.node, Fork) and operation is _side(part, part.node)
            inside = around._replace(in_shortcut=True) if beside else around
            tensors[operation.first : operation.results.stop] = self.copies(operation, reads, inside)
            if beside and isinstance(part.node, Fork):
                self.shortcuts.append(Shortcut(part.node, inputs[0], first, len(self.met)))
        return tensors

    def copies(self, operation: Operation, reads: list[Tensor], around: Around) -> list[Tensor]:
        """Walk copies in a row as the first, whose input is also what the copy before it gives."""
        if operation.copies == 1:
            return self.once(operation, reads, around)
        entering = {at: reads[at].again() for at in operation.carried}
        around = around._replace(copies=around.copies * operation.copies)
        results = self.once(operation, [entering.get(at, tensor) for at, tensor in enumerate(reads)], around)
        for at, result in operation.carried.items():
            results[result].onward.append(entering[at])
            entering[at].sources.append(results[result])
        return results

    def once(self, operation: Operation, reads: list[Tensor], around: Around) -> list[Tensor]:
        """Walk one copy; note a layer with what it reads."""
        part, layer = operation.part, operation.node
        if part is not None:
            tensors = self.part(part, reads, around)
            return [tensors[number] for number in part.outs]
        entry, seen = next(self.named)
        layer = cast("Layer", layer)  # an operation without a part
        if layer.rule is None and layer.op in JOINS:  # what is added has the same channels, given or not
            out = Tensor((any if layer.op == "add" else all)(tensor.given for tensor in reads), tuple(reads))
        else:
            free = layer.rule is not None and layer.rule.chooses
            out = Tensor(layer.rule is None or (reads[0].given and not free), () if free else tuple(reads))
        if layer.is_source:
            out, reads = Tensor(False), []
        for tensor in reads:
            tensor.readers.append(len(self.met))
        self.met.append(Met(entry, tuple(reads), seen, out, around.boxes, around.in_shortcut))
        return [out]


def _side(part: Part, fork: Fork) -> Operation | None:
    """Return a residual's shortcut, where it is more than the name of a tensor."""
    return part.operations[-2] if fork.kind == "residual" and not isinstance(fork.branches[1], Wire) else None
