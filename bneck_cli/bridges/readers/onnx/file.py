"""An ONNX file: its nodes, the sizes of its weights, its inputs and outputs. Weights are read when they are needed."""

from __future__ import annotations

import mmap
import os
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.readers import wire
from bneck_cli.errors import BneckError
from bneck_cli.words.values import people

if TYPE_CHECKING:
    import numpy

FLOATS = (1, 10, 11, 16)
"""The types of decimals."""
TYPES = {
    1: "<f4", 2: "<u1", 3: "<i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "|b1", 10: "<f2", 11: "<f8", 12: "<u4",
    13: "<u8",
}  # fmt: skip
"""The types of elements that have a value here, by ONNX's numbers for them."""
BYTES = {16: 2, **{kind: int(name[-1]) for kind, name in TYPES.items()}}
MOST_NODES = 50_000
LARGEST_SIZE = 2**31
MOST_ELEMENTS = 10**13
"""A thousand times the weights of the largest networks."""
MOST_VALUES = 1 << 20
"""So many elements of a constant are looked at."""
DEEPEST = 8
"""So deep functions may use each other."""


class Tensor(NamedTuple):
    """A constant: its name, its sizes, the type of its elements, and where their bytes or numbers are."""

    name: str
    dims: tuple[int, ...]
    kind: int
    raw: memoryview | None
    listed: tuple[float, ...]
    external: bool

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return prod(self.dims)

    def array(self) -> numpy.ndarray[Any, Any] | None:
        """Return its elements, where they are in the file, few enough, and of a type that is read."""
        import numpy

        if self.external or self.kind not in TYPES or self.elements > MOST_VALUES:
            return None
        dtype = numpy.dtype(TYPES[self.kind])
        if self.raw is not None:
            return numpy.frombuffer(self.raw, dtype).reshape(self.dims)
        if self.kind == 10:  # halves are listed by their bits
            return numpy.array(self.listed, numpy.uint16).view(dtype).reshape(self.dims)
        return numpy.array(self.listed, dtype).reshape(self.dims)


class Node(NamedTuple):
    """An operator with the names of the tensors that it takes and gives; one that it leaves out is empty."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    domain: str = ""
    metadata: dict[str, str] = {}  # noqa: RUF012  (never changed)

    @property
    def told(self) -> str:
        """The node for messages."""
        return f"node '{(self.name or next(iter(self.outputs), ''))[:80]}' ({self.op[:40]})"


class Port(NamedTuple):
    """An input or an output: its sizes, where they are known; one that has a name is that name."""

    name: str
    kind: int
    dims: tuple[int | str, ...] | None


class Model(NamedTuple):
    """A model."""

    producer: str
    opset: int
    name: str
    nodes: tuple[Node, ...]
    weights: dict[str, Tensor]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


class Function(NamedTuple):
    """Operators under one name."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]


def read_model(path: str) -> Model:
    """Read a file. Raises BneckError for one that is missing, or is no ONNX model."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            held: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BneckError(f"{path}: cannot be read: {reason[:1].lower()}{reason[1:]}") from None
    try:
        return _model(memoryview(held))
    except BneckError as error:
        raise BneckError(f"{path}: {error.message}", error.location, error.hint) from None


def _model(data: memoryview) -> Model:
    producer, opset, graph, functions = "", 0, None, []
    for number, value in wire.fields(data):
        if number == 2:
            producer = wire.text(value)
        elif number == 7:
            graph = wire.message(value)
        elif number == 8:
            found = dict(wire.fields(wire.message(value)))
            if not wire.text(found.get(1, memoryview(b""))):
                opset = wire.signed(found.get(2, 0))
        elif number == 25:
            functions.append(wire.message(value))
    if graph is None or not opset:
        raise BneckError("no ONNX model: it has no graph, or does not say whose operators it uses")
    return _graph(graph, producer, opset, dict(map(_function, functions)))


def _graph(data: memoryview, producer: str, opset: int, functions: dict[tuple[str, str], Function]) -> Model:
    name, nodes, weights, inputs, outputs = "", [], {}, [], []
    for number, value in wire.fields(data):
        if number == 1:
            nodes.append(_node(wire.message(value)))
            if len(nodes) > MOST_NODES:
                raise BneckError(f"more than {people(MOST_NODES)} nodes")
        elif number == 2:
            name = wire.text(value)
        elif number == 5:
            tensor = _tensor(wire.message(value))
            weights[tensor.name] = tensor
        elif number == 11:
            inputs.append(_port(wire.message(value)))
        elif number == 12:
            outputs.append(_port(wire.message(value)))
        elif number == 15:
            raise BneckError("weights that are kept as sparse tensors are not read")
    if functions:
        nodes = _inlined(nodes, functions)
    taken = tuple(one for one in inputs if one.name not in weights)
    return Model(producer, opset, name, tuple(nodes), weights, taken, tuple(outputs))


def _function(data: memoryview) -> tuple[tuple[str, str], Function]:
    name = domain = ""
    inputs, outputs, nodes = [], [], []
    for number, value in wire.fields(data):
        if number == 1:
            name = wire.text(value)
        elif number == 4:
            inputs.append(wire.text(value))
        elif number == 5:
            outputs.append(wire.text(value))
        elif number == 7:
            nodes.append(_node(wire.message(value)))
        elif number == 10:
            domain = wire.text(value)
    return (domain, name), Function(tuple(inputs), tuple(outputs), tuple(nodes))


def _inlined(nodes: list[Node], functions: dict[tuple[str, str], Function], depth: int = 0) -> list[Node]:
    """Put the nodes of functions in the place of their uses."""
    found: list[Node] = []
    for place, node in enumerate(nodes):
        function = functions.get((node.domain, node.op))
        if function is None:
            found.append(node)
            continue
        if depth > DEEPEST:
            raise BneckError(f"{node.told}: functions that use each other more than {DEEPEST} deep")
        names = dict(zip(function.inputs, (*node.inputs, *[""] * len(function.inputs)), strict=False))
        names |= dict(zip(function.outputs, node.outputs, strict=False))

        def renamed(name: str, names: dict[str, str] = names, prefix: str = f"{node.name}/{depth}.{place}/") -> str:
            return names.get(name, prefix + name) if name else ""

        inner = [
            one._replace(
                name=node.name,
                inputs=tuple(map(renamed, one.inputs)),
                outputs=tuple(map(renamed, one.outputs)),
                attributes={
                    key: node.attributes.get(value.name) if isinstance(value, Reference) else value
                    for key, value in one.attributes.items()
                    if not isinstance(value, Reference) or value.name in node.attributes
                },
                metadata=node.metadata,
            )
            for one in function.nodes
        ]
        found += _inlined(inner, functions, depth + 1)
        if len(found) > MOST_NODES:
            raise BneckError(f"more than {people(MOST_NODES)} nodes")
    return found


class Reference(NamedTuple):
    """An attribute of a function's node that is one of the function's."""

    name: str


def _node(data: memoryview) -> Node:
    op = name = domain = ""
    inputs, outputs, attributes, metadata = [], [], {}, {}
    for number, value in wire.fields(data):
        if number == 1:
            inputs.append(wire.text(value))
        elif number == 2:
            outputs.append(wire.text(value))
        elif number == 3:
            name = wire.text(value)
        elif number == 4:
            op = wire.text(value)
        elif number == 5:
            key, held = _attribute(wire.message(value))
            attributes[key] = held
        elif number == 7:
            domain = wire.text(value)
        elif number == 9:
            entry = dict(wire.fields(wire.message(value)))
            metadata[wire.text(entry.get(1, memoryview(b"")))] = wire.text(entry.get(2, memoryview(b"")))
    return Node(op, name, tuple(inputs), tuple(outputs), attributes, "" if domain == "ai.onnx" else domain, metadata)


def _attribute(data: memoryview) -> tuple[str, Any]:
    """Read an attribute: its name and its value, whatever its type."""
    name, kind = "", 0
    found: dict[int, Any] = {}
    lists: dict[int, list[Any]] = {7: [], 8: [], 9: []}
    for number, value in wire.fields(data):
        if number == 1:
            name = wire.text(value)
        elif number == 20:
            kind = wire.signed(value)
        elif number == 2:
            found[1] = wire.decimal(value)
        elif number == 3:
            found[2] = wire.signed(value)
        elif number == 4:
            found[3] = wire.text(value)
        elif number == 5:
            found[4] = _tensor(wire.message(value))
        elif number == 7:
            lists[7] += wire.decimals(value)
        elif number == 8:
            lists[8] += wire.numbers(value)
        elif number == 9:
            lists[9].append(wire.text(value))
        elif number == 21:
            return name, Reference(wire.text(value))
    listed = {6: 7, 7: 8, 8: 9}
    if kind in listed:
        return name, lists[listed[kind]]
    if not kind and not found:
        return name, next((held for held in lists.values() if held), None)
    return name, found.get(kind, next(iter(found.values()), None) if not kind else None)


def _tensor(data: memoryview) -> Tensor:
    """Read a tensor without its elements. Raises BneckError if sizes and bytes do not fit."""
    name, dims, kind, raw, external = "", [], 0, None, False
    listed: list[float] = []
    for number, value in wire.fields(data):
        if number == 1:
            dims += wire.numbers(value)
        elif number == 2:
            kind = wire.signed(value)
        elif number == 8:
            name = wire.text(value)
        elif number == 9:
            raw = wire.message(value)
        elif number == 4:
            listed += wire.decimals(value)
        elif number in (5, 7, 11):
            listed += wire.numbers(value)
        elif number == 10:
            import struct

            packed = wire.message(value)
            listed += struct.unpack(f"<{len(packed) // 8}d", packed[: len(packed) // 8 * 8])
        elif number == 14:
            external = value == 1
    tensor = Tensor(name, tuple(dims), kind, raw, tuple(listed), external)
    if any(not 0 <= size < LARGEST_SIZE for size in dims) or tensor.elements > MOST_ELEMENTS:
        raise BneckError(f"weight '{name[:80]}': sizes {dims[:8]}, which no tensor has")
    if not external and kind in BYTES:
        held = len(listed) if raw is None else len(raw) // BYTES[kind]
        if held != tensor.elements or (raw is not None and len(raw) % BYTES[kind]):
            whole = people(tensor.elements)
            raise BneckError(
                f"weight '{name[:80]}': sizes {dims[:8]} of {whole} elements, and {people(held)} are there"
            )
    return tensor


def _port(data: memoryview) -> Port:
    """Read an input or an output."""
    found = dict(wire.fields(data))
    kind, dims = 0, None
    given = dict(wire.fields(wire.message(found.get(2, memoryview(b"")))))
    for number, value in wire.fields(wire.message(given.get(1, memoryview(b"")))):
        if number == 1:
            kind = wire.signed(value)
        elif number == 2:
            dims = tuple(_size(wire.message(one)) for key, one in wire.fields(wire.message(value)) if key == 1)
    return Port(wire.text(found.get(1, memoryview(b""))), kind, dims)


def _size(data: memoryview) -> int | str:
    for number, value in wire.fields(data):
        if number == 1:
            return wire.signed(value)
        if number == 2:
            return wire.text(value) or "?"
    return "?"
