"""Specs to source: laid out as ruff does it, the network when it is built on meta tensors, and as people write it."""

from __future__ import annotations

import random
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from fuzz_grammar import Grammar
from networks import Writer

from bneck_cli.bridges.export.pytorch.builder import operand
from bneck_cli.bridges.export.pytorch.check import check_source, module_of
from bneck_cli.bridges.export.pytorch.writer import require_numbers, source
from bneck_cli.bridges.export.source import laid_out
from bneck_cli.bridges.export.targets import Asked, export, target_of
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.settings import read_settings
from bneck_cli.errors import BneckError
from bneck_cli.language.document import Source
from bneck_cli.language.library import load, network_names, resolve

if TYPE_CHECKING:
    from pathlib import Path

    from bneck_cli.engine.analysis import Analysis

VARIED = (
    "mobilenet_v3_small", "unet", "vit_b_16", "llama2_7b", "shufflenet_v2_x0_5", "swin_v2_t", "res2net50_26w_4s",
    "fpn_resnet50", "mc3_18",
)  # fmt: skip
"""Networks that between them have every structure of the library."""


def analysed(text: str) -> Analysis:
    """Analyse a spec."""
    return analyze_program(resolve(Source("test.yaml", text)))


def written(text: str) -> str:
    """Export a spec, and return the source behind its heading."""
    return source(analysed(text)).text.partition("from torch import nn\n\n\n")[2]


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    """Export every bundled network that PyTorch can hold."""
    found = {}
    for name in network_names():
        try:
            found[name] = source(analyze_program(load(name))).text
        except BneckError as error:
            assert error.location, name  # noqa: PT017  (each is told at its row)
    return found


def test_nearly_every_bundled_network_is_source(sources: dict[str, str]) -> None:
    """PyTorch can hold nine in ten of the library, and the source compiles."""
    assert len(sources) >= 0.9 * len(network_names())
    for name, text in sources.items():
        compile(text, name, "exec")


@pytest.mark.skipif(not shutil.which("ruff"), reason="ruff lays source out, and is not here")
def test_source_is_laid_out_as_ruff_does_it(sources: dict[str, str], tmp_path: Path) -> None:
    """Nothing is left to format, to import or to take away."""
    for name, text in sources.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    for command in (
        ["format", "--isolated", "--diff"],
        ["check", "--isolated", "--select", "E,F,I", "--ignore", "E501"],
    ):
        done = subprocess.run(["ruff", *command, str(tmp_path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[:2000]


@pytest.mark.parametrize("name", VARIED)
def test_a_network_is_what_was_analysed(name: str) -> None:
    """Parameters, shapes and multiply-adds on meta tensors are the analysis's."""
    pytest.importorskip("torch")
    export(analyze_program(load(name)), "pytorch", Asked(check=True))


@pytest.mark.parametrize("block", ["bottleneck", "mbconv", "shuffle_unit", "swin", "inception", "squeeze_excite"])
def test_a_block_is_a_module(block: str) -> None:
    """A block by itself is its class."""
    pytest.importorskip("torch")
    asked = read_settings(None, "64", None, [], None)
    export(analyze_program(load(block), asked), "pytorch", Asked(check=True))


def test_random_networks_are_right_or_refused() -> None:
    """Names that cross every boundary come out as the same network, or as an error, which few do."""
    pytest.importorskip("torch")
    layers = ["conv 3x3 4 -> relu", "conv 1x1 4", "bn", "ln -> linear 4", "dwconv 3x3 -> silu"]
    refused = []
    for seed in range(24):
        analysis = analysed(Writer(random.Random(seed), layers).spec(8))
        try:
            export(analysis, "pytorch", Asked(check=True))
        except BneckError:
            refused.append(seed)
    assert len(refused) <= 8


def test_networks_of_the_grammar_are_right_or_refused() -> None:
    """Whatever is written is the network, before anything compares it; what cannot be held is told at its row."""
    pytest.importorskip("torch")
    right = 0
    for seed in range(240):
        try:
            analysis = analysed(Grammar(random.Random(seed)).document())
            require_numbers(analysis)
        except BneckError:
            continue
        if analysis.cost.params > 10**9:
            continue
        try:
            found = source(analysis)
        except BneckError as error:
            assert error.location, seed  # noqa: PT017  (each is told at its row)
            continue
        check_source(analysis, found)
        right += 1
    assert right > 35


@pytest.mark.parametrize(
    "text",
    [
        "name: f\ninput: 3 x 8 x 8\nnet: pad 1",
        "name: Attention\ninput: 8 x 9\nnet: attention heads=2",
        "input: 4 x 8 x 8\nnet:\n  - conv 3x3 8\n  - learned 8x1x1",
        "input: 4 x 8 x 8\nnet: conv 3x3 8 frozen -> dwconv 3x3 frozen -> conv 1x1 8",
        "input: 4 x 8 x 8\nnet:\n  - concat: [global_avgpool -> linear 8, global_avgpool]",
        "input: 4 x 8 x 8\nnet:\n  - matmul: [conv 3x3 8, maxpool 2 stride=2 -> conv 1x1 8]\n    heads: 2",
        "input: 1 x 8\nnet:\n  - embed 9 4\n  - residual: linear 6\n    shortcut: auto",
        "input: 4 x 8\nnet: ln nobias -> rmsnorm noaffine -> ln noaffine",
        "input: 1 x 8\nnet: slice 0 1 -> ln -> transpose -> linear n -> transpose -> gru 3",
        "input: 4 x 8 x 8\nnet:\n  - conv 1x1 6\n  - scale: identity -> as t\n  - flatten -> from t -> relu",
        "input: 4 x 8 x 8\nnet:\n  - conv 1x1 6\n  - 3x:\n    - identity\n    - as t\n  - add: [relu, from all t]",
        "input: 4 x 8 x 8\nnet:\n  - concat: [conv 3x3 4, learned 4x8x8]",
    ],
)
def test_what_the_grammar_found_is_written(text: str) -> None:
    """Each of these was once written wrong, and told so where PyTorch was there to compare it."""
    pytest.importorskip("torch")
    analysis = analysed(text)
    check_source(analysis, source(analysis))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("input: 8 x 4 x 4\nnet: gn 2 nobias", "has no `nobias`"),
        ("input: 8 x 1 x 1\nnet: in", "one position"),
        ("input: 8 x 4 x 4\nnet: bn frozen noaffine", "has no `noaffine`"),
        ("input: {a: 8 x 4, b: 8 x L}\nnet: from a -> relu", "input b: sizes are symbols"),
    ],
)
def test_no_option_is_left_out_in_silence(text: str, said: str) -> None:
    """An option that PyTorch's module has not is an error, and so is an input that nothing reads."""
    with pytest.raises(BneckError, match=said):
        source(analysed(text))


ATTEND = "input: 4 x {}\nnet:\n  - attend: {{queries: linear 4, keys: linear 4, values: linear 4}}\n    heads: 2\n"


@pytest.mark.parametrize(
    "text",
    [
        "input: 8 x 7 x 5\nnet: attention heads=2 position=decomposed",
        "input: 8 x 7 x 5\nnet: attention heads=2 window=3 position=decomposed",
        "input: 8 x 4 x 6 x 6\nnet: attention heads=2 window=2x3x3 shift=1 position=relative -> pixel_unshuffle 1x2x2",
        "input: 8 x 9\nnet: attention heads=2 window=4 position=relative -> tile 3 -> subsample 2",
        "input: 8 x 6 x 6\nnet: grn -> conv 1x1 4 -> grn -> reshape 2*c x h*w/2",
        ATTEND.format("9") + "    position: 2*n",
        ATTEND.format("9") + "    position: 2*4\n    causal: true",
        ATTEND.format("9") + "    position: 2*8",
        ATTEND.format("4 x 6") + "    position: relative",
        ATTEND.format("4 x 6") + "    position: 2*n",
        "input: 4 x 9\nnet:\n  - experts: linear 8 -> relu -> linear 6\n    count: 5\n    active: 2\n",
        "input: 4 x 9\nnet:\n  - experts: linear 6\n    count: 5\n    active: 2\n    router: ln -> linear 5\n",
    ],
)
def test_what_pytorch_has_no_module_for_is_written_out(text: str) -> None:
    """Attention with positions of any form, windows of any number of axes, and experts."""
    pytest.importorskip("torch")
    analysis = analysed(text)
    check_source(analysis, source(analysis))


def test_experts_are_given_their_positions() -> None:
    """What a position's experts give is weighed by the softmax of their scores."""
    torch = pytest.importorskip("torch")
    found = source(analysed("input: 4 x 9\nnet: {experts: linear 6, count: 5, active: 2}"))
    module = module_of(found.text, found.name)().eval()
    (experts,) = (one for one in module.modules() if type(one).__name__ == "Experts")
    x = torch.randn(3, 9, 4)
    weights, chosen = experts.router(x).topk(2)
    every = torch.stack([expert(x) for expert in experts.experts], -2)
    given = every.gather(-2, chosen[..., None].expand(-1, -1, -1, 6))
    wanted = (given * weights.softmax(-1)[..., None]).sum(-2)
    assert torch.allclose(module(x.transpose(1, 2)), wanted, atol=1e-6)


def test_positions_along_each_axis_are_added_to_the_scores() -> None:
    """Each query meets a vector for how far a key is away along each axis (arXiv 2112.01526, 4.2)."""
    torch = pytest.importorskip("torch")
    found = source(analysed("input: 4 x 2 x 3\nnet: attention heads=1 position=decomposed"))
    module = module_of(found.text, found.name)().eval()
    (one,) = (part for part in module.modules() if type(part).__name__ == "WindowAttention")
    for parameter in one.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(1, 4, 2, 3)
    rows = x[0].flatten(1).T
    q, k, v = (part(rows) for part in (one.q, one.k, one.v))
    scores = q @ k.T / 2
    for i in range(6):
        for j in range(6):
            along = (one.vectors[0][i // 3 - j // 3 + 1], one.vectors[1][i % 3 - j % 3 + 2])
            scores[i, j] += sum(q[i] @ vector for vector in along)
    assert torch.allclose(module(x).flatten(), one.proj(scores.softmax(-1) @ v).flatten(), atol=1e-5)


@pytest.mark.parametrize("name", ["convnextv2_tiny", "deepseek_v2_lite", "levit_128s", "t5_small", "sam_vit_b"])
def test_networks_of_every_form_of_attention_are_source(name: str) -> None:
    """Latents, learned distances, and experts come out as what was analysed."""
    pytest.importorskip("torch")
    export(analyze_program(load(name)), "pytorch", Asked(check=True))


def test_copies_that_take_a_second_tensor_are_a_loop() -> None:
    """They are a list of modules, as people write it, and each is called with both."""
    pytest.importorskip("torch")
    text = "input: 8 x 4 x 4\nblocks:\n  more(map): {add: [conv 3x3 8, from map]}\nnet:\n"
    analysis = analysed(f"{text}  - relu -> as seen\n  - 5x more seen\n  - global_avgpool -> linear 4\n")
    found = source(analysis)
    check_source(analysis, found)
    assert "self.mores = nn.ModuleList([More(8) for _ in range(5)])" in found.text
    assert "        for more in self.mores:\n            x = more(x, seen)\n" in found.text


def test_a_product_is_worked_out_before_it_is_cut() -> None:
    """What a method is called of stands in brackets where it is a sum, a product or a choice."""
    text = "input: 4 x 8 x 8\nnet:\n  - mul: [conv 1x1 4, conv 1x1 4]\n  - split: [relu, identity]\n    join: mul\n"
    assert "= (self.conv(x) * self.conv2(x)).chunk(2, 1)" in written(text)
    assert operand("a if b else c", "+") == "(a if b else c)"
    assert operand("f(a + b)[0]", ".") == "f(a + b)[0]"
    assert (operand("a + b", "*"), operand("a @ b", "*"), operand("a * b", "*")) == ("(a + b)", "(a @ b)", "a * b")


@pytest.mark.parametrize("name", ["densenet121", "efficientnet_b0"])
def test_a_network_comes_back(name: str) -> None:
    """Spec to PyTorch to spec has the same totals; for all networks by `tests/round_trip.py`."""
    pytest.importorskip("torch")
    from round_trip import round_trip

    assert round_trip(name) == "the same"


def test_weights_that_are_shared_are_one() -> None:
    """A tower that works on all maps is made once, and the last layer has the words' table."""
    pytest.importorskip("torch")
    for name in ("fcos_resnet50_fpn", "gpt2_small"):
        export(analyze_program(load(name)), "pytorch", Asked(check=True))


def test_a_bottleneck_is_as_people_write_it() -> None:
    """Parameters are arguments, derived values are worked out, and a shortcut is there where the shape changes."""
    text = source(analyze_program(load("resnet50"))).text
    assert "def __init__(self, c_in, channels, stride=1, width=None):" in text
    assert "width = channels // 4" in text
    assert "if stride != 1 or c_in != channels:" in text
    assert "return self.relu(self.body(x) + self.shortcut(x))" in text
    assert "*[Bottleneck(2 * channels, 2 * channels) for _ in range(depths[1] - 1)]," in text


def test_nothing_is_written_over_that_is_read_again() -> None:
    """An activation in place never stands first in a branch."""
    text = written("input: 8 x 8 x 8\nnet:\n  - residual: relu -> conv 3x3 8 -> bn -> relu -> conv 3x3 8\n")
    assert text.index("nn.ReLU(),") < text.index("nn.ReLU(inplace=True)")


def test_numbers_agree_with_torch_layer_by_layer() -> None:
    """A residual of real numbers gives what its layers give by hand."""
    torch = pytest.importorskip("torch")
    found = source(analysed("input: 4 x 8 x 8\nnet:\n  - conv 1x1 4 bias\n  - residual: relu -> conv 3x3 4\n"))
    module = module_of(found.text, found.name)().eval()
    x = torch.randn(1, 4, 8, 8)
    before, inside = (layer for layer in module.modules() if isinstance(layer, torch.nn.Conv2d))
    y = before(x)
    assert torch.allclose(module(x), y + inside(y.relu()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("input: 3 x 8 x 8\nops: {own: {out: [c, h, w], params: 1, macs: 0}}\nnet: own", "no module for `own`"),
        ("input: 3 x H x W\nnet: conv 3x3 8", "sizes are symbols"),
        ("input: 8 x 9\nnet: attention heads=2 causal window=3", "counts all keys"),
    ],
)
def test_what_cannot_be_held_is_an_error(text: str, said: str) -> None:
    """One message names the row."""
    with pytest.raises(BneckError, match=said):
        source(analysed(text))


def test_a_suffix_says_the_target() -> None:
    """A file's name chooses, and a word that is misspelt has the nearest."""
    assert target_of(None, "net.py") == "pytorch"
    assert target_of("pytorch", "net.txt") == "pytorch"
    with pytest.raises(BneckError, match="did you mean 'pytorch'"):
        target_of("pytorh", None)
    with pytest.raises(BneckError, match="--to is missing"):
        target_of(None, None)


@pytest.mark.parametrize(
    ("line", "laid"),
    [
        ("x = f(a)", ["x = f(a)"]),
        (f"x = f({'a' * 40}, {'b' * 40})", ["x = f(", f"    {'a' * 40}, {'b' * 40}", ")"]),
        (f"x = [{'a' * 40}, {'b' * 44}]", ["x = [", f"    {'a' * 40},", f"    {'b' * 44},", "]"]),
        (
            f"x = f({'a' * 60}, g({'b' * 40}))",
            ["x = f(", f"    {'a' * 60},", f"    g({'b' * 40}),", ")"],
        ),
    ],
)
def test_long_lines_break_at_brackets(line: str, laid: list[str]) -> None:
    """A call's arguments share a line where they fit, items of a list never do."""
    assert list(laid_out(line, 0)) == laid
