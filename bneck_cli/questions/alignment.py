"""Align two trees of layers level by level, so that a layer is matched only within the matching block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from bneck_cli.engine.network import Child, Cost, Entry, Layer, Series, children, entries, inner
from bneck_cli.words.values import people as grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.network import Node, Size
    from bneck_cli.sizes.shape import Shape

MAX_WEIGHED = 250_000
"""How many pairs of layers are weighed against each other; among more, equal names alone make a pair."""
FAR = 8
"""How many siblings further on a counterpart is sought, where names say nothing."""
INVERTED = {"nobias": "bias", "noaffine": "affine"}
EXTENTS = frozenset({"kernel", "stride", "dilation"})


class Change(NamedTuple):
    """One field of a layer before and after. ``kind`` is ``setting`` (what was written), ``size`` or ``cost``."""

    name: str
    one: Any
    other: Any
    kind: str

    def __str__(self) -> str:
        if self.kind == "cost":
            return f"{self.name} {grouped(self.one)} -> {grouped(self.other)}"
        return f"{self.name} {written(self.one)} -> {written(self.other)}"


class Pair(NamedTuple):
    """A layer that both have; ``changes`` is empty where it is the same in all but its name."""

    one: Entry
    other: Entry
    changes: tuple[Change, ...] = ()

    @property
    def settings(self) -> tuple[Change, ...]:
        """Those of the changes that were written, and did not merely follow from others."""
        return tuple(change for change in self.changes if change.kind == "setting")

    @property
    def cost(self) -> Cost:
        """What the second costs more than the first."""
        return self.other.layer.cost.plus(self.one.layer.cost, -1)


class Part(NamedTuple):
    """A layer or a group that only one has; ``mark`` is ``+`` for the second's, ``-`` for the first's."""

    mark: str
    path: str
    text: str
    layers: tuple[Entry, ...]

    @property
    def cost(self) -> Cost:
        """What it adds, or, negative, what goes with it."""
        total = Cost()
        for entry in self.layers:
            total = total.plus(entry.layer.cost)
        return total if self.mark == "+" else Cost().plus(total, -1)


# Alignment

PAIRED = 10**6
"""What a pair of layers is worth; one of the same settings twice that, so every insertion is found as one."""
ALIKE = 8 * 10**5
WORKING = 4
"""How much more a layer with multiply-adds counts than one without: a norm gives way where it changed its place."""
BOUND = 10**12
"""What it is worth to pair two groups of the same name, which no likeness of others outweighs."""
NAMED = 3


class Alignment:
    """The best way to lay one tree on another; copies of a node are weighed once."""

    def __init__(self, batch: Size, other_batch: Size) -> None:
        self.batches = (batch, other_batch)
        self.known: dict[tuple[int, int], int] = {}
        self.held: dict[int, list[Child]] = {}
        self.written: dict[int, dict[str, Any]] = {}
        self.keys: dict[int, int] = {}
        self.counts: dict[int, int] = {}
        self.interned: dict[Any, int] = {}
        self.costed: dict[tuple[int, bool, int], Layer] = {}

    def steps(self, one: Node, other: Node) -> Iterator[Pair | Part]:
        """Yield pairs and parts in execution order."""
        yield from self.laid(Child("", one, 1, None), Child("", other, 1, None), ("", ""), (False, False))

    def laid(self, one: Child, other: Child, paths: tuple[str, str], idle: tuple[bool, bool]) -> Iterator[Pair | Part]:
        """Yield what comes of laying one node on another."""
        if isinstance(one.node, Layer) and isinstance(other.node, Layer):
            yield self.pair(self.entry(one.node, paths[0], idle[0], 0), self.entry(other.node, paths[1], idle[1], 1))
            return
        mine, theirs, between = self.opposed(one.node, other.node)
        paths = (_below(paths[0], between[0]), _below(paths[1], between[1]))
        for left, right in self.aligned(mine, theirs):
            if left is None or right is None:
                side = 0 if right is None else 1
                child = cast("Child", left or right)
                yield self.part(child, _below(paths[side], child.label), idle[side] or child.idle, side)
            else:
                yield from self.laid(
                    left,
                    right,
                    (_below(paths[0], left.label), _below(paths[1], right.label)),
                    (idle[0] or left.idle, idle[1] or right.idle),
                )

    def pair(self, one: Entry, other: Entry) -> Pair:
        """Compare two layers field by field."""
        return Pair(one, other, tuple(self.changes(one, other)))

    def changes(self, one: Entry, other: Entry) -> Iterator[Change]:
        """Yield every field in which two layers differ."""
        mine, theirs = self.settings(one.layer), self.settings(other.layer)
        for name in dict.fromkeys((*mine, *theirs)):
            if mine.get(name) != theirs.get(name):
                follows = name == "padding" and all(
                    getattr(entry.layer.rule, "pad", 0) is None for entry in (one, other)
                )
                yield Change(name, mine.get(name), theirs.get(name), "size" if follows else "setting")
        if one.idle != other.idle:
            yield Change("runs", not one.idle, not other.idle, "setting")
        for name, before, after in (
            ("input", one.layer.inputs, other.layer.inputs),
            ("output", (one.layer.out,), (other.layer.out,)),
        ):
            if before != after:
                yield Change(name, _sizes(before), _sizes(after), "size")
        for name in ("params", "macs", "activations"):
            before, after = getattr(one.layer.cost, name), getattr(other.layer.cost, name)
            if before != after:
                yield Change(name, before, after, "cost")

    def part(self, child: Child, path: str, idle: bool, side: int) -> Part:
        """Gather a layer or a group that only one network has."""
        node = child.node
        text = node.text if isinstance(node, Layer) else child.stem
        if isinstance(node, Series):
            shown = inner(node)
            text = shown.text if shown.kind != "chain" else child.stem
        return Part("-+"[side], path, text, tuple(self.leaves(node, path, idle, side)))

    def leaves(self, node: Node, path: str, idle: bool, side: int) -> Iterator[Entry]:
        """Yield the layers of a node in execution order, each with its path."""
        if isinstance(node, Layer):
            yield self.entry(node, path, idle, side)
            return
        for child in self.children(node):
            yield from self.leaves(child.node, _below(path, child.label), idle or child.idle, side)

    def entry(self, layer: Layer, path: str, idle: bool, side: int) -> Entry:
        """Place a layer, with the cost of the whole batch; what does not run costs its parameters alone."""
        batch = self.batches[side]
        if idle or batch != 1:
            key = (id(layer), idle, side)
            if key not in self.costed:
                cost = layer.cost
                sized = Cost(*[size * batch for size in cost])._replace(params=cost.params, idle_params=0)
                self.costed[key] = layer._replace(cost=Cost(cost.params, cost.params) if idle else sized)
            layer = self.costed[key]
        return Entry(path, layer, 1, idle)

    def children(self, node: Node) -> list[Child]:
        """Return what a node holds, each copy separately."""
        found = self.held.get(id(node))
        if found is None:
            found = self.held[id(node)] = [copy for child in children(node) for copy in child.opened()]
        return found

    def opposed(self, one: Node, other: Node) -> tuple[list[Child], list[Child], tuple[str, str]]:
        """Return what two nodes hold; a group within which there is but another is looked through."""
        mine, theirs = [
            [Child("", node, 1, None)] if isinstance(node, Layer) else self.children(node) for node in (one, other)
        ]
        between = ["", ""]
        while _wraps(mine) != _wraps(theirs):
            side = 0 if _wraps(mine) else 1
            (only,) = mine if side == 0 else theirs
            between[side] = _below(between[side], only.label)
            mine, theirs = (self.children(only.node), theirs) if side == 0 else (mine, self.children(only.node))
        return mine, theirs, (between[0], between[1])

    def aligned(self, mine: list[Child], theirs: list[Child]) -> list[tuple[Child | None, Child | None]]:
        """Lay siblings on siblings, in order, so that the most is alike."""
        if _numbered(mine) and _numbered(theirs):  # the copies of a repeat: what is more comes at the end
            shared = min(len(mine), len(theirs))
            return [
                *zip(mine[:shared], theirs[:shared], strict=True),
                *((child, None) for child in mine[shared:]),
                *((None, child) for child in theirs[shared:]),
            ]
        start, end = 0, 0
        short = min(len(mine), len(theirs))
        while start < short and self.same(mine[start], theirs[start]):
            start += 1
        while end < short - start and self.same(mine[-1 - end], theirs[-1 - end]):
            end += 1
        tail = list(zip(mine[len(mine) - end :], theirs[len(theirs) - end :], strict=True))
        left, right = mine[start : len(mine) - end], theirs[start : len(theirs) - end]
        few = sum(map(self.count, left)) * sum(map(self.count, right)) <= MAX_WEIGHED
        middle = self.weighed(left, right) if few else _by_name(left, right)
        return [*zip(mine[:start], theirs[:start], strict=True), *middle, *tail]

    def count(self, child: Child) -> int:
        """Count the layers that a sibling holds."""
        if id(child.node) not in self.counts:
            self.counts[id(child.node)] = sum(entry.copies for entry in entries(child.node))
        return self.counts[id(child.node)]

    def weighed(self, mine: list[Child], theirs: list[Child]) -> list[tuple[Child | None, Child | None]]:
        """Find the alignment of the greatest worth, by the worth of what comes after each pair of places."""
        best = [[0] * (len(theirs) + 1) for _ in range(len(mine) + 1)]
        worth = [[self.worth(left, right) for right in theirs] for left in mine]
        for i in range(len(mine) - 1, -1, -1):
            row, below, here = best[i], best[i + 1], worth[i]
            for j in range(len(theirs) - 1, -1, -1):
                value = max(below[j], row[j + 1])
                if here[j]:
                    value = max(value, below[j + 1] + here[j])
                row[j] = value
        found: list[tuple[Child | None, Child | None]] = []
        i = j = 0
        while i < len(mine) and j < len(theirs):
            if worth[i][j] and best[i][j] == best[i + 1][j + 1] + worth[i][j]:
                found.append((mine[i], theirs[j]))
                i, j = i + 1, j + 1
            elif best[i][j] == best[i + 1][j]:
                found.append((mine[i], None))
                i += 1
            else:
                found.append((None, theirs[j]))
                j += 1
        return [*found, *((child, None) for child in mine[i:]), *((None, child) for child in theirs[j:])]

    def worth(self, one: Child, other: Child) -> int:
        """Say how much is alike in two siblings; 0 if they are no pair."""
        leaf = isinstance(one.node, Layer)
        if leaf != isinstance(other.node, Layer) and (one.stem != other.stem or not one.stem):
            return 0
        worth = self.likeness(one.node, other.node)
        if worth and one.label == other.label:
            worth += NAMED if leaf or one.first is not None else BOUND
        return worth

    def likeness(self, one: Node, other: Node) -> int:
        """Say how much is alike in two nodes, whatever they are called."""
        key = (id(one), id(other))
        if key not in self.known:
            if isinstance(one, Layer) and isinstance(other, Layer):
                self.known[key] = self.layers_alike(one, other)
            else:
                mine, theirs, _ = self.opposed(one, other)
                pairs = self.aligned(mine, theirs)
                self.known[key] = sum(self.worth(left, right) for left, right in pairs if left and right)
        return self.known[key]

    def layers_alike(self, one: Layer, other: Layer) -> int:
        """Say how much is alike in two layers: the operation, then the settings, then the sizes."""
        if one.op != other.op:
            return 0
        mine, theirs = self.settings(one), self.settings(other)
        sizes = (one.inputs == other.inputs) + (one.out == other.out)
        weight = WORKING if one.cost.macs != 0 or other.cost.macs != 0 else 1
        if mine == theirs:
            return 2 * PAIRED * weight + sizes
        names = mine.keys() | theirs.keys()
        alike = sum(1 for name in names if mine.get(name) == theirs.get(name))
        return (PAIRED + ALIKE * alike // len(names)) * weight + sizes

    def same(self, one: Child, other: Child) -> bool:
        """Return whether two siblings have the same name and hold the same, sizes aside."""
        return one.label == other.label and self.key(one.node) == self.key(other.node)

    def key(self, node: Node) -> int:
        """Return a number that is equal for nodes with the same layers, settings and names."""
        if id(node) not in self.keys:
            if isinstance(node, Layer):
                content: Any = (node.op, tuple(self.settings(node).items()))
            else:
                content = tuple((child.label, self.key(child.node)) for child in children(node))
            self.keys[id(node)] = self.interned.setdefault(content, len(self.interned))
        return self.keys[id(node)]

    def settings(self, layer: Layer) -> dict[str, Any]:
        """Return a layer's settings as they act, whichever way they were written."""
        found = self.written.get(id(layer))
        if found is None:
            found = self.written[id(layer)] = settings_of(layer)
        return found


def _wraps(held: list[Child]) -> bool:
    return len(held) == 1 and not isinstance(held[0].node, Layer) and not _numbered(held)


def _numbered(held: list[Child]) -> bool:
    """Return whether these are the copies of a repeat."""
    return bool(held) and not held[0].stem and held[0].first is not None


def _by_name(mine: list[Child], theirs: list[Child]) -> list[tuple[Child | None, Child | None]]:
    """Pair what has the same name and stands in the same order; where no name is shared, by place and kind."""
    if {child.label for child in mine}.isdisjoint(child.label for child in theirs):
        return _by_place(mine, theirs)
    places = {child.label: index for index, child in enumerate(theirs)}
    found: list[tuple[Child | None, Child | None]] = []
    reached = 0
    for child in mine:
        place = places.get(child.label, -1)
        if place < reached or not _comparable(child, theirs[place]):
            found.append((child, None))
            continue
        found += [(None, other) for other in theirs[reached:place]]
        found.append((child, theirs[place]))
        reached = place + 1
    return [*found, *((None, other) for other in theirs[reached:])]


def _by_place(mine: list[Child], theirs: list[Child]) -> list[tuple[Child | None, Child | None]]:
    """Pair siblings in order, each with the next one of its kind, if it is not far."""
    found: list[tuple[Child | None, Child | None]] = []
    reached = 0
    for child in mine:
        ahead = range(reached, min(reached + FAR, len(theirs)))
        place = next((at for at in ahead if _comparable(child, theirs[at])), None)
        if place is None:
            found.append((child, None))
            continue
        found += [(None, other) for other in theirs[reached:place]]
        found.append((child, theirs[place]))
        reached = place + 1
    return [*found, *((None, other) for other in theirs[reached:])]


def _comparable(one: Child, other: Child) -> bool:
    if isinstance(one.node, Layer) and isinstance(other.node, Layer):
        return one.node.op == other.node.op
    return isinstance(one.node, Layer) == isinstance(other.node, Layer)


def _below(path: str, label: str) -> str:
    return f"{path}.{label}" if path and label else path or label


# Fields


def settings_of(layer: Layer) -> dict[str, Any]:
    """Return a layer's settings by name: windows as text per axis, ``nobias`` as a bias that is not there.

    A join has none, and a layer of the file's own is what is written.
    """
    rule = layer.rule
    if rule is None:
        return {}
    if rule.part == "own":
        return {"written": layer.text}
    window = rule.geometry(layer.shape)
    found: dict[str, Any] = {}
    for field in rule.fields:
        name, value = field.name, getattr(rule, field.name)
        if name in INVERTED:
            found[INVERTED[name]] = not value
        elif window is not None and name == "pad":
            found["padding"] = value if value == "tf_same" else _padding(window.padding)
        elif window is not None and name in EXTENTS:
            found[name] = _extent(getattr(window, name), whole=name == "kernel")
        else:
            found[name] = value
    return found


def _extent(values: tuple[int, ...], whole: bool) -> str:
    """Write sizes by axis; where all agree one stands for them, but in a kernel."""
    return "x".join(map(str, values if whole or len(set(values)) > 1 else values[:1]))


def _padding(sides: tuple[Any, ...]) -> str:
    """Write padding: one number where all sides agree, one an axis, or (top,bottom,left,right)."""
    if "tf_same" in sides:
        return "tf_same"
    if all(before == after for before, after in sides):
        return _extent(tuple(before for before, _ in sides), whole=False)
    return f"({','.join(str(side) for pair in sides for side in pair)})"


def _sizes(shapes: tuple[Shape, ...]) -> str:
    return ", ".join(map(str, shapes))


def written(value: Any) -> str:
    """Write a value of a field for people."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, tuple):
        return "x".join(map(written, value))
    return grouped(value).replace(",", "") if isinstance(value, int) else grouped(getattr(value, "name", None) or value)
