"""Specs to ONNX: the checker takes them with every shape inferred, and ONNX Runtime runs them."""

from __future__ import annotations

from typing import Any

import pytest

from bneck_cli import analyze
from bneck_cli.bridges.export.onnx.model import onnx_model
from bneck_cli.bridges.export.onnx.protobuf import varint
from bneck_cli.bridges.export.pytorch.builder import LAST
from bneck_cli.bridges.export.steps import Steps
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.errors import BneckError
from bneck_cli.language.document import Source
from bneck_cli.language.library import load, network_names, resolve

HELD = 0.9
"""The share of the library that ONNX holds, at least."""


def sizes(value: Any) -> list[int | str]:
    """Return the sizes of a value, symbols by their names."""
    return [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim]


def test_every_model_passes_the_checker_with_our_shapes() -> None:
    """What ONNX infers of each value is what was stated, in all networks that it holds."""
    onnx = pytest.importorskip("onnx")
    held = 0
    for name in network_names():
        try:
            model = onnx.load_from_string(onnx_model(analyze_program(load(name))).content)
        except BneckError as error:
            assert "cannot be exported to ONNX" in str(error), name  # noqa: PT017  (each is told at its row)
            continue
        held += 1
        onnx.checker.check_model(model, full_check=True)
        stated = {value.name: sizes(value) for value in model.graph.value_info}
        del model.graph.value_info[:]
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        for value in inferred.graph.value_info:
            pairs = zip(sizes(value), stated[value.name], strict=True)
            numbers = [(one, two) for one, two in pairs if isinstance(one, int) and isinstance(two, int)]
            assert all(one == two for one, two in numbers), f"{name}: {value.name}"
    assert held >= HELD * len(network_names())


def test_a_product_of_vectors_has_the_shape_that_is_stated() -> None:
    """Two towers end in a vector each, whose product is one value: an image and its caption."""
    onnx = pytest.importorskip("onnx")
    spec = "input: {a: 8, b: 8}\nnet:\n  - matmul: [from a -> linear 4, from b -> linear 4]\n"
    model = onnx.load_from_string(onnx_model(analyze(spec).found).content)
    onnx.checker.check_model(model, full_check=True)
    assert sizes(model.graph.output[0])[1:] == [1]


def test_a_frozen_convolution_has_no_parameters() -> None:
    """Its values are constants of the model, and do not count."""
    onnx = pytest.importorskip("onnx")
    spec = "input: 3 x 8 x 8\nnet: conv 3x3 4 -> dwconv 3x3 frozen -> conv 1x1 2 frozen\n"
    model = onnx.load_from_string(onnx_model(analyze(spec).found).content)
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "vit_b_16", "unet", "swin_v2_t", "lstm_lm"])
def test_onnx_runtime_runs_it(name: str) -> None:
    """The shape that leaves is the analysis's."""
    runtime = pytest.importorskip("onnxruntime")
    numpy = pytest.importorskip("numpy")
    analysis = analyze_program(load(name))
    model = onnx_model(analysis)
    session = runtime.InferenceSession(model.content, providers=["CPUExecutionProvider"])
    feed = {
        one.name: numpy.zeros([2, *one.shape[1:]], numpy.int64 if "int64" in one.type else numpy.float32)
        for one in session.get_inputs()
    }
    (found,) = session.run(None, feed)
    (out,) = analysis.outputs.values()
    wanted = [out.channels, *out.spatial] if model.layouts != (LAST,) else [*out.spatial, out.channels]
    assert [size for size in found.shape if size != 1] == [2, *[size for size in wanted if size != 1]]


def test_nodes_bear_the_paths_of_reports() -> None:
    """A node is found under the name that `analyze` prints, and no weight is stored."""
    onnx = pytest.importorskip("onnx")
    content = onnx_model(analyze_program(load("resnet50"))).content
    names = {node.name for node in onnx.load_from_string(content).graph.node}
    assert {"conv", "layer1.0.conv1", "layer4.0.shortcut.conv"} <= names
    assert len(content) < 300_000


def test_weights_that_are_shared_are_one() -> None:
    """A table of words that the last layer shares is transposed there, and a tower is one for all maps."""
    onnx = pytest.importorskip("onnx")
    for name in ("gpt2_small", "fcos_resnet50_fpn"):
        onnx.checker.check_model(onnx.load_from_string(onnx_model(analyze_program(load(name))).content))


def test_steps_are_all_that_runs() -> None:
    """Heads that training alone runs are left out, and every other layer is there once."""
    steps = Steps(analyze_program(load("inception_v3")))
    assert sum(step.layer.cost.macs for step in steps.kept) == analyze_program(load("inception_v3")).macs
    assert len({step.path for step in steps.kept}) == len(steps.kept)


def test_what_onnx_cannot_hold_is_an_error() -> None:
    """One message names the row."""
    for text in (
        "input: 3 x 8 x 8\nops: {own: {out: [c, h, w], params: 1, macs: 0}}\nnet: own",
        "input: 3 x 8 x 8\nnet: adaptive_avgpool 3",
    ):
        with pytest.raises(BneckError, match="cannot be exported to ONNX"):
            onnx_model(analyze_program(resolve(Source("test.yaml", text))))


@pytest.mark.parametrize(
    ("value", "coded"), [(0, b"\0"), (127, b"\x7f"), (300, b"\xac\x02"), (-1, b"\xff" * 9 + b"\1")]
)
def test_numbers_are_seven_bits_a_byte(value: int, coded: bytes) -> None:
    """As protocol buffers have them."""
    assert varint(value) == coded
