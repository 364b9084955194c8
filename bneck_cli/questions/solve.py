"""Which input, width or depth fits a budget? The largest value of what varies, and what its neighbours cost.

Every value is computed, so that nothing is taken to grow with what varies; where values fit that are not next to each
other, it is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.report import Column, Facts, Prose, Records, Report, Row, Table
from bneck_cli.sizes.amounts import read_figure
from bneck_cli.spaces.axes import parse_axis
from bneck_cli.spaces.search import along, searched
from bneck_cli.spaces.space import TOTALS, require_free
from bneck_cli.words.comparing import quotient
from bneck_cli.words.values import Percent, people

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bneck_cli.engine.settings import Settings
    from bneck_cli.language.library import Program
    from bneck_cli.report import Part
    from bneck_cli.sizes.amounts import Figure
    from bneck_cli.spaces.search import Line

COARSE = 10
"""A figure rounded more coarsely than by a tenth of its value says too little to be looked for."""
MOST_SPANS = 4
"""Runs of values that fit which are listed."""


class Solution(NamedTuple):
    """The values of what varies, which of them fit, and the largest that does, by its place among them."""

    name: str
    line: Line
    targets: dict[str, Figure]
    fits: Any
    at: int

    @property
    def neighbours(self) -> list[int]:
        """The places of the value found and of those on both sides."""
        return [place for place in (self.at - 1, self.at, self.at + 1) if 0 <= place < len(self.line.above)]


def solve(name: str, program: Program, settings: Settings, vary: str, targets: Sequence[str]) -> Solution:
    """Find the largest value of what varies (``H``, ``width=0.25:2:0.05``) that meets targets (``macs=4.9G``).

    Raises BneckError for what is no target or cannot vary, and where no value fits, or every one that was not given.
    """
    import numpy

    wanted = dict(_target(text) for text in targets)
    if not wanted:
        raise BneckError("solve needs a target", hint="--for macs=4.9G")
    most = {measure: figure.value for measure, figure in wanted.items()}
    axis = parse_axis(vary if "=" in vary else f"{vary}=1")
    require_free(program, settings, [axis])
    if "=" in vary:
        line = along(program, settings, axis, tuple(most))
    else:
        line = searched(program, settings, axis.name, most, item=axis.item)
    fits = line.fits(most)
    if not len(fits):
        raise BneckError(f"{name} takes no {axis.title} of {line.tried}: {line.refusal}")
    if not fits.any():
        raise BneckError(f"no {axis.title} of {line.tried} fits {_asked(wanted)}", hint=_least(line, wanted))
    if line.grew and fits.all() and len(fits) > 1:
        raise BneckError(f"every {axis.title} of {line.tried} fits {_asked(wanted)}: it barely depends on {axis.title}")
    return Solution(name, line, wanted, fits, int(numpy.flatnonzero(fits)[-1]))


def _target(text: str) -> tuple[str, Figure]:
    """Read ``macs=4.9G`` or ``macs<=4.9G``."""
    measure, equals, amount = text.replace("<=", "=").partition("=")
    measure, figure = measure.strip(), read_figure(amount)
    if not equals:
        raise BneckError(f"--for: '{text[:60]}' is not a target", hint="write macs=4.9G")
    if measure not in TOTALS:
        hint = nearest(measure, TOTALS) or f"the totals are {listed(TOTALS, 'and')}"
        raise BneckError(f"--for: unknown total '{measure[:60]}'", hint=hint)
    if figure is None:
        raise BneckError(f"--for: '{amount[:60]}' is not an amount", hint="write 300M, 1.5G or a plain number")
    return measure, figure


def _asked(targets: dict[str, Figure]) -> str:
    return listed([f"{measure} {figure.text}" for measure, figure in targets.items()], "and")


def _least(line: Line, targets: dict[str, Figure]) -> str:
    """Say what the cheapest value has of each total that it is over."""
    told = []
    for measure, figure in targets.items():
        least = int(line.totals[measure].argmin())
        if line.total(measure, least) > figure.value:
            told.append(f"the least {measure} is {people(line.total(measure, least))}, at {people(line.value(least))}")
    return "; ".join(told) or "each total fits at some value, but no value fits all of them"


# The report


def report(found: Solution) -> Report:
    """Report a solution: the value and its neighbours, each total, and what it is of its target."""
    title = found.line.axis.title
    header = [title, *found.targets, "fits"]

    def rows() -> list[list[Any]]:
        return [
            [
                _plain(found.line.value(place)),
                *(found.line.total(measure, place) for measure in found.targets),
                bool(found.fits[place]),
            ]
            for place in found.neighbours
        ]

    return Report(
        "solve",
        found.name,
        f"{title} for {_asked(found.targets)}",
        lambda: _parts(found),
        lambda: Records(header, rows()),
        lambda: {
            "vary": title,
            "at": _plain(found.line.value(found.at)),
            "targets": {measure: figure.value for measure, figure in found.targets.items()},
            "neighbours": [dict(zip(header, row, strict=True)) for row in rows()],
            "fitting": [
                {"from": _plain(found.line.value(first)), "to": _plain(found.line.value(last))}
                for first, last in _spans(found)
            ],
            "tried": found.line.tried,
        },
    )


def _plain(value: Any) -> Any:
    """Return a ratio as the number that it is about."""
    return value.above / value.below if hasattr(value, "above") else value


def _parts(found: Solution) -> Iterator[Part]:
    title, line = found.line.axis.title, found.line
    columns = [Column(title, title, "number")]
    for measure in found.targets:
        columns += [Column(measure, measure, "number"), Column(f"{measure} off", "off", "number")]
    rows = []
    for place in found.neighbours:
        cells: list[Any] = [line.value(place)]
        for measure, figure in found.targets.items():
            value = line.total(measure, place)
            cells += [value, Percent(quotient(100 * (value - figure.value), figure.value))]
        rows.append(Row(cells, style="" if found.fits[place] else "changed"))
    yield Table(columns, rows)
    yield Prose(list(_said(found)))
    yield Facts([("tried", f"{title} {line.tried}, of which {people(len(line.above))} are legal")])


def _said(found: Solution) -> Iterator[str]:
    """Say which value is the largest that fits, what the next is over, and what stands out."""
    import numpy

    title, line = found.line.axis.title, found.line
    said = f"{title} {people(line.value(found.at))} is the largest that fits {_asked(found.targets)}"
    after = found.at + 1
    if after < len(line.above):
        over = [
            f"{measure} by {people(line.total(measure, after) - figure.value)}"
            for measure, figure in found.targets.items()
            if line.total(measure, after) > figure.value
        ]
        said += f"; the next, {people(line.value(after))}, is over in {listed(over, 'and')}"
    yield said + ("." if after < len(line.above) else ": all larger values tried are illegal." if line.grew else ".")
    spans = list(_spans(found))
    if len(spans) > 1 or spans[0][0] > 0:
        told = [_span(line, *span) for span in spans[:MOST_SPANS]]
        more = len(spans) - MOST_SPANS
        told += [f"{people(more)} more runs of values"] if more > 0 else []
        yield f"Not every smaller value fits; those that do are {listed(told, 'and')}."
    for measure, figure in found.targets.items():
        if not 0 < figure.high - figure.low <= figure.value // COARSE:
            continue
        values = line.totals[measure]
        near = numpy.flatnonzero((values >= figure.low) & (values <= figure.high)).tolist()
        if near:
            whole = near[-1] - near[0] + 1 == len(near)
            at = _span(line, near[0], near[-1]) if whole else f"of {len(near)} values"
            yield f"Rounded, {figure.text} {measure} is {title} {at}."


def _span(line: Line, first: int, last: int) -> str:
    one, other = people(line.value(first)), people(line.value(last))
    return one if first == last else f"{one} to {other}"


def _spans(found: Solution) -> Iterator[tuple[int, int]]:
    """Yield runs of legal values that fit, by the places of their first and their last."""
    import numpy

    inside = numpy.concatenate([[False], found.fits, [False]]).astype(int)
    turns = numpy.flatnonzero(numpy.diff(inside))
    yield from zip(turns[::2].tolist(), (turns[1::2] - 1).tolist(), strict=True)
