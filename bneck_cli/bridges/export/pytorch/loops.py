"""Copies of a body in a class: a list of modules, made by a comprehension where all are made alike."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

from bneck_cli.bridges.export.pytorch.builder import MODULE, Builder, Item, NotPureError, Tensor, Vary, same, sequence
from bneck_cli.bridges.export.symbols import Sym, added, literal, named, operation
from bneck_cli.language.bodies import INDEX, Label, reads
from bneck_cli.language.expression import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.bridges.export.pytorch.builder import Lanes
    from bneck_cli.language.bodies import Loop, Repeat

FEW = 2
"""So many further copies are written out."""


class Loops(Builder):
    """Repeats and loops."""

    def repeat(self, repeat: Repeat, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write copies: as modules, else in sequence."""
        counts = {lane: int(event.value(repeat.times)) for lane, event in lanes.items()}
        none = {lane: count == 0 for lane, count in counts.items()}
        if all(none.values()):
            return tensor
        if any(none.values()):
            raise Vary(none)
        if self.whole and not self.pure and not self.naming and any(count > 1 for count in counts.values()):
            if tensor.pending:
                tensor = self.assigned(self.flush(tensor, self.beginning(tensor)))
            end = self._repeated(repeat, lanes, tensor, counts)
            return self.assigned(self.flush(end)) if end.pending else end
        return self._repeated(repeat, lanes, tensor, counts)

    def beginning(self, tensor: Tensor) -> str:
        """Name what is pending where a network begins."""
        return "stem" if self.attributes == MODULE and len(tensor.pending) > 1 else ""

    def _repeated(self, repeat: Repeat, lanes: Lanes, tensor: Tensor, counts: dict[int, int]) -> Tensor:
        """Write copies as modules, if they can be."""
        try:
            with self.purely():
                return self.copies(repeat, lanes, tensor, counts)
        except NotPureError:
            pass
        if len(set(counts.values())) > 1:
            raise Vary(counts)
        count = next(iter(counts.values()))
        for at in range(count):
            inside = {lane: event.children[min(at, len(event.children) - 1)] for lane, event in lanes.items()}
            alike = all(len(event.children) <= at + 1 for event in lanes.values())
            if alike and count - at > FEW and not self.hands_on(repeat, lanes):
                tensor = self.assigned(self.flush(tensor))
                end = self.rolled(inside, tensor, count - at)
                if end is not None:
                    return end
            with self.entered(tensor):
                tensor = self.emit(inside, tensor)
        return tensor

    def hands_on(self, repeat: Repeat, lanes: Lanes) -> bool:
        """Tell whether copies name a tensor that is read: by the next one, or behind them all."""
        labels = [part for part in parts_of(repeat.body) if isinstance(part, Label)]
        return any(name in self.read for label in labels for name in label.names) or any(
            event.frame.every for event in lanes.values()
        )

    def rolled(self, lanes: Lanes, tensor: Tensor, count: int) -> Tensor | None:
        """Write equal copies, each of one module, as a loop over a list of modules; None where they are no such."""
        before = (list(self.init), list(self.forward), set(self.attributes), set(self.locals), dict(self.known))
        with self.entered(tensor):
            end = self.assigned(self.flush(self.emit(lanes, tensor)), tensor.expr)
        made, lines = self.init[len(before[0]) :], self.forward[len(before[1]) :]
        name, _, text = made[0][1].removeprefix("self.").partition(" = ") if len(made) == 1 else ("", "", "")
        calls = sum(line.count(f"self.{name}(") for line in lines)
        fits = name.isidentifier() and made[0][0] == 0 and calls == 1 and "self." not in text
        if not fits or end.layout != tensor.layout or end.bare != tensor.bare:
            self.init, self.forward, self.attributes, self.locals, self.known = before
            return None
        self.attributes = before[2]
        several, one = self.attribute(f"{name.rstrip('0123456789')}s"), self.free(name)
        self.init[-1] = (0, f"self.{several} = nn.ModuleList([{text} for _ in range({count})])")
        lines = [line.replace(f"self.{name}(", f"{one}(") for line in lines]
        self.forward[len(before[1]) :] = [f"for {one} in self.{several}:", *(f"    {line}" for line in lines)]
        return end

    @contextmanager
    def entered(self, tensor: Tensor) -> Iterator[None]:
        """Let a copy see the input channels of it."""
        before = self.names["cin"]
        self.names["cin"] = tensor.channels
        yield
        self.names["cin"] = before

    def copies(self, repeat: Repeat, lanes: Lanes, tensor: Tensor, counts: dict[int, int]) -> Tensor:
        """Write copies as modules: the first, then the others by a comprehension."""
        indexed = reads(repeat.body, INDEX)
        if indexed or any(len(event.children) > 2 for event in lanes.values()):
            return self.different(lanes, tensor, counts, self.want(repeat.times, lanes, tensor, "depth"), indexed)
        first, one = self.copy(lanes, tensor, 0)
        if all(count == 1 for count in counts.values()):
            return one.copy(pending=[*tensor.pending, first])
        count = self.want(repeat.times, lanes, tensor, "depth")
        several = {lane: event for lane, event in lanes.items() if counts[lane] > 1}
        other, two = self.copy(several, one, 1)
        if other.text == first.text and self._returns(lanes, one, tensor):
            return one.copy(pending=[*tensor.pending, *self.many(first, count, 0)])
        again, two = self.copy(several, two, 2)
        if again.text != other.text:
            raise NotPureError
        rest = self.many(other, count, 1)
        shapes = {lane: event.out for lane, event in lanes.items()}
        return two.copy(pending=[*tensor.pending, first, *rest], shapes=shapes)

    def _returns(self, lanes: Lanes, one: Tensor, tensor: Tensor) -> bool:
        """Return whether the first copy gave what it took."""
        return one.layout == tensor.layout and all(
            same(one.channels.values[lane], tensor.channels.values[lane]) for lane in lanes
        )

    def copy(self, lanes: Lanes, tensor: Tensor, at: int) -> tuple[Item, Tensor]:
        """Write one copy as a module."""
        inside = {lane: event.children[min(at, len(event.children) - 1)] for lane, event in lanes.items()}
        with self.entered(tensor):
            end = self.emit(inside, tensor.copy(pending=[], expr="x"))
        if end.layout != tensor.layout:
            end = self.to(end, tensor.layout)
        kind = end.pending[0].kind if len(end.pending) == 1 and isinstance(end.pending[0], Item) else "body"
        return Item(sequence(end.pending), kind), end.copy(expr=tensor.expr, pending=[])

    def many(self, item: Item, count: Sym, done: int) -> list[Item]:
        """Write copies of a module, of which so many are there already."""
        if count.is_literal:
            left = count.values[0] - done
            if left <= FEW and len(item.text) < 60:
                return [item] * left
            number = str(left)
        else:
            number = count.text if not done else operation("-", count, literal(done, self.count)).text
        return [Item(f"[{item.text} for _ in range({number})]", item.kind, many=True)]

    def different(self, lanes: Lanes, tensor: Tensor, counts: dict[int, int], count: Sym, indexed: bool) -> Tensor:
        """Write copies that differ: by a comprehension where channels grow evenly, else each by itself."""
        if not indexed:
            grown = self.growing(lanes, tensor, counts, count)
            if grown is not None:
                return grown
        if len(set(counts.values())) > 1:
            raise Vary(counts)
        items = []
        end = tensor
        for at in range(next(iter(counts.values()))):
            item, end = self.copy(lanes, end, at)
            items.append(item)
        if len(items) > 1 + FEW and len({item.text for item in items}) == 1:
            items = self.many(items[0], literal(len(items), self.count), 0)
        return end.copy(pending=[*tensor.pending, *items])

    def growing(self, lanes: Lanes, tensor: Tensor, counts: dict[int, int], count: Sym) -> Tensor | None:
        """Write copies of which each gives so many channels more than it took."""
        steps = {}
        for lane, event in lanes.items():
            sizes = [event.shape.channels, *(child.out.channels for child in event.children)]
            found = {two - one for one, two in pairwise(sizes)}
            if len(found) != 1 or len(event.children) != counts[lane]:
                return None
            steps[lane] = found.pop()
        if not all(steps.values()):
            return None
        try:
            step = self.settled("growth", steps, list(self.names.values()))
        except NotPureError:
            return None
        start = self.bind(tensor.channels)
        texts = set()
        end = tensor
        for at in {0, 1, max(counts.values()) - 1}:
            inside = {lane: event for lane, event in lanes.items() if at < counts[lane]}
            index = named("i", [at] * self.count)
            channels = added(start, operation("*", index, step))
            before = self.bind
            self.bind = lambda sym: sym  # type: ignore[method-assign]
            try:
                item, end = self.copy(inside, tensor.copy(channels=channels), at)
            finally:
                self.bind = before  # type: ignore[method-assign]
            texts.add(item.text)
        if len(texts) > 1:
            return None
        many = Item(f"[{texts.pop()} for i in range({count.text})]", "layer", many=True)
        channels = self.bind(added(start, operation("*", count, step)))
        shapes = {lane: event.out for lane, event in lanes.items()}
        return end.copy(pending=[*tensor.pending, many], channels=channels, shapes=shapes)

    def loop(self, loop: Loop, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write a body for each item, in sequence."""
        counts = {lane: len(event.children) for lane, event in lanes.items()}
        if len(set(counts.values())) > 1:
            raise Vary(counts)
        for at in range(next(iter(counts.values()))):
            inside = {lane: event.children[at] for lane, event in lanes.items()}
            with self.item(loop, inside):
                tensor = self.emit(inside, tensor)
        return tensor

    @contextmanager
    def item(self, loop: Loop, lanes: Lanes) -> Iterator[None]:
        """Let a body see the item of its loop."""
        before = dict(self.names)
        for name in loop.names:
            values = {lane: event.env[name] for lane, event in lanes.items()}
            first = next(iter(values.values()))
            self.names.pop(name, None)
            if all(value == first for value in values.values()) and not isinstance(first, str):
                self.names[name] = literal(first, self.count)
        yield
        self.names = before
