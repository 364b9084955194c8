"""ONNX: a graph of operators, whose layers are found again as those of a model that runs in PyTorch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bneck_cli.bridges.readers.onnx.file import FLOATS, Model, Port, read_model
from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from bneck_cli.bridges.graph import Graph

WORDS = ("input_ids", "ids", "tokens", "input")
"""What the indices of words are called."""


def read(path: str, sizes: tuple[int, ...] | None) -> Graph:
    """Make the graph of a model; ``sizes`` take the place of its input's, behind the batch."""
    from bneck_cli.bridges.calls.traced import graph_from
    from bneck_cli.bridges.readers.blocks import find_blocks
    from bneck_cli.bridges.readers.onnx.layers import OPERATORS
    from bneck_cli.bridges.readers.onnx.walk import Held, Walk

    model = read_model(path)
    try:
        walk = Walk(model)
        port, others = chosen(model)
        indices = port.kind not in FLOATS
        shape = entering(port, sizes, indices)
        for other in others:
            known = [one if isinstance(one, int) and one > 0 else None for one in other.dims or ()]
            like = [
                size if size is not None else (1, *shape[1:])[min(place, len(shape) - 1)]
                for place, size in enumerate(known)
            ]
            walk.held[other.name] = Held(walk.new([1, *like[1:]]), constant=True)
        trace = walk.run({port.name: (shape, indices and len(shape) == 2)}, OPERATORS)
    except BneckError as error:
        raise BneckError(f"{path}: {error.message}", error.location, error.hint) from None
    graph = graph_from(trace, os.path.splitext(os.path.basename(path))[0])
    if not any(node.stack for node in graph.nodes):
        find_blocks(graph)
    graph.notes += [f"The input '{other.name}' is taken as a constant." for other in others]
    return graph


def chosen(model: Model) -> tuple[Port, list[Port]]:
    """Return the input that is data, and those beside indices that say which of them count, or of which kind they are.

    Raises BneckError for several that are data.
    """
    inputs = list(model.inputs)
    words = [port for port in inputs if port.kind not in FLOATS]
    data = [port for port in inputs if port.kind in FLOATS]
    if len(data) == 1 or (len(inputs) == 1 and inputs):
        first = data[0] if data else inputs[0]
        if len(inputs) == 1:
            return first, []
    elif not data and words:
        first = next((port for port in words if port.name in WORDS), words[0])
    else:
        first = None
    if first is None or data:
        names = ", ".join(port.name[:40] for port in inputs[:6])
        raise BneckError(f"{len(inputs)} inputs ({names}), and one is read")
    return first, [port for port in inputs if port is not first]


def entering(port: Port, sizes: tuple[int, ...] | None, indices: bool) -> tuple[int, ...]:
    """Return the shape of the input, for a batch of one."""
    dims = list(port.dims or ())
    if not dims:
        raise BneckError(f"the input '{port.name[:60]}' has no sizes in this file")
    if sizes is not None:
        behind = sizes[1:] if indices and len(sizes) == len(dims) else sizes
        if len(behind) != len(dims) - 1:
            raise BneckError(
                f"the input '{port.name[:60]}' has {len(dims) - 1} sizes behind the batch, and {len(sizes)} are given"
            )
        dims[1:] = behind
    unknown = [one for one in dims[1:] if not isinstance(one, int) or one < 1]
    if unknown:
        words = "x".join(str(one) for one in dims[1:])
        raise BneckError(
            f"the input '{port.name[:60]}' has sizes that are no numbers: {words}", hint="give them: --input 3x224x224"
        )
    if isinstance(dims[0], int) and dims[0] > 1:
        raise BneckError(f"the input '{port.name[:60]}' is a batch of {dims[0]}", hint="a model is read for one of 1")
    return (1, *(one for one in dims[1:] if isinstance(one, int)))
