"""Axes: ``width=0.25:2:0.25``, ``H=128:512:32``, ``channels=64,128``, ``depths[2]=4:12``; and the designs."""

from __future__ import annotations

import re
from math import lcm, prod
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.errors import BneckError
from bneck_cli.language.parsing import decimal
from bneck_cli.sizes.number import divided, parts
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

AXIS = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)(?:\[([0-9]{1,4})\])?\s*=\s*(.*)", re.DOTALL)
NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,9})?")
MOST_LISTED = 1_000_000
"""Values of one axis, at most: what has more is a range that nobody means."""
MOST_DESIGNS = 10**11


class Axis(NamedTuple):
    """One thing that varies: a parameter, an item of a list, or a size of the input.

    Values are ``above[i] / below``: whole numbers where ``below`` is 1.
    """

    name: str
    item: int | None
    above: range | tuple[int, ...]
    below: int

    @property
    def title(self) -> str:
        """How it is written: ``width``, ``depths[2]``."""
        return self.name if self.item is None else f"{self.name}[{self.item}]"

    def value(self, index: int) -> Any:
        """Return one of its values: a whole number or a ratio."""
        return divided(self.above[index], self.below)


def parse_axis(text: str) -> Axis:
    """Read ``NAME=VALUES``: values with commas, or ``first:last`` or ``first:last:step``, the last one included.

    ``first..last`` is ``first:last``.

    Raises BneckError for what is not one.
    """
    match = AXIS.fullmatch(text)
    if match is None:
        raise BneckError(f"--vary: '{text[:60]}' is not an axis", hint="write width=0.25:2:0.25 or channels=64,128")
    name, item, values = match[1], match[2], match[3].strip()
    ends = values.replace("..", ":").split(":")
    if len(ends) > 1:
        return _range(name, item, ends, text)
    listed = [_number(part, text) for part in values.split(",")]
    below = lcm(*(parts(value)[1] for value in listed))
    above = tuple(value * below for value in listed)
    if len(set(above)) < len(above):
        raise BneckError(f"--vary: '{text[:60]}' repeats a value")
    return Axis(name, int(item) if item else None, above, below)


def _range(name: str, item: str | None, ends: list[str], text: str) -> Axis:
    if len(ends) > 3:
        raise BneckError(f"--vary: '{text[:60]}' is not a range", hint="write first:last or first:last:step")
    first, last, step = (_number(end, text) for end in (*ends, "1")[:3])
    if step == 0:
        raise BneckError(f"--vary: the step of '{text[:60]}' is 0")
    below = lcm(*(parts(value)[1] for value in (first, last, step)))
    values = range(first * below, last * below + 1, step * below)
    if not values:
        raise BneckError(f"--vary: '{text[:60]}' is empty: the last value is below the first")
    if len(values) > MOST_LISTED:
        most = people(MOST_LISTED)
        raise BneckError(f"--vary: '{text[:60]}' has {people(len(values))} values; an axis has at most {most}")
    return Axis(name, int(item) if item else None, values, below)


def _number(text: str, whole: str) -> Any:
    text = text.strip()
    if not NUMBER.fullmatch(text):
        raise BneckError(f"--vary: '{text[:30]}' in '{whole[:60]}' is not a number of at least 0")
    return decimal(text)


class Designs(NamedTuple):
    """All designs, numbered: a grid whose last axis changes fastest, pairs side by side, or chosen at random."""

    axes: tuple[Axis, ...]
    number: int
    """How many there are."""
    way: str = "grid"
    seed: int = 0

    def columns(self, start: int, stop: int) -> list[Any]:
        """Return the number of each axis's value for designs ``start`` to ``stop``: an array for each axis."""
        import numpy

        if self.way == "random":
            source = numpy.random.default_rng([self.seed, start])
            return [source.integers(len(axis.above), size=stop - start) for axis in self.axes]
        numbers = numpy.arange(start, stop)
        if self.way == "zip":
            return [numbers for _ in self.axes]
        columns = []
        for axis in reversed(self.axes):
            columns.append(numbers % len(axis.above))
            numbers = numbers // len(axis.above)
        return columns[::-1]

    def design(self, number: int, size: int) -> list[Any]:
        """Return the values of one design; ``size`` is that of the blocks that it was found in."""
        start = number // size * size
        columns = self.columns(start, min(start + size, self.number))
        return [axis.value(int(column[number - start])) for axis, column in zip(self.axes, columns, strict=True)]

    def blocks(self, size: int, first: int = 0, each: int = 1) -> Iterator[tuple[int, int]]:
        """Yield where blocks start and stop: all of them, or from ``first`` on one in ``each``."""
        for start in range(first * size, self.number, each * size):
            yield start, min(start + size, self.number)


def grid(axes: Sequence[Axis]) -> Designs:
    """Combine every value of each axis with every value of the others."""
    return _designs(axes, prod(len(axis.above) for axis in axes), "grid")


def zipped(axes: Sequence[Axis]) -> Designs:
    """Take the values of all axes side by side. Raises BneckError if one has more than another."""
    lengths = {axis.title: len(axis.above) for axis in axes}
    if len(set(lengths.values())) > 1:
        raise BneckError(f"--zip needs as many values of each: {', '.join(f'{n} has {k}' for n, k in lengths.items())}")
    return _designs(axes, next(iter(lengths.values())), "zip")


def chosen(axes: Sequence[Axis], count: int, seed: int) -> Designs:
    """Choose every value at random, each as likely as the others of its axis; the same for the same seed."""
    return _designs(axes, count, "random", seed)


def _designs(axes: Sequence[Axis], count: int, way: str, seed: int = 0) -> Designs:
    titles = [axis.title for axis in axes]
    if not axes:
        raise BneckError("nothing varies", hint="--vary channels=64:512:64")
    for title in titles:
        if titles.count(title) > 1:
            raise BneckError(f"--vary: '{title}' is given twice")
    if count > MOST_DESIGNS:
        most = people(MOST_DESIGNS)
        raise BneckError(f"that is too much work: {people(count)} designs, and the most is {most}")
    return Designs(tuple(axes), count, way, seed)
