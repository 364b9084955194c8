"""Forty models that others have written, of every family: each becomes a spec that is the model, to the last unit."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from bneck_cli.bridges.calls.target import made, usual_input
from bneck_cli.bridges.importing import graph_of, spec_of
from bneck_cli.bridges.verify import compare
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.language.library import load
from tests.zoo import zoo

pytest.importorskip("torch")
try:
    torchvision, timm = zoo()
except (ImportError, RuntimeError) as error:
    pytest.skip(f"torchvision and timm are not here: {error}", allow_module_level=True)

TORCHVISION = {
    "alexnet": 18, "resnet50": 27, "densenet121": 27, "googlenet": 36, "mobilenet_v3_small": 38, "mnasnet0_5": 31,
    "shufflenet_v2_x0_5": 37, "squeezenet1_1": 25, "efficientnet_b0": 32, "regnet_y_400mf": 28, "convnext_tiny": 26,
    "vit_b_16": 20, "swin_t": 31, "swin_v2_t": 33,
}  # fmt: skip
TIMM = {
    "resnet18": 26, "seresnet50": 28, "skresnet18": 56, "resnest14d": 55, "res2net50_26w_4s": 46, "dla34": 63,
    "hrnet_w18_small": 104, "ghostnet_100": 63, "efficientvit_b0": 75, "mobilenetv4_conv_small": 37, "nfnet_l0": 61,
    "resnetblur18": 29, "deit_tiny_distilled_patch16_224": 26, "beit_base_patch16_224": 32,
    "eva02_tiny_patch14_224": 35, "levit_128": 70, "xcit_nano_12_p16_224": 66, "cait_xxs24_224": 55,
    "mixer_s16_224": 24, "gmlp_s16_224": 30, "poolformer_s12": 35, "convnextv2_atto": 43, "swin_s3_tiny_224": 29,
    "coatnet_nano_rw_224": 69, "botnet26t_256": 115, "hiera_tiny_224": 110,
}  # fmt: skip
"""Models, and the lines that their specs may have: what is not folded is not what a person would write."""
MODELS = [
    *(pytest.param("torchvision", name, lines, id=name) for name, lines in TORCHVISION.items()),
    *(pytest.param("timm", name, lines, id=f"timm-{name}") for name, lines in TIMM.items()),
]


def model_of(source: str, name: str) -> Any:
    """Make a model without storage for its weights."""
    return made(lambda: torchvision.get_model(name) if source == "torchvision" else timm.create_model(name))


@pytest.mark.parametrize(("source", "name", "lines"), MODELS)
def test_a_model_becomes_a_spec_that_is_the_model(source: str, name: str, lines: int) -> None:
    """Nothing is outside the language, every layer's figures are the model's, and the spec is short."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = model_of(source, name)
        size = (3, 256, 256) if name == "swin_v2_t" else usual_input(model)
        imported = spec_of(graph_of(model, size, name), name)
    assert imported.text.count("\n") <= lines
    params = sum(one.numel() for one in model.parameters())
    unread = next((note for note in imported.notes if "never read" in note), "")
    left = int(unread.split()[0].replace(",", "")) if unread else 0
    assert f"  params: {params - left}\n" in imported.text


@pytest.mark.parametrize(
    "name", ["resnet50", "mobilenet_v2", "googlenet", "shufflenet_v2_x1_0", "vgg16", "vit_b_16", "swin_t"]
)
def test_a_spec_of_the_library_is_the_model(name: str) -> None:
    """Specs that people wrote agree with torchvision's models in every layer, in its figures and in its shape."""
    graph = graph_of(model_of("torchvision", name), (3, 224, 224), name)
    assert compare(analyze_program(load(name)), graph).differences == ()
