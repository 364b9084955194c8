"""Keras' layers as layers of the language: each with the options that its configuration gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.graph import Sides
from bneck_cli.engine.layers.convolution import tf_same_sides
from bneck_cli.errors import BneckError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.bridges.graph import Graph
    from bneck_cli.sizes.shape import Shape

ACTIVATIONS = {
    "linear": "", "relu": "relu", "relu6": "relu6", "swish": "silu", "silu": "silu", "sigmoid": "sigmoid",
    "tanh": "tanh", "softmax": "softmax", "gelu": "gelu", "elu": "elu", "selu": "selu", "softplus": "softplus",
    "softsign": "softsign", "mish": "mish", "hard_sigmoid": "hard_sigmoid", "hard_silu": "hard_swish",
    "hard_swish": "hard_swish", "leaky_relu": "leaky_relu", "celu": "celu",
}  # fmt: skip
DROPOUTS = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "StochasticDepth",
)  # fmt: skip
WINDOWED = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "MaxPooling2D", "AveragePooling2D")
"""Layers before which zeros are part of their window."""


class Layer(NamedTuple):
    """A layer that is being read: its options, and the nodes that it takes."""

    graph: Graph
    config: dict[str, Any]
    nodes: list[int]
    pad: tuple[tuple[int, int], ...]
    kind: str

    @property
    def windowed(self) -> bool:
        """Whether zeros before it are part of its window."""
        return self.kind in WINDOWED

    def shape(self) -> Shape:
        """Return the input shape."""
        return self.graph.shape(self.nodes[0])

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a whole number among the options."""
        value = self.config.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
            raise BneckError(f"`{name}` is a whole number from 1 (got {str(value)[:40]})")
        return value

    def sides(self, name: str, default: int = 1) -> tuple[int, ...]:
        """Return a number for each axis of the map."""
        rank = len(self.shape().spatial)
        value = self.config.get(name) or default
        values = list(value) if isinstance(value, list) else [value] * rank
        if len(values) != rank or not all(isinstance(one, int) and 0 < one < 2**31 for one in values):
            raise BneckError(
                f"`{name}` is a whole number from 1 for each axis of {self.shape()} (got {str(value)[:40]})"
            )
        return tuple(values)

    def zeros(self) -> tuple[tuple[int, int], ...]:
        """Return the zeros that a layer of them puts around a map."""
        given = self.config.get("padding", 1)
        pairs = [given, given] if isinstance(given, int) else list(given)
        found = [(one, one) if isinstance(one, int) else tuple(one) for one in pairs]
        before = self.pad or ((0, 0),) * len(found)
        return tuple((a + c, b + d) for (a, b), (c, d) in zip(found, before, strict=True))

    def add(self, kind: str, slots: dict[str, Any] | None = None, at: int | None = None) -> int:
        """Add a layer."""
        return self.graph.layer(kind, self.nodes[0] if at is None else at, slots)

    def activated(self, node: int, name: str = "activation") -> int:
        """Add the activation that is an option."""
        given = self.config.get(name) or "linear"
        word = given.get("class_name", given.get("config", "")) if isinstance(given, dict) else given
        if not isinstance(word, str) or word.lower() not in ACTIVATIONS:
            raise BneckError(f"no activation '{str(word)[:40]}'", hint=nearest(str(word), ACTIVATIONS))
        kind = ACTIVATIONS[word.lower()]
        return self.add(kind, at=node) if kind else node

    def padding(self, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...], usual: bool) -> Any:
        """Say how a window is padded; ``usual`` where half a window goes unsaid."""
        word = self.config.get("padding", "valid")
        rank = len(kernel)
        sides = tuple(map(number, self.shape().spatial))
        axes = list(zip(sides, kernel, stride, dilation, strict=True))
        pairs = self.pad or ((0, 0),) * rank
        same = [tf_same_sides(*axis) for axis in axes]
        if word == "same":
            if self.pad:
                raise BneckError("zeros around a map whose padding follows from its size")
            pairs = tuple(same)
        elif word != "valid":
            raise BneckError(f"padding '{str(word)[:40]}'")
        half = [(d * (k - 1) // 2,) * 2 if k % 2 else (0, 0) for _, k, _, d in axes]
        plain = half if usual else [(0, 0)] * rank
        if list(pairs) == plain:
            return None
        if any(before != after for before, after in pairs):
            return "tf_same" if list(pairs) == same else tuple(side for pair in pairs for side in pair)
        return pairs[0][0] if len(set(pairs)) == 1 else tuple(before for before, _ in pairs)


def _one(sides: tuple[int, ...]) -> Any:
    return sides[0] if len(set(sides)) == 1 else sides


def convolution(layer: Layer) -> int:
    """A convolution, and its activation."""
    kernel, stride, dilation = layer.sides("kernel_size"), layer.sides("strides"), layer.sides("dilation_rate")
    depthwise = layer.kind == "DepthwiseConv2D"
    slots: dict[str, Any] = {
        "kernel": kernel,
        "stride": _one(stride),
        "pad": layer.padding(kernel, stride, dilation, usual=True),
        "dilation": _one(dilation),
        "bias": layer.config.get("use_bias", True),
    }
    cin, groups = number(layer.shape().channels), 1 if depthwise else layer.whole("groups", 1)
    if depthwise:
        return layer.activated(layer.add("dwconv", {**slots, "multiplier": layer.whole("depth_multiplier", 1)}))
    channels = layer.whole("filters")
    if groups == cin > 1 and channels % groups == 0:
        return layer.activated(layer.add("dwconv", {**slots, "multiplier": channels // groups}))
    return layer.activated(layer.add("conv", {**slots, "channels": channels, "groups": groups}))


def separable(layer: Layer) -> int:
    """A depthwise convolution without bias, and one of 1x1."""
    kernel, stride, dilation = layer.sides("kernel_size"), layer.sides("strides"), layer.sides("dilation_rate")
    slots = {
        "kernel": kernel,
        "stride": _one(stride),
        "pad": layer.padding(kernel, stride, dilation, usual=True),
        "dilation": _one(dilation),
        "multiplier": layer.whole("depth_multiplier", 1),
    }
    inner = layer.add("dwconv", slots)
    ones = (1,) * len(kernel)
    bias = layer.config.get("use_bias", True)
    node = layer.add("conv", {"kernel": ones, "channels": layer.whole("filters"), "bias": bias}, inner)
    return layer.activated(node)


def transposed(layer: Layer) -> int:
    """A transposed convolution: "same" makes a map as many times as large as its stride."""
    kernel, stride = layer.sides("kernel_size"), layer.sides("strides")
    pad, more = (0,) * len(kernel), (0,) * len(kernel)
    if layer.config.get("padding", "valid") == "same":
        pad = tuple(max(0, (k - s + 1) // 2) for k, s in zip(kernel, stride, strict=True))
        more = tuple(s - k + 2 * p for k, s, p in zip(kernel, stride, pad, strict=True))
    elif any(k < s for k, s in zip(kernel, stride, strict=True)):
        more = tuple(max(0, s - k) for k, s in zip(kernel, stride, strict=True))
    slots = {
        "kernel": kernel,
        "channels": layer.whole("filters"),
        "stride": _one(stride),
        "pad": _one(pad),
        "output_pad": _one(more),
        "bias": layer.config.get("use_bias", True),
    }
    return layer.activated(layer.add("upconv", slots))


def pooling(layer: Layer) -> int:
    """The largest value or the mean of each window."""
    kernel = layer.sides("pool_size", 2)
    stride = layer.sides("strides") if layer.config.get("strides") else kernel
    pad = layer.padding(kernel, stride, (1,) * len(kernel), usual=False)
    kind = "maxpool" if layer.kind.startswith("Max") else "avgpool"
    return layer.add(kind, {"kernel": kernel, "stride": _one(stride), "pad": pad})


def whole_pool(layer: Layer) -> int:
    """The mean or the largest value of a map."""
    return layer.add("global_avgpool" if "Average" in layer.kind else "global_maxpool")


def dense(layer: Layer) -> int:
    """A matrix over the last axis."""
    slots = {"channels": layer.whole("units"), "nobias": not layer.config.get("use_bias", True)}
    return layer.activated(layer.add("linear", slots))


def batch_norm(layer: Layer) -> int:
    """Batch norm; a scale or a shift alone stands after it."""
    scale, center = layer.config.get("scale", True), layer.config.get("center", True)
    _last(layer)
    if scale and center:
        return layer.add("bn")
    node = layer.add("bn", {"noaffine": True})
    channels = number(layer.shape().channels)
    if scale:
        return layer.add("layer_scale", at=node)
    return layer.graph.learned(node, False, channels) if center else node


def layer_norm(layer: Layer) -> int:
    """Layer norm over channels."""
    _last(layer)
    if layer.config.get("rms_scaling"):
        return layer.add("rmsnorm")
    scale, center = layer.config.get("scale", True), layer.config.get("center", True)
    if center and not scale:
        raise BneckError("a layer norm with a shift and no scale")
    return layer.add("ln", {"noaffine": not scale, "nobias": scale and not center})


def group_norm(layer: Layer) -> int:
    """Statistics over groups of channels."""
    _last(layer)
    if not layer.config.get("scale", True) or not layer.config.get("center", True):
        raise BneckError("a group norm without a scale and a shift")
    return layer.add("gn", {"groups": layer.whole("groups", 32)})


def _last(layer: Layer) -> None:
    """Require the axis that a norm is about to be that of the channels."""
    axis = layer.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis not in (-1, len(layer.shape().spatial) + 1):
        raise BneckError(f"a norm over axis {str(axis)[:20]}; channels come last")


def relu(layer: Layer) -> int:
    """A rectifier; one with an upper bound of 6 is another."""
    most = layer.config.get("max_value")
    if layer.config.get("negative_slope") or layer.config.get("threshold") or most not in (None, 6):
        return layer.graph.free(layer.nodes[0], "bounded_relu")
    return layer.add("relu" if most is None else "relu6")


def prelu(layer: Layer) -> int:
    """A rectifier whose slope is learned, for each channel."""
    shared = layer.config.get("shared_axes") or []
    if len(shared) != len(layer.shape().spatial):
        raise BneckError("a slope for each position")
    return layer.add("prelu", {"per_channel": True})


def flatten(layer: Layer) -> int:
    """All as a vector."""
    return layer.add("flatten") if layer.shape().spatial else layer.nodes[0]


def reshape(layer: Layer) -> int:
    """The same elements in another shape; a vector as a map of one position stays as it is."""
    wanted = [one for one in layer.config.get("target_shape", []) if isinstance(one, int)]
    shape = layer.shape()
    if not wanted:
        raise BneckError("no shape")
    total = number(shape.elements)
    known = 1
    for one in wanted:
        known *= one if one != -1 else 1
    wanted = [total // known if one == -1 and known else one for one in wanted]
    *spatial, channels = wanted
    if channels == shape.channels and shape.positions == 1 and set(spatial) <= {1}:
        return layer.nodes[0]
    if channels == shape.channels and len(spatial) == 1 and len(shape.spatial) > 1:
        return layer.add("tokens", {"pos": "none"})
    if not spatial:
        return flatten(layer)
    return layer.add("reshape", {"shape": (channels, *spatial)})


def joined(kind: str) -> Callable[[Layer], int]:
    """Make the reader of a join."""

    def join(layer: Layer) -> int:
        nodes = list(layer.nodes)
        if kind == "concat":
            axis = layer.config.get("axis", -1)
            if axis not in (-1, len(layer.shape().spatial) + 1):
                if len(layer.shape().spatial) == 1 and axis in (1, -2):
                    return layer.graph.join(kind, nodes, along="positions")
                raise BneckError(f"a concatenation along axis {str(axis)[:20]}")
        else:
            nodes.sort(key=lambda node: -number(layer.graph.shape(node).elements))
        shapes = [layer.graph.shape(node) for node in nodes]
        if kind == "scale":
            found = nodes[0]
            for node in nodes[1:]:
                found = layer.graph.join("scale", [found, node])
            return found
        if kind == "add" and shapes[0] != shapes[-1] and shapes[-1].positions != 1:
            raise BneckError(f"a sum of {shapes[0]} and {shapes[-1]}")
        return layer.graph.join(kind, nodes)

    return join


def upsample(layer: Layer) -> int:
    """A finer map."""
    return layer.add(
        "upsample", {"factor": _one(layer.sides("size", 2)), "mode": layer.config.get("interpolation", "nearest")}
    )


def cropping(layer: Layer) -> int:
    """A map without its edges."""
    pairs = layer._replace(config={"padding": layer.config.get("cropping", 0)}, pad=()).zeros()
    return layer.add("pad", {"sides": Sides(-side for pair in pairs for side in pair)})


def embedding(layer: Layer) -> int:
    """A row of a table for each index."""
    return layer.add("embed", {"vocabulary": layer.whole("input_dim"), "channels": layer.whole("output_dim")})


def recurrent(_: Layer) -> int:
    """Refuse a state along a sequence: its weights are others than PyTorch's."""
    raise BneckError("has one bias for each gate, where the language has two, and is not read")


def attention(layer: Layer) -> int:
    """Attention of a sequence to itself."""
    if len(set(layer.nodes)) > 1:
        raise BneckError("attention to another tensor")
    heads, dim = layer.whole("num_heads"), layer.whole("key_dim")
    value = layer.config.get("value_dim") or dim
    if value != dim:
        raise BneckError("values of another width than keys")
    slots: dict[str, Any] = {"heads": heads, "nobias": not layer.config.get("use_bias", True)}
    if heads * dim != layer.shape().channels:
        slots["head_dim"] = dim
    return layer.add("attention", slots)


def named(name: str) -> Callable[[Layer], int]:
    """Make the reader of a function of each element that is free."""
    return lambda layer: layer.graph.free(layer.nodes[0], name)


def dropped(layer: Layer) -> int:
    """A dropout."""
    return layer.add("dropout")


LAYERS: dict[str, Callable[[Layer], Any]] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2D"), convolution),
    "SeparableConv2D": separable, "Conv2DTranspose": transposed, "Dense": dense,
    **dict.fromkeys((f"{what}Pooling{rank}D" for what in ("Max", "Average") for rank in (1, 2, 3)), pooling),
    **dict.fromkeys((f"Global{what}Pooling{rank}D" for what in ("Max", "Average") for rank in (1, 2, 3)), whole_pool),
    "BatchNormalization": batch_norm, "LayerNormalization": layer_norm, "GroupNormalization": group_norm,
    "Activation": lambda layer: layer.activated(layer.nodes[0]), "ReLU": relu, "PReLU": prelu,
    "LeakyReLU": lambda layer: layer.add("leaky_relu"), "ELU": lambda layer: layer.add("elu"),
    "Softmax": lambda layer: layer.add("softmax"), "Flatten": flatten, "Reshape": reshape,
    "Add": joined("add"), "Multiply": joined("scale"), "Concatenate": joined("concat"), "UpSampling2D": upsample,
    "LayerScale": lambda layer: layer.add("layer_scale"), "CustomScaleLayer": joined("add"),
    "Cropping2D": cropping, "Embedding": embedding, "MultiHeadAttention": attention,
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), recurrent),
    **dict.fromkeys(DROPOUTS, dropped),
    "Rescaling": named("rescaling"), "Normalization": named("normalization"), "ZeroPadding2D": dropped,
}  # fmt: skip
"""What reads each class."""
