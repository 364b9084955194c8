"""What training computes again instead of keeping it: activation checkpointing.

Whole blocks are of arXiv 1604.06174, attention's scores alone of 2205.05198.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bneck_cli.engine.network import Fork, Series

if TYPE_CHECKING:
    from bneck_cli.engine.network import Layer, Node
    from bneck_cli.engine.operations import Operation, Part

RECOMPUTE = {
    "none": "everything that the backward pass needs is kept",
    "attention": (
        "written attention scores are not kept: both products are recomputed (a fused kernel keeps none, and its own "
        "recomputation is not counted)"
    ),
    "full": (
        "only the input of each repeated copy, and of each block without repeats, is kept; its forward pass runs again "
        "before its backward pass, one block at a time, so the largest is in memory too"
    ),
}
"""What is not kept, in words."""


class Blocks:
    """The parts of which only what they take is kept."""

    def __init__(self) -> None:
        self.plain: dict[int, bool] = {}
        self.read: dict[int, tuple[bool, ...]] = {}

    def holds(self, above: Part, operation: Operation) -> bool:
        """Whether an operation of a part is such a block: a copy in a repeat, or a block without a repeat."""
        if operation.part is None:
            return False
        node = operation.node
        if operation.copies > 1 or (isinstance(above.node, Series) and above.node.kind == "repeat"):
            return True
        return isinstance(node, Series) and node.kind == "block" and not self.repeats(node)

    def reads(self, part: Part) -> tuple[bool, ...]:
        """Say which of its inputs a part reads: a tensor that is all weights takes no notice of the input."""
        if id(part) not in self.read:
            used: set[int] = set(part.outs)
            for operation in part.operations:
                if operation.part is not None:
                    taken = zip(operation.inputs, self.reads(operation.part), strict=True)
                    used |= {number for number, reads in taken if reads}
                elif not cast("Layer", operation.node).is_source:
                    used |= {*operation.inputs}
            self.read[id(part)] = tuple(~index in used for index in range(len(part.inputs)))
        return self.read[id(part)]

    def repeats(self, node: Node) -> bool:
        """Whether a node holds copies of anything, at any depth; each is looked at once."""
        if not isinstance(node, (Series, Fork)):
            return False
        if id(node) not in self.plain:
            held = node.branches if isinstance(node, Fork) else [run.node for run in node.runs]
            several = isinstance(node, Series) and (node.kind == "repeat" or any(run.copies > 1 for run in node.runs))
            self.plain[id(node)] = several or any(map(self.repeats, held))
        return self.plain[id(node)]
