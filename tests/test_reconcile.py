"""Reconciling: the published figures of ResNet-50 lead back to the tool and the variant that they come from."""

from __future__ import annotations

import json

import pytest

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.analysis import Settings
from bneck_cli.formats import FORMATS, Style, as_text
from bneck_cli.questions.reconcile import parse_figure, reconcile
from bneck_cli.questions.reconcile_report import report
from bneck_cli.report import Table


@pytest.mark.parametrize(
    ("network", "stated", "rule", "variant", "value"),
    [
        ("resnet50", "4.11G", "fvcore", "as it is", 4_111_512_576),
        ("resnet50", "4.09G", "torchvision", "as it is", 4_089_184_256),
        ("resnet50", "4.13G", "thop", "as it is", 4_133_742_592),
        ("resnet50", "4132436968", "ptflops", "as it is", 4_132_436_968),
        ("resnet50", "4.10030G", "torchprofile", "as it is", 4_100_300_288),
        ("resnet50", "8.18G", "flopcounter", "as it is", 8_178_368_512),
        ("resnet50", "8.21G", "calflops", "as it is", 8_211_108_352),
        ("resnet50", "3.8G", "torchvision", "as resnet50_v1", 3_857_973_248),
        ("resnet50", "3.86G", "torchvision", "as resnet50_v1", 3_857_973_248),
        ("resnet50", "25.6M", "torchvision", "as it is", 25_557_032),
        ("resnet50", "25,636,712", "keras", "as resnet50_keras", 25_636_712),
        ("resnet50", "23,508,032", "torchvision", "without its last linear layer (2,049,000 parameters)", 23_508_032),
        ("resnet50_v1", "4.089G", "torchvision", "as resnet50", 4_089_184_256),
        ("resnet50", "8,341,094,400", "torchvision", "at 320×320", 8_343_142_400),
        ("vgg16", "15.5G", "torchvision", "as it is", 15_470_264_320),
    ],
)
def test_a_figure_leads_back_to_its_rule(network: str, stated: str, rule: str, variant: str, value: int) -> None:
    """The nearest candidate is the rule and the variant that the figure was made with."""
    best = reconcile(network, stated).candidates[0]
    assert rule in best.rules
    assert (best.variant, best.value) == (variant, value)


@pytest.mark.parametrize("stated", ["4.11G", "25.6M", "8.2G", "3.8G", "23.5M", "1.8G"])
def test_the_parts_add_up(stated: str) -> None:
    """Every candidate's parts add up to its value, and the printed lines of the first to its figure."""
    found = reconcile("resnet50", stated)
    for each in found.candidates:
        assert sum(part.amount * part.weight for part in each.parts) == each.value
    tables = [part for part in report(found).parts() if isinstance(part, Table)]
    *rows, total = tables[-1].rows
    assert sum(row.cells[0] for row in rows) == total.cells[0] == found.candidates[0].value


def test_a_variant_at_another_size_is_an_analysis_there() -> None:
    """What is said of another input size is what an analysis at that size gives."""
    found = reconcile("resnet18", "3.6G")
    resized = next(each for each in found.candidates if each.variant == "at 320×320" and "torchvision" in each.rules)
    assert resized.value == bneck_cli.analyze("resnet18", input="320x320").cost.macs


def test_the_nearest_come_first() -> None:
    """What fits comes before what does not, and that in the order of its distance."""
    found = reconcile("resnet50", "4.11G")
    fits = [bool(each.fits(found.figure)) for each in found.candidates]
    assert fits == sorted(fits, reverse=True)
    rest = [abs(each.value - found.figure.value) for each in found.candidates if not each.fits(found.figure)]
    assert rest == sorted(rest)


@pytest.mark.parametrize(
    ("text", "value", "low", "high"),
    [
        ("4.11G", 4_110_000_000, 4_105_000_000, 4_115_000_000),
        ("25.6M", 25_600_000, 25_550_000, 25_650_000),
        ("4,089,184,256", 4_089_184_256, 4_089_184_256, 4_089_184_256),
        ("70k", 70_000, 69_500, 70_500),
        ("3B", 3_000_000_000, 2_500_000_000, 3_500_000_000),
    ],
)
def test_a_figure_stands_for_what_rounds_to_it(text: str, value: int, low: int, high: int) -> None:
    """A figure with a unit stands for every number that is written so."""
    assert parse_figure(text)[1:] == (value, low, high)


@pytest.mark.parametrize("text", ["", "many", "-3G", "4.1.1G", "4G1", "1,00", "9" * 30])
def test_what_is_no_figure_is_told(text: str) -> None:
    """A text that is no figure is told with examples."""
    with pytest.raises(BneckError, match="is not a figure"):
        parse_figure(text)


def test_symbols_are_told() -> None:
    """A network with symbols has no figure to compare."""
    with pytest.raises(BneckError, match="the input has symbols"):
        reconcile("resnet50", "4G", Settings(input="3xHxW"))


def test_every_format() -> None:
    """Each format names the rule; JSON and CSV hold every candidate."""
    found = reconcile("resnet50", "4.11G")
    texts = {name: as_text(report(found), name, Style(width=100)) for name in FORMATS if name != "python"}
    assert all("fvcore" in text for text in texts.values())
    assert len(json.loads(texts["json"])["candidates"]) == len(found.candidates)
    assert texts["csv"].count("\n") == len(found.candidates) + 1
    assert max(map(len, texts["text"].splitlines())) <= 100
