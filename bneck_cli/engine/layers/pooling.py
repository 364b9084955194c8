"""Pooling: maxima and means over windows or the whole map; nothing is multiplied or learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers.convolution import window_over, windows_over
from bneck_cli.engine.layers.drawn import Label, sides, stepping
from bneck_cli.engine.layers.kinds import (
    LAYERS,
    Keeps,
    Kind,
    LayerError,
    Window,
    argument,
    extent,
    flag,
    kind,
    option,
    padding,
    per_axis,
)
from bneck_cli.engine.layers.quantities import Quantity, declare
from bneck_cli.engine.layers.reach import MAP, OTHER, WINDOW, Reach, evenly
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.sizes.shape import Size


def stride_written(value: Any) -> Any:
    """Take a stride, which a pooling layer must be given."""
    return extent(value)


def pooled(x: Shape, window: Window) -> tuple[Size, ...]:
    """Count windows along each axis; with ``ceil`` a last one counts if it does not start in the padding after the end.

    PyTorch's ceil_mode as one floor: (n + p + s - 1 + min(p - e + s, 0)) // s, where e = d·(k-1) + 1.
    """
    if not window.ceil:
        return windows_over(x, window)
    sizes: list[Size] = []
    for n, k, s, pad, d in zip(x.spatial, window.kernel, window.stride, window.padding, window.dilation, strict=True):
        before, after = pad
        slack = min(after - d * (k - 1) - 1 + s, 0)
        sizes.append((n + before + s - 1 + slack) // s)
    return tuple(sizes)


def pool_window(x: Shape, layer: Any) -> Window:
    """Return a pooling layer's window; padding is at most half of the kernel, as PyTorch has it, dilated or not."""
    if layer.stride is None:
        raise LayerError("the stride is required: `maxpool 3x3 stride=2`")
    if layer.pad == "tf_same" and getattr(layer, "ceil", False):
        raise LayerError("pad=tf_same and ceil exclude each other", "pad")
    window = window_over(x, layer)
    for k, pad in zip(window.kernel, window.padding, strict=True):
        if layer.pad != "tf_same" and max(pad) > k // 2:
            raise LayerError(f"pad (={max(pad)}) must be at most half of the kernel (={k})", "pad")
    return window


def global_quantities(layer: Kind, x: Shape, y: Shape) -> dict[str, Size]:
    """Count the input elements of a global or adaptive pooling, and those that leave it."""
    pool = "global_max_pool" if layer.name.endswith("maxpool") else "global_pool"
    return {f"{pool}_inputs": x.elements, f"{pool}_outputs": y.elements}


for key, what in (
    ("max_pool", "a maximum pooling"),
    ("avg_pool", "an average pooling"),
    ("global_pool", "a global or adaptive pooling"),
    ("global_max_pool", "a global or adaptive maximum pooling"),
):
    label = "global pooling" if key.startswith("global") else "pooling"
    for end, verb in (("inputs", "enters"), ("outputs", "leaves")):
        general = f"global_pool_{end}" if key == "global_max_pool" else ""
        declare(**{f"{key}_{end}": Quantity("element", f"that {verb} {what}", general, label)})


class WindowPool(Kind):
    """A value for each window; ``keeps_of`` says which, ``quantity`` what its elements are called."""

    part = "pooling"
    sees = WINDOW
    keeps_of: str
    quantity: str

    def window_over(self, x: Shape) -> Window:
        """Return the window per axis."""
        return pool_window(x, self)

    def label(self, x: Shape, y: Shape) -> Label:
        """Its window, and its step."""
        window = self.geometry(x)
        return Label((f"{sides(window.kernel)} {self.drawn}{stepping(window.stride)}",), "pool")

    def role(self, x: Shape, y: Shape) -> str:
        """What it keeps of each window."""
        return f"It keeps the {self.keeps_of} of each {sides(self.geometry(x).kernel)} window."

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to C×H'×W'."""
        return Shape(x.channels, pooled(x, self.geometry(x)))

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Input and output elements."""
        return {f"{self.quantity}_inputs": x.elements, f"{self.quantity}_outputs": y.elements}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Each output element is the maximum or the mean of a window."""
        return (("pooling", y.elements),)


@kind("maxpool")
class MaxPool(WindowPool):
    """The maximum of each window."""

    kernel: Any = argument(extent, "the window: 3x3, or 3 for a square")
    stride: Any = option(stride_written, None, "step of the window; required")
    pad: Any = option(padding, 0, "padding, at most half of the kernel")
    dilation: Any = option(extent, 1, "distance between the taps of the window")
    ceil: bool = flag("let the last window reach beyond the edge (PyTorch's ceil_mode)")
    drawn = "max pool"
    keeps_of = "largest value"
    quantity = "max_pool"

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, and the place of each maximum."""
        return Keeps(input=True, indices=y.elements)

    def working(self, x: Shape, y: Shape) -> Size:
        """The output, and the places of the maxima."""
        return 2 * y.elements


@kind("avgpool")
class AvgPool(WindowPool):
    """The mean of each window."""

    kernel: Any = argument(extent, "the window: 2x2, or 2 for a square")
    stride: Any = option(stride_written, None, "step of the window; required")
    pad: Any = option(padding, 0, "padding, at most half of the kernel")
    ceil: bool = flag("let the last window reach beyond the edge (PyTorch's ceil_mode)")
    drawn = "average pool"
    keeps_of = "mean"
    quantity = "avg_pool"

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, though its gradient needs sizes alone."""
        return Keeps(input=True)


@kind("global_avgpool", "global_maxpool")
class GlobalPool(Kind):
    """One value per channel: the mean or maximum of its whole map."""

    part = "pooling"
    sees = MAP
    forms = ("module", "function", "mean")

    def role(self, x: Shape, y: Shape) -> str:
        """What it makes of a map."""
        return f"It makes one number of each channel's {x.side} {x.noun}."

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to C×1×1."""
        if not x.spatial:
            raise LayerError(f"needs a map or a sequence (got a vector of {x})")
        return Shape(x.channels, (1,) * len(x.spatial))

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Input and output elements."""
        return global_quantities(self, x, y)

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every input element goes into a mean or a maximum."""
        return (("global pooling", x.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Of a maximum the input and its places; a mean over all needs sizes alone."""
        return Keeps(input=True, indices=y.elements) if self.name.endswith("maxpool") else Keeps()


@kind("adaptive_avgpool", "adaptive_maxpool")
class AdaptivePool(Kind):
    """Pools to a given output size, with windows that cover the input evenly."""

    output: Any = argument(extent, "the output size: 7x7, or 7 for a square")
    part = "pooling"
    sees = OTHER

    def reach(self, x: Shape, y: Shape) -> Reach:
        """A window of its own for each position."""
        return evenly(x, y)

    def as_it_came(self, x: Shape, y: Shape) -> bool:
        """Whether there is nothing to pool: the map is as large already."""
        return x == y

    def label(self, x: Shape, y: Shape) -> Label:
        """What it takes of each window, and the output size."""
        return Label((f"{self.drawn} to {sides(y.spatial)}",), "pool")

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to C×output."""
        if not x.spatial:
            raise LayerError(f"needs a map or a sequence (got a vector of {x})")
        return Shape(x.channels, per_axis(self.output, len(x.spatial), "output"))

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Input and output elements."""
        return global_quantities(self, x, y)

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every input element goes into a mean or a maximum."""
        return (("global pooling", x.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Of a maximum the input and its places, of a mean the input; to one position, nothing."""
        return Keeps(
            input=self.name.endswith("maxpool") or y.positions != 1,
            indices=y.elements if self.name.endswith("maxpool") else 0,
        )


for name, word in (("avgpool", "average"), ("maxpool", "max")):
    LAYERS[f"global_{name}"].drawn = f"global {word} pool"
    LAYERS[f"adaptive_{name}"].drawn = f"{word} pool"
