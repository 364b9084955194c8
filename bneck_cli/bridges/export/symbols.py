"""Expressions of a spec as expressions of Python, each with its value in every use of the definition it stands in.

A definition becomes one class for all of its uses. What its code says must be right in each of them, so an expression
carries the values that it has there, and is used only where they are those of the analysis.
"""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

from bneck_cli.errors import BneckError
from bneck_cli.language.expression import (
    COMPARISONS,
    FUNCTIONS,
    OPERATIONS,
    Call,
    Choice,
    Index,
    Items,
    Name,
    Negation,
    Number,
    Operation,
)
from bneck_cli.sizes.number import Ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bneck_cli.language.expression import Expression

ATOM, POWER, SIGN, TIMES, PLUS, COMPARE, NOT, AND, OR, CHOICE = range(10, 0, -1)
"""How tightly an expression holds together."""
RANKS = {"**": POWER, "+": PLUS, "-": PLUS, "and": AND, "or": OR, "in": COMPARE}
RANKS |= dict.fromkeys(("*", "/", "//", "%"), TIMES) | dict.fromkeys(COMPARISONS, COMPARE)
WORDS = frozenset({*keyword.kwlist, "self", "nn", "torch", "F", "math", "len", "sum", "min", "max", "range", "round"})
LONG = 14
"""An expression of more characters is given a name before it is used again."""


class Sym:
    """A Python expression: its text, how tightly it holds together, and its value in each use (None: none)."""

    def __init__(
        self, text: str, rank: int, values: Sequence[Any], parts: tuple[Any, ...] = (), operator: str = ""
    ) -> None:
        self.text, self.rank, self.values, self.parts, self.operator = text, rank, tuple(values), parts, operator

    @property
    def is_literal(self) -> bool:
        """Whether it reads no name."""
        return self.parts[:1] == ("literal",)

    @property
    def is_long(self) -> bool:
        """Whether it is better given a name than written twice."""
        return self.parts[:1] not in (("name",), ("literal",)) and (len(self.text) > LONG or "(" in self.text)

    def within(self, rank: int) -> str:
        """Write it as an operand of an expression that holds so tightly."""
        return self.text if self.rank >= rank else f"({self.text})"

    def replaced(self, names: Mapping[str, Sym], count: int) -> Sym | None:
        """Write other expressions for the names in it; None if one of them is not known."""
        match self.parts:
            case ("literal", value):
                return literal(value, count)
            case ("name", name):
                return names.get(name)
            case (combine, *parts):
                found = [part.replaced(names, count) for part in parts]
                return None if None in found else combine(*found)
        return None

    def term(self) -> tuple[int, Sym]:
        """Take a whole factor off: ``3 * width`` is 3 of ``width``."""
        match self.parts:
            case (_, Sym(parts=("literal", int(factor))), Sym() as base) if self.operator == "*":
                return factor, base
        return 1, self

    def names(self) -> set[str]:
        """Return the names that it reads."""
        if self.parts[:1] == ("name",):
            return {self.parts[1]}
        if self.parts[:1] == ("literal",):
            return set()
        return {name for part in self.parts[1:] for name in part.names()}


def safe(name: str) -> str:
    """Make a name of a spec one that Python code may have."""
    return f"{name}_" if name in WORDS else name


def named(name: str, values: Sequence[Any]) -> Sym:
    """Make the expression that is a name."""
    return Sym(name, ATOM, values, ("name", name))


def shown(value: Any, extent: bool = False) -> str:
    """Write a value as Python does; an ``extent`` that is the same along all axes is a number."""
    if isinstance(value, tuple):
        if extent and value and all(item == value[0] for item in value):
            return shown(value[0])
        return f"({', '.join(map(shown, value))}{',' * (len(value) == 1)})"
    if isinstance(value, Ratio):
        return repr(value.above / value.below)
    if isinstance(value, str):
        return f'"{value}"'
    return str(value)


def literal(value: Any, count: int, extent: bool = False) -> Sym:
    """Make the expression that is a value."""
    return Sym(shown(value, extent), ATOM, (value,) * count, ("literal", value))


def combined(values: Sequence[Sequence[Any]], function: Callable[..., Any]) -> list[Any]:
    """Compute a function in every use in which its operands have values."""
    found = []
    for row in zip(*values, strict=True):
        try:
            found.append(None if any(value is None for value in row) else function(*row))
        except (TypeError, ValueError, ArithmeticError, IndexError, BneckError):
            found.append(None)
    return found


def operation(operator: str, left: Sym, right: Sym) -> Sym:
    """Combine two expressions; what is exact is divided in whole numbers."""
    values = combined((left.values, right.values), _function(operator))
    both = left.is_literal and right.is_literal
    if both and values and all(type(value) in (int, Ratio) for value in values):
        return literal(values[0], len(values))
    if operator == "*":
        if left.text == "1":
            return right
        if right.text == "1":
            return left
    if operator == "*" and right.is_literal and not left.is_literal:
        left, right = right, left
    if operator in "+-":
        if right.text == "0":
            return left
        (one, base), (two, other) = left.term(), right.term()
        if base.text == other.text and not base.is_literal:
            return times(one + two if operator == "+" else one - two, base)
        if operator == "+" and left.operator == "+" and left.parts[2].term()[1].text == other.text:
            return added(left.parts[1], added(left.parts[2], right))
    if operator == "/" and all(type(value) is int for value in values if value is not None):
        operator = "//"
    if operator in ("/", "//") and right.text == "1":
        return left
    rank = RANKS[operator]
    tighter = rank + (operator not in ("+", "and", "or"))
    text = f"{left.within(rank)} {operator} {right.within(tighter)}"
    if operator == "**" and text.replace(" ** ", "").replace(".", "").replace("_", "").isalnum():
        text = text.replace(" ", "")  # as a formatter has it
    parts = (lambda a, b, o=operator: operation(o, a, b), left, right)
    known = {type(value) for value in values if value is not None}
    if known == {int} and any(isinstance(value, Ratio) for value in (*left.values, *right.values)):
        return Sym(f"round({text})", ATOM, values, parts)  # whole, which Python's product of a decimal is not
    return Sym(text, rank, values, parts, operator)


def _function(operator: str) -> Callable[[Any, Any], Any]:
    if operator in ("and", "or"):
        return lambda a, b: (a and b) if operator == "and" else (a or b)
    if operator == "in":
        return lambda a, b: a in b
    return COMPARISONS.get(operator) or OPERATIONS[operator]


def added(left: Sym, right: Sym) -> Sym:
    """Add two sizes."""
    return operation("+", left, right)


def times(factor: int, sym: Sym) -> Sym:
    """Multiply a size by a number."""
    return operation("*", literal(factor, len(sym.values)), sym)


def applied(name: str, arguments: tuple[Sym, ...]) -> Sym:
    """Apply one of the language's functions."""
    values = combined([one.values for one in arguments], FUNCTIONS[name])
    text = f"{name}({', '.join(one.text for one in arguments)})"
    return Sym(text, ATOM, values, (lambda *parts: applied(name, parts), *arguments))


def indexed(sequence: Sym, index: Sym) -> Sym:
    """Pick an item of a list."""
    values = combined((sequence.values, index.values), lambda items, at: items[at])
    if sequence.is_literal and index.is_literal and values[:1] != [None] and not isinstance(values[0], tuple):
        return literal(values[0], len(values))
    return Sym(f"{sequence.within(ATOM)}[{index.text}]", ATOM, values, (indexed, sequence, index))


def inverted(operand: Sym) -> Sym:
    """Write ``not``; of a comparison, its opposite."""
    values = combined((operand.values,), lambda value: not value)
    return Sym(f"not {operand.within(NOT)}", NOT, values, (inverted, operand))


def chosen(condition: Sym, one: Sym, other: Sym) -> Sym:
    """Write ``a if p else b``."""
    values = combined((condition.values, one.values, other.values), lambda p, a, b: a if p else b)
    text = f"{one.within(OR)} if {condition.within(OR)} else {other.within(CHOICE)}"
    return Sym(text, CHOICE, values, (chosen, condition, one, other))


def listed(items: tuple[Sym, ...]) -> Sym:
    """Write a list."""
    values = combined([one.values for one in items], lambda *found: found)
    text = f"({', '.join(one.text for one in items)}{',' * (len(items) == 1)})"
    return Sym(text, ATOM, values, (lambda *parts: listed(parts), *items))


def translated(expression: Expression, names: Mapping[str, Sym], count: int, extents: bool = True) -> Sym | None:
    """Write an expression of the language in Python; None if it reads what ``names`` does not hold.

    ``extents`` says whether ``3x3`` is written as a number.
    """
    parts: list[Sym | None] = []
    match expression:
        case Number(value=value):
            return literal(value, count, extents and isinstance(value, tuple))
        case Name(name=name):
            return names.get(name)
        case Operation(operator="-", left=Number(value=0), right=right):
            parts = [translated(right, names, count, extents)]
            if parts[0] is None:
                return None
            return operation("-", literal(0, count), parts[0])
        case Operation(operator=operator):
            one, two = (translated(part, names, count, extents) for part in (expression.left, expression.right))
            return None if one is None or two is None else operation(operator, one, two)
        case Call(name=function):
            parts = [translated(part, names, count, extents) for part in expression.arguments]
            return None if None in parts else applied(function, tuple(part for part in parts if part))
        case Items(items=items):
            parts = [translated(part, names, count, extents) for part in items]
            return None if None in parts else listed(tuple(part for part in parts if part))
        case Index():
            one, two = (translated(part, names, count, extents) for part in (expression.sequence, expression.position))
            return None if one is None or two is None else indexed(one, two)
        case Negation(operand=operand):
            one = translated(operand, names, count, extents)
            return None if one is None else inverted(one)
        case Choice():
            three = (expression.condition, expression.chosen, expression.otherwise)
            parts = [translated(part, names, count, extents) for part in three]
            return None if None in parts else chosen(*(part for part in parts if part))
    return None
