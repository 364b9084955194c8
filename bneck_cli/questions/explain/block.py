"""Sentences about a block: its function, its totals, its stride, its gates, its receptive field."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bneck_cli.engine.network import Fork, Layer, Series, Wire, children, entries
from bneck_cli.errors import listed
from bneck_cli.flow.follow import Follow
from bneck_cli.flow.receptive import Sight, reach_at, sees_the_map
from bneck_cli.questions.explain.facts import Product, Sums, arriving, forks, is_identity, sums_of, taken, whole
from bneck_cli.questions.explain.place import copies_at, way_to
from bneck_cli.questions.explain.sentences import (
    extent,
    formulas,
    kernel_of,
    product,
    total,
)
from bneck_cli.words.values import counted, people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Node
    from bneck_cli.questions.explain.facts import LayerFacts
    from bneck_cli.questions.explain.place import Subject

MOST_NAMED = 6
"""Layers that a sentence names; of more it says how many."""
MOST_OPENED = 20_000
"""Copies that are followed one by one."""


def summary(name: str, subject: Subject) -> Iterator[str]:
    """Describe a block's input, output and costs, and its shortcut."""
    cost = subject.node.cost
    weighted = [each for each in subject.running if each.part in ("conv", "linear", "attention")]
    number = sum(each.copies for each in weighted)
    noun = "convolution" if all(each.part == "conv" for each in weighted) else "layer with weights"
    many = (
        (f"{people(number)} {noun}" if number == 1 else f"{people(number)} {noun.replace('layer', 'layers')}")
        if number
        else ""
    )
    many = many if number == 1 or noun != "convolution" else many + "s" * bool(many)
    yield (
        f"{name} takes {subject.arrives} to {subject.node.out}{f' with {many}' if many else ''}: "
        f"{counted(whole(cost.params), 'parameter')}, {counted(whole(cost.macs), 'multiply-add')}."
    )
    yield from _shortcuts(subject)


def _shortcuts(subject: Subject) -> Iterator[str]:
    sums = [fork for fork in forks(subject.node) if fork.kind == "residual"]
    if len(sums) > 1 and all(is_identity(fork.branches[1]) for fork in sums) and _once(subject, sums):
        yield (
            f"It has {len(sums)} residual sums, each adding a part's input to its result: the shortcuts are the "
            "identity and cost nothing."
        )
    if len(sums) != 1:
        return
    where = "Its result" if _spans(subject.node, sums[0]) else "Within it, the result of a part"
    came = "its input" if where == "Its result" else "the part's input"
    shortcut = sums[0].branches[1]
    if is_identity(shortcut):
        yield f"{where} is added to {came}: the shortcut is the identity and costs nothing."
        return
    if taken(shortcut) or not any(_convolves(entry.layer) for entry in entries(shortcut)):
        return
    there, out = arriving(shortcut), shortcut.out
    reason = f", since {there} and {out} cannot be added" if there != out else ""
    yield (
        f"{where} is added to a projection of {came}{reason}: {counted(whole(shortcut.cost.params), 'parameter')}, "
        f"{counted(whole(shortcut.cost.macs), 'multiply-add')}."
    )


def _convolves(layer: Layer) -> bool:
    return layer.rule is not None and layer.rule.part == "conv"


def _once(subject: Subject, sums: list[Fork]) -> bool:
    """Return whether every sum stands once, not in copies."""
    joins = [each for each in subject.layers if each.layer.op == "add"]
    return len(joins) == len(sums) and all(each.copies == 1 for each in joins)


def _spans(node: Node, fork: Fork) -> bool:
    """Return whether a fork is all that a block does, but for functions of single elements after it."""
    while isinstance(node, Series):
        runs = [run for run in node.runs if not isinstance(run.node, Wire)]
        if not runs or runs[0].copies != 1:
            return False
        if any(not isinstance(run.node, Layer) or run.node.cost.params or run.node.cost.macs for run in runs[1:]):
            return False
        if any(isinstance(run.node, Layer) and run.node.shape != run.node.out for run in runs[1:]):
            return False
        node = runs[0].node
    return node is fork


def copies(subject: Subject, analysis: Analysis) -> Iterator[str]:
    """Say which copies of a stage or a block are meant, and what the others are."""
    if subject.stage is not None:
        held = children(subject.stage)
        number = sum(child.copies for child in held)
        cost = subject.stage.cost
        own = held[0].node.cost
        if number == 1:
            return
        said = f"{subject.stage_path} repeats its block {people(number)} times"
        if len(held) == 1:
            said += ", all identical; one of them is explained here"
        else:
            said += f"; the first, {subject.path}, is explained here"
        yield (
            f"{said}. Together they have {counted(whole(cost.params), 'parameter')} and "
            f"{counted(whole(cost.macs), 'multiply-add')}."
        )
        for child in held[1:MOST_NAMED]:
            each = child.node.cost
            if (each.params, each.macs) != (own.params, own.macs):
                yield (
                    f"{subject.stage_path}.{child.label}: {arriving(child.node)} to {child.node.out}, "
                    f"{people(whole(each.params))} parameters and {people(whole(each.macs))} multiply-adds"
                    f"{' each' * (child.copies > 1)}."
                )
    elif subject.path and not isinstance(subject.node, Layer):
        path, number = copies_at(analysis, subject)
        if number > 1:
            yield f"{path} are {people(number)} identical copies; one of them is explained here."


def legend(subject: Subject) -> Iterator[str]:
    """Say how a figure of the block reads: what is on the arrows, and what is in the boxes."""
    convs = [each for each in subject.body if each.convolves]
    if not convs or len(subject.arrives.spatial) != 2 or isinstance(subject.node, Layer):
        return
    first = convs[0]
    size = "×".join(map(str, first.filter))
    yield (
        f'In a figure such as that of the ResNet paper, "{first.shape.channels}-d" is the {first.shape.channels} '
        f'channels of an arrow, and "{kernel_of(first)}, {first.filters}" in a box is '
        f"{counted(first.filters, 'filter')} of {size}. The maps "
        f"themselves ({first.shape.side} before, {first.out.side} after) are not drawn."
    )


def sums(subject: Subject) -> Iterator[str]:
    """Add the parameters and the multiply-adds up, as far as the sums come to what the analysis has."""
    cost = subject.node.cost
    params, macs = sums_of(subject.layers)
    if sum(each.value for each in params) != cost.params or sum(each.value for each in macs) != cost.macs:
        return
    if sum(len(each.terms) for each in params) < 2 and sum(len(each.terms) for each in macs) < 2:
        return
    yield from (f"{each.noun}: {total(each)}" for each in params)
    if len(params) > 1:
        yield f"parameters: {total(Sums('', tuple((1, each.value) for each in params)))}"
    yield from (f"{each.noun}: {total(each)}" for each in macs)


def numbers(subject: Subject) -> Iterator[str]:
    """Say what the number of a convolution's channels is."""
    for first in subject.running:
        if first.convolves and first.weights is not None:
            break
    else:
        return
    one = first.weights.value // first.filters
    long, what = first.out.side, first.out.noun
    made = f"{long} {what}" if len(first.out.spatial) > 1 else f"{what} of {long}"
    come = "come from its filters, one each: a" if first.filters > 1 else "comes from its one filter: the"
    yield (
        f"The {counted(first.filters, 'output channel')} of `{first.text}` {come} filter "
        f"is {'×'.join(map(str, first.filter))}, {counted(one, 'weight')}, and makes one {made}."
    )
    if is_bottleneck(subject):
        _, seen, expanded = [each for each in subject.body if each.convolves]
        ones = "×".join("1" * len(seen.kernel))
        yield (
            f"Between the two {ones} convolutions there are only {seen.shape.channels} channels, against "
            f"{expanded.out.channels} at the output: this narrow place is the bottleneck, and the large kernel works "
            "in it."
        )


def in_a_row(subject: Subject) -> bool:
    """Return whether the layers of the body come in sequence, with no branches but one shortcut and gates."""
    kinds = [fork.kind for fork in forks(subject.node)]
    return set(kinds) <= {"residual", "scale"} and kinds.count("residual") <= 1


def is_bottleneck(subject: Subject) -> bool:
    """Return whether a block squeezes, looks at neighbours, and expands again, in just this order."""
    body = [each for each in subject.body if each.convolves]
    if len(body) != 3 or not in_a_row(subject) or any(each.copies > 1 for each in body):
        return False
    squeezed, seen, expanded = body
    return (
        squeezed.pointwise
        and expanded.pointwise
        and not seen.pointwise
        and whole(squeezed.out.channels) < whole(squeezed.shape.channels)
        and whole(expanded.out.channels) > whole(expanded.shape.channels)
        and seen.shape.channels == seen.out.channels
    )


# The stride


def stride(subject: Subject) -> Iterator[str]:
    """Say in which layers the stride is, and what it would mean elsewhere."""
    windows = [each for each in subject.running if each.window is not None]
    stepping = [each for each in windows if each.strided]
    if not windows or any(each.spreads for each in windows):
        return
    if not stepping:
        yield f"The stride is 1 in {'every window' if len(windows) > 1 else 'the only window'}: no position is skipped."
        wide = [each for each in windows if set(each.kernel) != {1}]
        if wide and all(each.out.spatial == wide[0].out.spatial and not each.reshapes for each in windows):
            narrow = " A window of one position needs none." if len(wide) < len(windows) else ""
            yield f"Padding keeps the {subject.node.out.noun} at {wide[0].out.side} in {_named(wide)}.{narrow}"
        return
    where = [f"{each.path} ({kernel_of(each)}, {each.shape.side} to {each.out.side})" for each in stepping]
    if len(where) > MOST_NAMED:
        where = [*where[:MOST_NAMED], f"{len(where) - MOST_NAMED} more"]
    others = "; it is 1 in every other window" if len(windows) > len(stepping) else ""
    yield f"The stride is in {listed(where, 'and')}{others}."
    for each in stepping[:MOST_NAMED]:
        if set(each.kernel) == {1} and not any(axis.before or axis.after for axis in each.axes):
            there, seen = whole(each.shape.positions), whole(each.out.positions)
            yield (
                f"{each.path} has a window of one position, so of its {people(there)} input positions "
                f"it looks at "
                f"{people(seen)} and skips {people(there - seen)}."
            )
    if in_a_row(subject):
        yield from _moved(subject)


def _named(layers: list[LayerFacts]) -> str:
    if len(layers) > MOST_NAMED:
        return f"{len(layers)} layers with wider windows"
    return listed([each.path for each in layers], "and")


def _moved(subject: Subject) -> Iterator[str]:
    """Say what the stride would mean in the 1x1 before, where it is in the body's wide kernel."""
    body = [each for each in subject.body if each.convolves]
    for before, each in pairwise(body):
        window, earlier = each.window, before.window
        if (
            window is None
            or earlier is None
            or not each.strided
            or each.pointwise
            or before.copies > 1
            or each.copies > 1
        ):
            continue
        plain = before.pointwise and not before.strided and before.groups == 1 and not before.reshapes
        if not plain or before.out != each.shape:
            continue
        rule = before.layer.rule
        moved = type(rule)(
            **{field.name: getattr(rule, field.name) for field in rule.fields} | {"stride": window.stride}
        )
        out = moved.out_shape(before.shape)
        yield (
            f"If `{before.text}` had the stride of `{each.text}` instead, it would take "
            f"{people(moved.macs(before.shape, out))} multiply-adds, not {people(before.layer.cost.macs)}, "
            f"but see only {people(out.positions)} of its {people(before.shape.positions)} input positions."
        )


# Mechanisms


def separable(subject: Subject) -> Iterator[str]:
    """Compare a depthwise convolution and the 1x1 after it with the full convolution that they replace."""
    if not in_a_row(subject):
        return
    for filtering, mixing in pairwise([each for each in subject.body if each.layer.cost.macs]):
        mixes = (mixing.pointwise and mixing.groups == 1) or mixing.part == "linear"
        if not (filtering.depthwise and mixes and filtering.weights and mixing.weights) or filtering.pointwise:
            continue
        if filtering.copies > 1 or mixing.copies > 1 or filtering.out != mixing.shape:
            continue
        if filtering.shape.channels != filtering.out.channels:
            continue
        taps, c, out = Product(filtering.kernel).value, whole(mixing.shape.channels), whole(mixing.out.channels)
        full = Product((*filtering.kernel, c, out))
        both = filtering.weights.value + mixing.weights.value
        times = f": 1/{out} + 1/{taps} of that, or 1/{full.value / both:.3g}" if full.value > 1.05 * both else ""
        yield (
            f"One full {kernel_of(filtering)} convolution from {c} to {counted(out, 'channel')} would have "
            f"{product(full)} weights. To filter each channel by itself and then mix them takes "
            f"{taps}·{c} + {c}·{out} = {people(both)}{times}."
        )
        yield f"{mixing.weights.value / both:.1%} of what is left is in {mixing.path}, which mixes."


def gates(subject: Subject) -> Iterator[str]:
    """Say what a gate multiplies, and what it costs."""
    found = [fork for fork in forks(subject.node) if fork.kind == "scale"]
    if len(found) != 1:
        return
    gate = found[0].branches[0]
    layers = [each for each in subject.running if "gate" in each.path.split(".") and each.layer.cost.macs]
    if gate.out.positions != 1 or any(each.out.positions != 1 or each.macs is None for each in layers):
        return
    if not layers or any(each.copies > 1 for each in layers):
        return
    shape = found[0].out
    if gate.out.channels == shape.channels:
        yield (
            f"The gate computes {people(whole(gate.out.channels))} numbers per image, and multiplies every channel of "
            f"{shape} by its own, at {'all ' * (shape.positions != 1)}{counted(whole(shape.positions), 'position')}."
        )
    else:
        yield f"The gate multiplies all of {shape} by one number per image."
    terms = [f"{each.shape.channels}·{each.out.channels}" for each in layers]
    weights = sum(each.weights.value for each in layers if each.weights)
    biases = sum(each.biases for each in layers)
    extra = f" (and {counted(biases, 'bias')})" if biases else ""
    yield (
        f"It runs once per image, not at every position: {' + '.join(terms)} = {people(weights)} weights{extra} make "
        f"{people(sum(whole(each.layer.cost.macs) for each in layers))} multiply-adds."
    )


# Where it stands


def origin(analysis: Analysis, subject: Subject) -> Iterator[str]:
    """Follow the map's size from the network's input to the subject, through each layer that changes it."""
    if len(analysis.inputs) != 1 or not subject.arrives.spatial:
        return
    way = way_to(analysis, subject)
    if way is None:
        return
    yield f"{next(iter(analysis.inputs.values())).side} is the input."
    yield from (changed(path, each) for path, each in way)
    still = "" if way else "still "
    yield f"So the input of {subject.path} is {still}{subject.arrives.side}."


def changed(path: str, each: LayerFacts) -> str:
    """Say how a layer makes the map another size."""
    if each.window is not None:
        return f"{path} ({each.text}): {formulas(each.axes)}."
    return f"{path} ({each.text}): {each.shape.side or 'a vector'} to {each.out.side or 'a vector'}."


def sight(analysis: Analysis, subject: Subject) -> Iterator[str]:
    """Say what a position of the result sees, of the block's input and of the network's."""
    if isinstance(subject.node, Series) and subject.node.out.spatial and not taken(subject.node):
        alone = analysis.program._replace(spec=analysis.program.spec._replace(outputs=()))
        own = analysis._replace(program=alone, root=subject.node, inputs={"input": subject.node.shape})
        follow = Follow(own, Sight())
        reach: Any = follow.value(follow.run(follow.part, follow.inputs)[follow.part.outs[0]])
        scales = [fork for fork in forks(subject.node) if fork.kind == "scale"]
        if reach.known and all(_sees_all(fork) for fork in scales):
            gated = "; its gate sees the whole map" if scales else ""
            yield f"Each position of the result sees {_positions(reach)} of the block's input{gated}."
    if not subject.path:
        return
    folded, _ = copies_at(analysis, subject)
    if folded == subject.path:
        found = reach_at(analysis, folded)
    elif sum(entry.copies for entry in entries(analysis.root)) <= MOST_OPENED:
        found = reach_at(analysis, subject.path, folded=False)
    else:
        found = None
    if found is not None and found.known:
        jump = extent([axis.jump for axis in found.axes])
        gated = " through windows alone" if any(entry.layer.op == "scale" for entry in entries(analysis.root)) else ""
        yield f"It sees {_positions(found)} of the network's input{gated}; neighbours are {jump} apart there."


def _sees_all(gate: Fork) -> bool:
    """Return whether a gate looks at the whole map."""
    return any(sees_the_map(entry.layer) for entry in entries(gate.branches[0]))


def _positions(reach: Any) -> str:
    sizes = [axis.size for axis in reach.axes]
    return counted(sizes[0], "position") if len(sizes) == 1 else f"{'×'.join(map(str, sizes))} positions"
