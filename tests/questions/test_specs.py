"""The bundled library against the figures that its networks are published with."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import pytest

from bneck_cli import analyze, each_layer
from bneck_cli.engine.analysis import Analysis, analyze_program, compare_expectations, smallest_input
from bneck_cli.engine.settings import read_settings
from bneck_cli.errors import BneckError
from bneck_cli.flow.receptive import reaches
from bneck_cli.language.library import block_files, load, network_names, specs_folder
from bneck_cli.questions.check import check_specs
from bneck_cli.questions.compare import compare_programs
from bneck_cli.questions.footprint import footprint
from bneck_cli.questions.lint import lint

PUBLISHED = list(csv.DictReader((Path(__file__).parents[1] / "data" / "torchvision.csv").open(encoding="utf-8")))
FIXED_INPUT = {"vit", "swin", "maxvit"}
"""Families for which torchvision documents the size that was trained, not the smallest that is legal."""
SIZED = sorted({row["builder"] for row in PUBLISHED if row["builder"].split("_")[0] not in FIXED_INPUT})


@cache
def analysed(name: str, size: str) -> Analysis:
    """Analyse a bundled network once for each input."""
    return analyze_program(load(name), read_settings(input=size))


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row['builder']}-{row['weights']}")
def test_every_published_entry_is_met_to_the_unit(row: dict[str, str]) -> None:
    """Parameters and each of the three parts of the multiply-adds equal what torchvision publishes."""
    cost = analysed(row["builder"], row["input"]).cost
    keys = ("params", "macs", "conv_macs", "linear_macs", "attention_macs")
    assert {key: getattr(cost, key) for key in keys} == {key: int(row[key]) for key in keys}


@pytest.mark.parametrize("name", network_names())
def test_a_spec_is_complete(name: str) -> None:
    """A bundled network says where it comes from, what its idea is, and what figures it must meet."""
    spec = load(name).spec
    for field in ("name", "family", "year", "idea", "source"):
        assert getattr(spec, field), f"{name} lacks {field}"
    assert spec.expect
    assert all(expect.origin for expect in spec.expect)
    assert all({"params", "macs"} <= expect.figures.keys() for expect in spec.expect)


def test_what_is_listed_as_a_classifier_gives_a_vector() -> None:
    """Every network whose task is not written, classification, ends in one value for each class."""
    for name in network_names():
        if not load(name).spec.task:
            shape = analyze_program(load(name)).root.out
            assert not any(size != 1 for size in shape.spatial), f"{name} gives {shape}: its task is another"


def test_every_expectation_in_the_library_holds() -> None:
    """`bneck check` finds no difference in anything that is bundled."""
    checks = check_specs([])
    assert not any(check.wrong for check in checks)
    assert all(check.figures for check in checks)


def test_a_wrong_figure_is_found(tmp_path: Path) -> None:
    """A published figure that is off by one is reported with the difference and its place."""
    path = tmp_path / "off.yaml"
    path.write_text("input: 3 x 8 x 8\nnet: conv 3x3 4\nexpect: {params: 109, macs: 6912, origin: nobody}\n")
    (check,) = check_specs([str(path)])
    (wrong,) = check.wrong
    assert (wrong.figure, str(wrong.input), wrong.found, wrong.published) == ("params", "3×8×8", 108, 109)
    assert wrong.expect.place.location().line == 3


@pytest.mark.parametrize("builder", SIZED)
def test_the_smallest_input_is_no_larger_than_documented(builder: str) -> None:
    """What torchvision documents as a network's smallest input is legal here."""
    documented = next(row["min_size"] for row in PUBLISHED if row["builder"] == builder)
    least = smallest_input(load(builder))
    assert least is not None
    assert least.spatial[0] <= int(documented.split("x")[0])
    settings = read_settings(input=f"{documented}")
    assert analyze_program(load(builder), settings).cost.params == analysed(builder, "224x224").cost.params


def test_the_smallest_input_is_the_smallest() -> None:
    """Inception v3 takes 75x75, as published, and not 74x74."""
    assert str(smallest_input(load("inception_v3"))) == "3×75×75"
    with pytest.raises(BneckError, match="too small") as caught:
        analyze_program(load("inception_v3"), read_settings(input="74x74"))
    assert caught.value.hint == "the smallest legal input is 3×75×75"


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "densenet121", "efficientnet_b0", "googlenet", "vgg16"])
def test_a_symbolic_total_is_right_at_every_size(name: str) -> None:
    """The closed form in H and W, evaluated, is what the analysis of that input finds."""
    from bneck_cli.sizes.evaluation import evaluate

    formula = analyze_program(load(name), read_settings(input="3xHxW")).cost.macs
    for height, width in ((224, 224), (225, 256), (299, 320)):
        exact = analyze_program(load(name), read_settings(input=f"3x{height}x{width}")).cost.macs
        assert evaluate(formula, {"H": height, "W": width}) == exact


def test_resnet50_has_one_term_where_32_divides_the_input() -> None:
    """Under H%32==0,W%32==0 the total is 81456·H·W + 2048000."""
    from bneck_cli.sizes.writing import pretty

    settings = read_settings(input="3xHxW", assume="H%32==0,W%32==0")
    assert pretty(analyze_program(load("resnet50"), settings).cost.macs) == "81456·H·W + 2048000"


@pytest.mark.parametrize("name", sorted(block_files()))
def test_every_block_works_with_its_channels_alone(name: str) -> None:
    """Any bundled block is analysed at 256 channels beside one that has them, so any two can be compared."""
    asked = read_settings(channels="256")
    for one in compare_programs([(each, load(each)) for each in (name, "basic")], asked).candidates:
        assert one.analysis.cost.macs != 0


@pytest.mark.parametrize(("block", "channels", "weights"), [("basic", "64", 73_728), ("bottleneck", "256", 69_632)])
def test_the_blocks_of_the_papers_figure(block: str, channels: str, weights: int) -> None:
    """A basic block at 64 and a bottleneck at 256 cost about the same: the two of the ResNet paper's Figure 5."""
    from bneck_cli.engine.network import part_params

    assert part_params(analyze_program(load(block), read_settings(channels=channels)).root, "conv") == weights


def test_the_two_resnet50s_differ_in_their_multiply_adds_alone() -> None:
    """With its stride in the 1x1, as in the paper, ResNet-50 has the same weights and 3,857,973,248 multiply-adds."""
    first, second = (analyze_program(load(name)).cost for name in ("resnet50", "resnet50_v1"))
    assert first.params == second.params
    assert second.macs == 3_857_973_248


def test_base_specs_stay_short() -> None:
    """A spec is about a page, its figures apart: at most 64 lines, and half of all have no more than 20."""
    bodies = [path.read_text(encoding="utf-8").split("\nexpect:")[0] for path in specs_folder().glob("*.yaml")]
    lines = sorted(body.count("\n") + 1 for body in bodies)
    assert lines[-1] <= 64
    assert lines[len(lines) // 2] <= 20


def test_every_expectation_names_a_figure_that_was_compared() -> None:
    """No published figure is read and then left uncompared."""
    for name in network_names():
        program = load(name)
        count = sum(len(expect.figures) for expect in program.spec.expect)
        assert len(list(compare_expectations(program))) == count


BODIES = (
    "conv 3x3 8 -> bn",
    "[conv 3x3 8 -> bn, relu]",
    "{residual: conv 3x3 8}",
    "conv 1x1 8 -> as e",
    "{residual: [{repeat: 3, body: [conv 3x3 8, relu]}]}",
    "{residual: {repeat: 3, body: conv 3x3 8}}",
    "{residual: 2x own 8}",
    "{residual: own 8}",
    "{scale: own 8}",
    "{add: [own 8, identity, {repeat: 2, body: [conv 3x3 8, relu]}]}",
)


@pytest.mark.parametrize("body", BODIES)
def test_a_repeated_pipeline_adds_up(body: str) -> None:
    """Copies of a pipeline without a name are rows like any other: the rows add up to the total."""
    own = "blocks:\n  own(channels): conv 1x1 channels -> bn\n"
    analysis = analyze(f"input: 8 x 9 x 9\n{own}net:\n  - repeat: 5\n    body: {body}\n")
    for folded in (True, False):
        rows = list(each_layer(analysis, folded))
        assert {row.path for row in rows} <= reaches(analysis, folded).keys()
        assert sum(row.layer.cost.params * row.copies for row in rows) == analysis.cost.params
        assert sum(row.layer.cost.macs * row.copies for row in rows) == analysis.cost.macs
    assert len({row.path for row in rows}) == len(rows) == sum(row.copies for row in rows)
    assert footprint(analysis).total.macs == analysis.cost.macs
    assert all(finding.path for finding in lint(analysis).findings)
