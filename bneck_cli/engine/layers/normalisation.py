"""Normalisation: by computed or stored statistics, with a learned scale and shift per channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers.kinds import Keeps, Kind, LayerError, argument, flag, kind, option, positive, share, size
from bneck_cli.engine.layers.quantities import Quantity, declare, elements
from bneck_cli.engine.layers.reach import MAP, OWN

if TYPE_CHECKING:
    from bneck_cli.sizes.shape import Shape, Size


for norm in ("batch norm", "layer norm", "group norm", "instance norm"):
    name = norm.replace(" ", "_")
    general = "group_norm" if name == "instance_norm" else ""
    of = "group or instance norm" if name == "group_norm" else norm
    bare = f"{general}_bare" if general else name
    declare(
        **{name: elements(of, norm, general), f"{name}_bare": elements(f"{of} without scale and shift", norm, bare)}
    )
declare(
    rms_norm=elements("RMS norm", "rms norm"),
    local_response_norm=elements("local response norm", "local response norm"),
    global_response_norm=elements("global response norm", "global response norm"),
    norm_params=Quantity("parameter", "of a norm"),
)


@kind("bn")
class BatchNorm(Kind):
    """Batch normalisation: at inference a scale and a shift per channel."""

    noaffine: bool = flag("no learned scale and shift")
    frozen: bool = flag("all four values per channel are fixed, as in detection: nothing is learned")
    part = "norm"
    sees = OWN
    noun, drawn = "batch norm", "BN"
    centres = True

    def params(self, x: Shape) -> Size:
        """2·C, a scale and a shift per channel; frozen, 0."""
        return 0 if self.noaffine or self.frozen else 2 * x.channels

    def buffers(self, x: Shape) -> Size:
        """Running mean and variance per channel, and the count of batches; frozen, scale and shift instead of it."""
        return (2 if self.noaffine else 4) * x.channels if self.frozen else 2 * x.channels + 1

    def running_statistics(self, x: Shape) -> Size:
        """A mean and a variance per channel."""
        return 2 * x.channels

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements, which cost less without scale and shift, and parameters."""
        return {"batch_norm_bare" if self.noaffine else "batch_norm": y.elements, "norm_params": self.params(x)}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element is scaled and shifted."""
        return (("batch norm", y.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, and the batch's mean and deviation per channel; frozen, a factor per channel."""
        return Keeps(statistics=x.channels) if self.frozen else Keeps(input=True, statistics=2 * x.channels)

    def working(self, x: Shape, y: Shape) -> Size:
        """The output, and a mean and a deviation per channel."""
        return y.elements + 2 * x.channels


@kind("ln")
class LayerNorm(Kind):
    """Layer normalisation over the channels of each position."""

    noaffine: bool = flag("no learned scale and shift")
    nobias: bool = flag("no shift")
    part = "norm"
    sees = OWN
    noun, drawn = "layer norm", "LN"

    def params(self, x: Shape) -> Size:
        """2·C, a scale and a shift per channel."""
        return 0 if self.noaffine else x.channels if self.nobias else 2 * x.channels

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements, which cost less without scale and shift, and parameters."""
        return {"layer_norm_bare" if self.noaffine else "layer_norm": y.elements, "norm_params": self.params(x)}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element is normalised."""
        return (("layer norm", y.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, and a mean and a deviation per position."""
        return Keeps(input=True, values=2 * x.positions)

    def working(self, x: Shape, y: Shape) -> Size:
        """The output, and a mean and a deviation per position."""
        return y.elements + 2 * x.positions


@kind("gn")
class GroupNorm(Kind):
    """Group normalisation: statistics over groups of channels."""

    groups: Any = argument(size, "groups of channels, which must divide them")
    noaffine: bool = flag("no learned scale and shift")
    nobias: bool = flag("no shift")
    part = "norm"
    sees = OWN
    noun, drawn = "group norm", "GN"
    over_the_map = True

    def shares(self, x: Shape) -> tuple[Size, ...]:
        """Return the channels of a group."""
        return (share(x.channels, self.groups, "channels", "groups"),)

    def out_shape(self, x: Shape) -> Shape:
        """Same as the input."""
        self.shares(x)
        return x

    def params(self, x: Shape) -> Size:
        """2·C, a scale and a shift per channel."""
        return 0 if self.noaffine else x.channels if self.nobias else 2 * x.channels

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements, which cost less without scale and shift, and parameters."""
        return {"group_norm_bare" if self.noaffine else "group_norm": y.elements, "norm_params": self.params(x)}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element is normalised."""
        return (("group norm", y.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, and a mean and a deviation per group."""
        return Keeps(input=True, values=2 * self.groups)

    def working(self, x: Shape, y: Shape) -> Size:
        """The output, and a mean and a deviation per group."""
        statistics: Size = 2 * self.groups
        return y.elements + statistics


@kind("in")
class InstanceNorm(Kind):
    """Instance normalisation: statistics over each channel's map."""

    noaffine: bool = flag("no learned scale and shift")
    part = "norm"
    sees = OWN
    noun, drawn = "instance norm", "IN"
    centres = over_the_map = True

    def params(self, x: Shape) -> Size:
        """2·C, a scale and a shift per channel."""
        return 0 if self.noaffine else 2 * x.channels

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements, which cost less without scale and shift, and parameters."""
        return {"instance_norm_bare" if self.noaffine else "instance_norm": y.elements, "norm_params": self.params(x)}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element is normalised."""
        return (("instance norm", y.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, per channel a mean and a deviation, and the scale, repeated for each input."""
        return Keeps(input=True, values=(2 if self.noaffine else 3) * x.channels)


@kind("rmsnorm")
class RMSNorm(Kind):
    """Root-mean-square normalisation over the channels of each position."""

    noaffine: bool = flag("no learned scale")
    part = "norm"
    sees = OWN
    noun, drawn = "RMS norm", "RMSNorm"

    def params(self, x: Shape) -> Size:
        """C, a scale per channel."""
        return 0 if self.noaffine else x.channels

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements, and parameters."""
        return {"rms_norm": y.elements, "norm_params": self.params(x)}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element is normalised."""
        return (("rms norm", y.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, what it is divided to, and a divisor per position."""
        return Keeps(input=True, values=x.elements + x.positions)


@kind("grn")
class GlobalResponseNorm(Kind):
    """Global response normalisation: channels weighed by their maps' relative norms (ConvNeXt V2)."""

    part = "norm"
    sees = MAP
    noun, drawn = "global response norm", "GRN"

    def params(self, x: Shape) -> Size:
        """2·C, a scale and a shift per channel."""
        return 2 * x.channels

    def out_shape(self, x: Shape) -> Shape:
        """Same as the input."""
        if not x.spatial:
            raise LayerError(f"needs a map (got a vector of {x})")
        return x

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements, and parameters."""
        return {"global_response_norm": y.elements, "norm_params": self.params(x)}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element is normalised."""
        return (("global response norm", y.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, what its scale multiplies; the size of each channel's map, by itself and beside the mean."""
        return Keeps(input=True, values=x.elements + 2 * x.channels + 1)


@kind("lrn")
class LocalResponseNorm(Kind):
    """Local response normalisation over neighbouring channels (AlexNet); nothing is learned."""

    size: Any = option(positive, 5, "number of neighbouring channels to sum over")
    part = "norm"
    sees = OWN
    noun, drawn = "local response norm", "LRN"

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements."""
        return {"local_response_norm": y.elements}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element is normalised."""
        return (("local response norm", y.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, its squares with size - 1 channels of padding, their means, and the divisors."""
        return Keeps(input=True, values=2 * x.elements + (x.channels + self.size - 1) * x.positions)
