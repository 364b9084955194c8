"""Specs to Keras: laid out as ruff does it, the network when it is built, and what is not held an error at its row."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from bneck_cli.bridges.export.keras.check import check_keras
from bneck_cli.bridges.export.keras.writer import source
from bneck_cli.bridges.export.targets import Asked, export
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.settings import read_settings
from bneck_cli.errors import BneckError
from bneck_cli.language.document import Source
from bneck_cli.language.library import load, resolve

if TYPE_CHECKING:
    from pathlib import Path

    from bneck_cli.engine.analysis import Analysis

os.environ.setdefault("KERAS_BACKEND", "torch")
VARIED = (
    "resnet50", "mobilenet_v2", "vgg16", "unet", "vit_b_16", "efficientnet_b0", "densenet121", "hrnet_w18", "mixnet_m",
    "shufflenet_v2_x0_5", "convnextv2_tiny", "deeplabv3_resnet50", "resnet20_cifar", "googlenet",
)  # fmt: skip
"""Networks that between them have every structure that Keras can hold."""


def analysed(text: str) -> Analysis:
    """Analyse a spec."""
    return analyze_program(resolve(Source("test.yaml", text)))


@pytest.mark.parametrize("name", VARIED)
def test_a_network_is_what_was_analysed(name: str) -> None:
    """Weights, multiply-adds and the shape that leaves are the analysis's."""
    pytest.importorskip("keras")
    export(analyze_program(load(name)), "keras", Asked(check=True))


@pytest.mark.parametrize("block", ["bottleneck", "mbconv", "inception", "squeeze_excite", "encoder"])
def test_a_block_is_a_model(block: str) -> None:
    """A block by itself is its function, and a model of it."""
    pytest.importorskip("keras")
    asked = read_settings("197" if block == "encoder" else None, "64", None, [], None)
    export(analyze_program(load(block), asked), "keras", Asked(check=True))


@pytest.mark.skipif(not shutil.which("ruff"), reason="ruff lays source out, and is not here")
def test_source_is_laid_out_as_ruff_does_it(tmp_path: Path) -> None:
    """Nothing is left to format, to import or to take away."""
    for name in VARIED:
        (tmp_path / f"{name}.py").write_text(source(analyze_program(load(name))).text, encoding="utf-8")
    for command in (
        ["format", "--isolated", "--diff"],
        ["check", "--isolated", "--select", "E,F,I", "--ignore", "E501"],
    ):
        done = subprocess.run(["ruff", *command, str(tmp_path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[:2000]


def test_a_bottleneck_is_as_people_write_it() -> None:
    """A function of a tensor and the block's parameters, in the spec's words; copies are a loop."""
    text = source(analyze_program(load("resnet50"))).text
    assert "def bottleneck(x, channels, stride=1, width=None):" in text
    assert "y = relu(y)" in text
    assert "x = layers.Add()([y, shortcut(x, y)])" in text
    assert "    x = block(x, 2 * channels, stride=2)\n    for _ in range(1, depths[1]):\n" in text


def test_padding_is_as_in_pytorch() -> None:
    """A window with a stride has as many zeros before the map as behind it, and a pooling sees none of them."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("keras")
    from bneck_cli.bridges.export.pytorch.check import module_of
    from bneck_cli.bridges.export.pytorch.writer import source as pytorch

    analysis = analysed(
        "input: 3 x 10 x 8\nnet: conv 3x3 4 stride=2 -> tanh -> maxpool 3 stride=2 pad=1 ceil -> conv 2 3\n"
    )
    ours = source(analysis)
    check_keras(analysis, ours)
    model = module_of(ours.text, ours.name)()
    for weight in model.trainable_weights:
        weight.assign(torch.full(tuple(weight.shape), -0.1))
    found = pytorch(analysis)
    module = module_of(found.text, found.name)().eval()
    for parameter in module.parameters():
        torch.nn.init.constant_(parameter, -0.1)
    x = torch.randn(2, 3, 10, 8)
    theirs = module(x).detach().numpy()
    y = model.predict_on_batch(x.permute(0, 2, 3, 1).numpy()).transpose(0, 3, 1, 2)
    assert y.shape == theirs.shape
    assert abs(y - theirs).max() < 1e-5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("input: 8 x 8 x 8\nnet: attention heads=2 window=4", "no attention with windows"),
        ("input: 8 x 8 x 8\nnet: conv 3x3 8 stride=2 dilation=2", "a stride and a dilation"),
        ("input: 8 x 8 x 8\nnet: conv 3x3 8 frozen", "frozen weights"),
        ("input: 8 x 9\nnet: lstm 4", "no layer for `lstm`"),
        ("input: 8 x 8 x 8\nnet: conv 3x3 8 -> as t -> conv 3x3 8 -> from t -> relu", "no output follows"),
        ("input: 3 x H x W\nnet: conv 3x3 8", "sizes are symbols"),
    ],
)
def test_what_cannot_be_held_is_an_error(text: str, said: str) -> None:
    """One message names the row."""
    with pytest.raises(BneckError, match=said) as caught:
        source(analysed(text))
    assert caught.value.location or "symbols" in said


def test_a_model_that_differs_is_not_written() -> None:
    """Each figure is compared, and the first that is another is told."""
    pytest.importorskip("keras")
    analysis = analysed("input: 3 x 8 x 8\nnet: conv 3x3 8 -> global_avgpool -> linear 4\n")
    found = source(analysis)
    for right, wrong, said in (
        ("linear(x, 4)", "linear(x, 5)", "parameters"),
        ("conv(x, 3, 8)", "conv(x, 3, 8, stride=2)", "multiply-adds"),
    ):
        text = found.text.replace(right, wrong)
        with pytest.raises(BneckError, match=said):
            check_keras(analysis, found._replace(text=text))
