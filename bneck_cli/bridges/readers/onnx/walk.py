"""From the nodes of an ONNX model to the calls that a PyTorch model would make, which one lowering reads.

Shapes are computed here, for a batch of one; so is what is computed of shapes. Multiply-adds are counted on the
nodes, and parameters on the weights, so that the layers that are found can be held against both.
"""

from __future__ import annotations

import re
from math import isqrt, prod
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.calls.capture import MOST_RECORDS, Record, Ref, Trace
from bneck_cli.bridges.export.onnx.graph import UNLEARNED
from bneck_cli.bridges.readers.onnx.file import FLOATS, LARGEST_SIZE, MOST_VALUES, Tensor
from bneck_cli.bridges.readers.onnx.scopes import scopes
from bneck_cli.errors import BneckError, nearest
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy

    from bneck_cli.bridges.graph import Call
    from bneck_cli.bridges.readers.onnx.file import Model, Node

    Array = numpy.ndarray[Any, Any]
    Operators = dict[str, Callable[["Walk"], None]]

OWN = "bneck"
"""The producer of the models that ``bneck export`` writes, whose weights are made where the model runs."""
MASKED = -99
"""What a mask adds to the scores that do not count, at most."""
MOST_KEPT = 1 << 24
"""So many numbers are kept that were computed."""
LARGEST = 2**40
"""So many elements a tensor may have."""
LEARNED = re.compile(r"[A-Za-z_]\w*(\.\w+)+|\w*(scale|weight|bias|gamma|alpha|beta|temperature)", re.ASCII)
"""The names of parameters of one number: paths of attributes, or what such numbers are called. Others are constants."""


class Held(NamedTuple):
    """A tensor: its number and shape, its elements where they are few whole numbers or one, and what it comes from."""

    ref: Ref
    value: Array | None = None
    constant: bool = False
    weight: Tensor | None = None
    """The weight that it is, which is not a parameter until something reads it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.ref.shape


class Walk:
    """The calls so far, and what each name stands for."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.opset = model.opset
        self.held: dict[str, Held] = {}
        self.records: list[Record] = []
        self.parameters: dict[int, tuple[str, int]] = {}
        self.count = self.kept = 0
        self.node: Node
        self.stack: tuple[Call, ...] = ()
        self.scope = scopes(model)
        for name, tensor in model.weights.items():
            self.held[name] = self.weighed(tensor)

    def weighed(self, tensor: Tensor) -> Held:
        """Return a constant of the file; its elements where they may say how others are computed."""
        few = tensor.kind not in FLOATS or tensor.elements == 1
        return Held(self.new(tensor.dims), tensor.array() if few else None, constant=True, weight=tensor)

    # Errors

    def error(self, message: str, hint: str = "") -> BneckError:
        """Make the error that names the node."""
        return BneckError(f"{self.node.told}: {message}", hint=hint)

    def unknown(self, known: Sequence[str]) -> BneckError:
        """Make the error for an operator that is not read."""
        domain = f"{self.node.domain}." if self.node.domain else ""
        return self.error(f"the operator {domain}{self.node.op[:60]} is not read", nearest(self.node.op, known))

    # Tensors

    def new(self, shape: Sequence[int]) -> Ref:
        """Return a tensor that has no number yet."""
        if any(size < 0 or size >= LARGEST_SIZE for size in shape) or prod(shape) > LARGEST:
            raise BneckError(f"a tensor of sizes {list(shape)[:8]}, which there is not")
        self.count += 1
        return Ref(self.count, tuple(map(int, shape)))

    def has(self, place: int) -> bool:
        """Return whether the node has an input."""
        return place < len(self.node.inputs) and bool(self.node.inputs[place])

    def at(self, place: int) -> Held:
        """Return what an input of the node is."""
        if not self.has(place):
            raise self.error(f"input {place} is missing")
        return self.held[self.node.inputs[place]]

    def shape(self, place: int = 0) -> tuple[int, ...]:
        """Return the shape of an input."""
        return self.at(place).shape

    def arg(self, place: int = 0, learned: bool = False) -> Any:
        """Return an input as the argument of a call: a number where it is one, else the tensor.

        A weight that is read becomes a parameter; one number does where it is ``learned``, or has a name of its own.
        """
        held = self.at(place)
        if held.constant and held.value is not None and held.value.size == 1 and not learned and not self.named(held):
            return held.value.item()
        return self.read(held, learned)

    def read(self, held: Held, learned: bool = False) -> Ref:
        """Return the tensor of a call, and know its parameters.

        Exporters keep one of several weights that are equal. Of one number all over, as training begins with, these
        were apart, and each that is read is another; of any other numbers they were one.
        """
        weight = held.weight
        if weight is None or weight.kind not in FLOATS or self.is_number(weight):
            return held.ref
        if weight.elements == 1 and not learned and not self.named(held):
            return held.ref
        ref = held.ref
        if ref.number in self.parameters and uniform(weight):
            ref = self.new(ref.shape)
        self.parameters[ref.number] = (weight.name, spread_of(weight) or weight.elements)
        return ref

    def is_number(self, tensor: Tensor) -> bool:
        """Tell whether a constant is no parameter: one of our own models says so by its name, a mask by its values."""
        if self.model.producer == OWN:
            return tensor.name.startswith(UNLEARNED)
        array = tensor.array() if tensor.elements > 1 else None
        if array is None:
            return False
        forbids = array <= MASKED
        return bool(forbids.any() and (forbids | (array == 0)).all())

    def named(self, held: Held) -> bool:
        """Return whether a constant of one number is a parameter, by its name."""
        weight = held.weight
        if weight is None or weight.kind not in FLOATS or self.is_number(weight):
            return False
        return self.model.producer == OWN or LEARNED.fullmatch(weight.name) is not None

    def numbers(self, place: int, default: Any = None) -> list[int]:
        """Return the whole numbers that an input holds."""
        if not self.has(place):
            if default is None:
                raise self.error(f"input {place} is missing")
            return list(default)
        held = self.at(place)
        if held.value is None:
            raise self.error(f"input {place}, '{self.node.inputs[place][:60]}', is computed of the model's input")
        return [int(one) for one in held.value.reshape(-1).tolist()]

    def number(self, place: int, default: float | None = None) -> float | None:
        """Return the number that an input is, if it is given."""
        if not self.has(place):
            return default
        value = self.at(place).value
        if value is None or value.size != 1:
            raise self.error(f"input {place} is no number that is known")
        return float(value.item())

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute."""
        found = self.node.attributes.get(name)
        return default if found is None else found

    def listed(self, name: str, place: int, since: int, default: Any = ()) -> list[int]:
        """Return numbers that were an attribute before a version of the operators, and are an input since."""
        if name in self.node.attributes:
            return [int(one) for one in self.attribute(name)]
        return self.numbers(place, default)

    # Calls

    def call(
        self, name: str, args: Sequence[Any], shapes: Sequence[Sequence[int]], macs: int = 0, **kwargs: Any
    ) -> list[Ref]:
        """Add a call, and return the tensors that it gives."""
        if len(self.records) >= MOST_RECORDS:
            raise BneckError(f"more than {people(MOST_RECORDS)} operators")
        outs = tuple(map(self.new, shapes))
        self.records.append(Record(name, tuple(args), kwargs, outs, int(macs), self.stack, len(outs) > 1))
        return list(outs)

    def one(self, name: str, args: Sequence[Any], shape: Sequence[int], macs: int = 0, **kwargs: Any) -> Ref:
        """Add a call that gives one tensor."""
        return self.call(name, args, [shape], macs, **kwargs)[0]

    def gives(self, ref: Ref, place: int = 0, value: Array | None = None) -> None:
        """Say what an output of the node is."""
        if place < len(self.node.outputs) and self.node.outputs[place]:
            constant = all(self.held[name].constant for name in self.node.inputs if name)
            self.held[self.node.outputs[place]] = Held(ref, value, constant or value is not None)

    def known(self, value: Array) -> None:
        """Say that the output is numbers that are known; of all tensors together they are so many at most."""
        self.kept += value.size
        name = self.node.outputs[0]
        self.held[name] = Held(self.new(value.shape), value if self.kept <= MOST_KEPT else None, constant=True)

    # The walk

    def enter(self, name: str, shape: tuple[int, ...], indices: bool) -> Ref:
        """Add the input. Indices, one for each position, have one channel."""
        entering = self.new((shape[0], 1, *shape[1:]) if indices else shape)
        self.held[name] = Held(self.one("select", [entering, 1, 0], shape) if indices else entering)
        return entering

    def run(self, inputs: dict[str, tuple[tuple[int, ...], bool]], operators: Operators) -> Trace:
        """Walk along all nodes: first those that no input reaches, then the others, each as what it is part of."""
        from bneck_cli.bridges.readers.onnx.patterns import found

        entering = [self.enter(name, *given) for name, given in inputs.items()]
        given = {out for node in self.model.nodes for out in node.outputs if out}
        reached: set[str] = set(inputs)
        left = []
        for node in self.model.nodes:
            self.node = node
            self.require(node, given, reached)
            if node.outputs and not any(name in reached for name in node.inputs):
                self.follow(node, operators)
            else:
                left.append(node)
                reached.update(node.outputs)
        for node in found(self, left):
            self.follow(node, operators)
        outputs = []
        for port in self.model.outputs:
            if port.name not in self.held:
                raise BneckError(f"no node gives the output '{port.name[:80]}'")
            outputs.append(self.held[port.name].ref)
        taken = {name for node in self.model.nodes for name in node.inputs}
        weights = [one for one in self.model.weights.values() if one.kind in FLOATS]
        unread = tuple((one.name, one.elements) for one in weights if one.name not in taken)
        return Trace(
            records=tuple(self.records),
            inputs=tuple(entering),
            outputs=tuple(outputs),
            parameters=self.parameters,
            buffers=frozenset(),
            macs=sum(record.macs for record in self.records),
            unread=unread,
            entered={},
            left={},
            total=sum(count for _, count in (*self.parameters.values(), *unread)),
        )

    def require(self, node: Node, given: set[str], reached: set[str]) -> None:
        """Require all that a node takes to be there before it."""
        for name in node.inputs:
            if name and name not in self.held and name not in reached:
                if name in given:
                    raise self.error(f"takes '{name[:80]}', which a node behind it gives: the graph has a circle")
                raise self.error(f"takes '{name[:80]}', which is no input, no weight, and given by no node")
        for name in node.outputs:
            if name and (name in self.held or name in reached):
                raise self.error(f"gives '{name[:80]}', which there is already")

    def follow(self, node: Node, operators: Operators) -> None:
        """Add the calls of a node."""
        self.node = node
        self.stack = self.scope(node)
        if node.op not in operators or node.domain not in ("", "com.microsoft"):
            raise self.unknown(list(operators))
        try:
            operators[node.op](self)
        except BneckError as error:
            if node.told in error.message:
                raise
            raise self.error(error.message, error.hint) from None
        except (IndexError, KeyError, ValueError, TypeError, ZeroDivisionError, OverflowError, AttributeError) as error:
            raise self.error(
                f"inputs or attributes that it cannot have ({' '.join(str(error).split())[:80]})"
            ) from None
        for place, name in enumerate(node.outputs):
            if name and name not in self.held:
                raise self.error(f"output {place} is not read")


def uniform(tensor: Tensor) -> bool:
    """Return whether all elements of a weight are one number."""
    array = tensor.array()
    return array is not None and array.size > 0 and bool((array == array.reshape(-1)[0]).all())


def spread_of(tensor: Tensor) -> int:
    """Count the numbers of a table of relative positions, of which an exporter has made a bias for each pair; or 0.

    Pairs of positions of a square map that are as far apart have the same number, whatever the table holds.
    """
    if len(tensor.dims) < 2 or tensor.elements > MOST_VALUES:
        return 0
    turned = len(tensor.dims) == 2 or (len(tensor.dims) == 3 and tensor.dims[0] == tensor.dims[1])
    heads = tensor.dims[-1] if turned else prod(tensor.dims[:-2])
    rows = isqrt(tensor.elements // heads)
    side = isqrt(rows)
    pairs_apart = tensor.dims[:-1] if turned else tensor.dims[-2:]
    if rows < 2 or side * side != rows or pairs_apart not in ((rows, rows), (rows * rows,)) or uniform(tensor):
        return 0
    array = tensor.array()
    if array is None:
        return 0
    import numpy

    at = numpy.arange(rows)
    apart = [(axis[:, None] - axis[None, :]) + side - 1 for axis in (at // side, at % side)]
    offsets = (apart[0] * (2 * side - 1) + apart[1]).reshape(-1)
    pairs = array.reshape(-1, heads).T if turned else array.reshape(heads, -1)
    table = numpy.zeros((heads, (2 * side - 1) ** 2), array.dtype)
    table[:, offsets] = pairs
    return int(table.size) if bool((table[:, offsets] == pairs).all()) else 0
