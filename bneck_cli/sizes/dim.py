"""Exact symbolic sizes: polynomials with integer coefficients over symbols and floors.

Strides, kernels and paddings are integer constants, so four rules keep every size of a network in a small normal form
(q and m are positive integers; every symbol and every floor is an integer):

- pull out: ``(sum c·X) // q = sum (c // q)·X + (sum (c % q)·X) // q``, so a numerator's coefficients lie in [0, q);
- divide by a common factor: ``(g·X + b) // (g·q) = (X + b // g) // q``;
- unnest: ``(X // m + b) // q = (X + m·b) // (m·q)``, so any chain of convolutions and pools is one floor;
- an exact quotient, ``C / 4``, is no floor but a rational coefficient, and that it is whole is a stated requirement.

The normal form is not complete (``H//2 + (H+1)//2`` is not seen to be ``H``); ``agreement`` decides equality.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd, lcm
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.budget import PRODUCTS, exceeded, spend_terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_POWER = 64
MAX_CLASSES = 4096


class Floor:
    """``numerator // divisor``, as an atom: the numerator's coefficients lie in [0, divisor). Immutable."""

    __slots__ = ("_hash", "_text", "divisor", "numerator")

    def __init__(self, numerator: Dim, divisor: int) -> None:
        self.numerator = numerator
        self.divisor = divisor
        inside = f"({numerator})" if numerator.is_sum else numerator
        self._text = f"({inside}//{divisor})"
        self._hash = hash(self._text)  # of a text, as a size's own

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Floor) and self._text == other._text

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return self._text


Atom = str | Floor
Monomial = tuple[tuple[Atom, int], ...]
"""A product of atoms with their powers, in order; the empty one stands for the constant."""


class Dim:
    """A symbolic size in normal form: ``terms`` (coefficients are not 0) over the common denominator ``over``.

    Immutable; equal when structurally equal. A size that is a plain number is an ``int``, never a Dim: the operators
    give whichever it is. There is no order, and no truth value.
    """

    __array_ufunc__ = None
    __slots__ = ("_hash", "_text", "over", "terms")
    over: int
    terms: dict[Monomial, int]

    def __init__(self, terms: dict[Monomial, int], over: int = 1) -> None:
        self.terms = terms
        self.over = over
        self._hash: int | None = None
        self._text: str | None = None

    @property
    def is_sum(self) -> bool:
        """Whether the size has several terms, and needs parentheses in a product."""
        return len(self.terms) > 1

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Dim):
            return self.over == other.over and self.terms == other.terms
        return False if isinstance(other, int) else NotImplemented

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(str(self))  # of a text, whose hash no spec can foresee, as it can a number's
        return self._hash

    def __bool__(self) -> bool:
        raise TypeError(f"the symbolic size {self} has no truth value")

    def __add__(self, other: Any) -> Size:
        terms, over = _parts(other)
        spend_terms(len(self.terms))
        common = lcm(self.over, over)
        mine, theirs = common // self.over, common // over
        total = {monomial: value * mine for monomial, value in self.terms.items()}
        for monomial, value in terms.items():
            total[monomial] = total.get(monomial, 0) + value * theirs
        return _made(total, common)

    __radd__ = __add__

    def __neg__(self) -> Size:
        return _made({monomial: -value for monomial, value in self.terms.items()}, self.over)

    def __sub__(self, other: Size) -> Size:
        return self + (-other if isinstance(other, Dim) else -index(other))

    def __rsub__(self, other: int) -> Size:
        return -self + other

    def __mul__(self, other: Any) -> Size:
        terms, over = _parts(other)
        if len(self.terms) * len(terms) > PRODUCTS.most:
            raise exceeded(PRODUCTS)
        spend_terms(len(self.terms) * len(terms))
        total: dict[Monomial, int] = {}
        for left, one in self.terms.items():
            for right, two in terms.items():
                product = _product(left, right)
                total[product] = total.get(product, 0) + one * two
        return _made(total, self.over * over)

    __rmul__ = __mul__

    def __pow__(self, exponent: Any) -> Size:
        power = index(exponent)
        if not 0 <= power <= MAX_POWER:
            raise ArithmeticError(f"an exponent is a whole number from 0 to {MAX_POWER}")
        result: Size = 1
        for _ in range(power):
            result = self * result
        return result

    def __floordiv__(self, divisor: Any) -> Size:
        if isinstance(divisor, Dim):
            raise ArithmeticError("a size is divided by numbers alone")
        q = index(divisor)
        if q <= 0:
            raise ArithmeticError(f"a size is divided by a positive number (got {q})")
        return _floor(self.terms, q * self.over)

    def __rfloordiv__(self, other: Any) -> Size:
        raise ArithmeticError("a size is divided by numbers alone")

    def __mod__(self, divisor: int) -> Size:
        return self - (self // divisor) * divisor

    def __str__(self) -> str:
        """Write the size as Python; the quotient of a whole expression is exact where it must be whole."""
        if self._text is None:
            text = " + ".join(_term_text(monomial, value) for monomial, value in self.ordered()).replace("+ -", "- ")
            if self.over > 1:
                text = f"({text})//{self.over}" if self.is_sum else f"{text}//{self.over}"
            self._text = text
        return self._text

    __repr__ = __str__

    def ordered(self) -> list[tuple[Monomial, int]]:
        """Give the terms by falling degree, then by name."""
        return sorted(self.terms.items(), key=_order)


Size = int | Dim


def symbol(name: str) -> Dim:
    """Make the size that is a symbol: an integer of which no more is known."""
    return Dim({((name, 1),): 1})


def multiple(name: str, unit: int) -> Size:
    """Make a symbol that is assumed a multiple of ``unit``: so many times ``H/32``, a name that no spec can spell."""
    return unit * symbol(f"{name}/{unit}") if unit > 1 else symbol(name)


def restored(size: Size) -> Size:
    """Put the symbols that are assumed multiples back in the place of their parts."""
    parts = [name for name in symbols(size) if "/" in name]
    if not parts:
        return size
    whole = {}
    for part in parts:
        name, _, unit = part.partition("/")
        whole[part] = exact_quotient(symbol(name), int(unit))
    return substitute(size, whole)


def _parts(value: Any) -> tuple[dict[Monomial, int], int]:
    """Take a number or a size apart; numpy's integers are numbers, floats are refused."""
    if isinstance(value, Dim):
        return value.terms, value.over
    number = index(value)
    return ({(): number} if number else {}), 1


def _made(terms: dict[Monomial, int], over: int) -> Size:
    """Give terms their normal form; what is a plain number becomes one."""
    terms = {monomial: value for monomial, value in terms.items() if value}
    if over > 1:
        common = gcd(over, *terms.values())
        if common > 1:
            over //= common
            terms = {monomial: value // common for monomial, value in terms.items()}
    if not terms:
        return 0
    if len(terms) == 1 and () in terms:
        if over > 1:
            raise ArithmeticError(f"{terms[()]}/{over} is not a whole number")
        return terms[()]
    return Dim(terms, over)


def _product(left: Monomial, right: Monomial) -> Monomial:
    """Multiply two monomials; atoms stay in order."""
    if not left or not right:
        return left or right
    powers = dict(left)
    for atom, power in right:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=_atom_order))


def _atom_order(item: tuple[Atom, int]) -> tuple[bool, str]:
    return isinstance(item[0], Floor), str(item[0])


def _order(item: tuple[Monomial, int]) -> tuple[int, list[tuple[bool, str, int]]]:
    return -sum(power for _, power in item[0]), [(*_atom_order(factor), -factor[1]) for factor in item[0]]


def _floor(terms: Mapping[Monomial, int], q: int) -> Size:
    """Divide integer terms by ``q`` and round down, in normal form."""
    spend_terms(len(terms))
    if q == 1:
        return _made(dict(terms), 1)
    whole = _made({monomial: value // q for monomial, value in terms.items()}, 1)
    rest = {monomial: value % q for monomial, value in terms.items() if value % q}
    constant = rest.pop((), 0)
    if not rest:
        return whole  # what is left, constant // q, is 0
    common = gcd(q, *rest.values())
    if common > 1:
        q //= common
        constant //= common
        rest = {monomial: value // common for monomial, value in rest.items()}
        rest[()] = constant
        return whole + _floor(rest, q)
    if len(rest) == 1:
        ((monomial, value),) = rest.items()
        if value == 1 and len(monomial) == 1 and monomial[0][1] == 1 and isinstance(monomial[0][0], Floor):
            inner = monomial[0][0]
            terms = dict(inner.numerator.terms)
            terms[()] = terms.get((), 0) + inner.divisor * constant
            return whole + _floor(terms, inner.divisor * q)
    if constant:
        rest[()] = constant
    return whole + Dim({((Floor(Dim(rest), q), 1),): 1})


def exact_quotient(size: Size, divisor: int) -> Size:
    """Divide where the quotient must be whole.

    Raises ArithmeticError for a number that does not divide; of a symbolic size it becomes a requirement.
    """
    if isinstance(size, Dim):
        return _made(dict(size.terms), size.over * divisor)
    if size % divisor:
        raise ArithmeticError(f"{size} is not divisible by {divisor}")
    return size // divisor


def proportion(size: Size, other: Size) -> float | None:
    """Give ``size / other`` where it is the same for every value of the symbols, else None."""
    if not isinstance(size, Dim) or not isinstance(other, Dim) or size.terms.keys() != other.terms.keys():
        return None
    pairs = [(value * other.over, other.terms[monomial] * size.over) for monomial, value in size.terms.items()]
    above, below = pairs[0]
    return above / below if all(a * below == b * above for a, b in pairs) else None


def sign(size: Dim) -> int | None:
    """Give 1 or -1 where a size has that sign for all values of its symbols, each at least 1; else None.

    A floor may be 0, so a term without one (or the constant) has to settle it.
    """
    for direction in (1, -1):
        if all(direction * value > 0 for value in size.terms.values()):
            settled = any(all(isinstance(atom, str) for atom, _ in monomial) for monomial in size.terms)
            return direction if settled else None
    return None


def symbols(size: Size) -> frozenset[str]:
    """Name the symbols in a size."""
    if not isinstance(size, Dim):
        return frozenset()
    found: set[str] = set()
    for monomial in size.terms:
        for atom, _ in monomial:
            found |= {atom} if isinstance(atom, str) else symbols(atom.numerator)
    return frozenset(found)


def substitute(size: Size, values: Mapping[str, Size]) -> Size:
    """Put sizes in the place of symbols."""
    if not isinstance(size, Dim):
        return size
    total: Size = 0
    for monomial, value in size.terms.items():
        term: Size = value
        for atom, power in monomial:
            if isinstance(atom, str):
                base: Size = values[atom] if atom in values else symbol(atom)
            else:
                base = substitute(atom.numerator, values) // atom.divisor
            for _ in range(power):
                term = base * term
        total = term + total
    return exact_quotient(total, size.over) if size.over > 1 else total


# Evaluation


def evaluate(size: Size, values: Mapping[str, Any]) -> Any:
    """Work a size out for numbers, or for numpy arrays of integers, which broadcast.

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


def _evaluated(size: Dim, values: Mapping[str, Any]) -> Any:
    total: Any = 0
    for monomial, value in size.terms.items():
        term: Any = value
        for atom, power in monomial:
            base = values[atom] if isinstance(atom, str) else _evaluated(atom.numerator, values) // atom.divisor
            for _ in range(power):
                term = term * base
        total = total + term
    if size.over > 1:
        rest = total % size.over
        if rest if isinstance(rest, int) else rest.any():
            raise ArithmeticError(f"{size} is not a whole number there")
        total = total // size.over
    return total


def _bound(size: Dim, bounds: Mapping[str, int]) -> int:
    """Bound every partial result of an evaluation from above."""
    total, within = 0, 0
    for monomial, value in size.terms.items():
        term = abs(value)
        for atom, power in monomial:
            if isinstance(atom, str):
                base = bounds[atom]
            else:
                numerator = _bound(atom.numerator, bounds)
                within = max(within, numerator)
                base = numerator // atom.divisor + 1
            term *= max(base, 1) ** power
        total += term
    return max(total, within)


# Where two sizes agree


class Agreement(NamedTuple):
    """For which values of ``symbol`` two sizes are equal: those with one of ``residues`` modulo ``modulus``.

    ``symbol`` is empty where the answer does not depend on one; ``modulus`` is 0 where it was not decided.
    """

    symbol: str
    modulus: int
    residues: frozenset[int]

    @property
    def always(self) -> bool:
        """Whether they are equal for every value."""
        return self.modulus > 0 and len(self.residues) == self.modulus

    def also(self, other: Agreement) -> Agreement:
        """Give the values of the same symbol for which both hold."""
        if self.modulus == 0 or other.modulus == 0 or (modulus := lcm(self.modulus, other.modulus)) > MAX_CLASSES:
            return Agreement(self.symbol or other.symbol, 0, frozenset())
        residues = (
            r for r in range(modulus) if r % self.modulus in self.residues and r % other.modulus in other.residues
        )
        return _simplest(self.symbol or other.symbol, modulus, frozenset(residues))

    def __str__(self) -> str:
        return (
            f"equal only when {self.condition}"
            if self.condition not in ("always", "never")
            else ("always equal" if self.always else "never equal" if self.modulus else "not equal in general")
        )

    @property
    def condition(self) -> str:
        """Say for which values, in words."""
        if self.modulus == 0 or not self.residues:
            return "never"
        if self.always:
            return "always"
        residues = sorted(self.residues)
        if residues == [0]:
            return f"{self.symbol} is a multiple of {self.modulus}"
        if self.modulus == 2:
            return f"{self.symbol} is odd"
        if len(residues) > 1 and residues == list(range(residues[0], residues[-1] + 1)):
            return f"{self.symbol} % {self.modulus} is {residues[0]} to {residues[-1]}"
        shown = ", ".join(map(str, residues[:8])) + (", ..." if len(residues) > 8 else "")
        return f"{self.symbol} % {self.modulus} is {shown}"


@lru_cache(maxsize=1024)
def agreement(left: Size, right: Size) -> Agreement:
    """Find where two sizes are equal: on each class of a symbol's values modulo the floors' period, all or nothing.

    On a class ``H = L·h + r`` every floor becomes a polynomial in h, so equality there is structural. Sizes of several
    symbols, or with a period over 4096, are left undecided.
    """
    difference = left - right
    if not isinstance(difference, Dim):
        return Agreement("", 1, frozenset({0} if difference == 0 else ()))
    difference = Dim(difference.terms)  # it is 0 where its numerator is
    names = symbols(difference)
    period = _period(difference)
    if len(names) != 1 or period > MAX_CLASSES:
        return Agreement(" and ".join(sorted(name.partition("/")[0] for name in names)), 0, frozenset())
    (name,) = names
    residues = [r for r in range(period) if substitute(difference, {name: period * symbol(name) + r}) == 0]
    name, _, unit = name.partition("/")
    found = _simplest(name, period, frozenset(residues)) if residues else Agreement(name, 0, frozenset())
    if not unit or not found.residues or found.always:
        return found
    return Agreement(name, found.modulus * int(unit), frozenset(r * int(unit) for r in found.residues))


def _period(size: Dim) -> int:
    """Give a modulus whose classes turn every floor of a size into a polynomial."""
    period = size.over
    for monomial in size.terms:
        for atom, _ in monomial:
            if isinstance(atom, Floor):
                period = lcm(period, atom.divisor * _period(atom.numerator))
    return period


def _simplest(name: str, modulus: int, residues: frozenset[int]) -> Agreement:
    """Give the same values by the smallest modulus that tells them."""
    for smaller in range(1, modulus + 1):
        if modulus % smaller == 0:
            kept = frozenset(r % smaller for r in residues)
            if len(kept) * (modulus // smaller) == len(residues):
                return Agreement(name, smaller, kept)
    return Agreement(name, modulus, residues)


def requirements(sizes: Iterable[Size]) -> list[str]:
    """Say what symbols must be for sizes with exact quotients to be whole: ``C is a multiple of 4``."""
    found: dict[str, Agreement] = {}
    others: list[str] = []
    for size in dict.fromkeys(size for size in sizes if isinstance(size, Dim) and size.over > 1):
        names = symbols(size)
        period = size.over * _period(Dim(size.terms))  # on a class, a floor grows by a whole number, not by ``over``
        if len(names) != 1 or period > MAX_CLASSES:
            others.append(f"{pretty(size)} is whole")
            continue
        (name,) = names
        numerator = Dim(size.terms)
        residues = frozenset(r for r in range(period) if _evaluated(numerator, {name: r}) % size.over == 0)
        new = _simplest(name, period, residues)
        both = found[name].also(new) if name in found else new
        if both.modulus:
            found[name] = both
        else:
            others.append(new.condition)
    return [each.condition for each in found.values() if not each.always] + others


# Text


def _term_text(monomial: Monomial, value: int) -> str:
    factors = [f"{atom}**{power}" if power > 1 else str(atom) for atom, power in monomial]
    if not factors:
        return str(value)
    sign = {1: "", -1: "-"}.get(value)
    return "*".join([*([str(value)] if sign is None else []), *factors]) if sign is None else sign + "*".join(factors)


SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def pretty(size: Size, ascii: bool = False) -> str:
    """Write a size as mathematics: ``81456·H·W + 2048000``, ``17/16·C²``, ``⌊(H + 31)/32⌋``."""
    size = restored(size)
    if not isinstance(size, Dim):
        return str(size)
    dot = "*" if ascii else "·"

    def written(atom: Atom, power: int) -> str:
        if isinstance(atom, Floor):
            inside = pretty(atom.numerator, ascii)
            inside = f"({inside})" if atom.numerator.is_sum else inside
            base = f"floor({inside}/{atom.divisor})" if ascii else f"⌊{inside}/{atom.divisor}⌋"
        else:
            base = atom
        if power == 1:
            return base
        return f"{base}^{power}" if ascii else base + str(power).translate(SUPERSCRIPTS)

    def fraction(above: str, below: int) -> str:
        return f"{above}/{below}" if below > 1 else above

    return _joined(size, written, fraction, dot)


def latex(size: Size) -> str:
    r"""Write a size for LaTeX's mathematics: ``\frac{17}{16} C^{2}``."""
    if not isinstance(size, Dim):
        return str(size)

    def written(atom: Atom, power: int) -> str:
        if isinstance(atom, Floor):
            base = rf"\left\lfloor \frac{{{latex(atom.numerator)}}}{{{atom.divisor}}} \right\rfloor"
        else:
            base = atom if len(atom) == 1 else rf"\mathit{{{atom}}}".replace("_", r"\_")
        return base if power == 1 else f"{base}^{{{power}}}"

    def fraction(above: str, below: int) -> str:
        return rf"\frac{{{above}}}{{{below}}}" if below > 1 else above

    return _joined(size, written, fraction, " ")


def _joined(size: Dim, written: Any, fraction: Any, dot: str) -> str:
    """Write the terms with their signs between them."""
    parts = []
    for monomial, value in size.ordered():
        common = gcd(value, size.over)
        above, below = abs(value) // common, size.over // common
        factors = [written(*factor) for factor in sorted(monomial, key=lambda factor: factor[0] != "N")]  # N·C·H·W
        product = dot.join(factors)
        if above == 1 and below > 1 and len(factors) == 1:
            product = fraction(product, below)
        elif (above, below) != (1, 1) or not factors:
            product = dot.join([fraction(str(above), below), *factors])
        parts.append(("-" if value < 0 else "+", product))
    first = ("-" if parts[0][0] == "-" else "") + parts[0][1]
    return first + "".join(f" {sign} {term}" for sign, term in parts[1:])
