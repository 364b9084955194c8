"""The points of a sweep's plot: totals over what varies, or one total over another with the front of the best.

The designs are those of a sweep that is made for it, or of a file that a sweep wrote.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.questions.plot import Plot, Series
from bneck_cli.questions.sweep import USUAL, rows, sweep
from bneck_cli.report import Records
from bneck_cli.spaces.choosing import front
from bneck_cli.spaces.space import TOTALS
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bneck_cli.engine.settings import Settings
    from bneck_cli.language.library import Program

READERS = (".csv", ".tsv", ".jsonl", ".parquet")
MOST_POINTS = 20_000
"""Points that are drawn: of more, one in so many, and the front of all."""
MOST_DESIGNS = 4_000_000
MOST_LINES = 12
MOST_NAMED = 8
"""Designs of a front that are named."""


def is_table(name: str) -> bool:
    """Return whether a name is that of a file that a sweep wrote."""
    return os.path.splitext(name)[1].lower() in READERS


def plot_of_file(
    file: str, x: str | None = None, y: str | None = None, pareto: Sequence[str] = (), most: str = ""
) -> Plot:
    """Plot the rows of a file. Raises BneckError if it holds no sweep."""
    columns = _read(file)
    return sweep_plot(os.path.basename(file), columns, x, y, pareto, most)


def plot_of_sweep(
    name: str,
    program: Program,
    settings: Settings,
    vary: Sequence[str],
    x: str | None = None,
    y: str | None = None,
    pareto: Sequence[str] = (),
    most: str = "",
) -> Plot:
    """Make a sweep and plot it. Raises BneckError for what is none, and for more designs than a plot can hold."""
    wanted = [each for each in (x, y, *pareto, most) if each in TOTALS]
    found = sweep(name, program, settings, vary, totals=tuple(dict.fromkeys([*wanted, *USUAL])))
    if found.space.designs.number > MOST_DESIGNS:
        raise BneckError(
            f"a plot takes at most {people(MOST_DESIGNS)} designs (got {people(found.space.designs.number)})"
        )
    import numpy

    blocks = list(rows(found))
    columns = {title: numpy.concatenate([block[title] for block in blocks]) for title in blocks[0] if title != "design"}
    if not len(next(iter(columns.values()))):
        raise BneckError("no design of the sweep is legal", hint="`bneck sweep ... --refused` says why")
    return sweep_plot(name, columns, x, y, pareto, most)


def sweep_plot(
    name: str, columns: Mapping[str, Any], x: str | None, y: str | None, pareto: Sequence[str], most: str = ""
) -> Plot:
    """Choose what stands on the axes and draw the designs.

    Of one thing that varies a total over it; of two a line for each value of the one with fewer; of more one total over
    another. A front has its two totals on the axes; ``most`` is the one of which more is better.
    """
    totals = [title for title in columns if title in TOTALS]
    varied = [title for title in columns if title not in TOTALS]
    if not totals:
        raise BneckError(f"{name} has no total to plot", hint=f"totals are {listed(TOTALS, 'and')}")
    for each in (x, y, *pareto, most):
        if each and each not in columns:
            raise BneckError(
                f"{name} has no column '{each}'",
                hint=nearest(each, columns) or f"the columns are {listed(columns, 'and')}",
            )
    if pareto and len(pareto) != 2:
        raise BneckError("the front of a plot needs two totals", hint="--pareto params,macs")
    if pareto:
        x, y = pareto
    y = y or next((each for each in ("macs", *totals) if each in totals and each != x), totals[0])
    by = _by(columns, varied, x)
    x = x or _across(columns, varied, totals, by, y)
    drawn = (_front if pareto else _lines if x in varied else _points)(columns, x, y, by, most)
    header = [*varied, *totals]
    table = list(zip(*(columns[title].tolist() for title in header), strict=True))
    return Plot(f"{name}: {y} over {x}", x, y, tuple(drawn), Records(header, table), (), (x in totals, y in totals))


def _across(columns: Mapping[str, Any], varied: Sequence[str], totals: Sequence[str], by: str | None, y: str) -> str:
    """Name what stands on the horizontal axis: of one or two things that vary the one with more values."""
    import numpy

    free = [each for each in varied if each != by]
    if free and len(varied) < 3:
        return max(free, key=lambda each: len(numpy.unique(columns[each])))
    return next((each for each in ("params", *totals) if each in totals and each != y), totals[0])


def _by(columns: Mapping[str, Any], varied: Sequence[str], x: str | None) -> str | None:
    """Name what distinguishes the lines: what varies with the fewest values, if they are few."""
    import numpy

    counts = {each: len(numpy.unique(columns[each])) for each in varied if each != x}
    if not counts or (len(varied) == 1 and x is None):
        return None
    fewest = min(counts, key=lambda each: counts[each])
    return fewest if counts[fewest] <= MOST_LINES else None


def _groups(columns: Mapping[str, Any], by: str | None) -> list[tuple[str, Any]]:
    """Divide the designs by a column; all of them together if there is none."""
    import numpy

    count = len(next(iter(columns.values())))
    if by is None:
        return [("designs", numpy.arange(count))]
    return [
        (f"{by} {value:g}", numpy.flatnonzero(columns[by] == value)) for value in numpy.unique(columns[by]).tolist()
    ]


def _lines(columns: Mapping[str, Any], x: str, y: str, by: str | None, _most: str) -> list[Series]:
    """Draw a line for each group; a dot for each design where several have the same place on the axis."""
    import numpy

    drawn = []
    for name, numbers in _groups(columns, by):
        order = numbers[numpy.argsort(columns[x][numbers], kind="stable")]
        across = columns[x][order]
        look = "line" if len(numpy.unique(across)) == len(across) else "points"
        chosen = order[:: -(-len(order) // MOST_POINTS)]
        drawn.append(Series(name, look, columns[x][chosen].tolist(), columns[y][chosen].tolist()))
    return drawn


def _points(columns: Mapping[str, Any], x: str, y: str, by: str | None, _most: str) -> list[Series]:
    """Draw a dot for each design."""
    drawn = []
    for name, numbers in _groups(columns, by):
        chosen = numbers[:: -(-len(numbers) // MOST_POINTS)]
        drawn.append(Series(name, "points", columns[x][chosen].tolist(), columns[y][chosen].tolist()))
    return drawn


def _front(columns: Mapping[str, Any], x: str, y: str, by: str | None, most: str) -> list[Series]:
    """Draw a dot for each design, and the front of those that no other beats, each named."""
    best = front([-columns[each] if each == most else columns[each] for each in (x, y)])
    varied = [title for title in columns if title not in TOTALS]
    every = -(-len(best) // MOST_NAMED)
    labels = [
        "" if place % every else ", ".join(f"{title} {columns[title][number]:g}" for title in varied)
        for place, number in enumerate(best.tolist())
    ]
    line = Series("front", "front", columns[x][best].tolist(), columns[y][best].tolist(), labels)
    return [*_points(columns, x, y, by, most), line]


# Files


def _read(file: str) -> dict[str, Any]:
    """Read the columns of a file that a sweep wrote, numbers as numbers."""
    import numpy

    kind = os.path.splitext(file)[1].lower()
    readers: dict[str, Callable[[str], dict[str, list[Any]]]] = {".jsonl": _lines_of_json, ".parquet": _parquet}
    try:
        found = readers.get(kind, _delimited)(file)
        columns = {name: numpy.array(values) for name, values in found.items()}
    except OSError as error:
        raise BneckError(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BneckError(f"{file}: not a sweep: every row needs a number in every column") from None
    if not columns or not all(column.dtype.kind in "if" and len(column) for column in columns.values()):
        raise BneckError(f"{file}: not a sweep: every row needs a number in every column")
    return columns


def _number(cell: str) -> int | float:
    return int(cell) if cell.isdecimal() else float(cell)


def _delimited(file: str) -> dict[str, list[Any]]:
    import csv

    with open(file, encoding="utf-8", newline="") as text:
        header, *lines = csv.reader(text, delimiter="\t" if file.lower().endswith("tsv") else ",")
    return {name: [_number(line[at]) for line in lines] for at, name in enumerate(header)}


def _lines_of_json(file: str) -> dict[str, list[Any]]:
    import json

    with open(file, encoding="utf-8") as text:
        held = [json.loads(line) for line in text if line.strip()]
    return {name: [row[name] for row in held] for name in held[0]} if held else {}


def _parquet(file: str) -> dict[str, list[Any]]:
    from importlib import import_module

    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise BneckError("Parquet needs pyarrow", hint="pip install 'bneck[parquet]'") from None
    return dict(parquet.read_table(file).to_pydict())
