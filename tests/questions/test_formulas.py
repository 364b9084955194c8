"""Closed forms: what ``--symbolic`` prints is, at any numbers, what an analysis at those numbers prints."""

from __future__ import annotations

import random
from typing import Any

import pytest

import bneck_cli
from bneck_cli.engine.analysis import Analysis, analyze_program
from bneck_cli.engine.settings import read_settings
from bneck_cli.formats import as_text
from bneck_cli.language.document import Source
from bneck_cli.language.library import load, resolve
from bneck_cli.questions.analyze import report
from bneck_cli.questions.compare import compare_programs
from bneck_cli.questions.compare import report as compared_report
from bneck_cli.sizes.evaluation import evaluate


def analysis_of(name: str, **asked: Any) -> Analysis:
    """Analyse a bundled network or block under these settings."""
    return analyze_program(load(name), read_settings(**asked))


def module(analysis: Analysis) -> dict[str, Any]:
    """Run the Python that a renderer writes."""
    names: dict[str, Any] = {}
    exec(as_text(report(analysis), "python"), names)
    return names


def rows(analysis: Analysis, batch: int = 1) -> list[tuple[str, int, int, int, int]]:
    """List an analysis's layers as the Python does."""
    return [
        (e.path, e.copies, e.layer.cost.params, *((0, 0) if e.idle else _work(e.layer.cost, batch)))
        for e in bneck_cli.each_layer(analysis, folded=True)
    ]


def _work(cost: Any, batch: int) -> tuple[int, int]:
    return cost.macs * batch, cost.activations * batch


@pytest.mark.parametrize(
    "name", ["resnet50", "vgg16", "mobilenet_v3_small", "efficientnet_b0", "googlenet", "inception_v3"]
)
def test_python_of_a_network_gives_the_tables_numbers(name: str) -> None:
    """The functions at N, H, W give every layer's and the network's own figures at that size."""
    names = module(analysis_of(name, symbolic=True))
    chance = random.Random(name)
    for _ in range(3):
        batch, height, width = chance.randint(1, 9), chance.randint(224, 600), chance.randint(224, 600)
        numbers = analysis_of(name, input=f"{height}x{width}")
        at = {"H": height, "N": batch, "W": width}
        assert names["layers"](**at) == rows(numbers, batch)
        assert names["params"](**at) == numbers.cost.params
        assert names["macs"](**at) == numbers.cost.macs * batch
        assert names["activations"](**at) == numbers.cost.activations * batch


BLOCKS = ("basic", "bottleneck", "preact_bottleneck", "inverted_residual", "mbconv", "fused_mbconv", "bneck",
          "se_bottleneck", "regnet_x", "regnet_y", "swin", "swin_v2", "encoder")  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
def test_python_of_a_block_gives_the_tables_numbers(name: str) -> None:
    """A block's functions hold for any channels that it takes."""
    names = module(analysis_of(name, symbolic=True))
    for channels, side in ((64, 56), (128, 7), (256, 31)):
        numbers = analysis_of(name, channels=str(channels), input=f"{side}x{side + 1}")
        at = {"C": channels, "H": side, "N": 2, "W": side + 1}
        assert names["macs"](**at) == numbers.cost.macs * 2
        assert names["params"](**at) == numbers.cost.params
        assert names["layers"](**at) == rows(numbers, 2)


def test_a_parameter_may_be_a_symbol() -> None:
    """``--symbol classes`` keeps a parameter of the net open, alone or with the sizes."""
    analysis = analysis_of("resnet18", symbols=("classes",))
    names = module(analysis)
    for classes in (1, 10, 1000):
        expected = analysis_of("resnet18", values=(("classes", str(classes)),)).cost
        assert (names["params"](classes), names["macs"](classes)) == (expected.params, expected.macs)
    assert str(analysis.cost.params) == "513*classes + 11176512"


@pytest.mark.parametrize("name", ["efficientnet_b0", "mobilenet_v2", "mnasnet1_0"])
def test_a_width_that_rounds_channels_may_be_a_symbol(name: str) -> None:
    """``round8(32*width)`` stays in the formula, which gives what the network of that width has."""
    names = module(analysis_of(name, symbols=("width",)))
    for width in (1, 2, 3):
        numbers = analysis_of(name, values=(("width", str(width)),))
        assert names["params"](width) == numbers.cost.params
        assert names["macs"](width) == numbers.cost.macs
        assert names["layers"](width) == rows(numbers)


def test_groups_may_be_symbols() -> None:
    """The channels of a group are a quotient, which must be whole."""
    text = "input: C x H x W\nnet(groups=2): conv 3x3 C groups=groups -> conv 1x1 8 groups=8\n"
    text = text.replace("3x3 C", "3x3 c")
    analysis = analyze_program(resolve(Source("own.yaml", text)), read_settings(symbols=["groups"]))
    assert str(analysis.cost.params) == "9*C*(C//(groups)) + C"
    said = as_text(report(analysis), "text")
    assert "note: holds where C is a multiple of 8\nnote: holds where C is a multiple of groups" in said
    numbers = analyze_program(resolve(Source("own.yaml", text.replace("C x H x W", "48 x 5 x 7"))), read_settings())
    values = {"C": 48, "H": 5, "W": 7, "groups": 2}
    assert [evaluate(size, values) for size in analysis.cost] == list(numbers.cost)


def test_a_shortcut_that_depends_on_a_symbol_says_for_which_values() -> None:
    """`auto` projects from 64 channels to C, but not to 64; where an assumption settles it, nothing is said."""
    told = "note: holds where C is not 64"
    assert told in as_text(report(analysis_of("bottleneck", channels="C", in_channels="64")), "text")
    for assume in ("C>=65", "C<=63"):
        analysis = analysis_of("basic", channels="C", in_channels="64", assume=assume)
        assert told not in as_text(report(analysis), "text")
    assert told not in as_text(report(analysis_of("bottleneck", channels="C")), "text")


def test_an_assumed_bound_settles_the_smaller_of_two() -> None:
    """From 16 channels on, RegNet's groups are 16 wide."""
    analysis = analysis_of("regnet_x", symbolic=True, assume="C>=16,C%16==0")
    assert str(analysis.cost.params) == "2*C**2 + 150*C"
    assert "holds where" not in as_text(report(analysis), "text")
    with pytest.raises(bneck_cli.BneckError, match="no value satisfies all assumptions on 'C'"):
        analysis_of("regnet_x", symbolic=True, assume="C>=16,C<=15")


def test_formulas_are_compared() -> None:
    """``compare --symbolic`` sets closed forms side by side, in every format."""
    programs = [(name, load(name)) for name in ("regnet_x", "se_bottleneck")]
    comparison = compare_programs(programs, read_settings(symbolic=True))
    assert "9·C·min(16, C)" in as_text(compared_report(comparison), "text")
    assert r"\min\left( 16, C \right)" in as_text(compared_report(comparison), "latex")


@pytest.mark.parametrize("names", [("basic", "bottleneck"), ("regnet_x", "se_bottleneck", "mbconv")])
def test_python_of_a_comparison_gives_the_totals(names: tuple[str, ...]) -> None:
    """Each metric is a function of the symbols, which gives the totals that a comparison at numbers has."""
    programs = [(name, load(name)) for name in names]
    written: dict[str, Any] = {}
    exec(as_text(compared_report(compare_programs(programs, read_settings(symbolic=True))), "python"), written)
    assert written["NAMES"] == names
    for channels, side in ((64, 56), (128, 9)):
        numbers = compare_programs(programs, read_settings(channels=str(channels), input=f"{side}x{side}", batch=3))
        at = {"C": channels, "H": side, "W": side, "N": 3}
        assert {metric.key: metric.values for metric in numbers.metrics} == {
            metric.key: written[metric.key](**at) for metric in numbers.metrics
        }


def test_python_without_symbols() -> None:
    """A network with numbers alone is a module of functions without arguments; idle heads count their parameters."""
    names = module(analysis_of("inception_v3"))
    numbers = analysis_of("inception_v3")
    assert names["params"]() == numbers.cost.params == sum(copies * row[0] for _, copies, *row in names["layers"]())
    assert names["macs"]() == numbers.cost.macs == sum(copies * row[1] for _, copies, *row in names["layers"]())


def test_latex_is_mathematics() -> None:
    """LaTeX has closed forms as mathematics, with fractions and powers."""
    text = as_text(report(analysis_of("bottleneck", symbolic=True)), "latex")
    assert r"$\frac{17}{16} N C^{2} H W$" in text


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"symbols": ("clases",)}, "net has no parameter 'clases'"),
        ({"symbols": ("depths",)}, "only a list has items (got depths)"),
    ],
)
def test_a_wrong_symbol_is_told(asked: dict[str, Any], message: str) -> None:
    """A parameter that is not there, or that must be known, is told."""
    with pytest.raises(bneck_cli.BneckError) as told:
        analysis_of("resnet18", **asked)
    assert told.value.message == message


@pytest.mark.parametrize(
    ("name", "least"), [("inception_v3", "3×75×75"), ("densenet121", "3×29×29"), ("resnet18", "3×1×1")]
)
def test_a_formula_comes_with_the_smallest_input(name: str, least: str) -> None:
    """Where the map's sides are symbols, the report says from which size on its formulas mean anything."""
    symbolic, plain = (as_text(report(analysis_of(name, symbolic=on)), "text") for on in (True, False))
    assert f"the smallest legal input is {least}\n" in symbolic
    assert "smallest" not in plain
