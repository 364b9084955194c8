"""Tensors of one, two and three axes: what expressions call their sizes, symbols, and every answer's third axis."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.settings import Settings
from bneck_cli.formats import DATA_FORMATS
from bneck_cli.language.document import Source
from bneck_cli.language.library import resolve
from bneck_cli.sizes.evaluation import evaluate

VIDEO = """
name: a video network
input: 3 x 16 x 112 x 112
net:
  - conv 3x7x7 64 stride=1x2x2 -> bn -> relu
  - maxpool 1x3x3 stride=1x2x2 pad=0x1x1
  - residual:
      - conv 3 64 -> bn
      - relu
    shortcut: auto
  - residual: conv 3x1x1 128 stride=2x2x2 -> bn
    shortcut: auto
  - adaptive_avgpool 4x7x7 -> global_avgpool -> linear 10
"""


def rows(text: str) -> list[dict[str, str]]:
    """Read CSV."""
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ("5", {"c": 5, "n": 1}),
        ("5x6", {"c": 5, "l": 6, "n": 6}),
        ("5x6x7", {"c": 5, "h": 6, "w": 7, "n": 42}),
        ("5x2x6x7", {"c": 5, "t": 2, "h": 6, "w": 7, "n": 84}),
    ],
)
def test_sizes_that_arrive_have_names(shape: str, sizes: dict[str, int]) -> None:
    """Channels, positions and each axis are known in steps and in ops; those of other ranks are not."""
    for name in ("c", "n", "l", "t", "h", "w"):
        step = f"input: {shape}\nnet: linear {name}\n"
        op = f"input: {shape}\nops:\n  one: {{out: [{name}], params: 0, macs: 0}}\nnet: one\n"
        for text in (step, op):
            if name in sizes:
                assert next(iter(bneck_cli.analyze(text).outputs.values())).channels == sizes[name]
            else:
                with pytest.raises(BneckError, match=r"unknown name|must be a positive whole number"):
                    bneck_cli.analyze(text)


def test_a_parameter_hides_a_size() -> None:
    """A block may call its own parameter `n` or `t`, as papers do; inside it the name is the parameter's."""
    text = "input: 4 x 9\nblocks:\n  b(t, n=2): (n)x linear t\nnet: linear n -> b 7 n=3\n"
    found = bneck_cli.analyze(text)
    assert found.cost.params == (4 * 9 + 9) + (9 * 7 + 7) + 2 * (7 * 7 + 7)


def test_three_axes_keep_symbols() -> None:
    """The sides of a video are T, H and W, and the closed form is right where they are numbers."""
    found = analyze_program(resolve(Source("video.yaml", VIDEO)), Settings(symbolic=True))
    assert str(next(iter(found.inputs.values()))) == "3×T×H×W"
    plain = bneck_cli.analyze("input: 3 x T x H x W\nnet: conv 3x7x7 64 stride=1x2x2\n")
    numbers = {"T": 16, "H": 112, "W": 111}
    expected = bneck_cli.analyze("input: 3 x 16 x 112 x 111\nnet: conv 3x7x7 64 stride=1x2x2\n").cost.macs
    macs: Any = plain.cost.macs
    assert evaluate(macs, numbers) == expected == 64 * 3 * 147 * 16 * 56 * 56


def test_records_have_the_third_axis_where_there_is_one() -> None:
    """The rows of a video network say its time; those of a map do not, unless they are asked to."""
    first = rows(bneck_cli.analyze(VIDEO).text("csv"))[0]
    assert [first[f"out_{axis}"] for axis in ("time", "height", "width")] == ["16", "56", "56"]
    assert [first[f"kernel_{axis}"] for axis in ("time", "height", "width")] == ["3", "7", "7"]
    assert [first[f"padding_{side}"] for side in ("front", "back", "top", "right")] == ["1", "1", "3", "3"]
    assert not [name for name in rows(bneck_cli.analyze("resnet18").text("csv"))[0] if name.endswith("_time")]
    assert rows(bneck_cli.footprint(VIDEO).text("csv"))[0]["out_time"] == "16"
    changed = bneck_cli.diff(VIDEO, VIDEO.replace("3x7x7", "5x7x7")).text("csv")
    assert (rows(changed)[0]["kernel_time_a"], rows(changed)[0]["kernel_time_b"]) == ("3", "5")


@pytest.mark.parametrize("format", DATA_FORMATS)
def test_every_format_writes_three_axes(format: str) -> None:
    """Each format of each answer that has one takes a network with three axes."""
    for answer in (bneck_cli.analyze, bneck_cli.footprint, bneck_cli.explain, bneck_cli.lint):
        assert "16" in answer(VIDEO).text(format)


def test_words_of_three_axes() -> None:
    """Explanations name each axis, receptive fields have three sizes, and figures write them."""
    told = bneck_cli.explain(VIDEO).text("text")
    assert "time ⌊(16 + 2·1 - 3)/1⌋ + 1 = 16, height ⌊(112 + 2·3 - 7)/2⌋" in told.replace("\n    ", " ")
    assert "16×56×56" in bneck_cli.draw(VIDEO).text("text")


@pytest.mark.parametrize(("shape", "cls"), [("8x5x7", 1), ("8x5x7", 0), ("8x12", 2), ("8x2x3x3", 1)])
def test_tokens_can_be_spelled(shape: str, cls: int) -> None:
    """`tokens cls=1` adds as many parameters as a learned table of its positions and learned tokens."""
    found = bneck_cli.analyze(f"input: {shape}\nnet: tokens cls={cls}\n")
    table = "  - add: [identity, learned c x n]\n"
    spelled = bneck_cli.analyze(f"input: {shape}\nnet:\n  - tokens cls={cls} pos=none\n{table}")
    assert found.cost.params == spelled.cost.params
    assert str(next(iter(found.outputs.values()))) == str(next(iter(spelled.outputs.values())))


def test_an_embedding_reads_a_row_for_each_index() -> None:
    """Of 50,257 rows a text of 16 tokens reads 16, of each of 3 texts; what leaves is written, and a head reads all."""
    text = "input: 1 x 16\nnet: embed 50257 8 -> linear 50257 nobias\n"
    looked, head = bneck_cli.footprint(text, batch=3).found.items
    assert looked.moved == 4 * 3 * (16 + 16 * 8 + 16 * 8)
    assert looked.weights == head.weights == 4 * 50257 * 8
    assert head.moved == 4 * (3 * 16 * 8 + 50257 * 8 + 3 * 16 * 50257)
    assert bneck_cli.analyze(text).cost.macs == 16 * 8 * 50257


def test_sizes_are_written_as_the_input_is() -> None:
    """`c x n` stands apart or not, in a step, in its long form and in parentheses; numbers make an extent."""
    for written in (
        "learned 8 x 12",
        "learned 8x12",
        "learned c x n",
        "learned (c x (3*4))",
        "{learned: {shape: c x n}}",
    ):
        found = bneck_cli.analyze(f"input: 8 x 12\nnet:\n  - add: [identity, {written}]\n")
        assert found.cost.params == 96
    assert bneck_cli.analyze("input: 3 x 9 x 9\nnet: conv 3 x (2+1) 8\n").cost.params == 3 * 9 * 8
