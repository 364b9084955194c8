"""JSON: the schema's version, the rule, the totals, and the tree of stages, blocks and layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.network import Layer, Series, children, inner
from bneck_cli.questions.analyze import flat_rows, is_flat, left_out, requirements, rule_of, uncounted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Child, Cost
    from bneck_cli.formats import Style
    from bneck_cli.questions.analyze import View
    from bneck_cli.sizes.shape import Shape

SCHEMA = 1


def render_json(analysis: Analysis, view: View, _style: Style) -> Iterator[str]:
    """Write one JSON object; symbolic sizes are strings that Python can evaluate."""
    import json

    document: dict[str, Any] = {
        "schema": SCHEMA,
        "name": analysis.name,
        "input": {name: _shape(shape) for name, shape in analysis.inputs.items()},
        "output": {name: _shape(shape) for name, shape in analysis.outputs.items()},
        "batch": number(analysis.batch),
        "settings": analysis.values,
        "rule": rule_of(analysis),
        "requires": list(requirements(analysis)),
        "totals": cost_fields(analysis.cost, analysis),
        "uncounted": {label: number(elements) for label, elements in uncounted(analysis).items()},
    }
    if is_flat(view):
        document["layers"] = [
            {"path": row.path, "repeat": row.repeat, **_row_fields(row, analysis)}
            for row in flat_rows(analysis, view, folded=not view.expand)
        ]
    else:
        document["tree"] = tree(analysis, view.depth)
    yield json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def tree(analysis: Analysis, depth: int | None = None) -> list[dict[str, Any]]:
    """Give the stages, each with its blocks and layers, down to a depth."""
    return [_node(child, depth, analysis) for child in children(analysis.root)]


def number(size: Any) -> Any:
    """Give an integer as it is, a symbolic size as text."""
    return size if isinstance(size, int) else str(size)


def _shape(shape: Shape) -> list[Any]:
    return [number(size) for size in (shape.channels, *shape.spatial)]


def cost_fields(cost: Cost, analysis: Analysis) -> dict[str, Any]:
    """Give every figure of a cost by name; a counting rule other than the default gives one count, not three parts."""
    batch, rule = analysis.batch, analysis.rule
    fields = {"params": number(cost.params)}
    if cost.idle_params != 0:
        fields["inference_params"] = number(cost.inference_params)
    if rule is not None:
        return {**fields, rule.key: number(cost.macs * batch), "activations": number(cost.activations * batch)}
    names = ("macs", "conv_macs", "linear_macs", "attention_macs", "activations")
    return {**fields, **{name: number(getattr(cost, name) * batch) for name in names}}


def _window(window: Any) -> dict[str, Any]:
    if window is None:
        return {}
    return {
        "kernel": list(window.kernel),
        "stride": list(window.stride),
        "padding": [list(pair) if isinstance(pair, tuple) else pair for pair in window.padding],
        "dilation": list(window.dilation),
        "groups": number(window.groups),
    }


def _row_fields(row: Any, analysis: Analysis) -> dict[str, Any]:
    return {
        "op": row.op,
        "text": row.text,
        "input": _shape(row.shape),
        "output": _shape(row.out),
        **_window(row.window),
        **cost_fields(row.cost, analysis),
    }


def _node(child: Child, depth: int | None, analysis: Analysis) -> dict[str, Any]:
    """Write a node and what it holds; the cost is that of one of its ``repeat`` copies."""
    node = child.node
    fields: dict[str, Any] = {"name": child.label, "repeat": child.copies}
    if isinstance(node, Layer):
        window = node.rule.geometry(node.shape) if node.rule is not None else None
        fields |= {"op": node.op, "text": node.text}
        fields |= {"input": [_shape(shape) for shape in node.inputs], "output": _shape(node.out), **_window(window)}
        fields |= cost_fields(node.cost, analysis)
        if node.cost.macs == 0:
            fields["uncounted"] = {label: number(elements * analysis.batch) for label, elements in left_out(node)}
        return fields
    if isinstance(node, Series):
        shown = inner(node)
        fields |= {"block": shown.name, "text": shown.text if shown.kind != "chain" else ""}
    fields |= {"input": _shape(node.shape), "output": _shape(node.out), **cost_fields(node.cost, analysis)}
    if depth is None or depth > 1:
        below = None if depth is None else depth - 1
        fields["children"] = [_node(held, below, analysis) for held in children(node)]
    return fields
