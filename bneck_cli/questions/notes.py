"""Remarks on an analysis: its input, the counting rule, unused results, and conditions on symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.engine.network import PRODUCTS, entries
from bneck_cli.errors import listed
from bneck_cli.sizes.number import are_whole
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Layer, Size

RULE = (
    "one multiply-add of a convolution, a linear layer or a product of attention is 1 MAC; "
    "nothing else is counted (torchvision's rule)"
)
MACS = "1 MAC = 1 multiply-add = 2 FLOPs; papers often write FLOPs for MACs"
UNITS = ("macs", "flops")
TOGETHER = "a row with × stands for that many copies, and its figures are their sum"
ACTIVATIONS = "activations are the elements that convolutions, linear layers and attention give (pycls's measure)"
MOST_NAMED = 3
"""How many layers a note names."""


def describe_input(analysis: Analysis) -> str:
    """Write the input for a title: ``3×224×224``, with the batch where it is not 1."""
    shapes = [f"{name} {shape}" if len(analysis.inputs) > 1 else str(shape) for name, shape in analysis.inputs.items()]
    described = ", ".join(shapes)
    for name, value in analysis.values.items():
        described += f", {name}={value}"
    for name, known in analysis.assume.items():
        described += "".join(f", {said.replace(' is ', ' ')}" for said in known.said(name))
    if analysis.settings.past:
        described += f", {analysis.settings.past} past"
    return described + (f", batch {analysis.batch}" if analysis.batch != 1 else "")


def rule_of(analysis: Analysis) -> str:
    """State what the figures count."""
    if analysis.rule is None:
        return RULE
    from bneck_cli.flow.counting import total_quantities

    return analysis.rule.words(total_quantities(analysis))


def units_of(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """Say what the unit is, where figures are in multiply-adds or in twice as many FLOPs."""
    rule = analysis.rule
    return (("units", MACS),) if rule is None or rule.unit == "FLOPs" else ()


def counting_notes(analysis: Analysis) -> list[str]:
    """Say what figures under another rule depend on beyond the architecture."""
    if analysis.rule is None:
        return []
    from bneck_cli.flow.counting import notes_on

    return notes_on(analysis)


def buffers(analysis: Analysis) -> Size:
    """Count the values that are kept beside parameters and not learned: running statistics."""
    total: Size = 0
    for entry in entries(analysis.root):
        total = total + entry.layer.buffers * entry.copies
    return total


def uncounted(analysis: Analysis) -> dict[str, Size]:
    """Count the elements that go through operations which the rule leaves out, by what they are."""
    from bneck_cli.flow.counting import counts

    totals: dict[str, Size] = {}
    for entry in entries(analysis.root):
        if entry.idle:
            continue
        for label, elements in left_out(entry.layer):
            if analysis.rule is None or not counts(analysis.rule, label, entry.layer):
                totals[label] = totals.get(label, 0) + elements * (entry.copies * analysis.batch)
    return totals


def left_out(layer: Layer) -> tuple[tuple[str, Size], ...]:
    """Say what a layer does beside its multiply-adds, and to how many elements."""
    if layer.rule is not None:
        return layer.rule.uncounted(layer.shape, layer.out)  # type: ignore[no-any-return]
    if layer.op == "add":
        return (("addition", layer.out.elements * (len(layer.inputs) - 1)),)
    return (("scaling", layer.out.elements * (len(layer.inputs) - 1)),) if layer.op in PRODUCTS else ()


def shared_weights(analysis: Analysis) -> Iterator[str]:
    """Say which steps work with the weights of others, which count once."""
    for _, place, holder in analysis.shared:
        if place == holder:
            yield f"all copies of `{place.text()}` share one set of weights"
        else:
            yield f"`{place.text()}` shares the weights of `{holder.text()}` (line {holder.location().line})"


def unread_results(analysis: Analysis) -> tuple[str, ...]:
    """Name the layers whose result nothing reads, with what it costs that they and others lead to no output."""
    if analysis.in_a_row:
        return ()
    from bneck_cli.flow.unread import vain

    found = vain(analysis).values()
    if not found:
        return ()
    params, macs = sum(one.cost.params for one in found), sum(one.cost.macs for one in found)
    names = [
        one.entry.path + (f" (×{people(one.unread)})" if one.entry.copies > 1 else "") for one in found if one.unread
    ]
    more = f" and {people(len(names) - MOST_NAMED)} more" if len(names) > MOST_NAMED else ""
    said = ", ".join(names[:MOST_NAMED]) + more if more else listed(names, "and")
    unit = "MACs" if analysis.rule is None else analysis.rule.title
    lost = f"{people(params)} params and {people(macs * analysis.batch)} {unit}"
    return (f"the result of {said} is never used: {lost} are counted that reach no output",)


def least_input(analysis: Analysis) -> tuple[str, ...]:
    """Say what the smallest input is, where the input's sides are symbols; below it a formula means nothing."""
    if are_whole(*(size for shape in analysis.inputs.values() for size in shape.spatial)):
        return ()
    from bneck_cli.engine.analysis import smallest_input

    least = smallest_input(analysis.program, analysis.settings)
    return (f"the smallest legal input is {least}",) if least else ()


def requirements(analysis: Analysis) -> tuple[str, ...]:
    """Say for which values of the symbols the formulas hold: where sizes are whole, and no shortcut is another."""
    sizes = [size for entry in entries(analysis.root) for size in (*entry.layer.out.spatial, entry.layer.out.channels)]
    rules = [(entry.layer.rule, entry.layer.shape) for entry in entries(analysis.root)]
    if are_whole(*sizes) and not analysis.apart:
        return ()
    from bneck_cli.sizes.agreement import requirements as required

    for rule, shape in rules:
        if rule is not None:
            sizes += [*(getattr(rule, field.name) for field in rule.fields), *rule.shares(shape)]
    units = {name: known.unit for name, known in analysis.assume.items()}
    return tuple(f"holds where {condition}" for condition in (*required(sizes, units), *analysis.apart))
