"""The peak of memory at inference, by liveness over the graph.

A tensor is alive from the layer that writes it to the last layer that reads it. A part that reads nothing but its own
input is computed once, however many copies of it there are.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, cast

from bneck_cli.data.precision import stored
from bneck_cli.engine.network import Child, Layer, Series, Wire, children
from bneck_cli.engine.operations import network_outputs, operations
from bneck_cli.errors import BneckError
from bneck_cli.flow.saved import overwriting
from bneck_cli.sizes.number import largest
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Node
    from bneck_cli.engine.operations import Operation, Part

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


def peak(analysis: Analysis, dtype: str = "fp32", inplace: bool = False, attention: str = "usual") -> Peak:
    """Find the largest sum of tensors alive at inference, and where it is; ``inplace`` activations write no new one.

    ``attention`` is fused, plain or usual: whether scores are written.

    Raises BneckError if sizes are symbolic.
    """
    if not isinstance(analysis.batch, int):
        raise BneckError("peak memory needs numbers", hint="give --batch 1")
    walk = _Walk(overwriting(operations(analysis)) if inplace else set(), attention)
    moment = _largest(analysis, walk)
    batch = analysis.batch
    names = list(analysis.inputs)

    def path(born: int) -> str:
        return names[born] if born < 0 else _path(analysis.root, born, walk)

    tensors = tuple(Tensor(path(born), cast("int", stored(size * batch, dtype))) for born, size in moment.alive if size)
    return Peak("" if moment.at < 0 else path(moment.at), sum(tensor.bytes for tensor in tensors), tensors)


def peak_elements(analysis: Analysis) -> int:
    """Count the elements alive at the peak of inference on one input.

    Raises BneckError if sizes are symbolic.
    """
    return _largest(analysis, _Walk(set(), "usual")).size


class Step(NamedTuple):
    """A layer of inference as it runs, in bytes: what it reads, what it writes, and what is held for later layers."""

    path: str
    reads: int
    writes: int
    held: int

    @property
    def alive(self) -> int:
        """All tensors in memory."""
        return self.reads + self.writes + self.held


def steps(analysis: Analysis, dtype: str = "fp32", attention: str = "usual") -> list[Step]:
    """List what is in memory as each layer runs, copy by copy; the largest step is the peak.

    Raises BneckError if sizes are symbolic.
    """
    walk = _Walk(set(), attention, unrolled=True)
    plan = _planned(analysis, walk)
    last = _last_uses(plan, plan.kept)
    sizes = [cast("int", stored(size * cast("int", analysis.batch), dtype)) for size in plan.sizes]
    written = {op.writes for op in plan.ops}
    alive = sum(sizes[tensor] for tensor in last if tensor not in written and last[tensor] >= 0)
    found = []
    for index, op in enumerate(plan.ops):
        alive += sizes[op.writes]
        reads, writes = sum(sizes[tensor] for tensor in op.reads), sizes[op.writes]
        found.append(Step(_path(analysis.root, op.at, walk), reads, writes, alive - reads - writes))
        alive -= sum(sizes[tensor] for tensor in {*op.reads, op.writes} if last[tensor] <= index)
    return found


def _largest(analysis: Analysis, walk: _Walk) -> Moment:
    plan = _planned(analysis, walk)
    return walk.moment(plan, plan.kept)


def _planned(analysis: Analysis, walk: _Walk) -> Plan:
    """Plan a network."""
    plan, part = Plan([], [], [], set()), operations(analysis, walk.attention)
    count = len(analysis.inputs)
    given = {name: _tensor(plan, shape, at - count) for at, (name, shape) in enumerate(analysis.inputs.items())}
    tensors = walk.inside(part, [0, *(given[name] for name in part.taken)], plan, 0)
    plan.kept.update(tensors[number] for number in network_outputs(analysis, part))
    if min(plan.kept, default=0) < 0:
        raise BneckError(f"the output '{walk.heads[~min(plan.kept)]}' is named in a head that does not run")
    return plan


def _last_uses(plan: Plan, kept: set[int]) -> dict[int, int]:
    """Return the last step that reads each tensor: -1 where none does, one past the end for those that are kept."""
    last = dict.fromkeys(range(len(plan.sizes)), -1)
    for index, op in enumerate(plan.ops):
        last.update(dict.fromkeys(op.reads, index))
    last.update(dict.fromkeys(kept, len(plan.ops)))
    return last


def _tensor(plan: Plan, shape: Shape, born: int) -> int:
    """Add a tensor to a plan; its size must be a number."""
    size = shape.elements
    if not isinstance(size, int):
        raise BneckError("peak memory needs numbers", hint=NEEDS_NUMBERS)
    plan.sizes.append(size)
    plan.births.append(born)
    return len(plan.sizes) - 1


class _Walk:
    """What is known of the nodes met so far, each by its identity: nodes are shared, and may be large to compare."""

    def __init__(self, over: set[int], attention: str, unrolled: bool = False) -> None:
        self.over = over
        self.attention = attention
        self.unrolled = unrolled
        """Whether every copy of every part stands in one plan, rather than each part in one of its own."""
        self.plans: dict[int, list[tuple[int, Plan]]] = {}
        """The plans of each part, each with the size of the input tensor."""
        self.moments: dict[tuple[int, bool], Moment] = {}
        self.counts: dict[int, int] = {}
        self.children: dict[int, tuple[list[Child], list[int]]] = {}
        self.heads: list[str] = []
        """The names of tensors of heads that do not run; the first of them is tensor -1 of any plan."""

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

    def inside(self, part: Part, inputs: list[int], plan: Plan, at: int) -> list[int]:
        """Add what stands inside a part to a plan; return its tensors, the results first and then the inputs backwards.

        ``at`` layers stand before it.
        """
        tensors = inputs[:1] * part.results + inputs[::-1]
        for operation in part.operations:
            count, reads, results = self.layers(operation.node), [tensors[number] for number in operation.inputs], [0]
            copies = range(operation.copies) if self.unrolled else _telling(operation.copies, len(operation.carried))
            for copy in copies:
                results = self.step(operation, reads, plan, at + copy * count)
                reads = operation.onward(reads, results)
            tensors[operation.first : operation.results.stop] = results
            at += operation.copies * count
        return tensors

    def step(self, operation: Operation, reads: list[int], plan: Plan, at: int) -> list[int]:
        """Add what one copy does to a plan; return the tensors that it gives. A head does not run."""
        part, node = operation.part, operation.node
        if part is not None and part.idle:
            self.heads += part.given
            return [reads[0], *(~at for at in range(len(self.heads) - len(part.given), len(self.heads)))]
        if part is not None and (part.taken or part.given):
            tensors = self.inside(part, reads, plan, at)
            return [tensors[number] for number in part.outs]
        if min(reads) < 0:
            raise node.place.error(f"'{self.heads[~min(reads)]}' is named in a head that does not run")
        if part is None:
            node = cast("Layer", node)
            if node.is_source:  # a parameter, which is counted with the weights
                plan.sizes.append(0)
                plan.births.append(at)
                return [len(plan.sizes) - 1]
            if is_view(node) or id(node) in self.over:
                return reads[:1]
            return [self.layer(plan, node, tuple(dict.fromkeys(reads)), at)]
        return [self.alone(part, reads[0], plan, at)]

    def alone(self, part: Part, flow: int, plan: Plan, at: int) -> int:
        """Add a part that reads its input alone, planned once for all uses; a slice holds the whole of its tensor."""
        if self.unrolled:
            return self.inside(part, [flow], plan, at)[part.outs[0]]
        arriving, known = plan.sizes[flow], self.plans.setdefault(id(part), [])
        planned = next((plan for size, plan in known if size == arriving), None)
        if planned is None:
            planned = Plan([], [arriving], [-1], set())
            planned.kept.add(self.inside(part, [0], planned, 0)[part.outs[0]])
            known.append((arriving, planned))
        (out,) = planned.kept
        if not planned.ops and out == 0:
            return flow
        if out == 0 or not any(0 in op.reads for op in planned.ops):  # it gives what it takes, or takes nothing
            return self.inside(part, [flow], plan, at)[part.outs[0]]
        plan.sizes.append(planned.sizes[out])
        plan.births.append(at + planned.births[out])
        plan.ops.append(Op(at, (flow,), len(plan.sizes) - 1, planned))
        return len(plan.sizes) - 1

    def layer(self, plan: Plan, layer: Layer, reads: tuple[int, ...], at: int) -> int:
        """Add a layer that reads tensors and writes one, and before it those that it writes for itself."""
        inside = list(reads[:1])
        for taken, size in layer.rule.inside(layer.shape, layer.out, self.attention) if layer.rule is not None else ():
            inside.append(self.write(plan, Shape(size), [inside[one] for one in taken], at))
        return self.write(plan, layer.out, inside[-1:] if inside[1:] else reads, at)

    def write(self, plan: Plan, shape: Shape, reads: Iterable[int], at: int) -> int:
        """Add a step that reads tensors and writes one."""
        out = _tensor(plan, shape, at)
        plan.ops.append(Op(at, tuple(reads), out, None))
        return out

    def moment(self, plan: Plan, kept: set[int]) -> Moment:
        """Run a plan: find the step with the largest sum of tensors alive, those in ``kept`` being so to the end.

        Of numbers that stand for many the step differs, and only how large it is is told.
        """
        last = _last_uses(plan, kept)
        written = {op.writes for op in plan.ops}
        given = [tensor for tensor in last if tensor not in written and last[tensor] >= 0]
        alive = sum(plan.sizes[tensor] for tensor in given)
        best, size, most, many = -1, alive, None, False
        for index, op in enumerate(plan.ops):
            alive += plan.sizes[op.writes]
            now, inner = alive, None
            if op.part is not None:
                inner = self.moment_of(op.part, held=last[op.reads[0]] > index)
                now += inner.size - plan.sizes[op.writes] - plan.sizes[op.reads[0]]
            if best < 0:
                best, size, most = index, now, inner
            elif type(now) is not int or type(size) is not int:
                size, many = largest(size, now), True
            elif now > size:
                best, size, most = index, now, inner
            for tensor in {*op.reads, op.writes}:
                if last[tensor] <= index:
                    alive -= plan.sizes[tensor]
        if best < 0:
            return Moment(size, -1, tuple((plan.births[tensor], plan.sizes[tensor]) for tensor in given))
        return Moment(size, -1, ()) if many else _described(plan, last, best, size, most)

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


def _telling(copies: int, carried: int) -> Iterable[int]:
    """Return the copies that tell of all: those in the middle are alike, and the last needs the one before it.

    Of ``carried`` tensors each may be what a copy gave as many copies before.
    """
    edge = carried + 1
    return range(copies) if copies <= 2 * edge else (*range(edge), *range(copies - edge, copies))


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
