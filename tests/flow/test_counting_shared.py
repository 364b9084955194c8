"""Counting rules where weights are shared: what eight tools print for modules that run several times."""

from __future__ import annotations

import pytest

import bneck_cli
from bneck_cli.data.rules import load_rule
from bneck_cli.flow.counting import recount

SHARED = {
    "a table that is the classifier": (
        "input: 1 x 6\nnet: embed 50 8 share=words -> linear 8 -> linear 50 nobias share=words\n",
        (872, 2784, 2832, 2832, 2784, 5568, 2784, 5568),
    ),
    "a convolution twice": (
        "input: 8 x 10 x 10\nnet: conv 3x3 8 share=c -> relu -> conv 3x3 8 share=c -> bn\n",
        (115_216, 116_800, 118_400, 115_200, 118_400, 232_800, 116_000, 230_400),
    ),
    "a head on two maps": (
        (
            "input: 8 x 10 x 10\noutputs: [a, b]\nnet:\n  - as x\n  - conv 3x3 4 bias share=c -> as a\n"
            "  - from x -> maxpool 2 stride=2 -> conv 3x3 4 bias share=c -> as b\n"
        ),
        (36_500, 36_000, 38_100, 36_500, 36_000, 73_300, 36_000, 72_000),
    ),
    "a block three times": (
        "input: 8 x 10 x 10\nblocks:\n  unit: conv 3x3 8 -> bn -> relu\nnet: 3x unit share=c\n",
        (172_848, 177_600, 182_400, 172_800, 182_400, 352_800, 175_200, 345_600),
    ),
    "a layer four times": (
        (
            "input: 8 x 6\nblocks:\n  unit: {residual: ln -> linear 16 -> gelu -> linear 8}\n"
            "net:\n  - 4x unit share=c\n  - linear 4\n"
        ),
        (1220, 7296, 7896, 6936, 7104, 14_016, 6528, 12_672),
    ),
}
"""What the tools of ``SHARING`` print for modules that run several times, torch 2.14.1 on the CPU."""
SHARING = ("torchinfo", "fvcore", "ptflops", "ptflops_aten", "thop", "calflops", "torchprofile", "flopcounter")


@pytest.mark.parametrize("name", SHARED)
def test_weights_that_are_shared_count_as_each_tool_has_them(name: str) -> None:
    """Some count a module's runs, some its weights once for all of them."""
    text, printed = SHARED[name]
    analysis = bneck_cli.analyze(f"written: modules\n{text}").found
    assert tuple(recount(analysis, load_rule(tool)).cost.macs for tool in SHARING) == printed
