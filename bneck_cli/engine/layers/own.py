"""A layer that a file defines by its formulas: what they say of one use of it, as the rule of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers.drawn import Label
from bneck_cli.engine.layers.kinds import Keeps, Kind
from bneck_cli.engine.layers.reach import OTHER
from bneck_cli.sizes.number import least
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.sizes.shape import Size


class Own(Kind):
    """What the formulas of an op come to: its figures, whatever is asked about.

    ``holds`` are elements that it works with inside, beside the input and the output, and that training keeps;
    ``reads`` are parameters that a pass over one input reads, where these are not all.
    """

    part = "own"
    sees = OTHER
    text: str
    noun: str
    under: str
    sizes: Any
    weighs: Size
    multiplies: Size
    holds: Size
    reads: Size | None

    def out_shape(self, x: Shape) -> Shape:
        """The shape of its formula."""
        return Shape(self.sizes[0], self.sizes[1:])

    def params(self, x: Shape) -> Size:
        """The params of its formula."""
        return self.weighs

    def params_read(self, x: Shape, batch: Size) -> Size:
        """All of them, or those that its formula says, for each input others as long as there are any."""
        return self.weighs if self.reads is None else least(self.weighs, self.reads * batch)

    def macs(self, x: Shape, y: Shape) -> Size:
        """The macs of its formula."""
        return self.multiplies

    def attention_macs(self, x: Shape, y: Shape) -> Size:
        """The same, where it counts as attention."""
        return self.multiplies if self.under == "attention" else 0

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Its multiply-adds, under the head that it says."""
        return {"linear" if self.under == "other" else self.under: self.multiplies}

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, and what it holds."""
        return Keeps(input=True, values=self.holds)

    def working(self, x: Shape, y: Shape) -> Size:
        """The output, and what it holds."""
        return y.elements + self.holds

    def label(self, x: Shape, y: Shape) -> Label:
        """As the spec writes it."""
        return Label((self.text,), "other")
