"""Insert nodes that move elements, so that each layer finds its channels on one axis and its map after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.layout import CHANNELS, Atom, Axes, dimensions, extent, merged, number, sizes, whole
from bneck_cli.bridges.calls.tensors import Picked, Value, grouped, padded_shape, shaped, strided
from bneck_cli.bridges.graph import Sides
from bneck_cli.errors import BneckError
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from bneck_cli.bridges.graph import Call, Graph


class Arranging:
    """A graph, and the nodes that move elements, each of which is made once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.gathered: dict[tuple[int, Axes, Any], Value] = {}
        self.parts: dict[tuple[int, int, int], int] = {}

    def forget(self, count: int) -> None:
        """Take back the nodes that a call made before it failed."""
        del self.graph.nodes[count:]
        self.gathered = {key: value for key, value in self.gathered.items() if value.node < count}
        self.parts = {key: node for key, node in self.parts.items() if node < count}

    def part(self, node: int, start: int, stop: int, stack: tuple[Call, ...] = ()) -> int:
        """Return the node of a range of channels, which is made once."""
        key = (node, start, stop)
        if key not in self.parts:
            self.parts[key] = self.graph.part(node, start, stop, stack)
        return self.parts[key]

    def settled(self, value: Value) -> int:
        """Return a node that is the tensor as it is now: what was picked and padded is made."""
        return self.picked(value).node

    def picked(self, value: Value) -> Value:
        """Make a node of what was picked of a tensor, and of the zeros around it."""
        step = value.picks[0].step if value.picks else 1
        if step > 1 and all(pick.step == step and not pick.start and pick.dimension for pick in value.picks):
            taken = {pick.dimension for pick in value.picks}
            rank = len(self.graph.shape(value.node).spatial)
            strides = tuple(step if dimension in taken else 1 for dimension in range(1, rank + 1))
            stride = strides if len(set(strides)) > 1 else step
            stack = value.stack or self.graph.nodes[value.node].stack
            value = value._replace(node=self.graph.layer("subsample", value.node, {"stride": stride}, stack), picks=())
        for pick in value.picks:
            value = self.made(value, pick)
        return self.padded(value) if value.pad else value

    def padded(self, value: Value, mode: str = "zeros") -> Value:
        """Make a node of what stands around a tensor, or is cut off it."""
        wanted = padded_shape(value)
        pairs = {len(wanted) - 1 - place: pair for place, pair in enumerate(value.pad) if pair != (0, 0)}
        bare = self.apart(value._replace(pad=()), len(wanted) - 1)
        channels, spatial = self.groups(bare)
        spatial += [[axis] for axis in pairs if axis not in channels and not any(axis in group for group in spatial)]
        spatial.sort()
        bare = self.arranged(bare, channels, spatial, value.stack)
        sides = [pairs.get(group[0], (0, 0)) for group in spatial]
        given: dict[str, Any] = {"sides": Sides(side for pair in sides for side in pair)}
        if all(before == after for before, after in sides):
            given["sides"] = sides[0][0] if len(set(sides)) == 1 else tuple(before for before, _ in sides)
        if channels[0] in pairs:
            given = {"sides": Sides(pairs[channels[0]]), "along": "channels"}
        several = any(len(group) > 1 and set(group) & set(pairs) for group in spatial)
        if several or (channels[0] in pairs and len(pairs) > 1):
            raise BneckError("zeros around several axes that are one")
        node = self.graph.layer("pad", bare.node, {**given, "mode": mode}, value.stack)
        return Value(node, strided(wanted, channels, spatial))

    def made(self, value: Value, pick: Picked) -> Value:
        """Make a node of one range."""
        shape = self.graph.shape(value.node)
        stack = value.stack or self.graph.nodes[value.node].stack
        if pick.dimension == CHANNELS and pick.step == 1:
            node = self.part(value.node, pick.start, pick.start + pick.size, stack)
        elif pick.dimension == 1 and len(shape.spatial) == 1 and pick.size == 1:
            node = self.graph.layer("take", value.node, {"index": pick.start}, stack)
        elif pick.dimension == 1 and len(shape.spatial) == 1 and pick.step == 1:
            slots = {"start": pick.start, "stop": pick.start + pick.size, "along": "positions"}
            node = self.graph.layer("slice", value.node, slots, stack)
        else:
            spatial = list(shape.spatial)
            spatial[pick.dimension - 1] = pick.size
            if pick.step == 1:
                sides = [(0, 0)] * len(spatial)
                last = number(shape.spatial[pick.dimension - 1])
                sides[pick.dimension - 1] = (-pick.start, pick.start + pick.size - last)
                cut = Sides(side for pair in sides for side in pair)
                node = self.graph.layer("pad", value.node, {"sides": cut}, stack)
            else:
                node = self.graph.free(value.node, "crop", 0, stack, Shape(shape.channels, tuple(spatial)))
        return value._replace(node=node, picks=())

    def channels_at(self, value: Value, axis: int, stack: tuple[Call, ...] = ()) -> Value:
        """Return the tensor with all its channels in one axis, by a node that brings them there where they are not."""
        value = self.picked(value)
        axis %= len(value.axes)
        shape = self.graph.shape(value.node)
        at, full = value.axes[axis], whole(shape, CHANNELS)
        if at == full and not any(CHANNELS in dimensions(one) for place, one in enumerate(value.axes) if place != axis):
            return value
        key = (value.node, value.axes, axis)
        if key not in self.gathered:
            self.gathered[key] = self.gather(value, axis, value.stack or stack)
        return self.gathered[key]

    def gather(self, value: Value, axis: int, stack: tuple[Call, ...]) -> Value:
        """Bring all that an axis holds into the channels, and nothing else."""
        shape = self.graph.shape(value.node)
        at, full = value.axes[axis], whole(shape, CHANNELS)
        others = tuple(atom for place, one in enumerate(value.axes) if place != axis for atom in one)
        if not others:
            return self.arranged(value, [axis], [], stack)
        if dimensions(at) == {CHANNELS} and len(at) == 2 and not dimensions(others) & {CHANNELS}:
            node = self.graph.layer("shuffle", value.node, {"groups": at[1].size}, stack)
            return value._replace(node=node, axes=_with(value.axes, axis, full))
        gathered = self.unshuffled(value, axis, stack) or self.shuffled(value, axis, stack)
        if gathered is not None:
            return gathered
        return self.arranged(value, [axis], self.groups(value, axis)[1], stack)

    def groups(self, value: Value, channels: int | None = None, keep: int = -1) -> tuple[list[int], list[list[int]]]:
        """Say which axis holds channels, and which hold positions, each by itself as far as there are axes for them."""
        if channels is None:
            holding = [axis for axis, atoms in enumerate(value.axes) if CHANNELS in dimensions(atoms)]
            full = whole(self.graph.shape(value.node), CHANNELS)
            channels = next((axis for axis in holding if value.axes[axis] == full), holding[-1] if holding else -1)
        rank = len(value.axes)
        channels %= rank
        others = [[axis] for axis, atoms in enumerate(value.axes) if axis != channels and atoms]
        return [channels], grouped(others, keep)

    def apart(self, value: Value, keep: int = -1) -> Value:
        """Return the tensor with each of the framework's axes as an axis of its own."""
        return self.arranged(value, *self.groups(value, keep=keep), value.stack)

    def arranged(
        self, value: Value, channels: list[int], spatial: list[list[int]], stack: tuple[Call, ...] = ()
    ) -> Value:
        """Return the tensor with these axes as its channels, and each group of others as an axis of its map."""
        value = self.picked(value)
        shape = self.graph.shape(value.node)
        out, axes = shaped(value.shape, channels, spatial), strided(value.shape, channels, spatial)
        if out == shape and axes == value.axes:
            return value
        key = (value.node, value.axes, (tuple(channels), *map(tuple, spatial)))
        if key not in self.gathered:
            node = self.reshaped(value.node, out, value.stack or stack)
            self.gathered[key] = Value(node, axes, stack=value.stack)
        return self.gathered[key]

    def reshaped(self, node: int, out: Shape, stack: tuple[Call, ...]) -> int:
        """Add the layer that gives elements another shape: the plainest that does."""
        shape = self.graph.shape(node)
        if not out.spatial and shape.spatial:
            return self.graph.layer("flatten", node, {}, stack)
        if out == Shape(shape.channels, (shape.positions,)) and len(shape.spatial) > 1:
            return self.graph.layer("tokens", node, {"pos": "none"}, stack)
        if len(shape.spatial) == 1 and out == Shape(shape.spatial[0], (shape.channels,)):
            return self.graph.layer("transpose", node, {}, stack)
        if out == shape:
            return self.graph.free(node, "permute", 0, stack)
        return self.graph.layer("reshape", node, {"shape": sizes(out)}, stack)

    def unshuffled(self, value: Value, axis: int, stack: tuple[Call, ...]) -> Value | None:
        """Gather squares of positions in the channels, where that is what the axes have done."""
        shape, at = self.graph.shape(value.node), value.axes[axis]
        full = sizes(shape)
        sides = {atom.dimension: atom.size for atom in at if atom.dimension > 0 and atom.stride == 1}
        rest = merged(atom for atom in at if atom.dimension == CHANNELS)
        fits = rest == whole(shape, CHANNELS) and len(sides) == len(shape.spatial) and len(set(sides.values())) == 1
        if not fits or len(at) != len(sides) + len(rest):
            return None
        factor = next(iter(sides.values()))
        node = self.graph.layer("pixel_unshuffle", value.node, {"factor": factor}, stack)
        out = self.graph.shape(node)
        axes = []
        for place, one in enumerate(value.axes):
            if place == axis:
                axes.append(whole(out, CHANNELS))
            elif any(atom.stride % factor or atom.dimension < 1 for atom in one):
                return None
            else:
                axes.append(tuple(Atom(atom.dimension, atom.stride // factor, atom.size) for atom in one))
        return Value(node, tuple(axes)) if full else None

    def shuffled(self, value: Value, axis: int, stack: tuple[Call, ...]) -> Value | None:
        """Spread channels over squares of positions, where that is what the axes have done."""
        shape = self.graph.shape(value.node)
        rank = len(shape.spatial)
        found = {}
        for place, one in enumerate(value.axes):
            inner = [atom for atom in one if atom.dimension == CHANNELS]
            outer = [atom for atom in one if atom.dimension > 0]
            if place != axis and len(inner) == 1 and one == (*outer, *inner) and len(outer) == 1:
                found[place] = inner[0].size
        factors = set(found.values())
        if len(found) != rank or len(factors) != 1:
            return None
        factor = factors.pop()
        node = self.graph.layer("pixel_shuffle", value.node, {"factor": factor}, stack)
        out = self.graph.shape(node)
        if extent(value.axes[axis]) != out.channels:
            return None
        axes = list(value.axes)
        axes[axis] = whole(out, CHANNELS)
        for dimension, place in enumerate(sorted(found), 1):
            axes[place] = whole(out, dimension)
        return Value(node, tuple(axes))

    def mapped(self, value: Value, stack: tuple[Call, ...] = (), pads: bool = False) -> Value:
        """Return a tensor whose channels stand in the second axis and whose map in those after it.

        What else stands in the first axis is the map's first.
        """
        pad = value.pad if pads else ()
        value = self.picked(value._replace(pad=() if pads else value.pad))
        value = self.channels_at(value, 1, stack)
        rank = len(value.axes)
        spatial = [[0]] * bool(value.axes[0]) + [[axis] for axis in range(2, rank)]
        shape = self.graph.shape(value.node)
        if len(shape.spatial) == rank - 2 and not value.axes[0]:
            want = ((), whole(shape, CHANNELS), *(whole(shape, 1 + place) for place in range(rank - 2)))
            if value.axes == want:
                return value._replace(pad=pad)
        return self.arranged(value, [1], spatial, stack)._replace(pad=pad)


def _with(axes: Axes, axis: int, atoms: tuple[Atom, ...]) -> Axes:
    return (*axes[:axis], atoms, *axes[axis + 1 :])
