"""Results that lead nowhere: unused ones, and those that lead only to unused ones.

What is wanted of a part's outputs decides what is wanted of its inputs, so operations are followed backwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.network import Cost, Layer, entries
from bneck_cli.engine.operations import network_outputs, operations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Entry
    from bneck_cli.engine.operations import Operation, Part

UNREAD, VAIN, WANTED = range(3)
"""The fate of a tensor: it is unused; it leads only to unused ones; it leads to an output of the network."""
Uses = tuple[int, ...]
"""What becomes of each of several tensors."""


class Spent(NamedTuple):
    """A layer that runs: how many of its copies lead to no output, and of how many nothing reads the result."""

    entry: Entry
    vain: int
    unread: int

    @property
    def cost(self) -> Cost:
        """What the copies cost that lead to no output."""
        return Cost().plus(self.entry.layer.cost, self.vain)


def spent(analysis: Analysis) -> list[Spent]:
    """Return every layer that runs, in execution order; what a head takes that does not run is wanted."""
    part = operations(analysis)
    part = part._replace(outs=network_outputs(analysis, part))
    running = (entry for entry in entries(analysis.root) if not entry.idle)
    counts = _Backwards().counts(part, {(WANTED,) * len(part.outs): 1})
    return [Spent(entry, vain, unread) for entry, (vain, unread) in zip(running, counts, strict=True)]


def vain(analysis: Analysis) -> dict[int, Spent]:
    """Return those that lead to no output in some copy, by their place among the layers that run."""
    return {} if analysis.in_a_row else {index: one for index, one in enumerate(spent(analysis)) if one.vain}


class _Backwards:
    """What becomes of the tensors of each part, by what becomes of its outputs."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, Uses, bool], list[int]] = {}

    def uses(self, part: Part, outs: Uses, head: bool = False) -> list[int]:
        """Return what becomes of every tensor of a part, the results first and then the inputs backwards.

        What a layer of a head takes is wanted.
        """
        key = (id(part), outs, head)
        if key not in self.known:
            tensors = [UNREAD] * (part.results + len(part.inputs))
            for number, use in zip(part.outs, outs, strict=True):
                tensors[number] = max(tensors[number], use)
            for operation in reversed(part.operations):
                inputs: Uses = ()
                carried = operation.carried
                for given, _ in self.copies(operation, tensors, head):
                    inputs = self.inputs(operation, given, head)
                    for at, number in enumerate(operation.inputs):
                        if at not in carried:
                            tensors[number] = max(tensors[number], inputs[at])
                for at in carried:  # which the first copy takes from outside
                    tensors[operation.inputs[at]] = max(tensors[operation.inputs[at]], inputs[at])
            self.known[key] = tensors
        return self.known[key]

    def inputs(self, operation: Operation, given: Uses, head: bool) -> Uses:
        """Return what becomes of the inputs of one copy."""
        part = operation.part
        if part is None:
            if isinstance(operation.node, Layer) and operation.node.is_source:
                return (UNREAD,) * len(operation.inputs)
            return (WANTED if head else max(given[0], VAIN),) * len(operation.inputs)
        return tuple(self.uses(part, given, head or part.idle)[: -len(part.inputs) - 1 : -1])

    def copies(self, operation: Operation, tensors: list[int], head: bool = False) -> Iterator[tuple[Uses, int]]:
        """Yield what becomes of the results of a copy, and of how many copies; the last comes first.

        What is wanted of one copy decides what is wanted of the one before; after a few, this comes round.
        """
        given, left = tuple(tensors[operation.first : operation.results.stop]), operation.copies
        met: dict[Uses, int] = {}
        while left:
            if given in met:  # so many copies make a round: as many rounds are passed over as there are
                rounds, left = divmod(left, len(met) - met[given])
                for again in list(met)[met[given] :] if rounds else ():
                    yield again, rounds
                met = {}
                continue
            met[given] = len(met)
            yield given, 1
            given, left = self.before(operation, given, head), left - 1

    def before(self, operation: Operation, given: Uses, head: bool) -> Uses:
        """Return what becomes of the results of the copy before one of whose results this becomes."""
        inputs = self.inputs(operation, given, head)
        uses = [UNREAD] * len(given)
        for at, result in operation.carried.items():
            uses[result] = max(uses[result], inputs[at])
        return tuple(uses)

    def counts(self, part: Part, contexts: dict[Uses, int]) -> Iterator[tuple[int, int]]:
        """Yield, for each layer, how many copies lead to no output and how many are unread, in so many of each case."""
        for operation in part.operations:
            within: dict[Uses, int] = {}
            for outs, times in contexts.items():
                for given, copies in self.copies(operation, self.uses(part, outs)):
                    within[given] = within.get(given, 0) + copies * times
            if operation.part is None:
                vain = sum(times for given, times in within.items() if given[0] != WANTED)
                yield vain, within.get((UNREAD,), 0)
            elif not operation.part.idle:
                yield from self.counts(operation.part, within)
