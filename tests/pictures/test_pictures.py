"""Drawings: nothing overlaps, every line leads from one thing to another, and what they show is the analysis's."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bneck_cli import BneckError
from bneck_cli.engine.settings import read_settings
from bneck_cli.language.document import Source
from bneck_cli.language.library import block_files, load, network_names, resolve
from bneck_cli.pictures.marks import NARROW, Box, Joint, Line, Words, advances, cells, pixels
from bneck_cli.questions.draw import FORMATS, THEMES, draw, in_cells, lay_out, render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bneck_cli.pictures.marks import Measures, Picture
    from bneck_cli.questions.draw import Drawing

MEASURES = {"pixels": pixels(), "cells": cells(), "pixels right": pixels(right=True), "cells right": cells(right=True)}
Rectangle = tuple[float, float, float, float]


def drawing(name: str, channels: str | None = None, **settings: str) -> Drawing:
    """Draw something of the library."""
    return draw([(name, load(name))], read_settings(channels=channels, **settings))  # type: ignore[arg-type]


def block(name: str) -> Drawing:
    """Draw a bundled block at 128 channels, or on what it asks for."""
    inputs = {"encoder": "128x49", "reduction_a": "128x35x35", "tokens": "128x14x14"}
    for given_input in (inputs.get(name), "128x56x56", "128x35x35", "128x16x16"):
        for channels in ("128", None):
            try:
                return draw([(name, load(name))], read_settings(channels=channels, input=given_input, in_channels=None))
            except BneckError as error:
                last = error
    raise last


# Geometry


def covered(words: Words, m: Measures) -> Rectangle:
    """Return the rectangle that a line of text covers."""
    width, height = m.wide(words.text, words.role), m.high(words.role) * (0.7 if m.round else 1)
    x = words.x - {"start": 0, "middle": width / 2, "end": width}[words.anchor]
    return (x, words.y - height / 2, width, height)


def overlap(one: Rectangle, other: Rectangle, slack: float) -> bool:
    """Tell whether two rectangles share more than an edge."""
    return (
        one[0] + slack < other[0] + other[2]
        and other[0] + slack < one[0] + one[2]
        and one[1] + slack < other[1] + other[3]
        and other[1] + slack < one[1] + one[3]
    )


def within(one: Rectangle, other: Rectangle, slack: float) -> bool:
    """Tell whether one rectangle lies inside another."""
    return (
        one[0] >= other[0] - slack
        and one[1] >= other[1] - slack
        and one[0] + one[2] <= other[0] + other[2] + slack
        and one[1] + one[3] <= other[1] + other[3] + slack
    )


def require_sound(picture: Picture, m: Measures) -> None:
    """Require disjoint boxes, texts that are inside or outside of them, and lines that end on something."""
    slack = 1.0 if m.round else 0.5
    boxes = [mark for mark in picture.marks if isinstance(mark, Box) and not mark.fill.startswith(("band", "frame"))]
    areas: list[Rectangle] = [(box.x, box.y, box.width, box.height) for box in boxes]
    page = (0, 0, picture.width + 1, picture.height + 1)
    for index, area in enumerate(areas):
        assert within(area, page, slack), boxes[index]
        assert area[2] > 0
        assert area[3] > 0
        assert not any(overlap(area, other, slack) for other in areas[index + 1 :]), boxes[index]
    texts = [mark for mark in picture.marks if isinstance(mark, Words)]
    for words in texts:
        area = covered(words, m)
        assert within(area, page, slack), words
        assert not any(overlap(area, box, slack) and not within(area, box, slack) for box in areas), words
    joints = [mark for mark in picture.marks if isinstance(mark, Joint)]
    for line in (mark for mark in picture.marks if isinstance(mark, Line) and mark.head):
        x, y = line.points[-1]
        near = m.gap if m.round else 2
        on_box = any(bx - near <= x <= bx + w + near and by - near <= y <= by + h + near for bx, by, w, h in areas)
        on_joint = any(abs(joint.x - x) <= m.reach + 1 and abs(joint.y - y) <= m.joint for joint in joints)
        on_text = any(
            a - near <= x <= a + w + near and b - near <= y <= b + h + near
            for a, b, w, h in (covered(words, m) for words in texts)
        )
        assert on_box or on_joint or on_text, line
    require_clear(picture, areas, slack)
    require_joined(picture, areas, m)


def require_joined(picture: Picture, areas: list[Rectangle], m: Measures) -> None:
    """Require that lines begin on something, and end on something: a box, words, a joint, a frame or another line."""
    near = m.beside + 2 if m.round else 2
    frames = [mark for mark in picture.marks if isinstance(mark, Box) and mark.fill == "frame"]
    held = [*areas, *((box.x, box.y, box.width, box.height) for box in frames)]
    held += [covered(mark, m) for mark in picture.marks if isinstance(mark, Words)]
    joints = [mark for mark in picture.marks if isinstance(mark, Joint)]
    held += [(joint.x - m.reach, joint.y - m.joint / 2, 2 * m.reach, m.joint) for joint in joints]
    lines = [mark for mark in picture.marks if isinstance(mark, Line)]
    for line in lines:
        others = [part for other in lines if other is not line for part in segments(other)]
        for x, y in (line.points[0], line.points[-1]):
            touched = (a - near <= x <= a + w + near and b - near <= y <= b + h + near for a, b, w, h in held + others)
            assert any(touched), (line, x, y)


def segments(line: Line) -> list[Rectangle]:
    """Return the straight parts of a line as rectangles without width."""
    pairs = zip(line.points, line.points[1:], strict=False)
    return [(min(a, c), min(b, d), abs(c - a), abs(d - b)) for (a, b), (c, d) in pairs]


def require_clear(picture: Picture, areas: list[Rectangle], slack: float) -> None:
    """Require that no line runs through a box, and that lines of different ends never share a stretch."""
    lines = [mark for mark in picture.marks if isinstance(mark, Line)]
    parts = [(line, part) for line in lines for part in segments(line)]
    for line, (x, y, width, height) in parts:
        inside = [
            area
            for area in areas
            if x + width > area[0] + slack
            and x < area[0] + area[2] - 2 * slack
            and y + height > area[1] + slack
            and y < area[1] + area[3] - 2 * slack
        ]
        assert not inside, (line, inside)
    lying: dict[tuple[bool, float], list[tuple[float, float, Line]]] = {}
    for line, (x, y, width, height) in parts:
        if width or height:
            start, length = (x, width) if width else (y, height)
            lying.setdefault((bool(width), round(y if width else x, 1)), []).append((start, start + length, line))
    for held in lying.values():
        for index, (start, end, line) in enumerate(held):
            for other_start, other_end, other in held[index + 1 :]:
                if min(end, other_end) - max(start, other_start) > 2 * slack:
                    assert line.points[0] == other.points[0] or line.points[-1] == other.points[-1], (line, other)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", network_names())
def test_a_network_is_drawn_without_overlaps(name: str, measure: str) -> None:
    """Every bundled network is sound in pixels and in cells."""
    require_sound(lay_out(drawing(name), MEASURES[measure]), MEASURES[measure])


@pytest.mark.parametrize("name", block_files())
def test_a_block_is_drawn_without_overlaps(name: str) -> None:
    """Every bundled block is sound in pixels and in cells."""
    found = block(name)
    for m in MEASURES.values():
        require_sound(lay_out(found, m), m)


def test_a_part_that_reads_by_name_has_no_loose_ends() -> None:
    """NASNet's cell takes all by name: no line leads nowhere, and what does not go on ends in its name."""
    found = draw([("nasnetalarge", load("nasnetalarge"))], at="normal1")
    for m in MEASURES.values():
        picture = lay_out(found, m)
        require_sound(picture, m)
        words = [mark.text for mark in picture.marks if isinstance(mark, Words)]
        assert "as left" in words
        assert "as right" in words
        assert words.count("from left") == 7
        assert words.count("from right") == 4


LAYER = st.sampled_from(
    ["conv 3x3 8", "conv 1x1 8 -> bn -> relu", "bn -> relu", "dwconv 5x5", "gelu", "conv 3x3 8 groups=2 dilation=2"]
)


def wrapped(inside: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Put bodies into the structures of the language."""
    several = st.lists(inside, min_size=2, max_size=3)
    return st.one_of(
        st.lists(inside, min_size=1, max_size=3),
        inside.map(lambda body: {"residual": body}),
        st.tuples(inside, inside).map(lambda pair: {"residual": pair[0], "shortcut": pair[1]}),
        several.map(lambda bodies: {"add": bodies}),
        several.map(lambda bodies: [{"concat": bodies}, "conv 1x1 8"]),
        inside.map(lambda body: {"scale": body}),
        inside.map(lambda body: {"aside": body}),
        inside.map(lambda body: {"repeat": 3, "body": body}),
    )


BODIES = st.recursive(LAYER | st.just("identity"), wrapped, max_leaves=8)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(body=BODIES)
def test_any_tree_is_drawn_without_overlaps(body: object) -> None:
    """A random tree of series and forks is sound, in pixels and in cells."""
    import json

    spec = f"input: 8 x 16 x 16\nblocks:\n  b():\n    - conv 1x1 8\n    - {json.dumps(body)}\nnet: b\n"
    program = resolve(Source("random.yaml", spec))
    found = draw([("b", program._replace(block="b", net=None))], read_settings(input="8x16x16"))
    for m in (*MEASURES.values(), cells(tight=1), cells(plain=True), cells(tight=1, right=True)):
        require_sound(lay_out(found, m), m)
    for depth in (1, 2):
        opened = draw([("b", program._replace(block="b", net=None))], read_settings(input="8x16x16"), depth=depth)
        for m in MEASURES.values():
            require_sound(lay_out(opened, m), m)


@pytest.mark.parametrize("name", network_names())
def test_a_network_fits_eighty_columns(name: str) -> None:
    """In 80 columns a network is drawn in rows, with less in its boxes where that is needed; as ``explain`` does."""
    for plain in (False, True):
        for found in (drawing(name), drawing(name)._replace(headed=False, blocks=False)):
            picture = in_cells(found, 80, plain)
            assert picture.width <= 80
            lines = "".join(render(found, "text", plain=plain, width=80)).splitlines()
            assert max(map(len, lines)) <= 80
            assert not plain or "".join(lines).isascii()


@pytest.mark.parametrize("name", block_files())
def test_a_block_fits_eighty_columns(name: str) -> None:
    """In 80 columns a block is drawn, the branches of a wide fork as the lines of one box."""
    found = block(name)
    assert in_cells(found, 80, plain=False).width <= 80
    for right in (False, True):
        m = cells(tight=1, right=right)
        require_sound(lay_out(found, m), m)


def test_branches_are_listed_where_room_is_short() -> None:
    """Listed branches say what the drawn ones do: windows and channels in their order, and what passes."""
    text = "".join(render(drawing("inception_a", "256", input="192x35x35"), "text", width=60))
    for line in ("1×1, 48 → 5×5, 64", "1×1, 64 → 3×3, 96 → 3×3, 96", "3×3 average pool → 1×1, 32"):
        assert line in text
    spec = (
        "input: 8 x 16 x 16\nblocks:\n  b():\n    - conv 1x1 8 -> as seen\n    - add: [from seen, conv 3x3 8]\nnet: b\n"
    )
    program = resolve(Source("x.yaml", spec))._replace(block="b", net=None)
    text = "".join(render(draw([("b", program)], read_settings(input="8x16x16")), "text"))
    assert "from seen" in text
    assert "identity" not in text


def test_a_shape_is_not_written_again() -> None:
    """Beside an arrow stands no shape that what enters has, that leaves, or that a bar has just named."""
    program = load("densenet121")
    found = draw([("densenet121", program)], at="denseblock1")
    texts = [mark.text for mark in lay_out(found, pixels()).marks if isinstance(mark, Words)]
    assert texts.count("64×56×56") == 1
    assert texts.count("128×56×56") == 1
    assert texts.count("96×56×56") == 1
    assert "BN · ReLU" in texts
    assert "BN" not in texts


def test_a_box_says_the_sizes_of_its_layer() -> None:
    """Tables, recurrent layers and shared heads have their sizes in their boxes, and causal attention its name."""
    for name, lines in (
        ("llama3_8b", ("embedding, 4096", "causal self-attention", "32 heads, 8 of keys and values")),
        ("lstm_lm", ("embedding, 650", "2 × LSTM, 650")),
        ("swin_t", ("3 heads, 7×7 windows",)),
    ):
        program = load(name)
        texts = "".join(render(draw([(name, program)]), "text"))
        assert all(line in texts for line in lines), name
    found = draw([("b", resolve(Source("b.yaml", "input: 6 x 9\nnet: gru 8 layers=2 both\n")))], depth=2)
    assert {"2 × GRU, 8", "in both directions"} <= {
        mark.text for mark in lay_out(found, pixels()).marks if isinstance(mark, Words)
    }


def test_levels_are_opened_as_asked() -> None:
    """A depth of 1 shows stages, 2 their blocks, and 3 what those hold; a box is named as reports name it."""
    program = load("resnet50")
    for depth, there, not_there in (
        (1, ("4 × bottleneck, 512", "linear, 1000"), ("3×3, 64",)),
        (2, ("bottleneck, 512", "×3"), ("3×3, 128",)),
        (3, ("3×3, 128 /2", "×3"), ("bottleneck",)),
    ):
        text = "".join(render(draw([("resnet50", program)], depth=depth), "text"))
        assert all(words in text for words in there), depth
        assert not any(words in text for words in not_there), depth


def test_blocks_at_equal_cost_stand_side_by_side() -> None:
    """With ``match`` the second block is as wide as the first is dear, and the comparison's sentences stand below."""
    from bneck_cli.questions.match import compare_matched

    programs = [(name, load(name)) for name in ("basic", "bottleneck")]
    found = draw(programs, read_settings(channels="64"), match="weights")
    assert [subject.name for subject in found.subjects] == ["basic 64", "bottleneck 256"]
    assert found.below == compare_matched(programs, read_settings(channels="64"), "weights", 8)[0].conclusion
    for m in MEASURES.values():
        require_sound(lay_out(found, m), m)
    text = " ".join("".join(render(found, "text", width=80)).split())
    assert all(sentence in text for sentence in found.below)
    with pytest.raises(BneckError, match="two or more blocks"):
        draw(programs[:1], read_settings(channels="64"), match="weights")


# What is written


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (("basic", "64"), "draw-basic.txt"),
        (("bottleneck", "256"), "draw-bottleneck.txt"),
        (("bottleneck", None), "draw-bottleneck-symbols.txt"),
        (("unet", None), "draw-unet.txt"),
        (("resnet50", None), "draw-resnet50.txt"),
    ],
)
def test_a_drawing_in_characters(
    arguments: tuple[str, str | None], file: str, golden: Callable[[str, str], None]
) -> None:
    """The drawing in characters is the agreed one, and in ASCII nothing but ASCII."""
    found = drawing(*arguments)
    golden(file, "".join(render(found, "text")))
    assert "".join(render(found, "text", plain=True)).isascii()


@pytest.mark.parametrize("theme", THEMES)
def test_an_svg_is_xml_and_holds_what_a_viewer_needs(theme: str) -> None:
    """An SVG parses, has neither styles nor references, and every text of the layout."""
    found = drawing("resnet50")
    text = "".join(render(found, "svg", theme))
    root = ElementTree.fromstring(text)
    assert not re.search(r"<style|url\(|href", text)
    written = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"3 × bottleneck, 256", "layer1", "56×56", "ResNet-50"} <= written


def test_names_are_escaped_in_every_format() -> None:
    """What a spec calls its parts cannot break out of a drawing."""
    spec = "name: '<b>\"&_{x}'\ninput: 8 x 4 x 4\nnet:\n  - conv 1x1 8\n"
    found = draw([("x", resolve(Source("x.yaml", spec)))])
    ElementTree.fromstring("".join(render(found, "svg")))
    assert "<b>" not in "".join(render(found, "mermaid"))
    assert '"<b>\\"&_{x}"' in "".join(render(found, "dot"))
    assert "\\_\\{x\\}" in "".join(render(found, "tikz"))


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_draws(format: str) -> None:
    """Each format writes a block and a network."""
    for name, channels in (("se_bottleneck", "64"), ("fpn_resnet50", None)):
        assert len("".join(render(drawing(name, channels), format)).splitlines()) > 10


@pytest.mark.parametrize("format", FORMATS)
def test_a_drawing_to_the_right(format: str, golden: Callable[[str, str], None]) -> None:
    """To the right a drawing is turned, not its words: each text is there once; a graph says so in its own way."""
    for name, channels in (("se_bottleneck", "64"), ("unet", None)):
        down = drawing(name, channels)
        right = down._replace(direction="right")
        text = "".join(render(right, format))
        if format in ("mermaid", "dot"):
            assert ("flowchart LR" if format == "mermaid" else "rankdir=LR") in text
            assert "".join(render(down, format)).count("->") == text.count("->")
        elif format == "text":
            golden(f"draw-{name}-right.txt", text)
        else:
            words = [
                sorted(
                    mark.text for mark in lay_out(found, pixels(right=found is right)).marks if isinstance(mark, Words)
                )
                for found in (right._replace(numbers=("params",)), down._replace(numbers=("params",)))
            ]
            assert words[0] == words[1]
    with pytest.raises(BneckError, match=r"drawn to the right this takes 1[0-9][0-9] columns"):
        in_cells(drawing("resnet50")._replace(direction="right"), 80, plain=False)


def test_long_skips_run_in_lanes_of_their_own() -> None:
    """Skips of one size nest: where they overlap they are apart, the shorter inside."""
    net = "".join(f"  - conv 3x3 8 -> as a{index}\n" for index in range(4))
    net += "".join(f"  - add: [conv 3x3 8, from a{index}]\n" for index in (2, 1, 0))
    found = draw([("x", resolve(Source("x.yaml", f"input: 8 x 16 x 16\nnet:\n{net}")))])
    for m in MEASURES.values():
        picture = lay_out(found, m)
        require_sound(picture, m)
    turns = {x for mark in picture.marks if isinstance(mark, Line) for x, _ in mark.points[1:-1]}
    assert len(turns) >= 3


def test_a_graph_has_the_edges_of_the_block() -> None:
    """The bottleneck as Mermaid: three boxes, what they are joined to, and the shortcut."""
    lines = "".join(render(drawing("bottleneck", "64"), "mermaid")).splitlines()
    assert '  n1["1×1, 16<br/>BN · ReLU"]' in lines
    edges = [line.strip() for line in lines if "-->" in line]
    assert edges == [f"n{a} --> n{b}" for a, b in ((0, 1), (1, 2), (2, 3), (3, 4), (0, 4), (4, 5), (5, 6))]


def test_a_block_of_a_network_is_drawn_as_it_stands_there() -> None:
    """``at`` draws the block at a path, a stage's first; a layer and a path that is not there are refused."""
    program = load("resnet50")
    text = "".join(render(draw([("resnet50", program)], at="layer2"), "text"))
    assert "3×3, 128 /2" in text
    assert "1×1, 512 /2" in text
    assert "3×3, 128 /2" not in "".join(render(draw([("resnet50", program)], at="layer2.1"), "text"))
    with pytest.raises(BneckError, match="no layer or block at 'layer5'"):
        draw([("resnet50", program)], at="layer5")
    with pytest.raises(BneckError, match="single layer"):
        draw([("resnet50", program)], at="maxpool")


def test_unknown_numbers_are_refused() -> None:
    """A word that is no number beside a box has a nearest."""
    with pytest.raises(BneckError, match="unknown word 'parms'"):
        draw([("resnet18", load("resnet18"))], numbers=("parms",))


def test_a_backbone_of_several_maps_stands_open() -> None:
    """A block that gives maps of several sizes is drawn as its stages, under the names that the net gives them."""
    from bneck_cli.questions.draw import _stages

    found, outputs = _stages(drawing("fpn_resnet50").subjects[0].analysis)
    assert [stage.name for stage in found] == [
        "",
        *(f"c{k}" for k in (2, 3, 4, 5)),
        "m5",
        "m4",
        "m3",
        "p2",
        "p3",
        "p4",
        "p5",
    ]
    assert [found[index].name for index in outputs] == ["p2", "p3", "p4", "p5"]
    at = {stage.name: index for index, stage in enumerate(found)}
    assert found[at["m4"]].reads == (at["m5"], at["c4"])
    assert found[at["c3"]].reads == (at["c2"],)
    hrnet, _ = _stages(drawing("hrnet_w18").subjects[0].analysis)
    assert [stage.lines for stage in hrnet if stage.name == "three"] == [("stage, 18 | 36 | 72",)]


def test_a_unet_that_reads_one_vector_everywhere_is_a_u() -> None:
    """Stable Diffusion's U-Net has two columns: what 22 blocks read is named in their boxes."""
    from bneck_cli.pictures.grid import arranged
    from bneck_cli.questions.draw import _stages

    found, outputs = _stages(drawing("sd15_unet").subjects[0].analysis)
    where = arranged(found, outputs)
    assert set(where.columns) == {0, 1}
    assert len(set(where.rows)) == 5
    assert sum("from time" in stage.notes for stage in found) == sum(
        any("res" in line for line in stage.lines) for stage in found
    )


def test_costs_of_stages_add_up_to_the_network() -> None:
    """The stages of a drawing hold all parameters and all multiply-adds of their network, once."""
    from bneck_cli.questions.draw import _stages

    for name in network_names():
        analysis = drawing(name).subjects[0].analysis
        found, _ = _stages(analysis)
        assert sum(stage.cost.params for stage in found) == analysis.cost.params, name
        assert sum(stage.cost.macs for stage in found) == analysis.cost.macs, name


def test_widths_of_text_are_those_of_a_font() -> None:
    """The table of widths has one for every character, wider in bold."""
    plain, bold = advances(bold=False), advances(bold=True)
    assert set(plain) == set(bold) == set(NARROW)
    assert all(bold[character] >= plain[character] for character in NARROW)


def _has_tikz() -> bool:
    """Tell whether there is a LaTeX with TikZ."""
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return False
    return subprocess.run(["kpsewhich", "tikz.sty"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _has_tikz(), reason="there is no LaTeX with TikZ to compile with")
def test_tikz_compiles(tmp_path: Path) -> None:
    """Blocks, networks with bands and bars, and names with LaTeX's own characters compile, down and to the right."""
    net = "  - conv 1x1 8 -> as t_1\n  - add: [conv 1x1 8, identity]\n"
    hostile = f"name: 'a_b & 50% #1 {{x}} ^~'\ninput: 8 x 4 x 4\nnet:\n{net}"
    down = [drawing("bottleneck", "256"), drawing("unet"), draw([("x", resolve(Source("x.yaml", hostile)))])]
    down += [drawing(name) for name in ("encoder", "separable", "inception_a", "fpn_resnet50", "llama3_8b")]
    drawn = [found._replace(direction=direction) for found in down for direction in ("down", "right")]
    pictures = "\n\n".join("".join(render(found, "tikz")) for found in drawn)
    page = "\\usepackage[paperwidth=50cm,paperheight=90cm]{geometry}\\usepackage{tikz}\\usetikzlibrary{arrows.meta}"
    text = f"\\documentclass{{article}}{page}\\begin{{document}}{pictures}\\end{{document}}"
    (tmp_path / "page.tex").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=batchmode", "-halt-on-error", "page.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    log = (tmp_path / "page.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, [line for line in log.splitlines() if line.startswith("!")]


@pytest.mark.skipif(shutil.which("dot") is None, reason="there is no graphviz to read DOT with")
@pytest.mark.parametrize("right", [False, True])
def test_graphviz_reads_dot(right: bool) -> None:
    """Graphviz takes blocks, networks and hostile names, and finds as many boxes and arrows as there are."""
    hostile = 'name: \'<b>"&_{x}\\n\'\ninput: 8 x 4 x 4\nnet:\n  - conv 1x1 8 -> as "t"\n'.replace('as "t"', "as t")
    several = [
        drawing("inception_a", "256", input="192x35x35"),
        drawing("se_bottleneck", "64"),
        drawing("fpn_resnet50"),
    ]
    several += [drawing(name) for name in ("hrnet_w18", "sd15_unet", "llama3_8b", "nasnetalarge")]
    for found in (*several, draw([("x", resolve(Source("x.yaml", hostile)))])):
        text = "".join(render(found._replace(direction="right" if right else "down"), "dot"))
        done = subprocess.run(["dot", "-Tplain"], input=text, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        drawn = done.stdout.splitlines()
        assert sum(line.startswith("edge ") for line in drawn) == text.count(" -> n")
        assert sum(line.startswith("node ") for line in drawn) == len(re.findall(r"^  n[0-9]+ \[", text, re.MULTILINE))
