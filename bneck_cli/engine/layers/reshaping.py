"""Linear layers and reshaping: channels are mixed at every position, or elements are moved."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers.drawn import Label, written
from bneck_cli.engine.layers.fitting import finer, rank_of
from bneck_cli.engine.layers.kinds import (
    Keeps,
    Kind,
    LayerError,
    argument,
    dimensions,
    extent,
    flag,
    kind,
    per_axis,
    positive,
    share,
    size,
)
from bneck_cli.engine.layers.quantities import Quantity, declare
from bneck_cli.engine.layers.reach import MAP, OTHER, OWN, UNKNOWN, Axis, Reach
from bneck_cli.sizes.number import is_whole
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.sizes.shape import Size


declare(
    linear=Quantity("multiply-add", "of a linear layer", head="linear"),
    linear_weights=Quantity("weight", "of a linear layer, however many rows it has", head="linear"),
    linear_bias=Quantity("bias addition", "of a linear layer", label="bias additions"),
    linear_biases=Quantity("bias", "of a linear layer, however many rows it has", label="bias additions"),
)


@kind("linear")
class Linear(Kind):
    """A matrix over the channels, applied at every position; bias is added unless ``nobias``."""

    channels: Any = argument(size, "output channels")
    nobias: bool = flag("no bias")
    part = "linear"
    sees = OWN
    chooses = True

    def label(self, x: Shape, y: Shape) -> Label:
        """The output channels."""
        return Label((f"linear, {written(y.channels)}",), "linear")

    def role(self, x: Shape, y: Shape) -> str:
        """What it does at more than one position."""
        return "It mixes channels at each position." if x.positions != 1 else ""

    def out_shape(self, x: Shape) -> Shape:
        """C×… to channels×…."""
        return Shape(self.channels, x.spatial)

    def params(self, x: Shape) -> Size:
        """C · channels, plus the bias."""
        weight: Size = x.channels * self.channels
        return weight if self.nobias else weight + self.channels

    def weights(self, x: Shape) -> tuple[tuple[Size, ...], ...]:
        """Return the matrix, as PyTorch has it, and the bias."""
        matrix: tuple[Size, ...] = (self.channels, x.channels)
        return (matrix,) if self.nobias else (matrix, (self.channels,))

    def macs(self, x: Shape, y: Shape) -> Size:
        """Positions · C · channels."""
        return y.elements * x.channels

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Multiply-adds and bias additions; and weights and biases once each, however many positions there are."""
        amounts = {"linear": self.macs(x, y), "linear_weights": x.channels * self.channels}
        return amounts if self.nobias else amounts | {"linear_bias": y.elements, "linear_biases": y.channels}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Bias is added to every output element."""
        return () if self.nobias else (("bias additions", y.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, for the matrix's gradient."""
        return Keeps(input=True)


@kind("flatten")
class Flatten(Kind):
    """Flattens everything to one vector."""

    part = "other"
    sees = MAP
    view = True

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to C·H·W."""
        return Shape(x.elements)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing: it is a view."""
        return Keeps()


@kind("reshape")
class Reshape(Kind):
    """The same elements in another shape: windows as an axis of their own, heads among the positions."""

    shape: Any = argument(dimensions, "the output shape: 4*c x n/4, c x h/7 x 7")
    part = "other"
    sees = OTHER
    view = True

    def reach(self, x: Shape, y: Shape) -> Reach:
        """Nothing certain: a position of the one may be anywhere in the other."""
        return UNKNOWN

    def out_shape(self, x: Shape) -> Shape:
        """C×… to the given shape, with as many elements."""
        out = Shape(self.shape[0], self.shape[1:])
        if out.elements != x.elements:
            raise LayerError(f"{out} has {out.elements} elements, but the input {x} has {x.elements}", 0)
        return out

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing: it is a view."""
        return Keeps()


@kind("pixel_shuffle")
class PixelShuffle(Kind):
    """Moves channels into positions: every factor² channels become one channel of a finer map."""

    factor: Any = argument(positive, "how many times as high and as wide")
    part = "other"
    sees = OWN

    def label(self, x: Shape, y: Shape) -> Label:
        """How much finer it makes the map."""
        return finer(self)

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to C/factor²×factor·H×factor·W."""
        rank = rank_of(x)
        if is_whole(x.channels) and x.channels % self.factor**rank:
            raise LayerError(f"channels (={x.channels}) must be divisible by factor**{rank} (={self.factor**rank})", 0)
        channels = share(x.channels, self.factor**rank, "channels", "factor")
        return Shape(channels, tuple(n * self.factor for n in x.spatial))

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing."""
        return Keeps()


@kind("pixel_unshuffle")
class PixelUnshuffle(Kind):
    """Moves positions into channels: every factor×factor square becomes one position (Swin's patch merging)."""

    factor: Any = argument(extent, "the side of the squares, or one per axis")
    ceil: bool = flag("pad the map to whole squares")
    part = "other"
    sees = OTHER

    def reach(self, x: Shape, y: Shape) -> Reach:
        """Its square."""
        return Reach(tuple(Axis(side, 0, side - 1) for side in per_axis(self.factor, len(x.spatial), "factor")))

    def label(self, x: Shape, y: Shape) -> Label:
        """How much coarser it makes the map."""
        return finer(self)

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to factor²·C×H/factor×W/factor."""
        factors = per_axis(self.factor, rank_of(x), "factor")
        axes = zip(x.spatial, factors, strict=True)
        if self.ceil:
            sizes = tuple((n + factor - 1) // factor for n, factor in axes)
        else:
            sizes = tuple(share(n, factor, "the map's side", "factor") for n, factor in axes)
        return Shape(x.channels * prod(factors), sizes)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing."""
        return Keeps()

    def working(self, x: Shape, y: Shape) -> Size:
        """The output, and with ``ceil`` the map padded to whole squares."""
        return 2 * y.elements if self.ceil else y.elements


@kind("shuffle")
class ChannelShuffle(Kind):
    """Reorders channels across groups (ShuffleNet)."""

    groups: Any = argument(size, "groups of channels, which must divide them")
    part = "other"
    sees = OWN

    def label(self, x: Shape, y: Shape) -> Label:
        """The groups."""
        return Label((f"channel shuffle, {written(self.groups)} groups",), "other")

    def shares(self, x: Shape) -> tuple[Size, ...]:
        """Return the channels of a group."""
        return (share(x.channels, self.groups, "channels", "groups"),)

    def out_shape(self, x: Shape) -> Shape:
        """Same as the input."""
        self.shares(x)
        return x

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing."""
        return Keeps()
