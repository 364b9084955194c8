"""What is known of sizes whatever their symbols, each at least 1: bounds, signs, and whether one is larger.

A lower bound replaces every atom by a polynomial below it (above it, where its factor is negative), and then counts
each symbol from its least value on: where no factor is negative, what is left of a polynomial at 0 is its minimum.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bneck_cli.sizes.assumed import range_of
from bneck_cli.sizes.dim import Applied, Dim, Floor, Quotient, symbol
from bneck_cli.sizes.number import Ratio, divided

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.sizes.dim import Atom

WAYS = 3
"""Ways in which an atom is bounded, tried in sequence."""
STEEPEST = 8
"""Degree of a product up to which it is counted from its symbols' least values on."""


@lru_cache(maxsize=4096)
def at_least(size: Any) -> Any:
    """Return a number that a size is never below, the best found; None if there is none."""
    if not isinstance(size, Dim):
        return size
    found = [low for way in range(WAYS) if (low := _minimum(_beneath(size, way))) is not None]
    return max(found) if found else None


def at_most(size: Any) -> Any:
    """Return a number that a size is never above, the best found; None if there is none."""
    low = at_least(-size)
    return None if low is None else -low


def sign(size: Any) -> int | None:
    """Return 1 or -1 where a size has that sign for all values of its symbols, 0 if it is 0, else None."""
    low, high = at_least(size), at_most(size)
    if low is not None and low > 0:
        return 1
    if high is not None and high < 0:
        return -1
    return 0 if low == high == 0 else None


def compared(operator: str, left: Any, right: Any) -> bool | None:
    """Return how two sizes compare, by one of ``== != < > <= >=``; None if it depends on their symbols."""
    if operator in (">", "<="):
        less = compared("<", right, left)
        return less if less is None or operator == ">" else not less
    low, high = at_least(left - right), at_most(left - right)
    if operator in ("<", ">="):
        if low is not None and low >= 0:
            return operator == ">="
        return operator == "<" if high is not None and high < 0 else None
    from bneck_cli.sizes.agreement import agreement

    if (low is not None and low > 0) or (high is not None and high < 0):
        return operator == "!="
    agreed = agreement(left, right)
    if agreed.always or agreed.never:
        return agreed.always == (operator == "==")
    return None


def _minimum(size: Any) -> Any:
    """Return the minimum of a polynomial over symbols alone, if its factors tell it; None if they do not."""
    if not isinstance(size, Dim):
        return size
    shifted: Any = 0
    for monomial, value in size.terms.items():
        term: Any = value
        steep = sum(power for _, power in monomial) > STEEPEST
        for name, power in monomial:
            low = range_of(str(name))[0]
            for _ in range(power):
                term = (low if steep and value > 0 else symbol(str(name)) + low) * term
        shifted = shifted + term
    total: Any = 0
    for monomial, value in shifted.terms.items() if isinstance(shifted, Dim) else [((), shifted)]:
        if monomial and value >= 0:
            continue
        most: Any = value
        for name, power in monomial:
            low, high = range_of(str(name))
            if high is None:
                return None
            most *= (high - low) ** power
        total = total + most
    return divided(total, size.over)


def _beneath(size: Any, way: int) -> Any:
    """Replace the atoms of a size so that it can only become smaller; None if one has no bound."""
    if not isinstance(size, Dim):
        return size
    total: Any = 0
    for monomial, value in size.terms.items():
        term: Any = value
        alone = sum(power for atom, power in monomial if not isinstance(atom, str)) == 1
        for atom, power in monomial:
            bound: Any = symbol(atom) if isinstance(atom, str) else _replaced(atom, value > 0, way, alone)
            if bound is None:
                return None
            for _ in range(power):
                term = bound * term
        total = term + total
    return divided(total, size.over)


def _replaced(atom: Atom, below: bool, way: int, alone: bool) -> Any:
    """Bound an atom of a product; where others stand beside it, by what is 0 or more."""
    if alone:
        return _bound(atom, below, way)
    if not _never_negative_atom(atom):
        return None
    bound = _bound(atom, below, way)
    return 0 if below and (bound is None or not _never_negative(bound)) else bound


def _never_negative(size: Any) -> bool:
    low = at_least(size)
    return low is not None and low >= 0


def _never_negative_atom(atom: Atom) -> bool:
    """Return whether an atom is 0 or more: a floor's numerator has no negative factor."""
    if isinstance(atom, Floor):
        return all(_never_negative_atom(each) for each in atom.numerator.atoms())
    if isinstance(atom, Applied):
        signs = [_never_negative(each) for each in atom.arguments]
        return any(signs) if atom.name == "max" else all(signs)
    return isinstance(atom, str) or (_never_negative(atom.numerator) and _never_negative(atom.divisor))


def _bound(atom: Atom, below: bool, way: int) -> Any:
    """Bound an atom from below or from above, by a polynomial over symbols; None if there is none known."""
    found = list(_below(atom) if below else _above(atom))
    if not found:
        return None
    chosen = found[min(way, len(found) - 1)]
    if below:
        return _beneath(chosen, way)
    under = _beneath(-chosen, way)
    return None if under is None else -under


def _below(atom: Atom) -> Iterator[Any]:
    match atom:
        case Floor(numerator, divisor):
            yield divided(numerator - (divisor - 1), divisor)
            if _never_negative_atom(atom):
                yield 0
        case Quotient() if _never_negative_atom(atom):
            yield 1 if at_least(atom.numerator) > 0 else 0
        case Applied("max", arguments):
            yield from arguments
        case Applied("min", arguments):
            lows = [at_least(each) for each in arguments]
            if None not in lows:
                yield min(lows)
        case Applied("round", (value,)):
            yield value - Ratio(1, 2)
            low = at_least(value)
            if low is not None and low >= 0:
                yield 0
        case Applied("round8", (value, divisor)):
            yield value * Ratio(9, 10)
            yield divisor


def _above(atom: Atom) -> Iterator[Any]:
    match atom:
        case Floor(numerator, divisor):
            yield divided(numerator, divisor)
        case Quotient() if _never_negative_atom(atom):
            if at_least(atom.divisor) >= 1:
                yield atom.numerator
        case Applied("min", arguments):
            yield from arguments
        case Applied("max", arguments):
            highs = [at_most(each) for each in arguments]
            if None not in highs:
                yield max(highs)
            if all(map(_never_negative, arguments)):
                yield sum(arguments)
        case Applied("round", (value,)):
            yield value + Ratio(1, 2)
        case Applied("round8", (value, divisor)):
            if _never_negative(value):
                yield value + divisor
