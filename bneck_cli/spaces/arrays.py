"""A tape run on arrays: every design follows the tree's comparisons to its leaf, and its results are computed there.

Designs go in blocks that stay in the processor's cache. A block divides where a comparison divides it, and each part
goes on with what was computed before.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from bneck_cli.spaces.traced import Traced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bneck_cli.spaces.tape import Tape
    from bneck_cli.spaces.trail import Branch, Leaf

LARGEST = 2**62
"""Entries whose bounds are below this in size are computed in 64 bits, and others with Python's integers."""


class Part:
    """Some of a block's designs, which took the same way so far; entries are computed when they are asked for."""

    def __init__(self, tape: Tape, known: dict[int, Any], chosen: Any = None, whole: Part | None = None) -> None:
        self.tape, self.known, self.chosen, self.whole = tape, known, chosen, whole

    def divided(self, chosen: Any) -> Part:
        """Return some of these designs, by their numbers."""
        return Part(self.tape, {}, chosen, self)

    def numbers(self) -> Any:
        """Return the numbers of these designs in the block; None for all of them."""
        if self.whole is None:
            return None
        outer = self.whole.numbers()
        return self.chosen if outer is None else outer[self.chosen]

    def entry(self, at: int) -> Any:
        """Compute an entry for each design: an array, or one number for all."""
        if (found := self.found(at)) is not None:
            return found
        waiting, known, entries = [at], self.known, self.tape.entries
        while waiting:
            now = waiting[-1]
            entry = entries[now]
            if entry.low == entry.high:
                known[now] = entry.low
            else:
                operands = (entry.left, entry.right)
                missing = [each for each in operands if each not in known and self.found(each) is None]
                if missing:
                    waiting += missing
                    continue
                known[now] = _computed(entry, known[entry.left], known[entry.right])
            waiting.pop()
        return known[at]

    def found(self, at: int) -> Any:
        """Return what is known of an entry, here or in the part that this one was divided from."""
        if at not in self.known and self.whole is not None:
            found = self.whole.found(at)
            if found is not None:
                self.known[at] = found if isinstance(found, int) else found[self.chosen]
        return self.known.get(at)


def _computed(entry: Any, one: Any, other: Any) -> Any:
    """Apply an operator to arrays, in 64 bits where operands and result are proved to fit."""
    import numpy

    if max(-entry.low, entry.high) >= LARGEST:
        one, other = _exact(one), _exact(other)
    elif is_exact(one) or is_exact(other):
        return _applied(entry.operator, _exact(one), _exact(other)).astype(numpy.int64)
    return _applied(entry.operator, one, other)


def is_exact(value: Any) -> bool:
    """Return whether an array holds Python's integers, which may be of any size."""
    return getattr(value, "dtype", None) is not None and value.dtype.hasobject


def _exact(value: Any) -> Any:
    return value if isinstance(value, int) else value.astype(object)


def _applied(operator: str, one: Any, other: Any) -> Any:
    if operator == "//" and isinstance(other, int) and other > 0 and other & (other - 1) == 0:
        return one >> (other.bit_length() - 1)
    return _functions()[operator](one, other)


@cache
def _functions() -> dict[str, Callable[[Any, Any], Any]]:
    """Return what each operator is on arrays; numpy is imported when the first is."""
    import numpy

    return {
        "+": numpy.add,
        "-": numpy.subtract,
        "*": numpy.multiply,
        "//": numpy.floor_divide,
        "%": numpy.remainder,
        "min": numpy.minimum,
        "max": numpy.maximum,
        "<": numpy.less,
        "==": numpy.equal,
    }


def followed(part: Part, branch: Branch) -> Iterator[tuple[Part, Branch]]:
    """Yield the designs of a part that come to each leaf, or to a place that no walk has reached."""
    import numpy

    waiting = [(part, branch)]
    while waiting:
        part, branch = waiting.pop()
        while branch.guard is not None:
            guard, ways = branch.guard, branch.ways
            outcome = _applied(guard.operator, part.entry(guard.left), part.entry(guard.right))
            if outcome.all():
                branch = ways[True]
            elif not outcome.any():
                branch = ways[False]
            else:
                outcome = outcome.astype(bool)
                waiting.append((part.divided(numpy.flatnonzero(~outcome)), ways[False]))
                part, branch = part.divided(numpy.flatnonzero(outcome)), ways[True]
        yield part, branch


def results(part: Part, leaf: Leaf) -> list[Any]:
    """Compute a leaf's results for the designs of a part: arrays, or one number for all."""
    return [part.entry(each.at) if type(each) is Traced else each for each in leaf.results]
