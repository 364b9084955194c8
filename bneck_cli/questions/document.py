"""An analysis as data: its totals, the tree of stages, blocks and layers, and the layers as a flat list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.network import Layer, Series, children, inner
from bneck_cli.questions.notes import buffers, counting_notes, left_out, requirements, rule_of, uncounted
from bneck_cli.questions.rows import flat_rows, is_flat

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Child, Cost
    from bneck_cli.questions.rows import LayerRow, View


def document(analysis: Analysis, view: View) -> dict[str, Any]:
    """Return all that is known of an analysis; ``layers`` are those that the view selects, ``tree`` is the whole."""
    return {
        "name": analysis.name,
        "input": analysis.inputs,
        "output": analysis.outputs,
        "batch": analysis.batch,
        "settings": {name: int(value) if value.isdecimal() else value for name, value in analysis.values.items()},
        "rule": rule_of(analysis),
        "requires": requirements(analysis),
        **({"notes": counting_notes(analysis)} if analysis.rule is not None else {}),
        "totals": cost_fields(analysis.cost, analysis),
        "buffers": buffers(analysis),
        "uncounted": uncounted(analysis),
        **({} if is_flat(view) else {"tree": tree(analysis, view.depth)}),
        "layers": [
            {"path": row.path, "repeat": row.repeat, **_row_fields(row, analysis)}
            for row in flat_rows(analysis, view, folded=not view.expand)
        ],
    }


def tree(analysis: Analysis, depth: int | None = None) -> list[dict[str, Any]]:
    """Return the stages, each with its blocks and layers, down to a depth."""
    return [_node(child, depth, analysis) for child in children(analysis.root)]


def cost_fields(cost: Cost, analysis: Analysis) -> dict[str, Any]:
    """Return every figure of a cost by name; under another counting rule one count, not three parts."""
    batch, rule = analysis.batch, analysis.rule
    fields = {"params": cost.params}
    if cost.idle_params != 0:
        fields["inference_params"] = cost.inference_params
    if cost.inactive_params != 0:
        fields["active_params"] = cost.active_params
    if rule is not None:
        return {**fields, rule.key: cost.macs * batch, "activations": cost.activations * batch}
    names = ("macs", "conv_macs", "linear_macs", "attention_macs", "activations")
    return {**fields, **{name: getattr(cost, name) * batch for name in names}}


def _window(window: Any) -> dict[str, Any]:
    if window is None:
        return {}
    return {
        "kernel": list(window.kernel),
        "stride": list(window.stride),
        "padding": [list(pair) if isinstance(pair, tuple) else pair for pair in window.padding],
        "dilation": list(window.dilation),
        "groups": window.groups,
    }


def _row_fields(row: LayerRow, analysis: Analysis) -> dict[str, Any]:
    return {
        "op": row.op,
        "text": row.text,
        "input": row.shape,
        "output": row.out,
        **_window(row.window),
        **cost_fields(row.cost, analysis),
    }


def _node(child: Child, depth: int | None, analysis: Analysis) -> dict[str, Any]:
    """Return a node and what it holds; the cost is that of one of its ``repeat`` copies."""
    node = child.node
    fields: dict[str, Any] = {"name": child.label, "repeat": child.copies}
    if isinstance(node, Layer):
        window = node.rule.geometry(node.shape) if node.rule is not None else None
        fields |= {"op": node.op, "text": node.text}
        fields |= {"input": node.inputs, "output": node.out, **_window(window)}
        fields |= cost_fields(node.cost, analysis)
        if node.cost.macs == 0:
            fields["uncounted"] = {label: elements * analysis.batch for label, elements in left_out(node)}
        return fields
    if isinstance(node, Series):
        shown = inner(node)
        fields |= {"block": shown.name, "text": shown.text if shown.kind != "chain" else ""}
    fields |= {"input": node.shape, "output": node.out, **cost_fields(node.cost, analysis)}
    if depth is None or depth > 1:
        below = None if depth is None else depth - 1
        fields["children"] = [_node(held, below, analysis) for held in children(node)]
    return fields
