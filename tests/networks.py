"""Random networks for tests that follow tensors, and their literal expansion: every copy, every name looked up anew."""

from __future__ import annotations

import json
import re
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.network import Layer, Series, Wire

if TYPE_CHECKING:
    from random import Random

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Node


class Step(NamedTuple):
    """One executed layer: the tensors it reads and the one it writes; whether it runs at inference."""

    layer: Layer
    reads: list[int]
    writes: int
    runs: bool


class Flat:
    """A network as steps over numbered tensors; the inputs are the first of them."""

    def __init__(self, analysis: Analysis) -> None:
        self.steps: list[Step] = []
        names = {name: index for index, name in enumerate(analysis.inputs)}
        self.tensors = len(names)
        self.several: list[int] = []
        """What the last block gave that gives several."""
        self.last = self.expand(analysis.root, 0, names, runs=True)
        self.outputs = [names[name] for name in analysis.outputs] if analysis.program.spec.outputs else [self.last]

    def run(self, layer: Layer, reads: list[int], runs: bool) -> int:
        """Add a layer."""
        self.tensors += 1
        self.steps.append(Step(layer, reads, self.tensors - 1, runs))
        return self.tensors - 1

    def expand(self, node: Node, flow: int, names: dict[str, int], runs: bool) -> int:
        """Add all layers of a node; return the tensor that leaves it."""
        if isinstance(node, Layer):
            return self.run(node, [] if node.is_source else [flow], runs)
        if isinstance(node, Wire):
            if node.kind == "from":
                return names[node.name]
            for name in filter(None, (node.name, node.copy)):
                names[name] = flow if node.result is None else self.several[node.result]
            return flow
        if isinstance(node, Series):
            if node.kind == "block":
                names = {"../" + name: tensor for name, tensor in names.items()}
            for run in node.runs:
                for _ in range(run.copies):
                    flow = self.expand(run.node, flow, names, runs)
            if node.outputs:
                self.several = [names[wire.name] for wire in node.outputs]
                return self.several[0]
            return flow
        results = [self.expand(branch, flow, names, runs and node.kind != "aside") for branch in node.branches]
        if node.join is None:
            return flow
        return self.run(node.join, [flow, *results] if node.kind == "scale" else results, runs)

    def depth(self) -> float:
        """Count the layers with multiply-adds on the longest path from an input to an output."""
        depths: dict[int, float] = dict.fromkeys(range(self.tensors - len(self.steps)), 0)
        for layer, reads, writes, _ in self.steps:
            depths[writes] = max((depths[one] for one in reads), default=-inf) + (layer.cost.macs != layer.cost.other)
        return max(0, *(depths[one] for one in self.outputs))

    def needless(self) -> list[Step]:
        """List the steps that run and from which no output and no head follows."""
        wanted = set(self.outputs)
        needless = []
        for step in reversed(self.steps):
            if step.writes in wanted or not step.runs:
                wanted.update(step.reads)
            else:
                needless.append(step)
        return needless[::-1]

    def unread(self) -> list[Step]:
        """List the steps that run and whose result nobody takes."""
        taken = {one for step in self.steps for one in step.reads} | set(self.outputs)
        return [step for step in self.steps if step.runs and step.writes not in taken]


class Writer:
    """Random specs in which names cross every boundary.

    Tensors are named in chains, branches and repeats, taken by inner chains from outer ones, passed to blocks and on to
    blocks within them, and given anew by each copy. Every tensor is a map of 4 channels, so any two may be added.
    """

    def __init__(self, random: Random, layers: list[str]) -> None:
        self.random, self.layers = random, layers
        self.blocks: dict[str, Any] = {}
        self.count = 0
        self.handed: set[str] = set()
        """Names that copies of some repeat hand on, each of one."""

    def spec(self, size: int, first: str = "") -> str:
        """Write a whole spec, with one input or two; with one where a ``first`` layer changes the map."""
        names: list[str] = []
        two = {"one": "4 x {0} x {0}", "two": "4 x {0} x {0}"}
        inputs: Any = "4 x {0} x {0}" if first else self.random.choice(["4 x {0} x {0}", two])
        start: list[Any] = [first or "conv 1x1 4"]
        if isinstance(inputs, dict):
            inputs = {name: text.format(size) for name, text in inputs.items()}
            names = list(inputs)
            start = [f"from {self.random.choice(names)}", *start]
        else:
            inputs = inputs.format(size)
        document: dict[str, Any] = {"input": inputs, "net": [*start, *self.body(3, names)]}
        if self.blocks:
            document["blocks"] = dict(reversed(self.blocks.items()))
        if names and self.random.random() < 0.3:
            document["outputs"] = self.random.sample(names, self.random.randint(1, len(names)))
        return json.dumps(document, indent=1)

    def name(self) -> str:
        """Make a name that nothing bears."""
        self.count += 1
        return f"t{self.count}"

    def body(self, depth: int, names: list[str]) -> list[Any]:
        """Write steps; ``names`` are in reach, and those that the steps give are added."""
        steps: list[Any] = []
        for _ in range(self.random.randint(1, 3)):
            if names and self.random.random() < 0.2:
                steps.append(f"from {self.random.choice(names)}")
            steps.append(self.step(depth, names))
            if len(names) > 1 and depth and self.random.random() < 0.15:
                fresh = [self.name(), self.name()]
                steps += [self.several(depth, names), f"as {' '.join(fresh)}"]
                names += fresh
            if self.random.random() < 0.3:
                names.append(self.name())
                steps.append(f"as {names[-1]}")
        return steps

    def step(self, depth: int, names: list[str]) -> Any:
        """Write a layer or a structure."""
        random = self.random
        match random.choice(
            [
                "layer",
                *["layer", "residual", "add", "mul", "split", "scale", "repeat", "loop", "handed", "block", "aside"]
                * (depth > 0),
            ]
        ):
            case "residual":
                return {"residual": self.body(depth - 1, names), "shortcut": self.branch(depth, names)}
            case "add" | "mul" as kind:
                left_out = ["nothing"] * (random.random() < 0.2)
                return {kind: [*[self.branch(depth, names) for _ in range(random.randint(2, 3))], *left_out]}
            case "split":
                sizes = {"sizes": random.choice([[1, 3], ["rest", 1], [2, "rest"]])} if random.random() < 0.5 else {}
                how = {} if sizes else {"join": random.choice(["add", "mul", "concat"])}
                back = [] if how.get("join", "concat") == "concat" else ["conv 1x1 4"]
                return (
                    {"repeat": 1, "body": [{"split": ["relu", "identity"], **sizes, **how}, *back]}
                    if back
                    else {"split": ["relu", "identity"], **sizes, **how}
                )
            case "scale":
                return {"scale": [*self.body(depth - 1, names)]}
            case "repeat":
                return self.repeat(depth, names)
            case "loop":
                self.count += 1
                k = f"k{self.count}"
                return {"for": f"{k} in [1, 3, 1]", "do": [*self.body(depth - 1, names), f"conv {k} 4"]}
            case "handed":
                return self.handing(depth, names)
            case "block":
                return self.block(depth, names)
            case "aside":
                self.handed.update(names)  # a head that does not run gives no name anew
                return {"aside": self.body(depth - 1, list(names))}
        return random.choice(self.layers)

    def repeat(self, depth: int, names: list[str]) -> Any:
        """Write a repeat, whose copies may differ, and perhaps a join of all the tensors that they name so."""
        before = len(names)
        body = self.body(depth - 1, names)
        if self.random.random() < 0.3:
            body.append("conv (1 + 2*i) 4")
        copies = self.random.choice([1, 2, 3, 6])
        repeat = {"repeat": copies, "body": body} if self.random.random() < 0.5 else {f"{copies}x": body}
        if len(names) > before and self.random.random() < 0.5:
            return [repeat, {"add": ["identity", f"from all {self.random.choice(names[before:])}"]}]
        return repeat

    def handing(self, depth: int, names: list[str]) -> Any:
        """Write a repeat whose copies hand on one tensor or two beside what leaves them."""
        free = [name for name in names if name not in self.handed and not name.startswith("tap")]
        chosen = self.random.sample(free, min(len(free), self.random.randint(1, 2)))
        if not chosen:
            return self.repeat(depth, names)
        self.handed.update(chosen)
        body = self.body(depth - 1, [*names])
        if len(chosen) == 1:
            body += [f"from {chosen[0]}", self.random.choice(self.layers), f"as {chosen[0]}"]
        else:
            body += [self.several(depth, chosen), f"as {' '.join(chosen)}"]
        return {f"{self.random.choice([1, 2, 3, 4, 7, 12])}x": body}

    def several(self, depth: int, names: list[str]) -> str:
        """Use a block that takes two tensors and gives two: some of its own, some that it took."""
        taps = self.random.sample(names, 2)
        name, own = f"block{self.count}", ["tap0", "tap1"]
        self.count += 1
        body = ["from tap0", *self.body(depth - 1, own), {"add": ["identity", "from tap1"]}]
        body += [f"as {self.name()}"]
        own.append(body[-1][3:])
        body.append({"outputs": self.random.choices(own, k=2)})
        self.blocks[f"{name}(tap0, tap1)"] = body
        return f"{name} {' '.join(taps)}"

    def branch(self, depth: int, names: list[str]) -> Any:
        """Write a branch: the tensor as it is, another by name, or steps."""
        if self.random.random() < 0.2:
            return "identity"
        if names and self.random.random() < 0.3:
            return f"from {self.random.choice(names)}"
        return self.body(depth - 1, names)

    def block(self, depth: int, names: list[str]) -> str:
        """Use a block of its own, perhaps several times, to which tensors are passed."""
        taps = [self.random.choice(names) for _ in range(self.random.randint(0, 2))] if names else []
        own = [f"tap{index}" for index in range(len(taps))]
        name = f"block{self.count}"
        self.count += 1
        body = self.body(depth - 1, list(own))
        read = re.findall(r"\b(tap\d+)\b", json.dumps(body))
        taps = [tap for tap, passed in zip(taps, own, strict=True) if passed in read]
        self.blocks[f"{name}({', '.join(passed for passed in own if passed in read)})"] = body
        times = self.random.choice(["", "", "2x ", "5x "])
        return f"{times}{name} {' '.join(taps)}".strip()
