"""The few ONNX messages that a network needs, encoded as protocol buffers."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FLOAT, INT64 = 1, 7
"""ONNX's numbers for the types of elements."""
IR_VERSION, OPSET = 9, 20


def varint(value: int) -> bytes:
    """Encode a whole number, seven bits a byte; a negative one as its complement of 64 bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """Encode a field that is a number."""
    return varint(field << 3) + varint(value)


def data(field: int, value: bytes | str) -> bytes:
    """Encode a field that is text or a message."""
    raw = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def tensor(name: str, dims: Sequence[int], kind: int, values: Iterable[float]) -> bytes:
    """Encode a TensorProto."""
    letter = "q" if kind == INT64 else "f"
    found = list(values)
    raw = struct.pack(f"<{len(found)}{letter}", *found)
    return b"".join(number(1, size) for size in dims) + number(2, kind) + data(8, name) + data(9, raw)


def attribute(name: str, value: Any) -> bytes:
    """Encode an AttributeProto of a number, a text, a list of numbers or a tensor (bytes)."""
    head = data(1, name)
    if isinstance(value, bytes):
        return head + data(5, value) + number(20, 4)
    if isinstance(value, str):
        return head + data(4, value) + number(20, 3)
    if isinstance(value, float):
        return head + varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1)
    if isinstance(value, int):
        return head + number(3, value) + number(20, 2)
    return head + b"".join(number(8, item) for item in value) + number(20, 7)


def node(kind: str, inputs: Iterable[str], outputs: Iterable[str], name: str, attributes: dict[str, Any]) -> bytes:
    """Encode a NodeProto."""
    parts = [data(1, one) for one in inputs] + [data(2, one) for one in outputs]
    parts += [data(3, name), data(4, kind)]
    parts += [data(5, attribute(key, value)) for key, value in attributes.items()]
    return b"".join(parts)


def value_info(name: str, kind: int, dims: Iterable[Any]) -> bytes:
    """Encode a ValueInfoProto; a size that is a word is a symbol."""
    sizes = (data(1, number(1, size) if isinstance(size, int) else data(2, size)) for size in dims)
    return data(1, name) + data(2, data(1, number(1, kind) + data(2, b"".join(sizes))))


def model(graph: bytes, version: str) -> bytes:
    """Encode a ModelProto around a graph."""
    opset = data(1, "") + number(2, OPSET)
    return number(1, IR_VERSION) + data(2, "bneck") + data(3, version) + data(7, graph) + data(8, opset)


def graph(
    name: str,
    nodes: Iterable[bytes],
    weights: Iterable[bytes],
    inputs: Iterable[bytes],
    outputs: Iterable[bytes],
    between: Iterable[bytes],
) -> bytes:
    """Encode a GraphProto."""
    parts = [data(1, one) for one in nodes] + [data(2, name)] + [data(5, one) for one in weights]
    parts += [data(11, one) for one in inputs] + [data(12, one) for one in outputs]
    return b"".join([*parts, *(data(13, one) for one in between)])
