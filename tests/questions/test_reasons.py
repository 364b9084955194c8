"""The reasons of a difference are arithmetic: every number in them is worked out again, on networks nobody chose."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli.formats import as_text
from bneck_cli.questions import diff_report

if TYPE_CHECKING:
    from bneck_cli.questions.diff import Diff

BECOME = re.compile(r"([\d,]+)(?: multiply-adds)? become ([\d,]+)")
RATIO = re.compile(r"([\d.,]+) = \(?(\d+)(?:·(\d+))?(?:·\d+)?[/)]")


def number(text: str) -> int:
    """Read a number with commas."""
    return int(text.replace(",", ""))


def reasons(found: Diff) -> list[str]:
    """Return the sentences after those that every conclusion has."""
    plain = ("Compared with ", "Every layer has", "The input is", "Of the layers that both")
    return [sentence for sentence in found.conclusion if not sentence.startswith(plain)]


def evaluated(text: str) -> Fraction:
    """Work out ``(320/224)²``, ``(200·250)/(224·224)`` or ``577/197``."""
    power = {"²": 2, "³": 3}.get(text[-1], 1)
    python = re.sub(r"(\d+)", r"Fraction(\1)", text.rstrip("²³").replace("·", "*"))
    return Fraction(eval(python, {"Fraction": Fraction})) ** power


def check_positions(found: Diff, one: bneck_cli.Network, other: bneck_cli.Network) -> None:
    """Check that what becomes and what stays add up to both totals, and that ratios are the stated powers."""
    told = reasons(found)
    macs = [sentence for sentence in told if not sentence.startswith("Weights")]
    start = sum(number(match[1]) for sentence in macs for match in BECOME.finditer(sentence))
    end = sum(number(match[2]) for sentence in macs for match in BECOME.finditer(sentence))
    stay = sum(number(match[1]) for sentence in macs if (match := re.match(r"([\d,]+) stay", sentence)))
    assert (start + stay, end + stay) == (one.macs, other.macs)
    areas = [next(iter(each.inputs.values())).positions for each in (one, other)]
    first = re.match(r"([\d.,]+) = (\S+):", told[0]) or re.search(r"has (\S+) = ([\d.,]+) times", told[0])
    assert first is not None
    ratio, words = (first[1], first[2]) if first[0][0].isdigit() else (first[2], first[1])
    assert evaluated(words) == Fraction(areas[1], areas[0])
    for value, expression in [
        (ratio, words),
        *re.findall(r"(?:: |grow )(\S+/\S+) = ([\d.,]+) times", " ".join(told[1:])),
    ]:
        value, expression = (value, expression) if "/" in expression else (expression, value)  # noqa: PLW2901
        assert abs(float(value.replace(",", "")) / float(evaluated(expression)) - 1) < 0.006
    last = told[-1]
    grown = [pair for pair in found.pairs if pair.one.layer.cost.params != pair.other.layer.cost.params]
    assert last.startswith("Weights do not depend on the map")
    assert bool(grown) == (", but those of " in last)
    if grown:
        match = BECOME.search(last)
        assert match is not None
        assert number(match[2]) - number(match[1]) == other.params - one.params


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "vgg16", "vit_b_16", "swin_t", "densenet121", "unet"])
@pytest.mark.parametrize("input", ["256x256", "320x320", "384x384", "256x320"])
def test_a_larger_input_costs_so_many_more_positions(name: str, input: str) -> None:
    """Of bundled networks at other inputs, all that becomes and all that stays is both totals."""
    one, other = bneck_cli.analyze(name), bneck_cli.analyze(name, input=input)
    found = bneck_cli.diff(name, name, input_b=input).found
    if one.inputs == other.inputs:
        pytest.skip("it is the network's own input")
    check_positions(found, one, other)


def test_the_reason_of_the_issue_is_told() -> None:
    """ResNet-50 at 320 for 224: 2.04 = (320/224)², the classifier stays, and so do the weights."""
    told = reasons(bneck_cli.diff("resnet50", "resnet50", input_b="320x320").found)
    assert told == [
        (
            "2.04 = (320/224)²: 53 layers run at that many times the positions; 4,087,136,256 multiply-adds "
            "become 8,341,094,400."
        ),
        "2,048,000 stay: linear has as many positions as before.",
        "Weights do not depend on the map.",
    ]


STEPS = st.lists(
    st.sampled_from(
        [
            "conv 3x3 {w}",
            "conv 1x1 {w} -> bn",
            "dwconv 3x3",
            "conv 5x5 {w} stride=2 -> relu",
            "maxpool 2x2 stride=2",
            "bn",
        ]
    ),
    min_size=1,
    max_size=6,
)


def spec(steps: list[str], width: int, side: int, head: bool) -> str:
    """Write a network of such steps."""
    lines = [f"  - {step.format(w=width)}\n" for step in [f"conv 3x3 {width}", *steps]]
    last = "  - global_avgpool -> linear 10\n" if head else ""
    return f"input: 3 x {side} x {side}\nnet:\n{''.join(lines)}{last}"


@given(STEPS, st.sampled_from([4, 8, 12]), st.integers(40, 70), st.integers(40, 70), st.booleans())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_random_networks_at_two_inputs(steps: list[str], width: int, side: int, wider: int, head: bool) -> None:
    """Whatever rounding does to maps, the sentences hold all multiply-adds of both."""
    if side == wider:
        return
    texts = [spec(steps, width, each, head) for each in (side, wider)]
    one, other = map(bneck_cli.analyze, texts)
    check_positions(bneck_cli.diff(*texts).found, one, other)


WIDER = re.compile(r"([\d.,]+)(?: and not \S+ = ([\d.,]+)| = \S+): ")


@given(STEPS, st.sampled_from([4, 8, 12]), st.sampled_from([2, 3, 4]), st.booleans())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_random_networks_at_two_widths(steps: list[str], width: int, times: int, head: bool) -> None:
    """How many layers have so many times the channels on both sides, and the ratio, are those of the layers."""
    texts = [spec(steps, each, 48, head) for each in (width, times * width)]
    one, other = map(bneck_cli.analyze, texts)
    found = bneck_cli.diff(*texts).found
    told = [sentence for sentence in reasons(found) if WIDER.match(sentence)]
    pairs = [
        (mine, theirs)
        for mine, theirs in zip(*(list(bneck_cli.each_layer(each)) for each in (one, other)), strict=True)
    ]
    both = sum(
        theirs.layer.cost.macs == times * times * mine.layer.cost.macs
        for mine, theirs in pairs
        if mine.layer.cost.macs and theirs.layer.cost.macs
    )
    filters = any(mine.layer.op == "dwconv" for mine, _ in pairs)
    assert bool(told) == bool(both or filters)
    for sentence in told:
        match = WIDER.match(sentence)
        assert match is not None
        assert abs(float(match[1].replace(",", "")) / (other.macs / one.macs) - 1) < 0.006
        assert match[2] is None or number(match[2]) == times**2
        if both:
            assert (
                f"{both} layer{'s have' if both > 1 else ' has'} {times} times the channels on both sides" in sentence
            )
        assert "the input of conv" in sentence
        assert ("the output of linear stays" in sentence) == head


@given(st.integers(20, 40), st.sampled_from([3, 5, 7]), st.sampled_from([1, 2]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_windows_that_shift_are_told(side: int, kernel: int, stride: int) -> None:
    """Under tf_same the first window of a stride of 2 begins later where its padding before is less, and only there."""
    texts = [
        f"input: 3 x {side} x {side}\nnet: conv {kernel}x{kernel} 8 stride={stride}{more}\n"
        for more in ("", " pad=tf_same")
    ]
    out = -(-side // stride)
    whole = max((out - 1) * stride + kernel - side, 0)
    before = whole // 2
    told = [sentence for sentence in reasons(bneck_cli.diff(*texts).found) if "windows" in sentence]
    shift = kernel // 2 - before
    assert bool(told) == (shift != 0)
    if told:
        words = f"{before} before and {whole - before} after, where it was {kernel // 2} and {kernel // 2}."
        many = f"{shift} position{'s' * (shift != 1)}"
        assert told == [f"The windows of conv begin {many} later: padding is {words}"]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_changes_summed_up_are_all_changes(depth: int) -> None:
    """At every depth the sums are the differences of the totals, and every layer that changed is in one."""
    for pair in (("resnet18", "resnet50"), ("resnet50", "wide_resnet50_2"), ("vgg16", "vgg16_bn")):
        found = bneck_cli.diff(*pair).found
        table = next(iter(diff_report.report(found, depth).parts()))
        rows = [row.cells for row in table.rows]  # type: ignore[union-attr]
        totals = {total.key: total.difference for total in found.totals}
        assert sum(row[3].value for row in rows) == totals["params"]
        assert sum(row[4].value for row in rows) == totals["macs"]
        assert sum(row[2] for row in rows) == len(found.changed) + len(found.added) + len(found.removed)
        assert all(row[0].count(".") < depth for row in rows)
        assert as_text(diff_report.report(found, depth), "text")


def test_layers_whose_names_all_differ_are_paired_by_place_and_kind() -> None:
    """Beyond the layers that are weighed against each other, unlike names pair by place and kind."""

    def net(prefix: str) -> str:
        lines = [f"  - conv 3x3 8 -> bn -> as {prefix}{index}" for index in range(400)]
        return "input: 3 x 8 x 8\nnet:\n" + "\n".join(lines) + "\n"

    found = bneck_cli.diff(net("a"), net("b")).found
    assert not found.added
    assert not found.removed
    assert len(found.pairs) == 800
