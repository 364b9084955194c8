"""Resizing and padding: a tensor is interpolated to a size, cropped, padded, subsampled or tiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers.convolution import windows_over
from bneck_cli.engine.layers.drawn import Label, stepping
from bneck_cli.engine.layers.drawn import sides as sides_written
from bneck_cli.engine.layers.kinds import (
    Keeps,
    Kind,
    LayerError,
    Window,
    argument,
    extent,
    kind,
    one_of,
    option,
    per_axis,
    sides,
    size,
    target,
)
from bneck_cli.engine.layers.quantities import Quantity, declare, elements
from bneck_cli.engine.layers.reach import OWN, WINDOW
from bneck_cli.sizes.number import is_whole
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.sizes.shape import Size


def rank_of(x: Shape) -> int:
    """Return how many axes a map or a sequence has; a vector has none."""
    if not x.spatial:
        raise LayerError(f"needs a map or a sequence (got a vector of {x})")
    return len(x.spatial)


def finer(layer: Any) -> Label:
    """Label a layer that changes how fine the map is, with its factor."""
    factor = layer.factor if isinstance(layer.factor, tuple) else (layer.factor,)
    return Label((f"{layer.noun} {sides_written(factor)}",), "up")


def one_tap(*padding: tuple[Size, Size], stride: tuple[int, ...] = ()) -> Window:
    """Return the window that looks at one position at a time; a negative padding leaves positions out."""
    ones = (1,) * len(padding)
    return Window(ones, stride or ones, padding, ones)


declare(
    **{mode: elements(f"{mode} interpolation", "interpolation") for mode in ("nearest", "bilinear", "bicubic")},
    interpolation_inputs=Quantity("element", "that enters an interpolation", label="interpolation"),
)


class Interpolated(Kind):
    """A map of other sizes, each of whose values is found among those that arrive."""

    mode: str
    part = "fitting"
    sees = OWN

    def sizes(self, x: Shape) -> tuple[Size, ...]:
        """Return the output sizes, by axis."""
        raise NotImplementedError

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to C×H'×W'."""
        if self.mode == "bicubic" and rank_of(x) != 2:
            raise LayerError(f"mode=bicubic needs a map (got {x})", "mode")
        return Shape(x.channels, self.sizes(x))

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Output elements, by how they are found, and input elements."""
        return {self.mode: y.elements, "interpolation_inputs": x.elements}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every output element is interpolated."""
        return (("interpolation", y.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing: its gradient needs sizes alone."""
        return Keeps()


MODES = one_of("nearest", "bilinear", "bicubic")


@kind("upsample")
class Upsample(Interpolated):
    """Enlarges a map by a factor, by repetition or interpolation."""

    factor: Any = argument(extent, "the factor for height and width")
    mode: str = option(MODES, "nearest", "interpolation: nearest, bilinear or bicubic")

    def label(self, x: Shape, y: Shape) -> Label:
        """How much finer it makes the map."""
        return finer(self)

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to C×factor·H×factor·W."""
        return super().out_shape(x)

    def sizes(self, x: Shape) -> tuple[Size, ...]:
        """Multiply each axis."""
        factors = per_axis(self.factor, rank_of(x), "factor")
        return tuple(n * factor for n, factor in zip(x.spatial, factors, strict=True))


@kind("resize")
class Resize(Interpolated):
    """Resizes a map to a given size, by repetition or interpolation."""

    size: Any = argument(target, "the output size: 65x65, 65 for a square, or the name of a tensor")
    mode: str = option(MODES, "nearest", "interpolation: nearest, bilinear or bicubic")

    def label(self, x: Shape, y: Shape) -> Label:
        """The output size."""
        return Label((f"resize to {sides_written(y.spatial)}",), "up")

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to C×size."""
        return super().out_shape(x)

    def sizes(self, x: Shape) -> tuple[Size, ...]:
        """Take what is written."""
        return per_axis(self.size, rank_of(x), "size")


@kind("crop")
class Crop(Kind):
    """The middle of a map, cut to a given size; of an odd remainder, the smaller half is cut off first."""

    size: Any = argument(target, "the output size: 64x64, 64 for a square, or the name of a tensor")
    part = "fitting"
    sees = WINDOW
    view = True

    def label(self, x: Shape, y: Shape) -> Label:
        """The output size."""
        return Label((f"crop to {sides_written(y.spatial)}",), "other")

    def window_over(self, x: Shape) -> Window:
        """Look at each position that is left."""
        sizes = per_axis(self.size, rank_of(x), "size")
        for n, m in zip(x.spatial, sizes, strict=True):
            if is_whole(n) and is_whole(m) and m > n:
                shown = "×".join(map(str, sizes))
                raise LayerError(
                    f"size (={shown}) must be at most that of the input ({x})", 0, hint="`pad` enlarges it"
                )
        return one_tap(*((-((n - m) // 2), m - n + (n - m) // 2) for n, m in zip(x.spatial, sizes, strict=True)))

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to C×size."""
        self.geometry(x)
        return Shape(x.channels, per_axis(self.size, rank_of(x), "size"))

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing: it is a view."""
        return Keeps()


@kind("pad")
class Pad(Kind):
    """Adds rows and columns at the sides of a map, or cuts them off where the number is negative; or adds channels."""

    sides: Any = argument(sides, "how many: 1, 1x2 by axis, (top,bottom,left,right); -1 removes one")
    mode: str = option(one_of("zeros", "reflect", "replicate", "circular"), "zeros", "what is added")
    along: str = option(one_of("positions", "channels"), "positions", "what to add: positions or channels")
    part = "fitting"
    sees = WINDOW

    def pairs(self, x: Shape) -> tuple[tuple[int, int], ...]:
        """Return what is added before and after each axis."""
        rank, given = rank_of(x) if self.along == "positions" else 1, self.sides
        if isinstance(given, tuple) and len(given) == 2 * rank:
            pairs = tuple((given[2 * axis], given[2 * axis + 1]) for axis in range(rank))
        else:
            pairs = tuple((side, side) for side in per_axis(given, rank, "sides"))
        if self.mode != "zeros":
            self._require_found(x, pairs)
        return pairs

    def _require_found(self, x: Shape, pairs: tuple[tuple[int, int], ...]) -> None:
        """Require that what is added can be found in the map, as PyTorch has it."""
        if self.along == "channels":
            raise LayerError("channels are added as zeros", "mode")
        for n, pair in zip(x.spatial, pairs, strict=True):
            if min(pair) < 0:
                raise LayerError(f"mode={self.mode} cannot crop (got {min(pair)})", 0)
            most = n - 1 if self.mode == "reflect" else n
            if self.mode != "replicate" and is_whole(most) and max(pair) > most:
                raise LayerError(f"mode={self.mode} can add at most {most} positions (got {max(pair)})", 0)

    def window_over(self, x: Shape) -> Window | None:
        """Look at each position that was there, and at what was added."""
        return one_tap(*self.pairs(x)) if self.along == "positions" else None

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to C×(top + H + bottom)×(left + W + right); with ``along=channels``, to more channels."""
        if self.along == "positions":
            return Shape(x.channels, windows_over(x, self.geometry(x)))
        ((before, after),) = self.pairs(x)
        return Shape(x.channels + before + after, x.spatial)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, where values are found in it; of zeros nothing."""
        return Keeps(input=self.mode in ("reflect", "replicate"))


@kind("subsample")
class Subsample(Kind):
    """Keeps the first position of each axis and every ``stride``-th after it."""

    stride: Any = argument(extent, "the step: 2, or 1x2 by axis")
    part = "fitting"
    sees = WINDOW
    view = True

    def label(self, x: Shape, y: Shape) -> Label:
        """Its step."""
        return Label((f"subsample{stepping(self.geometry(x).stride)}",), "other")

    def window_over(self, x: Shape) -> Window:
        """Look at one position in so many."""
        rank = rank_of(x)
        return one_tap(*((0, 0),) * rank, stride=per_axis(self.stride, rank, "stride"))

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to C×⌈H/stride⌉×⌈W/stride⌉."""
        return Shape(x.channels, windows_over(x, self.geometry(x)))

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing: it is a view."""
        return Keeps()


@kind("tile")
class Tile(Kind):
    """Repeats the channels ``times`` times, one copy after another: keys that all heads share."""

    times: Any = argument(size, "how many times")
    part = "fitting"
    sees = OWN
    view = True

    def out_shape(self, x: Shape) -> Shape:
        """C×… to times·C×…."""
        return Shape(x.channels * self.times, x.spatial)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing: it is a view."""
        return Keeps()
