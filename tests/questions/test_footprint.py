"""Memory, bytes moved and time: a brute-force oracle of what is alive, sums by hand, and published sizes."""

from __future__ import annotations

import csv
import io
import json
import re
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from networks import Flat
from networks import Writer as Crossing

import bneck_cli
from bneck_cli import BneckError, analyze
from bneck_cli.data.devices import load_device, load_devices, parse_devices
from bneck_cli.data.precision import DTYPES, read_precision, stored
from bneck_cli.engine.network import Layer, entries
from bneck_cli.flow.liveness import peak, peak_elements
from bneck_cli.formats import Style, as_text
from bneck_cli.language.document import Source
from bneck_cli.language.library import network_names
from bneck_cli.questions.footprint import Footprint, added, footprint, unfolded
from bneck_cli.questions.footprint_report import report
from bneck_cli.questions.generation import figures, generation
from bneck_cli.report import Table
from bneck_cli.words.values import Bytes, Seconds, people

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis

PIPE = Style()
NETWORKS = (
    "resnet18", "resnet50", "densenet121", "unet", "googlenet", "inception_v3", "fpn_resnet50", "shufflenet_v2_x1_0",
    "mobilenet_v3_small", "swin_t", "maxvit_t", "vit_b_16", "squeezenet1_1", "alexnet",
)  # fmt: skip

# The oracle: every layer of every copy as one step, and what is alive at each found by looking at all of them


class Expansion(Flat):
    """A network as steps over numbered tensors: what runs, with the elements of each tensor and who wrote it."""

    def __init__(self, analysis: Analysis) -> None:
        self.elements: list[Any] = [shape.elements for shape in analysis.inputs.values()]
        self.places = [-1 - index for index in range(len(self.elements))]
        self.layer = 0
        super().__init__(analysis)

    def run(self, layer: Layer, reads: list[int], runs: bool) -> int:
        """Add a layer, unless it only looks at its input, is a parameter, or does not run."""
        place, self.layer = self.layer, self.layer + 1
        if layer.op in ("flatten", "dropout", "droppath", "take", "slice") and layer.rule is not None:
            return reads[0]
        if not (runs or layer.is_source):
            return -1
        self.elements.append(0 if layer.is_source else layer.out.elements)
        self.places.append(place)
        if not layer.is_source:
            return super().run(layer, reads, runs)
        self.tensors += 1
        return self.tensors - 1

    def alive(self, index: int) -> list[int]:
        """List the tensors that exist by step ``index`` and that it or a later step (or the caller) needs."""
        step = self.steps[index]
        exist = {tensor for tensor, size in enumerate(self.elements) if size} - {
            later.writes for later in self.steps[index + 1 :]
        }
        needed = {tensor for later in self.steps[index:] for tensor in later.reads} | {*self.outputs, step.writes}
        return sorted(exist & needed)

    def peak(self) -> tuple[int, int, list[int]]:
        """Give the largest sum, the place of the first layer that has it, and the places of the tensors' writers."""
        best = (-1, -1, [0])
        for index, step in enumerate(self.steps):
            alive = self.alive(index)
            total = sum(self.elements[tensor] for tensor in alive)
            if total > best[0]:
                best = (total, self.places[step.writes], sorted(self.places[tensor] for tensor in alive))
        return best


def assert_as_expanded(analysis: Analysis) -> None:
    """Compare the peak, its layer and the tensors alive with the oracle's."""
    size, place, alive = Expansion(analysis).peak()
    found = peak(analysis)
    paths = [entry.path for entry in entries(analysis.root, folded=False)]
    names = list(analysis.inputs)
    assert found.bytes == 4 * size
    assert found.path == paths[place]
    assert sorted(tensor.path for tensor in found.tensors) == sorted(
        paths[one] if one >= 0 else names[-1 - one] for one in alive
    )
    assert sum(tensor.bytes for tensor in found.tensors) == found.bytes


@pytest.mark.parametrize("name", NETWORKS)
def test_the_peak_of_a_network_is_that_of_its_flat_expansion(name: str) -> None:
    """Folded copies, joins and named tensors are alive exactly as long as in the list of all layers."""
    assert_as_expanded(analyze(name))


class Writer:
    """Random small specs: every map keeps its size, so any two tensors concatenate."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.names: list[str] = []
        self.blocks: dict[str, Any] = {}

    def spec(self) -> str:
        """Write a whole spec."""
        net = ["conv 1x1 4", *self.body(3, free=True), "conv 1x1 2"]
        document: dict[str, Any] = {"input": "3 x 4 x 4"}
        if self.blocks:
            document["blocks"] = self.blocks
        document["net"] = net
        if self.names and self.random.random() < 0.3:
            document["outputs"] = self.random.sample(self.names, self.random.randint(1, len(self.names)))
        return json.dumps(document, indent=1)

    def body(self, depth: int, free: bool) -> list[Any]:
        """Write steps; only where they are ``free`` (run once, in the net's own scope) may they name tensors."""
        steps = []
        for _ in range(self.random.randint(1, 4)):
            steps.append(self.step(depth, free))
            if free and self.random.random() < 0.25:
                steps.append(f"as t{len(self.names)}")
                self.names.append(f"t{len(self.names)}")
        return steps

    def step(self, depth: int, free: bool) -> Any:
        """Write a layer or a structure."""
        random = self.random
        kinds = ["layer"] * 3 + (
            ["residual", "concat", "add", "split", "scale", "repeat", "block", "aside"] * (depth > 0)
        )
        match random.choice([*kinds, *(["from"] if free and self.names else [])]):
            case "residual":
                return {"residual": self.body(depth - 1, free), "shortcut": "auto"}
            case "concat":
                return {"concat": [self.branch(depth, free) for _ in range(random.randint(2, 3))]}
            case "add":
                return {"add": [[*self.branch(depth, free), "conv 1x1 5"] for _ in range(2)]}
            case "split":
                return ["conv 1x1 6", {"split": [self.branch(depth, free) for _ in range(2)]}]
            case "scale":
                return {"scale": [*self.body(depth - 1, free), "conv 1x1 1"]}
            case "repeat":
                return {"repeat": random.choice([2, 3, 5, 9]), "body": self.body(depth - 1, free=False)}
            case "block":
                return self.block(depth, free)
            case "aside":
                return {"aside": self.body(depth - 1, free=False)}
            case "from":
                return f"from {random.choice(self.names)}"
        own = f"conv 3x3 {random.randint(1, 9)}"
        return random.choice([own, "bn", "relu", "dropout", "maxpool 3x3 stride=1 pad=1"])

    def branch(self, depth: int, free: bool) -> list[Any]:
        """Write a branch: the tensor as it is, or steps, perhaps from another tensor."""
        if self.random.random() < 0.3:
            return ["identity"]
        start = [f"from {self.random.choice(self.names)}"] if free and self.names and self.random.random() < 0.3 else []
        return [*start, *self.body(depth - 1, free)]

    def block(self, depth: int, free: bool) -> str:
        """Use a block of its own, perhaps several times, which may read one of the net's tensors."""
        tap = self.random.choice(self.names) if free and self.names and self.random.random() < 0.6 else ""
        body: list[Any] = self.body(depth - 1, free=False)
        if tap:
            body = ["conv 1x1 3", "as own", {"concat": [body, ["from other", "relu"], ["from own"]]}, "conv 1x1 4"]
        name = f"block{len(self.blocks)}"
        self.blocks[f"{name}({'other' if tap else ''})"] = body
        times = self.random.choice(["", "", "2x ", "7x "])
        return f"{times}{name}{' ' + tap if tap else ''}"


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_peak_of_any_network_is_that_of_its_flat_expansion(random: Random) -> None:
    """Residuals, concatenations, slices, gates, heads, repeats and named tensors, in any nesting."""
    try:
        analysis = analyze(Writer(random).spec())
    except BneckError as error:
        if "out of all proportion" not in error.message:  # concatenations that double, one within another
            raise
        assume(False)
    assert_as_expanded(analysis)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_the_peak_is_that_of_the_flat_expansion_wherever_names_are_given(seed: int) -> None:
    """Names that are given in branches and repeats, passed on by blocks, and taken again in each copy."""
    layers = ["conv 3x3 4", "conv 1x1 4", "bn", "dropout", "maxpool 3x3 stride=1 pad=1", "learned 4 x 4 x 4"]
    assert_as_expanded(analyze(Crossing(Random(seed), layers).spec(4)))


def test_what_a_head_names_cannot_be_an_output() -> None:
    """An output that only a head gives is not there at inference."""
    with pytest.raises(BneckError, match="the output 'a' is named in a head that does not run"):
        footprint(analyze("input: 3 x 2 x 2\nnet:\n  - aside: [conv 1x1 4, as a]\noutputs: [a]\n"))


# Sums by hand

CHAIN = "input: 3 x 2 x 2\nnet:\n  - conv 1x1 2 -> relu -> dropout\n"
"""12 elements, then 8, 8 and a view; 6 weights, 24 multiply-adds."""


def test_a_chain_holds_two_tensors_at_a_time() -> None:
    """A layer's input and output are alive while it runs: 12 + 8 elements, and then 8 + 8."""
    found = footprint(analyze(CHAIN))
    assert found.peak is not None
    assert found.peak.bytes == 4 * (12 + 8)
    assert found.peak.path == "conv"
    assert found.inference == 4 * (12 + 8 + 6)
    assert peak_elements(analyze(CHAIN)) == 12 + 8


def test_a_residual_holds_its_input_until_the_add() -> None:
    """While the second layer of the body runs the block's input is alive too: three tensors of 16 elements."""
    found = peak(analyze("input: 4 x 2 x 2\nnet:\n  - residual: conv 1x1 4 -> relu -> conv 1x1 1 -> conv 1x1 4\n"))
    assert found.bytes == 4 * 3 * 16
    assert found.path == "relu"
    assert [tensor.path for tensor in found.tensors] == ["input", "conv1", "relu"]


def test_a_slice_holds_the_whole_tensor() -> None:
    """Slices of a split are views: all 8 channels stay until the last branch has read its 4."""
    found = peak(analyze("input: 8 x 2 x 2\nnet:\n  - split: [identity, relu -> relu]\n  - conv 1x1 1\n"))
    assert found.bytes == 4 * 4 * (8 + 4 + 8)
    assert found.path == "concat"


def test_a_block_is_worked_out_for_a_tensor_and_for_a_slice() -> None:
    """On a slice a block holds all 8 channels, where on a tensor of its own it held 4: 8 + 4 + 32 in all."""
    found = peak(
        analyze(
            "input: 4 x 2 x 2\nblocks:\n  wide: conv 1x1 32 -> conv 1x1 4\n"
            "net:\n  - wide -> conv 1x1 8\n  - split: [wide, wide]\n"
        )
    )
    assert found.bytes == 4 * 4 * (8 + 32 + 4)
    assert found.path == "branch1.conv2"


def test_the_last_copy_may_hold_more_than_the_others() -> None:
    """A name given in a repeat is the last copy's, and stays alive: 4 tensors, the first by the copy before."""
    text = """\
input: 8 x 2 x 2
net:
  - repeat: 9
    body:
      - residual: [conv 1x1 8, as x, relu, conv 1x1 8]
      - relu
  - concat: [from x, identity]
"""
    analysis = analyze(text)
    assert_as_expanded(analysis)
    assert peak(analysis).bytes == 4 * 4 * 4 * 8
    assert peak(analysis).tensors[0].path == "repeat.7.relu2"


def test_a_named_tensor_is_held_until_it_is_taken() -> None:
    """A bridge is alive across all that lies between, and no longer than to the concatenation that reads it."""
    bridge = "input: 1 x 4 x 4\nnet:\n  - conv 1x1 8 -> as a -> conv 1x1 1 -> relu\n  - concat: [from a, identity]\n"
    found = peak(analyze(bridge + "  - conv 1x1 1 -> conv 1x1 16\n"))
    assert (found.path, found.bytes) == ("concat", 4 * 16 * (8 + 1 + 9))


def test_outputs_are_held_to_the_end() -> None:
    """A tensor that the network gives is alive until it ends, though no layer reads it again."""
    text = "input: 1 x 4 x 4\nnet:\n  - conv 1x1 4 -> as a -> conv 1x1 1 -> conv 1x1 6 -> as b\n"
    assert peak(analyze(text)).bytes == 4 * 16 * (1 + 6)
    assert peak(analyze(text + "outputs: [a, b]\n")).bytes == 4 * 16 * (4 + 1 + 6)


def test_a_network_of_views_alone_holds_its_input() -> None:
    """Where no layer writes anything the input is all there is."""
    found = footprint(analyze("input: 3 x 2 x 2\nnet:\n  - dropout -> flatten\n"))
    assert found.peak is not None
    assert (found.peak.path, found.peak.bytes) == ("", 4 * 12)
    assert (found.total.written, found.total.moved) == (0, 0)


@pytest.mark.parametrize(
    ("dtype", "optimizer", "weights", "state"),
    [("fp32", "adam", 24, 48), ("fp32", "momentum", 24, 24), ("fp32", "sgd", 24, 0), ("bf16", "adam", 12, 48),
     ("fp64", "adam", 48, 96)],
)  # fmt: skip
def test_training_holds_four_things(dtype: str, optimizer: str, weights: int, state: int) -> None:
    """6 weights and their gradients, the optimizer's values for each; the input, the rectifier's output and a mask."""
    parts = footprint(analyze(CHAIN, batch=5), dtype, optimizer=optimizer).training
    assert parts is not None
    held = 5 * ((12 + 8) * DTYPES[dtype] // 8 + 8)
    assert parts == (weights, 0, weights, 0, state, held, 0)
    assert parts.total == 2 * weights + state + held


def test_heads_that_do_not_run_cost_memory() -> None:
    """A head that does not run has weights in memory; in training gradients too, and what it reads is kept once."""
    found = footprint(analyze("input: 3 x 2 x 2\nnet:\n  - aside: conv 1x1 4\n  - conv 1x1 2\n"))
    assert found.training is not None
    assert found.peak is not None
    assert (found.total.weights, found.idle, found.peak.bytes) == (4 * 6, 4 * 12, 4 * (12 + 8))
    assert (found.training.weights, found.training.saved) == (4 * 18, 4 * 12)


@pytest.mark.parametrize(
    ("dtype", "optimizer", "each"),
    [("bf16,master=fp32", "adamw", 16), ("fp32", "adamw", 16), ("bf16,master=fp32", "momentum", 12), ("bf16", "sgd", 4),
     ("bf16,master=fp32,gradients=fp32", "adamw", 18), ("bf16,state=bf16", "adam", 8), ("fp64,master=fp64", "adam", 40),
     ("fp32,activations=bf16", "adam", 16)],
)  # fmt: skip
def test_training_holds_so_many_bytes_of_each_parameter(dtype: str, optimizer: str, each: int) -> None:
    """A weight, its gradient, perhaps a master copy, and what the optimizer remembers: AdamW's 16 bytes."""
    found = footprint(analyze("resnet18"), dtype, optimizer=optimizer)
    parts = found.training
    assert parts is not None
    assert parts.weights + parts.gradients + parts.master + parts.state == 11_689_512 * each
    assert f"for each parameter: {each} bytes" in as_text(report(found), "text")


def test_adamws_sixteen_bytes_are_what_pytorch_holds() -> None:
    """AdamW of fp32 weights with their gradients, measured after a step (its count of steps, 4 bytes, left out)."""
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(7, 5)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.zeros(1, 7)).sum().backward()
    optimizer.step()
    held = sum(one.nbytes + one.grad.nbytes for one in model.parameters())
    held += sum(value.nbytes for state in optimizer.state.values() for key, value in state.items() if key != "step")
    parts = footprint(analyze("input: 7\nnet: linear 5\n"), optimizer="adamw").training
    assert parts is not None
    assert parts.total - parts.saved == held == 16 * 40


def test_each_part_has_its_own_type() -> None:
    """Weights of half a byte, tensors of two: a convolution of 6 weights on 12 elements, then 8."""
    found = footprint(analyze(CHAIN, batch=3), "fp16,weights=int4")
    assert (found.total.weights, found.items[0].moved) == (3, 3 + 2 * 3 * (12 + 8))
    assert found.peak is not None
    assert found.peak.bytes == 2 * 3 * (12 + 8)


@settings(deadline=None)
@given(st.integers(0, 2**40))
def test_half_bytes_end_on_a_whole_one(elements: int) -> None:
    """Two elements of int4 to a byte, as PyTorch packs them; an odd one has a byte of its own."""
    assert stored(elements, "int4") == len(range(0, elements, 2))
    assert stored(elements, "fp16") == 2 * elements


def test_each_layer_and_tensor_is_packed_by_itself() -> None:
    """Three weights and five, each in whole bytes: 2 + 3; tensors of 3 and 5 elements likewise."""
    text = "input: 1\nnet: linear 3 nobias -> linear 1 nobias -> linear 5 nobias\n"
    found = footprint(analyze(text), "int4")
    assert found.total.weights == 2 + 2 + 3
    assert found.total.written_bytes == 2 + 1 + 3
    assert "two values per byte" in " ".join(as_text(report(found), "text").split())
    symbolic = footprint(analyze("input: N\nnet: linear 3 nobias\n"), "int4")
    from bneck_cli.sizes.evaluation import evaluate

    assert [evaluate(symbolic.total.weights, {"N": size}) for size in (4, 5)] == [6, 8]


def test_a_precision_is_read_as_it_is_written() -> None:
    """What is not named follows the type of all, but for the optimizer's state."""
    read = read_precision("bf16, master = fp32")
    assert read.types == {"weights": "bf16", "activations": "bf16", "cache": "bf16", "gradients": "bf16",
                          "master": "fp32", "state": "fp32"}  # fmt: skip
    assert read_precision(read.text) == read


def test_int8_does_not_train() -> None:
    """There is no memory of training for a data type without gradients, and a byte for each weight."""
    found = footprint(analyze(CHAIN), "int8")
    assert found.training is None
    assert found.total.weights == 6
    assert "int8 cannot be trained" in as_text(report(found), "text")


def test_a_layer_moves_what_it_reads_and_writes() -> None:
    """The convolution moves 12 + 6 + 8 elements for 48 operations, the rectifier 8 + 8 for none, the view nothing."""
    conv, relu, dropout = footprint(analyze(CHAIN)).items
    assert (conv.moved, relu.moved, dropout.moved) == (104, 64, 0)
    assert conv.intensity == 48 / 104
    assert relu.intensity == 0
    assert dropout.intensity is None


def test_the_slower_of_arithmetic_and_memory_sets_the_time() -> None:
    """At 48 operations and 208 bytes a second the convolution takes 1 s and the rectifier 64/208 of one."""
    found = footprint(analyze(CHAIN), device="48OPS,208B/s")
    assert [(item.seconds, item.bound) for item in found.items] == [(1.0, "compute"), (64 / 208, "memory"), (0, "")]
    assert found.total.seconds == 1 + 64 / 208
    assert found.total.compute_seconds == 1
    assert found.total.bound == "compute"
    slow = footprint(analyze(CHAIN), device="48OPS,52B/s")
    assert (slow.items[0].seconds, slow.items[0].bound, slow.total.bound) == (2.0, "memory", "memory")


def test_a_batch_multiplies_tensors_and_not_weights() -> None:
    """Four inputs have four times the elements and operations, and the weights are read once."""
    one, four = footprint(analyze(CHAIN)), footprint(analyze(CHAIN, batch=4))
    assert one.peak is not None
    assert four.peak is not None
    assert four.peak.bytes == 4 * one.peak.bytes
    assert four.items[0].moved == 4 * (4 * 12 + 4 * 8 + 6)
    assert (four.total.weights, four.total.macs) == (one.total.weights, 96)


# Published figures


@pytest.mark.parametrize(
    ("name", "size"),
    [("resnet18", 44.7), ("resnet50", 97.8), ("densenet121", 30.8), ("vgg16", 527.8), ("vit_b_16", 330.3)],
)
def test_weights_are_as_large_as_the_published_files(name: str, size: float) -> None:
    """The size of each file that torchvision publishes is known; a file's own headers are less than 0.15 MiB of it."""
    weights = footprint(analyze(name)).total.weights
    assert isinstance(weights, int)
    assert weights / 2**20 == pytest.approx(size, abs=0.15)


def test_resnet50_remembers_what_keras_counts() -> None:
    """Keras counts 53,120 moving statistics in ResNet-50; PyTorch adds the count of batches of each of 53 norms."""
    assert footprint(analyze("resnet50")).total.buffers == 53_120 + 53


def test_bundled_devices_have_what_their_makers_publish() -> None:
    """A few peaks that everyone knows, and no device without a source or faster with wider numbers."""
    devices = load_devices()
    assert (devices["v100"].peaks["fp16"], devices["v100"].peaks["fp32"]) == (125 * 10**12, 157 * 10**11)
    assert (devices["a100"].peak("bf16"), devices["a100"].bandwidth) == (312 * 10**12, 2039 * 10**9)
    assert devices["t4"].peak("int8") == 130 * 10**12
    for device in devices.values():
        assert device.source
        assert "as in" in device.source or "not checked" in device.source or "documentation" in device.source
        assert device.memory > 8 * 10**9 - 1
        rates = [device.peaks[dtype] for dtype in DTYPES if dtype in device.peaks]
        assert rates == sorted(rates)


# Copies, and agreement with the analysis


def nested(inside: int, outside: int) -> str:
    """Write a network of blocks in a repeat in a block in a repeat."""
    return f"""\
input: 3 x 8 x 8
blocks:
  unit:
    - residual: conv 3x3 8 -> bn -> relu -> conv 3x3 cin
  tower(n):
    - conv 1x1 4
    - (n)x unit
net:
  - conv 1x1 4
  - {outside}x tower {inside}
"""


def test_copies_cost_no_time() -> None:
    """A million copies of a block are worked out from a handful, and have the peak that few have."""
    few, many = peak(analyze(nested(6, 6))), peak(analyze(nested(1000, 1000)))
    assert few == many
    assert many.path == "tower.0.unit.0.bn"


@pytest.mark.parametrize("name", network_names())
def test_rows_add_up_to_the_analysis(name: str) -> None:
    """Folded or not, the layers' parameters and multiply-adds are those of the network that runs."""
    analysis = analyze(name)
    found = footprint(analysis)
    assert found.total.params == analysis.cost.inference_params
    assert found.total.macs == analysis.cost.macs
    assert added(unfolded(found)) == found.total
    assert found.peak is not None
    assert sum(tensor.bytes for tensor in found.peak.tensors) == found.peak.bytes


# Symbols


def test_bytes_are_formulas_where_sizes_are_symbolic() -> None:
    """The bytes moved and held in training, evaluated, are those of that input; the peak waits for numbers."""
    from bneck_cli.sizes.evaluation import evaluate

    symbolic = footprint(analyze("resnet18", input="3xHxW"))
    exact_one = footprint(analyze("resnet18", input="3x97x130"))
    assert symbolic.peak is None
    assert symbolic.inference is None
    sides = {"H": 97, "W": 130}
    assert evaluate(symbolic.total.moved, sides) == exact_one.total.moved
    assert symbolic.training is not None
    assert exact_one.training is not None
    assert evaluate(symbolic.training.total, sides) == exact_one.training.total
    assert "needs numbers" in as_text(report(symbolic), "text")


def test_a_batch_may_be_a_symbol() -> None:
    """Bytes are then formulas in it, and the peak waits for a number."""
    from bneck_cli.sizes.dim import symbol

    found = footprint(analyze(CHAIN)._replace(batch=symbol("N")))
    assert (str(found.total.written), str(found.items[0].moved)) == ("16*N", "80*N + 24")
    assert found.peak is None
    with pytest.raises(BneckError, match="needs numbers"):
        peak(found.analysis)


@pytest.mark.parametrize("ask", [peak, peak_elements, lambda analysis: footprint(analysis, device="t4")])
def test_what_compares_sizes_needs_numbers(ask: Any) -> None:
    """The largest of several formulas is no formula, and is refused with the way out."""
    with pytest.raises(BneckError, match="needs numbers") as raised:
        ask(analyze("resnet18", input="3xHxW"))
    assert "--input" in raised.value.hint


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "fp23"}, "--dtype:1:1: unknown data type 'fp23'\n  fp23\n  ^^^^\n  did you mean 'fp32'?"),
        ({"dtype": ""}, "--dtype:1:1: unknown data type ''"),
        ({"dtype": "bf16, maste=fp32"}, "--dtype:1:7: unknown part 'maste'\n"),
        ({"dtype": "bf16,master=fp33"}, "--dtype:1:13: unknown data type 'fp33'\n"),
        ({"dtype": "bf16,master=fp32,master=fp64"}, "--dtype:1:18: 'master' appears twice"),
        ({"dtype": "bf16,fp32"}, "--dtype:1:6: expected PART=TYPE here"),
        ({"dtype": "master=fp32"}, "--dtype:1:1: expected a type for all parts here"),
        ({"optimizer": "adamv"}, "unknown 'adamv'\n  did you mean 'adam'?"),
        ({"device": "h100_smx"}, "unknown device 'h100_smx'\n  did you mean 'h100'?"),
        ({"device": "abacus"}, "or write 100GFLOPS,20GB/s"),
        ({"device": "v100", "dtype": "bf16"}, "has no published peak for bf16\n  it has fp64, fp32 and fp16"),
        ({"device": "100GFLOPS"}, "--device:1:1: the bandwidth is missing"),
        ({"device": "20GB/s,10GB/s"}, "--device:1:8: the bandwidth appears twice"),
        ({"device": "100GFLOPS, 20GB"}, "--device:1:1: the bandwidth is missing"),
        ({"device": "1GFLOPS,2GB/s,20gb"}, "--device:1:15: expected a peak such as 100 GFLOPS (got '20gb')"),
        ({"device": "1GFLOPS,2GB/s,0GB"}, "--device:1:15: expected a memory such as 16 GB (got '0GB')"),
        ({"device": "1GFLOPS,2GB/s,1GB,1GB"}, "--device:1:19: the memory appears twice"),
        ({"device": "0GFLOPS,20GB/s"}, "--device:1:1: expected a peak such as 100 GFLOPS (got '0GFLOPS')"),
        ({"device": ","}, "--device:1:1: expected a peak such as 100 GFLOPS (got '')"),
    ],
)
def test_what_is_not_known_is_told(options: dict[str, str], message: str) -> None:
    """An unknown word is told with the nearest known one, a device's text at its place."""
    with pytest.raises(BneckError) as raised:
        footprint(analyze(CHAIN), **options)  # type: ignore[arg-type]
    assert message in str(raised.value)


def test_what_a_head_names_cannot_be_taken() -> None:
    """A tensor of a head that does not run is not there to be read; the error points to the `from`."""
    text = "input: 3 x 2 x 2\nnet:\n  - aside: [conv 1x1 4, as a]\n  - conv 1x1 2\n  - concat: [from a, identity]\n"
    with pytest.raises(BneckError, match=r"<text>:5:.*'a' is named in a head that does not run"):
        footprint(analyze(text))


def test_a_counting_rule_has_no_footprint() -> None:
    """Figures under another tool's rule are no operations and no bytes."""
    from bneck_cli.data.rules import load_rule
    from bneck_cli.flow.counting import recount

    with pytest.raises(BneckError, match="its own rules"):
        footprint(recount(analyze("resnet18"), load_rule("fvcore")))


def test_a_device_is_written_in_either_order() -> None:
    """A peak and a bandwidth, for any data type, with any prefix and decimals."""
    device = load_device("25.5 GB/s, 16GB, 1.5 TFLOP/s")
    assert device.memory == 16 * 10**9
    assert (device.peak("int8"), device.peak("fp64"), device.bandwidth) == (15 * 10**11, 15 * 10**11, 255 * 10**8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("devices:\n  a:\n    bandwidth: 1 GB/s\n", "d.yaml:2:3: the device 'a' needs `peaks`"),
        ("devices:\n  a:\n    peaks: {fp32: 1 TFLOPS}\n", "d.yaml:2:3: the device 'a' needs `bandwidth`"),
        ("devices:\n  a: {peaks: {fp31: 1 TFLOPS}, bandwidth: 1 GB/s}\n", "d.yaml:2:15: unknown key 'fp31'"),
        (
            "devices:\n  a: {peaks: {fp32: 1 TB}, bandwidth: 1 GB/s}\n",
            "d.yaml:2:21: expected a peak such as 100 GFLOPS",
        ),
        (
            "devices:\n  a: {peaks: {fp32: 1 GB/s}, bandwidth: 1 GB/s}\n",
            "d.yaml:2:21: expected a peak such as 100 GFLOPS",
        ),
        (
            "devices:\n  a: {peaks: {fp32: 1 OPS}, bandwidth: 1 OPS}\n",
            "d.yaml:2:40: expected a bandwidth such as 20 GB/s",
        ),
        ("devices:\n  a: {peaks: {fp32: [1]}, bandwidth: 1 GB/s}\n", "d.yaml:2:21: `fp32` must be a line of text"),
        ("devices:\n  a: {peaks: {}, bandwidth: 1 GB/s}\n", "d.yaml:2:7: `peaks` needs at least one data type"),
        (
            "devices:\n  a: {peaks: {fp32: 1 OPS}, bandwidth: 1 B/s, memory: 1}\n",
            "d.yaml:2:55: expected a memory such as 16 GB",
        ),
        ("devices:\n  a: {peak: 1}\n", "d.yaml:2:7: unknown key 'peak'"),
        ("devices: [a]\n", "d.yaml:1:10: `devices` must be a mapping"),
        ("machines: 1\n", "d.yaml:1:1: unknown key 'machines'"),
        ("{}\n", "d.yaml: a file of devices has the key `devices`"),
    ],
)
def test_a_file_of_devices_is_wrong_at_a_place(text: str, message: str) -> None:
    """What is wrong with a device is told with the line and the column, as in a spec."""
    with pytest.raises(BneckError) as raised:
        parse_devices(Source("d.yaml", text))
    assert message in str(raised.value)


# Text


def rendered(form: str, found: Footprint, style: Style = PIPE, **options: bool) -> str:
    return as_text(report(found, **options), form, style)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (102_228_128, "97.5 MiB"),
        (1024**6, "1,024.0 PiB"),
    ],
)
def test_bytes_are_written_in_the_unit_that_fits(size: int, words: str) -> None:
    """A unit is 1024 of the one before it; 25,557,032 weights of 4 bytes are 97.5 MiB."""
    assert str(Bytes(size)) == words
    assert Bytes(size).exactly() == (words if size < 1024 else f"{words} ({size:,} bytes)")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 ns"), (2.5, "2.5 s"), (0.00123456, "1.23 ms"), (0.99999e-3, "1 ms"), (4e-8, "40 ns")],
)
def test_times_are_written_in_the_unit_that_fits(seconds: float, words: str) -> None:
    """A time has three digits."""
    assert str(Seconds(seconds)) == words


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("device", [None, "a100"])
def test_stages_fit_a_terminal(name: str, device: str | None) -> None:
    """The default table and all that stands below it keep to 80 columns."""
    text = rendered("table", footprint(analyze(name, batch=32), "fp16", device), Style(80))
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("full", [False, True])
def test_printed_rows_add_up_to_the_printed_total(full: bool) -> None:
    """Stages, or all layers as often as they are there, sum to the totals of the network."""
    found = footprint(analyze("resnet50", batch=3), "fp16", "t4")
    document = json.loads(rendered("json", found, full=full))
    rows = document["layers" if full else "stages"]
    assert len(rows) == (len(found.items) if full else 10)
    for key in ("params", "buffers", "macs", "written", "weight_bytes", "moved_bytes"):
        assert sum(row[key] * row["repeat"] for row in rows) == document["totals"][key]
    seconds = sum(row["estimated_seconds"] * row["repeat"] for row in rows)
    assert seconds == pytest.approx(document["totals"]["estimated_seconds"])


def test_delimited_rows_are_all_layers() -> None:
    """A row for every layer of every copy, whole numbers, whose sums are the totals."""
    found = footprint(analyze("resnet50"))
    rows = list(csv.DictReader(io.StringIO(rendered("csv", found))))
    assert len(rows) == 53 + 53 + 49 + 16 + 1 + 1 + 1  # convolutions, norms, rectifiers, additions, pools, linear
    assert len({row["path"] for row in rows}) == len(rows)
    assert sum(int(row["moved_bytes"]) for row in rows) == found.total.moved
    assert list(csv.DictReader(io.StringIO(rendered("tsv", found)), delimiter="\t")) == rows


def test_json_has_every_figure() -> None:
    """The peak, its tensors, the parts of training and the device are there in whole bytes."""
    found = footprint(analyze(CHAIN), "fp16", "t4", "momentum")
    document = json.loads(rendered("json", found))
    assert document["peak"] == {
        "bytes": 2 * 26,
        "layer": "conv",
        "tensor_bytes": 2 * 20,
        "tensors": [{"path": "input", "bytes": 24}, {"path": "conv", "bytes": 16}],
        "eager_tensor_bytes": 2 * (12 + 8 + 8),
    }
    assert document["training"]["bytes"] == 12 + 12 + 24 + 2 * 20 + 8
    assert document["device"]["operations_per_second"] == 65 * 10**12
    bare = json.loads(rendered("json", footprint(analyze("resnet18", input="3xHxW"), "fp64")))
    assert (bare["peak"], bare["device"]) == (None, None)
    assert "H" in bare["totals"]["moved_bytes"]


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_a_reader_is_told_the_rules(form: str) -> None:
    """Totals are exact to the byte, and each rule stands below them; a time is called an estimate."""
    text = " ".join(rendered(form, footprint(analyze("swin_t"), device="a10")).split())
    assert re.search(
        r"peak memory at inference: 118\.2 MiB \(123,991,432 bytes\) at stage1\.swin1\.gelu", text.replace("\\", "")
    )
    for words in (
        "layers are not fused",
        "est. time",
        "an estimate, not a measurement",
        "2 operations per multiply-add",
    ):
        assert words in text
    assert "its inner tensors" in text
    plain = rendered(form, footprint(analyze("resnet18")))
    assert "estimate" not in plain
    assert "inner tensors" not in plain


def test_a_step_of_decoding_reads_the_cache() -> None:
    """Llama 3 8B with 8,192 positions behind it, 32 texts at once: 2·8·128 values in each of 32 layers."""
    found = bneck_cli.footprint("llama3_8b", input="1x1", past=8192, batch=32, dtype="bf16", device="h100")
    cache = 2 * 8 * 128 * 32 * 8192 * 32 * 2
    assert found.total.cache == cache == 34_359_738_368
    alone = bneck_cli.footprint("llama3_8b", input="1x1", batch=32, dtype="bf16", device="h100")
    assert found.total.moved == alone.total.moved + cache
    assert found.inference == alone.inference + cache
    assert round(found.total.moved / 1e9, 1) == 49.8
    assert round(found.total.seconds * 1e3, 1) == 14.9
    assert found.to_dict()["totals"]["cache_bytes"] == cache


# Language models


def test_decoding_llama_on_an_h100() -> None:
    """8,192 tokens behind it, 32 texts at once: 49.4 GB of weights and cache in 14.7 ms, 34.4 GB of it the cache.

    By hand: 32 layers keep 2·8·128 values of 2 bytes of each token; all weights but the table of words are read, and
    32 rows of that.
    """
    found = bneck_cli.footprint("llama3_8b", input="1x1", past=8192, batch=32, dtype="bf16", device="h100").found
    told = generation(found)
    assert told is not None
    named = figures(told)
    params, table, each = 8_030_261_248, 128_256 * 4096, 32 * 2 * 8 * 128 * 2
    assert (named["params"], named["weight_bytes"]) == (params, 2 * params)
    assert (named["cache_bytes_per_token"], named["cache_bytes"]) == (each, 32 * 8192 * each)
    assert named["step_moved_bytes"] == 2 * (params - table + 32 * 4096) + 32 * 8192 * each
    assert named["least_seconds_per_token"] == named["step_moved_bytes"] / 3352e9
    assert [round(named[key] / 1e9, 1) for key in ("step_moved_bytes", "cache_bytes")] == [49.4, 34.4]
    assert round(named["least_seconds_per_token"] * 1e3, 1) == 14.7
    linear, products = params - table - 65 * 4096, 32 * 2 * 4096  # all but the table and the norms; scores and sum
    assert named["step_flops"] == 2 * 32 * (linear + products * (8192 + 1))
    assert named["prompt_flops"] == 2 * 32 * 8192 * (linear + products * 8192)
    assert named["training_flops"] == 3 * named["prompt_flops"]
    assert named["rule_of_six_flops"] == 6 * params * 8192 * 32
    assert named["fitting_sequences"] == (80 * 10**9 - 2 * params) // (8192 * each + found.peak.bytes // 32)
    text = " ".join(as_text(report(found), "text").split())
    assert "49.4 GB (49,369,849,856 bytes) of weights and cache" in text
    assert "14.7 ms for weights and cache only" in text


def test_a_prompt_and_its_next_token_say_the_same_asked_either_way() -> None:
    """A prompt of 100 tokens, or a token after 100; and 20 tokens after 80."""
    asked = [("1x100", 0), ("1x1", 100), ("1x20", 80)]
    told = [generation(bneck_cli.footprint("llama3_8b", input=size, past=past).found) for size, past in asked]
    assert all(one is not None for one in told)
    one, *others = (figures(each) for each in told if each is not None)
    assert others == [one, one]


def test_the_figures_of_a_language_model_have_closed_forms() -> None:
    """Of L tokens, evaluated, they are those of so many."""
    from bneck_cli.sizes.evaluation import evaluate

    told = [generation(bneck_cli.footprint("llama3_8b", input=size, device=None).found) for size in ("1xL", "1x300")]
    symbolic, exact_one = (figures(each) for each in told if each is not None)
    for name, value in exact_one.items():
        given = symbolic[name]
        assert (
            evaluate(given, {"L": 300}) if hasattr(given, "terms") else given
        ) == value or name == "fitting_sequences"


FIXED = """\
input: 1 x 16
net:
  - embed 50 8
  - add: [identity, learned c x 16]
  - attention heads=2 causal -> linear 50
"""
"""A table that is added gives all of its positions to a single token."""


@pytest.mark.parametrize("name", ["resnet18", "bert_base", "lstm_lm", "vit_b_16", "t5_small", FIXED])
def test_what_does_not_generate_is_no_language_model(name: str) -> None:
    """Maps, encoders, what keeps no cache, what has two inputs, or a table that gives all positions at once."""
    assert generation(footprint(analyze(name))) is None
    assert footprint_data(name)["generation"] is None


def footprint_data(name: str) -> dict[str, Any]:
    return bneck_cli.footprint(name).to_dict()


def test_what_fits_is_what_weights_leave_room_for() -> None:
    """Weights beyond a device's memory leave no room; without its memory nothing is said."""
    small = bneck_cli.footprint("llama3_8b", input="1x64", device="1TFLOPS,1GB/s,16GB").found
    unknown = bneck_cli.footprint("llama3_8b", input="1x64", device="1TFLOPS,1GB/s").found
    one, other = generation(small), generation(unknown)
    assert one is not None
    assert other is not None
    assert (one.fitting, other.fitting) == (0, None)
    assert "memory is not known" in " ".join(as_text(report(unknown), "text").split())


def test_of_experts_the_active_ones_count() -> None:
    """Mixtral keeps 46,702,792,704 parameters, of which a token meets 12,879,925,248 (arXiv 2401.04088: 47B, 13B)."""
    told = generation(bneck_cli.footprint("mixtral_8x7b", input="1x1", past=100, dtype="bf16").found)
    assert told is not None
    assert (told.params, told.active_params) == (46_702_792_704, 12_879_925_248)
    assert told.rule_of_six == 6 * 12_879_925_248 * 100
    assert figures(told)["weight_bytes"] == 2 * 46_702_792_704


@pytest.mark.parametrize("size", [0, 999, 1000, 10**9 - 1, 49_369_849_856, 10**400])
def test_bytes_of_devices_are_decimal(size: int) -> None:
    """A kB is 1,000 bytes; the exact number stands beside it, whatever its digits."""
    text = Bytes(size).decimal()
    assert f"{size:,} bytes" in text or size == 0
    assert (" kB " in text) == (10**3 <= size < 10**6)
    assert size != 49_369_849_856 or text.startswith("49.4 GB (")


def test_gpt2_generates_by_hand() -> None:
    """Twelve layers of width 768 keep 2·768 values of each token; a step multiplies all weights but two tables."""
    found = bneck_cli.footprint("gpt2_small", input="1x1", past=1000, dtype="fp16", device="t4").found
    told = generation(found)
    assert told is not None
    assert told.cache_each == 12 * 2 * 768 * 2
    assert told.step.total.macs == 12 * 12 * 768**2 + 50257 * 768 + 12 * 2 * 768 * 1001
    assert told.prompt.total.macs == 1000 * (12 * 12 * 768**2 + 50257 * 768 + 12 * 2 * 768 * 1000)
    assert told.least_seconds == pytest.approx(told.moved / 320e9)


@pytest.mark.parametrize("more", [{}, {"device": "100GFLOPS,20GB/s"}, {"inplace": True}])
def test_rows_of_layers_add_up_to_the_total(more: dict[str, Any]) -> None:
    """As they are printed: a row with × has the figures of all its copies, as in the table of analyze."""
    text = "input: 2 x 2 x 2\nblocks: {b: conv 1x1 4 -> relu -> conv 1x1 cin}\nnet: 3x b -> conv 1x1 3\n"
    parts = report(footprint(bneck_cli.analyze(text).found, **more), full=True).parts()
    table = next(part for part in parts if isinstance(part, Table))
    *rows, total = [dict(zip((column.key for column in table.columns), row.cells, strict=True)) for row in table.rows]
    assert any((row["repeat"] or 1) > 1 for row in rows)
    for key in ("weights", "written", "moved", "seconds", "values", "memory", "params"):
        if key in total:
            *each, whole = [plain(people(row[key])) for row in (*rows, total)]
            assert sum(each) == pytest.approx(whole, rel=0.03), key


def plain(printed: str) -> float:
    """Read a figure as it is printed: ``1,024``, ``2.1 KiB``, ``0.16 µs``."""
    figure, _, unit = printed.partition(" ")
    scale = {"KiB": 2**10, "MiB": 2**20, "ms": 1e-3, "\N{MICRO SIGN}s": 1e-6, "ns": 1e-9}
    return float(figure.replace(",", "") or 0) * scale.get(unit, 1)
