"""The peak of memory at inference, by liveness over the graph.

A tensor is alive from the layer that writes it to the last layer that reads it. A part that reads nothing but its own
input is worked out once, however many copies of it there are.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.data.devices import DTYPES
from bneck_cli.engine.network import Child, Fork, Layer, Series, Wire, children
from bneck_cli.engine.operations import operations
from bneck_cli.errors import BneckError
from bneck_cli.flow.saved import overwriting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Node
    from bneck_cli.sizes.shape import Shape

NEEDS_NUMBERS = "give --input 3x224x224"


def is_view(node: Node) -> bool:
    """Whether a layer gives at inference the tensor that it takes, or a part of it: nothing is read or written."""
    return isinstance(node, Layer) and node.rule is not None and (node.rule.view or node.rule.view_at_inference)


class Tensor(NamedTuple):
    """A tensor that is alive: the layer that wrote it (or the input's name), and its bytes."""

    path: str
    bytes: int


class Peak(NamedTuple):
    """The moment of inference at which the tensors alive are largest: the layer that runs, and the tensors.

    ``path`` is empty where no layer runs.
    """

    path: str
    bytes: int
    tensors: tuple[Tensor, ...]


class Op(NamedTuple):
    """A step of a plan: the tensors that it reads, the one that it writes, and how many layers stand before it.

    ``part`` is the plan of a part with layers of its own, which reads one tensor.
    """

    at: int
    reads: tuple[int, ...]
    writes: int
    part: Plan | None


class Plan(NamedTuple):
    """What a part of a network does with tensors, its input being the first; ``births`` are the layers that wrote them.

    A layer is known by the number of layers before it in the part; an input by a negative number.
    """

    ops: list[Op]
    sizes: list[int]
    births: list[int]
    kept: set[int]
    """Tensors that are needed after the last step."""


class Moment(NamedTuple):
    """The largest sum of tensors alive, the layer that runs then, and each tensor's birth and size."""

    size: int
    at: int
    alive: tuple[tuple[int, int], ...]


def peak(analysis: Analysis, dtype: str = "fp32", inplace: bool = False) -> Peak:
    """Find the largest sum of tensors alive at inference, and where it is; ``inplace`` activations write no new one.

    Raises BneckError where sizes are symbolic.
    """
    if not isinstance(analysis.batch, int):
        raise BneckError("the peak of memory needs numbers", hint="give --batch 1")
    walk = _Walk(overwriting(operations(analysis)) if inplace else set())
    moment = _largest(analysis, walk)
    width = analysis.batch * DTYPES[dtype]
    names = list(analysis.inputs)

    def path(born: int) -> str:
        return names[born] if born < 0 else _path(analysis.root, born, walk)

    tensors = tuple(Tensor(path(born), size * width) for born, size in moment.alive)
    return Peak("" if moment.at < 0 else path(moment.at), moment.size * width, tensors)


def peak_elements(analysis: Analysis) -> int:
    """Count the elements alive at the peak of inference on one input.

    Raises BneckError where sizes are symbolic.
    """
    return _largest(analysis, _Walk(set())).size


def _largest(analysis: Analysis, walk: _Walk) -> Moment:
    plan = Plan([], [], [], set())
    scope: dict[str, int] = {}
    for index, (name, shape) in enumerate(analysis.inputs.items()):
        scope[name] = _tensor(plan, shape, index - len(analysis.inputs))
    out = walk.inside(analysis.root, 0, plan, scope, 0)
    named = bool(analysis.program.spec.outputs) and analysis.program.block is None
    plan.kept.update([scope[name] for name in analysis.outputs] if named else [out])
    return walk.moment(plan, plan.kept)


def _tensor(plan: Plan, shape: Shape, born: int) -> int:
    """Add a tensor to a plan; its size must be a number."""
    size = shape.elements
    if not isinstance(size, int):
        raise BneckError("the peak of memory needs numbers", hint=NEEDS_NUMBERS)
    plan.sizes.append(size)
    plan.births.append(born)
    return len(plan.sizes) - 1


class _Walk:
    """What is known of the nodes met so far, each by its identity: nodes are shared, and may be large to compare."""

    def __init__(self, over: set[int]) -> None:
        self.over = over
        self.plans: dict[tuple[int, int], Plan] = {}
        self.moments: dict[tuple[int, bool], Moment] = {}
        self.counts: dict[int, int] = {}
        self.children: dict[int, tuple[list[Child], list[int]]] = {}
        self.names: dict[int, tuple[frozenset[str], frozenset[str]]] = {}

    def layers(self, node: Node) -> int:
        """Count the layers in a node, those of heads included."""
        if isinstance(node, Layer):
            return 1
        if isinstance(node, Wire):
            return 0
        if id(node) not in self.counts:
            self.counts[id(node)] = (
                sum(self.layers(run.node) * run.copies for run in node.runs)
                if isinstance(node, Series)
                else sum(map(self.layers, node.branches)) + (node.join is not None)
            )
        return self.counts[id(node)]

    def held(self, node: Node) -> tuple[list[Child], list[int]]:
        """Name what a node holds, with how many layers stand before each; what has no layer is left out."""
        if id(node) not in self.children:
            held = [child for child in children(node) if self.layers(child.node)]
            counts = [self.layers(child.node) * child.copies for child in held]
            self.children[id(node)] = held, list(accumulate(counts, initial=0))[:-1]
        return self.children[id(node)]

    def wires(self, node: Node) -> tuple[frozenset[str], frozenset[str]]:
        """Give the names that a node gives to tensors and those that it takes, as its surroundings see them."""
        if isinstance(node, Layer):
            return frozenset(), frozenset()
        if isinstance(node, Wire):
            one = frozenset({node.name})
            return (one, frozenset()) if node.kind == "as" else (frozenset(), one)
        if id(node) not in self.names:
            held = [run.node for run in node.runs] if isinstance(node, Series) else list(node.branches)
            pairs = [self.wires(one) for one in held]
            given = frozenset().union(*(pair[0] for pair in pairs))
            taken = frozenset().union(*(pair[1] for pair in pairs))
            if isinstance(node, Series) and node.kind == "block":  # its names are its own
                given, taken = frozenset(), frozenset(name[3:] for name in taken if name.startswith("../"))
            self.names[id(node)] = given, taken
        return self.names[id(node)]

    def step(self, node: Node, flow: int, plan: Plan, scope: dict[str, int], at: int) -> int:
        """Add what a node does to a plan; give the tensor that leaves it."""
        if isinstance(node, Wire):
            return self.wire(node, flow, scope)
        if isinstance(node, Layer):
            if is_view(node) or id(node) in self.over:
                return flow
            return self.write(plan, node.out, (flow,), at)
        if any(self.wires(node)):
            return self.inside(node, flow, plan, scope, at)
        part = self.part(node, plan.sizes[flow])
        if not part.ops:
            return flow
        out = next(iter(part.kept))
        plan.sizes.append(part.sizes[out])
        plan.births.append(at + part.births[out])
        plan.ops.append(Op(at, (flow,), len(plan.sizes) - 1, part))
        return len(plan.sizes) - 1

    def part(self, node: Series | Fork, size: int) -> Plan:
        """Plan a node that reads its input alone, once for all its copies; a slice holds the whole of its tensor."""
        key = (id(node), size)
        if key not in self.plans:
            plan = Plan([], [size], [-1], set())
            plan.kept.add(self.inside(node, 0, plan, {}, 0))
            self.plans[key] = plan
        return self.plans[key]

    def inside(self, node: Series | Fork, flow: int, plan: Plan, scope: dict[str, int], at: int) -> int:
        """Add what stands inside a node to a plan; a head does not run."""
        if isinstance(node, Series):
            if node.kind == "block":
                scope = {f"../{name}": tensor for name, tensor in scope.items()}
            for run in node.runs:
                count = self.layers(run.node)
                for copy in _telling(run.copies):
                    flow = self.step(run.node, flow, plan, scope, at + copy * count)
                at += run.copies * count
            return flow
        if node.kind == "aside":
            return flow
        outs = [flow] if node.kind == "scale" else []
        for branch in node.branches:
            outs.append(self.step(branch, flow, plan, scope, at))
            at += self.layers(branch)
        assert node.join is not None
        return self.write(plan, node.join.out, tuple(dict.fromkeys(outs)), at)

    def wire(self, wire: Wire, flow: int, scope: dict[str, int]) -> int:
        """Name a tensor, or take it by name."""
        if wire.kind == "as":
            scope[wire.name] = flow
            return flow
        if wire.name not in scope:
            raise wire.place.error(f"'{wire.name}' is named in a head that does not run")
        return scope[wire.name]

    def write(self, plan: Plan, shape: Shape, reads: tuple[int, ...], at: int) -> int:
        """Add a layer that reads tensors and writes one."""
        out = _tensor(plan, shape, at)
        plan.ops.append(Op(at, reads, out, None))
        return out

    def moment(self, plan: Plan, kept: set[int]) -> Moment:
        """Run a plan: find the step with the largest sum of tensors alive, those in ``kept`` being so to the end."""
        last = dict.fromkeys(range(len(plan.sizes)), -1)
        for index, op in enumerate(plan.ops):
            last.update(dict.fromkeys(op.reads, index))
        last.update(dict.fromkeys(kept, len(plan.ops)))
        written = {op.writes for op in plan.ops}
        given = [tensor for tensor in last if tensor not in written and last[tensor] >= 0]
        alive = sum(plan.sizes[tensor] for tensor in given)
        best, size, most = -1, alive, None
        for index, op in enumerate(plan.ops):
            alive += plan.sizes[op.writes]
            now, inner = alive, None
            if op.part is not None:
                inner = self.moment_of(op.part, held=last[op.reads[0]] > index)
                now += inner.size - plan.sizes[op.writes] - plan.sizes[op.reads[0]]
            if best < 0 or now > size:
                best, size, most = index, now, inner
            for tensor in {*op.reads, op.writes}:
                if last[tensor] <= index:
                    alive -= plan.sizes[tensor]
        if best < 0:
            return Moment(size, -1, tuple((plan.births[tensor], plan.sizes[tensor]) for tensor in given))
        return _described(plan, last, best, size, most)

    def moment_of(self, part: Plan, held: bool) -> Moment:
        """Run the plan of a part; ``held`` says that others need its input afterwards."""
        key = (id(part), held)
        if key not in self.moments:
            self.moments[key] = self.moment(part, part.kept | {0} if held else part.kept)
        return self.moments[key]


def _described(plan: Plan, last: dict[int, int], index: int, size: int, inner: Moment | None) -> Moment:
    """Say which tensors are alive at a step; those inside a part are the part's own."""
    op = plan.ops[index]
    born = {other.writes: when for when, other in enumerate(plan.ops)}
    alive = [
        tensor
        for tensor in range(len(plan.sizes))
        if born.get(tensor, -1) <= index and (last[tensor] >= index or tensor == op.writes)
    ]
    if inner is None:
        return Moment(size, op.at, tuple((plan.births[tensor], plan.sizes[tensor]) for tensor in alive))
    outside = [tensor for tensor in alive if tensor not in (op.writes, op.reads[0])]
    listing = [(plan.births[tensor], plan.sizes[tensor]) for tensor in outside]
    for birth, elements in inner.alive:
        listing.append((plan.births[op.reads[0]] if birth < 0 else op.at + birth, elements))
    return Moment(size, op.at + inner.at, tuple(sorted(listing)))


def _telling(copies: int) -> Iterable[int]:
    """Give the copies that tell of all: those in the middle are alike, and the last needs the one before it."""
    return range(copies) if copies < 5 else (0, 1, copies - 2, copies - 1)


def _path(root: Node, index: int, walk: _Walk) -> str:
    """Find the path of the layer that has ``index`` layers before it."""
    labels = []
    node = root
    while not isinstance(node, Layer):
        held, starts = walk.held(node)
        at = bisect_right(starts, index) - 1
        child = held[at]
        copy, index = divmod(index - starts[at], walk.layers(child.node))
        labels.append(Child(child.stem, child.node, 1, None if child.first is None else child.first + copy).label)
        node = child.node
    return ".".join(labels)
