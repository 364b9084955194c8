"""Explanations say nothing untrue: every number in a sentence is worked out again, on blocks nobody tuned them to."""

from __future__ import annotations

import re
from math import ceil, floor, prod, sqrt
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Writer

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.network import Layer, at_path, children, entries
from bneck_cli.engine.settings import Settings, read_settings
from bneck_cli.formats import Style, as_text
from bneck_cli.language.document import Source
from bneck_cli.language.library import block_files, load, network_names, resolve
from bneck_cli.questions.explain import Explanation, explain, explain_analysis, report
from bneck_cli.sizes.amounts import rounded

if TYPE_CHECKING:
    from collections.abc import Callable

TERM = r"[√⌊⌈(]*\d[\d,]*+(?:\.\d+)?+[)⌋⌉]*+"
EQUATION = re.compile(rf"(?P<left>{TERM}(?: ?[·/+-] ?{TERM})*+) = (?P<right>\d[\d,]*(?:\.\d+)?)")
ARITHMETIC = re.compile(
    r"weights (?P<factors>[\d·]+) = (?P<count>[\d,]+)(?: \+ (?P<biases>[\d,]+) bias(?:es)?)?; "
    r"multiply-adds (?P<weights>[\d,]+)(?P<places>(?:·\d+)*)(?: = (?P<macs>[\d,]+)|, one for each weight)"
)
CAST = (("⌊", "floor("), ("⌋", ")"), ("⌈", "ceil("), ("⌉", ")"), ("·", "*"), (",", ""))
"""How a formula of a sentence reads in Python."""


def number(text: str) -> int:
    """Read a number with commas."""
    return int(text.replace(",", ""))


def lines_of(found: Explanation, title: str) -> list[str]:
    """Give the lines of a section."""
    return [line for section in found.sections if section.title == title for line in section.lines]


def check_equations(found: Explanation) -> int:
    """Work out every equation of every sentence; return how many there are."""
    count = 0
    for line in text_of(found).splitlines():
        for match in EQUATION.finditer(line):
            left = match["left"].strip()
            for sign, python in CAST:
                left = left.replace(sign, python)
            value = eval(re.sub(r"√([\d.]+)", r"sqrt(\1)", left), {"floor": floor, "ceil": ceil, "sqrt": sqrt})
            right = float(match["right"].replace(",", ""))
            near = 0.06 if "√" in match["left"] else 0
            assert abs(value - right) <= near, match[0]
            count += 1
    return count


def check_arithmetic(found: Explanation, layers: dict[str, Any]) -> tuple[int, int]:
    """Check every line of a layer against its analysis; return the sums of their weights, biases and multiply-adds."""
    params = macs = 0
    copies, layer = 1, None
    for line in lines_of(found, "Layer by layer"):
        if not line.startswith(" "):
            path, many, text, there, out = HEADER.match(line).groups()  # type: ignore[union-attr]
            copies, layer = number(many) if many else 1, layers[path]
            assert (text, there, out) == (layer.text, str(layer.shape), str(layer.out))
            continue
        assert layer is not None
        match = ARITHMETIC.fullmatch(line.strip())
        if match is not None:
            count, biases = number(match["count"]), number(match["biases"] or "0")
            assert prod(map(int, match["factors"].split("·"))) == count == number(match["weights"])
            assert count * prod(int(place) for place in match["places"].split("·")[1:]) == number(
                match["macs"] or match["weights"]
            )
            assert (count + biases, number(match["macs"] or match["weights"])) == (layer.cost.params, layer.cost.macs)
            params += copies * (count + biases)
            macs += copies * number(match["macs"] or match["weights"])
        elif shared := re.fullmatch(r"0 parameters; ([\d,]+) multiply-adds?", line.strip()):
            assert (0, number(shared[1])) == (layer.cost.params, layer.cost.macs)  # its weights count elsewhere
            macs += copies * number(shared[1])
        elif "stride" in line:
            sizes = [*re.findall(r"= (\d+)", line.split(", so ")[0])]
            alike = sizes * len(layer.out.spatial) if len(sizes) == 1 else sizes
            assert alike == [str(size) for size in layer.out.spatial]
            told = re.search(r"([\d,]+) filters? of ([\d×]+),", line)
            if told is not None:
                window = layer.rule.geometry(layer.shape)
                one = prod(map(int, told[2].split("×")))
                assert (number(told[1]), one) == (
                    layer.out.channels,
                    prod(window.kernel) * layer.shape.channels // window.groups,
                )
    return params, macs


HEADER = re.compile(r"(\S+?)(?: \(([\d,]+) times\))?: (.+), ([\d×]+) to ([\d×]+)\.")


def check_sums(found: Explanation, cost: Any) -> None:
    """Check that the lines of the sum are those of the analysis, to the unit."""
    lines = lines_of(found, "What it adds up to")
    told = {line.split(":")[0]: number(re.findall(r"[\d,]+", line.split(" in ")[0])[-1]) for line in lines}
    if not lines:
        return
    assert told.get("multiply-adds", 0) == cost.macs
    whole = told.pop("parameters", None)
    told.pop("multiply-adds", None)
    assert sum(told.values()) == cost.params
    assert whole in (None, cost.params)


def layers_of(analysis: Any) -> dict[str, Any]:
    """Return the layers of an analysis by the paths of a folded report."""
    return {entry.path: entry.layer for entry in entries(analysis.root)}


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
    asked = read_settings(channels=str(channels), input=f"{side}x{side + 1}")
    analysis = analyze_program(program, asked)
    found = explain(program, asked)

    layers = [entry.layer for entry in bneck_cli.each_layer(analysis)]
    params, macs = check_arithmetic(found, layers_of(analysis))
    check_sums(found, analysis.cost)
    assert check_equations(found)
    norms = sum(layer.cost.params for layer in layers if layer.op == "bn")
    assert (params + norms, macs) == (analysis.cost.params, analysis.cost.macs)
    short = lines_of(found, "In short")[0]
    assert f"{analysis.cost.params:,} parameters, {analysis.cost.macs:,} multiply-adds" in short
    assert f"with {sum(layer.op == 'conv' for layer in layers)} convolution" in short

    first = layers[0]
    numbers = lines_of(found, "What the numbers mean")[0]
    k, width, _, g, _ = convs[0]
    assert numbers.startswith(f"The {width} output channel")
    assert f"filter is {k}×{k}×{channels // g}, {k * k * channels // g} weight" in numbers
    assert f"makes one {first.out.spatial[0]}×{first.out.spatial[1]} map" in numbers

    strided = [layer for layer in layers if layer.op == "conv" and max(layer.rule.geometry(layer.shape).stride) > 1]
    told = "\n".join(lines_of(found, "The stride"))
    for layer in strided:
        assert "×".join(map(str, layer.shape.spatial)) + " to " + "×".join(map(str, layer.out.spatial)) in told
    for there, seen, skipped in re.findall(
        r"of its ([\d,]+) input positions it looks at ([\d,]+) and skips ([\d,]+)", told
    ):
        assert number(there) - number(seen) == number(skipped)
        assert any(
            (layer.shape.positions, layer.out.positions) == (number(there), number(seen))
            and set(layer.rule.geometry(layer.shape).kernel) == {1}
            for layer in strided
        )
    if not strided:
        assert "The stride is 1 in " in told


@given(
    st.sampled_from(sorted(block_files())),
    st.sampled_from(["64", "96", "256"]),
    st.sampled_from(["28x28", "17x23", "50x40", "196", "63"]),
    st.sampled_from([{}, {"in_channels": "32"}, {"values": (("stride", "2"),)}]),
)
@settings(max_examples=250, deadline=None, derandomize=True)
def test_every_bundled_block_is_explained(name: str, channels: str, side: str, more: dict[str, Any]) -> None:
    """Of every block of the library, at several widths, strides and inputs, every stated number is right."""
    asked = read_settings(channels=channels, input=side, **more)
    try:
        analysis = analyze_program(load(name), asked)
    except BneckError:
        return
    found = explain(load(name), asked)
    assert f"{analysis.cost.params:,} parameters" in text_of(found)
    for share, path in re.findall(r"([\d.]+)% of what is left is in (\S+), which mixes", text_of(found)):
        filters, mixes, whole = re.search(r"takes (\d+(?:·\d+)*) \+ (\d+(?:·\d+)*) = ([\d,]+)", text_of(found)).groups()  # type: ignore[union-attr]
        mixed = prod(map(int, mixes.split("·")))
        assert mixed + prod(map(int, filters.split("·"))) == number(whole)
        assert abs(float(share) - 100 * mixed / number(whole)) <= 0.0500001
        mixer = layers_of(analysis)[path]
        assert mixed == prod(mixer.rule.weights(mixer.shape)[0])
    assert text_of(found).count("%") == text_of(found).count("% of what is left")
    check_equations(found)
    check_sums(found, analysis.cost)
    macs = check_arithmetic(found, layers_of(analysis))[1]
    if not any(entry.layer.op == "attention" for entry in bneck_cli.each_layer(analysis)):
        assert macs == analysis.cost.macs
    check_comparison(found, analysis)


def check_comparison(found: Explanation, analysis: Any) -> None:
    """Check a comparison: both blocks' numbers at this width and map, and the ratio at other widths and maps."""
    for section in found.sections:
        if not section.title.startswith("Compared with "):
            continue
        shape = analysis.root.shape
        assert shape == analysis.root.out
        name, other = analysis.name, section.title.removeprefix("Compared with ")
        there = re.search(
            r"has ([\d,]+) weights against ([\d,]+), and ([\d,]+) multiply-adds against ([\d,]+)", section.lines[0]
        )
        assert there is not None
        macs = analysis.cost.macs
        plain = bneck_cli.analyze(other, channels=shape.channels, input="x".join(map(str, shape.spatial))).cost.macs
        assert [number(text) for text in there.groups()] == [
            plain // shape.positions,
            macs // shape.positions,
            plain,
            macs,
        ]
        times = re.search(r"At equal width (\w+) costs ([\d.]+) times as much as (\w+)", section.lines[1])
        assert times is not None
        assert {times[1], times[3]} == {name, other}
        dear, cheap = (macs, plain) if times[1] == name else (plain, macs)
        assert f"{dear / cheap:.1f}" == times[2]
        wide, narrow = map(int, re.search(r"\((\d+) channels against (\d+)\)", section.lines[2]).groups())  # type: ignore[union-attr]
        assert shape.channels == (narrow if cheap == plain else wide)
        assert abs(wide / sqrt(dear / cheap) - narrow) <= (0.5 if cheap == macs else 0.5 / sqrt(dear / cheap))


@pytest.mark.parametrize("channels", [64, 256, 320, 1024])
def test_the_comparison_holds_at_every_width(channels: int) -> None:
    """The ratio is one number at every width, and no artefact of steps: 16.9 and its root 4.1."""
    lines = lines_of(explain(load("bottleneck"), read_settings(channels=str(channels))), "Compared with basic")
    assert "basic costs 16.9 times as much as bottleneck, at every width: 18·C² weights against 17/16·C²" in lines[1]
    assert "bottleneck is √16.9 = 4.1 times as wide as basic" in lines[2]
    assert lines[2].endswith("this is the purpose of the bottleneck.")
    assert "basic at 64 channels has 73,728 weights, and bottleneck at 256 has 69,632" in lines[3]
    back = lines_of(explain(load("basic"), read_settings(channels=str(channels))), "Compared with bottleneck")
    assert back[1] == lines[1]


def test_the_width_of_equal_cost() -> None:
    """256 channels of a bottleneck cost what 62 of basic do: 18·62² is nearest to 17/16·256²."""
    lines = lines_of(explain(load("bottleneck"), read_settings(channels="256")), "Compared with basic")
    assert "(256 channels against 62)" in lines[2]
    cost = 17 * 256**2 / 16
    assert min(range(1, 257), key=lambda c: abs(sqrt(cost / 18) - c)) == 62


@pytest.mark.parametrize(
    ("name", "asked", "at"),
    [
        ("resnet50", {}, "layer2"),
        ("resnet50", {}, "layer1"),
        ("downsample", {"channels": "64"}, None),
        ("transition", {"channels": "64"}, None),
        ("basic", {"channels": "64", "in_channels": "32"}, None),
        ("basic", {"channels": "64", "values": (("stride", "2"),)}, None),
        ("se_bottleneck", {"channels": "256"}, None),
        ("encoder", {"channels": "768", "input": "197"}, None),
        ("convnext", {"channels": "96"}, None),
        ("mbconv", {"channels": "64"}, None),
    ],
)
def test_no_comparison_where_it_says_nothing(name: str, asked: dict[str, Any], at: str | None) -> None:
    """A block that changes its shape, has a gate, or does other work is compared with none."""
    found = explain(load(name), read_settings(**asked), at)
    assert not [section.title for section in found.sections if section.title.startswith("Compared")]


def test_a_block_in_its_network_is_compared_with_its_own_numbers() -> None:
    """What is called this block's is what stands there."""
    lines = lines_of(explain(load("resnet50"), at="layer2.1"), "Compared with basic")
    assert "against 278,528, and 3,699,376,128 multiply-adds against 218,365,952" in lines[0]


def test_in_context_the_map_is_followed() -> None:
    """In context it is said where the 56×56 come from, with the arithmetic, and what a position spans of the input."""
    found = explain(load("resnet50"), at="layer2")
    assert found.title == "bottleneck · 256×56×56 to 512×28×28 · layer2.0 of ResNet-50"
    origin = lines_of(found, "Where the map comes from")
    assert origin[0] == "224×224 is the input."
    assert origin[-1] == "So the input of layer2.0 is 56×56."
    for line in origin[1:-1]:
        n, p, k, s, m = map(int, re.search(r"⌊\((\d+) \+ 2·(\d+) - (\d+)\)/(\d+)⌋ \+ 1 = (\d+)", line).groups())
        assert (n + 2 * p - k) // s + 1 == m
    assert "sees 43×43 positions of the network" in text_of(found)
    assert "layer2 repeats its block 4 times; the first, layer2.0, is explained here." in text_of(found)
    assert "layer2.1-3: 512×28×28 to 512×28×28, 280,064 parameters and 218,365,952 multiply-adds each." in text_of(
        found
    )
    assert "If `conv 1x1 128` had the stride of `conv 3x3 128 stride=2` instead, it would" in text_of(found)
    assert "take 25,690,112 multiply-adds, not 102,760,448, but see only 784 of its 3,136 input" in text_of(found)
    moved = bneck_cli.analyze("resnet50_v1")
    inside = {entry.path: entry.layer.cost.macs for entry in bneck_cli.each_layer(moved)}
    assert inside["layer2.0.conv1"] == 25_690_112


def test_no_bottleneck_is_seen_where_there_is_none() -> None:
    """The word is kept for a squeeze, a wider kernel and an expansion."""
    for name in ("basic", "inverted_residual", "convnext", "dense_layer", "transition"):
        asked = read_settings(**{"in_channels" if name == "dense_layer" else "channels": "64"})
        assert "this narrow place is the bottleneck" not in text_of(explain(load(name), asked))
    assert "this narrow place is the bottleneck" in text_of(explain(load("resnext"), read_settings(channels="256")))


@pytest.mark.parametrize("name", network_names())
def test_every_network_is_explained(name: str) -> None:
    """Each bundled network has its totals in a sentence, and its stages' shares are those of the analysis."""
    found = explain(load(name))
    analysis = bneck_cli.analyze(name)
    params, macs = analysis.cost.params, analysis.cost.macs
    told = f"{params:,} parameters ({rounded(params)}), {macs:,} multiply-adds ({rounded(macs)})"
    assert told in text_of(found)
    check_equations(found)
    check_most(found, analysis)
    assert check_shares(found, analysis) == text_of(found).count("%")


MOST = re.compile(
    r"The single layer with the most ([\w-]+) is (\S+) \(.*\): ([\d,]+), [\d.]+% of all(?:; ([\d,]+) others? ha)?"
)
FIELDS = {"parameters": "params", "multiply-adds": "macs"}


def check_most(found: Explanation, analysis: Any) -> None:
    """Check which layer is said to cost most of each measure, and how many others cost as much."""
    told = [match for line in lines_of(found, "Where the cost is") if (match := MOST.match(line))]
    assert [match[1] for match in told] == [word for word in FIELDS if getattr(analysis.cost, FIELDS[word])]
    for match in told:
        each = [one for one in bneck_cli.each_layer(analysis) if not one.idle]
        costs = [getattr(one.layer.cost, FIELDS[match[1]]) for one in each]
        assert max(costs) == number(match[3])
        assert costs.count(max(costs)) - 1 == number(match[4] or "0")


def check_shares(found: Explanation, analysis: Any) -> int:
    """Divide again for every percentage that is told of a network; return how many there are."""
    whole = {word: getattr(analysis.cost, field) for word, field in FIELDS.items()}
    count = 0

    def check(share: str, part: int, word: str) -> None:
        nonlocal count
        assert abs(float(share) - 100 * part / whole[word]) <= 0.0500001, (share, part, word)
        count += 1

    for line in lines_of(found, "Its stages"):
        match = re.match(r"([^\s:]+).*; ([\d.]+)% of the parameters(?: and ([\d.]+)% of the multiply-adds)?", line)
        if match is not None:
            cost = next(child.node.cost for child in children(analysis.root) if child.label == match[1])
            check(match[2], cost.params, "parameters")
            if match[3]:
                check(match[3], cost.macs, "multiply-adds")
    for line in text_of(found).splitlines():
        most = re.search(r"the most ([\w-]+) is .*: ([\d,]+), ([\d.]+)% of all", line)
        used = re.search(r"it uses ([\d,]+) parameters, ([\d.]+)% of all", line)
        gates = re.search(
            r"Its .*gates?.* holds? ([\d,]+) parameters, ([\d.]+)% of all, "
            r"and takes? ([\d,]+) multiply-adds, ([\d.]+)%",
            line,
        )
        if most:
            check(most[3], number(most[2]), most[1])
        if used:
            assert number(used[1]) == analysis.cost.active_params
            check(used[2], number(used[1]), "parameters")
        if gates:
            check(gates[2], number(gates[1]), "parameters")
            check(gates[4], number(gates[3]), "multiply-adds")
    return count


@pytest.mark.parametrize("name", ["resnet50", "vit_b_16", "unet", "efficientnet_b0", "densenet121", "hrnet", "swin_t"])
def test_every_part_of_a_network_is_explained(name: str) -> None:
    """Every stage and every block of networks of several families is explained with the numbers that stand there."""
    if name not in network_names():
        return
    analysis = analyze_program(load(name))
    for child in children(analysis.root):
        inside = [f"{child.label}.{held.label}" for held in children(child.node)]
        for path in [child.label, *inside[:3]]:
            found = explain_analysis(analysis, path)
            check_equations(found)
            node = at_path(analysis.root, path, name)[0]
            if "repeats its block" not in text_of(found):
                assert f"{node.cost.params:,} parameter" in text_of(found)
                assert f"{node.cost.macs:,} multiply-add" in text_of(found)


def explained(spec: str, at: str | None = None, asked: Settings = Settings()) -> Explanation:
    """Explain a spec given as text."""
    return explain(resolve(Source("own.yaml", spec)), asked, at)


def test_every_axis_is_explained() -> None:
    """A stride along one axis is told along that axis: the widths are 64, 32, 16 and the height stays 32."""
    found = explained("input: 3 x 32 x 64\nnet: conv 3x3 8 stride=1x2 -> conv 3x3 8 stride=1x2\n")
    first, second = lines_of(found, "Where the map changes")
    assert "height ⌊(32 + 2·1 - 3)/1⌋ + 1 = 32, width ⌊(64 + 2·1 - 3)/2⌋ + 1 = 32." in first
    assert "width ⌊(32 + 2·1 - 3)/2⌋ + 1 = 16." in second


def test_a_sequence_is_explained() -> None:
    """A convolution along a sequence has its arithmetic as one over a map has."""
    found = explained("input: 4 x 100\nnet: conv 5 8 stride=2 -> conv 3 8 stride=2\n")
    assert lines_of(found, "Where the map changes") == [
        "conv1 (conv 5 8 stride=2): ⌊(100 + 2·2 - 5)/2⌋ + 1 = 50.",
        "conv2 (conv 3 8 stride=2): ⌊(50 + 2·1 - 3)/2⌋ + 1 = 25.",
    ]


def test_a_stage_that_begins_elsewhere_has_the_shape_of_what_it_takes() -> None:
    """A stage that begins with ``from a`` is told what arrives from a, by the way that leads to a."""
    spec = (
        "input: 3 x 32 x 32\nnet:\n  - conv 3x3 16 stride=2 -> as a\n  - conv 3x3 64 stride=2 -> as b\n"
        "  - from a -> conv 3x3 8 stride=4 -> relu -> as third\n"
    )
    found = explained(spec, "third")
    assert found.title.startswith("third · 16×16×16 to 8×4×4")
    assert lines_of(found, "Where the map comes from") == [
        "32×32 is the input.",
        "a.conv (conv 3x3 16 stride=2): ⌊(32 + 2·1 - 3)/2⌋ + 1 = 16.",
        "So the input of third is 16×16.",
    ]


@pytest.mark.parametrize(
    "spec",
    [
        "input: 3 x 8 x 8\nnet: identity\n",
        "input: 3 x 8 x 8\nnet: 0x relu\n",
        "input: 3 x 8 x 8\nnet: as a\n",
        "input: 3 x 8 x 8\nnet:\n  - aside: conv 3x3 4\n",
        "input: 8\nnet: linear 3\n",
        "input: 3 x 8 x 8\nops: {f: {out: [c, h, w], params: 5, macs: 8*h*w*c}}\nnet: f\n",
    ],
)
def test_a_network_of_little_is_explained(spec: str) -> None:
    """A net without layers, or only with heads that do not run, is explained as far as there is anything."""
    assert lines_of(explained(spec), "In short")


def test_symbols_in_an_op_are_told() -> None:
    """A formula of an op whose cost is symbolic is an error, and no traceback."""
    with pytest.raises(BneckError, match="an explanation needs numbers"):
        explained("input: 8 x H x W\nops: {f: {out: [c, h, w], params: 0, macs: c*h*w}}\nnet: f\n")


def test_a_million_copies_are_explained_at_once() -> None:
    """A block that stands a million times is explained as one, and so is any one of its copies."""
    block = "b(channels): {residual: conv 3x3 channels -> bn}"
    spec = f"input: 8 x 8 x 8\nblocks:\n  {block}\nnet:\n  - 1000000x b 8 -> as many\n  - relu\n"
    for at in (None, "many", "many.999999", "many.3-7"):
        assert lines_of(explained(spec, at), "In short")
    assert "many repeats its block 1,000,000 times, all identical; one of them is explained here." in text_of(
        explained(spec, "many")
    )


@pytest.mark.parametrize(
    ("at", "title"),
    [
        ("layer2.1-3", "bottleneck · 512×28×28 to 512×28×28 · layer2.1-3 of ResNet-50"),
        ("LAYER2.2", "bottleneck · 512×28×28 to 512×28×28 · layer2.2 of ResNet-50"),
        ("maxpool", "maxpool · 64×112×112 to 64×56×56 · maxpool of ResNet-50"),
        ("layer2.0.shortcut.conv", "conv · 256×56×56 to 512×28×28 · layer2.0.shortcut.conv of ResNet-50"),
    ],
)
def test_paths_are_taken_as_they_are_printed(at: str, title: str) -> None:
    """A path is taken as a table prints it, for one copy or several, in any case, down to a layer."""
    assert explain(load("resnet50"), at=at).title == title


def test_attention_is_worked_out() -> None:
    """The four linear layers, both products, and from where on the products cost more, for an encoder of ViT-B."""
    found = explain(load("encoder"), read_settings(channels="768", input="197"))
    text = text_of(found)
    assert "weights 4·768·768 = 2,359,296 + 4·768 = 3,072 biases; multiply-adds 2,359,296·197 = 464,781,312" in text
    assert "197·197·768 = 29,805,312 multiply-adds" in text
    assert "equal at 7,077,888/1,536 = 4,608 tokens" in text
    there = {tokens: bneck_cli.analyze("encoder", channels=768, input=str(tokens)).cost for tokens in (197, 394, 4608)}
    assert there[4608].macs == 2 * there[4608].attention_macs
    assert (there[394].macs - there[394].attention_macs) == 2 * (there[197].macs - there[197].attention_macs)
    assert there[394].attention_macs == 4 * there[197].attention_macs
    tokens = explain(load("vit_b_16"), at="tokens")
    assert "14·14 + 1 = 197" in text_of(tokens)


def test_a_depthwise_separable_convolution_is_worked_out() -> None:
    """A 3×3 in each channel and a 1×1 take 1/C + 1/9 of a full 3×3: 1/8.7 at 256, and 97 % of it mixes."""
    spec = "input: 256 x 14 x 14\nnet:\n  - dwconv 3x3 -> bn -> relu -> conv 1x1 256 -> as both\n  - relu\n"
    first, second = lines_of(explained(spec, "both"), "Depthwise and pointwise")
    assert "3·3·256·256 = 589,824 weights" in first
    assert "9·256 + 256·256 = 67,840: 1/256 + 1/9 of that, or 1/8.69" in first
    assert second.startswith("96.6% of what is left")


def test_gates_are_worked_out() -> None:
    """A gate is told what it multiplies and costs; of a network, what all of its gates cost."""
    text = text_of(explain(load("se_bottleneck"), read_settings(channels="256")))
    assert "multiplies every channel of 256×56×56 by its own, at all 3,136 positions" in text
    assert "256·16 + 16·256 = 8,192 weights (and 272 biases) make 8,192 multiply-adds" in text
    assert "Its 16 gates (squeeze-and-excitation) hold 636,540 parameters" in text_of(explain(load("efficientnet_b0")))
    assert "627,200 multiply-adds" in text_of(explain(load("efficientnet_b0")))


def test_the_design_of_a_network_is_told() -> None:
    """ResNet-50's stages are told why they are as they are; a repeated block costs the same in each."""
    text = text_of(explain(load("resnet50")))
    assert "a repeated block costs the same in every stage: 218,365,952 multiply-adds" in text
    assert "the most blocks are in layer3 (6)" in text
    assert "`resnet50_v1` is ResNet-50 v1: as many parameters (25,557,032) and 231,211,008 fewer" in text


@pytest.mark.parametrize(
    ("file", "name", "asked"),
    [
        ("explain-bottleneck", "bottleneck", {"channels": "256"}),
        ("explain-basic", "basic", {"channels": "64"}),
        ("explain-encoder", "encoder", {"channels": "768", "input": "197"}),
        ("explain-inverted_residual", "inverted_residual", {"channels": "24"}),
        ("explain-resnet50", "resnet50", {}),
    ],
)
def test_golden_explanations(file: str, name: str, asked: dict[str, str], golden: Callable[[str, str], None]) -> None:
    """What is printed at 80 columns is as it was."""
    golden(f"{file}.txt", as_text(report(explain(load(name), read_settings(**asked))), "text", Style(width=80)))


@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_number_is_split_over_lines(width: int) -> None:
    """Whatever the width, a number stands on one line."""
    found = explain(load("resnet50"))
    lines = "".join(as_text(report(found), "text", Style(width=width))).splitlines()
    assert max(map(len, lines)) <= width
    lines = "".join(as_text(report(found._replace(figure=None, shares=None)), "text", Style(width=width))).splitlines()
    whole = set(re.findall(r"\d[\d,]*\d", text_of(found)))
    assert set(re.findall(r"\d[\d,]*\d", "\n".join(lines))) <= whole | set(re.findall(r"\d[\d,]*\d", found.title))


def test_formats_and_widths() -> None:
    """Text keeps within its width; Markdown has a heading for each section."""
    found = explain(load("bottleneck"), read_settings(channels="256"))
    assert max(map(len, as_text(report(found), "text", Style(width=70)).splitlines())) <= 70
    assert as_text(report(found), "markdown", Style()).count("\n### ") == len(found.sections)


@pytest.mark.parametrize(
    ("name", "at", "asked", "message"),
    [
        ("resnet50", "layer5", {}, "no layer or block at 'layer5'"),
        ("resnet50", "layer1.9", {}, "no layer or block at 'layer1.9'"),
        ("resnet50", None, {"input": "3xHxW"}, "an explanation needs numbers; the sizes have symbols"),
        ("bottleneck", None, {"channels": "C"}, "an explanation needs numbers; the sizes have symbols"),
    ],
)
def test_what_cannot_be_explained_is_told(name: str, at: str | None, asked: dict[str, str], message: str) -> None:
    """A path that is not there, and symbols, are told."""
    with pytest.raises(BneckError) as told:
        explain(load(name), read_settings(**asked), at)
    assert told.value.message == message


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_every_part_of_any_network_is_explained_truly(seed: int) -> None:
    """Of random networks whose names cross every boundary, each part has its own numbers, and each equation holds."""
    layers = ["conv 3x3 4", "conv 1x1 4 bias", "bn", "dwconv 3x3", "relu", "maxpool 3x3 stride=1 pad=1", "linear 4"]
    program = resolve(Source("own.yaml", Writer(Random(seed), layers).spec(9)))
    analysis = analyze_program(program)
    found = explain_analysis(analysis)
    assert f"{analysis.cost.params:,} parameter" in text_of(found)
    check_equations(found)
    check_most(found, analysis)
    for child in children(analysis.root):
        found = explain_analysis(analysis, child.label)
        check_equations(found)
        node = child.node
        if f"{child.label}.0 of" in found.title:
            node = children(node)[0].node
        assert f"{node.cost.params:,} parameter" in text_of(found)
        assert f"{node.cost.macs:,} multiply-add" in text_of(found)
        check_sums(found, node.cost)
        path = found.title.split(" · ")[-1].split(" of ")[0]
        inside = {path: node} if isinstance(node, Layer) else {e.path: e.layer for e in entries(node)}
        check_arithmetic(found, inside)


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_the_way_of_a_map_is_that_of_its_tensors(seed: int) -> None:
    """The layers that a map is said to have come through lead, one after the other, to the size that arrives."""
    layers = ["conv 3x3 4", "maxpool 3x3 stride=2 pad=1", "upsample 2", "conv 3x3 4 stride=2", "conv 2 4"]
    try:
        program = resolve(Source("own.yaml", Writer(Random(seed), layers).spec(24)))
        analysis = analyze_program(program)
    except BneckError:
        return
    for child in children(analysis.root):
        found = explain_analysis(analysis, child.label)
        check_equations(found)
        lines = lines_of(found, "Where the map comes from")
        if not lines:
            continue
        size = int(lines[0].split("×")[0])
        assert size == 24
        for line in lines[1:-1]:
            there = re.search(r"⌊\((\d+)|: (\d+)×", line)
            assert there is not None
            assert int(there[1] or there[2]) == size
            size = int(re.findall(r"(\d+)\.$|to (\d+)×", line)[-1][0] or re.findall(r"to (\d+)×", line)[-1])
        assert re.search(rf"\b{size}×{size}\b", lines[-1])


def test_variants_are_those_of_the_library_alone() -> None:
    """A file that bears the name of one of the library's networks, and is another, is no variant of any."""
    own = "name: own\ninput: 3 x 8 x 8\nnet: conv 3x3 8 -> relu\n"
    assert not lines_of(explain(resolve(Source("resnet50.yaml", own))), "Others in the library")
    assert not lines_of(explain(load("resnet50"), read_settings(input="192x192")), "Others in the library")
    assert lines_of(explain(load("resnet50_v1")), "Others in the library")[0].startswith("`resnet50` is ResNet-50: ")
