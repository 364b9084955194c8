"""What flows through a walk: a tensor with its shape and stride, the names in reach, and the node that gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.network import NOTHING, Fork, Layer, Node, Run, Series, Wire
from bneck_cli.errors import BneckError
from bneck_cli.sizes.number import Ratio, divided, is_whole
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.engine.layers import Kind
    from bneck_cli.engine.network import Size
    from bneck_cli.engine.structures.sharing import Held
    from bneck_cli.language.bodies import Body
    from bneck_cli.language.document import Place


DIVISIBLE = 2**10 * 3**2 * 5 * 7 * 11 * 13
"""A side that anything a network divides a map by divides: where it is refused, divisibility is not the reason."""


class TooSmallError(BneckError):
    """The input is too small: some layer would give a map without a single element."""


class Flow(NamedTuple):
    """The tensor that flows: its shape, its stride since the block began (None if there is no such number)."""

    shape: Shape
    stride: tuple[int, ...] | None
    origin: Place | None = None
    """The layer it comes from, for messages; two flows that differ in it alone are the same to a block."""
    others: tuple[Flow, ...] = ()
    """What a block that gives several gives beside it, until they are named."""


class Tap(NamedTuple):
    """A named tensor, passed to a block as an argument."""

    name: str
    shape: Shape
    stride: tuple[int, ...] | None
    origin: Place | None


def sizes_of(shape: Shape) -> dict[str, Size]:
    """Return the sizes of a tensor by name."""
    sizes = {"c": shape.channels, "n": shape.positions}
    return sizes | dict(zip(shape.letters, shape.spatial, strict=True))


class Names(dict[str, Any]):
    """What expressions see: a definition's own names and, after them, tensors as taps, and the sizes that arrive.

    The sizes are ``c``, ``n`` (positions) and, by axis, ``l`` of a sequence, ``h`` and ``w`` of a map, ``t`` of a
    video before them; ``low.h`` is one of a tensor's. They are no items, so a parameter may be called ``n``.
    ``lists`` are the tensors, by name, that a name stands for together: those of a block that gives several, and
    those of all copies of a repeat.
    """

    shape: Shape | None = None

    def __init__(self, wires: dict[str, Flow]) -> None:
        super().__init__()
        self.wires = wires
        self.lists: dict[str, tuple[str, ...]] = {}

    def __missing__(self, name: str) -> Any:
        """Find a tensor, a list of them (``all NAME`` are those of all copies), or a size of the input."""
        wire = self.wires.get(name)
        if wire is not None:
            return Tap(name, *wire[:3])
        found = self.lists.get(name.removeprefix("all "))
        if found is not None:
            return tuple([Tap(one, *self.wires[one][:3]) for one in found])
        tensor, dot, size = name.partition(".")
        if dot:
            of = self[tensor]
            if not isinstance(of, Tap):
                raise KeyError(name)
            return sizes_of(of.shape)[size]
        return self.arriving()[name]

    def arriving(self) -> dict[str, Size]:
        """Return the sizes that arrive, by name."""
        return {} if self.shape is None else sizes_of(self.shape)

    def copy(self) -> Names:
        """Copy the names, and the input."""
        other = Names(self.wires)
        other.update(self)
        other.shape, other.lists = self.shape, dict(self.lists)
        return other


class Copies:
    """A loop while it is walked: the body that it repeats, and what its copies name."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.given: dict[str, Flow | None] = {}
        """What this copy has named, and the tensor that had the name before it."""
        self.first: dict[str, Flow | None] = {}
        """The same, since the loop began."""
        self.lists: dict[str, tuple[str, ...]] = {}
        """The tensors of all copies so far that are read together."""
        self.others: dict[str, tuple[str, ...]] = {}
        """Lists that were there before the loop."""


class Frame(NamedTuple):
    """One use of a definition: its parameters' values, the tensors named inside it, and where its arguments stand."""

    name: str
    scope: Names
    wires: dict[str, Flow]
    given: dict[str, Place]
    every: frozenset[str]
    """Names that are read in all copies of a repeat."""
    loops: list[Copies]
    """The loops that are being walked, the innermost last."""
    counts: dict[str, int]
    """How many tensors have had such a name."""
    shares: dict[str, Held]
    """Sets of weights by name, each held by the first step that has it."""


def frame(
    name: str,
    wires: dict[str, Flow],
    given: dict[str, Place] | None = None,
    every: frozenset[str] = frozenset(),
) -> Frame:
    """Begin a use of a definition."""
    return Frame(name, Names(wires), wires, given or {}, every, [], {}, {})


class Result(NamedTuple):
    """A node, and the output tensor of it."""

    node: Node
    flow: Flow


def fresh(shape: Shape) -> Flow:
    """Begin a flow: strides count from here."""
    return Flow(shape, (1,) * len(shape.spatial))


def arrive(scope: Names, shape: Shape) -> None:
    """Let expressions see the sizes that arrive."""
    scope.shape = shape


def series(kind: str, name: str, nodes: list[Node], shape: Shape, out: Shape, place: Place) -> Series:
    """Make a series of nodes; equal ones in a row are one run, and an ``as`` at the end labels what it follows."""
    shape = enters(nodes[0], shape) if nodes else shape
    runs: list[Run] = []
    cost = NOTHING
    for node in nodes:
        cost = cost.plus(node.cost)
        if runs and isinstance(node, Series) and node.kind == "block" and runs[-1].node == node:
            runs[-1] = Run(node, runs[-1].copies + 1)
        else:
            runs.append(Run(node, 1))
    last = nodes[-1] if nodes else None
    label = last.name if isinstance(last, Wire) and last.kind == "as" and not last.result else ""
    return Series(kind, name, place.text(), tuple(runs), shape, out, cost, place, label)


def enters(node: Node, arrives: Shape) -> Shape:
    """Return the shape of the first tensor that a node works on: one that it takes by name, else the input."""
    if isinstance(node, Wire):
        return node.out
    return arrives if isinstance(node, Layer) else node.shape


def last_place(node: Node) -> Place:
    """Return the place of the last layer of a node, or the node's own where it has none."""
    while not isinstance(node, Layer):
        held = [run.node for run in node.runs if not isinstance(run.node, Wire)] if isinstance(node, Series) else []
        if not held:
            break
        node = held[-1]
    return node.place


def fork(kind: str, nodes: tuple[Node, ...], layer: Layer, flow: Flow, out: Flow) -> Result:
    """Make a fork of branches that are walked, and of the layer that joins them."""
    cost = layer.cost
    for node in nodes:
        cost = cost.plus(node.cost)
    begins = [enters(node, flow.shape) for node in nodes]
    taken = flow.shape if flow.shape in begins or kind in ("split", "scale") else begins[0]
    return Result(Fork(kind, nodes, layer, taken, layer.out, cost, layer.place), out)


def identity(flow: Flow, place: Place) -> Result:
    """Let the tensor pass: a series of nothing."""
    return Result(series("chain", "", [], flow.shape, flow.shape, place), flow)


def times(left: tuple[int, ...] | None, right: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Multiply strides axis by axis."""
    if left is None or right is None or len(left) != len(right):
        return None
    return tuple(one * two for one, two in zip(left, right, strict=True))


def rebased(value: Any, flow: Flow) -> Any:
    """Count a passed tensor's stride from where the block begins; inside, it has its caller's name as ``../name``."""
    if type(value) is tuple:
        return tuple([rebased(item, flow) for item in value])
    if not isinstance(value, Tap):
        return value
    stride = None
    if value.stride and flow.stride and len(value.stride) == len(flow.stride):
        pairs = list(zip(value.stride, flow.stride, strict=True))
        stride = tuple(one // two for one, two in pairs) if all(one % two == 0 for one, two in pairs) else None
    return value._replace(name=f"../{value.name}", stride=stride)


def taps_in(value: Any) -> list[Tap]:
    """Return the tensors in an argument: one, or those of a list."""
    if isinstance(value, Tap):
        return [value]
    if type(value) is not tuple or set(map(type, value)) <= {int, str}:
        return []
    return [tap for item in value for tap in taps_in(item)]


def fingerprint(value: Any) -> str:
    """Write what decides how a block is walked, two different values never alike; a tap's origin decides nothing.

    A text, since Python hashes numbers to themselves: a spec could choose thousands that share one hash.
    """
    if type(value) is int:
        return f"{value:x}"
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, Tap):
        return f"@{fingerprint(value[:3])}"
    if isinstance(value, tuple):
        return f"({','.join(map(fingerprint, value))})"
    if isinstance(value, Ratio):
        return f"{value.above:x}/{value.below:x}"
    return f"<{value}>"


def stride_after(rule: Any, flow: Flow, out: Shape) -> tuple[int, ...] | None:
    """Multiply in a layer's stride; None if it does not step over its input (upsampling, tokens, global pools)."""
    if len(out.spatial) != len(flow.shape.spatial):
        return None
    window = rule.geometry(flow.shape)
    if window is not None:
        return None if window.transposed else times(flow.stride, window.stride)
    return flow.stride if out.spatial == flow.shape.spatial else None


def share_evenly(channels: Size, parts: int, place: Place) -> Size:
    """Divide channels into equal slices."""
    if is_whole(channels) and channels % parts:
        raise place.error(f"{channels} channels do not split into {parts} equal parts")
    return divided(channels, parts)  # type: ignore[no-any-return]


def rank_words(shape: Shape) -> str:
    """Say how many spatial axes a shape has."""
    rank = len(shape.spatial)
    words = ("no", "one", "two", "three")
    return f"{words[rank] if rank < len(words) else rank} spatial {'axis' if rank < 2 else 'axes'}"


def came_from(flow: Flow) -> str:
    """Say where a tensor comes from."""
    if flow.origin is None:
        return " (the input)"
    text = flow.origin.text()
    return f" (from `{text}`, line {flow.origin.location().line})"


def too_small_for(rule: Kind, shape: Shape, out: Shape, idle: bool) -> bool:
    """Return whether an input leaves a layer nothing to give.

    In a head that does not run an empty map flows on, up to a layer whose channels or parameters it decides.
    """
    if not idle or (is_whole(out.channels) and out.channels < 1):
        return any(is_whole(size) and size < 1 for size in (out.channels, *out.spatial))
    if all(not is_whole(size) or size > 0 for size in shape.spatial):
        return False
    other = Shape(shape.channels, (DIVISIBLE,) * len(shape.spatial))
    return (rule.params(shape), out.channels) != (rule.params(other), rule.out_shape(other).channels)


def too_small(place: Place, name: str, shape: Shape, out: Shape) -> TooSmallError:
    """Make the error for an input that leaves a layer nothing to give."""
    error = place.error(f"{name}: the input {shape} is too small: the result would be {out}")
    return TooSmallError(error.message, error.location)
