"""Receptive fields: which stretch of the input a position of a tensor sees, exactly, through branches and repeats.

Position p along an axis sees the input's positions ``jump·p + low`` to ``jump·p + high``; a layer's window makes an
affine step of that, so a block is one step, and n copies of it are n steps at once. Counted are windows alone: a gate
(squeeze-and-excitation) and statistics over a map see everything, and so would whatever follows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.joins import is_everywhere
from bneck_cli.engine.layers.kinds import per_axis
from bneck_cli.engine.network import JOINS, Layer
from bneck_cli.flow.follow import Follow

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.sizes.shape import Shape

POINTWISE = frozenset(
    {"bn", "ln", "gn", "in", "rmsnorm", "lrn", "linear", "prelu", "softmax", "layer_scale", "shuffle", "embed"}
)
WHOLE_MAP = frozenset({"global_avgpool", "global_maxpool", "flatten"})


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
        """Give what is seen after another step."""
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
        """Give what is seen after another step."""
        if self.whole or step.whole:
            return WHOLE
        if len(self.axes) != len(step.axes):
            return UNKNOWN
        return Reach(tuple(mine.then(theirs) for mine, theirs in zip(self.axes, step.axes, strict=True)))


WHOLE = Reach(whole=True)
UNKNOWN = Reach()


def here(rank: int) -> Reach:
    """Give the reach of a tensor's own positions: each sees itself."""
    return Reach((Axis(1, 0, 0),) * rank)


class Sight:
    """What a position sees, as a meaning of the operations."""

    def start(self, shape: Shape) -> Reach:
        """See oneself."""
        return here(len(shape.spatial))

    def steps(self, layer: Layer) -> tuple[Reach | None, ...]:
        """Return the step of a layer; a join sees what its branches see, without gates and what is everywhere the same.

        A product of two tensors over their channels sees all of the second.
        """
        if layer.rule is None and layer.op in JOINS:
            step = here(len(layer.out.spatial))
            if layer.op == "scale":
                return step, None
            if layer.op == "concat":
                along = layer.out.channels == layer.shape.channels  # positions
                return (UNKNOWN if along else step,) * len(layer.inputs)
            spread = not is_everywhere(layer.out)
            return tuple(None if spread and is_everywhere(shape) else step for shape in layer.inputs)
        if len(layer.inputs) > 1:
            return (WHOLE,) * len(layer.inputs)
        return (step_of(layer),)

    def then(self, first: Reach, second: Reach) -> Reach:
        """Compose two steps."""
        return first.then(second)

    def join(self, values: list[Reach]) -> Reach:
        """Join what branches see."""
        return joined(values)


def reaches(analysis: Analysis, folded: bool = True) -> dict[str, Reach]:
    """Return the reach of what leaves every layer and group, by path; of folded copies, that of the last.

    Heads that do not run are left out. A reach is unknown after a layer that makes the map finer, where branches of
    different strides join, and where attention stays within windows.
    """
    return {visit.path: visit.leaving for visit in Follow(analysis, Sight()).visits(folded) if not visit.idle}


def receptive_field(analysis: Analysis) -> Reach:
    """Return the reach of the last feature map: what the pooling of the whole map, or the net's end, is given."""
    return last_field(Follow(analysis, Sight()))


def last_field(follow: Follow[Reach]) -> Reach:
    """Return the reach of the last feature map of a network that is followed already."""
    for operation, entering in follow.held(follow.part, follow.inputs):
        if isinstance(operation.node, Layer) and operation.node.op in WHOLE_MAP:
            return follow.value(entering[0])
    return follow.value(follow.run(follow.part, follow.inputs)[follow.part.outs[0]])


def joined(ends: list[Reach]) -> Reach:
    """Join what branches see; those of different jumps do not line up."""
    if any(end.whole for end in ends):
        return WHOLE
    if not all(end.known for end in ends) or len({tuple(axis.jump for axis in end.axes) for end in ends}) > 1:
        return UNKNOWN
    pairs = zip(*[end.axes for end in ends], strict=True)
    return Reach(
        tuple(Axis(axes[0].jump, min(axis.low for axis in axes), max(axis.high for axis in axes)) for axes in pairs)
    )


def step_of(layer: Layer) -> Reach:
    """Give the step that a layer makes."""
    x, y, op = layer.shape, layer.out, layer.op
    rank = len(x.spatial)
    if op in WHOLE_MAP:
        return WHOLE if x.spatial else here(0)
    if layer.rule is None:
        return UNKNOWN
    if op in ("lstm", "gru", "rnn"):
        return WHOLE if layer.rule.both and len(x.spatial) == 1 else UNKNOWN
    if op == "transpose":  # a channel of the one is a position of the other
        return WHOLE
    if op == "reshape":  # a position of the one may be anywhere in the other
        return UNKNOWN
    window = layer.rule.geometry(x)
    if window is not None:
        return UNKNOWN if window.transposed else _windowed(window)
    if op in ("adaptive_avgpool", "adaptive_maxpool"):
        return _adaptive(x, y)
    if op == "pixel_unshuffle":
        return Reach(tuple(Axis(side, 0, side - 1) for side in per_axis(layer.rule.factor, rank, "factor")))
    if op == "attention":
        return WHOLE if layer.rule.window is None else UNKNOWN
    same = x.spatial == y.spatial
    return here(rank) if same and (op in POINTWISE or layer.weights == 0) else UNKNOWN


def _windowed(window: Any) -> Reach:
    """Give the step of a window that moves over the map."""
    axes = []
    for k, s, pad, d in zip(window.kernel, window.stride, window.padding, window.dilation, strict=True):
        span = d * (k - 1)
        if pad == "tf_same":  # it depends on the size, which is a symbol
            return UNKNOWN
        axes.append(Axis(s, -pad[0], span - pad[0]))
    return Reach(tuple(axes))


def _adaptive(x: Shape, y: Shape) -> Reach:
    """Give the step of an adaptive pooling whose windows are all alike; else there is no one step."""
    axes = []
    for n, m in zip(x.spatial, y.spatial, strict=True):
        if m == 1:
            return WHOLE
        if not isinstance(n, int) or not isinstance(m, int) or n % m:
            return UNKNOWN
        axes.append(Axis(n // m, 0, n // m - 1))
    return Reach(tuple(axes))
