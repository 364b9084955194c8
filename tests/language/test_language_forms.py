"""The spec language means what it says: each form by hand-made figures, both spellings alike, expressions by Python."""

from __future__ import annotations

import ast
import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli.engine.layers import make
from bneck_cli.engine.network import Fork, Layer, Node, Series
from bneck_cli.engine.structures import steps
from bneck_cli.errors import BneckError
from bneck_cli.language.document import Scalar, Source
from bneck_cli.language.parsing import parse_expression
from bneck_cli.sizes.number import Ratio

if TYPE_CHECKING:
    from pathlib import Path

RESIDUAL = """
blocks:
  unit(channels, stride=1):
    - residual: conv 3x3 channels stride=stride -> bn
      shortcut: auto
    - relu
"""


def spec(net: str, before: str = "", sizes: str = "8 x 16 x 16") -> str:
    """Write a spec around the lines of a net; a map of 16x16 with 8 channels arrives."""
    lines = "\n".join(f"  {line}" for line in net.strip("\n").split("\n"))
    return f"input: {sizes}\n{before.strip()}\nnet:\n{lines}\n"


def totals(text: str, **options: Any) -> tuple[Any, Any, str]:
    """Give params, multiply-adds and the shape that leaves."""
    analysis = bneck_cli.analyze(text, **options)
    return analysis.cost.params, analysis.cost.macs, str(analysis.root.out)


def listed(text: str) -> list[tuple[Any, ...]]:
    """Give every layer with all but the spelling of it and the place in the text."""
    entries = bneck_cli.each_layer(bneck_cli.analyze(text))
    return [(path, layer.op, layer.inputs, layer.out, layer.cost, n, idle) for path, layer, n, idle in entries]


def operations(text: str) -> list[str]:
    """Name the layers in execution order."""
    return [entry.layer.op for entry in bneck_cli.each_layer(bneck_cli.analyze(text))]


# Two spellings


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("- conv 3x3 4 stride=2", "- conv: {kernel: 3, channels: 4, stride: 2}"),
        ("- conv 1x7 4 pad=(0,0,3,2) bias", '- conv: {kernel: 1x7, channels: 4, pad: "(0,0,3,2)", bias: true}'),
        ("- conv 3x3 2*c groups=c/2 pad=valid", "- conv: {channels: 2 * c, groups: c / 2, pad: valid, kernel: 3x3}"),
        ("- dwconv 5 multiplier=2", "- dwconv: {kernel: 5, multiplier: 2}"),
        ("- upconv 2 3 stride=2", "- upconv: {kernel: 2, channels: 3, stride: 2}"),
        ("- global_avgpool -> linear 10 nobias", "- global_avgpool: {}\n- linear: {channels: 10, nobias: true}"),
        ("- maxpool 3x3 stride=2 ceil -> relu", "- maxpool: {kernel: 3, stride: 2, ceil: true}\n- relu: {}"),
        ("- avgpool 2 stride=2x1", "- avgpool: {kernel: 2x2, stride: [2, 1]}"),
        ("- unit 16 stride=2", "- unit: {channels: 16, stride: 2}"),
        ("- 3x unit 16", "- repeat: 3\n  body: {unit: {channels: 16}}"),
        ("- (1+2)x unit 16 first(stride=2)", "- repeat: 1 + 2\n  body: unit 16\n  first: {stride: 2}"),
        ("- 2x unit 6 -> as a\n- bn -> from a", "- - repeat: 2\n    body: unit 6\n  - as: a\n- - bn: {}\n  - from: a"),
        ("- add: [conv 1x1 8, identity]", "- add:\n    - conv: {kernel: 1x1, channels: 8}\n    - identity: {}"),
    ],
)  # fmt: skip
def test_the_long_form_is_the_pipeline_form(short: str, long: str) -> None:
    """A mapping and a pipeline give the same layers, shapes, costs and paths."""
    assert listed(spec(short, RESIDUAL)) == listed(spec(long, RESIDUAL))
    assert totals(spec(short, RESIDUAL)) == totals(spec(long, RESIDUAL))
    assert listed(spec(short, RESIDUAL))


@pytest.mark.parametrize(
    "net", ["- conv 1x1 4 -> bn -> relu", "- conv 1x1 4\n- bn\n- relu", "- - conv 1x1 4 -> bn\n  - relu"]
)
def test_arrows_and_lists_are_the_same(net: str) -> None:
    """Steps follow each other whether an arrow or a line parts them, and lists may nest."""
    assert totals(spec(net)) == (8 * 4 + 2 * 4, 8 * 4 * 256, "4×16×16")
    assert [entry[0] for entry in listed(spec(net))] == ["conv", "bn", "relu"]


@pytest.mark.parametrize("times", ["{} 4 channels=2", "2x {} 4 first(channels=8)"])
@pytest.mark.parametrize("name", ["unit", "conv 3x3", "linear"])
def test_an_argument_given_twice_is_an_error(times: str, name: str) -> None:
    """What stands in its place cannot be given by name as well, be it to a block or to a layer."""
    with pytest.raises(BneckError, match="given twice"):
        bneck_cli.analyze(spec(f"- {times.format(name)}", RESIDUAL))


# Structures


@pytest.mark.parametrize(
    ("body", "shortcut", "expected"),
    [
        # A 3x3 from 8 to 8 has 576 weights, at 256 positions; to 16 twice as many, at 64 positions with stride 2.
        ("conv 3x3 8", "", (576, 576 * 256, "8×16×16")),
        ("conv 3x3 8", "identity", (576, 576 * 256, "8×16×16")),
        ("conv 3x3 8", "auto", (576, 576 * 256, "8×16×16")),
        ("conv 3x3 8", "if_same", (576, 576 * 256, "8×16×16")),
        ("conv 3x3 8", "conv 1x1 8", (576 + 64, 640 * 256, "8×16×16")),
        ("conv 3x3 16 stride=2", "auto", (1152 + 128 + 32, 1280 * 64, "16×8×8")),
        ("conv 3x3 16", "auto", (1152 + 128 + 32, 1280 * 256, "16×16×16")),
        ("conv 3x3 16 stride=2", "if_same", (1152, 1152 * 64, "16×8×8")),
        ("conv 3x3 16 stride=2", "avgpool 2 stride=2 -> conv 1x1 16", (1152 + 128, 1280 * 64, "16×8×8")),
    ],
)
def test_a_residual_adds_one_of_four_shortcuts(body: str, shortcut: str, expected: tuple[int, int, str]) -> None:
    """The tensor itself, a projection with batch norm where the shape changes, no addition there, or a pipeline."""
    text = spec(f"- residual: {body}" + (f"\n  shortcut: {shortcut}" if shortcut else ""))
    assert totals(text) == expected
    assert operations(text).count("add") == (0 if shortcut == "if_same" and "16" in body else 1)


@pytest.mark.parametrize("shortcut", ["identity", "conv 1x1 8", "conv 1x1 16 stride=2"])
def test_a_shortcut_of_another_shape_is_an_error(shortcut: str) -> None:
    """What is added has equal shapes; nothing is broadcast."""
    with pytest.raises(BneckError, match="cannot add 16×16×16"):
        bneck_cli.analyze(spec(f"- residual: conv 3x3 16\n  shortcut: {shortcut}"))


@pytest.mark.parametrize(
    ("net", "expected", "names"),
    [
        ("- add: [conv 1x1 4, conv 3x3 4]", (320, 320 * 256, "4×16×16"), "conv conv add"),
        ("- concat: [conv 1x1 4, identity, conv 3x3 2]", (176, 176 * 256, "14×16×16"), "conv conv concat"),
        ("- split: [identity, conv 1x1 6]", (24, 24 * 256, "10×16×16"), "conv concat"),
        ("- split:\n    - conv 1x1 c\n    - [conv 1x1 2*c, relu]", (48, 48 * 256, "12×16×16"), "conv conv relu concat"),
        ("- scale: global_avgpool -> conv 1x1 8", (64, 64, "8×16×16"), "global_avgpool conv scale"),
        ("- scale: conv 1x1 1 -> sigmoid", (8, 8 * 256, "8×16×16"), "conv sigmoid scale"),
        ("- aside: conv 1x1 4 -> linear 2\n- bn", (32 + 10 + 16, 0, "8×16×16"), "conv linear bn"),
        ("- if: c == 8\n  then: conv 1x1 2\n  else: conv 1x1 3", (16, 16 * 256, "2×16×16"), "conv"),
        ("- conv 1x1 9\n- if: c == 8\n  then: bn\n  else: conv 1x1 1", (81, 81 * 256, "1×16×16"), "conv conv"),
        ("- if: c > 8\n  then: conv 1x1 2\n- relu", (0, 0, "8×16×16"), "relu"),
        ("- bn -> as a -> conv 1x1 2 -> as b\n- concat: [from b, from a]", (32, 4096, "10×16×16"), "bn conv concat"),
        ("- from input -> conv 1x1 1\n- concat: [identity, from input]", (8, 8 * 256, "9×16×16"), "conv concat"),
    ],
)  # fmt: skip
def test_structures_mean_what_they_say(net: str, expected: tuple[int, int, str], names: str) -> None:
    """Each structure has the layers, weights, multiply-adds and result that it has on paper."""
    assert totals(spec(net)) == expected
    assert operations(spec(net)) == names.split()


def test_a_head_aside_has_params_and_does_not_run() -> None:
    """Its weights count as idle, and its layers are told as such."""
    analysis = bneck_cli.analyze(spec("- conv 1x1 2\n- aside: global_avgpool -> linear 10\n- relu"))
    assert (analysis.cost.params, analysis.cost.inference_params, analysis.cost.macs) == (16 + 30, 16, 16 * 256)
    assert [entry.idle for entry in bneck_cli.each_layer(analysis)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        ("- conv 3x3 4 stride=2 -> conv 1x1 h+w -> conv 3x3 h stride=2x1", "8×4×8"),
        ("- maxpool 2 stride=2\n- if: h == 8\n  then: conv 1x1 3", "3×8×8"),
        ("- maxpool 2x1 stride=2x1 -> (w-h-7)x conv 1x1 3", "3×8×16"),
        ("- residual:\n    if: w > 15\n    then: conv 1x1 c", "8×16×16"),
    ],
)
def test_the_map_that_arrives_is_known(net: str, expected: str) -> None:
    """``h`` and ``w`` are those of the tensor that arrives, be it at a layer, a condition or a count of copies."""
    assert totals(spec(net))[2] == expected


def test_several_inputs_and_outputs_have_names() -> None:
    """Each input is taken by ``from``, and every named output has its own shape."""
    analysis = bneck_cli.analyze(
        "input: {image: 3 x 32 x 32, depth: 1 x 32 x 32}\nnet:\n"
        "  - from image -> conv 3x3 4 stride=2 -> as seen\n  - from depth -> conv 3x3 2 stride=2 -> as sensed\n"
        "  - concat: [from seen, from sensed]\n  - global_avgpool -> linear 5 -> as classes\noutputs: [classes, seen]\n"
    )
    assert {name: str(shape) for name, shape in analysis.inputs.items()} == {"image": "3×32×32", "depth": "1×32×32"}
    assert {name: str(shape) for name, shape in analysis.outputs.items()} == {"classes": "5×1×1", "seen": "4×16×16"}
    assert (analysis.cost.params, analysis.cost.macs) == (108 + 18 + 35, (108 + 18) * 256 + 30)


# Files


def test_files_include_and_extend_each_other(tmp_path: Path) -> None:
    """Blocks come from a file beside, and a spec that extends another changes its parameters and blocks."""
    (tmp_path / "parts.yaml").write_text("blocks:\n  part(channels):\n    - conv 1x1 channels\n")
    base = "name: Base\ninput: 8 x 4 x 4\ninclude: parts\nnet(width=2, depth=1):\n  - (depth)x part width\n"
    (tmp_path / "base.yaml").write_text(base + "expect: {params: 16}\n")
    (tmp_path / "wide.yaml").write_text("extends: base\nset: {width: 2*3, depth: 2}\n")
    (tmp_path / "other.yaml").write_text("extends: wide\nblocks:\n  part(channels):\n    - conv 3x3 channels\n")
    assert totals(str(tmp_path / "base.yaml")) == (16, 16 * 16, "2×4×4")
    assert totals(str(tmp_path / "base.yaml"), width=5) == (40, 40 * 16, "5×4×4")
    assert totals(str(tmp_path / "wide.yaml")) == (48 + 36, 84 * 16, "6×4×4")
    assert totals(str(tmp_path / "wide.yaml"), depth=1) == (48, 48 * 16, "6×4×4")
    assert totals(str(tmp_path / "other.yaml")) == (9 * 84, 9 * 84 * 16, "6×4×4")
    assert bneck_cli.analyze(tmp_path / "wide.yaml").program.spec.expect == ()


# Definitions


def test_an_op_of_the_files_own_counts_by_its_formulas() -> None:
    """Shape, weights and multiply-adds are the formulas' values at the tensor that arrives."""
    op = "ops:\n  mix(k, r=k*2, q=cin//r): {out: [q*3, h/k, w-1], params: c*r+q, macs: h*w*c if k > 1 else 0}"
    assert totals(spec("- mix 2", op)) == (8 * 4 + 2, 16 * 16 * 8, "6×8×15")
    assert totals(spec("- mix 1 r=8", op)) == (8 * 8 + 1, 0, "3×16×15")
    assert listed(spec("- mix: {k: 2}", op)) == listed(spec("- mix 2", op))


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ("b 16", [4, 44, 16]),
        ("b 12", [3, 36, 12]),
        ("b 12 squeeze=2", [6, 36, 12]),
        ("b 12 2 5", [6, 5, 12]),
        ("b channels=8 wide=c+1", [2, 9, 8]),
        ("conv 1x1 2 -> b 12", [3, 30, 12]),
    ],
)
def test_defaults_use_the_parameters_before_them_and_what_enters(use: str, expected: list[int]) -> None:
    """A default is worked out from what is given; ``cin`` is what entered the block, though other channels arrive."""
    block = "blocks:\n  b(channels, squeeze=channels/4 if channels > 12 else 4, wide=channels*2+cin+4):\n"
    block += "    - conv 1x1 channels/squeeze\n    - conv 1x1 wide\n    - conv 1x1 channels\n"
    layers = bneck_cli.each_layer(bneck_cli.analyze(spec(f"- {use}", block)))
    assert [entry.layer.out.channels for entry in layers][-3:] == expected
    body = "blocks:\n  b(channels):\n    - conv 1x1 channels -> conv 1x1 cin\n"
    assert totals(spec("- b 12", body))[2] == "8×16×16"


def test_parameters_are_lists_layers_and_tensors() -> None:
    """An item of a list, the name of a layer or a block, and a named tensor are passed as numbers are."""
    blocks = """
blocks:
  cell(channels, act=relu, norm=bn):
    - conv 1x1 channels -> norm -> act
  stage(widths, inner=cell, act=silu):
    - inner (widths[0]) act=act
    - inner (widths[-1]) norm=ln
  join(skip, deep):
    - concat: [from skip, from deep -> upsample 2]
  outer(one, two):
    - join one two
"""
    net = "- stage [4,6] -> as high\n- maxpool 2 stride=2 -> cell 3 -> as low\n- outer high low"
    names = "conv bn silu conv ln relu maxpool conv bn relu upsample concat"
    assert operations(spec(net, blocks)) == names.split()
    assert totals(spec(net, blocks)) == (32 + 8 + 24 + 12 + 18 + 6, 56 * 256 + 18 * 64, "9×16×16")
    net = "net(depths=[2, 3], act=relu):\n  - (depths[0]*len(depths))x bn\n  - (depths[1]-3)x bn\n  - act\n"
    assert operations(f"input: 8 x 4 x 4\n{net}") == ["bn"] * 4 + ["relu"]
    analysis = bneck_cli.analyze(f"input: 8 x 4 x 4\n{net}", depths=[1, 4], act="gelu")
    assert [entry.layer.op for entry in bneck_cli.each_layer(analysis)] == ["bn"] * 3 + ["gelu"]


def test_names_inside_a_block_are_its_own() -> None:
    """A block may call a tensor what its caller calls the one that it passes."""
    block = "blocks:\n  b(skip):\n    - conv 1x1 2 -> as stem\n    - concat: [from skip, from stem]"
    assert totals(spec("- conv 1x1 4 -> as other\n- b other", block))[2] == "6×16×16"
    assert totals(spec("- conv 1x1 4 -> as stem\n- b stem", block))[2] == "6×16×16"


def distinct(node: Node) -> int:
    """Count the nodes of an analysed network, shared ones once."""
    seen: dict[int, Node] = {}
    pending: list[Node] = [node]
    while pending:
        node = pending.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            pending += [run.node for run in node.runs] if isinstance(node, Series) else []
            pending += [*node.branches, *([node.join] if node.join else [])] if isinstance(node, Fork) else []
    return sum(isinstance(each, (Layer, Series, Fork)) for each in seen.values())


def test_a_million_copies_cost_what_two_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies that are the same are one node with a count, worked out once, and the totals are exact."""
    few, many = (bneck_cli.analyze(spec(f"- {n}x unit 16 first(stride=2)", RESIDUAL)) for n in (2, 1_000_000))
    assert distinct(few.root) == distinct(many.root)
    # The first copy has a 3x3 from 8, a projection and two batch norms; each other a 3x3 from 16 and one.
    assert few.cost.params == 1152 + 128 + 64 + 2304 + 32
    assert many.cost.params == 1152 + 128 + 64 + 999_999 * (2304 + 32)
    assert many.cost.macs == (1280 + 999_999 * 2304) * 64
    made: list[str] = []
    monkeypatch.setattr(steps, "make", lambda name, *rest: (made.append(name), make(name, *rest))[1])
    assert totals(spec("- 1000000x conv 3x3 8")) == (576_000_000, 576_000_000 * 256, "8×16×16")
    assert made == ["conv"]


# Expressions


def round8(value: Any, divisor: int = 8) -> int:
    """Round as the MobileNet code does, in exact numbers."""
    rounded = max(divisor, int(value + Fraction(divisor, 2)) // divisor * divisor)
    return rounded + divisor if rounded < Fraction(9, 10) * value else rounded


SCOPE: dict[str, Any] = {"a": 7, "b": 96, "k": 3}
PYTHON = {**SCOPE, "F": Fraction, "min": min, "max": max, "round": round, "len": len, "round8": round8}
PYTHON |= {"ceil": math.ceil, "floor": math.floor}


def ours(text: str) -> Any:
    """Evaluate a text as a spec does."""
    return parse_expression(Scalar(Source("<text>", text), 0, 0, text)).evaluate(SCOPE)


def pythons(text: str) -> Any:
    """Evaluate a text as Python does, but for ``/``, which is exact."""
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            node.left = ast.Call(ast.Name("F", ast.Load()), [node.left], [])
    return eval(compile(ast.fix_missing_locations(tree), "<text>", "eval"), dict(PYTHON))


ATOMS = (*SCOPE, "0", "1", "2", "5", "8", "40", "a**0", "b**2", "k**3", "2**k**2")
FORMS = [
    *(f"X{operator}X" for operator in (" + ", "-", "*", "/", " // ", "%", " and ", " or ")),
    *(f"(X{operator}X)" for operator in ("<", " <= ", ">", ">=", "==", "!=")),
    *("-X", "(X)", "(not X)", "(not X == X)", "(X if X else X)", "[X, X, 3][(X) > 3]", "[4, X][-1]", "len([X, X])"),
    *("ceil(X)", "floor(X)", "round(X)", "round8(X)", "min(X, X)", "max(X, X, X)", "round8(X, 4)"),
]


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> str:
    """Write an expression, in parentheses only where Python would need them or chain comparisons."""
    form = draw(st.sampled_from(FORMS)) if depth and draw(st.integers(0, 9)) else draw(st.sampled_from(ATOMS))
    return "".join(draw(expressions(depth - 1)) if part == "X" else part for part in re.split("(X)", form))


@settings(max_examples=300, deadline=None, database=None)
@given(expressions())
def test_expressions_are_pythons(text: str) -> None:
    """Operators, their precedence and the functions give what Python's give, in exact numbers."""
    try:
        expected = pythons(text)
    except ZeroDivisionError:
        with pytest.raises(BneckError):
            ours(text)
        return
    found = ours(text) if len(text) <= 1000 else expected
    assert (Fraction(found.above, found.below) if isinstance(found, Ratio) else found) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "-a // 5",
            "a // -5",
            "-a % 5",
            "a % -5",
            "-b**2",
            "a - b - k",
            "b / k / 2",
            "b // 5 * 5",
            "2 and 0 or not k",
        ),
        *("a if k > 3 else b if k else 2", "round(5/2) + round(7/2)", "ceil(-a/2) - floor(-a/2)", "not a == 4"),
    ],
)
def test_signs_and_precedence_are_pythons(text: str) -> None:
    """What random expressions may miss: quotients of negative numbers, halves, and what binds closer."""
    assert ours(text) == pythons(text)


@pytest.mark.parametrize("text", ["3 > 2 > 1", "a == a == a", "not 1 < 3 < 2"])
def test_comparisons_in_a_row_are_refused(text: str) -> None:
    """``a > b > c`` could be read in two ways, so it is an error."""
    with pytest.raises(BneckError, match="cannot be chained"):
        ours(text)


@pytest.mark.parametrize(("text", "expected"), [("0.1*10", 1), ("1.4*5", 7), ("round(2.5)", 2), ("round8(24*1.4)", 32)])
def test_decimals_are_exact(text: str, expected: int) -> None:
    """A decimal is the fraction that it says, so nothing depends on how a machine rounds."""
    assert ours(text) == expected


def test_names_inside_a_repeat_are_given_anew() -> None:
    """A tensor named inside a repeat is each copy's own, whatever the copies do to the shape; the last's stays."""
    for stride, side in ((1, 16), (2, 4)):
        body = f"{{repeat: 2, body: [conv 3x3 8 stride={stride} -> as kept, relu, {{add: [identity, from kept]}}]}}"
        assert totals(spec(f"- {body}"))[2] == f"8×{side}×{side}"
        assert totals(spec(f"- {body}\n- add: [identity, from kept]"))[2] == f"8×{side}×{side}"
        with pytest.raises(bneck_cli.BneckError, match="the name 'kept' is already taken"):
            totals(spec("- conv 1x1 8 -> as kept\n- {repeat: 2, body: [conv 3x3 8 -> as kept, relu]}"))
