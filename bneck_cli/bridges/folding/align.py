"""Align the uses of one block: what is the same in all, what occurs in some, and where values differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.folding.regions import Fork, Group, Item, Items, Leaf, Wire
from bneck_cli.bridges.graph import FREE, LEARNED, OPAQUE, SOURCE, Node
from bneck_cli.engine.layers import LAYERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bneck_cli.bridges.folding.relate import Vector


class Call(NamedTuple):
    """A use of a block that is defined already: what each parameter is given, and whether that is its default."""

    block: str
    values: tuple[tuple[str, Any, bool, bool], ...]
    """Name, value, whether it is the default, whether it is written by its place."""
    into: Any
    out: Node
    layers: int
    strides: bool = True
    """Whether its stride can be told."""


class Residual(NamedTuple):
    """A body and its shortcut: ``identity``, ``auto``, ``pad``, ``dropped`` (no sum if the shape changes) or items."""

    body: Things
    shortcut: str | Things
    into: Any
    out: Node


Thing = Item | Call | Residual
Things = tuple[Any, ...]
"""Items, of which some are calls and residuals (a union that names itself goes beyond the type checker)."""


class Laid(NamedTuple):
    """One item of a template. ``uses`` are the items that it stands for, None if a use has none.

    ``parts`` are the templates of a fork's branches; ``shortcut`` is a residual's word.
    """

    uses: tuple[Any, ...]
    parts: tuple[Template, ...] = ()
    shortcut: str = ""

    @property
    def one(self) -> Any:
        """An item that is there."""
        return next(use for use in self.uses if use is not None)

    @property
    def present(self) -> tuple[bool, ...]:
        """In which uses it is there."""
        return tuple(use is not None for use in self.uses)

    @property
    def here(self) -> Vector:
        """Its input channels in each use."""
        return tuple(None if use is None else number(use.into.channels) for use in self.uses)


Template = tuple[Laid, ...]


def is_activation(kind: str) -> bool:
    """Return whether a kind is a function of each element without parameters."""
    return kind in LAYERS and LAYERS[kind].elementwise and not LAYERS[kind].fields


def weight(items: Sequence[Any]) -> int:
    """Count the layers in items."""
    total = 0
    for item in items:
        if isinstance(item, Fork):
            total += 1 + sum(map(weight, item.branches))
        elif isinstance(item, Residual):
            total += 1 + weight(item.body) + (0 if isinstance(item.shortcut, str) else weight(item.shortcut))
        elif isinstance(item, Group):
            total += weight(item.items)
        elif isinstance(item, Call):
            total += item.layers
        else:
            total += not isinstance(item, Wire)
    return total


# Residuals


def residuals(items: Items) -> tuple[Any, ...]:
    """See additions for the residuals that they are, at every depth."""
    found: list[Any] = []
    for item in items:
        if isinstance(item, Fork):
            branches = tuple(residuals(branch) for branch in item.branches)
            found.append(_residual(item, branches) if item.kind == "add" else item._replace(branches=branches))
        else:
            found.append(item)
    return tuple(found)


def _residual(fork: Fork, branches: tuple[Items, ...]) -> Any:
    """Take the branch that is nothing, or a projection, or the shorter one, for the shortcut."""
    if len(branches) != 2 or any(branch and isinstance(branch[0], Wire) for branch in branches):
        return fork._replace(branches=branches)
    if any((leaving_of(branch).out if branch else fork.into) != fork.out.out for branch in branches):
        return fork._replace(branches=branches)
    for body, side in (branches, branches[::-1]):
        if not side:
            return Residual(body, "identity", fork.into, fork.out)
    for body, side in sorted((branches, branches[::-1]), key=lambda pair: weight(pair[1])):
        if _projects(side, fork) and weight(body) > 2 and strides(body):
            return Residual(body, "auto", fork.into, fork.out)
        if _pads(side, fork) and weight(body) > 2 and strides(body):
            return Residual(body, "pad", fork.into, fork.out)
    body, side = sorted(branches, key=weight, reverse=True)
    if weight(body) > weight(side) and weight(side) <= 4 and not any(isinstance(one, Group) for one in side):
        return Residual(body, side, fork.into, fork.out)
    return fork._replace(branches=branches)


def strides(body: Things) -> bool:
    """Return whether the stride of a body can be told: nothing gives its elements another shape."""
    for item in body:
        if isinstance(item, Residual) and not strides(item.body):
            return False
        if isinstance(item, Call) and not item.strides:
            return False
        if isinstance(item, Leaf):
            node = item.node
            moved = node.kind == FREE and item.into.spatial != node.out.spatial
            if moved or node.kind in ("reshape", "transpose", "tokens", "flatten", SOURCE):
                return False
        elif isinstance(item, Fork):
            if not all(map(strides, item.branches)):
                return False
        elif isinstance(item, Group) and not strides(item.items):
            return False
    return True


def _projects(side: Items, fork: Fork) -> bool:
    """Return whether a branch is what `shortcut: auto` writes: a strided 1x1 convolution and batch norm."""
    if len(side) != 2 or fork.into == fork.out.out or not all(isinstance(one, Leaf) for one in side):
        return False
    conv, norm = (one.node for one in side if isinstance(one, Leaf))
    slots = dict(conv.slots)
    slots.pop("channels", None)
    stride = slots.pop("stride", 1)
    if (
        conv.kind != "conv"
        or slots.pop("kernel") not in ((1, 1), (1,))
        or slots
        or (norm.kind, norm.slots) != ("bn", ())
    ):
        return False
    steps = stride if isinstance(stride, tuple) else (stride,) * len(fork.into.spatial)
    sides = zip(fork.into.spatial, fork.out.out.spatial, steps, strict=True)
    return all(-(-number(before) // step) == number(after) for before, after, step in sides)


def _pads(side: Items, fork: Fork) -> bool:
    """Return whether a branch is what `shortcut: pad` writes: positions left out, and zeros around the channels."""
    if not 1 <= len(side) <= 2 or not all(isinstance(one, Leaf) for one in side):
        return False
    *before, last = (one.node for one in side if isinstance(one, Leaf))
    more = number(fork.out.out.channels) - number(fork.into.channels)
    slots = dict(last.slots)
    sides = slots.pop("sides", None)
    both = (sides, sides) if isinstance(sides, int) else sides
    fits = last.kind == "pad" and slots == {"along": "channels"} and both == (more // 2, more - more // 2)
    return fits and all(node.kind == "subsample" for node in before)


def with_dropped(bodies: list[Things]) -> list[Things]:
    """Wrap bodies whose addition is left out because the shape changes, where other uses of the block have one."""
    model = next(
        (body for body in bodies for item in body if isinstance(item, Residual) and item.shortcut == "identity"), None
    )
    if model is None:
        return bodies
    place = next(at for at, item in enumerate(model) if isinstance(item, Residual) and item.shortcut == "identity")
    tail = len(model) - 1 - place
    found = []
    for body in bodies:
        inner = body[place : len(body) - tail]
        plain = not any(isinstance(item, (Residual, Wire)) for item in body) and len(inner) > 0
        if plain and (arriving_of(inner) != leaving_of(inner).out):
            wrapped = Residual(inner, "dropped", arriving_of(inner), leaving_of(inner))
            found.append((*body[:place], wrapped, *body[len(body) - tail :]))
        else:
            found.append(body)
    return found


def arriving_of(items: Sequence[Any]) -> Any:
    """Return the input shape of items."""
    return next(item.into for item in items if not isinstance(item, Wire))


def leaving_of(items: Sequence[Any]) -> Node:
    """Return the node that leaves items."""
    last = next(item for item in reversed(items) if not isinstance(item, Wire))
    return last.node if isinstance(last, Leaf) else last.out


# One body over another


def fits(base: Any, other: Any) -> bool:
    """Return whether one item may stand for another: the same kind, the same flags, parts that fit."""
    if type(base) is not type(other):
        return False
    if isinstance(base, Leaf):
        mine, theirs = base.node, other.node
        if is_activation(mine.kind) and is_activation(theirs.kind):
            return True
        return mine.kind == theirs.kind and signature(mine) == signature(theirs)
    if isinstance(base, Call):
        return bool(base.block == other.block)
    if isinstance(base, Wire):
        return (base.kind, base.name) == (other.kind, other.name)
    if isinstance(base, Residual):
        return placed(base.body, other.body) is not None and _shortcuts_fit(base.shortcut, other.shortcut)
    return bool(
        base.kind == other.kind
        and words_of(base) == words_of(other)
        and len(base.branches) == len(other.branches)
        and all(placed(mine, theirs) is not None for mine, theirs in zip(base.branches, other.branches, strict=True))
    )


def words_of(fork: Fork) -> tuple[Any, ...]:
    """Return what is said beside branches that cannot differ between uses of a block."""
    numbers = ("heads", "window", "position", "sizes")
    return (
        tuple((name, value) for name, value in fork.out.slots if name not in numbers)
        if not fork.out.parts
        else (
            *((name, value) for name, value in fork.out.slots if name not in numbers),
            bool(dict(fork.out.slots)["position"]),
            "window" in dict(fork.out.slots),
        )
    )


AXES = ((), ("l",), ("h", "w"), ("t", "h", "w"))
"""The names of a map's sides, by how many there are."""


def formula(node: Node) -> tuple[str, str]:
    """Write the shape and the parameters that a function of a file's own gives, by the sizes that arrive."""
    slots = dict(node.slots)
    into, out = slots["into"], node.out
    names = AXES[len(into.spatial)]
    found = [_times("c", number(into.channels), number(out.channels))]
    same_rank = len(into.spatial) == len(out.spatial)
    for place, size in enumerate(out.spatial):
        if same_rank:
            found.append(_times(names[place], number(into.spatial[place]), number(size)))
        else:
            found.append("n" if size == into.positions and into.spatial else str(size))
    params = slots["params"]
    counted = next((f"{k}*c" if k > 1 else "c" for k in (1, 2) if params == k * number(into.channels)), str(params))
    return ", ".join(found), counted if params > 1 else str(params)


def _times(name: str, before: int, after: int) -> str:
    """Write a size as a multiple or a fraction of another, where a small number relates them."""
    if after == before:
        return name
    if after == 1:
        return "1"
    if after % before == 0 and after // before <= RATIO and before > 1:
        return f"{after // before}*{name}"
    return f"{name}/{before // after}" if before % after == 0 and before // after <= RATIO else str(after)


RATIO = 8


def _shortcuts_fit(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return {one, other} not in ({"auto", "dropped"}, {"auto", "pad"}, {"pad", "dropped"})
    return not isinstance(one, str) and not isinstance(other, str) and same_length(one, other)


def same_length(one: Things, other: Things) -> bool:
    """Return whether items fit one for one."""
    return len(one) == len(other) and all(fits(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def signature(node: Node) -> tuple[Any, ...]:
    """Return what cannot differ between uses of a block: flags, padding that is written, names of operations."""
    if node.kind == FREE:
        return str(dict(node.slots)["name"]), *formula(node)
    if node.kind in (LEARNED, OPAQUE):
        return node.slots
    if node.kind == SOURCE:
        return dict(node.slots)["frozen"], len(node.out.spatial)
    if node.kind == "reshape":
        return (len(node.out.spatial),)
    fields = LAYERS[node.kind].fields if node.kind in LAYERS else ()
    flags = {field.name for field in fields if field.is_flag}
    bare = {field.name for field in fields if field.default is None and not field.positional} - {"pad"}
    pad = dict(node.slots).get("pad")
    return (
        *((name, value if name in flags else "") for name, value in node.slots if name in flags | bare),
        None if pad == "tf_same" else pad,
    )


def placed(base: Sequence[Any], other: Sequence[Any]) -> list[int] | None:
    """Lay items over a longer body from its end; return where each stands, or None."""
    found: list[int] = []
    place = len(base) - 1
    for item in reversed(other):
        while place >= 0 and not fits(base[place], item):
            place -= 1
        if place < 0:
            return None
        found.append(place)
        place -= 1
    return found[::-1]


def laid(base: Sequence[Any], bodies: Sequence[Sequence[Any] | None]) -> Template:
    """Lay bodies over the one that holds them all."""
    uses: list[list[Any]] = [[None] * len(bodies) for _ in base]
    for use, body in enumerate(bodies):
        if body is not None:
            for place, item in zip(placed(base, body) or (), body, strict=True):
                uses[place][use] = item
    return tuple(_laid(tuple(one)) for one in uses)


def _laid(uses: tuple[Any, ...]) -> Laid:
    there = [use for use in uses if use is not None]
    one = there[0]
    if isinstance(one, Residual):
        bodies = [None if use is None else use.body for use in uses]
        parts = [laid(max((body for body in bodies if body is not None), key=weight), bodies)]
        words = {use.shortcut if isinstance(use.shortcut, str) else "" for use in there}
        if "" in words:
            sides = [None if use is None else use.shortcut for use in uses]
            parts.append(laid(one.shortcut, sides))
        told = {"": "", "auto": "auto", "pad": "pad", "dropped": "if_same", "identity": "identity"}
        word = next(told[one] for one in told if one in words)
        return Laid(uses, tuple(parts), word)
    if isinstance(one, Fork):
        parts = []
        for place in range(len(one.branches)):
            branches = [None if use is None else use.branches[place] for use in uses]
            parts.append(laid(max((branch for branch in branches if branch is not None), key=weight), branches))
        return Laid(uses, tuple(parts))
    return Laid(uses)
