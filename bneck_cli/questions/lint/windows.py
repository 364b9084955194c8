"""Rules on windows and receptive fields: what they see of a map, and what they miss."""

from __future__ import annotations

from math import gcd, prod
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.network import Layer, children
from bneck_cli.errors import listed
from bneck_cli.flow.receptive import last_field, sees_the_map
from bneck_cli.questions.lint.rule import Finding, number, numbers, percent, rule, says, times
from bneck_cli.words.values import counted, people

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bneck_cli.flow.tensors import Flow, Met, Seen

MAX_TAPS = 4096
SIDES = {1: ("position",), 2: ("row", "column"), 3: ("frame", "row", "column")}


class Side(NamedTuple):
    """One axis of a window that moves over ``length`` positions in so many ``steps``."""

    length: int
    steps: int
    kernel: int
    stride: int
    before: int
    dilation: int

    @property
    def gapped(self) -> bool:
        """Whether the taps of all windows together leave gaps: some remainder modulo the stride is never met."""
        return min(self.kernel, self.stride // gcd(self.dilation, self.stride)) < self.stride

    @property
    def end(self) -> int:
        """The first position that lies behind the last window; within the map."""
        last = (self.steps - 1) * self.stride - self.before + self.dilation * (self.kernel - 1)
        return min(max(last + 1, 0), self.length)

    @property
    def seen(self) -> int:
        """How many positions some tap of some window looks at."""
        if self.dilation == 1 and self.kernel >= self.stride:
            return self.end
        spans: dict[int, list[tuple[int, int]]] = {}
        for tap in range(self.kernel):
            turn, remainder = divmod(self.dilation * tap - self.before, self.stride)
            low, high = max(turn, 0), min(turn + self.steps, -(-(self.length - remainder) // self.stride))
            spans.setdefault(remainder, []).append((low, high))
        total = 0
        for each in spans.values():
            done = 0
            for low, high in sorted(each):
                total += max(high - max(low, done), 0)
                done = max(done, high)
        return total


def sides(layer: Layer) -> tuple[Side, ...]:
    """Return a layer's window by axis; nothing if it has none, or one that spreads."""
    window = layer.rule.geometry(layer.shape) if layer.rule is not None else None
    if window is None or window.transposed or max(window.kernel) > MAX_TAPS:
        return ()
    found = []
    for n, m, k, s, pad, d in zip(
        numbers(layer.shape.spatial),
        numbers(layer.out.spatial),
        window.kernel,
        window.stride,
        window.padding,
        window.dilation,
        strict=True,
    ):
        found.append(Side(n, m, k, s, pad[0], d))
    return tuple(found)


@rule(
    "strided-1x1",
    finds="a convolution's stride exceeds its kernel, so part of its input is never seen",
    reason="The skipped positions have no effect through this layer; the stride in a larger window, or pooling "
    "before it, would see everything.",
)
def strided_pointwise(flow: Flow) -> Iterator[Finding]:
    """Find convolutions outside shortcuts whose windows leave gaps."""
    return _strided(flow, in_shortcut=False)


@rule(
    "strided-1x1-shortcut",
    finds="the same in a shortcut, where the body may see the skipped positions",
    reason="Usual for a projection, and harmless if the body sees the skipped positions; average pooling before it "
    "would see everything.",
)
def strided_shortcut(flow: Flow) -> Iterator[Finding]:
    """Find convolutions in shortcuts whose windows leave gaps."""
    return _strided(flow, in_shortcut=True)


def _strided(flow: Flow, in_shortcut: bool) -> Iterator[Finding]:
    for met in flow.running():
        layer = met.layer
        if layer.rule is None or layer.rule.part != "conv" or met.in_shortcut != in_shortcut:
            continue
        axes = sides(layer)
        whole, seen = prod(axis.length for axis in axes), prod(axis.seen for axis in axes)
        if not any(axis.gapped for axis in axes) or seen == whole:
            continue
        looks = " and ".join(
            f"{people(axis.seen)} of {counted(axis.length, noun)}"
            for axis, noun in zip(axes, SIDES[len(axes)], strict=True)
        )
        skipped = f"{people(whole - seen)} of {counted(whole, 'position')} ({percent(whole - seen, whole)})"
        message = f"{layer.text} sees {looks} and skips {skipped}"
        yield says(met, message, whole - seen, "positions")


@rule(
    "dropped-border",
    finds="a strided window never reaches the last rows or columns of this input",
    reason="There is no room for a last window, so the output does not depend on that border through this layer; "
    "another input size or padding would keep it.",
)
def dropped_border(flow: Flow) -> Iterator[Finding]:
    """Find windows that end before the map does."""
    for met in flow.running():
        layer = met.layer
        axes = sides(layer)
        fits = layer.rule is not None and layer.rule.part == "fitting"  # what it leaves out is left out on purpose
        lost = [0 if axis.gapped or fits else axis.length - axis.end for axis in axes]
        if not any(lost):
            continue
        whole = prod(axis.length for axis in axes)
        dropped = whole - prod(axis.length - less for axis, less in zip(axes, lost, strict=True))
        ends = " and ".join(counted(less, noun) for less, noun in zip(lost, SIDES[len(axes)], strict=True) if less)
        size = times(axis.length for axis in axes)
        message = (
            f"{layer.text} never reaches {ends} at the end of {size}: {people(dropped)} of {counted(whole, 'position')}"
        )
        yield says(met, message, dropped, "positions")


class Field(NamedTuple):
    """What a position of the last feature map sees, beside the input; ``met`` is the layer that is given the map."""

    met: Met
    seen: tuple[int, ...]
    sizes: tuple[int, ...]
    ended: str
    """Whether the map enters ``met``, or leaves it."""

    @property
    def common(self) -> int:
        """How many positions of the input a field can cover at most."""
        return prod(map(min, self.seen, self.sizes))


def _field(flow: Flow) -> Field | None:
    """Return the receptive field of the last feature map, where it is a number; a block has none of its own."""
    analysis = flow.analysis
    if analysis.program.block is not None or len(analysis.inputs) != 1:
        return None
    sizes = numbers(next(iter(analysis.inputs.values())).spatial)
    reach = last_field(flow.sight)
    running = [met for met in flow.running() if met.layer.shape.spatial]
    if not reach.known or len(reach.axes) != len(sizes) or not running:
        return None
    top = {child.label: child for child in children(analysis.root)}
    pooled = [met for met in running if met.entry.path in top and sees_the_map(met.layer)]
    if any(top[met.entry.path].stem == "gate" for met in pooled):
        return None
    met, ended = (pooled[0], "enters") if pooled else (running[-1], "leaves")
    return Field(met, tuple(axis.size for axis in reach.axes), sizes, ended)


@rule(
    "receptive-field-exceeds-input",
    finds="positions of the last feature map see beyond the input",
    reason="Beyond the input's size, more depth no longer widens the view: it sees the same content, and padding.",
    usual=True,
)
def wide_field(flow: Flow) -> Iterator[Finding]:
    """Find a last feature map whose positions see more than there is."""
    field = _field(flow)
    if field is None or any(mine < size for mine, size in zip(field.seen, field.sizes, strict=True)):
        return
    beyond = prod(field.seen) - field.common
    if not beyond:
        return
    stage = ""
    for visit in flow.sight.visits():
        reach = visit.leaving
        if "." not in visit.path and not visit.idle and reach.known and len(reach.axes) == len(field.sizes):
            spans = [axis.size for axis in reach.axes]
            if all(map(int.__ge__, spans, field.sizes)) and tuple(spans) != field.sizes:
                stage = f", first exceeded at {visit.path}" if field.met.entry.path != visit.path else ""
                break
    message = (
        f"each position that {field.ended} {field.met.layer.op} sees {times(field.seen)} of an input of "
        f"{times(field.sizes)}"
        f"{stage}: at least {people(beyond)} of {counted(prod(field.seen), 'position')} lie outside it"
    )
    yield says(field.met, message, beyond, "positions", once=True)


@rule(
    "receptive-field-short",
    finds="no position of the last feature map sees the whole input",
    reason="Content further apart than one field is combined only after the last feature map.",
)
def short_field(flow: Flow) -> Iterator[Finding]:
    """Find a last feature map none of whose positions sees the whole input."""
    field = _field(flow)
    if field is None or not any(mine < size for mine, size in zip(field.seen, field.sizes, strict=True)):
        return
    layers = [met.layer for met in flow.running()]
    if any(layer.op == "scale" if layer.rule is None else layer.rule.over_the_map for layer in layers):
        return  # a gate, or a norm with statistics over the map, sees all of it
    whole = prod(field.sizes)
    message = (
        f"each position that {field.ended} {field.met.layer.op} sees {times(field.seen)} of an input of "
        f"{times(field.sizes)}: {people(whole - field.common)} of {counted(whole, 'position')} are outside any field"
    )
    yield says(field.met, message, whole - field.common, "positions", once=True)


@rule(
    "misaligned-branches",
    finds="joined branches look at the input around different positions",
    reason="The joined values describe places that are shifted relative to each other, often by an even kernel or "
    "by padding on one side.",
)
def misaligned_branches(flow: Flow) -> Iterator[Finding]:
    """Find joins of branches whose positions do not lie above the same of the input.

    Branches of a sequence that all look back from the same position are aligned: that is what causal means.
    """
    for met in flow.running():
        layer = met.layer
        ends, others = met.seen
        if layer.op not in ("add", "concat") or layer.rule is not None or len(ends) < 2:
            continue
        if not all(end.known for end in ends) or len({len(end.axes) for end in ends}) > 1:
            continue
        if _shifts(ends) != _shifts(others):
            continue  # copies differ, so no one number is true of them
        jumps = [tuple(axis.jump for axis in end.axes) for end in ends]
        starts = [tuple(axis.start for axis in end.axes) for end in ends]
        if len(set(jumps)) > 1:
            said = f"steps of {listed(_each(jumps), 'and')} positions of the input"
        elif len(set(starts)) > 1 and not (len(starts[0]) == 1 and len({end.axes[0].high for end in ends}) == 1):
            said = f"first positions around {listed(_each(starts), 'and')} of the input"
        else:
            continue
        elements = number(layer.out.elements)
        message = f"{layer.op} joins branches with {said}, over {counted(elements, 'element')}"
        yield says(met, message, elements, "elements")


def _shifts(ends: Seen) -> list[tuple[tuple[int, float], ...]]:
    """Return how far the branches of a join lie from the first, by axis, each with its step."""
    return [
        tuple((axis.jump, axis.start - first.start) for axis, first in zip(end.axes, ends[0].axes, strict=False))
        for end in ends
    ]


def _each(values: Iterable[tuple[float, ...]]) -> list[str]:
    """Write what differs, each once: one number where the axes agree."""
    texts = []
    for value in values:
        words = [str(int(one)) if one == int(one) else str(one) for one in value]
        texts.append(words[0] if len(set(words)) == 1 else f"({', '.join(words)})")
    return list(dict.fromkeys(texts))
