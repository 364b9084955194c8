"""Blocks of a file that knows none: one that lists layers still has residual blocks, and whoever wrote it saw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.bridges.graph import Call
from bneck_cli.engine.layers import LAYERS

if TYPE_CHECKING:
    from bneck_cli.bridges.graph import Graph


def mark(graph: Graph, start: int, call: Call) -> None:
    """Say of the nodes from ``start`` on which layer of the file they are."""
    graph.nodes[start:] = [node._replace(stack=(call,)) for node in graph.nodes[start:]]


def find_blocks(graph: Graph) -> None:
    """Make a block of what lies between the two ends of a shortcut, and of the activation after it."""
    readers = graph.readers()
    taken = 0
    for index, node in enumerate(graph.nodes):
        if node.kind != "add" or len(node.inputs) != 2:
            continue
        entry = _entry(graph, index, taken)
        if entry < 0:
            continue
        last = index
        if readers[index] == [index + 1] and _is_activation(graph.nodes[index + 1].kind):
            last += 1
        call = Call(f"residual{index}", "Residual")
        for one in range(entry + 1, last + 1):
            graph.nodes[one] = graph.nodes[one]._replace(stack=(call, *graph.nodes[one].stack))
        taken = last


def _entry(graph: Graph, index: int, taken: int) -> int:
    """Return where the two branches of a sum part, if all between are of them alone; -1 otherwise."""
    found: list[set[int]] = []
    for source in graph.nodes[index].inputs:
        branch, left = {source}, [source]
        while left:
            one = left.pop()
            if one > taken:
                new = [other for other in graph.nodes[one].inputs if other not in branch]
                branch.update(new)
                left += new
        found.append(branch)
    shared = found[0] & found[1]
    entry = max(shared, default=-1)
    inside = (found[0] | found[1]) - shared
    return entry if entry >= taken and inside == set(range(entry + 1, index)) else -1


def _is_activation(kind: str) -> bool:
    return kind in LAYERS and LAYERS[kind].part == "activation"
