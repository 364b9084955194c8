"""The elements of a drawing and their measures: marks at positions, in pixels or in character cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.shown import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Box(NamedTuple):
    """A rectangle.

    ``fill`` names its kind (``conv``, ``pool`` ...); a ``frame`` is dashed and empty, ``band0`` and ``band1`` lie
    behind rows.
    """

    x: float
    y: float
    width: float
    height: float
    fill: str
    round: float = 0
    link: str = ""
    """The anchor that the box leads to, on a page that has one."""


class Words(NamedTuple):
    """A line of text centred on ``y``; ``anchor`` says whether ``x`` is its start, middle or end."""

    x: float
    y: float
    text: str
    role: str
    anchor: str = "middle"


class Line(NamedTuple):
    """Straight segments through ``points``, across or down, their corners rounded; ``head`` ends in an arrowhead."""

    points: tuple[tuple[float, float], ...]
    head: bool = True
    dashed: bool = False


class Joint(NamedTuple):
    """A circle with the sign of what joins there: ``+`` or ``×``."""

    x: float
    y: float
    sign: str


class Bar(NamedTuple):
    """A share of a whole, from 0 to 1, as a bar of ``width``."""

    x: float
    y: float
    width: float
    share: float


Mark = Box | Words | Line | Joint | Bar


class Picture(NamedTuple):
    """A whole drawing: its size and its marks, those behind first."""

    title: str
    width: float
    height: float
    marks: tuple[Mark, ...]


class Element(NamedTuple):
    """A part of a drawing, its upper left corner at 0, 0.

    ``spine`` is the x at which the tensor enters at the top and leaves at the bottom; a ``bare`` element begins with a
    line, so the arrow into it has no head; one that stands ``apart`` does not follow what is above it.
    """

    width: float
    height: float
    spine: float
    marks: tuple[Mark, ...]
    bare: bool = False
    apart: bool = False


class Measures(NamedTuple):
    """The sizes that a layout is made with; ``wide`` and ``high`` measure a line of text in its role."""

    wide: Callable[[str, str], float]
    high: Callable[[str], float]
    inside: tuple[float, float]
    """Between a box and its text, across and down."""
    least: float
    """The width of a box at least."""
    gap: float
    """Between two elements of a stack, where the arrow is."""
    lead: float
    """The same before an element that begins with a line."""
    turn: float
    """From where a tensor enters to where a branch leaves it."""
    fall: float
    """From where a branch leaves to the top of what stands on it."""
    lane: float
    """Between a body and the lane of what goes around it."""
    apart: float
    """Between branches side by side."""
    reach: float
    """From a joint's middle to where lines from the side end."""
    joint: float
    """The height of a joint."""
    beside: float
    """Between a line and the words beside it."""
    round: float
    bar: float
    """The height of a bar with the space above it; 0 if there are none."""
    tight: int = 0
    """Where room is short: from 1 on branches are listed and a caption takes two lines, from 2 on it is left out."""
    links: Mapping[int, str] = {}
    """Anchors by the identity of a node, on a page that has rows to lead to."""
    read: frozenset[str] = frozenset()
    """The names under which parts of the block at hand are read."""
    right: bool = False
    """Whether the tensor runs to the right: a layout is made as if it ran down, and then turned, leaf by leaf."""

    def middle(self, top: float, height: float) -> float:
        """Return the middle of a stretch: of cells, the upper of two."""
        return top + (height / 2 if self.round else (height - 1) // 2)

    @property
    def edge(self) -> float:
        """From the far edge of a box to where a line from there ends: cells belong to what they show."""
        return 0 if self.round else 1

    def leaf(self, element: Element) -> Element:
        """Return what is read as it stands, such as a box with its text, for a layout that is turned afterwards."""
        return turned(element, self) if self.right else element

    def across(self, text: str, role: str) -> float:
        """Measure how far words beside a line reach across it."""
        return self.beside + (self.high(role) if self.right else self.wide(text, role))

    def along(self, text: str, role: str) -> float:
        """Measure how long a line must be for the words beside it; 0 if it always is."""
        return self.wide(text, role) + (2 if not self.round else 2 * self.beside) if self.right and text else 0

    def note(self, line: float, start: float, length: float, text: str, role: str) -> Words:
        """Return words beside the middle of a line: to the right of one that runs down, else below it."""
        if not self.right:
            return Words(line + self.beside, self.middle(start, length), text, role, "start")
        down = self.beside + (self.high(role) / 2 if self.round else 0)
        return Words(line + down, self.middle(start, length), text, role)


def moved(marks: Iterable[Mark], x: float, y: float) -> tuple[Mark, ...]:
    """Return the marks, each ``x`` to the right and ``y`` further down."""
    shifted: list[Mark] = []
    for mark in marks:
        if isinstance(mark, Line):
            shifted.append(mark._replace(points=tuple((a + x, b + y) for a, b in mark.points)))
        else:
            shifted.append(mark._replace(x=mark.x + x, y=mark.y + y))
    return tuple(shifted)


def turned(element: Element, m: Measures) -> Element:
    """Return an element with across and down exchanged; turned twice it is as it was."""
    marks: list[Mark] = []
    for mark in element.marks:
        if isinstance(mark, Line):
            marks.append(mark._replace(points=tuple((b, a) for a, b in mark.points)))
        elif isinstance(mark, Box):
            marks.append(mark._replace(x=mark.y, y=mark.x, width=mark.height, height=mark.width))
        else:
            marks.append(mark._replace(x=mark.y, y=mark.x))
    spine = m.middle(0, element.height)
    return Element(element.height, element.width, spine, tuple(marks), element.bare, element.apart)


NARROW = "".join(map(chr, range(32, 127))) + "×·–—→²³⌊⌋…√≈"
_PLAIN = """
318 401 460 838 636 950 780 275 390 390 500 838 318 361 318 337 636 636 636 636 636 636 636 636 636 636 337 337 838 838
838 531 1000 684 686 698 770 632 575 775 752 295 295 656 557 863 748 787 603 787 695 635 611 732 684 989 685 611 685
390 337 390 838 500 500 613 635 550 635 615 352 635 634 278 278 579 278 974 634 612 635 635 411 521 392 634 592 818 592
592 525 636 337 636 838 838 318 500 1000 838 401 401 390 390 1000 637 838"""
_BOLD = """
348 456 521 838 696 1002 872 306 457 457 523 838 380 415 380 365 696 696 696 696 696 696 696 696 696 696 400 400 838 838
838 580 1000 774 762 734 830 683 683 821 837 372 372 775 637 995 837 850 733 850 770 720 682 812 774 1103 771 724 725
457 365 457 838 500 500 675 716 593 716 678 435 716 712 343 343 665 343 1042 712 687 716 716 493 595 478 712 652 924 645
652 582 712 365 712 838 838 380 500 1000 838 438 438 457 457 1000 667 838"""
WIDEST = 1100

ROLES = {
    "title": (22, True, False),
    "subtitle": (17, False, False),
    "head": (21, True, False),
    "strong": (19, True, False),
    "plain": (18, False, False),
    "small": (15, False, False),
    "shape": (17, False, False),
    "note": (15, False, True),
    "pill": (15, False, False),
    "row": (17, True, False),
}
"""How each role of text is set: its size in pixels, whether it is bold, whether it is italic."""


def advances(bold: bool) -> dict[str, int]:
    """Return the advance widths of DejaVu Sans in thousandths of its size: the widest of the usual sans serifs."""
    numbers = (_BOLD if bold else _PLAIN).split()
    return dict(zip(NARROW, map(int, numbers), strict=True))


def pixels(links: Mapping[int, str] | None = None, right: bool = False) -> Measures:
    """Measure in pixels, as SVG has them; ``links`` are anchors by the identity of a node."""
    tables = {bold: advances(bold) for bold in (False, True)}

    def wide(text: str, role: str) -> float:
        size, bold, _ = ROLES[role]
        table = tables[bold]
        return sum(table.get(character, WIDEST) for character in text) * size / 1000

    def high(role: str) -> float:
        return float(ROLES[role][0] + 7)

    m = Measures(
        wide,
        high,
        inside=(22, 9),
        least=156,
        gap=34,
        lead=10,
        turn=26,
        fall=34,
        lane=42,
        apart=22,
        reach=17,
        joint=34,
        beside=10,
        round=8,
        bar=20,
        links=links or {},
    )
    return m._replace(right=True, inside=(14, 9), least=70, fall=40, lane=30, beside=6) if right else m


def cells(plain: bool = False, tight: int = 0, right: bool = False) -> Measures:
    """Measure in cells of a grid of characters; ``plain`` ones are ASCII, of which some take more."""
    table = str.maketrans(PLAIN) if plain else {}

    def wide(text: str, _: str) -> int:
        return len(text.translate(table) if plain else text)

    m = Measures(
        wide,
        lambda _: 1,
        inside=(2, 1),
        least=5,
        gap=1,
        lead=1,
        turn=0,
        fall=2,
        lane=3,
        apart=2,
        reach=1,
        joint=1,
        beside=2,
        round=0,
        bar=0,
        tight=tight,
    )
    if not right:
        return m
    near = m._replace(right=True, gap=4, lead=4, turn=1, fall=4, lane=1, apart=1, reach=0, joint=3, beside=1)
    return near._replace(inside=(1, 1), gap=2, lead=2, fall=2) if tight else near
