"""Counting rules: each tool's own figure for ResNet-50, to the unit, and what a rule may say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.data.rules import load_rule, parse_rule, rule_names
from bneck_cli.engine.network import entries
from bneck_cli.flow.counting import recount
from bneck_cli.language.document import Source

if TYPE_CHECKING:
    from pathlib import Path

MEASURED = {
    "torchvision": 4_089_184_256,
    "paper": 4_089_184_256,
    "keras": 4_089_184_256,
    "fvcore": 4_111_512_576,
    "torchprofile": 4_100_300_288,
    "ptflops": 4_132_436_968,
    "ptflops_aten": 4_089_185_256,
    "thop": 4_133_742_592,
    "torchinfo": 4_089_238_376,
    "flopcounter": 8_178_368_512,
    "calflops": 8_211_108_352,
}
"""What each tool prints for torchvision's ResNet-50 at 3x224x224; each was run once, on torch 2.13."""


def test_every_rule_has_a_measured_figure() -> None:
    """No rule is in the library without a figure that its tool was seen to print."""
    assert set(rule_names()) == set(MEASURED)


@pytest.mark.parametrize("name", sorted(MEASURED))
def test_a_rule_gives_its_tool_s_figure(name: str) -> None:
    """A rule reproduces its tool's figure for ResNet-50 to the unit, and says how it was established."""
    rule = load_rule(name)
    counted = recount(bneck_cli.analyze("resnet50"), rule)
    assert counted.cost.macs == MEASURED[name]
    assert rule.how
    assert rule.source


def test_keras_parameters() -> None:
    """Keras counts moving statistics as parameters: 25,636,712 for its own ResNet-50, biases and all."""
    assert recount(bneck_cli.analyze("resnet50_keras"), load_rule("keras")).cost.params == 25_636_712


@pytest.mark.parametrize("network", ["resnet50", "inception_v3", "vit_b_16", "unet", "mobilenet_v3_small"])
@pytest.mark.parametrize("name", sorted(MEASURED))
def test_layers_add_up_under_every_rule(name: str, network: str) -> None:
    """The layers' counts add up to the total, whatever the rule."""
    counted = recount(bneck_cli.analyze(network), load_rule(name))
    running = [entry for entry in entries(counted.root) if not entry.idle]
    assert sum(entry.layer.cost.macs * entry.copies for entry in running) == counted.cost.macs
    assert sum(e.layer.cost.params * e.copies for e in entries(counted.root)) == counted.cost.params


@pytest.mark.parametrize("network", ["resnet50", "inception_v3", "vit_b_16", "unet"])
def test_the_default_rule_changes_nothing(network: str) -> None:
    """Counting as torchvision does gives the analysis's own figures."""
    analysis = bneck_cli.analyze(network)
    assert recount(analysis, load_rule("torchvision")).root == analysis.root


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("counts: {conv: 1}", "a counting rule needs `name` and `counts`"),
        ("name: mine\ncounts: {convs: 1}", "unknown key 'convs' in `counts`"),
        ("name: mine\ncounts: {conv: 1.5}", "a weight is a whole number (got '1.5')"),
        ("name: mine\nunit: flops\ncounts: {conv: 1}", "`unit` is multiply-adds or operations (got 'flops')"),
        ("name: mine\ncounts: {conv: 1}\nparams: {weights: 1}", "unknown key 'weights' in `params`"),
        ("- conv", "a counting rule is a mapping (got a list)"),
    ],
)
def test_a_wrong_rule_is_told(text: str, message: str) -> None:
    """A rule's file is read as strictly as a spec."""
    with pytest.raises(BneckError) as told:
        parse_rule(Source("mine.yaml", text))
    assert told.value.message == message
    assert told.value.location is not None


def test_an_unknown_rule_names_the_nearest() -> None:
    """A misspelt rule is told with the nearest name."""
    with pytest.raises(BneckError, match="no counting rule is called 'fvcor'") as told:
        load_rule("fvcor")
    assert told.value.hint == "did you mean 'fvcore'?"


def test_a_rule_of_one_s_own(tmp_path: Path) -> None:
    """A rule's file may be given instead of a name; what it does not weigh counts nothing."""
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nunit: operations\ncounts: {conv: 2, activation: 1}\n", encoding="utf-8")
    cost = recount(bneck_cli.analyze("resnet50"), load_rule(str(file))).cost
    assert cost.macs == 2 * 4_087_136_256 + 9_608_704
    assert (cost.linear_macs, cost.params) == (0, 25_557_032)


def test_what_a_rule_leaves_out_is_said_by_operation() -> None:
    """Ptflops counts ReLU twice and hard swish not at all: the footer then names the hard swish, and it alone."""
    from bneck_cli.questions.analyze import uncounted

    text = "input: 4 x 8 x 8\nnet: relu -> hard_swish -> silu -> gelu\n"
    counted = recount(bneck_cli.analyze(text), load_rule("ptflops"))
    assert counted.cost.macs == (2 + 0 + 1 + 2) * 256
    assert uncounted(counted) == {"activation": 256}
    assert uncounted(recount(bneck_cli.analyze(text), load_rule("fvcore"))) == {"activation": 4 * 256}
    finer = "input: 4 x 8 x 8\nnet: upsample 2 -> upsample 2 mode=bilinear\n"
    counted = recount(bneck_cli.analyze(finer), load_rule("thop"))
    assert (counted.cost.macs, uncounted(counted)) == (11 * 4 * 32 * 32, {"interpolation": 4 * 16 * 16})
