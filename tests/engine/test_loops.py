"""Loops: a copy's index, lists, all copies of a name, blocks that use themselves; several tensors, handed on."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

import bneck_cli
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.network import Series, entries
from bneck_cli.engine.operations import operations
from bneck_cli.engine.settings import Settings
from bneck_cli.flow.follow import depth
from bneck_cli.flow.liveness import peak_elements
from bneck_cli.flow.saved import saved
from bneck_cli.flow.unread import spent
from bneck_cli.language.library import load

if TYPE_CHECKING:
    from pathlib import Path

    from bneck_cli.engine.analysis import Analysis


def written(net: str, blocks: str = "", size: str = "4 x 8 x 8") -> Analysis:
    """Analyse a net, written behind ``net:`` or as ``net(...)``."""
    return bneck_cli.analyze(f"input: {size}\n{'blocks:' if blocks else ''}{blocks}\n{net}\n")


def layers(analysis: Analysis) -> list[str]:
    """Spell every layer, each copy by itself."""
    return [f"{entry.layer.text} on {entry.layer.shape}" for entry in entries(analysis.root, folded=False)]


SAME = [
    (
        "net:\n  - 3x unit (4 + 2*i)",
        "net: [unit 4, unit 6, unit 8]",
    ),
    (
        "net:\n  - 2x: [conv 3x3 (4 + i), 2x unit (8 + i), (i)x relu]",
        "net: [conv 3x3 4, unit 8, unit 9, conv 3x3 5, unit 8, unit 9, relu]",
    ),
    (
        "net:\n  - for: d in [1, 2, 4]\n    do: conv 3x3 4 dilation=d",
        "net: [conv 3x3 4 dilation=1, conv 3x3 4 dilation=2, conv 3x3 4 dilation=4]",
    ),
    (
        "net(stages=[[2, 8], [1, 16]]):\n  - for: (n, width) in stages\n    do: [(n)x unit width, relu]",
        "net: [unit 8, unit 8, relu, unit 16, relu]",
    ),
    (
        "net:\n  - for: k in 3\n    do: unit (4 + k)",
        "net: [unit 4, unit 5, unit 6]",
    ),
    (
        "net(d=[1, 2]):\n  - for: k in d\n    do: [conv 3 (4 + i) dilation=k, 2x conv 1 (6 + i), conv 1 (8 + i)]",
        "net: [conv 3 4 dilation=1, conv 1 6, conv 1 7, conv 1 8, conv 3 5 dilation=2, conv 1 6, conv 1 7, conv 1 9]",
    ),
    (
        "net(ks=[3, 5]):\n  - 2x:\n      - concat: {for: k in ks, do: conv k (1 + i)}\n      - conv 1x1 (4 + i)",
        "net:\n  - concat: [conv 3 1, conv 5 2]\n  - conv 1x1 4\n  - concat: [conv 3 1, conv 5 2]\n  - conv 1x1 5",
    ),
    (
        "net(kernels=[3, 5]):\n  - concat: {for: k in kernels, do: dwconv k}",
        "net:\n  - concat: [dwconv 3, dwconv 5]",
    ),
    (
        "net(kernels=[3, 5]):\n  - split: {for: k in kernels, do: dwconv k}",
        "net:\n  - split: [dwconv 3, dwconv 5]",
    ),
    (
        "net(k=[3, 5, 7]):\n  - split: {for: one in k, do: dwconv one}\n    sizes: ([rest] + [c//3]*(len(k) - 1))",
        "net:\n  - split: [dwconv 3, dwconv 5, dwconv 7]\n    sizes: [2, 1, 1]",
    ),
    (
        "net(ks=[3, 5]):\n  - add: [identity, {for: k in ks, do: dwconv k}, conv 1x1 4]",
        "net:\n  - add: [identity, dwconv 3, dwconv 5, conv 1x1 4]",
    ),
    (
        "net(a=[elu, silu]):\n  - {for: f in a, do: conv 3x3 4 -> f}\n  - if: silu in a and a[0] == elu\n    then: elu",
        "net: [conv 3x3 4, elu, conv 3x3 4, silu, elu]",
    ),
    (
        "net(ws=[4, 8]):\n  - conv 3x3 (sum(ws + [4])) -> conv 3x3 (log2(c*h*w)) -> conv 1x1 (len(ws + ws))",
        "net: [conv 3x3 16, conv 3x3 10, conv 1x1 4]",
    ),
    (
        "net:\n  - flagged 8 twice\n  - flagged 8\n  - kernel 5",
        "net: [conv 3x3 8, conv 3x3 8, conv 3x3 8, conv 5x5 4]",
    ),
]
UNITS = """
  unit(channels): conv 3x3 channels
  flagged(channels, twice=false): [conv 3x3 channels, {if: twice, then: conv 3x3 channels}]
  kernel(k=1x1): conv k 4 pad=[k[0]//2, k[1]//2]"""


@pytest.mark.parametrize(("short", "long"), SAME)
def test_a_loop_is_what_it_stands_for(short: str, long: str) -> None:
    """The same layers, in the same order, on the same shapes, as when all is written out."""
    one, other = written(short, UNITS), written(long, UNITS)
    assert [text.split()[0] for text in layers(one)] == [text.split()[0] for text in layers(other)]
    assert one.cost == other.cost
    assert one.root.out == other.root.out
    assert depth(one) == depth(other)


def test_a_repeat_that_does_not_use_its_index_stays_folded() -> None:
    """A million copies beside copies with an index: the index of another repeat is none of theirs."""
    analysis = written(
        "net: [2x: [conv 3x3 (4 + i), 1000000x unit 4], 1000000x: [unit 4, 3x: conv 3x3 (4 + i), unit 4]]", UNITS
    )
    assert len(list(entries(analysis.root))) < 20
    assert depth(analysis) == 2 * 1_000_001 + 5_000_000


# All copies of a name

DENSE = "  - as x\n  - 3x: conv 3x3 8 -> relu -> as step\n  - concat: [from x, from all step]\n  - conv 1x1 4"


def test_all_copies_of_a_name_are_read() -> None:
    """VoVNet's one-shot aggregation: what enters and the result of every copy; nothing is unread."""
    analysis = written(f"net:\n{DENSE}")
    assert analysis.root.runs[-1].node.shape.channels == 4 + 3 * 8
    assert not any(one.unread or one.vain for one in spent(analysis))


@pytest.mark.parametrize(
    "outer", ["net:\n  - 2x:\n    - relu\n", "net:\n  - for: k in [4, 4]\n    do:\n    - conv 3x3 k\n"]
)
def test_copies_of_a_repeat_in_a_loop_are_those_of_its_copy(outer: str) -> None:
    """Inside, the three of this copy; after the loop, the six of both."""
    body = "\n".join(f"  {line}" for line in DENSE.splitlines())
    analysis = written(f"{outer}{body}\n  - concat: [from all step]")
    assert analysis.root.out.channels == 6 * 8


def test_a_name_of_copies_leaves_a_network() -> None:
    """``outputs`` may be all copies of a name."""
    analysis = written("net:\n  - 3x: conv 3x3 (4 + i) -> as p\noutputs: all p")
    assert [shape.channels for shape in analysis.outputs.values()] == [4, 5, 6]
    assert depth(analysis) == 3


# Blocks that use themselves

HOURGLASS = """
  hourglass(depth, channels):
    - add:
        - conv 3x3 channels
        - - maxpool 2 stride=2 -> conv 3x3 channels
          - if: depth > 1
            then: hourglass (depth-1) channels
            else: conv 3x3 channels
          - upsample 2"""


def test_a_block_may_use_itself_with_other_arguments() -> None:
    """An hourglass of depth 3 has three levels, each with two convolutions, and one more at the bottom."""
    analysis = written("net: hourglass 3 4", HOURGLASS)
    assert analysis.cost.params == (3 * 2 + 1) * 4 * 4 * 9
    assert analysis.root.out == analysis.root.shape
    assert depth(analysis) == 4


# Several tensors

EXCHANGE = """
  exchange(low, high):
    - add: [from low -> conv 3x3 4, from high -> conv 1x1 4 -> upsample 2]
    - as a
    - add: [from high -> conv 3x3 8, from low -> conv 3x3 8 stride=2]
    - as b
    - outputs: [a, b]"""
STREAMS = "  - as low\n  - conv 3x3 8 stride=2 -> as high\n"


def exchanged(copies: str, after: str = "  - from low") -> Analysis:
    """Analyse two streams that are exchanged so often, or so many times written out."""
    return written(f"net:\n{STREAMS}{copies}\n{after}\n", EXCHANGE)


def test_names_are_handed_from_copy_to_copy() -> None:
    """Four copies that hand on two tensors are the four written out, by every measure."""
    folded = exchanged("  - 4x: exchange low high -> as low high")
    names = ["low high", *(f"low{copy} high{copy}" for copy in range(4))]
    lines = [f"  - exchange {before} -> as {after}" for before, after in pairwise(names)]
    literal = exchanged("\n".join(lines), "  - from low3")
    assert folded.cost == literal.cost
    assert len(operations(folded).operations) == 2
    for measure in (depth, peak_elements, saved):
        assert measure(folded) == measure(literal)
    lost = [sum(one.vain for one in spent(analysis)) for analysis in (folded, literal)]
    assert lost[0] == lost[1] == 3


def test_a_million_copies_that_hand_on_two_tensors_cost_what_a_few_cost() -> None:
    """One operation; the depth is made by doubling, and what is unread by going round."""
    analysis = exchanged("  - 1000000x: exchange low high -> as low high")
    assert depth(analysis) == 1_000_001
    assert sum(one.vain for one in spent(analysis)) == 3
    assert peak_elements(analysis) == peak_elements(exchanged("  - 9x: exchange low high -> as low high"))


def test_a_shift_is_handed_on() -> None:
    """NASNet: each cell takes the results of the two before it."""
    blocks = """
  step(before, last):
    - add: [from last -> conv 3x3 4, from before -> conv 1x1 4]
    - as out
    - outputs: [last, out]"""
    net = "net:\n  - as a\n  - conv 3x3 4 -> as b\n"
    folded = written(f"{net}  - 5x: step a b -> as a b\n  - from b", blocks)
    assert depth(folded) == 6
    assert folded.cost.params == 5 * (144 + 16) + 144
    assert not any(one.vain for one in spent(folded))


LISTS = """
  streams(xs):
    - for: k in len(xs)
      do: from xs[k] -> conv 3x3 (8*(k + 1)) -> as y
    - outputs: all y"""


def test_one_name_of_several_tensors_is_a_list() -> None:
    """A list is passed to blocks, indexed, grown, handed on by copies, and joined."""
    analysis = written(
        "net:\n  - as x\n  - streams [x, x] -> as two\n  - streams (two + [x]) -> as all_three\n"
        "  - 3x: streams all_three -> as all_three\n  - from all_three[2] -> conv 1x1 4\n"
        "  - concat: [from all_three, from x]",
        LISTS,
    )
    assert analysis.root.out.channels == 8 + 16 + 24 + 4
    assert depth(analysis) == 1 + 1 + 3
    assert not any(one.vain and one.entry.layer.out.channels != 4 for one in spent(analysis))


def test_a_block_that_gives_several_is_analysed_alone(tmp_path: Path) -> None:
    """Its outputs are those of the answer, and both are read."""
    file = tmp_path / "two.yaml"
    file.write_text(
        "blocks:\n  two(channels):\n    - conv 3x3 channels -> as a\n    - conv 3x3 channels stride=2 -> as b\n"
        "    - outputs: [a, b]\n"
    )
    analysis = analyze_program(load(f"{file}:two"), Settings(channels=8).with_input("8x8x8"))
    assert {name: str(shape) for name, shape in analysis.outputs.items()} == {"a": "8×8×8", "b": "8×4×4"}
    assert depth(analysis) == 2
    assert not any(one.vain for one in spent(analysis))


def test_first_and_index_together() -> None:
    """The first copy has the options of ``first`` and the index 0."""
    analysis = written("net: 3x conv 3x3 (4 + i) first(stride=2)")
    assert [str(entry.layer.out) for entry in entries(analysis.root, folded=False)] == ["4×4×4", "5×4×4", "6×4×4"]
    assert isinstance(analysis.root, Series)


@pytest.mark.parametrize("times", [0, 1, 4])
@pytest.mark.parametrize("loop", ["{0}x:", "for: k in {0}\n    do:"])
def test_a_list_may_grow_from_copy_to_copy(loop: str, times: int) -> None:
    """Each copy hands one tensor more to the next: none is lost, and no two copies are taken for the same."""
    if "for" in loop and times == 0:
        return
    step = "from a -> grow t -> as t"
    body = f" {step}" if "x" in loop else f"\n      - {step}\n      - conv 1x1 (4 + 0*k)"
    text = """input: 4 x 8 x 8
blocks:
  grow(tensors):
    - add: [from tensors]
    - conv 1x1 4 -> as new
    - outputs: tensors + [new]
net:
  - conv 1x1 4 -> as a
  - conv 1x1 4 -> as b
  - grow [a, b] -> as t
"""
    found = bneck_cli.analyze(f"{text}  - {loop.format(times)}{body}\n  - concat: [from t]\n")
    assert found.root.out.channels == 4 * (3 + times)
