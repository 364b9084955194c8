"""Whose number is right: an analysis counted anew under another rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.data.rules import LABELS, QUANTITIES
from bneck_cli.engine.network import Cost, Fork, Layer, Node, Run, Wire, entries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bneck_cli.data.rules import CountingRule
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Size

PARTS = (
    ("conv", "transposed_conv", "transposed_conv_outputs"),
    ("linear", "linear_weights"),
    ("attention",),
)
"""The quantities that have a part of their own in a Cost."""


def quantities(layer: Layer) -> dict[str, Size]:
    """Give every quantity of a layer that a rule may weigh; what the layer does not do is left out."""
    rule, x, y, cost = layer.rule, layer.shape, layer.out, layer.cost
    if rule is None:
        if layer.op == "add":
            return {"addition": y.elements * (len(layer.inputs) - 1)}
        if layer.op == "scale":
            return {"scaling": y.elements}
        return {"linear": cost.linear_macs} if cost.macs != 0 else {}
    found: dict[str, Size] = {}
    if layer.op == "upconv":
        found["transposed_conv"] = cost.conv_macs
        weights = cost.params - (y.channels if rule.bias else 0)
        found["transposed_conv_outputs"] = weights * y.positions
    elif rule.part == "conv":
        found["conv"] = cost.conv_macs
    elif rule.part in ("linear", "attention"):
        found["linear"], found["attention"] = cost.linear_macs, cost.attention_macs
        biases = 0 if rule.nobias else y.channels if rule.part == "linear" else 4 * y.channels
        if rule.part == "linear":
            found["linear_weights"] = cost.params - biases
        else:
            found["linear_weights"] = 4 * x.channels * x.channels
        found["linear_biases"] = biases
    for label, elements in rule.uncounted(x, y):
        found |= labelled(label, elements, layer)
    if rule.part == "norm":
        found["norm_params"] = cost.params
    return found


def labelled(label: str, elements: Size, layer: Layer) -> dict[str, Size]:
    """Say which quantities an operation beside the multiply-adds amounts to."""
    x, y = layer.shape.elements, layer.out.elements
    if label in ("pooling", "global pooling"):
        kind = "global" if label == "global pooling" else layer.op[:3]
        return {f"{kind}_pool_inputs": x, f"{kind}_pool_outputs": y}
    if label == "bias additions":
        return {"conv_bias" if layer.rule.part == "conv" else "linear_bias": elements}
    if label == "interpolation":
        return {"nearest" if layer.rule.mode == "nearest" else "bilinear": elements}
    keys = LABELS.get(label, ("",))
    key = layer.op if layer.op in keys else keys[0]
    return {key: elements} if key in QUANTITIES else {}


def _parameters(layer: Layer) -> dict[str, Size]:
    """Give the parameters of a layer, and the running statistics of a batch norm (without its count of batches)."""
    statistics = 2 * layer.out.channels if layer.op == "bn" else 0
    return {"params": layer.cost.params, "running_statistics": statistics}


def total_quantities(analysis: Analysis) -> dict[str, Size]:
    """Add up every quantity of an analysis, its parameters among them; a head that does not run has no more."""
    totals: dict[str, Size] = {}
    for entry in entries(analysis.root):
        amounts = _parameters(entry.layer)
        if not entry.idle:
            amounts = {**quantities(entry.layer), **amounts}
        for key, amount in amounts.items():
            totals[key] = totals.get(key, 0) + amount * entry.copies
    return totals


def weighed(amounts: dict[str, Size], weights: dict[str, int], keys: Iterable[str]) -> Size:
    """Add up the amounts of these quantities by their weights."""
    total: Size = 0
    for key in keys:
        if key in amounts and key in weights:
            total = total + amounts[key] * weights[key]
    return total


# An analysis under another rule


def recount(analysis: Analysis, rule: CountingRule) -> Analysis:
    """Count an analysis anew: figures of every layer, block and total follow the rule."""
    known: dict[int, Any] = {}

    def counted(node: Any) -> Any:
        if id(node) not in known:
            known[id(node)] = _counted(node, rule, counted)
        return known[id(node)]

    return analysis._replace(root=counted(analysis.root), rule=rule)


def _counted(node: Node, rule: CountingRule, counted: Any) -> Node:
    if isinstance(node, Wire):
        return node
    if isinstance(node, Layer):
        amounts = quantities(node)
        conv, linear, attention = [weighed(amounts, rule.counts, keys) for keys in PARTS]
        apart = {key for keys in PARTS for key in keys}
        other = weighed(amounts, rule.counts, [key for key in rule.counts if key not in apart])
        params = weighed(_parameters(node), rule.params, rule.params)
        return node._replace(cost=Cost(params, 0, conv, linear, attention, node.cost.activations, other))
    if isinstance(node, Fork):
        branches, join = tuple(map(counted, node.branches)), counted(node.join) if node.join else None
        cost = Cost()
        for part in (*branches, *((join,) if join else ())):
            cost = cost.plus(part.cost)
        if node.kind == "aside":
            cost = Cost(cost.params, cost.params)
        return node._replace(branches=branches, join=join, cost=cost)
    runs = tuple(Run(counted(run.node), run.copies) for run in node.runs)
    cost = Cost()
    for run in runs:
        cost = cost.plus(run.node.cost, run.copies)
    return node._replace(runs=runs, cost=cost)
