"""The way of one walk through what may differ between designs: a tree of comparisons, with results at its leaves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.errors import BneckError
from bneck_cli.sizes.number import divided
from bneck_cli.spaces.tape import OPERATORS, Tape
from bneck_cli.spaces.traced import Traced

if TYPE_CHECKING:
    from collections.abc import Callable

MARK = re.compile("\ue000([0-9]+)\ue001")
"""How the number of an entry is written into a text, to be replaced by a design's own."""


RATIO = re.compile("\ue002(-?[0-9]+)/(-?[0-9]+)\ue003")
"""How a ratio is written into one."""


class Guard(NamedTuple):
    """A comparison that comes out differently for different designs."""

    operator: str
    left: int
    right: int


class Leaf(NamedTuple):
    """What all designs that came here have: results, each a number or an entry; or why they are refused."""

    results: tuple[int | Traced, ...]
    refusal: str = ""


class Branch:
    """A place in the tree: not reached yet, or a leaf, or a comparison with a branch for each outcome."""

    __slots__ = ("guard", "leaf", "ways")

    def __init__(self) -> None:
        self.guard: Guard | None = None
        self.leaf: Leaf | None = None
        self.ways: tuple[Branch, ...] = ()

    def way(self, guard: Guard, outcome: bool) -> Branch:
        """Go on from here. The same walk asks the same question here, whichever design it is made for."""
        if self.guard is None:
            self.guard, self.ways = guard, (Branch(), Branch())
        if self.guard != guard:
            raise RuntimeError(f"a walk asked {guard} where it had asked {self.guard}")
        return self.ways[outcome]


class Trail:
    """One walk for one design: its numbers are traced on the tape, and where it turns is marked in the tree."""

    def __init__(self, tape: Tape, root: Branch) -> None:
        self.tape, self.branch = tape, root
        self.taken: dict[Guard, bool] = {}

    def variable(self, at: int, value: int) -> Traced | int:
        """Return a variable of the tape with its value in this design."""
        return Traced(self, at, value) if self.tape.value_of(at) is None else value

    def applied(self, operator: str, left: Any, right: Any) -> Traced | int:
        """Apply an operator; what is the same number for every design is that number."""
        if operator in ("//", "%") and self.compared("==", right, 0):
            raise ZeroDivisionError("division by zero")
        at = self.tape.apply(operator, self._entry(left), self._entry(right))
        constant = self.tape.value_of(at)
        if constant is not None:
            return constant
        return Traced(self, at, OPERATORS[operator](_value(left), _value(right)))

    def compared(self, operator: str, left: Any, right: Any) -> bool:
        """Compare; where it depends on the design, the trail turns here."""
        one, other = self._entry(left), self._entry(right)
        outcome = self.tape.decided(operator, one, other)
        if outcome is not None:
            return outcome
        guard = Guard(operator, min(one, other), max(one, other)) if operator == "==" else Guard(operator, one, other)
        if guard not in self.taken:
            self.taken[guard] = bool(OPERATORS[operator](_value(left), _value(right)))
            self.branch = self.branch.way(guard, self.taken[guard])
        return self.taken[guard]

    def require(self, number: Traced) -> None:
        """Turn here to the designs in which a number has the value that it has in this one.

        The designs of other walks, which have other values, turned before.
        """
        mine = Guard("==", *sorted((number.at, self.tape.constant(number.value))))
        while mine not in self.taken and self.branch.guard not in (None, mine):
            self.branch = self.branch.way(self.branch.guard, False)
        self.compared("==", number, number.value)

    def written(self, number: Traced) -> str:
        """Write an entry into a text that is read for every design."""
        return f"\ue000{number.at}\ue001"

    def written_ratio(self, above: Any, below: Any) -> str:
        """Write a ratio into a text that is read for every design."""
        return f"\ue002{above}/{below}\ue003"

    def follow(self, work: Callable[[], tuple[int | Traced, ...]]) -> Leaf:
        """Do the work of a walk, and put what comes of it at the end of the trail."""
        try:
            leaf = Leaf(work())
        except BneckError as error:
            leaf = Leaf((), error.message)
        self.branch.leaf = leaf
        return leaf

    def _entry(self, number: Any) -> int:
        return number.at if type(number) is Traced else self.tape.constant(int(number))


def _value(number: Any) -> int:
    return number.value if type(number) is Traced else int(number)


def filled(text: str, number: Callable[[int], int]) -> str:
    """Replace the marks of a text by the numbers of a design, each found by its entry."""
    text = MARK.sub(lambda match: str(number(int(match[1]))), text)
    return RATIO.sub(lambda match: str(divided(int(match[1]), int(match[2]))), text)
