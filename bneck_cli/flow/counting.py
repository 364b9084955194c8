"""Whose number is right: an analysis counted anew under another rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from bneck_cli.engine.layers.quantities import QUANTITIES
from bneck_cli.engine.network import PRODUCTS, Cost, Fork, Layer, Node, Run, Series, Wire, entries, rebuilt
from bneck_cli.engine.rule import FLOPS, LABELS
from bneck_cli.errors import BneckError, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Size
    from bneck_cli.engine.rule import CountingRule

    Amounts = dict[tuple[str, str], Size]
    """How much there is of each quantity, by its name and the form in which the code calls it."""

PARTS = tuple(
    tuple(name for name, quantity in QUANTITIES.items() if quantity.head == head)
    for head in ("conv", "linear", "attention")
)
"""The quantities that have a part of their own in a Cost."""


def quantities(layer: Layer) -> Amounts:
    """Return every quantity of a layer that a rule may weigh; what the layer does not do is left out."""
    return amounts_in(layer, layer.form)


def amounts_in(layer: Layer, form: str) -> Amounts:
    """Return a layer's quantities as they are where the code calls it in this form."""
    if layer.rule is not None:
        found = layer.rule.counted(layer.shape, layer.out, form)
        return {key: amount for key, amount in found.items() if amount != 0}
    if layer.op == "add":
        return {("addition", form): layer.out.elements * (len(layer.inputs) - 1)}
    if layer.op in PRODUCTS:
        return {("scaling", form): layer.out.elements * (len(layer.inputs) - 1)}
    return {("linear", form): layer.cost.linear_macs} if layer.cost.macs != 0 else {}


def counts(rule: CountingRule, label: str, layer: Layer) -> bool:
    """Return whether a rule counts what the footer calls ``label`` of a layer."""
    return any(key in LABELS.get(label, ()) and rule.weight(key, form) for key, form in quantities(layer))


def _parameters(layer: Layer) -> dict[str, Size]:
    """Return the parameters of a layer, and the running statistics of a batch norm (without its count of batches)."""
    if layer.rule is None or layer.holder is not None:
        return {"params": layer.cost.params, "running_statistics": 0}
    statistics = layer.rule.running_statistics(layer.shape)
    return {"params": layer.cost.params, "running_statistics": statistics}


def total_quantities(analysis: Analysis) -> Amounts:
    """Add up every quantity of an analysis and its parameters; of a head that does not run, its parameters alone."""
    totals: Amounts = {}
    for entry in entries(as_written(analysis).root):
        amounts: Amounts = {(key, "module"): amount for key, amount in _parameters(entry.layer).items()}
        if not entry.idle:
            amounts |= quantities(entry.layer)
        for key, amount in amounts.items():
            totals[key] = totals.get(key, 0) + amount * entry.copies
    return totals


# How the network's code calls its operations


def as_written(analysis: Analysis) -> Analysis:
    """Settle the form of every layer, by the spec's ``written``: ``relu``, ``conv_bn.relu``, ``net.relu2``."""
    written = {key: value.text for key, (_, value) in analysis.program.written.items()}
    if not written:
        return analysis
    return analysis._replace(root=_Written(written).settled(analysis.root, "net", {}))


class _Written:
    """Forms given to layers: a block is settled once, however many copies of it there are."""

    def __init__(self, written: dict[str, str]) -> None:
        self.written = written
        self.known: dict[int, Node] = {}

    def settled(self, node: Any, block: str, seen: dict[str, int]) -> Any:
        """Return a node with its layers' forms; ``seen`` counts the layers that stood in the block before it."""
        if isinstance(node, Wire):
            return node
        if isinstance(node, Layer):
            count = seen[node.op] = seen.get(node.op, 0) + 1
            keys = (f"{block}.{node.op}{count}", f"{block}.{node.op}", node.op)
            form = next((self.written[key] for key in keys if key in self.written), "module")
            return node if form == node.form else node._replace(form=form)
        if isinstance(node, Series) and node.kind == "block" and node.name:
            if id(node) not in self.known:
                self.known[id(node)] = self._inside(node, node.name, {})
            return self.known[id(node)]
        return self._inside(node, block, seen)

    def _inside(self, node: Series | Fork, block: str, seen: dict[str, int]) -> Node:
        if isinstance(node, Series):
            runs = tuple(Run(self.settled(run.node, block, seen), run.copies) for run in node.runs)
            return node._replace(runs=runs)
        branches = tuple(self.settled(branch, block, seen) for branch in node.branches)
        return node._replace(branches=branches, join=self.settled(node.join, block, seen) if node.join else None)


# An analysis under another rule


def recount(analysis: Analysis, rule: CountingRule) -> Analysis:
    """Count an analysis anew: figures of every layer, block and total follow the rule.

    Raises BneckError if it is not established what the rule counts.
    """
    written = as_written(analysis)
    root = rebuilt(written.root, lambda layer: _counted(layer, rule))
    return written._replace(root=cast("Series", root), rule=rule)


def in_flops(analysis: Analysis) -> Analysis:
    """Count in FLOPs, two for each multiply-add of the plain count; nothing else changes."""

    def doubled(layer: Layer) -> Layer:
        cost = layer.cost
        parts = {name: getattr(cost, name) * 2 for name in ("conv_macs", "linear_macs", "attention_macs")}
        return layer._replace(cost=cost._replace(**parts))

    return analysis._replace(root=cast("Series", rebuilt(analysis.root, doubled)), rule=FLOPS)


def weighed(amounts: Amounts, rule: CountingRule) -> dict[str, Size]:
    """Weigh each quantity of a layer or a network, all forms of it together.

    Raises BneckError for a quantity that the rule refuses.
    """
    totals: dict[str, Size] = {}
    for (key, form), amount in amounts.items():
        if reason := rule.refuses(key, form):
            raise BneckError(f"{rule.name}: no figure for this network", hint=reason)
        weight = rule.weight(key, form)
        if weight:
            totals[key] = totals.get(key, 0) + amount * weight
    return totals


def _total(sizes: Iterable[Size]) -> Size:
    total: Size = 0
    for size in sizes:
        total = total + size
    return total


def _counted(layer: Layer, rule: CountingRule) -> Layer:
    found = weighed(quantities(layer), rule)
    conv, linear, attention = (_total(found.pop(key, 0) for key in keys) for keys in PARTS)
    params: Size = 0
    for key, amount in _parameters(layer).items():
        params = params + amount * rule.params.get(key, 0)
    other = _total(found.values())
    inactive = layer.cost.inactive_params * rule.params.get("params", 0)
    return layer._replace(cost=Cost(params, 0, conv, linear, attention, layer.cost.activations, other, inactive))


def notes_on(analysis: Analysis) -> list[str]:
    """Say what a recounted figure depends on beyond the architecture, where that is not known or not always so."""
    rule = analysis.rule
    if rule is None:
        return []
    said: dict[str, None] = {}
    unsure: dict[str, None] = {}
    stated = analysis.program.spec.written is not None
    for entry in entries(analysis.root):
        if entry.idle:
            continue
        layer = entry.layer
        for key, form in quantities(layer):
            if note := rule.said(key, form):
                said[f"{rule.name}: {note}"] = None
        if not stated and layer.op not in unsure and _depends(layer, rule):
            unsure[layer.op] = None
    notes = list(said)
    if unsure:
        notes.append(
            f"what {rule.name} counts of {listed(list(unsure), 'and')} depends on how the code calls it, which this "
            "spec does not say (`written:`); counted as modules"
        )
    return notes


def _depends(layer: Layer, rule: CountingRule) -> bool:
    """Return whether the rule's figure of a layer that is taken as a module would be another in another form.

    A convolution, a linear layer or a norm has weights, which a module holds; only attention is written without.
    """
    if layer.form != "module" or layer.rule is None or layer.rule.part in ("conv", "linear", "recurrent", "norm"):
        return False
    figures = {
        str(sum(amount * rule.weight(*key) for key, amount in amounts_in(layer, form).items()))
        for form in layer.rule.forms
        if form != "subclass"
    }
    return len(figures) > 1
