"""ONNX's operators that compute: layers with their multiply-adds, functions of each element, sums over axes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.readers.onnx import moves
from bneck_cli.bridges.readers.onnx.moves import broadcast, folds, same

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bneck_cli.bridges.calls.capture import Ref
    from bneck_cli.bridges.readers.onnx.walk import Walk

# Windows


def window(walk: Walk, kernel: Sequence[int], given: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Return strides, dilations and padding (all that stand before, then all behind) of a window over a map."""
    rank = len(kernel)
    strides, dilations = walk.attribute("strides", [1] * rank), walk.attribute("dilations", [1] * rank)
    pads = list(walk.attribute("pads", [0] * (2 * rank)))
    auto = walk.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pairs = []
        for size, one, stride, dilation in zip(given, kernel, strides, dilations, strict=True):
            total = max(0, (-(-size // stride) - 1) * stride + dilation * (one - 1) + 1 - size)
            small, large = total // 2, total - total // 2
            pairs.append((small, large) if auto == "SAME_UPPER" else (large, small))
        pads = [one for one, _ in pairs] + [two for _, two in pairs]
    elif auto not in ("NOTSET", "VALID", ""):
        raise ValueError(f"auto_pad {auto}")
    if not len(strides) == len(dilations) == rank == len(given) or len(pads) != 2 * rank or min(strides) < 1:
        raise ValueError(f"a window of {list(kernel)} with strides {strides} and pads {pads}")
    return list(strides), list(dilations), pads


def leaves(given: Sequence[int], kernel: Sequence[int], window: Any, ceil: bool = False) -> list[int]:
    """Return the sides of the output map of a window."""
    strides, dilations, pads = window
    rank, found = len(kernel), []
    for place, size in enumerate(given):
        room = size + pads[place] + pads[rank + place] - dilations[place] * (kernel[place] - 1) - 1
        if room < 0:
            raise ValueError(f"a window of {list(kernel)} over {list(given)}")
        stride = strides[place]
        out = room // stride + 1
        if ceil and room % stride and out * stride < size + pads[place]:
            out += 1
        found.append(out)
    return found


def around(walk: Walk, x: Ref, pads: list[int]) -> tuple[Ref, list[int]]:
    """Put zeros around a map where both sides differ, and return it with what is left to its window."""
    rank = len(pads) // 2
    if pads[:rank] == pads[rank:]:
        return x, pads[:rank]
    flat = [side for place in reversed(range(rank)) for side in (pads[place], pads[rank + place])]
    spatial = [size + pads[place] + pads[rank + place] for place, size in enumerate(x.shape[2:])]
    return walk.one("pad", [x, flat], (*x.shape[:2], *spatial)), [0] * rank


def conv(walk: Walk) -> None:
    """A convolution."""
    n, c, *sides = walk.shape()
    weight = walk.arg(1, learned=True)
    leaving, each, *kernel = weight.shape
    groups = walk.attribute("group", 1)
    if each * groups != c or leaving % groups:
        raise ValueError(f"weights {list(weight.shape)} in {groups} groups for {c} channels")
    found = window(walk, kernel, sides)
    out = leaves(sides, kernel, found)
    strides, dilations, pads = found
    bias = walk.arg(2, learned=True) if walk.has(2) else None
    x, left = around(walk, walk.arg(), pads)
    shape = (n, leaving, *out)
    macs = prod(shape) * each * prod(kernel)
    args = [x, weight, *([] if bias is None else [bias])]
    walk.gives(
        walk.one(
            f"conv{len(kernel)}d", args, shape, macs, stride=strides, padding=left, dilation=dilations, groups=groups
        )
    )


def conv_transpose(walk: Walk) -> None:
    """A transposed convolution."""
    n, c, *sides = walk.shape()
    weight = walk.arg(1, learned=True)
    _, each, *kernel = weight.shape
    groups, rank = walk.attribute("group", 1), len(kernel)
    strides, dilations = walk.attribute("strides", [1] * rank), walk.attribute("dilations", [1] * rank)
    more = walk.attribute("output_padding", [0] * rank)
    pads = walk.attribute("pads", [0] * (2 * rank))
    if walk.attribute("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or "output_shape" in walk.node.attributes:
        raise ValueError("padding that follows from the size that leaves")
    if weight.shape[0] != c or pads[:rank] != pads[rank:]:
        raise ValueError(f"weights {list(weight.shape)} and pads {pads} for {c} channels")
    axes = zip(sides, kernel, strides, dilations, more, pads[:rank], strict=True)
    out = [(size - 1) * s + d * (k - 1) + 1 + extra - 2 * p for size, k, s, d, extra, p in axes]
    args = [walk.arg(), weight, *([walk.arg(2, learned=True)] if walk.has(2) else [])]
    options = {"stride": strides, "padding": pads[:rank], "output_padding": more, "dilation": dilations}
    macs = n * c * prod(sides) * each * prod(kernel)
    shape = (n, each * groups, *out)
    walk.gives(walk.one(f"conv_transpose{rank}d", args, shape, macs, groups=groups, **options))


def pool(walk: Walk) -> None:
    """The largest value, or the mean, of a window."""
    n, c, *sides = walk.shape()
    kernel = walk.attribute("kernel_shape")
    found = window(walk, kernel, sides)
    strides, dilations, pads = found
    ceil = bool(walk.attribute("ceil_mode", 0))
    largest = walk.node.op == "MaxPool"
    if set(kernel) == set(strides) == {1} and not any(pads):
        same(walk)
        return
    out = leaves(sides, kernel, found, ceil)
    rank = len(kernel)
    x, left = walk.arg(), pads[:rank]
    if pads[:rank] != pads[rank:]:
        beyond = list(pads)
        for place in range(rank):  # what lies behind the map alone may be said by rounding up
            beyond[rank + place] = pads[place]
        even = (strides, dilations, beyond)
        if leaves(sides, kernel, even, True) == out:
            ceil = True
        else:
            x, left = around(walk, x, pads)
    name = f"{'max' if largest else 'avg'}_pool{rank}d"
    more: dict[str, Any] = {"dilation": dilations} if largest else {}
    walk.gives(walk.one(name, [x, kernel], (n, c, *out), stride=strides, padding=left, ceil_mode=ceil, **more))


def whole_pool(walk: Walk) -> None:
    """The mean, or the largest value, of a map."""
    n, c, *sides = walk.shape()
    word = "avg" if walk.node.op == "GlobalAveragePool" else "max"
    walk.gives(walk.one(f"adaptive_{word}_pool{len(sides)}d", [walk.arg(), 1], (n, c, *[1] * len(sides))))


# Products


def linear(walk: Walk, turned: bool = False) -> None:
    """A matrix over the last axis, and what is added; a matrix is rows by columns unless it is turned."""
    given = walk.shape()
    matrix = walk.arg(1, learned=True)
    rows, columns = reversed(matrix.shape) if turned else matrix.shape
    if rows != given[-1]:
        raise ValueError(f"a matrix of {list(matrix.shape)} for {list(given)}")
    weight = matrix if turned else walk.one("t", [matrix], (columns, rows))
    out = (*given[:-1], columns)
    args = [walk.arg(), weight, *([walk.arg(2, learned=True)] if walk.has(2) else [])]
    walk.gives(walk.one("linear", args, out, prod(out) * rows))


def gemm(walk: Walk) -> None:
    """A product of two matrices, and what is added."""
    if walk.attribute("alpha", 1.0) != 1 or walk.attribute("beta", 1.0) != 1 or walk.attribute("transA", 0):
        raise ValueError("factors, or a first matrix that is turned")
    if walk.at(1).constant:
        linear(walk, bool(walk.attribute("transB", 0)))
        return
    (rows, inner), right = walk.shape(), walk.arg(1)
    columns = right.shape[0] if walk.attribute("transB", 0) else right.shape[1]
    if walk.attribute("transB", 0):
        right = walk.one("t", [right], right.shape[::-1])
    found = walk.one("matmul", [walk.arg(), right], (rows, columns), rows * columns * inner)
    walk.gives(walk.one("add", [found, walk.arg(2)], (rows, columns)) if walk.has(2) else found)


def matmul(walk: Walk) -> None:
    """A product over the last axis of one and the one before the last of the other."""
    left, right = walk.shape(0), walk.shape(1)
    if len(right) == 2 and walk.at(1).constant and not walk.at(0).constant:
        linear(walk)
        return
    if len(left) < 2 or len(right) < 2 or left[-1] != right[-2]:
        raise ValueError(f"shapes {list(left)} and {list(right)}")
    out = (*broadcast([left[:-2], right[:-2]]), left[-2], right[-1])
    args = [walk.arg(0, learned=True), walk.arg(1, learned=True)]
    walk.gives(walk.one("matmul", args, out, prod(out) * left[-1]))


def einsum(walk: Walk) -> None:
    """A product with its axes by name."""
    text = walk.attribute("equation", "").replace(" ", "")
    sides, _, result = text.partition("->")
    names = sides.split(",")
    sizes: dict[str, int] = {}
    for place, words in enumerate(names):
        for name, size in zip(words, walk.shape(place), strict=True):
            if sizes.setdefault(name, size) != size:
                raise ValueError(f"{text} of sizes that differ")
    out = [sizes[name] for name in result]
    refs = [walk.arg(place, learned=True) for place in range(len(names))]
    walk.gives(walk.one("einsum", [text, *refs], out, prod(sizes.values()) if len(names) > 1 else 0))


def recurrent(walk: Walk) -> None:
    """A layer that carries a state along a sequence, in one direction or both."""
    length, batch, given = walk.shape()
    ways, rows, _ = walk.shape(1)
    hidden = walk.attribute("hidden_size", walk.shape(2)[-1])
    weights = [walk.arg(place, learned=True) for place in (1, 2, 3) if walk.has(place)]
    macs = length * batch * ways * rows * (given + hidden)
    name = f"recurrent_{walk.node.op.lower()}"
    kwargs = {"hidden": hidden, "both": ways == 2, "nobias": len(weights) < 3}
    refs = walk.call(name, [walk.arg(), *weights], [(length, ways, batch, hidden)], macs, **kwargs)
    walk.gives(refs[0])


# Norms


def batch_norm(walk: Walk) -> None:
    """Batch norm by what was remembered, which is not a parameter."""
    learned = [None if plain(walk, place) else walk.arg(place, learned=True) for place in (1, 2)]
    if None in learned:
        learned = [None, None]
    walk.gives(walk.one("batch_norm", [walk.arg(), None, None, *learned], walk.shape()))


def plain(walk: Walk, place: int) -> bool:
    """Return whether a scale or shift is none: one that is not a weight, or ones or zeros written as a constant."""
    held = walk.at(place)
    if held.weight is None or walk.is_number(held.weight):
        return True
    if held.weight.name in walk.model.weights or walk.model.producer == "bneck":
        return False
    array = held.weight.array()
    return array is not None and bool((array == (1 if place == 1 else 0)).all())


def learned(walk: Walk) -> list[Any]:
    """Return a norm's scale and shift, where it has them."""
    return [walk.arg(place, learned=True) if walk.has(place) and not plain(walk, place) else None for place in (1, 2)]


def layer_norm(walk: Walk) -> None:
    """Statistics over the last axes, or over the channels of a map."""
    given = walk.shape()
    axis = walk.attribute("axis", -1) % len(given)
    name = "rms_norm" if "RMS" in walk.node.op or "Simplified" in walk.node.op else "layer_norm"
    if walk.attribute("across", False) and axis != len(given) - 1:  # the axis alone, and not those after it
        order = [*(place for place in range(len(given)) if place != axis), axis]
        x = walk.one("permute", [walk.arg(), order], [given[place] for place in order])
        normed = walk.one(name, [x, [given[axis]], *learned(walk)], x.shape)
        back = [order.index(place) for place in range(len(given))]
        walk.gives(walk.one("permute", [normed, back], given))
        return
    walk.gives(walk.one(name, [walk.arg(), list(given[axis:]), *learned(walk)], given))


def group_norm(walk: Walk) -> None:
    """Statistics over groups of channels."""
    walk.gives(walk.one("group_norm", [walk.arg(), walk.attribute("num_groups"), *learned(walk)], walk.shape()))


def instance_norm(walk: Walk) -> None:
    """Statistics over each channel's map."""
    walk.gives(walk.one("instance_norm", [walk.arg(), None, None, *learned(walk)], walk.shape()))


def lrn(walk: Walk) -> None:
    """Statistics over neighbouring channels."""
    walk.gives(walk.one("local_response_norm", [walk.arg(), walk.attribute("size")], walk.shape()))


# Functions of each element

FUNCTIONS = {
    "Relu": "relu", "LeakyRelu": "leaky_relu", "Elu": "elu", "Selu": "selu", "Celu": "celu", "Gelu": "gelu",
    "FastGelu": "gelu", "HardSwish": "hardswish", "HardSigmoid": "hardsigmoid", "Sigmoid": "sigmoid", "Tanh": "tanh",
    "Mish": "mish", "Softplus": "softplus", "Softsign": "softsign", "Silu": "silu", "Relu6": "relu6",
    "Swish": "silu", "Normalize": "normalize", "LpNormalization": "normalize", "Rotary": "rotary_embedding",
    **{name: name.lower() for name in (
        "Erf", "Exp", "Log", "Neg", "Abs", "Sign", "Round", "Sin", "Cos", "Not", "IsNaN", "IsInf", "LogSoftmax",
        "Hardmax", "ThresholdedRelu", "Shrink",
    )},
}  # fmt: skip
"""Operators of one tensor that keep its shape, and the functions of PyTorch that they are."""


def function(walk: Walk) -> None:
    """A function of each element."""
    walk.gives(walk.one(FUNCTIONS[walk.node.op], [walk.arg()], walk.shape()))


def numeric(name: str, torch: str) -> Callable[[Walk], None]:
    """Make the operator of one tensor that is computed where its numbers are known."""

    def compute(_: Walk, x: Any) -> Any:
        import numpy

        return getattr(numpy, name)(x)

    def operator(walk: Walk) -> None:
        walk.gives(walk.one(torch, [walk.arg()], walk.shape()))

    return folds(compute)(operator)


def clip(walk: Walk) -> None:
    """Values kept within bounds."""
    low = walk.number(1) if walk.has(1) else walk.attribute("min")
    high = walk.number(2) if walk.has(2) else walk.attribute("max")
    kept = [None if one is None or abs(one) > 1e30 else int(one) if one == int(one) else one for one in (low, high)]
    walk.gives(walk.one("clamp", [walk.arg(), *kept], walk.shape()))


def prelu(walk: Walk) -> None:
    """A rectifier whose slope is learned."""
    walk.gives(walk.one("prelu", [walk.arg(), walk.arg(1, learned=True)], walk.shape()))


def softmax(walk: Walk) -> None:
    """Exponentials over an axis."""
    walk.gives(walk.one("softmax", [walk.arg(), walk.attribute("axis", -1 if walk.opset >= 13 else 1)], walk.shape()))


def arithmetic(name: str, torch: str) -> Callable[[Walk], None]:
    """Make the operator of two tensors, of which one may be a number."""

    def compute(_: Walk, x: Any, y: Any) -> Any:
        import numpy

        if name == "divide" and x.dtype.kind in "iu":
            return numpy.floor_divide(x, y)
        return getattr(numpy, name)(x, y)

    def operator(walk: Walk) -> None:
        shapes = [walk.shape(0), walk.shape(1)]
        out = broadcast(shapes)
        args = [walk.arg(0), walk.arg(1)]
        if not any(hasattr(one, "shape") for one in args):
            args[0] = walk.read(walk.at(0))
        walk.gives(walk.one(torch, args, out))

    return folds(compute, moves.several)(operator)


def several(torch: str) -> Callable[[Walk], None]:
    """Make the operator of as many tensors as there are."""

    def operator(walk: Walk) -> None:
        found = walk.read(walk.at(0))
        for place in range(1, len(walk.node.inputs)):
            out = broadcast([found.shape, walk.shape(place)])
            found = walk.one(torch, [found, walk.arg(place)], out)
        walk.gives(found)

    return operator


@folds(lambda _, condition, x, y: __import__("numpy").where(condition, x, y), moves.several)
def where(walk: Walk) -> None:
    """Elements of one tensor or of another; where a constant decides and a number is the other, a mask."""
    out = broadcast([walk.shape(place) for place in range(3)])
    data = [place for place in (1, 2) if not walk.at(place).constant]
    others = [place for place in (1, 2) if walk.at(place).constant and not walk.at(place).shape]
    if walk.at(0).constant and len(data) == 1 and others and walk.shape(data[0]) == out:
        walk.gives(walk.one("masked_fill", [walk.arg(data[0]), walk.read(walk.at(0))], out))
        return
    if len(data) == 1 and others and walk.shape(data[0]) == out:  # what is no number becomes one
        walk.held[walk.node.outputs[0]] = walk.at(data[0])
        return
    refs = [walk.read(walk.at(place)) for place in range(3)]
    walk.gives(walk.one("where", refs, out))


# Sums over axes

REDUCTIONS = {
    "ReduceMean": "mean", "ReduceMax": "amax", "ReduceMin": "amin", "ReduceSum": "sum", "ReduceL2": "norm",
    "ReduceL1": "norm", "ReduceLogSumExp": "logsumexp", "ReduceProd": "prod", "ReduceSumSquare": "norm",
}  # fmt: skip
AXES_SINCE = {"ReduceSum": 13}


def reduced(walk: Walk) -> None:
    """The mean, the sum or the largest of some axes."""
    given = walk.shape()
    name = walk.node.op
    axes = [axis % len(given) for axis in walk.listed("axes", 1, AXES_SINCE.get(name, 18), [])]
    if not axes and walk.attribute("noop_with_empty_axes", 0):
        same(walk)
        return
    axes = axes or list(range(len(given)))
    keep = walk.attribute("keepdims", 1)
    out = [1 if place in axes else size for place, size in enumerate(given) if keep or place not in axes]
    values = moves.values(walk)
    if values is not None and name in ("ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin"):
        import numpy

        compute = getattr(
            numpy, {"ReduceProd": "prod", "ReduceSum": "sum", "ReduceMax": "max", "ReduceMin": "min"}[name]
        )
        walk.known(numpy.asarray(compute(values[0], axis=tuple(axes), keepdims=bool(keep))))
        return
    walk.gives(walk.one(REDUCTIONS[name], [walk.arg(), axes], out))


def largest(walk: Walk) -> None:
    """Where the largest value of an axis is."""
    given = walk.shape()
    axis = walk.attribute("axis", 0) % len(given)
    keep = walk.attribute("keepdims", 1)
    out = [1 if place == axis else size for place, size in enumerate(given) if keep or place != axis]
    walk.gives(walk.one("argmax", [walk.arg()], out))


NUMERIC = {"Sqrt": ("sqrt", "sqrt"), "Reciprocal": ("reciprocal", "reciprocal"), "Floor": ("floor", "floor"),
           "Ceil": ("ceil", "ceil")}  # fmt: skip
ARITHMETIC = {
    "Add": ("add", "add"), "Sub": ("subtract", "sub"), "Mul": ("multiply", "mul"), "Div": ("divide", "div"),
    "Pow": ("power", "pow"), "Mod": ("mod", "remainder"), "Equal": ("equal", "eq"), "Less": ("less", "lt"),
    "Greater": ("greater", "gt"), "LessOrEqual": ("less_equal", "le"), "GreaterOrEqual": ("greater_equal", "ge"),
    "And": ("logical_and", "logical_and"), "Or": ("logical_or", "logical_or"), "Xor": ("logical_xor", "logical_xor"),
}  # fmt: skip

OPERATORS: dict[str, Callable[[Walk], None]] = {
    **moves.OPERATORS,
    "Conv": conv, "ConvTranspose": conv_transpose, "MaxPool": pool, "AveragePool": pool,
    "GlobalAveragePool": whole_pool, "GlobalMaxPool": whole_pool, "Linear": linear, "Gemm": gemm, "MatMul": matmul,
    "Einsum": einsum, "LSTM": recurrent, "GRU": recurrent, "RNN": recurrent, "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm, "RMSNormalization": layer_norm, "SimplifiedLayerNormalization": layer_norm,
    "GroupNormalization": group_norm, "InstanceNormalization": instance_norm, "LRN": lrn, "Clip": clip, "PRelu": prelu,
    "Softmax": softmax, "Where": where, "ArgMax": largest, "Sum": several("add"), "Max": several("maximum"),
    "Min": several("minimum"),
    **dict.fromkeys(FUNCTIONS, function),
    **dict.fromkeys(REDUCTIONS, reduced),
    **{name: numeric(*words) for name, words in NUMERIC.items()},
    **{name: arithmetic(*words) for name, words in ARITHMETIC.items()},
}  # fmt: skip
"""What each operator gives."""
