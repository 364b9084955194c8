"""Products of two tensors, which have no weights: rules of joins, not layer kinds that a spec can name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.engine.layers.kinds import Keeps, Kind

if TYPE_CHECKING:
    from bneck_cli.sizes.shape import Shape, Size


class MatMul(Kind):
    """The product of C×L and C×M over their channels, at every pair of positions: M×L."""

    name = "matmul"
    part = "attention"
    product = True

    def macs(self, x: Shape, y: Shape) -> Size:
        """C · L · M."""
        return x.channels * y.elements

    def attention_macs(self, x: Shape, y: Shape) -> Size:
        """All of them are products of two tensors."""
        return self.macs(x, y)

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """A product written with ``@``."""
        return {"attention_operator": self.macs(x, y)}

    def keeps(self, x: Shape, y: Shape, fused: bool | None = None) -> Keeps:
        """Nothing beside its operands, each of which the other's gradient needs."""
        return Keeps()

    def working(self, x: Shape, y: Shape, fused: bool | None = None) -> Size:
        """What leaves."""
        return y.elements
