"""A picture as TikZ, at the same places as in SVG: for a paper, whose fonts it then has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.pictures.marks import ROLES, Bar, Box, Joint, Line, Words
from bneck_cli.pictures.svg import BANDS, FILLS, RADIUS, THEMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.pictures.marks import Mark, Picture

SCALE = 0.0176
"""Centimetres a pixel: a column of text holds a block."""
SPECIAL = {"&": "\\&", "%": "\\%", "$": "\\$", "#": "\\#", "_": "\\_", "{": "\\{", "}": "\\}"}
SPECIAL |= {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}
SPECIAL |= {
    "×": "$\\times$",
    "·": "$\\cdot$",
    "²": "$^2$",
    "³": "$^3$",
    "⌊": "$\\lfloor$",
    "⌋": "$\\rfloor$",
    "→": "$\\to$",
}
SPECIAL |= {"<": "$<$", ">": "$>$", "|": "$|$"}


def render_tikz(picture: Picture) -> Iterator[str]:
    """Write a picture as one tikzpicture."""
    yield "% needs \\usepackage{tikz} and \\usetikzlibrary{arrows.meta}\n"
    for name, (paint, edge) in FILLS.items():
        yield f"\\definecolor{{bneck{name}}}{{HTML}}{{{paint[1:].upper()}}}"
        yield f"\\definecolor{{bneck{name}edge}}{{HTML}}{{{edge[1:].upper()}}}\n"
    yield "\\begin{tikzpicture}[x=1cm, y=-1cm, >={Triangle[length=5pt, width=4pt]}, font=\\sffamily]\n"
    for mark in picture.marks:
        yield f"  {_mark(mark)}\n"
    yield "\\end{tikzpicture}\n"


def _at(x: float, y: float) -> str:
    return f"({x * SCALE:.3f},{y * SCALE:.3f})"


def _html(colour: str) -> str:
    return f"{{rgb,255:red,{int(colour[1:3], 16)};green,{int(colour[3:5], 16)};blue,{int(colour[5:], 16)}}}"


def _mark(mark: Mark) -> str:
    if isinstance(mark, Box):
        corners = f"{_at(mark.x, mark.y)} rectangle {_at(mark.x + mark.width, mark.y + mark.height)}"
        if mark.fill.startswith("band"):
            return f"\\fill[fill={_html(BANDS['light'][int(mark.fill[4:])])}, rounded corners=3pt] {corners};"
        if mark.fill == "frame":
            return f"\\draw[dashed, gray, rounded corners=3pt] {corners};"
        look = f"fill=bneck{mark.fill}, draw=bneck{mark.fill}edge, rounded corners={mark.round * SCALE:.3f}cm"
        return f"\\draw[{look}] {corners};"
    if isinstance(mark, Line):
        path = " -- ".join(_at(*point) for point in mark.points)
        options = ["->" if mark.head else "-", "rounded corners=2.5pt", *(["dashed"] if mark.dashed else [])]
        return f"\\draw[{', '.join(options)}] {path};"
    if isinstance(mark, Joint):
        circle = f"\\draw[fill=white] {_at(mark.x, mark.y)} circle ({RADIUS * SCALE:.3f});"
        sign = {"+": "+", "×": "\\times"}.get(mark.sign, mark.sign)
        return f"{circle} \\node at {_at(mark.x, mark.y)} {{${sign}$}};"
    if isinstance(mark, Bar):
        return _bar(mark)
    return _words(mark)


def _bar(mark: Bar) -> str:
    rail = f"{_at(mark.x, mark.y)} rectangle {_at(mark.x + mark.width, mark.y + 6)}"
    full = f"{_at(mark.x, mark.y)} rectangle {_at(mark.x + max(2, mark.share * mark.width), mark.y + 6)}"
    colours = THEMES["light"]
    return f"\\fill[fill={_html(colours['rail'])}] {rail}; \\fill[fill={_html(colours['bar'])}] {full};"


def _words(mark: Words) -> str:
    size, bold, italic = ROLES[mark.role]
    points = size * SCALE * 28.45
    look = f"\\fontsize{{{points:.1f}}}{{{points * 1.2:.1f}}}\\selectfont"
    look += ("\\bfseries" if bold else "") + ("\\itshape" if italic else "")
    anchor = {"start": "west", "middle": "center", "end": "east"}[mark.anchor]
    text = "".join(SPECIAL.get(character, character) for character in mark.text)
    return f"\\node[anchor={anchor}, inner sep=0pt] at {_at(mark.x, mark.y)} {{{look} {text}}};"
