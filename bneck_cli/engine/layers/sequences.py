"""Layers of sequences: tables of vectors, tensors that are weights, channels and positions exchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers.kinds import Keeps, Kind, LayerError, argument, dimensions, flag, kind, size
from bneck_cli.engine.layers.reach import OTHER, OWN, WHOLE, Reach
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.sizes.shape import Size


@kind("embed")
class Embedding(Kind):
    """A row of a learned table for each index that arrives: words to vectors."""

    vocabulary: Any = argument(size, "rows of the table: how many indices there are")
    channels: Any = argument(size, "the channels that leave: the length of a row")
    part = "lookup"
    sees = OWN
    chooses = True

    def out_shape(self, x: Shape) -> Shape:
        """1×L to channels×L."""
        if x.channels != 1:
            hint = "a text of 1024 tokens is `input: 1 x 1024`"
            raise LayerError(f"needs one index at each position (got {x.channels} channels: {x})", hint=hint)
        return Shape(self.channels, x.spatial)

    def params(self, x: Shape) -> Size:
        """Vocabulary · channels."""
        table: Size = self.vocabulary * self.channels
        return table

    def weights(self, x: Shape) -> tuple[tuple[Size, ...], ...]:
        """Return the table: the matrix of a linear layer that gives so many words."""
        return ((self.vocabulary, self.channels),)

    def params_read(self, x: Shape, batch: Size) -> Size:
        """A row for each position, and not the whole table."""
        rows: Size = x.positions * batch
        return rows * self.channels  # type: ignore[no-any-return]

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Elements that are looked up, and the table's."""
        return {"embedding": y.elements, "embedding_params": self.params(x)}

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The indices."""
        return Keeps(indices=x.elements)


@kind("learned")
class Learned(Kind):
    """A tensor that is all weights, whatever arrives: class tokens, queries, a table of positions to add."""

    shape: Any = argument(dimensions, "the shape that leaves: 768, 768 x 1, c x n")
    frozen: bool = flag("keep it as it is: nothing is learned (coordinates, a mask)")
    part = "other"
    sees = OTHER
    source = True
    chooses = True
    view = True

    def out_shape(self, x: Shape) -> Shape:
        """The shape that is written."""
        return Shape(self.shape[0], self.shape[1:])

    def params(self, x: Shape) -> Size:
        """One for each element; frozen, none."""
        return 0 if self.frozen else self.out_shape(x).elements

    def buffers(self, x: Shape) -> Size:
        """Frozen, one for each element."""
        return self.out_shape(x).elements if self.frozen else 0

    def weights(self, x: Shape) -> tuple[tuple[Size, ...], ...]:
        """Return the tensor."""
        return (self.shape,)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing: it is a parameter."""
        return Keeps()


@kind("transpose")
class Transpose(Kind):
    """Channels and positions of a sequence exchanged, so that what follows mixes positions (MLP-Mixer)."""

    part = "other"
    sees = OTHER
    view = True

    def reach(self, x: Shape, y: Shape) -> Reach:
        """All of it: a channel of the one is a position of the other."""
        return WHOLE

    def out_shape(self, x: Shape) -> Shape:
        """C×L to L×C."""
        if len(x.spatial) != 1:
            raise LayerError(f"needs a sequence (got {x})", hint="`tokens pos=none` makes a sequence of a map")
        return Shape(x.spatial[0], (x.channels,))

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing: it is a view."""
        return Keeps()
