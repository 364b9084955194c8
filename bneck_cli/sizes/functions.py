"""``min``, ``max``, ``round`` and ``round8`` of sizes: simplified, computed for numbers or arrays, and as Python.

Each says here what it is of symbolic sizes; of numbers it is in ``number``.
"""

from __future__ import annotations

from math import lcm
from typing import TYPE_CHECKING, Any

from bneck_cli.sizes import number
from bneck_cli.sizes.bounds import at_least
from bneck_cli.sizes.dim import Applied, Dim, alone, grouped, of
from bneck_cli.sizes.number import divided, is_symbolic, parts

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDED_PLAINLY = 5
"""From so many divisors on, rounding to the nearest multiple is never below 90 % of the value."""


def applied(name: str, *arguments: Any) -> Any:
    """Apply a function to numbers and sizes: a number or a polynomial where it is one, else an atom of its own."""
    return SIMPLIFIED[name](*arguments)


def _atom(name: str, *arguments: Any) -> Dim:
    return of(Applied(name, arguments, _as_python(name, arguments)))


def _extreme(name: str, values: tuple[Any, ...]) -> Any:
    """Keep of the values those that no other one is always at most (at least, for ``max``); an atom's are whole."""
    common = lcm(*map(denominator, values))
    if common > 1:
        return divided(_extreme(name, tuple(value * common for value in values)), common)
    flat: list[Any] = []
    for value in values:
        nested = alone(value)
        is_same = isinstance(nested, Applied) and nested.name == name
        flat += nested.arguments if isinstance(nested, Applied) and is_same else (value,)
    kept: list[Any] = []
    for value in flat:
        if any(_beats(name, other, value) for other in kept):
            continue
        kept = [other for other in kept if not _beats(name, value, other)] + [value]
    if len(kept) == 1:
        return kept[0]
    return _atom(name, *sorted(kept, key=lambda value: (is_symbolic(value), str(value))))


def _beats(name: str, one: Any, other: Any) -> bool:
    """Return whether one value makes another needless, whatever the symbols."""
    low = at_least(other - one if name == "min" else one - other)
    return low is not None and low >= 0


def _round(value: Any) -> Any:
    """Pull out what is even; what is whole is round."""
    if not isinstance(value, Dim):
        return number.nearest(value)
    if value.over == 1:
        return value
    even = Dim({monomial: factor // (2 * value.over) for monomial, factor in value.terms.items()})
    whole = 2 * (even + 0)
    rest = value - whole
    return whole + (_atom("round", rest) if isinstance(rest, Dim) else number.nearest(rest))


def _round8(value: Any, divisor: Any = 8) -> Any:
    if is_symbolic(divisor):
        raise TypeError("a divisor must be a number")
    if not isinstance(value, Dim):
        return number.round8(value, divisor)
    low = at_least(value)
    if low is not None and low >= ROUNDED_PLAINLY * divisor:
        return (2 * value + divisor) // (2 * divisor) * divisor
    return _atom("round8", value, divisor)


SIMPLIFIED: dict[str, Callable[..., Any]] = {
    "min": lambda *values: _extreme("min", values),
    "max": lambda *values: _extreme("max", values),
    "round": _round,
    "round8": _round8,
}


# Worked out for numbers, or for numpy arrays of them: ``above`` and ``below`` are those of a ratio


def computed(name: str, arguments: list[tuple[Any, int]]) -> Any:
    """Apply a function to ratios of whole numbers, or of arrays of them; the output is whole."""
    (above, below), *others = arguments
    if name == "round":
        return _half_even(above, below)
    if name == "round8":
        ((divisor, _),) = others
        rounded = _larger(divisor, (2 * above + divisor * below) // (2 * divisor * below) * divisor)
        return rounded + divisor * (10 * below * rounded < 9 * above)
    best = above
    for value, _ in others:
        best = _larger(best, value) if name == "max" else -_larger(-best, -value)
    return best


def _half_even(above: Any, below: int) -> Any:
    """Round a half up, and take 1 away where that made a half odd: there ``(2x - 1)/4`` is whole."""
    quarter = 2 * above - below
    return (2 * above + below) // (2 * below) + -(-quarter // (4 * below)) - quarter // (4 * below) - 1


def _larger(one: Any, other: Any) -> Any:
    if isinstance(one, int) and isinstance(other, int):
        return max(one, other)
    import numpy

    return numpy.maximum(one, other)


def magnitude(bounds: list[int], belows: list[int]) -> int:
    """Bound every partial result of ``computed`` from above, by bounds of what stands above."""
    factor = 1
    for below in belows:
        factor *= below
    return 20 * (sum(bounds) + 1) * factor + 20 * factor * factor


# As Python


def _as_python(name: str, arguments: tuple[Any, ...]) -> str:
    """Write a function's value as an expression of Python's integers alone, which evaluates exactly."""
    value = arguments[0]
    if name in ("min", "max"):
        return f"{name}({', '.join(map(str, arguments))})"
    above, below = grouped(value * denominator(value)), denominator(value)
    if name == "round":
        quarter = grouped(2 * value * below - below)
        up = f"({2 * value * below + below})//{2 * below}"
        return f"({up} - (-{quarter}//{4 * below}) - {quarter}//{4 * below} - 1)"
    divisor = arguments[1]
    nearest = f"({2 * value * below + divisor * below})//{2 * divisor * below}*{divisor}"
    return f"((m := max({divisor}, {nearest})) + {divisor}*({10 * below}*m < 9*{above}))"


def denominator(value: Any) -> int:
    """Return what stands below in a number or a size."""
    return value.over if isinstance(value, Dim) else parts(value)[1]
