"""Stages on a grid: a row for each size of the map, a new column where the map grows again.

By these rules alone a U-Net comes out as a U, and a feature pyramid as the pyramid of its paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.pictures.blocks import boxed, linked
from bneck_cli.pictures.marks import Box, Element, Line, Words, moved
from bneck_cli.pictures.stages import readings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bneck_cli.pictures.marks import Mark, Measures
    from bneck_cli.pictures.stages import Stage


class Grid(NamedTuple):
    """Where stages stand: ``rows`` and ``columns`` by stage, and by column whether the map grows along it."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    grows: frozenset[int]


class Place(NamedTuple):
    """A stage's box on the page."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The x of the right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The y of the lower edge."""
        return self.y + self.height


def arranged(stages: Sequence[Stage], outputs: Sequence[int]) -> Grid:
    """Give every stage its row and its column; several outputs stand in a last column of their own."""
    sizes = sorted({_extent(stage) for stage in stages}, reverse=True)
    at_row = {size: row for row, size in enumerate(sizes)}
    rows = tuple(at_row[_extent(stage)] for stage in stages)
    readers = readings(stages)
    columns: list[int] = []
    ways: dict[int, int] = {}
    for here, stage in enumerate(stages):
        column, way = 0, 0
        for index in stage.reads:
            at = columns[index]
            if rows[index] == rows[here]:
                wanted = at + (len(stage.reads) > 1 and readers[index] > 1)
            else:
                way = 1 if rows[here] > rows[index] else -1
                wanted = at if ways.get(at, way) == way else at + 1
            column = max(column, wanted)
        if way:
            ways.setdefault(column, way)
        columns.append(column)
    if len(outputs) > 1:
        last = max(columns) + 1
        for index in outputs:
            columns[index] = last
    return Grid(rows, tuple(columns), frozenset(column for column, way in ways.items() if way < 0))


def _extent(stage: Stage) -> tuple[bool, int]:
    """Order stages by the positions that leave them, vectors last; sizes with symbols are all alike."""
    positions = stage.out.positions
    return bool(stage.out.spatial), positions if isinstance(positions, int) else 0


def draw_grid(
    stages: Sequence[Stage],
    outputs: Sequence[int],
    caption: Callable[[Stage], str],
    share: Callable[[Stage], float],
    m: Measures,
) -> Element:
    """Return a network's stages as boxes on their grid, with bands for its rows and a line for whatever is read."""
    where = arranged(stages, outputs)
    lines = [
        [(text, "plain" if index else "strong") for index, text in enumerate(stage.lines)]
        + [(text, "small") for text in _captions(caption(stage), m)]
        for stage in stages
    ]
    boxes = [boxed(text, stage.fill, m, share=share(stage)) for text, stage in zip(lines, stages, strict=True)]
    count = max(where.columns) + 1
    widths = [max((boxes[i].width for i in _in(where.columns, column)), default=0) for column in range(count)]
    boxes = [
        boxed(text, stage.fill, m, least=widths[column], share=share(stage))
        for text, stage, column in zip(lines, stages, where.columns, strict=True)
    ]
    roads = _Roads(stages, where)
    places, bands, size = _placed(stages, where, boxes, widths, roads, m)
    marks: list[Mark] = [*bands]
    marks += [line for start, end in roads.edges for line in roads.line(start, end, places, m)]
    for stage, box, place in zip(stages, boxes, places, strict=True):
        marks += moved(linked(box, m.links.get(stage.first, "")).marks, place.x, place.y)
        if stage.name:
            marks.append(Words(place.right + m.beside, place.y + m.high("note") // 2, stage.name, "note", "start"))
    return Element(*size, size[0] // 2, tuple(marks))


def _captions(text: str, m: Measures) -> list[str]:
    """Return a caption's lines: one, or where room is short one a figure, or none."""
    if not text or m.tight > 1:
        return []
    return text.split(" · ") if m.tight else [text]


def _in(columns: Sequence[int], column: int) -> list[int]:
    return [index for index, at in enumerate(columns) if at == column]


def _placed(
    stages: Sequence[Stage],
    where: Grid,
    boxes: Sequence[Element],
    widths: Sequence[float],
    roads: _Roads,
    m: Measures,
) -> tuple[list[Place], list[Mark], tuple[float, float]]:
    """Place every box: rows as high as their tallest stack, columns as wide as their widest box and its roads."""
    titles = ["×".join(map(str, stage.out.spatial)) or "vector" for stage in stages]
    left = max(m.wide(title, "row") for title in titles) + 2 * m.apart
    lefts: list[float] = []
    x = left
    for column, width in enumerate(widths):
        lefts.append(x)
        names = [m.wide(stages[i].name, "note") for i in _in(where.columns, column) if stages[i].name]
        x += width + 2 * m.apart + max(names, default=0) + roads.lanes(column) * m.lane / 3
    total = x - (m.apart if m.round else 0)
    places: list[Place | None] = [None] * len(stages)
    bands: list[Mark] = []
    y: float = 0
    inside = m.apart / 2 if m.round else 0
    for row in range(max(where.rows) + 1):
        stacks = {
            column: [i for i in _in(where.columns, column) if where.rows[i] == row] for column in range(len(widths))
        }
        heights = {c: sum(boxes[i].height + m.gap for i in held) - m.gap for c, held in stacks.items() if held}
        tallest = max(heights.values())
        bands.append(Box(0, y, total, tallest + 2 * inside, f"band{row % 2}", m.round))
        title = next(title for title, at in zip(titles, where.rows, strict=True) if at == row)
        bands.append(Words(m.apart / 2 if m.round else 0, m.middle(y, tallest + 2 * inside), title, "row", "start"))
        for column, held in stacks.items():
            top = y + inside + (tallest - heights.get(column, 0)) // 2
            for index in reversed(held) if column in where.grows else held:
                places[index] = Place(lefts[column], top, boxes[index].width, boxes[index].height)
                top += boxes[index].height + m.gap
        y += tallest + 2 * inside + m.gap
    return [place for place in places if place is not None], bands, (total, y - m.gap)


class _Roads:
    """The lines between stages: straight where nothing is between, else along a lane of the gutter beside a column."""

    def __init__(self, stages: Sequence[Stage], where: Grid) -> None:
        self.where = where
        self.edges = [(start, end) for end, stage in enumerate(stages) for start in stage.reads]
        self.order = {column: self._top_down(column, len(stages)) for column in set(where.columns)}
        self.lane: dict[tuple[int, int], int] = {}
        used: dict[int, list[list[tuple[int, int]]]] = {}
        for edge in sorted(self.edges, key=lambda edge: (abs(where.rows[edge[0]] - where.rows[edge[1]]), edge)):
            if self.kind(*edge) == "lane":
                column = self.gutter(*edge)
                span = tuple(sorted(self._height(index) for index in edge))
                lanes = used.setdefault(column, [])
                free = next((i for i, held in enumerate(lanes) if all(_apart(span, other) for other in held)), None)
                if free is None:
                    lanes.append([])
                    free = len(lanes) - 1
                lanes[free].append((span[0], span[1]))
                self.lane[edge] = free
        self.used = used

    def _top_down(self, column: int, count: int) -> list[int]:
        """List the stages of a column from the top of the page."""
        held = [index for index in range(count) if self.where.columns[index] == column]
        sign = -1 if column in self.where.grows else 1
        return sorted(held, key=lambda index: (self.where.rows[index], sign * index))

    def _height(self, index: int) -> int:
        """Order stages by how far down they stand, finely enough for lanes."""
        column = self.order[self.where.columns[index]]
        return self.where.rows[index] * 1000 + column.index(index)

    def lanes(self, column: int) -> int:
        """Count the lanes in the gutter to the right of a column."""
        return len(self.used.get(column, []))

    def gutter(self, start: int, end: int) -> int:
        """Return the column whose gutter an edge runs in: before its target, or beside the column of both."""
        columns = self.where.columns
        return columns[start] if columns[end] <= columns[start] else columns[end] - 1

    def kind(self, start: int, end: int) -> str:
        """Say how an edge runs: ``down``, ``up`` or ``across``, by a ``turn`` into a column, or in a ``lane``."""
        rows, columns = self.where.rows, self.where.columns
        if columns[start] == columns[end]:
            order = self.order[columns[start]]
            apart = order.index(end) - order.index(start)
            return {1: "down", -1: "up"}.get(apart, "lane")
        if columns[start] > columns[end] or not self._free(rows[start], columns[start] + 1, columns[end]):
            return "lane"
        if rows[start] == rows[end]:
            return "across"
        order = self.order[columns[end]]
        facing = [i for i in order if min(rows[start], rows[end]) <= rows[i] <= max(rows[start], rows[end])]
        upward = rows[start] > rows[end]
        clear = rows[start] not in {rows[i] for i in order} and facing and facing[-1 if upward else 0] == end
        return ("turn up" if upward else "turn down") if clear else "lane"

    def _free(self, row: int, first: int, last: int) -> bool:
        """Tell whether nothing stands in a row between two columns."""
        cells = zip(self.where.rows, self.where.columns, strict=True)
        return not any(at == row and first <= column < last for at, column in cells)

    def line(self, start: int, end: int, places: Sequence[Place], m: Measures) -> list[Line]:
        """Draw the line from one stage to another that reads it."""
        a, b = places[start], places[end]
        from_y, to_y = m.middle(a.y, a.height), m.middle(b.y, b.height)
        x, across = b.x + b.width // 2, self.kind(start, end)
        if across == "down":
            return [Line(((x, a.bottom), (x, b.y)))]
        if across == "up":
            return [Line(((x, a.y - (0 if m.round else 1)), (x, b.bottom - (0 if m.round else 1))))]
        if across == "turn up":
            return [Line(((a.right, from_y), (x, from_y), (x, b.bottom - (0 if m.round else 1))))]
        if across == "turn down":
            return [Line(((a.right, from_y), (x, from_y), (x, b.y)))]
        gutter = b.x - m.apart
        if across == "across":
            turn = gutter if from_y != to_y else a.right
            return [Line(((a.right, from_y), (turn, from_y), (turn, to_y), (b.x, to_y)))]
        step = m.lane / 3 if m.round else 1
        if self.where.columns[end] > self.where.columns[start]:
            lane = b.x - m.apart - self.lane[start, end] * step
            return [Line(((a.right, from_y), (lane, from_y), (lane, to_y), (b.x, to_y)))]
        edge = max(places[i].right for i in self.order[self.where.columns[start]])
        lane = edge + m.apart + self.lane[start, end] * step
        return [Line(((a.right, from_y), (lane, from_y), (lane, to_y), (b.right, to_y)))]


def _apart(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether two stretches share no more than an end."""
    return one[1] <= other[0] or other[1] <= one[0]
