"""Families of designs: what a tape works out for many is what a walk works out for each."""

from __future__ import annotations

import json
import operator
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import bneck, run

from bneck_cli.engine.analysis import analyze_plainly, analyze_program
from bneck_cli.engine.settings import Settings, read_settings
from bneck_cli.errors import BneckError
from bneck_cli.language.document import Source
from bneck_cli.language.library import load, network_names, resolve
from bneck_cli.sizes.number import divided
from bneck_cli.spaces.arrays import Part, followed, results
from bneck_cli.spaces.axes import chosen, grid, parse_axis, zipped
from bneck_cli.spaces.choosing import Best, Front, condition, front, holds
from bneck_cli.spaces.space import BLOCK, TOTALS, Space
from bneck_cli.spaces.tape import Tape
from bneck_cli.spaces.traced import Traced
from bneck_cli.spaces.trail import Branch, Trail

if TYPE_CHECKING:
    from pathlib import Path

# The tape

BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "min": min,
    "max": max,
    "if": lambda a, b: a + 1 if a < b else b - a if a == b else b,
    "or": lambda a, b: a or b,
    "index": lambda a, b: a if a % 3 else range(10**30)[b % 7],
    "hash": lambda a, b: {a % 3: a}.get(b % 3, b),
    "power": lambda a, b: (a % 97) ** 2 - b,
    "divmod": lambda a, b: divmod(a, b)[1],
}
"""What rules do with numbers: arithmetic, decisions by them, and what takes the value out of a number."""


def worked_out(steps: list[tuple[str, int, int]], numbers: list[Any]) -> Any:
    """Apply steps to numbers, each to two earlier results."""
    values = list(numbers)
    for name, left, right in steps:
        values.append(BINARY[name](values[left % len(values)], values[right % len(values)]))
    return values[-1]


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(BINARY)), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=9
    ),
    st.lists(st.tuples(*[st.integers(-5, 40) | st.integers(2**31 - 3, 2**33)] * 3), min_size=1, max_size=25),
)
@settings(max_examples=300, deadline=None)
def test_the_tape_computes_what_python_does(
    steps: list[tuple[str, int, int]], designs: list[tuple[int, int, int]]
) -> None:
    """Whatever is done with traced numbers, every design has its own result, or its own division by zero."""
    tape, root = Tape(), Branch()
    columns = [numpy.array(column) for column in zip(*designs, strict=True)]
    variables = [tape.variable(int(column.min()), int(column.max())) for column in columns]
    known = {
        at: column if tape.value_of(at) is None else tape.value_of(at)
        for at, column in zip(variables, columns, strict=True)
    }
    found: dict[int, Any] = {}
    waiting = [(Part(tape, known), root)]
    while waiting:
        for part, branch in followed(*waiting.pop()):
            numbers = list(range(len(designs))) if part.numbers() is None else part.numbers().tolist()
            if branch.leaf is None:
                trail = Trail(tape, root)
                traced = [trail.variable(at, value) for at, value in zip(variables, designs[numbers[0]], strict=True)]

                def work(traced: list[Any] = traced) -> tuple[Any, ...]:
                    try:
                        return (worked_out(steps, [*traced, 3]),)
                    except ZeroDivisionError:
                        raise BneckError("division by zero") from None

                trail.follow(work)
                waiting.append((part, branch))
                continue
            for index, number in enumerate(numbers):
                values = [] if branch.leaf.refusal else results(part, branch.leaf)
                found[number] = [int(value if isinstance(value, int) else value[index]) for value in values]
    for number, design in enumerate(designs):
        try:
            expected = [int(worked_out(steps, [*design, 3]))]
        except ZeroDivisionError:
            expected = []
        assert found[number] == expected


def test_a_traced_number_is_never_taken_for_its_value() -> None:
    """What takes the value out settles that the design has it, so designs with another value go another way."""
    tape, root = Tape(), Branch()
    trail = Trail(tape, root)
    number = trail.variable(tape.variable(1, 9), 4)
    assert isinstance(number, int)
    assert type(number) is Traced
    assert root.guard is None
    assert ["a", "b", "c", "d", "e"][number] == "e"
    assert root.guard is not None
    settled = trail.branch
    assert {4: "four"}[number] == "four"
    assert trail.branch is settled, "it is known to be 4 already"


# Spaces


def wrong(space: Space, asked: Settings) -> list[Any]:
    """Compare every design of a space with a walk of its own; return those that differ."""
    bad = []
    for block in space.blocks():
        reasons = {int(number): refusal.reason for refusal in block.refusals for number in refusal.numbers}
        assert set(reasons) == set(numpy.flatnonzero(~block.legal).tolist())
        for index in range(len(block.legal)):
            values = [divided(int(v[index]), a.below) for v, a in zip(block.values, space.designs.axes, strict=True)]
            found = [int(block.totals[name][index]) for name in space.totals] if block.legal[index] else None
            try:
                analysis = analyze_plainly(space.program, space.varied.settings(values))
                expected = [TOTALS[name](analysis) for name in space.totals]
            except BneckError:
                expected = None
            if found != expected:
                bad.append((values, found, expected, reasons.get(index)))
    return bad


COSTS = tuple(TOTALS)


@pytest.mark.parametrize("name", network_names())
def test_designs_of_a_network_are_what_each_is_by_itself(name: str) -> None:
    """Of random inputs, refused ones and sizes near 2**32 included."""
    program = load(name)
    axis = "side=1:400" if len(program.spec.inputs) == 1 else "batch=1:400"
    designs = chosen([parse_axis(axis)], 4, seed=len(name))
    assert wrong(Space(program, Settings(), designs, COSTS[:-1]), Settings()) == []


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("bottleneck", ["channels=4:512:4", "side=1:80", "width=1:90", "stride=1:3"]),
        ("basic", ["channels=1:96", "stride=1:4", "H=1:33", "W=1:33"]),
        ("resnext", ["channels=16:512:16", "groups=1:40", "group_width=1:8"]),
        ("inverted_residual", ["channels=8:96:4", "expansion=1:8", "stride=1:2"]),
        ("se_bottleneck", ["channels=16:512:16", "side=1:30"]),
        ("encoder", ["channels=16:256", "heads=1:16"]),
        ("efficientnet_b0", ["width=0.1:2:0.1", "depth=0.1:3.1:0.1", "side=16:300"]),
        ("mobilenet_v2", ["width=0.25:2:0.05", "classes=1:2000", "batch=1:64"]),
        ("mobilenet_v3_large", ["classes=1:50", "side=1:300"]),
        ("vit_b_16", ["side=1:400", "classes=1:9"]),
        ("swin_t", ["H=1:300", "W=1:300"]),
        ("unet", ["H=1:100", "W=1:100"]),
        ("mobilenet_v1", ["width=0.05:2:0.05", "side=20:300"]),
        ("llama3_8b", ["depth=1:9", "heads=8:64:8", "channels=512:4096:128", "L=1:4096", "past=0:4096", "batch=1:9"]),
    ],
)
def test_designs_with_many_axes_are_what_each_is_by_itself(name: str, axes: list[str]) -> None:
    """Widths, depths, groups and strides: what rounds, divides, repeats and is refused."""
    asked = read_settings(in_channels="64") if name == "inverted_residual" else Settings()
    designs = chosen([parse_axis(text) for text in axes], 24, seed=3)
    assert wrong(Space(load(name), asked, designs, COSTS), asked) == []


DEPTHS = """
input: 3 x 64 x 64
include: blocks/resnet
net(depths=[2, 2, 2], widths=[64, 128, 256], classes=10):
  - conv 7x7 widths[0] stride=2 -> bn -> relu
  - (depths[0])x basic (widths[0])
  - (depths[1])x basic (widths[1]) first(stride=2)
  - (depths[2])x basic (widths[2]) first(stride=2)
  - global_avgpool -> linear classes
"""


def test_items_of_lists_vary() -> None:
    """The depth of a stage and the width of a stage are one item of a list each; a depth of 0 is one too."""
    program = resolve(Source("own.yaml", DEPTHS))
    axes = [parse_axis(text) for text in ("depths[1]=0:5", "depths[2]=0:4", "widths[1]=8:64:8", "side=32:64")]
    space = Space(program, Settings(), chosen(axes, 80, seed=5), COSTS)
    assert wrong(space, Settings()) == []
    assert space.walks < 40


def test_a_space_needs_few_walks() -> None:
    """A hundred thousand bottlenecks take the same way, whatever their width, their map and their channels."""
    axes = [parse_axis(text) for text in ("channels=4:400:4", "side=1:50", "width=1:20")]
    space = Space(load("bottleneck"), Settings(), grid(axes), ("params", "macs"))
    assert sum(len(block.legal) for block in space.blocks()) == 100 * 50 * 20
    assert space.walks == 1


RATIOS = """
input: 8 x 9 x 9
blocks:
  b(wide, again): (again)x conv 1x1 wide
net(width=1, depth=2, list=[4, 6]):
  - for: k in list + [8] * (depth / 2 + 1)
    do: conv 1x1 k
  - b round8(40*width) (depth / 2)
  - conv 1x1 (12 * width if width / 2 != 1 else 3)
  - b (ceil(width)) ((width + width) // 2)
"""


def test_a_ratio_is_whole_only_where_it_must_be() -> None:
    """What rounds takes a ratio as it is; a width, a depth and a condition ask whether it is whole."""
    axes = [parse_axis("width=0:3:0.25"), parse_axis("depth=0:4:0.5"), parse_axis("list[1]=1:3:0.5")]
    space = Space(resolve(Source("own.yaml", RATIOS)), Settings(), grid(axes), ("params", "macs"))
    assert wrong(space, Settings()) == []
    assert sum(block.legal.sum() for block in space.blocks())


@pytest.mark.parametrize(
    ("name", "axes", "walks"),
    [
        ("efficientnet_b0", ["width=0.5:2:0.01", "depth=0.5:3:0.05", "side=64:512:32"], 30),
        ("mobilenet_v2", ["width=0.25:2:0.05", "side=32:512:8"], 8),
    ],
)
def test_families_that_round_need_few_walks(name: str, axes: list[str], walks: int) -> None:
    """Whether a width is whole before it is rounded makes no difference, nor does a map of one position."""
    space = Space(load(name), Settings(), grid([parse_axis(text) for text in axes]), ("params", "macs"))
    assert all(block.legal.all() for block in space.blocks())
    assert space.walks < walks


def test_sizes_beyond_64_bits_are_exact() -> None:
    """Where a product does not fit into 64 bits, Python's own integers are used."""
    axes = [parse_axis("side=4294967290:4294967294"), parse_axis("channels=1048576:1048578")]
    space = Space(load("basic"), Settings(), grid(axes), COSTS)
    assert wrong(space, Settings()) == []
    (block,) = space.blocks()
    assert max(block.totals["macs"].tolist()) > 2**64


# Axes


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("width=0.25:1:0.25", [divided(1, 4), divided(1, 2), divided(3, 4), 1]),
        ("H=128:512:128", [128, 256, 384, 512]),
        ("channels=64, 128,256", [64, 128, 256]),
        ("n=3:5", [3, 4, 5]),
        ("n=1:2:0.3", [1, divided(13, 10), divided(8, 5), divided(19, 10)]),
    ],
)
def test_an_axis_has_these_values(text: str, values: list[Any]) -> None:
    """A range includes its last value where a step meets it."""
    axis = parse_axis(text)
    assert [axis.value(index) for index in range(len(axis.above))] == values


@pytest.mark.parametrize(
    "text",
    [
        *("", "width", "=3", "width=", "width=a", "width=1:2:0", "width=3:2", "w=1:2:3:4", "w=1,1", "w=1,,2", "w=-1"),
        *("w=1:9999999", "w=1e9", "w=\u00b2", "w[=3", "w[12345]=3", "w=" + "9" * 40),
    ],
)
def test_what_is_no_axis_is_told(text: str) -> None:
    """One message, which quotes it."""
    with pytest.raises(BneckError, match="--vary"):
        parse_axis(text)


@pytest.mark.parametrize(
    ("name", "axes", "message"),
    [
        ("resnet50", ["depth=1:3"], "'depth' cannot vary here"),
        ("resnet50", ["classes[0]=1:3"], "no classes"),
        ("resnet50", ["side=0:3"], "a whole number from 1"),
        ("resnet50", ["side=0.5:3:0.5"], "a whole number from 1"),
        ("bottleneck", ["width=1:3", "width=4"], "given twice"),
        ("resnet50", ["side=1:1000000", "classes=1:1000000"], "too much work"),
    ],
)
def test_what_cannot_vary_is_told(name: str, axes: list[str], message: str) -> None:
    """Before anything is walked."""
    with pytest.raises(BneckError, match=message):
        Space(load(name), Settings(), grid([parse_axis(text) for text in axes]), COSTS)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("macs * macs * 4 > 10**19", [2]),
        ("macs ** 3 > 10**27", [2]),
        ("macs // (macs - 1000) > 0", [2]),
        ("macs % (macs - 1000) < 1", [0]),
        ("macs / (macs - 1000) != 1", [0, 1, 2]),
        ("macs + 2**62 > 2**62 + 10**9", [2]),
    ],
)
def test_a_condition_is_exact(text: str, kept: list[int]) -> None:
    """Beyond 64 bits whole numbers stay whole, and a design in which it divides by 0 meets nothing."""
    columns = {"macs": numpy.array([999, 1000, 2 * 10**9])}
    assert numpy.flatnonzero(holds(condition(text, columns), columns)).tolist() == kept


@pytest.mark.parametrize(
    "text", ["1/0 < macs", "9**9**9**9 < macs", "2**macs > 1", "macs**0.5 > 1", "macs ** (0-1) > 1"]
)
def test_a_condition_is_bounded(text: str) -> None:
    """What cannot be worked out is told at its place, at once."""
    columns = {"macs": numpy.array([999, 1000])}
    with pytest.raises(BneckError, match="--keep"):
        holds(condition(text, columns), columns)


def test_a_size_that_stays_a_symbol_is_told() -> None:
    """A design has numbers: what is left as a formula is refused in the symbol's name."""
    asked = read_settings("3xHxW")
    block = Space(load("alexnet"), asked, grid([parse_axis("H=224:225")]), ("macs",)).block(0, 2)
    assert not block.legal.any()
    assert {refusal.reason for refusal in block.refusals} == {"macs is still a formula: give W a value, or vary it"}


def test_designs_are_numbered_the_same_in_any_block() -> None:
    """A grid's last axis changes fastest; side by side needs equal lengths; chance is the same for the same seed."""
    axes = [parse_axis("a=1:3"), parse_axis("b=1:4")]
    whole = [column.tolist() for column in grid(axes).columns(0, 12)]
    assert list(zip(*whole, strict=True)) == [(a, b) for a in range(3) for b in range(4)]
    assert [column.tolist() for column in grid(axes).columns(5, 8)] == [column[5:8] for column in whole]
    assert [c.tolist() for c in zipped([axes[0], axes[0]._replace(name="c")]).columns(0, 3)] == [[0, 1, 2]] * 2
    with pytest.raises(BneckError, match="a has 3, b has 4"):
        zipped(axes)
    first, again = chosen(axes, 9, 1).columns(0, 9), chosen(axes, 9, 1).columns(0, 9)
    assert [c.tolist() for c in first] == [c.tolist() for c in again]
    assert [c.tolist() for c in first] != [c.tolist() for c in chosen(axes, 9, 2).columns(0, 9)]


def test_shards_are_the_whole() -> None:
    """Every block is in one part, and is the same there as alone."""
    designs = grid([parse_axis("a=1:1000"), parse_axis("b=1:100")])
    whole = list(designs.blocks(BLOCK))
    parts = [block for part in range(3) for block in designs.blocks(BLOCK, part, 3)]
    assert sorted(parts) == whole
    assert whole[-1][1] == designs.number


# Choosing


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=30), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_the_front_is_what_no_other_beats(rows: list[tuple[int, int, int]], width: int) -> None:
    """By trying every pair; of equal rows one is there."""
    rows = [row[:width] for row in rows]  # type: ignore[misc]
    found = [rows[number] for number in front([numpy.array(column) for column in zip(*rows, strict=True)])]
    beaten = {
        row
        for row in rows
        for other in rows
        if other != row and all(theirs <= mine for theirs, mine in zip(other, row, strict=True))
    }
    assert sorted(found) == sorted(set(rows) - beaten)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=5), st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_chosen_as_they_come_is_chosen_from_all(blocks: list[list[int]], most: int) -> None:
    """The best and the front of designs that come in blocks are those of all of them together."""
    flat = [(a, 9 - a % 4) for block in blocks for a in block]
    best, edge = Best(most, "a", maximize=True), Front(["a", "b"], ["b"])
    for block in blocks:
        columns = {"a": numpy.array(block), "b": numpy.array([9 - a % 4 for a in block])}
        best.add(columns)
        edge.add(columns)
    assert best.columns["a"].tolist() == sorted((a for a, _ in flat), reverse=True)[:most]
    everything = front([numpy.array([a for a, _ in flat]), numpy.array([-b for _, b in flat])])
    assert list(zip(edge.columns["a"].tolist(), edge.columns["b"].tolist(), strict=True)) == [
        flat[n] for n in everything
    ]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("macs < 4.1G and params<25M", [0]),
        ("macs / params > 100 or not params < 30M", [0, 1, 2]),
        ("macs // 1000000 == 4000", [0]),
        ("(width*4) == 3", [1]),
        ("macs >= 8,000,000,000", [1, 2]),
    ],
)
def test_a_condition_is_worked_out_for_all(text: str, kept: list[int]) -> None:
    """Figures bear their units, and a parameter is a column too."""
    columns = {
        "macs": numpy.array([4_000_000_000, 8_000_000_000, 9_000_000_000]),
        "params": numpy.array([20_000_000, 30_000_000, 40_000_000]),
        "width": numpy.array([0.5, 0.75, 1.0]),
    }
    assert numpy.flatnonzero(holds(condition(text, columns), columns)).tolist() == kept


@pytest.mark.parametrize("text", ["", "macs", "flops<3", "macs<", "macs<3 and", "min(macs, 3)", "macs < 3x4", "[macs]"])
def test_what_is_no_condition_is_told(text: str) -> None:
    """At the word that is wrong."""
    with pytest.raises(BneckError):
        condition(text, ["macs", "params"])


# The command


def test_a_sweep_is_read_by_pandas_and_saved_as_a_spec(tmp_path: Path) -> None:
    """The best of a sweep is a spec that has the totals of its row."""
    saved, table = tmp_path / "best.yaml", tmp_path / "sweep.csv"
    options = ["--vary", "width=0.25:1.4:0.05", "--vary", "side=96:224:32", "--keep", "macs < 300M"]
    chosen = ["--best", "5", "--maximize", "macs", "--save", str(saved), "-o", str(table)]
    assert bneck("sweep", "mobilenet_v2", *options, *chosen) == ""
    header, first, *others = table.read_text().splitlines()
    assert header == "width,side,params,macs"
    assert len(others) == 4
    cost = analyze_program(load(str(saved))).cost
    assert [str(cost.params), str(cost.macs)] == first.split(",")[2:]
    assert all(int(row.split(",")[3]) <= cost.macs < 300_000_000 for row in others)


def test_parts_of_a_sweep_are_the_whole() -> None:
    """Shards hold every row once; JSON lines hold what CSV does."""
    options = ["sweep", "bottleneck", "--vary", "channels=4:1024:4", "--vary", "side=1:300", "--columns", "macs"]
    whole = bneck(*options, "--format", "csv").splitlines()
    parts = [bneck(*options, "--format", "csv", "--shard", f"{part}/2").splitlines() for part in (1, 2)]
    assert len(whole) == 256 * 300 + 1
    assert sorted(parts[0][1:] + parts[1][1:]) == sorted(whole[1:])
    lines = bneck(*options[:3], "channels=64", *options[4:], "--format", "jsonl").splitlines()
    macs = analyze_program(load("bottleneck"), read_settings(channels="64")).cost.macs
    assert json.loads(lines[55]) == {"channels": 64, "side": 56, "macs": macs}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--vary", "depth=1:3"], "cannot vary here"),
        (["--vary", "sid=1:3"], "did you mean 'side'?"),
        (["--vary", "side=9:3"], "is empty: the last value is below the first"),
        (["--vary", "side=1:3", "--shard", "x"], "'x' is not a part"),
        (["--vary", "side=1:3", "-o", "no/such.csv"], "no/such.csv: cannot be written: no such file or directory"),
        (["--vary", "side=1:3", "-o", "."], ".: cannot be written: is a directory"),
        (["--vary", "side=1:3", "--random", "1000000000000"], "1,000,000,000,000 designs"),
        (["--vary", "side=1:3", "--columns", "flops"], "unknown total"),
        (["--vary", "side=1:3", "--keep", "mac < 3"], "did you mean 'macs'"),
        (["--vary", "side=1:3", "--shard", "3/2"], "--shard"),
        (["--vary", "side=1:3", "--keep", "macs < 1", "--save", "none.yaml"], "nothing to save"),
        (["--vary", "side=1:1000000", "--vary", "classes=1:1000000"], "too much work"),
    ],
)
def test_bad_use_gets_one_message(words: list[str], message: str, tmp_path: Path) -> None:
    """And exit code 1."""
    done = run("sweep", "resnet50", *words, folder=tmp_path)
    assert done.code == 1
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    """One message, and no part of a table."""
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    words = f"sweep resnet50 --vary side=1:200 --vary classes=1:300 -o big.{suffix}"
    line = f"ulimit -f 8; {sys.executable} -m bneck_cli {words}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (1, f"error: big.{suffix}: cannot be written: file too large\n")
    assert list(tmp_path.iterdir()) == []


def test_a_ratio_is_told_as_it_is_by_itself() -> None:
    """A refusal that names a ratio of what varies has the decimal of the first of the designs."""
    space = Space(load("resnet50"), Settings(), grid([parse_axis("channels=370:371")]), ("params",))
    (block,) = space.blocks()
    for refusal in block.refusals:
        values = [int(block.values[0][refusal.numbers[0]])]
        with pytest.raises(BneckError) as told:
            analyze_plainly(space.program, space.varied.settings(values))
        assert refusal.reason == told.value.message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--seed 3", "--seed needs --random"),
        ("--zip --random 3", "--zip and --random exclude each other"),
        ("--best 3 --minimize macs --maximize params", "--minimize and --maximize exclude each other"),
        ("--minimize macs", "need --best or --pareto"),
        ("--refused --best 3", "which cannot be kept"),
        ("--refused --pareto macs", "which cannot be kept"),
    ],
)
def test_an_option_without_effect_is_refused(words: str, message: str) -> None:
    """What would change nothing is a wrong request."""
    done = run("sweep", "basic", "--vary", "channels=8,16", *words.split())
    assert done.code == 2
    assert message in " ".join(done.err.replace("│", " ").split())
