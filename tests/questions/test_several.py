"""Options with several values give one table, the same as a sweep's."""

from __future__ import annotations

import pytest
from running import bneck, run

import bneck_cli


def test_the_grid_of_mobilenet() -> None:
    """Sixteen networks in one command, each what it is by itself."""
    table = bneck("analyze", "mobilenet_v1", "--set", "width=0.25,0.5,0.75,1", "--input", "128..224:32", "-f", "csv")
    rows = [line.split(",") for line in table.splitlines()[1:]]
    assert len(rows) == 16
    for width, side, params, macs in rows:
        network = bneck_cli.analyze("mobilenet_v1", width=width, input=f"{side}x{side}")
        assert (network.params, network.macs) == (int(params), int(macs))
    swept = ("sweep", "mobilenet_v1", "--vary", "width=0.25,0.5,0.75,1", "--vary", "side=128:224:32", "-f", "csv")
    assert bneck(*swept) == table


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["analyze", "mobilenet_v1", "--set", "width=0.5,1", "--depth", "1"], "so the result is a table of totals"),
        (["compare", "basic", "bottleneck", "--channels", "64,128"], "'channels=64,128' has several values"),
        (["analyze", "mobilenet_v1", "--set", "width=1,,2"], "'' in 'width=1,,2' is not a number"),
        (["analyze", "mobilenet_v1", "--set", "wide=1,2"], "'wide' cannot vary here"),
        (["analyze", "mobilenet_v1", "--input", "224..128"], "is empty"),
        (["analyze", "mobilenet_v1", "--set", "width=1,2", "--format", "python"], "no format 'python'"),
    ],
)
def test_what_gives_no_table_is_told(words: list[str], said: str) -> None:
    """One message each."""
    done = run(*words)
    assert done.code
    assert said in " ".join(done.err.replace("│", " ").split())


def test_a_list_is_one_value() -> None:
    """``--set depths=[2,2,2,2]`` has commas, and is one value."""
    assert bneck("analyze", "resnet50", "--set", "depths=[2,2,2,2]", "--depth", "1")
