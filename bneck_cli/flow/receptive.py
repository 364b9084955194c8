"""Receptive fields: which stretch of the input a position of a tensor sees, exactly, through branches and repeats.

Position p along an axis sees the input's positions ``jump·p + low`` to ``jump·p + high``; a layer's window makes an
affine step of that, so a block is one step, and n copies of it are n steps at once. Counted are windows alone: a gate
(squeeze-and-excitation) and statistics over a map see everything, and so would whatever follows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.engine.joins import is_everywhere
from bneck_cli.engine.layers.reach import MAP, OWN, UNKNOWN, WHOLE, Axis, Reach, here
from bneck_cli.engine.network import JOINS, Layer
from bneck_cli.flow.follow import Follow

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.sizes.shape import Shape


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
            return (here(len(layer.out.spatial)) if layer.rule.sees == OWN else WHOLE,) * len(layer.inputs)
        return (step_of(layer),)

    def then(self, first: Reach, second: Reach) -> Reach:
        """Compose two steps."""
        return first.then(second)

    def join(self, values: list[Reach]) -> Reach:
        """Join what branches see."""
        return joined(values)


def reaches(analysis: Analysis, folded: bool = True) -> dict[str, Reach]:
    """Return the reach at the output of every layer and group, by path; of folded copies, that of the last.

    Heads that do not run are left out. A reach is unknown after a layer that makes the map finer, where branches of
    different strides join, and where attention stays within windows.
    """
    return {visit.path: visit.leaving for visit in Follow(analysis, Sight()).visits(folded) if not visit.idle}


def reach_at(analysis: Analysis, path: str, folded: bool = True) -> Reach | None:
    """Return the reach of the output one layer or group, as ``reaches`` has it, without computing all others."""
    visits = Follow(analysis, Sight()).visits(folded, toward=path)
    return next((visit.leaving for visit in visits if visit.path == path and not visit.idle), None)


def receptive_field(analysis: Analysis) -> Reach:
    """Return the reach of the last feature map: what the pooling of the whole map, or the net's end, is given."""
    return last_field(Follow(analysis, Sight()))


def last_field(follow: Follow[Reach]) -> Reach:
    """Return the reach of the last feature map of a network that is followed already."""
    for operation, entering in follow.held(follow.part, follow.inputs):
        if isinstance(operation.node, Layer) and sees_the_map(operation.node):
            return follow.value(entering[0])
    return follow.value(follow.run(follow.part, follow.inputs)[follow.part.outs[0]])


def sees_the_map(layer: Layer) -> bool:
    """Return whether a layer makes one position of the whole map: a global pooling, or a vector of all its values."""
    return layer.rule is not None and layer.rule.sees == MAP


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
    """Return the step that a layer makes, as its kind says; of an op of a file's own nothing is known."""
    if layer.rule is None:
        return UNKNOWN
    return layer.rule.reach(layer.shape, layer.out)  # type: ignore[no-any-return]
