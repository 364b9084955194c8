"""A tape of exact arithmetic: what one walk computes with numbers that stand for many, and what it decides by them.

Every operation is recorded once: the same operation on the same operands is the same entry. Each entry has bounds,
which follow from those of the variables; they decide comparisons that come out the same for every design, and prove
that 64 bits are enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    Operand = int
    """The number of an entry."""


class Entry(NamedTuple):
    """One operation on the results of two others; a variable and a constant have none."""

    operator: str
    left: int
    right: int
    low: int
    high: int


class Tape:
    """Entries in the order in which they were first met; an entry's operands stand before it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.known: dict[tuple[str, int, int], int] = {}

    def variable(self, low: int, high: int) -> int:
        """Add a variable between two bounds."""
        self.entries.append(Entry("variable", len(self.entries), 0, low, high))
        return len(self.entries) - 1

    def constant(self, value: int) -> int:
        """Return the entry of a number."""
        return self._entry("constant", value, 0, value, value)

    def value_of(self, at: int) -> int | None:
        """Return the number that an entry always is, or None."""
        entry = self.entries[at]
        return entry.low if entry.low == entry.high else None

    def apply(self, operator: str, left: int, right: int) -> int:
        """Return the entry of an operation, in its plainest form: ``x + 2 - 2`` is ``x``."""
        one, other = self.value_of(left), self.value_of(right)
        if one is not None and other is not None:
            return self.constant(OPERATORS[operator](one, other))
        return PLAINER.get(operator, _as_it_is)(self, operator, left, right, one, other)

    def add(self, operator: str, left: int, right: int) -> int:
        """Add an operation as it is, with its bounds."""
        low, high = BOUNDS[operator](self.entries[left], self.entries[right])
        return self._entry(operator, left, right, low, high)

    def decided(self, operator: str, left: int, right: int) -> bool | None:
        """Return how two entries compare, by ``<`` or ``==``, where it is the same for every design."""
        if left == right:
            return operator == "=="
        one, other = self.entries[left], self.entries[right]
        if operator == "<":
            return True if one.high < other.low else False if one.low >= other.high else None
        if one.high < other.low or one.low > other.high:
            return False
        return True if one.low == one.high == other.low == other.high else None

    def _entry(self, operator: str, left: int, right: int, low: int, high: int) -> int:
        key = (operator, left, right)
        if key not in self.known:
            self.known[key] = len(self.entries)
            self.entries.append(Entry(operator, left, right, low, high))
        return self.known[key]


def _as_it_is(tape: Tape, operator: str, left: int, right: int, _one: int | None, _other: int | None) -> int:
    return tape.add(operator, left, right)


def _sum(tape: Tape, operator: str, left: int, right: int, one: int | None, other: int | None) -> int:
    """Put a constant last, and join it with the one before: what a window adds, a stride of 1 takes away again."""
    if one is not None:
        left, right, one, other = right, left, other, one
    if other is None:
        return tape.add(operator, *sorted((left, right)))
    inner = tape.entries[left]
    if inner.operator == "+" and (before := tape.value_of(inner.right)) is not None:
        left, other = inner.left, other + before
    return left if other == 0 else tape.add("+", left, tape.constant(other))


def _difference(tape: Tape, operator: str, left: int, right: int, one: int | None, other: int | None) -> int:
    if left == right:
        return tape.constant(0)
    inner = tape.entries[right]
    if one is not None and inner.operator == "-" and (before := tape.value_of(inner.left)) is not None:
        return tape.apply("+", inner.right, tape.constant(one - before))
    return tape.add(operator, left, right) if other is None else tape.apply("+", left, tape.constant(-other))


def _product(tape: Tape, operator: str, left: int, right: int, one: int | None, other: int | None) -> int:
    """Put a constant last, and join it with the one before."""
    if one is not None:
        left, right, one, other = right, left, other, one
    if other is None:
        return tape.add(operator, *sorted((left, right)))
    inner = tape.entries[left]
    if inner.operator == "*" and (before := tape.value_of(inner.right)) is not None:
        left, other = inner.left, other * before
    if other in (0, 1):
        return left if other else tape.constant(0)
    return tape.add("*", left, tape.constant(other))


def _quotient(tape: Tape, operator: str, left: int, right: int, _one: int | None, other: int | None) -> int:
    """Divide by 1, and twice in a row, without a division more."""
    if other == 1:
        return left
    inner = tape.entries[left]
    if other is not None and other > 0 and inner.operator in ("//", "*"):
        before = tape.value_of(inner.right)
        if inner.operator == "//" and before is not None and before > 0:
            return tape.apply("//", inner.left, tape.constant(before * other))
        if inner.operator == "*" and before is not None and before % other == 0:
            return tape.apply("*", inner.left, tape.constant(before // other))
    return tape.add(operator, left, right)


def _rest(tape: Tape, operator: str, left: int, right: int, _one: int | None, other: int | None) -> int:
    """What a factor has in common with the divisor leaves no rest."""
    from math import gcd

    inner = tape.entries[left]
    if other is not None and other > 0 and inner.operator == "*":
        before = tape.value_of(inner.right)
        if before is not None and before % other == 0:
            return tape.constant(0)
        if before is not None and (common := gcd(before, other)) > 1:
            rest = tape.apply(
                "%", tape.apply("*", inner.left, tape.constant(before // common)), tape.constant(other // common)
            )
            return tape.apply("*", rest, tape.constant(common))
    entry = tape.entries[left]
    if other is not None and entry.low >= 0 and entry.high < other:
        return left
    return tape.add(operator, left, right)


PLAINER: dict[str, Callable[[Tape, str, int, int, int | None, int | None], int]] = {
    "+": _sum,
    "-": _difference,
    "*": _product,
    "//": _quotient,
    "%": _rest,
}
OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    "//": lambda one, other: one // other,
    "%": lambda one, other: one % other,
    "min": min,
    "max": max,
    "<": lambda one, other: int(one < other),
    "==": lambda one, other: int(one == other),
}
"""What an operation is of two numbers; a comparison is 1 or 0."""


def _corners(operator: str) -> Callable[[Entry, Entry], tuple[int, int]]:
    """Bound an operation that is steepest at the ends of both its operands."""

    def bounds(one: Entry, other: Entry) -> tuple[int, int]:
        ends = [OPERATORS[operator](a, b) for a in (one.low, one.high) for b in (other.low, other.high)]
        return min(ends), max(ends)

    return bounds


def _quotient_bounds(one: Entry, other: Entry) -> tuple[int, int]:
    """A divisor that may change its sign comes closest to 0 at 1 and at -1."""
    divisors = {each for each in (other.low, other.high, -1, 1) if other.low <= each <= other.high and each != 0}
    ends = [a // b for a in (one.low, one.high) for b in divisors]
    return min(ends), max(ends)


def _rest_bounds(_one: Entry, other: Entry) -> tuple[int, int]:
    return min(0, other.low + 1), max(0, other.high - 1)


BOUNDS: dict[str, Callable[[Entry, Entry], tuple[int, int]]] = {
    "+": lambda one, other: (one.low + other.low, one.high + other.high),
    "-": lambda one, other: (one.low - other.high, one.high - other.low),
    "*": _corners("*"),
    "//": _quotient_bounds,
    "%": _rest_bounds,
    "min": lambda one, other: (min(one.low, other.low), min(one.high, other.high)),
    "max": lambda one, other: (max(one.low, other.low), max(one.high, other.high)),
    "<": lambda _one, _other: (0, 1),
    "==": lambda _one, _other: (0, 1),
}
