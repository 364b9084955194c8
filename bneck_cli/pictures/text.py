"""A picture in characters: the same marks, laid out in cells, drawn with box characters or in ASCII."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from bneck_cli.pictures.marks import Box, Joint, Line, Words
from bneck_cli.shown import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.pictures.marks import Picture

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
STROKES = {
    UP: "│",
    DOWN: "│",
    LEFT: "─",
    RIGHT: "─",
    UP | DOWN: "│",
    LEFT | RIGHT: "─",
    DOWN | RIGHT: "┌",
    DOWN | LEFT: "┐",
    UP | RIGHT: "└",
    UP | LEFT: "┘",
    UP | DOWN | RIGHT: "├",
    UP | DOWN | LEFT: "┤",
    DOWN | LEFT | RIGHT: "┬",
    UP | LEFT | RIGHT: "┴",
    UP | DOWN | LEFT | RIGHT: "┼",
}
HEADS = {DOWN: "▼", UP: "▲", LEFT: "◄", RIGHT: "►"}
PLAINLY = str.maketrans(PLAIN)


class Grid:
    """Cells that lines cross: where two meet, their strokes join."""

    def __init__(self, width: int, height: int) -> None:
        self.strokes = [[0] * width for _ in range(height)]
        self.written: dict[tuple[int, int], str] = {}

    def stroke(self, x: int, y: int, ways: int) -> None:
        """Let a line leave a cell in some directions."""
        if 0 <= y < len(self.strokes) and 0 <= x < len(self.strokes[y]):
            self.strokes[y][x] |= ways

    def write(self, x: int, y: int, text: str) -> None:
        """Write characters over whatever lines are there."""
        for offset, character in enumerate(text):
            self.written[x + offset, y] = character

    def lines(self) -> Iterator[str]:
        """Yield the rows; a stroke that comes in from a neighbour meets those that are there."""
        above = [0] * len(self.strokes[0])
        for y, row in enumerate(self.strokes):
            cells, before = [], 0
            for x, own in enumerate(row):
                came = (UP if above[x] & DOWN else 0) | (LEFT if before & RIGHT else 0)
                cells.append(self.written.get((x, y)) or STROKES.get(own | came if own else 0, " "))
                before = own
            above = row
            yield "".join(cells).rstrip()


def render_text(picture: Picture, plain: bool = False) -> Iterator[str]:
    """Write a picture that was laid out in cells, a line at a time; ``plain`` is ASCII, for which it was laid out."""
    grid = Grid(int(picture.width) + 1, int(picture.height) + 1)
    for mark in picture.marks:
        if isinstance(mark, Line):
            _line(grid, mark)
        elif isinstance(mark, Box):
            _box(grid, mark)
        elif isinstance(mark, Joint):
            grid.write(int(mark.x) - 1, int(mark.y), f"({mark.sign})")
        elif isinstance(mark, Words):
            text = mark.text.translate(PLAINLY) if plain else mark.text
            back = {"start": 0, "middle": len(text) // 2, "end": len(text) - 1}[mark.anchor]
            grid.write(int(mark.x) - back, int(mark.y), text)
    lines = list(grid.lines())
    while lines and not lines[-1]:
        lines.pop()
    for line in lines:
        yield (line.translate(PLAINLY) if plain else line) + "\n"


def _line(grid: Grid, mark: Line) -> None:
    """Draw a line; it stops before the cell that it ends on, which belongs to what it leads to."""
    points = [(int(x), int(y)) for x, y in mark.points]
    points = [point for index, point in enumerate(points) if index == 0 or point != points[index - 1]]
    way = last = None
    for (x, y), (a, b) in itertools.pairwise(points):
        way = RIGHT if a > x else LEFT if a < x else DOWN if b > y else UP
        back = {RIGHT: LEFT, LEFT: RIGHT, UP: DOWN, DOWN: UP}[way]
        steps = max(abs(a - x), abs(b - y))
        dx, dy = (a > x) - (a < x), (b > y) - (b < y)
        final = (a, b) == points[-1]
        for step in range(steps + 1):
            at = (x + dx * step, y + dy * step)
            if step == steps and final:
                break
            ways = (way if step < steps else 0) | (back if step > 0 else 0)
            grid.stroke(*at, ways)
            last = at
    if way is not None and last is not None:
        grid.stroke(*last, way)
        if mark.head:
            grid.write(*last, HEADS[way])


def _box(grid: Grid, mark: Box) -> None:
    """Draw a frame, dashed where it stands for copies; a pill is words between parentheses."""
    left, top = int(mark.x), int(mark.y)
    right, bottom = left + int(mark.width) - 1, top + int(mark.height) - 1
    if mark.fill.startswith("band"):
        return
    if mark.fill == "pill":
        grid.write(left, top, "(" + " " * (right - left - 1) + ")")
        return
    across, down = ("┄", "┆") if mark.fill == "frame" else ("─", "│")
    for y in range(top, bottom + 1):
        for x in range(left, right + 1):
            edge = (x in (left, right), y in (top, bottom))
            if edge == (True, True):
                grid.write(x, y, {(left, top): "┌", (right, top): "┐", (left, bottom): "└", (right, bottom): "┘"}[x, y])
            elif edge[1]:
                grid.write(x, y, across)
            elif edge[0]:
                grid.write(x, y, down)
            elif mark.fill != "frame":
                grid.write(x, y, " ")
