"""Loop nests for simulators: every multiply-add of a network is in them, whatever the format."""

from __future__ import annotations

import re
from math import prod

import pytest
import yaml

from bneck_cli.bridges.export.simulators import maestro, scale_sim, timeloop, zigzag
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.errors import BneckError
from bneck_cli.language.document import Source
from bneck_cli.language.library import load, network_names, resolve


def rows(text: str) -> list[tuple[str, tuple[int, ...]]]:
    """Read a topology as SCALE-Sim does: the heading is skipped, and the last comma ends a row."""
    split = [line.split(",")[:-1] for line in text.splitlines()[1:]]
    return [(name, tuple(map(int, figures))) for name, *figures in split]


def macs(row: tuple[int, ...]) -> int:
    """Count a row's multiply-adds, its outputs rounded up as SCALE-Sim does."""
    height, width, r, s, channels, filters, stride = row
    return (
        prod(-(-(side - taps + stride) // stride) for side, taps in ((height, r), (width, s)))
        * r
        * s
        * channels
        * filters
    )


def test_rows_of_every_network_add_up() -> None:
    """SCALE-Sim's sum is the analysis's, for the whole library; a formula that multiplies is refused."""
    for name in network_names():
        analysis = analyze_program(load(name))
        if analysis.cost.other:
            with pytest.raises(BneckError, match="neither a convolution nor a product"):
                scale_sim(analysis)
            continue
        found = rows(scale_sim(analysis))
        assert sum(macs(row) for _, row in found) == analysis.macs, name
        assert len({row for row, _ in found}) == len(found), name
        assert not any("DP" in row for row, _ in found)


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "vit_b_16", "swin_v2_t"])
def test_equal_rows_once_stand_for_all(name: str) -> None:
    """With --unique a name ends in how often its row occurs."""
    analysis = analyze_program(load(name))
    found = rows(scale_sim(analysis, unique=True))
    times = [int(ending[1]) if (ending := re.search(r"_x(\d+)$", row)) else 1 for row, _ in found]
    assert sum(macs(row) * count for (_, row), count in zip(found, times, strict=True)) == analysis.macs
    assert len(found) < len(rows(scale_sim(analysis)))


def test_the_first_layer_of_resnet50() -> None:
    """The input's side is what gives 112 rows in every rounding, and not 224 or 230."""
    analysis = analyze_program(load("resnet50"))
    assert scale_sim(analysis).splitlines()[1] == "conv,229,229,7,7,3,64,2,"
    assert "Stride { X: 2, Y: 2 }\n    Dimensions { K: 64, C: 3, R: 7, S: 7, Y: 229, X: 229 }" in maestro(analysis)


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "vit_b_16"])
def test_timeloop_and_zigzag_have_all_multiply_adds(name: str) -> None:
    """Their documents are YAML, and the products of their sizes add up."""
    analysis = analyze_program(load(name))
    instances = [one["problem"]["instance"] for one in yaml.safe_load_all(timeloop(analysis))]
    assert sum(prod(one[letter] for letter in "CMRSNPQG") for one in instances) == analysis.macs
    layers = yaml.safe_load(zigzag(analysis))
    assert sum(prod(layer["loop_sizes"]) for layer in layers) == analysis.macs
    assert [layer["id"] for layer in layers] == list(range(len(layers)))
    assert all(len(layer["loop_dims"]) == len(layer["loop_sizes"]) for layer in layers)


def test_what_a_simulator_cannot_hold_is_an_error() -> None:
    """Strides that differ by axis, ops of a file's own, and networks that multiply nothing."""
    for text, said in (
        ("input: 3 x 8 x 8\nnet: conv 3x3 8 stride=1x2", "one stride for both axes"),
        (
            "input: 3 x 8 x 8\nops: {own: {out: [c, h, w], params: 1, macs: 5}}\nnet: own",
            "neither a convolution nor a product",
        ),
        ("input: 3 x 8 x 8\nnet: relu", "no layer that multiplies"),
    ):
        with pytest.raises(BneckError, match=said):
            scale_sim(analyze_program(resolve(Source("test.yaml", text))))
