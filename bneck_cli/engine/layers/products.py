"""Products of two tensors, which have no weights: rules of joins, not layer kinds that a spec can name."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers.drawn import Label
from bneck_cli.engine.layers.kinds import Keeps, Kind, LayerError, per_axis, share
from bneck_cli.engine.layers.reach import OTHER, OWN, here
from bneck_cli.sizes.number import least
from bneck_cli.sizes.shape import Shape
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from bneck_cli.engine.layers.reach import Reach
    from bneck_cli.engine.network import Layer
    from bneck_cli.sizes.shape import Size


class _Product(Kind):
    """What products of two tensors have in common: nothing but multiply-adds, which are all attention's."""

    part = "attention"
    sees = OTHER
    product = True

    def attention_macs(self, x: Shape, y: Shape) -> Size:
        """All of them are products of two tensors."""
        return self.macs(x, y)

    def backward_macs(self, x: Shape, y: Shape, flows: tuple[bool, ...]) -> Size:
        """As many for each operand; learned positions are added, not multiplied."""
        return self.macs(x, y) * sum(flows)

    def keeps(self, x: Shape, y: Shape, fused: bool | None = None) -> Keeps:
        """Nothing beside its operands, each of which the other's gradient needs."""
        return Keeps()

    def working(self, x: Shape, y: Shape, fused: bool | None = None) -> Size:
        """The output."""
        return y.elements


class MatMul(_Product):
    """The product of C×L and C×M over their channels, at every pair of positions: M×L; in heads, heads·M×L."""

    name = "matmul"
    heads: Any = 1

    def macs(self, x: Shape, y: Shape) -> Size:
        """C · L · M."""
        each = share(x.channels, self.heads, "channels", "heads")
        return each * y.elements

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """A product written with ``@``."""
        return {"attention_operator": self.macs(x, y)}


class Scores(_Product):
    """The scores of attention, heads×queries×keys, and their softmax (arXiv 1706.03762, section 3.2).

    ``past`` positions that were seen before are keys too. Within windows of a map there are as many sets of scores as
    windows; a window that slides over a sequence has so many keys for each query. Over channels (XCiT, 2106.09681)
    every channel of a head meets every other. Without a softmax attention is linear (2006.16236).
    """

    name = "scores"
    heads: Any
    kv: Any
    channels: bool
    causal: bool
    window: Any
    grid: bool
    position: Size
    past: Size
    cached: Size | None
    tiled: bool = False
    """Whether the window tiles a map."""
    softmax: bool = True
    alone: bool = True
    """Whether nothing is done to the scores before they weigh the values, so that a fused kernel never writes them."""

    def out_shape(self, x: Shape, keys: Shape | None = None) -> Shape:
        """Heads × queries × keys; heads × windows × positions × positions; heads × channels × channels."""
        keys = keys or x
        each = share(x.channels, self.heads, "the queries' channels", "heads")
        own = share(keys.channels, self.kv, "the keys' channels", "kv")
        if self.channels:
            return Shape(self.heads, (each, own))
        if own != each:
            raise LayerError(f"a query has {each} channels in each head, a key {own}", "heads")
        seen = keys.positions + self.past
        if self.window is None:
            return Shape(self.heads, (x.positions, seen))
        if not self.tiled:
            (side,) = per_axis(self.window, len(x.spatial), "window")
            return Shape(self.heads, (x.positions, least(side, seen)))
        count, positions = tiles(x, self.window)
        return Shape(self.heads, (count, positions, positions))

    def require_met(self, each: Size, y: Shape) -> None:
        """Require that over channels a head has as many of the values as of the keys, which stand for them."""
        if each != y.spatial[-1]:
            raise LayerError(f"a value has {each} channels in each head, a key {y.spatial[-1]}", "heads")

    def params(self, x: Shape) -> Size:
        """The values that are learned for positions, and added to the scores."""
        return self.position

    def macs(self, x: Shape, y: Shape) -> Size:
        """Each score is a sum over the channels of a head; over channels, a sum over positions."""
        return y.elements * x.positions if self.channels else x.channels * y.positions

    def role(self, x: Shape, y: Shape) -> str:
        """Who meets whom."""
        if self.channels:
            return "Every channel of a head meets every other, over all positions."
        met = "in its window" if self.window is not None else "there is"
        return f"The query of each position meets the key of every position {met}."

    def worked(self, x: Shape, y: Shape) -> tuple[str, ...]:
        """Each score is a sum over the channels of a head."""
        if self.channels or self.position:
            return ()
        each = share(x.channels, self.heads, "the queries' channels", "heads")
        return (f"multiply-adds: {_times(y, each)} = {people(self.macs(x, y))}, each score a sum over {each} channels",)

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """The product, the softmax, and queries scaled by the root of a head's channels."""
        if not self.softmax:
            return {"attention": self.macs(x, y)}
        rows = y.elements if not y.spatial else prod(y.spatial[:-1]) * y.channels
        return {
            "attention": self.macs(x, y),
            "softmax": y.elements,
            "softmax_additions": y.elements - rows,
            "scaled_queries": x.elements,
        }

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """The softmax."""
        return (("softmax", y.elements),) if self.softmax else ()

    def keeps(self, x: Shape, y: Shape, fused: bool | None = None) -> Keeps:
        """The softmax of the scores, beside queries and keys."""
        return Keeps(output=self.softmax)

    def working(self, x: Shape, y: Shape, fused: bool | None = None) -> Size:
        """Scores, and their softmax."""
        return (1 + self.softmax) * y.elements

    def fuses(self, attention: str) -> bool:
        """Whether the scores are never written: they are, within windows of a map, unless told otherwise."""
        asked = attention == "fused" or (attention == "usual" and not self.tiled)
        return asked and self.alone and self.softmax and not self.channels

    def cache(self, layer: Layer) -> Size:
        """Elements of keys that are kept of the positions seen before, or of what stands for keys and values."""
        each = layer.inputs[1].channels if self.cached is None else self.cached
        return each * self.past


class Sums(_Product):
    """What a fused kernel writes of the scores: the logarithm of each row's sum (arXiv 2205.14135)."""

    name = "scores"
    product = False


class WeightedSum(_Product):
    """The values, weighted by the softmax of the scores, in every head."""

    name = "weighted_sum"
    fused: bool = False
    past: Size
    cached: bool = False
    softmax: bool = True

    def fused_one(self) -> WeightedSum:
        """Return the same, as one kernel with the scores."""
        return WeightedSum(fused=True, past=self.past, cached=self.cached)

    def macs(self, x: Shape, y: Shape) -> Size:
        """Each output value is a sum over the keys; over channels, over a head's channels."""
        keys: Size = x.spatial[-1]
        return y.elements * keys

    def role(self, x: Shape, y: Shape) -> str:
        """What the scores are for."""
        scores = "The softmax of the scores says" if self.softmax else "The scores say"
        return f"{scores} how much of each value is taken."

    def worked(self, x: Shape, y: Shape) -> tuple[str, ...]:
        """Each output value is a sum over as many values as there are scores in a row."""
        row = x.spatial[-1]
        return (f"multiply-adds: {_times(y, row)} = {people(self.macs(x, y))}, each value a sum over {row}",)

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """The product."""
        return {"attention": self.macs(x, y)}

    def keeps(self, x: Shape, y: Shape, fused: bool | None = None) -> Keeps:
        """Scores and values; a fused kernel keeps queries and keys in the scores' place, and the output."""
        return Keeps(output=self.fused)

    def cache(self, layer: Layer) -> Size:
        """Elements of values that are kept of the positions seen before, unless something stands for them."""
        return 0 if self.cached else layer.inputs[1].channels * self.past


class Dispatch(Kind):
    """What experts are given: each position as often as it has experts, in the order of the experts."""

    name = "dispatch"
    part = "experts"
    sees = OTHER
    active: int
    count: int

    def reach(self, x: Shape, y: Shape) -> Reach:
        """Each position given to an expert is one that arrives."""
        return here(len(x.spatial))

    def role(self, x: Shape, y: Shape) -> str:
        """How many positions the experts work on together."""
        given = f"{'·'.join(map(str, x.spatial))}·{self.active} = {people(y.positions)} positions"
        return f"It gives each position to {self.active} of {self.count} experts, which work on {given} together."

    def label(self, x: Shape, y: Shape) -> Label:
        """How many experts a position is given to."""
        return Label((f"each position to {self.active} of {self.count}",), "other")

    def out_shape(self, x: Shape) -> Shape:
        """C×L to C×(active·L)."""
        return Shape(x.channels, (x.positions * self.active,))

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Which position each row is of."""
        return Keeps(indices=y.positions)


class Combine(Kind):
    """What a position's experts give, each times its score, added up."""

    name = "combine"
    part = "experts"
    sees = OWN
    active: int
    count: int

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Every value is scaled, and those of a position's experts are added."""
        return {"scaling": y.elements * self.active, "addition": y.elements * (self.active - 1)}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """The same."""
        return tuple(self.quantities(x, y).items())

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """What experts give, and its weight; the router's softmax, the best of it, their sum, and which these are.

        Each row's place in the order of the experts is kept twice: for its weight, and for the way back.
        """
        rows = y.positions * self.active
        scores = (self.count + self.active + 1) * y.positions
        return Keeps(values=(y.channels + 1) * rows + scores, indices=3 * rows)


def _times(y: Shape, each: Size) -> str:
    """Write a product over all that leaves."""
    return "·".join(map(str, (y.channels, *y.spatial, each)))


def tiles(x: Shape, window: Any) -> tuple[Size, int]:
    """Count the windows that tile a map, and the positions in each; the map must divide."""
    sides = per_axis(window, len(x.spatial), "window")
    counts = [share(size, side, "the map's side", "window") for size, side in zip(x.spatial, sides, strict=True)]
    return prod(counts), prod(sides)
