"""The facts of an explanation: what each layer costs, as products, and how each axis becomes as long as it is.

Every number here is a value with the factors it is made of. Sentences are made from these facts elsewhere, and from
nothing else.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.network import JOINS, Fork, Layer, Series, Wire, entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bneck_cli.engine.layers import Window
    from bneck_cli.engine.network import Entry, Node, Size
    from bneck_cli.sizes.shape import Shape


class Product(NamedTuple):
    """A value and the factors that it is the product of."""

    factors: tuple[int, ...]

    @property
    def value(self) -> int:
        """The product."""
        return prod(self.factors)


class Axis(NamedTuple):
    """A window along one axis: ``size`` positions arrive and ``out`` leave."""

    size: int
    out: int
    kernel: int
    stride: int
    before: int
    after: int
    dilation: int
    ceil: bool
    transposed: bool
    extra: int

    @property
    def floor_holds(self) -> bool:
        """Whether ⌊(size + padding - reach)/stride⌋ + 1 positions leave."""
        return not self.transposed and self.windows(self.room) == self.out

    @property
    def room(self) -> int:
        """By how much the padded axis is longer than the window."""
        return self.size + self.before + self.after - self.dilation * (self.kernel - 1) - 1

    def windows(self, room: int) -> int:
        """Count the windows that start within a room."""
        return room // self.stride + 1


class Sums(NamedTuple):
    """What a number of layers add up to: a term for each, (copies, amount)."""

    noun: str
    terms: tuple[tuple[int, int], ...]

    @property
    def value(self) -> int:
        """The sum."""
        return sum(copies * amount for copies, amount in self.terms)


class LayerFacts(NamedTuple):
    """What is known of one layer.

    ``part`` is its kind's, ``join`` or ``other``. ``weights`` and ``macs`` are products; ``rest`` are parameters that
    are neither weights nor biases.
    """

    path: str
    copies: int
    idle: bool
    layer: Layer
    part: str
    window: Window | None
    axes: tuple[Axis, ...]
    filter: tuple[int, ...]
    filters: int
    weights: Product | None
    biases: int
    macs: Product | None
    rest: int

    @property
    def text(self) -> str:
        """The layer as the spec writes it."""
        return self.layer.text

    @property
    def shape(self) -> Shape:
        """The input."""
        return self.layer.shape

    @property
    def out(self) -> Shape:
        """The output."""
        return self.layer.out

    @property
    def convolves(self) -> bool:
        """Whether filters move over the input."""
        return self.part == "conv" and not self.spreads

    @property
    def spreads(self) -> bool:
        """Whether it is a transposed convolution, whose filters move over the output."""
        return self.window is not None and self.window.transposed

    @property
    def pointwise(self) -> bool:
        """Whether it is a convolution whose window is one position."""
        return self.convolves and set(self.kernel) == {1}

    @property
    def kernel(self) -> tuple[int, ...]:
        """The window's size along each axis."""
        return self.window.kernel if self.window else ()

    @property
    def groups(self) -> int:
        """Groups of channels that do not see each other."""
        return whole(self.window.groups) if self.window else 1

    @property
    def depthwise(self) -> bool:
        """Whether it is a convolution that filters each channel separately."""
        return self.convolves and self.groups == self.shape.channels and self.groups > 1

    @property
    def strided(self) -> bool:
        """Whether its window steps over positions of the input."""
        return self.window is not None and not self.window.transposed and max(self.window.stride, default=1) > 1

    @property
    def reshapes(self) -> bool:
        """Whether as many positions leave along each axis as arrive, or not."""
        return self.shape.spatial != self.out.spatial


def whole(size: Any) -> int:
    """Take a size for the number that it is."""
    return int(size)


def is_numeric(root: Node) -> bool:
    """Return whether every size and cost of a network is a number."""
    return all(_numeric(entry.layer) for entry in entries(root))


def _numeric(layer: Layer) -> bool:
    sizes: list[Size] = [*layer.cost, layer.out.channels, *layer.out.spatial]
    for shape in layer.inputs:
        sizes += [shape.channels, *shape.spatial]
    return all(isinstance(size, int) for size in sizes)


def facts_of(entry: Entry) -> LayerFacts:
    """Compute the facts of a layer."""
    layer, rule = entry.layer, entry.layer.rule
    window = rule.geometry(layer.shape) if rule is not None else None
    weights, biases, macs = _costs(layer, window)
    if layer.holder is not None:  # they count where they are held
        weights, biases, macs = None, 0, None
    known = (weights.value if weights else 0) + biases
    filters, size = 0, ()
    if window is not None and rule.part == "conv":
        filters = whole(layer.out.channels)
        size = (*window.kernel, whole(layer.shape.channels) // (1 if window.transposed else whole(window.groups)))
    return LayerFacts(
        path=entry.path,
        copies=entry.copies,
        idle=entry.idle,
        layer=layer,
        part=_part(layer),
        window=window,
        axes=tuple(_axes(layer, window)) if window is not None else (),
        filter=size,
        filters=filters,
        weights=weights,
        biases=biases,
        macs=macs,
        rest=whole(layer.cost.params) - known,
    )


def _part(layer: Layer) -> str:
    if layer.rule is None:
        return "join" if layer.op in JOINS else "other"
    return str(layer.rule.part)


def _costs(layer: Layer, window: Window | None) -> tuple[Product | None, int, Product | None]:
    """Return weights, biases and multiply-adds of a layer that has one matrix or one set of filters.

    None if its products do not come to what the analysis has.
    """
    rule, x, y = layer.rule, layer.shape, layer.out
    if rule is None or rule.part not in ("conv", "linear"):
        return None, 0, None
    if window is None:
        weights = Product((whole(x.channels), whole(y.channels)))
        places = y.spatial
    else:
        groups = whole(window.groups)
        seen = (whole(x.channels), whole(y.channels) // groups)
        if not window.transposed:
            seen = (whole(x.channels) // groups, whole(y.channels))
        weights = Product((*window.kernel, *seen))
        places = x.spatial if window.transposed else y.spatial
    biases = whole(y.channels) if rule.biased else 0
    macs = Product((weights.value, *map(whole, places)))
    if layer.sets is not None:
        weights, biases = Product((layer.sets.held, *weights.factors)), layer.sets.held * biases
    if weights.value + biases != layer.cost.params or macs.value != layer.cost.macs:
        return None, 0, None
    return weights, biases, macs


def _axes(layer: Layer, window: Window) -> Iterator[Axis]:
    extra = window.output_padding or (0,) * len(window.kernel)
    for index, (size, out) in enumerate(zip(layer.shape.spatial, layer.out.spatial, strict=True)):
        before, after = window.padding[index]
        yield Axis(
            size=whole(size),
            out=whole(out),
            kernel=window.kernel[index],
            stride=window.stride[index],
            before=before,
            after=after,
            dilation=window.dilation[index],
            ceil=window.ceil,
            transposed=window.transposed,
            extra=extra[index],
        )


def sums_of(layers: Iterable[LayerFacts]) -> tuple[list[Sums], list[Sums]]:
    """Add up parameters by type, and multiply-adds by layer kind; sums that are 0 are left out."""
    params: dict[str, list[tuple[int, int]]] = {}
    macs: dict[str, list[tuple[int, int]]] = {}

    def add(sums: dict[str, list[tuple[int, int]]], noun: str, copies: int, amount: int) -> None:
        if amount:
            sums.setdefault(noun, []).append((copies, amount))

    for each in layers:
        if each.idle:
            add(params, "heads that do not run", each.copies, whole(each.layer.cost.params))
            continue
        add(params, "weights", each.copies, each.weights.value if each.weights else 0)
        add(params, "biases", each.copies, each.biases)
        add(params, each.layer.op if each.layer.rule is None else each.layer.rule.noun, each.copies, each.rest)
        add(macs, "multiply-adds", each.copies, whole(each.layer.cost.macs))
    return (
        [Sums(noun, tuple(terms)) for noun, terms in params.items()],
        [Sums(noun, tuple(terms)) for noun, terms in macs.items()],
    )


# Structure


def taken(node: Node) -> list[Wire]:
    """List the ``from`` with which a node begins: it works on the last of these tensors, and not on the input."""
    if isinstance(node, Wire):
        return [node] if node.kind == "from" else []
    wires: list[Wire] = []
    for run in node.runs if isinstance(node, Series) else ():
        wires += taken(run.node)
        if not isinstance(run.node, Wire):
            break
    return wires


def arriving(node: Node) -> Shape:
    """Return the shape of the tensor on which a node works first."""
    wires = taken(node)
    return wires[-1].out if wires else node.shape


def is_identity(node: Node) -> bool:
    """Return whether a branch hands on the input, as it is."""
    if isinstance(node, Series):
        return all(is_identity(run.node) for run in node.runs)
    if isinstance(node, Wire):
        return node.kind == "as"
    return isinstance(node, Layer) and node.rule is not None and node.rule.as_it_came(node.shape, node.out)


def forks(node: Node) -> Iterator[Fork]:
    """Yield the forks of a node, outermost first, each as often as it occurs in the tree."""
    if isinstance(node, Fork):
        yield node
        for branch in node.branches:
            yield from forks(branch)
    elif isinstance(node, Series):
        for run in node.runs:
            yield from forks(run.node)


def body_layers(node: Node) -> list[Layer]:
    """List the layers of a block without those of its shortcuts, gates and heads that do not run."""
    if isinstance(node, Layer):
        return [node]
    if isinstance(node, Fork):
        inside = {"residual": node.branches[:1], "scale": (), "aside": ()}.get(node.kind, node.branches)
        return [layer for branch in inside for layer in body_layers(branch)]
    return [layer for run in node.runs for layer in body_layers(run.node)] if isinstance(node, Series) else []
