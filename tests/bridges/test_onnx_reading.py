"""ONNX models, read into specs: held against PyTorch, against a count of the graph, and against the spec before."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from math import prod
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_files import model, node, number, numbers, saved, weight
from round_trip import by_onnx, round_trip

from bneck_cli import BneckError, analyze
from bneck_cli.bridges.export.onnx import protobuf
from bneck_cli.bridges.export.onnx.model import onnx_model
from bneck_cli.bridges.importing import graph_of, import_model, spec_of
from bneck_cli.bridges.verify_report import verified
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.network import entries
from bneck_cli.engine.settings import Settings
from bneck_cli.language.library import load

if TYPE_CHECKING:
    from pathlib import Path

    from bneck_cli.engine.analysis import Analysis

SAMPLE = (
    "resnet18", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "densenet121", "googlenet", "unet",
    "shufflenet_v2_x0_5", "regnet_x_400mf", "vit_b_32", "swin_t", "convnext_tiny", "gpt2_small", "darknet53",
    "llama3_8b", "qwen3_8b", "swin_v2_t", "resnet20_cifar", "tcn", "sequencer2d_s",
)  # fmt: skip
"""Networks of every kind that the library has."""


def imported(folder: Path, content: bytes, given: str | None = None) -> str:
    """Return the spec that is made of a model."""
    return import_model(saved(folder, content), [], given, opaque=False).text


@pytest.mark.parametrize("name", SAMPLE)
def test_a_spec_comes_back_from_onnx(name: str) -> None:
    """The same parameters and multiply-adds, and the same of every layer."""
    assert round_trip(name, by_onnx) == "the same"


def test_a_spec_is_compared_with_a_model(tmp_path: Path) -> None:
    """Layer by layer, as with a model in Python; what differs is told."""
    content = onnx_model(analyze_program(load("resnet18"))).content
    assert verified(load("resnet18"), Settings(), saved(tmp_path, content), []).compared.equal
    compared = verified(load("resnet34"), Settings(), saved(tmp_path, content), []).compared
    assert not compared.equal
    assert compared.differences


# PyTorch's exporter


def exported(folder: Path, module: Any, shape: tuple[int, ...], **options: Any) -> str:
    """Export a module with PyTorch, and return the file."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    import warnings

    path = str(folder / "net.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (torch.rand(1, *shape),), path, dynamo=False, **options)
    return path


def blocks() -> Any:
    """Make a network of residual blocks with gates, and a sequence with attention behind them."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Gate(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.fc1, self.fc2 = nn.Conv2d(channels, channels // 4, 1), nn.Conv2d(channels // 4, channels, 1)

        def forward(self, x: Any) -> Any:
            return x * self.fc2(nn.functional.silu(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()

    class Block(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(channels, 2 * channels, 1, bias=False), nn.BatchNorm2d(2 * channels)
            self.act, self.gate = nn.Hardswish(), Gate(2 * channels)
            self.conv2, self.bn2 = nn.Conv2d(2 * channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)

        def forward(self, x: Any) -> Any:
            return x + self.bn2(self.conv2(self.gate(self.act(self.bn1(self.conv1(x))))))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 16, 4, 4)
            self.layers = nn.Sequential(*(Block(16) for _ in range(3)))
            self.encoder = nn.ModuleList(
                nn.TransformerEncoderLayer(16, 4, 64, activation="gelu", norm_first=True, batch_first=True)
                for _ in range(2)
            )
            self.head = nn.Linear(16, 10)

        def forward(self, x: Any) -> Any:
            x = self.layers(self.stem(x)).flatten(2).transpose(1, 2)
            for layer in self.encoder:
                x = layer(x)
            return self.head(x.mean(1))

    return Net()


def test_pytorchs_export_is_read_as_the_module_is(tmp_path: Path) -> None:
    """With norms that stay apart it has the module's own parameters, and the blocks have their names."""
    torch = pytest.importorskip("torch")
    net = blocks()
    keep = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    text = import_model(exported(tmp_path, net, (3, 32, 32), **keep), [], None, opaque=False).text
    analysis = analyze(text)
    assert analysis.cost.params == sum(one.numel() for one in net.parameters())
    own = analyze(spec_of(graph_of(net, (3, 32, 32), "net"), "net").text)
    assert analysis.macs == own.macs
    assert "  - 3x block" in text
    assert "attention heads=4" in text
    assert "gelu" in text


def test_norms_that_were_folded_are_biases(tmp_path: Path) -> None:
    """As PyTorch exports by default: the file's weights are what is counted."""
    path = exported(tmp_path, blocks(), (3, 32, 32))
    text = import_model(path, [], None, opaque=False).text
    assert " bn" not in text
    assert analyze(text).cost.params == counted(path)[0]


# A count of the graph itself


def counted(path: str) -> tuple[int, Counter[int]]:
    """Count the parameters of a model and the multiply-adds of its nodes, with the shapes that ONNX infers."""
    onnx = pytest.importorskip("onnx")
    found = onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True)
    infos = [*found.graph.value_info, *found.graph.input, *found.graph.output]
    shapes = {one.name: [dim.dim_value or 1 for dim in one.type.tensor_type.shape.dim] for one in infos}
    shapes |= {one.name: list(one.dims) for one in found.graph.initializer}
    floats = {one.name for one in found.graph.initializer if one.data_type == onnx.TensorProto.FLOAT}
    shared = {one.output[0]: one.input[0] for one in found.graph.node if one.op_type == "Identity"}
    params, macs, seen = 0, Counter[int](), set()
    for one in found.graph.node:
        taken = {shared.get(name, name) for name in one.input[:3]} & floats
        if one.op_type != "Identity":
            fresh = [name for name in one.input[:3] if shared.get(name, name) in taken and name not in seen]
            params += sum(prod(shapes[shared.get(name, name)]) for name in fresh)
            seen |= set(fresh)
        out = shapes.get(one.output[0], [])
        if one.op_type == "Conv":
            macs[prod(out) * prod(shapes[one.input[1]][1:])] += 1
        elif one.op_type in ("MatMul", "Gemm"):
            macs[prod(out) * shapes[one.input[0]][-1]] += 1
    return params, macs


def products(analysis: Analysis) -> int:
    """Sum the multiply-adds of layers."""
    return sum(int(one.layer.cost.macs) for one in entries(analysis.root, folded=False))


def test_the_graph_itself_counts_the_same(tmp_path: Path) -> None:
    """Multiply-adds, node by node and in all."""
    path = exported(tmp_path, blocks(), (3, 32, 32))
    macs = counted(path)[1]
    assert products(analyze(import_model(path, [], None, opaque=False).text)) == sum(
        each * count for each, count in macs.items()
    )


# Layers that exporters take apart

X = "x"
SPELLED = {
    "gelu": (
        [node("Div", "x two", "a"), node("Erf", "a", "b"), node("Add", "b one", "c"), node("Mul", "x c", "d"),
         node("Mul", "d half", "y")],
        [number("two", 2**0.5), number("one", 1), number("half", 0.5)],
    ),
    "silu": ([node("Sigmoid", "x", "a"), node("Mul", "x a", "y")], []),
    "hard_swish": (
        [node("Add", "x three", "a"), node("Clip", "a zero six", "b"), node("Mul", "x b", "c"),
         node("Div", "c six", "y")],
        [number("three", 3), number("zero", 0), number("six", 6)],
    ),
    "mish": ([node("Softplus", "x", "a"), node("Tanh", "a", "b"), node("Mul", "b x", "y")], []),
    "relu6": ([node("Clip", "x zero six", "y")], [number("zero", 0), number("six", 6)]),
    "hard_sigmoid": ([node("HardSigmoid", "x", "y", alpha=1 / 6)], []),
    "gn 2": (
        [node("Reshape", "x cut", "a"), node("InstanceNormalization", "a ones zeros", "b"),
         node("Reshape", "b whole", "c"), node("Mul", "c scale", "d"), node("Add", "d shift", "y")],
        [numbers("cut", 0, 2, -1), numbers("whole", 0, 4, 8, 8), weight("ones", 2), weight("zeros", 2),
         weight("scale", 4, 1, 1), weight("shift", 4, 1, 1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("layer", SPELLED)
def test_a_layer_that_was_taken_apart_is_one(tmp_path: Path, layer: str) -> None:
    """However many operators it is spelled in."""
    assert f"\n  - {layer}\n" in imported(tmp_path, model(*SPELLED[layer]))


def test_a_gate_is_no_activation(tmp_path: Path) -> None:
    """A sigmoid of something else than what it multiplies stays one."""
    nodes = [node("Conv", "x w", "a"), node("Sigmoid", "a", "b"), node("Mul", "x b", "y")]
    text = imported(tmp_path, model(nodes, [weight("w", 4, 4, 1, 1)]))
    assert "sigmoid" in text
    assert "silu" not in text


@pytest.mark.parametrize("last", ["Div", "Mul"])
def test_a_layer_norm_that_was_taken_apart_is_one(tmp_path: Path, last: str) -> None:
    """Over the channels of a map, with its scale and shift."""
    nodes = [
        node("ReduceMean", "x", "m", axes=[1], keepdims=1), node("Sub", "x m", "d"), node("Pow", "d two", "q"),
        node("ReduceMean", "q", "v", axes=[1], keepdims=1), node("Add", "v e", "s"), node("Sqrt", "s", "r"),
    ]  # fmt: skip
    nodes += [node("Div", "d r", "n")] if last == "Div" else [node("Reciprocal", "r", "i"), node("Mul", "d i", "n")]
    nodes += [node("Mul", "n scale", "k"), node("Add", "k shift", "y")]
    weights = [number("two", 2), number("e", 1e-6), weight("scale", 4, 1, 1), weight("shift", 4, 1, 1)]
    text = imported(tmp_path, model(nodes, weights))
    assert "\n  - ln\n" in text
    assert analyze(text).cost.params == 8


def test_what_is_added_to_a_product_is_its_bias(tmp_path: Path) -> None:
    """A matrix, and a vector as long as what leaves."""
    nodes = [node("MatMul", "x w", "a"), node("Add", "b a", "y")]
    text = imported(tmp_path, model(nodes, [weight("w", 8, 5), weight("b", 5)], ["N", 7, 8]))
    assert "linear 5\n" in text


def test_zeros_that_are_kept_once_are_parameters_of_each(tmp_path: Path) -> None:
    """Exporters keep one of equal weights: of ones and zeros they were apart, of other values they were one."""
    nodes = [node("Conv", "x w b", "a"), node("Conv", "a v b", "y")]
    zeros = protobuf.tensor("b", [4], protobuf.FLOAT, [0.0] * 4)
    weights = [weight("w", 4, 4, 1, 1), weight("v", 4, 4, 1, 1), zeros]
    assert analyze(imported(tmp_path, model(nodes, weights))).cost.params == 2 * (16 + 4)


def test_shapes_that_are_computed_are_numbers(tmp_path: Path) -> None:
    """As exports with any size have them: the shape of a tensor, a part of it, a product, a reshape to that."""
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s two", "h", axis=0), node("Gather", "s three", "w", axis=0),
        node("Mul", "h w", "n"), node("Unsqueeze", "n zero", "u"), node("Concat", "batch four u", "t", axis=0),
        node("Reshape", "x t", "r"), node("Transpose", "r", "p", perm=[0, 2, 1]), node("MatMul", "p m", "y"),
    ]  # fmt: skip
    two, three = (numbers(name, value) for name, value in (("two", 2), ("three", 3)))
    weights = [numbers("zero", 0), numbers("batch", 0), numbers("four", 4), weight("m", 4, 6)]
    scalars = [one.replace(b"\x08\x01", b"", 1) for one in (two, three)]
    text = imported(tmp_path, model(nodes, [*scalars, *weights], ["N", 4, "h", "w"]), "4x6x5")
    assert "linear 6 nobias" in text
    assert analyze(text).macs == 30 * 4 * 6


def test_an_input_of_any_size_asks_for_one(tmp_path: Path) -> None:
    """Symbols are no numbers."""
    with pytest.raises(BneckError, match="sizes that are no numbers: 4xhxw"):
        imported(tmp_path, model([node("Relu", "x", "y")], [], ["N", 4, "h", "w"]))


# Names


def test_paths_become_blocks(tmp_path: Path) -> None:
    """Names such as ``/layers/layers.0/conv/Conv`` say which modules are copies of each other."""
    nodes, before = [], "x"
    for place in range(3):
        path = f"/layers/layers.{place}"
        nodes += [
            node("Conv", f"{before} w{place}", f"a{place}", f"{path}/conv/Conv"),
            node("Relu", f"a{place}", f"b{place}", f"{path}/act/Relu"),
            node("Add", f"b{place} {before}", f"y{place}", f"{path}/Add"),
        ]
        before = f"y{place}"
    weights = [weight(f"w{place}", 4, 4, 1, 1) for place in range(3)]
    text = imported(tmp_path, model(nodes, weights, out="y2"))
    assert "block:  " in text
    assert "  - 3x block" in text


def test_blocks_are_found_without_paths(tmp_path: Path) -> None:
    """What lies between the ends of a shortcut is one."""
    nodes, before = [], "x"
    for place in range(3):
        nodes += [
            node("Conv", f"{before} w{place}", f"a{place}", f"n{place}"),
            node("Relu", f"a{place}", f"b{place}", f"r{place}"),
            node("Conv", f"b{place} v{place}", f"c{place}", f"m{place}"),
            node("Add", f"c{place} {before}", f"y{place}", f"s{place}"),
        ]
        before = f"y{place}"
    weights = [weight(f"{letter}{place}", 4, 4, 1, 1) for place in range(3) for letter in "wv"]
    assert "residual" in imported(tmp_path, model(nodes, weights, out="y2"))


# Hostile files

RELU = node("Relu", "x", "y")
BIG = protobuf.data(8, "w") + protobuf.number(2, 1)
WRONG: list[tuple[bytes, str]] = [
    (b"", "no ONNX model"),
    (b"hello, this is nonsense", "the file is"),
    (b"\xff" * 50, "more than 64 bits"),
    (model([RELU])[:40], "cut short"),
    (model([node("Relu", "b", "a"), node("Relu", "a", "b")], out="b"), "the graph has a circle"),
    (model([node("Relu", "z", "y")]), "takes 'z', which is no input, no weight, and given by no node"),
    (model([node("Conv", "x w", "y")]), "takes 'w'"),
    (model([node("Relu", "x", "y"), node("Relu", "x", "y")]), "gives 'y', which there is already"),
    (model([node("Relu", "x", "a")]), "no node gives the output 'y'"),
    (model([node("Reluu", "x", "y")]), "node 'y' (Reluu): the operator Reluu is not read"),
    (model([node("Conv", "x w", "y")], [weight("w", 4, 3, 1, 1)]), "weights [4, 3, 1, 1] in 1 groups for 4 channels"),
    (model([node("Conv", "x w", "y")], [weight("w", 4, 4, 9, 9)]), "a window of [9, 9] over [8, 8]"),
    (model([node("Conv", "x w", "y", strides=[0, 0])], [weight("w", 4, 4, 1, 1)]), "strides [0, 0]"),
    (model([node("Reshape", "x s", "y")], [numbers("s", 7, 7)]), "[1, 4, 8, 8] to [7, 7]"),
    (model([node("Reshape", "x s", "y")], [numbers("s", 2**62, 2**62)]), "to [4611686018427387904"),
    (model([node("Expand", "x s", "y")], [numbers("s", 2**30, 2**30, 2**30, 1, 8, 8)]), "Expand"),
    (model([node("MatMul", "x w", "y")], [weight("w", 3, 3)]), "a matrix of [3, 3] for [1, 4, 8, 8]"),
    (model([node("Transpose", "x", "y", perm=[0, 9])]), "inputs or attributes that it cannot have"),
    (model([node("Split", "x", "y z", axis=7)]), "inputs or attributes that it cannot have"),
    (model([node("Reshape", "x s", "y"), node("Shape", "y", "s")]), "circle"),
    (model([RELU], [protobuf.number(1, 2**62) + BIG]), "sizes [4611686018427387904], which no tensor has"),
    (model([RELU], [protobuf.number(1, 8) + BIG + protobuf.data(9, b"1234")]), "8 elements, and 1 are there"),
    (model([RELU], [protobuf.number(1, 2**64 - 5) + BIG]), "sizes [-5]"),
    (model([RELU], [], []), "has no sizes in this file"),
    (model([RELU], [], [8, 4, 8, 8]), "a batch of 8"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_model_gets_one_message(tmp_path: Path, content: bytes, said: str) -> None:
    """With the node, and with what is wrong about it."""
    with pytest.raises(BneckError) as caught:
        imported(tmp_path, content)
    assert said in str(caught.value)


def test_a_hundred_thousand_nodes_are_refused_in_time(tmp_path: Path) -> None:
    """Before they are walked along."""
    start = perf_counter()
    with pytest.raises(BneckError, match="more than 50,000 nodes"):
        imported(tmp_path, model([node("Relu", "x", "y")] * 100_000))
    assert perf_counter() - start < 10


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Expand", "one s", "a", "e"), node("Reshape", "x a", "y")],
        [node("Tile", "w s", "a", "t"), node("Reshape", "x a", "y")],
        [node("ConstantOfShape", "s", "a", "c"), node("Gather", "a i", "b", "g"), node("Reshape", "x b", "y")],
        [node("Gather", "w i", "a", "g"), node("Reshape", "x a", "y")],
    ],
    ids=["expand", "tile", "constant", "gather"],
)
def test_numbers_that_would_fill_the_memory_are_not_computed(tmp_path: Path, nodes: list[bytes]) -> None:
    """What shapes are computed of is small; larger tensors have a shape alone."""
    wide = protobuf.tensor("w", [1, 100_000], protobuf.INT64, [0] * 100_000)
    given = [numbers("one", 1), numbers("s", 2**20, 2**19), numbers("i", *([0] * 100_000)), wide]
    start = perf_counter()
    with pytest.raises(BneckError, match=r"computed of the model's input|which there is not"):
        imported(tmp_path, model(nodes, given))
    assert perf_counter() - start < 10


def test_branches_within_branches_are_refused(tmp_path: Path) -> None:
    """A thousand of them, each in the next."""
    nodes = [node("Add", f"{f't{place - 1}' if place else 'x'} x", f"t{place}") for place in range(1500)]
    with pytest.raises(BneckError, match="nested deeper than a spec can be"):
        imported(tmp_path, model(nodes, out="t1499"))


def test_weights_in_other_files_are_not_opened(tmp_path: Path) -> None:
    """Their sizes are all that is read, wherever they are said to be."""
    place = protobuf.data(13, protobuf.data(1, "location") + protobuf.data(2, "../../../etc/passwd"))
    outside = b"".join(protobuf.number(1, size) for size in (6, 4, 1, 1)) + BIG + place + protobuf.number(14, 1)
    text = imported(tmp_path, model([node("Conv", "x w", "y")], [outside]))
    assert "conv 1x1 6\n" in text


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_mangled_model_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Bytes changed, left out, or put in: never anything but a spec or the one error."""
    content = bytearray(data.draw(st.sampled_from([model(*SPELLED[name]) for name in SPELLED])))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    with suppress(BneckError):
        analyze(imported(tmp_path_factory.mktemp("mangled"), bytes(content)))
