"""Where the elements of a framework's tensor lie in ours: views and permutations, tracked without copying.

A tensor of ours has channels and spatial sizes. A framework's holds the same elements in axes of its own: an axis is a
product of atoms, and an atom a range of one of our dimensions. A view splits and groups atoms, a permutation moves
axes; nothing is computed until a layer asks for the channels in one place.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bneck_cli.sizes.shape import Shape, Size


def number(size: Size) -> int:
    """Return a size that is a number. Raises BneckError for a symbol, which no model of a framework has."""
    if isinstance(size, int):
        return size
    raise BneckError(f"a model has sizes without symbols (got {size})")


CHANNELS = 0
"""The dimension of the channels; spatial dimensions are numbered from 1."""


class Atom(NamedTuple):
    """``size`` values of one dimension of ours, ``stride`` apart in it."""

    dimension: int
    stride: int
    size: int


Axis = tuple[Atom, ...]
"""The atoms of an axis, the outermost first; an axis of size 1 has none."""
Axes = tuple[Axis, ...]


def sizes(shape: Shape) -> tuple[int, ...]:
    """Return our dimensions: channels, then space."""
    return (number(shape.channels), *map(number, shape.spatial))


def whole(shape: Shape, dimension: int) -> Axis:
    """Return the axis that is all of one dimension."""
    size = sizes(shape)[dimension]
    return (Atom(dimension, 1, size),) if size > 1 else ()


def fresh(shape: Shape, rank: int, channels: int) -> Axes:
    """Return the axes of a tensor of ``rank`` axes, batch first, whose channels stand at ``channels``.

    The spatial dimensions fill the other axes from the end; what is too many of them stands in the last.
    """
    rest = [axis for axis in range(1, rank) if axis != channels]
    axes: list[Axis] = [()] * rank
    axes[channels] = whole(shape, CHANNELS)
    spatial = [whole(shape, dimension) for dimension in range(1, len(shape.spatial) + 1)]
    while len(spatial) > len(rest):
        one = spatial.pop(0)
        if spatial:
            spatial[0] = merged(one + spatial[0])
        elif one:
            raise ValueError
    for axis, atoms in zip(rest[len(rest) - len(spatial) :], spatial, strict=True):
        axes[axis] = atoms
    return tuple(axes)


def extent(axis: Axis) -> int:
    """Return the size of an axis."""
    return prod(atom.size for atom in axis)


def merged(axis: Iterable[Atom]) -> Axis:
    """Join neighbouring atoms that continue each other."""
    found: list[Atom] = []
    for atom in axis:
        if found and found[-1].dimension == atom.dimension and found[-1].stride == atom.stride * atom.size:
            found[-1] = Atom(atom.dimension, atom.stride, found[-1].size * atom.size)
        else:
            found.append(atom)
    return tuple(found)


def viewed(axes: Axes, shape: Sequence[int]) -> Axes | None:
    """Group the elements into axes of new sizes, in their order; None if an atom would be cut unevenly."""
    atoms = [atom for axis in axes for atom in axis]
    atoms.reverse()
    result: list[Axis] = []
    for size in shape:
        left, axis = size, []
        while left > 1:
            if not atoms:
                return None
            atom = atoms.pop()
            if atom.size <= left:
                if left % atom.size:
                    return None
                axis.append(atom)
                left //= atom.size
            else:
                if atom.size % left:
                    return None
                inner = atom.size // left
                axis.append(Atom(atom.dimension, atom.stride * inner, left))
                atoms.append(Atom(atom.dimension, atom.stride, inner))
                left = 1
        result.append(merged(axis))
    return None if atoms else tuple(result)


def dimensions(axis: Axis) -> set[int]:
    """Return the dimensions of ours that an axis has a part of."""
    return {atom.dimension for atom in axis}
