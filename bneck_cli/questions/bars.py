"""The distribution of costs: each stage's share of all parameters, multiply-adds and activations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.network import children
from bneck_cli.report import Column, Row, Table
from bneck_cli.words.values import Share

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis

LEAST = 0.0005
"""A row none of whose parts is this large says nothing."""
MOST_ROWS = 40
MEASURES = (("params", "params"), ("macs", "MACs"), ("activations", "activations"))


def bars(analysis: Analysis) -> Table | None:
    """Return a row for each stage, a bar for each measure; None if sizes are symbols or there is one row."""
    cost = analysis.cost
    wholes: list[Any] = [getattr(cost, key) for key, _ in MEASURES]
    if not all(isinstance(whole, int) and whole for whole in wholes):
        return None
    rows = []
    for child in children(analysis.root):
        parts = [
            getattr(child.node.cost, key) * child.copies / whole
            for (key, _), whole in zip(MEASURES, wholes, strict=True)
        ]
        if not child.idle and max(parts) >= LEAST:
            rows.append(Row([child.label, child.node.out, *map(Share, parts)]))
    if not 1 < len(rows) <= MOST_ROWS:
        return None
    columns = [Column("layer", "layer", "name"), Column("output", "output", "word", 1)]
    columns += [Column(key, title, "share", 2) for key, title in MEASURES]
    return Table(columns, rows)
