"""Elementwise functions: the shape stays, nothing multiplies with a weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.engine.layers.kinds import Kind, flag, kind

if TYPE_CHECKING:
    from bneck_cli.sizes.shape import Shape, Size


@kind(
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "silu", "hard_swish", "gelu", "sigmoid", "hard_sigmoid",
    "tanh", "hard_tanh", "mish", "softplus", "softsign",
)  # fmt: skip
class Activation(Kind):
    """A function of each element by itself; nothing is learned."""

    part = "activation"

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements, by the function."""
        return {self.name: y.elements}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element goes through the function."""
        return (("activation", y.elements),)


@kind("prelu")
class PReLU(Kind):
    """A rectifier whose negative slope is learned: one for all channels, or one for each."""

    per_channel: bool = flag("learn a slope for each channel")
    part = "activation"

    def params(self, x: Shape) -> Size:
        """One slope, or one per channel."""
        return x.channels if self.per_channel else 1

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements, and slopes."""
        return {"prelu": y.elements, "activation_params": self.params(x)}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element goes through the function."""
        return (("activation", y.elements),)


@kind("softmax")
class Softmax(Kind):
    """Exponentials over the channels of each position, scaled to a sum of 1."""

    part = "activation"

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements; and additions, one fewer than channels at every position."""
        return {"softmax": y.elements, "softmax_additions": y.elements - y.positions}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element goes through the function."""
        return (("softmax", y.elements),)


@kind("layer_scale")
class LayerScale(Kind):
    """A learned factor for each channel (CaiT, ConvNeXt)."""

    def params(self, x: Shape) -> Size:
        """A factor per channel."""
        return x.channels

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements."""
        return {"scaling": y.elements}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element is multiplied by its channel's factor."""
        return (("scaling", y.elements),)


@kind("dropout", "droppath", "identity")
class Identity(Kind):
    """The tensor as it is, at inference."""
