"""Builder of an ONNX graph: values with their sizes in a layout, nodes named by the paths of a network."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.export.onnx import protobuf
from bneck_cli.bridges.export.onnx.protobuf import FLOAT, INT64
from bneck_cli.bridges.export.pytorch.builder import FIRST, INDICES, LAST, VECTOR
from bneck_cli.bridges.names import unused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bneck_cli.sizes.shape import Shape

BATCH = "N"
UNLEARNED = "const."
"""How the name of a constant begins that is not a parameter."""


class Value:
    """A tensor of the network: its shape, and the names of what holds it in each layout.

    One that is ``bare`` has 1 for its batch: it is a parameter.
    """

    def __init__(self, shape: Shape, names: dict[str, str], bare: bool = False) -> None:
        self.channels = number(shape.channels)
        self.spatial = tuple(map(number, shape.spatial))
        self.names, self.bare = names, bare

    @property
    def layout(self) -> str:
        """The layout in which it was made."""
        return next(iter(self.names))

    @property
    def is_point(self) -> bool:
        """Whether it has one position."""
        return all(size == 1 for size in self.spatial)

    def sizes(self, layout: str) -> list[int]:
        """Return its sizes in a layout, without the batch."""
        if layout == VECTOR:
            return [self.channels]
        if layout == INDICES:
            return [*self.spatial]
        return [self.channels, *self.spatial] if layout == FIRST else [*self.spatial, self.channels]


class Graph:
    """The nodes of a model, in order; every value has its sizes stated."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.weights: list[bytes] = []
        self.between: dict[str, bytes] = {}
        self.sizes: dict[str, list[Any]] = {}
        self.known: dict[Any, str] = {}
        self.names: set[str] = set()
        self.params = 0

    def fresh(self, name: str) -> str:
        """Return a name that no other node or value has."""
        found = unused(name, self.names.__contains__)
        self.names.add(found)
        return found

    def op(
        self, kind: str, inputs: Sequence[str], name: str, sizes: Sequence[Any], type: int = FLOAT, **more: Any
    ) -> str:
        """Add a node with one result; return the result's name, which is the node's."""
        out = self.fresh(name)
        self.nodes.append(protobuf.node(kind, inputs, [out], out, more))
        self.sizes[out] = list(sizes)
        self.between[out] = protobuf.value_info(out, type, sizes)
        return out

    def numbers(self, values: Sequence[int], scalar: bool = False) -> str:
        """Return a constant of whole numbers."""
        key = ("numbers", tuple(values), scalar)
        if key not in self.known:
            name = self.known[key] = self.fresh(f"{UNLEARNED}{'_'.join(map(str, values[:6]))}")
            self.weights.append(protobuf.tensor(name, [] if scalar else [len(values)], INT64, values))
        return self.known[key]

    def floats(self, values: Sequence[float], dims: Sequence[int] = ()) -> str:
        """Return a constant of decimals."""
        key = ("floats", tuple(values), tuple(dims))
        if key not in self.known:
            name = self.known[key] = self.fresh(f"{UNLEARNED}value" if len(values) == 1 else f"{UNLEARNED}table")
            self.weights.append(protobuf.tensor(name, dims, FLOAT, values))
        return self.known[key]

    def filled(self, name: str, dims: Sequence[int], value: float = 0.0) -> str:
        """Return a tensor of one value, made where the model runs."""
        fill = protobuf.tensor("value", [1], FLOAT, [value])
        return self.op("ConstantOfShape", [self.numbers(list(dims))], name, list(dims), value=fill)

    def weight(self, name: str, dims: Sequence[int], value: float = 0.0) -> str:
        """Return a parameter; one of this name is made once, and counted."""
        key = ("weight", name)
        if key not in self.known:
            self.params += prod(dims)
            self.known[key] = self.filled(name, dims, value)
        return self.known[key]

    # Shapes

    def transposed(self, name: str, order: Sequence[int], path: str) -> str:
        """Put axes in another order."""
        sizes = self.sizes[name]
        return self.op("Transpose", [name], path, [sizes[axis] for axis in order], perm=list(order))

    def reshaped(self, name: str, sizes: Sequence[int], path: str, batch: int | str = BATCH) -> str:
        """Change the sizes after the batch, which stays."""
        return self.op("Reshape", [name, self.numbers([0, *sizes])], path, [batch, *sizes])

    def sliced(self, name: str, axis: int, start: int, stop: int, path: str, step: int = 1) -> str:
        """Take a range of an axis."""
        sizes = list(self.sizes[name])
        whole = sizes[axis]
        sizes[axis] = -(-(min(stop, whole) - start) // step) if isinstance(whole, int) else whole
        inputs = [name, *(self.numbers([one]) for one in (start, stop, axis, step))]
        return self.op("Slice", inputs, path, sizes)

    def joined(self, names: Sequence[str], axis: int, path: str) -> str:
        """Concatenate along an axis."""
        sizes = list(self.sizes[names[0]])
        lengths = [self.sizes[name][axis] for name in names]
        sizes[axis] = sum(length for length in lengths if isinstance(length, int))
        return self.op("Concat", names, path, sizes, axis=axis % len(sizes))

    def padded(self, name: str, before: Sequence[int], after: Sequence[int], path: str, mode: str = "constant") -> str:
        """Add positions at both ends of every axis."""
        if not any(before) and not any(after):
            return name
        pairs = zip(self.sizes[name], before, after, strict=True)
        sizes = [size + one + two if isinstance(size, int) else size for size, one, two in pairs]
        return self.op("Pad", [name, self.numbers([*before, *after])], path, sizes, mode=mode)

    def expanded(self, name: str, like: str, path: str) -> str:
        """Repeat what has a batch of 1 for each input of another value."""
        sizes = self.sizes[name]
        batch = self.op("Shape", [like], f"{path}.batch", [1], INT64, start=0, end=1)
        rest = self.numbers([size for size in sizes[1:] if isinstance(size, int)])
        whole = self.op("Concat", [batch, rest], f"{path}.shape", [len(sizes)], INT64, axis=0)
        return self.op("Expand", [name, whole], path, [BATCH, *sizes[1:]])

    def at(self, value: Value, layout: str) -> str:
        """Return a value in a layout, its axes moved if need be."""
        if layout in value.names:
            return value.names[layout]
        if not value.spatial or value.layout == INDICES:
            return next(iter(value.names.values()))
        held, name = next(iter(value.names.items()))
        batch = 1 if value.bare else BATCH
        rank = len(value.spatial)
        if VECTOR in (layout, held):
            found = self.reshaped(name, value.sizes(layout), f"{name}.{layout}", batch)
        else:
            order = (0, *range(2, rank + 2), 1) if layout == LAST else (0, rank + 1, *range(1, rank + 1))
            found = self.transposed(name, order, f"{name}.{layout}")
        value.names[layout] = found
        return found
