"""A picture as SVG: one file without styles, scripts or fonts of its own, so that every viewer shows the same."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from bneck_cli.pictures.marks import ROLES, Bar, Box, Joint, Line, Words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.pictures.marks import Mark, Picture

FILLS = {
    "conv": ("#dbe8f9", "#6b93c9"),
    "point": ("#ecf2fd", "#8fb1d6"),
    "depthwise": ("#fde5c8", "#d9a24a"),
    "linear": ("#e9e2f7", "#9b83cf"),
    "attention": ("#fbdfe6", "#d1798f"),
    "pool": ("#dceedc", "#7fb583"),
    "up": ("#d6efee", "#62aeab"),
    "pill": ("#f2f4f6", "#b4bac2"),
    "join": ("#ffffff", "#454c55"),
    "block": ("#ffffff", "#5a6270"),
    "other": ("#f6f6f6", "#9aa1ab"),
}
THEMES = {
    "light": {"paper": "", "ink": "#1a1e24", "grey": "#6a7280", "line": "#454c55", "bar": "#3d7fc4", "rail": "#e3e6ea"},
    "dark": {
        "paper": "#14171b",
        "ink": "#e8eaed",
        "grey": "#a3abb6",
        "line": "#aab2bd",
        "bar": "#5b9be0",
        "rail": "#333a43",
    },
    "print": {
        "paper": "",
        "ink": "#000000",
        "grey": "#444444",
        "line": "#222222",
        "bar": "#555555",
        "rail": "#dddddd",
    },
}
"""Colours by theme; kinds are also told by words, so that grey loses nothing."""
BANDS = {"light": ("#fafbfd", "#f2f3f7"), "dark": ("#1a1e24", "#20252c"), "print": ("#fafafa", "#f1f1f1")}
FONT = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"
HEAD = 11
"""The length of an arrowhead."""
RADIUS = 17
CORNER = 7


def render_svg(picture: Picture, theme: str = "light") -> Iterator[str]:
    """Write a picture as one SVG document."""
    colours = THEMES[theme]
    width, height = number(picture.width), number(picture.height)
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
    linked = [mark for mark in picture.marks if isinstance(mark, Box) and mark.link]
    yield f'font-family="{FONT}" role="{"group" if linked else "img"}">\n<title>{escape(picture.title)}</title>\n'
    if colours["paper"]:
        yield f'<rect width="{width}" height="{height}" fill="{colours["paper"]}"/>\n'
    for mark in picture.marks:
        yield from _mark(mark, theme)
    for box in linked:
        place = f'x="{number(box.x)}" y="{number(box.y)}" width="{number(box.width)}"'
        area = f'<rect {place} height="{number(box.height)}" rx="{number(box.round)}" fill="transparent"/>'
        yield f'<a href="#{escape(box.link)}" aria-label="{escape(_inside(picture, box))}">{area}</a>\n'
    yield "</svg>\n"


def _inside(picture: Picture, box: Box) -> str:
    """Return the words in a box."""
    words = (mark for mark in picture.marks if isinstance(mark, Words))
    return ", ".join(
        mark.text
        for mark in words
        if box.x <= mark.x <= box.x + box.width and box.y <= mark.y <= box.y + box.height and mark.anchor == "middle"
    )


def number(value: float) -> str:
    """Write a coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def _fill(fill: str, theme: str) -> tuple[str, str]:
    """Return the colours of a box and of its edge."""
    paint, edge = FILLS[fill]
    if theme == "dark":
        return {"pill": "#262b32", "join": "#14171b", "block": "#14171b", "other": "#22262c"}.get(
            fill, _blend(edge)
        ), edge
    if theme == "print":
        return ("#ffffff" if fill in ("point", "join", "block", "pill") else "#ececec"), "#333333"
    return paint, edge


def _blend(colour: str) -> str:
    """Return a colour a quarter as bright, for boxes on dark paper."""
    return "#" + "".join(f"{int(colour[at : at + 2], 16) // 4 + 12:02x}" for at in (1, 3, 5))


def _mark(mark: Mark, theme: str) -> Iterator[str]:
    colours = THEMES[theme]
    if isinstance(mark, Box):
        yield _box(mark, theme)
    elif isinstance(mark, Words):
        yield _words(mark, theme)
    elif isinstance(mark, Line):
        yield from _line(mark, colours["line"])
    elif isinstance(mark, Joint):
        x, y, arm = mark.x, mark.y, 8 if mark.sign == "+" else 6
        crossing = (
            ((0, -arm, 0, arm), (-arm, 0, arm, 0))
            if mark.sign == "+"
            else ((-arm, -arm, arm, arm), (-arm, arm, arm, -arm))
        )
        paper, ink = colours["paper"] or "#ffffff", colours["line"]
        path = " ".join(f"M{number(x + a)} {number(y + b)}L{number(x + c)} {number(y + d)}" for a, b, c, d in crossing)
        yield f'<circle cx="{number(x)}" cy="{number(y)}" r="{RADIUS}" fill="{paper}" stroke="{ink}" stroke-width="2"/>'
        if mark.sign in ("+", "×"):
            yield f'<path d="{path}" fill="none" stroke="{ink}" stroke-width="2.5"/>\n'
        else:
            yield _words(Words(x, y, mark.sign, "strong"), theme)
    else:
        yield from _bar(mark, theme)


def _box(mark: Box, theme: str) -> str:
    place = f'x="{number(mark.x)}" y="{number(mark.y)}" width="{number(mark.width)}" height="{number(mark.height)}"'
    if mark.fill.startswith("band"):
        return f'<rect {place} rx="10" fill="{BANDS[theme][int(mark.fill[4:])]}"/>\n'
    edge = f'rx="{number(mark.round)}"'
    if mark.fill == "frame":
        return f'<rect {place} {edge} fill="none" stroke="{THEMES[theme]["grey"]}" stroke-dasharray="6 5"/>\n'
    paint, line = _fill(mark.fill, theme)
    return f'<rect {place} {edge} fill="{paint}" stroke="{line}" stroke-width="1.8"/>\n'


def _words(mark: Words, theme: str) -> str:
    size, bold, italic = ROLES[mark.role]
    grey = mark.role in ("small", "subtitle", "note", "row")
    colour = THEMES[theme]["grey" if grey else "ink"]
    look = (' font-weight="bold"' if bold else "") + (' font-style="italic"' if italic else "")
    anchor = "" if mark.anchor == "start" else f' text-anchor="{mark.anchor}"'
    return (
        f'<text x="{number(mark.x)}" y="{number(mark.y + 0.36 * size)}" font-size="{size}"{look}{anchor} '
        f'fill="{colour}">{escape(mark.text, quote=False)}</text>\n'
    )


def _line(mark: Line, colour: str) -> Iterator[str]:
    """Draw a line with rounded corners; its arrowhead is a triangle of its own, which needs no ids."""
    points = [point for index, point in enumerate(mark.points) if index == 0 or point != mark.points[index - 1]]
    (x, y), (a, b) = points[-1], points[-2]
    along = ((x > a) - (x < a), (y > b) - (y < b))
    if mark.head:
        points[-1] = (x - along[0] * (HEAD - 2), y - along[1] * (HEAD - 2))
    dash = ' stroke-dasharray="6 5"' if mark.dashed else ""
    yield f'<path d="{path_of(points)}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>\n'
    if mark.head:
        back, side = (x - along[0] * HEAD, y - along[1] * HEAD), 5.5
        corners = (
            (back[0] + along[1] * side, back[1] + along[0] * side),
            (back[0] - along[1] * side, back[1] - along[0] * side),
        )
        tip = " ".join(f"{number(px)},{number(py)}" for px, py in ((x, y), *corners))
        yield f'<polygon points="{tip}" fill="{colour}"/>\n'


def path_of(points: list[tuple[float, float]]) -> str:
    """Return a path whose corners are rounded, no more than half of the shorter side."""
    parts = [f"M{number(points[0][0])} {number(points[0][1])}"]
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        sides = [abs(one[0] - at[0]) + abs(one[1] - at[1]) for one in (before, after)]
        radius = min(CORNER, *(side / 2 for side in sides))
        near, far = (
            (
                at[0] + radius * ((one[0] > at[0]) - (one[0] < at[0])),
                at[1] + radius * ((one[1] > at[1]) - (one[1] < at[1])),
            )
            for one in (before, after)
        )
        parts.append(
            f"L{number(near[0])} {number(near[1])}Q{number(at[0])} {number(at[1])} {number(far[0])} {number(far[1])}"
        )
    parts.append(f"L{number(points[-1][0])} {number(points[-1][1])}")
    return "".join(parts)


def _bar(mark: Bar, theme: str) -> Iterator[str]:
    place = f'x="{number(mark.x)}" y="{number(mark.y)}" height="6" rx="3"'
    yield f'<rect {place} width="{number(mark.width)}" fill="{THEMES[theme]["rail"]}"/>'
    if mark.share > 0:
        yield f'<rect {place} width="{number(max(2, mark.share * mark.width))}" fill="{THEMES[theme]["bar"]}"/>'
    yield "\n"
