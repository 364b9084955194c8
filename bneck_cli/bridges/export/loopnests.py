"""A network as loop nests: each convolution or product in the form that accelerator simulators expect."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.export.steps import apart
from bneck_cli.budget import ROWS, exceeded
from bneck_cli.engine.layers.kinds import per_axis
from bneck_cli.engine.network import entries
from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Entry, Layer


class Nest(NamedTuple):
    """A convolution of ``inputs`` to ``outputs`` channels, in each of ``groups``; a product is one of 1x1.

    ``copies`` of it stand in the network. A further axis (time) is folded: of kernels into the channels, of maps into
    the height, so that the multiply-adds are the layer's.
    """

    path: str
    inputs: int
    outputs: int
    kernel: tuple[int, int]
    out: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    groups: int = 1
    copies: int = 1

    @property
    def macs(self) -> int:
        """Multiply-adds of one copy."""
        return self.groups * self.inputs * self.outputs * prod(self.kernel) * prod(self.out)

    @property
    def is_product(self) -> bool:
        """Whether it is a product of two matrices."""
        return self.kernel == self.stride == (1, 1) and self.out[1] == 1

    @property
    def shape(self) -> tuple[Any, ...]:
        """What equal nests have in common."""
        return self[1:-1]

    def side(self, axis: int, dilated: bool = True) -> int:
        """Return the input's side that gives the output in every rounding: (out - 1)·stride + kernel."""
        taps = (self.dilation[axis] if dilated else 1) * (self.kernel[axis] - 1) + 1
        return (self.out[axis] - 1) * self.stride[axis] + taps


def nests(analysis: Analysis, unique: bool = False) -> list[Nest]:
    """List the nests of a network in execution order, equal ones once where they are to be ``unique``.

    Raises BneckError for a layer whose multiply-adds no nest gives, and for more rows than a report may have.
    """
    found: list[Nest] = []
    for entry in entries(analysis.root):
        if entry.idle or number(entry.layer.cost.macs) == 0:
            continue
        mine = [nest._replace(copies=nest.copies * entry.copies) for nest in _of(entry)]
        if sum(nest.macs * nest.copies for nest in mine) != number(entry.layer.cost.macs) * entry.copies:
            raise entry.layer.place.error(
                f"{entry.path}: this layer is neither a convolution nor a product of two matrices"
            )
        found += mine
    if not found:
        raise BneckError(f"{analysis.name} has no layer that multiplies")
    if not unique:
        if sum(nest.copies for nest in found) > ROWS.most:
            raise exceeded(ROWS)
        return _apart([nest._replace(path=path, copies=1) for nest in found for path in _numbered(nest)])
    together: dict[tuple[Any, ...], Nest] = {}
    for nest in found:
        first = together.get(nest.shape)
        together[nest.shape] = nest if first is None else first._replace(copies=first.copies + nest.copies)
    return _apart(list(together.values()))


def _apart(found: list[Nest]) -> list[Nest]:
    """Number the paths that stand more than once."""
    paths = apart([nest.path for nest in found])
    return [nest._replace(path=path) for nest, path in zip(found, paths, strict=True)]


def _numbered(nest: Nest) -> list[str]:
    return [nest.path] if nest.copies == 1 else [f"{nest.path}.{index}" for index in range(nest.copies)]


def _of(entry: Entry) -> Iterator[Nest]:
    """Yield the nests of a layer."""
    layer, path = entry.layer, entry.path
    rule = layer.rule
    part = rule.part if rule is not None else ""
    if part == "conv":
        yield _convolution(path, layer)
    elif layer.op == "linear":
        yield Nest(path, number(layer.shape.channels), number(layer.out.channels), (1, 1), _rows(layer.out.positions))
    elif part == "recurrent":
        weights = number(layer.cost.macs) // number(layer.shape.positions)
        yield Nest(path, 1, weights, (1, 1), _rows(layer.shape.positions))
    elif layer.op == "attention":
        yield from _attention(path, layer)
    elif layer.op in ("scores", "weighted_sum", "matmul"):
        yield from _product(path, layer)


def _rows(positions: Any) -> tuple[int, int]:
    return (number(positions), 1)


def _pair(sizes: tuple[Any, ...], fill: int = 1) -> tuple[int, int]:
    """Take the last two axes; a sequence has one."""
    return (fill, *sizes)[-2:] if len(sizes) < 2 else sizes[-2:]


def _convolution(path: str, layer: Layer) -> Nest:
    window = layer.rule.geometry(layer.shape)
    groups = number(window.groups)
    given, left = number(layer.shape.channels), number(layer.out.channels)
    map_of = layer.shape if window.transposed else layer.out
    sizes = tuple(map(number, map_of.spatial))
    folded = prod(sizes[:-2])
    taps = prod(window.kernel[:-2])
    height, width = _pair(sizes)
    sides = ((0, 0), *window.padding)[-2:] if len(sizes) < 2 else window.padding[-2:]
    even = all(isinstance(side, tuple) for side in sides)
    return Nest(
        path=path,
        inputs=given // groups * taps,
        outputs=left // groups,
        kernel=_pair(window.kernel),
        out=(height * folded, width),
        stride=_pair(window.stride),
        dilation=_pair(window.dilation),
        padding=tuple(tuple(map(number, side)) for side in sides) if even else ((0, 0), (0, 0)),  # type: ignore[arg-type]
        groups=groups,
    )


def _attention(path: str, layer: Layer) -> Iterator[Nest]:
    """Yield the linear layers of attention, and its two products in each head and window."""
    rule, x = layer.rule, layer.shape
    figures = rule.quantities(x, layer.out)
    heads = number(rule.heads if rule.heads is not None else x.channels // rule.head_dim)
    dim, channels = number(rule.dim(x)), number(x.channels)
    kv = number(rule.kv) if rule.kv is not None else heads
    rows = number(figures["linear"]) // number(figures["linear_weights"])
    keys = number(figures["softmax"]) // (rows * heads)
    windows = max(1, rows // keys) if rule.window is not None and not rule.causal else 1
    for name, size in (("queries", heads), ("keys", kv), ("values", kv)):
        yield Nest(f"{path}.{name}", channels, size * dim, (1, 1), (rows, 1))
    each = rows // windows
    yield Nest(f"{path}.scores", dim, keys, (1, 1), (each, 1), copies=windows * heads)
    yield Nest(f"{path}.weighted_sum", keys, dim, (1, 1), (each, 1), copies=windows * heads)
    yield Nest(f"{path}.projection", heads * dim, channels, (1, 1), (rows, 1))
    sides = x.spatial if rule.window is None else per_axis(rule.window, len(x.spatial), "window")
    if rule.position == "decomposed":
        for axis, side in enumerate(sides, 1):
            yield Nest(f"{path}.position{axis}", dim, number(side), (1, 1), (each, 1), copies=windows * heads)
    if rule.position == "continuous":
        offsets = prod(2 * number(side) - 1 for side in sides)
        yield Nest(f"{path}.position1", 2, 512, (1, 1), (offsets, 1))
        yield Nest(f"{path}.position2", 512, heads, (1, 1), (offsets, 1))


def _product(path: str, layer: Layer) -> Iterator[Nest]:
    """Yield a product of two tensors: in each head where it has heads."""
    one, other = layer.inputs[:2]
    macs = number(layer.cost.macs)
    if layer.op == "scores":
        heads, *tiles = (number(layer.out.channels), *map(number, layer.out.spatial))
        rows, keys = tiles[-2:]
        copies = heads * prod(tiles[:-2])
        yield Nest(path, macs // (copies * rows * keys), keys, (1, 1), (rows, 1), copies=copies)
    elif layer.op == "weighted_sum":
        heads, *tiles = (number(one.channels), *map(number, one.spatial))
        rows, keys = tiles[-2:]
        copies = heads * prod(tiles[:-2])
        yield Nest(path, keys, macs // (copies * rows * keys), (1, 1), (rows, 1), copies=copies)
    else:
        heads = number(getattr(layer.rule, "heads", 1))
        rows, columns = number(one.positions), number(other.positions)
        yield Nest(path, macs // (heads * rows * columns), columns, (1, 1), (rows, 1), copies=heads)
