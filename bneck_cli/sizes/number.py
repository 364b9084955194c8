"""What counts as a number: whole ones, exact ratios of them, and symbolic sizes; whoever must know asks here.

Rules work on any number. What is decided by looking at one asks ``is_whole``, and whoever divides takes ``divided``: a
size that is a symbol keeps its quotient, one that is a number must give a number.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import TypeIs


WHOLE: set[type] = {int}
"""The types of whole numbers: Python's, and those that stand for one (of many designs at once)."""


def is_whole(value: object) -> TypeIs[int]:
    """Return whether a value is a whole number, which a symbolic size is not, nor is a truth value."""
    return type(value) in WHOLE


def are_whole(*values: object) -> bool:
    """Return whether all of these are whole numbers."""
    return all(map(is_whole, values))


def is_symbolic(value: object) -> bool:
    """Return whether a value is a symbolic size, whose module is loaded only where there is one."""
    return hasattr(value, "terms")


def is_size(value: object) -> bool:
    """Return whether a value is a number of something: whole, or symbolic."""
    return is_whole(value) or is_symbolic(value)


class Ratio:
    """An exact ratio of two whole numbers that is not whole: ``above`` over ``below``, which is positive.

    Made by ``divided``, in lowest terms. Immutable; it combines with whole numbers, ratios and symbolic sizes, and what
    is whole again becomes a whole number. One of numbers that stand for many may be whole for some: ``settled`` asks.
    """

    __slots__ = ("above", "below")

    def __init__(self, above: int, below: int) -> None:
        self.above, self.below = above, below

    def __add__(self, other: Any) -> Any:
        return self._with(other, lambda a, b, c, d: open_ratio(a * d + c * b, b * d))

    __radd__ = __add__

    def __neg__(self) -> Ratio:
        return Ratio(-self.above, self.below)

    def __sub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b, c, d: open_ratio(a * d - c * b, b * d))

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: Any) -> Any:
        return self._with(other, lambda a, b, c, d: open_ratio(a * c, b * d))

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        return self._with(other, lambda a, b, c, d: (a * d) // (b * c))

    def __rfloordiv__(self, other: Any) -> Any:
        return self._with(other, lambda a, b, c, d: (c * b) // (d * a))

    def __mod__(self, other: Any) -> Any:
        return self - self // other * other

    def __rmod__(self, other: Any) -> Any:
        return other - other // self * self

    def __pow__(self, power: Any) -> Any:
        return open_ratio(self.above**power, self.below**power)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Ratio, int)):
            return False
        above, below = parts(other)
        return self.above * below == above * self.below

    def __lt__(self, other: Any) -> Any:
        return self._with(other, lambda a, b, c, d: a * d < c * b)

    def __le__(self, other: Any) -> Any:
        return self._with(other, lambda a, b, c, d: a * d <= c * b)

    def __gt__(self, other: Any) -> Any:
        return self._with(other, lambda a, b, c, d: a * d > c * b)

    def __ge__(self, other: Any) -> Any:
        return self._with(other, lambda a, b, c, d: a * d >= c * b)

    def __bool__(self) -> bool:
        return self.above != 0

    def __hash__(self) -> int:
        whole = settled(self)
        return hash(whole) if is_whole(whole) else hash((self.above, self.below))

    def __str__(self) -> str:
        """Write the decimal where it is exact in six digits, else the fraction."""
        for each in (self.above, self.below):
            if type(each) is not int:
                return each.written_ratio(self.above, self.below)  # type: ignore[attr-defined,no-any-return]
        decimal = f"{self.above / self.below:.6g}"
        return decimal if float(decimal) * self.below == self.above else f"{self.above}/{self.below}"

    __repr__ = __str__

    def _with(self, other: Any, combine: Callable[[int, int, int, int], Any]) -> Any:
        """Combine with a whole number or a ratio; leave any other to its own operators."""
        if isinstance(other, Ratio):
            return combine(self.above, self.below, other.above, other.below)
        return combine(self.above, self.below, other, 1) if isinstance(other, int) else NotImplemented


def divided(left: Any, right: Any) -> Any:
    """Divide exactly: whole where it is, else a ratio; of a symbolic size a size, which must then be whole.

    Raises ZeroDivisionError, and ArithmeticError where the divisor is a symbolic sum.
    """
    return settled(open_ratio(left, right))


def settled(value: Any) -> Any:
    """Return a number as it is; of a ratio of numbers that stand for many, find out whether it is whole."""
    if type(value) is tuple:
        return tuple([settled(each) for each in value])
    if type(value) is Ratio and (type(value.above) is not int or type(value.below) is not int):
        quotient, rest = divmod(value.above, value.below)
        return quotient if rest == 0 else value
    return value


def open_ratio(left: Any, right: Any) -> Any:
    """Divide exactly, as ``divided`` does, but leave open whether numbers that stand for many divide."""
    if is_symbolic(left) or is_symbolic(right):
        from bneck_cli.sizes.dim import exact_quotient

        return exact_quotient(left, right)
    if isinstance(left, Ratio) or isinstance(right, Ratio):
        (a, b), (c, d) = parts(left), parts(right)
        return open_ratio(a * d, b * c)
    quotient, rest = divmod(left, right)
    if type(rest) is int and rest == 0:
        return quotient
    if type(left) is not int or type(right) is not int:  # they stand for many, each pair with a divisor of its own
        return Ratio(left, right) if right > 0 else Ratio(-left, -right)
    from math import gcd

    common = gcd(left, right) if right > 0 else -gcd(left, right)
    return Ratio(left // common, right // common)


def parts(value: Any) -> tuple[int, int]:
    """Return the two whole numbers of which a number is the ratio, the second one positive."""
    return (value.above, value.below) if isinstance(value, Ratio) else (value, 1)


# Functions of numbers that are whole, exactly


def ceiling(value: Any) -> Any:
    """Round up."""
    return -(-value // 1) if not is_symbolic(value) else (value + divided(value.over - 1, value.over)) // 1


def nearest(value: Any, digits: int = 0) -> Any:
    """Round as Python does, halves to the even number; to so many decimals."""
    scale = 10 ** abs(digits)
    if digits:
        return divided(nearest(value * scale), scale) if digits > 0 else nearest(divided(value, scale)) * scale
    if is_symbolic(value):
        from bneck_cli.sizes.functions import applied

        return applied("round", value)
    above, below = parts(value)
    whole, rest = divmod(above, below)
    return whole + (2 * rest > below or (2 * rest == below and whole % 2 == 1))


def least(*values: Any) -> Any:
    """Return the smallest; of symbolic sizes, where it depends on their symbols, a size that says so."""
    return _extreme("min", min, values)


def largest(*values: Any) -> Any:
    """Return the largest; of symbolic sizes, where it depends on their symbols, a size that says so."""
    return _extreme("max", max, values)


def _extreme(name: str, function: Callable[..., Any], values: tuple[Any, ...]) -> Any:
    if len(values) == 1 and isinstance(values[0], tuple):
        values = values[0]
    if all(map(is_whole, values)):
        return reduce(lambda one, other: _applied(name, one, other), values)
    if not any(map(is_symbolic, values)):
        return function(values)
    from bneck_cli.sizes.functions import applied

    return applied(name, *values)


def round8(value: Any, divisor: int = 8) -> Any:
    """Round to a multiple of 8 as MobileNet's code does: never below 90 % of the value (``_make_divisible``)."""
    if is_symbolic(value):
        from bneck_cli.sizes.functions import applied

        return applied("round8", value, divisor)
    rounded = largest(divisor, (2 * value + divisor) // (2 * divisor) * divisor)
    above, below = parts(value)
    return rounded + divisor * _applied("<", 10 * below * rounded, 9 * above)


def _applied(operator: str, one: Any, other: Any) -> Any:
    """Apply ``min``, ``max`` or ``<`` (which is 1 or 0) to whole numbers; those that stand for many know how."""
    for each in (one, other):
        if type(each) is not int:
            return each.applied(operator, one, other)
    return int(one < other) if operator == "<" else min(one, other) if operator == "min" else max(one, other)
