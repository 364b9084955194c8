"""The flat graph that every reader makes: layers and joins of the language, in the order in which they run.

A node's figures are counted twice, by the language's layer and by whoever gave the model; where they differ the graph
keeps a problem, and the node as an operation of which nothing but its numbers is known.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.calls.layout import number
from bneck_cli.engine.layers import LAYERS, LayerError, make
from bneck_cli.errors import BneckError, listed
from bneck_cli.sizes.shape import Shape
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SCORES, SUM = "scores", "weighted_sum"
"""The two products of attention: what weighs, and what is weighed."""
ATTEND = "attend"
"""Attention as one node: ``parts`` are its scores, what is done to them, and its weighted sum."""
JOINS = ("add", "concat", "scale", "matmul", ATTEND)
INPUT = "input"
OPAQUE = "opaque"
"""A node of which only its shape and its figures are known."""
FREE = "free"
"""A function of each element that the language has no name for: ``slots`` say what to call it."""
LEARNED = "learned_add"
"""The sum with a tensor that is learned: of every element where ``whole``, else of every channel."""
SOURCE = "learned"
"""A tensor that is all weights, and takes nothing; ``frozen`` it is none."""
PART = "part"
"""A range of the input channels: ``slots`` are its first channel and the one behind its last."""
MOST_NODES = 20_000


class Sides(tuple[int, ...]):
    """Numbers before and behind each axis, which are written in parentheses."""

    __slots__ = ()


class Call(NamedTuple):
    """A module while it runs: where it is kept, its class, and which of its calls this is."""

    path: str
    name: str
    number: int = 0

    @property
    def word(self) -> str:
        """The last word of its path."""
        return self.path.rpartition(".")[2]


class Node(NamedTuple):
    """A layer or a join. ``slots`` are a layer's arguments and options that are not its defaults, by name."""

    kind: str
    slots: tuple[tuple[str, Any], ...]
    inputs: tuple[int, ...]
    out: Shape
    params: int = 0
    macs: int = 0
    stack: tuple[Call, ...] = ()
    parts: tuple[Node, ...] = ()
    """Of attention, the nodes that it is made of: their inputs are each other, from 0, or its own, from -1 down."""

    @property
    def join(self) -> bool:
        """Whether it joins tensors."""
        return self.kind in JOINS

    @property
    def path(self) -> str:
        """The module that it runs in, for messages."""
        return self.stack[-1].path if self.stack else ""


class Problem(NamedTuple):
    """What the language cannot say: where it is, in which class, and what differs."""

    path: str
    name: str
    message: str


class Graph:
    """Nodes in execution order. The inputs come first; ``outputs`` are the output."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[Node] = []
        self.outputs: list[int] = []
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.leaving: list[str] = []
        """The names of the outputs in the spec, where they are several."""

    def input(self, shape: Shape, name: str = "input") -> int:
        """Add an input."""
        return self._put(Node(INPUT, (("name", name),), (), shape))

    def shape(self, index: int) -> Shape:
        """Return the output shape of a node."""
        return self.nodes[index].out

    def layer(
        self,
        kind: str,
        source: int,
        slots: dict[str, Any] | None = None,
        stack: tuple[Call, ...] = (),
        params: int | None = None,
        macs: int | None = None,
        out: Shape | None = None,
        share: str = "",
    ) -> int:
        """Add a layer of the language; ``params``, ``macs`` and ``out`` are what the model's own framework says.

        One that has a name to ``share`` has the weights of the one before it with that name, and none of its own.

        Raises BneckError for arguments that the language refuses, and for figures that differ.
        """
        given = {name: value for name, value in (slots or {}).items() if value is not None}
        shape = self.shape(source)
        try:
            plain = {name: tuple(value) if isinstance(value, Sides) else value for name, value in given.items()}
            rule = make(kind, [], plain)
            leaves = rule.out_shape(shape)
            if min(map(number, leaves.spatial), default=1) < 1:
                raise LayerError(f"{shape} is too small: the result would be {leaves}")
            mine = 0 if share else number(rule.params(shape)), number(rule.macs(shape, leaves))
        except LayerError as error:
            raise BneckError(f"{kind}: {error}") from None
        fields = {field.name: field.default for field in LAYERS[kind].fields}
        kept = tuple((name, given[name]) for name in fields if name in given and given[name] != fields[name])
        kept += (("share", share),) if share else ()
        text = written(kind, kept)
        if out is not None and _flat(out) != _flat(leaves):
            raise BneckError(f"returns {out}, but `{text}` returns {leaves}")
        for what, theirs, ours in (("parameters", params, mine[0]), ("multiply-adds", macs, mine[1])):
            if theirs is not None and theirs != ours:
                raise BneckError(f"{people(theirs)} {what}, but `{text}` has {people(ours)}")
        return self._put(Node(kind, kept, (source,), leaves, *mine, stack))

    def join(self, kind: str, sources: Sequence[int], stack: tuple[Call, ...] = (), along: str = "") -> int:
        """Add a join of tensors that fit; the first of a sum or a product is as large as the output."""
        shapes = [self.shape(source) for source in sources]
        first = shapes[0]
        slots: tuple[tuple[str, Any], ...] = ()
        if kind == "concat" and along:
            if len({shape.channels for shape in shapes}) > 1 or any(len(shape.spatial) != 1 for shape in shapes):
                raise BneckError(f"cannot concatenate {listed(map(str, shapes), 'and')} along positions")
            first = Shape(first.channels, (sum(number(shape.positions) for shape in shapes),))
            slots = (("along", along),)
        elif kind == "concat":
            if len({shape.spatial for shape in shapes}) > 1:
                raise BneckError(f"cannot concatenate {listed(map(str, shapes), 'and')}")
            first = Shape(sum(number(shape.channels) for shape in shapes), first.spatial)
        elif kind == "add" and any(shape != first and not _everywhere(shape, first) for shape in shapes):
            raise BneckError(f"cannot add {listed(map(str, shapes), 'and')}")
        return self._put(Node(kind, slots, tuple(sources), first, 0, 0, stack))

    def shared(self, index: int, name: str) -> str:
        """Let a layer share its weights under a name, or the one that it shares them under already; return it."""
        node = self.nodes[index]
        found = dict(node.slots).get("share")
        if found is None:
            self.nodes[index] = node._replace(slots=(*node.slots, ("share", name)))
        return str(found or name)

    def product(self, left: int, right: int, heads: int, macs: int, stack: tuple[Call, ...] = ()) -> int:
        """Add the product of C×L and C×M over their channels, in each head apart: heads·M×L."""
        one, other = self.shape(left), self.shape(right)
        out = Shape(heads * number(other.positions), one.spatial)
        mine = number(one.channels) // heads * number(out.elements)
        if one.channels != other.channels or mine != macs:
            raise BneckError(f"{people(macs)} multiply-adds, where `matmul` of {one} and {other} has {people(mine)}")
        slots = (("heads", heads),) if heads > 1 else ()
        return self._put(Node("matmul", slots, (left, right), out, 0, macs, stack))

    def part(self, source: int, start: int, stop: int, stack: tuple[Call, ...] = ()) -> int:
        """Add a range of the channels."""
        shape = Shape(stop - start, self.shape(source).spatial)
        return self._put(Node(PART, (("start", start), ("stop", stop)), (source,), shape, 0, 0, stack))

    def free(
        self, source: int, name: str, params: int = 0, stack: tuple[Call, ...] = (), out: Shape | None = None
    ) -> int:
        """Add a function without products that the language has no name for, with what it learns."""
        slots = (("name", name), ("params", params), ("into", self.shape(source)))
        return self._put(Node(FREE, slots, (source,), out or self.shape(source), params, 0, stack))

    def rolled(self, source: int, amount: int, stack: tuple[Call, ...] = ()) -> int:
        """Add a map moved round its edges."""
        slots = (("name", "roll"), ("params", 0), ("into", self.shape(source)), ("amount", abs(amount)))
        return self._put(Node(FREE, slots, (source,), self.shape(source), 0, 0, stack))

    def source(self, shape: Shape, params: int, stack: tuple[Call, ...] = ()) -> int:
        """Add a tensor that is all weights; without parameters it is what nothing learns."""
        if params not in (0, shape.elements):
            elements = people(number(shape.elements))
            raise BneckError(f"{people(params)} parameters, but a tensor of {shape} has {elements}")
        slots = (("shape", (number(shape.channels), *map(number, shape.spatial))), ("frozen", not params))
        return self._put(Node(SOURCE, slots, (), shape, params, 0, stack))

    def node(self, node: Node) -> int:
        """Add a node that is made already."""
        return self._put(node)

    def learned(self, source: int, whole: bool, params: int, stack: tuple[Call, ...] = ()) -> int:
        """Add the sum with a learned tensor: as large as the input, or a number for each channel."""
        shape = self.shape(source)
        wanted = shape.elements if whole else shape.channels
        if params != wanted:
            raise BneckError(f"{people(params)} parameters, but a learned sum has {people(wanted)}")
        return self._put(Node(LEARNED, (("whole", whole),), (source,), shape, params, 0, stack))

    def opaque(
        self, sources: Sequence[int], name: str, out: Shape, params: int, macs: int, stack: tuple[Call, ...] = ()
    ) -> int:
        """Add what is known by its numbers alone."""
        slots = (("name", name), ("out", (number(out.channels), *map(number, out.spatial))))
        return self._put(Node(OPAQUE, slots, tuple(sources), out, params, macs, stack))

    def problem(self, stack: Sequence[Call], message: str) -> None:
        """Keep what the language cannot say."""
        last = stack[-1] if stack else Call("", "")
        self.problems.append(Problem(last.path, last.name, message))

    def _put(self, node: Node) -> int:
        if len(self.nodes) >= MOST_NODES:
            raise BneckError(f"{self.name}: more than {people(MOST_NODES)} layers and joins")
        self.nodes.append(node)
        return len(self.nodes) - 1

    def readers(self) -> list[list[int]]:
        """Return for each node those that read it."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for index, node in enumerate(self.nodes):
            for source in node.inputs:
                found[source].append(index)
        return found

    def pruned(self) -> Graph:
        """Return the graph without what no output needs."""
        needed = set(self.outputs)
        for index in range(len(self.nodes) - 1, -1, -1):
            if index in needed:
                needed.update(self.nodes[index].inputs)
        kept = [index for index, node in enumerate(self.nodes) if index in needed or node.kind == INPUT]
        place = {old: new for new, old in enumerate(kept)}
        graph = Graph(self.name)
        graph.problems, graph.notes = self.problems, self.notes
        for index in kept:
            node = self.nodes[index]
            graph.nodes.append(node._replace(inputs=tuple(place[source] for source in node.inputs)))
        graph.outputs = [place[index] for index in self.outputs]
        return graph


def written(kind: str, slots: Iterable[tuple[str, Any]]) -> str:
    """Write a layer as a step of a spec."""
    fields = {field.name: field for field in LAYERS[kind].fields} if kind in LAYERS else {}
    words = [kind]
    for name, value in slots:
        field = fields.get(name)
        if field is not None and field.positional:
            words.append(spelled(value))
        elif field is not None and field.is_flag:
            words.append(name if value else f"{name}=false")
        else:
            words.append(f"{name}={spelled(value)}")
    return " ".join(words)


def spelled(value: Any) -> str:
    """Write a value of a slot: sizes by axis as ``3x3``, the four sides of padding in parentheses."""
    if isinstance(value, Sides):
        return f"({','.join(map(str, value))})"
    if isinstance(value, tuple):
        return f"({','.join(map(str, value))})" if len(value) == 4 else "x".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _everywhere(shape: Shape, whole: Shape) -> bool:
    """Return whether a tensor is the same at every position of another."""
    return shape.channels == whole.channels and shape.positions == 1 and len(shape.spatial) in (0, len(whole.spatial))


def _flat(shape: Shape) -> tuple[int, int]:
    """Return the channels and positions, which no view changes."""
    return number(shape.channels), prod(map(number, shape.spatial))
