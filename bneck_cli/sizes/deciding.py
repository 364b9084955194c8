"""What a walk must know of symbolic sizes to go on: decided where it holds for every value, else asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.errors import BneckError, listed
from bneck_cli.sizes.agreement import agreement
from bneck_cli.sizes.assumed import name_of
from bneck_cli.sizes.bounds import compared
from bneck_cli.sizes.dim import symbols
from bneck_cli.sizes.evaluation import substitute
from bneck_cli.sizes.writing import pretty

if TYPE_CHECKING:
    from bneck_cli.budget import Place

FURTHEST = 1 << 24
"""The largest bound on a symbol that is proposed."""


def decided(operator: str, left: Any, right: Any, place: Place) -> bool:
    """Compare two sizes.

    Raises BneckError if the answer depends on a symbol, and says what would settle it.
    """
    answer = compared(operator, left, right)
    if answer is None:
        raise undecided(operator, left, right, place)
    return answer


def undecided(operator: str, left: Any, right: Any, place: Place) -> BneckError:
    """Make the error for a comparison that depends on the values of symbols."""
    names = sorted({name_of(text)[0] for text in symbols(left) | symbols(right)})
    message = f"whether {pretty(left)} {operator} {pretty(right)} depends on {listed(names, 'and')}"
    proposal = _proposal(operator, left, right) if len(names) == 1 else ""
    number = f"give {listed(names, 'and')} a value" if len(names) == 1 else f"give one of {listed(names)} a value"
    return BneckError(message, place.location(), f"{number}, or --assume '{proposal}'" if proposal else number)


def _proposal(operator: str, left: Any, right: Any) -> str:
    """Find an assumption on the one symbol that would settle a comparison."""
    (text,) = symbols(left) | symbols(right)
    name, unit = name_of(text)
    agreed = agreement(left, right)
    if agreed.residues == {0} and operator in ("==", "!="):
        return f"{name}%{agreed.modulus}==0"

    def settles(least: int) -> bool:
        """Return whether it is settled from a least value of the symbol on."""
        from bneck_cli.sizes.dim import symbol

        shifted = {text: symbol(text) + (least - 1)}
        return compared(operator, substitute(left, shifted), substitute(right, shifted)) is not None

    low, high = 1, 2
    while not settles(high):
        low, high = high, 2 * high
        if high > FURTHEST:
            return ""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settles(middle) else (middle, high)
    return f"{name}>={high * unit}"
