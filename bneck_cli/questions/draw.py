"""Drawings of a block, a network, or several blocks side by side, with the figures of the analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from bneck_cli.budget import BOXES, exceeded
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.layers.drawn import written
from bneck_cli.engine.network import Layer, Series, at_path, first_copy, inner
from bneck_cli.engine.settings import Settings, among, require_used
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.library import as_network
from bneck_cli.pictures.blocks import Page, drawn_block, page
from bneck_cli.pictures.grid import draw_grid, placed
from bneck_cli.pictures.labels import boxes, closed
from bneck_cli.pictures.marks import cells, pixels
from bneck_cli.pictures.stages import gathered, stages
from bneck_cli.report import Figure
from bneck_cli.sizes.amounts import rounded
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Cost, Size
    from bneck_cli.language.library import Program
    from bneck_cli.pictures.marks import Element, Measures, Picture
    from bneck_cli.pictures.stages import Stage

NUMBERS = ("params", "macs", "shapes", "none")
"""What may be written beside boxes; ``shapes`` leaves the costs out, ``none`` leaves the shapes out as well."""
USUAL = ("params", "macs")
THEMES = ("light", "dark", "print")
FORMATS = ("svg", "text", "mermaid", "dot", "tikz")
DIRECTIONS = ("down", "right")


class Drawing(NamedTuple):
    """What is to be drawn: networks or blocks, each analysed, under one title; ``below`` are sentences."""

    title: str
    subjects: tuple[Subject, ...]
    numbers: tuple[str, ...]
    below: tuple[str, ...] = ()
    headed: bool = True
    """Whether a title stands above what is drawn."""
    blocks: bool = True
    """Whether beside a plain chain stands the block that it has most of."""
    direction: str = "down"


class Subject(NamedTuple):
    """One part of a drawing: a network, where ``node`` is None, or a block of it."""

    name: str
    analysis: Analysis
    node: Series | None


def draw(
    programs: Sequence[tuple[str, Program]],
    settings: Settings = Settings(),
    at: str | None = None,
    numbers: tuple[str, ...] = USUAL,
    match: str | None = None,
    depth: int | None = None,
    direction: str = "down",
) -> Drawing:
    """Analyse what is to be drawn.

    A block without channels is drawn with its symbols. ``at`` is the path of a block in the network. With ``match``
    blocks are drawn at the width at which they cost as much as the first, and what that shows stands below. ``depth``
    opens so many levels: 1 stages, 2 blocks, 3 what they hold; without it a network is drawn as its stages, a block
    whole. Raises BneckError for a path that is not there, and for ``numbers`` that are not known.
    """
    for word in numbers:
        if word not in NUMBERS:
            raise BneckError(f"--numbers: unknown word '{word}'", hint=nearest(word, NUMBERS) or listed(NUMBERS))
    if match is not None:
        return _matched(programs, settings, numbers, match)._replace(direction=direction)
    require_used([program for _, program in programs], settings)
    subjects = []
    for _, asked in programs:
        words = asked.words
        program, own = among(asked, settings)
        sized = own.in_channels is not None and as_network(program).parameter("channels") is None
        if program.block is not None and own.channels is None and own.given("channels") is None and not sized:
            own = own._replace(symbolic=True)
            own = own if own.input or not own.in_channels else own.with_input("HxW")
        analysis = analyze_program(program, own)
        node = _block_at(analysis, at) if at else analysis.root if program.block is not None or depth else None
        if node is not None and depth:
            node = cast("Series", closed(node, depth - 1))
        if _boxes(analysis, node) > BOXES.most:
            raise exceeded(BOXES)
        titled = f"{inner(node).name or at}: {at} of {analysis.name}" if at and node else analysis.name
        subjects.append(Subject(f"{titled} {words.channels}" if words and words.channels else titled, analysis, node))
    return Drawing(" and ".join(subject.name for subject in subjects), tuple(subjects), numbers, direction=direction)


def _matched(
    programs: Sequence[tuple[str, Program]], settings: Settings, numbers: tuple[str, ...], match: str
) -> Drawing:
    """Draw blocks at equal cost, the comparison's conclusion below them."""
    from bneck_cli.questions.match import compare_matched

    if len(programs) < 2:
        raise BneckError("--match draws two or more blocks at equal cost", hint="name at least one more")
    found, _ = compare_matched(list(programs), settings, match)
    subjects = tuple(Subject(one.name, one.analysis, one.analysis.root) for one in found.candidates)
    return Drawing(" and ".join(one.name for one in subjects), subjects, numbers, found.conclusion)


def _boxes(analysis: Analysis, node: Series | None) -> int:
    """Count the boxes that a drawing will have: a network's stages, or a block's layers."""
    if node is None:
        return len(_stages(analysis)[0])
    return boxes(node)


def figure(analysis: Analysis, node: Series | None, links: Mapping[int, str] | None = None) -> Figure | None:
    """Return the drawing of a block, or without one of the network's stages, for a report; None for one too large.

    ``links`` are anchors of the page by the identity of a node. As ``svg`` it is light, as ``dark`` for dark paper.
    """
    if _boxes(analysis, node) > BOXES.most:
        return None
    drawing = Drawing(analysis.name, (Subject("", analysis, node),), USUAL, headed=False)
    words = drawing._replace(blocks=False)

    def drawn(kind: str, width: int | None, plain: bool) -> str:
        if kind in ("svg", "dark"):
            from bneck_cli.pictures.svg import render_svg

            return "".join(render_svg(lay_out(drawing, pixels(links)), "dark" if kind == "dark" else "light"))
        return "".join(render(words, kind, "light", plain, width))

    return Figure(drawn)


def _block_at(analysis: Analysis, path: str) -> Series:
    """Find the block at a path; of a stage, its first."""
    node, _ = at_path(analysis.root, path, analysis.name)
    while (first := first_copy(node)) is not None:
        node = first.node
    if not isinstance(node, Series):
        what = "a single layer" if isinstance(node, Layer) else "no block"
        raise BneckError(f"'{path}' is {what}", hint="name the block or stage that contains it")
    return node


def caption(cost: Cost, numbers: Sequence[str]) -> str:
    """Say what a part costs, in the measures asked for."""
    said = {"params": f"{amount(cost.params)} params", "macs": f"{amount(cost.macs)} MACs"}
    return " · ".join(said[word] for word in numbers if word in said)


def amount(size: Size) -> str:
    """Write a cost: exactly below a million, else with three digits and a unit; a formula as it is."""
    if not isinstance(size, int):
        return written(size)
    return f"{people(size)}" if size < 1_000_000 else rounded(size)


def lay_out(drawing: Drawing, m: Measures, width: float | None = None) -> Picture:
    """Place everything that is drawn, in pixels or in cells; what is too wide for ``width`` goes into rows."""
    elements: list[Element] = []
    shapes = "none" not in drawing.numbers
    for name, analysis, node in drawing.subjects:
        if node is not None:
            elements.append(drawn_block(name, node, caption(node.cost, drawing.numbers), m, shapes))
        else:
            elements += _network(analysis, drawing, m)
    alone = len(drawing.subjects) == 1
    first = drawing.subjects[0]
    text = Page(drawing.title, (), drawing.below)
    if alone and first.node is None and drawing.headed:
        shape = ", ".join(str(shape) for shape in first.analysis.inputs.values())
        totals = caption(first.analysis.cost, drawing.numbers)
        above = (drawing.title, "title"), (" · ".join(part for part in (shape, totals) if part), "subtitle")
        text = text._replace(above=above)
    return page(text, elements, m, width)


TIGHTEST = 3
NARROW = 80
"""Where all is as tight as can be, a block that is wider than a terminal is left out of its network's picture."""
WIDEST = 1500
"""Pixels across beyond which a block is left out: the whole would be too small to read; ``at`` draws it."""


def in_cells(drawing: Drawing, width: int | None, plain: bool) -> Picture:
    """Place everything in cells, within a width as far as that can be: first in rows, then with less beside it."""
    right = drawing.direction == "right"
    found = lay_out(drawing, cells(plain, right=right), width)
    for tight in range(1, TIGHTEST + 1):
        if width is None or found.width <= width:
            break
        closer = lay_out(drawing, cells(plain, tight, right), width)
        found = closer if closer.width < found.width else found
    if right and width is not None and found.width > width:
        raise BneckError(
            f"drawn to the right this takes {int(found.width)} columns of text, but there are {width}",
            hint="write an SVG (`-o FILE.svg`), or draw downward",
        )
    return found


def _network(analysis: Analysis, drawing: Drawing, m: Measures) -> Iterator[Element]:
    """Yield the stages of a network, and beside a plain chain the block that it has most of."""
    found, outputs = _stages(analysis)
    whole = analysis.cost.macs

    def share(stage: Stage) -> float:
        macs = stage.cost.macs
        return macs / whole if isinstance(macs, int) and isinstance(whole, int) and whole else -1.0

    yield draw_grid(found, outputs, lambda stage: caption(stage.cost, drawing.numbers), share, m)
    if drawing.blocks and max(placed(found, outputs, m).columns) == 0:
        for title, block in _commonest(found):
            drawn = drawn_block(title, block, caption(block.cost, drawing.numbers), m, "none" not in drawing.numbers)
            across = drawn.height if m.right else drawn.width
            if across <= WIDEST if m.round else m.tight < TIGHTEST or drawn.width <= NARROW:
                yield drawn


def _stages(analysis: Analysis) -> tuple[list[Stage], list[int]]:
    found = stages(analysis.root, tuple(analysis.inputs))
    if not found:
        raise BneckError(f"{analysis.name} has no layer to draw")
    return gathered(found, tuple(index for index, stage in enumerate(found) if stage.name in analysis.outputs))


def _commonest(found: Sequence[Stage]) -> list[tuple[str, Series]]:
    """Choose the block that a network has most of: its first copy, and the fullest built in another way."""
    copies: dict[str, list[Series]] = {}
    for stage in found:
        for block in stage.blocks:
            copies.setdefault(block.name, []).append(block)
    if not copies:
        return []
    name, held = max(copies.items(), key=lambda item: len(item[1]))
    first = held[0]
    others = {_skeleton(block): block for block in reversed(held) if _skeleton(block) != _skeleton(first)}
    if not others:
        return [(name, first)]
    fullest = max(reversed(others.values()), key=boxes)
    return [(f"{name}: the first", first), (f"{name}: {'one of ' * (len(others) > 1)}the others", fullest)]


def _skeleton(node: object) -> object:
    """Reduce a node to how it is built, whatever its sizes."""
    if isinstance(node, Layer):
        return node.op
    if isinstance(node, Series):
        return tuple((_skeleton(run.node), run.copies) for run in node.runs)
    branches = getattr(node, "branches", ())
    return (getattr(node, "kind", ""), tuple(map(_skeleton, branches)))


def render(
    drawing: Drawing, format: str, theme: str = "light", plain: bool = False, width: int | None = None
) -> Iterator[str]:
    """Write a drawing: as ``svg``, ``text``, ``tikz``, or without places as ``mermaid`` or ``dot``.

    Text is within a ``width`` as far as that can be, and ``plain`` where it is ASCII.
    Raises BneckError if a graph of several subjects is asked for.
    """
    if format == "text":
        from bneck_cli.pictures.text import render_text

        return render_text(in_cells(drawing, width, plain), plain)
    if format == "svg":
        from bneck_cli.pictures.svg import render_svg

        return render_svg(lay_out(drawing, pixels(right=drawing.direction == "right")), theme)
    if format == "tikz":
        from bneck_cli.pictures.tikz import render_tikz

        return render_tikz(lay_out(drawing, pixels(right=drawing.direction == "right")))
    return _graph(drawing, format)


def _graph(drawing: Drawing, format: str) -> Iterator[str]:
    from bneck_cli.pictures.graph import block_graph, render_dot, render_mermaid, stage_graph

    if len(drawing.subjects) > 1:
        raise BneckError(
            f"--format {format} draws one block or network", hint="draw each separately, or as svg or text"
        )
    _, analysis, node = drawing.subjects[0]
    if node is not None:
        if drawing.numbers != USUAL:
            raise BneckError(f"--numbers: the boxes of a block have none in --format {format}", hint="draw it as svg")
        graph = block_graph(node)
    else:
        found, _ = _stages(analysis)
        graph = stage_graph(found, [caption(stage.cost, drawing.numbers) for stage in found])
    right = drawing.direction == "right"
    return render_mermaid(graph, right) if format == "mermaid" else render_dot(graph, drawing.title, right)
