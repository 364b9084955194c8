"""Compare two amounts, in words and as a number: exact where a float would round, overflow or vanish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.words.values import people

if TYPE_CHECKING:
    from bneck_cli.sizes.dim import Dim

    Size = int | Dim


def quotient(value: int, first: int) -> float | None:
    """Divide two whole numbers; None by 0, and a whole number where no float is so large."""
    if first == 0:
        return None
    try:
        return value / first
    except OverflowError:
        return value // first


def times(ratio: float) -> str:
    """Write a ratio above 1 in words: ``16.9 times``."""
    return f"{ratio:.3g} times" if ratio < 100 else f"{people(round(ratio))} times"


def fraction(ratio: float) -> str:
    """Write one part in a ratio above 1: ``1/16.9``; below 3 as a percentage, ``75.0%``."""
    if ratio < 3:
        return f"{1 / ratio:.1%}"
    return f"1/{ratio:.3g}" if ratio < 100 else f"1/{people(round(ratio))}"


def against(value: Size, first: Size, noun: str, ratio: float | None = None) -> str:
    """Say how a value compares with the first of its kind, with both numbers: ``5.6% fewer weights (17 against 18)``.

    A difference that rounds to 0.0% is counted out. ``ratio`` is that of two formulas, where there is one.
    """
    both = f"({people(value)} against {people(first)})"
    if value == first:
        return f"the same number of {noun} ({people(value)})"
    if not isinstance(value, int) or not isinstance(first, int):
        return _proportion(ratio, noun, both) or f"{people(value)} {noun} against {people(first)}"
    if value == 0:
        return f"no {noun} against {people(first)}"
    if first == 0:
        return f"{people(value)} {noun} against {people(first)}"
    more = "fewer" if value < first else "more"
    if first < 3 * value and 2 * value < 3 * first:
        apart = abs(value - first)
        change = f"{people(apart)}" if 2000 * apart < first else f"{apart / first:.1%}"
        return f"{change} {more} {noun} {both}"
    if value < first:
        return f"{fraction(quotient(first, value) or 0)} of the {noun} {both}"
    return f"{times(quotient(value, first) or 0)} as many {noun} {both}"


def _proportion(ratio: float | None, noun: str, both: str) -> str:
    """Say how two formulas compare of which one is a multiple of the other; nothing if none is."""
    if not ratio:
        return ""
    if 1 / 3 < ratio < 3 / 2:
        apart = abs(ratio - 1)
        change = f"{apart:.1%}" if apart >= 0.0005 else f"{100 * apart:.1g}%"
        return f"{change} {'fewer' if ratio < 1 else 'more'} {noun} {both}"
    return f"{fraction(1 / ratio)} of the {noun} {both}" if ratio < 1 else f"{times(ratio)} as many {noun} {both}"
