"""From structures to definitions: classes that are used more than once become blocks with parameters.

The innermost come first. Uses of a class are laid over each other; what no one body holds is another block.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges import align
from bneck_cli.bridges.align import Call, Laid, Residual, Template, is_activation, laid, placed, weight
from bneck_cli.bridges.graph import FREE, OPAQUE, PART, Node, spelled
from bneck_cli.bridges.layout import number
from bneck_cli.bridges.regions import Fork, Group, Item, Items, Leaf, Wire
from bneck_cli.bridges.relate import Parameters, Vector, known
from bneck_cli.engine.layers import LAYERS
from bneck_cli.language.syntax import RESERVED, STRUCTURES

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict"})
INLINED = 4
"""So many layers one after the other are written where they stand."""
GENERIC = re.compile(r"_*(conv|fc|linear|proj|bn|norm|block|layer|feature|dw|pw|expan|mlp|cv|body|net)\w*")
"""Attributes that say no more than what kind of layer they keep."""
LABELS = re.compile(r"[a-z][a-z0-9_]*")


class Step(NamedTuple):
    """A step as written: its name, its arguments, its options."""

    name: str
    arguments: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    """By name; a flag has no value."""
    first: tuple[tuple[str, str], ...] = ()
    copies: int = 1


class Structure(NamedTuple):
    """A structure as written: its key, its bodies, and further keys (a shortcut, a condition)."""

    key: str
    bodies: tuple[tuple[Any, ...], ...]
    word: str = ""


Written = Step | Structure


class Definition(NamedTuple):
    """A block as written: its signature, its body, and what the comment says."""

    name: str
    parameters: tuple[tuple[str, str | None], ...]
    body: tuple[Written, ...]
    origin: str
    uses: int


class Operation(NamedTuple):
    """A layer kind of the file's own."""

    name: str
    out: str
    params: str
    macs: str
    origin: str
    """What the framework calls it."""


class Folded(NamedTuple):
    """A network as written."""

    operations: tuple[Operation, ...]
    blocks: tuple[Definition, ...]
    net: tuple[Written, ...]


def fold(items: Items) -> Folded:
    """Find the blocks of a network and write it with them."""
    return _Folder().fold(items)


class _Folder:
    """The blocks found so far, by class."""

    def __init__(self) -> None:
        self.blocks: list[Definition] = []
        self.operations: dict[str, Operation] = {}
        self.names: set[str] = set()
        self.calls: dict[int, Call] = {}
        self.kept: set[str] = set()
        self.labels: set[str] = set()

    def fold(self, items: Items) -> Folded:
        """Fold a network."""
        self.names |= {wire.name for wire in _wires(items)}
        groups: dict[str, list[Group]] = {}
        for group in _groups(items):
            groups.setdefault(group.call.name, []).append(group)
        heights = {name: max(map(_height, held)) for name, held in groups.items()}
        self.kept = {name for name, held in groups.items() if self.keeps(held)}
        nested = {name for name, held in groups.items() for one in held if name in set(map(_name, _groups(one.items)))}
        self.kept -= nested
        self.inline(items)
        for name in sorted(self.kept, key=lambda name: heights[name]):
            self.define(name, groups[name])
        body = align.residuals(self.flat(items, labels=True))
        template = laid(body, [body])
        net = self.written(template, None)
        return Folded(tuple(self.operations.values()), tuple(self.blocks), net)

    def inline(self, items: Items) -> None:
        """Write a module where it stands that all uses of one block hold at most once, and nothing else does."""
        for name in sorted(self.kept):
            holders = _holders(items, name, self.kept)
            if len(holders) == 1 and "" not in holders and max(next(iter(holders.values())).values()) == 1:
                self.kept.discard(name)

    def keeps(self, held: list[Group]) -> bool:
        """Tell whether a class is worth a block of its own."""
        name = held[0].call.name
        if name in CONTAINERS or len(held) < 2:
            return False
        if all(_plain(one.items) and weight(one.items) <= INLINED for one in held):
            return False
        if any(not _closed(one.items) for one in held):
            return False
        return not _are_stages(held)

    # Definitions

    def define(self, name: str, held: list[Group]) -> None:
        """Make definitions of a class, as few as there are bodies that do not fit over each other."""
        bodies = align.with_dropped([align.residuals(_renamed(self.flat(one.items))) for one in held])
        left = list(range(len(held)))
        while left:
            base = max(left, key=lambda place: weight(bodies[place]))
            inside = [place for place in left if self.over(bodies[base], bodies[place])]
            left = [place for place in left if place not in inside]
            if len(inside) == 1:  # written where it stands
                continue
            self.definition(name, [held[place] for place in inside], [bodies[place] for place in inside], bodies[base])

    def over(self, base: Items, body: Items) -> bool:
        """Tell whether a body fits over a longer one, and is most of it."""
        return placed(base, body) is not None and 2 * weight(body) >= weight(base)

    def definition(self, name: str, held: list[Group], bodies: list[Items], base: Items) -> None:
        """Write one definition, and know what each of its uses gives."""
        template = laid(base, bodies)
        channels = tuple(number(one.out.out.channels) for one in held)
        cin = tuple(number(one.into.channels) for one in held)
        parameters = Parameters(channels, cin)
        parameters.taken |= {*STRUCTURES, *LAYERS} - {"act"}
        self.written(template, parameters)
        parameters.again()
        body = self.written(template, parameters)
        block = self.block_name(name)
        used = parameters.finished()
        signature: list[tuple[str, str | None]] = []
        if parameters.uses_channels:
            signature.append(("channels", None))
        needed = [one for one in used if one.default is None]
        optional = [one for one in used if one.default is not None]
        signature += [(one.name, one.default) for one in (*needed, *optional)]
        self.blocks.append(Definition(block, tuple(signature), body, name, len(held)))
        for place, group in enumerate(held):
            values = [("channels", channels[place], False, True)] if parameters.uses_channels else []
            values += [(one.name, one.values[place], False, True) for one in needed]
            values += [
                (one.name, one.values[place], one.values[place] == one.defaults[place], False) for one in optional
            ]
            self.calls[id(group)] = Call(block, tuple(values), group.into, group.out, weight(group.items))

    def block_name(self, name: str) -> str:
        """Return the name of a block after its class, in a spec's spelling."""
        plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().strip("_")
        plain = re.sub(r"[^a-z0-9_]", "_", plain) or "unit"
        if plain in LAYERS or plain in STRUCTURES or plain in RESERVED or not plain[0].isalpha():
            plain = f"{plain.lstrip('0123456789_') or 'unit'}_block"
        found, count = plain, 1
        while found in self.names:
            count += 1
            found = f"{plain}_{count}"
        self.names.add(found)
        return found

    def flat(self, items: Iterable[Item], labels: bool = False) -> tuple[Any, ...]:
        """Put calls in the place of blocks, and what they hold in that of other modules."""
        found: list[Any] = []
        for item in items:
            if isinstance(item, Group):
                call = self.calls.get(id(item))
                if call is not None:
                    found.append(call)
                    continue
                found += self.flat(item.items, labels)
                if labels and self.labelled(item):
                    found.append(Wire("as", self.label(item), item.stack))
            elif isinstance(item, Fork):
                found.append(item._replace(branches=tuple(self.flat(branch) for branch in item.branches)))
            else:
                found.append(item)
        return tuple(found)

    def labelled(self, group: Group) -> bool:
        """Tell whether a module is a stage: all that it holds are uses of blocks, of one class for the most part."""
        return all(id(item) in self.calls for item in group.items) and weight(group.items) > INLINED

    def label(self, group: Group) -> str:
        """Name a stage after its attribute; one of a list by its place."""
        words = group.call.path.split(".")
        word = words[-1].lower()
        if not LABELS.fullmatch(word):
            word = f"stage{sum(label.startswith('stage') for label in self.labels) + 1}"
        base, count = word, 1
        if word in self.labels:
            word = base = f"stage{len(self.labels) + 1}"
        while word in self.labels or word in self.names or word in LAYERS or word in RESERVED or word in STRUCTURES:
            count += 1
            word = f"{base}_{count}"
        self.labels.add(word)
        return word

    # Bodies

    def written(self, template: Template, parameters: Parameters | None) -> tuple[Written, ...]:
        """Write a template; what is there in some uses alone stands under a condition."""
        found: list[Written] = []
        place = 0
        while place < len(template):
            one = template[place]
            if all(one.present) or parameters is None:
                found.append(self.item(one, parameters))
                place += 1
                continue
            stop = place
            while stop < len(template) and template[stop].present == one.present:
                stop += 1
            run = template[place:stop]
            flag = parameters.flag(one.present, _flag_word(run))
            body = tuple(self.item(laid_, parameters) for laid_ in run)
            found.append(Structure("if", (tuple(repeated(body)),), flag))
            place = stop
        return tuple(repeated(found))

    def item(self, one: Laid, parameters: Parameters | None) -> Written:
        """Write one item of a template."""
        item = one.one
        if isinstance(item, Wire):
            return Step(item.kind, (item.name,))
        if isinstance(item, Call):
            return self.call(one, parameters)
        if isinstance(item, Residual):
            bodies = tuple(self.written(part, parameters) for part in one.parts)
            return Structure("residual", bodies, one.shortcut)
        if isinstance(item, Fork):
            bodies = tuple(self.written(part, parameters) for part in one.parts)
            return Structure(item.kind, bodies[1:] if item.kind == "scale" else bodies)
        return self.layer(one, parameters)

    def call(self, one: Laid, parameters: Parameters | None) -> Step:
        """Write the use of a block."""
        uses: list[Call] = [use for use in one.uses if use is not None]
        arguments, options = [], []
        for place, (name, *_, positional) in enumerate(uses[0].values):
            values = tuple(None if use is None else use.values[place][1] for use in one.uses)
            if all(use.values[place][2] for use in uses):
                continue
            slot = "width" if _is_size(values) and name not in ("stride", "shift", "kernel") else name
            text = self.text(slot, values, one, parameters, name)
            if positional:
                arguments.append(text)
            else:
                options.append((name, text))
        return Step(uses[0].block, tuple(arguments), tuple(options))

    def text(self, slot: str, values: Vector, one: Laid, parameters: Parameters | None, word: str) -> str:
        """Say what a slot holds."""
        if parameters is None:
            return spelled(known(values)[0])
        return parameters.text(slot, values, one.here, word)

    def layer(self, one: Laid, parameters: Parameters | None) -> Step:
        """Write a layer."""
        nodes = [None if use is None else use.node for use in one.uses]
        node: Node = one.one.node
        if node.kind in (FREE, OPAQUE, PART):
            return self.operation(node)
        if is_activation(node.kind):
            kinds = tuple(None if use is None else use.kind for use in nodes)
            return Step(self.text("act", kinds, one, parameters, ""))
        fields = LAYERS[node.kind].fields
        arguments: list[str] = []
        options: list[tuple[str, str]] = []
        flags: list[tuple[str, str]] = []
        for field in fields:
            values = tuple(None if use is None else dict(use.slots).get(field.name, field.default) for use in nodes)
            if field.name == "pad" and "tf_same" in values:
                values = tuple(None if use is None else "tf_same" for use in nodes)
            if field.is_flag:
                if known(values)[0]:
                    flags.append((field.name, ""))
                continue
            if all(value == field.default for value in known(values)) and not field.positional:
                continue
            if all(value is None for value in values):
                continue
            word = _attribute(one.one)
            text = self.text(field.name, values, one, parameters, word)
            if field.positional:
                arguments.append(text)
            else:
                options.append((field.name, text))
        return Step(node.kind, tuple(arguments), (*options, *flags))

    def operation(self, node: Node) -> Step:
        """Write a function that the language has no name for as an op of the file's own."""
        slots = dict(node.slots)
        name = self.operation_name(str(slots.get("name", node.kind)), node)
        return Step(name)

    def operation_name(self, name: str, node: Node) -> str:
        """Return the op that is this, made where it is not there yet."""
        slots = dict(node.slots)
        plain = re.sub(r"[^a-z0-9_]", "_", name.lower()).strip("_") or "operation"
        out = "c, h, w" if len(node.out.spatial) == 2 else "c, h" if len(node.out.spatial) == 1 else "c"
        if node.kind == OPAQUE:
            out = ", ".join(map(str, slots["out"]))
        found, count = plain, 1
        while True:
            made = Operation(found, out, str(node.params), str(node.macs), name)
            if self.operations.get(found) == made:
                return found
            if found not in self.operations and found not in self.names and found not in LAYERS:
                self.operations[found] = made
                self.names.add(found)
                return found
            count += 1
            found = f"{plain}_{count}"


def _is_size(values: Vector) -> bool:
    return all(isinstance(value, int) and not isinstance(value, bool) for value in known(values))


def _attribute(item: Any) -> str:
    """Return words for a layer after the attribute that keeps it, and its place in that, by preference."""
    path = item.stack[-1].path if item.stack else ""
    words = [word.lower() for word in path.split(".") if word][-3:]
    named = [word for word in words if not word.isdigit() and not GENERIC.fullmatch(word) and LABELS.fullmatch(word)]
    if not named:
        return ""
    last = named[-1]
    places = [word for word in words[words.index(last) + 1 :] if word.isdigit()]
    return " ".join([last, *(f"{last}_{place}" for place in places)])


def _flag_word(run: Template) -> str:
    """Name a condition after what it turns on."""
    kinds = [one.one.node.kind if isinstance(one.one, Leaf) else "" for one in run]
    if any(isinstance(one.one, Fork) and one.one.kind == "scale" for one in run):
        return "squeeze"
    calls = [one.one.block for one in run if isinstance(one.one, Call)]
    if any("squeeze" in call or call.startswith("se") for call in calls):
        return "squeeze"
    if calls:
        return f"with_{calls[0]}"
    if kinds[:1] == ["conv"]:
        return "expand" if len(run) > 1 else "with_conv"
    return f"with_{next((kind for kind in kinds if kind), 'part')}"


# Modules


def _groups(items: Iterable[Item]) -> Iterable[Group]:
    """Yield every module call, the outer ones first."""
    for item in items:
        if isinstance(item, Group):
            yield item
            yield from _groups(item.items)
        elif isinstance(item, Fork):
            for branch in item.branches:
                yield from _groups(branch)


def _holders(
    items: Iterable[Item], name: str, kept: set[str], holder: Group | None = None
) -> dict[str, dict[int, int]]:
    """Count the uses of a class by the block, and the use of it, that holds them."""
    found: dict[str, dict[int, int]] = {}

    def walk(held: Iterable[Item], inside: Group | None) -> None:
        for item in held:
            if isinstance(item, Group):
                if item.call.name == name:
                    counts = found.setdefault(inside.call.name if inside else "", {})
                    counts[id(inside)] = counts.get(id(inside), 0) + 1
                walk(item.items, item if item.call.name in kept else inside)
            elif isinstance(item, Fork):
                for branch in item.branches:
                    walk(branch, inside)

    walk(items, holder)
    return found


def _name(group: Group) -> str:
    return group.call.name


def _height(group: Group) -> int:
    return 1 + max((_height(one) for one in _groups(group.items)), default=0)


def _plain(items: Items) -> bool:
    """Tell whether items are layers one after the other."""
    return all(_plain(item.items) if isinstance(item, Group) else isinstance(item, Leaf) for item in items)


def _are_stages(held: list[Group]) -> bool:
    """Tell whether a class is a stage: copies of one class and at most one other module, not always as many."""
    counts = []
    for group in held:
        names = [item.call.name for item in _unwrapped(group.items)]
        most = max((names.count(name) for name in names), default=0)
        if not most or len(names) - most > 1:
            return False
        counts.append(most)
    return max(counts) > 1 and len(set(counts)) > 1


def _unwrapped(items: Items) -> Iterable[Group]:
    for item in items:
        if isinstance(item, Group) and item.call.name in CONTAINERS:
            yield from _unwrapped(item.items)
        elif isinstance(item, Group):
            yield item


def _wires(items: Items) -> Iterable[Wire]:
    for item in items:
        if isinstance(item, Wire):
            yield item
        elif isinstance(item, Group):
            yield from _wires(item.items)
        elif isinstance(item, Fork):
            for branch in item.branches:
                yield from _wires(branch)


def _closed(items: Items) -> bool:
    """Tell whether all names that a module takes or gives are its own."""
    wires = list(_wires(items))
    given = {wire.name for wire in wires if wire.kind == "as"}
    return all(wire.name in given for wire in wires)


def _renamed(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Let names inside a block be the same in all of its uses: those of their order."""
    names: dict[str, str] = {}

    def walk(held: tuple[Any, ...]) -> tuple[Any, ...]:
        found: list[Any] = []
        for item in held:
            if isinstance(item, Wire):
                found.append(item._replace(name=names.setdefault(item.name, f"t{len(names) + 1}")))
            elif isinstance(item, Fork):
                found.append(item._replace(branches=tuple(map(walk, item.branches))))
            else:
                found.append(item)
        return tuple(found)

    return walk(items)


# Repeats


def repeated(steps: Iterable[Written]) -> list[Written]:
    """Write equal neighbours once with their number; a first that differs in options alone is `first(...)`.

    What comes again and again as a group is `repeat`.
    """
    left = list(steps)
    found: list[Written] = []
    place = 0
    while place < len(left):
        copies, period = _run(left, place)
        one, after = _row(left, place)
        if copies * period > after - place:
            found.append(Structure("repeat", (tuple(repeated(left[place : place + period])),), str(copies)))
            place += copies * period
        else:
            found.append(one)
            place = after
    return found


def _row(steps: list[Written], place: int) -> tuple[Written, int]:
    """Return a step with its copies, and the place behind them."""
    step, after = steps[place], place + 1
    if not isinstance(step, Step) or not _counts(step):
        return step, after
    while after < len(steps):
        other = steps[after]
        if not isinstance(other, Step):
            break
        if (other.name, other.arguments, other.options) == (step.name, step.arguments, step.options):
            step = step._replace(copies=step.copies + 1)
        else:
            first = _first(step, other)
            if first is None or _run(steps, after)[0]:
                break
            step = other._replace(copies=2, first=first)
        after += 1
    return step, after


def _counts(step: Step) -> bool:
    """Tell whether a step may be repeated by its number: a block, and not a layer or a name."""
    return step.name not in LAYERS and step.name not in ("as", "from", "identity")


def _first(last: Step, step: Step) -> tuple[tuple[str, str], ...] | None:
    """Return the options of a first copy that differs from the next in them alone."""
    if last.copies > 1 or last.first or last.name != step.name or last.arguments != step.arguments:
        return None
    mine, theirs = dict(last.options), dict(step.options)
    if set(theirs) - set(mine):
        return None
    return tuple((name, value) for name, value in mine.items() if theirs.get(name) != value)


def _run(steps: list[Written], place: int) -> tuple[int, int]:
    """Find the group of steps that comes again and again from here: how often, and how many they are."""
    best = (0, 0)
    for period in range(2, 7):
        run = steps[place : place + period]
        if len(run) < period or not _worth(run) or all(step == run[0] for step in run):
            continue
        if any(isinstance(step, Step) and step.name in ("as", "from") for step in run):
            continue
        copies = 1
        while steps[place + copies * period : place + (copies + 1) * period] == run:
            copies += 1
        if copies > 1 and copies * period > best[0] * best[1]:
            best = (copies, period)
    return best


def _worth(run: list[Written]) -> bool:
    """Tell whether steps are more than a layer with its norm and activation."""
    return len(run) > 1 and any(not isinstance(step, Step) or step.name not in LAYERS for step in run)
