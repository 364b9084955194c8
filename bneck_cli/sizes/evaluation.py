"""Evaluation of sizes: other sizes, numbers or numpy arrays in place of symbols."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

from bneck_cli.sizes.dim import Applied, Dim, Floor, Quotient, exact_quotient, inside, symbol
from bneck_cli.sizes.functions import applied, computed, denominator, magnitude
from bneck_cli.sizes.number import divided, parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bneck_cli.sizes.dim import Atom, Size


def substitute(size: Any, values: Mapping[str, Any]) -> Any:
    """Put sizes in the place of symbols."""
    if not isinstance(size, Dim):
        return size
    total = _added_up(size, lambda atom: _substituted(atom, values))
    return exact_quotient(total, size.over) if size.over > 1 else total


def _added_up(size: Dim, worked_out: Callable[[Atom], Any]) -> Any:
    """Add up the terms of what stands above, once each atom is computed."""
    total: Any = 0
    for monomial, value in size.terms.items():
        term: Any = value
        for atom, power in monomial:
            base = worked_out(atom)
            for _ in range(power):
                term = base * term
        total = term + total
    return total


def _substituted(atom: Atom, values: Mapping[str, Any]) -> Any:
    if isinstance(atom, str):
        return values[atom] if atom in values else symbol(atom)
    if isinstance(atom, Applied):
        return applied(atom.name, *(_loosely(each, values) for each in atom.arguments))
    numerator = substitute(atom.numerator, values)
    if isinstance(atom, Quotient):
        return exact_quotient(numerator, substitute(atom.divisor, values))
    return numerator // atom.divisor


def _loosely(size: Any, values: Mapping[str, Any]) -> Any:
    """Put sizes in the place of symbols where the result may be a ratio."""
    return divided(substitute(Dim(size.terms), values), size.over) if isinstance(size, Dim) else size


def evaluate(size: Size, values: Mapping[str, Any]) -> Any:
    """Compute a size for numbers, or for numpy arrays of integers, which broadcast.

    Exact: a bound on every partial result decides between 64-bit integers and Python's own. Raises ArithmeticError
    where what must be whole is not, KeyError for a symbol without a value.
    """
    if not isinstance(size, Dim):
        return size
    arrays = {name: value for name, value in values.items() if hasattr(value, "dtype") and hasattr(value, "shape")}
    if not arrays:
        return _evaluated(size, {name: index(value) for name, value in values.items()})
    import numpy

    for name, array in arrays.items():
        if array.dtype.kind not in "iuO":
            raise TypeError(f"{name} must be integers (got {array.dtype})")
        if array.dtype.kind == "O":
            for value in array.flat:
                index(value)
    bounds = {
        name: max((abs(int(value.min())), abs(int(value.max())))) if name in arrays and value.size else 0
        for name, value in values.items()
    }
    bounds |= {name: abs(index(value)) for name, value in values.items() if name not in arrays}
    kind: Any = numpy.int64 if _bound(size, bounds) < 2**62 else object
    return _evaluated(size, {name: numpy.asarray(value).astype(kind) for name, value in values.items()})


def _evaluated(size: Any, values: Mapping[str, Any]) -> Any:
    """Compute a size; it must be whole."""
    total, over = _ratio(size, values)
    return _whole(total, over, size) if over > 1 else total


def _whole(total: Any, over: Any, size: Any) -> Any:
    rest = total % over
    if rest if isinstance(rest, int) else rest.any():
        raise ArithmeticError(f"{size} is not a whole number there")
    return total // over


def _ratio(size: Any, values: Mapping[str, Any]) -> tuple[Any, int]:
    """Compute a size as what stands above and below."""
    if not isinstance(size, Dim):
        return parts(size)
    return _added_up(size, lambda atom: _atom(atom, values)), size.over


def _atom(atom: Atom, values: Mapping[str, Any]) -> Any:
    if isinstance(atom, str):
        return values[atom]
    if isinstance(atom, Floor):
        return _evaluated(atom.numerator, values) // atom.divisor
    if isinstance(atom, Applied):
        return computed(atom.name, [_ratio(each, values) for each in atom.arguments])
    divisor = _evaluated(atom.divisor, values)
    if not divisor if isinstance(divisor, int) else (divisor == 0).any():
        raise ZeroDivisionError(f"{atom.divisor} is 0 there")
    return _whole(_evaluated(atom.numerator, values), divisor, atom)


def _bound(size: Any, bounds: Mapping[str, int]) -> int:
    """Bound every partial result of an evaluation from above."""
    if not isinstance(size, Dim):
        return abs(parts(size)[0])
    total, within = 0, 0
    for monomial, value in size.terms.items():
        term = abs(value)
        for atom, power in monomial:
            if isinstance(atom, str):
                base = bounds[atom]
            else:
                held = [_bound(each, bounds) for each in inside(atom)]
                base = held[0]
                if isinstance(atom, Floor):
                    base = base // atom.divisor + 1
                elif isinstance(atom, Applied):
                    base = magnitude(held, [denominator(each) for each in atom.arguments])
                within = max(within, base, *held)
            term *= max(base, 1) ** power
        total += term
    return max(total, within)
