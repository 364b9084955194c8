"""Units are said once under a total, FLOPs are twice the multiply-adds, and sizes are those of PyTorch's tensors."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys

import pytest

import bneck_cli
from bneck_cli.flow.counting import in_flops
from bneck_cli.formats import as_text
from bneck_cli.language.library import network_names
from bneck_cli.questions import compare
from bneck_cli.questions.analyze import report
from bneck_cli.questions.notes import ACTIVATIONS, MACS, buffers
from bneck_cli.questions.rows import View
from bneck_cli.sizes.amounts import rounded


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    return subprocess.run(
        [sys.executable, "-m", "bneck_cli", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def number(text: str) -> int:
    """Read a number with commas."""
    return int(text.replace(",", ""))


@pytest.mark.parametrize("name", ["resnet50", "vit_b_16", "mobilenet_v2", "unet"])
def test_flops_are_two_for_each_multiply_add(name: str) -> None:
    """Every row and every part is doubled in FLOPs, and nothing else changes."""
    analysis = bneck_cli.analyze(name).found
    view = View(columns=("layer", "params", "macs", "conv_macs", "linear_macs", "attention_macs", "activations"))
    plain, doubled = (list(csv.reader(io.StringIO(as_text(report(each, view), "csv")))) for each in (
        analysis, in_flops(analysis)
    ))  # fmt: skip
    assert doubled[0] == ["path", "params", "flops", "conv_flops", "linear_flops", "attention_flops", "activations"]
    for mine, theirs in zip(plain[1:], doubled[1:], strict=True):
        assert [mine[0], mine[1], mine[6]] == [theirs[0], theirs[1], theirs[6]]
        assert [2 * int(cell) for cell in mine[2:6]] == [int(cell) for cell in theirs[2:6]]
    assert in_flops(analysis).cost.idle_params == analysis.cost.idle_params


@pytest.mark.parametrize("name", network_names())
def test_the_footer_agrees_with_itself(name: str) -> None:
    """Totals are rounded as they are, the unit is said once, and the size is that of all values in four bytes."""
    network = bneck_cli.analyze(name)
    text = " ".join(as_text(network.report, "text").split())
    cost = network.found.cost
    assert text.count(MACS) == 1
    size = re.search(
        r"size: ([\d,.]+) MB in fp32 \(([\d.]+) ([KMG])iB\): ([\d,]+) params, all trainable"
        r"(?:, and ([\d,]+) untrained b)?",
        text,
    )
    assert size is not None
    stored = buffers(network.found)
    assert (number(size[4]), number(size[5] or "0")) == (cost.params, stored)
    assert float(size[1].replace(",", "")) == round(4 * (cost.params + stored) / 1e6, 1)
    assert float(size[2]) == round(4 * (cost.params + stored) / {"K": 2**10, "M": 2**20, "G": 2**30}[size[3]], 1)
    assert (f"({rounded(cost.params)}, {rounded(cost.macs)})" in text) == (max(cost.params, cost.macs) >= 10**6)


def test_parameters_and_buffers_are_those_of_pytorch() -> None:
    """What the footer calls trainable, and buffers, are those of a module of PyTorch."""
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.PReLU(), torch.nn.InstanceNorm2d(8)
    )
    found = bneck_cli.analyze("input: 3 x 9 x 9\nnet: conv 3x3 8 pad=0 bias -> bn -> prelu -> in noaffine\n").found
    assert found.cost.params == sum(each.numel() for each in module.parameters() if each.requires_grad)
    assert buffers(found) == sum(each.numel() for each in module.buffers())


def test_the_column_of_activations_is_defined_where_it_stands() -> None:
    """A table with the column says what it is; one without does not."""
    network = bneck_cli.analyze("resnet18").found
    assert ACTIVATIONS in " ".join(as_text(report(network, View(columns=("layer", "activations"))), "text").split())
    assert ACTIVATIONS not in " ".join(as_text(report(network), "text").split())


def test_the_unit_is_asked_for_on_the_command_line() -> None:
    """Both commands take it, in any case; another word is refused, and so is one beside a counting rule."""
    macs = bneck_cli.analyze("resnet18").macs
    assert f"{2 * macs:,} FLOPs" in run("analyze", "resnet18", "--unit", "FLOPs").stdout
    assert f"{2 * macs:,}" in run("compare", "resnet18", "resnet34", "--unit", "flops").stdout
    assert f"{macs:,} MACs" in run("analyze", "resnet18", "--unit", "macs").stdout
    for arguments in (["--unit", "gflops"], ["--unit", "flops", "--count-like", "fvcore"]):
        done = run("analyze", "resnet18", *arguments)
        assert done.returncode == 2
        assert "--unit" in done.stderr


def test_a_match_keeps_its_sentences_in_flops() -> None:
    """Where widths were matched, what that showed stands in FLOPs as well."""
    from bneck_cli.engine.settings import read_settings
    from bneck_cli.language.library import load
    from bneck_cli.questions.match import compare_matched

    programs = [(name, load(name)) for name in ("basic", "bottleneck")]
    found, _ = compare_matched(programs, read_settings(channels="64"), "macs", 8)
    doubled = compare.in_flops(found)
    assert doubled.conclusion[1:] == found.conclusion[1:]
    assert doubled.matches == found.matches
    assert "FLOPs" in doubled.conclusion[0]


def test_the_memory_of_vgg_16_is_that_of_a_course() -> None:
    """With the input and activations in place VGG-16 holds 15,237,608 values, 58.1 MiB: its maps, layer by layer."""
    from bneck_cli.questions.course import course
    from bneck_cli.questions.footprint import footprint

    maps = [
        (3, 224),
        (64, 224),
        (64, 224),
        (64, 112),
        (128, 112),
        (128, 112),
        (128, 56),
        (256, 56),
        (256, 56),
        (256, 56),
    ]
    maps += [(256, 28), (512, 28), (512, 28), (512, 28), (512, 14), (512, 14), (512, 14), (512, 14), (512, 7)]
    values = sum(channels * side * side for channels, side in maps) + 4096 + 4096 + 1000
    assert values == 15_237_608
    assert course(footprint(bneck_cli.analyze("vgg16").found, inplace=True)) == values
    shown = run("footprint", "vgg16", "--layers", "--inplace").stdout
    assert "15,237,608 values, 58.1 MiB" in shown
    rows = [line.split() for line in shown.splitlines()]
    assert ["input", "3×224×224", "150,528", "588.0", "KiB", "0"] in rows
    assert ["stage1.unit.0.relu", "64×224×224", "0", "0", "0"] in rows
    assert ["stage3.unit.1-2.conv", "256×56×56", "2", "1,605,632", "6.1", "MiB", "1,180,160"] in rows
    assert ["total", "15,237,608", "58.1", "MiB", "138,357,544"] in rows


def test_elements_are_the_values_that_leave() -> None:
    """The column of elements holds what leaves a layer, in all copies of a row and for the batch; it has no total."""
    table = report(bneck_cli.analyze("resnet18", batch=2).found, View(columns=("layer", "elements")))
    rows = next(iter(table.parts())).rows  # type: ignore[union-attr]
    assert rows[0].cells == ["conv", 2 * 64 * 112 * 112]
    assert rows[-1].cells == ["total", None]
    header, *lines = csv.reader(io.StringIO(as_text(table, "csv")))
    assert header == ["path", "elements"]
    assert lines[0] == ["conv", str(2 * 64 * 112 * 112)]


def test_differences_and_training_are_counted_in_flops() -> None:
    """``diff`` and ``footprint`` double what they call multiply-adds, and nothing else."""
    macs, flops = (run("diff", "resnet50", "resnet50_v1", *unit).stdout for unit in ((), ("--unit", "flops")))
    assert "-231,211,008" in macs
    assert "-462,422,016" in flops
    assert macs.count("25,557,032") == flops.count("25,557,032")
    macs, flops = (run("footprint", "resnet18", *unit).stdout for unit in ((), ("--unit", "flops")))
    assert "multiply-adds of training: forward 1,814,073,344, backward 3,510,132,736" in macs
    assert "FLOPs of training: forward 3,628,146,688, backward 7,020,265,472" in flops
    assert macs.splitlines()[:20] == flops.splitlines()[:20]
