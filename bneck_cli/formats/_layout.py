"""How a table is laid out in so many characters: what is shortened, what is wrapped and what gives way, by its plan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.shown import shown
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bneck_cli.report import Column, Table

GAP = 2
NARROW = 16
"""The least that a column of words is given, before other columns give way."""
BAR = 8
BLOCKS = " ▏▎▍▌▋▊▉█"
WIDE = re.compile(r"[\u0300-\u036f\u0483-\u0489\u0590-\u1fff\u200b-\u200f\u231a-\u23ff\u25fd-\u2fff\u3000-\U0010ffff]")
"""What may take no column of a terminal, or two: rich measures it."""


class Lane(NamedTuple):
    """A column with its cells as text; ``values`` are those that the text was written from."""

    column: Column
    title: str
    cells: list[str]
    values: list[Any]

    @property
    def width(self) -> int:
        """The characters that the lane takes, a wrapped cell by its longest line."""
        return max(measure(line) for text in (self.title, *self.cells) for line in text.split("\n"))

    @property
    def number(self) -> bool:
        """Whether the cells stand at the right."""
        return self.column.kind == "number"


def measure(text: str) -> int:
    """Count the columns of a terminal that a text takes."""
    if text.isascii() or not WIDE.search(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def bar(share: float, width: int = BAR) -> str:
    """Draw a share of 0 to 1 as a bar, to an eighth of a character."""
    full, rest = divmod(round(share * width * 8), 8)
    return ("█" * full + (BLOCKS[rest] if rest else "")).ljust(width)


def lanes(table: Table, bars: bool = False) -> list[Lane]:
    """Write a table's cells as people read them, each column as wide as it needs."""
    found = []
    for index, column in enumerate(table.columns):
        values = [row.cells[index] for row in table.rows]
        if column.kind == "share":
            cells = [_share(value, bars) for value in values]
        elif column.kind == "name":
            cells = ["  " * row.level + shown(people(value)) for row, value in zip(table.rows, values, strict=True)]
        else:
            cells = [shown(people(value)) for value in values]
        found.append(Lane(column, shown(column.title), cells, values))
    return found


def _share(value: Any, bars: bool) -> str:
    if value is None:
        return ""
    return f"{value!s:>6} {bar(value.value)}" if bars else f"{value!s:>6}"


def fitted(table: Table, width: int | None, bars: bool = True) -> list[list[Lane]]:
    """Lay out a table within a width: words are shortened and wrapped, columns give way in their order.

    Where the numbers alone are wider, the table becomes several, each with the first column. No number is broken.
    """
    found = lanes(table, bars)
    if width is None or not found:
        return [found]
    for step in (_shortened, _without_bars, _with_short_titles):
        if _least(found) <= width:
            break
        found = step(found)
    for lane in sorted((lane for lane in found if lane.column.gives), key=lambda lane: lane.column.gives):
        if _least(found) <= width or len(found) == 1:
            break
        found = _without(found, lane.column)
    return [_wrapped(part, width) for part in _parts(found, width)]


def _least(found: Sequence[Lane], least: Callable[[Lane], int] | None = None) -> int:
    """Add up what the lanes need at least, with the gaps between them."""
    return sum((least or _needs)(lane) for lane in found) + GAP * (len(found) - 1)


def _needs(lane: Lane) -> int:
    """Return what a lane needs before others give way: words may be wrapped down to a readable width."""
    return min(lane.width, max(NARROW, _unbroken(lane))) if lane.column.kind == "words" else lane.width


def _unbroken(lane: Lane) -> int:
    """Return the longest stretch of a lane that must not be broken: a number, or a piece of a name."""
    texts = (lane.title, *lane.cells)
    return max((_indent(text) + measure(piece) for text in texts for piece in _pieces(text)), default=0)


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def _shortened(found: list[Lane]) -> list[Lane]:
    return [
        lane._replace(
            cells=[short(cell) for cell in lane.cells],
            values=[short(value) if isinstance(value, str) else value for value in lane.values],
        )
        if (short := lane.column.shorten)
        else lane
        for lane in found
    ]


def _without_bars(found: list[Lane]) -> list[Lane]:
    return [
        lane._replace(cells=[cell[:6] for cell in lane.cells]) if lane.column.kind == "share" else lane
        for lane in found
    ]


def _with_short_titles(found: list[Lane]) -> list[Lane]:
    return [lane._replace(title=lane.column.short or lane.title) for lane in found]


def _without(found: list[Lane], column: Column) -> list[Lane]:
    """Leave a column out; where it joins, its cells stand behind the names that leave room for them."""
    gone = next(lane for lane in found if lane.column is column)
    first, *others = [lane for lane in found if lane.column is not column]
    if column.joins:
        named = [
            f"{name} {cell}"
            if cell and not name.strip().startswith(cell) and len(name) + len(cell) < first.width
            else name
            for name, cell in zip(first.cells, gone.cells, strict=True)
        ]
        first = first._replace(cells=named)
    return [first, *others]


def _parts(found: list[Lane], width: int) -> Iterator[list[Lane]]:
    """Part a table whose numbers are too wide: as many columns beside the first as there is room for."""

    def least(lane: Lane) -> int:
        return min(lane.width, _unbroken(lane))

    while len(found) > 2 and _least(found, least) > width:
        many = 2
        while many < len(found) and _least(found[: many + 1], least) <= width:
            many += 1
        yield found[:many]
        found = [found[0], *found[many:]]
    yield found


def _wrapped(found: list[Lane], width: int) -> list[Lane]:
    """Share the width among the lanes that may be wrapped, the narrow ones first; numbers take what they need."""
    if _least(found, lambda lane: lane.width) <= width:
        return found
    soft = [lane for lane in found if lane.column.kind == "words"]
    room = width - _least(found, lambda lane: 0 if lane.column.kind == "words" else lane.width)
    if room < sum(min(lane.width, _needs(lane)) for lane in soft):  # formulas and names are wrapped, too
        soft = [lane for lane in found if lane.width > _unbroken(lane)]
        room = width - _least(found, lambda lane: 0 if lane in soft else lane.width)
    widths = {lane.column.key: _unbroken(lane) for lane in soft}
    room -= sum(widths.values())
    for left, lane in zip(range(len(soft), 0, -1), sorted(soft, key=_spare), strict=True):
        more = max(0, min(_spare(lane), room // left))
        widths[lane.column.key] += more
        room -= more
    found = [_broken(lane, widths[lane.column.key]) if lane.column.key in widths else lane for lane in found]
    height = max(lane.title.count("\n") for lane in found)
    return [lane._replace(title="\n" * (height - lane.title.count("\n")) + lane.title) for lane in found]


def _spare(lane: Lane) -> int:
    """Return by how much a lane may be narrowed."""
    return lane.width - _unbroken(lane)


def _broken(lane: Lane, width: int) -> Lane:
    indents = map(_indent, lane.cells)
    cells = [
        "\n".join(flow(cell.strip(), width, " " * indent, " " * indent)) if measure(cell) > width else cell
        for cell, indent in zip(lane.cells, indents, strict=True)
    ]
    return lane._replace(title="\n".join(flow(lane.title, width)), cells=cells)


# Words over lines

PIECE = re.compile(r"\S+?(?:[._/:\\=+](?=[^\d\s])|(?<=\D)[-·](?=\D)|(?<=[^\d\s]),(?=\S)|(?=\s)|$)")
LONGEST = 40
"""Of a name without a place to break, so many characters stand on a line."""


def _pieces(text: str) -> list[str]:
    """Take a text apart where a line may end: at spaces, and after the dots and dashes of names, never in a number."""
    pieces = []
    for piece in PIECE.findall(text):
        rest = piece
        while len(rest) > LONGEST and not rest[LONGEST - 1 : LONGEST + 1].isdigit():
            pieces.append(rest[:LONGEST])
            rest = rest[LONGEST:]
        pieces.append(rest)
    return pieces


def flow(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Wrap a text to lines of a width: between words, in a long name after a dot or a dash, never in a number."""
    if measure(first + text) <= width:
        return [first + text]
    lines, line, taken = [], first, measure(first)
    empty = True
    for word in text.split(" "):
        for index, piece in enumerate(_pieces(word) if measure(rest + word) > width else [word]):
            gap = "" if empty or index else " "
            size = measure(piece)
            if not empty and taken + len(gap) + size > width:
                lines.append(line)
                line, taken, gap = rest, measure(rest), ""
            line, taken, empty = line + gap + piece, taken + len(gap) + size, False
    return [*lines, line]
