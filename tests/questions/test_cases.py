"""Small specs that went wrong once, each with what is right: figures, or the one message that refuses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.language.library import load
from bneck_cli.questions.footprint import footprint
from bneck_cli.questions.lint import lint
from bneck_cli.questions.rows import View, shown_rows
from bneck_cli.sizes.writing import pretty

FOLDER = Path(__file__).parents[1] / "data" / "cases"


class Right(NamedTuple):
    """What leaves a network and what it costs; ``input`` is given where the spec's own is not meant.

    ``later`` names what the language does not have yet: with it the spec will be able to say what it meant.
    """

    out: str
    params: int
    macs: int | str
    input: str | None = None
    later: str = ""


class Refused(NamedTuple):
    """Where a spec is refused (line and column), and the message.

    ``later`` names what the language does not have yet: with it the spec will be one that is taken.
    """

    line: int
    column: int
    message: str
    later: str = ""


CASES: dict[str, Right | Refused] = {
    "A_dead": Right("4×32×32", 4_640, 4_751_360),
    "AF_global": Refused(5, 12, "no tensor is named 'stem' in b"),
    "AG_undefined": Refused(7, 9, "no tensor is named 'nothere' here"),
    "AK_kernel5": Right("32×32×32", 5 * 5 * 8 * 32 + 2 * 32, 5 * 5 * 8 * 32 * 1024),
    "aside_out": Right("10×1×1", 5_258, 4_718_592),
    "attn_memory": Right("512×8192", 1_050_624, 77_309_411_328),
    "B_repeat_ignores": Right("8×32×32", 2_368, 2_424_832),
    "bool_bare": Right("4×32×32", 8 * 4, 8 * 4 * 1024),
    "broadcast": Right("64×16×16", 0, 0),
    "cin_net": Right("20×32×32", 9 * (8 * 12 + 12 * 16 + 16 * 20), 9 * (8 * 12 + 12 * 16 + 16 * 20) * 1024),
    "concat_length": Refused(
        4, 5, "cannot concatenate 64×16 (the input) and 64×9 (the input)", later="concatenation along the positions"
    ),
    "conv3": Right("16×4×8×8", 7_056, 1_806_336),
    "dead_end": Right("4×16×16", 4_896, 1_253_376),
    "flow_idx": Refused(4, 10, "not YAML: the quote or bracket opened here is not closed"),
    "I_auto_valid": Refused(
        4, 5, "cannot add 8×2×2 (from `conv 3x3 8 pad=valid`, line 4) and 8×4×4 (from `residual`, line 4)"
    ),
    "ifsame_typo": Right("65×32×32", 37_440, 38_338_560),
    "maxpool_pad": Refused(3, 29, "maxpool: pad (=2) must be at most half of the kernel (=2)"),
    "min_3d": Right("64×16×112×112", 5_184, 1_040_449_536),
    "min_avgpool_pad": Right("8×2×2", 0, 0),
    "min_explain_1d": Right("8×25", 352, 12_800),
    "min_explain_width": Right("8×32×16", 792, 516_096),
    "min_op_length": Right("4×50", 0, 0),
    "min_pool_pad": Right("96×27×27", 0, 0),
    "min_shared": Right("1024×10240", 1_049_600, 1_073_741_824_000),
    "min_stage_from": Right("8×8×8", 10_800, 2_875_392),
    "moe_aside": Right("1024×16", 8 * 8_388_608 + 8_192, 2 * 134_217_728 + 131_072),
    "ops_block": Refused(6, 5, "the parameter 'channels' is never used in b"),
    "outputs_skip": Right("4×32×32", 3_888, 3_981_312),
    "P_round": Right("4×32×32", 40, 40_960),
    "rank3_add": Refused(7, 5, "cannot add 3×4×8×8 (from `conv 3 3`, line 6) and 3×8×8 (the input)"),
    "rank3_add2": Refused(
        6, 5, "cannot add 3×4×8×8 (from `video`, line 5) and 3×2×4×4 (from `conv 3 3 stride=2`, line 6)"
    ),
    "rank3_lint": Right("16×2×4×4", 8_240, 552_960),
    "rank3_same": Right("1", 2_731, 206_848),
    "scope_conv": Refused(5, 3, "'conv' is a layer kind; a definition cannot have its name"),
    "scope_relu_op": Refused(5, 3, "'relu' is a layer kind; a definition cannot have its name"),
    "seq_length": Refused(3, 26, "unknown name 'h'"),
    "seq_vec": Right("8×4", 384, 1_536),
    "shared_head": Right("256×64×64", 590_080, 3_019_898_880),
    "sym6": Right("8×H×W", 0, "64·H·W", "8xHxW"),
    "symbolic_macs": Right("8×H×W", 0, "8·H·W"),
    "twice": Right("8×16×16", 576, 294_912),
    "unequal": Right("800×4", 147_456, 589_824),
    "unused_ops": Right("8×1×16", 0, 2_048),
    "V_rel_nowin": Refused(3, 33, "attention: a position bias needs a window"),
    "vgg_without_flatten": Right("1000×7×7", 22_979_560, 1_125_548_032),
    "video_input": Right("64×16×56×56", 28_224, 1_416_167_424),
    "window1d": Right("64×128", 16_640, 2_621_440),
    "y_forget_use": Refused(4, 15, "the parameter 'stride' is never used in b"),
    "Y_swap2": Refused(3, 11, "conv: a window of 64×64 for 3 channels?"),
}


def test_every_case_has_its_row() -> None:
    """No file of the folder is without an expectation."""
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_right(name: str) -> None:
    """Its figures are those worked out by hand, or its one message stands at the word that is wrong."""
    expected = CASES[name]
    if isinstance(expected, Refused):
        with pytest.raises(BneckError) as told:
            bneck_cli.analyze(FOLDER / f"{name}.yaml")
        assert told.value.location is not None
        assert (told.value.location.line, told.value.location.column) == (expected.line, expected.column)
        assert told.value.message == expected.message
        return
    found = bneck_cli.analyze(FOLDER / f"{name}.yaml", input=expected.input)
    first = str(next(iter(found.outputs.values())))
    assert (first, found.cost.params, shown(found.cost.macs)) == (expected.out, expected.params, expected.macs)


def shown(size: Any) -> int | str:
    """Write a formula as text."""
    return size if isinstance(size, int) else pretty(size)


def test_three_axes_are_linted() -> None:
    """Every rule of lint works on a map of three axes."""
    analysis = bneck_cli.analyze(FOLDER / "rank3_lint.yaml")
    assert [finding.rule for finding in lint(analysis).findings] == ["params-concentrated"]
    assert load(str(FOLDER / "rank3_lint.yaml")).blocks == {}


@pytest.mark.parametrize(
    ("written", "value"), [("round(2.5)", 2), ("round(3.5)", 4), ("round8(12)", 16), ("round8(20)", 24)]
)
def test_halves_round_as_the_reference_says(written: str, value: int) -> None:
    """`round` takes a half to the even number, `round8` up."""
    assert bneck_cli.analyze(f"input: 8 x 1 x 1\nnet: conv 1x1 {written}\n").cost.params == 8 * value


def heard(name: str, rule: str) -> list[tuple[str, int, str, int]]:
    """Return what a rule of lint finds in a case: path, copies, line, cost."""
    found = lint(bneck_cli.analyze(FOLDER / f"{name}.yaml").found).findings
    return [
        (each.path, each.copies, str(each.place.location()).split(":")[-2], each.cost)
        for each in found
        if each.rule == rule
    ]


@pytest.mark.parametrize(
    ("name", "rule", "findings"),
    [
        ("A_dead", "unread-result", [("dead.conv", 1, "5", 64 * 32 * 32)]),
        ("B_repeat_ignores", "unread-result", [("m.0-3.conv", 3, "5", 3 * 8 * 32 * 32)]),
        ("outputs_skip", "unread-result", [("conv", 1, "5", 100 * 32 * 32)]),
        ("aside_out", "unread-result", [("conv", 1, "6", 8 * 32 * 32)]),
        ("dead_end", "unread-result", [("conv1", 1, "5", 64 * 16 * 16)]),
        ("ifsame_typo", "dropped-addition", [("conv", 1, "4", 65 * 32 * 32)]),
        ("vgg_without_flatten", "linear-on-map", [("linear3", 1, "3", 7 * 7)]),
    ],
)
def test_what_is_counted_in_vain_is_found(name: str, rule: str, findings: list[tuple[str, int, str, int]]) -> None:
    """Each finding stands at its line, and costs what nobody reads, adds or flattens."""
    assert heard(name, rule) == findings


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("A_dead", "the result of dead.conv is never used: 4,608 params and 4,718,592 MACs"),
        ("B_repeat_ignores", "the result of m.0-3.conv (×3) is never used: 1,728 params and 1,769,472 MACs"),
        ("outputs_skip", "the result of conv is never used: 3,600 params and 3,686,400 MACs"),
        ("aside_out", "the result of conv is never used: 4,608 params and 4,718,592 MACs"),
        ("dead_end", "the result of conv1 is never used: 4,608 params and 1,179,648 MACs"),
    ],
)
def test_what_is_counted_in_vain_is_noted(name: str, said: str) -> None:
    """The table counts it, and says so below."""
    text = " ".join(bneck_cli.analyze(FOLDER / f"{name}.yaml").text().split())
    assert f"{said} are counted that reach no output" in text


@pytest.mark.parametrize(
    ("name", "sentences"),
    [
        ("min_explain_width", ["width ⌊(64 + 2·1 - 3)/2⌋ + 1 = 32", "width ⌊(32 + 2·1 - 3)/2⌋ + 1 = 16"]),
        ("min_explain_1d", ["⌊(100 + 2·2 - 5)/2⌋ + 1 = 50", "⌊(50 + 2·1 - 3)/2⌋ + 1 = 25"]),
    ],
)
def test_every_axis_is_explained(name: str, sentences: list[str]) -> None:
    """A width that changes where the height does not, and a sequence, are told as a map is."""
    text = bneck_cli.explain(FOLDER / f"{name}.yaml").text()
    assert [sentence for sentence in sentences if sentence not in " ".join(text.split())] == []


def test_a_stage_that_takes_another_tensor_sees_from_there() -> None:
    """It begins with 16×32×32 and ends in a field of 5×5, a step of 4."""
    from bneck_cli.flow.receptive import reaches

    analysis = bneck_cli.analyze(FOLDER / "min_stage_from.yaml").found
    (axis, _) = reaches(analysis)["third"].axes
    (stage,) = [row for row in shown_rows(analysis, View())[0] if row.path == "third"]
    assert (str(stage.shape), axis.size, axis.jump) == ("16×32×32", 5, 4)


MIB = 2**20


@pytest.mark.parametrize(
    ("name", "attention", "weights", "tensors"),
    [
        # what arrives, then queries, keys and values, of 512 channels; fused, a sum for each head and query beside them
        ("attn_memory", "fused", 4 * (4 * 512 * 512 + 4 * 512), 4 * (4 * 512 * 8192 + 8 * 8192)),
        # all scores of eight heads, with what arrives, the values, and queries or what leaves
        ("attn_memory", "plain", 4 * (4 * 512 * 512 + 4 * 512), 4 * 8 * 8192 * 8192 + 3 * 16 * MIB),
        # eight experts are resident, whichever two run
        ("moe_aside", "usual", 4 * (8 * 2 * 1024 * 4096 + 1024 * 8), None),
    ],
)
def test_what_is_in_memory_is_counted(name: str, attention: str, weights: int, tensors: int | None) -> None:
    """Idle weights are resident; attention holds queries, keys and values, and its scores where it is not fused."""
    found = footprint(bneck_cli.analyze(FOLDER / f"{name}.yaml").found, attention=attention)
    assert found.total.weights == weights
    if tensors is not None:
        assert found.peak.bytes == tensors
