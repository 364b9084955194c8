"""Two analyses layer by layer: which layers are the same, what changed in the others, and what that comes to.

The two trees are aligned level by level, so a layer is sought only in the block that stands for its own. Every
difference of the totals is the sum of the differences of pairs, plus what was added, less what was removed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.comparison import depth, times
from bneck_cli.errors import BneckError, listed
from bneck_cli.network import Child, Cost, Entry, Layer, Series, children, entries, inner
from bneck_cli.receptive import receptive_field
from bneck_cli.report import describe_input, grouped, requirements, rule_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bneck_cli.analysis import Analysis
    from bneck_cli.network import Node, Size
    from bneck_cli.shape import Shape

MAX_LAYERS = 100_000
MAX_WEIGHED = 4_000_000
"""How many pairs of layers are weighed against each other; among more, equal names alone make a pair."""
JOINS = frozenset({"add", "concat", "scale"})
PLAIN = {"stride": "1", "dilation": "1", "groups": 1, "padding": "0", "shift": 0}
"""Values that say nothing: a stride of 1 is not moved, the 2 is."""
INVERTED = {"nobias": "bias", "noaffine": "affine"}
EXTENTS = frozenset({"kernel", "stride", "dilation"})
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


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


class Move(NamedTuple):
    """A setting that one layer of a block lost and another gained; ``swapped`` where neither value is the plain one."""

    name: str
    one: Any
    other: Any
    source: Pair
    target: Pair
    block: str
    swapped: bool


class Line(NamedTuple):
    """Equal changes told once: where they are, what they are, how many layers they touch, what they cost together."""

    mark: str
    paths: tuple[str, ...]
    text: str
    layers: int
    cost: Cost


class Total(NamedTuple):
    """A figure of both networks; ``difference`` is None where there is no such number."""

    key: str
    title: str
    one: Any
    other: Any
    difference: Size | None

    @property
    def percent(self) -> float | None:
        """The difference as a part of the first, in percent; None for symbolic sizes."""
        if not isinstance(self.one, int) or not isinstance(self.difference, int) or self.one == 0:
            return None
        return 100 * self.difference / self.one


class Diff(NamedTuple):
    """Two networks aligned: ``steps`` are pairs and parts in execution order, ``lines`` the changes among them."""

    names: tuple[str, str]
    title: str
    steps: tuple[Pair | Part, ...]
    moves: tuple[Move, ...]
    lines: tuple[Line, ...]
    totals: tuple[Total, ...]
    conclusion: tuple[str, ...]
    rule: str
    notes: tuple[str, ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The layers that both have."""
        return tuple(step for step in self.steps if isinstance(step, Pair))

    @property
    def changed(self) -> tuple[Pair, ...]:
        """The layers that both have, and not alike."""
        return tuple(pair for pair in self.pairs if pair.changes)

    @property
    def added(self) -> tuple[Entry, ...]:
        """The layers that only the second has."""
        return tuple(self._only("+"))

    @property
    def removed(self) -> tuple[Entry, ...]:
        """The layers that only the first has."""
        return tuple(self._only("-"))

    def _only(self, mark: str) -> Iterator[Entry]:
        for step in self.steps:
            if isinstance(step, Part) and step.mark == mark:
                yield from step.layers


def diff(one: Analysis, other: Analysis, names: tuple[str, str] | None = None) -> Diff:
    """Align two analysed networks and say what changed from the first to the second.

    Raises BneckError for analyses under different counting rules, and for more layers than can be told one by one.
    """
    first, second = names or (one.name, other.name)
    if first == second:
        first, second = f"{first} (1)", f"{second} (2)"
    if rule_of(one) != rule_of(other):
        raise BneckError(f"{first} and {second} are counted under different rules", hint="count both under one rule")
    for name, analysis in ((first, one), (second, other)):
        count = sum(entry.copies for entry in entries(analysis.root))
        if count > MAX_LAYERS:
            raise BneckError(
                f"{name} has {count:,} layers, and a diff tells them one by one", hint=f"it takes up to {MAX_LAYERS:,}"
            )
    steps = tuple(_Alignment(one.batch, other.batch).steps(one.root, other.root))
    moves = tuple(_moves(steps))
    totals = tuple(_totals(one, other))
    inputs = (describe_input(one), describe_input(other))
    title = f"{first} -> {second} · {inputs[0] if inputs[0] == inputs[1] else ' -> '.join(inputs)}"
    found = Diff((first, second), title, steps, moves, tuple(_lines(steps, moves)), totals, (), rule_of(one), ())
    notes = tuple(dict.fromkeys((*requirements(one), *requirements(other))))
    return found._replace(conclusion=tuple(_conclusion(found, one, other)), notes=notes)


# Alignment

PAIRED = 10**6
"""What a pair of layers is worth; one of the same settings twice that, so every insertion is found as one."""
ALIKE = 8 * 10**5
WORKING = 4
"""How much more a layer with multiply-adds counts than one without: a norm gives way where it changed its place."""
BOUND = 10**12
"""What it is worth to pair two groups of the same name, which no likeness of others outweighs."""
NAMED = 3


class _Alignment:
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
                child = left or right
                assert child is not None
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
        """Give what a node holds, each copy by itself."""
        found = self.held.get(id(node))
        if found is None:
            found = self.held[id(node)] = [copy for child in children(node) for copy in child.opened()]
        return found

    def opposed(self, one: Node, other: Node) -> tuple[list[Child], list[Child], tuple[str, str]]:
        """Give what two nodes hold; a group within which there is but another is looked through."""
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
        """Say how much is alike in two siblings; 0 where they are no pair."""
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
        """Tell whether two siblings have the same name and hold the same, sizes aside."""
        return one.label == other.label and self.key(one.node) == self.key(other.node)

    def key(self, node: Node) -> int:
        """Give equal numbers to nodes that hold the same layers with the same settings under the same names."""
        if id(node) not in self.keys:
            if isinstance(node, Layer):
                content: Any = (node.op, tuple(self.settings(node).items()))
            else:
                content = tuple((child.label, self.key(child.node)) for child in children(node))
            self.keys[id(node)] = self.interned.setdefault(content, len(self.interned))
        return self.keys[id(node)]

    def settings(self, layer: Layer) -> dict[str, Any]:
        """Give a layer's settings as they act, whichever way they were written."""
        found = self.written.get(id(layer))
        if found is None:
            found = self.written[id(layer)] = settings_of(layer)
        return found


def _wraps(held: list[Child]) -> bool:
    return len(held) == 1 and not isinstance(held[0].node, Layer) and not _numbered(held)


def _numbered(held: list[Child]) -> bool:
    """Tell whether these are the copies of a repeat."""
    return bool(held) and not held[0].stem and held[0].first is not None


def _by_name(mine: list[Child], theirs: list[Child]) -> list[tuple[Child | None, Child | None]]:
    """Pair what bears the same name and stands in the same order."""
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


def _comparable(one: Child, other: Child) -> bool:
    if isinstance(one.node, Layer) and isinstance(other.node, Layer):
        return one.node.op == other.node.op
    return isinstance(one.node, Layer) == isinstance(other.node, Layer)


def _below(path: str, label: str) -> str:
    return f"{path}.{label}" if path and label else path or label


# Fields


def settings_of(layer: Layer) -> dict[str, Any]:
    """Give a layer's settings by name: windows as text per axis, ``nobias`` as a bias that is not there."""
    rule = layer.rule
    if rule is None:
        return {} if layer.op in JOINS else {"written": layer.text}
    window = rule.geometry(layer.shape)
    found: dict[str, Any] = {}
    for field in rule.fields:
        name, value = field.name, getattr(rule, field.name)
        if name in INVERTED:
            found[INVERTED[name]] = not value
        elif window is not None and name == "pad":
            found["padding"] = _padding(window.padding)
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
    if type(value).__name__ == "Fraction":
        return f"{float(value):g}"
    return grouped(value).replace(",", "") if isinstance(value, int) else grouped(getattr(value, "name", None) or value)


# What belongs together


def block_of(path: str) -> str:
    """Give the block that a layer's path lies in; the branches of a block are parts of it."""
    parts = path.split(".")[:-1]
    while parts and re.fullmatch(r"(shortcut|gate|branch)\d*", parts[-1]):
        parts.pop()
    return ".".join(parts)


def within(path: str) -> str:
    """Give a layer's path within its block."""
    block = block_of(path)
    return path[len(block) + 1 :] if block else path


def _moves(steps: tuple[Pair | Part, ...]) -> Iterator[Move]:
    """Find, in each block, changes of one setting in opposite directions."""
    waiting: dict[tuple[Any, ...], list[Pair]] = {}
    for step in steps:
        if isinstance(step, Part):
            continue
        for change in step.settings:
            block = block_of(step.one.path)
            opposite = waiting.get((block, change.name, change.other, change.one))
            if not opposite:
                waiting.setdefault((block, change.name, change.one, change.other), []).append(step)
                continue
            yield _moved(change, opposite.pop(0), step, block)


def _moved(change: Change, earlier: Pair, later: Pair, block: str) -> Move:
    """Tell from where to where a setting went: the value that is not plain is what moved."""
    plain = PLAIN.get(change.name, False)
    before, after = change.other, change.one  # the earlier pair's, which are the later's turned round
    if _equal(after, plain):  # the earlier layer lost it
        return Move(change.name, before, after, earlier, later, block, swapped=False)
    if _equal(before, plain):
        return Move(change.name, after, before, later, earlier, block, swapped=False)
    return Move(change.name, before, after, earlier, later, block, swapped=True)


def _equal(value: Any, plain: Any) -> bool:
    return type(value) is type(plain) and bool(value == plain)


def move_words(move: Move) -> str:
    """Say what moved, without the block: ``the stride 2 moved from conv2 (3x3) to conv1 (1x1)``."""
    source, target = _called(move.source), _called(move.target)
    if move.swapped:
        return f"the {move.name} {written(move.one)} of {source} and {written(move.other)} of {target} changed places"
    value = "" if isinstance(move.one, bool) else f" {written(move.one)}"
    return f"the {move.name}{value} moved from {source} to {target}"


def _called(pair: Pair) -> str:
    """Name a layer within its block, with its kernel where the kernel stayed."""
    name = within(pair.one.path)
    kernels = [settings_of(entry.layer).get("kernel") for entry in (pair.one, pair.other)]
    return f"{name} ({kernels[0]})" if kernels[0] and kernels[0] == kernels[1] else name


def _moves_together(moves: Iterable[Move]) -> dict[str, list[Move]]:
    """Gather moves that read the same."""
    found: dict[str, list[Move]] = {}
    for move in moves:
        found.setdefault(move_words(move), []).append(move)
    return found


def _lines(steps: tuple[Pair | Part, ...], moves: tuple[Move, ...]) -> Iterator[Line]:
    """Fold changes that are told in the same words; each pair and each part belongs to exactly one line."""
    told: dict[tuple[int, str], str] = {}
    for words, together in _moves_together(moves).items():
        for move in together:
            told |= {(id(pair), move.name): words for pair in (move.source, move.target)}
    groups: dict[tuple[Any, ...], list[Pair | Part]] = {}
    where: dict[str, list[str]] = {}
    for move in moves:
        where.setdefault(move_words(move), []).append(move.block)
        groups.setdefault(("~", "", move_words(move)), [])
    for step in steps:
        if isinstance(step, Part):
            groups.setdefault((step.mark, "", step.text, step.cost), []).append(step)
        elif step.changes:
            left = [change for change in step.settings if (id(step), change.name) not in told]
            if left:  # with what moved, too: the costs of both are in the line
                key = ("~", step.one.layer.op, ", ".join(map(str, step.settings)))
            elif step.settings:
                key = ("~", "", told[id(step), step.settings[0].name])
            else:
                key = ("~", step.one.path.partition(".")[0] if "." in step.one.path else "", size_words(step))
            groups.setdefault(key, []).append(step)
    for (mark, _, text, *_), held in groups.items():
        total = Cost()
        for step in held:
            total = total.plus(step.cost)
        layers = sum(len(step.layers) if isinstance(step, Part) else 1 for step in held)
        paths = [block for block in where[text] if block] if text in where else list(map(_path, held))
        if not paths:
            paths = list(map(_path, held))
        yield Line(mark, ranges(paths), text + _common_sizes(held) + _renamed(held), layers, total)


def _path(step: Pair | Part) -> str:
    return step.path if isinstance(step, Part) else step.one.path


def _common_sizes(held: list[Pair | Part]) -> str:
    """Add the change of the map that leaves, where settings made it and it is the same for all."""
    found = {
        size_words(step) if step.one.layer.out.spatial != step.other.layer.out.spatial else ""
        for step in held
        if isinstance(step, Pair) and step.settings
    }
    (words,) = found if len(found) == 1 else ("",)
    return f", {words}" if words else ""


def _renamed(held: list[Pair | Part]) -> str:
    """Say what a layer is called in its block now, where that is another name and the same for all."""
    found = {within(step.other.path) for step in held if isinstance(step, Pair)}
    before = {within(step.one.path) for step in held if isinstance(step, Pair)}
    return f", now {found.pop()}" if len(found) == len(before) == 1 and found != before else ""


def size_words(pair: Pair) -> str:
    """Say how the output changed, or the input where the same leaves; the map alone where the channels stayed."""
    one, other = pair.one.layer, pair.other.layer
    for name, before, after in (("output", one.out, other.out), ("input", one.shape, other.shape)):
        if before != after:
            if before.channels == after.channels and before.spatial and after.spatial:
                return f"{name} {_map(before)} -> {_map(after)}"
            return f"{name} {before} -> {after}"
    return ", ".join(str(change) for change in pair.changes)


def _map(shape: Shape) -> str:
    """Write a shape without its channels."""
    return "×".join(str(part) for part in map(shape_text, shape.spatial))


def shape_text(size: Size) -> str:
    """Write one size; a symbolic sum stands in parentheses."""
    text = grouped(size).replace(",", "") if isinstance(size, int) else grouped(size)
    return f"({text})" if " " in text and not text.startswith("⌊") else text


def ranges(paths: Iterable[str]) -> tuple[str, ...]:
    """Write paths that differ by a number in a row as one: ``layer1.0-2.conv1-3``."""
    placed = [(index, tuple(path.split("."))) for index, path in enumerate(dict.fromkeys(paths))]
    for place in range(max((len(path) for _, path in placed), default=0) - 1, -1, -1):
        merged: dict[tuple[Any, ...], list[tuple[int, tuple[str, ...]]]] = {}
        for index, path in placed:
            numbered = place < len(path) and re.fullmatch(r"(.*?)\d+", path[place])
            single = numbered and not re.search(r"\d-\d+$", path[place])
            key = (path[:place], numbered.group(1), path[place + 1 :]) if numbered and single else (path,)
            merged.setdefault(key, []).append((index, path))
        placed = sorted(run for group in merged.values() for run in _runs(group, place))
    return tuple(".".join(path) for _, path in placed)


def _runs(group: list[tuple[int, tuple[str, ...]]], place: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Join the paths of a group whose numbers at a place follow each other."""
    start = 0
    for end in range(1, len(group) + 1):
        if end < len(group) and _number(group[end][1][place]) == _number(group[end - 1][1][place]) + 1:
            continue
        index, path = group[start]
        if end - start > 1:
            joined = f"{path[place]}-{_number(group[end - 1][1][place])}"
            path = (*path[:place], joined, *path[place + 1 :])
        yield index, path
        start = end


def _number(label: str) -> int:
    """Read the number that a label ends in."""
    return int(label[len(label.rstrip("0123456789")) :])


# Totals


def _totals(one: Analysis, other: Analysis) -> Iterator[Total]:
    """Set the figures of both networks beside each other."""
    unit = one.rule.title if one.rule else "MACs"
    rows: list[tuple[str, str, Any, Any]] = [
        ("params", "params", one.cost.params, other.cost.params),
        ("macs", unit, one.cost.macs * one.batch, other.cost.macs * other.batch),
        ("activations", "activations", one.cost.activations * one.batch, other.cost.activations * other.batch),
        ("depth", "depth", depth(one.root), depth(other.root)),
    ]
    for key, title, before, after in rows:
        yield Total(key, title, before, after, after - before)
    before, after = _seen(one), _seen(other)
    if before is not None or after is not None:
        difference = after - before if isinstance(before, int) and isinstance(after, int) else None
        yield Total("receptive_field", "receptive field", before, after, difference)


def _seen(analysis: Analysis) -> int | str | None:
    """Give the receptive field of the last feature map: a number where it is square; None where it is unknown."""
    reach = receptive_field(analysis)
    if reach.whole:
        return "all"
    sizes = [axis.size for axis in reach.axes]
    if not sizes:
        return None
    return sizes[0] if len(set(sizes)) == 1 else "×".join(map(str, sizes))


# The conclusion in words


def _conclusion(found: Diff, one: Analysis, other: Analysis) -> Iterator[str]:
    """Say what the second network is beside the first, and why where one reason is all there is."""
    first, second = found.names
    changed, parts = found.changed, [step for step in found.steps if isinstance(step, Part)]
    if not changed and not parts:
        renamed = any(pair.one.path != pair.other.path for pair in found.pairs)
        yield f"{first} and {second} have the same layers, sizes and costs{', under other names' if renamed else ''}."
        return
    facts, differs = _facts(found, "multiply-adds" if one.rule is None else one.rule.title)
    moved = {(id(pair), move.name) for move in found.moves for pair in (move.source, move.target)}
    left = [pair for pair in changed if any((id(pair), change.name) not in moved for change in pair.settings)]
    same_input = (one.inputs, one.batch) == (other.inputs, other.batch)
    reasons = [f"{words}{_in_blocks(together)}" for words, together in _moves_together(found.moves).items()]
    only_moved = bool(reasons) and not left and not parts and same_input
    because = f", because {_joined(reasons)}" if only_moved and differs else ""
    yield f"Beside {first}, {second} has {_joined(facts)}{because}."
    if parts:
        yield _parts_words(found)
    if reasons and not because:
        sentence = _joined(reasons)
        yield f"{sentence[:1].upper()}{sentence[1:]}."
    if left:
        yield _settings_words(left, moved)
    if not left and not reasons and not parts:
        yield "Every layer has the same settings: only sizes differ."
    if not same_input:
        yield f"The input is {describe_input(other)}, not {describe_input(one)}."


def _facts(found: Diff, unit: str) -> tuple[list[str], bool]:
    """Put the totals into words, and tell whether any differs."""
    totals = {total.key: total for total in found.totals}
    params = totals["params"]
    kept = not any(
        step.cost.params != 0 for step in found.steps
    )  # as many may also be others: one layer's loss is another's gain
    facts = [
        f"the same weights ({grouped(params.one)})" if kept else _said(params, "parameters"),
        _said(totals["macs"], unit),
    ]
    for key, noun in (("depth", "depth"), ("receptive_field", "receptive field")):
        total = totals.get(key)
        if total is not None and total.difference not in (None, 0):
            facts.append(f"a {noun} of {grouped(total.other)} for {grouped(total.one)}")
    return facts, any(total.one != total.other for total in found.totals)


def _said(total: Total, noun: str) -> str:
    """Say how many there are, beside those of the first."""
    one, other = grouped(total.one), grouped(total.other)
    if total.one == total.other:
        return f"just as many {noun} ({other})"
    if not isinstance(total.one, int) or not isinstance(total.other, int) or total.one == 0:
        return f"{other} {noun} against {one}"
    if total.other == 0:
        return f"no {noun} against {one}"
    ratio = total.other / total.one
    if 2 / 3 < ratio < 3 / 2:
        change = f"{abs(ratio - 1):.1%}" if abs(ratio - 1) >= 0.0005 else f"{abs(total.other - total.one):,}"
        return f"{change} {'fewer' if ratio < 1 else 'more'} {noun} ({other} against {one})"
    if ratio < 1:
        return f"{times(1 / ratio)} fewer {noun} ({other} against {one})"
    return f"{times(ratio)} as many {noun} ({other} against {one})"


def _joined(words: list[str]) -> str:
    return listed(words, "and")


def _in_blocks(together: list[Move]) -> str:
    """Say in which blocks something moved."""
    blocks = list(dict.fromkeys(move.block for move in together))
    if blocks == [""]:
        return ""
    stages = [block.rpartition(".")[0] for block in blocks]
    if all(block.endswith(".0") for block in blocks) and len(set(stages)) == len(blocks):
        return f" in the first block of {stages[0] if len(stages) == 1 else f'{_count(len(stages))} stages'}"
    return f" in {_joined(list(ranges(block or 'the net' for block in blocks)))}"


def _count(number: int) -> str:
    return COUNTS[number] if number < len(COUNTS) else f"{number:,}"


def _plural(number: int, noun: str = "layer") -> str:
    return f"{_count(number)} {noun}{'' if number == 1 else 's'}"


def _parts_words(found: Diff) -> str:
    """Say how many layers were added and removed, and what they cost."""
    told = []
    for verb, layers in (("adds", found.added), ("removes", found.removed)):
        if layers:
            total = Cost()
            for entry in layers:
                total = total.plus(entry.layer.cost)
            unit = next(each.title for each in found.totals if each.key == "macs")
            costs = f"{grouped(total.params)} params, {grouped(total.macs)} {unit}"
            told.append(f"{verb} {_plural(len(layers))} ({costs})")
    return f"It {_joined(told)}."


def _settings_words(left: list[Pair], moved: set[tuple[int, str]]) -> str:
    """Say which settings differ in the layers that both have, and in how many of them."""
    by_name: dict[str, list[tuple[Pair, Change]]] = {}
    for pair in left:
        for change in pair.settings:
            if (id(pair), change.name) not in moved:
                by_name.setdefault(change.name, []).append((pair, change))
    if len(left) == 1:
        changes = ", ".join(str(held[0][1]) for held in by_name.values())
        return f"Of the layers that both have, {left[0].one.path} alone has other settings: {changes}."
    told = [f"{_count(len(held))} differ{'s' * (len(held) == 1)} in {name}" for name, held in by_name.items()]
    return f"Of the layers that both have, {_joined(told)}."
