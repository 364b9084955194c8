"""An analysed network: a tree that keeps the structure of the spec, with sizes and costs on every node.

Copies of a block that are the same are one node with a count, so a repeat of a million costs what one of two costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.dim import Dim
    from bneck_cli.document import Place
    from bneck_cli.shape import Shape

    Size = int | Dim


class Cost(NamedTuple):
    """What a part of a network costs: parameters, and multiply-adds of one input in their three parts.

    ``idle_params`` are those of ``params`` that belong to heads which do not run at inference; ``activations`` are the
    elements that leave convolutions, linear layers and attention.
    """

    params: Size = 0
    idle_params: Size = 0
    conv_macs: Size = 0
    linear_macs: Size = 0
    attention_macs: Size = 0
    activations: Size = 0

    @property
    def macs(self) -> Size:
        """Multiply-adds: convolutions, linear layers and both products of attention."""
        return self.conv_macs + self.linear_macs + self.attention_macs

    @property
    def inference_params(self) -> Size:
        """Parameters without those of heads that do not run."""
        return self.params - self.idle_params

    def plus(self, other: Cost, times: int = 1) -> Cost:
        """Add ``times`` copies of another cost."""
        return Cost(*[mine + theirs * times if theirs != 0 else mine for mine, theirs in zip(self, other, strict=True)])


class Layer(NamedTuple):
    """One executed operation. ``rule`` is the layer kind's object, None for a join (``add``, ``concat``, ``scale``)."""

    op: str
    text: str
    rule: Any
    inputs: tuple[Shape, ...]
    out: Shape
    cost: Cost
    place: Place

    @property
    def shape(self) -> Shape:
        """The shape that arrives (the first, at a join)."""
        return self.inputs[0]


class Run(NamedTuple):
    """``count`` identical copies of a node in a row."""

    node: Node
    count: int


class Series(NamedTuple):
    """Nodes one after the other: a block, the copies of a repeat, a pipeline or the whole net.

    ``kind`` is ``block``, ``repeat`` or ``chain``; ``name`` is the block's; ``label`` is given by ``as``.
    """

    kind: str
    name: str
    text: str
    runs: tuple[Run, ...]
    shape: Shape
    out: Shape
    cost: Cost
    place: Place
    label: str = ""


class Fork(NamedTuple):
    """Branches from one tensor and the layer that joins them.

    ``kind`` is ``residual`` (the body, then the shortcut), ``add``, ``concat``, ``split``, ``scale`` (the gate) or
    ``aside`` (a head that does not run; nothing joins).
    """

    kind: str
    branches: tuple[Node, ...]
    join: Layer | None
    shape: Shape
    out: Shape
    cost: Cost
    place: Place


class Wire(NamedTuple):
    """``as NAME`` (``kind`` is ``as``) or ``from NAME``: costs nothing, and says where a tensor is kept or taken."""

    kind: str
    name: str
    shape: Shape
    out: Shape
    place: Place

    @property
    def cost(self) -> Cost:
        """Nothing."""
        return NOTHING


Node = Layer | Series | Fork | Wire
NOTHING = Cost()


class Entry(NamedTuple):
    """A layer in execution order: where it stands in the network, and how many identical copies stand there."""

    path: str
    layer: Layer
    count: int
    idle: bool


def entries(root: Node, folded: bool = True) -> Iterator[Entry]:
    """Yield every layer in execution order; unfolded, each copy by itself."""
    yield from _entries(root, "", 1, folded, False)


def children(node: Node) -> list[tuple[str, Node, int, int]]:
    """Name what a node holds: the name, the node, how many copies, and the number of the first copy.

    Copies of a repeat are numbered from 0; others bear their label or their kind, numbered where it occurs more often.
    """
    if isinstance(node, Series):
        node = inner(node)
        if node.kind == "repeat":
            numbered, index = [], 0
            for run in node.runs:
                numbered.append((str(index), run.node, run.count, index))
                index += run.count
            return numbered
        return _named([(_kind(run.node), run.node, run.count) for run in node.runs if not isinstance(run.node, Wire)])
    if isinstance(node, Fork):
        return _named(_branches(node))
    return []


def inner(series: Series) -> Series:
    """Look through a stage that holds one repeat or one block and no more."""
    while series.kind == "chain":
        held = [run for run in series.runs if not isinstance(run.node, Wire)]
        if len(held) != 1 or held[0].count != 1 or not isinstance(held[0].node, Series):
            break
        series = held[0].node
    return series


def _branches(fork: Fork) -> list[tuple[str, Node, int]]:
    """List a fork's branches by name; the body of a residual stands without one."""
    match fork.kind:
        case "residual":
            names = ["", "shortcut"]
        case "scale":
            names = ["gate"]
        case "aside":
            names = ["aside"]
        case _:
            names = ["branch"] * len(fork.branches)
    listed = [(name, branch, 1) for name, branch in zip(names, fork.branches, strict=False)]
    return [*listed, (fork.join.op, fork.join, 1)] if fork.join else listed


def _kind(node: Node) -> str:
    """Say what a node is called in a path."""
    if isinstance(node, Layer):
        return node.op
    if isinstance(node, Series):
        return node.label or node.name
    return ""


def _named(nodes: list[tuple[str, Node, int]]) -> list[tuple[str, Node, int, int]]:
    """Number the names that occur more than once."""
    total: dict[str, int] = {}
    for name, _, count in _flat(nodes):
        total[name] = total.get(name, 0) + count
    seen: dict[str, int] = {}
    named = []
    for name, node, count in _flat(nodes):
        seen[name] = seen.get(name, 0) + 1
        numbered = f"{name}{seen[name]}" if name and total[name] > 1 else name
        named.append((numbered, node, count, seen[name] - 1))
        seen[name] += count - 1
    return named


def _flat(nodes: list[tuple[str, Node, int]]) -> Iterator[tuple[str, Node, int]]:
    """Let what has no name of its own (a chain, the body of a residual) stand in its parent."""
    for name, node, count in nodes:
        if name or isinstance(node, Layer):
            yield name, node, count
        elif isinstance(node, Series):
            yield from _flat([(_kind(run.node), run.node, run.count) for run in node.runs])
        elif isinstance(node, Fork):
            yield from _flat(_branches(node))


def _entries(node: Node, path: str, count: int, folded: bool, idle: bool) -> Iterator[Entry]:
    if isinstance(node, Layer):
        yield Entry(path, node, count, idle)
        return
    for name, child, copies, first in children(node):
        away = idle or (name.startswith("aside") and not isinstance(child, Layer))
        if folded or copies == 1:
            yield from _entries(child, f"{path}.{name}" if path else name, count * copies, folded, away)
            continue
        stem = name.rstrip("0123456789")
        for index in range(copies):
            number = first + index + (0 if name[:1].isdigit() else 1)
            yield from _entries(child, f"{path}.{stem}{number}" if path else f"{stem}{number}", count, folded, away)
