"""Figures as people state them: ``4.11G``, ``25.6M``, ``4,089,184,256``, ``3.8x10^9``, ``4.1 GMACs``."""

from __future__ import annotations

import re
from typing import NamedTuple

from bneck_cli.errors import BneckError
from bneck_cli.shown import grouped

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
NUMBERS = {"thousand": "k", "million": "m", "billion": "g", "trillion": "t"}
COUNTED = {
    "macs": r"macs?|m-?adds?|mult?-?adds?|multiply-?adds?|multiply-?accumulates?",
    "operations": r"flops?|ops|operations?",
    "params": r"params?|parameters?|weights?",
}
"""What is counted, in the words that follow a number."""
FIGURE = re.compile(
    r"(?P<whole>\d{1,3}(?:,\d{3})+|\d{1,18})(?:\.(?P<fraction>\d{1,9}))?"
    r"(?:e\+?(?P<e>\d{1,2})|\s*[x×*·]\s*10(?:(?:\^|\*\*)(?P<power>\d{1,2})|(?P<raised>[⁰¹²³⁴-⁹]{1,2})))?"
    rf"\s*(?P<unit>{'|'.join(NUMBERS)}|[kmgbt]?)"
    rf"\s*(?:{'|'.join(f'(?P<{name}>{words})' for name, words in COUNTED.items())})?",
    re.IGNORECASE | re.ASCII,
)
BYTES = re.compile(r"(?P<figure>[0-9.,]{1,30})\s*(?P<unit>[kmgt]i?b|bytes|b)?", re.IGNORECASE | re.ASCII)
RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
MAX_EXPONENT = 18


class Figure(NamedTuple):
    """A stated figure: ``low`` to ``high`` are the whole numbers that round to it.

    ``counts`` is what it says that it counts: macs, operations, params, or nothing; ``bare`` that it has no unit.
    """

    text: str
    value: int
    low: int
    high: int
    counts: str = ""
    bare: bool = False


def read_figure(text: str) -> Figure | None:
    """Read a figure with its unit; None if the text is none."""
    match = FIGURE.fullmatch(text.strip())
    if match is None:
        return None
    part = match.groupdict()
    exponent = part["e"] or part["power"] or (part["raised"] or "").translate(RAISED)
    if exponent and int(exponent) > MAX_EXPONENT:
        return None
    word = part["unit"].lower()
    unit = UNITS[NUMBERS.get(word, word)] * 10 ** int(exponent or 0)
    fraction = part["fraction"] or ""
    scale = 10 ** len(fraction)
    digits = int(part["whole"].replace(",", "") + fraction)
    half = unit // 2
    low, high = -(-(digits * unit - half) // scale), (digits * unit + half) // scale
    counts = next((name for name in COUNTED if part[name]), "")
    return Figure(text.strip(), digits * unit // scale, low, high, counts, bare=not word and not exponent)


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
    return f"{grouped(whole)}" + (f".{part:0{decimals}}" if decimals else "") + " kMGT"[thousands]


def amount(text: str, option: str) -> int:
    """Read an amount such as ``1G``, ``300M`` or ``4089184256``. Raises BneckError for what is none."""
    figure = read_figure(text)
    if figure is None:
        raise BneckError(f"{option}: '{text}' is not an amount", hint="write 300M, 1.5G or a plain number")
    return figure.value


def byte_amount(text: str, option: str) -> int:
    """Read an amount of memory: ``64MiB`` (1,024 times 1,024), ``64MB`` (a million). Raises BneckError for none."""
    match = BYTES.fullmatch(text.strip())
    figure = read_figure(match["figure"]) if match else None
    if match is None or figure is None:
        raise BneckError(
            f"{option}: '{text}' is not an amount of memory", hint="write 64MiB, 512kB or a number of bytes"
        )
    unit = (match["unit"] or "b").lower()
    power = 0 if unit in ("b", "bytes") else 1 + "kmgt".index(unit[0])
    whole, _, fraction = match["figure"].replace(",", "").partition(".")
    scale: int = (1024 if "i" in unit else 1000) ** power
    below: int = 10 ** len(fraction)
    return int(whole + fraction) * scale // below
