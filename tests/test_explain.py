"""Explanations say nothing untrue: every number in a sentence is worked out again, on blocks nobody tuned them to."""

from __future__ import annotations

import re
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.analysis import Settings, analyze_program
from bneck_cli.formats import Style, as_text
from bneck_cli.language.document import Source
from bneck_cli.language.library import block_files, load, network_names, resolve
from bneck_cli.questions.explain import Explanation, explain
from bneck_cli.questions.explanation import report

ARITHMETIC = re.compile(
    r"weights (?P<factors>[\d·]+) = (?P<count>[\d,]+)(?: \+ (?P<biases>[\d,]+) biases)?; "
    r"multiply-adds (?P<weights>[\d,]+)(?P<places>(?:·\d+)*) = (?P<macs>[\d,]+)"
)
SHRINKS = re.compile(r"⌊\((\d+)((?: \+ [\d·]+)*) - ([\d·( -]+?)\)?\)/(\d+)⌋ \+ 1 = (\d+)")


def number(text: str) -> int:
    """Read a number with commas."""
    return int(text.replace(",", ""))


def lines_of(found: Explanation, title: str) -> list[str]:
    """Give the lines of a section."""
    return [line for section in found.sections if section.title == title for line in section.lines]


def check_arithmetic(found: Explanation) -> tuple[int, int]:
    """Work every product of an explanation out again; give the sums of parameters and multiply-adds, with copies."""
    params = macs = 0
    copies = 1
    for line in lines_of(found, "Layer by layer"):
        if not line.startswith(" "):
            times = re.match(r"\S+ \((\d+) times\)", line)
            copies = int(times.group(1)) if times else 1
            continue
        match = ARITHMETIC.fullmatch(line.strip())
        assert match is not None, line
        count = number(match["count"])
        assert prod(map(int, match["factors"].split("·"))) == count == number(match["weights"])
        assert count * prod(int(place) for place in match["places"].split("·")[1:]) == number(match["macs"])
        params += copies * (count + number(match["biases"] or "0"))
        macs += copies * number(match["macs"])
    return params, macs


def text_of(found: Explanation) -> str:
    """Join all sentences."""
    return "\n".join(line for section in found.sections for line in section.lines)


kernels = st.sampled_from([1, 1, 3, 5])
blocks = st.lists(
    st.tuples(
        kernels,
        st.sampled_from([4, 8, 16, 24]),
        st.sampled_from([1, 1, 1, 2]),
        st.sampled_from([1, 2, 4]),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


@given(blocks, st.sampled_from([8, 16]), st.integers(9, 33), st.booleans())
@settings(max_examples=120, deadline=None, derandomize=True)
def test_a_random_block_is_explained_truly(
    convs: list[tuple[int, int, int, int, bool]], channels: int, side: int, residual: bool
) -> None:
    """Of any chain of convolutions, with or without a shortcut, every stated number is right."""
    steps = [
        f"conv {k}x{k} {width} stride={s} groups={g}{' bias' if bias else ''} -> bn" for k, width, s, g, bias in convs
    ]
    body = " -> ".join([*steps, "conv 1x1 channels -> bn"])
    block = f"{{residual: {body}, shortcut: auto}}" if residual else body
    program = resolve(Source("own.yaml", f"blocks:\n  own(channels): {block}\n"))._replace(block="own", net=None)
    asked = Settings(channels=str(channels), input=f"{side}x{side + 1}")
    analysis = analyze_program(program, asked)
    found = explain(program, asked)

    layers = [entry.layer for entry in bneck_cli.each_layer(analysis)]
    params, macs = check_arithmetic(found)
    norms = sum(layer.cost.params for layer in layers if layer.op == "bn")
    assert (params + norms, macs) == (analysis.cost.params, analysis.cost.macs)
    short = lines_of(found, "In short")[0]
    assert f"{analysis.cost.params:,} parameters, {analysis.cost.macs:,} multiply-adds" in short
    assert f"with {sum(layer.op == 'conv' for layer in layers)} convolution" in short

    first = layers[0]
    numbers = lines_of(found, "What the numbers mean")[0]
    k, width, _, g, _ = convs[0]
    assert numbers.startswith(f"The {width} channels that leave `conv {k}x{k} {width}")
    assert f"each filter is {k}×{k}×{channels // g}, {k * k * channels // g} weight" in numbers
    assert f"makes one {first.out.spatial[0]}×{first.out.spatial[1]} map" in numbers

    strided = [layer for layer in layers if layer.op == "conv" and max(layer.rule.geometry(layer.shape).stride) > 1]
    told = "\n".join(lines_of(found, "The stride"))
    for layer in strided:
        assert "×".join(map(str, layer.shape.spatial)) + " to " + "×".join(map(str, layer.out.spatial)) in told
    for there, seen, skipped in re.findall(
        r"of the ([\d,]+) positions that arrive it looks at ([\d,]+) and skips ([\d,]+)", told
    ):
        assert number(there) - number(seen) == number(skipped)
        assert any(
            (layer.shape.positions, layer.out.positions) == (number(there), number(seen))
            and set(layer.rule.geometry(layer.shape).kernel) == {1}
            for layer in strided
        )
    if not strided:
        assert "The stride is 1 in every layer" in told


@given(st.sampled_from(sorted(block_files())), st.sampled_from([64, 128]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_every_bundled_block_is_explained(name: str, channels: int) -> None:
    """Every block of the library is explained, and its products add up to its weights where all are told."""
    program = load(name)
    try:
        analysis = analyze_program(program, Settings(channels=str(channels), input="28x28"))
    except BneckError:
        return
    found = explain(program, Settings(channels=str(channels), input="28x28"))
    assert f"{analysis.cost.params:,} parameters" in text_of(found)
    if not any(entry.layer.op == "attention" for entry in bneck_cli.each_layer(analysis)):
        assert check_arithmetic(found)[1] == analysis.cost.macs


@pytest.mark.parametrize("channels", [64, 256, 320])
def test_the_comparison_holds(channels: int) -> None:
    """What is said of the plain block is what its own analysis says, at equal width and at the width found."""
    lines = lines_of(explain(load("bottleneck"), Settings(channels=str(channels))), "Beside another block")
    own, plain = (bneck_cli.analyze(name, channels=channels).cost for name in ("bottleneck", "basic"))
    assert f"basic has {plain.macs // 56**2:,} weights against {own.macs // 56**2:,}" in lines[0]
    assert f"{plain.macs:,} multiply-adds against {own.macs:,}" in lines[0]
    assert f"{plain.activations:,} activations against {own.activations:,}" in lines[0]
    assert f"({plain.macs / own.macs:.3g} times as many)" in lines[0]
    width = int(re.search(r"basic gets (\d+) channels", lines[1]).group(1))
    there, next_one = (bneck_cli.analyze("basic", channels=each).cost for each in (width, width + 8))
    assert there.macs <= own.macs < next_one.macs
    assert f"it then writes {there.activations:,} activations, and this block {own.activations:,}" in lines[1]
    assert f"carries {channels / width:.3g} times the channels: that is what the bottleneck is for" in lines[2]


def test_in_context_the_map_is_followed() -> None:
    """In context it is said where the 56×56 come from, with the arithmetic, and what a position spans of the input."""
    found = explain(load("resnet50"), at="layer2")
    assert found.title == "bottleneck · 256×56×56 to 512×28×28 · layer2.0 of ResNet-50"
    origin = lines_of(found, "Where the map comes from")
    assert origin[0] == "224×224 is the input."
    assert origin[-1] == "So 56×56 arrives at layer2.0."
    for line in origin[1:-1]:
        n, p, k, s, m = map(int, re.search(r"⌊\((\d+) \+ 2·(\d+) - (\d+)\)/(\d+)⌋ \+ 1 = (\d+)", line).groups())
        assert (n + 2 * p - k) // s + 1 == m
    assert "spans 43×43" in text_of(found)
    assert "Were the stride of `conv 3x3 128 stride=2` in `conv 1x1 128` instead, that one would" in text_of(found)
    assert "take 25,690,112 multiply-adds, not 102,760,448, but look at only 784 of its 3,136" in text_of(found)
    moved = bneck_cli.analyze("resnet50_v1")
    inside = {entry.path: entry.layer.cost.macs for entry in bneck_cli.each_layer(moved)}
    assert inside["layer2.0.conv1"] == 25_690_112


def test_no_bottleneck_is_seen_where_there_is_none() -> None:
    """The word is kept for a squeeze, a wider kernel and an expansion."""
    for name in ("basic", "inverted_residual", "convnext", "dense_layer", "transition"):
        assert "that narrow place is the bottleneck" not in text_of(explain(load(name), Settings(channels="64")))
    assert "that narrow place is the bottleneck" in text_of(explain(load("resnext"), Settings(channels="256")))


@pytest.mark.parametrize("name", network_names())
def test_every_network_is_explained(name: str) -> None:
    """Each bundled network has its totals in a sentence, and its stages' shares are those of the analysis."""
    found = explain(load(name))
    analysis = bneck_cli.analyze(name)
    assert f"{analysis.cost.params:,} parameters, {analysis.cost.macs:,} multiply-adds" in text_of(found)
    for share in re.findall(r"([\d.]+)% of the", text_of(found)):
        assert 0 <= float(share) <= 100


def test_formats_and_widths() -> None:
    """Text keeps within its width; Markdown has a heading for each section."""
    found = explain(load("bottleneck"), Settings(channels="256"))
    assert max(map(len, as_text(report(found), "text", Style(width=70)).splitlines())) <= 70
    assert as_text(report(found), "markdown", Style()).count("\n### ") == len(found.sections)


@pytest.mark.parametrize(
    ("name", "at", "asked", "message"),
    [
        ("resnet50", "layer5", {}, "nothing stands at 'layer5'"),
        ("resnet50", "layer1.9", {}, "nothing stands at 'layer1.9'"),
        ("resnet50", "conv", {}, "'conv' is a single layer"),
        ("resnet50", None, {"input": "3xHxW"}, "an explanation needs numbers; the sizes have symbols"),
        ("bottleneck", None, {"channels": "C"}, "an explanation needs numbers; the sizes have symbols"),
    ],
)
def test_what_cannot_be_explained_is_told(name: str, at: str | None, asked: dict[str, str], message: str) -> None:
    """A path that is not there, and symbols, are told."""
    with pytest.raises(BneckError) as told:
        explain(load(name), Settings(**asked), at)
    assert told.value.message == message
