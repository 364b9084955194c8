"""Lint: every rule has a spec that it speaks of and a near one that it does not, and its numbers are counted again."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli.engine.network import entries
from bneck_cli.formats import Style, as_text
from bneck_cli.language.library import network_names
from bneck_cli.questions.lint import RULES, Finding, Lint, groups, lint, totals
from bneck_cli.questions.lint_report import report, rules_report

if TYPE_CHECKING:
    from pathlib import Path


def linted(text: str, *ignore: str, **options: str) -> Lint:
    """Lint a bundled spec, or one that is written here."""
    return lint(bneck_cli.analyze(text, **options), ignore)  # type: ignore[arg-type]


def of(rule: str, found: Lint) -> list[Finding]:
    """Pick one rule's findings."""
    return [finding for finding in found.findings if finding.rule == rule]


def net(body: str, size: str = "3 x 16 x 16", blocks: str = "") -> str:
    """Write a spec around a body, which is one pipeline or lines of a list."""
    held = f"\n{body}" if body.startswith("  - ") else f" {body}"
    return f"name: small\ninput: {size}\n{blocks}net:{held}\n"


def figures(finding: Finding, text: str) -> list[float]:
    """Read the numbers of a message beside those in the layer's own text."""
    assert text in finding.message
    return [
        float(word.replace(",", "")) for word in re.findall(r"\d[\d,]*(?:\.\d+)?", finding.message.replace(text, ""))
    ]


# Bundled networks


@pytest.mark.parametrize("name", network_names())
def test_every_bundled_network_can_be_linted(name: str) -> None:
    """No rule stumbles, none is skipped, and every finding costs something and names a layer that is there."""
    analysis = bneck_cli.analyze(name)
    found = lint(analysis)
    layers = {entry.path: entry for entry in entries(analysis.root)}
    assert found.skipped == ()
    for finding in found.findings:
        assert finding.cost > 0
        assert layers[finding.path].copies == finding.copies
        assert layers[finding.path].layer.place == finding.place
        assert finding.hint == f"--ignore {finding.rule}"


def test_the_biases_of_keras_resnet50_are_the_difference_to_torchvisions() -> None:
    """Keras publishes 26,560 learned parameters more than torchvision: the biases before its batch norms."""
    found = linted("resnet50_keras")
    biases = of("bias-before-norm", found)
    assert sum(finding.cost for finding in biases) == 25_636_712 - 53_120 - 25_557_032 == 26_560
    assert sum(finding.copies for finding in biases) == 53
    assert of("bias-before-norm", linted("resnet50")) == []
    assert len([group for group in groups(found) if group.rule == "bias-before-norm"]) == 5


def test_the_strided_1x1_of_resnet50_v1_skip_three_quarters() -> None:
    """The first 1x1 of three stages skips 2,352, 588 and 147 positions; torchvision's has none in its bodies."""
    sizes = (56, 28, 14)
    expected = [size * size - len(range(0, size, 2)) ** 2 for size in sizes]
    found = linted("resnet50_v1")
    for rule, path in (("strided-1x1", "conv1"), ("strided-1x1-shortcut", "shortcut.conv")):
        assert [finding.path for finding in of(rule, found)] == [f"layer{stage}.0.{path}" for stage in (2, 3, 4)]
        assert [finding.cost for finding in of(rule, found)] == expected == [2352, 588, 147]
        assert all("(75.0%)" in finding.message for finding in of(rule, found))
    assert of("strided-1x1", linted("resnet50")) == []
    assert len(of("strided-1x1-shortcut", linted("resnet50"))) == 3


@pytest.mark.parametrize(
    ("name", "weights", "whole"),
    [("vgg16", 512 * 7 * 7 * 4096, 138_357_544), ("alexnet", 256 * 6 * 6 * 4096, 61_100_840)],
)
def test_the_first_linear_layer_holds_most_of_vgg_and_alexnet(name: str, weights: int, whole: int) -> None:
    """The layer that reads the flattened map holds over half of the published parameters."""
    (finding,) = of("params-concentrated", linted(name))
    assert finding.cost == weights + 4096
    assert figures(finding, "linear 4096") == [weights + 4096, whole, round(100 * (weights + 4096) / whole, 1)]
    assert of("params-concentrated", linted("resnet50")) == []


@pytest.mark.parametrize(
    ("name", "rule", "field", "stage"),
    [
        ("resnet50", "receptive-field-exceeds-input", 427, "layer3"),
        ("resnet50_v1", "receptive-field-exceeds-input", 483, "layer3"),
        ("vgg16", "receptive-field-short", 212, ""),
        ("alexnet", "receptive-field-short", 195, ""),
    ],
)
def test_published_receptive_fields_are_set_beside_the_input(name: str, rule: str, field: int, stage: str) -> None:
    """The fields that Araujo et al. publish, against 224×224; in layer2 ResNets see less than that, in layer3 more."""
    found = linted(name)
    (finding,) = [one for one in found.findings if one.rule.startswith("receptive-field")]
    assert finding.rule == rule
    assert f"sees {field}×{field} of an input of 224×224" in finding.message
    assert finding.cost == abs(field**2 - 224**2)
    if stage:
        assert f"first exceeded at {stage}" in finding.message


# Each rule, and a near miss

MOBILE = """blocks:
  unit(channels, wide):
    - conv 1x1 wide -> bn -> dwconv 3x3 -> bn -> conv 1x1 channels -> bn
"""
NORM_FIRST = """blocks:
  unit(channels):
    - bn -> conv 3x3 channels bias
"""
PAIRS = {
    "a 1x1 with stride 2": ("strided-1x1", net("conv 1x1 8 stride=2"), net("conv 2x2 8 stride=2")),
    "a 1x1 with stride 2 on one axis": ("strided-1x1", net("conv 1x1 8 stride=1x2"), net("conv 1x2 8 stride=1x2")),
    "a dilated window of even steps": (
        "strided-1x1",
        net("conv 3x3 8 stride=2 dilation=2"),
        net("conv 3x3 8 stride=2 dilation=3"),
    ),
    "a depthwise one": ("strided-1x1", net("dwconv 3x3 stride=4"), net("dwconv 3x3 stride=3")),
    "a 1x1 with stride on a map of one": (
        "strided-1x1",
        net("conv 1x1 8 stride=2", "3 x 2 x 1"),
        net("conv 1x1 8 stride=2", "3 x 1 x 1"),
    ),
    "a shortcut's": (
        "strided-1x1-shortcut",
        net("  - residual: conv 3x3 8 stride=2 -> bn\n    shortcut: auto"),
        net("  - residual: conv 3x3 8 stride=2 -> bn\n    shortcut: avgpool 2x2 stride=2 -> conv 1x1 8"),
    ),
    "a strided 1x1 in a body": (
        "strided-1x1",
        net("  - residual: conv 1x1 8 stride=2 -> bn\n    shortcut: maxpool 2x2 stride=2 -> conv 1x1 8"),
        net("  - residual: conv 2x2 8 stride=2 -> bn\n    shortcut: conv 1x1 8 stride=2"),
    ),
    "a convolution's bias": ("bias-before-norm", net("conv 3x3 8 bias -> bn"), net("conv 3x3 8 -> bn")),
    "a linear layer's bias": ("bias-before-norm", net("flatten -> linear 8 -> bn"), net("linear 8 nobias -> bn")),
    "an instance norm": ("bias-before-norm", net("conv 3x3 8 bias -> in"), net("conv 3x3 8 bias -> gn 2")),
    "a layer norm keeps the bias": ("bias-before-norm", net("upconv 2x2 8 bias -> bn"), net("conv 3x3 8 bias -> ln")),
    "an activation between": ("bias-before-norm", net("dwconv 3x3 bias -> bn"), net("conv 3x3 8 bias -> relu -> bn")),
    "a second reader": (
        "bias-before-norm",
        net("  - concat:\n      - conv 3x3 8 bias -> bn\n      - identity"),
        net("  - conv 3x3 8 bias\n  - concat: [bn, identity]"),
    ),
    "a named tensor that is read again": (
        "bias-before-norm",
        net("  - conv 3x3 8 bias -> as kept\n  - bn\n  - add: [conv 3x3 8, conv 1x1 8]"),
        net("  - conv 3x3 8 bias -> as kept\n  - bn\n  - add: [conv 3x3 8, from kept]"),
    ),
    "the next copy reads it": (
        "bias-before-norm",
        net("  - 3x unit 8\n  - bn", "8 x 4 x 4", NORM_FIRST),
        net("  - 3x unit 8\n  - bn", "8 x 4 x 4", NORM_FIRST.replace("bn", "relu")),
    ),
    "a named output": (
        "bias-before-norm",
        net("  - conv 3x3 8 bias -> as seen\n  - bn"),
        net("  - conv 3x3 8 bias -> as seen\n  - bn -> as last") + "outputs: [seen, last]\n",
    ),
    "a slice of it": (
        "bias-before-norm",
        net("  - conv 3x3 8 bias\n  - split: [bn, bn noaffine]"),
        net("  - conv 3x3 8 bias\n  - split: [bn, conv 1x1 4]"),
    ),
    "channels inside": (
        "channels-not-multiple-of-8",
        net("conv 3x3 12 -> relu -> conv 3x3 10"),
        net("conv 3x3 16 -> relu -> conv 3x3 10"),
    ),
    "channels of the input": (
        "channels-not-multiple-of-8",
        net("conv 3x3 20 -> global_avgpool -> linear 10"),
        net("bn -> dwconv 3x3 -> conv 3x3 24 -> global_avgpool -> linear 10 -> softmax"),
    ),
    "channels in groups": (
        "channels-not-multiple-of-8",
        net("conv 3x3 16 -> conv 3x3 12 -> conv 3x3 16 groups=4"),
        net("conv 3x3 16 -> conv 3x3 12 groups=4 -> conv 3x3 16 groups=4"),
    ),
    "channels that nothing reads": (
        "channels-not-multiple-of-8",
        net("  - as kept\n  - conv 3x3 12 -> as seen\n  - conv 1x1 8"),
        net("  - as kept\n  - conv 3x3 12 -> as seen\n  - from kept -> conv 1x1 8"),
    ),
    "channels of a gate": (
        "channels-not-multiple-of-8",
        net("  - conv 3x3 16\n  - scale: conv 1x1 12 -> conv 1x1 16 -> sigmoid\n  - conv 3x3 8"),
        net("  - conv 3x3 16\n  - scale: global_avgpool -> conv 1x1 12 -> conv 1x1 16 -> sigmoid\n  - conv 3x3 8"),
    ),
    "a depthwise layer's channels": (
        "channels-not-multiple-of-8",
        net("conv 1x1 9 -> dwconv 3x3 -> conv 1x1 8"),
        net("conv 1x1 8 -> dwconv 3x3 multiplier=2 -> conv 1x1 8"),
    ),
    "a last row": ("dropped-border", net("conv 3x3 8 stride=2 pad=0"), net("conv 3x3 8 stride=2 pad=1")),
    "a last row of a pooling": (
        "dropped-border",
        net("maxpool 2x2 stride=2", "3 x 7 x 8"),
        net("maxpool 2x2 stride=2 ceil", "3 x 7 x 8"),
    ),
    "a map that fits": (
        "dropped-border",
        net("maxpool 3x3 stride=3 pad=0", "3 x 11 x 9"),
        net("maxpool 3x3 stride=3 pad=0", "3 x 12 x 9"),
    ),
    "an end that TensorFlow pads": (
        "dropped-border",
        net("conv 4x4 8 stride=4", "3 x 15 x 15"),
        net("conv 4x4 8 stride=4 pad=tf_same", "3 x 15 x 15"),
    ),
    "a field of 17 on 16": (
        "receptive-field-exceeds-input",
        net("conv 9x9 8 -> conv 9x9 8 -> global_avgpool"),
        net("conv 9x9 8 -> conv 8x8 8 -> global_avgpool"),
    ),
    "a field of 15 on 16": (
        "receptive-field-short",
        net("conv 9x9 8 -> conv 7x7 8 -> global_avgpool"),
        net("conv 9x9 8 -> conv 8x8 8 -> global_avgpool"),
    ),
    "a gate sees everything": (
        "receptive-field-short",
        net("  - conv 3x3 8\n  - conv 1x1 8\n  - global_avgpool"),
        net("  - conv 3x3 8\n  - scale: global_avgpool -> conv 1x1 8 -> sigmoid\n  - global_avgpool"),
    ),
    "a sequence that looks ahead in one branch": (
        "misaligned-branches",
        net("  - residual: conv 3 8 pad=(1,1) -> conv 2 8 pad=(0,1)", "8 x 20"),
        net("  - residual: conv 2 8 pad=(1,0) -> conv 2 8 dilation=2 pad=(2,0)", "8 x 20"),
    ),
    "an even kernel on one side": (
        "misaligned-branches",
        net("  - add:\n      - conv 2x2 3 pad=(0,1,0,1)\n      - identity"),
        net("  - add:\n      - conv 3x3 3 pad=(1,1,1,1)\n      - identity"),
    ),
    "TensorFlow's padding of a strided window": (
        "misaligned-branches",
        net("  - residual: conv 3x3 8 stride=2 pad=tf_same\n    shortcut: auto"),
        net("  - residual: conv 3x3 8 stride=2 pad=tf_same\n    shortcut: auto", "3 x 15 x 15"),
    ),
    "steps that differ": (
        "misaligned-branches",
        net("  - add:\n      - conv 2x2 8 stride=2\n      - conv 9x9 8 pad=0"),
        net("  - add:\n      - conv 2x2 8 stride=2\n      - maxpool 2x2 stride=2 -> conv 1x1 8"),
    ),
    "copies that shift": (
        "misaligned-branches",
        net("  - as kept\n  - 3x conv 2x2 3 pad=(0,1,0,1)\n  - add: [identity, from kept]"),
        net("  - as kept\n  - 3x conv 3x3 3\n  - add: [identity, from kept]"),
    ),
    "copies that each add a tensor from before them": (  # by other distances, of which no one number is true
        "misaligned-branches",
        net("  - as kept\n  - add:\n      - conv 2x2 3 pad=(0,1,0,1)\n      - from kept"),
        net(
            "  - as kept\n  - repeat: 3\n    body:\n      add:\n        - conv 2x2 3 pad=(0,1,0,1)\n        - from kept"
        ),
    ),
    "one layer of two": (
        "params-concentrated",
        net("conv 1x1 9 -> global_avgpool -> linear 3 nobias", "2 x 4 x 4"),
        net("conv 1x1 9 -> global_avgpool -> linear 2 nobias", "2 x 4 x 4"),
    ),
    "a result that `from` passes by": (
        "unread-result",
        net("  - as kept\n  - conv 3x3 8\n  - from kept -> conv 1x1 8"),
        net("  - as kept\n  - conv 3x3 8\n  - concat: [identity, from kept]"),
    ),
    "copies that do not read each other": (
        "unread-result",
        net("  - as kept\n  - repeat: 3\n    body: [from kept, conv 1x1 8]"),
        net("  - as kept\n  - repeat: 3\n    body: [conv 1x1 3]"),
    ),
    "a head that does not run reads": (
        "unread-result",
        net("  - conv 3x3 8 -> as kept\n  - conv 1x1 8\noutputs: [kept]"),
        net("  - conv 3x3 8 -> as kept\n  - conv 1x1 8\n  - aside: linear 2\noutputs: [kept]"),
    ),
    "a slip of one channel": (
        "dropped-addition",
        net("  - residual: conv 3x3 65\n    shortcut: if_same", "64 x 16 x 16"),
        net("  - residual: conv 3x3 96\n    shortcut: if_same", "64 x 16 x 16"),
    ),
    "a stride that drops the addition": (
        "dropped-addition",
        net("  - residual: conv 3x3 65\n    shortcut: if_same", "64 x 16 x 16"),
        net("  - residual: conv 3x3 65 stride=2\n    shortcut: if_same", "64 x 16 x 16"),
    ),
    "`flatten` forgotten": (
        "linear-on-map",
        net("linear 64 -> relu -> linear 10", "512 x 7 x 7"),
        net("flatten -> linear 64 -> relu -> linear 10", "512 x 7 x 7"),
    ),
    "a linear layer before pooling": (
        "linear-on-map",
        net("linear 64 -> relu -> linear 10", "512 x 7 x 7"),
        net("linear 64 -> relu -> global_avgpool -> linear 10", "512 x 7 x 7"),
    ),
    "a projection": (
        "needless-projection",
        net("  - residual: conv 3x3 3 -> bn\n    shortcut: conv 1x1 3 -> bn"),
        net("  - residual: conv 3x3 8 -> bn\n    shortcut: conv 1x1 8 -> bn"),
    ),
    "a wider window in a shortcut": (
        "needless-projection",
        net("  - residual: conv 3x3 3\n    shortcut: conv 1x1 3"),
        net("  - residual: conv 3x3 3\n    shortcut: conv 3x3 3"),
    ),
    "a shortcut that does more": (
        "needless-projection",
        net("  - residual: conv 3x3 3\n    shortcut: conv 1x1 3 bias"),
        net("  - residual: conv 3x3 3\n    shortcut: conv 1x1 3 -> relu"),
    ),
    "a shortcut from elsewhere": (
        "needless-projection",
        net("  - as kept\n  - residual: conv 3x3 3\n    shortcut: conv 1x1 3"),
        net("  - as kept\n  - relu\n  - residual: conv 3x3 3\n    shortcut: from kept -> conv 1x1 3"),
    ),
    "a channel above 90% and exactly there": (  # the depthwise layer is 9/(9 + in + out) of the block
        "pointwise-dominates",
        net("unit 41 82", "41 x 8 x 8", MOBILE),
        net("unit 41 82", "40 x 8 x 8", MOBILE),
    ),
    "nothing in groups": (
        "pointwise-dominates",
        net("unit 64 64", "64 x 8 x 8", MOBILE),
        net("unit 64 64", "64 x 8 x 8", MOBILE.replace("dwconv 3x3", "conv 1x1 wide")),
    ),
    "nothing to allow": (
        "needless-allow",
        net("  - conv 3x3 8 -> bn  # bneck: allow bias-before-norm"),
        net("  - conv 3x3 8 bias -> bn  # bneck: allow bias-before-norm"),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_rule_speaks_of_one_spec_and_not_of_its_neighbour(name: str) -> None:
    """Each rule has a spec that triggers it, and one that differs in what matters and does not."""
    rule, guilty, innocent = PAIRS[name]
    assert of(rule, linted(guilty))
    assert of(rule, linted(innocent)) == []


def test_every_rule_has_a_pair_a_reason_and_a_line() -> None:
    """No rule is without a test, without a reason, or without its line in the list of rules."""
    assert {rule for rule, _, _ in PAIRS.values()} == set(RULES)
    assert all(rule.reason.endswith(".") for rule in RULES.values())
    records = rules_report().records()
    assert [rule for rule, _ in records.rows] == list(RULES)
    assert all(finds for _, finds in records.rows)


# Every number of a message, counted again


class Conv(NamedTuple):
    """A layer of a random chain: its window by axis, and what follows it."""

    kernel: tuple[int, int]
    channels: int
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    dilation: tuple[int, int]
    bias: bool
    then: str

    @property
    def text(self) -> str:
        """Write it as the engine does."""
        k, s, d = ("x".join(map(str, pair)) for pair in (self.kernel, self.stride, self.dilation))
        sides = ", ".join(map(str, self.pad))
        return f"conv {k} {self.channels}{' bias' * self.bias} stride={s} pad=({sides}) dilation={d}"


pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
convs = st.builds(
    Conv,
    pairs,
    st.integers(1, 20),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(*[st.integers(0, 2)] * 4),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.booleans(),
    st.sampled_from(["", "bn", "relu"]),
)
RANDOM = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


def windows(n: int, k: int, s: int, before: int, after: int, d: int) -> list[list[int]]:
    """List literally, for each window along an axis, the positions of its taps."""
    found, start = [], -before
    while start + d * (k - 1) < n + after:
        found.append([start + d * tap for tap in range(k)])
        start += s
    return found


class Step(NamedTuple):
    """A layer of a chain with its maps, and what its windows look at by axis."""

    conv: Conv
    came: int
    size: tuple[int, int]
    out: tuple[int, int]
    seen: tuple[set[int], set[int]]
    gapped: tuple[bool, bool]
    lost: tuple[int, int]


def chain(layers: list[Conv], size: tuple[int, int]) -> list[Step]:
    """Work a chain out by counting."""
    steps, came = [], 3
    for conv in layers:
        out, seen, gapped, lost = [], [], [], []
        for axis in (0, 1):
            k, s, d = conv.kernel[axis], conv.stride[axis], conv.dilation[axis]
            listed = windows(size[axis], k, s, *conv.pad[2 * axis : 2 * axis + 2], d)
            out.append(len(listed))
            seen.append({tap for window in listed for tap in window if 0 <= tap < size[axis]})
            far = {tap for window in windows(200, k, s, 0, 0, d) for tap in window}
            gapped.append(not far.issuperset(range(50, 150)))
            last = max([tap for window in listed for tap in window], default=-1)
            lost.append(0 if gapped[-1] else size[axis] - 1 - min(max(last, -1), size[axis] - 1))
        steps.append(
            Step(conv, came, size, (out[0], out[1]), (seen[0], seen[1]), (gapped[0], gapped[1]), (lost[0], lost[1]))
        )
        came, size = conv.channels, (out[0], out[1])
    return steps


def share(part: int, whole: int) -> float:
    """Give a percentage as it is printed: to a tenth, and never all where it is not."""
    return 100 if part == whole else min(max(int(1000 * part / whole + 0.5) / 10, 0.1), 99.9)


@RANDOM
@given(st.lists(convs, min_size=1, max_size=4), st.tuples(st.integers(4, 30), st.integers(4, 30)))
def test_numbers_of_messages_are_counted_again(layers: list[Conv], size: tuple[int, int]) -> None:
    """On random chains, the findings of six rules and every number in them are those of literal counting."""
    body = " -> ".join(conv.text + f" -> {conv.then}" * bool(conv.then) for conv in layers)
    text = net(f"{body} -> global_avgpool -> linear 7", f"3 x {size[0]} x {size[1]}")
    steps = chain(layers, size)
    assume(all(min(step.out) > 0 for step in steps))
    found = linted(text)
    expected: dict[str, list[list[float]]] = {rule: [] for rule in RULES}
    params = []
    for conv, came, (h, w), out, seen, gapped, lost in steps:
        kh, kw = conv.kernel
        rows, columns = len(seen[0]), len(seen[1])
        if any(gapped) and rows * columns < h * w:
            skipped = h * w - rows * columns
            expected["strided-1x1"].append([rows, h, columns, w, skipped, h * w, share(skipped, h * w)])
        if any(lost):
            gone = h * w - (h - lost[0]) * (w - lost[1])
            expected["dropped-border"].append([*filter(None, lost), h, w, gone, h * w])
        if conv.bias and conv.then == "bn":
            expected["bias-before-norm"].append([conv.channels])
        wide_in = came if came == 3 and conv is layers[0] else came + -came % 8
        wide_out = conv.channels + -conv.channels % 8
        if (wide_in, wide_out) != (came, conv.channels) and h * w > 1:
            macs = [out[0] * out[1] * kh * kw * a * b for a, b in ((wide_in, wide_out), (came, conv.channels))]
            expected["channels-not-multiple-of-8"].append([came, conv.channels, wide_in, wide_out, *macs])
        params += [kh * kw * came * conv.channels + conv.bias * conv.channels, 2 * conv.channels * (conv.then == "bn")]
    last = layers[-1].channels
    if last % 8:
        wide = last + -last % 8
        expected["channels-not-multiple-of-8"].append([last, 7, wide, 7, wide * 7, last * 7])
    params.append(7 * last + 7)
    most = max(params)
    if 2 * most > sum(params):
        expected["params-concentrated"].append([most, sum(params), share(most, sum(params))])
    for rule, counts in expected.items():
        if not rule.startswith("receptive"):
            assert [figures(one, text_of(one)) for one in of(rule, found)] == counts
    fields = [one for one in found.findings if one.rule.startswith("receptive")]
    spans = [[1, 1]]
    for index in range(len(steps)):
        jumps = [
            [_product(conv.stride[axis] for conv in layers[:before]) for before in range(index + 1)] for axis in (0, 1)
        ]
        spans.append(
            [
                1 + sum(j * c.dilation[a] * (c.kernel[a] - 1) for j, c in zip(jumps[a], layers, strict=False))
                for a in (0, 1)
            ]
        )
    field, whole = spans[-1], size[0] * size[1]
    common = min(field[0], size[0]) * min(field[1], size[1])
    if any(mine < n for mine, n in zip(field, size, strict=True)):
        (one,) = fields
        assert one.rule == "receptive-field-short"
        assert figures(one, "") == [*field, *size, whole - common, whole]
    elif field != list(size):
        (one,) = fields
        assert one.rule == "receptive-field-exceeds-input"
        first = next(
            i for i, span in enumerate(spans) if span != list(size) and span[0] >= size[0] and span[1] >= size[1]
        )
        label = f"conv{first}" if len(layers) > 1 else "conv"
        assert f"first exceeded at {label}" in one.message
        assert figures(one, label) == [*field, *size, field[0] * field[1] - common, field[0] * field[1]]
    else:
        assert fields == []


def _product(values: object) -> int:
    result = 1
    for value in values:  # type: ignore[attr-defined]
        result *= value
    return result


def text_of(finding: Finding) -> str:
    """Find the layer's own words in a message, which hold numbers too."""
    match = re.search(r"(?:conv \S+ \d+( bias)? stride=\S+ pad=.[\d, ]+. dilation=\S+|linear 7)", finding.message)
    assert match
    return match.group()


@RANDOM
@given(pairs, pairs, st.tuples(*[st.integers(0, 3)] * 4), st.integers(1, 9))
def test_branches_are_misaligned_where_their_first_windows_differ(
    one: tuple[int, int], two: tuple[int, int], early: tuple[int, int, int, int], channels: int
) -> None:
    """Two convolutions that keep the map line up when the middles of their first windows do, and not otherwise."""
    middles, texts = [], []
    for (high, wide), (above, beside) in ((one, early[:2]), (two, early[2:])):
        top, left = min(above, high - 1), min(beside, wide - 1)
        texts.append(f"conv {high}x{wide} {channels} pad=({top},{high - 1 - top},{left},{wide - 1 - left})")
        middles.append([sum(range(-side, size - side)) / size for side, size in ((top, high), (left, wide))])
    found = of("misaligned-branches", linted(net(f"  - add:\n      - {texts[0]}\n      - {texts[1]}", "3 x 6 x 5")))
    if middles[0] == middles[1]:
        assert found == []
        return
    (finding,) = found
    written = [f"{m[0]:g}" if m[0] == m[1] else f"({m[0]:g}, {m[1]:g})" for m in middles]
    assert f"first positions around {written[0]} and {written[1]} of the input" in finding.message
    assert f"over {channels * 30} element" in finding.message
    assert finding.cost == channels * 30


@RANDOM
@given(st.integers(1, 40), st.booleans(), st.booleans(), st.integers(1, 9))
def test_a_needless_projection_costs_its_weights(channels: int, bias: bool, norm: bool, side: int) -> None:
    """Its cost is C·C weights, its bias and its norm; its multiply-adds are C·C at each position."""
    text = f"conv 1x1 {channels}{' bias' * bias}"
    body = f"  - residual: conv 3x3 {channels}\n    shortcut: {text}{' -> bn' * norm}"
    (finding,) = of("needless-projection", linted(net(body, f"{channels} x {side} x {side}")))
    params = channels * channels + channels * bias + 2 * channels * norm
    assert finding.cost == params
    assert figures(finding, text) == [channels, side, side, params, channels**2 * side**2]


@RANDOM
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 6), st.integers(1, 3))
def test_pointwise_shares_are_those_of_the_block(channels: int, wide: int, side: int, copies: int) -> None:
    """A block's 1x1 convolutions are weighed against the whole block, and copies count each."""
    text = net(f"{copies}x unit {channels} {wide}", f"{channels} x {side + 1} x {side}", MOBILE)
    places = side * (side + 1)
    part, each = 2 * channels * wide * places, 9 * wide * places
    found = of("pointwise-dominates", linted(text))
    if part / (part + each) <= 0.9:
        assert found == []
        return
    (finding,) = found
    assert figures(finding, "dwconv 3x3")[0] == each
    assert [figures(finding, "dwconv 3x3")[index] for index in (-3, -2, -1)] == [
        part, part + each, share(part, part + each),
    ]  # fmt: skip
    assert (finding.copies, finding.cost) == (copies, copies * part)


# Copies, symbols, silence


def test_folded_copies_cost_what_written_out_copies_do() -> None:
    """A repeat gives the sums that its copies give when each stands by itself."""
    block = "blocks:\n  unit(channels):\n    - residual: conv 1x1 12 bias -> bn -> conv 2x2 channels pad=(0,1,0,1)\n"
    folded = linted(net("  - 4x unit 3", blocks=block))
    opened = linted(net("\n".join(["  - unit 3 -> relu -> relu"] * 4), blocks=block))
    for rule in ("bias-before-norm", "channels-not-multiple-of-8", "misaligned-branches"):
        assert totals(folded)[rule] == totals(opened)[rule]
        assert totals(folded)[rule][0] == 4 or rule == "channels-not-multiple-of-8"
    assert [one.path for one in of("bias-before-norm", folded)] == ["unit.0-3.conv1"]


def test_a_million_copies_are_one_finding() -> None:
    """The work is that of what is written, not of what it stands for."""
    (finding,) = of("bias-before-norm", linted(net("  - 1000000x unit 8\n  - bn", "8 x 4 x 4", NORM_FIRST)))
    assert (finding.copies, finding.cost) == (1_000_000, 8_000_000)


def test_a_block_is_not_told_what_is_said_of_networks() -> None:
    """The 3x3 of a bottleneck holds 36,864 of 70,400 parameters and sees 3×3 positions, as it should."""
    analysis = bneck_cli.analyze("bottleneck", channels=256)
    assert analysis.cost.params == 70_400
    assert lint(analysis).findings == ()


def test_tensorflows_padding_decides_what_is_seen() -> None:
    """Two taps 3 apart at steps of 3 over 4 positions pad 1 before and 2 after, and see one position, twice."""
    (finding,) = of("strided-1x1", linted(net("conv 2 8 stride=3 dilation=3 pad=tf_same", "3 x 4")))
    assert "sees 1 of 4 positions and skips 3 of 4 positions (75.0%)" in finding.message
    assert finding.cost == 3


def test_a_field_that_is_the_input_does_not_exceed_it() -> None:
    """Fields of 9, 16 and 18 positions: the third layer's is the first that is larger than 16."""
    found = linted(net("conv 9x9 8 -> conv 8x8 8 -> conv 3x3 8 -> global_avgpool"))
    (finding,) = of("receptive-field-exceeds-input", found)
    assert "first exceeded at conv3" in finding.message
    assert finding.cost == 18 * 18 - 16 * 16


def test_a_place_is_told_by_its_worst_layer() -> None:
    """Of several layers at one place of the spec, the message is that of the one that costs most."""
    text = as_text(report(linted("resnet50_v1")), "text", Style())
    assert "skips 2,352 of 3,136 positions" in text
    assert "skips 147 of 196 positions" not in text
    assert "at layer2.0.conv1, layer3.0.conv1, layer4.0.conv1: 3 layers, 3,087 positions" in text


def test_what_is_said_of_the_last_map_is_said_once() -> None:
    """Where the last layer is one of folded copies, the field is that of the last copy, and costs once."""
    (finding,) = of("receptive-field-short", linted(net("  - 2x conv 3x3 3")))
    assert (finding.path, finding.copies, finding.cost) == ("conv.0-1", 1, 16 * 16 - 5 * 5)


def test_rules_that_need_numbers_are_skipped_where_sizes_are_symbols() -> None:
    """On 3×H×W positions cannot be counted, and the rules that need them say so; channels still can."""
    found = linted("resnet50_keras", input="3xHxW", assume="H%32==0,W%32==0")
    assert {"strided-1x1", "receptive-field-exceeds-input", "dropped-border"} <= set(found.skipped)
    assert sum(one.cost for one in of("bias-before-norm", found)) == 26_560
    assert not {one.rule for one in found.findings} & set(found.skipped)
    text = as_text(report(found), "text", Style())
    assert "skipped, as sizes are symbolic: strided-1x1, " in text


def test_symbolic_channels_skip_what_counts_them() -> None:
    """A block of C channels is not told whether they are a multiple of 8."""
    found = lint(bneck_cli.analyze("bottleneck", channels="C"))
    assert found.findings == ()
    assert "channels-not-multiple-of-8" in found.skipped


def test_ignored_rules_are_counted_and_not_shown() -> None:
    """What is silenced is left out of the findings, the sums and the advice, and its number is said."""
    every = linted("resnet50_keras")
    rest = linted("resnet50_keras", "bias-before-norm")
    assert rest.ignored == len(of("bias-before-norm", every))
    assert set(totals(rest)) == set(totals(every)) - {"bias-before-norm"}
    assert "bias-before-norm" not in as_text(report(rest), "text", Style())
    nothing = linted("resnet50_keras", *RULES)
    assert nothing.findings == ()
    assert nothing.ignored == len(every.findings)
    assert "0 findings\n" in as_text(report(nothing), "text", Style())


def test_an_unknown_rule_is_refused_with_the_nearest() -> None:
    """A misspelt rule would silence nothing, and is an error."""
    with pytest.raises(bneck_cli.BneckError) as error:
        linted("resnet18", "bias-before-nrom")
    assert "bias-before-nrom" in str(error.value)
    assert "did you mean 'bias-before-norm'?" in str(error.value)


# What a spec allows


USELESS = "  - conv 3x3 8 bias -> bn"
ALLOW = "# bneck: allow bias-before-norm"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (net(f"{USELESS}\n{USELESS}  {ALLOW}: as measured\n{USELESS}"), [1, 3]),
        (net(f"  - relu\n  {ALLOW} (both)\n{USELESS}\n{USELESS}"), [2]),
        (net(f"{USELESS}\n  {ALLOW}\n  # why\n\n{USELESS}\n{USELESS}"), [1, 3]),
        (f"# A small network.\n{ALLOW}, unread-result\n{net(f'{USELESS}')}", []),
        (net(f"{USELESS}\n  - |  {ALLOW}\n    conv 3x3 8 bias ->\n    bn"), [1]),
        (net(f"{USELESS}\n{USELESS}").replace("name:", f"{ALLOW}\nname:"), []),
    ],
)
def test_a_comment_allows_its_line_the_one_below_or_the_file(text: str, left: list[int]) -> None:
    """Findings are left of the steps, counted from 1, that no comment is about; the others are counted."""
    found, every = linted(text), linted(text.replace("# bneck", "# "))
    told = of("bias-before-norm", found)
    lines = [finding.place.location().line for finding in of("bias-before-norm", every)]
    assert [finding.place.location().line for finding in told] == [lines[step - 1] for step in left]
    assert found.allowed == len(lines) - len(left)


def test_the_comments_of_an_included_file_are_about_its_own_lines(tmp_path: Path) -> None:
    """A block's file allows its own steps, whoever includes it; on top of the spec, everything that it is made of."""
    block = "blocks:\n  unit(channels):\n    - conv 3x3 channels bias -> bn{}\n"
    spec = "{}include: held\ninput: 3 x 16 x 16\nnet:\n  - unit 8\n"
    (tmp_path / "spec.yaml").write_text(spec.format(""), encoding="utf-8")
    (tmp_path / "held.yaml").write_text(block.format(""), encoding="utf-8")
    assert of("bias-before-norm", linted(str(tmp_path / "spec.yaml")))
    (tmp_path / "held.yaml").write_text(block.format(f"  {ALLOW}, unread-result"), encoding="utf-8")
    found = linted(str(tmp_path / "spec.yaml"))
    assert (of("bias-before-norm", found), of("needless-allow", found)) == ([], [])  # another may need the second
    (tmp_path / "held.yaml").write_text(block.format(""), encoding="utf-8")
    (tmp_path / "spec.yaml").write_text(spec.format(f"{ALLOW}\n"), encoding="utf-8")
    assert of("bias-before-norm", linted(str(tmp_path / "spec.yaml"))) == []


@pytest.mark.parametrize(
    ("comment", "at", "message", "hint"),
    [
        ("allow bias-befor-norm", "bias-b", "unknown lint rule 'bias-befor-norm'", "did you mean 'bias-before-norm'?"),
        ("alow bias-before-norm", "alow", "says `allow RULE` (got 'alow')", "did you mean 'allow'?"),
        ("allow", "", "write the rules, separated by commas", "dropped-border, strided-1x1"),
        ("allow bias-before-norm unread-result", "unread", "then a colon and the reason", "as in the paper"),
    ],
)
def test_a_comment_that_says_nothing_is_refused(comment: str, at: str, message: str, hint: str) -> None:
    """A misspelt comment would allow nothing, and is an error with its place."""
    with pytest.raises(bneck_cli.BneckError) as error:
        linted(net(line := f"  - conv 3x3 8 bias -> bn # bneck: {comment}"))
    assert message in error.value.message
    assert hint in error.value.hint
    assert error.value.location is not None
    assert error.value.location.column == (line.index(at) if at else len(line)) + 1


def test_a_comment_is_needless_only_where_its_rule_has_spoken() -> None:
    """A rule that is ignored, or that cannot speak of symbols, leaves its comments alone."""
    text = net("  - conv 3x3 8 -> bn  # bneck: allow bias-before-norm")
    (needless,) = of("needless-allow", linted(text))
    assert (needless.place.location().line, needless.place.text()) == (4, "bias-before-norm")
    assert of("needless-allow", linted(text, "bias-before-norm")) == []
    assert of("needless-allow", linted(text, "needless-allow")) == []
    border = net("  - conv 2x2 8 stride=2  # bneck: allow dropped-border", "3 x 16 x 16")
    assert of("needless-allow", linted(border))
    assert of("needless-allow", linted(border, input="HxW")) == []


# Output


@pytest.mark.parametrize("name", ["resnet50_keras", "shufflenet_v2_x1_0", "vgg16", "swin_t"])
def test_all_formats_tell_the_same_findings(name: str) -> None:
    """The rows of CSV, the objects of JSON and the sums printed at the end of the text agree."""
    found = linted(name)
    rows = list(csv.DictReader(io.StringIO(as_text(report(found), "csv", Style()))))
    document = json.loads(as_text(report(found), "json", Style()))
    text = as_text(report(found), "text", Style())
    assert [{key: str(value) for key, value in one.items()} for one in document["findings"]] == rows
    assert len(rows) == len(found.findings)
    for rule, sums in document["totals"].items():
        mine = [row for row in rows if row["rule"] == rule]
        assert sums["layers"] == sum(int(row["copies"]) for row in mine)
        assert sums["cost"] == sum(int(row["cost"]) for row in mine)
        assert re.search(rf"^{rule} +{sums['layers']:,} +{sums['cost']:,} +{sums['unit']}$", text, re.MULTILINE)
    assert f"{sum(int(row['copies']) for row in rows)} finding" in text
    markdown = as_text(report(found), "markdown", Style())
    assert len(re.findall(r"^- \S+:\d+:\d+: ", markdown, re.MULTILINE)) == len(groups(found))


def test_text_has_a_line_for_each_place_that_editors_can_follow() -> None:
    """Keras's ResNet-50 is told in eight lines `file:line:column: rule: message`, in the order of the file."""
    found = linted("resnet50_keras")
    lines = re.findall(r"^(\S+):(\d+):(\d+): (\S+): (.+)$", as_text(report(found), "text"), re.MULTILINE)
    assert len(lines) == len(groups(found)) == 8
    assert {line[0] for line in lines} == {"resnet50_keras.yaml"}
    places = [(int(line), int(column)) for _, line, column, _, _ in lines]
    assert places == sorted(places)
    text = as_text(report(found), "text", Style(80))
    assert max(map(len, text.splitlines())) <= 80
    assert "60 findings at 6 places\n" in text
    assert "\x1b[1m" in as_text(report(found), "text", Style(80, color=True))


VIDEO = "input: 3 x 8 x 9\nops: {video(): {out: [3, 5, 8, 9], params: 0, macs: 0}}\nnet:\n  - video -> "


@pytest.mark.parametrize(
    ("body", "rule", "cost"),
    [
        ("conv 1 8 stride=2", "strided-1x1", 5 * 8 * 9 - 3 * 4 * 5),
        ("conv 2 8 stride=2 pad=0", "dropped-border", 5 * 8 * 9 - 4 * 8 * 8),
        ("conv 3 20 -> conv 3 8", "channels-not-multiple-of-8", 4 * 27 * 8 * 360),
    ],
)
def test_maps_of_three_axes_are_linted(body: str, rule: str, cost: int) -> None:
    """A rule that speaks of axes speaks of three as of two."""
    found = of(rule, linted(VIDEO + body + "\n"))
    assert [one.cost for one in found][-1:] == [cost]
