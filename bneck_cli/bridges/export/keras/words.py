"""What words of a definition become in a function of Keras: variables, tensors, expressions, arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.export.keras.helpers import HELPERS
from bneck_cli.bridges.export.source import laid_out
from bneck_cli.bridges.export.symbols import ATOM, TIMES, Sym, literal, named, safe, shown, translated
from bneck_cli.engine.layers import LAYERS
from bneck_cli.engine.tensor import Tap
from bneck_cli.language.expression import All, Index, Items, Name, Number, Operation, parts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bneck_cli.bridges.export.keras.writer import Writer
    from bneck_cli.bridges.export.recorded import Event, Use
    from bneck_cli.language.expression import Expression
    from bneck_cli.language.spec import Definition

SPARE = ("x", "y", "z", "u", "v")
"""Variables that bodies work on."""
FUNCTIONS = {"slice": "slice_"}
"""Helpers whose names Python has for something else."""
WORDS = frozenset({*SPARE, "keras", "layers", "ops", "inputs", "c_in", "branches", "model"})
"""Names that a function has for something else."""


class Words:
    """The lines of one definition, and the names that they see."""

    def __init__(self, writer: Writer, definition: Definition, uses: Sequence[Use]) -> None:
        self.writer, self.definition, self.used = writer, definition, uses
        self.body: list[str] = []
        self.depth = 1
        self.bound = {parameter.name for parameter in definition.parameters}
        """Names of the definition, and of the loops around what is written."""
        self.read = {part.name.partition(".")[0] for part in parts_of((definition.body, definition.outputs))
                     if isinstance(part, Name)}  # fmt: skip
        self.every = {part.name for part in parts_of((definition.body, definition.outputs)) if isinstance(part, All)}
        self.given_names: set[tuple[str, ...]] = set()
        """Names of what blocks give that give several tensors."""
        self.locals: dict[str, str] = {}
        """The variables of named tensors."""

    def write(self, line: str) -> None:
        """Write a line."""
        self.body += laid_out(line, self.depth)

    def variable(self, name: str) -> str:
        """Return the variable of a named tensor."""
        name, bracket, rest = name.partition("[")
        if name not in self.locals:
            found = own(name)
            self.locals[name] = f"{found}_" if found in self.bound else found
        return f"{self.locals[name]}{bracket}{rest}"

    def tensor(self, expression: Expression, events: Sequence[Event], x: str) -> str:
        """Write what names a tensor."""
        match expression:
            case All(name=name):
                return f"all_{name}"
            case Name(name=name):
                return own(name) if name in self.bound else self.variable(name)
            case Items(items=items):
                return f"[{', '.join(self.tensor(item, events, x) for item in items)}]"
            case Index(sequence=sequence, position=position):
                return f"{self.tensor(sequence, events, x)}[{self.expression(position, events, x).text}]"
            case Number(value=Tap()):
                raise expression.place.error("this list of tensors cannot be exported to Keras")
        raise expression.place.error("this tensor cannot be exported to Keras")

    def translated(self, expression: Expression, events: Sequence[Event], x: str, compare: bool = True) -> Sym | None:
        """Write an expression, if it is right in each use."""
        count = len(events)
        names: dict[str, Sym] = {}
        shapes = [event.shape for event in events]
        axes = {len(shape.spatial) for shape in shapes}
        rank = axes.pop() if len(axes) == 1 else -1
        for part in parts_of(expression):
            if not isinstance(part, Name):
                continue
            name = part.name
            if name in self.bound:
                names[name] = named(own(name), [event.env.get(name) for event in events])
            elif name == "cin":
                names[name] = named("c_in", [event.env["cin"] for event in events])
            elif name == "c":
                names[name] = Sym(f"{x}.shape[-1]", ATOM, [shape.channels for shape in shapes], ("name", name))
            elif name == "n" and rank > 0:
                text = " * ".join(f"{x}.shape[{at + 1}]" for at in range(rank))
                names[name] = Sym(text, TIMES if rank > 1 else ATOM, [s.positions for s in shapes], ("name", name))
            elif name in ("l", "t", "h", "w") and rank > 0 and name in shapes[0].letters:
                at = shapes[0].letters.index(name)
                names[name] = Sym(f"{x}.shape[{at + 1}]", ATOM, [s.spatial[at] for s in shapes], ("name", name))
        sym = translated(expression, names, count, self.writer.extents)
        if sym is None or not compare:
            return sym
        right = all(_same(sym.values[at], event.value(expression)) for at, event in enumerate(events))
        return sym if right else None

    def expression(self, expression: Expression, events: Sequence[Event], x: str) -> Sym:
        """Write an expression; where it reads what Python has not here, its value, if that is one.

        Raises BneckError where neither is possible.
        """
        sym = self.translated(expression, events, x)
        if sym is not None:
            return sym
        values = [event.value(expression) for event in events]
        if all(value == values[0] for value in values) and not isinstance(values[0], (str, Tap)):
            return literal(values[0], len(events), extent=True)
        raise expression.place.error("this expression cannot be exported to Keras")

    def argument(self, value: Expression, events: Sequence[Event], x: str) -> str:
        """Write an argument: a value, a tensor, or what a word stands for."""
        found = events[0].value(value)
        if isinstance(found, Tap) or (type(found) is tuple and found and isinstance(found[0], Tap)):
            if isinstance(value, (Name, All, Index)):
                return self.tensor(value, events, x)
            if isinstance(value, Operation):
                return " + ".join(self.argument(one, events, x) for one in (value.left, value.right))
            items = getattr(value, "items", ())
            return f"[{', '.join(self.tensor(item, events, x) for item in items)}]"
        if isinstance(found, str) and isinstance(value, Name):
            return own(value.name) if value.name in self.bound else self.word(found, events, value)
        return self.expression(value, events, x).text

    def word(self, word: str, events: Sequence[Event], value: Expression) -> str:
        """Write a word that stands for a block, a layer, or itself."""
        scopes = [use.definition for use in self.writer.recorded.uses if use.definition.name == word]
        if scopes:
            return self.writer.function(scopes[0])
        if word in HELPERS:
            return FUNCTIONS.get(word, word)
        if word in LAYERS:
            raise value.place.error(f"Keras has no layer for `{word}`: it cannot be exported to Keras")
        return f'"{word}"'

    def extent(self, value: Expression, events: Sequence[Event], x: str, whole: bool = False) -> str:
        """Write a number, a size per axis, or a word."""
        found = events[0].value(value)
        if isinstance(found, Tap):
            return f"{self.tensor(value, events, x)}.shape[1:-1]"
        if isinstance(found, str):
            return own(value.name) if isinstance(value, Name) and value.name in self.bound else f'"{found}"'
        sym = self.expression(value, events, x)
        return shown(sym.parts[1], extent=self.writer.extents and not whole) if sym.is_literal else sym.text


def own(name: str) -> str:
    """Return the variable of a parameter or a tensor: no word that functions have for something else."""
    return f"{name}_" if name in WORDS or name in HELPERS else safe(name)


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
