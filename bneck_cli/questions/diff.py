"""Two analyses layer by layer: which layers are the same, what changed in the others, and what that comes to.

The two trees are aligned level by level, so a layer is sought only in the block that stands for its own. Every
difference of the totals is the sum of the differences of pairs, plus what was added, less what was removed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.network import Cost, Entry, entries
from bneck_cli.errors import BneckError, listed
from bneck_cli.flow.follow import depth
from bneck_cli.flow.receptive import receptive_field
from bneck_cli.questions.alignment import Alignment, Change, Pair, Part, settings_of, written
from bneck_cli.questions.notes import describe_input, requirements, rule_of, units_of
from bneck_cli.questions.reasons import reasons as because_of
from bneck_cli.words.comparing import against, quotient
from bneck_cli.words.paths import ranges
from bneck_cli.words.values import people
from bneck_cli.words.values import people as grouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Size
    from bneck_cli.sizes.shape import Shape

MAX_LAYERS = 100_000
PLAIN = {"stride": "1", "dilation": "1", "groups": 1, "padding": "0", "shift": 0}
"""Values that say nothing: a stride of 1 is not moved, the 2 is."""
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


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
    """Equal changes, listed once: where they are, what they are, how many layers they touch, their total cost."""

    mark: str
    paths: tuple[str, ...]
    text: str
    layers: int
    cost: Cost


class Total(NamedTuple):
    """A figure of both networks; ``difference`` is None if there is no such number."""

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
        return quotient(100 * self.difference, self.one)


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
    units: tuple[tuple[str, str], ...] = ()

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

    Raises BneckError for analyses under different counting rules, and for more layers than can be listed.
    """
    first, second = names or (one.name, other.name)
    if first == second:
        first, second = f"{first} (1)", f"{second} (2)"
    if rule_of(one) != rule_of(other):
        raise BneckError(f"{first} and {second} are counted under different rules", hint="count both by the same rule")
    for name, analysis in ((first, one), (second, other)):
        count = sum(entry.copies for entry in entries(analysis.root))
        if count > MAX_LAYERS:
            raise BneckError(
                f"{name} has {people(count)} layers, and diff lists them one by one",
                hint=f"the most it takes is {people(MAX_LAYERS)}",
            )
    steps = tuple(Alignment(one.batch, other.batch).steps(one.root, other.root))
    moves = tuple(_moves(steps))
    totals = tuple(_totals(one, other))
    inputs = (describe_input(one), describe_input(other))
    title = f"{first} -> {second} · {inputs[0] if inputs[0] == inputs[1] else ' -> '.join(inputs)}"
    found = Diff((first, second), title, steps, moves, tuple(_lines(steps, moves)), totals, (), rule_of(one), ())
    notes = tuple(dict.fromkeys((*requirements(one), *requirements(other))))
    return found._replace(conclusion=tuple(_conclusion(found, one, other)), notes=notes, units=units_of(one))


# What belongs together


def block_of(path: str) -> str:
    """Return the block that a layer's path lies in; the branches of a block are parts of it."""
    parts = path.split(".")[:-1]
    while parts and re.fullmatch(r"(shortcut|gate|branch)\d*", parts[-1]):
        parts.pop()
    return ".".join(parts)


def within(path: str) -> str:
    """Return a layer's path within its block."""
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
    """Return where a setting moved from and to: the value that is not the plain one moved."""
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
        return f"the {move.name} {written(move.one)} of {source} and {written(move.other)} of {target} are swapped"
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
    """Fold changes with the same description; each pair and each part belongs to exactly one line."""
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
    """Add the change of the output map, where settings made it and it is the same for all."""
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


# Totals


def _totals(one: Analysis, other: Analysis) -> Iterator[Total]:
    """Set the figures of both networks side by side."""
    unit = one.rule.title if one.rule else "MACs"
    rows: list[tuple[str, str, Any, Any]] = [
        ("params", "params", one.cost.params, other.cost.params),
        ("macs", unit, one.cost.macs * one.batch, other.cost.macs * other.batch),
        ("activations", "activations", one.cost.activations * one.batch, other.cost.activations * other.batch),
        ("depth", "depth", depth(one), depth(other)),
    ]
    for key, title, before, after in rows:
        yield Total(key, title, before, after, after - before)
    before, after = _seen(one), _seen(other)
    if before is not None or after is not None:
        difference = after - before if isinstance(before, int) and isinstance(after, int) else None
        yield Total("receptive_field", "receptive field", before, after, difference)


def _seen(analysis: Analysis) -> int | str | None:
    """Return the receptive field of the last feature map: a number where it is square; None if it is unknown."""
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
    because = f", because {listed(reasons, 'and')}" if only_moved and differs else ""
    yield f"Compared with {first}, {second} has {listed(facts, 'and')}{because}."
    if parts:
        yield _parts_words(found)
    if reasons and not because:
        sentence = listed(reasons, "and")
        yield f"{sentence[:1].upper()}{sentence[1:]}."
    if left:
        yield _settings_words(left, moved)
    if not left and not reasons and not parts:
        yield "Every layer has the same settings; only sizes differ."
    if not same_input:
        yield f"The input is {describe_input(other)}, not {describe_input(one)}."
    if not parts:
        yield from because_of(found.pairs, one, other)


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
            facts.append(f"a {noun} of {grouped(total.other)} instead of {grouped(total.one)}")
    return facts, any(total.one != total.other for total in found.totals)


def _said(total: Total, noun: str) -> str:
    """Say how many there are, beside those of the first."""
    return against(total.other, total.one, noun)


def _in_blocks(together: list[Move]) -> str:
    """Say in which blocks something moved."""
    blocks = list(dict.fromkeys(move.block for move in together))
    if blocks == [""]:
        return ""
    stages = [block.rpartition(".")[0] for block in blocks]
    if all(block.endswith(".0") for block in blocks) and len(set(stages)) == len(blocks):
        return f" in the first block of {stages[0] if len(stages) == 1 else f'{_count(len(stages))} stages'}"
    return f" in {listed(list(ranges(block or 'the net' for block in blocks)), 'and')}"


def _count(number: int) -> str:
    return COUNTS[number] if number < len(COUNTS) else f"{people(number)}"


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
    return f"It {listed(told, 'and')}."


def _settings_words(left: list[Pair], moved: set[tuple[int, str]]) -> str:
    """Say which settings differ in the layers that both have, and in how many of them."""
    by_name: dict[str, list[tuple[Pair, Change]]] = {}
    for pair in left:
        for change in pair.settings:
            if (id(pair), change.name) not in moved:
                by_name.setdefault(change.name, []).append((pair, change))
    if len(left) == 1:
        changes = ", ".join(str(held[0][1]) for held in by_name.values())
        return f"Of the layers in both, only {left[0].one.path} has other settings: {changes}."
    told = [f"{_count(len(held))} differ{'s' * (len(held) == 1)} in {name}" for name, held in by_name.items()]
    return f"Of the layers in both, {listed(told, 'and')}."
