"""What a design costs beyond weights and multiply-adds: memory at inference and in training, bytes moved, and time.

Every figure follows a stated rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from bneck_cli.data.devices import Device, load_device
from bneck_cli.data.precision import DTYPES, Precision, read_precision, stored
from bneck_cli.engine.network import Fork, Layer
from bneck_cli.engine.network import entries as executed
from bneck_cli.engine.operations import operations
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.flow.eager import eager_elements
from bneck_cli.flow.liveness import NEEDS_NUMBERS, Peak, is_view, peak
from bneck_cli.flow.recompute import RECOMPUTE
from bneck_cli.flow.saved import ATTENTION, Saved, Trained, backward_macs, parts, trained
from bneck_cli.sizes.number import largest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Entry, Size
    from bneck_cli.sizes.shape import Shape

OPTIMIZERS = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
"""Values that an optimizer remembers for each parameter."""
TOO_LONG = "the time estimate exceeds 1.8e308 seconds"

SUMMED = ("params", "buffers", "macs", "written", "written_bytes", "weights", "read", "moved", "cache")

RULES = {
    "memory": (
        "with an ideal allocator, a tensor is alive from the layer that writes it to the last layer that reads it, and "
        "an output of the network to the end; every layer writes a new tensor (with --inplace, activations overwrite "
        "their inputs; layers are not fused), except flatten, take and dropout, which are views, and the slices of a "
        "split; a layer's own workspace is not counted; weights of heads that do not run are in memory too"
    ),
    "eager": (
        "as PyTorch runs it: the caller holds the input, and each block, stage and repeat is a call that holds its "
        "arguments until it returns; a norm's statistics, the indices of maxima and attention's workspace are alive "
        "while their layer runs; a block that concatenates its input with the results of its own layers keeps a list "
        "of maps, concatenated anew for each; the sequence before positions are added is held (as in torchvision)"
    ),
    "training": (
        "weights, their gradients, a master copy of them where --dtype names its type, the optimizer's state in fp32 "
        "(fp64 with fp64) unless it does, and the tensors that PyTorch's autograd saves for the backward pass, each "
        "once: inputs of convolutions, linear layers, norms and most activations, outputs of relu, sigmoid and "
        "softmax, both factors of a product, a norm's statistics, the index of each maximum (8 bytes) and dropout's "
        "mask (1); heads that run only in training are included"
    ),
    "backward": (
        "as many multiply-adds as forward for the gradient of each layer's weights, and again for that of each input "
        "tensor; none for a tensor that no parameter precedes; a product of two tensors counts both factors"
    ),
    "moved": (
        "each layer reads its inputs and its weights once (an embedding one row per index) and writes its output "
        "once; attention also writes and reads its queries, keys, values and weighted sum and, unless fused, its "
        "scores, and reads the cache; 2 operations per multiply-add, and nothing else counts as an operation"
    ),
    "estimate": (
        "for each layer, the longer of its operations at the device's peak and its bytes at the bandwidth, layers one "
        "after another: an estimate, not a measurement"
    ),
}
"""How each figure is computed, in words."""


# The result


class Item(NamedTuple):
    """One executed layer: what it holds, writes and moves, each figure for one of its ``copies`` and for the batch.

    ``params`` and ``buffers`` are elements, ``written`` those that it writes; ``written_bytes``, ``weights`` and
    ``moved`` are bytes.
    ``seconds`` is an estimate, None without a device; ``bound`` says what takes the longer.
    """

    path: str
    op: str
    text: str
    copies: int
    out: Shape
    params: Size
    buffers: Size
    macs: Size
    written: Size
    written_bytes: Size
    weights: Size
    moved: Size
    seconds: float | None
    bound: str
    read: Size = 0
    """Bytes of parameters and buffers that it reads."""
    cache: Size = 0
    """Bytes that are kept of the positions which causal attention has seen before, and that it reads."""

    @property
    def intensity(self) -> float | None:
        """Operations per byte moved."""
        return intensity(self.macs, self.moved)


class Totals(NamedTuple):
    """Sums over layers; ``compute_seconds`` is the part of ``seconds`` in layers that are bound by compute."""

    params: Size = 0
    buffers: Size = 0
    macs: Size = 0
    written: Size = 0
    written_bytes: Size = 0
    weights: Size = 0
    read: Size = 0
    moved: Size = 0
    seconds: float | None = None
    compute_seconds: float = 0.0
    cache: Size = 0

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


class Training(NamedTuple):
    """Memory of training in bytes, by what it is for; ``saved`` are the tensors kept for the backward pass."""

    weights: Size
    buffers: Size
    gradients: Size
    master: Size
    state: Size
    saved: Size
    block: Size
    """The largest of the blocks that are computed again, while it is."""

    @property
    def total(self) -> Size:
        """All of it."""
        return self.weights + self.buffers + self.gradients + self.master + self.state + self.saved + self.block


class Footprint(NamedTuple):
    """What a design costs, for data types, an optimizer and perhaps a device.

    ``idle`` are bytes of weights and buffers in heads that do not run, which are in memory all the same.
    ``attention`` is fused, plain or usual. ``peak`` is None if sizes are symbolic, ``training`` for data types that
    do not train.
    """

    analysis: Analysis
    precision: Precision
    optimizer: str
    device: Device | None
    items: tuple[Item, ...]
    total: Totals
    peak: Peak | None
    training: Training | None
    idle: Size = 0
    attention: str = "usual"
    inplace: bool = False
    backward: Size | None = None
    """Multiply-adds of the batch's backward pass; None if the data type does not train."""
    recompute: str = "none"
    again: Size = 0
    """Multiply-adds of the batch's forward pass that training computes a second time."""
    eager: int | None = None
    """Bytes of the tensors alive at the peak of inference as PyTorch runs the network."""

    @property
    def inference(self) -> Size | None:
        """Bytes at the peak of inference: weights, buffers, the cache and the tensors alive."""
        return None if self.peak is None else self.total.weights + self.idle + self.total.cache + self.peak.bytes


def intensity(macs: Size, moved: Size) -> float | None:
    """Divide operations, 2 for each multiply-add, by bytes; None if nothing moves or sizes are symbolic."""
    if not isinstance(macs, int) or not isinstance(moved, int) or moved == 0:
        return None
    try:
        return 2 * macs / moved
    except OverflowError:
        return None


def footprint(
    analysis: Analysis,
    dtype: str | Precision = "fp32",
    device: str | Device | None = None,
    optimizer: str = "adam",
    attention: str = "usual",
    inplace: bool = False,
    recompute: str = "none",
) -> Footprint:
    """Compute memory, bytes moved and, on a device, time.

    ``dtype`` is a type for all, or several: ``bf16,master=fp32``. ``attention`` says whether scores are written
    (plain) or not (fused); the usual is as torchvision's networks have it: fused over all positions, plain within
    windows. With ``inplace`` activations overwrite their inputs. ``recompute`` says what
    training computes again.

    Raises BneckError for an unknown word or device, for a device without a peak for the
    data type, and for a device where sizes are symbolic.
    """
    words: tuple[tuple[str, str, Iterable[str]], ...] = (
        ("--optimizer", optimizer, OPTIMIZERS),
        ("--attention", attention, ATTENTION),
        ("--recompute", recompute, RECOMPUTE),
    )
    for option, word, known in words:
        if word not in known:
            hint = nearest(word, known) or f"it is one of {listed(known)}"
            raise BneckError(f"{option}: unknown '{word}'", hint=hint)
    if analysis.rule is not None:
        raise BneckError("footprint has its own rules; it takes no counting rule")
    if isinstance(device, str):
        device = load_device(device)
    precision = read_precision(dtype) if isinstance(dtype, str) else dtype
    run = [entry for entry in executed(analysis.root) if not entry.idle]
    sizes = [shape.elements for entry in run for shape in (entry.layer.out, *entry.layer.inputs)]
    numbers = all(isinstance(size, int) for size in (analysis.batch, *sizes))
    if device is not None:
        device.peak(precision.activations)
        if not numbers:
            raise BneckError("a time estimate needs numbers", hint=NEEDS_NUMBERS)
    asked = _Asked(precision, device, attention, analysis.batch, _as_run(analysis, attention))
    items = tuple(_item(entry, asked) for entry in run)
    _require_effect(analysis, precision, optimizer, attention, recompute)
    total, batch, trains = added(items), analysis.batch, not precision.untrained
    if total.seconds == float("inf"):
        raise BneckError(TOO_LONG)
    work = trained(analysis, attention, inplace, recompute) if trains else None
    idle: Size = 0
    for entry in executed(analysis.root):
        if entry.idle:
            idle = idle + _weights(entry.layer, precision) * entry.copies
    return Footprint(
        analysis,
        precision,
        optimizer,
        device,
        items,
        total,
        peak(analysis, precision.activations, inplace, attention) if numbers else None,
        None if work is None else _training(analysis, precision, OPTIMIZERS[optimizer], work),
        idle,
        attention,
        inplace,
        eager=cast("int", stored(eager_elements(analysis, attention, inplace) * batch, precision.activations))
        if numbers
        else None,
        backward=None if work is None else backward_macs(analysis) * batch,
        recompute=recompute,
        again=0 if work is None else work.again * batch,
    )


def _require_effect(analysis: Analysis, precision: Precision, optimizer: str, attention: str, recompute: str) -> None:
    """Require that what is asked for beyond the usual changes something of this network."""
    if attention != "usual" and not attends(analysis):
        raise BneckError(f"--attention {attention}: {analysis.name} has no attention")
    for option, word, usual in (("--optimizer", optimizer, "adam"), ("--recompute", recompute, "none")):
        if word != usual and precision.untrained:
            raise BneckError(f"{option} {word}: {precision.untrained} does not train", hint="give --dtype bf16")
    if recompute == "none" or trained(analysis, attention, recompute=recompute) != trained(analysis, attention):
        return
    if recompute == "attention":
        why = "its attention is fused" if attends(analysis) else "it has no attention"
        raise BneckError(f"--recompute attention: {analysis.name} writes no scores ({why})")
    raise BneckError(f"--recompute full: {analysis.name} has no block and repeats nothing, so that all is kept")


def attends(analysis: Analysis) -> bool:
    """Whether any layer is attention, or one of its products."""
    layers = (entry.layer for entry in executed(analysis.root) if not entry.idle)
    return any(layer.rule is not None and layer.rule.part == "attention" for layer in layers)


def unfolded(found: Footprint) -> Iterator[Item]:
    """Yield an item for every executed layer, each copy separately."""
    known: dict[int, Item] = {}
    analysis = found.analysis
    running = _as_run(analysis, found.attention)
    asked = _Asked(found.precision, found.device, found.attention, analysis.batch, running)
    for entry in executed(found.analysis.root, folded=False):
        if not entry.idle:
            item = known.get(id(entry.layer))
            if item is None:
                item = known[id(entry.layer)] = _item(entry, asked)
            yield item._replace(path=entry.path, copies=1)


def added(items: Iterable[Item]) -> Totals:
    """Add up items, each as many times as it has copies."""
    figures: dict[str, Size] = dict.fromkeys(SUMMED, 0)
    seconds, compute, timed = 0.0, 0.0, False
    for item in items:
        for name, value in figures.items():
            figures[name] = value + getattr(item, name) * item.copies
        if item.seconds is not None:
            timed = True
            try:
                spent = item.seconds * item.copies
            except OverflowError:
                raise BneckError(TOO_LONG) from None
            seconds += spent
            compute += spent if item.bound == "compute" else 0.0
    return Totals(**figures, seconds=seconds if timed else None, compute_seconds=compute)


class _Asked(NamedTuple):
    """What the figures of a layer depend on beside itself; ``running`` are layers as they run, by identity."""

    precision: Precision
    device: Device | None
    attention: str
    batch: Size
    running: dict[int, Layer]


def _as_run(analysis: Analysis, attention: str) -> dict[int, Layer]:
    """Return the joins that are not run as they are written: fused scores, and what weighs the values by them."""
    forks = [part for part in parts(operations(analysis, attention)) if isinstance(part.node, Fork) and part.node.join]
    return {id(cast("Fork", part.node).join): cast("Layer", part.operations[-1].node) for part in forks}


def _tensors(layer: Layer, attention: str) -> tuple[list[Size], list[Size]]:
    """Return the elements of the tensors that a layer reads and writes, those inside attention too."""
    inside = layer.rule.inside(layer.shape, layer.out, attention) if layer.rule is not None else ()
    if not inside:
        return [tensor.elements for tensor in layer.inputs], [layer.out.elements]
    sizes: list[Size] = [layer.shape.elements, *(size for _, size in inside)]
    return [*(sizes[one] for taken, _ in inside for one in taken), sizes[-1]], [*sizes[1:], layer.out.elements]


def _item(entry: Entry, asked: _Asked) -> Item:
    """Compute a layer's figures; a view holds, reads and writes nothing."""
    layer, precision, device, batch = entry.layer, asked.precision, asked.device, asked.batch
    dtype, cost = precision.activations, layer.cost
    macs = cost.macs * batch
    cache: Size = 0 if layer.rule is None else stored(layer.rule.cache(layer) * batch, precision.cache)
    taken, wrote = ([], []) if is_view(layer) else _tensors(asked.running.get(id(layer), layer), asked.attention)
    written, written_bytes = _summed(wrote, batch, dtype)
    moved: Size = 0
    read: Size = 0
    if wrote:
        read = _weights(layer, precision, layer.params_read(batch))
        moved = written_bytes + _summed(taken, batch, dtype)[1] + read + cache
    seconds, bound = None, ""
    if device is not None:
        try:
            computing, moving = 2 * macs / device.peak(dtype), moved / device.bandwidth  # type: ignore[operator]
        except OverflowError:
            raise BneckError(TOO_LONG) from None
        seconds = max(computing, moving)
        bound = "" if not seconds else "compute" if computing > moving else "memory"
    return Item(
        path=entry.path,
        op=layer.op,
        text=layer.text,
        copies=entry.copies,
        out=layer.out,
        params=cost.params,
        buffers=layer.buffers,
        macs=macs,
        written=written,
        written_bytes=written_bytes,
        weights=_weights(layer, precision),
        moved=moved,
        seconds=seconds,
        bound=bound,
        read=read,
        cache=cache,
    )


def _summed(tensors: list[Size], batch: Size, dtype: str) -> tuple[Size, Size]:
    """Add up tensors, in elements and in bytes."""
    elements: Size = 0
    held: Size = 0
    for tensor in tensors:
        elements, held = elements + tensor * batch, held + stored(tensor * batch, dtype)
    return elements, held


def _weights(layer: Layer, precision: Precision, params: Size | None = None) -> Size:
    """Count the bytes of a layer's parameters (all, or so many) and of its buffers."""
    params = layer.cost.params if params is None else params
    return stored(params, precision.weights) + stored(layer.buffers, precision.weights)


def _training(analysis: Analysis, precision: Precision, remembered: int, work: Trained) -> Training:
    """Add up what training holds; heads that run in training alone are part of it."""
    buffers: Size = 0
    for entry in executed(analysis.root):
        buffers = buffers + entry.layer.buffers * entry.copies
    params, width = analysis.cost.params, DTYPES[precision.activations] // 8

    def held(one: Saved) -> Size:
        return one.bytes(analysis.batch, width)

    return Training(
        weights=stored(params, precision.weights),
        buffers=stored(buffers, precision.weights),
        gradients=stored(params, precision.gradients),
        master=0 if precision.master is None else stored(params, precision.master),
        state=stored(params * remembered, precision.state),
        saved=held(work.saved),
        block=largest(0, *map(held, work.blocks)) if work.blocks else 0,
    )
