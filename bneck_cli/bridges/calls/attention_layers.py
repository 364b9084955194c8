"""From the two products of attention to the layer, where the linear layers around them are the usual ones.

What is another attention stays as it is: queries, keys and values of whatever gives them, and what is done to scores.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.graph import ATTEND, FREE, INPUT, PART, SCORES, SOURCE, SUM, Graph, Node
from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from bneck_cli.bridges.graph import Call

PASSED = frozenset({"times_number", "normalize", "rotary", "learned_factor"})
"""Functions of queries and keys that are part of an attention."""
NORMS = frozenset({"ln", "rmsnorm"})
BIASES = ("qvo", "qkv", "o", "qv", "qko", "vo", "kvo")
"""Linear layers of an attention that may have a bias, where not all or none have one."""


def with_attention(graph: Graph) -> Graph:
    """Return the graph with each attention as one layer, where its linear layers are the usual ones."""
    readers = graph.readers()
    gone: set[int] = set()
    new: dict[int, Node] = {}
    for index, node in enumerate(graph.nodes):
        if node.kind == SUM and graph.nodes[node.inputs[0]].kind == SCORES:
            found = _Around(graph, readers, index).layer()
            if found is not None:
                removed, last, made = found
                gone |= removed
                new[last] = made
    return together(rebuilt(graph, gone, new))


class _Around:
    """What stands before and behind an attention's products."""

    def __init__(self, graph: Graph, readers: list[list[int]], index: int) -> None:
        self.nodes = graph.nodes
        self.name = graph.name
        self.readers = readers
        self.index = index
        self.scores = graph.nodes[index].inputs[0]
        self.removed = {index, self.scores}
        self.linear: list[int] = []
        self.norms: set[str] = set()
        self.rotary = False
        self.params = 0

    def layer(self) -> tuple[set[int], int, Node] | None:
        """Return the nodes that a layer replaces, the one that it stands for, and itself; None if it is another."""
        scores, nodes = self.nodes[self.scores], self.nodes
        if self.readers[self.scores] != [self.index]:
            return None
        if not all(self.before(part) for part in (*scores.inputs, nodes[self.index].inputs[1])):
            return None
        behind = self.single(self.index, ("dropout",))
        if behind is None or nodes[behind].kind != "linear":
            return None
        last = behind
        sources = {nodes[one].inputs[0] for one in self.linear}
        inside = self.removed | {last}
        if len(sources) != 1 or any(reader not in inside for one in self.removed for reader in self.readers[one]):
            return None
        source = sources.pop()
        shift = 0
        entry = nodes[source]
        if entry.kind == FREE and dict(entry.slots)["name"] == "roll" and set(self.readers[source]) == set(self.linear):
            rolled = self.single(last, ("dropout",))
            if rolled is None or dict(nodes[rolled].slots).get("name") != "roll":
                return None
            self.removed |= {source, last}
            shift, source, last = dict(entry.slots)["amount"], entry.inputs[0], rolled
        made = self.made(source, behind, shift)
        return None if made is None else (self.removed, last, made)

    def before(self, place: int) -> bool:
        """Walk back from queries, keys or values to the linear layer that gives them."""
        nodes = self.nodes
        while nodes[place].kind != "linear":
            node = nodes[place]
            name = str(dict(node.slots).get("name", ""))
            if node.kind in NORMS:
                self.norms.add(node.kind)
            elif node.kind == FREE:
                if name not in PASSED and name != "bias":
                    return False
                self.rotary = self.rotary or name == "rotary"
            elif node.kind not in (PART, "reshape", "transpose"):
                return False
            if place not in self.removed:
                self.params += node.params
            self.removed.add(place)
            place = node.inputs[0]
        if place not in self.removed:
            self.removed.add(place)
            self.linear.append(place)
        return True

    def single(self, index: int, passed: tuple[str, ...]) -> int | None:
        """Return the one node that reads another, behind those that change nothing."""
        behind = self.readers[index]
        while len(behind) == 1 and self.nodes[behind[0]].kind in passed:
            self.removed.add(behind[0])
            behind = self.readers[behind[0]]
        return behind[0] if len(behind) == 1 else None

    def made(self, source: int, last: int, shift: int) -> Node | None:
        """Make the layer, with the first options that give the figures of all that it replaces."""
        nodes = self.nodes
        scores = nodes[self.scores]
        slots, shape = dict(scores.slots), nodes[source].out
        linear = [nodes[one] for one in (*self.linear, last)]
        params = sum(one.params for one in linear) + scores.params + self.params
        macs = sum(one.macs for one in linear) + scores.macs + nodes[self.index].macs
        given: dict[str, Any] = {"heads": slots["heads"]}
        inner = number(nodes[scores.inputs[0]].out.channels)
        if inner != shape.channels:
            given["head_dim"] = inner // slots["heads"]
        if slots.get("over"):
            return None
        if "kv" in slots:
            given["kv"] = slots["kv"]
        if self.norms:
            given["qk_norm"] = min(self.norms)
        if self.rotary:
            given["position"] = "rotary"
        if "window" in slots or slots["position"]:
            side = isqrt(number(scores.out.spatial[-2]))
            given["window"] = side
            if "window" in slots and len(set(slots["window"])) > 1:
                given["window"] = slots["window"]
            given |= {"grid": slots.get("grid", False), "shift": shift}
            if slots["position"]:
                given["position"] = "continuous" if "continuous" in slots else "relative"
        made = Graph(self.name)
        made.nodes.append(Node(INPUT, (), (), shape))
        biases: list[dict[str, Any]] = [{}, {"nobias": True}, *({"bias": one} for one in BIASES)]
        for bias in biases:
            try:
                one = made.layer("attention", 0, given | bias, scores.stack, params, macs)
            except BneckError:
                continue
            return made.nodes[one]._replace(inputs=(source,), stack=_common(nodes[last].stack, scores.stack))
        return None


def _common(one: tuple[Call, ...], other: tuple[Call, ...]) -> tuple[Call, ...]:
    """Return the modules that two stacks begin with."""
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return one[:count]


def rebuilt(graph: Graph, gone: set[int], new: dict[int, Node]) -> Graph:
    """Return a graph without nodes that are gone, and with new ones in their place."""
    place: dict[int, int] = {}
    made = Graph(graph.name)
    made.problems, made.notes = graph.problems, graph.notes
    for index, node in enumerate(graph.nodes):
        if index in gone and index not in new:
            continue
        kept = new.get(index, node)
        place[index] = len(made.nodes)
        made.nodes.append(kept._replace(inputs=tuple(place[source] for source in kept.inputs)))
    made.outputs = [place[index] for index in graph.outputs]
    return made


def together(graph: Graph) -> Graph:
    """Return the graph with the two products of each attention, and what is between them, as one node."""
    readers = graph.readers()
    gone: set[int] = set()
    new: dict[int, Node] = {}
    for index, node in enumerate(graph.nodes):
        if node.kind == SUM:
            inside = _between(graph, index, readers)
            if "continuous" in dict(graph.nodes[inside[0]].slots if inside else ()):
                graph.problem(node.stack, "positions of scores that a small network computes")
            if inside is None or any(reader not in (*inside, index) for one in inside for reader in readers[one]):
                graph.problem(node.stack, "scores of attention that are read elsewhere")
                continue
            gone |= set(inside)
            new[index] = _whole(graph, inside, index)
    for index, node in enumerate(graph.nodes):
        if node.kind == SCORES and index not in gone:
            graph.problem(node.stack, "scores of attention that weigh nothing")
    return rebuilt(graph, gone, new)


def _between(graph: Graph, index: int, readers: list[list[int]]) -> list[int] | None:
    """Return the scores, and the nodes between them and their weighted sum, with tensors that are all weights."""
    found: set[int] = set()
    first = None
    left = [graph.nodes[index].inputs[0]]
    reached: dict[int, bool] = {}

    def from_scores(one: int, depth: int = 0) -> bool:
        """Return whether a node is made of the scores."""
        if one not in reached:
            node = graph.nodes[one]
            reached[one] = node.kind == SCORES or (
                depth < 60 and node.kind != SUM and any(from_scores(source, depth + 1) for source in node.inputs)
            )
        return reached[one]

    while left:
        one = left.pop()
        node = graph.nodes[one]
        if one in found or not (from_scores(one) or _is_constant(graph, one)):
            continue
        found.add(one)
        if node.kind == SCORES:
            if first not in (None, one):
                return None
            first = one
        else:
            left += node.inputs
    for one in sorted(found, reverse=True):  # a constant that others read as well comes from outside
        if not from_scores(one) and any(reader not in found and reader != index for reader in readers[one]):
            found.discard(one)
    return sorted(found, key=lambda one: (one != first, one)) if first is not None else None


def _is_constant(graph: Graph, index: int) -> bool:
    """Return whether a node is made of tensors that are all weights."""
    node = graph.nodes[index]
    if node.kind == SOURCE:
        return True
    return bool(node.inputs) and node.kind != INPUT and all(_is_constant(graph, source) for source in node.inputs)


def _whole(graph: Graph, inside: list[int], index: int) -> Node:
    """Make one node of the parts of an attention: it takes queries, keys, values, and what is joined with scores."""
    nodes = graph.nodes
    scores, last = nodes[inside[0]], nodes[index]
    inputs = [*scores.inputs, last.inputs[1]]
    place = {one: at for at, one in enumerate(inside)}
    parts = [scores._replace(inputs=(-1, -2))]
    for one in inside[1:]:
        taken = []
        for source in nodes[one].inputs:
            if source not in place and source not in inputs[3:]:
                inputs.append(source)
            taken.append(place[source] if source in place else -1 - inputs.index(source, 3))
        parts.append(nodes[one]._replace(inputs=tuple(taken)))
    parts.append(last._replace(inputs=(place[last.inputs[0]], -3)))
    params, macs = sum(one.params for one in parts), sum(one.macs for one in parts)
    return Node(ATTEND, scores.slots, tuple(inputs), last.out, params, macs, last.stack, tuple(parts))
