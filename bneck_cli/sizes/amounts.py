"""Figures as people state them: ``4.11G``, ``25.6M``, ``4,089,184,256``."""

from __future__ import annotations

import re
from typing import NamedTuple

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
FIGURE = re.compile(r"(\d{1,3}(?:,\d{3})+|\d{1,18})(?:\.(\d{1,9}))?\s*([KMGBT]?)", re.IGNORECASE)


class Figure(NamedTuple):
    """A stated figure: ``low`` to ``high`` are the whole numbers that round to it."""

    text: str
    value: int
    low: int
    high: int


def read_figure(text: str) -> Figure | None:
    """Read a figure with its unit; None where the text is none."""
    match = FIGURE.fullmatch(text.strip())
    if match is None:
        return None
    fraction, unit = match.group(2) or "", UNITS[match.group(3).upper()]
    scale = 10 ** len(fraction)
    digits = int(match.group(1).replace(",", "") + fraction)
    half = unit // 2
    low, high = -(-(digits * unit - half) // scale), (digits * unit + half) // scale
    return Figure(text.strip(), digits * unit // scale, low, high)


def rounded(value: int) -> str:
    """Write a whole number with three digits and a unit: ``4.09G``, ``25.6M``, ``736k``."""
    shift = max(0, len(str(value)) - 3)
    digits = (value + 10**shift // 2) // 10**shift
    if digits == 1000:
        digits, shift = 100, shift + 1
    thousands = min((shift + 2) // 3, 4)
    if not thousands:
        return str(value)
    decimals = max(0, 3 * thousands - shift)
    whole, part = divmod(digits * 10 ** max(0, shift - 3 * thousands), 10**decimals)
    return f"{whole:,}" + (f".{part:0{decimals}}" if decimals else "") + " kMGT"[thousands]
