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
    """Place every stage in a row and a column; several outputs get a last column."""
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


MOST_COLUMNS = 8


def in_a_line(stages: Sequence[Stage]) -> Grid:
    """Place stages one below the other in their order, a row for each stretch of one size: for what no grid holds."""
    rows: list[int] = []
    for index, stage in enumerate(stages):
        same = index and stages[index - 1].out.spatial == stage.out.spatial
        rows.append(rows[-1] + (not same) if rows else 0)
    return Grid(tuple(rows), (0,) * len(stages), frozenset())


def placed(stages: Sequence[Stage], outputs: Sequence[int], m: Measures) -> Grid:
    """Choose how stages stand: on the grid, or in a line where that is too wide or a line would run through a box."""
    where = arranged(stages, outputs)
    if m.tight > MOST_TIGHT or max(where.columns) >= MOST_COLUMNS:
        return in_a_line(stages)
    rows, columns = where.rows, where.columns
    held = set(zip(rows, columns, strict=True))
    for end, stage in enumerate(stages):
        for start in stage.reads:
            between = range(columns[start] + 1, columns[end])
            if any((rows[start], column) in held for column in between):
                return in_a_line(stages)
    return where


MOST_TIGHT = 2
"""Where room is shorter than that, a network is drawn in a line."""


def _extent(stage: Stage) -> tuple[bool, int]:
    """Order stages by the output positions of them, vectors last; sizes with symbols are all alike."""
    positions = stage.out.positions
    return bool(stage.out.spatial), positions if isinstance(positions, int) else 0


def draw_grid(
    stages: Sequence[Stage],
    outputs: Sequence[int],
    caption: Callable[[Stage], str],
    share: Callable[[Stage], float],
    m: Measures,
) -> Element:
    """Return a network's stages as boxes on their grid, with bands for its rows and a line for whatever is read.

    Where the tensor runs to the right the grid is turned: bands stand side by side.
    """
    where = placed(stages, outputs, m)

    def drawn(stage: Stage, least: float = 0) -> Element:
        lines = [(text, "plain" if index else "strong") for index, text in enumerate(stage.lines)]
        lines += [(text, "note") for text in stage.notes]
        lines += [(text, "small") for text in _captions(caption(stage), m)]
        wide = 2 * (m.wide(stage.name, "note") + m.inside[0]) if m.right and stage.name else 0
        return m.leaf(boxed(lines, stage.fill, m, least, share(stage), wide))

    boxes = [drawn(stage) for stage in stages]
    count = max(where.columns) + 1
    widths = [max((boxes[i].width for i in _in(where.columns, column)), default=0) for column in range(count)]
    boxes = [drawn(stage, widths[column]) for stage, column in zip(stages, where.columns, strict=True)]
    levels, bands, bottom = _levels(stages, where, boxes, count, m)
    middles = [m.middle(level, box.height) for level, box in zip(levels, boxes, strict=True)]
    roads = _Roads(stages, where, middles, m)
    lefts, right = _lefts(stages, where, widths, roads, m)
    places = [
        Place(lefts[column], y, box.width, box.height)
        for column, y, box in zip(where.columns, levels, boxes, strict=True)
    ]
    roads.ends = [*lefts[1:], right]
    marks: list[Mark] = [_band(band, index, right - (m.apart if m.round else 0), m) for index, band in enumerate(bands)]
    marks += [_title(stages, where, band, index, m) for index, band in enumerate(bands)]
    marks += [line for start, end in roads.edges for line in roads.line(start, end, places)]
    for stage, box, place in zip(stages, boxes, places, strict=True):
        marks += moved(linked(box, m.links.get(stage.first, "")).marks, place.x, place.y)
        if stage.name:
            middle = m.middle(0, m.high("note"))
            x, y = (middle, 0) if m.right else (m.beside, middle)
            marks.append(Words(place.right + x, place.y + y, stage.name, "note", "start"))
    width = right - (m.apart if m.round else 0)
    return m.leaf(Element(width, bottom, width // 2, tuple(marks)))


def _captions(text: str, m: Measures) -> list[str]:
    """Return a caption's lines: one, or where room is short one a figure, or none."""
    if not text or m.tight == MOST_TIGHT:
        return []
    return text.split(" · ") if m.tight == 1 or m.right else [text]


def _in(columns: Sequence[int], column: int) -> list[int]:
    return [index for index, at in enumerate(columns) if at == column]


def _said(stage: Stage) -> str:
    """Return the title of a stage's row: the size of its output map."""
    return "×".join(map(str, stage.out.spatial)) or "vector"


def _title(stages: Sequence[Stage], where: Grid, band: tuple[float, float], row: int, m: Measures) -> Words:
    """Return a row's title, at the start of its band."""
    text = next(_said(stage) for stage, at in zip(stages, where.rows, strict=True) if at == row)
    start, middle = (m.apart / 2 if m.round else 0), m.middle(*band)
    if m.right:
        return Words(start + m.middle(0, m.high("row")), middle, text, "row")
    return Words(start, middle, text, "row", "start")


def _band(band: tuple[float, float], row: int, width: float, m: Measures) -> Box:
    return Box(0, band[0], width, band[1], f"band{row % 2}", m.round)


def _levels(
    stages: Sequence[Stage], where: Grid, boxes: Sequence[Element], count: int, m: Measures
) -> tuple[list[float], list[tuple[float, float]], float]:
    """Return how far down every box stands, where each row's band is, and where the last ends.

    A row is as high as its tallest stack.
    """
    tops: list[float] = [0] * len(stages)
    bands: list[tuple[float, float]] = []
    y: float = 0
    inside = m.apart / 2 if m.round else 0
    for row in range(max(where.rows) + 1):
        stacks = {column: [i for i in _in(where.columns, column) if where.rows[i] == row] for column in range(count)}
        heights = {c: sum(boxes[i].height + m.gap for i in held) - m.gap for c, held in stacks.items() if held}
        titles = [m.wide(_said(stage), "row") for stage, at in zip(stages, where.rows, strict=True) if at == row]
        tallest = max(*heights.values(), max(titles) if m.right else 0)
        bands.append((y, tallest + 2 * inside))
        for column, held in stacks.items():
            top = y + inside + m.middle(0, tallest) - m.middle(0, heights.get(column, 0))
            for index in reversed(held) if column in where.grows else held:
                tops[index] = top
                top += boxes[index].height + m.gap
        y += tallest + 2 * inside + m.gap
    return tops, bands, y - m.gap


def _lefts(
    stages: Sequence[Stage], where: Grid, widths: Sequence[float], roads: _Roads, m: Measures
) -> tuple[list[float], float]:
    """Return where every column begins, and where the last one's gutter ends: a gutter holds names and lanes."""
    x = m.high("row") if m.right else max(m.wide(_said(stage), "row") for stage in stages)
    x += roads.gutter * (1 if m.right or m.tight == MOST_TIGHT else 2)
    lefts: list[float] = []
    for column, width in enumerate(widths):
        lefts.append(x)
        held = [stages[i].name for i in _in(where.columns, column) if stages[i].name]
        names = max((m.high("note") if m.right else m.wide(name, "note") for name in held), default=0)
        x += width + 2 * roads.gutter + names + roads.lanes(column, bool(names)) * roads.step
    return lefts, x


class _Roads:
    """The lines between stages: straight where nothing is between, else along a lane of the gutter beside a column."""

    def __init__(self, stages: Sequence[Stage], where: Grid, middles: Sequence[float], m: Measures) -> None:
        self.where = where
        self.middles = middles
        self.m = m
        self.gutter = m.apart if m.round else 2
        self.step = m.lane / 3 if m.round else 1
        self.edges = [(start, end) for end, stage in enumerate(stages) for start in stage.reads]
        self.order = {column: self._top_down(column, len(stages)) for column in set(where.columns)}
        self.lane: dict[tuple[int, int], int] = {}
        self.used: dict[int, list[list[tuple[float, float]]]] = {}
        self.ends: list[float] = []
        """Where the gutter of every column ends."""
        self.ports: dict[tuple[int, int], float] = {}
        """Where an edge that runs in a lane enters its target: not level with the output of another."""
        bundles: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for edge in self.edges:
            if self.kind(*edge) == "lane":
                bundles.setdefault((self.beside(*edge), edge[0]), []).append(edge)
        spans = {key: self._span(key, edges) for key, edges in bundles.items()}
        for key in sorted(bundles, key=lambda key: (spans[key][1] - spans[key][0], key)):
            free = self._lane(key[0], spans[key])
            self.lane |= dict.fromkeys(bundles[key], free)

    def _span(self, key: tuple[int, int], edges: Sequence[tuple[int, int]]) -> tuple[float, float]:
        """Assign entries to the edges of one stage beside one column, and return the span in which they run."""
        column, start = key
        leaving = {self.middles[a] for a, b in self.edges if a != start and self.beside(a, b) == column}
        near = 14 if self.m.round else 1
        for edge in edges:
            entries = (self.middles[edge[1]] + step * near for step in (0, 1, -1, 2, -2))
            self.ports[edge] = next((at for at in entries if at not in leaving), self.middles[edge[1]])
        ends = [self.middles[start], *(self.ports[edge] for edge in edges)]
        return min(ends), max(ends)

    def _lane(self, column: int, span: tuple[float, float]) -> int:
        """Choose the innermost lane that is free along a span: long ones go around short ones."""
        lanes = self.used.setdefault(column, [])
        low, high = span
        free = next((i for i, held in enumerate(lanes) if all(high < a or b < low for a, b in held)), len(lanes))
        if free == len(lanes):
            lanes.append([])
        lanes[free].append(span)
        return free

    def _top_down(self, column: int, count: int) -> list[int]:
        """List the stages of a column from the top of the page."""
        held = [index for index in range(count) if self.where.columns[index] == column]
        sign = -1 if column in self.where.grows else 1
        return sorted(held, key=lambda index: (self.where.rows[index], sign * index))

    def lanes(self, column: int, named: bool) -> int:
        """Count the lanes beside a column for which its gutter must be wider; one is free where there are no names."""
        return max(0, len(self.used.get(column, [])) - (not named))

    def beside(self, start: int, end: int) -> int:
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
        if self.middles[start] == self.middles[end]:
            return "across"
        if rows[start] == rows[end]:
            return "lane"
        order = self.order[columns[end]]
        facing = [i for i in order if min(rows[start], rows[end]) <= rows[i] <= max(rows[start], rows[end])]
        upward = rows[start] > rows[end]
        clear = rows[start] not in {rows[i] for i in order} and facing and facing[-1 if upward else 0] == end
        return ("turn up" if upward else "turn down") if clear else "lane"

    def _free(self, row: int, first: int, last: int) -> bool:
        """Return whether nothing stands in a row between two columns."""
        cells = zip(self.where.rows, self.where.columns, strict=True)
        return not any(at == row and first <= column < last for at, column in cells)

    def line(self, start: int, end: int, places: Sequence[Place]) -> list[Line]:
        """Draw the line from one stage to another that reads it."""
        m = self.m
        a, b = places[start], places[end]
        from_y, to_y = m.middle(a.y, a.height), m.middle(b.y, b.height)
        x, across = m.middle(b.x, b.width), self.kind(start, end)
        if across == "down":
            return [Line(((x, a.bottom), (x, b.y)))]
        if across == "up":
            return [Line(((x, a.y - m.edge), (x, b.bottom - m.edge)))]
        if across == "turn up":
            return [Line(((a.right, from_y), (x, from_y), (x, b.bottom - m.edge)))]
        if across == "turn down":
            return [Line(((a.right, from_y), (x, from_y), (x, b.y)))]
        if across == "across":
            return [Line(((a.right, from_y), (b.x, to_y)))]
        lane = self.ends[self.beside(start, end)] - self.gutter - self.lane[start, end] * self.step
        to_y = self.ports[start, end]
        forward = self.where.columns[end] > self.where.columns[start]
        return [Line(((a.right, from_y), (lane, from_y), (lane, to_y), (b.x if forward else b.right - m.edge, to_y)))]
