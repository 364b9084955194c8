"""Caffe's ``.prototxt``: layers that name the tensors they take and give; one that gives what it takes works in place.

Pooling rounds up, and drops a window that begins in the padding behind the map, as ``ceil`` of the language does. Batch
norm and its scale are two layers there and one here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.graph import Call, Graph
from bneck_cli.bridges.readers.blocks import find_blocks, mark
from bneck_cli.bridges.readers.prototext import Message, Value, read_message
from bneck_cli.errors import BneckError, nearest
from bneck_cli.language.library import read_source
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Callable

ELEMENTWISE = {
    "ReLU": "relu", "ReLU6": "relu6", "Sigmoid": "sigmoid", "TanH": "tanh", "ELU": "elu", "Dropout": "dropout",
    "Softmax": "softmax", "Flatten": "flatten", "Swish": "silu", "Split": "identity",
}  # fmt: skip
SOURCES = ("Data", "ImageData", "HDF5Data", "Input", "MemoryData", "DummyData", "AnnotatedData")
TRAINING = ("Accuracy", "SoftmaxWithLoss", "EuclideanLoss", "SigmoidCrossEntropyLoss", "Silence", "MultiBoxLoss")
"""Layers that take what the network gives, and are no part of it."""


class Reader:
    """The layers read so far: the graph, and which node each named tensor is."""

    def __init__(self, graph: Graph, net: Message) -> None:
        self.graph = graph
        self.tensors: dict[str, int] = {}
        self.taken: set[str] = set()
        self.layer = net
        self.bottoms: list[int] = []

    def error(self, message: str, hint: str = "") -> BneckError:
        """Make the error that points to the layer."""
        name = self.layer.word("name") or self.layer.word("type")
        return BneckError(f"layer '{name[:60]}': {message}", self.layer.place, hint)

    def whole(self, given: Message, name: str, default: int | None = None, least: int = 0) -> int:
        """Return a whole number of a message."""
        values = given.values(name)
        if not values:
            if default is None:
                raise self.error(f"needs `{name}`")
            return default
        return _whole(values[0], least)

    def sides(self, given: Message, name: str, default: int, short: str = "", least: int = 0) -> tuple[int, int]:
        """Return a number for each axis: ``kernel_size``, or ``kernel_h`` and ``kernel_w``."""
        short = short or name
        if given.values(f"{short}_h") or given.values(f"{short}_w"):
            return self.whole(given, f"{short}_h", default, least), self.whole(given, f"{short}_w", default, least)
        values = [_whole(one, least) for one in given.values(name)] or [default]
        return (values[0], values[-1])

    def add(self, kind: str, slots: dict[str, Any] | None = None) -> int:
        """Add a layer behind the first tensor that this one takes."""
        if not self.bottoms:
            raise self.error("takes no tensor (no `bottom`)")
        try:
            return self.graph.layer(kind, self.bottoms[0], slots)
        except BneckError as error:
            raise self.error(error.message) from None

    def shape(self) -> Shape:
        """Return the input shape."""
        if not self.bottoms:
            raise self.error("takes no tensor (no `bottom`)")
        return self.graph.shape(self.bottoms[0])


def read(path: str, sizes: tuple[int, ...] | None) -> Graph:
    """Make the graph of a ``.prototxt``; ``sizes`` take the place of the input's that it gives."""
    net = read_message(read_source(path))
    graph = Graph(os.path.basename(path).removesuffix(".prototxt"))
    reader = Reader(graph, net)
    if net.word("input"):
        _enter(reader, net, net.word("input"), sizes)
    for layer in [*net.messages("layer"), *net.messages("layers")]:
        reader.layer = layer
        if not _trains(layer):
            _walk(reader, layer, sizes)
    if not reader.tensors:
        raise BneckError(f"{path}: no input", hint="add an `Input` layer, or `input:` with `input_dim:`")
    left = [index for name, index in reader.tensors.items() if name not in reader.taken]
    graph.outputs = list(dict.fromkeys(left)) or [len(graph.nodes) - 1]
    find_blocks(graph)
    return graph


def _walk(reader: Reader, layer: Message, sizes: tuple[int, ...] | None) -> None:
    kind = layer.word("type")
    tops = [one.text for one in layer.values("top")]
    if kind in SOURCES:
        if tops and tops[0] not in reader.tensors:
            _enter(reader, layer, tops[0], sizes)
        return
    if kind in TRAINING:
        return
    if kind not in LAYERS:
        raise reader.error(f"type '{kind[:40]}' is not supported", nearest(kind, LAYERS))
    bottoms = layer.values("bottom")
    for one in bottoms:
        if one.text not in reader.tensors:
            hint = nearest(one.text, reader.tensors)
            raise BneckError(f"no earlier layer produces '{one.text[:60]}'", one.place, hint)
    reader.bottoms = [reader.tensors[one.text] for one in bottoms]
    reader.taken |= {one.text for one in bottoms if one.text not in tops}
    start = len(reader.graph.nodes)
    given = LAYERS[kind](reader, layer)
    mark(reader.graph, start, Call(layer.word("name") or f"layer{start}", kind))
    results = given if isinstance(given, list) else [given] * len(tops)
    for name, index in zip(tops, results, strict=False):
        reader.tensors[name] = index
        reader.taken.discard(name)


def _trains(layer: Message) -> bool:
    """Return whether a layer is there in training alone."""
    included = [one.word("phase") for one in layer.messages("include") if one.values("phase")]
    excluded = [one.word("phase") for one in layer.messages("exclude")]
    return (bool(included) and "TEST" not in included) or "TEST" in excluded


def _enter(reader: Reader, given: Message, name: str, sizes: tuple[int, ...] | None) -> None:
    """Add the input, of the sizes that a message gives behind the batch."""
    listed = given.values("input_dim")
    for shape in (given.message("input_shape"), given.message("input_param").message("shape")):
        listed = listed or shape.values("dim")
    found = sizes or tuple(_whole(one, 1) for one in listed[1:])
    if not found:
        raise BneckError(
            f"the input '{name[:60]}' has no sizes in this file", given.place, "give them: --input 3x224x224"
        )
    reader.tensors[name] = reader.graph.input(Shape(found[0], found[1:]))


def _whole(value: Value, least: int) -> int:
    if not (value.text.isascii() and value.text.isdigit() and len(value.text) < 10) or int(value.text) < least:
        raise BneckError(f"expected a whole number from {least}, got '{value.text[:40]}'", value.place)
    return int(value.text)


# The layers


def _convolution(reader: Reader, layer: Message) -> int:
    given = layer.message("convolution_param")
    kernel = reader.sides(given, "kernel_size", 1, "kernel", 1)
    pad = reader.sides(given, "pad", 0)
    dilation = reader.whole(given, "dilation", 1, 1)
    channels, groups = reader.whole(given, "num_output", least=1), reader.whole(given, "group", 1, 1)
    usual = all(k % 2 and p == dilation * (k - 1) // 2 for k, p in zip(kernel, pad, strict=True))
    slots = {
        "kernel": kernel,
        "stride": _one(reader.sides(given, "stride", 1, least=1)),
        "dilation": dilation,
        "bias": given.word("bias_term", "true") != "false",
        "pad": None if usual else _one(pad),
    }
    if layer.word("type") == "Deconvolution":
        return reader.add("upconv", {**slots, "channels": channels, "groups": groups, "pad": _one(pad)})
    if groups > 1 and groups == reader.shape().channels and channels % groups == 0:
        return reader.add("dwconv", {**slots, "multiplier": channels // groups})
    return reader.add("conv", {**slots, "channels": channels, "groups": groups})


def _pooling(reader: Reader, layer: Message) -> int:
    given = layer.message("pooling_param")
    kind = {"MAX": "maxpool", "AVE": "avgpool", "0": "maxpool", "1": "avgpool"}.get(given.word("pool", "MAX"))
    if kind is None:
        raise reader.error(f"pooling '{given.word('pool')[:40]}' is not supported")
    if given.word("global_pooling") == "true":
        return reader.add("global_maxpool" if kind == "maxpool" else "global_avgpool")
    kernel = reader.sides(given, "kernel_size", 0, "kernel")
    stride = reader.sides(given, "stride", 1, least=1)
    pad = reader.sides(given, "pad", 0)
    sides = tuple(map(number, reader.shape().spatial))
    uneven = any((n + 2 * p - k) % s for n, p, k, s in zip(sides, pad, kernel, stride, strict=False))
    ceil = uneven and given.word("round_mode", "CEIL") not in ("FLOOR", "1")
    return reader.add(kind, {"kernel": kernel, "stride": _one(stride), "pad": _one(pad), "ceil": ceil})


def _one(pair: tuple[int, int]) -> Any:
    """Return one number for both axes where they have the same."""
    return pair[0] if pair[0] == pair[1] else pair


def _norm(reader: Reader, _: Message) -> int:
    return reader.add("bn", {"noaffine": True})


def _scale(reader: Reader, layer: Message) -> Any:
    """Add a scale and shift to a norm; on their own, a factor for each channel."""
    if len(reader.bottoms) == 2:
        return _joined(reader, "scale", reader.bottoms)
    before = reader.graph.nodes[reader.bottoms[0]]
    if before.kind == "bn" and layer.message("scale_param").word("bias_term") == "true":
        index = reader.graph.layer("bn", before.inputs[0])
        reader.graph.nodes[reader.bottoms[0]] = reader.graph.nodes[index]._replace(stack=before.stack)
        reader.graph.nodes.pop()
        return reader.bottoms[0]
    if layer.message("scale_param").word("bias_term") == "true":
        raise reader.error("a scale with a bias is only supported after a norm")
    return reader.add("layer_scale")


def _linear(reader: Reader, layer: Message) -> int:
    given = layer.message("inner_product_param")
    if reader.shape().spatial:
        reader.bottoms = [reader.add("flatten")]
    slots = {"channels": reader.whole(given, "num_output", least=1), "nobias": given.word("bias_term") == "false"}
    return reader.add("linear", slots)


def _joined(reader: Reader, kind: str, sources: list[int]) -> int:
    try:
        return reader.graph.join(kind, sources)
    except BneckError as error:
        raise reader.error(error.message) from None


def _concat(reader: Reader, layer: Message) -> int:
    given = layer.message("concat_param")
    if given.word("axis", "1") != "1" or given.word("concat_dim", "1") != "1":
        raise reader.error("only channels can be concatenated (axis 1)")
    return _joined(reader, "concat", reader.bottoms)


def _eltwise(reader: Reader, layer: Message) -> int:
    operation = layer.message("eltwise_param").word("operation", "SUM")
    if operation not in ("SUM", "1"):
        raise reader.error(f"operation '{operation[:40]}' is not supported", "SUM is")
    return _joined(reader, "add", reader.bottoms)


def _slice(reader: Reader, layer: Message) -> list[int]:
    given = layer.message("slice_param")
    if given.word("axis", "1") != "1":
        raise reader.error("only channels can be sliced (axis 1)")
    count, whole = len(layer.values("top")), number(reader.shape().channels)
    points = [_whole(one, 1) for one in given.values("slice_point")]
    ends = [*(points or [whole * part // count for part in range(1, count)]), whole]
    return [
        reader.graph.part(reader.bottoms[0], start, stop) for start, stop in zip([0, *ends[:-1]], ends, strict=True)
    ]


def _activation(reader: Reader, layer: Message) -> int:
    kind = layer.word("type")
    if kind == "ReLU" and layer.message("relu_param").word("negative_slope", "0").strip("0."):
        return reader.add("leaky_relu")
    return reader.add(ELEMENTWISE[kind])


def _prelu(reader: Reader, layer: Message) -> int:
    return reader.add("prelu", {"per_channel": layer.message("prelu_param").word("channel_shared") != "true"})


def _lrn(reader: Reader, layer: Message) -> int:
    return reader.add("lrn", {"size": reader.whole(layer.message("lrn_param"), "local_size", 5, 1)})


def _shuffle(reader: Reader, layer: Message) -> int:
    return reader.add("shuffle", {"groups": reader.whole(layer.message("shuffle_channel_param"), "group", least=1)})


LAYERS: dict[str, Callable[[Reader, Message], Any]] = {
    "Convolution": _convolution,
    "Deconvolution": _convolution,
    "ConvolutionDepthwise": _convolution,
    "DepthwiseConvolution": _convolution,
    "Pooling": _pooling,
    "BatchNorm": _norm,
    "Scale": _scale,
    "InnerProduct": _linear,
    "Concat": _concat,
    "Eltwise": _eltwise,
    "Slice": _slice,
    "PReLU": _prelu,
    "LRN": _lrn,
    "ShuffleChannel": _shuffle,
    **dict.fromkeys(ELEMENTWISE, _activation),
}
