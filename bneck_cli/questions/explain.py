"""An analysis in words: what each layer does and why, with every number from the analysis itself.

A sentence is made where what it says has been checked on the block at hand, and left out where it has not, so a block
that nobody has seen before is explained as far as it is understood.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.analysis import Settings, analyze_program, with_words
from bneck_cli.engine.network import Fork, Layer, Series, children, entries, inner
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.flow.follow import depth
from bneck_cli.flow.receptive import reaches, receptive_field
from bneck_cli.language.library import load
from bneck_cli.questions.analyze import describe_input
from bneck_cli.questions.compare import times
from bneck_cli.questions.match import MEASURES, match
from bneck_cli.words.values import people as grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.layers import Window
    from bneck_cli.engine.network import Entry, Node, Size
    from bneck_cli.language.library import Program
    from bneck_cli.sizes.shape import Shape

PLAIN, OTHER = "basic", "bottleneck"
"""The block that others are compared with, and the one that it is compared with itself."""
STEP = 8


class Section(NamedTuple):
    """A heading and what stands below it: sentences, each a line of its own."""

    title: str
    lines: tuple[str, ...]


class Explanation(NamedTuple):
    """A title and its sections; those that have nothing to say are left out."""

    title: str
    sections: tuple[Section, ...]


class Subject(NamedTuple):
    """What is explained: a node, the path at which it stands, and where its own layers are."""

    node: Series
    path: str
    entries: tuple[Entry, ...]

    @property
    def layers(self) -> list[Layer]:
        """The layers that run, in execution order."""
        return [entry.layer for entry in self.entries if not entry.idle]


def explain(program: Program, settings: Settings = Settings(), at: str | None = None) -> Explanation:
    """Explain a block, a network, or with ``at`` the stage or block of a network at that path.

    Raises BneckError for a path that is not there, and where sizes are symbols.
    """
    program, settings = with_words(program, settings)
    analysis = analyze_program(program, settings)
    if not all(isinstance(size, int) for size in (analysis.cost.macs, analysis.cost.params)):
        raise BneckError(
            "an explanation needs numbers; the sizes have symbols", hint="give --channels 256 --input 56x56"
        )
    if at is None and program.block is None:
        return _network(analysis)
    subject = _found(analysis, at) if at else Subject(analysis.root, "", tuple(entries(analysis.root)))
    name = inner(subject.node).name or subject.path
    title = f"{name} · {subject.node.shape} to {subject.node.out}" + (
        f" · {subject.path} of {analysis.name}" if at else ""
    )
    sections = [
        Section("In short", tuple(_summary(name, subject))),
        Section("Layer by layer", tuple(_layers(subject))),
        Section("What the numbers mean", tuple(_numbers(subject))),
        Section("The stride", tuple(_stride(subject))),
        Section("Where the map comes from", tuple(_origin(analysis, subject)) if at else ()),
        Section("What it sees", tuple(_sight(analysis, subject))),
        Section("Beside another block", tuple(_beside(name, program, settings, subject))),
    ]
    return Explanation(title, tuple(section for section in sections if section.lines))


# The subject


def _found(analysis: Analysis, path: str) -> Subject:
    """Find what stands at a path; of a stage, its first block."""
    node: Node = analysis.root
    walked = ""
    for word in path.split("."):
        held = {copy.label: copy for child in children(node) for copy in child.opened()} if not _is_layer(node) else {}
        if word not in held:
            known = listed(held, "and") if held else "nothing more"
            at = f"{walked} has" if walked else f"{analysis.name} has"
            raise BneckError(f"nothing stands at '{path}'", hint=nearest(word, held) or f"{at} {known}")
        node = held[word].node
        walked = f"{walked}.{word}" if walked else word
    if isinstance(node, Series) and inner(node).kind == "repeat":
        first = next(iter(children(node))).opened()
        child = next(iter(first))
        node, walked = child.node, f"{walked}.{child.label}"
    if not isinstance(node, Series):
        raise BneckError(f"'{path}' is a single layer", hint="name the block or the stage that it is in")
    return Subject(node, walked, tuple(entries(node)))


def _is_layer(node: Node) -> bool:
    return isinstance(node, Layer)


def _is_conv(layer: Layer) -> bool:
    return layer.rule is not None and layer.rule.part == "conv"


def _is_mixing(layer: Layer) -> bool:
    """Tell whether a layer has weights that multiply what arrives."""
    return layer.rule is not None and layer.rule.part in ("conv", "linear", "attention")


# Sentences


def _summary(name: str, subject: Subject) -> Iterator[str]:
    node, layers = subject.node, subject.layers
    cost = node.cost
    convs = sum(entry.copies for entry in subject.entries if _is_mixing(entry.layer) and not entry.idle)
    what = "convolutions" if all(_is_conv(layer) for layer in layers if _is_mixing(layer)) else "layers with weights"
    yield (
        f"{name} takes {node.shape} to {node.out} with {convs} {what if convs != 1 else what[:-1]}: "
        f"{grouped(cost.params)} parameters, {grouped(cost.macs)} multiply-adds."
    )
    shortcuts = [fork for fork in _forks(node) if fork.kind == "residual"]
    if len(shortcuts) == 1:
        side = shortcuts[0].branches[1]
        if side.cost.params == 0 and side.shape == side.out:
            yield "Its result is added to what came in: the shortcut is the identity and costs nothing."
        elif any(_is_conv(entry.layer) for entry in entries(side)):
            yield (
                f"Its result is added to a projection of what came in, since {side.shape} and {side.out} "
                f"could not be added: {grouped(side.cost.params)} parameters, {grouped(side.cost.macs)} multiply-adds."
            )


def _forks(node: Node) -> Iterator[Fork]:
    """Yield the forks of a node, outermost first."""
    if isinstance(node, Fork):
        yield node
        for branch in node.branches:
            yield from _forks(branch)
    elif isinstance(node, Series):
        for run in node.runs:
            yield from _forks(run.node)


def _layers(subject: Subject) -> Iterator[str]:
    """Say what each layer that mixes or moves does, and write its arithmetic out."""
    for entry in subject.entries:
        layer = entry.layer
        if entry.idle or not (_is_mixing(layer) or layer.shape.spatial != layer.out.spatial):
            continue
        copies = f" ({entry.copies} times)" if entry.copies > 1 else ""
        yield f"{entry.path}{copies}: {layer.text}, {layer.shape} to {layer.out}. {_role(layer)}".rstrip()
        if _is_conv(layer):
            yield f"  {_conv_arithmetic(layer)}"
        elif _is_mixing(layer) and layer.rule.part == "linear":
            yield f"  {_linear_arithmetic(layer)}"
        elif _is_mixing(layer):
            yield f"  {grouped(layer.cost.params)} weights and biases, {grouped(layer.cost.macs)} multiply-adds"


def _conv_arithmetic(layer: Layer) -> str:
    """Write a convolution's weights and multiply-adds as products."""
    window, x, y = layer.rule.geometry(layer.shape), layer.shape, layer.out
    transposed = window.transposed
    seen, filters = x.channels // window.groups, y.channels
    if transposed:
        seen, filters = x.channels, y.channels // window.groups
    product = "·".join(str(size) for size in (*window.kernel, seen, filters))
    count = weight_count(layer)
    bias = f" + {grouped(y.channels)} biases" if layer.cost.params != count else ""
    positions = x.spatial if transposed else y.spatial
    where = "·".join(map(str, positions))
    macs = f"{grouped(count)}·{where} = {grouped(layer.cost.macs)}"
    return f"weights {product} = {grouped(count)}{bias}; multiply-adds {macs}"


def weight_count(layer: Layer) -> int:
    """Count a layer's weights without its biases."""
    biased = getattr(layer.rule, "bias", False)
    return whole(layer.cost.params) - (whole(layer.out.channels) if biased else 0)


def _linear_arithmetic(layer: Layer) -> str:
    x, y = layer.shape, layer.out
    bias = "" if layer.rule.nobias else f" + {grouped(y.channels)} biases"
    count = x.channels * y.channels
    where = "".join(f"·{size}" for size in y.spatial)
    return (
        f"weights {x.channels}·{y.channels} = {grouped(count)}{bias}; "
        f"multiply-adds {grouped(count)}{where} = {grouped(layer.cost.macs)}"
    )


def _role(layer: Layer) -> str:
    """Say what a layer is for, as far as its numbers tell."""
    x, y = layer.shape, layer.out
    window: Any = layer.rule.geometry(x) if layer.rule is not None else None
    parts = []
    if _is_conv(layer) and not window.transposed:
        pointwise = set(window.kernel) == {1}
        if window.groups == x.channels and window.groups != 1:
            parts.append("It filters each channel by itself and mixes none")
        elif window.groups != 1:
            parts.append(f"It mixes channels within {window.groups} groups of {x.channels // window.groups}")
        elif pointwise and whole(y.channels) < whole(x.channels):
            parts.append(f"It mixes channels at each position and squeezes {x.channels} to {y.channels}")
        elif pointwise and whole(y.channels) > whole(x.channels):
            parts.append(f"It mixes channels at each position and expands {x.channels} to {y.channels}")
        elif pointwise:
            parts.append("It mixes channels at each position")
        if not pointwise:
            extent = "×".join(map(str, window.kernel))
            across = "" if parts or x.channels == 1 else f" in all {x.channels} channels"
            parts.append(f"{'it' if parts else 'It'} looks at {extent} neighbours{across}")
    elif _is_conv(layer):
        parts.append("It spreads each position over a window of a finer map")
    elif layer.op in ("maxpool", "avgpool"):
        kept = "largest" if layer.op == "maxpool" else "mean"
        parts.append(f"It keeps the {kept} of each {'×'.join(map(str, window.kernel))} window")
    elif layer.op in ("global_avgpool", "global_maxpool"):
        parts.append(f"It makes one number of each channel's {'×'.join(map(str, x.spatial))} map")
    if window is not None and not window.transposed and max(window.stride) > 1:
        parts.append(f"its stride of {extent_text(window.stride)} takes {_side(x)} to {_side(y)}")
    return "; ".join(parts) + "." if parts else ""


def extent_text(sizes: tuple[int, ...]) -> str:
    """Write sizes by axis: one number where they agree."""
    return str(sizes[0]) if len(set(sizes)) == 1 else "×".join(map(str, sizes))


def whole(size: Size) -> int:
    """Take a size for the number that it is."""
    assert isinstance(size, int)
    return size


def _side(shape: Shape) -> str:
    return "×".join(map(str, shape.spatial))


def _numbers(subject: Subject) -> Iterator[str]:
    """Say what the number of a convolution's channels is."""
    convs = _convs(subject)
    if not convs:
        return
    first = convs[0]
    window = first.rule.geometry(first.shape)
    seen = first.shape.channels // window.groups
    size = "×".join(map(str, (*window.kernel, seen)))
    one = weight_count(first) // whole(first.out.channels)
    yield (
        f"The {first.out.channels} channels that leave `{first.text}` are the number of its filters: "
        f"each filter is {size}, {grouped(one)} weight{'s' * (one != 1)}, and makes one {_side(first.out)} map."
    )
    spatial = [layer for layer in convs if max(layer.rule.geometry(layer.shape).kernel) > 1]
    narrow = min((whole(layer.shape.channels) for layer in spatial), default=None)
    if narrow is not None and _is_bottleneck(subject, convs):
        yield (
            f"Between the two 1x1 convolutions there are {narrow} channels where {subject.node.out.channels} leave: "
            f"that narrow place is the bottleneck, and the wide kernel works in it."
        )


def _convs(subject: Subject) -> list[Layer]:
    """List the convolutions that make a map of windows."""
    return [layer for layer in subject.layers if _is_conv(layer) and not layer.rule.geometry(layer.shape).transposed]


def _is_bottleneck(subject: Subject, convs: list[Layer]) -> bool:
    """Tell whether a block squeezes, looks at neighbours, and expands again, in just this order."""
    body = [layer for layer in convs if layer in _body(subject.node)]
    if len(body) != 3:
        return False
    kernels = [set(layer.rule.geometry(layer.shape).kernel) for layer in body]
    squeezed, seen, expanded = body
    return bool(
        kernels[0] == {1} == kernels[2]
        and kernels[1] != {1}
        and whole(squeezed.out.channels) < whole(squeezed.shape.channels)
        and whole(expanded.out.channels) > whole(expanded.shape.channels)
        and seen.shape.channels == seen.out.channels
    )


def _body(node: Node) -> list[Layer]:
    """List the layers of a block without those of its shortcut or gate."""
    if isinstance(node, Layer):
        return [node]
    if isinstance(node, Fork):
        branches = (
            node.branches[:1] if node.kind == "residual" else () if node.kind in ("scale", "aside") else node.branches
        )
        return [layer for branch in branches for layer in _body(branch)]
    return [layer for run in node.runs for layer in _body(run.node)] if isinstance(node, Series) else []


def _stride(subject: Subject) -> Iterator[str]:
    """Say in which layers the stride is, and what it would mean elsewhere."""
    windows = [
        (entry.path, entry.layer, entry.layer.rule.geometry(entry.layer.shape))
        for entry in subject.entries
        if entry.layer.rule is not None and not entry.idle
    ]
    stepping = [(path, layer, window) for path, layer, window in windows if window and max(window.stride) > 1]
    if not stepping:
        kept = subject.node.shape.spatial == subject.node.out.spatial and subject.node.out.spatial
        if any(window for _, _, window in windows) and kept:
            yield f"The stride is 1 in every layer, and padding keeps the map at {_side(subject.node.out)}."
        return
    where = [
        f"{path} ({_kernel(window)}, {_side(layer.shape)} to {_side(layer.out)})" for path, layer, window in stepping
    ]
    yield f"The stride is in {listed(where, 'and')}; it is 1 in every other layer."
    for path, layer, window in stepping:
        if max(window.kernel) == 1 and _is_conv(layer):
            seen, there = whole(layer.out.positions), whole(layer.shape.positions)
            yield (
                f"{path} has a 1x1 window, so of the {grouped(there)} positions that arrive it looks at "
                f"{grouped(seen)} and skips {grouped(there - seen)}."
            )
    yield from _moved(subject, stepping)


def _kernel(window: Window) -> str:
    return "x".join(map(str, window.kernel))


def _moved(subject: Subject, stepping: list[tuple[str, Layer, Window]]) -> Iterator[str]:
    """Say what the stride would mean in the 1x1 before, where it is in the body's wide kernel."""
    body = [layer for layer in _body(subject.node) if _is_conv(layer)]
    for before, layer in pairwise(body):
        window, earlier = layer.rule.geometry(layer.shape), before.rule.geometry(before.shape)
        if layer not in [other for _, other, _ in stepping] or max(window.kernel) == 1:
            continue
        if set(earlier.kernel) != {1} or set(earlier.stride) != {1} or earlier.groups != 1 or before.out != layer.shape:
            continue
        moved = type(before.rule)(**{**_fields(before.rule), "stride": window.stride})
        out = moved.out_shape(before.shape)
        macs = moved.macs(before.shape, out)
        yield (
            f"Were the stride of `{layer.text}` in `{before.text}` instead, that one would take "
            f"{grouped(macs)} multiply-adds, not {grouped(before.cost.macs)}, but look at only "
            f"{grouped(out.positions)} of its {grouped(before.shape.positions)} positions."
        )


def _fields(rule: Any) -> dict[str, Any]:
    """Give the values of a layer kind's fields."""
    return {field.name: getattr(rule, field.name) for field in rule.fields}


def _origin(analysis: Analysis, subject: Subject) -> Iterator[str]:
    """Follow the map's side from the network's input to the subject, through each layer that changes it."""
    if not _has_one_map(analysis):
        return
    yield f"{_side(next(iter(analysis.inputs.values())))} is the input."
    for path, sentence in _shrinking(analysis):
        if path == subject.path or path.startswith(f"{subject.path}."):
            break
        if sentence:
            yield sentence
    yield f"So {_side(subject.node.shape)} arrives at {subject.path}."


def _has_one_map(analysis: Analysis) -> bool:
    shapes = list(analysis.inputs.values())
    return len(shapes) == 1 and len(shapes[0].spatial) == 2


def _shrinking(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Yield each layer's path, with a sentence where a window on the main path makes the map another size."""
    for entry in entries(analysis.root, folded=False):
        layer = entry.layer
        window: Any = layer.rule.geometry(layer.shape) if layer.rule is not None else None
        beside = {"shortcut", "gate", "aside"} & set(entry.path.split("."))
        changes = layer.shape.spatial != layer.out.spatial and window is not None and not window.transposed
        told = changes and not beside and not entry.idle
        yield entry.path, f"{entry.path} ({layer.text}): {_formula(layer, window)}." if told else ""


def _formula(layer: Layer, window: Window) -> str:
    """Write how a window makes a side of another: ``⌊(224 + 2·3 - 7)/2⌋ + 1 = 112``."""
    n, m = layer.shape.spatial[0], layer.out.spatial[0]
    k, s, pad, d = (getattr(window, name)[0] for name in ("kernel", "stride", "padding", "dilation"))
    if pad == "tf_same" or window.ceil:
        return f"{_side(layer.shape)} to {_side(layer.out)}"
    padded = f" + 2·{pad[0]}" if pad[0] == pad[1] and pad[0] else f" + {pad[0]} + {pad[1]}" if any(pad) else ""
    span = k if d == 1 else f"{d}·({k} - 1) - 1"
    return f"⌊({n}{padded} - {span})/{s}⌋ + 1 = {m}"


def _sight(analysis: Analysis, subject: Subject) -> Iterator[str]:
    """Say what a position of the result sees, of the block's input and in context of the network's."""
    own = reaches(analysis._replace(root=subject.node, inputs={"input": subject.node.shape}))
    known = [own[entry.path] for entry in subject.entries if not entry.idle and entry.path in own]
    if known and known[-1].known and subject.node.out.spatial:
        size = "×".join(str(axis.size) for axis in known[-1].axes)
        gate = "; its gate sees all of it" if any(fork.kind == "scale" for fork in _forks(subject.node)) else ""
        yield f"A position of the result spans {size} positions of what arrives{gate}."
    if subject.path:
        found = reaches(analysis, folded=False).get(subject.path)
        if found is not None and found.known:
            size = "×".join(str(axis.size) for axis in found.axes)
            jump = extent_text(tuple(axis.jump for axis in found.axes))
            yield f"Of the network's input it spans {size}, and neighbours are {jump} apart there."


# Beside another block


def _beside(name: str, program: Program, asked: Settings, subject: Subject) -> Iterator[str]:
    """Compare the block with the plain one at equal width, at equal weights and at equal multiply-adds."""
    width = subject.node.out.channels
    definition = program.blocks.get(name)
    if definition is None or definition.parameter("channels") is None or not isinstance(width, int):
        return
    if len(subject.node.out.spatial) != 2 or (subject.path and not _is_plainly_used(subject)):
        return
    values = () if subject.path else tuple(pair for pair in asked.values if pair[0] not in ("channels", "stride"))
    side = "x".join(map(str, subject.node.out.spatial))
    settings = Settings(channels=str(width), input=side)
    try:
        own = analyze_program(program._replace(block=name, net=None), settings._replace(values=values))
        other = PLAIN if name != PLAIN else OTHER
        theirs = analyze_program(load(other), settings)
    except BneckError:
        return
    ours = {key: MEASURES[key][1](own) for key in ("weights", "macs", "activations")}
    their = {key: MEASURES[key][1](theirs) for key in ("weights", "macs", "activations")}
    if not all(isinstance(value, int) and value for value in (*ours.values(), *their.values())) or ours == their:
        return
    parts = [
        f"{grouped(their[key])} {key if key != 'macs' else 'multiply-adds'} against {grouped(ours[key])} "
        f"({_ratio(their[key], ours[key])})"
        for key in ours
    ]
    yield (
        f"At the same width, {width} channels in and out on a {_side(own.root.out)} map, {other} has "
        f"{listed(parts, 'and')}."
    )
    for key in ("weights", "macs"):
        noun = MEASURES[key][0]
        try:
            found = match(other, load(other), settings, key, whole(ours[key]), STEP)
        except BneckError:
            continue
        solved = f" ({found.solution:.1f} channels would have just as many)" if found.solution is not None else ""
        matched = analyze_program(load(other), settings._replace(channels=str(found.channels)))
        held = MEASURES["activations"][1](matched)
        yield (
            f"For no more {noun} than these {grouped(ours[key])}, {other} gets {found.channels} channels in steps of "
            f"{STEP}, with {grouped(found.value)}{solved}; it then writes {grouped(held)} activations, and this block "
            f"{grouped(ours['activations'])}."
        )
        if key == "weights" and found.channels < width:
            purpose = ": that is what the bottleneck is for" if _is_bottleneck(subject, _convs(subject)) else ""
            yield f"So for these weights {name} carries {times(width / found.channels)} the channels{purpose}."


def _is_plainly_used(subject: Subject) -> bool:
    """Tell whether a block in its network is given its channels and a stride and nothing else."""
    words = inner(subject.node).text.split(" ")[1:]
    return len(words) >= 1 and "=" not in words[0] and all(word.startswith("stride=") for word in words[1:])


def _ratio(value: Size, base: Size) -> str:
    ratio = whole(value) / whole(base)
    if ratio == 1:
        return "the same"
    return f"{times(ratio)} as many" if ratio > 1 else f"{times(1 / ratio)} fewer"


# A whole network


def _network(analysis: Analysis) -> Explanation:
    """Explain a network: where its map shrinks, where its weights and multiply-adds are, what it sees."""
    cost = analysis.cost
    short = (
        f"{analysis.name} takes {describe_input(analysis)} to {analysis.root.out}: {depth(analysis)} layers with "
        f"weights deep, {grouped(cost.params)} parameters, {grouped(cost.macs)} multiply-adds."
    )
    steps = [sentence for _, sentence in _shrinking(analysis) if sentence] if _has_one_map(analysis) else []
    title = f"{analysis.name} · {describe_input(analysis)}"
    sections = [
        Section("In short", (short,)),
        Section("Where the map shrinks", tuple(steps)),
        Section("Its stages", tuple(_stages(analysis))),
        Section("Where the cost is", tuple(_concentration(analysis))),
    ]
    return Explanation(title, tuple(section for section in sections if section.lines))


def _stages(analysis: Analysis) -> Iterator[str]:
    """Say of each stage what it makes of the map and which part of the cost is in it."""
    total = analysis.cost
    for child in children(analysis.root):
        node = child.node
        if not isinstance(node, Series) or child.idle:
            continue
        text = f" ({inner(node).text})" if inner(node).kind != "chain" and inner(node).text else ""
        params = _percent(node.cost.params * child.copies, total.params)
        macs = _percent(node.cost.macs * child.copies, total.macs)
        yield f"{child.label}{text}: {node.shape} to {node.out}; {params} of the parameters, {macs} of the MACs."


def _concentration(analysis: Analysis) -> Iterator[str]:
    """Say which single layers cost most, and how the receptive field compares with the input."""
    running = [entry for entry in entries(analysis.root) if not entry.idle]
    for noun, field in (("parameters", "params"), ("multiply-adds", "macs")):
        most = max(running, key=lambda entry: whole(getattr(entry.layer.cost, field)))
        figure = getattr(most.layer.cost, field)
        share = _percent(figure, getattr(analysis.cost, field))
        if figure:
            yield f"No layer has more {noun} than {most.path} ({most.layer.text}): {grouped(figure)}, {share}."
    reach = receptive_field(analysis)
    if reach.known and _has_one_map(analysis):
        size = "×".join(str(axis.size) for axis in reach.axes)
        given = _side(next(iter(analysis.inputs.values())))
        yield f"A position of the last map spans {size} positions of the input, which has {given}."


def _percent(part: Size, total: Size) -> str:
    return f"{whole(part) / whole(total):.1%}" if total != 0 else "none"
