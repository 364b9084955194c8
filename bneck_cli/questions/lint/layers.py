"""Rules on the cost of layers: parameters and multiply-adds that achieve little or nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from bneck_cli.engine.network import Cost, Layer
from bneck_cli.flow.unread import vain
from bneck_cli.questions.lint.rule import Finding, macs_of, number, percent, rule, says, times
from bneck_cli.words.values import counted, people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.flow.tensors import Flow, Met


MULTIPLE = 8
DOMINANT = 90
"""In percent of a block's multiply-adds."""
NEARLY = 16
"""Channels that differ by less than this part of them are taken for a slip."""


@rule(
    "bias-before-norm",
    finds="a bias directly before a norm that subtracts the mean is useless",
    reason="The norm subtracts each channel's mean, and the bias with it; it adds a learned shift of its own.",
)
def bias_before_norm(flow: Flow) -> Iterator[Finding]:
    """Find biases that the norm after them takes away."""
    for met in flow.layers:
        layer = met.layer
        if not _weighs(layer) or layer.cost.params == 0:  # its weights are another's, where the bias is found
            continue
        readers = [flow.layers[reader].layer if reader >= 0 else None for reader in met.out.all_readers()]
        norms = [reader.rule for reader in readers if reader and reader.rule is not None and reader.rule.centres]
        if not layer.rule.biased or not readers or len(norms) < len(readers):
            continue
        channels = number(layer.out.channels)
        useless, norm = counted(channels, "param"), norms[0].noun
        message = f"the bias of {layer.text} is {useless} that the following {norm} subtracts"
        yield says(met, message, channels, "params")


@rule(
    "channels-not-multiple-of-8",
    finds="channels inside the network are not a multiple of 8",
    reason="Matrix and vector units process 8 or more channels at a time; an incomplete group is padded with zeros.",
)
def uneven_channels(flow: Flow) -> Iterator[Finding]:
    """Find layers whose own channels are not a multiple of 8: not the input's, nor those that leave the network.

    Layers of a gate run once for each image, so padding them with zeros costs next to nothing.
    """
    for met in flow.running():
        layer = met.layer
        if not _weighs(layer) or getattr(layer.rule, "groups", 1) != 1:
            continue
        if layer.shape.spatial and number(layer.shape.positions) == 1 and id(met.out) not in flow.ends:
            continue
        follows = not layer.rule.chooses  # its channels are those that arrive: one choice, and fixed if either end is
        came, left = number(layer.shape.channels), number(layer.out.channels)
        fixed_in, fixed_out = met.reads[0].given, id(met.out) in flow.ends
        if follows:
            fixed_in = fixed_out = fixed_in or fixed_out
        wide_in, wide_out = came if fixed_in else _rounded(came), left if fixed_out else _rounded(left)
        if (wide_in, wide_out) == (came, left):
            continue
        macs = macs_of(layer)
        wider = macs // left * wide_out if follows else macs // (came * left) * wide_in * wide_out
        message = (
            f"{layer.text} has {counted(came, 'channel')} in and {people(left)} out: "
            f"rounded up to {people(wide_in)} and {people(wide_out)} it is {people(wider)} MACs, not {people(macs)}"
        )
        yield says(met, message, wider - macs, "MACs")


def _rounded(channels: int) -> int:
    return -(-channels // MULTIPLE) * MULTIPLE


@rule(
    "params-concentrated",
    finds="one layer holds over half of the parameters",
    reason="This layer decides the size of the whole model; pooling before it, or fewer features, saves more than "
    "any other change.",
)
def concentrated_params(flow: Flow) -> Iterator[Finding]:
    """Find one layer of a network, not of a block, that holds more than all others together."""
    if flow.analysis.program.block is not None:
        return
    whole = number(flow.analysis.cost.params)
    if sum(met.entry.copies for met in flow.layers if met.layer.cost.params != 0) < 2:
        return
    for met in flow.layers:
        mine = number(met.layer.cost.params)
        if 2 * mine > whole:
            message = f"{met.layer.text} holds {people(mine)} of {people(whole)} params ({percent(mine, whole)})"
            yield says(met, message, mine, "params")


@rule(
    "needless-projection",
    finds="a shortcut projects to the shape it already has",
    reason="An identity fits, costs nothing, and passes the signal unchanged.",
)
def needless_projection(flow: Flow) -> Iterator[Finding]:
    """Find shortcuts that project a tensor to the shape that it has."""
    for fork, before, first, end in flow.shortcuts:
        layers = flow.layers[first:end]
        mixing = [met for met in layers if _mixes(met.layer)]
        if len(mixing) != 1 or layers[0].reads[0] is not before or layers[0].entry.idle:
            continue
        met = mixing[0]
        plain = all(other is met or _only_scales(other.layer) for other in layers)
        chained = all(later.reads[0] is sooner.out for sooner, later in pairwise(layers))
        window = met.layer.rule.geometry(met.layer.shape)
        pointwise = window is None or set(window.kernel) | set(window.stride) == {1}
        if not (plain and chained and pointwise) or fork.branches[1].out != fork.shape:
            continue
        cost = sum(number(other.layer.cost.params) for other in layers)
        macs = macs_of(met.layer)
        message = (
            f"{met.layer.text} in a shortcut takes and returns {fork.shape}, "
            f"for {counted(cost, 'param')} and {counted(macs, 'MAC')}"
        )
        yield says(met, message, cost, "params")


@rule(
    "pointwise-dominates",
    finds="pointwise layers beside a grouped convolution are over 90% of their block",
    reason="Groups have made the large window nearly free, so the remaining savings are in the 1x1 convolutions: "
    "fewer channels, or groups there too.",
    usual=True,
)
def dominant_pointwise(flow: Flow) -> Iterator[Finding]:
    """Find grouped convolutions whose block is, in multiply-adds, little more than its 1x1 convolutions."""
    whole: dict[int, int] = {}
    pointwise: dict[int, int] = {}
    for met in flow.running():
        macs = macs_of(met.layer)
        for box in met.boxes:
            each = macs * (met.entry.copies // box.copies)
            whole[box.number] = whole.get(box.number, 0) + each
            if _is_pointwise(met.layer):
                pointwise[box.number] = pointwise.get(box.number, 0) + each
    said: set[int] = set()
    for met in flow.running():
        if not _is_grouped(met.layer):
            continue
        around = [box.number for box in met.boxes if pointwise.get(box.number)]
        if not around or around[-1] in said:
            continue
        said.add(around[-1])
        part, total = pointwise[around[-1]], whole[around[-1]]
        if 100 * part > DOMINANT * total:
            message = (
                f"beside {met.layer.text}, which is {counted(macs_of(met.layer), 'MAC')}, pointwise layers are "
                f"{people(part)} of the {people(total)} MACs of their block ({percent(part, total)})"
            )
            yield says(met, message, part, "MACs")


def _weighs(layer: Layer) -> bool:
    """Return whether a layer is a convolution or a linear layer."""
    return layer.rule is not None and layer.rule.part in ("conv", "linear")


def _mixes(layer: Layer) -> bool:
    """Return whether a layer projects: it makes channels of its own choice out of those that arrive."""
    return _weighs(layer) and bool(layer.rule.chooses)


def _only_scales(layer: Layer) -> bool:
    """Return whether a layer does no more to a channel than to scale and shift it."""
    return layer.rule is not None and (layer.rule.part in ("norm", "scaling") or layer.rule.view_at_inference)


def _is_grouped(layer: Layer) -> bool:
    """Return whether a layer is a convolution in groups, over more than one position."""
    window = layer.rule.geometry(layer.shape) if layer.rule is not None and layer.rule.part == "conv" else None
    if window is None or window.transposed or set(window.kernel) == {1}:
        return False
    return window.groups != 1 or not layer.rule.chooses


def _is_pointwise(layer: Layer) -> bool:
    """Return whether a layer mixes all channels at each position of a map, as a 1x1 convolution does."""
    if layer.rule is None or not layer.out.spatial or layer.out.positions == 1:
        return False
    window = layer.rule.geometry(layer.shape)
    if window is None or layer.rule.part != "conv":
        return layer.rule.part == "linear"  # type: ignore[no-any-return]
    return not window.transposed and set(window.kernel) == {1} and window.groups == 1


@rule(
    "unread-result",
    finds="a layer's result is never used, and is not an output",
    reason="It is computed and counted, but the output does not depend on it: `from` takes another tensor before "
    "anything uses this one, or `outputs` names others.",
)
def unread_result(flow: Flow) -> Iterator[Finding]:
    """Find layers whose result nothing reads and that is not a output, with what leads to them alone."""
    lost = vain(flow.analysis)
    if not lost:
        return
    running = list(flow.running())
    makers = {id(met.out): index for index, met in enumerate(running)}
    for index, one in [(index, one) for index, one in lost.items() if one.unread]:
        met, cost, leading = running[index], Cost(), -1
        tensors, seen = [met.out], set[int]()
        while tensors:
            tensor = tensors.pop()
            maker = makers.get(id(tensor))
            if maker in lost:
                cost, leading = cost.plus(lost.pop(maker).cost), leading + 1
                tensors += running[maker].reads
            elif maker is None and id(tensor) not in seen:  # the input of a copy
                seen.add(id(tensor))
                tensors += tensor.sources
        others = f" (and of {counted(leading, 'layer')} that lead to it alone)" if leading > 0 else ""
        message = (
            f"the result of {met.layer.text} is never used and is not an output: "
            f"its {counted(number(cost.params), 'param')} and {counted(number(cost.macs), 'MAC')}{others} are wasted"
        )
        found = says(met, message, number(met.layer.out.elements), "elements", once=True)
        yield found._replace(copies=one.unread, cost=found.cost * one.unread)


@rule(
    "dropped-addition",
    finds="`shortcut: if_same` adds nothing, because the channels differ slightly",
    reason="Channels that differ by less than a sixteenth are rarely intended; make them equal, or write the "
    "residual without a shortcut.",
)
def dropped_addition(flow: Flow) -> Iterator[Finding]:
    """Find residuals that ``if_same`` left without their addition though the channels are nearly equal."""
    ends: dict[tuple[int, int], list[Met]] = {}
    for met in flow.layers if flow.analysis.dropped else ():
        ends.setdefault((id(met.layer.place.node), met.layer.place.offset), []).append(met)
    for place, shape, out, last in flow.analysis.dropped:
        came, left = number(shape.channels), number(out.channels)
        if shape.spatial != out.spatial or NEARLY * abs(came - left) >= max(came, left):
            continue
        message = f"`shortcut: if_same` adds nothing, because the input is {shape} and the result {out}"
        for met in ends.get((id(last.node), last.offset), ()):
            if met.layer.out == out:
                found = says(met, message, number(out.elements), "elements")
                yield found._replace(place=place)


@rule(
    "linear-on-map",
    finds="the last linear layer works on each position of a map separately",
    reason="Without `flatten` or `global_avgpool` before it, a linear layer acts as a 1x1 convolution.",
)
def linear_on_map(flow: Flow) -> Iterator[Finding]:
    """Find a linear layer that gives a network's result separately for each position of a map."""
    analysis = flow.analysis
    if analysis.program.block is not None:
        return
    maps = {shape.spatial for shape in analysis.outputs.values()}
    for met in flow.running():
        layer = met.layer
        if (
            layer.rule is None
            or layer.rule.part != "linear"
            or len(layer.out.spatial) < 2
            or layer.out.spatial not in maps
        ):
            continue
        positions = number(layer.out.positions)
        if id(met.out) in flow.ends and positions > 1:
            message = (
                f"{layer.text} works on each of {times(layer.out.spatial)} positions separately, "
                f"and the result is {layer.out}"
            )
            yield says(met, message, positions, "positions")
