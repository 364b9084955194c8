"""A mixture of experts: copies of a body with weights of their own, of which a router picks a few for each position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.engine.layers import LayerError, make
from bneck_cli.engine.layers.products import Combine, Dispatch
from bneck_cli.engine.layers.reach import OWN, WINDOW
from bneck_cli.engine.network import NOTHING, Layer, Sets, entries, rebuilt
from bneck_cli.engine.structures.steps import apply_layer
from bneck_cli.engine.tensor import Flow, Result, arrive, came_from, fork, series
from bneck_cli.language.expression import show
from bneck_cli.sizes.number import is_whole
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.engine.network import Node
    from bneck_cli.engine.tensor import Frame
    from bneck_cli.engine.walk import Walk
    from bneck_cli.language.bodies import Experts
    from bneck_cli.language.expression import Expression


def walk_experts(walk: Walk, experts: Experts, flow: Flow, frame: Frame) -> Result:
    """Walk the router, then one expert on the positions that all experts together are given.

    A position is given to ``active`` experts, so there are so many times as many; weights there are ``count`` times.
    """
    place, x = experts.place, flow.shape
    if len(x.spatial) > 1:
        hint = "`tokens pos=none` turns a map into a sequence"
        raise place.error(f"experts work on the positions of a sequence, or on a vector (got {x})", hint)
    arrive(frame.scope, x)
    count, active = (
        _number(walk, one, what, frame) for one, what in zip(experts[1:3], ("count", "active"), strict=True)
    )
    if active > count:
        raise experts.active.place.error(f"`active` (={active}) must be at most `count` (={count})")
    scoring, scores = _routed(walk, experts, count, flow, frame)
    dispatch = Dispatch(active=active, count=count)
    given = dispatch.out_shape(x)
    walk.meter.layer(place)
    sent = Layer("dispatch", f"dispatch to {active} of {count}", dispatch, (x,), given, NOTHING, place)
    node, out = walk.body(experts.body, Flow(given, None, place), frame)
    if out.shape.spatial != given.spatial:
        raise experts.body.place.error(f"an expert must keep its positions, {given} (got {out.shape})")
    _require_apart(node)
    sets = Sets(count, active)
    held = rebuilt(node, lambda layer: _times(layer, sets))
    working = series("chain", "", [sent, held], x, out.shape, experts.body.place)
    shape = Shape(out.shape.channels, x.spatial)
    walk.meter.layer(place)
    rule = Combine(active=active, count=count)
    join = Layer("combine", "combine", rule, (scores.shape, out.shape), shape, NOTHING, place)
    return fork("experts", (scoring, working), join, flow, Flow(shape, flow.stride, place))


def _number(walk: Walk, expression: Expression, what: str, frame: Frame) -> int:
    value = walk.value(expression, frame)
    if not is_whole(value) or value < 1:
        raise expression.place.error(f"`{what}` must be a positive whole number (got {show(value)})")
    return value


def _routed(walk: Walk, experts: Experts, count: int, flow: Flow, frame: Frame) -> Result:
    """Walk the router: what is written, else a linear layer without bias. It scores every expert at each position."""
    if experts.router is None:
        try:
            rule = make("linear", [count], {"nobias": True})
            return apply_layer(walk, f"linear {count} nobias", rule, flow, experts.place)
        except LayerError as error:
            raise experts.place.error(f"the router: {error}") from None
    found = walk.body(experts.router, flow, frame)
    wanted = Shape(count, flow.shape.spatial)
    if found.flow.shape != wanted:
        got = f"{found.flow.shape}{came_from(found.flow)}"
        raise experts.router.place.error(
            f"the router must give one score per expert at every position: {wanted} (got {got})"
        )
    return found


def _require_apart(node: Node) -> None:
    """Require that an expert works on each position separately: its neighbours may go to other experts."""
    for entry in entries(node):
        layer = entry.layer
        if layer.rule is None:
            continue
        window = layer.rule.geometry(layer.shape)
        mixes = layer.rule.sees not in (OWN, WINDOW) or layer.rule.over_the_map or layer.rule.source
        if mixes or (window is not None and (max(window.kernel) > 1 or layer.out.spatial != layer.shape.spatial)):
            raise layer.place.error(
                f"an expert works on each position separately, but {layer.op} does not",
                "neighbouring positions may go to different experts",
            )


def _times(layer: Layer, sets: Sets) -> Layer:
    """Let a layer hold a set of weights for every expert, of which each position meets some."""
    own, cost = layer.sets or Sets(1, 1), layer.cost
    params = cost.params * sets.held
    met = (cost.params - cost.inactive_params) * sets.met
    return layer._replace(
        cost=cost._replace(params=params, inactive_params=params - met),
        sets=Sets(own.held * sets.held, own.met * sets.met),
    )
