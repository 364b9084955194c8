"""The written form of each type of value: for people, as LaTeX mathematics, and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.shown import grouped
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.sizes.dim import Dim

    Size = int | Dim

LARGEST = 1024**100
"""Bytes from which a tenth of the largest unit is not worth writing, and from which on a float may not hold them."""
DECIMAL = {12: "TB", 9: "GB", 6: "MB", 3: "kB"}
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


class Share(NamedTuple):
    """A part of a whole, 0 to 1: ``23.5%``."""

    value: float

    def __str__(self) -> str:
        return f"{self.value * 100:.1f}%"


class Ratio(NamedTuple):
    """One amount over another: ``0.059``, ``1,204``; nothing if there is no such number."""

    value: float | None

    def __str__(self) -> str:
        if self.value is None:
            return ""
        return f"{self.value:.3f}" if self.value < 1000 else grouped(round(self.value))


class Signed(NamedTuple):
    """A difference of two sizes, with its sign: ``+1,024``."""

    value: Size

    def __str__(self) -> str:
        if isinstance(self.value, int):
            return grouped(self.value, sign="+") if self.value else "0"
        return people(self.value)


class Percent(NamedTuple):
    """A change in percent, with its sign and at least one digit that is not 0: ``-12.5%``, ``+0.03%``."""

    value: float | None

    def __str__(self) -> str:
        if self.value is None:
            return ""
        if not self.value:
            return "0.0%"
        if isinstance(self.value, int):  # beyond floats
            return f"{grouped(self.value, sign='+')}%"
        return f"{self.value:+.1f}%" if abs(self.value) >= 0.05 else f"{self.value:+.1g}%"


class Bytes(NamedTuple):
    """An amount of memory, in the largest unit that leaves at least 1: ``97.5 MiB``."""

    value: Size

    def __str__(self) -> str:
        size = self.value
        if not isinstance(size, int):
            return f"{people(size)} bytes"
        power = 0
        while power + 1 < len(UNITS) and size >= 1024 ** (power + 1):
            power += 1
        if power == 0:
            return f"{size} {'byte' if size == 1 else 'bytes'}" if size else "0"
        if size >= LARGEST:
            return f"{grouped(size // 1024**power)} {UNITS[power]}"
        if power + 1 < len(UNITS) and round(size / 1024**power, 1) >= 1024:
            power += 1
        return f"{grouped(size / 1024**power, '.1f')} {UNITS[power]}"

    def exactly(self) -> str:
        """Write the amount for people and to the byte: ``97.5 MiB (102,228,128 bytes)``."""
        if not isinstance(self.value, int) or self.value < 1024:
            return str(self)
        return f"{self} ({grouped(self.value)} bytes)"

    def decimal(self) -> str:
        """Write the amount in the units of devices, and to the byte: ``49.4 GB (49,369,849,856 bytes)``."""
        size = self.value
        power = next((each for each in DECIMAL if isinstance(size, int) and size >= 10**each), 0)
        if not isinstance(size, int) or not power:
            return str(self)
        amount = grouped(size / 10**power, ".1f") if size < LARGEST else grouped(size // 10**power)
        return f"{amount} {DECIMAL[power]} ({grouped(size)} bytes)"


class Seconds(NamedTuple):
    """A time to three digits, in the unit that fits: ``1.53 ms``; nothing if it is not known."""

    value: float | None

    def __str__(self) -> str:
        if self.value is None:
            return ""
        unit, name = next((each for each in TIMES if self.value >= each[0] * 0.9995), TIMES[-1])
        return f"{self.value / unit:.3g} {name}"


WRAPPED = (Share, Ratio, Signed, Percent, Bytes, Seconds)


def people(value: Any) -> str:
    """Write a value for people: ``4,089,184,256``; a symbolic size in its mathematical form; nothing for None."""
    if value is None:
        return ""
    if type(value) is int:
        return grouped(value)
    if hasattr(value, "terms"):  # a Dim, whose module is loaded only where there is one
        from bneck_cli.sizes.writing import pretty

        return pretty(value)
    return str(value)


def counted(count: int, noun: str) -> str:
    """Write a count with its noun: ``1 filter``, ``64 filters``, ``1,024 biases``."""
    return f"{people(count)} {noun if count == 1 else noun + ('es' if noun[-1] == 's' else 's')}"


def mathematics(value: Any) -> str | None:
    """Write a number, a symbolic size or a shape in LaTeX's mathematics; None for what is none of these."""
    if type(value) is int:
        return grouped(value).replace(",", "{,}")
    if isinstance(value, Signed):
        return f"${value}$".replace(",", "{,}") if isinstance(value.value, int) else mathematics(value.value)
    if isinstance(value, Shape):
        sizes = [str(size) if isinstance(size, int) else _factor(size) for size in (value.channels, *value.spatial)]
        product = "{\\times}\\allowbreak ".join(sizes)
        return f"${product}$"
    if hasattr(value, "terms"):
        from bneck_cli.sizes.writing import latex

        return f"${latex(value)}$"
    return None


def _factor(size: Dim) -> str:
    from bneck_cli.sizes.writing import latex

    return f"({latex(size)})" if size.is_sum else latex(size)


def data(value: Any) -> Any:
    """Return a value as JSON and CSV have it: numbers as they are, a symbolic size as text that Python evaluates.

    A shape is the list of its sizes, channels first; an amount with a unit is the bare number.
    """
    if value is None or isinstance(value, (int, float, str)):
        return value
    if isinstance(value, dict):
        return {key: data(each) for key, each in value.items()}
    if isinstance(value, Shape):
        return [data(size) for size in (value.channels, *value.spatial)]
    if isinstance(value, WRAPPED):
        return data(value.value)
    if isinstance(value, (list, tuple)):
        return [data(each) for each in value]
    return str(value)
