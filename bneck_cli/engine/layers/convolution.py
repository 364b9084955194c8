"""Convolutions: plain, depthwise and transposed."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers.drawn import Label, filters, sides
from bneck_cli.engine.layers.kinds import (
    Keeps,
    Kind,
    LayerError,
    Window,
    argument,
    extent,
    flag,
    kind,
    natural_extent,
    option,
    padding,
    per_axis,
    positive,
    share,
    size,
)
from bneck_cli.engine.layers.quantities import Quantity, declare
from bneck_cli.engine.layers.reach import WINDOW
from bneck_cli.sizes.number import is_whole
from bneck_cli.sizes.shape import Shape
from bneck_cli.words.values import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bneck_cli.sizes.shape import Size


def window_over(x: Shape, layer: Any, groups: Size = 1) -> Window:
    """Normalise a layer's kernel, stride, padding and dilation to the input's axes.

    Padding that is None is ``dilation·(k-1)/2`` for an odd kernel and 0 for an even one.
    """
    rank = len(x.spatial)
    if rank == 0:
        raise LayerError(f"needs a map or a sequence (got a vector of {x})")
    if rank == 3 and x.channels == 1 and isinstance(layer.kernel, tuple) and len(layer.kernel) == 2:
        hint = "leave out the batch: an image is `input: 3 x 224 x 224`"
        raise LayerError(f"kernel has 2 sizes, but the input {x} has 3 spatial axes", "kernel", hint=hint)
    kernel = per_axis(layer.kernel, rank, "kernel")
    stride = per_axis(layer.stride, rank, "stride")
    dilation = per_axis(getattr(layer, "dilation", 1), rank, "dilation")
    pad = layer.pad
    sides: tuple[Any, ...]
    if pad is None:
        sides = tuple((d * (k - 1) // 2,) * 2 if k % 2 else (0, 0) for k, d in zip(kernel, dilation, strict=True))
    elif pad == "tf_same":
        sides = tuple(map(tf_same_sides, x.spatial, kernel, stride, dilation))
    elif isinstance(pad, tuple) and len(pad) == 2 * rank:
        sides = tuple(pad[2 * axis : 2 * axis + 2] for axis in range(rank))
    elif isinstance(pad, tuple) and len(pad) != rank:
        raise LayerError(f"pad has {len(pad)} sizes; the input takes {rank} (by axis) or {2 * rank} (by side)", "pad")
    else:
        sides = tuple((side, side) for side in per_axis(pad, rank, "pad"))
    return Window(kernel, stride, sides, dilation, groups, getattr(layer, "ceil", False))


def tf_same_sides(n: Size, k: int, s: int, d: int) -> Any:
    """Return TensorFlow's padding of an axis, the smaller half before; the word itself where the size is symbolic."""
    if not is_whole(n):
        return "tf_same"
    missing = max(((n + s - 1) // s - 1) * s + d * (k - 1) + 1 - n, 0)
    return missing // 2, missing - missing // 2


def windows_along(n: Size, k: int, s: int, pad: Any, d: int) -> Any:
    """Count the windows of ``k`` taps, ``d`` apart, that fit in ``n`` elements and their padding at steps of ``s``."""
    if pad == "tf_same":
        return (n + s - 1) // s
    before, after = pad
    return (n + before + after - d * (k - 1) - 1) // s + 1


def windows_over(x: Shape, window: Window) -> tuple[Size, ...]:
    """Count the windows along each axis."""
    axes = zip(x.spatial, window.kernel, window.stride, window.padding, window.dilation, strict=True)
    return tuple(windows_along(n, k, s, pad, d) for n, k, s, pad, d in axes)


def taps(window: Window) -> int:
    """Count the positions in a window, and so the weights of a filter for each channel that it sees."""
    return prod(window.kernel)


def _filters(one: Size, other: Size, window: Window, biases: Size) -> tuple[tuple[Size, ...], ...]:
    """Return the shapes of a convolution's weights."""
    filters = (one, other, *window.kernel)
    return (filters, (biases,)) if biases != 0 else (filters,)


def require_kernel_first(layer: Kind, arguments: Sequence[Any], x: Shape) -> None:
    """Refuse `conv 64 3`, whose words are swapped: a square window of 16 or more, even, and larger than the channels.

    Such a window can still be asked for, as `64x64`.
    """
    if layer.part != "conv" or len(arguments) != 2 or len(x.spatial) != 2:
        return
    kernel, channels = arguments
    if type(kernel) is int and type(channels) is int and kernel >= 16 and kernel % 2 == 0 and channels < kernel:
        name = layer.name
        raise LayerError(
            f"a window of {kernel}×{kernel} for {channels} channels?",
            0,
            hint=f"the kernel comes first: `{name} {channels}x{channels} {kernel}`; "
            f"or write the window as `{kernel}x{kernel}`",
        )


declare(
    conv=Quantity("multiply-add", "of a convolution", head="conv"),
    transposed_conv=Quantity("multiply-add", "of a transposed convolution", head="conv"),
    transposed_conv_outputs=Quantity("weight and output position", "of a transposed convolution", head="conv"),
    conv_bias=Quantity("bias addition", "of a convolution", label="bias additions"),
)


class Convolution(Kind):
    """Base of convolutions: filters that move over the map, with a bias for each."""

    bias: bool
    part = "conv"
    sees = WINDOW

    def label(self, x: Shape, y: Shape) -> Label:
        """Its window, its filters, and what is unusual about them."""
        return filters(self.geometry(x), x, y)

    def role(self, x: Shape, y: Shape) -> str:
        """Which channels and positions it mixes."""
        window = self.geometry(x)
        came: Any = x.channels
        left: Any = y.channels
        if window.transposed:
            return f"It spreads each position over {sides(window.kernel)} positions of the output."
        pointwise = set(window.kernel) == {1}
        if window.groups == came != 1:
            said = "It filters each channel separately and mixes none"
        elif window.groups != 1:
            said = f"It mixes channels within {window.groups} groups of {came // window.groups}"
        elif pointwise:
            change = "squeezes" if left < came else "expands" if left > came else ""
            changed = f", and {change} {came} to {left}" if change else ""
            return f"It mixes channels at each position{changed}."
        else:
            many = f"{'all ' if came > 1 else ''}{counted(came, 'channel')}"
            return f"It looks at {sides(window.kernel)} positions in {many} at once."
        return f"{said}." if pointwise else f"{said}; it looks at {sides(window.kernel)} positions."

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """A bias is added to every output element."""
        return (("bias additions", y.elements),) if self.bias else ()

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, for the filters' gradients."""
        return Keeps(input=True)


@kind("conv")
class Conv(Convolution):
    """Convolution over the spatial axes (cross-correlation, as in every framework)."""

    kernel: Any = argument(extent, "the window: 3x3, 3 for a square, 1x7")
    channels: Any = argument(size, "number of filters, which is the number of output channels")
    stride: Any = option(extent, 1, "step of the window")
    pad: Any = option(padding, None, "padding; dilation*(k-1)/2 for an odd kernel, 0 for an even one")
    dilation: Any = option(extent, 1, "distance between the taps of the window")
    groups: Any = option(size, 1, "groups of channels, convolved separately")
    bias: bool = flag("add a bias to each filter")
    frozen: bool = flag("fixed filters: nothing is learned (a blur)")
    chooses = True

    def window_over(self, x: Shape) -> Window:
        """Return the window per axis."""
        return window_over(x, self, self.groups)

    def shares(self, x: Shape) -> tuple[Size, ...]:
        """Return the channels of a group, those that leave and those that arrive."""
        leaving = share(self.channels, self.groups, "out_channels", "groups")
        return leaving, share(x.channels, self.groups, "in_channels", "groups")

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to channels×H'×W'."""
        self.shares(x)
        return Shape(self.channels, windows_over(x, self.geometry(x)))

    def params(self, x: Shape) -> Size:
        """Channels · C/groups · k·k, plus the bias; frozen, 0."""
        return 0 if self.frozen else self._values(x)

    def buffers(self, x: Shape) -> Size:
        """Frozen, as many as are learned otherwise."""
        return self._values(x) if self.frozen else 0

    def _values(self, x: Shape) -> Size:
        weight: Size = self.channels * share(x.channels, self.groups, "in_channels", "groups") * taps(self.geometry(x))
        return weight + self.channels if self.bias else weight

    def weights(self, x: Shape) -> tuple[tuple[Size, ...], ...]:
        """Return the filters, and the bias."""
        seen = share(x.channels, self.groups, "in_channels", "groups")
        return _filters(self.channels, seen, self.geometry(x), self.channels if self.bias else 0)

    def macs(self, x: Shape, y: Shape) -> Size:
        """H'·W' · channels · C/groups · k·k."""
        filter_size = share(x.channels, self.groups, "in_channels", "groups") * taps(self.geometry(x))
        return y.elements * filter_size

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Multiply-adds, and a bias for every output element."""
        return {"conv": self.macs(x, y), "conv_bias": y.elements if self.bias else 0}

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, for the filters' gradients; frozen, nothing."""
        return Keeps(input=not self.frozen)


@kind("dwconv")
class DepthwiseConv(Convolution):
    """Depthwise convolution: one filter (or ``multiplier`` filters) per channel, without mixing channels."""

    kernel: Any = argument(extent, "the window: 3x3, or 3 for a square")
    multiplier: Any = option(positive, 1, "filters per channel")
    stride: Any = option(extent, 1, "step of the window")
    pad: Any = option(padding, None, "padding; dilation*(k-1)/2 for an odd kernel, 0 for an even one")
    dilation: Any = option(extent, 1, "distance between the taps of the window")
    bias: bool = flag("add a bias to each filter")
    frozen: bool = flag("fixed filters: nothing is learned (a blur)")

    def window_over(self, x: Shape) -> Window:
        """Return the window per axis; there are as many groups as channels."""
        return window_over(x, self, x.channels)

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to multiplier·C×H'×W'."""
        return Shape(x.channels * self.multiplier, windows_over(x, self.geometry(x)))

    def params(self, x: Shape) -> Size:
        """multiplier·C · k·k, plus the bias; frozen, 0."""
        return 0 if self.frozen else self._values(x)

    def buffers(self, x: Shape) -> Size:
        """Frozen, as many as are learned otherwise."""
        return self._values(x) if self.frozen else 0

    def _values(self, x: Shape) -> Size:
        filters: Size = x.channels * self.multiplier
        return filters * taps(self.geometry(x)) + (filters if self.bias else 0)

    def weights(self, x: Shape) -> tuple[tuple[Size, ...], ...]:
        """Return the filters, each of one channel, and the bias."""
        filters: Size = x.channels * self.multiplier
        return _filters(filters, 1, self.geometry(x), filters if self.bias else 0)

    def macs(self, x: Shape, y: Shape) -> Size:
        """H'·W' · multiplier·C · k·k."""
        return y.elements * taps(self.geometry(x))

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Multiply-adds, and a bias for every output element."""
        return {"conv": self.macs(x, y), "conv_bias": y.elements if self.bias else 0}

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, for the filters' gradients; frozen, nothing."""
        return Keeps(input=not self.frozen)


@kind("upconv")
class TransposedConv(Convolution):
    """Transposed convolution: every input element is spread over a window of the output."""

    kernel: Any = argument(extent, "the window: 2x2, or 2 for a square")
    channels: Any = argument(size, "number of filters, which is the number of output channels")
    stride: Any = option(extent, 1, "step of the window over the output")
    pad: Any = option(padding, 0, "rows and columns cut from the output's edge")
    output_pad: Any = option(natural_extent, 0, "rows and columns added at the output's end")
    dilation: Any = option(extent, 1, "distance between the taps of the window")
    groups: Any = option(size, 1, "groups of channels, convolved separately")
    bias: bool = flag("add a bias to each filter")
    chooses = True

    def window_over(self, x: Shape) -> Window:
        """Return the window per axis."""
        window = window_over(x, self, self.groups)
        extra = per_axis(self.output_pad, len(x.spatial), "output_pad")
        if self.pad == "tf_same":
            raise LayerError("pad=tf_same does not apply to a transposed convolution", "pad")
        for more, s, d in zip(extra, window.stride, window.dilation, strict=True):
            if more and more >= max(s, d):
                raise LayerError(f"output_pad (={more}) must be smaller than stride or dilation", "output_pad")
        return window._replace(transposed=True, output_padding=extra)

    def shares(self, x: Shape) -> tuple[Size, ...]:
        """Return the channels of a group, those that leave and those that arrive."""
        leaving = share(self.channels, self.groups, "out_channels", "groups")
        return leaving, share(x.channels, self.groups, "in_channels", "groups")

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to channels×H'×W' with H' = (H-1)·s - 2p + d·(k-1) + output_pad + 1."""
        self.shares(x)
        w = self.geometry(x)
        axes = zip(x.spatial, w.kernel, w.stride, w.padding, w.dilation, w.output_padding, strict=True)
        sizes = tuple((n - 1) * s - p[0] - p[1] + d * (k - 1) + more + 1 for n, k, s, p, d, more in axes)
        return Shape(self.channels, sizes)

    def params(self, x: Shape) -> Size:
        """C · channels/groups · k·k, plus the bias."""
        weight: Size = x.channels * share(self.channels, self.groups, "out_channels", "groups") * taps(self.geometry(x))
        return weight + self.channels if self.bias else weight

    def weights(self, x: Shape) -> tuple[tuple[Size, ...], ...]:
        """Return the filters, by the input channels, and the bias."""
        each = share(self.channels, self.groups, "out_channels", "groups")
        return _filters(x.channels, each, self.geometry(x), self.channels if self.bias else 0)

    def macs(self, x: Shape, y: Shape) -> Size:
        """H·W · C · channels/groups · k·k, over the input's positions."""
        filter_size = share(self.channels, self.groups, "out_channels", "groups") * taps(self.geometry(x))
        return x.elements * filter_size

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Multiply-adds; as some tools have it, all weights at every output position; and biases."""
        weights = self.params(x) - (y.channels if self.bias else 0)
        return {
            "transposed_conv": self.macs(x, y),
            "transposed_conv_outputs": weights * y.positions,
            "conv_bias": y.elements if self.bias else 0,
        }
