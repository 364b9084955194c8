"""Calls that are layers or joins of the language, with their arguments, parameters and multiply-adds."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.capture import Ref
from bneck_cli.bridges.calls.handlers import handles
from bneck_cli.bridges.calls.layout import CHANNELS, number, whole
from bneck_cli.bridges.calls.shapes import as_map, functional
from bneck_cli.bridges.calls.tensors import Constant, Scores, Value
from bneck_cli.bridges.graph import Sides
from bneck_cli.engine.layers.convolution import tf_same_sides
from bneck_cli.errors import BneckError
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.bridges.calls.handlers import Bound
    from bneck_cli.bridges.calls.tensors import Thing


def _short(value: Any) -> Any:
    """Write one size for all axes as a number."""
    if isinstance(value, (tuple, list)):
        return value[0] if len(set(value)) == 1 else tuple(value)
    return value


def _each(value: Any, rank: int) -> tuple[int, ...]:
    if isinstance(value, (tuple, list)):
        return tuple(value) if len(value) == rank else (value[0],) * rank
    return (value,) * rank


def _kernel(size: tuple[int, ...]) -> tuple[int, ...] | int:
    return size[0] if len(size) > 2 and len(set(size)) == 1 else size


def _padding(value: Value, shape: Shape, kernel: Any, stride: Any, dilation: Any, given: Any, usual: Any) -> Any:
    """Say how a window is padded: zeros put around the map before it, and its own; None if that goes unsaid."""
    rank = len(shape.spatial)
    own = _each(given, rank)
    before = [*value.pad, *[(0, 0)] * (rank - len(value.pad))][:rank][::-1]
    if len(value.pad) > rank:
        raise BneckError("zeros are put around the channels")
    sides = [(one + p[0], one + p[1]) for one, p in zip(own, before, strict=True)]
    axes = list(zip(map(number, shape.spatial), kernel, stride, dilation, sides, strict=True))
    if all(pair == usual(k, d) for _, k, _, d, pair in axes):
        return None
    if any(left != right for left, right in sides):
        if all(tf_same_sides(n, k, s, d) == pair for n, k, s, d, pair in axes):
            return "tf_same"
        if rank == 1:
            return Sides(sides[0])
        if rank != 2:
            raise BneckError(f"uneven padding {sides}")
        return (*sides[0], *sides[1])
    return _short(tuple(left for left, _ in sides))


def _conv_pad(k: int, d: int) -> tuple[int, int]:
    return (d * (k - 1) // 2,) * 2 if k % 2 else (0, 0)


def _no_pad(_k: int, _d: int) -> tuple[int, int]:
    return 0, 0


def put(call: Bound, value: Value, kind: str, slots: dict[str, Any], axis: int, constants: list[Constant]) -> Value:
    """Add a layer whose channels stand at an axis, and return the output of it."""
    lowering = call.lowering
    macs = call.record.macs + lowering.cost(constants)
    node = lowering.graph.layer(kind, value.node, slots, call.stack, lowering.charge(constants), macs)
    return as_map(lowering, node, value, axis % len(value.axes))


def put_map(
    call: Bound, value: Value, kind: str, slots: dict[str, Any], constants: list[Constant], beside: int = 0
) -> Value:
    """Add a layer over a map, which changes its sides; ``beside`` are parameters of the constants that it has not."""
    lowering = call.lowering
    macs = call.record.macs + lowering.cost(constants)
    batch = lowering.graph.shape(value.node).spatial[:1] if value.axes[0] else ()
    out = Shape(call.out[1], (*batch, *call.out[2:]))
    params = lowering.charge(constants) - beside
    node = lowering.graph.layer(kind, value.node, slots, call.stack, params, macs, out)
    shape = lowering.graph.shape(node)
    spatial = tuple(whole(shape, 1 + axis) for axis in range(len(batch), len(shape.spatial)))
    return Value(node, (whole(shape, 1) if batch else (), whole(shape, CHANNELS), *spatial))


@handles("conv1d", "conv2d", "conv3d")
def conv(call: Bound) -> Thing:
    """A convolution; one filter for each channel is `dwconv`."""
    value = call.lowering.mapped(call.value(pads=True), call.stack, pads=True)
    weight, bias = call.get(1, "weight"), call.get(2, "bias")
    if not isinstance(weight, Constant) or not isinstance(bias, (Constant, type(None))):
        raise BneckError("a convolution whose weights are computed from the input")
    shape = call.lowering.graph.shape(value.node)
    kernel = weight.shape[2:]
    rank = len(kernel)
    stride, dilation = _each(call.raw(3, "stride", 1), rank), _each(call.raw(5, "dilation", 1), rank)
    groups, given = call.raw(6, "groups", 1), call.raw(4, "padding", 0)
    if len(shape.spatial) == rank + 1:  # what stands beside the batch is the map's first axis
        kernel, stride, dilation = (1, *kernel), (1, *stride), (1, *dilation)
        given = (0, *_each(given, rank)) if not isinstance(given, str) else given
    if isinstance(given, str):
        if given == "same" and any(d * (k - 1) % 2 for k, d in zip(kernel, dilation, strict=True)):
            raise BneckError("padding='same' with an even window")
        given = 0 if given == "valid" else tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    slots: dict[str, Any] = {
        "kernel": _kernel(kernel),
        "channels": weight.shape[0],
        "stride": _short(stride),
        "pad": _padding(value, shape, kernel, stride, dilation, given, _conv_pad),
        "dilation": _short(dilation),
        "groups": groups,
        "bias": bias is not None,
    }
    kind = "conv"
    if groups == number(shape.channels) > 1:
        kind, slots["multiplier"] = "dwconv", weight.shape[0] // groups
        del slots["channels"], slots["groups"]
    constants = [weight, bias] if bias is not None else [weight]
    value = value._replace(pad=())
    held = sum(map(call.lowering.fresh, constants))
    plain = prod(weight.shape) + (weight.shape[0] if bias is not None else 0)
    if not held and not any(one.reads for one in constants):
        return put_map(call, value, kind, {**slots, "frozen": True}, constants)
    gain = held - plain
    if gain in (weight.shape[0], 1):  # the filters are scaled by what is learned for each, or for all
        given = put_map(call, value, kind, slots, constants, gain)
        if gain == 1:
            return elementwise(call, given, "learned_factor", 1)
        return given._replace(node=call.lowering.graph.layer("layer_scale", given.node, {}, call.stack, gain))
    return put_map(call, value, kind, slots, constants)


@handles("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def upconv(call: Bound) -> Thing:
    """A transposed convolution."""
    value = call.lowering.mapped(call.value(), call.stack)
    weight, bias = call.get(1, "weight"), call.get(2, "bias")
    groups = call.raw(6, "groups", 1)
    slots = {
        "kernel": _kernel(weight.shape[2:]),
        "channels": weight.shape[1] * groups,
        "stride": _short(call.raw(3, "stride", 1)),
        "pad": _short(call.raw(4, "padding", 0)),
        "output_pad": _short(call.raw(5, "output_padding", 0)),
        "dilation": _short(call.raw(7, "dilation", 1)),
        "groups": groups,
        "bias": bias is not None,
    }
    return put_map(call, value, "upconv", slots, [one for one in (weight, bias) if isinstance(one, Constant)])


# Norms


@handles("batch_norm")
def batch_norm(call: Bound) -> Thing:
    """Batch norm over the second axis."""
    value = call.lowering.channels_at(call.value(), 1, call.stack)
    learned = [one for one in (call.get(3, "weight"), call.get(4, "bias")) if isinstance(one, Constant)]
    frozen = bool(learned) and not any(one.reads for one in learned)
    if frozen or len(learned) == 1:
        raise BneckError("a batch norm whose scale and shift are not both learned")
    return put(call, value, "bn", {"noaffine": not learned}, 1, learned)


@handles("layer_norm", "rms_norm")
def layer_norm(call: Bound) -> Thing:
    """Layer norm over the last axis."""
    shape, weight, bias = call.raw(1, "normalized_shape"), call.get(2, "weight"), call.get(3, "bias")
    if isinstance(shape, (tuple, list)) and len(shape) > 1:
        raise BneckError("a layer norm over several axes")
    value = call.lowering.channels_at(call.value(), -1, call.stack)
    learned = [one for one in (weight, bias) if isinstance(one, Constant) and one.reads]
    if call.name == "rms_norm":
        return put(call, value, "rmsnorm", {"noaffine": not learned}, -1, learned)
    return put(call, value, "ln", {"noaffine": not learned, "nobias": len(learned) == 1}, -1, learned)


@handles("group_norm")
def group_norm(call: Bound) -> Thing:
    """Statistics over groups of channels."""
    value = call.lowering.channels_at(call.value(), 1, call.stack)
    learned = [one for one in (call.get(2, "weight"), call.get(3, "bias")) if isinstance(one, Constant)]
    slots = {"groups": call.raw(1, "num_groups"), "noaffine": not learned, "nobias": len(learned) == 1}
    return put(call, value, "gn", slots, 1, learned)


@handles("instance_norm")
def instance_norm(call: Bound) -> Thing:
    """Statistics over each channel's map."""
    value = call.lowering.channels_at(call.value(), 1, call.stack)
    learned = [one for one in (call.get(3, "weight"), call.get(4, "bias")) if isinstance(one, Constant)]
    return put(call, value, "in", {"noaffine": not learned}, 1, learned)


@handles("local_response_norm")
def lrn(call: Bound) -> Thing:
    """Statistics over neighbouring channels."""
    value = call.lowering.channels_at(call.value(), 1, call.stack)
    return put(call, value, "lrn", {"size": call.raw(1, "size")}, 1, [])


# Functions of each element


def elementwise(call: Bound, value: Value, name: str, params: int = 0) -> Value:
    """A function of each element with numbers, which may be learned."""
    value = call.lowering.picked(value)
    return value._replace(node=call.lowering.graph.free(value.node, name, params, call.stack))


@handles("rotary")
def rotary(call: Bound) -> Thing:
    """Positions by turning pairs of channels, in however many calls."""
    value = call.lowering.valued(call.lowering.thing(call.lowering.rotary[call.place]), call.stack)
    return elementwise(call, value, "rotary")


NAMES = {
    "hardswish": "hard_swish", "hardsigmoid": "hard_sigmoid", "hardtanh": "hard_tanh",
    **{name: name for name in (
        "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "silu", "gelu", "sigmoid", "tanh", "mish", "softplus",
        "softsign",
    )},
}  # fmt: skip


@handles(*NAMES)
def activation(call: Bound) -> Thing:
    """An elementwise function."""
    value = call.lowering.picked(call.value())
    kind = NAMES[call.name.rstrip("_")]
    if kind == "hard_tanh" and (call.raw(1, "min_val", -1.0), call.raw(2, "max_val", 1.0)) == (0.0, 6.0):
        kind = "relu6"
    node = call.lowering.graph.layer(kind, value.node, {}, call.stack, 0, call.record.macs)
    return value._replace(node=node)


@handles("prelu")
def prelu(call: Bound) -> Thing:
    """A rectifier whose slope is learned."""
    value, weight = call.lowering.channels_at(call.value(), 1, call.stack), call.get(1, "weight")
    return put(call, value, "prelu", {"per_channel": prod(weight.shape) > 1}, 1, [weight])


@handles("softmax")
def softmax(call: Bound) -> Thing:
    """Exponentials over the channels, or over the scores of attention."""
    thing, axis = call.thing(), call.raw(1, "dim", -1)
    if isinstance(thing, Scores):
        if axis % len(thing.shape) != len(thing.shape) - 1:
            raise BneckError("a softmax over the queries")
        return thing
    value = call.value()
    if call.lowering.scores_of(value.node) is not None:  # theirs is part of attention
        return value
    if value.axes[axis] != whole(call.lowering.graph.shape(value.node), CHANNELS):
        return functional(call, value, "softmax_of_positions")
    return put(call, call.lowering.channels_at(value, axis, call.stack), "softmax", {}, axis, [])


@handles("clamp", "clamp_min", "clamp_max", "clip")
def clamp(call: Bound) -> Thing:
    """Values kept within bounds; scores of attention stay what they are."""
    thing = call.thing()
    if isinstance(thing, Scores):
        return thing
    bounds = call.raw(1, "min"), call.raw(2, "max")
    kind = {(0, 6): "relu6", (0, None): "relu", (-1, 1): "hard_tanh"}.get(bounds)
    value = call.lowering.picked(call.value())
    graph = call.lowering.graph
    node = graph.layer(kind, value.node, {}, call.stack) if kind else graph.free(value.node, "clamp", 0, call.stack)
    return value._replace(node=node)


@handles("normalize")
def normalize(call: Bound) -> Thing:
    """Vectors of length 1."""
    return elementwise(call, call.value(), "normalize")


# Pooling


@handles("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d")
def pool(call: Bound) -> Thing:
    """The largest value or the mean of each window."""
    value = call.lowering.mapped(call.value(pads=True), call.stack, pads=True)
    largest = call.name.startswith("max")
    shape = call.lowering.graph.shape(value.node)
    rank = len(call.out) - 2
    kernel = _each(call.raw(1, "kernel_size"), rank)
    stride = _each(call.raw(2, "stride") or kernel, rank)
    dilation = _each(call.raw(4, "dilation", 1) if largest else 1, rank)
    given = _each(call.raw(3, "padding", 0), rank)
    if len(shape.spatial) == rank + 1:  # what stands beside the batch is the map's first axis
        kernel, stride, dilation, given = (1, *kernel), (1, *stride), (1, *dilation), (0, *given)
    ceil = call.raw(5, "ceil_mode", False) if largest else call.raw(4, "ceil_mode", False)
    if call.raw(6, "divisor_override") and not largest:
        raise BneckError("average pooling with divisor_override")
    slots = {
        "kernel": _kernel(kernel),
        "stride": _short(stride),
        "pad": _padding(value, shape, kernel, stride, dilation, given, _no_pad),
        "ceil": ceil and not _fits(shape, kernel, stride, dilation, value, given),
    }
    if largest:
        slots["dilation"] = _short(dilation)
    return put_map(call, value._replace(pad=()), "maxpool" if largest else "avgpool", slots, [])


def _fits(shape: Shape, kernel: Any, stride: Any, dilation: Any, value: Value, own: tuple[int, ...]) -> bool:
    """Return whether rounding up changes nothing, so that nobody would write it."""
    rank = len(shape.spatial)
    before = [*value.pad, *[(0, 0)] * (rank - len(value.pad))][::-1]
    return all(
        (number(n) + sum(p) + 2 * o - d * (k - 1) - 1) % s == 0
        for n, k, s, d, p, o in zip(shape.spatial, kernel, stride, dilation, before, own, strict=True)
    )


@handles("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
         "adaptive_max_pool2d", "adaptive_max_pool3d")  # fmt: skip
def adaptive(call: Bound) -> Thing:
    """A map of a given size; of one position it is a global pooling."""
    value = call.lowering.mapped(call.value(), call.stack)
    rank = len(call.lowering.graph.shape(value.node).spatial)
    sides = _each(call.raw(1, "output_size"), rank)
    out = tuple(call.out[2 + axis] if side is None else side for axis, side in enumerate(sides))
    word = "avgpool" if "avg" in call.name else "maxpool"
    if set(out) == {1}:
        return put_map(call, value, f"global_{word}", {}, [])
    return put_map(call, value, f"adaptive_{word}", {"output": _kernel(out)}, [])


@handles("mean", "amax", "max", "amin", "sum", "std", "var", "norm", "logsumexp")
def reduced(call: Bound) -> Any:
    """The mean or the maximum of all positions; of other axes it is a function of the file's own."""
    lowering, value = call.lowering, call.lowering.picked(call.value())
    axes = call.raw(1, "dim")
    shape = lowering.graph.shape(value.node)
    if axes is None or isinstance(axes, Ref):
        raise BneckError(f"`{call.name}` is outside the language")
    if len(call.record.outs) > 1:  # where the values are is no tensor of the network
        return [_reduced(call, value, shape, axes), *(Constant(ref.shape) for ref in call.record.outs[1:])]
    return _reduced(call, value, shape, axes)


def _reduced(call: Bound, value: Value, shape: Shape, axes: Any) -> Value:
    """Reduce axes, which are left out or stay as 1."""
    lowering = call.lowering
    kind = "global_avgpool" if call.name == "mean" else "global_maxpool"
    places = [axis % len(value.axes) for axis in (axes if isinstance(axes, (tuple, list)) else [axes])]
    taken = [atom for place in places for atom in value.axes[place]]
    if not taken:
        return _dropped(call, value, places)
    plain = call.name in ("mean", "amax", "max")
    if (
        not plain
        or CHANNELS in {atom.dimension for atom in taken}
        or prod(atom.size for atom in taken) != shape.positions
    ):
        kept = tuple(1 if place in places else size for place, size in enumerate(value.shape))
        return _dropped(call, functional(call, value, f"{call.name}_of_axes", kept), places)
    node = lowering.graph.layer(kind, value.node, {}, call.stack)
    axes_left = tuple(() if place in places else atoms for place, atoms in enumerate(value.axes))
    return _dropped(call, Value(node, axes_left), places)


def _dropped(call: Bound, value: Value, places: list[int]) -> Value:
    """Leave out axes of size 1 that the call does not keep."""
    if len(call.out) == len(value.axes):
        return value
    return value._replace(axes=tuple(atoms for place, atoms in enumerate(value.axes) if place not in places))


@handles("interpolate", "upsample")
def interpolate(call: Bound) -> Thing:
    """A finer map; a size is read as the factor that it is."""
    value = call.lowering.mapped(call.value(), call.stack)
    shape = call.lowering.graph.shape(value.node)
    if shape.spatial == call.out[2:]:
        return value
    factors = [target // side for side, target in zip(map(number, shape.spatial), call.out[2:], strict=False)]
    whole_factors = [side * factor for side, factor in zip(shape.spatial, factors, strict=True)] == list(call.out[2:])
    mode = call.raw(3, "mode", "nearest")
    if mode not in ("nearest", "bilinear", "bicubic"):
        return functional(call, value, f"resize_{mode}")
    if not whole_factors:
        return put_map(call, value, "resize", {"size": _short(call.out[2:]), "mode": mode}, [])
    return put_map(call, value, "upsample", {"factor": _short(tuple(factors)), "mode": mode}, [])
