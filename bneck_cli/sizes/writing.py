"""Sizes as mathematics: for terminals with and without Unicode, and for LaTeX."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Any

from bneck_cli.sizes.assumed import restored
from bneck_cli.sizes.dim import Dim, Floor, Quotient, alone, is_product
from bneck_cli.sizes.number import parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.sizes.dim import Atom

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def pretty(size: Any, ascii: bool = False) -> str:
    """Write a size as mathematics: ``81456·H·W + 2048000``, ``17/16·C²``, ``⌊(H + 31)/32⌋``, ``max(1, ⌊C/4⌋)``."""
    size = restored(size)
    if not isinstance(size, Dim):
        return str(size)

    def written(atom: Atom, power: int) -> str:
        if isinstance(atom, str):
            base = atom
        elif isinstance(atom, Floor):
            inside = f"{_grouped(atom.numerator, ascii)}/{atom.divisor}"
            base = f"floor({inside})" if ascii else f"⌊{inside}⌋"
        elif isinstance(atom, Quotient):
            below = _grouped(atom.divisor, ascii)
            below = f"({below})" if is_product(atom.divisor) else below
            base = f"({_grouped(atom.numerator, ascii)}/{below})"
        else:
            shown = atom.arguments[:1] if atom.name == "round8" and atom.arguments[1] == 8 else atom.arguments
            base = f"{atom.name}({', '.join(pretty(each, ascii) for each in shown)})"
        if power == 1:
            return base
        return f"{base}^{power}" if ascii else base + str(power).translate(SUPERSCRIPTS)

    def fraction(above: str, below: int) -> str:
        return f"{above}/{below}" if below > 1 else above

    text = _joined(size, written, fraction, "*" if ascii else "·")
    return text[1:-1] if isinstance(alone(size), Quotient) else text


def _grouped(size: Any, ascii: bool) -> str:
    return f"({pretty(size, ascii)})" if isinstance(size, Dim) and size.is_sum else pretty(size, ascii)


def latex(size: Any) -> str:
    r"""Write a size for LaTeX's mathematics: ``\frac{17}{16} C^{2}``."""
    if not isinstance(size, Dim):
        above, below = parts(size)
        return rf"\frac{{{above}}}{{{below}}}" if below > 1 else str(size)

    def written(atom: Atom, power: int) -> str:
        if isinstance(atom, str):
            base = atom if len(atom) == 1 else rf"\mathit{{{atom}}}".replace("_", r"\_")
        elif isinstance(atom, Floor):
            base = rf"\left\lfloor \frac{{{latex(atom.numerator)}}}{{{atom.divisor}}} \right\rfloor"
        elif isinstance(atom, Quotient):
            base = rf"\frac{{{latex(atom.numerator)}}}{{{latex(atom.divisor)}}}"
            base = base if power == 1 else rf"\left( {base} \right)"
        else:
            name = rf"\{atom.name}" if atom.name in ("min", "max") else rf"\operatorname{{{atom.name}}}"
            base = rf"{name}\left( {', '.join(map(latex, atom.arguments))} \right)"
        return base if power == 1 else f"{base}^{{{power}}}"

    def fraction(above: str, below: int) -> str:
        return rf"\frac{{{above}}}{{{below}}}" if below > 1 else above

    return _joined(size, written, fraction, " ")


def _joined(size: Dim, written: Callable[[Atom, int], str], fraction: Callable[[str, int], str], dot: str) -> str:
    """Write the terms with their signs between them."""
    terms = []
    for monomial, value in size.ordered():
        common = gcd(value, size.over)
        above, below = abs(value) // common, size.over // common
        factors = [written(*factor) for factor in sorted(monomial, key=lambda factor: factor[0] != "N")]  # N·C·H·W
        product = dot.join(factors)
        if above == 1 and below > 1 and len(factors) == 1:
            product = fraction(product, below)
        elif (above, below) != (1, 1) or not factors:
            product = dot.join([fraction(str(above), below), *factors])
        terms.append(("-" if value < 0 else "+", product))
    first = ("-" if terms[0][0] == "-" else "") + terms[0][1]
    return first + "".join(f" {sign} {term}" for sign, term in terms[1:])
