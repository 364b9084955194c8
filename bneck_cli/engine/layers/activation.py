"""Activations: elementwise functions and softmax; the shape stays, and nothing is multiplied by a weight matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.engine.layers.kinds import LAYERS, Keeps, Kind, flag, kind
from bneck_cli.engine.layers.quantities import Quantity, declare, elements
from bneck_cli.engine.layers.reach import OWN

if TYPE_CHECKING:
    from bneck_cli.sizes.shape import Shape, Size

BY_OUTPUT = ("relu", "sigmoid", "tanh")
"""Functions whose derivative PyTorch computes from what they give."""
BY_OUTPUT_IN_PLACE = ("relu", "leaky_relu", "elu", "selu", "celu")
"""The same, where they write over what they take."""
DRAWN = {
    "relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "leaky ReLU", "elu": "ELU", "selu": "SELU", "celu": "CELU",
    "silu": "SiLU", "gelu": "GELU", "mish": "Mish", "hard_swish": "hard-swish", "hard_sigmoid": "hard-sigmoid",
    "hard_tanh": "hard-tanh", "droppath": "drop path",
}  # fmt: skip
"""What figures call a function, where that is not its name."""


declare(
    activation=elements("an activation"),
    activation_params=Quantity("parameter", "of an activation"),
    softmax=elements("a softmax", "softmax"),
    softmax_additions=Quantity("addition", "in a softmax"),
)


@kind(
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "silu", "hard_swish", "gelu", "sigmoid", "hard_sigmoid",
    "tanh", "hard_tanh", "mish", "softplus", "softsign",
)  # fmt: skip
class Activation(Kind):
    """An elementwise function; nothing is learned."""

    part = "activation"
    sees = OWN
    elementwise = True

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements, by the function."""
        return {self.name: y.elements}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element goes through the function."""
        return (("activation", y.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """What the derivative is written in: the output, or the input; softsign's divisor too."""
        if self.name in BY_OUTPUT:
            return Keeps(output=True)
        return Keeps(input=True, values=x.elements if self.name == "softsign" else 0)

    def keeps_in_place(self, x: Shape, y: Shape) -> Keeps:
        """The output, if the derivative can be told from it; else a copy of what arrived."""
        return Keeps(output=True) if self.name in BY_OUTPUT_IN_PLACE else super().keeps_in_place(x, y)


@kind("prelu")
class PReLU(Kind):
    """ReLU with a learned negative slope: one for all channels, or one per channel."""

    per_channel: bool = flag("one slope per channel")
    part = "activation"
    sees = OWN
    noun = drawn = "PReLU"
    elementwise = True

    def params(self, x: Shape) -> Size:
        """1, or C with one slope per channel."""
        return x.channels if self.per_channel else 1

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements, and slopes."""
        return {"prelu": y.elements, "activation_params": self.params(x)}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element goes through the function."""
        return (("activation", y.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input."""
        return Keeps(input=True)


@kind("softmax")
class Softmax(Kind):
    """Softmax over the channels of each position."""

    part = "activation"
    sees = OWN

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements; and additions, one fewer than channels at every position."""
        return {"softmax": y.elements, "softmax_additions": y.elements - y.positions}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element goes through the function."""
        return (("softmax", y.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The output."""
        return Keeps(output=True)


@kind("layer_scale")
class LayerScale(Kind):
    """A learned factor per channel (CaiT, ConvNeXt)."""

    part = "scaling"
    sees = OWN

    def params(self, x: Shape) -> Size:
        """C, a factor per channel."""
        return x.channels

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements."""
        return {"scaling": y.elements}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Every element is multiplied by its channel's factor."""
        return (("scaling", y.elements),)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, for the factors' gradients."""
        return Keeps(input=True)


@kind("dropout", "droppath", "identity")
class Identity(Kind):
    """Passes the tensor on unchanged, at inference."""

    part = "other"
    sees = OWN
    view_at_inference = True

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Which elements stay (a byte each on a GPU; a CPU writes them as wide as the tensor), or which inputs."""
        return Keeps(mask=x.elements if self.name == "dropout" else 0, values=1 if self.name == "droppath" else 0)


LAYERS["identity"].view = LAYERS["identity"].absent = True
for name, drawn in DRAWN.items():
    LAYERS[name].drawn = drawn
for name in (*BY_OUTPUT_IN_PLACE, "relu6", "hard_tanh", "hard_sigmoid", "hard_swish", "silu", "mish"):
    LAYERS[name].in_place = True
for name, each in LAYERS.items():
    if each.elementwise:
        declare(**{name: elements(name, "activation", "activation")})
