"""Receptive fields: which stretch of the input a position of a tensor sees, exactly, through branches and repeats.

Position p along an axis sees the input's positions ``jump·p + low`` to ``jump·p + high``; a layer's window makes an
affine step of that, so a block is one step, and n copies of it are n steps at once. Counted are windows alone: a gate
(squeeze-and-excitation) and statistics over a map see everything, and so would whatever follows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.network import Fork, Layer, Series, Wire, branch_name, children, inner, name_of

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Node
    from bneck_cli.sizes.shape import Shape

POINTWISE = frozenset(
    {"bn", "ln", "gn", "in", "rmsnorm", "lrn", "linear", "prelu", "softmax", "layer_scale", "shuffle"}
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

    def times(self, count: int) -> Reach:
        """Give what is seen after the same step ``count`` times."""
        if count == 1 or not self.known:
            return self
        if all(axis.jump == 1 for axis in self.axes):
            return Reach(tuple(Axis(1, axis.low * count, axis.high * count) for axis in self.axes))
        reach = self
        for _ in range(count - 1):
            reach = reach.then(self)
        return reach


WHOLE = Reach(whole=True)
UNKNOWN = Reach()


def here(rank: int) -> Reach:
    """Give the reach of a tensor's own positions: each sees itself."""
    return Reach((Axis(1, 0, 0),) * rank)


def reaches(analysis: Analysis, folded: bool = True) -> dict[str, Reach]:
    """Give the reach of what leaves every layer and group, by path; of folded copies, that of the last.

    Heads that do not run are left out. A reach is unknown after a layer that makes the map finer, where branches of
    different strides join, and where attention stays within windows.
    """
    found: dict[str, Reach] = {}
    wires = {name: here(len(shape.spatial)) for name, shape in analysis.inputs.items()}
    _Walk(found, folded).groups(analysis.root, "", next(iter(wires.values())), wires)
    return found


def receptive_field(analysis: Analysis) -> Reach:
    """Give the reach of the last feature map: what the pooling of the whole map, or the net's end, is given."""
    walk = _Walk({}, folded=True)
    wires = {name: here(len(shape.spatial)) for name, shape in analysis.inputs.items()}
    visits: list[_Visit] = []
    reach = walk.series(analysis.root, next(iter(wires.values())), wires, visits)
    pooled = [visit.before for visit in visits if isinstance(visit.node, Layer) and visit.node.op in WHOLE_MAP]
    return pooled[0] if pooled else reach


class _Visit(NamedTuple):
    """A named node as the walk met it: what entered it, and the step that one copy makes."""

    node: Node
    before: Reach
    step: Reach
    wires: dict[str, Reach]


class _Walk:
    """A walk that names what it meets as the report does."""

    def __init__(self, found: dict[str, Reach], folded: bool) -> None:
        self.found, self.folded = found, folded
        self.steps: dict[int, Reach] = {}

    def groups(self, node: Node, path: str, before: Reach, wires: dict[str, Reach]) -> None:
        """Record the reach of everything that a node holds."""
        visits: list[_Visit] = []
        scope = dict(wires)
        if isinstance(node, Series):
            node = inner(node)
            if node.kind == "block":
                scope = {f"../{name}": reach for name, reach in wires.items()}
            self.series(node, before, scope, visits)
        elif isinstance(node, Fork):
            self.fork(node, before, scope, visits)
        held = children(node)
        for child, visit in zip(held, visits, strict=True):
            if child.idle:
                continue
            entering = visit.before
            copies = [child] if self.folded else list(child.opened())
            for copy in copies:
                name = f"{path}.{copy.label}" if path else copy.label
                if self.folded and child.copies > 1:
                    entering = entering.then(visit.step.times(child.copies - 1))
                self.found[name] = entering.then(visit.step)
                if not isinstance(child.node, Layer):
                    self.groups(child.node, name, entering, visit.wires)
                entering = self.found[name]

    def series(self, series: Series, before: Reach, wires: dict[str, Reach], visits: list[_Visit] | None) -> Reach:
        """Walk nodes one after the other."""
        reach = before
        for run in series.runs:
            if series.kind == "repeat":
                reach = self.named(run.node, run.copies, reach, wires, visits)
            else:
                reach = self.run(run.node, run.copies, name_of(run.node), reach, wires, visits)
        return reach

    def run(
        self,
        node: Node,
        copies: int,
        name: str,
        before: Reach,
        wires: dict[str, Reach],
        visits: list[_Visit] | None,
    ) -> Reach:
        """Walk copies of a node; what has no name stands in its parent, as in the report."""
        if isinstance(node, Wire):
            if node.kind == "as":
                wires[node.name] = before
                return before
            return wires.get(node.name, UNKNOWN)
        if isinstance(node, Series) and not name:
            return self.series(node, before, wires, visits)
        if isinstance(node, Fork) and not name:
            return self.fork(node, before, wires, visits)
        shown = isinstance(node, Layer) or children(node)
        return self.named(node, copies, before, wires, visits if shown else None)

    def named(
        self, node: Node, copies: int, before: Reach, wires: dict[str, Reach], visits: list[_Visit] | None
    ) -> Reach:
        """Walk copies of a node with a name, and note what entered it."""
        if visits is not None:
            visits.append(_Visit(node, before, self.step(node, len(before.axes), wires), dict(wires)))
        if isinstance(node, (Layer, Fork)) or node.kind == "block":
            return before.then(self.step(node, len(before.axes), wires).times(copies))
        assert isinstance(node, Series)
        reach = self.series(node, before, wires, None)  # it may name tensors that what follows takes
        return reach if copies == 1 else before.then(self.step(node, len(before.axes), wires).times(copies))

    def fork(self, fork: Fork, before: Reach, wires: dict[str, Reach], visits: list[_Visit] | None) -> Reach:
        """Walk branches from one tensor and join what they see."""
        if fork.kind == "aside":
            if visits is not None and children(fork.branches[0]):
                visits.append(_Visit(fork.branches[0], before, UNKNOWN, dict(wires)))
            return before
        ends = [
            self.run(branch, 1, branch_name(fork, index), before, wires, visits)
            for index, branch in enumerate(fork.branches)
        ]
        reach = before if fork.kind == "scale" else joined(ends)
        if visits is not None and fork.join is not None:
            visits.append(_Visit(fork.join, reach, here(len(reach.axes)), dict(wires)))
        return reach

    def step(self, node: Node, rank: int, wires: dict[str, Reach]) -> Reach:
        """Give the step of one copy of a node, from its own input; a block that takes no tensor is walked once."""
        if isinstance(node, Layer):
            return step_of(node)
        key = id(node)
        if key not in self.steps:
            scope = {} if isinstance(node, Series) and node.kind == "block" else dict(wires)
            if isinstance(node, Series):
                self.steps[key] = self.series(node, here(rank), scope, None)
            else:
                assert isinstance(node, Fork)
                self.steps[key] = self.fork(node, here(rank), scope, None)
        return self.steps[key]


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
    window = layer.rule.geometry(x)
    if window is not None:
        return UNKNOWN if window.transposed else _windowed(window)
    if op in ("adaptive_avgpool", "adaptive_maxpool"):
        return _adaptive(x, y)
    if op == "pixel_unshuffle":
        return Reach((Axis(layer.rule.factor, 0, layer.rule.factor - 1),) * rank)
    if op == "attention":
        return WHOLE if layer.rule.window is None else UNKNOWN
    same = x.spatial == y.spatial
    return here(rank) if same and (op in POINTWISE or layer.cost.params == 0) else UNKNOWN


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
