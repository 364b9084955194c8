"""The selection among many designs: those that meet a condition, the best, and the Pareto front."""

from __future__ import annotations

import re
from operator import add, eq, floordiv, ge, gt, le, lt, mod, mul, ne, sub, truediv
from typing import TYPE_CHECKING, Any

from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.document import Scalar, Source
from bneck_cli.language.expression import MAX_EXPONENT, Name, Negation, Number, Operation, parts_of
from bneck_cli.language.parsing import parse_expression
from bneck_cli.sizes.amounts import read_figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bneck_cli.language.document import Place
    from bneck_cli.language.expression import Expression

FIGURE = re.compile(r"(?<![\w.])(?:[0-9][0-9.,]*[kKmMgGbBtT]\b|[0-9]{1,3}(?:,[0-9]{3})+(?![\w.]))")
"""A figure in a condition that is not a number of the language: ``600M``, ``4,100,000``."""


def condition(text: str, names: Iterable[str]) -> Expression:
    """Read a condition on columns: ``macs < 600M and params < 5M``.

    Raises BneckError at what is not one.
    """
    plain = FIGURE.sub(lambda match: str(_figure(match[0])), text)
    scalar = Scalar(Source("--keep", plain), 0, 0, plain)
    expression = parse_expression(scalar)
    _require(expression, tuple(names))
    if not (isinstance(expression, Negation) or (isinstance(expression, Operation) and expression.operator in TRUTHS)):
        raise expression.place.error("a condition is a comparison: `macs < 600M`")
    return expression


def _figure(text: str) -> int:
    figure = read_figure(text)
    if figure is None:
        raise BneckError(f"--keep: '{text}' is not a figure", hint="write 600M, 4.1G or the whole number")
    return figure.value


def _require(expression: Expression, names: tuple[str, ...]) -> None:
    """Require that a condition is made of columns, numbers and operators."""
    match expression:
        case Name(name, place):
            if name not in names:
                raise place.error(
                    f"unknown column '{name}'", nearest(name, names) or f"the columns are {listed(names, 'and')}"
                )
        case Number(value):
            if isinstance(value, tuple):
                raise expression.place.error("a condition compares numbers")
        case Operation(_, left, right):
            _require(left, names)
            _require(right, names)
        case Negation(operand):
            _require(operand, names)
        case _:
            raise expression.place.error("a condition may contain columns, numbers, + - * / // % ** and comparisons")


def holds(expression: Expression, columns: Mapping[str, Any]) -> Any:
    """Compute a condition for every design: an array of truth values."""
    return _evaluated(expression, columns) != 0


def _evaluated(expression: Expression, columns: Mapping[str, Any]) -> Any:
    if not any(isinstance(part, Name) for part in parts_of(expression)):
        value: Any = expression.evaluate({})
        return value.above / value.below if hasattr(value, "above") else value
    match expression:
        case Name(name):
            return columns[name]
        case Negation(operand):
            return ~holds(operand, columns)
        case Operation("and" | "or" as operator, left, right):
            one, other = holds(left, columns), holds(right, columns)
            return one & other if operator == "and" else one | other
        case Operation(operator, left, right, place):
            try:
                return _applied(operator, _evaluated(left, columns), _evaluated(right, columns), place)
            except OverflowError:
                raise place.error("the numbers of some designs are too large here") from None
    raise TypeError(expression)


def _applied(operator: str, left: Any, right: Any, place: Place) -> Any:
    """Apply an operator: what may pass 64 bits is computed in whole numbers, and what divides by 0 is no number."""
    import numpy

    one, other = numpy.asarray(left), numpy.asarray(right)
    if operator == "**" and (other.dtype.kind == "f" or other.min() < 0 or other.max() > MAX_EXPONENT):
        raise place.error(f"an exponent must be a whole number from 0 to {MAX_EXPONENT}")
    whole = "f" not in (one.dtype.kind, other.dtype.kind)
    if operator in ("+", "-", "*", "**") and whole and _largest(operator, one, other) >= 2**63:
        one, other = one.astype(object), other.astype(object)
    if operator not in DIVISIONS:
        return ARITHMETIC[operator](one, other)
    zero = other == 0
    found = ARITHMETIC[operator](one, numpy.where(zero, 1, other))
    return numpy.where(zero, numpy.nan, found) if zero.any() else found


def _largest(operator: str, one: Any, other: Any) -> int:
    """Bound the result of an operator by the largest of its operands."""
    left, right = (max(abs(int(side.min())), abs(int(side.max())), 1) for side in (one, other))
    if operator == "**":
        return left**right  # type: ignore[no-any-return]
    return left * right if operator == "*" else left + right


ARITHMETIC: dict[str, Any] = {
    "+": add,
    "-": sub,
    "*": mul,
    "/": truediv,
    "//": floordiv,
    "%": mod,
    "**": pow,
    "==": eq,
    "!=": ne,
    "<": lt,
    ">": gt,
    "<=": le,
    ">=": ge,
}
DIVISIONS = ("/", "//", "%")
TRUTHS = ("and", "or", "==", "!=", "<", ">", "<=", ">=")
"""Operators whose result is true or false."""


class Kept:
    """Rows of designs, as arrays of one column each, of which only some stay as more come."""

    def __init__(self) -> None:
        self.columns: dict[str, Any] = {}

    def add(self, columns: Mapping[str, Any]) -> None:
        """Put more rows behind those that there are."""
        import numpy

        if self.columns:
            columns = {name: numpy.concatenate([self.columns[name], more]) for name, more in columns.items()}
        self.columns = dict(columns)

    def keep(self, numbers: Any) -> None:
        """Keep these rows, in this order."""
        self.columns = {name: column[numbers] for name, column in self.columns.items()}

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.columns.values()))) if self.columns else 0


class Best(Kept):
    """The designs with the least of a column, or the most; of equal ones the first."""

    def __init__(self, most: int, column: str, maximize: bool) -> None:
        super().__init__()
        self.most, self.column, self.maximize = most, column, maximize

    def add(self, columns: Mapping[str, Any]) -> None:
        """Put more rows behind those that there are, and keep the best of all."""
        import numpy

        super().add(columns)
        values = self.columns[self.column]
        self.keep(numpy.argsort(-values if self.maximize else values, kind="stable")[: self.most])


class Front(Kept):
    """The designs that no other beats: none is at least as good in every column, and better in one.

    Less is better, but in the columns of ``maximize``.
    """

    def __init__(self, columns: Sequence[str], maximize: Iterable[str] = ()) -> None:
        super().__init__()
        self.names, self.maximize = tuple(columns), frozenset(maximize)

    def add(self, columns: Mapping[str, Any]) -> None:
        """Put more rows behind those that there are, and keep the front of all."""
        super().add(columns)
        self.keep(front([-self.columns[n] if n in self.maximize else self.columns[n] for n in self.names]))


def front(columns: Sequence[Any]) -> Any:
    """Return the numbers of the rows that no other beats, the least of the first column first.

    Of equal rows the first stays.
    """
    import numpy

    order = numpy.lexsort(columns[::-1])
    if len(columns) == 1:
        return order[:1]
    if len(columns) == 2:
        second = columns[1][order]
        best = numpy.minimum.accumulate(second)
        new = numpy.ones(len(order), dtype=bool)
        new[1:] = second[1:] < best[:-1]
        return order[new]
    rows = numpy.stack([column[order] for column in columns], axis=1)
    kept: list[int] = []
    for number, row in enumerate(rows):
        if not kept or not (rows[kept] <= row).all(axis=1).any():
            kept.append(number)
    return order[numpy.array(kept, dtype=int)]
