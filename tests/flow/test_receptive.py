"""Receptive fields against the published ones, and against the literal sets of positions that an output sees."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli.engine.network import Fork, Layer, Node, Wire, entries
from bneck_cli.engine.tensor import TooSmallError
from bneck_cli.flow.receptive import reach_at, reaches, receptive_field
from bneck_cli.questions.analyze import table
from bneck_cli.questions.rows import View, shown_rows

PUBLISHED = {
    "alexnet": 195,
    "vgg16": 212,
    "resnet50": 427,
    "resnet50_v1": 483,
    "inception_v3": 1311,
    "mobilenet_v2": 491,
    "efficientnet_b0": 851,
}
"""Of the last feature map, from Araujo et al. 2019 (distill.pub/2019/computing-receptive-fields), where the network is
theirs: AlexNet v2, VGG-16 and ResNet v1 (483), Inception v3; the others follow from their strides in the same way."""

Seen = list[set[int]]


def looked(node: Node, seen: Seen, wires: dict[str, Seen]) -> Seen:
    """Follow literally, along the height, which input rows each row of a tensor sees."""
    if isinstance(node, Layer):
        window = node.rule.geometry(node.shape)
        if window is None:
            return seen
        k, s, d, (top, _) = window.kernel[0], window.stride[0], window.dilation[0], window.padding[0]
        rows = node.out.spatial[0]
        taps = [[row * s - top + tap * d for tap in range(k)] for row in range(rows)]
        return [set().union(*(seen[tap] for tap in line if 0 <= tap < len(seen))) for line in taps]
    if isinstance(node, Wire):
        if node.kind == "as":
            wires[node.name] = seen
            return seen
        return wires[node.name]
    if isinstance(node, Fork):
        ends = [looked(branch, seen, wires) for branch in node.branches]
        return [set().union(*rows) for rows in zip(*ends, strict=True)]
    for run in node.runs:
        for _ in range(run.copies):
            seen = looked(run.node, seen, wires)
    return seen


layers = st.one_of(
    st.builds(
        lambda k, s, p, d: f"conv {k} 4 stride={s} pad={p} dilation={d}",
        st.integers(1, 5), st.integers(1, 3), st.integers(0, 3), st.integers(1, 2),
    ),
    st.builds(lambda k, s: f"maxpool {k} stride={s}", st.integers(1, 3), st.integers(1, 2)),
    st.just("conv 3x1 4 -> bn -> relu"),
)  # fmt: skip
same = st.lists(st.sampled_from(["conv 3x3 4", "dwconv 5x5", "conv 1x1 4 -> relu", "conv 3 4 dilation=2"]), min_size=1)
forks = st.one_of(
    st.builds(lambda a: {"residual": " -> ".join(a)}, same),
    st.builds(lambda a, b: {"add": [" -> ".join(a), " -> ".join(b)]}, same, same),
)
nets = st.lists(
    st.one_of(layers, forks, st.builds(lambda n: f"{n}x unit 4", st.integers(1, 4))), min_size=1, max_size=6
)


@given(nets)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_position_sees_just_these_rows(steps: list[object]) -> None:
    """Row p of any network sees the input's rows from jump·p + low to jump·p + high, where they exist."""
    import yaml

    blocks = {"unit(channels)": [{"residual": "conv 3x3 channels -> conv 3x3 channels"}]}
    text = yaml.safe_dump({"input": "4 x 97 x 97", "blocks": blocks, "net": ["conv 1x1 4", *steps]})
    try:
        analysis = bneck_cli.analyze(text)
    except TooSmallError:
        return
    reach = receptive_field(analysis)
    assert reach.known
    axis = reach.axes[0]
    for row, seen in enumerate(looked(analysis.root, [{row} for row in range(97)], {})):
        first, last = axis.jump * row + axis.low, axis.jump * row + axis.high
        inside = range(max(first, 0), min(last, 96) + 1)
        assert seen <= set(inside)
        if seen and first >= 0 and last <= 96:
            assert (min(seen), max(seen)) == (first, last)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_receptive_fields(name: str) -> None:
    """The last feature map sees as much as is published."""
    reach = receptive_field(bneck_cli.analyze(name))
    assert {axis.size for axis in reach.axes} == {PUBLISHED[name]}


@pytest.mark.parametrize(
    "name", ["resnet50", "densenet121", "googlenet", "inception_v3", "unet", "vit_b_16", "fpn_resnet50"]
)
@pytest.mark.parametrize("folded", [True, False])
def test_every_layer_that_runs_has_a_reach(name: str, folded: bool) -> None:
    """Every path of the report is met by the walk, folded or not; what the first copies see, the last sees more of."""
    analysis = bneck_cli.analyze(name)
    found = reaches(analysis, folded)
    assert {entry.path for entry in entries(analysis.root, folded) if not entry.idle} <= found.keys()
    for path in [*found][:: 1 + len(found) // 60]:
        assert reach_at(analysis, path, folded) == found[path]
    assert reach_at(analysis, "nowhere", folded) is None


def test_folded_copies_show_the_last() -> None:
    """A folded row has what its last copy sees, and expanded rows grow from copy to copy."""
    analysis = bneck_cli.analyze("resnet50")
    folded, opened = reaches(analysis), reaches(analysis, folded=False)
    assert folded["layer3.1-5.conv2"] == opened["layer3.5.conv2"]
    sizes = [opened[f"layer3.{copy}.conv2"].axes[0].size for copy in range(6)]
    assert sizes == sorted(set(sizes))


def test_the_report_has_the_columns() -> None:
    """The table shows what is seen, ``all`` after the whole map is pooled, nothing where there is no number."""
    analysis = bneck_cli.analyze("resnet50")
    view = View(columns=("layer", "receptive_field", "jump", "start"), depth=1)
    shown = table(analysis, view, shown_rows(analysis, view)[0])
    cells = {row.cells[0]: tuple(row.cells[1:]) for row in shown.rows}
    assert cells["maxpool"] == ("11", "4", "0")
    assert cells["layer4"] == ("427", "32", "0")
    assert cells["global_avgpool"] == ("all", "", "")
