"""Matching: the width found is the widest, by trying every one; and the sentences hold the numbers of the analysis."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.settings import Settings, read_settings
from bneck_cli.formats import as_text
from bneck_cli.language.document import Source
from bneck_cli.language.library import load, resolve
from bneck_cli.questions.compare import Match, report, weights
from bneck_cli.questions.match import MEASURES, compare_matched
from bneck_cli.spaces.axes import parse_axis
from bneck_cli.spaces.search import along
from bneck_cli.spaces.space import TOTALS

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis

BLOCKS = ("bottleneck", "preact_bottleneck", "inverted_residual", "convnext", "fire", "basic", "resnext", "mbconv")


def matched(first: str, other: str, channels: int, measure: str, step: int = 8) -> Match:
    """Match one bundled block with another."""
    programs = [(name, load(name)) for name in (first, other)]
    _, (found,) = compare_matched(programs, read_settings(channels=str(channels), input="14x14"), measure, step)
    return found


@cache
def analysed(block: str, channels: int) -> Analysis | None:
    """Analyse a block at a width once, whatever is measured of it; None where it refuses the width."""
    try:
        return bneck_cli.analyze(block, channels=channels, input="14x14")
    except BneckError:
        return None


def cost(block: str, channels: int, measure: str) -> int | None:
    """Work out what a block costs, or None where it refuses the width."""
    analysis = analysed(block, channels)
    if analysis is None:
        return None
    value = TOTALS[measure](analysis)
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize("step", [1, 3, 8, 12])
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("other", BLOCKS)
def test_no_wider_one_will_do(other: str, measure: str, step: int) -> None:
    """The width found does not exceed the target, and no legal width of the next sixty does, either."""
    try:
        found = matched("basic", other, 40, measure, step)
    except BneckError as told:
        match = re.fullmatch(r"the narrowest, (\d+) channels, has ([\d,]+)", told.hint)
        narrowest, least = (int(text.replace(",", "")) for text in match.groups())
        assert cost(other, narrowest, measure) == least > cost("basic", 40, measure)
        assert all(cost(other, width, measure) is None for width in range(step, narrowest, step))
        return
    assert found.target == cost("basic", 40, measure)
    assert found.at % step == 0
    assert found.value == cost(other, found.at, measure)
    assert found.value <= found.target
    wider = [cost(other, found.at + step * more, measure) for more in range(1, 60)]
    assert all(value is None or value > found.target for value in wider)


def test_basic_64_is_a_bottleneck_of_263() -> None:
    """The question of the field: 64 plain channels have the weights of a bottleneck of 263.4, and so of 256."""
    found = matched("basic", "bottleneck", 64, "weights")
    assert (found.at, found.value, found.target) == (256, 69_632, 73_728)
    assert found.solution is not None
    assert abs(17 / 16 * found.solution**2 - 73_728) < 1e-3
    assert f"{found.solution:.1f}" == "263.4"


@pytest.mark.parametrize("measure", ["weights", "params", "macs", "activations"])
@pytest.mark.parametrize("other", ["bottleneck", "convnext", "basic"])
def test_the_formula_holds_where_it_is_solved(other: str, measure: str) -> None:
    """The closed form gives the measured value at the width found, and the solution lies between the two widths."""
    found = matched("basic", other, 48, measure)
    assert found.formula is not None
    assert found.solution is not None
    from bneck_cli.sizes.evaluation import evaluate

    assert evaluate(found.formula, {"C": found.at}) == found.value
    assert found.at <= found.solution + 1e-6 < found.at + found.step


@pytest.mark.parametrize("channels", [24, 64, 200])
@pytest.mark.parametrize("measure", ["weights", "params", "macs", "activations"])
def test_sentences_hold(channels: int, measure: str) -> None:
    """Every number in the closing sentences is one of the analysis."""
    programs = [(name, load(name)) for name in ("basic", "bottleneck")]
    comparison, (found,) = compare_matched(programs, read_settings(channels=str(channels)), measure)
    said, point = comparison.conclusion[-2:]
    assert f"{found.value:,} against {found.target:,}" in said
    assert f"at {found.at} channels" in said
    same = TOTALS[measure](bneck_cli.analyze("bottleneck", channels=channels))
    assert f"at the same {channels} channels it has {same:,}" in point
    (width,) = re.findall(r"([\d.]+) times", point)
    assert float(width) == pytest.approx(found.at / channels, rel=0.005)
    ((share, part),) = re.findall(r", (?:([\d.]+)%|1/([\d.]+)) of that\.", point)
    assert (float(share) / 100 if share else 1 / float(part)) == pytest.approx(same / found.target, rel=0.005)


def test_weights_are_parameters_without_norms() -> None:
    """Weights leave out what normalisation learns."""
    assert weights(bneck_cli.analyze("bottleneck", channels=256)) == 69_632


@pytest.mark.parametrize(
    ("programs", "channels", "measure", "message"),
    [
        (("basic", "bottleneck"), "64", "weight", "--match: unknown measure 'weight'"),
        (("basic", "bottleneck"), "C", "macs", "--match needs the first block's channels as a number"),
        (("resnet18", "resnet50"), "64", "macs", "--match without --vary is for blocks, whose channels can change"),
        (("tiny", "basic"), "8", "macs", "no width of basic of 8 to 4,096 in steps of 8 has at most"),
        (("basic", "bound"), "64", "params", "bound takes no width but 8 of 8 to 16,777,216 in steps of 8: cannot add"),
        (
            ("basic", "fixed"),
            "64",
            "params",
            "fixed has at most 42,368 parameters at any, so there is no width to match",
        ),
        (("basic", "never"), "64", "params", "never takes no width of 8 to 16,777,216 in steps of 8"),
    ],
)
def test_a_match_without_a_solution_is_told(
    programs: tuple[str, str], channels: str, measure: str, message: str
) -> None:
    """What cannot be matched is told, with the reason."""
    own = resolve(
        Source(
            "own.yaml",
            "blocks:\n  tiny(channels): dwconv 1x1 multiplier=channels//channels\n"
            "  fixed(channels): conv 1x1 4*channels//channels\n"
            "  bound(channels):\n    residual: conv 1x1 channels\n"
            "  sparse(channels):\n    if: channels < 24\n    then: conv 1x1 4\n"
            "    else: conv 1x1 4 groups=(4 if channels % 2048 == 0 else 3)\n"
            "  powers(channels): conv 1x1 channels groups=(8 if 2**30 % (channels//8) == 0 else 3)\n"
            "  never(channels): conv 1x1 channels groups=channels+1\n",
        )
    )
    loaded = [(name, own._replace(block=name, net=None) if name in own.blocks else load(name)) for name in programs]
    with pytest.raises(BneckError) as told:
        compare_matched(loaded, read_settings(channels=channels, in_channels="8"), measure)
    assert told.value.message.startswith(message)


def test_the_first_block_may_bring_its_channels() -> None:
    """``basic 64`` is matched as basic is with ``--channels 64``; the others have none to bring."""
    loaded = [("basic 64", load("basic 64")), ("bottleneck", load("bottleneck"))]
    _, found = compare_matched(loaded, Settings(), "weights")
    assert found[0].at == 256
    with pytest.raises(BneckError, match="determines the channels of every block but the first"):
        compare_matched([loaded[0], ("bottleneck 256", load("bottleneck 256"))], Settings(), "weights")


@pytest.mark.parametrize(("other", "step"), [("resnext", 64), ("bottleneck", 8), ("shuffle_unit", 8)])
def test_the_step_is_that_of_the_widths_that_the_block_takes(other: str, step: int) -> None:
    """The sentence and the result name the step of the legal widths, not the one asked for."""
    programs = [(name, load(name)) for name in ("basic", other)]
    comparison, (found,) = compare_matched(programs, read_settings(channels="64"), "weights")
    assert found.step == step
    assert found.at % step == 0
    assert f"the widest in steps of {step} with no more weights" in comparison.conclusion[-2]
    assert [width for width in range(8, 2 * found.at, 8) if cost(other, width, "weights") is not None] == list(
        range(step, 2 * found.at, step)
    )


def test_a_block_that_cannot_change_its_channels_is_told() -> None:
    """Where what enters is fixed and must be what leaves, one width alone is legal."""
    programs = [(name, load(name)) for name in ("bottleneck", "convnext")]
    with pytest.raises(
        BneckError, match=r"convnext takes no width but 64 of 8 to .* in steps of 8: cannot add 8×56×56"
    ):
        compare_matched(programs, read_settings(channels="512", in_channels="64"), "activations")


@pytest.mark.parametrize(("name", "first", "last"), [("sparse", 8, 4096), ("powers", 8, 2**22)])
def test_legal_widths_may_be_anywhere(name: str, first: int, last: int) -> None:
    """Widths that are far apart, or ever further, are all worked out."""
    own = resolve(
        Source(
            "own.yaml",
            "blocks:\n"
            "  sparse(channels):\n    if: channels < 24\n    then: conv 1x1 4\n"
            "    else: conv 1x1 4 groups=(4 if channels % 2048 == 0 else 3)\n"
            "  powers(channels): conv 1x1 channels groups=(8 if 2**30 % (channels//8) == 0 else 3)\n",
        )
    )
    line = along(
        own._replace(block=name), read_settings(in_channels="8"), parse_axis(f"channels={first}:{last}:8"), ("params",)
    )
    legal = (
        [c for c in line.above.tolist() if c < 24 or c % 2048 == 0]
        if name == "sparse"
        else [2**n for n in range(3, 23)]
    )
    assert line.above.tolist() == legal


def test_the_cardinalities_of_resnext() -> None:
    """Table 2 of the ResNeXt paper (arXiv 1611.05431): 1x64d, 2x40d, 4x24d, 8x14d and 32x4d cost about the same."""
    names = ["bottleneck 256", *(f"resnext 256 groups={groups}" for groups in (1, 2, 4, 8, 32))]
    programs = [(name, load(name)) for name in names]
    comparison, found = compare_matched(programs, Settings(), "weights", vary="group_width", nearest=True)
    assert [each.at for each in found] == [64, 40, 24, 14, 4]
    off = [each.value / each.target - 1 for each in found]
    assert off == [pytest.approx(each, abs=5e-4) for each in (0, 0.002, 0.004, 0.026, 0.007)]
    assert "resnext 256 groups=8 at group_width 14 is nearest in weights to bottleneck 256" in comparison.conclusion[-2]
    most = compare_matched(programs, Settings(), "weights", vary="group_width")[1]
    assert [each.at for each in most] == [64, 39, 23, 13, 3]
    assert all(each.above[1] > each.target >= each.value for each in most)


def test_networks_match_by_any_parameter() -> None:
    """MobileNetV2 as dear as another network, in steps of a twentieth."""
    programs = [(name, load(name)) for name in ("mobilenet_v3_large", "mobilenet_v2")]
    _, (found,) = compare_matched(programs, Settings(), "macs", vary="width=0.5:1.5:0.05")
    costs = {w: bneck_cli.analyze("mobilenet_v2", width=w / 20).macs for w in range(10, 31)}
    best = max(w for w, cost in costs.items() if cost <= found.target)
    assert (found.at * 20, found.value) == (best, costs[best])
    with pytest.raises(BneckError, match="--vary: 'cardinality' cannot vary here"):
        compare_matched(programs, Settings(), "macs", vary="cardinality")


def test_the_match_is_in_the_data() -> None:
    """JSON and CSV hold the width found, the target, the step, the formula and its solution."""
    import csv
    import io
    import json

    programs = [(name, load(name)) for name in ("basic", "bottleneck")]
    comparison, (found,) = compare_matched(programs, read_settings(channels="64"), "weights")
    (match,) = json.loads(as_text(report(comparison), "json"))["matches"]
    assert match == {
        "match": "weights",
        "target": 73_728,
        "vary": "channels",
        "at": 256,
        "value": 69_632,
        "step": 8,
        "formula": "17*C**2//16",
        "solution": found.solution,
    }
    first, second = csv.DictReader(io.StringIO(as_text(report(comparison), "csv")))
    assert (second["match"], second["target"], second["at"], second["step"]) == ("weights", "73728", "256", "8")
    assert float(second["solution"]) == pytest.approx(found.solution, rel=1e-5)
    assert (first["match"], first["at"]) == ("", "")
