"""From structures to definitions: classes that are used more than once become blocks with parameters.

The innermost come first. Uses of a class are laid over each other; what no one body holds is another block.
"""

from __future__ import annotations

import re
from collections import Counter
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.folding import align
from bneck_cli.bridges.folding.align import Call, Laid, Residual, Template, is_activation, laid, placed, weight
from bneck_cli.bridges.folding.modules import (
    CONTAINERS,
    are_stages,
    class_name,
    closed,
    height,
    holders,
    module_calls,
    plain,
    renamed,
    wires,
)
from bneck_cli.bridges.folding.regions import Fork, Group, Item, Items, Leaf, Wire
from bneck_cli.bridges.folding.relate import Parameters, Vector, constant, known
from bneck_cli.bridges.folding.repeats import Step, Structure, Written, repeated
from bneck_cli.bridges.graph import FREE, LEARNED, OPAQUE, PART, SOURCE, Node, spelled
from bneck_cli.bridges.names import unused
from bneck_cli.engine.layers import LAYERS
from bneck_cli.language.syntax import RESERVED, STRUCTURES

if TYPE_CHECKING:
    from collections.abc import Iterable

INLINED = 4
"""So many layers in sequence are written where they stand."""
GENERIC = re.compile(r"_*(conv|fc|linear|proj|bn|norm|block|layer|feature|dw|pw|expan|mlp|cv|body|net)\w*")
"""Attributes that say no more than what kind of layer they keep."""
LABELS = re.compile(r"[a-z][a-z0-9_]*")


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
        self.reads: list[str] = []

    def fold(self, items: Items) -> Folded:
        """Fold a network."""
        self.reads = [wire.name for wire in wires(items) if wire.kind == "from"]
        self.names |= {wire.name for wire in wires(items)}
        groups: dict[str, list[Group]] = {}
        calls = Counter(group.call for group in module_calls(items))
        for group in module_calls(items):
            if calls[group.call] == 1:  # what is left of one that others run through is no block
                groups.setdefault(group.call.name, []).append(group)
        heights = {name: max(map(height, held)) for name, held in groups.items()}
        self.kept = {name for name, held in groups.items() if self.keeps(held)}
        nested = {
            name
            for name, held in groups.items()
            if any(name in map(class_name, module_calls(one.items)) for one in held)
        }
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
            found = holders(items, name, self.kept)
            if len(found) == 1 and "" not in found and max(next(iter(found.values())).values()) == 1:
                self.kept.discard(name)

    def keeps(self, held: list[Group]) -> bool:
        """Return whether a class is worth a block of its own."""
        name = held[0].call.name
        if name in CONTAINERS or len(held) < 2:
            return False
        if all(plain(one.items) and weight(one.items) <= INLINED for one in held):
            return False
        if any(not closed(one.items, self.reads) for one in held):
            return False
        return not are_stages(held)

    # Definitions

    def define(self, name: str, held: list[Group]) -> None:
        """Make definitions of a class, as few as there are bodies that do not fit over each other."""
        bodies = align.with_dropped([align.residuals(renamed(self.flat(one.items))) for one in held])
        left = list(range(len(held)))
        while left:
            base = max(left, key=lambda place: weight(bodies[place]))
            inside = [place for place in left if self.over(bodies[base], bodies[place])]
            left = [place for place in left if place not in inside]
            if len(inside) == 1:  # written where it stands
                continue
            self.definition(name, [held[place] for place in inside], [bodies[place] for place in inside], bodies[base])

    def over(self, base: Items, body: Items) -> bool:
        """Return whether a body fits over a longer one, and is most of it."""
        named = [(one.kind, one.name) for one in base if isinstance(one, Wire)]
        if named != [(one.kind, one.name) for one in body if isinstance(one, Wire)]:
            return False
        return placed(base, body) is not None and 2 * weight(body) >= weight(base)

    def definition(self, name: str, held: list[Group], bodies: list[Items], base: Items) -> None:
        """Write one definition, and know what each of its uses gives."""
        template = laid(base, bodies)
        channels = tuple(number(one.out.out.channels) for one in held)
        cin = tuple(number(one.into.channels) for one in held)
        parameters = Parameters(channels, cin)
        parameters.taken |= {*STRUCTURES, *LAYERS, *self.names} - {"act"}
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
            self.calls[id(group)] = Call(
                block, tuple(values), group.into, group.out, weight(group.items), align.strides(bodies[place])
            )

    def block_name(self, name: str) -> str:
        """Return the name of a block after its class, in a spec's spelling."""
        name = name.replace("NeXt", "Next")
        plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().strip("_")
        plain = re.sub(r"[^a-z0-9_]", "_", plain) or "unit"
        if plain in LAYERS or plain in STRUCTURES or plain in RESERVED or not plain[0].isalpha():
            plain = f"{plain.lstrip('0123456789_') or 'unit'}_block"
        found = unused(plain, self.names.__contains__)
        self.names.add(found)
        return found

    def flat(self, items: Iterable[Item], labels: bool = False) -> tuple[Any, ...]:
        """Put calls in the place of blocks, and what they hold in that of other modules."""
        found: list[Any] = []
        held = list(items)
        for place, item in enumerate(held):
            if isinstance(item, Group):
                call = self.calls.get(id(item))
                if call is not None:
                    found.append(call)
                    continue
                found += self.flat(item.items, labels)
                behind = held[place + 1] if place + 1 < len(held) else None
                if labels and self.labelled(item) and not (isinstance(behind, Wire) and behind.kind == "as"):
                    found.append(Wire("as", self.label(item), item.stack))
            elif isinstance(item, Fork):
                found.append(item._replace(branches=tuple(self.flat(branch) for branch in item.branches)))
            else:
                found.append(item)
        return tuple(found)

    def labelled(self, group: Group) -> bool:
        """Return whether a module is a stage: all that it holds are uses of blocks, and no part of another stage."""
        words = group.call.path.split(".")
        if len(words) > 2 and words[-1].isdigit():
            return False
        return all(id(item) in self.calls for item in group.items) and weight(group.items) > INLINED

    def label(self, group: Group) -> str:
        """Name a stage after its attribute; one of a list by its place."""
        words = group.call.path.split(".")
        word = words[-1].lower()
        if not LABELS.fullmatch(word) or (len(words) > 1 and words[-2].isdigit()):
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

    def written(
        self, template: Template, parameters: Parameters | None, given: tuple[bool, ...] = ()
    ) -> tuple[Written, ...]:
        """Write a template; what is there in some uses alone stands under a condition, unless one holds already."""
        found: list[Written] = []
        place = 0
        while place < len(template):
            one = template[place]
            if all(one.present) or parameters is None or one.present == given:
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
            bodies = tuple(self.written(part, parameters, one.present) for part in one.parts)
            return Structure("residual", bodies, one.shortcut)
        if isinstance(item, Fork):
            bodies = tuple(self.written(part, parameters, one.present) for part in one.parts)
            options = self.beside(one, parameters)
            return Structure(item.kind, bodies[1:] if item.kind == "scale" else bodies, options=options)
        return self.layer(one, parameters)

    def beside(self, one: Laid, parameters: Parameters | None) -> tuple[tuple[str, str], ...]:
        """Say what stands beside the branches of a join."""
        slots = [{} if use is None else dict(use.out.slots) for use in one.uses]
        there = next(held for use, held in zip(one.uses, slots, strict=True) if use is not None)
        found: list[tuple[str, str]] = []
        for name, value in there.items():
            values = tuple(None if use is None else held.get(name) for use, held in zip(one.uses, slots, strict=True))
            if name == "sizes":
                each = [
                    self.text(
                        "channels", tuple(None if row is None else row[at] for row in values), one, parameters, ""
                    )
                    for at in range(len(value))
                ]
                found.append((name, f"[{', '.join(each)}]"))
            elif name == "position":
                if any(known(values)):
                    found.append((name, self.positions(one, values, parameters)))
            elif name == "grid":
                found += [(name, "true")] if value else []
            elif value is not None:
                found.append((name, self.text(name, values, one, parameters, "")))
        return tuple(found)

    def positions(self, one: Laid, values: Vector, parameters: Parameters | None) -> str:
        """Say how many values are learned for the positions of scores."""
        for use, value in zip(one.uses, values, strict=True):
            if use is not None:
                slots, scores = dict(use.out.slots), use.out.parts[0]
                asking = slots.get("window", use.out.out.spatial)
                if prod(2 * number(side) - 1 for side in asking) * number(scores.out.channels) != value:
                    return self.text("position", values, one, parameters, "")
        return "relative"

    def call(self, one: Laid, parameters: Parameters | None) -> Step:
        """Write the use of a block."""
        uses: list[Call] = [use for use in one.uses if use is not None]
        arguments, options = [], []
        for place, (name, *_, positional) in enumerate(uses[0].values):
            values = tuple(None if use is None else use.values[place][1] for use in one.uses)
            if all(use.values[place][2] for use in uses):
                continue
            slot = "width" if _is_size(values) and name not in ("stride", "shift", "kernel") else name
            text = self.text(slot, values, one, parameters, name, copies=True)
            if positional:
                arguments.append(text)
            else:
                options.append((name, text))
        return Step(uses[0].block, tuple(arguments), tuple(options))

    def text(
        self, slot: str, values: Vector, one: Laid, parameters: Parameters | None, word: str, copies: bool = False
    ) -> str:
        """Say what a slot holds."""
        if parameters is None:
            return spelled(known(values)[0])
        return parameters.text(slot, values, one.here, word, copies)

    def layer(self, one: Laid, parameters: Parameters | None) -> Written:
        """Write a layer."""
        nodes = [None if use is None else use.node for use in one.uses]
        node: Node = one.one.node
        if node.kind == LEARNED:
            axes = ["c", *(("l",) if len(node.out.spatial) == 1 else "hw")[: len(node.out.spatial)]]
            shape = " x ".join(axes) if dict(node.slots)["whole"] else "c"
            return Structure("add", ((), (Step("learned", (shape,)),)))
        if node.kind in (FREE, OPAQUE):
            return self.operation(node)
        if node.kind in (SOURCE, "reshape"):
            return self.shape(one, parameters)
        if node.kind == PART:
            ends = [tuple(None if use is None else dict(use.slots)[end] for use in nodes) for end in ("start", "stop")]
            texts = [self.text("channels", values, one, parameters, "part") for values in ends]
            if all(use is None or dict(use.node.slots)["stop"] == use.into.channels for use in one.uses):
                texts[1] = "end"
            return Step("slice", tuple(texts))
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
        shared = dict(node.slots).get("share")
        return Step(node.kind, tuple(arguments), (*options, *flags, *([("share", shared)] if shared else [])))

    def shape(self, one: Laid, parameters: Parameters | None) -> Step:
        """Write a tensor that is all weights, or the shape that elements are given."""
        node = one.one.node
        sizes = [tuple(None if use is None else number(use.node.out.channels) for use in one.uses)]
        for axis in range(len(node.out.spatial)):
            sizes.append(tuple(None if use is None else number(use.node.out.spatial[axis]) for use in one.uses))
        words = [self.text("channels", sizes[0], one, parameters, "")]
        words += [self.side(values, one, parameters) for values in sizes[1:]]
        options = (("frozen", ""),) if dict(node.slots).get("frozen") else ()
        return Step(node.kind, (" x ".join(words),), options)

    def side(self, values: Vector, one: Laid, parameters: Parameters | None) -> str:
        """Say how long an axis is: a number, or one of the sides that arrive."""
        if parameters is None or constant(values):
            return self.text("side", values, one, parameters, "")
        uses = [use for use in one.uses if use is not None]
        for axis, name in enumerate(align.AXES[len(uses[0].into.spatial)]):
            if all(use.into.spatial[axis] == value for use, value in zip(uses, known(values), strict=True)):
                return name
        if all(use.into.positions == value for use, value in zip(uses, known(values), strict=True)):
            return "n"
        return self.text("side", values, one, parameters, "")

    def operation(self, node: Node) -> Step:
        """Write a function that the language has no name for as an op of the file's own."""
        slots = dict(node.slots)
        name = self.operation_name(str(slots.get("name", node.kind)), node)
        return Step(name)

    def operation_name(self, name: str, node: Node) -> str:
        """Return the op that is this, made where it is not there yet."""
        slots = dict(node.slots)
        plain = re.sub(r"[^a-z0-9_]", "_", name.lower()).strip("_") or "operation"
        out, params = (
            align.formula(node) if node.kind == FREE else (", ".join(map(str, slots["out"])), str(node.params))
        )
        found, count = plain, 1
        while True:
            made = Operation(found, out, params, str(node.macs), name)
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
