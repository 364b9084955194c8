"""``bneck import``."""

from typing import Annotated

import typer

from bneck_cli.cli import options as opt
from bneck_cli.output import write

GROUP = "Bridges"
EXAMPLES = (
    "bneck import torchvision.models:resnet50 -o resnet50.yaml",
    "bneck import mynet.py:Net --call width=32 --input 1x28x28",
    "bneck import model.onnx -o model.yaml",
    "bneck import config.json --input 1x1024",
    "bneck import yolov3.cfg",
)


def command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A PyTorch model, as module:callable or file.py:Class, whose code is run; or a file of ONNX "
            "(.onnx), Keras 3 (.keras, config.json), Hugging Face (config.json), Darknet (.cfg), Caffe (.prototxt), "
            "SCALE-Sim (.csv) or MAESTRO (.m), which is only read.",
        ),
    ],
    call: opt.Call = None,
    input: Annotated[
        str | None,
        typer.Option("--input", metavar="CxHxW", help="Input sizes (default: the model's own, or 3x224x224)."),
    ] = None,
    opaque: Annotated[
        bool, typer.Option("--opaque", help="Write layers that the language lacks as ops with fixed numbers.")
    ] = False,
    output: opt.Output = None,
) -> None:
    """Turn a model into a spec: finds and names blocks, folds repeats, and verifies every layer before writing."""
    from bneck_cli.bridges.importing import import_model

    write([import_model(model, call or [], input, opaque).text], output)
