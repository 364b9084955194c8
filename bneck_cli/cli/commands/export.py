"""``bneck export``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import analysed, on_terminal, settings
from bneck_cli.output import write

GROUP = "Bridges"
EXAMPLES = (
    "bneck export resnet50 -o resnet50.py",
    "bneck export bottleneck --channels 256 --to pytorch",
    "bneck export vit_b_16 -o vit.onnx",
    "bneck export mobilenet_v2 --to scale-sim --unique -o topology.csv",
)


def command(
    spec: opt.Specification,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="TARGET", help="Target (default: by the suffix of --output).", autocompletion=completion.TARGETS
        ),
    ] = None,
    input: opt.Input = None,
    channels: opt.Channels = None,
    in_channels: opt.InChannels = None,
    set: opt.Set = None,
    check: Annotated[
        bool | None,
        typer.Option(
            "--check/--no-check",
            help="First build the result in its framework and compare it (default: if installed).",
            show_default=False,
        ),
    ] = None,
    unique: Annotated[
        bool, typer.Option("--unique", help="For simulators: list equal layers once, with their count after the name.")
    ] = False,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Output file, replaced atomically; its suffix chooses the target."
        ),
    ] = None,
) -> None:
    """Write a network as PyTorch source (one class per block), Keras source, ONNX, or layers for a simulator."""
    from bneck_cli.bridges.export.targets import Asked, export, target_of

    target = target_of(to, output)
    found = export(analysed(spec, settings(input, channels, in_channels, set)), target, Asked(check, unique))
    if found.encoding and output is None and on_terminal():
        raise typer.BadParameter(f"{target} is binary: give an output file", param_hint="--output")
    write([found.text], output, found.encoding)
