"""An analysed network: a tree that keeps the structure of the spec, with sizes and costs on every node.

Copies of a block that are the same are one node with a count, so a repeat of a million costs what one of two costs.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.budget import ROWS, exceeded
from bneck_cli.errors import BneckError, closest, listed
from bneck_cli.sizes.number import least

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Protocol, TypeVar

    from bneck_cli.language.document import Place
    from bneck_cli.sizes.dim import Dim
    from bneck_cli.sizes.shape import Shape

    Size = int | Dim

    class Placed(Protocol):
        """What stands somewhere in a network."""

        @property
        def path(self) -> str:
            """Where it stands."""

    T = TypeVar("T", bound=Placed)


class Cost(NamedTuple):
    """What a part of a network costs: parameters, and multiply-adds of one input in their three parts.

    ``idle_params`` are those of ``params`` that belong to heads which do not run at inference; ``activations`` are the
    output elements of convolutions, linear layers and attention; ``other`` is what a counting rule adds beside them.
    ``inactive_params`` are those of ``params`` that belong to experts which a position does not meet.
    """

    params: Size = 0
    idle_params: Size = 0
    conv_macs: Size = 0
    linear_macs: Size = 0
    attention_macs: Size = 0
    activations: Size = 0
    other: Size = 0
    inactive_params: Size = 0

    @property
    def macs(self) -> Size:
        """Multiply-adds of all parts; under another rule, whatever it counts."""
        return self.conv_macs + self.linear_macs + self.attention_macs + self.other

    @property
    def inference_params(self) -> Size:
        """Parameters without those of heads that do not run."""
        return self.params - self.idle_params

    @property
    def active_params(self) -> Size:
        """Parameters that one position meets: all but those of experts that it is not given to."""
        return self.params - self.inactive_params

    def plus(self, other: Cost, times: int = 1) -> Cost:
        """Add ``times`` copies of another cost."""
        pairs = zip(self, other, strict=True)
        return Cost(*[mine if type(theirs) is int and theirs == 0 else mine + theirs * times for mine, theirs in pairs])


class Sets(NamedTuple):
    """How many sets of its weights a layer of experts has, and how many of them a position meets."""

    held: int
    met: int


class Layer(NamedTuple):
    """One executed operation. ``rule`` is the kind's object, None for one of ``JOINS`` or an op of a file's own."""

    op: str
    text: str
    rule: Any
    inputs: tuple[Shape, ...]
    out: Shape
    cost: Cost
    place: Place
    form: str = "module"
    """How the code of the network calls it, once that is settled by a count."""
    shared: str = ""
    """The name under which its weights are shared."""
    holder: Layer | None = None
    """The layer that holds its weights, and with which they count, where they are not its own."""
    sets: Sets | None = None
    """For a layer of experts, the sets of weights that they have: ``cost`` is of all, shapes are of what they share."""

    @property
    def shape(self) -> Shape:
        """The input shape (the first, at a join)."""
        return self.inputs[0]

    @property
    def is_source(self) -> bool:
        """Whether it reads nothing of the input."""
        return self.rule is not None and self.rule.source

    @property
    def weights(self) -> Size:
        """The parameters that it works with, its own or those that it shares."""
        return self.cost.params if self.holder is None else self.holder.weights

    @property
    def buffers(self) -> Size:
        """What it stores beside parameters (running statistics); what it shares is stored elsewhere."""
        if self.rule is None or self.holder is not None:
            return 0
        stored: Size = self.rule.buffers(self.shape)
        return stored if self.sets is None else stored * self.sets.held

    def params_read(self, batch: Size) -> Size:
        """Count the parameters that a pass over so many inputs reads.

        Of experts those that the positions are given to, each to others as long as there are any.
        """
        if self.rule is None:
            return self.weights
        read: Size = self.rule.params_read(self.shape, batch)
        return read if self.sets is None else read * least(self.sets.held, self.shape.positions * batch)


class Run(NamedTuple):
    """Identical copies of a node in a row."""

    node: Node
    copies: int


class Series(NamedTuple):
    """Nodes in sequence: a block, the copies of a repeat, a pipeline or the whole net.

    ``kind`` is ``block``, ``repeat`` or ``chain``; ``name`` is the block's; ``label`` is given by ``as``. A block that
    gives several tensors has their names in ``outputs``, the first being the output.
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
    outputs: tuple[Wire, ...] = ()


class Fork(NamedTuple):
    """Branches from one tensor and the layer that joins them.

    ``kind`` is ``residual`` (the body, then the shortcut), ``add``, ``mul``, ``concat``, ``matmul``, ``split``,
    ``op`` (the input, and the tensors that an op of a file's own takes by name), ``scores`` (queries, keys),
    ``attend`` (scores, values), ``experts`` (the router, the experts), ``scale`` (the gate) or ``aside`` (a head that
    does not run; nothing joins).
    """

    kind: str
    branches: tuple[Node, ...]
    join: Layer | None
    shape: Shape
    out: Shape
    cost: Cost
    place: Place


class Wire(NamedTuple):
    """``as NAME`` (``kind`` is ``as``) or ``from NAME``: costs nothing, and says where a tensor is kept or taken.

    Inside a block ``../name`` is the tensor that its caller calls so.
    """

    kind: str
    name: str
    shape: Shape
    out: Shape
    place: Place
    result: int | None = None
    """Which result of the block before it is named, where it gives several."""
    copy: str = ""
    """A further name, of this copy alone, where those of all copies of a repeat are read together."""

    @property
    def cost(self) -> Cost:
        """Nothing."""
        return NOTHING


Node = Layer | Series | Fork | Wire
JOINS = frozenset({"add", "mul", "scale", "concat"})
"""The joins that have no weights, multiply no sums, and so no rule."""
PRODUCTS = frozenset({"mul", "scale"})
"""Those of them that multiply."""
NOTHING = Cost()
NUMBERS = re.compile(r"([0-9]{1,12})(?:-([0-9]{1,12}))?")
"""Which copies a path means: ``2``, ``1-3``."""
LONG_PATH = 128
"""A path of so many characters takes about as long to write as a row."""
FEW = 12
"""Names that a hint lists."""


class Entry(NamedTuple):
    """A layer in execution order: where it stands in the network, and how many identical copies stand there."""

    path: str
    layer: Layer
    copies: int
    idle: bool


class Child(NamedTuple):
    """What a node holds: identical copies of one node, called ``stem`` and numbered from ``first`` among others."""

    stem: str
    node: Node
    copies: int
    first: int | None

    @property
    def label(self) -> str:
        """The name of one copy (``conv2``), or of several (``1-4``)."""
        if self.first is None:
            return self.stem
        apart = "_" if self.stem[-1:].isdigit() else ""  # relu6_1
        last = f"-{self.first + self.copies - 1}" if self.copies > 1 else ""
        return f"{self.stem}{apart}{self.first}{last}"

    def named(self, word: str, anyhow: bool = False) -> Child | None:
        """Return the copies that a word names: all of them (``1-3``), some (``1-2``) or one (``2``); None for none.

        ``anyhow`` takes the word in any case.
        """
        stem = f"{self.stem}_" if self.first is not None and self.stem[-1:].isdigit() else self.stem
        if anyhow:
            stem, word = stem.lower(), word.lower()
        if self.first is None:
            return self if word == stem else None
        match = NUMBERS.fullmatch(word[len(stem) :]) if word.startswith(stem) else None
        if match is None:
            return None
        low, high = int(match[1]), int(match[2] or match[1])
        inside = self.first <= low <= high < self.first + self.copies
        return self._replace(first=low, copies=high - low + 1) if inside else None

    @property
    def idle(self) -> bool:
        """Whether it is a head that does not run."""
        return self.stem == "aside"

    def opened(self) -> Iterator[Child]:
        """Yield each copy separately."""
        for index in range(self.copies):
            yield Child(self.stem, self.node, 1, None if self.first is None else self.first + index)


def rebuilt(root: Node, change: Callable[[Layer], Layer]) -> Node:
    """Change every layer of a part and add its costs up anew; a node that is shared stays shared."""
    known: dict[int, Node] = {}

    def changed(node: Any) -> Any:
        if id(node) not in known:
            known[id(node)] = change(node) if isinstance(node, Layer) else opened(node)
        return known[id(node)]

    def opened(node: Node) -> Node:
        if not isinstance(node, (Series, Fork)):
            return node
        cost = Cost()
        if isinstance(node, Series):
            runs = tuple(Run(changed(run.node), run.copies) for run in node.runs)
            for run in runs:
                cost = cost.plus(run.node.cost, run.copies)
            return node._replace(runs=runs, cost=cost)
        branches = tuple(map(changed, node.branches))
        join = changed(node.join) if node.join else None
        for part in (*branches, *((join,) if join else ())):
            cost = cost.plus(part.cost)
        if node.kind == "aside":
            cost = Cost(cost.params, cost.params)
        return node._replace(branches=branches, join=join, cost=cost)

    return changed(root)  # type: ignore[no-any-return]


def starts_anew(root: Node) -> bool:
    """Return whether anything takes no notice of the input: ``from``, or a layer that is given nothing."""
    known: set[int] = set()
    left: list[Node] = [root]
    while left:
        node = left.pop()
        if (isinstance(node, Layer) and node.is_source) or (isinstance(node, Wire) and node.kind == "from"):
            return True
        if isinstance(node, (Series, Fork)) and id(node) not in known:
            known.add(id(node))
            left += [run.node for run in node.runs] if isinstance(node, Series) else node.branches
    return False


def entries(root: Node, folded: bool = True) -> Iterator[Entry]:
    """Yield every layer in execution order; unfolded, each copy by itself. Raises BneckError for too many."""
    return bounded(_entries(root, "", 1, folded, False), root, folded)


def part_params(root: Node, part: str) -> Size:
    """Add up the parameters of all layers of a part: conv, linear, attention or norm."""
    total: Size = 0
    for entry in entries(root):
        if entry.layer.rule is not None and entry.layer.rule.part == part:
            total = total + entry.layer.cost.params * entry.copies
    return total


def bounded(rows: Iterable[T], root: Node, folded: bool) -> Iterator[T]:
    """Yield rows, each with a ``path``, of a network; copies are one where ``folded``. Raises BneckError beyond."""
    most = require_rows(root, folded)
    spent = 0
    for row in rows:
        spent += 1 + len(row.path) // LONG_PATH
        if spent > most:
            raise exceeded(ROWS, most=most)
        yield row


def require_rows(root: Node, folded: bool = False) -> int:
    """Require that a network has no more layers than a report has rows, and return how many that is.

    Each layer that was computed anew brings a row; blocks are shared, so all is known before a row is made.
    Raises BneckError beyond.
    """
    known: dict[int, int] = {}
    anew = 0

    def layers(node: Node) -> int:
        nonlocal anew
        if isinstance(node, Layer):
            anew += 1
            return 1
        if id(node) not in known:
            held = node.runs if isinstance(node, Series) else [Run(one, 1) for one in getattr(node, "branches", ())]
            joins = int(isinstance(node, Fork) and node.join is not None)
            known[id(node)] = joins + sum(layers(run.node) * (1 if folded else run.copies) for run in held)
        return known[id(node)]

    count = layers(root)
    most = ROWS.most + ROWS.each * anew
    if count > most:
        raise exceeded(ROWS, most=most)
    return most


def _entries(node: Node, path: str, copies: int, folded: bool, idle: bool) -> Iterator[Entry]:
    if isinstance(node, Layer):
        yield Entry(path, node, copies, idle)
        return
    for held in children(node):
        for child in (held,) if folded else held.opened():
            name = f"{path}.{child.label}" if path else child.label
            yield from _entries(child.node, name, copies * child.copies, folded, idle or child.idle)


def children(node: Node) -> list[Child]:
    """Name what a node holds.

    Copies of a repeat are numbered from 0; others have their label or their kind, numbered from 1 where it occurs more
    than once.
    """
    if isinstance(node, Series):
        node = inner(node)
        if node.kind == "repeat":
            numbered, first = [], 0
            for run in node.runs:
                if not isinstance(run.node, Wire):
                    numbered.append(Child("", run.node, run.copies, first))
                first += run.copies
            return numbered
        return _named([(name_of(run.node), run.node, run.copies) for run in node.runs])
    return _named(_branches(node)) if isinstance(node, Fork) else []


def first_copy(node: Node) -> Child | None:
    """Return the first copy of a stage that is a repeat; None for any other part."""
    return children(node)[0] if isinstance(node, Series) and inner(node).kind == "repeat" else None


def at_path(root: Node, path: str, name: str) -> tuple[Node, str]:
    """Return the node at a path such as ``layer2.0.conv1`` or ``layer2.1-3``, and the path as reports print it.

    Names may be written in any case. Raises BneckError, with what is there instead, for a path that is not in the
    network called ``name``.
    """
    node, walked = root, ""
    for word in path.split("."):
        held = children(node)
        there = [copies for anyhow in (False, True) for child in held if (copies := child.named(word, anyhow))]
        if not there:
            raise _nothing_there(path, word, walked, held, name)
        node = there[0].node
        walked = f"{walked}.{there[0].label}" if walked else there[0].label
    return node, walked


def _nothing_there(path: str, word: str, walked: str, held: list[Child], name: str) -> BneckError:
    """Say what stands where a path leads to nothing: the nearest, or the first of all that does."""
    labels = [label for child in held for label in {child.label, *(copy.label for copy in islice(child.opened(), FEW))}]
    close = closest(word, labels, 0.5)
    if close:
        return BneckError(f"no layer or block at '{path}'", hint=f"did you mean '{_joined(walked, close)}'?")
    known = [child.label for child in held]
    if len(known) > FEW:
        known = [*known[:FEW], "others"]
    there = listed(known, "and") if known else "nothing more"
    return BneckError(f"no layer or block at '{path}'", hint=f"{walked or name} has {there}")


def _joined(walked: str, word: str) -> str:
    return f"{walked}.{word}" if walked else word


def inner(series: Series) -> Series:
    """Look through a stage that holds one repeat or one block and no more."""
    while series.kind == "chain":
        held = [run for run in series.runs if not isinstance(run.node, Wire)]
        if len(held) != 1 or held[0].copies != 1 or not isinstance(held[0].node, Series):
            break
        series = held[0].node
    return series


def _branches(fork: Fork) -> list[tuple[str, Node, int]]:
    """List a fork's branches by name; the body of a residual stands without one."""
    listed = [(branch_name(fork, index), branch, 1) for index, branch in enumerate(fork.branches)]
    return [*listed, (fork.join.op, fork.join, 1)] if fork.join else listed


def branch_name(fork: Fork, index: int) -> str:
    """Say what a branch is called in a path; the body of a residual stands in its parent, copies of it in a row."""
    match fork.kind:
        case "residual":
            body = fork.branches[0]
            repeats = isinstance(body, Series) and body.kind == "repeat" and not body.name
            return "shortcut" if index else "repeat" if repeats else ""
        case "scale":
            return "gate"
        case "scores":
            return "keys" if index else "queries"
        case "attend":
            return "values" if index else ""
        case "experts":
            return "experts" if index else "router"
        case "aside":
            return "aside"
    return "branch"


def name_of(node: Node) -> str:
    """Say what a node is called in a path; a pipeline without a label has no name of its own, nor has a fork."""
    if isinstance(node, Layer):
        return node.op
    if not isinstance(node, Series):
        return ""
    return node.label or node.name or ("repeat" if node.kind == "repeat" else "")


def _named(nodes: list[tuple[str, Node, int]]) -> list[Child]:
    """Number the names that occur more than once."""
    flat = list(_flat(nodes))
    total: dict[str, int] = {}
    for name, _, copies in flat:
        total[name] = total.get(name, 0) + copies
    seen: dict[str, int] = {}
    named = []
    for name, node, copies in flat:
        first = seen.get(name, 0) + 1
        seen[name] = first + copies - 1
        named.append(Child(name, node, copies, first if total[name] > 1 else None))
    return named


def _flat(nodes: list[tuple[str, Node, int]]) -> Iterator[tuple[str, Node, int]]:
    """Let what has no name of its own (a pipeline, the body of a residual) stand in its parent."""
    for name, node, copies in nodes:
        if isinstance(node, Series) and not name:
            yield from _flat([(name_of(run.node), run.node, run.copies) for run in node.runs])
        elif isinstance(node, Fork) and not name:
            yield from _flat(_branches(node))
        elif isinstance(node, Layer) or (not isinstance(node, Wire) and children(node)):
            yield name or name_of(node), node, copies
