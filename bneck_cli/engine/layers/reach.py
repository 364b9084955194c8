"""What one position of a layer's result sees of the input: a step that receptive fields are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.sizes.number import is_whole

if TYPE_CHECKING:
    from bneck_cli.sizes.shape import Shape

OWN, WINDOW, MAP, OTHER = "its own position", "a window", "the whole map", "as its reach says"
"""What a kind's ``sees`` may be. A kind that sees something else computes it in ``reach``."""


class Axis(NamedTuple):
    """What a position sees along one axis: ``low`` to ``high`` about ``jump`` times its index."""

    jump: int
    low: int
    high: int

    @property
    def size(self) -> int:
        """How many positions of the input one position sees."""
        return self.high - self.low + 1

    @property
    def start(self) -> float:
        """The middle of what the first position sees, in the input's positions; padding lies below 0."""
        return (self.low + self.high) / 2

    def then(self, step: Axis) -> Axis:
        """Return what is seen after another step."""
        return Axis(self.jump * step.jump, self.low + self.jump * step.low, self.high + self.jump * step.high)


class Reach(NamedTuple):
    """What a position of a tensor sees, by axis: all of the input where ``whole``, no axes where it is unknown."""

    axes: tuple[Axis, ...] = ()
    whole: bool = False

    @property
    def known(self) -> bool:
        """Whether there is a number for it."""
        return bool(self.axes) and not self.whole

    def then(self, step: Reach) -> Reach:
        """Return what is seen after another step."""
        if self.whole or step.whole:
            return WHOLE
        if len(self.axes) != len(step.axes):
            return UNKNOWN
        return Reach(tuple(mine.then(theirs) for mine, theirs in zip(self.axes, step.axes, strict=True)))


WHOLE = Reach(whole=True)
UNKNOWN = Reach()


def here(rank: int) -> Reach:
    """Return the reach of a tensor's own positions: each sees itself."""
    return Reach((Axis(1, 0, 0),) * rank)


def same_position(x: Shape, y: Shape) -> Reach:
    """Return the step of a layer whose positions see their own; where the map is another, there is no one step."""
    return here(len(x.spatial)) if x.spatial == y.spatial else UNKNOWN


def windowed(window: Any) -> Reach:
    """Return the step of a Window that moves over the map."""
    if window.transposed:
        return UNKNOWN
    axes = []
    for k, s, pad, d in zip(window.kernel, window.stride, window.padding, window.dilation, strict=True):
        span = d * (k - 1)
        if pad == "tf_same":  # it depends on the size, which is a symbol
            return UNKNOWN
        axes.append(Axis(s, -pad[0], span - pad[0]))
    return Reach(tuple(axes))


def evenly(x: Shape, y: Shape) -> Reach:
    """Return the step of windows that cover a map evenly and are all alike; else there is no one step."""
    axes = []
    for n, m in zip(x.spatial, y.spatial, strict=True):
        if m == 1:
            return WHOLE
        if not is_whole(n) or not is_whole(m) or n % m:
            return UNKNOWN
        axes.append(Axis(n // m, 0, n // m - 1))
    return Reach(tuple(axes))
