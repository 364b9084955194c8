"""What training saves: each layer and each network against PyTorch's autograd, to the byte where it can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from autograd import recorded
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Flat, Writer

from bneck_cli import BneckError, analyze
from bneck_cli.engine.layers import LAYERS, Kind
from bneck_cli.flow.eager import eager_elements
from bneck_cli.flow.recompute import RECOMPUTE
from bneck_cli.flow.saved import Saved, saved, trained
from bneck_cli.formats import as_text
from bneck_cli.questions.footprint import footprint
from bneck_cli.questions.footprint_report import report
from bneck_cli.sizes.evaluation import substitute

if TYPE_CHECKING:
    from random import Random

    from bneck_cli.engine.analysis import Analysis

GPT2 = """\
input: 768 x 1024
include: blocks/transformer
net:
  - 12x encoder 768 -> ln -> linear 50257 nobias
"""
DROPPING = """\
input: 1 x 1024
blocks:
  layer:
    - residual:
      - ln
      - attend: {queries: linear c, keys: linear c, values: linear c, scores: dropout}
        heads: 12
        causal: true
      - linear c -> dropout
    - residual: ln -> linear (4*c) -> gelu -> linear cin -> dropout
net:
  - embed 50257 768
  - add: [identity, learned c x n]
  - dropout
  - 12x layer
  - ln -> linear 50257 nobias
"""
LLAMA = {"depth": 2, "channels": 512, "heads": 8, "kv": 2, "mlp": 2048, "vocab": 2000}


def test_every_kind_says_what_training_keeps() -> None:
    """A kind that is silent would be counted as keeping nothing."""
    assert [name for name, kind in LAYERS.items() if kind.keeps is Kind.keeps] == []


# Each layer, against PyTorch's own

LAYER_CASES = [
    ("conv 3x3 4", "Conv2d(8, 4, 3, bias=False)"),
    ("dwconv 3x3", "Conv2d(8, 8, 3, groups=8, bias=False)"),
    ("upconv 2x2 4 stride=2", "ConvTranspose2d(8, 4, 2, 2, bias=False)"),
    ("bn", "BatchNorm2d(8)"),
    ("gn 4", "GroupNorm(4, 8)"),
    ("in", "InstanceNorm2d(8, affine=True)"),
    ("in noaffine", "InstanceNorm2d(8)"),
    ("lrn size=5", "LocalResponseNorm(5)"),
    ("grn", "GlobalResponseNorm(8)"),
    ("prelu", "PReLU()"),
    ("softmax", "Softmax(1)"),
    ("maxpool 2x2 stride=2", "MaxPool2d(2)"),
    ("avgpool 2x2 stride=2", "AvgPool2d(2)"),
    ("slice 0 3 -> conv 1x1 4", "Sequential(Cut(), Conv2d(3, 4, 1, bias=False))"),
    ("global_avgpool", "AdaptiveAvgPool2d(1)"),
    ("global_maxpool", "AdaptiveMaxPool2d(1)"),
    ("adaptive_avgpool 3x3", "AdaptiveAvgPool2d(3)"),
    ("adaptive_maxpool 3x3", "AdaptiveMaxPool2d(3)"),
    ("upsample 2", "Upsample(scale_factor=2)"),
    ("upsample 2 mode=bilinear", "Upsample(scale_factor=2, mode='bilinear')"),
    ("resize 9 mode=bilinear", "Upsample((9, 9), mode='bilinear')"),
    ("pad 1", "ZeroPad2d(1)"),
    ("pad (0,-1,1,0)", "ZeroPad2d((1, 0, 0, -1))"),
    ("pad 1 mode=reflect", "ReflectionPad2d(1)"),
    ("pad 1 mode=replicate", "ReplicationPad2d(1)"),
    ("pad 1 mode=circular", "CircularPad2d(1)"),
    ("pixel_shuffle 2", "PixelShuffle(2)"),
    ("pixel_unshuffle 2", "PixelUnshuffle(2)"),
    ("shuffle 2", "ChannelShuffle(2)"),
    ("dropout", "Dropout()"),
    ("flatten -> linear 3", "Sequential(Flatten(), Linear(8 * 36, 3))"),
    ("relu -> conv 3x3 4", "Sequential(ReLU(), Conv2d(8, 4, 3))"),
    ("bn -> relu -> conv 3x3 4", "Sequential(BatchNorm2d(8), ReLU(), Conv2d(8, 4, 3))"),
    ("bn -> silu -> conv 3x3 4", "Sequential(BatchNorm2d(8), SiLU(), Conv2d(8, 4, 3))"),
    *(
        (name, f"{module}()")
        for name, module in {
            "relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "LeakyReLU", "elu": "ELU", "selu": "SELU", "celu": "CELU",
            "silu": "SiLU", "hard_swish": "Hardswish", "gelu": "GELU", "sigmoid": "Sigmoid", "tanh": "Tanh",
            "hard_sigmoid": "Hardsigmoid", "hard_tanh": "Hardtanh", "mish": "Mish", "softplus": "Softplus",
            "softsign": "Softsign",
        }.items()
    ),
]  # fmt: skip
SEQUENCE_CASES = [
    ("linear 4", "Linear(8, 4)"),
    ("ln", "LayerNorm(8)"),
    ("ln noaffine", "LayerNorm(8, elementwise_affine=False)"),
    ("rmsnorm", "RMSNorm(8)"),
    ("ln -> linear 4 -> gelu", "Sequential(LayerNorm(8), Linear(8, 4), GELU())"),
    ("ln -> take 0 -> linear 4", "Sequential(LayerNorm(8), First(), Linear(8, 4))"),
]


def kept_by(text: str, module: str, sequence: bool) -> tuple[int, Any]:
    """Return what PyTorch saves of a layer after one with weights, and what is counted."""
    torch = pytest.importorskip("torch")
    from autograd import saved as measured

    class First(torch.nn.Module):  # type: ignore[misc, name-defined]
        """The first token of a sequence."""

        def forward(self, x: Any) -> Any:
            """Return a view."""
            return x[:, 0]

    class Cut(torch.nn.Module):  # type: ignore[misc, name-defined]
        """The first three channels of a map."""

        def forward(self, x: Any) -> Any:
            """Return a view."""
            return x[:, :3]

    from test_layers_torch import GlobalResponseNorm

    layer = eval(module, vars(torch.nn) | {"First": First, "Cut": Cut, "GlobalResponseNorm": GlobalResponseNorm})
    first = torch.nn.Linear(3, 8) if sequence else torch.nn.Conv2d(3, 8, 1)
    x = torch.randn(2, 6, 3) if sequence else torch.randn(2, 3, 6, 6)
    start = "3 x 6\nnet:\n  - linear 8" if sequence else "3 x 6 x 6\nnet:\n  - conv 1x1 8"
    inplace = "inplace=True" in module
    counted = saved(analyze(f"input: {start} -> {text}\n"), inplace=inplace)
    return measured(torch.nn.Sequential(first, layer).train(), x), counted.bytes(2, 4)


@pytest.mark.parametrize(("text", "module"), LAYER_CASES)
def test_a_layer_keeps_what_autograd_saves(text: str, module: str) -> None:
    """To the byte: tensors, statistics, indices and masks."""
    found, counted = kept_by(text, module, sequence=False)
    assert counted == found


@pytest.mark.parametrize(("text", "module"), SEQUENCE_CASES)
def test_a_layer_of_sequences_keeps_what_autograd_saves(text: str, module: str) -> None:
    """To the byte; a token taken from a sequence is a view, which keeps all of it."""
    found, counted = kept_by(text, module, sequence=True)
    assert counted == found


@pytest.mark.parametrize("options", ["", "nobias", "both", "layers=2", "layers=3 both"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_recurrent_layer_keeps_and_holds_what_pytorch_does(cell: str, options: str) -> None:
    """As plain operators write it, time first: to the byte in training, and the peak at inference."""
    torch = pytest.importorskip("torch")
    from autograd import alive
    from autograd import saved as measured

    class First(torch.nn.Module):  # type: ignore[misc, name-defined]
        """What a recurrent layer gives, without its state."""

        def __init__(self, seen: int) -> None:
            super().__init__()
            layers = int(options[7:8] or 1) if "layers" in options else 1
            given = {"num_layers": layers, "bidirectional": "both" in options, "bias": "nobias" not in options}
            self.cell = getattr(torch.nn, cell.upper())(seen, 5, **given)

        def forward(self, x: Any) -> Any:
            """Return the sequence."""
            return self.cell(x)[0]

    with torch.backends.mkldnn.flags(enabled=False):
        found = measured(torch.nn.Sequential(torch.nn.Linear(3, 8), First(8)).train(), torch.randn(6, 2, 3))
        with torch.no_grad():
            peak = alive(First(8).eval(), torch.zeros(6, 1, 8))
    assert saved(analyze(f"input: 3 x 6\nnet: linear 8 -> {cell} 5 {options}\n")).bytes(2, 4) == found
    if options != "layers=3 both":
        assert eager_elements(analyze(f"input: 8 x 6\nnet: {cell} 5 {options}\n")) == peak


@pytest.mark.parametrize("cell", ["lstm 5", "gru 5 layers=2", "rnn 5 both", "rnn 5 along=height"])
def test_what_a_recurrent_layer_keeps_is_a_formula(cell: str) -> None:
    """Of a length that is a symbol, with the value that a number gives."""
    symbols, numbers = ("8 x H x W", "8 x 6 x 4") if "along" in cell else ("8 x L", "8 x 6")
    formula, number = (saved(analyze(f"input: {size}\nnet: {cell}\n")).bytes(1, 4) for size in (symbols, numbers))
    assert substitute(formula, {"L": 6, "H": 6, "W": 4}) == number


def test_a_frozen_norm_learns_nothing() -> None:
    """Its four values per channel are buffers, and autograd keeps a factor per channel alone."""
    found = analyze("input: 3 x 2 x 2\nnet: conv 1x1 8 -> bn frozen -> relu\n")
    assert (found.cost.params, footprint(found).total.buffers) == (24, 32)
    assert saved(found) == Saved(values=12 + 32, statistics=8)


def test_tables_keep_indices_and_no_parameter() -> None:
    """Words are looked up by indices of 8 bytes, and a table of positions that is added is a parameter already."""
    torch = pytest.importorskip("torch")
    from autograd import saved as measured

    class Words(torch.nn.Module):  # type: ignore[misc, name-defined]
        """Words and their places, as a language model begins."""

        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = torch.nn.Embedding(50, 8), torch.nn.Parameter(torch.zeros(1, 6, 8))
            self.head = torch.nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            """Look up, add, mix."""
            return self.head(self.words(x) * self.places)

    text = "input: 1 x 6\nnet:\n  - embed 50 8\n  - scale: learned c x n\n  - linear 3\n"
    assert saved(analyze(text)).bytes(2, 4) == measured(Words(), torch.zeros(2, 6, dtype=torch.long))


@pytest.mark.parametrize(
    ("name", "module"),
    [("relu", "ReLU"), ("relu6", "ReLU6"), ("leaky_relu", "LeakyReLU"), ("elu", "ELU"), ("selu", "SELU"),
     ("celu", "CELU"), ("silu", "SiLU"), ("hard_swish", "Hardswish"), ("hard_sigmoid", "Hardsigmoid"),
     ("hard_tanh", "Hardtanh"), ("mish", "Mish")],
)  # fmt: skip
def test_an_activation_in_place_keeps_what_autograd_saves(name: str, module: str) -> None:
    """A function that needs what it writes over keeps a copy."""
    for after, more in (("", ""), (" -> conv 1x1 4", ", Conv2d(8, 4, 1)")):
        found, counted = kept_by(f"{name}{after}", f"Sequential({module}(inplace=True){more})", sequence=False)
        assert counted == found


# Each network, against the recorded table


def analysed(name: str) -> tuple[Analysis, str]:
    """Return a network, and the form of its attention."""
    kind, _, form = name.partition("_")
    if name == "gpt2_dropout":
        return analyze(DROPPING).found, "plain"
    if kind == "llama":
        return analyze("llama3_8b", input="1x256", **LLAMA).found, form
    if kind not in ("gpt2", "bert", "vit") or name == "vit_b_16":
        return analyze(name).found, "usual"
    return analyze({"gpt2": GPT2, "bert": "bert_base", "vit": "vit_b_16"}[kind]).found, form


@pytest.mark.parametrize("name", recorded("saved"))
def test_a_network_saves_what_autograd_does(name: str) -> None:
    """Within a thousandth, at batch 2; what differs is noise of dropped paths (8 bytes each) and scales of scores."""
    analysis, attention = analysed(name)
    counted = saved(analysis, attention).bytes(2, 4)
    assert counted == pytest.approx(recorded("saved")[name], rel=1e-3)


TRANSFORMERS = ("gpt2_fused", "gpt2_plain", "gpt2_dropout", "bert_fused", "bert_plain", "vit_fused", "vit_plain",
                "llama_fused", "llama_plain")  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_agree_to_the_byte(name: str) -> None:
    """GPT-2, BERT, ViT and Llama in plain modules; attention fused or plain, dropout on or off."""
    analysis, attention = analysed(name)
    assert saved(analysis, attention).bytes(2, 4) == recorded("saved")[name]


EXACT = ("resnet18", "resnet50", "vgg16", "densenet121", "shufflenet_v2_x1_0", "mobilenet_v2", "googlenet", "vit_b_16")


@pytest.mark.parametrize("name", EXACT)
def test_most_networks_agree_to_the_byte(name: str) -> None:
    """Where no path is dropped and no score scaled, nothing differs."""
    assert saved(analyze(name)).bytes(2, 4) == recorded("saved")[name]


# Copies, names and joins, against the literal expansion


def expanded(analysis: Analysis) -> tuple[int, int]:
    """Sum what is kept over all steps, each tensor once: values, statistics."""
    flat = Flat(analysis)
    sizes = {index: shape.elements for index, shape in enumerate(analysis.inputs.values())}
    storage = {index: index for index in sizes}
    learned = dict.fromkeys(sizes, False)
    kept: set[int] = set()
    values: Any = 0
    statistics: Any = 0
    for layer, reads, writes, _ in flat.steps:
        if layer.is_source:  # a parameter, which autograd need not save
            storage[writes], sizes[writes], learned[writes] = writes, 0, True
            continue
        flows = any(learned[storage[one]] for one in reads) or layer.cost.params != 0
        if layer.op in ("scale", "mul"):
            for index, one in enumerate(reads):
                if any(learned[storage[other]] for other in reads[:index] + reads[index + 1 :]):
                    kept.add(storage[one])
        if layer.rule is not None and layer.rule.view:
            storage[writes] = storage[reads[0]]
            continue
        storage[writes], sizes[writes], learned[writes] = writes, layer.out.elements, flows
        if layer.rule is None or not flows:
            continue
        keeps = layer.rule.keeps(layer.inputs[0], layer.out)
        values, statistics = values + keeps.values, statistics + keeps.statistics
        if keeps.input:
            kept.add(storage[reads[0]])
        if keeps.output:
            kept.add(writes)
    return values + sum(sizes[one] for one in kept), statistics


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_what_is_saved_is_that_of_the_flat_expansion(random: Random) -> None:
    """Folded copies, joins, slices and names in any nesting: each tensor once, however many keep it."""
    analysis = analyze(Writer(random, ["conv 1x1 4", "bn", "relu", "identity", "sigmoid", "learned 4 x 4 x 4"]).spec(4))
    found = saved(analysis)
    assert (found.values, found.statistics) == expanded(analysis)


def test_a_tensor_kept_twice_counts_once() -> None:
    """The rectifier keeps what it gives, the convolution what it takes: 12 + 8 elements in all, and 8 of `a`."""
    assert saved(analyze("input: 3 x 2 x 2\nnet:\n  - conv 1x1 2 -> relu -> conv 1x1 2\n")) == Saved(12 + 8)


def test_what_no_parameter_precedes_is_not_kept() -> None:
    """No gradient flows through a pool of the input: neither it nor the places are kept, only what the filters read."""
    assert saved(analyze("input: 3 x 4 x 4\nnet:\n  - maxpool 2x2 stride=2 -> conv 1x1 2\n")) == Saved(12)


def test_vgg_keeps_58_mebibytes() -> None:
    """15,237,608 values and the places of the maxima, whether ReLU is in place or not."""
    for inplace in (False, True):
        found = saved(analyze("vgg16"), inplace=inplace)
        assert found.indices == (64 * 112**2 + 128 * 56**2 + 256 * 28**2 + 512 * 14**2 + 512 * 7**2)
        assert found.values * 4 / 2**20 == pytest.approx(58.13, abs=0.15)


def test_scores_are_kept_where_attention_is_plain() -> None:
    """8 heads of 8,192 by 8,192 scores, or a sum for each row; queries, keys, values and their sum either way."""
    text = "input: 512 x 8192\nnet: attention heads=8\n"
    around = 512 * 8192 * (1 + 4)
    assert saved(analyze(text), "fused") == Saved(around + 8 * 8192)
    assert saved(analyze(text), "plain") == Saved(around + 8 * 8192**2)
    with pytest.raises(BneckError, match="unknown 'plane'"):
        footprint(analyze(text), attention="plane")


def test_idle_experts_are_in_memory() -> None:
    """Two experts of 8,388,608 weights run, six wait; all eight are resident."""
    text = """\
input: 1024 x 1 x 16
blocks: {"expert()": linear 4096 nobias -> relu -> linear 1024 nobias}
net:
  - aside: 6x expert
  - add: [expert, expert]
"""
    found = footprint(analyze(text))
    assert (found.total.weights, found.idle) == (4 * 2 * 8_388_608, 4 * 6 * 8_388_608)
    assert found.peak is not None
    assert found.inference == 4 * 8 * 8_388_608 + found.peak.bytes


def test_an_activation_in_place_needs_no_tensor_of_its_own() -> None:
    """A rectifier after a convolution writes over it; one whose input others read does not."""
    from bneck_cli.flow.liveness import peak

    alone = analyze("input: 1 x 2 x 2\nnet:\n  - conv 1x1 8 -> relu -> conv 1x1 1\n")
    assert (peak(alone).bytes, peak(alone, inplace=True).bytes) == (4 * 4 * 16, 4 * 4 * 9)
    shared = analyze("input: 1 x 2 x 2\nnet:\n  - conv 1x1 8 -> as a -> relu\n  - concat: [from a, identity]\n")
    assert peak(shared).bytes == peak(shared, inplace=True).bytes


@pytest.mark.parametrize("digits", [50, 400])
def test_a_time_beyond_all_numbers_is_said(digits: int) -> None:
    """Bytes are exact whatever their digits; a time that no number holds is an error."""
    analysis = analyze("input: 3 x 1 x 1\nnet:\n  - conv 1x1 4\n")._replace(batch=10**digits)
    found = footprint(analysis)
    assert found.total.written == 4 * 10**digits
    assert f"{4 * 10**digits:,}"[:40] in as_text(report(found), "text")
    if digits == 50:
        assert footprint(analysis, device="1GFLOPS,1GB/s").total.seconds == pytest.approx(2.8e42)
        return
    with pytest.raises(BneckError, match="the time estimate exceeds"):
        footprint(analysis, device="1GFLOPS,1GB/s")


# The peak of inference, as PyTorch runs a network


@pytest.mark.parametrize(("figure", "inplace"), [("alive", True), ("alive_copying", False)])
@pytest.mark.parametrize("name", recorded("alive"))
def test_the_peak_is_what_pytorch_holds(name: str, figure: str, inplace: bool) -> None:
    """To the element; on the device `meta` ViT's attention is plain, and other activations are in place or not."""
    attention = "plain" if name == "vit_b_16" else "usual"
    assert eager_elements(analyze(name), attention, inplace) == recorded(figure)[name]


@pytest.mark.parametrize("name", recorded("alive_fused"))
def test_the_peak_of_fused_attention_is_what_pytorch_holds(name: str) -> None:
    """To the element, against the CPU's own kernel: its result, and the sum of each row."""
    analysis, attention = analysed(name)
    assert eager_elements(analysis, attention) == recorded("alive_fused")[name]


def test_an_inline_block_is_no_call() -> None:
    """Its layers stand in the row where it is used, which holds nothing but what each of them takes."""
    text = "input: 1 x 2 x 2\nblocks: {b: conv 1x1 4 -> relu -> conv 1x1 2}\nnet:\n  - conv 1x1 2 -> b\n"
    assert eager_elements(analyze(text)) == 4 + 8 + 16 + 16
    assert eager_elements(analyze("written: {b: inline}\n" + text)) == 4 + 16 + 16
    with pytest.raises(BneckError, match=r"a block is written as inline \(got 'function'\)"):
        analyze("written: {b: function}\n" + text)


def test_what_branches_begin_with_has_a_name_until_they_are_joined() -> None:
    """The caller's 4 elements, the 24 that both branches take, two results of 8, and both joined, 16."""
    text = "input: 1 x 2 x 2\nnet:\n  - conv 1x1 6\n  - concat: [conv 1x1 2, conv 1x1 2]\n"
    assert eager_elements(analyze(text)) == 4 + 24 + 8 + 8 + 16


def test_a_call_holds_what_it_is_given() -> None:
    """The caller's 4 elements, the block's 8, and its two tensors of 16; copies of the block hold no more."""
    text = "input: 1 x 2 x 2\nblocks: {b: conv 1x1 4 -> relu -> conv 1x1 2}\nnet:\n  - conv 1x1 2 -> {}b\n"
    for times in ("", "2x ", "9x "):
        assert eager_elements(analyze(text.replace("{}", times))) >= 4 + 8 + 16 + 16
    assert eager_elements(analyze(text.replace("{}", ""))) == 4 + 8 + 16 + 16
    assert eager_elements(analyze(text.replace("{}", "3x "))) == 4 + 8 + 8 + 16 + 16


def test_copies_cost_no_time_as_pytorch_runs_them() -> None:
    """A million copies hold what five do."""
    text = "input: 4 x 2 x 2\nblocks: {b: [residual: conv 1x1 8 -> bn -> conv 1x1 4]}\nnet: {} x b\n".replace(
        " x b", "x b"
    )
    assert eager_elements(analyze(text.replace("{}", "5"))) == eager_elements(analyze(text.replace("{}", "1000000")))


def test_a_footprint_has_both_peaks() -> None:
    """An ideal allocator's, and PyTorch's, in bytes of the batch."""
    found = footprint(analyze("resnet50", batch=2), "fp16")
    assert found.peak is not None
    assert (found.peak.bytes, found.eager) == (4 * 2_408_448, 4 * 2_760_192)
    assert "as PyTorch runs it" in as_text(report(found), "text")


# The backward pass

BACKWARD = {
    "resnet50": 16_120_709_120,
    "vgg16": 61_707_649_024,
    "densenet121": 11_100_618_752,
    "alexnet": 2_716_200_320,
    "vit_b_16": 70_024_101_888,
    "swin_t": 17_933_365_248,
}
"""FlopCounterMode's FLOPs of y.sum().backward(): torch 2.14.1, torchvision 0.29.1, one input of 3x224x224 on `meta`.

Networks without groups: of a grouped convolution PyTorch's counter takes the weights' gradient for a dense one's.
"""


@pytest.mark.parametrize("name", BACKWARD)
def test_the_backward_pass_multiplies_what_pytorch_counts(name: str) -> None:
    """To the last unit: 2 FLOPs for each multiply-add."""
    from bneck_cli.flow.saved import backward_macs

    assert 2 * backward_macs(analyze(name)) == BACKWARD[name]


BACKWARD_LAYERS = [
    ("3 x 9 x 9", "conv 3x3 8 -> relu -> conv 1x1 6", "Sequential(Conv2d(3, 8, 3, 1, 1), ReLU(), Conv2d(8, 6, 1))"),
    ("3 x 9 x 9", "conv 1x1 4 -> upconv 2x2 5 stride=2", "Sequential(Conv2d(3, 4, 1), ConvTranspose2d(4, 5, 2, 2))"),
    ("7", "linear 5 -> relu -> linear 4", "Sequential(Linear(7, 5), ReLU(), Linear(5, 4))"),
    ("3 x 8 x 8", "maxpool 2 stride=2 -> conv 3x3 8", "Sequential(MaxPool2d(2), Conv2d(3, 8, 3, 1, 1))"),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "net", "module"), BACKWARD_LAYERS)
def test_a_layers_backward_pass_multiplies_what_pytorch_counts(shape: str, net: str, module: str) -> None:
    """Against the counter itself: the first layer passes nothing on to the input."""
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    from bneck_cli.flow.saved import backward_macs

    model = eval(module, vars(torch.nn))
    counter = FlopCounterMode(display=False)
    result = model(torch.randn(1, *map(int, shape.split(" x ")))).sum()
    with counter:
        result.backward()
    assert 2 * backward_macs(analyze(f"input: {shape}\nnet: {net}\n")) == counter.get_total_flops()


def test_copies_pass_back_what_each_by_itself_does() -> None:
    """Of a million copies the first alone passes nothing on."""
    from bneck_cli.flow.saved import backward_macs

    text = "input: 4 x 2 x 2\nnet: {} conv 1x1 4\n"
    assert backward_macs(analyze(text.format("1000000x"))) == (2 * 1_000_000 - 1) * 64
    assert backward_macs(analyze(text.format("2x"))) == 3 * 64


def test_training_says_the_backward_pass() -> None:
    """Both passes in words, for the batch; a type that does not train has none."""
    assert footprint(analyze("resnet50", batch=2)).backward == BACKWARD["resnet50"]
    said = as_text(report(footprint(analyze("resnet50"))), "text")
    assert "forward 4,089,184,256, backward 8,060,354,560" in " ".join(said.split())
    assert footprint(analyze("resnet50"), "fp8").backward is None


# What training works out again

BLOCKS = """\
input: 3 x 8
blocks:
  layer:
    - residual: ln -> attention heads=2
    - residual: ln -> linear (4*c) -> gelu -> linear cin
net: linear 8 -> 5x layer -> ln -> linear 4
"""


def again(form: str) -> tuple[int, int]:
    """Measure what PyTorch saves and multiplies backward of ``BLOCKS``, at batch 2, with its own checkpoints.

    ``full`` runs every layer in one; ``attention`` what is between queries, keys, values and their weighted sum.
    """
    torch = pytest.importorskip("torch")
    from autograd import saved as measured
    from torch.utils.checkpoint import checkpoint
    from torch.utils.flop_counter import FlopCounterMode

    def products(q: Any, k: Any, v: Any) -> Any:
        return (q @ k.transpose(-2, -1) * 2**-0.5).softmax(-1) @ v

    class Layer(torch.nn.Module):  # type: ignore[misc, name-defined]
        """An encoder's layer."""

        def __init__(self) -> None:
            super().__init__()
            self.inner, self.outer = torch.nn.Linear(8, 24), torch.nn.Linear(8, 8)
            self.one, self.other = torch.nn.LayerNorm(8), torch.nn.LayerNorm(8)
            self.mlp = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.GELU(), torch.nn.Linear(32, 8))

        def forward(self, x: Any) -> Any:
            """Add both."""
            three = self.inner(self.one(x)).chunk(3, -1)
            heads = [each.unflatten(-1, (2, 4)).transpose(1, 2).contiguous() for each in three]
            out = checkpoint(products, *heads, use_reentrant=True) if form == "attention" else products(*heads)
            x = x + self.outer(out.transpose(1, 2).flatten(2))
            return x + self.mlp(self.other(x))

    class Whole(torch.nn.Module):  # type: ignore[misc, name-defined]
        """Layers between two linear ones."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.last = torch.nn.Linear(3, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 4)
            self.layers = torch.nn.ModuleList(Layer() for _ in range(5))

        def forward(self, x: Any) -> Any:
            """Run them."""
            x = self.first(x)
            for layer in self.layers:
                x = checkpoint(layer, x, use_reentrant=True) if form == "full" else layer(x)
            return self.last(self.norm(x))

    model, x = Whole(), torch.randn(2, 8, 3)
    counter = FlopCounterMode(display=False)
    result = model(x).sum()
    with counter:
        result.backward()
    return measured(model, x), counter.get_total_flops()


@pytest.mark.parametrize("form", RECOMPUTE)
def test_what_runs_again_is_neither_kept_nor_free(form: str) -> None:
    """Against torch.utils.checkpoint: the bytes that are kept, and the multiply-adds of the backward pass."""
    found = trained(analyze(BLOCKS).found, "plain", recompute=form)
    held, flops = again(form)
    assert found.saved.bytes(2, 4) == held
    assert 2 * 2 * (found.backward + found.again) == flops
    assert bool(found.again) == (form != "none")


def test_spelled_attention_runs_again_as_its_short_form() -> None:
    """Scores in their own row, and what is done to them, are not kept either; a fused kernel has none."""
    short = analyze(BLOCKS).found
    spelled = "attend: {queries: linear 8, keys: linear 8, values: linear 8}"
    more = f"{{residual: [ln, {{{spelled}, heads: 2}}, linear 8]}}"
    text = BLOCKS.replace("residual: ln -> attention heads=2", more[1:-1])
    for form in ("fused", "plain"):
        for what in RECOMPUTE:
            one, other = (trained(found, form, recompute=what) for found in (short, analyze(text).found))
            assert one == other
    assert trained(short, "fused", recompute="attention").again == 0
    talking = text.replace("values: linear 8}", "values: linear 8, scores: linear 2 -> dropout}")
    dropped = trained(analyze(talking).found, "plain", recompute="attention")
    assert dropped.saved == trained(short, "plain", recompute="attention").saved
    assert dropped.again == trained(short, "plain", recompute="attention").again + 5 * 8 * 8 * 2 * 2


def test_full_recomputation_keeps_what_blocks_take() -> None:
    """GPT-2's 12 layers keep 12 sequences, and one layer is in memory at a time."""
    gpt2 = analyze(GPT2).found
    whole, full = trained(gpt2, "plain"), trained(gpt2, "plain", recompute="full")
    sequence = 768 * 1024
    assert full.saved == Saved(14 * sequence + 2 * 1024)  # and what the last norm and the head take
    assert [block.values for block in full.blocks] == [(whole.saved.values - 2 * sequence - 2 * 1024) // 12 - sequence]
    assert full.again == gpt2.cost.macs - 768 * 50257 * 1024


def test_a_network_without_blocks_runs_nothing_again() -> None:
    """Nothing is repeated in a chain of layers, so that all is kept."""
    text = "input: 3 x 4 x 4\nnet: conv 1x1 8 -> relu -> conv 1x1 4\n"
    assert trained(analyze(text).found, recompute="full") == trained(analyze(text).found)
    with pytest.raises(BneckError, match="no block and repeats nothing"):
        footprint(analyze(text).found, recompute="full")


def test_what_runs_again_is_said() -> None:
    """What is kept, the largest block, the multiply-adds, and the definition; an unknown word is told."""
    found = footprint(analyze("vit_b_16").found, recompute="full")
    said = " ".join(as_text(report(found), "text").split())
    assert "the largest recomputed block" in said
    assert f"recomputed {found.again:,}" in said
    assert "only the input of each repeated copy" in said
    assert found.training is not None
    assert found.training.block == max(one.bytes(1, 4) for one in trained(found.analysis, recompute="full").blocks)
    with pytest.raises(BneckError, match="--recompute: unknown 'ful'\n  did you mean 'full'"):
        footprint(analyze("vit_b_16").found, recompute="ful")


def test_a_block_that_reads_nothing_keeps_nothing() -> None:
    """Learned positions in a block of their own take no notice of what arrives, which is not kept for them."""
    text = "input: 1 x 6\nblocks: {places: learned cin x 9 -> slice 0 6 along=positions}\nnet:\n  - embed 50 8\n"
    text += "  - add: [identity, places]\n  - 2x: [relu, linear 8]\n"
    assert trained(analyze(text).found, recompute="full").saved == Saved(values=2 * 48, indices=6)
