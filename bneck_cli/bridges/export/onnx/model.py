"""A spec as an ONNX model, whose nodes have the paths of reports and whose weights are generated at run time."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.export.onnx import protobuf
from bneck_cli.bridges.export.onnx.graph import BATCH, Value
from bneck_cli.bridges.export.onnx.layers import CLIPS, FUNCTIONS, unheld
from bneck_cli.bridges.export.onnx.protobuf import FLOAT, INT64
from bneck_cli.bridges.export.onnx.sequences import Sequences
from bneck_cli.bridges.export.pytorch.builder import FIRST, INDICES, LAST, VECTOR
from bneck_cli.bridges.export.pytorch.writer import require_numbers
from bneck_cli.bridges.export.steps import Slice, Step, Steps
from bneck_cli.engine.network import entries
from bneck_cli.errors import BneckError
from bneck_cli.sizes.shape import Shape
from bneck_cli.version import __version__
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis

OPERATORS = {"add": "Add", "mul": "Mul", "scale": "Mul"}
PASSING = ("dropout", "droppath", "identity")
FUNCTIONS_OF = {*FUNCTIONS, *CLIPS, "silu"}


class Model(NamedTuple):
    """A model's bytes, and the layouts of its outputs."""

    content: bytes
    layouts: tuple[str, ...]


def onnx_model(analysis: Analysis) -> Model:
    """Write a network as an ONNX model.

    Raises BneckError, at the row, for a layer that ONNX has no operators for, and for sizes that are symbols.
    """
    require_numbers(analysis)
    return Writer(analysis).model()


class Writer(Sequences):
    """Writes the nodes of one network, step by step."""

    def __init__(self, analysis: Analysis) -> None:
        super().__init__()
        self.analysis = analysis
        self.steps = Steps(analysis)
        self.values: dict[int, Value] = {}

    def model(self) -> Model:
        """Write the model."""
        embeds = any(entry.layer.op == "embed" for entry in entries(self.analysis.root))
        inputs = []
        for name, tensor in self.steps.inputs.items():
            shape = self.analysis.inputs[name]
            indices = embeds and len(shape.spatial) == 1 and shape.channels == 1
            layout = INDICES if indices else FIRST if shape.spatial else VECTOR
            held = self.fresh(name)
            value = self.values[tensor] = Value(shape, {layout: held})
            self.sizes[held] = [BATCH, *value.sizes(layout)]
            inputs.append(protobuf.value_info(held, INT64 if indices else FLOAT, self.sizes[held]))
            self.any_input = self.any_input or held
        counted = 0
        for step in self.steps.kept:
            if isinstance(step, Slice):
                self.values[step.writes] = self.cut(step)
            else:
                self.values[step.writes] = self.written(step)
                counted += number(step.layer.cost.params)
        if self.params != counted:
            raise BneckError(
                f"the ONNX model would have {people(self.params)} parameters, but the spec has {people(counted)}"
            )
        outputs, layouts = [], []
        for name, tensor in zip(self.analysis.outputs, self.steps.outputs, strict=True):
            value = self.values[tensor]
            layout, held = next(iter(value.names.items()))
            if value.bare:
                held = self.expanded(held, self.any_input, f"{held}.every")
            out = self.op("Identity", [held], name if name not in self.names else f"{name}.out", self.sizes[held])
            del self.between[out]
            outputs.append(protobuf.value_info(out, FLOAT, self.sizes[out]))
            layouts.append(layout)
        graph = protobuf.graph(self.analysis.name, self.nodes, self.weights, inputs, outputs, self.between.values())
        return Model(protobuf.model(graph, __version__), tuple(layouts))

    def written(self, step: Step) -> Value:
        """Write a step, and return the output of it."""
        layer = step.layer
        self.prefix = step.weights
        reads = [self.values[tensor] for tensor in step.reads]
        if layer.op in OPERATORS and layer.rule is None:
            return self.combined(step, OPERATORS[layer.op], reads)
        if layer.op == "concat":
            return self.concatenated(step, reads)
        if layer.op in PASSING:
            return reads[0]
        if layer.op in FUNCTIONS_OF:
            return self.kind_function(step, reads[0])
        write = getattr(self, f"kind_{layer.op}", None)
        if write is None or layer.rule is None:
            raise unheld(step, f"`{layer.op}`")
        if reads[0].bare and layer.op not in ("learned", "slice", "transpose", "scores"):
            layout, name = next(iter(reads[0].names.items()))
            reads[0] = Value(layer.shape, {layout: self.expanded(name, self.any_input, f"{name}.every")})
        found: Value = write(step, *reads)
        return found

    def cut(self, part: Slice) -> Value:
        """Write a slice of channels."""
        x = self.values[part.read]
        layout, name = next(iter(x.names.items()))
        axis = len(self.sizes[name]) - 1 if layout == LAST else 1
        found = self.sliced(name, axis, part.start, part.start + part.size, f"{name}.slice")
        return Value(Shape(part.size, x.spatial), {layout: found}, x.bare)

    def combined(self, step: Step, kind: str, reads: list[Value]) -> Value:
        """Add or multiply; a vector is the same at every position."""
        whole = max(reads, key=lambda one: (len(one.spatial), prod(one.spatial), one.channels))
        layout = whole.layout
        bare = all(one.bare for one in reads)
        texts = []
        for one in reads:
            texts.append(self.fitted(one, whole, layout))
        found = texts[0]
        sizes: list[int | str] = [1 if bare else BATCH, *whole.sizes(layout)]
        for index, other in enumerate(texts[1:], 1):
            found = self.op(
                kind, [found, other], step.path if index == len(texts) - 1 else f"{step.path}.{index}", sizes
            )
        return Value(step.layer.out, {layout: found}, bare)

    def fitted(self, one: Value, whole: Value, layout: str) -> str:
        """Return a factor or a term in a layout that others have."""
        if layout == VECTOR or (one.spatial and one.layout != VECTOR):
            return self.at(one, layout)
        name = self.at(one, VECTOR)
        ones = [1] * len(whole.spatial)
        sizes = [one.channels, *ones] if layout == FIRST else [*ones, one.channels]
        return self.reshaped(name, sizes, f"{name}.everywhere", 1 if one.bare else BATCH)

    def concatenated(self, step: Step, reads: list[Value]) -> Value:
        """Put channels, or positions, behind each other."""
        out = Value(step.layer.out, {FIRST: ""})
        channels = sum(one.channels for one in reads) == out.channels
        layout = reads[0].layout if reads[0].spatial or not out.spatial else LAST
        names = []
        for one in reads:
            name = self.at(one, layout) if one.spatial or layout == VECTOR else self.fitted(one, out, layout)
            names.append(self.expanded(name, self.any_input, f"{name}.every") if one.bare else name)
        axis = (len(self.sizes[names[0]]) - 1 if layout == LAST else 1) if channels else (1 if layout == LAST else 2)
        return self.out(step, self.joined(names, axis, step.path), layout)
