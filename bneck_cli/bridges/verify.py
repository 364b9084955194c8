"""Compare a spec with the graph of a model: totals, figures and shapes of every layer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.graph import FREE, INPUT, LEARNED, OPAQUE, PART, SOURCE, Graph, Node, written
from bneck_cli.engine.network import entries

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis


class Line(NamedTuple):
    """A layer or a join as both sides have it: its kind, the output of it, and its figures."""

    kind: str
    channels: int
    positions: int
    params: int
    macs: int
    path: str
    text: str

    @property
    def same(self) -> tuple[str, int, int, int, int]:
        """What is compared."""
        return self[:5]


class Difference(NamedTuple):
    """A layer of one side that the other has not: ``spec`` or ``model`` is None."""

    spec: Line | None
    model: Line | None


class Comparison(NamedTuple):
    """A spec and a model: their layers as far as they differ, and how many agree."""

    differences: tuple[Difference, ...]
    agreeing: int
    spec: tuple[int, int]
    """Parameters and multiply-adds."""
    model: tuple[int, int]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences and self.spec == self.model


def kind_of(node: Node) -> str:
    """Return the kind under which a node is compared."""
    return str(dict(node.slots)["name"]) if node.kind in (FREE, OPAQUE) else node.kind


def model_lines(graph: Graph) -> list[Line]:
    """List a graph's layers and joins; a range of channels is no operation."""
    found = []
    for node in (part for each in graph.nodes for part in each.parts or (each,)):
        if node.kind in (INPUT, PART, "slice"):
            continue
        shape = node.out
        if node.kind == LEARNED:
            held = dict(node.slots)
            sizes = number(shape.channels), number(shape.positions) if held["whole"] else 1
            found.append(Line("learned", *sizes, node.params, 0, node.path, "learned"))
            node = Node("add", (), node.inputs, shape, 0, 0, node.stack)  # noqa: PLW2901  (what is left of it)
        found.append(
            Line(
                kind=kind_of(node),
                channels=number(shape.channels),
                positions=number(shape.positions),
                params=node.params,
                macs=node.macs,
                path=node.path,
                text=written(node.kind, node.slots) if node.kind not in (FREE, OPAQUE, SOURCE) else kind_of(node),
            )
        )
    return found


def spec_lines(analysis: Analysis, names: dict[str, str]) -> list[Line]:
    """List an analysis's layers and joins; ``names`` are those of the operations behind a file's own ops."""
    found = []
    for entry in entries(analysis.root, folded=False):
        if entry.idle or entry.layer.op == "slice":  # a range of the input is no operation
            continue
        layer = entry.layer
        found.append(
            Line(
                kind="scale" if layer.op == "mul" else names.get(layer.op, layer.op),
                channels=number(layer.out.channels),
                positions=number(layer.out.positions),
                params=number(layer.cost.params),
                macs=number(layer.cost.macs),
                path=entry.path,
                text=layer.text,
            )
        )
    return found


def compare(analysis: Analysis, graph: Graph, names: dict[str, str] | None = None) -> Comparison:
    """Compare every layer and join, as they come; those that only one side has are told with their neighbours."""
    mine, theirs = spec_lines(analysis, names or {}), model_lines(graph)
    spec = number(analysis.cost.inference_params), number(analysis.cost.macs)
    model = sum(line.params for line in theirs), sum(line.macs for line in theirs)
    if Counter(line.same for line in mine) == Counter(line.same for line in theirs):
        return Comparison((), len(theirs), spec, model)
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(None, [line.same for line in mine], [line.same for line in theirs], autojunk=False)
    differences, agreeing = [], 0
    for _, a, b, c, d in matcher.get_opcodes():
        if mine[a:b] and [line.same for line in mine[a:b]] == [line.same for line in theirs[c:d]]:
            agreeing += b - a
            continue
        for place in range(max(b - a, d - c)):
            left = mine[a + place] if place < b - a else None
            right = theirs[c + place] if place < d - c else None
            differences.append(Difference(left, right))
    return Comparison(tuple(differences), agreeing, spec, model)
