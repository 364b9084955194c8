"""Every layer kind against literal counting: windows laid on a list one by one, weights and products enumerated."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bneck_cli.engine.layers import LAYERS, LayerError, make
from bneck_cli.sizes.dim import symbol
from bneck_cli.sizes.evaluation import evaluate
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.layers import Kind


thorough = settings(max_examples=300, deadline=None, database=None)
brief = settings(max_examples=80, deadline=None, database=None)
H, W, T, C = map(symbol, "HWTC")


# One case or more of every kind


class Case(NamedTuple):
    """A layer, a shape that arrives, and what must come of it; ``weights`` and ``products`` are worked out by hand."""

    kind: str
    positional: tuple[Any, ...]
    options: dict[str, Any]
    x: tuple[int, ...]
    y: tuple[int, ...]
    weights: int = 0
    products: int = 0
    attention: int = 0
    buffers: int = 0

    def __str__(self) -> str:
        words = [*map(str, self.positional), *(f"{name}={value}" for name, value in self.options.items())]
        return " ".join([self.kind, *words]).replace(", ", ",")


ELEMENTWISE = (
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "silu", "hard_swish", "gelu", "sigmoid", "hard_sigmoid",
    "tanh", "hard_tanh", "mish", "softplus", "softsign", "softmax", "dropout", "droppath", "identity", "lrn",
)  # fmt: skip
MAP = (64, 56, 56)
CASES = (
    *(Case(name, (), {}, MAP, MAP) for name in ELEMENTWISE),
    Case("conv", ((7, 7), 64), {"stride": 2}, (3, 224, 224), (64, 112, 112), 9408, 118_013_952),
    Case("conv", (1, 256), {"bias": True}, MAP, (256, 56, 56), 64 * 256 + 256, 56 * 56 * 64 * 256),
    Case("conv", (3, 128), {"groups": 32}, (128, 28, 28), (128, 28, 28), 128 * 4 * 9, 28 * 28 * 128 * 4 * 9),
    Case("conv", ((1, 7), 192), {}, (128, 17, 17), (192, 17, 17), 192 * 128 * 7, 17 * 17 * 192 * 128 * 7),
    Case("conv", (3, 8), {"dilation": (2, 1), "pad": 0}, (4, 9, 9), (8, 5, 7), 8 * 4 * 9, 5 * 7 * 8 * 4 * 9),
    Case("conv", (4, 6), {"pad": (1, 2, 0, 3), "stride": (2, 1)}, (2, 9, 9), (6, 5, 9), 6 * 2 * 16, 45 * 6 * 2 * 16),
    Case("conv", ((3,), 80), {"stride": 2}, (80, 3000), (80, 1500), 80 * 80 * 3, 1500 * 80 * 80 * 3),
    Case("conv", (3, 32), {"stride": 2, "pad": "tf_same"}, (3, 11, 10), (32, 6, 5), 32 * 27, 30 * 32 * 27),
    Case("conv", (2, 5), {"pad": "valid", "stride": 2}, (3, 5, 4), (5, 2, 2), 60, 240),
    Case("dwconv", (3,), {"stride": 2}, (32, 113, 112), (32, 57, 56), 32 * 9, 57 * 56 * 32 * 9),
    Case("dwconv", ((5, 3),), {"multiplier": 2, "bias": True}, (6, 8, 8), (12, 8, 8), 12 * 15 + 12, 64 * 12 * 15),
    Case("upconv", (2, 64), {"stride": 2, "bias": True}, (128, 28, 28), (64, 56, 56), 32_832, 28 * 28 * 32_768),
    Case("upconv", (3, 6), {"stride": 2, "pad": 1, "output_pad": 1, "groups": 2}, (4, 5), (6, 10), 36, 5 * 4 * 3 * 3),
    Case("upconv", (3, 1), {}, (2, 1, 1), (1, 3, 3), 2 * 9, 2 * 9),
    Case("linear", (1000,), {}, (2048,), (1000,), 2_049_000, 2_048_000),
    Case("linear", (3072,), {"nobias": True}, (768, 197), (3072, 197), 768 * 3072, 197 * 768 * 3072),
    Case("embed", (50257, 768), {}, (1, 1024), (768, 1024), 50257 * 768),
    Case("learned", ((768, 197),), {}, (3, 8), (768, 197), 768 * 197),
    Case("lstm", (20,), {}, (12, 7), (20, 7), 4 * 20 * (12 + 20) + 8 * 20, 7 * 4 * 20 * (12 + 20)),
    Case("gru", (20,), {"nobias": True}, (12, 7), (20, 7), 3 * 20 * (12 + 20), 7 * 3 * 20 * (12 + 20)),
    Case("rnn", (20,), {"both": True}, (12, 7), (40, 7), 2 * (20 * 32 + 40), 7 * 2 * 20 * (12 + 20)),
    Case("learned", ((2, 169), "frozen"), {}, (3, 8), (2, 169), buffers=2 * 169),
    Case("tile", (3,), {}, (8, 5, 7), (24, 5, 7)),
    Case("transpose", (), {}, (512, 196), (196, 512)),
    Case("reshape", ((64, 49, 64),), {}, (64, 56, 56), (64, 49, 64)),
    Case("flatten", (), {}, (256, 6, 6), (9216,)),
    Case("upsample", (2,), {"mode": "bilinear"}, (16, 7, 9), (16, 14, 18)),
    Case("upsample", ((2, 3),), {}, (16, 7, 9), (16, 14, 27)),
    Case("resize", ((65, 33),), {}, (16, 7, 9), (16, 65, 33)),
    Case("resize", (5,), {"mode": "bilinear"}, (16, 7), (16, 5)),
    Case("crop", (4,), {}, (16, 7, 9), (16, 4, 4)),
    Case("pad", (1,), {}, (16, 7, 9), (16, 9, 11)),
    Case("pad", ((1, 2),), {}, (16, 7, 9), (16, 9, 13)),
    Case("pad", ((0, -2),), {}, (16, 7), (16, 5)),
    Case("pad", ((0, -1, 2, 3),), {}, (16, 7, 9), (16, 6, 14)),
    Case("pad", ((8, 8),), {"along": "channels"}, (16, 7, 9), (32, 7, 9)),
    Case("subsample", (2,), {}, (16, 7, 9), (16, 4, 5)),
    Case("subsample", ((1, 3),), {}, (16, 7, 9), (16, 7, 3)),
    Case("pixel_shuffle", (3,), {}, (27, 5, 4), (3, 15, 12)),
    Case("pixel_shuffle", (2,), {}, (6, 5), (3, 10)),
    Case("pixel_unshuffle", (2,), {}, (96, 56, 28), (384, 28, 14)),
    Case("pixel_unshuffle", (2,), {}, (6, 10), (12, 5)),
    Case("pixel_unshuffle", (4,), {"ceil": True}, (3, 9, 8), (48, 3, 2)),
    Case("pixel_unshuffle", ((1, 2, 2),), {}, (4, 8, 6, 10), (16, 8, 3, 5)),
    Case("shuffle", (3,), {}, (240, 28, 28), (240, 28, 28)),
    Case("bn", (), {}, MAP, MAP, weights=128, buffers=129),
    Case("bn", (), {"noaffine": True}, MAP, MAP, buffers=129),
    Case("ln", (), {}, (96, 56, 56), (96, 56, 56), 192),
    Case("ln", (), {"noaffine": True}, (96,), (96,)),
    Case("gn", (32,), {}, MAP, MAP, 128),
    Case("gn", (32,), {"noaffine": True}, MAP, MAP),
    Case("in", (), {}, MAP, MAP, 128),
    Case("in", (), {"noaffine": True}, MAP, MAP),
    Case("rmsnorm", (), {}, (512, 77), (512, 77), 512),
    Case("grn", (), {}, (64, 7, 5), (64, 7, 5), 128),
    Case("prelu", (), {}, MAP, MAP, 1),
    Case("prelu", (), {"per_channel": True}, MAP, MAP, 64),
    Case("layer_scale", (), {}, MAP, MAP, 64),
    Case("maxpool", (3,), {"stride": 2}, (96, 55, 55), (96, 27, 27)),
    Case("maxpool", (3,), {"stride": 2, "pad": 1}, (64, 112, 112), (64, 56, 56)),
    Case("maxpool", (3,), {"stride": 2, "ceil": True}, (64, 112, 111), (64, 56, 55)),
    Case("maxpool", (3,), {"stride": 1, "dilation": 2}, (8, 9), (8, 5)),
    Case("avgpool", (3,), {"stride": 3}, (8, 8, 8), (8, 2, 2)),
    Case("avgpool", (2,), {"stride": 2}, (64, 57, 56), (64, 28, 28)),
    Case("avgpool", ((3, 2),), {"stride": (2, 3), "pad": (1, 0)}, (7, 10, 10), (7, 5, 3)),
    Case("global_avgpool", (), {}, (2048, 7, 7), (2048, 1, 1)),
    Case("global_maxpool", (), {}, (2048, 49), (2048, 1)),
    Case("adaptive_avgpool", (7,), {}, (512, 13, 9), (512, 7, 7)),
    Case("adaptive_maxpool", ((2, 3),), {}, (512, 13, 9), (512, 2, 3)),
    Case("tokens", (), {"cls": 1}, (768, 14, 14), (768, 197), 768 + 197 * 768),
    Case("tokens", (), {"pos": "none"}, (768, 14, 14), (768, 196)),
    Case("take", (0,), {}, (768, 197), (768,)),
    Case("take", (-197,), {}, (768, 197), (768,)),
    Case("slice", (3, 8), {}, (64, 7, 7), (5, 7, 7)),
    Case("slice", (1, "end"), {"along": "positions"}, (768, 197), (768, 196)),
    Case(
        "attention", (), {"heads": 12}, (768, 197), (768, 197),
        4 * 768 * 768 + 4 * 768, 197 * 4 * 768 * 768 + 2 * 197 * 197 * 768, 2 * 197 * 197 * 768,
    ),
    Case(
        "attention", (), {"head_dim": 32, "window": 7, "position": "relative", "nobias": True}, (96, 50, 56),
        (96, 50, 56), 4 * 96 * 96 + 13 * 13 * 3, 56 * 56 * 4 * 96 * 96 + 64 * 2 * 49 * 49 * 96, 64 * 2 * 49 * 49 * 96,
    ),
)  # fmt: skip


def made(case: Case) -> Kind:
    """Make a case's layer."""
    return make(case.kind, list(case.positional), dict(case.options))


def shaped(sizes: tuple[Any, ...]) -> Shape:
    """Take sizes, channels first, for a shape."""
    return Shape(sizes[0], sizes[1:])


def answers(layer: Kind, x: Shape) -> list[Any]:
    """Ask every rule of a layer in turn."""
    y = layer.out_shape(x)
    costs = [layer.params(x), layer.buffers(x), layer.macs(x, y), layer.attention_macs(x, y)]
    return [y.channels, *y.spatial, *costs, *(count for _, count in layer.uncounted(x, y))]


def test_the_cases_cover_every_kind() -> None:
    """No layer kind is without a case."""
    assert {case.kind for case in CASES} == set(LAYERS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_layer_gives_what_was_worked_out_by_hand(case: Case) -> None:
    """Shape, weights, buffers, products and the part of attention in them are those of the table."""
    layer, x = made(case), shaped(case.x)
    y = layer.out_shape(x)
    assert y == shaped(case.y)
    costs = (layer.params(x), layer.macs(x, y), layer.attention_macs(x, y), layer.buffers(x))
    assert costs == (case.weights, case.products, case.attention, case.buffers)


ANYWHERE = [case for case in CASES if case.kind != "reshape"]
"""Those that any input may arrive at: a shape that is written holds so many elements."""


@pytest.mark.parametrize("case", ANYWHERE, ids=str)
def test_a_rule_means_the_same_for_numbers_and_symbols(case: Case) -> None:
    """Asked about symbols, every rule answers with sizes that are, at the case's numbers, its answers for those."""
    layer = made(case)
    axes = (T, H, W) if len(case.x) == 4 else (H, W)[: len(case.x) - 1]
    names = (1 if case.kind == "embed" else C, *axes)
    values = dict(zip(map(str, (C, *axes)), case.x, strict=True))
    symbolic = answers(layer, shaped(names))
    assert [evaluate(size, values) for size in symbolic] == answers(made(case), shaped(case.x))
    assert layer.source or any(not isinstance(size, int) for size in symbolic)


def test_groups_may_be_the_symbol_that_the_channels_are() -> None:
    """A convolution with C groups over C channels to C filters has C filters of one channel each."""
    layer = make("conv", [3, C], {"groups": C})
    x = Shape(C, (H, W))
    assert layer.params(x) == 9 * C
    assert layer.macs(x, layer.out_shape(x)) == 9 * C * H * W


@pytest.mark.parametrize("case", [case for case in ANYWHERE if len(case.x) == 3], ids=str)
def test_a_rule_means_the_same_for_arrays(case: Case) -> None:
    """Asked about a grid of heights and widths, every rule answers for each of them as if asked alone."""
    heights, widths = range(case.x[1], case.x[1] + 8, 4), range(case.x[2], case.x[2] + 12, 4)
    grid = (numpy.array(heights)[:, None], numpy.array(widths)[None, :])
    if case.kind == "pixel_unshuffle":  # exact division by the factor is checked on numbers, and stated of symbols
        sizes = answers(made(case), Shape(case.x[0], (H, W)))
        whole = [evaluate(size, {"H": grid[0], "W": grid[1]}) for size in sizes]
    else:
        whole = answers(made(case), Shape(case.x[0], grid))
    for (i, height), (j, width) in product(enumerate(heights), enumerate(widths)):
        at = [int(numpy.broadcast_to(size, (2, 3))[i, j]) for size in whole]
        assert at == answers(made(case), Shape(case.x[0], (height, width)))


# Windows, laid one by one


def laid(n: int, k: int, s: int, sides: tuple[int, int], d: int, ceil: bool = False) -> list[int]:
    """List where windows start on a padded row of ``n`` cells.

    With ``ceil`` a window may reach less than a step beyond the row, unless it starts in the padding at its end.
    """
    before, after = sides
    row = ["padding"] * before + ["input"] * n + ["padding"] * after
    starts = []
    for start in range(0, len(row), s):
        last = [start + d * tap for tap in range(k)][-1]
        if ceil and "input" not in row[start:]:
            break
        if last < len(row) + (s - 1 if ceil else 0):
            starts.append(start)
    return starts


def scattered(n: int, k: int, s: int, sides: tuple[int, int], d: int, more: int) -> int:
    """Spread the taps of ``n`` windows over a row, lengthen it by ``more``, cut its sides off, and measure it."""
    row = {step * s + tap * d for step in range(n) for tap in range(k)}
    kept = list(range(max(row) + 1 + more))[sides[0] :]
    return max(len(kept) - sides[1], 0)


def tensorflow(n: int, k: int, s: int, d: int) -> tuple[int, int]:
    """Pad as TensorFlow's SAME says: enough for the last step's window, the odd cell at the end."""
    reach = d * (k - 1) + 1
    total = max(reach - s, 0) if n % s == 0 else max(reach - n % s, 0)
    return total // 2, total - total // 2


class Sliding(NamedTuple):
    """A random window: the options as a spec gives them, and per axis what they mean."""

    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    sides: tuple[tuple[int, int], ...]
    given: dict[str, Any]

    @property
    def axes(self) -> Iterator[tuple[int, int, int, tuple[int, int], int]]:
        """Give the arguments of ``laid`` per axis."""
        return zip(self.spatial, self.kernel, self.stride, self.sides, self.dilation, strict=True)

    @property
    def steps(self) -> Iterator[tuple[int, int]]:
        """Give stride and dilation per axis, the larger of which bounds ``output_pad``."""
        return zip(self.stride, self.dilation, strict=True)


@st.composite
def sliding(
    draw: st.DrawFn,
    most: int = 30,
    taps: int = 7,
    d: int = 3,
    half: bool = False,
    fits: bool = False,
    same: bool = True,
    pools: bool = False,
    keeps: bool = True,
) -> Sliding:
    """Draw a window over a sequence, a map or a video.

    ``half`` keeps the padding within half of its reach, ``pools`` within half of the kernel, ``fits`` lets it fit
    without any, ``same`` allows TensorFlow's; ``keeps`` says that padding which is not written keeps the map.
    """
    rank = draw(st.integers(1, 3))

    def sizes(largest: int) -> tuple[Any, tuple[int, ...]]:
        each = draw(st.tuples(*[st.integers(1, largest)] * rank))
        return (each[0], each[:1] * rank) if draw(st.booleans()) else (each, each)

    (k, kernel), (s, stride), (apart, dilation) = sizes(taps), sizes(4), sizes(d)
    reaches = [step * (size - 1) + 1 for size, step in zip(kernel, dilation, strict=True)]
    spatial = tuple(draw(st.integers(reach if fits else 1, most)) for reach in reaches)
    bounds = [size // 2 for size in kernel] if pools else [reach // 2 if half else 5 for reach in reaches]
    one = draw(st.integers(0, min(bounds)))
    before, after = (tuple(draw(st.integers(0, bound)) for bound in bounds) for _ in range(2))
    odd = tuple((size // 2) * step if size % 2 else 0 for size, step in zip(kernel, dilation, strict=True))
    forms: list[tuple[dict[str, Any], Any]] = [
        ({}, zip(odd, odd, strict=True) if keeps else [(0, 0)] * rank),
        ({"pad": "valid"}, [(0, 0)] * rank),
        ({"pad": one}, [(one, one)] * rank),
    ]
    if same:
        forms.append(({"pad": "tf_same"}, map(tensorflow, spatial, kernel, stride, dilation)))
    pairs = list(zip(before, after, strict=True))
    forms.append(({"pad": tuple(side for pair in pairs for side in pair)}, pairs))
    if rank > 1:
        forms.append(({"pad": before}, zip(before, before, strict=True)))
    pad, sides = draw(st.sampled_from(forms))
    spread = {"dilation": apart} if d > 1 else {}
    return Sliding(spatial, kernel, stride, dilation, tuple(sides), {"kernel": k, "stride": s, **spread, **pad})


def agree(layer: Kind, spatial: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Check a shape rule's sizes on numbers, on symbols and on arrays; where no window fits they are 0 or less."""
    y = layer.out_shape(Shape(8, spatial))
    assert tuple(max(size, 0) for size in y.spatial) == expected
    names = (H, W, T)[: len(spatial)]
    symbolic = layer.out_shape(Shape(8, names))
    assert tuple(evaluate(size, dict(zip("HWT", spatial, strict=False))) for size in symbolic.spatial) == y.spatial
    arrays = layer.out_shape(Shape(8, tuple(numpy.array([n, n + 1]) for n in spatial)))
    assert tuple(int(size[0]) for size in arrays.spatial) == y.spatial


def over(kind: str, window: Sliding, *positional: Any, **options: Any) -> Kind:
    """Make the layer of a window, which its kernel comes first of."""
    given = {**window.given, **options}
    return make(kind, [given.pop("kernel"), *positional], given)


@given(window=sliding())
@thorough
def test_a_convolution_gives_a_value_for_each_window_that_fits(window: Sliding) -> None:
    """On any axis, padding and dilation, as many values leave as windows fit on the padded row."""
    expected = tuple(len(laid(*axis)) for axis in window.axes)
    agree(over("conv", window, 5), window.spatial, expected)
    agree(over("dwconv", window), window.spatial, expected)


@pytest.mark.parametrize(("kind", "d"), [("maxpool", 3), ("avgpool", 1)])
@given(data=st.data())
@thorough
def test_pooling_gives_a_value_for_each_window(kind: str, d: int, data: st.DataObject) -> None:
    """As many values leave as windows fit; with `ceil`, as windows start on the input or in the padding before it."""
    window = data.draw(sliding(pools=True, keeps=False, d=d))
    ceil = data.draw(st.booleans()) and window.given.get("pad") != "tf_same"
    expected = tuple(len(laid(*axis, ceil)) for axis in window.axes)
    agree(over(kind, window, *["ceil"] * ceil), window.spatial, expected)


@given(window=sliding(same=False, keeps=False), data=st.data())
@thorough
def test_a_transposed_convolution_gives_the_cells_that_its_windows_reach(window: Sliding, data: st.DataObject) -> None:
    """What leaves is the row on which all windows were spread, longer by `output_pad` and without its padding."""
    bound = min(max(pair) for pair in window.steps)
    more = data.draw(st.integers(0, bound - 1))
    expected = tuple(scattered(*axis, more) for axis in window.axes)
    agree(over("upconv", window, 5, output_pad=more), window.spatial, expected)


# Weights and products, one by one


def filters(seen: int, made: int, groups: int, kernel: tuple[int, ...]) -> set[tuple[int, int, tuple[int, ...]]]:
    """List every weight of a grouped convolution: from a channel, to a channel of the same group, at a tap."""
    taps = list(product(*map(range, kernel)))
    return {
        (source, target, tap)
        for source, target, tap in product(range(seen), range(made), taps)
        if source * groups // seen == target * groups // made
    }


three = st.tuples(*[st.integers(1, 3)] * 3)


@pytest.mark.parametrize("kind", ["conv", "dwconv", "upconv"])
@given(window=sliding(most=6, taps=3, d=2, same=False), each=three, bias=st.booleans())
@brief
def test_a_convolution_multiplies_with_every_weight_at_every_place(
    kind: str, window: Sliding, each: tuple[int, int, int], bias: bool
) -> None:
    """Weights are the pairs of channels in one group at each tap; they all multiply wherever the window lies.

    A depthwise one has a group for each channel. A transposed one's windows lie at every input, and those products
    that fall on what is cut away count too.
    """
    groups, seen, filtered = each[0], each[0] * each[1], each[0] * each[2]
    options: dict[str, Any] = {"channels": filtered, "groups": groups}
    if kind == "dwconv":
        groups, filtered, options = seen, seen * each[2], {"multiplier": each[2]}
    weights = filters(seen, filtered, groups, window.kernel)
    rows = map(range, window.spatial) if kind == "upconv" else (laid(*axis) for axis in window.axes)
    places = list(product(*rows))
    layer, x = over(kind, window, bias=bias, **options), Shape(seen, window.spatial)
    y = layer.out_shape(x)
    assert y.channels == len({target for _, target, _ in weights})
    assert layer.params(x) == len(weights) + filtered * bias
    if all(size > 0 for size in y.spatial):
        assert layer.macs(x, y) == sum(1 for _ in product(places, weights))
        assert layer.uncounted(x, y) == ((("bias additions", y.elements),) if bias else ())


@given(
    spatial=st.one_of(st.tuples(st.integers(1, 6)), st.tuples(st.integers(1, 6), st.integers(1, 6))),
    side=st.one_of(st.none(), st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3))),
    heads=st.integers(1, 3),
    width=st.integers(1, 2),
    position=st.sampled_from(["none", "relative", "continuous"]),
    words=st.sets(st.sampled_from(["grid", "nobias"])),
)
@brief
def test_attention_multiplies_every_pair_of_positions_that_meet(
    spatial: tuple[int, ...], side: Any, heads: int, width: int, position: str, words: set[str]
) -> None:
    """Two positions of a window meet twice per channel: in a score, and in the sum that it weighs.

    Queries, keys, values and the projection have a weight for each pair of channels, at every position of the padded
    map; a relative position that occurs has a bias for each head, from a table or from a network.
    """
    if len(spatial) == 1:
        side, position = side[0] if isinstance(side, tuple) else side, position.replace("continuous", "relative")
    position = position if side else "none"
    sides = spatial if side is None else side if isinstance(side, tuple) else (side,) * len(spatial)
    padded = list(product(*(range(len(range(0, n, w)) * w) for n, w in zip(spatial, sides, strict=True))))
    windows: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for place in padded:
        windows.setdefault(tuple(i // w for i, w in zip(place, sides, strict=True)), []).append(place)
    meetings = [(one, other) for members in windows.values() for one, other in product(members, members)]
    offsets = {tuple(a - b for a, b in zip(one, other, strict=True)) for one, other in meetings}

    seen = heads * width
    linear = sum(1 for _ in product("qkvo", range(seen), range(seen)))
    weights, products = linear, linear * len(padded)
    if "nobias" not in words:
        weights += sum(1 for _ in product("qkvo", range(seen)))
    if position == "relative":
        weights += sum(1 for _ in product(offsets, range(heads)))
    if position == "continuous":  # (row, column) to 512 to heads, a bias in between; and a temperature for each head
        network = sum(1 for _ in product(range(2), range(512))) + sum(1 for _ in product(range(512), range(heads)))
        weights += network + len(range(512)) + len(range(heads))
        products += network * len(offsets)

    bias = {"window": side, "position": position} if side else {}
    layer = make("attention", sorted(words - {"grid"} if side is None else words), {"heads": heads, **bias})
    x = Shape(seen, spatial)
    y = layer.out_shape(x)
    met = sum(1 for _ in product(meetings, range(seen), ("score", "sum")))
    assert y == x
    assert layer.params(x) == weights
    assert layer.attention_macs(x, y) == met
    assert layer.macs(x, y) == products + met
    assert dict(layer.uncounted(x, y))["softmax"] == len(meetings) * heads


# What cannot be


WRONG: tuple[tuple[str, list[Any], dict[str, Any], tuple[Any, ...], str, Any], ...] = (
    ("conv", [3, 8], {"groups": 3}, (6, 9, 9), "out_channels (=8) must be divisible by groups (=3)", "groups"),
    ("conv", [3, 9], {"groups": 3}, (8, 9, 9), "in_channels (=8) must be divisible by groups (=3)", "groups"),
    ("upconv", [3, 8], {"groups": 3}, (6, 9, 9), "out_channels (=8) must be divisible by groups (=3)", "groups"),
    ("upconv", [3, 9], {"groups": 3}, (8, 9, 9), "in_channels (=8) must be divisible by groups (=3)", "groups"),
    ("gn", [5], {}, (64, 7, 7), "channels (=64) must be divisible by groups (=5)", "groups"),
    ("shuffle", [5], {}, (64, 7, 7), "channels (=64) must be divisible by groups (=5)", "groups"),
    ("pixel_shuffle", [3], {}, (16, 7, 7), "channels (=16) must be divisible by factor**2 (=9)", 0),
    ("pixel_unshuffle", [2], {}, (16, 8, 7), "the map's side (=7) must be divisible by factor (=2)", "factor"),
    ("attention", [], {"heads": 5}, (64, 49), "channels (=64) must be divisible by heads (=5)", "heads"),
    ("attention", [], {"head_dim": 5}, (64, 49), "channels (=64) must be divisible by head_dim (=5)", "head_dim"),
    ("attention", [], {}, (64, 49), "needs heads= or head_dim=", None),
    ("attention", [], {"heads": 4, "position": "relative"}, (64, 49), "a position bias needs a window", "position"),
    ("attention", [], {"heads": 4, "window": (7, 7)}, (64, 49), "window has 2 sizes, but the input has 1", "window"),
    ("conv", [3, 8], {}, (6,), "needs a map or a sequence (got a vector of 6)", None),
    ("conv", [(3, 3), 8], {}, (6, 9), "kernel has 2 sizes, but the input has 1 spatial axis", "kernel"),
    ("conv", [3, 8], {"stride": (1, 2)}, (6, 9), "stride has 2 sizes, but the input has 1", "stride"),
    (
        "conv",
        [3, 8],
        {"pad": (1, 1, 0, 2)},
        (6, 9),
        "pad has 4 sizes; the input takes 1 (by axis) or 2 (by side)",
        "pad",
    ),
    ("dwconv", [3], {}, (6,), "needs a map or a sequence (got a vector of 6)", None),
    ("upconv", [3, 8], {"pad": "tf_same"}, (6, 9, 9), "pad=tf_same does not apply to a transposed convolution", "pad"),
    ("upconv", [3, 8], {"stride": 2, "output_pad": 2}, (6, 9, 9), "output_pad (=2) must be smaller", "output_pad"),
    ("maxpool", [3], {}, (6, 9, 9), "the stride is required", None),
    (
        "maxpool",
        [3],
        {"stride": 2, "pad": 2},
        (6, 9, 9),
        "pad (=2) must be at most half of the kernel (=3)",
        "pad",
    ),
    ("maxpool", [2], {"stride": 1, "pad": 2, "dilation": 3}, (6, 9, 9), "pad (=2) must be at most half of the", "pad"),
    ("avgpool", [2], {"stride": 2, "pad": (0, 2)}, (6, 9, 9), "pad (=2) must be at most half", "pad"),
    ("maxpool", ["ceil", 3], {"stride": 2, "pad": "tf_same"}, (6, 9, 9), "tf_same and ceil exclude each other", "pad"),
    ("global_avgpool", [], {}, (6,), "needs a map or a sequence (got a vector of 6)", None),
    ("adaptive_avgpool", [7], {}, (6,), "needs a map or a sequence (got a vector of 6)", None),
    ("tokens", [], {}, (6,), "needs a map or a sequence (got a vector of 6)", None),
    ("pixel_shuffle", [1], {}, (6,), "needs a map or a sequence (got a vector of 6)", None),
    ("take", [0], {}, (6, 9, 9), "needs a sequence (got 6×9×9)", None),
    ("take", [-10], {}, (6, 9), "index (=-10) must be below the sequence's length (=9)", 0),
    ("take", [9], {}, (6, 9), "index (=9) must be below the sequence's length (=9)", 0),
    ("conv", [3, 8, 1], {}, (), "takes 2 arguments, and '1' is one too many", 2),
    ("linear", [8, "nobais"], {}, (), "takes 1 argument, and 'nobais' is one too many", 1),
    ("relu", [(1, 2)], {}, (), "takes 0 arguments, and '(1, 2)' is one too many", 0),
    ("conv", [3], {}, (), "'channels' is missing", None),
    ("conv", [3, 8], {"strides": 2}, (), "no option 'strides'", "strides"),
    ("conv", [3, 8, "bias"], {"bias": True}, (), "'bias' is given twice", 2),
    ("conv", [0, 8], {}, (), "kernel must be a positive whole number (got 0)", 0),
    ("conv", [(3, 3, 3, 3), 8], {}, (), "kernel must be a size such as 3 or 3x3 (got (3, 3, 3, 3))", 0),
    ("upsample", [2], {"mode": "bicubic"}, (6, 9), "mode=bicubic needs a map (got 6×9)", "mode"),
    ("resize", ["end"], {}, (), "size must be a size such as 65x65, or a tensor's name (got end)", 0),
    ("resize", [(3, 3)], {}, (6, 9), "size has 2 sizes, but the input has 1 spatial axis", "size"),
    ("crop", [8], {}, (6, 9, 7), "size (=8×8) must be at most that of the input (6×9×7)", 0),
    ("pad", ["valid"], {}, (), "sides must be a whole number, 1x2 or (top,bottom,left,right) (got valid)", 0),
    ("pad", [7], {"mode": "reflect"}, (6, 7), "mode=reflect can add at most 6 positions (got 7)", 0),
    ("pad", [-1], {"mode": "circular"}, (6, 7), "mode=circular cannot crop (got -1)", 0),
    ("conv", [3, 8.0], {}, (), "channels must be a positive whole number (got 8.0)", 1),
    ("conv", [3, True], {}, (), "channels must be a positive whole number (got true)", 1),
    ("conv", [3, 8], {"pad": -1}, (), "pad must be a whole number, 0 or more (got -1)", "pad"),
    ("conv", [3, 8], {"pad": "same"}, (), "pad must be a number, 1x2, (top,bottom,left,right), valid or", "pad"),
    ("conv", [3, 8], {"bias": 2}, (), "bias must be true or false (got 2)", "bias"),
    ("upsample", [2], {"mode": "linear"}, (), "mode must be one of nearest, bilinear, bicubic (got linear)", "mode"),
)


def applied(kind: str, positional: list[Any], options: dict[str, Any], x: tuple[Any, ...]) -> None:
    """Make a layer, and where a shape is given, apply it."""
    layer = make(kind, positional, options)
    if x:
        layer.out_shape(shaped(x))


@pytest.mark.parametrize("case", WRONG, ids=lambda case: f"{case[0]}: {case[4]}")
def test_a_layer_that_cannot_be_says_why(case: tuple[Any, ...]) -> None:
    """The complaint names the argument at fault and the numbers that do not fit."""
    *layer, message, culprit = case
    with pytest.raises(LayerError, match=re.escape(message)) as caught:
        applied(*layer)
    assert caught.value.culprit == culprit


def test_channels_are_divided_by_a_symbol_too() -> None:
    """A symbolic number of groups leaves a quotient; one that can never be whole is refused."""
    layer = make("conv", [3, C], {"groups": C})
    assert [str(size) for size in layer.shares(Shape(6, (9, 9)))] == ["1", "(6//(C))"]
    with pytest.raises(LayerError, match=re.escape("out_channels (=C) must be divisible by groups (=2*C)")):
        make("conv", [3, C], {"groups": 2 * C}).out_shape(Shape(6, (9, 9)))
