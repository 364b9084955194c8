"""What is assumed of a symbol: what it is a multiple of, and its least and largest values; it is at least 1 anyhow.

While a network is walked, an assumed symbol has a name that no spec can spell and that says what is known of it:
``H/32`` stands for a 32nd of H, ``C≥16`` for C. ``restored`` puts the symbols themselves in their place.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import lcm
from typing import Any, NamedTuple

NAME = re.compile(r"(?P<name>[^/≥≤]*)(?:/(?P<unit>\d+))?(?:≥(?P<least>\d+))?(?:≤(?P<most>\d+))?")


class Assumed(NamedTuple):
    """A symbol is a multiple of ``unit``, from ``least`` to ``most`` (None for any)."""

    unit: int = 1
    least: int = 1
    most: int | None = None

    def also(self, other: Assumed) -> Assumed:
        """Assume both."""
        most = self.most if other.most is None else other.most if self.most is None else min(self.most, other.most)
        return Assumed(lcm(self.unit, other.unit), max(self.least, other.least), most)

    def said(self, name: str) -> list[str]:
        """Say what is assumed, each as requirements say it."""
        words = [f"{name} is a multiple of {self.unit}"] if self.unit > 1 else []
        words += [f"{name} is at least {self.least}"] if self.least > 1 else []
        return words + ([f"{name} is at most {self.most}"] if self.most is not None else [])


def assumed(name: str, known: Assumed) -> Any:
    """Make a symbol of which something is known."""
    from bneck_cli.sizes.dim import symbol

    unit = known.unit
    least = -(-known.least // unit)
    text = name + (f"/{unit}" if unit > 1 else "") + (f"≥{least}" if least > 1 else "")
    return unit * symbol(text + (f"≤{known.most // unit}" if known.most is not None else ""))


@lru_cache(maxsize=1024)
def range_of(text: str) -> tuple[int, int | None]:
    """Return the least and the largest value of a symbol, by its name."""
    match = NAME.fullmatch(text)
    if match is None:
        return 1, None
    return int(match["least"] or 1), int(match["most"]) if match["most"] else None


def name_of(text: str) -> tuple[str, int]:
    """Return a symbol's own name, and of which part of it the text is the name."""
    match = NAME.fullmatch(text)
    return (text, 1) if match is None else (match["name"], int(match["unit"] or 1))


def restored(size: Any) -> Any:
    """Put the symbols of which something was assumed in the place of their parts."""
    from bneck_cli.sizes.dim import exact_quotient, symbol, symbols
    from bneck_cli.sizes.evaluation import substitute

    whole = {}
    for text in symbols(size):
        name, unit = name_of(text)
        if name != text:
            whole[text] = exact_quotient(symbol(name), unit)
    return substitute(size, whole) if whole else size
