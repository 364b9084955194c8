"""Counting rules: each tool's own figure for ResNet-50, to the unit, and what a rule may say."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.data.rules import load_rule, parse_rule, rule_names
from bneck_cli.engine.layers.quantities import QUANTITIES
from bneck_cli.engine.network import entries
from bneck_cli.engine.rule import FLOPS
from bneck_cli.flow.counting import amounts_in, notes_on, recount
from bneck_cli.formats import Style, as_text
from bneck_cli.language.document import Source
from bneck_cli.language.library import network_names
from bneck_cli.questions.counting_rules import report

if TYPE_CHECKING:
    from collections.abc import Iterator

MEASURED = {
    "torchvision": 4_089_184_256,
    "paper": 4_089_184_256,
    "keras": 4_089_184_256,
    "fvcore": 4_111_512_576,
    "torchprofile": 4_100_300_288,
    "ptflops": 4_132_436_968,
    "ptflops_0_6": 4_121_925_096,
    "ptflops_aten": 4_089_185_256,
    "thop": 4_133_742_592,
    "torchinfo": 4_089_238_376,
    "flopcounter": 8_178_368_512,
    "calflops": 8_211_108_352,
}
"""What each tool prints for torchvision's ResNet-50 at 3x224x224; each was run once, on torch 2.13."""


DATA = Path(__file__).parents[1] / "data" / "tools.csv"
"""What the tools print for torchvision's networks at their own input, on torch 2.14.1 (flopcounter 2.13).

All were run on the CPU or the meta device; fvcore, torchprofile and ptflops with gradients on (without them
nn.MultiheadAttention runs as one operator), flopcounter without.
"""
PRINTED = [(row["network"], row["tool"], int(row["printed"])) for row in csv.DictReader(DATA.open(encoding="utf-8"))]
REFUSED = {("maxvit_t", "fvcore"), ("maxvit_t", "calflops")}
"""Figures that are no exact count: both tools read an einsum's cost from a text of four digits."""


def table() -> Iterator[str]:
    """Set the tools' figures beside the rules', a line for each."""
    for network, tool, printed in PRINTED:
        try:
            counted = recount(bneck_cli.analyze(network), load_rule(tool)).cost.macs
            apart = "met" if counted == printed else f"{counted - printed:+,}"
        except BneckError as error:
            apart = f"refused: {error.hint}"
        yield f"{network:20}{tool:14}{printed:>16,}  {apart}"


@pytest.mark.parametrize("network", sorted({network for network, _, _ in PRINTED}))
def test_rules_meet_their_tools_on_other_networks(network: str) -> None:
    """Every figure of every tool is met to the unit, or refused with the reason; none is merely near."""
    analysis = bneck_cli.analyze(network)
    for name, tool, printed in PRINTED:
        if name != network:
            continue
        if (name, tool) in REFUSED:
            with pytest.raises(BneckError, match="no figure for this network"):
                recount(analysis, load_rule(tool))
        else:
            assert recount(analysis, load_rule(tool)).cost.macs == printed, tool


def test_every_quantity_has_a_name() -> None:
    """Whatever a layer of the library counts, in any form of its kind, a rule can weigh; its products are its MACs."""
    seen = set()
    products_named = {name for name, quantity in QUANTITIES.items() if quantity.product}
    for network in network_names():
        analysis = bneck_cli.analyze(network).found
        assert recount(analysis, FLOPS).cost.macs == 2 * analysis.cost.macs, network
        for entry in entries(analysis.root):
            layer = entry.layer
            for form in layer.rule.forms if layer.rule is not None else ("module",):
                amounts = amounts_in(layer, form)
                seen |= {key for key, _ in amounts}
                products = [amount for (key, _), amount in amounts.items() if key in products_named]
                assert sum(products) == layer.cost.macs, (network, entry.path, form)
    assert seen <= set(QUANTITIES)
    assert len(seen) > 30


@pytest.mark.parametrize(
    ("written", "macs"),
    [
        ("modules", 2 * 64 + 2 * 64),
        ("{relu: function}", 64 + 64),
        ("{net.relu2: function}", 2 * 64 + 64),
        ("{b.relu: function}", 2 * 64 + 2 * 64),
    ],
)
def test_how_an_operation_is_written(written: str, macs: int) -> None:
    """A rule weighs a ReLU as the code calls it: all of them, those of a block, or the second of the net."""
    text = f"input: 4 x 4 x 4\nwritten: {written}\nblocks:\n  b(): {{}}\nnet: relu -> relu\n".replace("{}\n", "relu\n")
    assert recount(bneck_cli.analyze(text), load_rule("ptflops")).cost.macs == macs


def test_a_block_is_written_in_its_own_file() -> None:
    """What a block's file says holds in its blocks alone, however deep they stand."""
    text = (
        "input: 4 x 4 x 4\nwritten: {inner.relu: function}\n"
        "blocks:\n  inner(): relu -> relu\n  outer(): 3x inner -> relu\nnet: 2x outer -> relu\n"
    )
    assert recount(bneck_cli.analyze(text), load_rule("ptflops")).cost.macs == 64 * (2 * (3 * 2 + 2) + 2)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("functions", "`written` must be `modules`, or a mapping such as `relu: function`"),
        ("{relu: functional}", "relu can be written as module, function or subclass (got 'functional')"),
        ("{relux: function}", "unknown layer or block 'relux'"),
        ("{block.relu: function}", "no block 'block'"),
        ("{global_avgpool: multihead}", "global_avgpool can be written as module, function or mean (got 'multihead')"),
    ],
)
def test_a_wrong_form_is_an_error(written: str, message: str) -> None:
    """What `written` says is checked at its word."""
    with pytest.raises(BneckError) as told:
        bneck_cli.analyze(f"input: 4 x 4 x 4\nwritten: {written}\nnet: relu\n")
    assert told.value.message == message
    assert told.value.location is not None


def test_what_a_figure_depends_on_is_said() -> None:
    """A spec that does not say how it is written gets a note; one that says so gets none."""
    text = "input: 4 x 4 x 4\nnet: conv 1x1 4 -> bn -> relu -> global_avgpool\n"
    (note,) = notes_on(recount(bneck_cli.analyze(text), load_rule("ptflops")))
    assert "relu and global_avgpool depends on how the code calls it" in note
    assert notes_on(recount(bneck_cli.analyze(text), load_rule("torchvision"))) == []
    assert notes_on(recount(bneck_cli.analyze(text + "written: modules\n"), load_rule("ptflops"))) == []
    (note,) = notes_on(recount(bneck_cli.analyze("vit_b_16"), load_rule("fvcore")))
    assert note.startswith("fvcore: it skips both products of nn.MultiheadAttention")


@pytest.mark.parametrize("name", sorted(MEASURED))
def test_a_rule_is_described_in_narrow_lines(name: str) -> None:
    """No line of a rule's description is wider than asked."""
    lines = as_text(report([name]), "text", Style(60)).splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0] == name


@pytest.mark.parametrize(
    ("word", "unit"), [("flops", "operations"), ("GFLOPs", "operations"), ("gmacs", "multiply-adds")]
)
def test_a_unit_leads_to_the_rules_that_count_in_it(word: str, unit: str) -> None:
    """`rules flops` names the rules whose unit is operations."""
    with pytest.raises(BneckError) as told:
        load_rule(word)
    assert told.value.hint.startswith(f"rules that count {unit} are ")
    assert ("calflops" in told.value.hint) == (unit == "operations")


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
    counted = recount(analysis, load_rule("torchvision"))
    costs = [[entry.layer.cost for entry in entries(each.root)] for each in (counted, analysis)]
    assert costs[0] == costs[1]
    assert counted.cost == analysis.cost


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("counts: {conv: 1}", "a counting rule needs `name` and `counts`"),
        ("name: mine\ncounts: {convs: 1}", "unknown key 'convs' in `counts`"),
        ("name: mine\ncounts: {conv: 1.5}", "a weight must be a whole number (got '1.5')"),
        ("name: mine\nunit: flops\ncounts: {conv: 1}", "`unit` must be multiply-adds or operations (got 'flops')"),
        ("name: mine\ncounts: {conv: 1}\nparams: {weights: 1}", "unknown key 'weights' in `params`"),
        ("- conv", "a counting rule must be a mapping (got a list)"),
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
    with pytest.raises(BneckError, match="unknown counting rule 'fvcor'") as told:
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
    from bneck_cli.questions.notes import uncounted

    text = "input: 4 x 8 x 8\nnet: relu -> hard_swish -> silu -> gelu\n"
    counted = recount(bneck_cli.analyze(text), load_rule("ptflops"))
    assert counted.cost.macs == (2 + 0 + 1 + 2) * 256
    assert uncounted(counted) == {"activation": 256}
    assert uncounted(recount(bneck_cli.analyze(text), load_rule("fvcore"))) == {"activation": 4 * 256}
    finer = "input: 4 x 8 x 8\nnet: upsample 2 -> upsample 2 mode=bilinear\n"
    counted = recount(bneck_cli.analyze(finer), load_rule("thop"))
    assert (counted.cost.macs, uncounted(counted)) == (4 * 16 * 16 + 11 * 4 * 32 * 32, {})
    counted = recount(bneck_cli.analyze(finer), load_rule("ptflops_aten"))
    assert uncounted(counted) == {"interpolation": 4 * 16 * 16 + 4 * 32 * 32}


if __name__ == "__main__":
    print(*table(), sep="\n")
