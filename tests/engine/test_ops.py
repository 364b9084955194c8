"""Layer kinds of a file's own say what the language's own say: figures, memory and gradients of a copy are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import bneck_cli
from bneck_cli.engine.network import entries
from bneck_cli.flow.follow import depth
from bneck_cli.flow.liveness import peak_elements
from bneck_cli.flow.saved import backward_macs, saved
from bneck_cli.questions.footprint import footprint
from bneck_cli.sizes.writing import pretty

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis

OPS = """ops:
  product(other): {out: [other.n, l], params: 0, macs: c*n*other.n, part: attention}
  table(rows, width): {out: [width, l], params: rows*width, macs: 0, reads: width*n}
  window(k, channels):
    out: [channels, h, w]
    params: k**2*c*channels
    macs: k**2*c*channels*h*w
    part: conv
  matrix(channels): {out: [channels, l], params: c*channels, macs: c*n*channels}
"""
PAIRS = {
    "matmul": ("16 x 20", "- conv 3 8 -> as a\n  - linear 8 -> {0}", "product a", "- matmul: [identity, from a]"),
    "conv": ("4 x 9 x 7", "- conv 3x3 6\n  - {0}\n  - relu", "window 3 5", "conv 3x3 5"),
    "linear": ("4 x 9", "- linear 6\n  - {0}\n  - gelu", "matrix 5", "linear 5 nobias"),
    "embed": ("1 x 9", "- {0}\n  - linear 6", "table 50 8", "embed 50 8"),
}


def analysed(size: str, net: str) -> Analysis:
    """Analyse a net that has the ops."""
    return bneck_cli.analyze(f"input: {size}\n{OPS}net:\n  {net}\n")


@pytest.mark.parametrize("name", PAIRS)
def test_an_op_is_what_the_language_has_under_that_name(name: str) -> None:
    """Cost by parts, what training keeps and works out, what is moved and alive, and depth."""
    size, net, own, there = PAIRS[name]
    if there.startswith("-"):
        one, other = analysed(size, net.format(own)), analysed(size, net.replace(" -> {0}", f"\n  {there}"))
    else:
        one, other = analysed(size, net.format(own)), analysed(size, net.format(there))
    assert (one.cost, one.root.out) == (other.cost, other.root.out)
    assert depth(one) == depth(other)
    assert peak_elements(one) == peak_elements(other)
    assert footprint(one).total.moved == footprint(other).total.moved
    if name != "embed":  # indices are no values
        assert (saved(one), backward_macs(one)) == (saved(other), backward_macs(other))


def test_what_an_op_takes_is_read() -> None:
    """A tensor that an op takes by name lies alive until then, and is not counted in vain."""
    text = "  - conv 3 16 -> as a\n  - linear 16 -> relu -> product a"
    found = bneck_cli.analyze(f"input: 16 x 20\n{OPS}net:\n{text}\n")
    assert "is never used" not in found.text()
    assert peak_elements(found.found) >= 16 * 20 + 16 * 20 + 20 * 20


def test_an_op_in_a_block_takes_a_tensor_of_its_caller() -> None:
    """A parameter of the block hands it on, and symbols stay."""
    blocks = "blocks:\n  meet(other): [relu, product other]\n"
    found = bneck_cli.analyze(f"input: 8 x L\n{OPS}{blocks}net: [linear 4 -> as a, 2x relu, meet a]\n")
    assert (pretty(found.cost.attention_macs), found.cost.params) == ("4·L²", 36)


def test_sizes_of_named_tensors_stand_in_expressions() -> None:
    """Those of a tensor with a name, of what a block was given, and of each in a loop."""
    text = "net:\n  - conv 3x3 6 stride=2 -> as low\n  - conv 1x1 (low.c + low.h) -> resize (2*low.h) -> as b\n"
    assert str(bneck_cli.analyze(f"input: 3 x 8 x 8\n{text}").root.out) == "10×8×8"
    loop = "  - concat:\n      for: one in [low, b]\n      do: resize (2*one.h) -> resize 4\n"
    assert str(bneck_cli.analyze(f"input: 3 x 8 x 8\n{text}{loop}").root.out) == "20×4×4"


def test_what_an_op_holds_is_kept() -> None:
    """Elements inside are kept by training, beside what arrives."""
    ops = "ops: {f(): {out: [c, l], params: 0, macs: c*n, holds: 100}}"
    plain = "ops: {f(): {out: [c, l], params: 0, macs: c*n}}"
    held, bare = (saved(bneck_cli.analyze(f"input: 4 x 9\n{text}\nnet: linear 4 -> f\n")) for text in (ops, plain))
    assert held.values - bare.values == 100


def test_an_op_stays_what_it_is_under_an_assumption() -> None:
    """Symbols of which something is assumed are the user's own again in the answer, and memory is a formula."""
    text = f"input: 16 x L\n{OPS}net: [conv 3 8 stride=2 -> as a, product a, matrix 4]\n"
    found = bneck_cli.analyze(text, assume="L%4==0")
    assert pretty(found.cost.attention_macs) == "2·L²"
    assert pretty(footprint(found.found).total.moved) == "2·L² + 128·L + 1536"
    assert footprint(bneck_cli.analyze(text, input="16x8").found).total.moved == 2 * 8**2 + 128 * 8 + 1536
    assert [layer.text for layer in (entry.layer for entry in entries(found.root))][1] == "product a"
