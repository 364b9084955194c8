"""ONNX models for the tests, a node a line, written with the encoder of the export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.export.onnx import protobuf
from bneck_cli.bridges.export.onnx.protobuf import FLOAT, INT64

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def node(kind: str, inputs: str, outputs: str, name: str = "", **attributes: Any) -> bytes:
    """Encode a node; names of tensors are words, and ``-`` is none."""
    given = ["" if word == "-" else word for word in inputs.split()]
    return protobuf.node(kind, given, outputs.split(), name or outputs.split(maxsplit=1)[0], attributes)


def weight(name: str, *dims: int) -> bytes:
    """Encode a weight whose elements all differ."""
    count = 1
    for size in dims:
        count *= size
    return protobuf.tensor(name, dims, FLOAT, [0.01 * place - 1 for place in range(count)])


def number(name: str, value: float) -> bytes:
    """Encode a number."""
    return protobuf.tensor(name, [], FLOAT, [value])


def numbers(name: str, *values: int) -> bytes:
    """Encode whole numbers in a row."""
    return protobuf.tensor(name, [len(values)], INT64, values)


def model(
    nodes: Sequence[bytes], weights: Sequence[bytes] = (), shape: Sequence[Any] = ("N", 4, 8, 8), out: str = "y"
) -> bytes:
    """Encode a model from ``x`` to ``y``."""
    inputs, outputs = [protobuf.value_info("x", FLOAT, shape)], [protobuf.value_info(out, FLOAT, ())]
    whole = protobuf.model(protobuf.graph("main", nodes, weights, inputs, outputs, ()), "1")
    return whole.replace(protobuf.data(2, "bneck"), protobuf.data(2, "tests"))


def saved(folder: Path, content: bytes) -> str:
    """Write a model to a file, and return its name."""
    path = folder / "model.onnx"
    path.write_bytes(content)
    return str(path)
