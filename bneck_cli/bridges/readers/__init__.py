"""Readers of other tools' files: each builds the graph of a network from a file, without running anything."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.bridges.graph import Graph

READERS = {".onnx": "onnx.reader", ".keras": "keras", ".json": "keras", ".cfg": "darknet", ".prototxt": "caffe"}
"""The module that reads a file of each suffix; its ``read`` takes the file's name, and the input's sizes or None."""

LISTS = {".csv": "spec_of_topology", ".m": "spec_of_maestro"}
"""What writes the spec of a list of layers, by the suffix of its file."""


def read_file(path: str, sizes: tuple[int, ...] | None) -> Graph:
    """Make the graph of a network from a file of another tool.

    Raises BneckError for a suffix that no reader knows, and for what the file says wrong, with its place.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in READERS:
        known = ", ".join((*READERS, *LISTS))
        raise BneckError(
            f"{path}: no reader for '{suffix}'" if suffix else f"{path}: neither a model nor a file with a suffix",
            hint=f"name a model as module:callable or file.py:Class, or give a file of these kinds: {known}",
        )
    graph: Graph = import_module(f"bneck_cli.bridges.readers.{READERS[suffix]}").read(path, sizes)
    return graph


def read_spec(path: str, sizes: tuple[int, ...] | None) -> str | None:
    """Write the spec of a file that says which network it is, and has no graph; None for any other."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in LISTS:
        from bneck_cli.bridges.readers import topology

        if sizes is not None:
            raise BneckError(f"--input is for networks: each row of {path} has sizes of its own")
        write: Callable[[str], str] = getattr(topology, LISTS[suffix])
        return write(path)
    if suffix != ".json":
        return None
    from bneck_cli.bridges.readers.huggingface import is_huggingface, spec_of_config
    from bneck_cli.bridges.readers.plain import read_json

    config = read_json(path)
    return spec_of_config(config, path, sizes) if is_huggingface(config) else None
