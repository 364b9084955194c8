"""Rotary positions in a trace: x · cos + (x, half of it negated and moved) · sin, however the calls are spelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.bridges.calls.capture import Ref, refs
from bneck_cli.bridges.calls.tensors import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bneck_cli.bridges.calls.capture import Record

MOVES = frozenset(
    {
        *("reshape", "view", "flatten", "unflatten", "unsqueeze"),
        *("stack", "cat", "neg", "getitem", "chunk", "unbind", "split"),
    }
)
"""Calls by which half of the channels is negated and moved."""
CASTS = frozenset({"to", "type_as", "float", "type", "contiguous"})
FAR = 12


def rotations(records: Sequence[Record]) -> tuple[dict[int, Ref], set[int]]:
    """Return the calls that give a rotated tensor, each with what it rotates, and those that are part of one."""
    return _Search(records).run()


class _Search:
    """The calls of a trace, by the tensors that they give and take."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.given = {ref.number: place for place, record in enumerate(records) for ref in record.outs}
        self.found: dict[int, Ref] = {}

    def run(self) -> tuple[dict[int, Ref], set[int]]:
        """Find them all."""
        for place, record in enumerate(self.records):
            name = plain(record.name)
            rotated = self.rotated(record) if name == "add" else self.prefixed(record) if name == "cat" else None
            if rotated is not None:
                self.found[place] = rotated
        return self.found, self.parts()

    def parts(self) -> set[int]:
        """Return the calls that nothing but rotations needs."""
        takers: dict[int, set[int]] = {}
        for place, record in enumerate(self.records):
            for ref in refs((record.args, record.kwargs)):
                takers.setdefault(ref.number, set()).add(place)
        entering = {ref.number for ref in self.found.values()}
        inside: set[int] = set()
        for place in range(len(self.records) - 1, -1, -1):
            numbers = {ref.number for ref in self.records[place].outs}
            readers = set().union(*(takers.get(number, set()) for number in numbers))
            if place not in self.found and readers and readers <= inside | set(self.found) and not numbers & entering:
                inside.add(place)
        return inside

    def rotated(self, record: Record) -> Ref | None:
        """Return the tensor that a sum rotates; None if it is another sum."""
        given = [ref for ref in record.args[:2] if isinstance(ref, Ref) and ref.number in self.given]
        terms = [self.records[self.given[ref.number]] for ref in given]
        if len(terms) != 2 or any(plain(term.name) != "mul" for term in terms):
            return None
        for straight, turned in (terms, terms[::-1]):
            for x in (one for one in straight.args if isinstance(one, Ref) and one.shape == record.outs[0].shape):
                if any(self.turns(one, x) for one in turned.args if isinstance(one, Ref) and one.shape == x.shape):
                    return x
        return None

    def turns(self, moved: Ref, x: Ref) -> bool:
        """Return whether a tensor is made of another by moving its elements, some of them negated."""
        left, negated = [moved], False
        for _ in range(FAR):
            if not left:
                return negated
            ref = left.pop()
            if ref.number == x.number:
                continue
            record = self.records[self.given[ref.number]] if ref.number in self.given else None
            if record is None or plain(record.name) not in MOVES:
                return False
            negated = negated or plain(record.name) == "neg"
            left += list(refs(record.args[:1]))
        return False

    def prefixed(self, record: Record) -> Ref | None:
        """Return the tensor of which all but the first positions are rotated, and joined with these again."""
        parts = list(refs(record.args[:1]))
        places = [self.behind_casts(ref) for ref in parts]
        if len(parts) != 2 or places[0] is None or places[1] not in self.found:
            return None
        first, rest = places[0], self.behind_casts(self.found[places[1]])
        if rest is None or any(plain(self.records[place].name) != "getitem" for place in (first, rest)):
            return None
        whole, other = self.records[first].args[0], self.records[rest].args[0]
        same = isinstance(whole, Ref) and isinstance(other, Ref) and whole.number == other.number
        return whole if same and whole.shape == record.outs[0].shape else None

    def behind_casts(self, ref: Ref) -> int | None:
        """Return the call that gives a tensor, behind those that change its type alone."""
        place = self.given.get(ref.number)
        while place is not None and plain(self.records[place].name) in CASTS:
            source = self.records[place].args[0]
            place = self.given.get(source.number) if isinstance(source, Ref) else None
        return place
