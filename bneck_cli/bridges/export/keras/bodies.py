"""What each structure of a body becomes in a function of Keras."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.export.keras.helpers import HELPERS, refusal
from bneck_cli.bridges.export.keras.words import FUNCTIONS, SPARE, Words, own
from bneck_cli.bridges.export.symbols import safe
from bneck_cli.engine.layers import LAYERS
from bneck_cli.engine.network import Fork, Layer
from bneck_cli.language.bodies import (
    SHARE,
    Aside,
    Branch,
    Chain,
    Join,
    Label,
    Loop,
    Nothing,
    Repeat,
    Residual,
    Resume,
    Scale,
    Step,
    reads,
)
from bneck_cli.language.expression import All, Name, Number, parts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bneck_cli.bridges.export.recorded import Event
    from bneck_cli.language.bodies import Body
    from bneck_cli.language.expression import Expression
    from bneck_cli.language.spec import Definition

JOINS = {"add": "Add()", "mul": "Multiply()", "concat": "Concatenate()"}


class Bodies(Words):
    """Bodies that work on a variable."""

    def emit(self, body: Body, events: Sequence[Event], x: str) -> None:
        """Write a body that works on a variable."""
        if not events:
            return
        match body:
            case Step():
                self.step(body, events, x)
            case Chain():
                for at, step in enumerate(body.steps):
                    self.emit(step, _children(events, at), x)
            case Repeat():
                self.repeat(body, events, x)
            case Loop():
                self.loop(body, events, x)
            case Residual():
                self.residual(body, events, x)
            case Join():
                self.join(body, events, x)
            case Scale():
                gate = self.spare(x)
                self.write(f"{gate} = {x}")
                self.emit(body.gate, _children(events, 0), gate)
                self.write(f"{x} = layers.Multiply()([{x}, {gate}])")
            case Aside():
                self.write("# A head that training alone runs is left out here.")
            case Branch():
                self.branch(body, events, x)
            case Label():
                self.label(body, x)
            case Resume():
                self.write(f"{x} = {self.tensor(body.tensor, events, x)}")
            case _:
                raise body.place.error(f"`{type(body).__name__.lower()}` cannot be exported to Keras")

    def spare(self, x: str) -> str:
        """Return a variable for what goes on beside another."""
        at = SPARE.index(x) + 1 if x in SPARE else int(x[1:]) + 1
        return SPARE[at] if at < len(SPARE) else f"x{at}"

    def copied(self, variable: str, x: str, body: Body) -> None:
        """Let another variable begin with what one holds, unless its body goes on from a name."""
        if not (isinstance(body, Chain) and isinstance(body.steps[0], Resume)):
            self.write(f"{variable} = {x}")

    def inner(self, lines: Any) -> None:
        """Write lines one step deeper, ``pass`` where there are none."""
        before = len(self.body)
        self.depth += 1
        lines()
        if len(self.body) == before:
            self.write("pass")
        self.depth -= 1

    def repeat(self, repeat: Repeat, events: Sequence[Event], x: str) -> None:
        """Write copies as a loop; a first that differs stands before it."""
        some = [event for event in events if event.children]
        if not some:
            return
        count = self.expression(repeat.times, events, x)
        start = ""
        if repeat.first:
            first = next(event.children[0].body for event in some)
            if len(some) < len(events):
                raise repeat.place.error("copies of which there may be none, the first another, in an export to Keras")
            self.emit(first, _children(events, 0), x)
            start = "1, "
        inside = [child for event in events for child in event.children[bool(repeat.first) :]]
        if not inside:
            return
        indexed = reads(repeat.body, "i")
        enters = reads(repeat.body, "cin")
        if count.text == "1" and not indexed:
            self.emit(repeat.body, inside, x)
            return
        self.write(f"for {'i' if indexed else '_'} in range({start}{count.text}):")
        bound, self.bound = self.bound, self.bound | {"i"} if indexed else self.bound

        def lines() -> None:
            if enters:
                self.write(f"c_in = {x}.shape[-1]")
            self.emit(repeat.body, inside, x)

        self.inner(lines)
        self.bound = bound

    def loop(self, loop: Loop, events: Sequence[Event], x: str) -> None:
        """Write a body for each item."""
        inside = [child for event in events for child in event.children]
        if inside:
            self.looped(loop, events, x, lambda: self.emit(loop.body, inside, x))

    def looped(self, loop: Loop, events: Sequence[Event], x: str, lines: Any) -> None:
        """Write the line of a loop, and what is in it."""
        if any(isinstance(event.env.get(name), str) for event in events for name in loop.names):
            raise loop.place.error("a loop over names of layers cannot be exported to Keras")
        items = self.expression(loop.items, events, x)
        several = all(isinstance(value, tuple) for value in items.values)
        if not several and any(isinstance(value, tuple) for value in items.values):
            raise loop.place.error("a loop over a list in one use, and up to a number in another")
        over = items.text if several else f"range({items.text})"
        if reads(loop.body, "i"):
            raise loop.place.error("the index of a loop cannot be exported to Keras")
        self.write(f"for {', '.join(map(own, loop.names))} in {over}:")
        bound, self.bound = self.bound, self.bound | set(loop.names)
        self.inner(lines)
        self.bound = bound

    def residual(self, residual: Residual, events: Sequence[Event], x: str) -> None:
        """Add what a body makes to what a shortcut does."""
        y = self.spare(x)
        self.write(f"{y} = {x}")
        self.emit(residual.body, _children(events, 0), y)
        kind = residual.shortcut
        if kind in ("auto", "pad"):
            made = "shortcut" if kind == "auto" else "padded"
            self.write(f"{x} = layers.Add()([{y}, {made}({x}, {y})])")
        elif kind == "if_same":
            added = [isinstance(event.node, Fork) and event.node.kind == "residual" for event in events]
            same = [event.shape == event.children[0].out for event in events]
            if added != same:
                raise residual.place.error("this shortcut cannot be exported to Keras")
            if all(added):
                self.write(f"{x} = layers.Add()([{x}, {y}])")
            elif not any(added):
                self.write(f"{x} = {y}")
            else:
                self.write(f"{x} = layers.Add()([{x}, {y}]) if {x}.shape == {y}.shape else {y}")
        elif kind == "identity":
            self.write(f"{x} = layers.Add()([{x}, {y}])")
        elif not isinstance(kind, str):
            z = self.spare(y)
            self.write(f"{z} = {x}")
            self.emit(kind, _children(events, 1), z)
            self.write(f"{x} = layers.Add()([{y}, {z}])")

    def join(self, join: Join, events: Sequence[Event], x: str) -> None:
        """Write branches, and what joins them."""
        if join.kind not in (*JOINS, "split"):
            raise join.place.error(f"`{join.kind}` cannot be exported to Keras")
        ranks = {len(child.out.spatial) for event in events for child in event.children}
        if len(ranks) > 1:
            raise join.place.error("tensors of another number of axes cannot be joined in Keras")
        if join.kind == "split":
            self.split(join, events, x)
            return
        layer = JOINS[join.kind] if join.along == "channels" else "Concatenate(axis=1)"
        listed = any(_is_open(branch) for branch in join.branches)
        ends: list[str] = []
        if listed:
            name = self.free_branches()
            self.write(f"{name} = []")
            for branch in join.branches:
                self.open_branch(branch, events, x, name)
            self.write(f"{x} = joined(layers.{layer}, {name})")
            return
        at = x
        for number_of, branch in enumerate(join.branches):
            inside = [child for event in events for child in event.children if child.body is branch]
            if len(inside) < len(events):
                raise branch.place.error("a branch that is not in every use cannot be exported to Keras")
            if isinstance(branch, Resume):
                ends.append(self.tensor(branch.tensor, inside, x))
                continue
            if isinstance(branch, Step) and branch.name == "identity" and number_of == 0:
                ends.append(x)
                continue
            at = self.spare(at)
            self.copied(at, x, branch)
            self.emit(branch, inside, at)
            ends.append(at)
        self.write(f"{x} = layers.{layer}([{', '.join(ends)}])")

    def free_branches(self) -> str:
        """Return a name for a list of branches."""
        return f"branches{self.depth if self.depth > 1 else ''}"

    def open_branch(self, branch: Body, events: Sequence[Event], x: str, name: str) -> None:
        """Write a branch of which there may be none, or several."""
        y = self.spare(x)
        if isinstance(branch, Nothing):
            return
        if isinstance(branch, Resume):
            if isinstance(branch.tensor, All):
                self.write(f"{name} += all_{branch.tensor.name}")
            elif type(events[0].value(branch.tensor)) is tuple:
                self.write(f"{name} += {self.tensor(branch.tensor, events, x)}")
            else:
                self.write(f"{name}.append({self.tensor(branch.tensor, events, x)})")
            return
        if isinstance(branch, Branch):
            condition = self.condition(branch.condition, events, x)
            self.write(f"if {condition}:")
            self.inner(lambda: self.open_branch(branch.then, events, x, name))
            if branch.otherwise is not None and not isinstance(branch.otherwise, Nothing):
                other = branch.otherwise
                self.write("else:")
                self.inner(lambda: self.open_branch(other, events, x, name))
            return
        if isinstance(branch, Loop):
            loop = branch
            self.looped(loop, events, x, lambda: self.open_branch(loop.body, events, x, name))
            return
        inside = [child for event in events for child in event.children if child.body is branch]
        if not inside:
            return
        self.copied(y, x, branch)
        self.emit(branch, inside, y)
        self.write(f"{name}.append({y})")

    def split(self, join: Join, events: Sequence[Event], x: str) -> None:
        """Write slices of the channels, one to each branch."""
        (first, *others) = join.branches
        if isinstance(first, Loop) and not others and join.sizes is None and len(first.names) == 1:
            self.split_by_items(join, first, events, x)
            return
        if any(_is_open(branch) for branch in join.branches) or join.how not in JOINS:
            raise join.place.error("this `split` cannot be exported to Keras")
        sizes = [[child.shape.channels for child in event.children] for event in events]
        if any(
            len(row) != len(join.branches) or sum(row) != event.shape.channels
            for row, event in zip(sizes, events, strict=True)
        ):
            raise join.place.error("a slice that goes nowhere cannot be exported to Keras")
        names: list[str] = []
        at = x
        for _ in join.branches:
            at = self.spare(at)
            names.append(at)
        if all(len(set(row)) == 1 for row in sizes):
            cut = str(len(names))
        elif len({tuple(row) for row in sizes}) == 1:
            ends = [sum(sizes[0][: place + 1]) for place in range(len(names) - 1)]
            cut = f"[{', '.join(map(str, ends))}]"
        else:
            raise join.place.error("slices whose sizes differ from use to use cannot be exported to Keras")
        self.write(f"{', '.join(names)} = ops.split({x}, {cut}, axis=-1)")
        for place, (branch, name) in enumerate(zip(join.branches, names, strict=True)):
            before = self.spare
            last = names[-1]
            self.spare = lambda word, last=last, before=before: before(last if word in names else word)  # type: ignore[method-assign, misc]
            self.emit(branch, _children(events, place), name)
            self.spare = before  # type: ignore[method-assign]
        self.write(f"{x} = layers.{JOINS[join.how]}([{', '.join(names)}])")

    def split_by_items(self, join: Join, loop: Loop, events: Sequence[Event], x: str) -> None:
        """Write equal slices of the channels, a branch for each item of a list."""
        items = self.expression(loop.items, events, x)
        if not all(isinstance(value, tuple) for value in items.values) or reads(loop.body, "i"):
            raise loop.place.error("slices by a number cannot be exported to Keras")
        name, y = self.free_branches(), self.spare(x)
        inside = [child for event in events for child in event.children]
        self.write(f"{name} = []")
        slices = f"ops.split({x}, len({items.text}), axis=-1)"
        self.write(f"for {y}, {own(loop.names[0])} in zip({slices}, {items.text}):")
        bound, self.bound = self.bound, self.bound | set(loop.names)

        def lines() -> None:
            self.emit(loop.body, inside, y)
            self.write(f"{name}.append({y})")

        self.inner(lines)
        self.bound = bound
        self.write(f"{x} = joined(layers.{JOINS[join.how]}, {name})")

    def branch(self, branch: Branch, events: Sequence[Event], x: str) -> None:
        """Write what a condition chooses."""
        then = [event.children[0] for event in events if event.children and event.children[0].body is branch.then]
        other = [event.children[0] for event in events if event.children and event.children[0].body is not branch.then]
        condition = self.condition(branch.condition, events, x)
        if condition in ("True", "False"):
            self.emit(branch.then if then else branch.otherwise or Nothing(branch.place), then or other, x)
            return
        self.write(f"if {condition}:")
        self.inner(lambda: self.emit(branch.then, then, x))
        if branch.otherwise is not None and other:
            otherwise = branch.otherwise
            self.write("else:")
            self.inner(lambda: self.emit(otherwise, other, x))

    def condition(self, condition: Expression, events: Sequence[Event], x: str) -> str:
        """Write a condition."""
        return self.expression(condition, events, x).text

    def label(self, label: Label, x: str) -> None:
        """Name a tensor, or each of those that a block gives."""
        if label.names in self.given_names:
            return  # the call has named them
        (name,) = label.names
        if name in self.read or name in self.writer.analysis.outputs:
            self.write(f"{self.variable(name)} = {x}")
        if name in self.every:
            self.write(f"all_{name}.append({x})")

    def step(self, step: Step, events: Sequence[Event], x: str) -> None:
        """Write a layer, or the use of a block."""
        if any(option.name == SHARE for option in step.options):
            raise step.place.error("weights that layers share cannot be exported to Keras")
        for event in events:
            if event.uses is None and isinstance(event.node, Layer):
                why = refusal(event.node)
                if why:
                    raise step.place.error(f"{why}: this layer cannot be exported to Keras")
        blocks = [event.uses.definition for event in events if event.uses is not None]
        bound = step.name in self.bound
        if not bound and blocks:
            name = self.writer.function(blocks[0])
        elif bound:
            name = own(step.name)
            for definition in {id(one): one for one in blocks}.values():
                self.writer.function(definition)
        elif step.name == "identity":
            return
        elif step.name in HELPERS:
            name = FUNCTIONS.get(step.name, step.name)
        else:
            raise step.place.error(f"Keras has no layer for `{step.name}`: this layer cannot be exported to Keras")
        words = self.block_words(step, events, x, blocks[0]) if blocks else self.layer_words(step, events, x)
        target = x
        several = next((event.uses.definition.outputs for event in events if event.uses is not None), None)
        if several is not None:
            variables = self.following(step)
            self.write(f"{', '.join(variables)} = {name}({', '.join([x, *words])})")
            self.write(f"{x} = {variables[0]}{'[0]' if len(variables) == 1 else ''}")
            return
        self.write(f"{target} = {name}({', '.join([x, *words])})")

    def following(self, step: Step) -> list[str]:
        """Return the variables that a label behind a block gives its tensors, one of all of them or one of each."""
        for part in parts_of(self.definition.body):
            if isinstance(part, Chain):
                for one, other in pairwise(part.steps):
                    if one is step and isinstance(other, Label):
                        self.given_names.add(other.names)
                        return [self.variable(name) for name in other.names]
        raise step.place.error("several tensors without names cannot be exported to Keras")

    def block_words(self, step: Step, events: Sequence[Event], x: str, definition: Definition) -> list[str]:
        """Write the arguments of a block."""
        turned = {
            one.name for one in definition.parameters if isinstance(one.default, Number) and one.default.value is False
        }
        flags = [
            a.name for a in step.arguments if isinstance(a, Name) and a.name in turned and a.name not in self.bound
        ]
        plain = [a for a in step.arguments if not (isinstance(a, Name) and a.name in flags)]
        words = [self.argument(argument, events, x) for argument in plain]
        words += [f"{own(name)}=True" for name in flags]
        return words + [f"{own(option.name)}={self.argument(option.value, events, x)}" for option in step.options]

    def layer_words(self, step: Step, events: Sequence[Event], x: str) -> list[str]:
        """Write the arguments of a layer as those of its helper."""
        kinds = [event.node.op for event in events if isinstance(event.node, Layer)]
        fields = LAYERS[kinds[0]].fields if kinds else ()
        ordered = [field for field in fields if field.positional]
        flags = {field.name for field in fields if field.is_flag}
        words, at = [], 0
        for argument in step.arguments:
            if isinstance(argument, Name) and argument.name in flags and argument.name not in self.bound:
                words.append(f"{argument.name}=True")
            else:
                words.append(self.extent(argument, events, x, at < len(ordered) and ordered[at].name == "shape"))
                at += 1
        words.sort(key=lambda word: "=True" in word)
        return words + [f"{safe(option.name)}={self.extent(option.value, events, x)}" for option in step.options]


def _children(events: Sequence[Event], at: int) -> list[Event]:
    return [event.children[at] for event in events if len(event.children) > at]


def _is_open(branch: Body) -> bool:
    """Tell whether a branch stands for any number of them."""
    if isinstance(branch, Resume):
        return isinstance(branch.tensor, All)
    return isinstance(branch, (Loop, Nothing, Branch))
