"""Values that follow the operations of a network, for any meaning of what a layer does to a value.

A meaning says what a layer does (a *step*), how two steps make one, and how several join: a depth adds and takes the
largest, a receptive field composes and joins. A step after a join must be the join of that step after each. Then a part
is one step from each of its inputs, computed once however often it is used, and n copies of it are n steps made one
by doubling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar, cast

from bneck_cli.engine.network import Child, Fork, Layer, Series, Wire, bounded, branch_name, children, name_of
from bneck_cli.engine.operations import Part, network_outputs, operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.operations import Operation
    from bneck_cli.sizes.shape import Shape

V = TypeVar("V")
Way = dict[int, V]
"""The steps that lead to a tensor, by the input of the part from which each comes; from other inputs none does."""


class Meaning(Protocol[V]):
    """What follows the operations."""

    def start(self, shape: Shape) -> V:
        """Return the step from a tensor to itself."""

    def steps(self, layer: Layer) -> tuple[V | None, ...]:
        """Return a layer's step from each of its inputs; None from one that does not count."""

    def then(self, first: V, second: V) -> V:
        """Make one step of two."""

    def join(self, values: list[V]) -> V:
        """Return what a tensor has of several steps; of none, what is said of a tensor of which nothing is known."""


class Visit(NamedTuple, Generic[V]):
    """A layer or a group as the report names it, with the input of it and the output."""

    path: str
    child: Child
    entering: list[V]
    leaving: V
    idle: bool


class Follow(Generic[V]):
    """One network followed by one meaning."""

    def __init__(self, analysis: Analysis, meaning: Meaning[V]) -> None:
        self.meaning = meaning
        self.known: dict[int, list[Way[V]]] = {}
        self.part = operations(analysis)
        self.outputs = network_outputs(analysis, self.part)
        arrives = {name: {0: meaning.start(shape)} for name, shape in analysis.inputs.items()}
        strange: Way[V] = {0: meaning.join([])}
        self.inputs = [next(iter(arrives.values())), *(arrives.get(name, strange) for name in self.part.taken)]

    def leaving(self) -> list[V]:
        """Return what each output of the network has."""
        tensors = self.run(self.part, self.inputs)
        return [self.value(tensors[number]) for number in self.outputs]

    def value(self, way: Way[V]) -> V:
        """Return what a tensor has of all that leads to it."""
        values = list(way.values())
        return values[0] if len(values) == 1 else self.meaning.join(values)

    # Values through operations

    def run(self, part: Part, inputs: list[Way[V]]) -> list[Way[V]]:
        """Return what every tensor of a part has, the results first and then the inputs backwards."""
        tensors: list[Way[V]] = [{}] * part.results + inputs[::-1]
        for operation in part.operations:
            values = [tensors[number] for number in operation.inputs]
            tensors[operation.first : operation.results.stop] = self.given(operation, self.last(operation, values))
        return tensors

    def given(self, operation: Operation, inputs: list[Way[V]]) -> list[Way[V]]:
        """Return the results of one copy."""
        part = operation.part
        if part is None or operation.copies > 1 or len(part.inputs) == 1 or _is_block(part):
            return [self.after(inputs, way) for way in self.ways(operation)]
        tensors = self.run(part, inputs)
        return [tensors[number] for number in part.outs]

    def ways(self, operation: Operation) -> list[Way[V]]:
        """Return the steps from the inputs of one copy to its results, computed once for each part."""
        part, layer = operation.part, operation.node
        if part is None:
            layer = cast("Layer", layer)
            steps = () if layer.is_source else self.meaning.steps(layer)
            return [{index: step for index, step in enumerate(steps) if step is not None}]
        if id(part) not in self.known:
            tensors = self.run(part, [{index: self.meaning.start(shape)} for index, shape in enumerate(part.inputs)])
            self.known[id(part)] = [tensors[number] for number in part.outs]
        return self.known[id(part)]

    def last(self, operation: Operation, inputs: list[Way[V]]) -> list[Way[V]]:
        """Return the input of the last copy: the copies before it are one step, made by doubling."""
        before = operation.copies - 1
        if not before:
            return inputs
        ways = self.ways(operation)
        square = {at: ways[result] for at, result in operation.carried.items()}
        done: dict[int, Way[V]] | None = None
        while before:
            if before & 1:
                done = square if done is None else self.chained(done, square)
            before >>= 1
            square = self.chained(square, square) if before else square
        return [self.after(inputs, done[at]) if done and at in done else one for at, one in enumerate(inputs)]

    def chained(self, first: dict[int, Way[V]], second: dict[int, Way[V]]) -> dict[int, Way[V]]:
        """Make one of two copies, each as the ways to what it hands on: the second takes that for its own inputs."""
        both: dict[int, Way[V]] = {}
        for at, way in second.items():
            gathered: dict[int, list[V]] = {}
            for index, step in way.items():
                for source, before in first[index].items() if index in first else ():
                    gathered.setdefault(source, []).append(self.meaning.then(before, step))
                if index not in first:
                    gathered.setdefault(index, []).append(step)
            both[at] = {
                source: steps[0] if len(steps) == 1 else self.meaning.join(steps) for source, steps in gathered.items()
            }
        return both

    def after(self, inputs: list[Way[V]], way: Way[V]) -> Way[V]:
        """Return what a tensor has to which such steps lead from these inputs."""
        gathered: dict[int, list[V]] = {}
        for index, step in way.items():
            for source, value in inputs[index].items():
                gathered.setdefault(source, []).append(self.meaning.then(value, step))
        return {
            source: values[0] if len(values) == 1 else self.meaning.join(values) for source, values in gathered.items()
        }

    # Values by the names of the report

    def visits(self, folded: bool = True, last: bool = True, toward: str | None = None) -> Iterator[Visit[V]]:
        """Yield every layer and group in execution order, named as the report names it.

        Of folded copies the ``last`` is followed, or else the first. With a path ``toward`` only what stands at it and
        around it is visited, and nothing beside.
        """
        visits = self.within(self.part, self.inputs, "", (folded, last and folded, toward), False)
        yield from bounded(visits, self.part.node, folded)

    def within(
        self, part: Part, inputs: list[Way[V]], path: str, form: tuple[bool, bool, str | None], idle: bool
    ) -> Iterator[Visit[V]]:
        """Yield what stands in a part."""
        folded, last, toward = form
        part, inputs = self.inner(part, inputs)
        named = [child for child in children(part.node) if not isinstance(child.node, Wire)]
        for held, (operation, entering) in zip(named, self.held(part, inputs), strict=True):
            values = self.last(operation, entering) if last else entering
            for child in (held,) if folded else held.opened():
                name = f"{path}.{child.label}" if path else child.label
                beside = toward is not None and not f"{toward}.".startswith(f"{name}.")
                if beside and folded:
                    continue
                results = self.given(operation, values)
                out = results[0]
                away = idle or child.idle
                if not beside:
                    yield Visit(name, child, [self.value(way) for way in values], self.value(out), away)
                    if operation.part is not None and name != toward:
                        yield from self.within(operation.part, values, name, form, away)
                    if toward is not None:
                        return
                values = operation.onward(values, results)

    def inner(self, part: Part, inputs: list[Way[V]]) -> tuple[Part, list[Way[V]]]:
        """Look through a stage that holds one repeat or one block and no more, as ``network.inner`` does."""
        while isinstance(part.node, Series) and part.node.kind == "chain" and len(part.operations) == 1:
            (operation,) = part.operations
            if operation.part is None or operation.copies != 1 or not isinstance(operation.node, Series):
                break
            tensors = self.run(part, inputs)
            part, inputs = operation.part, [tensors[number] for number in operation.inputs]
        return part, inputs

    def held(self, part: Part, inputs: list[Way[V]]) -> Iterator[tuple[Operation, list[Way[V]]]]:
        """Yield the operations that ``network.children`` names, with the input of the first copy of each."""
        tensors = self.run(part, inputs)
        numbered = isinstance(part.node, Series) and part.node.kind == "repeat"
        for operation, name in zip(part.operations, _names(part), strict=True):
            values = [tensors[number] for number in operation.inputs]
            if numbered or operation.part is None or (name and children(operation.node)):
                yield operation, values
            elif not name:
                yield from self.held(operation.part, values)


def _is_block(part: Part) -> bool:
    return isinstance(part.node, Series) and part.node.kind == "block"


def _names(part: Part) -> Iterable[str]:
    """Return the names of a part's operations; what has none stands in its parent."""
    if isinstance(part.node, Series):
        return [name_of(operation.node) for operation in part.operations]
    fork: Fork = part.node
    names = [branch_name(fork, at) for at, branch in enumerate(fork.branches) if not isinstance(branch, Wire)]
    return [*names, fork.join.op] if fork.join else names


# Depth


class Depth:
    """How many layers with multiply-adds lie on the longest path to a tensor."""

    def start(self, shape: Shape) -> int:
        """Begin at 0."""
        return 0

    def steps(self, layer: Layer) -> tuple[int, ...]:
        """Count a layer that multiplies."""
        return (int(layer.cost.macs - layer.cost.other != 0),) * len(layer.inputs)

    def then(self, first: int, second: int) -> int:
        """Add two stretches of a path."""
        return first + second

    def join(self, values: list[int]) -> int:
        """Take the longest path."""
        return max(values, default=0)


def depth(analysis: Analysis) -> int:
    """Count the layers with multiply-adds on the longest path from an input to an output."""
    return max(Follow(analysis, Depth()).leaving(), default=0)
