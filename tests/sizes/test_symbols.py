"""Symbols never meet: the batch's, those of parameters, those of assumptions, and the input's own."""

from __future__ import annotations

import pytest

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.analysis import analyze_program, smallest_input
from bneck_cli.engine.settings import read_settings
from bneck_cli.language.document import Source
from bneck_cli.language.library import load, resolve
from bneck_cli.sizes.assumed import Assumed
from bneck_cli.sizes.dim import Dim
from bneck_cli.sizes.evaluation import evaluate
from bneck_cli.sizes.writing import pretty

CONV = "input: 3 x 8 x 8\nnet(N=4): conv 3x3 8 -> conv 1x1 N\n"
BLOCK = "blocks:\n  b(channels): conv 3x3 channels\n"


def formula(text: str, **settings: object) -> str:
    """Write the multiply-adds of a spec's batch."""
    program = resolve(Source("own.yaml", text))
    if "net" not in text:
        program = program._replace(block="b", net=None)
    return pretty(analyze_program(program, read_settings(**settings)).macs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "248·N·H·W"),
        ({"input": "3xNxW"}, "248·N·B·W"),
        ({"input": "3xNxB"}, "248·N·B·N'"),
        ({"symbols": ("N",)}, "8·N·B·H·W + 216·B·H·W"),
        ({"input": "3xNxW", "batch": 2}, "496·N·W"),
    ],
)
def test_the_batch_is_no_symbol_of_the_users(settings: dict[str, object], expected: str) -> None:
    """The batch is N where that is free, else B, else what no spec can spell; a number stays a number."""
    assert formula(CONV, symbolic=True, **settings) == expected


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        (BLOCK, {"input": "HxW", "channels": "H"}, "--channels H: 'H' is already a symbol of the input (HxHxW)"),
        (BLOCK, {"symbolic": True, "channels": "W"}, "--channels W: 'W' is already a symbol of the input (WxHxW)"),
        (BLOCK, {"input": "HxW", "channels": "C", "in_channels": "H"}, "--in-channels H: 'H' is already a symbol"),
        (BLOCK, {"symbolic": True, "input": "64xCxW"}, "--channels C: 'C' is already a symbol of the input (64xCxW)"),
        (CONV, {"input": "3xNxW", "symbols": ("N",)}, "--symbol N: 'N' is already a symbol of the input (3xNxW)"),
        (CONV, {"input": "NxHxW", "symbols": ("N",)}, "--symbol N: 'N' is already a symbol of the input (NxHxW)"),
        (CONV.replace("3 x 8", "H x 8"), {"symbolic": True}, "--symbolic: 'H' names both the input's channels and a"),
    ],
)
def test_a_parameters_symbol_is_none_of_the_inputs(text: str, settings: dict[str, object], message: str) -> None:
    """One letter for two sizes is refused: a formula could not tell them apart."""
    with pytest.raises(BneckError) as told:
        formula(text, **settings)
    assert told.value.message.startswith(message)


def test_the_channels_that_enter_may_be_those_that_leave() -> None:
    """A block's channels are one symbol on both sides unless told otherwise."""
    assert formula(BLOCK, symbolic=True) == formula(BLOCK, symbolic=True, input="CxHxW") == "9·N·C²·H·W"


@pytest.mark.parametrize("name", ["H_", "H32", "H_32"])
def test_an_assumptions_symbol_cannot_be_spelled(name: str) -> None:
    """A symbol that looks like another with a suffix is one of its own."""
    text = "input: 3 x 8 x 8\nnet: conv 3x3 8\n"
    assert formula(text, input=f"3xHx{name}", assume="H%32==0") == f"216·H·{name}"


def test_several_assumptions_of_a_symbol_are_one() -> None:
    """H%4 and H%6 together are H%12, in whichever order."""
    text = "input: 3 x 8 x 8\nnet: pixel_unshuffle 12 -> conv 1x1 1\n"
    for assume in ("H%4==0,H%6==0", "H%6==0,H%4==0", "H%12==0,H%4==0"):
        program = resolve(Source("own.yaml", text))
        found = analyze_program(program, read_settings(input="3xHx12", assume=assume))
        assert found.assume == {"H": Assumed(12)}
        assert str(found.outputs["output"]) == "1×H/12×1"


def test_a_message_speaks_of_the_inputs_symbol() -> None:
    """What must hold beside an assumption is said of the symbol that the input has."""
    text = "input: 4 x 8 x 8\nnet:\n  - concat: [maxpool 4 stride=4 -> upsample 4, identity]\n"
    with pytest.raises(BneckError) as told:
        formula(text, input="4xHx8", assume="H%2==0")
    assert "H is a multiple of 4" in told.value.hint
    assert "/2" not in told.value.message.replace("H/2", "")
    assert formula(text, input="4xHx8", assume="H%4==0") == "0"


@pytest.mark.parametrize(
    ("net", "least"),
    [
        ("pixel_unshuffle 4 -> pixel_unshuffle 3 -> conv 1x1 2", "3×12×12"),
        ("conv 3x3 8 pad=0 -> pixel_unshuffle 4", "3×6×6"),
        ("maxpool 5 stride=5 -> conv 3x3 2 pad=0", "3×15×15"),
        ("residual: conv 1x1 3\n  shortcut: maxpool 2 stride=2 -> upsample 2", "3×2×2"),
    ],
)
def test_the_smallest_input_is_accepted_and_none_below(net: str, least: str) -> None:
    """Divisibility counts: each side up to the one named is tried by itself."""
    text = f"input: 3 x 1 x 1\nnet:\n  {'- ' if ':' in net else ''}{net}\n".replace("\n  shortcut", "\n    shortcut")
    program = resolve(Source("own.yaml", text))
    assert str(smallest_input(program)) == least
    for side in range(1, int(least.split("×")[1]) + 1):
        accepted = str(side) == least.split("×")[1]
        if accepted:
            bneck_cli.analyze(text, input=f"3x{side}x{side}")
        else:
            with pytest.raises(BneckError):
                bneck_cli.analyze(text, input=f"3x{side}x{side}")


def test_no_smallest_input_is_named_where_none_is_accepted() -> None:
    """What fails for another reason has no smallest input, and an assumption counts."""
    odd = "input: 3 x 1 x 1\nnet: maxpool 2 stride=2 -> global_avgpool -> flatten -> conv 1x1 2\n"
    assert smallest_input(resolve(Source("own.yaml", odd))) is None
    assert str(smallest_input(load("resnet18"), read_settings(input="3xHxH", assume="H%32==0"))) == "3×32×32"


HEAD = """\
input: 3 x 8 x 8
net:
  - aside:
      - avgpool 5 stride=3 -> conv 5x5 4 pad=0 -> global_avgpool -> linear 10
  - conv 1x1 2
"""


@pytest.mark.parametrize("side", [1, 2, 5, 8, 20, 40])
def test_a_heads_formula_is_its_number(side: int) -> None:
    """Inside `aside` a size that is too small is the same in the formula and by itself."""
    formulas = bneck_cli.each_layer(bneck_cli.analyze(HEAD, input="3xHxH"))
    numbers = bneck_cli.each_layer(bneck_cli.analyze(HEAD, input=f"3x{side}x{side}"))
    for one, other in zip(formulas, numbers, strict=True):
        sizes = [evaluate(size, {"H": side}) if isinstance(size, Dim) else size for size in one.layer.out.spatial]
        assert tuple(sizes) == other.layer.out.spatial


def test_a_head_whose_parameters_depend_on_an_empty_map_is_refused() -> None:
    """A vector of an empty map has no weights to count."""
    text = HEAD.replace("global_avgpool", "flatten")
    assert bneck_cli.analyze(text, input="3x23x23").cost.params == 25 * 3 * 4 + (4 * 3 * 3 + 1) * 10 + 3 * 2
    with pytest.raises(BneckError, match="too small"):
        bneck_cli.analyze(text, input="3x8x8")
