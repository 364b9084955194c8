"""Recurrent layers: a state is passed from each position of a sequence to the next."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers.drawn import Label, written
from bneck_cli.engine.layers.kinds import Keeps, Kind, LayerError, argument, flag, kind, one_of, option, positive, size
from bneck_cli.engine.layers.quantities import Quantity, declare, elements
from bneck_cli.engine.layers.reach import OTHER, UNKNOWN, WHOLE, Reach
from bneck_cli.sizes.shape import Shape
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from bneck_cli.sizes.shape import Size


class Recurrent(Kind):
    """What the three cells share: each gate is a product with the input and one with the state before.

    PyTorch has two biases for each gate, one for each product. Another axis than the one along which the state is
    carried makes sequences that do not see each other, as a batch does.
    """

    hidden: Any = argument(size, "channels of the state, and of the output per direction")
    layers: Any = option(positive, 1, "number of stacked layers")
    both: bool = flag("run in both directions, which doubles the output channels")
    nobias: bool = flag("no biases")
    along: Any = option(one_of("time", "height", "width"), None, "the axis of a map or video to follow")
    part = "recurrent"
    sees = OTHER
    chooses = True
    gates = 0
    states = 1
    """Tensors of a state's size that a step works with beside its gates, as PyTorch writes it."""
    per_step = 0
    """Tensors of a state's size that autograd keeps of a step."""

    def label(self, x: Shape, y: Shape) -> Label:
        """The channels of its state, its layers, and its directions."""
        copies = "" if self.layers == 1 else f"{self.layers} × "
        more = ("in both directions",) if self.both else ()
        return Label((f"{copies}{self.drawn}, {written(self.hidden)}", *more), "other")

    def reach(self, x: Shape, y: Shape) -> Reach:
        """The positions before, and in both directions all; along one axis of a map there is no number for it."""
        return WHOLE if self.both and len(x.spatial) == 1 else UNKNOWN

    def out_shape(self, x: Shape) -> Shape:
        """C×L to hidden×L; to 2·hidden×L in both directions."""
        self._sequences(x)
        return Shape(self.hidden * (1 + self.both), x.spatial)

    def _sequences(self, x: Shape) -> Size:
        """Count the sequences that do not see each other: positions along the other axes."""
        if not x.spatial:
            raise LayerError(f"needs a sequence (got a vector of {x})")
        if len(x.spatial) == 1:
            if self.along is not None:
                raise LayerError(f"along={self.along} needs a map: a sequence has one axis", "along")
            return 1
        if self.along not in x.axes:
            axes = " or ".join(f"along={axis}" for axis in x.axes)
            raise LayerError(f"needs the axis to follow (got {x})", "along", hint=f"write {axes}")
        return prod(size for axis, size in zip(x.axes, x.spatial, strict=True) if axis != self.along)

    def _weights(self, x: Shape) -> Size:
        """Directions · gates · hidden · (C + hidden), and in each further layer what the one before gives for C."""
        one = self.gates * self.hidden * (1 + self.both)
        rest = one * (self.hidden * (1 + self.both) + self.hidden) * (self.layers - 1)
        return one * (x.channels + self.hidden) + rest  # type: ignore[no-any-return]

    def _biases(self) -> Size:
        biases: Size = 0 if self.nobias else 2 * self.gates * self.hidden * (1 + self.both) * self.layers
        return biases

    def params(self, x: Shape) -> Size:
        """Per gate, hidden · (C + hidden) weights for input and state, and two biases."""
        return self._weights(x) + self._biases()

    def role(self, x: Shape, y: Shape) -> str:
        """What the gates are for, and that positions wait for each other."""
        gates = "One matrix makes" if self.gates == 1 else f"{self.gates} gates make"
        ways = ", from the start and from the end" if self.both else ""
        return f"{gates} the state of a position of what arrives there and of the state before it{ways}."

    def worked(self, x: Shape, y: Shape) -> tuple[str, ...]:
        """The weights of each layer, gate by gate, the biases, and that all weights are used at every position."""
        ways = "2·" if self.both else ""
        one = f"{ways}{f'{self.gates}·' if self.gates > 1 else ''}{self.hidden}"
        lines: list[str] = []
        counts: list[Any] = []
        came = x.channels
        for layer in (1, 2) if self.layers > 1 else (1,):
            count: Any = self.gates * self.hidden * (1 + self.both) * (came + self.hidden)
            where = "" if self.layers == 1 else " in the first layer" if layer == 1 else " in each further layer"
            named = "weights of what arrives and of the state" if layer == 1 else "weights"
            counts.append(count)
            lines.append(f"{named}{where}: {one}·({came} + {self.hidden}) = {people(count)}")
            came = self.hidden * (1 + self.both)
        weights = self._weights(x)
        if self.layers > 1:
            deep = f"{self.layers - 1}·" if self.layers > 2 else ""
            lines.append(f"weights of all: {people(counts[0])} + {deep}{people(counts[1])} = {people(weights)}")
        if not self.nobias:
            deep = f"·{self.layers}" if self.layers > 1 else ""
            lines.append(f"two biases for each gate: 2·{one}{deep} = {people(self._biases())}")
        total: Any = self.macs(x, y)
        places = "·".join(map(str, x.spatial))
        lines.append(f"multiply-adds: {people(weights)}·{places} = {people(total)}, all weights at every position")
        return tuple(lines)

    def macs(self, x: Shape, y: Shape) -> Size:
        """All weights, at every position."""
        return x.positions * self._weights(x)

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Multiply-adds, bias additions, and elements of the states that steps make."""
        elements = "elements_bare" if self.nobias else "elements"
        made = y.elements * self.layers
        return {
            self.name: self.macs(x, y),
            f"{self.name}_bias": x.positions * self._biases(),
            f"{self.name}_{elements}": made,
        }

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Biases are added at every position; gates are squashed and multiplied for every element of a state."""
        biases = () if self.nobias else (("bias additions", x.positions * self._biases()),)
        return (*biases, ("recurrent gates", self.gates * y.elements * self.layers))

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """The input, what each layer gives to the next, and of each step what its functions give."""
        return Keeps(input=True, values=(self.layers - 1) * y.elements + self._kept(x, y) * self.layers)

    def _kept(self, x: Shape, y: Shape) -> Size:
        return self.per_step * y.elements

    def working(self, x: Shape, y: Shape) -> Size:
        """Count what PyTorch's plain operators have alive: gates of all steps, two states of each, those of a step."""
        one: Size = x.positions * self.hidden
        state: Size = self._sequences(x) * self.hidden
        whole = (self.gates + 2) * one + self.states * state
        if self.both:
            whole = whole + 4 * one + self.states * state
        return whole + y.elements + (self.states + 1) * state if self.layers > 1 else whole


def declare_cell(name: str, what: str) -> None:
    """Declare what a cell has: its products, its biases, and the states that its steps make."""
    states, gates = f"the states of {what}", "recurrent gates"
    declare(
        **{
            name: Quantity("multiply-add", f"of {what}", head="linear"),
            f"{name}_bias": Quantity("bias addition", f"of {what}", label="bias additions"),
            f"{name}_elements": elements(states, gates),
            f"{name}_elements_bare": elements(f"{states} without biases", gates, f"{name}_elements"),
        }
    )


declare_cell("lstm", "an LSTM")
declare_cell("gru", "a GRU")
declare_cell("rnn", "a plain recurrent layer")


@kind("lstm")
class LSTM(Recurrent):
    """Long short-term memory: a hidden state and a cell state, updated along a sequence by four gates."""

    noun = drawn = "LSTM"
    gates, states, per_step = 4, 3, 7


@kind("gru")
class GRU(Recurrent):
    """Gated recurrent unit: a hidden state, updated along a sequence by three gates."""

    noun = drawn = "GRU"
    gates, per_step = 3, 7


@kind("rnn")
class RNN(Recurrent):
    """Plain recurrent layer: a hidden state, updated along a sequence by one matrix and tanh."""

    noun, drawn = "plain recurrent layer", "RNN"
    gates = 1

    def _kept(self, x: Shape, y: Shape) -> Size:
        """What each step gives, and the state before the first."""
        return y.elements + y.channels * self._sequences(x)
