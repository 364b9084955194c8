"""What a careful reviewer would say of a network: each finding names its rule, its place, what it costs and why.

The rules look at the flow of tensors, and say nothing where they cannot be sure.
"""

from __future__ import annotations

from itertools import pairwise
from math import gcd, prod
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.network import Cost, Layer, children
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.flow.receptive import WHOLE_MAP, last_field
from bneck_cli.flow.tensors import WEIGHTED, Flow, Met, follow
from bneck_cli.flow.unread import vain
from bneck_cli.questions.analyze import describe_input
from bneck_cli.words.values import people as grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.errors import Location
    from bneck_cli.flow.tensors import Seen
    from bneck_cli.language.document import Place

FOLDING = {"bn": "batch norm", "in": "instance norm"}
"""Norms that take the mean of each channel away."""
NORMS = frozenset({"bn", "ln", "gn", "in", "rmsnorm", "layer_scale", "dropout", "droppath"})
OVER_THE_MAP = frozenset({"in", "gn"})
"""Norms whose statistics let every position depend on all others."""
MULTIPLE = 8
MAX_TAPS = 4096
DOMINANT = 90
"""In percent of a block's multiply-adds."""
NEARLY = 16
"""Channels that differ by less than this part of them are taken for a slip."""
USUAL = ("receptive-field-exceeds-input", "pointwise-dominates")
"""Rules that most networks of today break on purpose, and that are silent unless asked for."""
SIDES = {1: ("position",), 2: ("row", "column"), 3: ("frame", "row", "column")}


class SymbolicError(Exception):
    """A rule met a size that is no number."""


class Finding(NamedTuple):
    """What a rule says of one layer; of folded copies once, with ``cost`` that of all of them, counted in ``unit``."""

    rule: str
    place: Place
    path: str
    copies: int
    message: str
    cost: int
    unit: str
    reason: str

    @property
    def hint(self) -> str:
        """How to silence it."""
        return f"--ignore {self.rule}"


class Lint(NamedTuple):
    """The findings, by rule and in execution order; how many were ignored; the rules that symbolic sizes ruled out."""

    title: str
    findings: tuple[Finding, ...]
    ignored: int = 0
    skipped: tuple[str, ...] = ()


class Group(NamedTuple):
    """The findings of one rule at one place of the spec."""

    rule: str
    location: Location
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Finding:
        """The finding that costs most in a single copy; of several the first."""
        return max(self.findings, key=lambda finding: finding.cost // finding.copies)

    @property
    def copies(self) -> int:
        """How many layers it is about."""
        return sum(finding.copies for finding in self.findings)

    @property
    def cost(self) -> int:
        """What all of them cost."""
        return sum(finding.cost for finding in self.findings)


def lint(analysis: Analysis, ignore: Iterable[str] = ()) -> Lint:
    """Apply every rule to an analysed network. Raises BneckError where ``ignore`` names a rule that there is not."""
    silent = frozenset(ignore)
    for name in sorted(silent.difference(RULES)):
        hint = nearest(name, RULES) or f"they are {listed(RULES, 'and')}"
        raise BneckError(f"--ignore: unknown rule '{name}'", hint=hint)
    flow = follow(analysis)
    findings: list[Finding] = []
    skipped, ignored = [], 0
    for name, (rule, _) in RULES.items():
        try:
            found = list(rule(flow))
        except SymbolicError:
            if name not in silent:
                skipped.append(name)
            continue
        if name in silent:
            ignored += len(found)
        else:
            findings += found
    return Lint(f"{analysis.name} · {describe_input(analysis)}", tuple(findings), ignored, tuple(skipped))


def groups(lint: Lint) -> list[Group]:
    """Gather the findings of a rule at the same place of the spec, in the order of the text."""
    gathered: dict[tuple[str, str], tuple[Location, list[Finding]]] = {}
    known: dict[tuple[int, int], Location] = {}
    for finding in lint.findings:
        at = (id(finding.place.node), finding.place.offset)
        location = known.get(at) or known.setdefault(at, finding.place.location())
        gathered.setdefault((finding.rule, str(location)), (location, []))[1].append(finding)
    listed_groups = [Group(rule, location, tuple(found)) for (rule, _), (location, found) in gathered.items()]
    return sorted(listed_groups, key=lambda group: (group.location.file, group.location.line, group.location.column))


def totals(lint: Lint) -> dict[str, tuple[int, int, str]]:
    """Sum the findings of each rule that has any: the layers, what they cost, and its unit."""
    sums: dict[str, tuple[int, int, str]] = {}
    for finding in lint.findings:
        copies, cost, _ = sums.get(finding.rule, (0, 0, ""))
        sums[finding.rule] = (copies + finding.copies, cost + finding.cost, finding.unit)
    return sums


# What rules ask


def says(met: Met, rule: str, message: str, cost: int, unit: str, once: bool = False) -> Finding:
    """Make a finding of a layer; ``cost`` is that of one copy, or is said ``once`` for the last of them alone."""
    path, layer, copies, _ = met.entry
    copies = 1 if once else copies
    return Finding(rule, layer.place, path, copies, message, cost * copies, unit, REASONS[rule])


def number(size: Any) -> int:
    """Take a size that must be a number. Raises SymbolicError for another."""
    if not isinstance(size, int):
        raise SymbolicError
    return size


def numbers(sizes: Iterable[Any]) -> tuple[int, ...]:
    """Take sizes that must all be numbers."""
    return tuple(number(size) for size in sizes)


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
    """Give a layer's window by axis; nothing where it has none, or one that spreads."""
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


def macs_of(layer: Layer) -> int:
    """Count a layer's multiply-adds by torchvision's rule, whatever rule the analysis counts by."""
    return number(layer.rule.macs(layer.shape, layer.out) if layer.rule is not None else layer.cost.macs)


def percent(part: int, whole: int) -> str:
    """Write a share, which is not said to be all or nothing unless it is."""
    tenths = (2000 * part + whole) // (2 * whole)
    tenths = min(max(tenths, int(part > 0)), 1000 - int(part < whole))
    return f"{tenths // 10}.{tenths % 10}%"


def counted(count: int, noun: str) -> str:
    """Write a count with its noun."""
    return f"{grouped(count)} {noun}{'s' * (count != 1)}"


def _times(values: Iterable[Any]) -> str:
    return "×".join(map(grouped, values))


# The rules


def strided_pointwise(flow: Flow) -> Iterator[Finding]:
    """Find convolutions outside shortcuts whose windows leave gaps."""
    return _strided(flow, "strided-1x1", in_shortcut=False)


def strided_shortcut(flow: Flow) -> Iterator[Finding]:
    """Find convolutions in shortcuts whose windows leave gaps."""
    return _strided(flow, "strided-1x1-shortcut", in_shortcut=True)


def _strided(flow: Flow, rule: str, in_shortcut: bool) -> Iterator[Finding]:
    for met in flow.running():
        layer = met.layer
        if layer.op not in ("conv", "dwconv") or met.in_shortcut != in_shortcut:
            continue
        axes = sides(layer)
        whole, seen = prod(axis.length for axis in axes), prod(axis.seen for axis in axes)
        if not any(axis.gapped for axis in axes) or seen == whole:
            continue
        looks = " and ".join(
            f"{grouped(axis.seen)} of {counted(axis.length, noun)}"
            for axis, noun in zip(axes, SIDES[len(axes)], strict=True)
        )
        skipped = f"{grouped(whole - seen)} of {counted(whole, 'position')} ({percent(whole - seen, whole)})"
        message = f"{layer.text} looks at {looks} and skips {skipped}"
        yield says(met, rule, message, whole - seen, "positions")


def bias_before_norm(flow: Flow) -> Iterator[Finding]:
    """Find biases that the norm behind them takes away."""
    for met in flow.layers:
        layer = met.layer
        if layer.rule is None or layer.op not in (*WEIGHTED, "dwconv"):
            continue
        biased = not layer.rule.nobias if layer.op == "linear" else layer.rule.bias
        readers = [flow.layers[reader].layer if reader >= 0 else None for reader in met.out.all_readers()]
        norms = [reader.op for reader in readers if reader and reader.rule is not None and reader.op in FOLDING]
        if not biased or not readers or len(norms) < len(readers):
            continue
        channels = number(layer.out.channels)
        useless, norm = counted(channels, "param"), FOLDING[norms[0]]
        message = f"the bias of {layer.text} is {useless} that the {norm} behind it takes away"
        yield says(met, "bias-before-norm", message, channels, "params")


def uneven_channels(flow: Flow) -> Iterator[Finding]:
    """Find layers whose own channels are no multiple of 8: not the input's, nor those that leave the network."""
    for met in flow.running():
        layer = met.layer
        if layer.rule is None or layer.op not in (*WEIGHTED, "dwconv") or getattr(layer.rule, "groups", 1) != 1:
            continue
        came, left = number(layer.shape.channels), number(layer.out.channels)
        fixed_in, fixed_out = met.reads[0].given, id(met.out) in flow.ends
        if layer.op == "dwconv":  # its channels are those that arrive: one choice, and fixed where either end is
            fixed_in = fixed_out = fixed_in or fixed_out
        wide_in, wide_out = came if fixed_in else _rounded(came), left if fixed_out else _rounded(left)
        if (wide_in, wide_out) == (came, left):
            continue
        macs = macs_of(layer)
        wider = macs // left * wide_out if layer.op == "dwconv" else macs // (came * left) * wide_in * wide_out
        message = (
            f"{layer.text} has {counted(came, 'channel')} in and {grouped(left)} out: "
            f"rounded up to {grouped(wide_in)} and {grouped(wide_out)} it is {grouped(wider)} MACs, not {grouped(macs)}"
        )
        yield says(met, "channels-not-multiple-of-8", message, wider - macs, "MACs")


def _rounded(channels: int) -> int:
    return -(-channels // MULTIPLE) * MULTIPLE


def dropped_border(flow: Flow) -> Iterator[Finding]:
    """Find windows that end before the map does."""
    for met in flow.running():
        layer = met.layer
        axes = sides(layer)
        lost = [0 if axis.gapped else axis.length - axis.end for axis in axes]
        if not any(lost):
            continue
        whole = prod(axis.length for axis in axes)
        dropped = whole - prod(axis.length - less for axis, less in zip(axes, lost, strict=True))
        ends = " and ".join(counted(less, noun) for less, noun in zip(lost, SIDES[len(axes)], strict=True) if less)
        size = _times(axis.length for axis in axes)
        message = (
            f"{layer.text} never reaches {ends} at the end of {size}: "
            f"{grouped(dropped)} of {counted(whole, 'position')}"
        )
        yield says(met, "dropped-border", message, dropped, "positions")


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
    """Give the receptive field of the last feature map, where it is a number; a block has none of its own."""
    analysis = flow.analysis
    if analysis.program.block is not None or len(analysis.inputs) != 1:
        return None
    sizes = numbers(next(iter(analysis.inputs.values())).spatial)
    reach = last_field(flow.sight)
    running = [met for met in flow.running() if met.layer.shape.spatial]
    if not reach.known or len(reach.axes) != len(sizes) or not running:
        return None
    top = {child.label: child for child in children(analysis.root)}
    pooled = [met for met in running if met.entry.path in top and met.layer.op in WHOLE_MAP]
    if any(top[met.entry.path].stem == "gate" for met in pooled):
        return None
    met, ended = (pooled[0], "enters") if pooled else (running[-1], "leaves")
    return Field(met, tuple(axis.size for axis in reach.axes), sizes, ended)


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
                stage = f", which {visit.path} is the first to exceed" if field.met.entry.path != visit.path else ""
                break
    message = (
        f"what {field.ended} {field.met.layer.op} spans {_times(field.seen)} of an input of {_times(field.sizes)}"
        f"{stage}: at least {grouped(beyond)} of {counted(prod(field.seen), 'position')} lie outside of it"
    )
    yield says(field.met, "receptive-field-exceeds-input", message, beyond, "positions", once=True)


def short_field(flow: Flow) -> Iterator[Finding]:
    """Find a last feature map none of whose positions sees the whole input."""
    field = _field(flow)
    if field is None or not any(mine < size for mine, size in zip(field.seen, field.sizes, strict=True)):
        return
    if any(met.layer.op == "scale" or met.layer.op in OVER_THE_MAP for met in flow.running()):
        return  # a gate, or a norm with statistics over the map, sees all of it
    whole = prod(field.sizes)
    message = (
        f"what {field.ended} {field.met.layer.op} spans {_times(field.seen)} of an input of {_times(field.sizes)}: "
        f"{grouped(whole - field.common)} of {counted(whole, 'position')} are outside of any one field"
    )
    yield says(field.met, "receptive-field-short", message, whole - field.common, "positions", once=True)


def misaligned_branches(flow: Flow) -> Iterator[Finding]:
    """Find joins of branches whose positions do not lie above the same of the input."""
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
        elif len(set(starts)) > 1:
            said = f"first positions around {listed(_each(starts), 'and')} of the input"
        else:
            continue
        elements = number(layer.out.elements)
        message = f"{layer.op} joins branches with {said}, over {counted(elements, 'element')}"
        yield says(met, "misaligned-branches", message, elements, "elements")


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
            message = f"{met.layer.text} holds {grouped(mine)} of {grouped(whole)} params ({percent(mine, whole)})"
            yield says(met, "params-concentrated", message, mine, "params")


def needless_projection(flow: Flow) -> Iterator[Finding]:
    """Find shortcuts that project a tensor to the shape that it has."""
    for fork, before, first, end in flow.shortcuts:
        layers = flow.layers[first:end]
        mixing = [met for met in layers if met.layer.rule is not None and met.layer.op in ("conv", "linear")]
        if len(mixing) != 1 or layers[0].reads[0] is not before or layers[0].entry.idle:
            continue
        met = mixing[0]
        plain = all(other is met or (other.layer.rule is not None and other.layer.op in NORMS) for other in layers)
        chained = all(later.reads[0] is sooner.out for sooner, later in pairwise(layers))
        window = met.layer.rule.geometry(met.layer.shape)
        pointwise = window is None or set(window.kernel) | set(window.stride) == {1}
        if not (plain and chained and pointwise) or fork.branches[1].out != fork.shape:
            continue
        cost = sum(number(other.layer.cost.params) for other in layers)
        macs = macs_of(met.layer)
        message = (
            f"{met.layer.text} in a shortcut gives {fork.shape} as it takes it, "
            f"for {counted(cost, 'param')} and {counted(macs, 'MAC')}"
        )
        yield says(met, "needless-projection", message, cost, "params")


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
                f"{grouped(part)} of the {grouped(total)} MACs of their block ({percent(part, total)})"
            )
            yield says(met, "pointwise-dominates", message, part, "MACs")


def _is_grouped(layer: Layer) -> bool:
    """Tell whether a layer is a convolution in groups, over more than one position."""
    if layer.rule is None or layer.op not in ("conv", "dwconv"):
        return False
    window = layer.rule.geometry(layer.shape)
    return set(window.kernel) != {1} and (layer.op == "dwconv" or layer.rule.groups != 1)


def _is_pointwise(layer: Layer) -> bool:
    """Tell whether a layer mixes all channels of each position of a map by itself, as a 1x1 convolution does."""
    if layer.rule is None or not layer.out.spatial or layer.out.positions == 1:
        return False
    if layer.op != "conv":
        return layer.op == "linear"
    return set(layer.rule.geometry(layer.shape).kernel) == {1} and layer.rule.groups == 1


def unread_result(flow: Flow) -> Iterator[Finding]:
    """Find layers whose result nobody reads and that is no output, with what leads to them alone."""
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
            elif maker is None and id(tensor) not in seen:  # what enters a copy
                seen.add(id(tensor))
                tensors += tensor.sources
        others = f" (and of {counted(leading, 'layer')} that lead to it alone)" if leading > 0 else ""
        message = (
            f"nobody reads the result of {met.layer.text}, which is no output: "
            f"its {counted(number(cost.params), 'param')} and {counted(number(cost.macs), 'MAC')}{others} serve nothing"
        )
        found = says(met, "unread-result", message, number(met.layer.out.elements), "elements", once=True)
        yield found._replace(copies=one.unread, cost=found.cost * one.unread)


def dropped_addition(flow: Flow) -> Iterator[Finding]:
    """Find residuals that ``if_same`` left without their addition though the channels are nearly equal."""
    ends: dict[tuple[int, int], list[Met]] = {}
    for met in flow.layers if flow.analysis.dropped else ():
        ends.setdefault((id(met.layer.place.node), met.layer.place.offset), []).append(met)
    for place, shape, out, last in flow.analysis.dropped:
        came, left = number(shape.channels), number(out.channels)
        if shape.spatial != out.spatial or NEARLY * abs(came - left) >= max(came, left):
            continue
        message = f"`shortcut: if_same` adds nothing, since {shape} arrives and {out} leaves"
        for met in ends.get((id(last.node), last.offset), ()):
            if met.layer.out == out:
                found = says(met, "dropped-addition", message, number(out.elements), "elements")
                yield found._replace(place=place)


def linear_on_map(flow: Flow) -> Iterator[Finding]:
    """Find a linear layer that gives a network's result, for each position of a map by itself."""
    analysis = flow.analysis
    if analysis.program.block is not None:
        return
    maps = {shape.spatial for shape in analysis.outputs.values()}
    for met in flow.running():
        layer = met.layer
        if layer.rule is None or layer.op != "linear" or len(layer.out.spatial) < 2 or layer.out.spatial not in maps:
            continue
        positions = number(layer.out.positions)
        if id(met.out) in flow.ends and positions > 1:
            message = (
                f"{layer.text} works on each of {_times(layer.out.spatial)} positions by itself, "
                f"and the result is {layer.out}"
            )
            yield says(met, "linear-on-map", message, positions, "positions")


RULES: dict[str, tuple[Callable[[Flow], Iterator[Finding]], str]] = {
    "strided-1x1": (strided_pointwise, "a convolution's stride exceeds its kernel, so part of its input is never seen"),
    "strided-1x1-shortcut": (strided_shortcut, "the same in a shortcut, where the body may see what is skipped"),
    "bias-before-norm": (bias_before_norm, "a bias directly before a norm that subtracts the mean is useless"),
    "channels-not-multiple-of-8": (uneven_channels, "channels inside the network are no multiple of 8"),
    "dropped-border": (dropped_border, "a strided window never reaches the last rows or columns of this input"),
    "receptive-field-exceeds-input": (wide_field, "positions of the last feature map see beyond the input"),
    "receptive-field-short": (short_field, "no position of the last feature map sees the whole input"),
    "misaligned-branches": (misaligned_branches, "joined branches look at the input around different positions"),
    "params-concentrated": (concentrated_params, "one layer holds over half of the parameters"),
    "needless-projection": (needless_projection, "a shortcut projects to the shape that it has already"),
    "pointwise-dominates": (
        dominant_pointwise,
        "pointwise layers beside a grouped convolution are over 90% of their block",
    ),
    "unread-result": (unread_result, "nobody reads a layer's result, and it is no output"),
    "dropped-addition": (dropped_addition, "`shortcut: if_same` adds nothing, since the channels differ a little"),
    "linear-on-map": (linear_on_map, "the last linear layer works on each position of a map by itself"),
}
"""Each rule's function and what it is about, in one line."""

REASONS = {
    "strided-1x1": "What it skips has no effect through this layer; the stride in a wider window, or a pooling before "
    "it, would see everything.",
    "strided-1x1-shortcut": "Usual for a projection, and of less weight where the body sees what is skipped; an "
    "average pooling before it would see everything.",
    "bias-before-norm": "The norm subtracts each channel's mean, and the bias with it; a shift after it is the norm's "
    "own to give.",
    "channels-not-multiple-of-8": "Matrix and vector units take 8 channels or more at a time, and what is missing is "
    "often padded with zeros.",
    "dropped-border": "No padding is left for a last window, so the network's answer does not depend on that border "
    "through this layer; another input size or padding would keep it.",
    "receptive-field-exceeds-input": "Depth beyond the input's size widens the view no more: it works on the same "
    "content, and on padding.",
    "receptive-field-short": "What lies further apart than a field meets only behind the last feature map.",
    "misaligned-branches": "Values that are joined describe places that are shifted against each other, often from an "
    "even kernel or from padding on one side.",
    "params-concentrated": "The size of the whole model is decided by this layer; pooling before it, or fewer "
    "features, does more than any other change.",
    "needless-projection": "An identity fits here, costs nothing, and lets the signal pass unchanged.",
    "unread-result": "It is computed and counted, and the network's answer does not depend on it: `from` takes another "
    "tensor before anything reads this one, or `outputs` names others.",
    "dropped-addition": "Channels that differ by less than a sixteenth are rarely meant; make them equal, or write the "
    "residual without a shortcut.",
    "linear-on-map": "Without `flatten` or `global_avgpool` before it, a linear layer acts as a 1x1 convolution.",
    "pointwise-dominates": "Groups have made the wide window nearly free, so what is left to save is in the 1x1 "
    "convolutions: fewer channels, or groups there too.",
}
"""Why a reviewer would care, by rule."""
