"""The report model: titled parts with exact values, independent of any format, and the same as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Union

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


class Column(NamedTuple):
    """A column of a table: how it is titled and aligned, and what it does where the page is narrow.

    ``kind`` is ``number`` (to the right, never broken), ``words`` (may be wrapped between words), ``name`` (carries the
    indentation of its row; stays on one line) or ``share`` (a number with a bar where there is room).
    """

    key: str
    title: str = ""
    kind: str = "words"
    gives: int = 0
    """When it gives way: 1 is the first to go, 0 never goes."""
    short: str = ""
    """The title where there is little room."""
    shorten: Callable[[str], str] | None = None
    """What is left of a cell where there is little room."""
    joins: bool = False
    """Whether its cell stands behind the row's name, where there is room, once the column has given way."""


class Row(NamedTuple):
    """A line of a table: a value for each column.

    ``level`` is its depth in a tree. ``total`` rows stand at the end, below a line. ``style`` says what the row is:
    ``group`` (it sums up those below it), ``idle``, ``added``, ``removed``, ``changed`` or nothing.
    """

    cells: Sequence[Any]
    level: int = 0
    total: bool = False
    style: str = ""
    anchor: str = ""
    """What a drawing's box may lead to."""


class Table(NamedTuple):
    """Rows under columns; the rows that are totals come last."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    title: str = ""


class Beside(NamedTuple):
    """Tables to be set side by side, where the page is wide enough."""

    tables: Sequence[Table]


class Facts(NamedTuple):
    """Named statements: ``rule: ...``; values may be text or amounts."""

    pairs: Sequence[tuple[str, Any]]
    title: str = ""


class Prose(NamedTuple):
    """Sentences, a paragraph each; with a ``title`` they are a section of their own.

    A line that begins with spaces belongs to the one above it. ``listed`` lines are items of a list.
    """

    lines: Sequence[str]
    title: str = ""
    listed: bool = False


class Figure(NamedTuple):
    """A drawing: ``draw`` writes it as ``svg``, ``dark`` (an SVG for dark paper), ``tikz`` or ``text``.

    Text is within a width where one is given and it can be, and in ASCII where the last argument says so.
    """

    draw: Callable[[str, int | None, bool], str]


class Source(NamedTuple):
    """A text as it is, such as a spec."""

    text: str


class Chapter(NamedTuple):
    """Parts under a heading, which a page may fold until it is asked for."""

    title: str
    parts: Sequence[Part]
    folded: bool = False


Part = Union["Table", "Beside", "Facts", "Prose", "Figure", "Source", "Chapter"]


class Records(NamedTuple):
    """The same as data: a header and flat rows, a number in each cell."""

    header: Sequence[str]
    rows: Iterable[Sequence[Any]]


class Report(NamedTuple):
    """The answer to a question. Parts and data are made when a format asks for them, as often as it does."""

    command: str
    title: str
    subtitle: str
    parts: Callable[[], Iterable[Part]]
    records: Callable[[], Records]
    data: Callable[[], Mapping[str, Any]]
    """What JSON shows, by name; the keys are those of the command's schema (specs/SCHEMA.md)."""
    schema: int = 2
    """The version of these keys."""
    source: Callable[[], Iterator[str]] | None = None
    """Python source, where the answer has formulas."""


def telling(table: Table, plain: Mapping[str, Any]) -> Table:
    """Drop the columns that say nothing: those where every cell is empty, or too plain (by key) to be worth one."""
    kept = [
        index
        for index, column in enumerate(table.columns)
        if column.key not in plain or any(row.cells[index] not in ("", None, plain[column.key]) for row in table.rows)
    ]
    if len(kept) == len(table.columns):
        return table
    rows = [row._replace(cells=[row.cells[index] for index in kept]) for row in table.rows]
    return table._replace(columns=[table.columns[index] for index in kept], rows=rows)
