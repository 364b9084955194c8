"""Every layer kind against PyTorch: the same random layer there, its output's shape, its parameters, its operations.

PyTorch's layers run on the meta device, which computes shapes alone. What PyTorch has no layer for is composed here of
what it has, after the paper that introduced it.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_layers import Sliding, sliding

from bneck_cli.engine.layers import LAYERS, make
from bneck_cli.sizes.shape import Shape

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: its layers are the oracle (pip install '.[torch]')"
)
counter = pytest.importorskip("torch.utils.flop_counter")
nn, functional = torch.nn, torch.nn.functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.engine.layers import Kind


class Pair(NamedTuple):
    """One layer twice: as a spec gives it, with the shape that arrives, and how to build it of PyTorch's parts."""

    x: tuple[int, ...]
    build: Callable[[], Any]
    positional: tuple[Any, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012 (never changed)


class Composed(nn.Module):
    """A function of the input and of modules and parameters by name."""

    def __init__(self, forward: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.function = forward
        self.names = list(parts)
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Any) -> Any:
        """Apply the function."""
        return self.function(x, **{name: getattr(self, name) for name in self.names})


def parameter(*sizes: int) -> Any:
    """Make a learned tensor."""
    return nn.Parameter(torch.empty(sizes))


def last(module: Any) -> Any:
    """Apply to the channels, which PyTorch's own layer expects at the end."""
    return Composed(lambda x, inner: inner(x.movedim(1, -1)).movedim(-1, 1), inner=module)


def of_rank(name: str, x: tuple[int, ...]) -> Any:
    """Find the module of a name for one, two or three spatial axes."""
    return getattr(nn, f"{name}{max(len(x) - 1, 1)}d")


# What is drawn

channels = st.integers(1, 12)


def shapes(
    draw: st.DrawFn, ranks: tuple[int, ...] = (1, 2, 3), least: int = 1, multiple: int = 1, most: int = 20
) -> tuple[int, ...]:
    """Draw a shape: channels that ``multiple`` divides, then so many axes."""
    rank = draw(st.sampled_from(ranks))
    return (multiple * draw(channels), *(draw(st.integers(least, most if rank < 3 else 9)) for _ in range(rank)))


def even(window: Sliding) -> bool:
    """Say whether every axis is padded alike on both sides, which PyTorch's layers can do themselves."""
    return all(before == after for before, after in window.sides)


def padding(window: Sliding) -> Any:
    """Give the padding before each axis."""
    return tuple(before for before, _ in window.sides) if even(window) else 0


def padded(window: Sliding, sign: int = 1, **options: Any) -> Any:
    """Pad as a step of its own, or with ``sign`` -1 cut off; PyTorch begins with the last axis."""
    sides = [sign * side for pair in reversed(window.sides) for side in pair]
    return Composed(lambda t: functional.pad(t, sides, **options))


def as_buffers(module: Any) -> Any:
    """Let what a module has learned be values that nothing learns."""
    for name, values in list(module.named_parameters()):
        delattr(module, name)
        module.register_buffer(name, values.detach())
    return module


# Convolutions


def convolution(draw: st.DrawFn, depthwise: bool = False) -> Pair:
    """Draw a convolution; where its sides differ, padding is a step of its own."""
    window, bias = draw(sliding(fits=True)), draw(st.booleans())
    groups, multiplier = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    seen = groups * (1 if depthwise else draw(channels))
    filters = groups * (multiplier if depthwise else draw(channels))
    own = {"multiplier": multiplier} if depthwise else {"channels": filters, "groups": groups}
    x, frozen = (seen, *window.spatial), draw(st.booleans())

    def build() -> Any:
        shared = (window.stride, padding(window), window.dilation, groups, bias)
        module = of_rank("Conv", x)(seen, filters, window.kernel, *shared)
        module = as_buffers(module) if frozen else module
        return module if even(window) else nn.Sequential(padded(window), module)

    return Pair(x, build, (), {**window.given, **own, "bias": bias, "frozen": frozen})


def transposed(draw: st.DrawFn) -> Pair:
    """Draw a transposed convolution; where its sides differ, cutting them off is a step of its own."""
    window, bias = draw(sliding(half=True, fits=True, same=False, keeps=False)), draw(st.booleans())
    groups, more = draw(st.integers(1, 4)), [draw(st.integers(0, max(pair) - 1)) for pair in window.steps]
    x, filters = (groups * draw(channels), *window.spatial), groups * draw(channels)

    def build() -> Any:
        shared = (window.stride, padding(window), more, groups, bias, window.dilation)
        module = of_rank("ConvTranspose", x)(x[0], filters, window.kernel, *shared)
        return module if even(window) else nn.Sequential(module, padded(window, -1))

    own = {"channels": filters, "groups": groups, "output_pad": tuple(more), "bias": bias}
    return Pair(x, build, (), {**window.given, **own})


# Pooling


def pooling(draw: st.DrawFn, name: str) -> Pair:
    """Draw a pooling layer; PyTorch pads by half of the kernel at most, dilated or not, and both sides alike."""
    window = draw(sliding(pools=True, keeps=False, fits=True, d=3 if name == "MaxPool" else 1))
    alone = even(window) and all(2 * side[0] <= k for side, k in zip(window.sides, window.kernel, strict=True))
    ceil = alone and window.given.get("pad") != "tf_same" and draw(st.booleans())
    x = (draw(channels), *window.spatial)

    def build() -> Any:
        options: dict[str, Any] = {"padding": unpacked(padding(window))} if alone else {}
        if name == "MaxPool":
            options["dilation"] = unpacked(window.dilation)
        module = of_rank(name, x)(unpacked(window.kernel), unpacked(window.stride), **options, ceil_mode=ceil)
        return module if alone else nn.Sequential(padded(window, value=float("-inf")), module)

    return Pair(x, build, (), {**window.given, "ceil": ceil})


def unpacked(sizes: Any) -> Any:
    """Give one size by itself, as PyTorch's pooling of sequences takes it."""
    return sizes[0] if isinstance(sizes, tuple) and len(sizes) == 1 else sizes


def global_pooling(draw: st.DrawFn, name: str) -> Pair:
    """Draw what is pooled to one value per channel."""
    x = shapes(draw)
    return Pair(x, lambda: of_rank(name, x)(1))


def adaptive_pooling(draw: st.DrawFn, name: str) -> Pair:
    """Draw what is pooled to a given size, smaller or larger."""
    x = shapes(draw)
    output = draw(st.integers(1, 9)) if draw(st.booleans()) else tuple(draw(st.integers(1, 9)) for _ in x[1:])
    return Pair(x, lambda: of_rank(name, x)(unpacked(output)), (output,))


# Layers that keep the shape


def elementwise(module: Callable[[], Any]) -> Callable[[st.DrawFn], Pair]:
    """Draw a tensor of any rank for a module without options."""
    return lambda draw: Pair(shapes(draw, (0, 1, 2, 3)), module)


def prelu(draw: st.DrawFn) -> Pair:
    """Draw a rectifier with one slope, or one for each channel."""
    x, each = shapes(draw, (0, 1, 2, 3)), draw(st.booleans())
    return Pair(x, lambda: nn.PReLU(x[0] if each else 1), ("per_channel",) if each else ())


def layer_scale(draw: st.DrawFn) -> Pair:
    """Draw a factor for each channel, as CaiT has it: a diagonal matrix."""
    x = shapes(draw, (0, 1, 2, 3))
    return Pair(x, lambda: last(Composed(lambda t, gamma: t * gamma, gamma=parameter(x[0]))))


def normalisation(draw: st.DrawFn, name: str, ranks: tuple[int, ...]) -> Pair:
    """Draw a normalisation with a learned scale and shift or without; one value alone has no deviation."""
    x, affine = shapes(draw, ranks, least=2), draw(st.booleans())
    return Pair(x, lambda: of_rank(name, x)(x[0], affine=affine), () if affine else ("noaffine",))


def layer_norm(draw: st.DrawFn) -> Pair:
    """Draw a normalisation over the channels of each position."""
    x, affine, bias = shapes(draw, (0, 1, 2, 3)), draw(st.booleans()), draw(st.booleans())
    options = {"noaffine": not affine, "nobias": not bias}
    return Pair(x, lambda: last(nn.LayerNorm(x[0], elementwise_affine=affine, bias=bias)), (), options)


def group_norm(draw: st.DrawFn) -> Pair:
    """Draw groups of at least two channels: PyTorch refuses to normalise a single value."""
    groups, affine, bias = draw(st.integers(1, 8)), draw(st.booleans()), draw(st.booleans())
    x = shapes(draw, (0, 1, 2, 3), multiple=2 * groups)

    def build() -> Any:
        module = nn.GroupNorm(groups, x[0], affine=affine)
        if not bias:
            module.bias = None
        return module

    return Pair(x, build, (groups,), {"noaffine": not affine, "nobias": not bias})


def rms_norm(draw: st.DrawFn) -> Pair:
    """Draw a scale for each channel."""
    x, affine = shapes(draw, (0, 1, 2, 3)), draw(st.booleans())
    return Pair(x, lambda: last(nn.RMSNorm(x[0], elementwise_affine=affine)), (), {"noaffine": not affine})


class GlobalResponseNorm(nn.Module):
    """The norm of each channel's map beside the mean of all, as a gate; a scale, a shift, and what arrived."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale, self.shift = parameter(channels), parameter(channels)

    def forward(self, x: Any) -> Any:
        """Normalise a map: N×C×…."""
        sizes = x.norm(p=2, dim=list(range(2, x.dim())), keepdim=True)
        each = (1, -1, *[1] * (x.dim() - 2))
        gated = x * (sizes / (sizes.mean(dim=1, keepdim=True) + 1e-6))
        return x + torch.addcmul(self.shift.view(each), self.scale.view(each), gated)


def global_response_norm(draw: st.DrawFn) -> Pair:
    """Draw a map."""
    x = shapes(draw, (1, 2, 3))
    return Pair(x, lambda: GlobalResponseNorm(x[0]))


def local_response_norm(draw: st.DrawFn) -> Pair:
    """Draw a number of neighbouring channels."""
    x, size = shapes(draw), draw(st.integers(1, 7))
    return Pair(x, lambda: nn.LocalResponseNorm(size), (), {"size": size})


# Layers that move elements


def linear(draw: st.DrawFn) -> Pair:
    """Draw a linear layer over a vector, or over each position."""
    x, filters, bias = shapes(draw, (0, 1, 2, 3)), draw(channels), draw(st.booleans())
    return Pair(x, lambda: last(nn.Linear(x[0], filters, bias=bias)), (filters,), {"nobias": not bias})


def upsample(draw: st.DrawFn) -> Pair:
    """Draw factors and a mode; PyTorch has a word for the linear one of each rank, and a cubic one of maps alone."""
    x = shapes(draw)
    mode = draw(st.sampled_from(["nearest", "bilinear", *(["bicubic"] if len(x) == 3 else [])]))
    factor = tuple(draw(st.integers(1, 4)) for _ in x[1:])
    named = {2: "linear", 3: "bilinear", 4: "trilinear"}[len(x)] if mode == "bilinear" else mode
    return Pair(x, lambda: nn.Upsample(scale_factor=tuple(map(float, factor)), mode=named), (factor,), {"mode": mode})


def resize(draw: st.DrawFn) -> Pair:
    """Draw a size and a mode."""
    x = shapes(draw)
    mode = draw(st.sampled_from(["nearest", "bilinear", *(["bicubic"] if len(x) == 3 else [])]))
    size = tuple(draw(st.integers(1, 24)) for _ in x[1:])
    named = {2: "linear", 3: "bilinear", 4: "trilinear"}[len(x)] if mode == "bilinear" else mode
    return Pair(x, lambda: nn.Upsample(size, mode=named), (size,), {"mode": mode})


def crop(draw: st.DrawFn) -> Pair:
    """Draw a size that fits: the middle, the smaller half being cut off before it."""
    x = shapes(draw)
    size = tuple(draw(st.integers(1, n)) for n in x[1:])

    def middle(t: Any) -> Any:
        for axis, (n, m) in enumerate(zip(x[1:], size, strict=True), 2):
            t = t.narrow(axis, (n - m) // 2, m)
        return t

    return Pair(x, lambda: Composed(middle), (size,))


def pad(draw: st.DrawFn) -> Pair:
    """Draw what is added at each side, or cut off, and with what; or channels of zeros."""
    x = shapes(draw, least=5)
    mode = draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"]))
    low = -2 if mode == "zeros" else 0
    pairs = [(draw(st.integers(low, 4)), draw(st.integers(low, 4))) for _ in x[1:]]
    word = {"zeros": "constant"}.get(mode, mode)
    if mode == "zeros" and draw(st.booleans()):
        before, after = draw(st.integers(0, 5)), draw(st.integers(0, 5))
        flat = [*(0 for _ in x[1:] for _ in range(2)), before, after]
        return Pair(x, lambda: Composed(lambda t: functional.pad(t, flat)), ((before, after),), {"along": "channels"})
    flat = [side for pair in reversed(pairs) for side in pair]
    given = tuple(side for pair in pairs for side in pair)
    return Pair(x, lambda: Composed(lambda t: functional.pad(t, flat, mode=word)), (given,), {"mode": mode})


def subsample(draw: st.DrawFn) -> Pair:
    """Draw a step for each axis."""
    x = shapes(draw)
    steps = tuple(draw(st.integers(1, 4)) for _ in x[1:])
    return Pair(x, lambda: Composed(lambda t: t[(..., *(slice(None, None, step) for step in steps))]), (steps,))


def tile(draw: st.DrawFn) -> Pair:
    """Draw how many times the channels stand behind each other."""
    x, times = shapes(draw, (0, 1, 2, 3)), draw(st.integers(1, 5))
    return Pair(x, lambda: Composed(lambda t: torch.cat([t] * times, dim=1)), (times,))


def pixel_shuffle(draw: st.DrawFn) -> Pair:
    """Draw a factor; other than on a map, channels fill the places in between, axis by axis."""
    rank, r = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    x = shapes(draw, (rank,), multiple=r**rank)

    def fill(t: Any) -> Any:
        for axis in range(2, 2 + rank):
            t = t.unflatten(1, (-1, r)).movedim(2, axis + 1).flatten(axis, axis + 1)
        return t

    return Pair(x, lambda: nn.PixelShuffle(r) if rank == 2 else Composed(fill), (r,))


def pixel_unshuffle(draw: st.DrawFn) -> Pair:
    """Draw a factor that divides the sides, or with ``ceil`` any sides."""
    r, ceil = draw(st.integers(1, 4)), draw(st.booleans())
    x = shapes(draw)
    if not ceil:
        x = (x[0], *(n * r for n in x[1:]))
    missing = [side for n in reversed(x[1:]) for side in (0, -n % r)]

    def cut(t: Any) -> Any:
        for axis in range(2, 1 + len(x)):
            t = t.unflatten(axis, (-1, r)).movedim(axis + 1, 2).flatten(1, 2)
        return t

    split = nn.PixelUnshuffle(r) if len(x) == 3 else Composed(cut)
    return Pair(x, lambda: nn.Sequential(Composed(lambda t: functional.pad(t, missing)), split), (r,), {"ceil": ceil})


def shuffle(draw: st.DrawFn) -> Pair:
    """Draw groups whose channels change places."""
    groups = draw(st.integers(1, 5))
    x = shapes(draw, (2,), multiple=groups)
    return Pair(x, lambda: nn.ChannelShuffle(groups), (groups,))


# Sequences


def embedding(draw: st.DrawFn) -> Pair:
    """Draw a table and indices of any rank."""
    x, rows, width = (1, *shapes(draw, (0, 1, 2, 3))[1:]), draw(st.integers(1, 50)), draw(channels)
    look_up = lambda: Composed(lambda t, table: table(t[:, 0].long()).movedim(-1, 1), table=nn.Embedding(rows, width))  # noqa: E731
    return Pair(x, look_up, (rows, width))


def learned(draw: st.DrawFn) -> Pair:
    """Draw a tensor of weights, which is the same for every input."""
    x, shape, frozen = shapes(draw, (0, 1, 2, 3)), shapes(draw, (0, 1, 2, 3)), draw(st.booleans())

    def build() -> Any:
        module = Composed(lambda t, own: own.expand(len(t), *shape), own=None if frozen else parameter(*shape))
        if frozen:
            del module.own
            module.register_buffer("own", torch.empty(shape))
        return module

    return Pair(x, build, (shape,), {"frozen": frozen})


def reshape(draw: st.DrawFn) -> Pair:
    """Draw a shape, and another one with its elements: its sizes in some order, some of them as one."""
    x = shapes(draw, (0, 1, 2, 3))
    sizes = draw(st.permutations(x))
    cut = draw(st.integers(1, len(sizes)))
    out = (prod(sizes[:cut]), *sizes[cut:])
    return Pair(x, lambda: Composed(lambda t: t.reshape(len(t), *out)), (out,))


def transpose(draw: st.DrawFn) -> Pair:
    """Draw a sequence."""
    return Pair(shapes(draw, (1,)), lambda: Composed(lambda t: t.transpose(1, 2)))


# Recurrent layers


def recurrent(draw: st.DrawFn, name: str) -> Pair:
    """Draw a recurrent layer on a sequence, or along an axis of a map, whose other axis is then a batch's."""
    x = shapes(draw, (1, 2), most=6)  # PyTorch counts a recurrence step by step, which takes its time
    hidden, layers = draw(channels), draw(st.integers(1, 3))
    both, bias = draw(st.booleans()), draw(st.booleans())
    axis = draw(st.integers(1, len(x) - 1))

    def forward(t: Any, cell: Any) -> Any:
        rows = t.movedim(1, -1).movedim(axis, -2)
        return cell(rows.flatten(0, -3))[0].unflatten(0, rows.shape[:-2]).movedim(-2, axis).movedim(-1, 1)

    def build() -> Any:
        options = {"num_layers": layers, "bidirectional": both, "bias": bias, "batch_first": True}
        return Composed(forward, cell=getattr(nn, name)(x[0], hidden, **options))

    options: dict[str, Any] = {"layers": layers, "both": both, "nobias": not bias}
    if len(x) == 3:
        options["along"] = ("height", "width")[axis - 1]
    return Pair(x, build, (hidden,), options)


# Tokens and attention


def tokens(draw: st.DrawFn) -> Pair:
    """Draw a patch sequence with class tokens and an embedding for each position (arXiv 2010.11929, equation 1)."""
    x, cls, learned = shapes(draw), draw(st.integers(0, 3)), draw(st.booleans())

    def forward(t: Any, classes: Any, embedding: Any) -> Any:
        sequence = torch.cat([classes.expand(len(t), -1, -1), t.flatten(2).transpose(1, 2)], dim=1)
        return (sequence if embedding is None else sequence + embedding).transpose(1, 2)

    def build() -> Any:
        embedding = parameter(1, cls + prod(x[1:]), x[0]) if learned else None
        return Composed(forward, classes=parameter(1, cls, x[0]), embedding=embedding)

    return Pair(x, build, (), {"cls": cls, "pos": "learned" if learned else "none"})


def take(draw: st.DrawFn) -> Pair:
    """Draw a sequence and one of its positions, from its beginning or its end."""
    x = shapes(draw, (1,))
    index = draw(st.integers(-x[1], x[1] - 1))
    return Pair(x, lambda: Composed(lambda t: t.select(2, index)), (index,))


def cut(draw: st.DrawFn) -> Pair:
    """Draw a range of channels, or of a sequence's positions."""
    along = draw(st.sampled_from(["channels", "positions"]))
    x = shapes(draw, (1,) if along == "positions" else (0, 1, 2))
    axis = 1 + (along == "positions")
    start = draw(st.integers(0, x[axis - 1] - 1))
    stop = draw(st.integers(start + 1, x[axis - 1]))
    build = lambda: Composed(lambda t: t.narrow(axis, start, stop - start))  # noqa: E731
    return Pair(x, build, (start, "end" if stop == x[axis - 1] else stop), {"along": along})


class Attention(nn.Module):
    """Multi-head self-attention (arXiv 1706.03762) over a sequence or a map, channels first.

    Windows and their shift are Swin's (2103.14030), the grid is MaxViT's (2204.01697), the network that gives the
    position bias and the cosine with a temperature are Swin V2's (2111.09883), the vectors of offsets along each axis,
    which queries meet, are ViTDet's (2203.16527); ``tile`` is what attends to itself, a window or the map.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        side: tuple[int, ...] | None,
        shift: int,
        grid: bool,
        position: str,
        bias: bool,
        tile: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.heads, self.side, self.shift, self.grid, self.position = heads, side, shift, grid, position
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.proj = nn.Linear(width, width, bias=bias)
        if position == "relative":
            self.table = parameter(prod(2 * w - 1 for w in side or ()), heads)
        if position == "continuous":
            self.network = nn.Sequential(nn.Linear(2, 512), nn.ReLU(), nn.Linear(512, heads, bias=False))
            self.temperature = parameter(heads, 1, 1)
        if position == "decomposed":
            self.vectors = nn.ParameterList(parameter(2 * w - 1, width // heads) for w in tile)

    def decomposed(self, q: Any) -> Any:
        """Give each query's products with the vectors of its offsets along each axis: rows×heads×L×L."""
        sides = [(len(vectors) + 1) // 2 for vectors in self.vectors]
        whole: Any = 0
        for axis, (w, vectors) in enumerate(zip(sides, self.vectors, strict=True)):
            places = torch.arange(w)
            queries = q.unflatten(2, sides).movedim(2 + axis, 0)
            met = torch.bmm(queries.flatten(1, -2), vectors[places[:, None] - places + w - 1].mT)
            met = met.unflatten(1, queries.shape[1:-1]).movedim(0, 2 + axis)
            keys = [w if other == axis else 1 for other in range(len(sides))]
            whole = whole + met.unflatten(-1, keys)
        return whole.flatten(2 + len(sides)).flatten(2, 1 + len(sides))

    def bias(self) -> Any:
        """Look the bias of each pair of positions up: heads×L×L."""
        coordinates = torch.cartesian_prod(*(torch.arange(w) for w in self.side)).reshape(-1, len(self.side))
        apart = coordinates[:, None] - coordinates[None, :]
        index = torch.zeros(apart.shape[:2], dtype=torch.long)
        for axis, w in enumerate(self.side):
            index = index * (2 * w - 1) + apart[..., axis] + w - 1
        if self.position == "relative":
            table = self.table
        else:
            offsets = torch.cartesian_prod(*(torch.arange(1.0 - w, w) for w in self.side))
            table = 16 * torch.sigmoid(self.network(torch.sign(offsets) * torch.log1p(offsets.abs())))
        return table[index].permute(2, 0, 1)

    def attend(self, x: Any) -> Any:
        """Let the positions of each row of ``x`` (rows×L×C) attend to each other."""
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        if self.position == "continuous":
            scores = functional.normalize(q, dim=-1) @ functional.normalize(k, dim=-1).mT * self.temperature.exp()
        else:
            scores = q * q.shape[-1] ** -0.5 @ k.mT
        if self.position == "decomposed":
            scores = scores + self.decomposed(q)
        elif self.position != "none":
            scores = scores + self.bias()
        return self.proj((scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2))

    def forward(self, x: Any) -> Any:
        """Pad to whole windows, shift, cut into windows, attend, and undo it all."""
        sizes, x = x.shape[2:], x.movedim(1, -1)
        if self.side is None:
            return self.attend(x.flatten(1, -2)).unflatten(1, sizes).movedim(-1, 1)
        axes = list(range(1, len(sizes) + 1))
        pairs = list(zip(sizes, self.side, strict=True))
        x = functional.pad(x, [0, 0, *(p for n, w in reversed(pairs) for p in (0, -n % w))])
        x = torch.roll(x, [-self.shift] * len(axes), axes)
        for axis, w in zip(reversed(axes), reversed(self.side), strict=True):
            x = x.unflatten(axis, (w, -1) if self.grid else (-1, w))
        outer, inner = ([2 * a for a in axes], [2 * a - 1 for a in axes])
        if not self.grid:
            outer, inner = inner, outer
        order = [0, *outer, *inner, x.dim() - 1]
        cut = x.permute(order)
        rows = self.attend(cut.flatten(len(axes) + 1, -2).flatten(0, len(axes)))
        x = rows.reshape(cut.shape).permute([order.index(i) for i in range(len(order))])
        for axis in axes:
            x = x.flatten(axis, axis + 1)
        x = torch.roll(x, [self.shift] * len(axes), axes).movedim(-1, 1)
        return x[(..., *(slice(n) for n in sizes))]


def attention(draw: st.DrawFn) -> Pair:
    """Draw attention with all its options."""
    heads, width, bias = draw(st.integers(1, 4)), draw(st.integers(1, 8)), draw(st.booleans())
    rank = draw(st.integers(1, 3))
    x = (heads * width, *(draw(st.integers(1, 12 if rank < 3 else 6)) for _ in range(rank)))
    options: dict[str, Any] = {"heads": heads} if draw(st.booleans()) else {"head_dim": width}
    options["nobias"] = not bias
    side = None
    if draw(st.integers(0, 3)):
        side = tuple(draw(st.integers(1, 5)) for _ in range(rank))
        options["window"] = side
        if draw(st.booleans()):
            side = side[:1] * rank
            options["window"] = side[0]
        options |= {"shift": draw(st.integers(0, 2)), "grid": draw(st.booleans())}
        options["position"] = draw(st.sampled_from(["none", "relative", *(["continuous"] if rank == 2 else [])]))
    if options.get("position", "none") == "none" and draw(st.booleans()):
        options["position"] = "decomposed"
    tile = x[1:] if side is None else side
    arguments = (options.get("shift", 0), options.get("grid", False), options.get("position", "none"), bias, tile)
    return Pair(x, lambda: Attention(x[0], heads, side, *arguments), (), options)


ACTIVATIONS = {
    "relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "LeakyReLU", "elu": "ELU", "selu": "SELU", "celu": "CELU",
    "silu": "SiLU", "hard_swish": "Hardswish", "gelu": "GELU", "sigmoid": "Sigmoid", "hard_sigmoid": "Hardsigmoid",
    "tanh": "Tanh", "hard_tanh": "Hardtanh", "mish": "Mish", "softplus": "Softplus", "softsign": "Softsign",
}  # fmt: skip

ORACLES: dict[str, Callable[[st.DrawFn], Pair]] = {
    "conv": convolution,
    "dwconv": lambda draw: convolution(draw, depthwise=True),
    "upconv": transposed,
    "linear": linear,
    "flatten": elementwise(nn.Flatten),
    "upsample": upsample,
    "resize": resize,
    "crop": crop,
    "pad": pad,
    "subsample": subsample,
    "tile": tile,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "shuffle": shuffle,
    "bn": lambda draw: normalisation(draw, "BatchNorm", (0, 1, 2, 3)),
    "ln": layer_norm,
    "gn": group_norm,
    "in": lambda draw: normalisation(draw, "InstanceNorm", (1, 2, 3)),
    "rmsnorm": rms_norm,
    "grn": global_response_norm,
    "lrn": local_response_norm,
    **{kind: elementwise(getattr(nn, name)) for kind, name in ACTIVATIONS.items()},
    "prelu": prelu,
    "softmax": elementwise(lambda: nn.Softmax(dim=1)),
    "layer_scale": layer_scale,
    "dropout": elementwise(nn.Dropout),
    "droppath": elementwise(nn.Identity),  # whole samples are dropped in training alone
    "identity": elementwise(nn.Identity),
    "maxpool": lambda draw: pooling(draw, "MaxPool"),
    "avgpool": lambda draw: pooling(draw, "AvgPool"),
    "global_avgpool": lambda draw: global_pooling(draw, "AdaptiveAvgPool"),
    "global_maxpool": lambda draw: global_pooling(draw, "AdaptiveMaxPool"),
    "adaptive_avgpool": lambda draw: adaptive_pooling(draw, "AdaptiveAvgPool"),
    "adaptive_maxpool": lambda draw: adaptive_pooling(draw, "AdaptiveMaxPool"),
    "embed": embedding,
    "learned": learned,
    "reshape": reshape,
    "transpose": transpose,
    **{kind: partial(recurrent, name=kind.upper()) for kind in ("lstm", "gru", "rnn")},
    "tokens": tokens,
    "take": take,
    "slice": cut,
    "attention": attention,
}


def test_every_kind_has_an_oracle() -> None:
    """No layer kind goes without PyTorch's word."""
    assert set(ORACLES) == set(LAYERS)


def measured(module: Any, x: tuple[int, ...]) -> tuple[Any, ...]:
    """Run a module on one input: the shape that leaves, parameters, buffers, operations, and those of batched products.

    Attention's products are the only ones of two activations; PyTorch runs them, and no linear layer, as batches.
    """
    with counter.FlopCounterMode(display=False) as flops:
        y = module.eval()(torch.empty(1, *x))
    sizes = [sum(tensor.numel() for tensor in found) for found in (module.parameters(), module.buffers())]
    batched = flops.get_flop_counts().get("Global", {}).get(torch.ops.aten.bmm, 0)
    return (*y.shape[1:], *sizes, flops.get_total_flops(), batched)


def claimed(layer: Kind, x: Shape) -> tuple[Any, ...]:
    """Say the same of a layer; PyTorch counts a multiply-add as two operations."""
    y = layer.out_shape(x)
    macs, attention = layer.macs(x, y), layer.attention_macs(x, y)
    return (y.channels, *y.spatial, layer.params(x), layer.buffers(x), 2 * macs, 2 * attention)


@pytest.mark.parametrize("kind", ORACLES)
def test_a_layer_is_what_pytorch_has_under_that_name(kind: str) -> None:
    """Shape, parameters, buffers and multiply-adds are PyTorch's, with more examples the more options there are."""

    @given(data=st.data())
    @settings(max_examples=25 * (1 + len(LAYERS[kind].fields)), derandomize=True, deadline=None, database=None)
    def agree(data: st.DataObject) -> None:
        pair = ORACLES[kind](data.draw)
        layer = make(kind, list(pair.positional), dict(pair.options))
        with torch.device("meta"):
            assert claimed(layer, Shape(pair.x[0], pair.x[1:])) == measured(pair.build(), pair.x)

    agree()


@given(heads=st.integers(1, 4), width=st.integers(1, 8), length=st.integers(1, 30), bias=st.booleans())
@settings(max_examples=25, derandomize=True, deadline=None, database=None)
def test_attention_on_a_sequence_is_pytorch_s_own(heads: int, width: int, length: int, bias: bool) -> None:
    """`nn.MultiheadAttention` of a sequence with itself has the same parameters and products."""
    seen = heads * width
    layer = make("attention", [], {"heads": heads, "nobias": not bias})
    with torch.device("meta"):
        own = nn.MultiheadAttention(seen, heads, bias=bias, batch_first=True)
        module = Composed(lambda t, own: own(*[t.transpose(1, 2)] * 3)[0].transpose(1, 2), own=own)
        assert claimed(layer, Shape(seen, (length,))) == measured(module, (seen, length))
