"""A network as stages: its lines, cut at named tensors and before a second block."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.network import Cost, Fork, Layer, Series, Wire
from bneck_cli.pictures.labels import block_words, holds_layers, is_line, is_silent, label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bneck_cli.engine.network import Node
    from bneck_cli.sizes.shape import Shape


class Stage(NamedTuple):
    """A line of a network: what its box says, the output shape of it, what it reads (stages by their index)."""

    lines: tuple[str, ...]
    fill: str
    name: str
    out: Shape
    cost: Cost
    reads: tuple[int, ...]
    blocks: tuple[Series, ...]
    """The blocks in it, copy by copy up to a hundred."""
    first: int = 0
    """The identity of its first node."""
    notes: tuple[str, ...] = ()
    """What it reads beside, in words."""


# From a network to its stages


class _Stages:
    """The stages found so far, and the names of what they made."""

    def __init__(self, inputs: tuple[str, ...]) -> None:
        self.stages: list[Stage] = []
        self.names: dict[str, int] = dict.fromkeys(inputs, -1)
        self.items: list[Node] = []
        self.reads: list[int] = []
        self.gives: list[str] = []
        self.begins: int = -1
        self.opened: tuple[int, ...] = ()
        """The stages that gave the results of the block before, where its inside stands open."""

    def add(self, node: Node) -> None:
        """Take the next node of the net."""
        if isinstance(node, Wire):
            if node.kind == "as" and node.result is not None and self.opened:
                index = self.opened[node.result]
                self.stages[index] = self.stages[index]._replace(name=node.name)
                self.names |= dict.fromkeys((node.name, node.copy), index)
            elif node.kind == "as":
                self.close(node.name.partition("[")[0])
                self.names |= dict.fromkeys((node.name, node.copy), len(self.stages) - 1)
            else:
                self.close()
                self.begins = self.names.get(node.name, -1)
            return
        self.opened = ()
        if is_silent(node):
            return
        if isinstance(node, Series) and is_pyramid(node):
            self.close()
            self.open(node)
            return
        resized = self.gives and self.items and node.out.spatial != self.items[-1].out.spatial
        joins = isinstance(node, Fork) and not _is_block(node) and next(taken(node), None) is not None
        if resized or joins:
            self.close()
        if self.items and _is_block(node) and any(map(_is_block, self.items)):
            self.close()
        self.items.append(node)
        self.reads += [self.names[name] for name in taken(node) if name in self.names]
        self.gives += given(node)

    def cut(self, series: Series) -> None:
        """Take the lines of a network or of an opened block; a stage ends where a line begins or ends."""
        for node in _lines(series):
            if node is None:
                self.close()
            else:
                self.add(node)
        self.close()

    def open(self, node: Series) -> None:
        """Take what a block holds as stages of the net; each is called as the net calls it."""
        outside, before = self.names, len(self.stages)
        self.names = {}
        self.cut(node)
        self.opened = tuple(self.names[wire.name] for wire in node.outputs)
        self.names = outside
        self.begins = self.opened[0]
        self.stages[before:] = [stage._replace(name="") for stage in self.stages[before:]]

    def close(self, name: str = "") -> None:
        """End the stage at hand, if any."""
        if not self.items:
            if name and self.stages and not self.stages[-1].name:
                self.stages[-1] = self.stages[-1]._replace(name=name)
            return
        lines, fill = described(self.items)
        cost = Cost()
        for item in self.items:
            cost = cost.plus(item.cost)
        reads = tuple(dict.fromkeys(index for index in (self.begins, *self.reads) if index >= 0))
        blocks = tuple(block for item in self.items for block in _blocks(item))
        self.stages.append(Stage(lines, fill, name, self.items[-1].out, cost, reads, blocks, _identity(self.items[0])))
        self.names |= dict.fromkeys(self.gives, len(self.stages) - 1)
        self.items, self.reads, self.gives, self.begins = [], [], [], len(self.stages) - 1


def stages(root: Series, inputs: tuple[str, ...]) -> list[Stage]:
    """Cut a network into stages: its lines, cut at names, where a named tensor is taken, and before a second block."""
    found = _Stages(inputs)
    found.cut(root)
    return _without_many(found.stages)


MANY = 6
"""Stages that read one of them from afar beyond which each says so in words."""


def _without_many(found: list[Stage]) -> list[Stage]:
    """Name in their boxes what very many stages read, such as the embedding of a step, instead of drawing lines."""
    far = [0] * len(found)
    for index, stage in enumerate(found):
        for read in stage.reads:
            far[read] += read != index - 1
    named = {index for index, count in enumerate(far) if count > MANY and found[index].name}
    if not named:
        return found
    made = []
    for index, stage in enumerate(found):
        words = [f"from {found[read].name}" for read in stage.reads if read in named and read != index - 1]
        reads = tuple(read for read in stage.reads if read not in named or read == index - 1)
        made.append(stage._replace(reads=reads, notes=tuple(words)))
    return made


def is_pyramid(block: Series) -> bool:
    """Return whether a block gives maps of several sizes of the one tensor that it reads: it is drawn opened."""
    sizes = {wire.out.spatial for wire in block.outputs}
    return len(sizes) == len(block.outputs) > 1 and next(taken(block), None) is None


def _lines(series: Series) -> Iterator[Node | None]:
    """Yield the nodes of a net or a block line by line, None if a line begins and where it ends."""
    for run in series.runs:
        line = isinstance(run.node, Series) and run.node.kind == "chain"
        if line:
            yield None
        yield from _opened(series._replace(runs=(run,)))
        if line:
            yield None


def _opened(series: Series) -> Iterator[Node]:
    """Yield nodes in a row, their pipelines opened."""
    for run in series.runs:
        if isinstance(run.node, Series) and run.node.kind == "chain":
            yield from _opened(run.node)
        elif run.copies > 1:
            yield series._replace(kind="repeat", name="", text="", runs=(run,), label="")
        else:
            yield run.node


def _identity(node: Node) -> int:
    """Return the identity of a node as the tree has it: of copies in a row, that of one."""
    copies = isinstance(node, Series) and node.kind == "repeat" and not node.text and len(node.runs) == 1
    return id(node.runs[0].node) if copies and isinstance(node, Series) else id(node)


def _is_block(node: Node) -> bool:
    """Return whether a node is a block, a repeat or a fork that holds layers: what a stage has at most one of."""
    return isinstance(node, Series) or (isinstance(node, Fork) and any(map(holds_layers, node.branches)))


def _blocks(node: Node) -> list[Series]:
    """Return a block, or the copies of a repeat that are blocks."""
    if not isinstance(node, Series):
        return []
    if node.kind == "block":
        return [node]
    return [block for run in node.runs for block in _blocks(run.node) * min(run.copies, 100)]


def taken(node: Node, depth: int = 0) -> Iterator[str]:
    """Yield the tensors of the net that a node takes by name; inside a block each has one ``../`` more."""
    if isinstance(node, Wire):
        ups = node.name.count("../")
        if node.kind == "from" and ups == depth:
            yield node.name[3 * ups :]
    elif isinstance(node, Series):
        for run in node.runs:
            yield from taken(run.node, depth + (node.kind == "block"))
    elif isinstance(node, Fork):
        for branch in node.branches:
            yield from taken(branch, depth)


def given(node: Node) -> Iterator[str]:
    """Yield the names that hold outside of a node, where it is no block of its own."""
    if isinstance(node, Wire):
        if node.kind == "as":
            yield from filter(None, (node.name, node.copy))
    elif isinstance(node, Series) and node.kind != "block":
        for run in node.runs:
            yield from given(run.node)


def described(items: list[Node]) -> tuple[tuple[str, ...], str]:
    """Return the lines of a stage's box, and its fill: that of its first layer, or a block's."""
    lines: list[str] = []
    fill = ""
    for item in items:
        if isinstance(item, Layer):
            if is_line(item) and len(items) > 1 and not all(map(is_line, items)):
                continue
            words = label(item)
            lines.append(words.lines[0])
            fill = fill or ("other" if words.fill == "pill" else words.fill)
        else:
            lines.append(block_words(item))
            fill = "block"
    return tuple(lines[:3] if len(lines) <= 3 else (*lines[:2], f"and {len(lines) - 2} more")), fill or "other"


MOST = 10
"""Stages beyond which those that stand in a row at one size of the map share a box."""
MOST_LINES = 6


def readings(found: Sequence[Stage]) -> list[int]:
    """Count the stages that read each one."""
    counts = [0] * len(found)
    for stage in found:
        for index in stage.reads:
            counts[index] += 1
    return counts


def summed(lines: Sequence[str]) -> tuple[str, ...]:
    """Write lines in a row that say the same as one with a count: ``bneck, 80`` twice is ``2 × bneck, 80``."""
    made: list[tuple[int, str]] = []
    for line in lines:
        count, words = (int(line.partition(" × ")[0]), line.partition(" × ")[2]) if COUNTED.match(line) else (1, line)
        if made and made[-1][1] == words:
            made[-1] = (made[-1][0] + count, words)
        else:
            made.append((count, words))
    return tuple(f"{count} × {words}" if count > 1 else words for count, words in made)


COUNTED = re.compile(r"[0-9]+ × ")


def gathered(found: list[Stage], outputs: tuple[int, ...] = ()) -> tuple[list[Stage], list[int]]:
    """Let stages in a row share a box, where they are many: none is named or read by another than the next.

    Return the stages left, and where in them each of the ``outputs`` is.
    """
    if len(found) <= MOST:
        return found, list(outputs)
    readers = readings(found)
    leaving = set(outputs)
    made: list[Stage] = []
    blocks: list[list[Series]] = []
    at: dict[int, int] = {}
    for index, stage in enumerate(found):
        before = made[-1] if made else None
        follows = before is not None and stage.reads == (index - 1,) and readers[index - 1] == 1
        alike = before is not None and before.out.spatial == stage.out.spatial and before.fill == stage.fill == "block"
        if before is not None and follows and alike and not before.name and index - 1 not in leaving:
            lines = summed((*before.lines, *stage.lines))
            lines = lines if len(lines) <= MOST_LINES else (*lines[: MOST_LINES - 2], "...", lines[-1])
            made[-1] = before._replace(
                lines=lines,
                name=stage.name,
                out=stage.out,
                cost=before.cost.plus(stage.cost),
                notes=tuple(dict.fromkeys((*before.notes, *stage.notes))),
            )
            blocks[-1] += stage.blocks
        else:
            blocks.append([*stage.blocks])
            made.append(stage._replace(reads=tuple(at[read] for read in stage.reads)))
        at[index] = len(made) - 1
    made = [stage._replace(blocks=tuple(held)) for stage, held in zip(made, blocks, strict=True)]
    return made, [at[index] for index in outputs]
