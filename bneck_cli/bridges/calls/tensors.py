"""A framework's tensor while its calls are followed, and how its axes lie in a shape of ours."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.bridges.calls.layout import Atom, Axes, extent
from bneck_cli.engine.layers.kinds import MOST_AXES
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bneck_cli.bridges.graph import Call


class Constant(NamedTuple):
    """A tensor that no input reaches: its shape, the parameters that it is made of, what making it costs.

    ``made`` are the calls that multiply for it, and those after them: it can be followed as data is.
    """

    shape: tuple[int, ...]
    reads: frozenset[int] = frozenset()
    macs: int = 0
    made: tuple[int, ...] = ()
    number: int = -1


class Picked(NamedTuple):
    """A range of a dimension, which nothing has asked for yet: every ``step``-th, ``size`` of them from ``start``."""

    dimension: int
    start: int
    size: int
    step: int


class Value(NamedTuple):
    """A node's tensor, its elements in axes of the framework's.

    ``pad`` are zeros that stand around it, by axis of the framework's from the last, for the layer that follows;
    ``picks`` are ranges of it, which the axes are already without.
    """

    node: int
    axes: Axes
    pad: tuple[tuple[int, int], ...] = ()
    picks: tuple[Picked, ...] = ()
    stack: tuple[Call, ...] = ()
    """The modules that its axes were last changed in: a node that brings its channels together belongs there."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The framework's shape."""
        return tuple(map(extent, self.axes))


class Scores(NamedTuple):
    """Products of queries and keys, which a softmax follows, and constants that are added to them.

    They become a node when they weigh the values, or when something else is done to them.
    """

    queries: Value
    keys: Value
    shape: tuple[int, ...]
    macs: int
    added: tuple[Constant, ...] = ()
    turned: bool = False
    """Whether keys stand in the rows."""


Thing = Constant | Value | Scores


def padded_shape(value: Value) -> tuple[int, ...]:
    """Return the framework's shape of a tensor with its zeros around it."""
    found = list(value.shape)
    for place, (before, after) in enumerate(value.pad):
        found[-1 - place] += before + after
    return tuple(found)


def grouped(groups: list[list[int]], keep: int = -1) -> list[list[int]]:
    """Join axes that are too many for a map, the first ones first, and that which is to be kept never."""
    found = [list(group) for group in groups]
    while len(found) > MOST_AXES:
        place = next(place for place in range(len(found) - 1) if [keep] not in (found[place], found[place + 1]))
        found[place : place + 2] = [found[place] + found[place + 1]]
    return found


def shaped(extents: Sequence[int], channels: Sequence[int], spatial: Sequence[Sequence[int]]) -> Shape:
    """Return our shape of axes of these extents."""
    return Shape(
        prod(extents[axis] for axis in channels), tuple(prod(extents[axis] for axis in group) for group in spatial)
    )


def strided(extents: Sequence[int], channels: Sequence[int], spatial: Sequence[Sequence[int]]) -> Axes:
    """Return axes of these extents, as they lie in the shape that they are grouped to."""
    axes: list[tuple[Atom, ...]] = [()] * len(extents)
    for dimension, group in enumerate([channels, *spatial]):
        stride = 1
        for axis in reversed(group):
            axes[axis] = (Atom(dimension, stride, extents[axis]),) if extents[axis] > 1 else ()
            stride *= extents[axis]
    return tuple(axes)


def plain(name: str) -> str:
    """Return a function's name without the marks of operators and of calls in place."""
    return name.strip("_") if name.startswith("__") else name.rstrip("_")
