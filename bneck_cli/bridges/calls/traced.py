"""From the calls of a model to a graph with attention as a layer, checked against the model's own totals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.bridges.calls.attention_layers import with_attention
from bneck_cli.bridges.calls.lowering import lowered
from bneck_cli.bridges.folding.regions import chained
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from bneck_cli.bridges.calls.capture import Trace
    from bneck_cli.bridges.graph import Graph


def graph_from(trace: Trace, name: str) -> Graph:
    """Make the graph of what a model was seen to call."""
    graph = chained(with_attention(lowered(trace, name)).pruned())
    if trace.unread:
        count = sum(number for _, number in trace.unread)
        names = ", ".join(name for name, _ in trace.unread[:2])
        graph.notes.append(
            f"{people(count)} of {people(trace.total)} parameters are never read at inference: {names} ..."
        )
    found = sum(node.macs for node in graph.nodes)
    if found != trace.macs and not graph.problems:
        graph.problem((), f"{people(trace.macs)} multiply-adds, but the layers have {people(found)}")
    return graph
