"""ONNX's operators that move elements, and those that compute shapes: what is known of numbers is computed at once."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.readers.onnx.file import TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bneck_cli.bridges.readers.onnx.walk import Held, Walk

    Operator = Callable[[Walk], None]
    Sized = Callable[..., int]
    """How many elements a result has, of what is given: asked before it is computed."""

MOST_FOLDED = 1 << 17
"""So many elements are computed, of what is known."""

PADS = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
MODES = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}


def broadcast(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape that shapes have together."""
    rank = max(map(len, shapes))
    whole = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    out = []
    for sizes in zip(*whole, strict=True):
        larger = {size for size in sizes if size != 1}
        if len(larger) > 1:
            raise ValueError(f"shapes {shapes} do not go together")
        out.append(larger.pop() if larger else 1)
    return tuple(out)


def values(walk: Walk) -> list[Any] | None:
    """Return the elements of all inputs, where they are known, and no parameter is one of them."""
    held: list[Held] = [walk.held[name] for name in walk.node.inputs if name]
    if any(one.value is None or walk.named(one) for one in held):
        return None
    return [one.value for one in held]


def several(_: Walk, *given: Any) -> int:
    """Count the elements of a result that is as large as what is given, broadcast."""
    import numpy

    return prod(numpy.broadcast_shapes(*(one.shape for one in given)))


def together(_: Walk, *given: Any) -> int:
    """Count the elements of a result that holds what is given."""
    return sum(int(one.size) for one in given)


def folds(compute: Callable[..., Any], size: Sized = together) -> Callable[[Operator], Operator]:
    """Compute what a node gives where all that it takes is known, and few; else let the operator say what it gives."""

    def wrap(operator: Operator) -> Operator:
        def run(walk: Walk) -> None:
            given = values(walk)
            if given is None or size(walk, *given) > MOST_FOLDED:
                operator(walk)
                return
            import numpy

            with numpy.errstate(all="ignore"):
                found = numpy.asarray(compute(walk, *given))
            walk.known(found)

        return run

    return wrap


def moved(walk: Walk, name: str, shape: Sequence[int], *args: Any, **kwargs: Any) -> None:
    """Add a call that moves the elements of the first input."""
    walk.gives(walk.one(name, [walk.arg(), *args], shape, **kwargs))


# Shapes as numbers


def shape(walk: Walk) -> None:
    """The shape of a tensor, or a part of it."""
    import numpy

    sizes = walk.shape()[walk.attribute("start", 0) : walk.attribute("end")]
    walk.known(numpy.array(sizes, numpy.int64))


def size(walk: Walk) -> None:
    """How many elements a tensor has."""
    import numpy

    walk.known(numpy.array(prod(walk.shape()), numpy.int64))


def constant(walk: Walk) -> None:
    """A constant of the file: a weight under another name."""
    import numpy

    name = walk.node.outputs[0]
    for key in ("value_int", "value_ints", "value_float", "value_floats"):
        if key in walk.node.attributes:
            kind = numpy.int64 if "int" in key else numpy.float32
            walk.known(numpy.array(walk.attribute(key), kind))
            return
    tensor = walk.attribute("value")
    if tensor is None or not hasattr(tensor, "dims"):
        raise ValueError("a constant without a tensor")
    walk.held[name] = walk.weighed(tensor._replace(name=name))


def constant_of_shape(walk: Walk) -> None:
    """A tensor of one value: a parameter of our own models, a constant of others."""
    import numpy

    dims, tensor = walk.numbers(0), walk.attribute("value")
    kind = tensor.kind if tensor is not None else 1
    value = tensor.array() if tensor is not None else numpy.zeros(1, numpy.float32)
    filled = None
    if value is not None and prod(dims) <= MOST_FOLDED and kind != 1:
        filled = numpy.full(dims, value.reshape(-1)[0])
    walk.gives(walk.new(dims), value=filled)
    if walk.model.producer == "bneck" and kind == 1:
        from bneck_cli.bridges.readers.onnx.file import Tensor

        name = walk.node.outputs[0]
        tensor = Tensor(name, tuple(dims), kind, None, (), external=True)
        walk.held[name] = walk.held[name]._replace(weight=tensor, constant=True)


def ranged(walk: Walk) -> None:
    """Numbers in a row."""
    import numpy

    start, limit, delta = (walk.number(place) for place in range(3))
    if start is None or limit is None or not delta or abs((limit - start) / delta) > MOST_FOLDED:
        raise ValueError("a row of numbers that is too long")
    whole = all(walk.at(place).value.dtype.kind == "i" for place in range(3))  # type: ignore[union-attr]
    walk.known(numpy.arange(start, limit, delta, dtype=numpy.int64 if whole else numpy.float32))


def cast(walk: Walk) -> None:
    """Another type of elements."""
    kind = walk.attribute("to", 1)
    given = values(walk)
    if given is not None and kind in TYPES:
        import numpy

        walk.known(given[0].astype(numpy.dtype(TYPES[kind])))
        return
    same(walk)


def same(walk: Walk) -> None:
    """The tensor as it is."""
    walk.held[walk.node.outputs[0]] = walk.at(0)


# Views


@folds(lambda walk, x, sizes: x.reshape(target(walk, x.shape, sizes.reshape(-1).tolist())))
def reshape(walk: Walk) -> None:
    """The same elements in other axes."""
    sizes = walk.attribute("shape") or walk.numbers(1)
    out = target(walk, walk.shape(), sizes)
    if out == walk.shape():
        same(walk)
    else:
        moved(walk, "reshape", out)


def target(walk: Walk, given: tuple[int, ...], sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the shape that a reshape asks for: 0 for a size that stays, -1 for what is left."""
    keep = not walk.attribute("allowzero", 0)
    found = [given[place] if one == 0 and keep else int(one) for place, one in enumerate(sizes)]
    rest = prod(one for one in found if one != -1)
    if found.count(-1) > 1 or (rest and prod(given) % rest) or (-1 not in found and rest != prod(given)):
        raise ValueError(f"{list(given)} to {list(sizes)}")
    return tuple(prod(given) // rest if one == -1 and rest else one for one in found)


def flatten(walk: Walk) -> None:
    """Two axes of all."""
    given, axis = walk.shape(), walk.attribute("axis", 1)
    axis = axis + len(given) if axis < 0 else axis
    moved(walk, "reshape", (prod(given[:axis]), prod(given[axis:])))


@folds(lambda walk, x, *_: x.reshape(squeezed(walk, x.shape)))
def squeeze(walk: Walk) -> None:
    """Axes of size 1 left out."""
    moved(walk, "reshape", squeezed(walk, walk.shape()))


def squeezed(walk: Walk, given: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without axes of size 1."""
    axes = walk.listed("axes", 1, 13, [place for place, one in enumerate(given) if one == 1])
    gone = {axis % len(given) for axis in axes}
    if any(given[axis] != 1 for axis in gone):
        raise ValueError(f"axes {axes} of {list(given)}")
    return tuple(one for place, one in enumerate(given) if place not in gone)


@folds(lambda walk, x, *_: x.reshape(unsqueezed(walk, x.shape)))
def unsqueeze(walk: Walk) -> None:
    """Axes of size 1 put in."""
    moved(walk, "reshape", unsqueezed(walk, walk.shape()))


def unsqueezed(walk: Walk, given: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape with axes of size 1."""
    axes = walk.listed("axes", 1, 13)
    rank = len(given) + len(axes)
    new = {axis % rank for axis in axes}
    rest = iter(given)
    return tuple(1 if place in new else next(rest) for place in range(rank))


@folds(lambda walk, x: x.transpose(walk.attribute("perm") or None))
def transpose(walk: Walk) -> None:
    """Axes in another order."""
    given = walk.shape()
    order = walk.attribute("perm") or list(range(len(given)))[::-1]
    moved(walk, "permute", [given[axis] for axis in order], list(order))


# Parts


def split(walk: Walk) -> None:
    """Ranges of an axis in sequence."""
    given, axis = walk.shape(), walk.attribute("axis", 0)
    count = len(walk.node.outputs)
    even = -(-given[axis] // count)
    default = [min(even, given[axis] - even * place) for place in range(count)]
    parts = walk.listed("split", 1, 13, default)
    if sum(parts) != given[axis] or len(parts) != count:
        raise ValueError(f"parts {parts} of {given[axis]}")
    shapes = [(*given[:axis], part, *given[axis:][1:]) for part in parts]
    if axis < 0:
        shapes = [(*given[: axis % len(given)], part, *given[axis % len(given) + 1 :]) for part in parts]
    refs = walk.call("split", [walk.arg(), parts, axis], shapes)
    for place, ref in enumerate(refs):
        walk.gives(ref, place)


def ranges(walk: Walk, given: tuple[int, ...]) -> tuple[slice, ...]:
    """Return which elements a slice takes of each axis."""
    starts, ends = walk.listed("starts", 1, 10), walk.listed("ends", 2, 10)
    axes = walk.listed("axes", 3, 10, range(len(starts)))
    steps = walk.numbers(4, [1] * len(starts))
    found = [slice(None)] * len(given)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        whole = range(*slice(start, None if step < 0 and end < -given[axis] else end, step).indices(given[axis]))
        stop = whole.stop if whole.stop >= 0 else None
        found[axis % len(given)] = slice(whole.start, stop, step)
    return tuple(found)


@folds(lambda walk, x, *_: x[ranges(walk, x.shape)])
def sliced(walk: Walk) -> None:
    """A range of some axes."""
    given = walk.shape()
    taken = ranges(walk, given)
    out = [len(range(*one.indices(size))) for one, size in zip(taken, given, strict=True)]
    if any(one.step is not None and one.step < 0 for one in taken):
        moved(walk, "flip", out)
        return
    moved(walk, "getitem", out, taken)


@folds(
    lambda walk, x, index: x.take(index, axis=walk.attribute("axis", 0)),
    lambda walk, x, index: x.size * index.size // max(1, x.shape[walk.attribute("axis", 0)]),
)
def gather(walk: Walk) -> None:
    """Some indices of an axis: rows of a table for a model's input, one index, or a range."""
    given, axis = walk.shape(), walk.attribute("axis", 0)
    axis %= len(given)
    index = walk.at(1)
    out = (*given[:axis], *index.shape, *given[axis + 1 :])
    if walk.at(0).constant and not index.constant:
        walk.gives(walk.one("embedding", [walk.read(index), walk.arg(learned=True)], out))
        return
    known = None if index.value is None else [one % given[axis] for one in index.value.reshape(-1).tolist()]
    if known is None:
        moved(walk, "index", out, walk.read(index))
    elif not index.shape:
        moved(walk, "select", out, axis, known[0])
    elif known == list(range(known[0], known[0] + len(known))):
        taken = [slice(None)] * axis + [slice(known[0], known[0] + len(known))]
        part = walk.one("getitem", [walk.arg(), tuple(taken)], (*given[:axis], len(known), *given[axis + 1 :]))
        walk.gives(part if len(index.shape) == 1 else walk.one("reshape", [part], out))
    else:
        moved(walk, "index", out)


def gather_elements(walk: Walk) -> None:
    """An element for each index."""
    moved(walk, "index", walk.shape(1), walk.arg(1))


# Together, again and around


@folds(lambda walk, *given: __import__("numpy").concatenate(given, axis=walk.attribute("axis", 0)))
def concat(walk: Walk) -> None:
    """Tensors behind each other."""
    axis = walk.attribute("axis", 1)
    shapes = [walk.shape(place) for place in range(len(walk.node.inputs))]
    axis %= len(shapes[0])
    rest = {(*one[:axis], *one[axis + 1 :]) for one in shapes}
    if len(rest) > 1:
        raise ValueError(f"shapes {shapes} along axis {axis}")
    out = (*shapes[0][:axis], sum(one[axis] for one in shapes), *shapes[0][axis + 1 :])
    refs = [walk.read(walk.at(place)) for place in range(len(shapes))]
    walk.gives(walk.one("cat", [refs, axis], out))


@folds(
    lambda _, x, sizes: x * __import__("numpy").ones(sizes.reshape(-1).tolist(), x.dtype),
    lambda _, x, sizes: x.size * abs(prod(sizes.reshape(-1).tolist())),
)
def expand(walk: Walk) -> None:
    """A tensor repeated along axes of size 1."""
    out = broadcast([walk.shape(), tuple(walk.numbers(1))])
    if out == walk.shape():
        same(walk)
    else:
        moved(walk, "expand", out, list(out))


@folds(
    lambda _, x, times: __import__("numpy").tile(x, times.reshape(-1).tolist()),
    lambda _, x, times: x.size * abs(prod(times.reshape(-1).tolist())),
)
def tile(walk: Walk) -> None:
    """A tensor repeated."""
    out = [one * times for one, times in zip(walk.shape(), walk.numbers(1), strict=True)]
    moved(walk, "expand", out, out)


def pad(walk: Walk) -> None:
    """Zeros, or what lies at the edge, put around; negative ones cut."""
    given = walk.shape()
    pads = walk.listed("pads", 1, 11)
    axes = [axis % len(given) for axis in walk.numbers(3, range(len(given)))]
    count = len(pads) // 2
    sides = {axis: (pads[place], pads[count + place]) for place, axis in enumerate(axes)}
    pairs = [sides.get(axis, (0, 0)) for axis in range(len(given))]
    out = [one + sum(pair) for one, pair in zip(given, pairs, strict=True)]
    if out == list(given) and not any(map(any, pairs)):
        same(walk)
        return
    flat = [side for pair in reversed(pairs) for side in pair]
    mode = walk.attribute("mode", "constant")
    moved(walk, "pad", out, flat, PADS[mode])


def resize(walk: Walk) -> None:
    """A finer or a coarser map, by factors or to a size."""
    given = walk.shape()
    places = (1, 3) if walk.node.op == "Upsample" or walk.opset < 11 else (2, 3)
    axes = [axis % len(given) for axis in walk.attribute("axes", range(len(given)))]
    out = list(given)
    if walk.has(places[1]):
        for axis, one in zip(axes, walk.numbers(places[1]), strict=True):
            out[axis] = one
    else:
        scales = walk.attribute("scales")
        if scales is None:
            held = walk.at(places[0])
            array = held.value if held.value is not None else held.weight and held.weight.array()
            if array is None:
                raise ValueError("factors that are not known")
            scales = array.reshape(-1).tolist()
        for axis, one in zip(axes, scales, strict=True):
            out[axis] = int(given[axis] * one + 1e-6)
    mode = walk.attribute("mode", "nearest")
    moved(walk, "interpolate", out, None, None, MODES.get(mode, mode))


def depth_to_space(walk: Walk) -> None:
    """Channels to a finer map."""
    n, c, h, w = walk.shape()
    factor = walk.attribute("blocksize")
    if c % factor**2:
        raise ValueError(f"{c} channels for squares of {factor}")
    moved(walk, "pixel_shuffle", (n, c // factor**2, h * factor, w * factor), factor)


def space_to_depth(walk: Walk) -> None:
    """A finer map to channels."""
    n, c, h, w = walk.shape()
    factor = walk.attribute("blocksize")
    if h % factor or w % factor:
        raise ValueError(f"a map of {h} by {w} for squares of {factor}")
    moved(walk, "pixel_unshuffle", (n, c * factor**2, h // factor, w // factor), factor)


def roll(walk: Walk) -> None:
    """A map moved round its edges: a pattern of slices."""
    moved(walk, "roll", walk.shape(), walk.attribute("shifts"), walk.attribute("axes"))


def upper(walk: Walk) -> None:
    """What stands above a diagonal, or below it."""
    moved(walk, "triu", walk.shape())


def one_shape(walk: Walk) -> None:
    """A function of constants that keeps their shape."""
    if not all(walk.held[name].constant for name in walk.node.inputs if name):
        raise ValueError("of what the model's input reaches")
    moved(walk, walk.node.op.lower(), walk.shape())


OPERATORS: dict[str, Callable[[Walk], None]] = {
    "Shape": shape, "Size": size, "Constant": constant, "ConstantOfShape": constant_of_shape, "Range": ranged,
    "Cast": cast, "CastLike": same, "Identity": same, "Dropout": same, "Reshape": reshape, "Flatten": flatten,
    "Squeeze": squeeze, "Unsqueeze": unsqueeze, "Transpose": transpose, "Split": split, "Slice": sliced,
    "Gather": gather, "GatherElements": gather_elements, "Concat": concat, "Expand": expand, "Tile": tile, "Pad": pad,
    "Resize": resize, "Upsample": resize, "DepthToSpace": depth_to_space, "SpaceToDepth": space_to_depth,
    "Roll": roll, "Trilu": upper, "CumSum": one_shape, "ScatterND": one_shape, "ScatterElements": one_shape,
}  # fmt: skip
