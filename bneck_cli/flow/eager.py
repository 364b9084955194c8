"""The peak of memory at inference as PyTorch runs a network: eagerly, with what Python's frames hold.

The caller of a network holds its input. A block is a call, and so are a stage and a repeat that hold one; a call holds
what it is given until it returns. A block that the spec says is written ``inline`` is none (VGG's convolutions stand in
one row). What branches begin with has a name until they are joined; other tensors go after their last reader. A layer
may need more than its result while it runs (``Kind.working``). Blocks that concatenate the input with layers of
their own keep a list of maps, which each of them concatenates anew (DenseNet).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from bneck_cli.engine.layers import Kind
from bneck_cli.engine.names import INLINE
from bneck_cli.engine.network import Fork, Layer, Series
from bneck_cli.engine.operations import ARRIVES, network_outputs, operations
from bneck_cli.flow.liveness import is_view
from bneck_cli.flow.saved import overwriting

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.operations import Operation, Part

FOLLOWED = 3
"""Copies that are followed, and one more for each tensor that they hand on: enough of them, which are alike."""


class _Step(NamedTuple):
    """What runs: the tensors that it reads, those that it writes, and the most that is alive inside beside both.

    ``most`` includes what it writes.
    """

    reads: list[int]
    writes: list[int]
    most: int


class _Call(NamedTuple):
    """A call computed: the most that is alive inside beside what it is given, and its results.

    A result is one of its inputs (negative, as in the part) or an index into ``sizes`` of new ones.
    """

    most: int
    results: tuple[int, ...]
    sizes: tuple[int, ...]


def eager_elements(analysis: Analysis, attention: str = "usual", inplace: bool = False) -> int:
    """Count the elements alive at the peak on one input of sizes that are numbers; the input is held throughout."""
    part = operations(analysis, attention)
    inline = {key for key, (_, form) in analysis.program.written.items() if form.text == INLINE}
    run = _Run(attention, overwriting(part) if inplace else set(), inline)
    found = run.call(part, network_outputs(analysis, part))
    inputs = sum(run.number(shape.elements) for shape in analysis.inputs.values())
    return inputs + found.most


class _Run:
    """Calls computed so far, each once however often it is made."""

    def __init__(self, attention: str, over: set[int], inline: set[str]) -> None:
        self.attention = attention
        self.over = over
        self.inline = inline
        self.calls: dict[int, bool] = {}
        self.known: dict[int, _Call] = {}

    @staticmethod
    def number(size: object) -> int:
        """Return a size that is a number."""
        if not isinstance(size, int):
            raise TypeError("peak memory needs numbers")
        return size

    def is_call(self, part: Part) -> bool:
        """Whether a part is a function of its own: a block, or a repeat or a stage with a name that holds one."""
        node = part.node
        if not isinstance(node, Series) or (node.kind == "chain" and not node.label):
            return False
        return self.holds_call(part)

    def holds_call(self, part: Part) -> bool:
        """Whether a part is a block that is not inline, or holds one."""
        if id(part) not in self.calls:
            node = part.node
            block = isinstance(node, Series) and node.kind == "block" and node.name not in self.inline
            inner = (operation.part for operation in part.operations if operation.part is not None)
            self.calls[id(part)] = block or any(map(self.holds_call, inner))
        return self.calls[id(part)]

    def called(self, part: Part) -> _Call:
        """Compute a call once."""
        if id(part) not in self.known:
            self.known[id(part)] = self.call(part, part.outs)
        return self.known[id(part)]

    def call(self, part: Part, outs: tuple[int, ...]) -> _Call:
        """Follow a call: its steps in order, and at each what is alive."""
        frame = _Frame(self)
        inputs = [frame.tensor(0) for _ in part.inputs]
        tensors = frame.inside(part, inputs)
        ends = [frame.whole(tensors[number]) for number in outs]
        most = frame.most(ends)
        places: dict[int, int] = {tensor: ~index for index, tensor in reversed(list(enumerate(inputs)))}
        made = [tensor for tensor in dict.fromkeys(ends) if tensor not in places]
        places |= {tensor: index for index, tensor in enumerate(made)}
        return _Call(most, tuple(places[end] for end in ends), tuple(frame.sizes[tensor] for tensor in made))

    def working(self, layer: Layer) -> int:
        """Count what is alive while a layer runs, beside the input."""
        if not isinstance(layer.rule, Kind):
            return self.number(layer.out.elements)
        if layer.rule.part == "attention" and self.attention != "usual":
            return self.number(layer.rule.working(layer.inputs[0], layer.out, self.attention == "fused"))  # type: ignore[call-arg]
        return self.number(layer.rule.working(layer.inputs[0], layer.out))


class _Frame:
    """A call while it is followed: tensors by number, a view being the tensor that it shows."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.sizes: list[int] = []
        self.steps: list[_Step] = []
        self.lists: dict[int, tuple[list[int], int]] = {}
        """Of a tensor that is a list of maps: the maps, and the elements of all."""
        self.held: list[int] = []

    def tensor(self, size: int) -> int:
        """Number a tensor."""
        self.sizes.append(size)
        return len(self.sizes) - 1

    def step(self, reads: list[int], size: int, most: int) -> int:
        """Add a step that writes one tensor."""
        out = self.tensor(size)
        self.steps.append(_Step(reads, [out], most))
        return out

    def whole(self, tensor: int) -> int:
        """Concatenate a list of maps, if a tensor is one."""
        if tensor not in self.lists:
            return tensor
        maps, size = self.lists[tensor]
        return self.step(maps, size, size)

    def inside(self, part: Part, inputs: list[int]) -> list[int]:
        """Follow what stands in a part; return its tensors."""
        tensors = [*([-1] * part.results), *inputs[::-1]]
        join = part.node.join if isinstance(part.node, Fork) else None
        for operation in part.operations:
            given = [tensors[number] for number in operation.inputs]
            results: list[int] = []
            for _ in range(min(operation.copies, FOLLOWED + len(operation.carried))):
                results = self.operation(operation, given, inputs if operation.node is join else [])
                given = operation.onward(given, results)
            tensors[operation.first : operation.results.stop] = results
        return tensors

    def operation(self, operation: Operation, given: list[int], held: list[int]) -> list[int]:
        """Follow one copy, while what is ``held`` is alive; return its results."""
        part, node = operation.part, operation.node
        if part is not None and part.idle:
            return [given[0]] * len(part.outs)
        if part is not None and _grows(part):
            return [self.grown(part, given[0])]
        given = [self.whole(tensor) for tensor in given]
        if part is None:
            return [self.layer(cast("Layer", node), given, held)]
        if not self.run.is_call(part):
            tensors = self.inside(part, given)
            return [tensors[number] for number in part.outs]
        found = self.run.called(part)
        made = [self.tensor(size) for size in found.sizes]
        self.steps.append(_Step(given, made, found.most))
        return [given[~at] if at < 0 else made[at] for at in found.results]

    def layer(self, layer: Layer, given: list[int], held: list[int]) -> int:
        """Follow a layer; a view gives what it takes, and so does what writes over it."""
        if layer.is_source:
            return self.tensor(0)
        if is_view(layer) or id(layer) in self.run.over:
            return given[0]
        out = self.step([*given, *held], self.run.number(layer.out.elements), self.run.working(layer))
        if isinstance(layer.rule, Kind):
            more = self.run.number(layer.rule.held(layer.inputs[0], layer.out))
            self.held += [self.step([], more, more)] if more else []
        return out

    def grown(self, part: Part, tensor: int) -> int:
        """Follow a block that adds maps to a list: it concatenates those that it finds, and holds the result."""
        node, inner = part.node, _alone(part)
        size = self.run.number(node.shape.elements)
        maps, _ = self.lists.get(tensor, ([tensor], size))
        joined = self.step(maps, size, size)
        branches = inner._replace(operations=inner.operations[:-1])
        tensors = self.inside(branches, [joined])
        ends = [tensors[number] for number in inner.operations[-1].inputs]
        more = [self.whole(one) for one in ends if one != joined]
        self.steps.append(_Step([joined, *more], [], 0))
        grown = self.tensor(0)
        self.lists[grown] = [*maps, *more], self.run.number(node.out.elements)
        return grown

    def most(self, ends: list[int]) -> int:
        """Return the largest sum of tensors alive at any step; those that leave, or are held, are alive to the end."""
        last = {tensor: index for index, step in enumerate(self.steps) for tensor in (*step.reads, *step.writes)}
        last |= dict.fromkeys((*ends, *self.held), len(self.steps))
        alive = most = 0
        for index, step in enumerate(self.steps):
            most = max(most, alive + step.most)
            alive += sum(self.sizes[tensor] for tensor in step.writes)
            alive -= sum(self.sizes[tensor] for tensor in {*step.reads, *step.writes} if last[tensor] == index)
        return most


def _alone(part: Part) -> Part:
    """Look through parts that hold one part and no more."""
    while len(part.operations) == 1:
        (operation,) = part.operations
        if operation.part is None or operation.copies != 1:
            break
        part = operation.part
    return part


def _grows(part: Part) -> bool:
    """Whether a part is a block that does nothing but concatenate the input with layers of its own."""
    if not (isinstance(part.node, Series) and part.node.kind == "block" and len(part.operations) == 1):
        return False
    inner = _alone(part)
    fork = inner.node
    if len(part.inputs) != 1 or len(inner.inputs) != 1:
        return False
    return (
        isinstance(fork, Fork)
        and fork.kind == "concat"
        and sum(_arrives(inner, number) for number in inner.operations[-1].inputs) == 1
    )


def _arrives(part: Part, number: int) -> bool:
    """Whether a tensor of a part is the input: itself, or through a branch in which nothing stands."""
    if number < 0:
        return number == ARRIVES
    maker = next(operation for operation in part.operations if number in operation.results)
    empty = maker.part is not None and not maker.part.operations
    return empty and maker.inputs[0] == ARRIVES
