"""``bneck report``."""

from typing import Annotated

import typer

from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, put, settings

GROUP = "Understanding"
EXAMPLES = (
    "bneck report resnet50 -o resnet50.html",
    "bneck report basic bottleneck --channels 64 -o blocks.html",
    "bneck report my.yaml -o my.html",
)
FORMATS = ("html", "markdown", "text")


def command(
    specs: opt.Specifications,
    input: opt.Input = None,
    channels: opt.Channels = None,
    in_channels: opt.InChannels = None,
    set: opt.Set = None,
    format: Annotated[
        str | None, typer.Option("--format", "-f", metavar="FORMAT", help="html (the default), markdown or text.")
    ] = None,
    output: opt.Output = None,
) -> None:
    """Write a self-contained page: drawing, cost, explanation, lint, memory and source; several specs are compared."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.page import page

    chosen = check_format(format, output, FORMATS)
    asked = settings(input, channels, in_channels, set)
    put(page([(name, load(name)) for name in specs], asked), chosen, output)
