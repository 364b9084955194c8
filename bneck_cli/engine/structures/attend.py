"""Attention spelled out: branches for queries, keys and values, their scores, and the weighted sum of the values."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers import LayerError
from bneck_cli.engine.layers.attention import window_extent
from bneck_cli.engine.layers.kinds import boolean, per_axis, positive, share
from bneck_cli.engine.layers.products import Scores, WeightedSum
from bneck_cli.engine.network import Cost, Layer
from bneck_cli.engine.tensor import Flow, Result, arrive, came_from, fork, series
from bneck_cli.engine.wording import spelled
from bneck_cli.language.expression import show
from bneck_cli.sizes.number import is_size, is_whole
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.engine.network import Size
    from bneck_cli.engine.tensor import Frame
    from bneck_cli.engine.walk import Walk
    from bneck_cli.language.bodies import Attend, Body
    from bneck_cli.language.document import Place


def walk_attend(walk: Walk, attend: Attend, flow: Flow, frame: Frame) -> Result:
    """Walk the branches, score every key for every query, and weigh the values."""
    options = _options(walk, attend, flow, frame)
    ends = [walk.body(body, flow, frame) for body in (attend.queries, attend.keys, attend.values)]
    try:
        changed = None if attend.scores is None else partial(_changed, walk, attend.scores, frame)
        return attended(walk, options, ends, flow, attend.place, changed)
    except LayerError as error:
        place = next((one.place for one in attend.options if one.name == error.culprit), attend.place)
        raise place.error(f"attend: {error}", error.hint) from None


def attended(
    walk: Walk,
    options: dict[str, Any],
    ends: list[Result],
    flow: Flow,
    place: Place,
    changed: Callable[[Result], Result] | None = None,
) -> Result:
    """Join queries, keys and values that are walked; ``changed`` does what is done to the scores.

    Raises LayerError for sizes that do not fit the heads, BneckError for tensors that do not fit each other.
    """
    (asking, queries), (holding, keys), (giving, values) = ends
    for one in (queries, keys, values):
        if not one.shape.spatial:
            raise place.error(f"attention needs sequences or maps (got a vector of {one.shape}{came_from(one)})")
    tiled = options["window"] is not None and len(queries.shape.spatial) > 1
    walk.joins.require("attend", keys, values, place, channels=False)
    if options["causal"] or options["channels"] or tiled:
        walk.joins.require("pair", queries, keys, place, channels=False)
    past = walk.take_past() if options["causal"] else 0
    position = _positions(options, queries.shape)
    rule = Scores(**{**options, "position": position, "past": past, "tiled": tiled, "alone": changed is None})
    walk.meter.layer(place)
    shape = rule.out_shape(queries.shape, keys.shape)
    macs = rule.macs(queries.shape, shape)
    cost = Cost(params=rule.params(queries.shape), attention_macs=macs)
    layer = Layer("scores", _text(rule), rule, (queries.shape, keys.shape), shape, cost, place)
    scored = fork("scores", (asking, holding), layer, flow, Flow(shape, None, place))
    scored = scored if changed is None else changed(scored)
    weighing = WeightedSum(past=rule.past, cached=rule.cached is not None, softmax=rule.softmax)
    each = share(values.shape.channels, rule.kv, "the values' channels", "kv")
    if rule.channels:
        rule.require_met(each, shape)
        each = share(queries.shape.channels, rule.heads, "the queries' channels", "heads")
    out = Shape(each * rule.heads, queries.shape.spatial)
    walk.meter.layer(place)
    layer = Layer(
        "weighted_sum",
        "weighted_sum",
        weighing,
        (shape, values.shape),
        out,
        Cost(attention_macs=weighing.macs(shape, out), activations=out.elements),
        place,
    )
    return fork("attend", (scored.node, giving), layer, flow, Flow(out, queries.stride, place))


DEFAULTS: dict[str, Any] = {
    "kv": None,
    "channels": False,
    "causal": False,
    "window": None,
    "grid": False,
    "position": 0,
    "cached": None,
    "softmax": True,
}
"""What holds where nothing is written beside the branches."""
CONVERTERS = {
    "heads": positive,
    "kv": positive,
    "causal": boolean,
    "window": window_extent,
    "grid": boolean,
    "softmax": boolean,
}


def _options(walk: Walk, attend: Attend, flow: Flow, frame: Frame) -> dict[str, Any]:
    """Evaluate what stands beside the branches."""
    arrive(frame.scope, flow.shape)
    found: dict[str, Any] = {**DEFAULTS, "channels": attend.over == "channels"}
    for option in attend.options:
        value = walk.value(option.value, frame)
        if option.name in CONVERTERS:
            try:
                found[option.name] = CONVERTERS[option.name](value)
            except LayerError as error:
                raise option.value.place.error(f"`{option.name}` must be {error}", error.hint) from None
        elif value == "relative" and option.name == "position":
            found["position"] = value
        elif not is_size(value) or (is_whole(value) and value < 0):
            what = "a number of learned values, or relative" if option.name == "position" else "a number of elements"
            raise option.value.place.error(f"`{option.name}` must be {what} (got {show(value)})")
        else:
            found["cached" if option.name == "cache" else option.name] = value
    if "heads" not in found:
        raise attend.place.error("`attend` needs `heads`", "write `heads: 1` for a single head")
    if found["grid"] and found["window"] is None:
        raise attend.place.error("`grid` needs a window", "give the window's side: `window: 7`")
    found["kv"] = found["kv"] or found["heads"]
    if found["heads"] % found["kv"]:
        place = next(one.value.place for one in attend.options if one.name == "kv")
        raise place.error(f"`kv` (={found['kv']}) must divide the heads (={found['heads']})")
    return found


def _positions(options: dict[str, Any], x: Shape) -> Size:
    """Count the learned values: those that are written, or an entry for each offset of two positions in every head."""
    written, window = options["position"], options["window"]
    if written != "relative":
        return written  # type: ignore[no-any-return]
    sides = x.spatial if window is None else per_axis(window, len(x.spatial), "window")
    return prod(2 * side - 1 for side in sides) * options["heads"]  # type: ignore[no-any-return]


def _changed(walk: Walk, body: Body, frame: Frame, scored: Result) -> Result:
    """Walk what is done to the scores, which keeps their shape."""
    node, out = walk.body(body, scored.flow, frame)
    shape = scored.flow.shape
    if out.shape != shape:
        raise body.place.error(f"`scores` must keep their shape {shape} (got {out.shape})")
    return Result(series("chain", "", [scored.node, node], shape, out.shape, body.place), out)


def _text(rule: Scores) -> str:
    """Write the scores' options as a spec does."""
    shown: dict[str, Any] = {"heads": rule.heads}
    if rule.kv != rule.heads:
        shown["kv"] = rule.kv
    if rule.window is not None:
        shown["window"] = rule.window
    words = ["causal"] if rule.causal else []
    words += ["over", "channels"] if rule.channels else []
    words += ["grid"] if rule.grid else []
    words += [] if rule.softmax else ["softmax=false"]
    return spelled("scores", words, shown)
