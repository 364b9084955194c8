"""Attention: over sequences, and within windows of maps."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers.drawn import Label, sides, written
from bneck_cli.engine.layers.kinds import (
    Keeps,
    Kind,
    LayerError,
    extent,
    flag,
    kind,
    natural,
    one_of,
    option,
    per_axis,
    share,
    show,
    size,
)
from bneck_cli.engine.layers.quantities import Quantity, declare, elements
from bneck_cli.engine.layers.reach import OTHER, UNKNOWN, WHOLE, Reach
from bneck_cli.sizes.number import largest, least

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bneck_cli.engine.network import Layer
    from bneck_cli.sizes.shape import Shape, Size

CONTINUOUS_WIDTH = 512
"""The hidden width of the small network that gives Swin V2's position bias (arXiv 2111.09883, section 3.3)."""


declare(
    attention=Quantity("multiply-add", "of a product of attention", head="attention"),
    attention_operator=Quantity(
        "multiply-add", "of a product of attention that the code writes with @", "attention", head="attention"
    ),
    scaled_queries=elements("the queries of attention, scaled"),
    scaled_scores=elements("the scores of attention, scaled"),
)


PARTS = "qkvo"
"""Queries, keys, values, and the projection of the output ("output")."""


def parts(value: Any) -> str:
    """Take the linear layers of attention that have a bias: ``qkv``, ``qvo``, or the word ``none``."""
    if value == "none":
        return ""
    if not isinstance(value, str) or not value or set(value) - set(PARTS) or len(set(value)) < len(value):
        raise LayerError(f"none, or some of the letters q, k, v and o (got {show(value)})")
    return value


def window_extent(value: Any) -> Any:
    """Take the size of a window, or the word ``none``: a definition whose blocks do not all have one passes it on."""
    return None if value == "none" else extent(value)


@kind("attention")
class Attention(Kind):
    """Multi-head self-attention over all positions, or within windows of a map (or across a grid).

    Queries, keys, values and the projection are linear layers; the two products of attention count apart. A map is
    padded to whole windows, as torchvision's Swin does, and the linear layers run on the padded map.
    """

    heads: Any = option(size, None, "number of heads; they divide the channels unless head_dim is given")
    head_dim: Any = option(size, None, "channels per head")
    kv: Any = option(size, None, "heads of keys and values, shared by groups of heads")
    causal: bool = flag("each position attends to itself and those before it; with a window, to that many at most")
    window: Any = option(window_extent, None, "side of the windows; without it, all positions attend to each other")
    shift: Any = option(natural, 0, "shift of the windows; costs nothing")
    grid: bool = flag("attend across the map: the window's positions along each axis, spread evenly (MaxViT)")
    position: str = option(
        one_of("none", "relative", "continuous", "decomposed", "rotary"),
        "none",
        "a bias for relative positions: a table, Swin V2's network, or a product of queries along each axis (ViTDet); "
        "or rotary, which has no weights",
    )
    qk_norm: str = option(one_of("none", "ln", "rmsnorm"), "none", "a norm of each head's queries and keys")
    bias: Any = option(parts, PARTS, "which linear layers have a bias: qkv, qvo, none; o is the projection")
    nobias: bool = flag("no biases")
    part = "attention"
    sees = OTHER
    forms = ("module", "function", "multihead", "einsum")
    past: Size = 0
    """Positions that causal attention has seen before."""

    def reach(self, x: Shape, y: Shape) -> Reach:
        """All positions; within windows it depends on where a position stands."""
        return WHOLE if self.window is None else UNKNOWN

    def label(self, x: Shape, y: Shape) -> Label:
        """Its heads, those of keys and values where they are fewer, its windows, and whether it looks back alone."""
        heads, shared = self._heads(x), self._kv(x)
        more = f"{written(heads)} heads"
        if shared != heads:
            more += f", {written(shared)} of keys and values"
        if self.window is not None:
            side = self.window if isinstance(self.window, tuple) else (self.window,) * len(x.spatial)
            more += f", {sides(side)} {'grid' if self.grid else 'windows'}"
        return Label(("causal self-attention" if self.causal else "self-attention", more), "attention")

    def out_shape(self, x: Shape) -> Shape:
        """Same as the input."""
        if not x.spatial:
            raise LayerError(f"needs a sequence or a map (got a vector of {x})")
        heads = self._heads(x)
        share(heads, self._kv(x), "heads", "kv")
        if self.position in ("relative", "continuous") and self.window is None:
            raise LayerError("a position bias needs a window", "position", hint="give the window's side: window=7")
        if self.window is None and (self.grid or self.shift):
            raise LayerError("grid and shift need a window", "grid" if self.grid else "shift")
        if self.position == "continuous" and len(x.spatial) != 2:
            raise LayerError("position=continuous needs a map", "position")
        if self.position == "continuous" and (self._inner(x) != x.channels or self._kv(x) != heads):
            raise LayerError("position=continuous needs heads that divide the channels", "position")
        if self.causal and len(x.spatial) != 1:
            raise LayerError(f"causal needs a sequence (got {x})", "causal")
        if self.causal and self.position in ("relative", "continuous", "decomposed"):
            raise LayerError("causal and a position bias exclude each other", "position")
        if self.nobias and self.bias != PARTS:
            raise LayerError("bias and nobias exclude each other", "bias")
        self._side(x)
        return x

    def shares(self, x: Shape) -> tuple[Size, ...]:
        """Return the channels of a head."""
        return (share(x.channels, self._heads(x), "channels", "heads"),)

    def _heads(self, x: Shape) -> Size:
        if self.heads is None and self.head_dim is None:
            raise LayerError("needs heads= or head_dim=")
        if self.heads is None:
            return share(x.channels, self.head_dim, "channels", "head_dim")
        if self.head_dim is None:
            share(x.channels, self.heads, "channels", "heads")
        return self.heads  # type: ignore[no-any-return]

    def _kv(self, x: Shape) -> Size:
        return self._heads(x) if self.kv is None else self.kv

    def dim(self, x: Shape) -> Size:
        """Return the channels of a head."""
        return share(x.channels, self.heads, "channels", "heads") if self.head_dim is None else self.head_dim

    def _inner(self, x: Shape) -> Size:
        """Return the channels of queries, and of what the projection takes."""
        return self._heads(x) * self.dim(x)

    def _held(self, x: Shape) -> Size:
        """Return the channels of keys, as many as of values."""
        return self._kv(x) * self.dim(x)

    @property
    def biased(self) -> str:
        """The linear layers that have a bias."""
        return "" if self.nobias else self.bias

    def _biases(self, x: Shape) -> Size:
        """Return the biases of one position."""
        sizes = {"q": self._inner(x), "k": self._held(x), "v": self._held(x), "o": x.channels}
        return _added(sizes[part] for part in self.biased)

    def _side(self, x: Shape) -> tuple[int, ...] | None:
        """Return the window's side per axis; one that slides over a sequence is no tile."""
        window = self.window
        sides = None if window is None else per_axis(window, len(x.spatial), "window")
        return None if self.causal else sides

    def _windows(self, x: Shape) -> tuple[Size, Size]:
        """Count the windows, and the positions in each."""
        side = self._side(x)
        if side is None:
            return 1, x.positions
        count: Size = 1
        for n, w in zip(x.spatial, side, strict=True):
            count = count * ((n + w - 1) // w)
        return count, prod(side)

    def _seen(self, x: Shape) -> Size:
        """Count the keys that a query meets."""
        _, length = self._windows(x)
        if not self.causal:
            return length
        seen = length + self.past
        return seen if self.window is None else least(per_axis(self.window, 1, "window")[0], seen)

    @property
    def _fused(self) -> bool:
        """Whether PyTorch's kernel never writes the scores: it does within windows."""
        return self.position != "decomposed" and (self.window is None or self.causal)

    def _weights(self, x: Shape) -> Size:
        return 2 * x.channels * (self._inner(x) + self._held(x))

    def params(self, x: Shape) -> Size:
        """C·(2·heads + 2·kv)·head_dim for queries, keys, values and projection, plus biases, norms, positions."""
        total = self._weights(x) + self._biases(x)
        total = total + {"none": 0, "ln": 4, "rmsnorm": 2}[self.qk_norm] * (
            self.dim(x) if self.qk_norm != "none" else 0
        )
        heads = self._heads(x)
        if self.position == "relative":
            total = total + self._offsets(x) * heads
        if self.position == "continuous":  # two inputs, bias, a factor per head, and no bias at the end
            total = total + (2 + 1) * CONTINUOUS_WIDTH + CONTINUOUS_WIDTH * heads + heads
        if self.position == "decomposed":
            total = total + sum(2 * side - 1 for side in self._tile(x)) * self.dim(x)
        return total

    def _tile(self, x: Shape) -> tuple[Size, ...]:
        """Return the sides of what attends to itself: a window, or the map."""
        return self._side(x) or x.spatial

    def _offsets(self, x: Shape) -> int:
        """Count the relative positions in a window: (2w-1) along each axis."""
        return prod(2 * w - 1 for w in self._side(x) or ())

    def macs(self, x: Shape, y: Shape) -> Size:
        """The linear layers and both products."""
        count, length = self._windows(x)
        total = count * length * self._weights(x) + self.attention_macs(x, y)
        if self.position == "continuous":
            total = total + self._offsets(x) * CONTINUOUS_WIDTH * (2 + self._heads(x))
        return total

    def backward_macs(self, x: Shape, y: Shape, flows: tuple[bool, ...]) -> Size:
        """Both factors of both products; the weights, what the projection takes, and the input, three times.

        The table that position=continuous is computed from is no weight, so its first layer passes nothing on.
        """
        count, length = self._windows(x)
        rows = count * length * x.channels
        total: Size = 2 * self.attention_macs(x, y) + count * length * self._weights(x) + rows * self._inner(x)
        total = total + rows * (self._inner(x) + 2 * self._held(x)) * sum(flows)
        if self.position == "continuous":
            total = total + self._offsets(x) * CONTINUOUS_WIDTH * (2 + 2 * self._heads(x))
        return total

    def attention_macs(self, x: Shape, y: Shape) -> Size:
        """Scores and weighted sum: 2 · windows · queries · keys · heads·head_dim.

        With position=decomposed each query also meets a vector for each offset along each axis (arXiv 2112.01526, 4.2).
        """
        count, length = self._windows(x)
        met = 2 * self._seen(x) + (sum(self._tile(x)) if self.position == "decomposed" else 0)
        return count * length * met * self._inner(x)

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """The four linear layers; then what joins queries, keys and values: products, softmax, scaled queries."""
        count, length = self._windows(x)
        rows = count * length
        scores = rows * self._seen(x) * self._heads(x)
        biases = {"linear_bias": rows * self._biases(x), "linear_biases": self._biases(x)} if self.biased else {}
        return {
            "linear": rows * self._weights(x),
            "linear_weights": self._weights(x),
            **biases,
            "attention": self.attention_macs(x, y),
            "softmax": scores,
            "softmax_additions": scores - rows * self._heads(x),
            "scaled_queries": rows * self._inner(x),
        }

    def counted(self, x: Shape, y: Shape, form: str) -> dict[tuple[str, str], Size]:
        """As ``quantities``, in the forms of torchvision's code: an einsum writes the two products alone."""
        found = self.quantities(x, y)
        if form == "multihead" or self.window is not None:
            found["size_products"] = {"multihead": 4, "function": 2}.get(form, 1)
        small: dict[str, Size] = {}
        if self.position == "continuous":
            small = self._continuous(x, found)
        forms = {(key, "module" if form == "einsum" and key != "attention" else form): n for key, n in found.items()}
        for key, amount in small.items():
            forms[(key, "module")] = forms.get((key, "module"), 0) + amount
        return forms

    def _continuous(self, x: Shape, found: dict[str, Size]) -> dict[str, Size]:
        """Change what Swin V2 does otherwise, and return what its small network does: modules, whatever calls it.

        Scores are a product of normalised queries and keys, written with @, and then scaled; so is the bias, by 16.
        """
        _, length = self._windows(x)
        heads, hidden = self._heads(x), self._offsets(x) * CONTINUOUS_WIDTH
        del found["scaled_queries"]
        found["attention_operator"] = found["attention"] = self.attention_macs(x, x) // 2
        found["scaled_scores"] = found["softmax"] + heads * length * length
        found["size_products"] = 3
        return {
            "linear": hidden * (2 + heads),
            "linear_weights": CONTINUOUS_WIDTH * (2 + heads),
            "linear_bias": hidden,
            "linear_biases": CONTINUOUS_WIDTH,
            "relu": hidden,
        }

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Biases of the linear layers, and the softmax over the scores."""
        count, length = self._windows(x)
        scores = ("softmax", count * length * self._seen(x) * self._heads(x))
        return (("bias additions", count * length * self._biases(x)), scores) if self.biased else (scores,)

    def keeps(self, x: Shape, y: Shape, fused: bool | None = None) -> Keeps:
        """Queries, keys, values and their weighted sum; the scores, or where they are never written a sum per row.

        Scores are written within windows that tile, unless ``fused`` says otherwise. A norm of queries and keys keeps
        them as they came, with its statistics.

        Positions in windows are a copy of those that arrive, and that is kept instead.
        """
        count, length = self._windows(x)
        if fused is None:
            fused = self._fused
        whole = self._side(x) is None or (count == 1 and length == x.positions)
        positions = count * length
        rows = positions * self._heads(x)
        scores: Size = 0 if fused else rows * self._seen(x)
        held = 2 * positions * (self._inner(x) + self._held(x)) + (rows if fused else scores)
        if self.qk_norm != "none":
            each = {"ln": 2, "rmsnorm": 1}[self.qk_norm]
            held = held + positions * (self._inner(x) + self._held(x) + each * (self._heads(x) + self._kv(x)))
        if self.position == "continuous":  # queries and keys as they come, their norms, scores before their scale
            held = held + 3 * positions * x.channels + 4 * rows + rows * length
            scores = scores + rows * length
            shared = self._offsets(x) * CONTINUOUS_WIDTH + length * length * self._heads(x) + self._heads(x)
            return Keeps(values=held + positions * x.channels, statistics=shared, scores=scores)
        vectors: Size = 0
        if self.position == "decomposed":  # queries before they are scaled, and the vectors of all pairs along an axis
            held = held + positions * self._inner(x)
            vectors = sum(side * side for side in self._tile(x)) * self.dim(x)
        own = held if whole else held + positions * x.channels
        return Keeps(input=whole, values=own, statistics=vectors, scores=scores)

    def working(self, x: Shape, y: Shape, fused: bool | None = None) -> Size:
        """Count the elements alive inside at the worst moment, of those that the code of torchvision passes through.

        Over all positions, where queries, keys and values are as wide as the input: the linear layer's queries, keys
        and values and a copy of them (6·L·C); or keys, values and scaled queries and keys with the scores (5·L·C + S),
        then scores and their softmax (4·L·C + 2·S). Within windows, beside the position bias and the mask of shifted
        ones: input, queries, keys, values, scaled queries and two copies for the product with the scores (7·L·C + S),
        then scores and their softmax (5·L·C + 2·S).
        """
        count, length = self._windows(x)
        if fused is None:
            fused = self._fused
        whole = count * length * x.channels
        wide = count * length * self._inner(x)
        own = wide + 2 * count * length * self._held(x)
        rows = count * length * self._heads(x)
        scores = rows * self._seen(x)
        if self._side(x) is None:
            if fused:
                return largest(2 * own, own + wide + rows)  # type: ignore[no-any-return]
            return largest(2 * own, own + 2 * wide + scores, own + wide + 2 * scores)  # type: ignore[no-any-return]
        bias = 0 if self.position in ("none", "rotary") else length * length * self._heads(x)
        mask = count * length * length if self.shift and count != 1 else 0
        inner: Size = (
            largest(2 * own, own + wide + whole + rows)
            if fused
            else largest(own + 3 * wide + whole + scores, own + wide + whole + 2 * scores)
        )
        return inner + bias + mask

    def inside(self, x: Shape, y: Shape, attention: str) -> tuple[tuple[tuple[int, ...], Size], ...]:
        """Queries, keys and values of the input; the scores, or a sum per row; and the weighted sum."""
        count, length = self._windows(x)
        positions, rows = count * length, count * length * self._heads(x)
        queries, keys = positions * self._inner(x), positions * self._held(x)
        if attention == "fused" or (attention == "usual" and self._fused):
            scores: tuple[tuple[int, ...], Size] = ((1, 2), rows)
            weighted: tuple[int, ...] = (3, 4, 1, 2)
        else:
            scores, weighted = ((1, 2), rows * self._seen(x)), (3, 4)
        return ((0,), queries), ((0,), keys), scores, ((0,), keys), (weighted, queries)

    def cache(self, layer: Layer) -> Size:
        """2·kv·head_dim elements of keys and values for each position."""
        return 2 * self._held(layer.shape) * self.past


def _added(sizes: Iterable[Size]) -> Size:
    total: Size = 0
    for one in sizes:
        total = total + one
    return total
