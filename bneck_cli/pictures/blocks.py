"""A block as the papers' figures draw one: boxes in a row, shortcuts in a lane beside them, branches side by side.

A network of layers is series and forks, so every size is known before anything is placed: an element is made of its
parts in one pass up, and nothing can overlap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.layers.drawn import LINE
from bneck_cli.engine.network import Fork, Layer, Series, Wire
from bneck_cli.pictures.labels import (
    CLOSED,
    flat,
    holds_something,
    in_words,
    is_line,
    label,
    read_names,
    shape_words,
)
from bneck_cli.pictures.marks import Bar, Box, Element, Joint, Line, Picture, Words, moved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bneck_cli.engine.layers.drawn import Label
    from bneck_cli.engine.network import Node
    from bneck_cli.pictures.marks import Mark, Measures

SIGNS = {"add": "+", "mul": "×", "scale": "×", "matmul": "@", "scores": "@", "weighted_sum": "@"}


class Item(NamedTuple):
    """A part of a stack, and what is written beside the arrow out of it: a shape where it is not plain, a name."""

    element: Element
    shape: str
    name: str = ""
    """What later parts read it as, where some do."""

    @property
    def note(self) -> str:
        """What stands beside the arrow."""
        return " ".join(filter(None, (self.shape, self.name)))


def drawn_block(title: str, node: Series, caption: str, m: Measures, shapes: bool = True) -> Element:
    """Return a block under its title, from its input shape to its output shape, its caption below."""
    m = m._replace(read=frozenset(read_names(node)))
    ends = [end(shape_words(shape), m) for shape in (node.shape, node.out)]
    inside = items(flat(node), m, shape_words(node.shape))
    if not shapes or (m.right and m.tight):
        inside = [item._replace(shape="") for item in inside]
    enters = [] if inside and inside[0].element.apart else [Item(ends[0], "")]
    drawn = m.leaf(stack([*enters, *inside, Item(ends[1], "")], m))
    below, spines = text_element(caption, "subtitle", m), not m.right
    if m.tight and below.width > WIDEST_LINE:
        below, spines = paragraphs([caption], WIDEST_LINE, m), False
    return column([text_element(title, "head", m), drawn, below], m, spines)


class Page(NamedTuple):
    """What stands around the elements of a page: its ``name``, the lines ``above``, and sentences ``below``."""

    name: str
    above: tuple[tuple[str, str], ...] = ()
    """Each with its role."""
    below: tuple[str, ...] = ()


def page(text: Page, elements: Sequence[Element], m: Measures, width: float | None = None) -> Picture:
    """Return elements side by side, or where they run to the right or a ``width`` is too small, in rows."""
    rows: list[list[Element]] = []
    for element in elements:
        held = rows[-1] if rows else []
        taken = sum(one.width + 2 * m.apart for one in held) + element.width
        if held and not m.right and (width is None or taken <= width):
            held.append(element)
        else:
            rows.append([element])
    body = column([row(held, 2 * m.apart) for held in rows], m)
    above = [text_element(line, role, m) for line, role in text.above]
    room = max([body.width, *(element.width for element in above), LEAST_LINE * m.wide("n", "small")])
    room = room if width is None else min(room, width)
    below = paragraphs(text.below, room, m)
    whole = column([*above, body, *([below] if text.below else [])], m)
    margin = m.apart if m.round else 0
    marks = moved(whole.marks, margin, margin)
    return Picture(text.name, whole.width + 2 * margin, whole.height + 2 * margin, marks)


LEAST_LINE = 64
"""Characters that a line of a sentence below a drawing has at least."""


def paragraphs(sentences: Sequence[str], width: float, m: Measures) -> Element:
    """Return sentences wrapped to a width, one below the other, at the left."""
    lines: list[str] = []
    for sentence in sentences:
        line = ""
        for word in sentence.split(" "):
            longer = f"{line} {word}" if line else word
            if line and m.wide(longer, "small") > width:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    high = m.high("small")
    marks = [Words(0, m.middle(index * high, high), line, "small", "start") for index, line in enumerate(lines)]
    widest = max((m.wide(line, "small") for line in lines), default=0)
    return Element(widest, len(lines) * high, 0, tuple(marks))


def row(elements: Sequence[Element], apart: float) -> Element:
    """Return elements side by side, their tops in line."""
    marks: list[Mark] = []
    x = 0.0 if any(isinstance(one.width, float) for one in elements) else 0
    for element in elements:
        marks += moved(element.marks, x, 0)
        x += element.width + apart
    width = max(0, x - apart)
    return Element(width, max(one.height for one in elements), width // 2, tuple(marks))


def column(elements: Sequence[Element], m: Measures, spines: bool = False) -> Element:
    """Return elements one above the other, without arrows, their middles in line or their spines."""
    shown = [element for element in elements if element.width]
    middles = [element.spine if spines else element.width // 2 for element in shown]
    left = max(middles)
    width = left + max(element.width - middle for element, middle in zip(shown, middles, strict=True))
    marks: list[Mark] = []
    y: float = 0
    for element, middle in zip(shown, middles, strict=True):
        marks += moved(element.marks, left - middle, y)
        y += element.height + m.joint / 3 if m.round else element.height + 1
    return Element(width, y - (m.joint / 3 if m.round else 1), left, tuple(marks))


def end(text: str, m: Measures) -> Element:
    """Return the shape at an end of a block: apart from the line beside it where that runs to the right."""
    said = text_element(text, "shape", m)
    if m.right:
        said = said._replace(width=said.width + 2 * m.beside, marks=moved(said.marks, m.beside, 0))
    return m.leaf(said)


def text_element(text: str, role: str, m: Measures) -> Element:
    """Return a single line of text."""
    width, height = (m.wide(text, role) if text else 0), m.high(role)
    return Element(width, height, width // 2, (Words(width // 2, m.middle(0, height), text, role),))


# Stacks


def stack(items: Sequence[Item], m: Measures) -> Element:
    """Return elements in sequence, their spines in line, an arrow and a shape in every gap."""
    left = max((item.element.spine for item in items), default=0)
    right = max((item.element.width - item.element.spine for item in items), default=0)
    noted = [m.across(item.note, "small") for item in items[:-1] if item.note]
    right = max([right, *noted])
    marks: list[Mark] = []
    y: float = 0
    for index, item in enumerate(items):
        element, note = item.element, item.note
        marks += moved(element.marks, left - element.spine, y)
        y += element.height
        if index + 1 < len(items):
            after = items[index + 1].element
            gap = max(m.gap if note or after.apart or not after.bare else m.lead, m.along(note, "small"))
            if not after.apart:
                marks.append(Line(((left, y), (left, y + gap)), head=not after.bare))
                marks += [m.note(left, y, gap, note, "small")] if note else []
            y += gap
    first = items[0].element if items else Element(0, 0, 0, ())
    return Element(left + right, y, left, tuple(marks), first.bare, first.apart)


def items(nodes: Sequence[Node], m: Measures, entering: str = "") -> list[Item]:
    """Return the elements of nodes in a row; what works point by point stands in the box before it.

    No shape is written that is the ``entering`` one, or the one that leaves.
    """
    found: list[Item] = []
    final = shape_words(nodes[-1].out) if nodes else ""
    last = entering
    index = 0
    while index < len(nodes):
        node = nodes[index]
        index += 1
        if isinstance(node, Wire):
            if node.kind == "from":
                named = text_element(f"from {node.name.replace('../', '')}", "note", m)
                found.append(Item(m.leaf(named)._replace(apart=True), ""))
                last = shape_words(node.out)
            elif node.name in m.read:
                if not found:
                    found.append(Item(m.leaf(text_element(f"as {node.name}", "note", m)), ""))
                else:
                    found[-1] = found[-1]._replace(name=f"{found[-1].name} as {node.name}".strip())
            continue
        if isinstance(node, Layer):
            more: list[str] = []
            words = label(node)
            while index < len(nodes):
                follower = nodes[index]
                if not isinstance(follower, Layer) or not is_line(follower):
                    break
                more += label(follower).lines
                index += 1
            if words.fill == LINE:
                words, more = words._replace(lines=(" · ".join([*words.lines, *more]),)), []
            element = m.leaf(linked(box(words, " · ".join(more), m), m.links.get(id(node), "")))
        elif isinstance(node, Fork):
            element = fork(node, m)
        elif node.kind == CLOSED:
            element = m.leaf(boxed([(node.text, "strong")], "block", m))
        else:
            element = repeated(node, m)
        shape = shape_words(node.out)
        said = isinstance(node, Fork) and concatenates(node)
        found.append(Item(element, "" if said or shape in (last, final) else shape))
        last = shape
    return ended(found, m)


def ended(found: Sequence[Item], m: Measures) -> list[Item]:
    """Let the name of what does not go on, because the next element stands apart, end its arrow."""
    made: list[Item] = []
    for index, item in enumerate(found):
        if item.name and index + 1 < len(found) and found[index + 1].element.apart:
            name = Item(m.leaf(text_element(item.name, "note", m)), "")
            made += [item._replace(name=""), name]
        else:
            made.append(item)
    return made


def box(words: Label, more: str, m: Measures) -> Element:
    """Return a box: its first line strong, the others plain, what follows point by point below."""
    if words.fill == "pill":
        width = m.wide(words.lines[0], "pill") + 2 * m.inside[0]
        height = m.high("pill") + (m.inside[1] if m.round else 0)
        marks = (
            Box(0, 0, width, height, "pill", height / 2 if m.round else 0),
            Words(width // 2, m.middle(0, height), words.lines[0], "pill"),
        )
        return Element(width, height, width // 2, marks)
    lines = [(text, "plain" if index else "strong") for index, text in enumerate(words.lines)]
    lines += [(more, "small")] if more else []
    return boxed(lines, words.fill, m)


def linked(element: Element, link: str) -> Element:
    """Let a box lead to an anchor, if any."""
    if not link:
        return element
    marks = (mark._replace(link=link) if isinstance(mark, Box) else mark for mark in element.marks)
    return element._replace(marks=tuple(marks))


def boxed(
    lines: Sequence[tuple[str, str]],
    fill: str,
    m: Measures,
    least: float = 0,
    share: float = -1,
    wide: float = 0,
) -> Element:
    """Return lines of text in a box, with a bar for a share of the whole where one is given.

    It reaches as far across the way of the tensor as ``least`` says, and is as ``wide`` at least.
    """
    bar = m.bar if share >= 0 else 0
    width = max(m.least, wide, 0 if m.right else least, *(m.wide(text, role) + 2 * m.inside[0] for text, role in lines))
    if not m.round and width % 2 == 0:
        width += 1
    filled = 2 * m.inside[1] + sum(m.high(role) for _, role in lines) + bar
    height = max(filled, least if m.right else 0)
    y = m.inside[1] + (height - filled) // 2
    marks: list[Mark] = []
    for text, role in lines:
        marks.append(Words(width // 2, m.middle(y, m.high(role)), text, role))
        y += m.high(role)
    if bar:
        marks.append(Bar(m.inside[0] * 0.7, y + bar / 2, width - m.inside[0] * 1.4, share))
    return Element(width, height, width // 2, (Box(0, 0, width, height, fill, m.round), *marks))


def repeated(series: Series, m: Measures) -> Element:
    """Return identical copies as one of them in a dashed frame that says how many."""
    run = series.runs[0]
    inside = stack(items(flat(run.node), m, shape_words(run.node.shape)), m)
    words = f"×{run.copies}"
    edge = m.inside[1] + m.round if m.round else 2
    top = edge + (m.high("note") if m.round else 0)
    before, aside = (edge, top) if m.right else (top, edge)
    said = (m.wide(words, "note") + 3 * edge, m.high("note") + edge)
    wide, long = (said[1], said[0]) if m.right else said
    width = max(inside.width + edge + aside, wide)
    height = max(inside.height + 2 * m.gap + before, long)
    spine = aside + inside.spine
    marks: list[Mark] = [Box(0, 0, width, height, "frame", m.round)]
    right, level = (height if m.right else width) - edge, m.middle(0, m.high("note")) + (edge / 3 if m.round else 1)
    x, y = (level, right) if m.right else (right, level)
    marks.append(Words(x, y, words, "note", "end"))
    start = before + (m.gap if m.round else 0)
    marks += [Line(((spine, 0), (spine, start)), head=not inside.bare), *moved(inside.marks, aside, start)]
    marks.append(Line(((spine, start + inside.height), (spine, height)), head=False))
    return Element(width, height, spine, tuple(marks), bare=True)


# Forks


def fork(node: Fork, m: Measures) -> Element:
    """Return branches from one tensor and what joins them."""
    if node.kind in ("residual", "scale"):
        body, side = (node.branches[0], node.branches[1]) if node.kind == "residual" else (None, node.branches[0])
        return around(body, side, SIGNS["add" if node.kind == "residual" else "scale"], m)
    if node.kind == "aside":
        return beside(node.branches[0], m)
    return fan(node, m)


def branch(node: Node | None, m: Measures) -> Element:
    """Return what a branch holds as one element; nothing if it is the identity."""
    if node is None or not holds_something(node):
        return Element(0, 0, 0, (), bare=True)
    return stack(items(flat(node), m, shape_words(node.shape)), m)


def around(body: Node | None, side: Node, sign: str, m: Measures) -> Element:
    """Return a body on the spine and a lane beside it, from where the tensor divides to where the two join."""
    main, other = branch(body, m), branch(side, m)
    spine = main.spine
    top = m.turn + m.fall
    height = max(main.height, other.height, 0 if other.width else m.gap)
    if not other.width:
        height = max(height, m.along("identity", "note") - 2 * m.gap)
    joint_top = top + height + m.gap
    level = m.middle(joint_top, m.joint)
    lane = max(main.width, m.reach) + m.lane + other.spine
    marks: list[Mark] = []
    if main.width:
        marks += moved(main.marks, 0, top)
        if main.apart:
            marks += [] if other.apart else [Line(((spine, 0), (spine, m.turn)), head=False)]
        else:
            marks.append(Line(((spine, 0), (spine, top)), head=not main.bare))
        marks.append(Line(((spine, top + main.height), (spine, joint_top))))
    else:
        marks.append(Line(((spine, 0), (spine, joint_top))))
    end = (spine + m.reach, level)
    if other.width:
        y = top + (height - other.height) // 2
        if not other.apart:
            marks.append(Line(((spine, m.turn), (lane, m.turn), (lane, y)), head=not other.bare))
        marks += moved(other.marks, lane - other.spine, y)
        marks.append(Line(((lane, y + other.height), (lane, level), end)))
        right = lane - other.spine + other.width
    else:
        marks.append(Line(((spine, m.turn), (lane, m.turn), (lane, level), end)))
        marks.append(m.note(lane, m.turn, level - m.turn, "identity", "note"))
        right = lane + m.across("identity", "note")
    marks.append(Joint(spine, level, sign))
    left = max(0, m.reach - spine)
    apart = main.apart and other.apart
    return Element(right + left, joint_top + m.joint, spine + left, moved(marks, left, 0), bare=True, apart=apart)


def beside(head: Node, m: Measures) -> Element:
    """Return a head that does not run: dashed, and joined to nothing."""
    other = branch(head, m)
    words = m.leaf(text_element("does not run", "note", m))
    top = m.turn + m.fall
    lane = m.lane + max(other.spine, words.spine)
    marks: list[Mark] = [Line(((0, m.turn), (lane, m.turn), (lane, top)), head=not other.bare, dashed=True)]
    marks += moved(other.marks, lane - other.spine, top)
    marks += moved(words.marks, lane - words.spine, top + other.height)
    height = top + other.height + words.height
    marks.append(Line(((0, 0), (0, height)), head=False))
    right = lane + max(other.width - other.spine, words.width - words.spine)
    return Element(right, height, 0, tuple(marks), bare=True)


def joining(join: Layer | None) -> str:
    """Say in a word what joins branches."""
    words = {"add": "added", "mul": "multiplied", "matmul": "matrix product"}
    return "concatenate" if join is None or join.op == "concat" else words.get(join.op, join.op)


def concatenates(node: Fork) -> bool:
    """Return whether branches end in a bar that says the output, and not in a joint with a sign."""
    return node.kind not in ("scale", "residual", "aside") and (node.join is None or node.join.op not in SIGNS)


def fan(node: Fork, m: Measures) -> Element:
    """Return branches side by side: a rail above them, below a bar that concatenates or a joint with a sign."""
    branches = [branch(one, m) for one in node.branches]
    branches = [one if one.width else _passing(m) for one in branches]
    if m.tight and sum(one.width + m.apart for one in branches) > WIDE_FAN:
        return _listed(node, m)
    named = "split" if node.kind == "split" else ""
    places, x = [], 0.0 if m.round else 0
    for one in branches:
        places.append(x)
        x += one.width + m.apart
    width = x - m.apart
    spines = [place + one.spine for place, one in zip(places, branches, strict=True)]
    concat = concatenates(node)
    joined = f"{joining(node.join)} · {shape_words(node.out)}"
    bar = m.leaf(boxed([(joined, "strong")], "join", m))
    over = m.round + 4 if m.round else 1 if m.right else 2
    bar_left, bar_width = spines[0] - over, spines[-1] - spines[0] + 2 * over + m.edge
    if bar_width < bar.width:
        bar_left, bar_width = (spines[0] + spines[-1] - bar.width) // 2, bar.width
    spine = (spines[0] + spines[-1]) // 2
    if not concat and len(spines) % 2:
        spine = spines[len(spines) // 2]
    turn = max(m.turn, m.along(named, "note"))
    top = turn + m.fall
    height = max(one.height for one in branches)
    marks: list[Mark] = []
    bottom = top + height + m.gap
    level = m.middle(bottom, m.joint)
    for one, place, at in zip(branches, places, spines, strict=True):
        y = top + (height - one.height) // 2
        marks += moved(one.marks, place, y)
        if not one.apart:
            marks.append(Line(((spine, 0), (spine, turn), (at, turn), (at, y)), head=not one.bare))
        if concat or at == spine:
            marks.append(Line(((at, y + one.height), (at, bottom))))
        else:
            side = spine - m.reach if at < spine else spine + m.reach
            marks.append(Line(((at, y + one.height), (at, level), (side, level))))
    if concat:
        marks += moved(
            m.leaf(boxed([(joined, "strong")], "join", m, least=bar_width)).marks,
            bar_left,
            bottom,
        )
        height = bottom + bar.height
    else:
        marks.append(Joint(spine, level, SIGNS[node.join.op if node.join else "add"]))
        height = bottom + m.joint
    if named:
        marks.append(m.note(spine, 0, turn, named, "note"))
    left = max(0, -bar_left) if concat else 0
    beside = spine + m.across(named, "note") if named else 0
    right = max(width, bar_left + bar_width if concat else 0, beside)
    apart = all(one.apart for one in branches)
    return Element(left + right, height, spine + left, moved(marks, left, 0), bare=True, apart=apart)


WIDE_FAN = 48
"""Cells beyond which branches are listed where room is short."""


def _listed(node: Fork, m: Measures) -> Element:
    """Return branches as the lines of one box, and what joins them as its last."""
    written = [in_words(one) or "identity" for one in node.branches]
    lines = [(line, "plain") for text in written for line in broken(text)]
    first = [("split in equal parts", "note")] if node.kind == "split" else []
    concat = concatenates(node)
    last = f"{joining(node.join)} · {shape_words(node.out)}" if concat else joining(node.join)
    return m.leaf(boxed([*first, *lines, (last, "strong")], "join", m))


def broken(text: str) -> list[str]:
    """Break a line that is too long for a box where a step ends."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= WIDEST_LINE:
            lines.append("  ")
        lines[-1] += f" {word}" if lines[-1].strip() else word
    return lines


WIDEST_LINE = 68


def _passing(m: Measures) -> Element:
    """Return a branch that is the identity: a line with its name."""
    length = max(m.gap, m.along("identity", "note"))
    line = Line(((0, 0), (0, length)), head=False)
    words = m.note(0, 0, length, "identity", "note")
    return Element(m.across("identity", "note"), length, 0, (line, words), bare=True)
