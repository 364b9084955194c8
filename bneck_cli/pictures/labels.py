"""What stands in a box: a layer in the words of the papers' figures, and the kind that colours it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from bneck_cli.engine.network import Fork, Layer, Series, Wire, inner, name_of

if TYPE_CHECKING:
    from bneck_cli.engine.network import Node, Size
    from bneck_cli.sizes.shape import Shape

POINTWISE = {
    "bn": "BN",
    "ln": "LN",
    "gn": "GN",
    "in": "IN",
    "rmsnorm": "RMSNorm",
    "lrn": "LRN",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leaky_relu": "leaky ReLU",
    "prelu": "PReLU",
    "elu": "ELU",
    "selu": "SELU",
    "celu": "CELU",
    "silu": "SiLU",
    "gelu": "GELU",
    "mish": "Mish",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "hard_swish": "hard-swish",
    "hard_sigmoid": "hard-sigmoid",
    "hard_tanh": "hard-tanh",
    "softplus": "softplus",
    "softsign": "softsign",
    "softmax": "softmax",
    "layer_scale": "layer scale",
    "dropout": "dropout",
    "droppath": "drop path",
}
"""Layers that change each position by itself: they stand as a line in the box of the layer before."""
CLOSED = "closed"
"""The kind of a series that is drawn as one box, its ``text``."""
SILENT = frozenset({"dropout", "droppath"})
"""Layers that do nothing at inference, and are not drawn."""


class Label(NamedTuple):
    """The words of a box, the first line strong, and its kind."""

    lines: tuple[str, ...]
    fill: str


def written(size: Size) -> str:
    """Write a size: a number plainly, a symbolic one in its mathematical form."""
    if isinstance(size, int):
        return str(size)
    from bneck_cli.sizes.writing import pretty

    return pretty(size)


def shape_words(shape: Shape) -> str:
    """Write a shape as ``64×56×56``."""
    return "×".join(written(size) for size in (shape.channels, *shape.spatial))


def _axes(values: tuple[Any, ...]) -> str:
    return "×".join(written(value) for value in values)


def _step(stride: tuple[int, ...]) -> str:
    """Write a stride as the figures do, ``/2``; nothing where it is 1."""
    if all(side == 1 for side in stride):
        return ""
    return f" /{stride[0]}" if len(set(stride)) == 1 else f" /{_axes(stride)}"


def _window(layer: Layer) -> Label:
    """Label a convolution: its window, its filters, and what is unusual about them."""
    window = layer.rule.geometry(layer.shape)
    kernel, channels = _axes(window.kernel), written(layer.out.channels)
    more = []
    depthwise = window.groups == layer.shape.channels and window.groups != 1
    if window.transposed:
        words = f"{kernel} transposed, {channels}"
        more.append(f"stride {_axes(tuple(dict.fromkeys(window.stride)))}")
    elif depthwise:
        words = f"{kernel} depthwise, {channels}{_step(window.stride)}"
    else:
        words = f"{kernel}, {channels}{_step(window.stride)}"
        if window.groups != 1:
            more.append(f"{written(window.groups)} groups")
    if any(step != 1 for step in window.dilation):
        more.append(f"dilation {_axes(tuple(dict.fromkeys(window.dilation)))}")
    point = all(side == 1 for side in window.kernel)
    fill = "up" if window.transposed else "depthwise" if depthwise else "point" if point else "conv"
    return Label((words, *more), fill)


def _pool(layer: Layer) -> Label:
    window = layer.rule.geometry(layer.shape)
    what = {"maxpool": "max pool", "avgpool": "average pool"}[layer.op]
    return Label((f"{_axes(window.kernel)} {what}{_step(window.stride)}",), "pool")


def _attention(layer: Layer) -> Label:
    rule = layer.rule
    heads = rule.heads if rule.heads is not None else layer.shape.channels // rule.head_dim
    more = f"{written(heads)} heads"
    if rule.window is not None:
        side = rule.window if isinstance(rule.window, tuple) else (rule.window,) * len(layer.shape.spatial)
        more += f", {_axes(side)} {'grid' if rule.grid else 'windows'}"
    return Label(("self-attention", more), "attention")


def _tokens(layer: Layer) -> Label:
    more = ["class token"] if layer.rule.cls == 1 else [f"{layer.rule.cls} tokens"] if layer.rule.cls else []
    more += ["position embedding"] if layer.rule.pos == "learned" else []
    return Label(("tokens", *more), "other")


def label(layer: Layer) -> Label:
    """Return what stands in the box of a layer."""
    rule = layer.rule
    if rule is None:
        return Label((layer.text,), "other")
    match layer.op:
        case "conv" | "dwconv" | "upconv":
            return _window(layer)
        case "linear":
            return Label((f"linear, {written(layer.out.channels)}",), "linear")
        case "maxpool" | "avgpool":
            return _pool(layer)
        case "global_avgpool":
            return Label(("global average pool",), "pool")
        case "global_maxpool":
            return Label(("global max pool",), "pool")
        case "adaptive_avgpool" | "adaptive_maxpool":
            what = "average" if layer.op == "adaptive_avgpool" else "max"
            return Label((f"{what} pool to {_axes(layer.out.spatial)}",), "pool")
        case "attention":
            return _attention(layer)
        case "upsample" | "pixel_shuffle" | "pixel_unshuffle":
            return Label((f"{layer.op.replace('_', ' ')} {written(rule.factor)}",), "up")
        case "resize" | "crop":
            return Label((f"{layer.op} to {_axes(layer.out.spatial)}",), "up" if layer.op == "resize" else "other")
        case "shuffle":
            return Label((f"channel shuffle, {written(rule.groups)} groups",), "other")
        case "tokens":
            return _tokens(layer)
        case "take":
            return Label((f"take token {rule.index}",), "other")
    return Label((POINTWISE.get(layer.op, layer.op.replace("_", " ")),), "pill" if layer.op in POINTWISE else "other")


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
    if isinstance(node, Layer) and node.op in SILENT:
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


def block_words(node: Node) -> str:
    """Say what a block is: ``3 × bottleneck, 256``; a fork by its kind."""
    if isinstance(node, Fork):
        kinds = {"add": "sum", "mul": "product", "concat": "concatenation", "aside": "does not run"}
        return kinds.get(node.kind, node.kind)
    node = inner(cast("Series", node))  # a layer has no rows of its own inside
    copies, name = 1, node.name
    if node.kind == "repeat":
        copies = sum(run.copies for run in node.runs)
        name = node.name or next((run.node.name for run in node.runs if isinstance(run.node, Series)), "")
    words = f"{name or node.label or 'block'}, {written(node.out.channels)}"
    return f"{copies} × {words}" if copies > 1 else words


def in_words(node: Node) -> str:
    """Write what a branch does in one line: ``1×1, 64 → 3×3, 96``; nothing for what only passes."""
    steps = []
    for item in flat(node):
        if isinstance(item, Wire):
            steps += [item.name.replace("../", "")] if item.kind == "from" else []
        elif isinstance(item, Layer):
            words = label(item)
            if words.fill != "pill" or not steps:
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
    """Tell whether a branch has anything to draw; an empty one is the identity."""
    return any(not isinstance(item, Wire) or item.kind == "from" for item in flat(node))
