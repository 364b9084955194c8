"""From the flat graph to structures: steps in sequence, forks, and what must be said with names.

A node that nothing reads past is a cut. Between two cuts stands a step, or a fork whose branches share nothing; what is
neither is a knot, and is walked along with ``as`` and ``from``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.graph import ATTEND, INPUT, PART, Call, Graph, Node
from bneck_cli.bridges.names import unused
from bneck_cli.engine.layers import LAYERS
from bneck_cli.errors import BneckError
from bneck_cli.language.syntax import RESERVED, STRUCTURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bneck_cli.sizes.shape import Shape

Stack = tuple[Call, ...]


class Leaf(NamedTuple):
    """One layer, and its input shape."""

    node: Node
    into: Shape
    stack: Stack


class Fork(NamedTuple):
    """Branches from one tensor, joined: ``add``, ``mul``, ``concat``, ``matmul``, ``split``, ``scale`` (with a gate).

    Those of ``attend`` are queries, keys, values, and what is done to the scores.
    """

    kind: str
    branches: tuple[Items, ...]
    stack: Stack
    into: Shape
    out: Node


class Wire(NamedTuple):
    """``as NAME`` or ``from NAME``."""

    kind: str
    name: str
    stack: Stack


class Group(NamedTuple):
    """What one call of a module holds."""

    call: Call
    items: Items
    stack: Stack
    into: Shape
    out: Node


Item = Leaf | Fork | Wire | Group
Items = tuple["Item", ...]


def regions(graph: Graph) -> Items:
    """Return the structures of a graph, which keeps the names of its outputs where they are several.

    Raises BneckError for several inputs.
    """
    inputs = [index for index, node in enumerate(graph.nodes) if node.kind == INPUT]
    if len(inputs) != 1 or not graph.outputs:
        raise BneckError(
            f"{graph.name}: {len(inputs)} inputs and {len(graph.outputs)} outputs; a model must have one input"
        )
    cutter = _Cutter(graph)
    members = [index for index in range(len(graph.nodes)) if index != inputs[0]]
    leaving = list(dict.fromkeys(graph.outputs))
    if len(leaving) == 1:
        return cutter.cut(inputs[0], members)
    items = cutter.knot(inputs[0], members, leaving)
    graph.leaving = [cutter.given[index] for index in leaving]
    return items


def chained(graph: Graph) -> Graph:
    """Return the graph with each concatenation of what another has concatenated, and more, written behind that one."""
    made = graph.pruned()
    prefixes: dict[tuple[int, ...], int] = {}
    same: dict[int, int] = {}
    for index, node in enumerate(made.nodes):
        inputs = tuple(same.get(source, source) for source in node.inputs)
        if node.kind == "concat":
            whole = inputs
            if len(inputs) == 1:
                same[index] = inputs[0]
            elif len(inputs) > 2 and inputs[:-1] in prefixes:
                inputs = (prefixes[inputs[:-1]], inputs[-1])
            prefixes.setdefault(whole, index)
        made.nodes[index] = node._replace(inputs=inputs)
    made.outputs = [same.get(index, index) for index in made.outputs]
    return made.pruned()


class _Cutter:
    """The graph, who reads what, and the names given so far."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = graph.nodes
        self.readers = graph.readers()
        self.names: set[str] = {*LAYERS, *STRUCTURES, *RESERVED, "input", "channels", "width"}
        self.given: dict[int, str] = {}

    def cut(self, entry: int, members: Sequence[int]) -> Items:
        """Return what lies between an entry and the last of its members."""
        place = {index: at for at, index in enumerate(members)}
        items: list[Item] = []

        def furthest(index: int) -> int:
            return max((place[reader] for reader in self.readers[index] if reader in place), default=-1)

        far, start = furthest(entry), 0
        for at, index in enumerate(members):
            if far <= at:
                items += self.segment(entry, members[start : at + 1])
                entry, start = index, at + 1
                far = -1
            far = max(far, furthest(index))
        return tuple(items)

    def segment(self, entry: int, members: Sequence[int]) -> Items:
        """Return what lies between two cuts: a step, a fork, or a knot."""
        last = members[-1]
        node = self.nodes[last]
        if len(members) == 1 and not node.join:
            return (self.leaf(last, entry),)
        fork = self.fork(entry, last, set(members)) if node.join else None
        return (fork,) if fork else self.knot(entry, members)

    def leaf(self, index: int, at_hand: int) -> Leaf:
        """Return a layer as an item; one that takes nothing stands behind what is at hand."""
        node = self.nodes[index]
        if len(node.inputs) > 1:
            raise BneckError(f"{node.path}: {node.kind} of several tensors")
        into = self.nodes[node.inputs[0]].out if node.inputs else self.nodes[at_hand].out
        return Leaf(node, into, node.stack)

    def fork(self, entry: int, last: int, members: set[int]) -> Fork | None:
        """Return a join with its branches, where they share nothing but their beginning."""
        seen: set[int] = set()
        branches = []
        if self.nodes[last].kind == ATTEND and len(self.nodes[last].inputs) > 3:
            return None
        for source in self.nodes[last].inputs:
            branch = self.ancestors(source, entry, members)
            if branch & seen or (source != entry and source not in members):
                return None
            seen |= branch
            branches.append(sorted(branch))
        if seen | {last} != members or any(not self.closed(branch, last) for branch in branches):
            return None
        return self.joined(entry, last, [self.cut(entry, branch) for branch in branches])

    def closed(self, branch: Sequence[int], last: int) -> bool:
        """Return whether a branch is read by itself and the join alone."""
        inside = {*branch, last}
        return all(reader in inside for index in branch for reader in self.readers[index])

    def joined(self, entry: int, last: int, branches: list[Items]) -> Fork:
        """Make a fork of branches, as the language has it."""
        node = self.nodes[last]
        kind = node.kind
        into = self.nodes[entry].out
        if kind == ATTEND:
            branches = [*branches, self.changed(node, [])]
        sizes = self.slices(branches, number(into.channels)) if kind == "concat" and not node.slots else None
        if sizes is not None:
            kind, branches = "split", [branch[1:] for branch in branches]
            node = node._replace(slots=(("sizes", sizes),) if len(set(sizes)) > 1 else ())
        stacks = [item.stack for branch in branches for item in branch if not _moves(item)]
        if kind == "scale" and branches[0] and not branches[1]:
            branches.reverse()
        if kind == "scale" and branches[0]:
            kind = "mul"
        if kind == "concat" and len(branches) == 2 and not branches[0] and stacks:
            stack = _common(stacks)
        else:
            stack = _common([node.stack, *stacks])
        return Fork(kind, tuple(branches), stack, into, node)

    def changed(self, attention: Node, names: Sequence[str]) -> Items:
        """Return what is done to the scores of an attention; ``names`` are those of the tensors joined with them."""
        scores, *parts, _ = attention.parts
        graph = Graph("")
        graph.nodes.append(scores._replace(inputs=()))
        for name, index in zip(names, attention.inputs[3:], strict=True):
            graph.nodes.append(Node(INPUT, (("name", name),), (), self.nodes[index].out))
        count = len(graph.nodes)
        for part in parts:
            inputs = [-source - 3 if source < 0 else 0 if source == 0 else source - 1 + count for source in part.inputs]
            graph.nodes.append(part._replace(inputs=tuple(inputs)))
        if not parts:
            return ()
        cutter = _Cutter(graph)
        cutter.names = self.names
        return cutter.cut(0, range(count, len(graph.nodes)))

    def slices(self, branches: list[Items], cin: int) -> tuple[int, ...] | None:
        """Return the sizes of the slices that branches begin with, where they are all channels, in sequence."""
        start = 0
        sizes = []
        for branch in branches:
            first = branch[0] if branch else None
            if not isinstance(first, Leaf) or first.node.kind != PART:
                return None
            slots = dict(first.node.slots)
            if slots["start"] != start:
                return None
            start = slots["stop"]
            sizes.append(start - slots["start"])
        return tuple(sizes) if start == cin else None

    def ancestors(self, index: int, entry: int, members: set[int]) -> set[int]:
        """Return a node and those before it, down to an entry."""
        found: set[int] = set()
        left = [index]
        while left:
            one = left.pop()
            if one != entry and one in members and one not in found:
                found.add(one)
                left += self.nodes[one].inputs
        return found

    # Knots

    def knot(self, entry: int, members: Sequence[int], leaving: Sequence[int] = ()) -> Items:
        """Walk along a part whose branches cross, naming what is read elsewhere, or leaves."""
        pieces = self.folded(self.pieces(entry, members))
        order = self.order(entry, pieces)
        named: dict[int, str] = dict.fromkeys(leaving, "")
        at_hand = entry
        for piece in order:
            bare = self.nodes[piece.last].inputs[3:] if piece.items is None else ()
            for source in piece.sources:
                if source != at_hand or (self.nodes[piece.last].kind == ATTEND and source in bare):
                    named.setdefault(source, "")
            at_hand = piece.last
        for index in sorted(named):
            named[index] = self.given[index] = self.name(index)
        items: list[Item] = []
        at_hand = entry
        if entry in named and self.nodes[entry].kind != INPUT:
            items.append(Wire("as", named[entry], self.inner_stack(members)))
        for piece in order:
            items += self.walked(piece, at_hand, named)
            at_hand = piece.last
            if at_hand in named:
                items.append(Wire("as", named[at_hand], self.nodes[at_hand].stack))
        return tuple(items)

    def inner_stack(self, members: Sequence[int]) -> Stack:
        """Return the modules that all of these run in."""
        return _common([self.nodes[index].stack for index in members])

    def walked(self, piece: Piece, at_hand: int, named: dict[int, str]) -> list[Item]:
        """Return a piece, with what it takes by name."""
        stack = self.nodes[piece.last].stack
        if piece.items is not None:
            (source,) = piece.sources or (at_hand,)
            return [*([] if source == at_hand else [Wire("from", named[source], stack)]), *piece.items]
        node = self.nodes[piece.last]
        kind = node.kind
        branches: list[Items] = []
        for source in node.inputs[:3] if kind == ATTEND else node.inputs:
            behind = piece.branches.get(source)
            begin = source if behind is None else behind.sources[0]
            wire: Items = () if begin == at_hand else (Wire("from", named[begin], stack),)
            branches.append(wire if behind is None else (*wire, *(behind.items or ())))
        if kind == ATTEND:
            branches.append(self.changed(node, [named[source] for source in node.inputs[3:]]))
        if kind == "scale" and branches[0]:  # a gate is computed from what is at hand
            kind = "mul"
        return [Fork(kind, tuple(branches), stack, self.nodes[at_hand].out, node)]

    def pieces(self, entry: int, members: Sequence[int]) -> list[Piece]:
        """Contract the forks that close inside a knot, and the steps behind each other."""
        left = list(members)
        inside = set(members)
        made: list[Piece] = []
        taken: set[int] = set()
        for last in reversed(left):
            if last in taken:
                continue
            start, body = self.closed_region(entry, last, inside - taken, len(members))
            taken |= set(body)
            if len(body) == 1 and self.nodes[last].join:
                made.append(Piece(tuple(dict.fromkeys(self.nodes[last].inputs)), last, None))
            elif start < 0:
                made.append(Piece((), last, self.cut(entry, sorted(body))))
            else:
                made.append(Piece((start,), last, self.cut(start, sorted(body))))
        made.reverse()
        return made

    def folded(self, pieces: list[Piece]) -> list[Piece]:
        """Write a few layers that a join alone reads as a branch of it."""
        ends = {piece.last: piece for piece in pieces}
        gone: set[int] = set()
        found = []
        for piece in pieces:
            node = self.nodes[piece.last]
            held: dict[int, Piece] = {}
            if piece.items is None and node.kind != ATTEND:
                for source in node.inputs:
                    before = ends.get(source)
                    if before is not None and before.short and self.readers[source] == [piece.last]:
                        held[source] = before
            gone |= set(held)
            sources = [held[one].sources[0] if one in held else one for one in piece.sources]
            found.append(piece._replace(sources=tuple(dict.fromkeys(sources)), branches=held))
        return [piece for piece in found if piece.last not in gone]

    def closed_region(self, entry: int, last: int, inside: set[int], whole: int) -> tuple[int, list[int]]:
        """Return the largest part before a node, less than the whole, that itself alone reads, and where it starts."""
        inputs = set(self.nodes[last].inputs)
        best = (inputs.pop() if inputs else -1, [last]) if len(inputs) < 2 else (entry, [last])
        grown = {last}
        while True:
            edges = {source for index in grown for source in self.nodes[index].inputs} - grown
            if len(edges) < 2 and len(grown) < whole:
                best = (next(iter(edges), -1), sorted(grown))
            ready = [index for index in edges if index in inside and all(one in grown for one in self.readers[index])]
            if not ready or (len(edges) == 1 and len(self.readers[best[0]]) > 1 and best[0] not in inside):
                return best
            grown.add(max(ready))

    def order(self, entry: int, pieces: list[Piece]) -> list[Piece]:
        """Order pieces so that each goes on from the one before it, where it can."""
        done, left, found = {entry}, list(pieces), []
        done |= {index for index, node in enumerate(self.nodes) if node.kind == INPUT}
        at_hand = entry
        while left:
            ready = [piece for piece in left if all(source in done for source in piece.sources)]
            if not ready:
                raise BneckError("the graph has a cycle")
            piece = next((one for one in ready if at_hand in one.sources), ready[0])
            left.remove(piece)
            found.append(piece)
            at_hand = piece.last
            done.add(at_hand)
        return found

    def name(self, index: int) -> str:
        """Name a tensor after the module that gives it."""
        node = self.nodes[index]
        if node.kind == INPUT:
            return str(dict(node.slots)["name"])
        words = [word for word in node.path.split(".")[-2:] if word]
        base = "_".join(words).lower() or node.kind
        base = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in base)
        base = base if base[:1].isalpha() else f"t{base}"
        name = unused(base, self.names.__contains__)
        self.names.add(name)
        return name


BRANCH = 6
"""So many layers may be a branch of a join in a knot."""


class Piece(NamedTuple):
    """A part of a knot: the tensors that it takes, the node that it ends in, and its items; None for a bare join.

    ``branches`` are parts that the join alone reads, by the nodes that they end in.
    """

    sources: tuple[int, ...]
    last: int
    items: Items | None
    branches: dict[int, Piece] = {}  # noqa: RUF012  (never changed)

    @property
    def short(self) -> bool:
        """Whether it is a few layers, in sequence, from one tensor."""
        items = self.items
        plain = items is not None and all(isinstance(item, Leaf) for item in items)
        return plain and len(items or ()) <= BRANCH and len(self.sources) == 1


MOVES = frozenset({PART, "reshape", "transpose", "tokens", "flatten", "take", "slice"})


def _moves(item: Item) -> bool:
    """Tell whether an item only moves elements: it may have been left to a later module than the one that it is of."""
    return isinstance(item, Leaf) and item.node.kind in MOVES


def _common(stacks: Sequence[Stack]) -> Stack:
    """Return the modules that all stacks begin with."""
    first = stacks[0] if stacks else ()
    count = len(first)
    for other in stacks[1:]:
        same = 0
        for mine, theirs in zip(first[:count], other, strict=False):
            if mine != theirs:
                break
            same += 1
        count = same
    return first[:count]


# Modules


def grouped(items: Items, depth: int = 0) -> Items:
    """Gather what one call of a module holds, at every depth."""
    found: list[Item] = []
    start = 0
    while start < len(items):
        call = _call(items[start], depth)
        stop = start + 1
        while stop < len(items) and call is not None and _call(items[stop], depth) == call:
            stop += 1
        run = items[start:stop]
        if call is None:
            found.append(_inner(run[0], depth))
        else:
            before = next((at for at, item in enumerate(run) if not isinstance(item, Wire)), len(run))
            behind = next((at for at in range(len(run), before, -1) if not isinstance(run[at - 1], Wire)), before)
            found += run[:before]  # names are given and taken around a module
            if before < behind:
                inner = run[before:behind]
                stack = inner[0].stack[: depth + 1]
                found.append(Group(call, grouped(inner, depth + 1), stack, arriving(inner), leaving(inner)))
            found += run[behind:]
        start = stop
    return tuple(found)


def _call(item: Item, depth: int) -> Call | None:
    return item.stack[depth] if len(item.stack) > depth else None


def _inner(item: Item, depth: int) -> Item:
    if isinstance(item, Fork):
        return item._replace(branches=tuple(grouped(branch, depth) for branch in item.branches))
    return item


def arriving(items: Items) -> Shape:
    """Return the input shape of items."""
    return next(item.into for item in items if not isinstance(item, Wire))


def leaving(items: Items) -> Node:
    """Return the node that leaves items."""
    last = next(item for item in reversed(items) if not isinstance(item, Wire))
    return last.node if isinstance(last, Leaf) else last.out
