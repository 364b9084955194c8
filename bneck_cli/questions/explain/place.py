"""The subject of an explanation: the part at a path, its copies, and the way of the map to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.network import JOINS, Entry, Layer, Series, at_path, children, entries, first_copy, inner
from bneck_cli.flow.follow import Follow
from bneck_cli.questions.explain.facts import LayerFacts, arriving, facts_of, taken

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Node
    from bneck_cli.sizes.shape import Shape

LONGEST = 64
"""Layers of which a map's way may consist, to be told."""


class Subject(NamedTuple):
    """What is explained: a node, and the path at which it stands (none for all of a block).

    ``stage`` is the repeat whose first copy it is, where a stage was asked for.
    """

    node: Node
    path: str
    layers: tuple[LayerFacts, ...]
    stage: Series | None
    stage_path: str

    @property
    def running(self) -> list[LayerFacts]:
        """The layers that run, in execution order."""
        return [each for each in self.layers if not each.idle]

    @property
    def body(self) -> list[LayerFacts]:
        """The layers that run and are in no shortcut, no gate."""
        beside = {"shortcut", "gate", "aside"}
        skip = len(self.path.split(".")) if self.path and isinstance(self.node, Layer) else 0
        return [each for each in self.running if skip or not beside & set(each.path.split("."))]

    @property
    def arrives(self) -> Shape:
        """The input shape."""
        return arriving(self.node)


def found(analysis: Analysis, path: str | None) -> Subject:
    """Find what stands at a path as reports print it; of a stage that is a repeat, its first block."""
    if not path:
        return _subject(analysis.root, "")
    node, printed = at_path(analysis.root, path, analysis.name)
    first = first_copy(node)
    if first is not None and isinstance(node, Series):
        return _subject(first.node, f"{printed}.{next(first.opened()).label}", inner(node), printed)
    return _subject(node, printed)


def _subject(node: Node, path: str, stage: Series | None = None, stage_path: str = "") -> Subject:
    listed = [Entry(path, node, 1, idle=False)] if isinstance(node, Layer) else list(entries(node))
    return Subject(node, path, tuple(facts_of(entry) for entry in listed), stage, stage_path)


# The way of the map

Way = tuple[Layer, ...] | None


class _Ways:
    """The layers that changed a map on its way, as a meaning of the operations; None if there is no one way."""

    def start(self, shape: Shape) -> Way:
        """Begin without any."""
        return ()

    def steps(self, layer: Layer) -> tuple[Way, ...]:
        """Return a layer where it changes the map; a join takes its first branch's way, and a gate has none."""
        if layer.rule is None and layer.op in JOINS:
            return ((), *(None,) * (len(layer.inputs) - 1))
        if layer.shape.spatial == layer.out.spatial:
            return ((),)
        return ((layer,),)

    def then(self, first: Way, second: Way) -> Way:
        """Go one way after the other."""
        if first is None or second is None or len(first) + len(second) > LONGEST:
            return None
        return first + second

    def join(self, values: list[Way]) -> Way:
        """Take the way where there is one."""
        return values[0] if len(values) == 1 else None


def way_to(analysis: Analysis, subject: Subject) -> list[tuple[str, LayerFacts]] | None:
    """List the layers that make the map the input at the subject, each with its path; None if it is not one way.

    At a join the way is that of the first branch: the body of a residual, not its shortcut.
    """
    wanted = copies_at(analysis, subject)[0]
    follow: Follow[Way] = Follow(analysis, _Ways())
    way: Way = None
    for visit in follow.visits(last=False):
        if visit.path == wanted:
            place = len(taken(subject.node))
            way = visit.entering[place] if place < 2 else None
            break
    if way is None:
        return None
    size = next(iter(analysis.inputs.values())).spatial
    for layer in way:
        if layer.shape.spatial != size:
            return None
        size = layer.out.spatial
    if size != subject.arrives.spatial:
        return None
    paths: dict[int, list[str]] = {}
    for entry in entries(analysis.root):
        paths.setdefault(id(entry.layer), []).append(entry.path)
    return [(paths[id(layer)][0], facts_of(Entry(paths[id(layer)][0], layer, 1, idle=False))) for layer in way]


def way_through(analysis: Analysis) -> list[tuple[str, LayerFacts]]:
    """List the layers that change the map and are in no shortcut, gate or head, in execution order."""
    return [
        (entry.path, facts_of(entry))
        for entry in entries(analysis.root)
        if not entry.idle
        and entry.layer.shape.spatial != entry.layer.out.spatial
        and not {"shortcut", "gate"} & set(entry.path.split("."))
    ]


def copies_at(analysis: Analysis, subject: Subject) -> tuple[str, int]:
    """Return the path at which folded reports have a part, and how many copies that are alike stand there in a row."""
    node: Node = analysis.root
    walked: list[str] = []
    copies = 1
    for word in subject.path.split("."):
        child = next(child for child in children(node) if child.named(word))
        walked.append(child.label)
        node, copies = child.node, child.copies
    return ".".join(walked), copies
