"""Bodies side by side: what joins (a residual, branches, slices, a gate), and what does not (a head, a choice)."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.joins import is_gate
from bneck_cli.engine.layers import LAYERS, LayerError, make
from bneck_cli.engine.layers.kinds import positive, share
from bneck_cli.engine.layers.products import MatMul
from bneck_cli.engine.names import unknown_step
from bneck_cli.engine.network import NOTHING, Cost, Fork, Layer, Node
from bneck_cli.engine.structures.names import several
from bneck_cli.engine.structures.repeats import iterated
from bneck_cli.engine.structures.steps import apply_layer
from bneck_cli.engine.tensor import (
    Flow,
    Frame,
    Result,
    arrive,
    came_from,
    fork,
    identity,
    last_place,
    series,
    share_evenly,
)
from bneck_cli.engine.wording import spelled
from bneck_cli.errors import nearest
from bneck_cli.language.bodies import Aside, Body, Branch, Join, Loop, Nothing, Residual, Resume, Scale, Step
from bneck_cli.language.expression import Items, Name, show, truth
from bneck_cli.language.syntax import SHORTCUTS
from bneck_cli.sizes.number import is_size, is_whole
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bneck_cli.engine.network import Size
    from bneck_cli.engine.walk import Walk
    from bneck_cli.language.document import Place


class Dropped(NamedTuple):
    """An addition that ``shortcut: if_same`` left out: what arrived at the residual, and what its body gave.

    ``last`` is the place of the body's last layer.
    """

    place: Place
    shape: Shape
    out: Shape
    last: Place


class Unwritten(NamedTuple):
    """A layer that stands for a word of the spec: as it would be written, its name, arguments and options."""

    text: str
    name: str
    arguments: list[Any]
    options: dict[str, Any]


def walk_residual(walk: Walk, residual: Residual, flow: Flow, frame: Frame) -> Result:
    """Add the body's result to what the shortcut gives."""
    body, out = walk.body(residual.body, flow, frame)
    shortcut = residual.shortcut
    if shortcut in ("auto", "if_same", "pad"):
        unchanged = walk.joins.unchanged(flow, out)
        if shortcut == "if_same" and not unchanged:
            walk.dropped.append(Dropped(residual.place, flow.shape, out.shape, last_place(body)))
            return Result(body, out)
        shortcut = "identity" if unchanged else "padded" if shortcut == "pad" else "projection"
    if not isinstance(shortcut, str):
        _require_shortcut(walk, shortcut, frame)
        side, across = walk.body(shortcut, flow, frame)
    elif shortcut == "projection":
        side, across = _projection(walk, flow, out, residual.place)
    elif shortcut == "padded":
        side, across = _padded(walk, flow, out, residual.place)
    else:
        side, across = identity(flow, residual.place)
    way_out = ""
    if residual.shortcut == "identity":
        way_out = "; `shortcut: auto` projects the input to the shape of the result"
    elif shortcut == "projection":
        way_out = "; `shortcut: auto` follows channels and strides, not padding: write out the shortcut"
    return joined(walk, "residual", "add", (body, side), (out, across), flow, residual.place, way_out)


def _require_shortcut(walk: Walk, shortcut: Body, frame: Frame) -> None:
    """Require that a shortcut of one word is a layer, a block, or one of the words that stand for one."""
    if isinstance(shortcut, Step) and not shortcut.arguments and not shortcut.options:
        seen = walk.scope_at(shortcut.place)
        known = [*LAYERS, *seen.blocks, *seen.formulas, *frame.scope]
        if shortcut.name not in known:
            raise unknown_step(shortcut.name, shortcut.place, [*SHORTCUTS, *known])


def _strides(flow: Flow, out: Flow, word: str, place: Place) -> tuple[int, ...]:
    """Return the stride of a residual's body by axis."""
    if flow.stride is None or out.stride is None or len(flow.stride) != len(out.stride):
        raise place.error(f"`shortcut: {word}` cannot tell the body's stride; write out the shortcut")
    return tuple(after // before for before, after in zip(flow.stride, out.stride, strict=True))


def _projection(walk: Walk, flow: Flow, out: Flow, place: Place) -> Result:
    """Project the shortcut as the ResNet paper does (option B): a strided 1x1 convolution and batch norm."""
    stride = _strides(flow, out, "auto", place)
    step = stride[0] if len(set(stride)) == 1 else stride
    options = {} if step in (1, ()) else {"stride": step}
    text = spelled("conv", [(1, 1), out.shape.channels], options)
    conv = Unwritten(text, "conv", [1, out.shape.channels], options)
    return _layers(walk, [conv, Unwritten("bn", "bn", [], {})], flow, "auto", place)


def _padded(walk: Walk, flow: Flow, out: Flow, place: Place) -> Result:
    """Make the shortcut fit without weights (option A of the ResNet paper).

    Positions are left out as the body's stride does, and channels of zeros stand on both sides of those that arrive.
    """
    stride = _strides(flow, out, "pad", place)
    more = out.shape.channels - flow.shape.channels
    if is_whole(more) and more < 0:
        few = f"{flow.shape.channels} channels in, {out.shape.channels} out"
        raise place.error(f"`shortcut: pad` can only add channels: {few}")
    steps = []
    if any(step != 1 for step in stride):
        step = stride[0] if len(set(stride)) == 1 else stride
        steps.append(Unwritten(spelled("subsample", [step], {}), "subsample", [step], {}))
    if more != 0:
        before, options = more // 2, {"along": "channels"}
        text = f"pad ({before},{more - before}) along=channels"
        steps.append(Unwritten(text, "pad", [(before, more - before)], options))
    return _layers(walk, steps, flow, "pad", place)


def _layers(walk: Walk, steps: Iterable[Unwritten], flow: Flow, shortcut: str, place: Place) -> Result:
    """Apply the layers of a shortcut that is not written out, each a name, its arguments and its options."""
    nodes: list[Node] = []
    out = flow
    try:
        for step in steps:
            node, out = apply_layer(walk, step.text, make(step.name, step.arguments, step.options), out, place)
            nodes.append(node)
    except LayerError as error:
        raise place.error(f"`shortcut: {shortcut}`: {error}") from None
    return Result(series("chain", "", nodes, flow.shape, out.shape, place), out)


def branches(walk: Walk, join: Join, flow: Flow, frame: Frame) -> Iterator[Body]:
    """Yield the branches of a join; a loop is as many as its list has items, and ``from`` a list so many tensors.

    Each is to be walked before the next is taken: the names of a loop are then those of its branch.
    """
    for branch in join.branches:
        if isinstance(branch, Loop) and branch.branches:
            for _ in iterated(walk, branch, flow, frame):
                yield branch.body
        elif isinstance(branch, Resume) and join.kind != "split":
            yield from several(walk, branch, frame)
        else:
            yield branch


def walk_join(walk: Walk, join: Join, flow: Flow, frame: Frame) -> Result:
    """Walk branches from the same tensor (or from slices of it) and join them; one that is ``nothing`` is left out."""
    starts: Iterable[Flow] = repeat(flow)
    if join.kind == "split" and (parts := sum(1 for _ in branches(walk, join, flow, frame))):
        sizes = _slices(walk, join, parts, flow, frame)
        starts = [flow._replace(shape=Shape(size, flow.shape.spatial)) for size in sizes]
    results, count = [], 0
    for branch, start in zip(branches(walk, join, flow, frame), starts, strict=False):
        count += 1
        body = taken_body(walk, branch, flow, frame)
        if not isinstance(body, Nothing):
            results.append(walk.body(body, start, frame))
    if not results:
        what = f"every branch of `{join.kind}` is `nothing`" if count else f"`{join.kind}` has no branches here"
        raise join.place.error(what)
    nodes, flows = tuple(result.node for result in results), tuple(result.flow for result in results)
    if join.kind == "matmul":
        return _matmul(walk, join, results, flow, frame)
    if len(results) == 1 and (count == 1 or join.kind != "split"):
        return results[0]
    op = join.how if join.kind == "split" else join.kind
    return joined(walk, join.kind, op, nodes, flows, flow, join.place, along=join.along)


def taken_body(walk: Walk, body: Body, flow: Flow, frame: Frame) -> Body:
    """Return what stands in the place of a body once conditions are decided, so that it may be ``nothing``."""
    while isinstance(body, Branch):
        if not _holds(walk, body, flow, frame):
            if body.otherwise is None:
                return body  # the tensor passes by
            body = body.otherwise
        else:
            body = body.then
    return body


def walk_nothing(_walk: Walk, nothing: Nothing, _flow: Flow, _frame: Frame) -> Result:
    """Refuse ``nothing`` where no join leaves it out."""
    hint = "it may only be a branch of `add`, `mul`, `concat` or `split`; `identity` passes the tensor on"
    raise nothing.place.error("`nothing` outside a join", hint)


def _slices(walk: Walk, join: Join, count: int, flow: Flow, frame: Frame) -> list[Size]:
    """Return the channels of each slice: equal ones, or those that are written, of which one may be the ``rest``."""
    whole = flow.shape.channels
    if join.sizes is None:
        return [share_evenly(whole, count, join.place)] * count
    arrive(frame.scope, flow.shape)
    written = walk.value(join.sizes, frame)
    places = [item.place for item in join.sizes.items] if isinstance(join.sizes, Items) else [join.sizes.place] * count
    if type(written) is not tuple or len(written) != count:
        got = f"{len(written)} sizes" if type(written) is tuple else "not a list"
        raise join.sizes.place.error(f"`sizes` must list the channels of each of the {count} branches (got {got})")
    sizes: list[Size] = []
    total: Size = 0
    rest = -1
    for index, value in enumerate(written):
        if value == "rest":
            if rest >= 0:
                raise places[index].error("only one slice can be `rest`")
            rest, value = index, 0  # noqa: PLW2901
        elif not is_size(value) or (is_whole(value) and value < 1):
            raise places[index].error(f"a slice needs a positive number of channels, or `rest` (got {show(value)})")
        sizes.append(value)
        total = total + value
    left = whole - total
    if rest >= 0:
        sizes[rest] = left
    short = is_whole(left) and left < (rest >= 0)
    if short or (rest < 0 and left != 0):
        said = " + ".join(str(size) for index, size in enumerate(sizes) if index != rest)
        hint = "" if rest >= 0 else "write `rest` for one of them"
        raise places[0].error(f"{whole} channels do not split into {said}{' and a rest' * (rest >= 0)}", hint)
    return sizes


def _matmul(walk: Walk, join: Join, results: list[Result], flow: Flow, frame: Frame) -> Result:
    """Multiply C×L and C×M over their channels, at every pair of positions: M×L; in heads, heads·M×L."""
    if len(results) < 2:
        raise join.place.error("`matmul` takes two branches, but one is `nothing`")
    (_, left), (_, right) = results
    walk.joins.require("matmul", left, right, join.place, axes=False)
    walk.meter.layer(join.place)
    heads = _heads(walk, join, left, frame)
    shape = Shape(heads * right.shape.positions, left.shape.spatial)
    rule = MatMul(heads=heads)
    macs = rule.macs(left.shape, shape)
    layer = Layer(
        "matmul",
        "matmul" if heads == 1 else f"matmul heads={heads}",
        rule,
        (left.shape, right.shape),
        shape,
        Cost(attention_macs=macs, activations=shape.elements),
        join.place,
    )
    nodes = tuple(node for node, _ in results)
    return fork("matmul", nodes, layer, flow, Flow(shape, left.stride, join.place))


def _heads(walk: Walk, join: Join, left: Flow, frame: Frame) -> Size:
    """Return the heads of a product, which divide the channels."""
    if join.heads is None:
        return 1
    arrive(frame.scope, left.shape)
    try:
        heads = positive(walk.value(join.heads, frame))
        share(left.shape.channels, heads, "channels", "heads")
    except LayerError as error:
        said = str(error) if "divisible" in str(error) else f"`heads` must be {error}"
        raise join.heads.place.error(said) from None
    return heads


def joined(
    walk: Walk,
    kind: str,
    op: str,
    nodes: tuple[Node, ...],
    flows: tuple[Flow, ...],
    flow: Flow,
    place: Place,
    way_out: str = "",
    along: str = "channels",
) -> Result:
    """Add, multiply or concatenate what the branches give; their shapes must agree."""
    walk.meter.layer(place)
    first = flows[0]
    if op == "concat":
        shape = _concatenated(walk, flows, place, along)
    elif kind == "residual":
        for other in flows[1:]:
            walk.joins.require(op, first, other, place, way_out)
        shape = first.shape
    else:
        first = walk.joins.together(op, flows, place)
        shape = first.shape
    layer = Layer(op, op, None, tuple(one.shape for one in flows), shape, NOTHING, place)
    stride = first.stride if along == "channels" else None
    return fork(kind, nodes, layer, flow, Flow(shape, stride, place))


def _concatenated(walk: Walk, flows: tuple[Flow, ...], place: Place, along: str) -> Shape:
    """Put tensors of the same map behind each other in channels, or sequences of the same channels in positions."""
    first = flows[0]
    total: Size = 0
    if along == "channels":
        for other in flows[1:]:
            walk.joins.require("concat", first, other, place, channels=False)
        for one in flows:
            total = total + one.shape.channels
        return Shape(total, first.shape.spatial)
    for one in flows:
        if len(one.shape.spatial) > 1:
            hint = "`tokens pos=none` turns a map into a sequence"
            raise place.error(f"sequences are joined along positions (got {one.shape}{came_from(one)})", hint)
        walk.joins.require("concat", first, one, place, axes=False)
        total = total + one.shape.positions
    return Shape(first.shape.channels, (total,))


def walk_scale(walk: Walk, scale: Scale, flow: Flow, frame: Frame) -> Result:
    """Multiply by a gate, which may be one value per channel: ``mul: [identity, ...]``, named after what it is."""
    walk.meter.layer(scale.place)
    node, gate = walk.body(scale.gate, flow, frame)
    whole, part = flow.shape, gate.shape
    if not is_gate(part, whole):
        raise scale.place.error(
            f"the gate {part}{came_from(gate)} does not fit the tensor {whole}{came_from(flow)}",
            f"a gate needs {whole.channels} channels (or 1), and the same map or a 1x1 one",
        )
    layer = Layer("scale", "scale", None, (whole, part), whole, NOTHING, scale.place)
    return fork("scale", (node,), layer, flow, Flow(whole, flow.stride, scale.place))


def walk_aside(walk: Walk, aside: Aside, flow: Flow, frame: Frame) -> Result:
    """Walk a head that does not run: its parameters count, nothing else does.

    A map that is too small for it stays empty, as the formula of its size has it, unless parameters depend on it.
    """
    outer, walk.idle = walk.idle, True
    node, _ = walk.body(aside.body, flow, frame)
    walk.idle = outer
    params = node.cost.params
    fork = Fork("aside", (node,), None, flow.shape, flow.shape, Cost(params, params), aside.place)
    return Result(fork, flow)


def walk_branch(walk: Walk, branch: Branch, flow: Flow, frame: Frame) -> Result:
    """Walk one of two bodies."""
    if _holds(walk, branch, flow, frame):
        return walk.body(branch.then, flow, frame)
    if branch.otherwise is not None:
        return walk.body(branch.otherwise, flow, frame)
    return identity(flow, branch.place)


def _holds(walk: Walk, branch: Branch, flow: Flow, frame: Frame) -> bool:
    """Decide a condition."""
    arrive(frame.scope, flow.shape)
    value = walk.value(branch.condition, frame)
    if isinstance(value, str):
        name = branch.condition.name if isinstance(branch.condition, Name) else ""
        place = frame.given.get(name, branch.condition.place)
        hint = nearest(value, [name]) or f"write `{name}`" if name in frame.given else ""
        raise place.error(f"a condition must be true, false or a number (got '{value}')", hint)
    return truth(value, branch.condition.place)
