"""Arithmetic inside a spec: ``channels/4``, ``(depths[0])``, ``round8(24*width)``; computed here, exactly.

Values are integers, ratios (a decimal such as ``1.4`` is 7/5), symbolic sizes, lists, and bare words. Length,
depth and magnitude are bounded, so no expression is slow.
"""

from __future__ import annotations

from operator import add, eq, floordiv, ge, gt, index, le, lt, mod, mul, ne, sub
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.budget import DIGITS, ITEMS, LARGEST, exceeded
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.document import Place
from bneck_cli.sizes import number
from bneck_cli.sizes.number import Ratio, is_symbolic, is_whole, open_ratio, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Scope = Mapping[str, Any]

MAX_EXPONENT = 64
MAX_PLACES = 30


class Number(NamedTuple):
    """A literal: an integer, a ratio, or an extent such as ``3x3`` (a tuple)."""

    value: Any
    place: Place

    def evaluate(self, _scope: Scope) -> Any:
        """Return the literal's value."""
        return self.value


class Name(NamedTuple):
    """A parameter, one of the sizes that arrive (``c n l t h w``, and ``cin``), or a named tensor's: ``low.h``."""

    name: str
    place: Place

    def evaluate(self, scope: Scope) -> Any:
        """Look the name up; an unknown one is an error with the nearest known."""
        try:
            return scope[self.name]
        except KeyError:
            raise self.unknown(scope) from None

    def unknown(self, scope: Scope) -> BneckError:
        """Make the error for a name that the scope does not hold."""
        names = sorted({*scope, *(scope.arriving() if hasattr(scope, "arriving") else ())})
        known = f"known here: {', '.join(names)}" if names else ""
        tensor, dot, _ = self.name.partition(".")
        if dot and tensor in names:
            shape = getattr(scope[tensor], "shape", None)
            known = f"'{tensor}' is {show(scope[tensor])}, not a tensor"
            if shape is not None:
                known = f"'{tensor}' is {shape}: its sizes are {listed(['c', 'n', *shape.letters], 'and')}"
            return self.place.error(f"unknown name '{self.name}'", known)
        return self.place.error(f"unknown name '{self.name}'", nearest(self.name, names) or known)


class All(NamedTuple):
    """``all NAME``: a tensor that each copy of a repeat names so, of all copies, as a list."""

    name: str
    place: Place

    def evaluate(self, scope: Scope) -> Any:
        """Look the list up."""
        try:
            return scope[f"all {self.name}"]
        except KeyError:
            raise self.place.error(f"no repeat here names a tensor '{self.name}' in its copies") from None


class Items(NamedTuple):
    """A list ``[3, 4, 6, 3]``, a tuple ``(0, 1, 0, 1)``, or sizes of several axes, ``c x n``.

    A bare word in it that is not a name is a word.
    """

    items: tuple[Expression, ...]
    place: Place

    def evaluate(self, scope: Scope) -> Any:
        """Evaluate every item."""
        return tuple([word_or_value(item, scope) for item in self.items])


class Index(NamedTuple):
    """``depths[2]``, counting from 0."""

    sequence: Expression
    position: Expression
    place: Place

    def evaluate(self, scope: Scope) -> Any:
        """Pick one item of a list."""
        items, index = self.sequence.evaluate(scope), settled(self.position.evaluate(scope))
        if not isinstance(items, tuple):
            hint = f"write a size per axis as {items}x{items}" if type(items) is int else ""
            raise self.place.error(f"only a list has items (got {show(items)})", hint)
        if not (is_whole(index) or isinstance(index, bool)) or not -len(items) <= index < len(items):
            raise self.place.error(f"the list has {len(items)} items, 0 to {len(items) - 1} (got index {show(index)})")
        return items[index]


class Call(NamedTuple):
    """One of the functions ``min max ceil floor round round8 len sum log2``."""

    name: str
    arguments: tuple[Expression, ...]
    place: Place

    def evaluate(self, scope: Scope) -> Any:
        """Apply the function to its evaluated arguments."""
        arguments = [argument.evaluate(scope) for argument in self.arguments]
        try:
            return _bounded(FUNCTIONS[self.name](*arguments), self.place)
        except (TypeError, ValueError, ArithmeticError):
            got = ", ".join(show(argument) for argument in arguments)
            raise self.place.error(f"{self.name}() does not take these values (got {got})") from None


class Operation(NamedTuple):
    """Two operands and an operator, ``and``, ``or`` and comparisons included; a unary minus has a left operand of 0."""

    operator: str
    left: Expression
    right: Expression
    place: Place

    def evaluate(self, scope: Scope) -> Any:
        """Combine the operands exactly."""
        if self.operator in EQUALITIES:
            return self.equal(scope)
        left = self.left.evaluate(scope)
        if self.operator in ("and", "or"):
            return self.right.evaluate(scope) if truth(left, self.place) == (self.operator == "and") else left
        right = self.right.evaluate(scope)
        try:
            if self.operator in COMPARISONS:
                return _compare(self.operator, left, right, self.place)
            if isinstance(left, (str, tuple)) or isinstance(right, (str, tuple)):
                return self.longer(left, right)
            value = OPERATIONS[self.operator](left, right)
        except ZeroDivisionError:
            raise self.place.error("division by zero") from None
        except (TypeError, ValueError, ArithmeticError) as error:
            sides = f"{show(left)} {self.operator} {show(right)}"
            raise self.place.error(f"cannot compute {sides}: {error}") from None
        except BneckError as error:  # a formula that grew too large, which knows no place
            error.location = error.location or self.place.location()
            raise
        return _bounded(value, self.place)

    def longer(self, left: Any, right: Any) -> Any:
        """Join two lists, or repeat one."""
        lists = type(left) is tuple, type(right) is tuple
        if self.operator == "+" and all(lists):
            size = len(left) + len(right)
        elif self.operator == "*" and lists == (True, False) and is_whole(right := settled(right)) and right >= 0:
            size = len(left) * right
        else:
            raise TypeError("needs numbers")
        if size > ITEMS.most:
            raise exceeded(ITEMS, self.place)
        return left + right if self.operator == "+" else left * right

    def equal(self, scope: Scope) -> bool:
        """Compare with ``==``, ``!=`` or ``in``; beside a word, a name that nothing has is a word too."""
        left, right = word_or_value(self.left, scope), word_or_value(self.right, scope)
        if self.operator == "in" and type(right) is not tuple:
            raise self.right.place.error(f"`in` looks into a list (got {show(right)})")
        words = isinstance(left, str), isinstance(right, str)
        if words == (True, False) and self.operator != "in" and is_unknown(self.left, scope):
            return bool(self.left.evaluate(scope))
        if words == (False, True) and is_unknown(self.right, scope):
            return bool(self.right.evaluate(scope))
        try:
            if self.operator == "in":
                return any(_compare("==", left, item, self.place) for item in right)
            return _compare(self.operator, left, right, self.place)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise self.place.error(f"cannot compute {show(left)} {self.operator} {show(right)}: {error}") from None


class Negation(NamedTuple):
    """``not condition``."""

    operand: Expression
    place: Place

    def evaluate(self, scope: Scope) -> bool:
        """Negate the truth of the operand."""
        return not truth(self.operand.evaluate(scope), self.place)


class Choice(NamedTuple):
    """``a if condition else b``."""

    condition: Expression
    chosen: Expression
    otherwise: Expression
    place: Place

    def evaluate(self, scope: Scope) -> Any:
        """Evaluate one of the two branches."""
        taken = truth(self.condition.evaluate(scope), self.place)
        return (self.chosen if taken else self.otherwise).evaluate(scope)


Expression = Number | Name | All | Items | Index | Call | Operation | Negation | Choice


def is_unknown(expression: Expression, scope: Scope) -> bool:
    """Return whether an expression is a bare word that is not a name in a scope."""
    if not isinstance(expression, Name):
        return False
    try:
        scope[expression.name]
    except KeyError:
        return True
    return False


def word_or_value(expression: Expression, scope: Scope) -> Any:
    """Evaluate an expression, or take it as a word where it is one that is not a name in the scope."""
    return (
        expression.name
        if isinstance(expression, Name) and is_unknown(expression, scope)
        else expression.evaluate(scope)
    )


def parts_of(node: object) -> Iterator[object]:
    """Yield a body or an expression, or a list of them, and all that it is made of, but for the places."""
    waiting = [node]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, (tuple, list)) and not isinstance(part, Place):
            waiting.extend(part)


def truth(value: Any, place: Place) -> bool:
    """Return whether a value counts as true: a number that is not 0, a list that is not empty."""
    if isinstance(value, (int, tuple, Ratio)):
        return bool(value)
    if is_symbolic(value):
        return _compare("!=", value, 0, place)
    raise place.error(f"a condition needs a number (got {show(value)})")


def show(value: Any) -> str:
    """Write a value as a spec would."""
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return f"[{', '.join(show(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{value}'"
    return getattr(value, "name", None) or str(value)


def _power(base: Any, exponent: Any) -> Any:
    """Raise to a small non-negative power."""
    exponent = settled(exponent)
    if not is_whole(exponent) or not 0 <= exponent <= MAX_EXPONENT:
        raise ValueError(f"an exponent must be a whole number from 0 to {MAX_EXPONENT}")
    exponent = index(exponent)
    if not is_symbolic(base):
        above, below = number.parts(base)
        largest = max(abs(above), below)
        if exponent and largest >= 1 << 2 * LARGEST.bit_length() // exponent:
            return LARGEST
    return base**exponent


def _bounded(value: Any, place: Place) -> Any:
    """Return a value whose digits can be counted on. Raises BneckError for one out of all proportion."""
    if is_whole(value):
        if -LARGEST < value < LARGEST:
            return value
        raise exceeded(DIGITS, place)
    if isinstance(value, Ratio) and max(abs(value.above), value.below) >= LARGEST:
        raise exceeded(DIGITS, place)
    return value


def _round(value: Any, digits: int = 0) -> Any:
    """Round as Python does, halves to even; to so many decimals, which are few."""
    digits = settled(digits)
    if not is_whole(digits) or not -MAX_PLACES <= digits <= MAX_PLACES:
        raise ValueError("too many decimal places")
    return number.nearest(value, digits)


def _log2(value: Any) -> int:
    """Return the exponent of a power of two."""
    value = settled(value)
    if not is_whole(value) or value < 1 or value & (value - 1):
        raise ValueError("not a power of two")
    return int(value).bit_length() - 1


def _compare(operator: str, left: Any, right: Any, place: Place) -> bool:
    """Compare two values; sizes that are still symbolic compare only where the answer is the same for every value."""
    if isinstance(left, str) or isinstance(right, str) or isinstance(left, tuple) or isinstance(right, tuple):
        if operator in ("==", "!="):
            return bool((left == right) == (operator == "=="))
        raise TypeError("only numbers have an order")
    if not is_symbolic(left) and not is_symbolic(right):
        return COMPARISONS[operator](left, right)
    from bneck_cli.sizes.deciding import decided

    return decided(operator, left, right, place)


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {"==": eq, "!=": ne, "<": lt, ">": gt, "<=": le, ">=": ge}
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": add,
    "-": sub,
    "*": mul,
    "/": open_ratio,
    "//": floordiv,
    "%": mod,
    "**": _power,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": number.least,
    "max": number.largest,
    "ceil": number.ceiling,
    "floor": lambda value: value // 1,
    "round": _round,
    "round8": number.round8,
    "len": len,
    "sum": sum,
    "log2": _log2,
}
EQUALITIES = ("==", "!=", "in")
