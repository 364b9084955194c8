"""What follows the list of operations equals what the literal expansion of a network has."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Flat, Writer

import bneck_cli
from bneck_cli.engine.network import entries
from bneck_cli.engine.operations import operations
from bneck_cli.flow.follow import depth
from bneck_cli.flow.receptive import reaches, receptive_field
from bneck_cli.flow.unread import spent
from bneck_cli.formats import Style, as_text
from bneck_cli.language.library import network_names
from bneck_cli.questions.analyze import report
from bneck_cli.questions.notes import unread_results
from bneck_cli.questions.rows import View, shown_rows

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.questions.rows import LayerRow

LAYERS = ["conv 3x3 4", "conv 1x1 4", "bn", "relu", "maxpool 3x3 stride=1 pad=1", "dropout", "conv 5x5 4 dilation=2"]
"""Each leaves its map as it is."""


def written(text: str) -> Analysis:
    return bneck_cli.analyze(text)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_depth_is_that_of_the_flat_expansion(seed: int) -> None:
    """Whatever crosses blocks, branches and repeats by name, the longest path is that through all layers."""
    analysis = written(Writer(Random(seed), [*LAYERS, "learned 4 x 9 x 9"]).spec(9))
    assert depth(analysis) == Flat(analysis).depth()


@pytest.mark.parametrize("name", network_names())
def test_depth_of_the_library_is_that_of_the_flat_expansion(name: str) -> None:
    """The bundled networks have the depth of all their layers written out."""
    analysis = written(name)
    assert depth(analysis) == Flat(analysis).depth()


ADDED = "unit(a): [conv 3x3 4, {add: [identity, from a]}]"
TAKEN = "unit(a): [from a -> conv 3x3 4]"
LONGER = "unit(a): [add: [conv 3x3 4, from a -> 9x conv 3x3 4]]"


@pytest.mark.parametrize(("unit", "copies", "layers"), [(ADDED, 11, 12), (TAKEN, 11, 2), (LONGER, 3, 12)])
def test_a_repeat_that_takes_a_named_tensor_starts_from_it_in_each_copy(unit: str, copies: int, layers: int) -> None:
    """The tensor that a copy takes by name is no deeper in later copies."""
    net = f"  - conv 3x3 4 -> as a\n  - {copies}x unit a\n"
    assert depth(written(f"input: 4 x 9 x 9\nblocks:\n  {unit}\nnet:\n{net}")) == layers


def test_a_million_copies_cost_what_two_cost() -> None:
    """The list holds one operation for them, and what follows it closes them by doubling."""
    text = (
        "input: 4 x 9 x 9\nblocks:\n  unit(a): [add: [conv 3x3 4 -> conv 3x3 4, from a -> conv 3x3 4]]\n"
        "net:\n  - conv 3x3 4 -> as a\n  - 1000000x unit a\n"
    )
    analysis = written(text)
    assert len(operations(analysis).operations) == 2
    assert depth(analysis) == 2_000_001
    (axis, _) = receptive_field(analysis).axes
    assert (axis.jump, axis.low, axis.high) == (1, -2_000_001, 2_000_001)


def test_blocks_that_double_are_listed_once() -> None:
    """A network of 2**19 convolutions is twenty parts."""
    blocks = "".join(f"  b{index}: b{index - 1} -> relu -> b{index - 1}\n" for index in range(1, 20))
    analysis = written(f"input: 4 x 9 x 9\nblocks:\n  b0: conv 3x3 4\n{blocks}net: b19\n")
    assert depth(analysis) == 2**19
    assert receptive_field(analysis).axes[0].size == 2**20 + 1


Rows = list[tuple[int, int] | None]
ROWS = 151
SEEING = ["conv 3x3 4", "conv 1x1 4", "relu", "conv 2x2 4 pad=(1,0,1,0)", "conv 3x3 4 dilation=2"]


def looked(analysis: Analysis, flat: Flat) -> list[Rows]:
    """Return, for each tensor of the expansion, the first and the last input row that each of its rows sees."""
    seen: list[Rows] = [[(row, row) for row in range(shape.spatial[0])] for shape in analysis.inputs.values()]  # type: ignore[misc]
    for layer, reads, _, _ in flat.steps:
        if layer.rule is None:
            ends = [seen[one] for one in (reads[:1] if layer.op == "scale" else reads)]
            seen.append([union(list(rows)) for rows in zip(*ends, strict=True)])
            continue
        window, rows = layer.rule.geometry(layer.shape), seen[reads[0]]
        if window is None:
            seen.append(rows)
            continue
        k, s, d, (top, _) = window.kernel[0], window.stride[0], window.dilation[0], window.padding[0]
        lines = [[row * s - top + tap * d for tap in range(k)] for row in range(layer.out.spatial[0])]
        seen.append([union([rows[tap] for tap in taps if 0 <= tap < len(rows)]) for taps in lines])
    return seen


def union(spans: list[tuple[int, int] | None]) -> tuple[int, int] | None:
    known = [span for span in spans if span is not None]
    if not known:
        return None
    lows, highs = zip(*known, strict=True)
    return min(lows), max(highs)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.booleans())
def test_every_layer_of_any_network_sees_just_these_rows(seed: int, strided: bool) -> None:
    """Each layer of each copy sees what is found literally, wherever its inputs are taken."""
    analysis = written(Writer(Random(seed), SEEING).spec(ROWS, "conv 3x3 4 stride=2" if strided else ""))
    flat = Flat(analysis)
    found, seen = reaches(analysis, folded=False), looked(analysis, flat)
    inputs = len(analysis.inputs)
    for index, entry in enumerate(entries(analysis.root, folded=False)):
        if entry.idle:
            continue
        reach, rows = found[entry.path], seen[inputs + index]
        assert reach.known
        axis = reach.axes[0]
        for row, span in enumerate(rows):
            first, last = axis.jump * row + axis.low, axis.jump * row + axis.high
            if span is not None:
                assert first <= span[0] <= span[1] <= last
            if first >= 0 and last < ROWS:
                assert span == (first, last)


STAGE = """input: 3 x 32 x 32
net:
  - conv 3x3 16 -> as a
  - conv 3x3 64 stride=2 -> as b
  - from a -> conv 3x3 8 stride=4 -> relu -> as third
  - unit 8 a
blocks:
  unit(channels, a):
    - add: [from a -> conv 3x3 channels, from a -> conv 1x1 channels]
"""


def test_a_stage_that_begins_with_another_tensor_shows_that() -> None:
    """A stage's row has the tensor that it takes by name for its input, and sees what follows from that."""
    shown, _ = shown_rows(written(STAGE), View(columns=("layer", "receptive_field", "jump"), depth=1))
    rows = {row.path: (str(row.shape), str(row.out), *row_reach(row)) for row in shown}
    assert rows["third"] == ("16×32×32", "8×8×8", 5, 4)
    assert rows["unit"] == ("16×32×32", "8×32×32", 5, 1)


def row_reach(row: LayerRow) -> tuple[int, int]:
    assert row.reach is not None
    return row.reach.axes[0].size, row.reach.axes[0].jump


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_what_leads_nowhere_is_that_of_the_flat_expansion(seed: int) -> None:
    """As many copies of each layer lead to no output, and are read by nobody, as when all is written out."""
    analysis = written(Writer(Random(seed), [*LAYERS, "learned 4 x 9 x 9"]).spec(9))
    flat = Flat(analysis)
    wanted = [Counter(id(step.layer) for step in steps) for steps in (flat.needless(), flat.unread())]
    found: list[Counter[int]] = [Counter(), Counter()]
    for one in spent(analysis):
        found[0][id(one.entry.layer)] += one.vain
        found[1][id(one.entry.layer)] += one.unread
    assert [+counts for counts in found] == wanted


DEAD = """input: 8 x 32 x 32
blocks:
  m(channels, a):
    - from a -> conv 3x3 channels
net:
"""


@pytest.mark.parametrize(
    ("net", "names", "params", "macs"),
    [
        ("  - as x\n  - conv 3x3 64 -> as dead\n  - from x -> conv 1x1 4\n", "dead.conv", 4608, 4608 * 1024),
        ("  - conv 1x1 8 -> as a\n  - 4x m 8 a\n", "m.0-3.conv (×3)", 3 * 576, 3 * 576 * 1024),
        ("  - conv 3x3 4 -> as y\n  - conv 3x3 100 -> bn\noutputs: [y]\n", "bn", 3800, 3600 * 1024),
        ("  - aside: linear 9 -> as aux\n  - conv 3x3 8\noutputs: [aux]\n", "conv", 576, 576 * 1024),
        ("  - as s\n  - conv 3x3 64 -> from s\n  - conv 3x3 4\n", "conv1", 4608, 4608 * 1024),
    ],
)
def test_a_note_names_what_nobody_reads(net: str, names: str, params: int, macs: int) -> None:
    """What is counted and leads to no output is said below the table, with its cost."""
    (note,) = unread_results(written(DEAD + net))
    lost = f"{params:,} params and {macs:,} MACs are counted that reach no output"
    assert note == f"the result of {names} is never used: {lost}"
    text = as_text(report(written(DEAD + net), View()), "text", Style())
    assert f"note: {note}" in text.replace("\n  ", " ")


@pytest.mark.parametrize("name", network_names())
def test_every_result_of_the_library_is_read(name: str) -> None:
    """No bundled network counts what leads to no output, but for WaveNet: its last layer hands on what nobody takes."""
    told = unread_results(written(name))
    assert [note.split(":")[0] for note in told] == ["the result of add30 is never used"] * (name == "wavenet")
    assert any(one.vain for one in spent(written(name))) == (name == "wavenet")


def test_a_layer_that_takes_nothing_leaves_what_arrives_unread() -> None:
    """`learned` reads no tensor: the convolution before it serves nothing, and the report says so, as lint does."""
    text = "input: 8 x 16\nnet:\n  - conv 3 8\n  - learned 8 x 16\n  - linear 8\n"
    analysis = bneck_cli.analyze(text)
    assert not analysis.found.in_a_row
    assert "the result of conv is never used: 192 params and 3,072 MACs" in analysis.text()
    assert [finding.path for finding in bneck_cli.lint(text).findings if finding.rule == "unread-result"] == ["conv"]
    assert bneck_cli.analyze("input: 8 x 16\nnet: conv 3 8 -> linear 8\n").found.in_a_row
