"""What flows through a walk: a tensor with its shape and stride, the names in reach, and the node that gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.network import NOTHING, Layer, Node, Run, Series, Wire
from bneck_cli.errors import BneckError
from bneck_cli.sizes.number import Ratio, divided, is_whole
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.engine.layers import Kind
    from bneck_cli.engine.network import Size
    from bneck_cli.language.document import Place


DIVISIBLE = 2**10 * 3**2 * 5 * 7 * 11 * 13
"""A side that anything a network divides a map by divides: where it is refused, divisibility is not the reason."""


class TooSmallError(BneckError):
    """The input is too small: some layer would give a map without a single element."""


class Flow(NamedTuple):
    """The tensor that flows: its shape, its stride since the block began (None where there is no such number)."""

    shape: Shape
    stride: tuple[int, ...] | None
    origin: Place | None = None
    """The layer it comes from, for messages; two flows that differ in it alone are the same to a block."""


class Tap(NamedTuple):
    """A named tensor, passed to a block as an argument."""

    name: str
    shape: Shape
    stride: tuple[int, ...] | None
    origin: Place | None


class Frame(NamedTuple):
    """One use of a definition: its parameters' values, the tensors named inside it, and where its arguments stand."""

    name: str
    scope: Names
    wires: dict[str, Flow]
    given: dict[str, Place] = {}  # noqa: RUF012  (never changed in place)


class Result(NamedTuple):
    """A node, and the tensor that leaves it."""

    node: Node
    flow: Flow


def fresh(shape: Shape) -> Flow:
    """Begin a flow: strides count from here."""
    return Flow(shape, (1,) * len(shape.spatial))


class Names(dict[str, Any]):
    """What expressions see: a definition's own names and, behind them, the sizes of the tensor that arrives.

    The sizes are ``c``, ``n`` (positions) and, by axis, ``l`` of a sequence, ``h`` and ``w`` of a map, ``t`` of a video
    before them. They are no items, so a parameter may be called ``n``.
    """

    shape: Shape | None = None

    def __missing__(self, name: str) -> Any:
        """Return a size of the tensor that arrives."""
        return self.arriving()[name]

    def arriving(self) -> dict[str, Size]:
        """Return the sizes that arrive, by name."""
        if self.shape is None:
            return {}
        sizes = {"c": self.shape.channels, "n": self.shape.positions}
        return sizes | dict(zip(self.shape.letters, self.shape.spatial, strict=True))

    def copy(self) -> Names:
        """Copy the names, and what arrives."""
        other = Names(self)
        other.shape = self.shape
        return other


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
    label = nodes[-1].name if nodes and isinstance(nodes[-1], Wire) and nodes[-1].kind == "as" else ""
    return Series(kind, name, place.text(), tuple(runs), shape, out, cost, place, label)


def enters(node: Node, arrives: Shape) -> Shape:
    """Return the shape of the first tensor that a node works on: one that it takes by name, else what arrives."""
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


def identity(flow: Flow, place: Place) -> Result:
    """Let the tensor pass: a series of nothing."""
    return Result(series("chain", "", [], flow.shape, flow.shape, place), flow)


def times(left: tuple[int, ...] | None, right: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Multiply strides axis by axis."""
    if left is None or right is None or len(left) != len(right):
        return None
    return tuple(one * two for one, two in zip(left, right, strict=True))


def rebased(value: Any, flow: Flow) -> Any:
    """Count a passed tensor's stride from where the block begins; inside, it bears its caller's name as ``../name``."""
    if not isinstance(value, Tap):
        return value
    stride = None
    if value.stride and flow.stride and len(value.stride) == len(flow.stride):
        pairs = list(zip(value.stride, flow.stride, strict=True))
        stride = tuple(one // two for one, two in pairs) if all(one % two == 0 for one, two in pairs) else None
    return value._replace(name=f"../{value.name}", stride=stride)


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
    """Multiply in a layer's stride; None where it does not step over its input (upsampling, tokens, global pools)."""
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
    """Tell whether an input leaves a layer nothing to give.

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
