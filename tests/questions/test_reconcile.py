"""Reconciling: the published figures of ResNet-50 lead back to the tool and the variant that they come from."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING

import pytest

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.settings import Settings, read_settings
from bneck_cli.formats import FORMATS, Style, as_text
from bneck_cli.language.library import load
from bneck_cli.questions.reconcile import parse_figure, reconcile
from bneck_cli.questions.reconcile_report import explanation, report
from bneck_cli.report import Table

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.parametrize(
    ("network", "stated", "variant", "asked"),
    [
        ("mobilenet_v2", "428M", "at width 1.4 and 192×192", read_settings("192x192", values=[("width", "1.4")])),
        ("efficientnet_b1", "1.2G", "at width 1.4 and 288×288", read_settings("288x288", values=[("width", "1.4")])),
        ("mnasnet1_0", "30.7M", "at width 0.35 and 160×160", read_settings("160x160", values=[("width", "0.35")])),
    ],
)
def test_width_and_size_vary_together(network: str, stated: str, variant: str, asked: Settings) -> None:
    """What is said of another width at another size is what an analysis gives there, and chance counts all of them."""
    found = reconcile(network, stated)
    both = [each for each in found.candidates if each.variant == variant and "torchvision" in each.rules]
    assert [each.value for each in both if each.kind == "macs"] == [analyze_program(load(network), asked).cost.macs]
    assert found.tried > 50
    alone = [each.steps for each in found.candidates if each.variant.startswith("at ") and " and " not in each.variant]
    assert {each.steps for each in both} == {2}
    assert 1 in alone


def test_sizes_of_a_map_that_is_no_square(tmp_path: Path) -> None:
    """Each width is tried at the map's own size, and at every square."""
    file = tmp_path / "wide.yaml"
    file.write_text("input: 3 x 32 x 64\nnet(width=1): conv 3x3 round8(16*width)\n", encoding="utf-8")
    variants = {each.variant for each in reconcile(str(file), "4M").candidates}
    assert {"as it is", "at width 2", "at 160×160", "at width 0.35 and 160×160"} <= variants


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
        ("3.8e9", 3_800_000_000, 3_750_000_000, 3_850_000_000),
        ("3.8x10^9", 3_800_000_000, 3_750_000_000, 3_850_000_000),
        ("3.8 \u00d7 10\u2079", 3_800_000_000, 3_750_000_000, 3_850_000_000),
        ("25.6 million parameters", 25_600_000, 25_550_000, 25_650_000),
    ],
)
def test_a_figure_stands_for_what_rounds_to_it(text: str, value: int, low: int, high: int) -> None:
    """A figure with a unit stands for every number that is written so."""
    assert parse_figure(text)[1:4] == (value, low, high)


@pytest.mark.parametrize("text", ["", "many", "-3G", "4.1.1G", "4G1", "1,00", "9" * 30, "3.8e99", "3.8 GB/s", "x10^9"])
def test_what_is_no_figure_is_told(text: str) -> None:
    """A text that is no figure is told with examples."""
    with pytest.raises(BneckError, match="is not a figure"):
        parse_figure(text)


@pytest.mark.parametrize(
    ("text", "value", "counts"),
    [
        ("3.8 GFLOPs", 3_800_000_000, "operations"),
        ("8.2 GFLOPS", 8_200_000_000, "operations"),
        ("4.1GMACs", 4_100_000_000, "macs"),
        ("300 MMACs", 300_000_000, "macs"),
        ("569M Mult-Adds", 569_000_000, "macs"),
        ("7B params", 7_000_000_000, "params"),
    ],
)
def test_a_figure_may_say_what_it_counts(text: str, value: int, counts: str) -> None:
    """The word after the unit says what is counted, and candidates are of that kind alone."""
    figure = parse_figure(text)
    assert (figure.value, figure.counts) == (value, counts)
    kinds = {each.kind for each in reconcile("resnet18", text).candidates}
    assert ("params" in kinds) == (counts == "params")


def test_flops_are_read_both_ways() -> None:
    """FLOPs may mean one or two for a multiply-add: both are candidates, and that is said."""
    for stated, rule in (("4.0892 GFLOPs", "torchvision"), ("8.1784 GFLOPs", "flopcounter")):
        found = reconcile("resnet50", stated)
        assert rule in found.fitting[0].rules
        assert "FLOPs may mean one or two" in explanation(found)[-1]


@pytest.mark.parametrize(
    ("network", "stated", "hint"),
    [
        ("resnet50", "25.6", "did you mean 25.6M (25,557,032 parameters)?"),
        ("resnet50", "4.09", "did you mean 4.09G (4,089,184,256 MACs)?"),
        ("resnet50", "26", "did you mean 26M (25,557,032 parameters)?"),
        ("resnet50", "7.77", "write 7.77M, 7.77G or the whole number"),
    ],
)
def test_a_missing_unit_is_an_error(network: str, stated: str, hint: str) -> None:
    """A figure without its unit is no figure 102,440,508 % away; the unit that was meant is named."""
    with pytest.raises(BneckError, match="lacks its unit") as told:
        reconcile(network, stated)
    assert told.value.hint == hint


@pytest.mark.parametrize(
    ("network", "stated", "rule", "variant", "value"),
    [
        ("mobilenet_v2", "610.1M", "ptflops_0_6", "at width 1.4", 610_098_600),
        ("resnet50", "3,971,170,304", "paper", "without its first convolution", 4_089_184_256 - 118_013_952),
        ("resnet50", "25,503,912", "paper", "without batch norm's parameters", 25_557_032 - 53_120),
        ("resnet50", "25,557,096", "paper", "with a bias in its first convolution", 25_557_032 + 64),
        ("resnet50", "8,223,025,192", "fvcore", "run twice", 2 * 4_111_512_576),
    ],
)
def test_a_variant_is_among_the_candidates(network: str, stated: str, rule: str, variant: str, value: int) -> None:
    """Widths, layers left out, parameters left out, a bias more, and a count of two inputs are all tried."""
    found = [each for each in reconcile(network, stated).candidates if each.variant == variant and rule in each.rules]
    assert value in [each.value for each in found]


def test_the_rule_of_2020_is_found_at_its_width() -> None:
    """610.1M is ptflops of 2020 at width 1.4, taken apart; no other size or rule of its day rounds to it."""
    found = reconcile("mobilenet_v2", "610.1M", read_settings(values=(("width", "1.4"),)))
    best = found.candidates[0]
    assert (best.value, best.rules, best.variant) == (610_098_600, ("ptflops_0_6",), "as it is")
    assert sorted(part.product for part in best.parts) == [1_000, 1_792_000, 8_754_928, 19_146_848, 580_403_824]
    assert {each.rules for each in found.fitting} == {("ptflops_0_6",), ("ptflops",)}


def test_one_answer_only_where_one_fits() -> None:
    """Several that fit are several; none is none; one alone is the answer; few digits say how many chance would hit."""
    several = explanation(reconcile("resnet50", "4.1G"))[0]
    assert re.match(r"\d+ of the \d+ figures tried .* match 4.1G \(about [\d.]+ expected by chance\)", several)
    assert explanation(reconcile("resnet50", "9.87654G"))[0].startswith("No match for 9.87654G: none of the ")
    one = explanation(reconcile("resnet50", "4111512576"))[0]
    assert one.startswith("4,111,512,576 is 4111512576, the only match among the ")
    assert "chance" not in one
    assert all("is nearest" not in line for line in explanation(reconcile("resnet50", "5.55555G")))


def test_chance_is_the_share_of_the_interval() -> None:
    """The expected number is that of figures from half to twice, by the width of the interval on a scale of ratios."""
    found = reconcile("resnet50", "4.1G")
    values = {each.value for each in found.candidates if 2_050_000_000 <= each.value <= 8_200_000_000}
    assert found.tried == len(values)
    assert found.chance == pytest.approx(len(values) * math.log(4.15 / 4.05) / math.log(4))
    assert reconcile("resnet50", "4.1003G").chance < found.chance / 100


def test_keras_is_not_left_out_where_it_agrees() -> None:
    """Parameters of a network without batch norm are the same under every rule; with it, all but Keras."""
    assert reconcile("vgg16", "138,357,544").candidates[0].by() == "every rule"
    assert reconcile("resnet50", "25,557,032").candidates[0].by() == "every rule but keras"


@pytest.mark.parametrize("stated", ["4G", "512", "0", "0M"])
def test_a_net_that_multiplies_nothing(stated: str, tmp_path: Path) -> None:
    """A plain count of 0 is no divisor: the difference is stated without a share."""
    file = tmp_path / "still.yaml"
    file.write_text("input: 4 x 8 x 8\nnet: relu\n", encoding="utf-8")
    found = reconcile(str(file), stated)
    assert found.plain.value == 0
    assert explanation(found)


def test_what_the_figure_depends_on_is_said() -> None:
    """Where a spec does not say how it is written, the explanation says that the rule's figure depends on it."""
    assert any("depends on how the code calls it" in line for line in explanation(reconcile("unet", "48,323,231,744")))
    assert not any("Note" in line for line in explanation(reconcile("resnet50", "4132436968")))


def test_symbols_are_told() -> None:
    """A network with symbols has no figure to compare."""
    with pytest.raises(BneckError, match="this one has symbols"):
        reconcile("resnet50", "4G", read_settings(input="3xHxW"))


def test_every_format() -> None:
    """Each format names the rule; JSON and CSV hold every candidate."""
    found = reconcile("resnet50", "4.11G")
    texts = {name: as_text(report(found), name, Style(width=100)) for name in FORMATS if name != "python"}
    assert all("fvcore" in text for text in texts.values())
    assert len(json.loads(texts["json"])["candidates"]) == len(found.candidates)
    assert texts["csv"].count("\n") == len(found.candidates) + 1
    assert max(map(len, texts["text"].splitlines())) <= 100
