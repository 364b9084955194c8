"""Where two sizes are equal, and for which values of their symbols sizes are whole."""

from __future__ import annotations

from functools import lru_cache
from math import lcm
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.sizes.assumed import name_of
from bneck_cli.sizes.dim import Applied, Dim, Floor, Quotient, alone, inside, of, symbol, symbols
from bneck_cli.sizes.evaluation import evaluate, substitute
from bneck_cli.sizes.number import parts
from bneck_cli.sizes.writing import pretty

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bneck_cli.sizes.dim import Size

MAX_CLASSES = 4096


class Agreement(NamedTuple):
    """For which values of ``symbol`` two sizes are equal: those with one of ``residues`` modulo ``modulus``.

    ``symbol`` is empty where the answer does not depend on one; ``modulus`` is 0 if it was not decided.
    """

    symbol: str
    modulus: int
    residues: frozenset[int]

    @property
    def always(self) -> bool:
        """Whether they are equal for every value."""
        return self.modulus > 0 and len(self.residues) == self.modulus

    @property
    def never(self) -> bool:
        """Whether they are equal for no value."""
        return self.modulus > 0 and not self.residues

    def holds_for_multiples(self, unit: int) -> bool:
        """Return whether they are equal for every multiple of a number."""
        multiples = range(0, lcm(self.modulus, unit), unit)
        return self.modulus > 0 and all(r % self.modulus in self.residues for r in multiples)

    def also(self, other: Agreement) -> Agreement:
        """Return the values of the same symbol for which both hold."""
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
    symbols, with a period over 4096, or with a function that has none are left undecided.
    """
    difference = left - right
    if not isinstance(difference, Dim):
        return Agreement("", 1, frozenset({0} if difference == 0 else ()))
    difference = Dim(difference.terms)  # it is 0 if its numerator is
    names = symbols(difference)
    period = _period(difference)
    if len(names) != 1 or period > MAX_CLASSES:
        return Agreement(" and ".join(sorted(name_of(name)[0] for name in names)), 0, frozenset())
    (text,) = names
    residues = [r for r in range(period) if substitute(difference, {text: period * symbol(text) + r}) == 0]
    name, unit = name_of(text)
    found = _simplest(name, period, frozenset(residues)) if residues else Agreement(name, 0, frozenset())
    if unit == 1 or not found.residues or found.always:
        return found
    return Agreement(name, found.modulus * unit, frozenset(r * unit for r in found.residues))


def _period(size: Any) -> int:
    """Give a modulus whose classes turn every floor of a size into a polynomial; beyond all classes where none does."""
    if not isinstance(size, Dim):
        return parts(size)[1]
    period = size.over
    for atom in size.atoms():
        if isinstance(atom, Floor):
            period = lcm(period, atom.divisor * _period(atom.numerator))
        elif isinstance(atom, Applied) and atom.name == "round":
            period = lcm(period, 2 * _period(atom.arguments[0]))
        elif not isinstance(atom, str):
            return MAX_CLASSES + 1
        if period > MAX_CLASSES:
            break
    return period


def _simplest(name: str, modulus: int, residues: frozenset[int]) -> Agreement:
    """Return the same values by the smallest modulus that tells them."""
    for smaller in range(1, modulus + 1):
        if modulus % smaller == 0:
            kept = frozenset(r % smaller for r in residues)
            if len(kept) * (modulus // smaller) == len(residues):
                return Agreement(name, smaller, kept)
    return Agreement(name, modulus, residues)


def requirements(sizes: Iterable[Any], units: Mapping[str, int] = {}) -> list[str]:
    """Say what symbols must be for sizes with exact quotients to be whole: ``C is a multiple of 4``.

    ``units`` are what symbols are multiples of anyhow.
    """
    found: dict[str, Agreement] = {}
    others: dict[str, None] = {}
    for size in dict.fromkeys(quotient for each in sizes for quotient in _quotients(each)):
        names = symbols(size)
        period = size.over * _period(Dim(size.terms))  # on a class, a floor grows by a whole number, not by ``over``
        if len(names) != 1 or period > MAX_CLASSES:
            atom, said = alone(size), f"{pretty(size)} is whole"
            if isinstance(atom, Quotient):
                said = f"{pretty(atom.numerator)} is a multiple of {pretty(atom.divisor)}"
            others[said] = None
            continue
        (name,) = names
        numerator = Dim(size.terms)
        residues = frozenset(r for r in range(period) if evaluate(numerator, {name: r}) % size.over == 0)
        new = _simplest(name, period, residues)
        both = found[name].also(new) if name in found else new
        if both.modulus:
            found[name] = both
        else:
            others[new.condition] = None
    told = [each for name, each in found.items() if not each.holds_for_multiples(units.get(name, 1))]
    return [each.condition for each in told] + list(others)


def _quotients(size: Any) -> Iterator[Dim]:
    """Yield what must be whole of a size: itself, and the quotients in it; a ratio inside ``round`` need not be."""
    if not isinstance(size, Dim):
        return
    if size.over > 1:
        yield size
    for atom in size.atoms():
        if isinstance(atom, Quotient):
            yield of(atom)
        for each in inside(atom):
            if isinstance(each, Dim):
                yield from _quotients(Dim(each.terms))
