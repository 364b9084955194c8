"""Closed forms: what ``--symbolic`` prints is, at any numbers, what an analysis at those numbers prints."""

from __future__ import annotations

import random
from typing import Any

import pytest

import bneck_cli
from bneck_cli.engine.analysis import Analysis, analyze_program
from bneck_cli.engine.settings import read_settings
from bneck_cli.formats import as_text
from bneck_cli.language.library import load
from bneck_cli.questions.analyze import report


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


@pytest.mark.parametrize("name", ["basic", "bottleneck", "preact_bottleneck", "inverted_residual"])
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
