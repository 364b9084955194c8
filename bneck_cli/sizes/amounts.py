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
