"""A network as steps over numbered tensors: every copy separately, under the path used in reports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.bridges.calls.layout import number
from bneck_cli.engine.network import Layer, Series, Wire, entries
from bneck_cli.engine.tensor import enters

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Fork, Node


SHARED = re.compile(r" share=(\S+)")


class Step(NamedTuple):
    """An executed layer: the tensors that it reads, and the one that it writes.

    ``weights`` is the path of the step whose weights it works with, its own as a rule.
    """

    path: str
    layer: Layer
    reads: tuple[int, ...]
    writes: int
    weights: str


class Slice(NamedTuple):
    """A range of a tensor's channels, for a branch of a split."""

    start: int
    size: int
    read: int
    writes: int


class Steps:
    """The steps of a network that run at inference; its inputs are the first tensors."""

    def __init__(self, analysis: Analysis) -> None:
        self.all: list[Step] = []
        self.slices: dict[int, Slice] = {}
        """Slices by the tensor that each gives."""
        self.paths = apart([entry.path for entry in entries(analysis.root, folded=False)])
        self.inputs = {name: number for number, name in enumerate(analysis.inputs)}
        self.count = len(self.inputs)
        self._several: list[int] = []
        names = dict(self.inputs)
        last = self._walk(analysis.root, 0, names, {}, runs=True)
        spec = analysis.program.spec
        self.outputs = [last]
        if spec.outputs and analysis.program.block is None:
            self.outputs = [names[name] for name in analysis.outputs]
        elif analysis.root.outputs:
            self.outputs = list(self._several)
        self.kept = self._needed()

    def _needed(self) -> list[Step | Slice]:
        """Return the steps from which an output follows."""
        wanted = set(self.outputs)
        kept: list[Step | Slice] = []
        every: list[Step | Slice] = [*self.all, *self.slices.values()]
        for step in sorted(every, key=lambda one: -one.writes):
            if step.writes in wanted:
                wanted.update(step.reads if isinstance(step, Step) else (step.read,))
                kept.append(step)
        return kept[::-1]

    def _walk(self, node: Node, flow: int, names: dict[str, int], scope: dict[str, list[str]], runs: bool) -> int:
        if isinstance(node, Wire):
            if node.kind == "from":
                return names[node.name]
            for name in filter(None, (node.name, node.copy)):
                names[name] = flow if node.result is None else self._several[node.result]
            return flow
        shared = SHARED.search(node.text) if isinstance(node, (Layer, Series)) else None
        start = len(self.all)
        out = self._opened(node, flow, names, scope, runs)
        if shared:
            paths = [step.weights for step in self.all[start:]]
            held = scope.setdefault(shared[1], paths)
            for at, path in enumerate(held[: len(paths)]):
                self.all[start + at] = self.all[start + at]._replace(weights=path)
        return out

    def _opened(
        self, node: Layer | Series | Fork, flow: int, names: dict[str, int], scope: dict[str, list[str]], runs: bool
    ) -> int:
        """Walk what a node holds."""
        if isinstance(node, Layer):
            return self._run(node, (flow,), runs)
        if isinstance(node, Series):
            if node.kind == "block":
                names, scope = {"../" + name: tensor for name, tensor in names.items()}, {}
            for run in node.runs:
                for _ in range(run.copies):
                    flow = self._walk(run.node, flow, names, scope, runs)
            if node.outputs:
                self._several = [names[wire.name] for wire in node.outputs]
                return self._several[0]
            return flow
        flows = self._slices(node, flow) if node.kind == "split" else [flow] * len(node.branches)
        idle = node.kind == "aside"
        pairs = zip(node.branches, flows, strict=True)
        results = [self._walk(branch, one, names, scope, runs and not idle) for branch, one in pairs]
        if node.join is None:
            return flow
        return self._run(node.join, tuple([flow, *results] if node.kind == "scale" else results), runs)

    def _slices(self, fork: Fork, flow: int) -> list[int]:
        """Cut a tensor for the branches of a split."""
        start, found = 0, []
        for branch in fork.branches:
            begins = branch.shape if isinstance(branch, Layer) else enters(branch, fork.shape)
            size = number(begins.channels)
            self.slices[self.count] = Slice(start, size, flow, self.count)
            found.append(self.count)
            self.count += 1
            start += size
        return found

    def _run(self, layer: Layer, reads: tuple[int, ...], runs: bool) -> int:
        path = self.paths[len(self.all)]
        self.all.append(Step(path, layer, reads, self.count if runs else -1, path))
        self.count += 1
        return self.count - 1


def apart(names: list[str]) -> list[str]:
    """Number the names that stand more than once, from the second on."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(f"{name}.again{seen[name]}" if seen[name] > 1 else name)
    return found
