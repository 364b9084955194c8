"""The text of boxes: a layer as labelled in papers, and the kind that decides its colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bneck_cli.engine.layers.drawn import LINE, Label, written
from bneck_cli.engine.network import Fork, Layer, Series, Wire, inner, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.network import Node
    from bneck_cli.sizes.shape import Shape

CLOSED = "closed"
"""The kind of a series that is drawn as one box, its ``text``."""


def shape_words(shape: Shape) -> str:
    """Write a shape as ``64×56×56``."""
    return "×".join(written(size) for size in (shape.channels, *shape.spatial))


def label(layer: Layer) -> Label:
    """Return what stands in the box of a layer."""
    return Label((layer.text,), "other") if layer.rule is None else layer.rule.label(layer.shape, layer.out)


def is_line(node: Node) -> bool:
    """Return whether a layer is drawn as a line in the previous layer's box: it changes each position separately."""
    return isinstance(node, Layer) and node.rule is not None and label(node).fill == LINE


def read_names(root: Node) -> set[str]:
    """Return the names that ``from`` reads inside a node, and inside what it holds."""
    names: set[str] = set()
    seen: set[int] = set()
    waiting: list[Node] = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Wire):
            names |= {node.name.rpartition("../")[2]} if node.kind == "from" else set()
        elif isinstance(node, (Series, Fork)):
            waiting += node.branches if isinstance(node, Fork) else [run.node for run in node.runs]
    return names


def is_silent(node: Node) -> bool:
    """Return whether a layer does nothing at inference, and is not drawn."""
    return isinstance(node, Layer) and node.rule is not None and node.rule.view_at_inference


def flat(node: Node) -> list[Node]:
    """Open blocks and pipelines: the layers, forks, wires and true repeats that a node holds in a row."""
    if isinstance(node, Series):
        if node.kind == CLOSED:
            return [node]
        opened: list[Node] = []
        for run in node.runs:
            inside = flat(run.node)
            if run.copies > 1 and any(not isinstance(item, Wire) for item in inside):
                opened.append(node._replace(kind="repeat", name="", text="", runs=(run,)))
            else:
                opened += inside
        return opened
    if is_silent(node):
        return []
    return [node]


def closed(root: Node, depth: int) -> Node:
    """Close what lies deeper than so many levels: a stage, a repeat or a block becomes one box, as reports name it.

    What the tree shares stays shared.
    """
    known: dict[tuple[int, int], Node] = {}

    def at(node: Node, depth: int) -> Node:
        key = (id(node), depth)
        if key not in known:
            known[key] = fresh(node, depth)
        return known[key]

    def fresh(node: Node, depth: int) -> Node:
        if isinstance(node, Fork):
            return node._replace(branches=tuple(at(branch, depth) for branch in node.branches))
        if not isinstance(node, Series):
            return node
        runs = []
        for copies in node.runs:
            inside = copies.node
            if not isinstance(inside, Series) or name_of(inside) == "":
                runs.append(copies._replace(node=at(inside, depth)))
            elif depth <= 0:
                runs.append(copies._replace(node=inside._replace(kind=CLOSED, text=block_words(inside))))
            else:
                runs.append(copies._replace(node=at(inner(inside), depth - 1)))
        return node._replace(runs=tuple(runs))

    return at(root, depth)


def boxes(root: Node) -> int:
    """Count the boxes of a node that is drawn: its layers, of copies those of one, and what is closed."""
    known: dict[int, int] = {}

    def count(node: Node) -> int:
        if not isinstance(node, (Series, Fork)):
            return int(isinstance(node, Layer))
        if id(node) not in known:
            held = [run.node for run in node.runs] if isinstance(node, Series) else [node.join, *node.branches]
            inside = sum(count(one) for one in held if one is not None)
            known[id(node)] = 1 if isinstance(node, Series) and node.kind == CLOSED else inside
        return known[id(node)]

    return count(root)


MOST_RESULTS = 4
"""Results of a block whose channels are written each."""
MOST_NAMES = 3


def outputs_of(node: Series) -> tuple[Wire, ...]:
    """Return the results of a block that gives several, or of the block that a repeat's copies end in."""
    while not node.outputs and node.runs and node.kind != "block":
        held = [run.node for run in node.runs if isinstance(run.node, Series)]
        if not held:
            break
        node = held[-1]
    return node.outputs


def held_names(repeat: Series) -> str:
    """Name the copies of a repeat by the blocks in one of them: ``res + transformer``; nothing if those are many."""
    node = next((run.node for run in repeat.runs if isinstance(run.node, Series)), None)
    while node is not None and not node.name and len(node.runs) == 1 and isinstance(node.runs[0].node, Series):
        node = node.runs[0].node
    if node is None or node.name:
        return node.name if node else ""
    names = [item.name for item in opened_lines(node) if isinstance(item, Series) and item.name]
    return " + ".join(names) if len(names) <= MOST_NAMES else ""


def opened_lines(series: Series) -> Iterator[Node]:
    """Yield what stands in a row, the lines of a file's body opened, its blocks closed."""
    for run in series.runs:
        if isinstance(run.node, Series) and run.node.kind == "chain":
            yield from opened_lines(run.node)
        else:
            yield run.node


def holds_layers(node: Node) -> bool:
    """Return whether a node is a layer, or has any inside."""
    if isinstance(node, Series):
        return any(holds_layers(run.node) for run in node.runs)
    return isinstance(node, Layer) or (isinstance(node, Fork) and any(map(holds_layers, node.branches)))


def block_words(node: Node) -> str:
    """Say what a block is: ``3 × bottleneck, 256``; a fork by its kind."""
    if isinstance(node, Fork):
        kinds = {"add": "sum", "mul": "product", "concat": "concatenation", "aside": "does not run"}
        if node.kind == "op" and node.join:
            return node.join.op
        return kinds.get(node.kind, node.kind)
    node = inner(cast("Series", node))  # a layer has no rows of its own inside
    copies, name = 1, node.name
    if node.kind == "repeat":
        copies = sum(run.copies for run in node.runs)
        name = node.name or held_names(node)
    results = [wire.out.channels for wire in outputs_of(node)] or [node.out.channels]
    widths = " | ".join(map(written, results)) if len(results) <= MOST_RESULTS else f"{len(results)} results"
    words = f"{name or node.label or 'block'}, {widths}"
    return f"{copies} × {words}" if copies > 1 else words


def in_words(node: Node) -> str:
    """Write what a branch does in one line: ``1×1, 64 → 3×3, 96``; nothing for what only passes."""
    steps = []
    for item in flat(node):
        if isinstance(item, Wire):
            steps += [item.name.replace("../", "")] if item.kind == "from" else []
        elif isinstance(item, Layer):
            words = label(item)
            if words.fill != LINE or not steps:
                steps.append(" ".join((words.lines[0], *(f"({line})" for line in words.lines[1:]))))
        elif isinstance(item, Fork):
            parts = [in_words(branch) or "identity" for branch in item.branches]
            sign = {"concat": " | ", "scale": " × "}.get(item.join.op if item.join else "", " + ")
            steps.append(f"× ({parts[0]})" if item.kind == "scale" else f"({sign.join(parts)})")
        else:
            inside = item.text if item.kind == CLOSED else f"{item.runs[0].copies} × ({in_words(item.runs[0].node)})"
            steps.append(inside)
    return " → ".join(step for step in steps if step)


def holds_something(node: Node) -> bool:
    """Return whether a branch has anything to draw; an empty one is the identity."""
    return any(not isinstance(item, Wire) or item.kind == "from" for item in flat(node))
