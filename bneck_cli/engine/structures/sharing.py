"""Weights shared by name: steps of one use of a definition that say ``share=NAME`` have one set, counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.network import Fork, Layer, Series, rebuilt
from bneck_cli.language.bodies import SHARE
from bneck_cli.language.expression import Name, show
from bneck_cli.sizes.number import is_whole

if TYPE_CHECKING:
    from bneck_cli.engine.network import Node, Size
    from bneck_cli.engine.tensor import Frame, Result
    from bneck_cli.engine.walk import Walk
    from bneck_cli.language.bodies import Option, Step
    from bneck_cli.language.document import Place

    Weights = dict[tuple[Size, ...], int]
    """Learned tensors by their shapes, and how many there are of each."""


class Held(NamedTuple):
    """A set of weights: the first step that works with it, which holds it."""

    node: Node
    place: Place
    weights: Weights
    idle: bool


class Shared(NamedTuple):
    """A step that works with the weights of another (of its own, where copies of it share them)."""

    name: str
    place: Place
    holder: Place


def share_of(walk: Walk, options: tuple[Option, ...], frame: Frame) -> tuple[str, tuple[Option, ...]]:
    """Return the name under which a step's weights are shared, and its other options; no name where they are not.

    A bare word is the name itself, or the parameter that has it.
    """
    option = next((option for option in options if option.name == SHARE), None)
    if option is None:
        return "", options
    value = option.value
    name = frame.scope.get(value.name, value.name) if isinstance(value, Name) else walk.value(value, frame)
    if not isinstance(name, str) and not is_whole(name):
        raise value.place.error(
            f"`share` must be a name, the same for every step that shares the weights (got {show(name)})"
        )
    return str(name), tuple(other for other in options if other is not option)


def share(walk: Walk, name: str, found: Result, step: Step, frame: Frame) -> Result:
    """Let a step's weights be those of the first one that has the name; the first holds them.

    Raises BneckError if it has none, or others than the first.
    """
    key = id(found.node), name
    if key not in walk.lent:
        walk.lent[key] = found.node, _marked(found.node, name)
    node = walk.lent[key][1]
    weights = weights_of(walk, node, step.place)
    if not weights:
        raise step.place.error(f"`{step.name}` has no weights to share")
    held = frame.shares.get(name)
    if held is None:
        frame.shares[name] = Held(node, step.place, weights, walk.idle)
        return found._replace(node=node)
    _require_equal(name, held, weights, step.place)
    if held.idle and not walk.idle:
        raise step.place.error(
            f"the weights of `{name}` belong to a head that does not run (line {held.place.location().line})",
            "move a step that runs to the front",
        )
    walk.shared.setdefault((step.place, held.place), Shared(name, step.place, held.place))
    holder = held.node if isinstance(held.node, Layer) else None
    key = id(node), ""
    if key not in walk.lent:
        walk.lent[key] = node, rebuilt(node, lambda layer: _lent(layer, holder))
    return found._replace(node=walk.lent[key][1])


def _marked(node: Node, name: str) -> Node:
    """Write the name behind a step's text."""
    if isinstance(node, Layer):
        return node._replace(text=f"{node.text} {SHARE}={name}", shared=name)
    if isinstance(node, Series):
        return node._replace(text=f"{node.text} {SHARE}={name}")
    return node


def _lent(layer: Layer, holder: Layer | None) -> Layer:
    """Return a layer that works with weights which are counted elsewhere."""
    if layer.weights == 0 and layer.buffers == 0:
        return layer
    return layer._replace(
        cost=layer.cost._replace(params=0, idle_params=0, inactive_params=0), holder=layer.holder or holder or layer
    )


def weights_of(walk: Walk, node: Node, place: Place) -> Weights:
    """Count the learned tensors that a part holds, by their shapes."""
    known: dict[int, Weights] = {}

    def found(node: Node) -> Weights:
        if isinstance(node, Layer):
            if node.cost.params == 0:
                return {}
            shapes = ((node.cost.params,),) if node.rule is None else node.rule.weights(node.shape)
            count = 1 if node.sets is None or node.rule is None else node.sets.held
            return added([({shape: count}, 1) for shape in shapes])
        if id(node) not in known:
            walk.meter.step(1, place)
            held: list[tuple[Node, int]] = []
            if isinstance(node, Series):
                held = [(run.node, run.copies) for run in node.runs]
            elif isinstance(node, Fork):
                held = [(one, 1) for one in (*node.branches, node.join) if one is not None]
            known[id(node)] = added([(found(one), copies) for one, copies in held])
        return known[id(node)]

    def added(parts: list[tuple[Weights, int]]) -> Weights:
        total: Weights = {}
        for part, copies in parts:
            for shape, count in part.items():
                total[shape] = total.get(shape, 0) + count * copies
        return total

    return found(node)


def _require_equal(name: str, held: Held, weights: Weights, place: Place) -> None:
    """Require weights of the same shapes, and as many of each."""
    mine = next(((shape, n) for shape, n in weights.items() if held.weights.get(shape) != n), None)
    theirs = next(((shape, n) for shape, n in held.weights.items() if weights.get(shape) != n), None)
    if mine is None and theirs is None:
        return
    here, there = (_said(one) for one in (mine, theirs))
    raise place.error(
        f"share={name}: weights of {here} cannot be those of `{held.place.text()}`, of {there} "
        f"(line {held.place.location().line})",
        "steps that share weights need the same shapes: here the input channels or the layer differ",
    )


def _said(weights: tuple[tuple[Size, ...], int] | None) -> str:
    """Write the shape of a learned tensor, and how many there are: ``2 × 768×768``."""
    if weights is None:
        return "fewer tensors"
    shape, count = weights
    return f"{count} × " * (count > 1) + "×".join(map(str, shape))
