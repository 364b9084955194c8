"""The shape of one tensor: its channels, then its spatial sizes, without the batch."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.sizes.number import is_whole

if TYPE_CHECKING:
    from bneck_cli.sizes.dim import Dim

    Size = int | Dim


AXES = ((), ("length",), ("height", "width"), ("time", "height", "width"))
"""The names of the spatial axes, by their number; the first letter of each is its size in expressions."""


class Shape(NamedTuple):
    """Channels first, whatever the rank: a vector has no spatial size, a sequence a length, a map height and width."""

    channels: Size
    spatial: tuple[Size, ...] = ()

    @property
    def positions(self) -> Size:
        """The number of positions at which every channel has a value."""
        return prod(self.spatial)

    @property
    def elements(self) -> Size:
        """The number of values."""
        return self.channels * self.positions

    @property
    def letters(self) -> tuple[str, ...]:
        """What the sizes of the spatial axes are called in expressions: ``l``, or ``h`` and ``w``."""
        return tuple(axis[0] for axis in self.axes)

    @property
    def axes(self) -> tuple[str, ...]:
        """What the spatial axes are called."""
        rank = len(self.spatial)
        return AXES[rank] if rank < len(AXES) else tuple(f"axis {index}" for index in range(1, rank + 1))

    @property
    def noun(self) -> str:
        """What it is called: a map, a sequence."""
        return {1: "sequence", 2: "map", 3: "volume"}.get(len(self.spatial), "tensor")

    @property
    def side(self) -> str:
        """The sizes of the spatial axes: ``56×56``."""
        return "×".join(map(str, self.spatial))

    def __str__(self) -> str:
        return "×".join(_written(size) for size in (self.channels, *self.spatial))


def _written(size: Size) -> str:
    """Write a size; a symbolic sum stands in parentheses."""
    if is_whole(size):
        return str(size)
    from bneck_cli.sizes.writing import pretty

    return f"({pretty(size)})" if size.is_sum else pretty(size)
