"""Bodies side by side: what joins (a residual, branches, slices, a gate), and what does not (a head, a choice)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.layers import LAYERS, LayerError, make
from bneck_cli.engine.names import unknown_step
from bneck_cli.engine.network import NOTHING, Cost, Fork, Layer, Node
from bneck_cli.engine.structures.steps import apply_layer
from bneck_cli.engine.tensor import (
    Flow,
    Frame,
    Result,
    arrive,
    came_from,
    enters,
    identity,
    last_place,
    series,
    share_evenly,
)
from bneck_cli.engine.wording import spelled
from bneck_cli.language.document import Place
from bneck_cli.language.expression import Name, truth
from bneck_cli.language.syntax import SHORTCUTS, Aside, Body, Branch, Join, Residual, Scale, Step
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.engine.network import Size
    from bneck_cli.engine.walk import Walk


class Dropped(NamedTuple):
    """An addition that ``shortcut: if_same`` left out: what arrived at the residual, and what its body gave.

    ``last`` is the place of the body's last layer.
    """

    place: Place
    shape: Shape
    out: Shape
    last: Place


def walk_residual(walk: Walk, residual: Residual, flow: Flow, frame: Frame) -> Result:
    """Add the body's result to what the shortcut gives."""
    body, out = walk.body(residual.body, flow, frame)
    shortcut = residual.shortcut
    if shortcut in ("auto", "if_same"):
        unchanged = out.shape == flow.shape and out.stride == flow.stride
        if shortcut == "if_same" and not unchanged:
            walk.dropped.append(Dropped(residual.place, flow.shape, out.shape, last_place(body)))
            return Result(body, out)
        shortcut = "identity" if unchanged else "projection"
    if not isinstance(shortcut, str):
        _require_shortcut(walk, shortcut, frame)
        side, across = walk.body(shortcut, flow, frame)
    elif shortcut == "projection":
        side, across = _projection(walk, flow, out, residual.place)
    else:
        side, across = identity(flow, residual.place)
    way_out = ""
    if residual.shortcut == "identity":
        way_out = "; `shortcut: auto` projects what enters to the shape of what leaves"
    elif shortcut == "projection":
        way_out = "; `shortcut: auto` follows channels and strides, not padding: write the shortcut out"
    return joined(walk, "residual", "add", (body, side), (out, across), flow, residual.place, way_out)


def _require_shortcut(walk: Walk, shortcut: Body, frame: Frame) -> None:
    """Require that a shortcut of one word is a layer, a block, or one of the words that stand for one."""
    if isinstance(shortcut, Step) and not shortcut.arguments and not shortcut.options:
        seen = walk.scope_at(shortcut.place)
        known = [*LAYERS, *seen.blocks, *seen.formulas, *frame.scope]
        if shortcut.name not in known:
            raise unknown_step(shortcut.name, shortcut.place, [*SHORTCUTS, *known])


def _projection(walk: Walk, flow: Flow, out: Flow, place: Place) -> Result:
    """Project the shortcut as the ResNet paper does (option B): a strided 1x1 convolution and batch norm."""
    if flow.stride is None or out.stride is None or len(flow.stride) != len(out.stride):
        raise place.error("`shortcut: auto` cannot tell the body's stride; write the shortcut out")
    stride = tuple(after // before for before, after in zip(flow.stride, out.stride, strict=True))
    word = Place(place.node, place.offset, place.width)
    step = stride[0] if len(set(stride)) == 1 else stride
    try:
        options = {} if step in (1, ()) else {"stride": step}
        text = spelled("conv", [(1, 1), out.shape.channels], options)
        first, middle = apply_layer(walk, text, make("conv", [1, out.shape.channels], options), flow, word)
        second, last = apply_layer(walk, "bn", make("bn", [], {}), middle, word)
    except LayerError as error:
        raise place.error(f"`shortcut: auto`: {error}") from None
    return Result(series("chain", "", [first, second], flow.shape, last.shape, place), last)


def walk_join(walk: Walk, join: Join, flow: Flow, frame: Frame) -> Result:
    """Walk branches from the same tensor (or from equal slices of it) and join them."""
    start = flow
    if join.kind == "split":
        channels = share_evenly(flow.shape.channels, len(join.branches), join.place)
        start = flow._replace(shape=Shape(channels, flow.shape.spatial))
    results = [walk.body(branch, start, frame) for branch in join.branches]
    op = "add" if join.kind == "add" else "concat"
    nodes = tuple(node for node, _ in results)
    return joined(walk, join.kind, op, nodes, tuple(out for _, out in results), flow, join.place)


def joined(
    walk: Walk,
    kind: str,
    op: str,
    nodes: tuple[Node, ...],
    flows: tuple[Flow, ...],
    flow: Flow,
    place: Place,
    way_out: str = "",
) -> Result:
    """Add or concatenate what the branches give; their shapes must agree."""
    walk.meter.layer(place)
    first = flows[0]
    for other in flows[1:]:
        walk.joins.require(op, first, other, place, way_out)
    shape = first.shape
    if op == "concat":
        channels: Size = 0
        for one in flows:
            channels = channels + one.shape.channels
        shape = Shape(channels, shape.spatial)
    layer = Layer(op, op, None, tuple(one.shape for one in flows), shape, NOTHING, place)
    cost = NOTHING
    for node in nodes:
        cost = cost.plus(node.cost)
    begins = [enters(node, flow.shape) for node in nodes]
    taken = flow.shape if flow.shape in begins or kind == "split" else begins[0]
    return Result(Fork(kind, nodes, layer, taken, shape, cost, place), Flow(shape, first.stride, place))


def walk_scale(walk: Walk, scale: Scale, flow: Flow, frame: Frame) -> Result:
    """Multiply by a gate, which may be one value per channel."""
    walk.meter.layer(scale.place)
    node, gate = walk.body(scale.gate, flow, frame)
    whole, part = flow.shape, gate.shape
    fits = part.channels in (1, whole.channels) and all(
        mine in (1, theirs) for mine, theirs in zip(part.spatial, whole.spatial, strict=False)
    )
    if not fits or len(part.spatial) not in (0, len(whole.spatial)):
        raise scale.place.error(
            f"the gate {part}{came_from(gate)} does not fit the tensor {whole}{came_from(flow)}",
            f"a gate has {whole.channels} channels (or 1), and the same map or a 1x1 one",
        )
    layer = Layer("scale", "scale", None, (whole, part), whole, NOTHING, scale.place)
    fork = Fork("scale", (node,), layer, whole, whole, node.cost, scale.place)
    return Result(fork, Flow(whole, flow.stride, scale.place))


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
    arrive(frame.scope, flow.shape)
    value = walk.value(branch.condition, frame)
    if isinstance(value, str):
        name = branch.condition.name if isinstance(branch.condition, Name) else ""
        place = frame.given.get(name, branch.condition.place)
        hint = f"write `{value}=true`" if name in frame.given else ""
        raise place.error(f"a condition is true or false, or a number (got '{value}')", hint)
    if truth(value, branch.condition.place):
        return walk.body(branch.then, flow, frame)
    if branch.otherwise is not None:
        return walk.body(branch.otherwise, flow, frame)
    return Result(series("chain", "", [], flow.shape, flow.shape, branch.place), flow)
