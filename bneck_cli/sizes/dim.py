"""Exact symbolic sizes: polynomials with rational coefficients over symbols, floors, and what else is whole.

Strides, kernels and paddings are integer constants, so four rules keep every size of a network in a small normal form
(q and m are positive integers; every atom is an integer):

- pull out: ``(sum c·X) // q = sum (c // q)·X + (sum (c % q)·X) // q``, so a numerator's coefficients lie in [0, q);
- divide by a common factor: ``(g·X + b) // (g·q) = (X + b // g) // q``;
- unnest: ``(X // m + b) // q = (X + m·b) // (m·q)``, so any chain of convolutions and pools is one floor;
- an exact quotient, ``C / 4``, is no floor but a rational coefficient, and that it is whole is a stated requirement.

What a spec asks of a size beyond that (``min(16, C)``, ``round8(3/4·C)``, ``C / G``) is an atom too, simplified in
``functions``. The normal form is not complete (``H//2 + (H+1)//2`` is not seen to be ``H``): ``agreement`` decides
equality, ``bounds`` order.
"""

from __future__ import annotations

from math import gcd, lcm
from operator import index
from typing import TYPE_CHECKING, Any

from bneck_cli.budget import PRODUCTS, exceeded, spend_terms
from bneck_cli.sizes.number import Ratio, is_whole, parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_POWER = 64


class Composed:
    """An atom that is made of sizes: equal where its text is, as Python has it, which is written once. Immutable."""

    __slots__ = ("_hash", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._hash = hash(text)  # of a text, as a size's own

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Composed) and self._text == other._text

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__


class Floor(Composed):
    """``numerator // divisor``: the numerator's coefficients lie in [0, divisor), so it is 0 or more."""

    __slots__ = __match_args__ = ("numerator", "divisor")

    def __init__(self, numerator: Dim, divisor: int) -> None:
        self.numerator, self.divisor = numerator, divisor
        super().__init__(f"({grouped(numerator)}//{divisor})")


class Quotient(Composed):
    """``numerator / divisor`` of which the divisor is a symbolic size: that it is whole is a requirement."""

    __slots__ = __match_args__ = ("numerator", "divisor")

    def __init__(self, numerator: Size, divisor: Dim) -> None:
        self.numerator, self.divisor = numerator, divisor
        super().__init__(f"({grouped(numerator)}//({divisor}))")


class Applied(Composed):
    """``min``, ``max``, ``round`` or ``round8`` of sizes, where it depends on their symbols; its text is its Python."""

    __slots__ = __match_args__ = ("name", "arguments")

    def __init__(self, name: str, arguments: tuple[Any, ...], text: str) -> None:
        self.name, self.arguments = name, arguments
        super().__init__(text)


Atom = str | Floor | Quotient | Applied
Monomial = tuple[tuple[Atom, int], ...]
"""A product of atoms with their powers, in order; the empty one stands for the constant."""


class Dim:
    """A symbolic size in normal form: ``terms`` (coefficients are not 0) over the common denominator ``over``.

    Immutable; equal when structurally equal. A size that is a plain number is an ``int`` (or a ``Ratio``), never a Dim:
    the operators give whichever it is. There is no order, and no truth value.
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
        return False if isinstance(other, (int, Ratio)) else NotImplemented

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(str(self))  # of a text, whose hash no spec can foresee, as it can a number's
        return self._hash

    def __bool__(self) -> bool:
        raise TypeError(f"the symbolic size {self} has no truth value")

    def __add__(self, other: Any) -> Any:
        terms, over = _apart(other)
        spend_terms(len(self.terms))
        common = lcm(self.over, over)
        mine, theirs = common // self.over, common // over
        total = {monomial: value * mine for monomial, value in self.terms.items()}
        for monomial, value in terms.items():
            total[monomial] = total.get(monomial, 0) + value * theirs
        return _made(total, common)

    __radd__ = __add__

    def __neg__(self) -> Any:
        return _made({monomial: -value for monomial, value in self.terms.items()}, self.over)

    def __sub__(self, other: Any) -> Any:
        return self + (-other if isinstance(other, (Dim, Ratio)) else -index(other))

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: Any) -> Any:
        terms, over = _apart(other)
        if len(self.terms) * len(terms) > PRODUCTS.most:
            raise exceeded(PRODUCTS)
        spend_terms(len(self.terms) * len(terms))
        total: dict[Monomial, int] = {}
        for left, one in self.terms.items():
            for right, two in terms.items():
                product = _product(left, right)
                total[product] = total.get(product, 0) + one * two
        return _made(_cancelled(total), self.over * over)

    __rmul__ = __mul__

    def __pow__(self, exponent: Any) -> Any:
        power = index(exponent)
        if not 0 <= power <= MAX_POWER:
            raise ArithmeticError(f"an exponent must be a whole number from 0 to {MAX_POWER}")
        result: Any = 1
        for _ in range(power):
            result = self * result
        return result

    def __floordiv__(self, divisor: Any) -> Any:
        if isinstance(divisor, Dim):
            raise ArithmeticError("a size can only be divided by a number")
        if isinstance(divisor, Ratio):
            return self * divisor.below // divisor.above
        q = index(divisor)
        if q <= 0:
            raise ArithmeticError(f"a size can only be divided by a positive number (got {q})")
        return _floor(self.terms, q * self.over)

    def __rfloordiv__(self, other: Any) -> Any:
        raise ArithmeticError("a size can only be divided by a number")

    def __mod__(self, divisor: Any) -> Any:
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
        """Return the terms by falling degree, then by name."""
        return sorted(self.terms.items(), key=_order)

    def atoms(self) -> Iterator[Atom]:
        """Yield the atoms of all terms; not those inside them."""
        for monomial in self.terms:
            for atom, _ in monomial:
                yield atom


Size = int | Dim


def symbol(name: str) -> Dim:
    """Make the size that is a symbol: an integer of which no more is known than that it is at least 1."""
    return Dim({((name, 1),): 1})


def of(atom: Atom) -> Dim:
    """Make the size that is an atom."""
    return Dim({((atom, 1),): 1})


def inside(atom: Atom) -> tuple[Any, ...]:
    """Return the sizes that an atom is made of."""
    if isinstance(atom, str):
        return ()
    return (
        (atom.numerator,)
        if isinstance(atom, Floor)
        else (atom.numerator, atom.divisor)
        if isinstance(atom, Quotient)
        else atom.arguments
    )


def symbols(size: Any) -> frozenset[str]:
    """Name the symbols in a size."""
    if not isinstance(size, Dim):
        return frozenset()
    found: set[str] = set()
    for atom in size.atoms():
        found |= {atom} if isinstance(atom, str) else set().union(*map(symbols, inside(atom)))
    return frozenset(found)


def grouped(size: Any) -> str:
    """Write a size as Python, a sum or a quotient in parentheses."""
    return f"({size})" if isinstance(size, Dim) and (size.is_sum or size.over > 1) else str(size)


def alone(value: Any) -> Atom | None:
    """Return the atom that a size is, if it is one."""
    if isinstance(value, Dim) and value.over == 1 and len(value.terms) == 1:
        ((monomial, factor),) = value.terms.items()
        if factor == 1 and len(monomial) == 1 and monomial[0][1] == 1:
            return monomial[0][0]
    return None


def is_product(size: Dim) -> bool:
    """Return whether a size is one term of several factors."""
    return not size.is_sum and next(iter(size.terms.items())) not in [(((atom, 1),), 1) for atom in size.atoms()]


# The normal form


def _apart(value: Any) -> tuple[Mapping[Monomial, int], int]:
    """Take a number or a size apart; numpy's integers are numbers, floats are refused."""
    if isinstance(value, Dim):
        return value.terms, value.over
    if isinstance(value, Ratio):
        return {(): value.above}, value.below
    number = index(value)
    return ({(): number} if number else {}), 1


def _made(terms: Mapping[Monomial, int], over: int) -> Any:
    """Return terms their normal form; what is a plain number becomes one."""
    kept = {monomial: value for monomial, value in terms.items() if value}
    if over > 1:
        common = gcd(over, *kept.values())
        if common > 1:
            over //= common
            kept = {monomial: value // common for monomial, value in kept.items()}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return Ratio(kept[()], over) if over > 1 else kept[()]
    return Dim(kept, over)


def _product(left: Monomial, right: Monomial) -> Monomial:
    """Multiply two monomials; atoms stay in order."""
    if not left or not right:
        return left or right
    powers = dict(left)
    for atom, power in right:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=_atom_order))


def _without(monomial: Monomial, divisor: Monomial) -> Monomial | None:
    """Divide a monomial by another; None if it does not divide."""
    powers = dict(monomial)
    for atom, power in divisor:
        powers[atom] = powers.get(atom, 0) - power
        if powers[atom] < 0:
            return None
    return tuple((atom, power) for atom, power in powers.items() if power)


def _cancelled(terms: dict[Monomial, int]) -> Mapping[Monomial, int]:
    """Multiply quotients out where what they are divided by is a factor: ``G · (C/G)`` is C."""
    for monomial, value in terms.items():
        for atom, _ in monomial:
            if isinstance(atom, Quotient) and not atom.divisor.is_sum:
                ((below, factor),) = atom.divisor.terms.items()
                rest = _without(monomial, (*below, (atom, 1))) if factor == 1 else None
                if rest is not None:
                    whole = _made({rest: value}, 1) * atom.numerator
                    others = {other: amount for other, amount in terms.items() if other != monomial}
                    return _apart(whole + _made(others, 1))[0]
    return terms


def _atom_order(item: tuple[Atom, int]) -> tuple[bool, str]:
    return not isinstance(item[0], str), str(item[0])


def _order(item: tuple[Monomial, int]) -> tuple[int, list[tuple[bool, str, int]]]:
    return -sum(power for _, power in item[0]), [(*_atom_order(factor), -factor[1]) for factor in item[0]]


def _floor(terms: Mapping[Monomial, int], q: int) -> Any:
    """Divide integer terms by ``q`` and round down, in normal form."""
    spend_terms(len(terms))
    if q == 1:
        return _made(terms, 1)
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
            nested = dict(inner.numerator.terms)
            nested[()] = nested.get((), 0) + inner.divisor * constant
            return whole + _floor(nested, inner.divisor * q)
    if constant:
        rest[()] = constant
    return whole + of(Floor(Dim(rest), q))


def exact_quotient(size: Any, divisor: Any) -> Any:
    """Divide where the quotient must be whole.

    Raises ArithmeticError for a number that does not divide; of a symbolic size it becomes a requirement.
    """
    if is_whole(size) and is_whole(divisor):
        if size % divisor:
            raise ArithmeticError(f"{size} is not divisible by {divisor}")
        return size // divisor
    if isinstance(divisor, Dim):
        return _quotient(size, divisor)
    above, below = parts(divisor)
    if above == 0:
        raise ZeroDivisionError
    if above < 0:
        above, below = -above, -below
    return _made({monomial: value * below for monomial, value in size.terms.items()}, size.over * above)


def _quotient(size: Any, divisor: Dim) -> Any:
    """Divide by a symbolic size: factors that both have cancel, and so does a divisor that is a quotient itself."""
    terms, over = _apart(size)
    if divisor.is_sum:
        ratio = proportion(size, divisor)
        return of(Quotient(size, divisor)) if ratio is None else ratio
    ((below, factor),) = divisor.terms.items()
    for atom, power in below:
        if isinstance(atom, Quotient):
            rest = _without(below, ((atom, 1),)) or ()
            numerator = size * atom.divisor
            return exact_quotient(exact_quotient(numerator, atom.numerator), _made({rest: factor}, divisor.over))
        shared = min((dict(monomial).get(atom, 0) for monomial in terms), default=0)
        common: Monomial = ((atom, min(power, shared)),) if shared else ()
        terms = {_without(monomial, common) or (): value for monomial, value in terms.items()}
        below = _without(below, common) or ()
    numerator = _made({monomial: value * divisor.over for monomial, value in terms.items()}, 1)
    denominator = factor * over
    if not below:
        return exact_quotient(numerator, denominator) if isinstance(numerator, Dim) else _ratio(numerator, denominator)
    shared = gcd(denominator, *_apart(numerator)[0].values())
    numerator = exact_quotient(numerator, shared)
    return of(Quotient(numerator, Dim({below: denominator // shared})))


def _ratio(above: int, below: int) -> Any:
    from bneck_cli.sizes.number import divided

    return divided(above, below)


def proportion(size: Any, other: Any) -> Any:
    """Give ``size / other``, exactly, where it is the same for every value of the symbols, else None."""
    if not isinstance(size, Dim) or not isinstance(other, Dim) or size.terms.keys() != other.terms.keys():
        return None
    pairs = [(value * other.over, other.terms[monomial] * size.over) for monomial, value in size.terms.items()]
    above, below = pairs[0]
    return _ratio(above, below) if all(a * below == b * above for a, b in pairs) else None


def _term_text(monomial: Monomial, value: int) -> str:
    factors = [f"{atom}**{power}" if power > 1 else str(atom) for atom, power in monomial]
    if not factors:
        return str(value)
    sign = {1: "", -1: "-"}.get(value)
    return "*".join([*([str(value)] if sign is None else []), *factors]) if sign is None else sign + "*".join(factors)
