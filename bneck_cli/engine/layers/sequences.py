"""Sequences: tokens of a map, embeddings, learned tensors, slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers.drawn import Label, sides, written
from bneck_cli.engine.layers.kinds import (
    Keeps,
    Kind,
    LayerError,
    argument,
    bound,
    dimensions,
    end,
    flag,
    kind,
    natural,
    one_of,
    option,
    size,
    token,
)
from bneck_cli.engine.layers.quantities import Quantity, declare
from bneck_cli.engine.layers.reach import OTHER, OWN, WHOLE, Reach
from bneck_cli.sizes.number import is_whole
from bneck_cli.sizes.shape import Shape
from bneck_cli.words.values import counted, people

if TYPE_CHECKING:
    from bneck_cli.sizes.shape import Size


declare(
    embedding=Quantity("element", "that an embedding looks up"),
    embedding_params=Quantity("weight", "of an embedding"),
)


@kind("embed")
class Embedding(Kind):
    """Looks up a row of a learned table for each index: words to vectors."""

    vocabulary: Any = argument(size, "rows of the table: the number of distinct indices")
    channels: Any = argument(size, "output channels: the length of a row")
    part = "lookup"
    sees = OWN
    chooses = True

    def label(self, x: Shape, y: Shape) -> Label:
        """The length of a row, and how many there are."""
        return Label((f"embedding, {written(self.channels)}", f"{written(self.vocabulary)} rows"), "other")

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

    def role(self, x: Shape, y: Shape) -> str:
        """That it looks up and does not multiply."""
        return f"It looks up the row of each index, {self.channels} numbers, and multiplies nothing."

    def worked(self, x: Shape, y: Shape) -> tuple[str, ...]:
        """The table."""
        return (f"the table: {self.vocabulary}·{self.channels} = {people(self.params(x))} parameters",)

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
    """A learned tensor, independent of the input: class tokens, queries, position embeddings to add."""

    shape: Any = argument(dimensions, "the output shape: 768, 768 x 1, c x n")
    frozen: bool = flag("fixed: nothing is learned (coordinates, a mask)")
    part = "other"
    sees = OTHER
    source = True
    chooses = True
    view = True

    def label(self, x: Shape, y: Shape) -> Label:
        """Its shape."""
        return Label((f"learned, {sides(self.shape)}",), "other")

    def out_shape(self, x: Shape) -> Shape:
        """The given shape."""
        return Shape(self.shape[0], self.shape[1:])

    def params(self, x: Shape) -> Size:
        """One per element; frozen, 0."""
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
    """Swaps the channels and positions of a sequence, so that linear layers mix positions (MLP-Mixer)."""

    part = "other"
    sees = OTHER
    view = True

    def reach(self, x: Shape, y: Shape) -> Reach:
        """All of it: a channel of the one is a position of the other."""
        return WHOLE

    def out_shape(self, x: Shape) -> Shape:
        """C×L to L×C."""
        if len(x.spatial) != 1:
            raise LayerError(f"needs a sequence (got {x})", hint="`tokens pos=none` turns a map into a sequence")
        return Shape(x.spatial[0], (x.channels,))

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing: it is a view."""
        return Keeps()


@kind("tokens")
class Tokens(Kind):
    """Turns a map into a sequence, with optional class tokens in front and a position embedding added."""

    cls: Any = option(natural, 0, "number of class tokens in front of the sequence")
    pos: str = option(one_of("learned", "none"), "learned", "position embedding: learned, or none")
    part = "tokens"
    sees = OWN

    def label(self, x: Shape, y: Shape) -> Label:
        """Its class tokens, and its position embedding."""
        more = ["class token"] if self.cls == 1 else [f"{self.cls} tokens"] if self.cls else []
        more += ["position embedding"] if self.pos == "learned" else []
        return Label(("tokens", *more), "other")

    def role(self, x: Shape, y: Shape) -> str:
        """How long the sequence is, and why."""
        if x.positions + self.cls != y.positions:
            return ""
        places = "·".join(map(str, x.spatial))
        if not self.cls:
            return f"It makes a sequence of the {places} = {people(y.positions)} positions."
        verb = "is" if self.cls == 1 else "are"
        return (
            f"It makes a sequence of the positions, before which {counted(self.cls, 'class token')} {verb} put: "
            f"{places} + {self.cls} = {people(y.positions)}."
        )

    def out_shape(self, x: Shape) -> Shape:
        """C×H×W to C×(H·W + cls)."""
        if not x.spatial:
            raise LayerError(f"needs a map or a sequence (got a vector of {x})")
        return Shape(x.channels, (x.positions + self.cls,))

    def params(self, x: Shape) -> Size:
        """The class tokens, and a learned vector per position."""
        length: Size = self.out_shape(x).positions
        count: Size = self.cls + (length if self.pos == "learned" else 0)
        return x.channels * count

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """A position added to every element; and the product of a map's sides."""
        return {"addition": y.elements if self.pos == "learned" else 0, "size_products": 1}

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """A vector is added at every position."""
        return (("addition", y.elements),) if self.pos == "learned" else ()

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing: a concatenation and a sum."""
        return Keeps()

    def held(self, x: Shape, y: Shape) -> Size:
        """The sequence to which positions are added: torchvision's ViT calls its encoder with it, which adds them."""
        return y.elements if self.pos == "learned" else 0


@kind("take")
class Take(Kind):
    """Takes one token of a sequence, as a vector."""

    part = "other"
    sees = OTHER
    view = True

    index: Any = argument(token, "which token, from 0; -1 is the last")

    def label(self, x: Shape, y: Shape) -> Label:
        """Which token."""
        return Label((f"take token {self.index}",), "other")

    def out_shape(self, x: Shape) -> Shape:
        """C×L to C."""
        if len(x.spatial) != 1:
            raise LayerError(f"needs a sequence (got {x})")
        length = x.spatial[0]
        if is_whole(length) and not -length <= self.index < length:
            raise LayerError(f"index (={self.index}) must be below the sequence's length (={length})", 0)
        return Shape(x.channels)

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing: it is a view."""
        return Keeps()


@kind("slice")
class Slice(Kind):
    """Takes a range of the channels, or of a sequence's positions."""

    part = "other"
    sees = OWN
    view = True

    start: Any = argument(bound, "first index, from 0")
    stop: Any = argument(end, "end index, exclusive; `end` for all the rest")
    along: str = option(one_of("channels", "positions"), "channels", "what to slice: channels or positions")

    def label(self, x: Shape, y: Shape) -> Label:
        """What it is a range of, and from where to where it reaches."""
        stop = self.stop if self.stop == "end" else written(self.stop)
        return Label((f"{self.along} {written(self.start)} to {stop}",), "other")

    def out_shape(self, x: Shape) -> Shape:
        """C×… to (stop - start)×…, or C×L to C×(stop - start)."""
        if self.along == "positions" and len(x.spatial) != 1:
            raise LayerError(f"along=positions needs a sequence (got {x})", "along")
        whole = x.channels if self.along == "channels" else x.positions
        stop = whole if self.stop == "end" else self.stop
        if is_whole(stop) and is_whole(whole) and stop > whole:
            raise LayerError(f"stop (={stop}) must be at most {whole}, the number of {self.along}", 1)
        size = stop - self.start
        if is_whole(size) and size < 1:
            raise LayerError(f"start (={self.start}) must be below stop (={stop})", 0)
        return Shape(size, x.spatial) if self.along == "channels" else Shape(x.channels, (size,))

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Nothing: it is a view."""
        return Keeps()
