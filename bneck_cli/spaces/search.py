"""Totals along one axis, all at once: where a budget is met, and by what the values beside that are off.

Nothing is taken to grow or fall with the axis: every value is computed. Where no values are given, ever more of them
are, until all in the upper half are over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.sizes.number import open_ratio
from bneck_cli.spaces.axes import Axis, grid
from bneck_cli.spaces.space import Space
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bneck_cli.engine.settings import Settings
    from bneck_cli.language.library import Program

FIRST = 1 << 9
"""Values that are computed first, where none are given."""
GROWTH = 16
MOST = 1 << 21
"""Values that are computed at most."""
WIDEST = 1 << 24
"""No block of the field is wider; where one this wide is still cheaper, its cost does not depend on the width."""
MOST_WALKS = 2000
"""Walks of a search: more take minutes, and mean that each value goes a way of its own."""


class Line(NamedTuple):
    """The legal values along an axis in rising order, the totals of each, and why another value is refused.

    ``grew`` says that the values were not given.
    """

    axis: Axis
    above: Any
    totals: dict[str, Any]
    refusal: str
    grew: bool

    def value(self, index: int) -> Any:
        """Return a value: a whole number or a ratio."""
        return open_ratio(int(self.above[index]), self.axis.below)

    def total(self, name: str, index: int) -> int:
        """Return a total of a value."""
        return int(self.totals[name][index])

    def fits(self, most: Mapping[str, int]) -> Any:
        """Return for each value whether no total is over: an array of truth values."""
        import numpy

        inside = numpy.ones(len(self.above), dtype=bool)
        for name, limit in most.items():
            inside &= (self.totals[name] <= limit).astype(bool)
        return inside

    @property
    def tried(self) -> str:
        """The values that were tried, in words: ``8 to 4,096 in steps of 8``."""
        ends = [open_ratio(end, self.axis.below) for end in (min(self.axis.above), max(self.axis.above))]
        values = self.axis.above
        step = open_ratio(values.step, self.axis.below) if isinstance(values, range) else 1
        if ends[0] == ends[1]:
            return people(ends[0])
        said = f"{people(ends[0])} to {people(ends[1])}"
        return said if step == 1 else f"{said} in steps of {people(step)}"


def along(program: Program, settings: Settings, axis: Axis, totals: tuple[str, ...], grew: bool = False) -> Line:
    """Compute totals for every value of an axis.

    Raises BneckError if the axis is nothing that the spec has, and where the values go too many ways.
    """
    import numpy

    axis = axis._replace(above=axis.above if isinstance(axis.above, range) else tuple(sorted(axis.above)))
    space = Space(program, settings, grid([axis]), totals)
    space.most_walks = MOST_WALKS
    above, found, refusal = [], [], ""
    for block in space.blocks():
        legal = numpy.flatnonzero(block.legal)
        above.append(block.values[0][legal])
        found.append([block.totals[name][legal] for name in totals])
        for refused in block.refusals:
            refusal = refusal or refused.reason
    columns = [numpy.concatenate(each) for each in zip(*found, strict=True)]
    return Line(axis, numpy.concatenate(above), dict(zip(totals, columns, strict=True)), refusal, grew)


def searched(
    program: Program, settings: Settings, name: str, most: Mapping[str, int], step: int = 1, item: int | None = None
) -> Line:
    """Compute totals for ever more values of what varies, from ``step`` on, until all in the upper half are over.

    ``item`` is the place in a list where it is one of a list. Raises BneckError as ``along`` does.
    """
    count = FIRST
    while True:
        line = along(program, settings, Axis(name, item, range(step, count * step + 1, step), 1), tuple(most), True)
        upper = line.above > count * step // 2
        if upper.any() and not line.fits(most)[upper].any():
            return line
        if count >= MOST or count * step >= WIDEST:
            return line
        count = min(count * GROWTH, MOST, max(count + 1, WIDEST // step))
