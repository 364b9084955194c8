"""Operators that are parts of one layer: activations, norms and linear layers that exporters take apart, put together.

A pattern replaces the last of its nodes by one that is a layer; the others are left out. A function of each element is
known by its values, however it is spelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.readers.onnx.functions import MOST_PARTS, computed, function_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bneck_cli.bridges.readers.onnx.file import Node
    from bneck_cli.bridges.readers.onnx.walk import Walk


def found(walk: Walk, nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes with those of each pattern as one."""
    return Search(walk, nodes).run()


class Search:
    """The nodes that are left, and who gives and who takes each tensor."""

    def __init__(self, walk: Walk, nodes: Sequence[Node]) -> None:
        self.walk = walk
        self.nodes: dict[int, Node] = dict(enumerate(nodes))
        self.giver: dict[str, int] = {}
        self.takers: dict[str, list[int]] = {}
        self.leaving = {port.name for port in walk.model.outputs}
        for index, node in self.nodes.items():
            for name in node.outputs:
                self.giver[name] = index
            for name in node.inputs:
                self.takers.setdefault(name, []).append(index)

    def run(self) -> list[Node]:
        """Look for the patterns, one kind after the other."""
        for pattern in PATTERNS:
            order = sorted(self.nodes, reverse=pattern in BACKWARDS)
            for index in order:
                if index in self.nodes:
                    pattern(self, index)
        return [self.nodes[index] for index in sorted(self.nodes)]

    # What is there

    def before(self, name: str, *ops: str) -> int | None:
        """Return the node that gives a tensor, if it is one of these operators."""
        index = self.giver.get(name)
        return index if index is not None and index in self.nodes and self.nodes[index].op in ops else None

    def behind(self, name: str, *ops: str) -> int | None:
        """Return the one node that takes a tensor, if it is one of these operators."""
        takers = set(self.takers.get(name, ()))
        if len(takers) != 1 or name in self.leaving:
            return None
        (index,) = takers
        return index if index in self.nodes and self.nodes[index].op in ops else None

    def number(self, name: str) -> float | None:
        """Return the number that a tensor is."""
        held = self.walk.held.get(name)
        if held is None or held.value is None or held.value.size != 1 or self.walk.named(held):
            return None
        return float(held.value.item())

    def constant(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a constant of several numbers, or of a named one."""
        held = self.walk.held.get(name)
        if held is None or not held.constant or self.number(name) is not None:
            return None
        return held.shape

    def apart(self, node: Node) -> tuple[str, str] | None:
        """Return the tensor and the constant that a node takes, whichever comes first."""
        if len(node.inputs) != 2:
            return None
        one, other = node.inputs
        if self.constant(other) is not None:
            return one, other
        return (other, one) if self.constant(one) is not None else None

    def real(self, node: Node) -> tuple[str, float] | None:
        """Return the tensor and the number that a node takes."""
        for one, other in (node.inputs[:2], node.inputs[1::-1]):
            number = self.number(other)
            if number is not None and self.number(one) is None:
                return one, number
        return None

    # What is put in the place

    def replaced(self, parts: set[int], last: int, op: str, inputs: Sequence[str], **attributes: Any) -> bool:
        """Put a node in the place of others, if nothing outside reads what these give."""
        for index in parts - {last}:
            for name in self.nodes[index].outputs:
                if name in self.leaving or any(
                    taker in self.nodes and taker not in parts for taker in self.takers.get(name, ())
                ):
                    return False
        whole = self.nodes[last]
        for index in parts:
            node = self.nodes.pop(index)
            for name in node.inputs:
                self.takers[name] = [taker for taker in self.takers[name] if taker not in parts]
        self.nodes[last] = whole._replace(op=op, inputs=tuple(inputs), attributes=attributes, domain="")
        for name in inputs:
            self.takers.setdefault(name, []).append(last)
        return True


# Activations


def activation(search: Search, last: int) -> None:
    """See a function of each element for what it is, by its values."""
    if search.nodes[last].op not in ("Mul", "Div", "Max", "Min"):
        return
    parts = {last}
    best: tuple[set[int], str, str] | None = None
    while len(parts) <= MOST_PARTS:
        leaves = {name for index in parts for name in search.nodes[index].inputs if name}
        leaves -= {name for index in parts for name in search.nodes[index].outputs}
        leaves = {name for name in leaves if search.number(name) is None}
        if len(leaves) == 1 and len(parts) > 1:
            (leaf,) = leaves
            name = function_of(search, sorted(parts), leaf)
            if name:
                best = set(parts), leaf, name
        grown = [
            index
            for name in leaves
            if (index := search.giver.get(name)) is not None
            and index in search.nodes
            and computed(search.nodes[index])
            and name not in search.leaving
            and all(taker in parts for taker in search.takers[name] if taker in search.nodes)
        ]
        if not grown:
            break
        parts.add(max(grown))
    if best is not None:
        parts, leaf, name = best
        search.replaced(parts, last, name, [leaf])


# Norms


def layer_norm(search: Search, last: int) -> None:
    """See (x - mean) / sqrt(mean of squares + e), times a scale, plus a shift."""
    node = search.nodes[last]
    if node.op == "Div":
        deviation, root = node.inputs
    elif node.op == "Mul":
        places = [place for place in (0, 1) if search.before(node.inputs[place], "Reciprocal") is not None]
        if not places:
            return
        deviation = node.inputs[1 - places[0]]
        root = search.nodes[search.giver[node.inputs[places[0]]]].inputs[0]
    else:
        return
    parts = {last} | ({search.giver[node.inputs[place]] for place in places} if node.op == "Mul" else set())
    chain = _variance(search, root)
    if chain is None:
        return
    squared, inside, axes = chain
    parts |= inside
    minus = search.before(deviation, "Sub")
    if squared == deviation and minus is not None:
        x, mean = search.nodes[minus].inputs
        averaged = search.before(mean, "ReduceMean")
        if averaged is None or search.nodes[averaged].inputs[0] != x:
            return
        parts |= {minus, averaged}
        _scaled(search, parts, last, x, "LayerNormalization", axes)
        return
    other = search.before(squared, "Sub")
    if other is not None and minus is not None and search.nodes[other].inputs == search.nodes[minus].inputs:
        x, mean = search.nodes[minus].inputs
        averaged = search.before(mean, "ReduceMean")
        if averaged is not None:
            _scaled(search, parts | {minus, other, averaged}, last, x, "LayerNormalization", axes)
        return
    if squared == deviation:
        _scaled(search, parts, last, squared, "RMSNormalization", axes)


def _variance(search: Search, root: str) -> tuple[str, set[int], list[int]] | None:
    """Return what is squared, averaged and rooted, with the nodes that do so, and along which axes."""
    parts = set()
    index = search.before(root, "Sqrt")
    if index is None:
        return None
    parts.add(index)
    averaged = search.nodes[index].inputs[0]
    added = search.before(averaged, "Add")
    taken = None if added is None else search.real(search.nodes[added])
    if added is not None and taken is not None:
        parts.add(added)
        averaged = taken[0]
    mean = search.before(averaged, "ReduceMean")
    if mean is None:
        return None
    parts.add(mean)
    square = search.before(search.nodes[mean].inputs[0], "Pow", "Mul")
    if square is None:
        return None
    parts.add(square)
    node = search.nodes[square]
    if node.op == "Mul" and node.inputs[0] != node.inputs[1]:
        return None
    if node.op == "Pow" and search.number(node.inputs[1]) != 2:
        return None
    axes = search.nodes[mean].attributes.get("axes")
    if axes is None and len(search.nodes[mean].inputs) > 1:
        held = search.walk.held.get(search.nodes[mean].inputs[1])
        axes = None if held is None or held.value is None else [int(one) for one in held.value.reshape(-1)]
    return (node.inputs[0], parts, list(axes)) if axes else None


def _scaled(search: Search, parts: set[int], last: int, x: str, op: str, axes: list[int]) -> None:
    """Put a norm in the place of its nodes, with the scale and the shift after them."""
    if len(axes) != 1:
        return
    inputs, end = [x], last
    for operator in ("Mul", "Add"):
        name = search.nodes[end].outputs[0]
        index = search.behind(name, operator)
        pair = None if index is None else search.apart(search.nodes[index])
        shape = None if pair is None else search.constant(pair[1])
        if index is None or pair is None or pair[0] != name or shape is None or sum(size > 1 for size in shape) > 1:
            break
        inputs.append(pair[1])
        end = index
        parts = parts | {index}
    search.replaced(parts, end, op, inputs, axis=axes[0], across=True)


def group_norm(search: Search, index: int) -> None:
    """See instances of a reshaped map, reshaped again, times a scale, plus a shift."""
    node = search.nodes[index]
    if node.op != "InstanceNormalization":
        return
    first = search.before(node.inputs[0], "Reshape")
    again = search.behind(node.outputs[0], "Reshape")
    groups = search.walk.held.get(node.inputs[1])
    if first is None or again is None or groups is None:
        return
    inputs, parts, end = [search.nodes[first].inputs[0]], {first, index, again}, again
    for operator in ("Mul", "Add"):
        name = search.nodes[end].outputs[0]
        behind = search.behind(name, operator)
        pair = None if behind is None else search.apart(search.nodes[behind])
        if behind is None or pair is None or pair[0] != name:
            break
        inputs.append(pair[1])
        end = behind
        parts.add(behind)
    search.replaced(parts, end, "GroupNormalization", inputs, num_groups=groups.shape[0])


def unit(search: Search, last: int) -> None:
    """See a tensor divided by its own length."""
    node = search.nodes[last]
    if node.op != "Div":
        return
    parts, name = {last}, node.inputs[1]
    while (index := search.before(name, "Clip", "Max", "Add", "Expand")) is not None:
        parts.add(index)
        name = next((one for one in search.nodes[index].inputs if one and search.number(one) is None), "")
    length = search.before(name, "ReduceL2")
    if length is not None and search.nodes[length].inputs[0] == node.inputs[0]:
        search.replaced(parts | {length}, last, "Normalize", [node.inputs[0]])


def guarded(search: Search, last: int) -> None:
    """See weights of attention in which a number stands for what is none, where all is masked."""
    node = search.nodes[last]
    asked = search.before(node.inputs[0], "IsNaN") if node.op == "Where" else None
    if (
        asked is not None
        and search.nodes[asked].inputs[0] == node.inputs[2]
        and search.number(node.inputs[1]) is not None
    ):
        search.replaced({asked, last}, last, "Identity", [node.inputs[2]])


# Linear layers and convolutions


def biased(search: Search, index: int) -> None:
    """See what is added to a product with a matrix, or behind a convolution, for its bias."""
    node = search.nodes[index]
    if node.op not in ("MatMul", "Conv") or len(node.inputs) != 2:
        return
    weight = search.constant(node.inputs[1])
    added = search.behind(node.outputs[0], "Add")
    pair = None if added is None else search.apart(search.nodes[added])
    if weight is None or added is None or pair is None or pair[0] != node.outputs[0]:
        return
    shape = search.constant(pair[1]) or ()
    leaving = weight[-1] if node.op == "MatMul" else weight[0]
    rank = 1 if node.op == "MatMul" else len(weight) - 1
    wanted = (leaving, *[1] * (rank - 1))
    if len(weight) < 2 or shape[len(shape) - rank :] != wanted or any(size > 1 for size in shape[: len(shape) - rank]):
        return
    if node.op == "MatMul" and len(weight) != 2:
        return
    if node.op == "Conv" and len(shape) < rank:
        return
    op = "Linear" if node.op == "MatMul" else "Conv"
    search.replaced({index, added}, added, op, [*node.inputs, pair[1]], **node.attributes)


# Maps that are moved round, and pairs of channels


def rolled(search: Search, last: int) -> None:
    """See the two parts of a map put together the other way round."""
    node = search.nodes[last]
    if node.op != "Concat" or len(node.inputs) != 2:
        return
    parts = [search.before(name, "Slice") for name in node.inputs]
    if parts[0] is None or parts[1] is None:
        return
    cuts = [_cut(search, search.nodes[index]) for index in parts if index is not None]
    tail, head = cuts[0], cuts[1]
    if tail is None or head is None or tail[0] != head[0] or tail[3] != head[3]:
        return
    if head[1] != 0 or tail[1] != head[2]:
        return
    x, shifts, axes = tail[0], [-tail[1]], [tail[3]]
    both = {last, *(index for index in parts if index is not None)}
    before = search.before(x, "Roll")
    if before is not None and all(taker in both for taker in search.takers[x] if taker in search.nodes):
        inner = search.nodes[before]
        shifts, axes = [*inner.attributes["shifts"], *shifts], [*inner.attributes["axes"], *axes]
        x = inner.inputs[0]
        both.add(before)
    search.replaced(both, last, "Roll", [x], shifts=shifts, axes=axes)


def _cut(search: Search, node: Node) -> tuple[str, int, int, int] | None:
    """Return which range of one axis a slice takes."""
    found = []
    for place in range(1, 4):
        if place >= len(node.inputs):
            return None
        held = search.walk.held.get(node.inputs[place])
        if held is None or held.value is None or held.value.size != 1:
            return None
        found.append(int(held.value.item()))
    if len(node.inputs) > 4 and search.number(node.inputs[4]) != 1:
        return None
    return node.inputs[0], found[0], found[1], found[2]


def rotary(search: Search, last: int) -> None:
    """See halves of channels, each times a cosine and a sine, put together: positions by rotation."""
    node = search.nodes[last]
    if node.op != "Concat" or len(node.inputs) != 2:
        return
    left, right = search.before(node.inputs[0], "Sub"), search.before(node.inputs[1], "Add")
    if left is None or right is None:
        return
    parts, sources = {last, left, right}, set()
    for name in (*search.nodes[left].inputs, *search.nodes[right].inputs):
        product = search.before(name, "Mul")
        pair = None if product is None else search.apart(search.nodes[product])
        half = None if pair is None else search.before(pair[0], "Slice")
        if product is None or half is None:
            return
        parts |= {product, half}
        sources.add(search.nodes[half].inputs[0])
    if len(sources) == 1:
        search.replaced(parts, last, "Rotary", list(sources))


PATTERNS: tuple[Callable[[Search, int], None], ...] = (
    guarded, layer_norm, group_norm, unit, biased, activation, rolled, rotary,
)  # fmt: skip
BACKWARDS = (activation,)
"""Those that begin with the last node, so that the largest is found first."""
