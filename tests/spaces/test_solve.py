"""The inverse question: the value found is the largest that fits, by trying every one."""

from __future__ import annotations

import json

import pytest
from running import bneck, run

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.settings import Settings
from bneck_cli.language.document import Source
from bneck_cli.language.library import load, resolve
from bneck_cli.questions.solve import Solution, report, solve
from bneck_cli.spaces.space import TOTALS

WAVES = "input: 3 x 8 x 8\nnet(width=8):\n  conv 1x1 (width % 10 + 1)\n"


def solved(name: str, vary: str, *targets: str) -> Solution:
    """Solve for a bundled spec."""
    return solve(name, load(name), Settings(), vary, targets)


@pytest.mark.parametrize(
    ("name", "vary", "target", "option"),
    [
        ("resnet18", "side=33:300:7", "macs=1G", "input"),
        ("mobilenet_v2", "width=0.5:1.5:0.125", "params=3M", "width"),
        ("unet", "side=1:90", "macs=4G", "input"),
        ("bottleneck", "channels=4:200", "memory=400k", "channels"),
    ],
)
def test_no_larger_value_fits(name: str, vary: str, target: str, option: str) -> None:
    """Of all legal values, each analysed by itself, those that fit are those that are said to."""
    found = solved(name, vary, target)
    (measure,) = found.targets
    costs = {}
    for index in range(len(found.line.axis.above)):
        value = found.line.axis.value(index)
        given = f"{value}x{value}" if option == "input" else value
        try:
            costs[value] = TOTALS[measure](bneck_cli.analyze(name, **{option: given}).found)
        except BneckError:
            continue
    assert list(costs) == [found.line.value(place) for place in range(len(found.line.above))]
    assert list(costs.values()) == found.line.totals[measure].tolist()
    fitting = [value for value, cost in costs.items() if cost <= found.targets[measure].value]
    assert found.line.value(found.at) == fitting[-1]


def test_values_are_found_without_a_range() -> None:
    """Ever more values are tried: sides of thousands, where the budget is large."""
    found = solved("resnet50", "side", "macs=1T")
    side = found.line.value(found.at)
    assert bneck_cli.analyze("resnet50", input=f"{side}x{side}").macs <= 10**12
    assert bneck_cli.analyze("resnet50", input=f"{side + 1}x{side + 1}").macs > 10**12
    assert found.line.grew


def test_nothing_is_taken_to_grow() -> None:
    """Where the cost rises and falls, the largest that fits is found, and every run of values that do."""
    program = resolve(Source("waves.yaml", WAVES))
    found = solve("waves", program, Settings(), "width=1:35", ["params=24"])
    assert found.line.value(found.at) == 35
    data = report(found).data()
    assert data["fitting"] == [
        {"from": 1, "to": 7},
        {"from": 10, "to": 17},
        {"from": 20, "to": 27},
        {"from": 30, "to": 35},
    ]
    assert "Not every smaller value fits; those that do are 1 to 7, 10 to 17, 20 to 27 and 30 to 35." in str(
        list(report(found).parts())
    )


def test_several_targets_are_all_met() -> None:
    """The neighbours say which of them is over."""
    data = json.loads(
        bneck(
            "solve",
            "mobilenet_v2",
            "--vary",
            "width=0.5:1:0.05",
            "--for",
            "macs=200M",
            "--for",
            "params=2.6M",
            "-f",
            "json",
        )
    )
    assert [row["fits"] for row in data["neighbours"]] == [True, True, False]
    assert data["neighbours"][1]["width"] == data["at"]
    over = data["neighbours"][2]
    assert over["macs"] > 200 * 10**6 or over["params"] > 2.6 * 10**6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resnet50", "--vary", "side", "--for", "params=26M"], "it barely depends on side"),
        (["resnet50", "--vary", "side", "--for", "params=2M"], "no side of 1 to 512 fits params 2M"),
        (["resnet50", "--vary", "sides", "--for", "params=2M"], "'sides' cannot vary here"),
        (["resnet50", "--vary", "side=9:1", "--for", "params=2M"], "is empty"),
        (["resnet50", "--vary", "side", "--for", "mac=2M"], "did you mean 'macs'?"),
        (["resnet50", "--vary", "side", "--for", "macs"], "write macs=4.9G"),
        (["resnet50", "--vary", "side", "--for", "macs=x"], "'x' is not an amount"),
        (["resnext", "--vary", "channels=1:7", "--for", "macs=1G"], "takes no channels of 1 to 7"),
    ],
)
def test_what_has_no_solution_is_told(words: list[str], said: str) -> None:
    """One message, with the reason."""
    done = run("solve", *words)
    assert (done.code, done.out) == (1, "")
    assert said in done.err
