"""Two networks layer by layer: what is said to differ is what was changed, and every difference adds up."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.formats import Style, as_text
from bneck_cli.questions.alignment import Change
from bneck_cli.questions.diff import Diff, diff, ranges, within
from bneck_cli.questions.diff_report import report
from bneck_cli.sizes.evaluation import evaluate

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis

WIDTHS, DEPTHS = (64, 128, 256, 512), (3, 4, 6, 3)
PIPE = Style()
UNIT = "blocks:\n  unit():\n    - conv 3x3 8 -> relu\n"
MADE = settings(max_examples=60, deadline=None, derandomize=True)


def between(
    one: str, other: str, ours: dict[str, object] | None = None, theirs: dict[str, object] | None = None
) -> Diff:
    """Diff two bundled networks at their own settings."""
    return diff(bneck_cli.analyze(one, **(ours or {})), bneck_cli.analyze(other, **(theirs or {})), (one, other))


def net(body: list[str], blocks: str = "", input: str = "3 x 64 x 64") -> Analysis:
    """Analyse a net given by its steps."""
    steps = "".join(f"  - {step}\n" for step in body)
    return bneck_cli.analyze(f"name: made\ninput: {input}\n{blocks}net:\n{steps}")


def adds_up(found: Diff) -> bool:
    """Tell whether each total's difference is that of the pairs, plus what was added, less what was removed."""
    totals = {total.key: total for total in found.totals}
    for key in ("params", "macs", "activations"):
        pairs = sum(getattr(p.other.layer.cost, key) - getattr(p.one.layer.cost, key) for p in found.pairs)
        added = sum(getattr(entry.layer.cost, key) for entry in found.added)
        removed = sum(getattr(entry.layer.cost, key) for entry in found.removed)
        lines = sum(getattr(line.cost, key) for line in found.lines)
        if not totals[key].difference == pairs + added - removed == lines:
            return False
    return True


def settings_changed(found: Diff) -> dict[str, list[str]]:
    """Give the settings that differ, by the path in the first network."""
    return {pair.one.path: [str(change) for change in pair.settings] for pair in found.pairs if pair.settings}


def seen(stride_first: bool) -> int:
    """Work out what the last map of a ResNet-50 sees, window by window: each adds (k-1) times the step so far."""
    size, step = 1, 1
    windows = [(7, 2), (3, 2)]
    for stage, depth in enumerate(DEPTHS):
        for index in range(depth):
            stride = 2 if stage and not index else 1
            windows += [(1, stride), (3, 1)] if stride_first else [(1, 1), (3, stride)]
    for kernel, stride in windows:
        size += (kernel - 1) * step
        step *= stride
    return size


# Known pairs of networks


def test_the_two_resnet50() -> None:
    """Between torchvision's ResNet-50 and the paper's the stride moved, and nothing else did."""
    found = between("resnet50", "resnet50_v1")
    saved = 3 * (56 * 56 * 256 * 128) * 3 // 4  # three squeezing 1x1, each on a quarter of the positions
    assert 4089184256 - saved == 3857973248
    assert (seen(stride_first=False), seen(stride_first=True)) == (427, 483)
    assert found.conclusion == (
        (
            "Compared with resnet50, resnet50_v1 has the same weights (25,557,032), "
            f"{saved / 4089184256:.1%} fewer multiply-adds (3,857,973,248 against 4,089,184,256) "
            "and a receptive field of 483 instead of 427, because the stride 2 moved from conv2 (3x3) to conv1 (1x1) "
            "in the first block of three stages."
        ),
    )
    assert "5.7%" in found.conclusion[0]
    percents = {total.key: total.percent for total in found.totals}
    assert percents["macs"] == pytest.approx(-100 * saved / 4089184256)
    assert percents["params"] == 0
    assert not found.added
    assert not found.removed
    assert settings_changed(found) == {
        f"layer{stage}.0.{conv}": [change]
        for stage in (2, 3, 4)
        for conv, change in (("conv1", "stride 1 -> 2"), ("conv2", "stride 2 -> 1"))
    }
    assert [(move.block, move.source.one.path, move.target.one.path) for move in found.moves] == [
        (f"layer{stage}.0", f"layer{stage}.0.conv2", f"layer{stage}.0.conv1") for stage in (2, 3, 4)
    ]
    first = found.lines[0]
    assert (first.paths, first.layers, first.cost.params, first.cost.macs) == (("layer2-4.0",), 6, 0, -saved)
    assert first.text == "the stride 2 moved from conv2 (3x3) to conv1 (1x1)"
    resized = [pair.one.path for pair in found.changed if not pair.settings]
    assert resized == [f"layer{stage}.0.{name}" for stage in (2, 3, 4) for name in ("bn1", "relu1")]
    assert adds_up(found)


def test_a_network_beside_itself() -> None:
    """A network does not differ from itself, and the diff says so plainly."""
    found = between("resnet50", "resnet50")
    assert found.conclusion == ("resnet50 (1) and resnet50 (2) have the same layers, sizes and costs.",)
    assert not found.lines
    assert len(found.pairs) == 1 + 1 + 1 + 1 + sum(DEPTHS) * 10 + len(DEPTHS) * 2 + 2  # stem, blocks, shortcuts, head
    assert all(total.difference == 0 for total in found.totals)


def test_a_deeper_network() -> None:
    """ResNet-34 is ResNet-18 with one, two, four and one more blocks, and no layer of the others differs."""
    found = between("resnet18", "resnet34")
    more = (1, 2, 4, 1)
    params = sum(count * (2 * 9 * width**2 + 2 * 2 * width) for count, width in zip(more, WIDTHS, strict=True))
    macs = sum(more) * 2 * 9 * 64**2 * 56**2  # half the side, twice the channels: as much in each stage
    assert (params, macs) == (21797672 - 11689512, 3663761408 - 1814073344)
    assert not found.changed
    assert not found.removed
    assert [(line.mark, line.paths, line.layers) for line in found.lines] == [
        ("+", ("layer1.2",), 7),
        ("+", ("layer2.2-3",), 14),
        ("+", ("layer3.2-5",), 28),
        ("+", ("layer4.2",), 7),
    ]
    assert found.conclusion == (
        (
            f"Compared with resnet18, resnet34 has {21797672 / 11689512:.3g} times as many parameters "
            f"(21,797,672 against 11,689,512), {3663761408 / 1814073344:.3g} times as many multiply-adds "
            "(3,663,761,408 against 1,814,073,344), a depth of 34 instead of 18 and a receptive field of 899 "
            "instead of 435."
        ),
        f"It adds {sum(more) * 7} layers ({params:,} params, {macs:,} MACs).",
    )
    assert sum(count * 4 * step for count, step in zip(more, (4, 8, 16, 32), strict=True)) == 899 - 435  # two 3x3 each
    assert adds_up(found)


def test_other_classes() -> None:
    """With ten classes only the linear layer differs: 990 rows of 2048 weights and a bias."""
    found = between("resnet50", "resnet50", theirs={"classes": 10})
    assert settings_changed(found) == {"linear": ["channels 1000 -> 10"]}
    (pair,) = found.changed
    assert (pair.cost.params, pair.cost.macs) == (-990 * 2049, -990 * 2048)
    assert found.conclusion == (
        (
            f"Compared with resnet50 (1), resnet50 (2) has {990 * 2049 / 25557032:.1%} fewer parameters "
            "(23,528,522 against 25,557,032) and 2,027,520 fewer multiply-adds (4,087,156,736 against 4,089,184,256)."
        ),
        "Of the layers in both, only linear has other settings: channels 1000 -> 10.",
    )
    assert (25557032 - 990 * 2049, 4089184256 - 990 * 2048) == (23528522, 4087156736)
    assert adds_up(found)


def test_keras_has_biases() -> None:
    """Keras's ResNet-50 differs from the paper's by a bias in each of its 53 convolutions, 26,560 in all."""
    found = between("resnet50_v1", "resnet50_keras")
    biases = 64 + sum(d * (w + w + 4 * w) + 4 * w for w, d in zip(WIDTHS, DEPTHS, strict=True))
    assert biases == 26560
    assert {tuple(changes) for changes in settings_changed(found).values()} == {("bias false -> true",)}
    assert len(settings_changed(found)) == len(found.changed) == 1 + 3 * sum(DEPTHS) + 4
    (line,) = found.lines
    assert (line.layers, line.cost.params, line.cost.macs) == (53, biases, 0)
    assert found.conclusion == (
        (
            "Compared with resnet50_v1, resnet50_keras has 0.1% more parameters (25,583,592 against 25,557,032) "
            "and the same number of multiply-adds (3,857,973,248)."
        ),
        "Of the layers in both, 53 differ in bias.",
    )
    assert adds_up(found)


def test_no_single_reason_is_claimed() -> None:
    """Where strides moved and biases came, the diff tells both and says "because" of neither."""
    found = between("resnet50", "resnet50_keras")
    assert not any("because" in sentence for sentence in found.conclusion)
    assert found.conclusion[1:] == (
        "The stride 2 moved from conv2 (3x3) to conv1 (1x1) in the first block of three stages.",
        "Of the layers in both, 53 differ in bias.",
    )
    by_text = {line.text.split(", output")[0]: line for line in found.lines}
    assert by_text["bias false -> true"].cost.macs == 0  # a bias costs no multiply-adds, so none stand beside it
    assert by_text["stride 1 -> 2, bias false -> true"].cost.macs == 3857973248 - 4089184256
    assert adds_up(found)


def test_a_larger_input() -> None:
    """At another resolution every setting and weight is the same, and only sizes differ."""
    found = between("resnet50", "resnet50", theirs={"input": "320x320"})
    macs = (4089184256 - 2048000) * 100 // 49 + 2048000  # every map has (10/7)² of its positions
    assert not settings_changed(found)
    assert all(pair.cost.params == 0 for pair in found.pairs)
    assert found.conclusion[:3] == (
        (
            "Compared with resnet50 (1), resnet50 (2) has the same weights (25,557,032) and "
            f"{macs / 4089184256:.3g} times as many multiply-adds ({macs:,} against 4,089,184,256)."
        ),
        "Every layer has the same settings; only sizes differ.",
        "The input is 3×320×320, not 3×224×224.",
    )
    assert adds_up(found)


def test_the_same_under_other_names() -> None:
    """Names of stages alone are no difference."""
    one = net(["2x unit -> as early", "global_avgpool"], UNIT)
    other = net(["2x unit -> as late", "global_avgpool"], UNIT)
    found = diff(one, other, ("a", "b"))
    assert found.conclusion == ("a and b have the same layers, sizes and costs, under other names.",)


def test_symbolic_sizes() -> None:
    """Differences of symbolic sizes are exact: at 224 they are those of numbers, and there is no percent of them."""
    found = between("resnet50", "resnet50_v1", {"input": "3xHxW"}, {"input": "3xHxW"})
    macs = next(total for total in found.totals if total.key == "macs")
    assert evaluate(macs.difference, {"H": 224, "W": 224}) == 3857973248 - 4089184256
    assert macs.percent is None
    assert len(found.moves) == 3
    assert adds_up(found)
    same = between("resnet50", "resnet50", {"input": "3xHxW"}, {"input": "3xHxW"})
    assert not same.lines


def test_a_batch_multiplies() -> None:
    """With a batch the multiply-adds of layers add up to those of the batch; weights are counted once."""
    found = between("resnet50", "resnet50", {"batch": 2}, {"batch": 6})
    totals = {total.key: total.difference for total in found.totals}
    assert (totals["params"], totals["macs"]) == (0, 4 * 4089184256)
    assert adds_up(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [("resnet152", "densenet201"), ("googlenet", "inception_v3"), ("swin_t", "swin_v2_t"), ("unet", "fpn_resnet50")],
)
def test_networks_of_other_kinds(one: str, other: str) -> None:
    """However little two networks share, every layer of each is told once, in order, and the differences add up."""
    before, after = bneck_cli.analyze(one), bneck_cli.analyze(other)
    start = time.process_time()
    found = diff(before, after, (one, other))
    assert time.process_time() - start < 1
    mine = [pair.one.path for pair in found.pairs] + [entry.path for entry in found.removed]
    theirs = [pair.other.path for pair in found.pairs] + [entry.path for entry in found.added]
    layers = [entry.path for entry in bneck_cli.each_layer(before)]
    assert sorted(mine) == sorted(layers)
    assert sorted(theirs) == sorted(entry.path for entry in bneck_cli.each_layer(after))
    assert [path for path in layers if path in set(mine[: len(found.pairs)])] == mine[: len(found.pairs)]
    assert all(pair.one.layer.op == pair.other.layer.op for pair in found.pairs)
    assert adds_up(found)


def test_copies_at_the_end_are_those_added() -> None:
    """A repeat that is longer has its further copies at the end."""
    found = diff(net(["2x unit"], UNIT), net(["5x unit"], UNIT))
    assert [entry.path for entry in found.added] == [f"unit.{i}.{op}" for i in (2, 3, 4) for op in ("conv", "relu")]
    (line,) = found.lines
    assert (line.paths, line.layers, line.cost.params) == (("unit.2-4",), 6, 3 * 9 * 8 * 8)


def test_what_computes_outweighs_what_does_not() -> None:
    """Where a norm changed sides with a convolution, the convolution stays and the norm is told to have gone."""
    found = diff(net(["bn", "conv 3x3 3", "relu"]), net(["conv 5x5 3", "bn", "relu"]))
    assert settings_changed(found) == {"conv": ["kernel 3x3 -> 5x5"]}
    assert [(entry.path, mark) for mark, held in (("-", found.removed), ("+", found.added)) for entry in held] == [
        ("bn", "-"),
        ("bn", "+"),
    ]


def test_stages_of_one_name_stay_together() -> None:
    """A stage keeps its pair by name, even where more would be alike between others."""
    lengths = {"early": (2, 5), "middle": (5, 2), "late": (2, 2)}
    one, other = (net([f"{each[side]}x unit -> as {name}" for name, each in lengths.items()], UNIT) for side in (0, 1))
    found = diff(one, other)
    assert {entry.path.rpartition(".")[0] for entry in found.added} == {f"early.{index}" for index in (2, 3, 4)}
    assert {entry.path.rpartition(".")[0] for entry in found.removed} == {f"middle.{index}" for index in (2, 3, 4)}


def test_equal_names_settle_a_tie() -> None:
    """Of two layers that may stay, the one whose name is the same stays."""
    found = diff(net(["bn -> relu -> conv 3x3 3 -> relu"]), net(["relu -> bn -> conv 3x3 3"]))
    assert [(pair.one.path, pair.other.path) for pair in found.pairs] == [("bn", "bn"), ("conv", "conv")]


def test_the_most_alike_are_paired() -> None:
    """Of two convolutions that a changed one may have become, it is the one with more of its settings."""
    found = diff(net(["conv 3x3 8"]), net(["conv 5x5 16 bias", "conv 3x3 9"]))
    assert [(pair.one.path, pair.other.path) for pair in found.pairs] == [("conv", "conv2")]
    assert settings_changed(found) == {"conv": ["channels 8 -> 9"]}
    assert found.lines[-1].text == "channels 8 -> 9, now conv2"


def test_a_block_is_named_where_something_moved() -> None:
    """Where no repeat tells of a first block, the blocks are named by their paths."""
    blocks = "blocks:\n  unit(s=1, t=1):\n    - conv 1x1 8 stride=s -> conv 3x3 8 stride=t\n"
    single = diff(net(["unit s=2", "relu"], blocks), net(["unit t=2", "relu"], blocks), ("a", "b"))
    assert single.conclusion[0].endswith("because the stride 2 moved from conv1 (1x1) to conv2 (3x3) in unit.")
    several = diff(net(["3x unit s=2", "relu"], blocks), net(["3x unit t=2", "relu"], blocks), ("a", "b"))
    assert several.conclusion[0].endswith("because the stride 2 moved from conv1 (1x1) to conv2 (3x3) in unit.0-2.")


def test_a_block_in_a_block_is_looked_through() -> None:
    """The same layers in a block that only wraps another are the same layers."""
    found = between("resnet50", "wide_resnet50_2")
    assert not found.added
    assert not found.removed
    assert {change.name for pair in found.pairs for change in pair.settings} == {"channels"}
    assert sum(bool(pair.settings) for pair in found.pairs) == 2 * sum(DEPTHS)  # both layers of the narrow middle


def test_kernels_that_change_places() -> None:
    """Values of which neither is the plain one change places; none of them has moved."""
    found = diff(net(["conv 1x1 8 -> relu -> conv 3x3 8"]), net(["conv 3x3 8 -> relu -> conv 1x1 8"]), ("a", "b"))
    (move,) = found.moves
    assert move.swapped
    assert "because the kernel 1x1 of conv1 and 3x3 of conv2 are swapped." in found.conclusion[0]


def test_a_flag_moves_without_a_value() -> None:
    """A bias that one layer lost and another gained has moved, in whichever direction."""
    forth = diff(net(["conv 1x1 8 bias -> conv 3x3 8"]), net(["conv 1x1 8 -> conv 3x3 8 bias"]), ("a", "b"))
    back = diff(net(["conv 1x1 8 -> conv 3x3 8 bias"]), net(["conv 1x1 8 bias -> conv 3x3 8"]), ("a", "b"))
    assert [line.text for line in forth.lines] == ["the bias moved from conv1 (1x1) to conv2 (3x3)"]
    assert [line.text for line in back.lines] == ["the bias moved from conv2 (3x3) to conv1 (1x1)"]


def test_a_head_that_no_longer_runs() -> None:
    """A head set aside keeps its weights and loses its multiply-adds."""
    one = net(["global_avgpool -> linear 7"])
    other = net(["{aside: global_avgpool -> linear 10}", "global_avgpool -> linear 7"])
    found = diff(one, other)
    assert [(e.path, e.layer.cost.params, e.layer.cost.macs) for e in found.added if e.layer.op == "linear"] == [
        ("aside.linear", 4 * 10, 0)
    ]
    assert adds_up(found)


def test_ops_of_the_files_own() -> None:
    """A layer that a file defines by formulas is compared by what is written."""
    ops = "ops:\n  gem(p=3): {out: [c, 1, 1], params: p, macs: 0}\n"
    found = diff(net(["gem p=3"], ops), net(["gem p=5"], ops))
    assert settings_changed(found) == {"gem": ["written gem p=3 -> gem p=5"]}
    assert found.changed[0].cost.params == 2


def test_too_many_layers_are_refused() -> None:
    """A diff tells layers one by one, so it refuses a million copies at once."""
    with pytest.raises(BneckError, match="1,000,000 layers") as told:
        diff(net(["1000000x relu"]), net(["relu"]))
    assert told.value.hint


def test_other_rules_are_refused() -> None:
    """Counts under two rules are no difference of networks."""
    one = bneck_cli.analyze("resnet18")
    from bneck_cli.data.rules import load_rule
    from bneck_cli.flow.counting import recount

    with pytest.raises(BneckError, match="different rules"):
        diff(one, recount(one, load_rule("fvcore")))


def test_many_siblings_pair_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what can be weighed, equal names in order make the pairs, and the differences still add up."""
    monkeypatch.setattr("bneck_cli.questions.alignment.MAX_WEIGHED", 0)
    found = between("resnet18", "resnet50")
    assert adds_up(found)
    assert all(pair.one.layer.op == pair.other.layer.op for pair in found.pairs)
    assert ("layer2.0.conv1", "layer2.0.conv1") in {(pair.one.path, pair.other.path) for pair in found.pairs}


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["a.0.conv1", "a.0.conv2", "a.1.conv1", "a.1.conv2"], ("a.0-1.conv1-2",)),
        (["layer2.0", "layer3.0", "layer4.0"], ("layer2-4.0",)),
        (["a.0", "a.2", "a.3"], ("a.0", "a.2-3")),
        (["conv", "a.1.x", "b.1.x"], ("conv", "a.1.x", "b.1.x")),
        (["a.9", "a.10"], ("a.9-10",)),
        ([], ()),
    ],
)
def test_ranges(paths: list[str], told: tuple[str, ...]) -> None:
    """Numbers in a row are told as a range, and nothing else is."""
    assert ranges(paths) == told


# One edit, and nothing else

CONVS = st.builds(
    lambda kernel, channels, stride, bias: (kernel, channels, stride, bias),
    st.sampled_from([1, 3, 5]),
    st.integers(1, 12),
    st.sampled_from([1, 1, 2]),
    st.booleans(),
)
PLAIN = st.sampled_from(["relu", "bn", "silu", "maxpool 3x3 stride=1 pad=1"])
NETS = st.lists(st.one_of(CONVS, PLAIN), min_size=1, max_size=9)
FIELDS = ("kernel", "channels", "stride", "bias")


def text(step: tuple[int, int, int, bool] | str) -> str:
    """Write a step of a made net."""
    if isinstance(step, str):
        return step
    kernel, channels, stride, bias = step
    return f"conv {kernel}x{kernel} {channels}{' bias' * bias} stride={stride}"


def shown(field: str, value: object) -> str:
    """Write a field's value as a diff does."""
    return f"{value}x{value}" if field == "kernel" else str(value).lower()


@given(NETS, st.data())
@MADE
def test_a_changed_field_is_all_that_is_told(steps: list[object], data: st.DataObject) -> None:
    """Of a net with one field of one layer changed, that field alone is told to differ; other layers only in sizes."""
    places = [index for index, step in enumerate(steps) if not isinstance(step, str)]
    if not places:
        return
    place = data.draw(st.sampled_from(places))
    field = data.draw(st.integers(0, 3))
    edited = list(steps[place])
    edited[field] = data.draw(
        (st.sampled_from([1, 3, 5]), st.integers(1, 12), st.sampled_from([1, 2]), st.booleans())[field].filter(
            lambda value: value != steps[place][field]
        )
    )
    after = [*steps[:place], tuple(edited), *steps[place + 1 :]]
    found = diff(net([*map(text, steps)]), net([*map(text, after)]))
    name = FIELDS[field]
    assert [[str(change) for change in pair.settings] for pair in found.pairs if pair.settings] == [
        [f"{name} {shown(name, steps[place][field])} -> {shown(name, edited[field])}"]
    ]
    assert [bool(pair.settings) for pair in found.pairs].index(True) == place
    assert len(found.pairs) == len(found.steps) == len(steps)
    assert not any(pair.changes for pair in found.pairs[:place])
    assert adds_up(found)


@given(NETS, st.one_of(CONVS, PLAIN), st.data())
@MADE
def test_an_inserted_layer_is_all_that_is_told(steps: list[object], new: object, data: st.DataObject) -> None:
    """Of a net with one layer more, one layer is told to be added; of the same turned round, one to be removed."""
    place = data.draw(st.integers(0, len(steps)))
    one, other = net([*map(text, steps)]), net([*map(text, [*steps[:place], new, *steps[place:]])])
    found, back = diff(one, other), diff(other, one)
    assert [entry.layer.text for entry in found.added] == [text(new)] == [entry.layer.text for entry in back.removed]
    for each in (found, back):
        assert not settings_changed(each)
        assert len(each.pairs) == len(steps)
        assert adds_up(each)
    assert not found.removed
    assert not back.added
    assert [total.difference for total in found.totals[:3]] == [-total.difference for total in back.totals[:3]]


@given(st.lists(CONVS, min_size=1, max_size=4), st.integers(2, 5), st.data())
@MADE
def test_an_edit_of_a_repeated_block_is_one_line(steps: list[tuple], copies: int, data: st.DataObject) -> None:
    """A bias given to a layer of a repeated block is told once, with all copies of the layer and what they cost."""
    place = data.draw(st.integers(0, len(steps) - 1))
    before = [(kernel, channels, 1, False) for kernel, channels, _, _ in steps]
    after = [(*step[:3], index == place) for index, step in enumerate(before)]
    one, other = (
        net([f"{copies}x unit"], f"blocks:\n  unit():\n    - {' -> '.join(map(text, body))}\n")
        for body in (before, after)
    )
    (line,) = diff(one, other).lines
    assert (line.text, line.layers, line.cost.params) == ("bias false -> true", copies, copies * steps[place][1])
    inner = f"conv{place + 1}" if len(steps) > 1 else "conv"
    assert len(line.paths) == 1
    assert line.paths[0].endswith(f"0-{copies - 1}.{inner}")


# Renderers


def rendered(found: Diff, form: str, style: Style = PIPE) -> str:
    """Render a diff in one format."""
    return as_text(report(found), form, style)


@pytest.mark.parametrize("pair", [("resnet50", "resnet50_v1"), ("resnet18", "resnet50"), ("swin_t", "swin_v2_t")])
def test_the_table_adds_up(pair: tuple[str, str]) -> None:
    """The printed differences of params and MACs add up to the printed ones of the totals, within 80 columns."""
    found = between(*pair)
    lines = rendered(found, "table", Style(80)).split("\n")
    assert max(map(len, lines)) <= 80
    number = r"([-+]?[\d,]+)"
    rows = [re.search(rf" {number}  +{number}  +{number}$", line) for line in lines if line[:1] in ("~", "+", "-")]
    printed = [[int(cell.replace(",", "")) for cell in row.groups()[1:]] for row in rows if row]
    assert len(printed) == len(found.lines)
    for index, title in enumerate(("params", "MACs")):
        (total,) = [line for line in lines if re.match(rf"{title}  +\d", line)]
        assert int(total.split()[3].replace(",", "")) == sum(row[index] for row in printed)


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_delimited_rows_add_up(form: str) -> None:
    """A row is one layer that changed, came or went; the columns of a figure differ by its total's difference."""
    found = between("resnet18", "resnet50")
    rows = list(csv.DictReader(io.StringIO(rendered(found, form)), delimiter="," if form == "csv" else "\t"))
    assert len(rows) == len(found.changed) + len(found.added) + len(found.removed)
    for key, before, after in (("params", 11689512, 25557032), ("macs", 1814073344, 4089184256)):
        assert sum(int(row[f"{key}_b"] or 0) - int(row[f"{key}_a"] or 0) for row in rows) == after - before
    (conv,) = [row for row in rows if row["path_a"] == "layer1.0.conv1"]
    assert (conv["change"], conv["settings"]) == ("changed", "kernel 3x3 -> 1x1")
    assert (conv["kernel_height_a"], conv["kernel_height_b"], conv["macs_a"]) == ("3", "1", str(9 * 64 * 64 * 56 * 56))
    assert {row["change"] for row in rows} == {"changed", "resized", "added"}
    assert all((row["path_a"] == "") == (row["change"] == "added") for row in rows)


def test_json_holds_every_layer_and_move() -> None:
    """JSON has the layers of both sides as numbers, the moves and the totals."""
    document = json.loads(rendered(between("resnet50", "resnet50_v1"), "json"))
    assert [(move["setting"], move["value"], move["instead_of"], move["block"]) for move in document["moved"]] == [
        ("stride", 2, 1, f"layer{stage}.0") for stage in (2, 3, 4)
    ]
    assert document["totals"]["macs"]["difference"] == 3857973248 - 4089184256
    first = document["changed"][0]
    assert first["settings"] == {"stride": [1, 2]}
    assert (first["one"]["output"], first["other"]["output"]) == ([128, 56, 56], [128, 28, 28])
    difference = sum(pair["other"]["macs"] - pair["one"]["macs"] for pair in document["changed"])
    assert difference == document["totals"]["macs"]["difference"]
    assert document["added"] == document["removed"] == []


def test_symbolic_json_and_csv() -> None:
    """Symbolic sizes are text that Python evaluates, in JSON as in CSV."""
    found = between("resnet50", "resnet50_v1", {"input": "3xHxW"}, {"input": "3xHxW"})
    text = json.loads(rendered(found, "json"))["totals"]["macs"]["difference"]
    assert eval(text, {"H": 224, "W": 224}) == 3857973248 - 4089184256
    rows = list(csv.DictReader(io.StringIO(rendered(found, "csv"))))
    assert eval(rows[0]["macs_a"], {"H": 224, "W": 224}) == 56 * 56 * 256 * 128


def test_a_symbolic_table_keeps_to_its_width() -> None:
    """Formulas break over lines where words do, so a table of them is no wider than it must be."""
    found = between("resnet50", "resnet50_v1", {"input": "3xHxW"}, {"input": "3xHxW"})
    assert max(map(len, rendered(found, "table", Style(120)).split("\n"))) <= 130


def test_markdown_tables_are_whole() -> None:
    """Every row of a Markdown table has as many cells as its heading, and the conclusion stands below."""
    found = between("resnet50", "resnet50_v1")
    text = rendered(found, "markdown")
    tables = [part.split("\n") for part in text.split("\n\n") if part.startswith("|")]
    assert [len({line.count("|") for line in table if line}) for table in tables] == [1, 1]
    assert len(tables[0]) == 2 + len(found.lines)
    assert "because the stride 2 moved from conv2 (3x3) to conv1 (1x1)" in text
    assert "| layer2.0.bn1, layer2.0.relu1 |" in text


def test_of_many_places_some_are_named() -> None:
    """Lines of the same size change are one for each stage; of its many places the first five are named."""
    found = between("resnet50", "resnet50", theirs={"input": "320x320"})
    assert (found.lines[0].paths, found.lines[0].layers) == (("conv", "bn", "relu"), 3)
    stage = next(line for line in found.lines if "layer2.0-3.add" in line.paths)
    assert stage.layers == 4 * 10 + 2 - 3  # all but conv1, bn1 and relu1 of the first block, which see the larger map
    text = rendered(found, "markdown")
    assert f"| {', '.join(stage.paths[:5])} and {len(stage.paths) - 5} more |" in text
    assert stage.paths[5] not in text
    assert stage.paths[5] in rendered(found, "json")


def test_no_difference_prints_the_totals_alone() -> None:
    """Without a change there is one table, and the sentence that says so."""
    text = rendered(between("resnet50", "resnet50"), "table", Style(80))
    assert text.count("──") > 0
    assert "change" not in text
    assert "the same layers, sizes and costs" in text


def test_a_change_reads_as_before_and_after() -> None:
    """A change is written with its name, and costs with their thousands apart."""
    assert str(Change("stride", "1", "2", "setting")) == "stride 1 -> 2"
    assert str(Change("channels", 1000, 10, "setting")) == "channels 1000 -> 10"
    assert str(Change("macs", 1000, 10, "cost")) == "macs 1,000 -> 10"
    assert within("layer2.0.shortcut.conv") == "shortcut.conv"
