"""Powers in families of designs: an exponent that varies is a number, which sets the designs that have it apart."""

from __future__ import annotations

from bneck_cli.engine.analysis import analyze_plainly
from bneck_cli.engine.settings import Settings
from bneck_cli.language.library import load
from bneck_cli.spaces.axes import chosen, parse_axis
from bneck_cli.spaces.space import TOTALS, Space


def test_an_exponent_may_vary() -> None:
    """WaveNet's dilations are 2**(k % depth): each design of any depth is what it is by itself."""
    axes = ("stacks=1:3", "depth=1:4", "width=8:64:8", "L=16:400")
    designs = chosen([parse_axis(text) for text in axes], 24, seed=3)
    space = Space(load("wavenet"), Settings(), designs, tuple(TOTALS))
    seen = 0
    for block in space.blocks():
        assert block.legal.all()
        for number in range(len(block.legal)):
            analysis = analyze_plainly(space.program, space.varied.settings([int(one[number]) for one in block.values]))
            assert {key: int(block.totals[key][number]) for key in TOTALS} == {
                k: f(analysis) for k, f in TOTALS.items()
            }
            seen += 1
    assert seen == 24
