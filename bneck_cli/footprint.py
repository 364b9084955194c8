"""What a design costs beyond weights and multiply-adds: memory at inference and in training, bytes moved, and time.

Every figure follows a stated rule. Memory at inference is by liveness over the graph: a tensor is alive from the layer
that writes it to the last layer that reads it. A part that reads nothing but its own input is worked out once, however
many copies of it there are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.document import Place, Scalar, Source, parse_document
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.library import read_source, specs_folder
from bneck_cli.network import Child, Fork, Layer, Series, Wire, children
from bneck_cli.network import entries as executed
from bneck_cli.syntax import entries, unknown_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bneck_cli.analysis import Analysis
    from bneck_cli.document import Node as Document
    from bneck_cli.network import Entry, Node, Size
    from bneck_cli.shape import Shape

DTYPES = {"fp64": 8, "fp32": 4, "bf16": 2, "fp16": 2, "int8": 1}
"""Bytes of an element."""
OPTIMIZERS = {"sgd": 0, "momentum": 1, "adam": 2}
"""Values that an optimizer remembers for each parameter."""
VIEWS = frozenset({"flatten", "identity", "dropout", "droppath"})
"""Layers that give the tensor that they take: nothing is read, nothing written."""
TRAINING_VIEWS = VIEWS - {"dropout", "droppath"}
STATE_BYTES = 4
SUMMED = ("params", "buffers", "macs", "activations", "weights", "moved")

RULES = {
    "memory": (
        "a tensor is alive from the layer that writes it to the last layer that reads it, and an output of the network "
        "to the end; every layer writes a new tensor (none works in place, none is fused with another), but flatten "
        "and dropout, which are views, and the slices of a split; what a layer needs inside itself is not counted"
    ),
    "training": (
        "weights, gradients as wide as they are, the optimizer's state in fp32 (fp64 for fp64), and once each the "
        "input and every tensor that a layer writes (dropout's too, and those of heads that run in training alone)"
    ),
    "moved": (
        "each layer reads its inputs and its weights once and writes its output once; "
        "2 operations per multiply-add, and nothing else is an operation"
    ),
    "estimate": (
        "for each layer the longer of its operations at the device's peak and its bytes at the bandwidth, "
        "one layer after the other: an estimate, not a measurement"
    ),
}
"""How each figure is worked out, in words."""

NEEDS_NUMBERS = "give --input 3x224x224"


# Devices


class Device(NamedTuple):
    """A machine as its maker publishes it: operations per second by data type (``""`` for any), bytes per second."""

    key: str
    name: str
    peaks: dict[str, int]
    bandwidth: int
    source: str = ""

    def peak(self, dtype: str) -> int:
        """Give the operations per second in a data type; one without a published peak is an error."""
        if "" in self.peaks:
            return self.peaks[""]
        if dtype not in self.peaks:
            raise BneckError(
                f"{self.name} has no published peak for {dtype}", hint=f"it has {listed(self.peaks, 'and')}"
            )
        return self.peaks[dtype]


QUANTITY = re.compile(r"(\d{1,12})(?:\.(\d{1,9}))?\s*([KMGTP]?)(FLOPS|FLOP/s|OPS|OP/s|B/s)")
POWERS = {"": 0, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15}
DEVICE_KEYS = ("name", "peaks", "bandwidth", "source")
DEVICE_TEXT = "100GFLOPS,20GB/s"


def load_device(name: str) -> Device:
    """Find a device by name, or read one from text such as ``100GFLOPS,20GB/s``.

    Raises BneckError for what is neither.
    """
    if "," in name or name[:1].isdigit():
        return _written_device(name)
    known = load_devices()
    if name not in known:
        hint = nearest(name, known) or f"the devices are {listed(known, 'and')}; or write {DEVICE_TEXT}"
        raise BneckError(f"no device is called '{name}'", hint=hint)
    return known[name]


def load_devices() -> dict[str, Device]:
    """Load the devices of the library by name."""
    return parse_devices(read_source(specs_folder() / "data" / "devices.yaml", "data/devices.yaml"))


def parse_devices(source: Source) -> dict[str, Device]:
    """Read ``devices:``, each with its ``name``, ``peaks``, ``bandwidth`` and ``source``."""
    found = entries(parse_document(source), "a file of devices")
    for name, (key, _) in found.items():
        if name != "devices":
            raise unknown_key(key, ("devices",), "a file of devices")
    if "devices" not in found:
        raise BneckError(f"{source.file}: a file of devices has the key `devices`")
    listing = entries(found["devices"][1], "`devices`")
    return {name: _device(key, node) for name, (key, node) in listing.items()}


def _device(key: Scalar, node: Document) -> Device:
    fields = entries(node, f"the device '{key.text}'")
    for name, (word, _) in fields.items():
        if name not in DEVICE_KEYS:
            raise unknown_key(word, DEVICE_KEYS, f"the device '{key.text}'")
    for name in ("peaks", "bandwidth"):
        if name not in fields:
            raise Place(key, 0, len(key.text)).error(f"the device '{key.text}' needs `{name}`")
    peaks = {}
    for dtype, (word, value) in entries(fields["peaks"][1], "`peaks`").items():
        if dtype not in DTYPES:
            raise unknown_key(word, tuple(DTYPES), "`peaks`")
        peaks[dtype] = _rate(_line(value, dtype), "peak")
    if not peaks:
        raise Place(fields["peaks"][0]).error("`peaks` names at least one data type")
    bandwidth = _rate(_line(fields["bandwidth"][1], "bandwidth"), "bandwidth")
    texts = {name: _line(fields[name][1], name).text for name in ("name", "source") if name in fields}
    return Device(key.text, texts.get("name", key.text), peaks, bandwidth, texts.get("source", ""))


def _line(node: Document, key: str) -> Scalar:
    if not isinstance(node, Scalar):
        raise Place(node).error(f"`{key}` is a line of text")
    return node


def _rate(scalar: Scalar, what: str) -> int:
    """Read operations per second (a peak) or bytes per second (a bandwidth)."""
    match = QUANTITY.fullmatch(scalar.text)
    example = "20 GB/s" if what == "bandwidth" else "100 GFLOPS"
    if match is None or (match[4] == "B/s") != (what == "bandwidth") or not _scaled(match):
        place = Place(scalar, 0, max(1, len(scalar.text)))
        raise place.error(f"a {what} reads {example} (got '{scalar.text}')")
    return _scaled(match)


def _scaled(match: re.Match[str]) -> int:
    whole, fraction, prefix, _ = match.groups(default="")
    return int(int(whole + fraction) * 10 ** POWERS[prefix] // 10 ** len(fraction))


def _written_device(text: str) -> Device:
    """Read a peak for any data type and a bandwidth, in either order."""
    source, rates = Source("--device", text), {}
    offset = 0
    for part in text.split(","):
        word = Scalar(source, 0, offset + len(part) - len(part.lstrip()), part.strip())
        what = "bandwidth" if word.text.endswith("B/s") else "peak"
        rate = _rate(word, what)
        if what in rates:
            raise Place(word, 0, len(word.text)).error(f"the {what} is here twice", f"write {DEVICE_TEXT}")
        rates[what] = rate
        offset += len(part) + 1
    for what in ("peak", "bandwidth"):
        if what not in rates:
            raise Place(Scalar(source, 0, 0, text), 0, len(text)).error(
                f"the {what} is missing", f"write {DEVICE_TEXT}"
            )
    return Device(text, text, {"": rates["peak"]}, rates["bandwidth"])


# The result


class Item(NamedTuple):
    """One executed layer: what it holds, writes and moves, each figure for one of its ``copies`` and for the batch.

    ``params`` and ``buffers`` are elements, ``activations`` those that are written; ``weights`` and ``moved`` are
    bytes. ``seconds`` is an estimate, None without a device; ``bound`` says what takes the longer.
    """

    path: str
    op: str
    text: str
    copies: int
    out: Shape
    params: Size
    buffers: Size
    macs: Size
    activations: Size
    weights: Size
    moved: Size
    seconds: float | None
    bound: str

    @property
    def intensity(self) -> float | None:
        """Operations per byte moved."""
        return intensity(self.macs, self.moved)


class Totals(NamedTuple):
    """Sums over layers; ``compute_seconds`` is the part of ``seconds`` in layers that are bound by compute."""

    params: Size = 0
    buffers: Size = 0
    macs: Size = 0
    activations: Size = 0
    weights: Size = 0
    moved: Size = 0
    seconds: float | None = None
    compute_seconds: float = 0.0

    @property
    def intensity(self) -> float | None:
        """Operations per byte moved."""
        return intensity(self.macs, self.moved)

    @property
    def bound(self) -> str:
        """What most of the time goes into."""
        if not self.seconds:
            return ""
        return "compute" if 2 * self.compute_seconds > self.seconds else "memory"


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


class Training(NamedTuple):
    """Memory of training in bytes, by what it is for."""

    weights: Size
    buffers: Size
    gradients: Size
    state: Size
    activations: Size

    @property
    def total(self) -> Size:
        """All of it."""
        return self.weights + self.buffers + self.gradients + self.state + self.activations


class Footprint(NamedTuple):
    """What a design costs, for a data type, an optimizer and perhaps a device.

    ``peak`` is None where sizes are symbolic, ``training`` for a data type that does not train.
    """

    analysis: Analysis
    dtype: str
    optimizer: str
    device: Device | None
    items: tuple[Item, ...]
    total: Totals
    peak: Peak | None
    training: Training | None

    @property
    def width(self) -> int:
        """Bytes of an element."""
        return DTYPES[self.dtype]

    @property
    def inference(self) -> Size | None:
        """Bytes at the peak of inference: weights, buffers and the tensors alive."""
        return None if self.peak is None else self.total.weights + self.peak.bytes


def intensity(macs: Size, moved: Size) -> float | None:
    """Divide operations, 2 for each multiply-add, by bytes; None where nothing moves or sizes are symbolic."""
    if not isinstance(macs, int) or not isinstance(moved, int) or moved == 0:
        return None
    return 2 * macs / moved


def footprint(
    analysis: Analysis, dtype: str = "fp32", device: str | Device | None = None, optimizer: str = "adam"
) -> Footprint:
    """Work out memory, bytes moved and, on a device, time.

    Raises BneckError for an unknown data type, optimizer or device, for a device without a peak for the data type,
    and for a device where sizes are symbolic.
    """
    for option, word, known in (("--dtype", dtype, DTYPES), ("--optimizer", optimizer, OPTIMIZERS)):
        if word not in known:
            hint = nearest(word, known) or f"it is one of {listed(known)}"
            raise BneckError(f"{option}: unknown '{word}'", hint=hint)
    if analysis.rule is not None:
        raise BneckError("a footprint has rules of its own, and no counting rule beside them")
    if isinstance(device, str):
        device = load_device(device)
    width = DTYPES[dtype]
    run = [entry for entry in executed(analysis.root) if not entry.idle]
    sizes = [shape.elements for entry in run for shape in (entry.layer.out, *entry.layer.inputs)]
    numbers = all(isinstance(size, int) for size in (analysis.batch, *sizes))
    if device is not None:
        device.peak(dtype)
        if not numbers:
            raise BneckError("an estimate of time needs numbers", hint=NEEDS_NUMBERS)
    items = tuple(_item(entry, analysis.batch, dtype, device) for entry in run)
    return Footprint(
        analysis,
        dtype,
        optimizer,
        device,
        items,
        added(items),
        peak(analysis, dtype) if numbers else None,
        _training(analysis, width, OPTIMIZERS[optimizer]) if dtype != "int8" else None,
    )


def unfolded(found: Footprint) -> Iterator[Item]:
    """Yield an item for every executed layer, each copy by itself."""
    known: dict[int, Item] = {}
    for entry in executed(found.analysis.root, folded=False):
        if not entry.idle:
            item = known.get(id(entry.layer))
            if item is None:
                item = known[id(entry.layer)] = _item(entry, found.analysis.batch, found.dtype, found.device)
            yield item._replace(path=entry.path, copies=1)


def added(items: Iterable[Item]) -> Totals:
    """Add items up, each as many times as it has copies."""
    figures: dict[str, Size] = dict.fromkeys(SUMMED, 0)
    seconds, compute, timed = 0.0, 0.0, False
    for item in items:
        for name, value in figures.items():
            figures[name] = value + getattr(item, name) * item.copies
        if item.seconds is not None:
            timed = True
            seconds += item.seconds * item.copies
            compute += item.seconds * item.copies if item.bound == "compute" else 0.0
    return Totals(**figures, seconds=seconds if timed else None, compute_seconds=compute)


def _item(entry: Entry, batch: Size, dtype: str, device: Device | None) -> Item:
    """Work a layer's figures out; a view holds, reads and writes nothing."""
    layer, width = entry.layer, DTYPES[dtype]
    view = layer.rule is not None and layer.op in VIEWS
    cost = layer.cost
    stored = _buffers(layer)
    macs = cost.macs * batch
    activations: Size = 0 if view else layer.out.elements * batch
    weights = (cost.params + stored) * width
    moved: Size = 0
    if not view:
        read: Size = 0
        for tensor in layer.inputs:
            read = read + tensor.elements * batch
        moved = (read + activations) * width + weights
    seconds, bound = None, ""
    if device is not None:
        assert isinstance(macs, int)
        assert isinstance(moved, int)
        computing, moving = 2 * macs / device.peak(dtype), moved / device.bandwidth
        seconds = max(computing, moving)
        bound = "" if not seconds else "compute" if computing > moving else "memory"
    path, copies, text = entry.path, entry.copies, layer.text
    return Item(
        path, layer.op, text, copies, layer.out, cost.params, stored, macs, activations, weights, moved, seconds, bound
    )


def _buffers(layer: Layer) -> Size:
    return layer.rule.buffers(layer.shape) if layer.rule is not None else 0


def _training(analysis: Analysis, width: int, remembered: int) -> Training:
    """Add up what training holds; heads that run in training alone are part of it."""
    kept: Size = 0
    for shape in analysis.inputs.values():
        kept = kept + shape.elements
    buffers: Size = 0
    for entry in executed(analysis.root):
        layer = entry.layer
        buffers = buffers + _buffers(layer) * entry.copies
        if layer.rule is None or layer.op not in TRAINING_VIEWS:
            kept = kept + layer.out.elements * entry.copies
    params = analysis.cost.params
    return Training(
        params * width,
        buffers * width,
        params * width,
        params * (remembered * max(STATE_BYTES, width)),
        kept * (width * analysis.batch),
    )


# Liveness


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


def peak(analysis: Analysis, dtype: str = "fp32") -> Peak:
    """Find the largest sum of tensors alive at inference, and where it is.

    Raises BneckError where sizes are symbolic.
    """
    if not isinstance(analysis.batch, int):
        raise BneckError("the peak of memory needs numbers", hint="give --batch 1")
    walk = _Walk()
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
    return _largest(analysis, _Walk()).size


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

    def __init__(self) -> None:
        self.plans: dict[tuple[int, int], Plan] = {}
        self.moments: dict[tuple[int, bool], Moment] = {}
        self.counts: dict[int, int] = {}
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
            if node.rule is not None and node.op in VIEWS:
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
        for child in children(node):
            count = walk.layers(child.node)
            if index < count * child.copies:
                copy, index = divmod(index, count)
                first = None if child.first is None else child.first + copy
                labels.append(Child(child.stem, child.node, 1, first).label)
                node = child.node
                break
            index -= count * child.copies
        else:
            raise AssertionError("a layer is missing from the tree")
    return ".".join(labels)
