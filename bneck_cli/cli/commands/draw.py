"""``bneck draw``."""

import os
from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, on_terminal, one_of, settings, style_of, words
from bneck_cli.output import write

GROUP = "Understanding"
EXAMPLES = (
    "bneck draw bottleneck --channels 256 --format text",
    "bneck draw resnet50 -o resnet50.svg",
    "bneck draw 'basic 64' 'bottleneck 256' -o figure.svg",
    "bneck draw bottleneck --format mermaid",
)
SUFFIXES = {".mmd": "mermaid", ".dot": "dot", ".gv": "dot", ".tex": "tikz", ".txt": "text"}


def command(
    specs: opt.Specifications,
    at: opt.At = None,
    input: opt.Input = None,
    channels: opt.Channels = None,
    in_channels: opt.InChannels = None,
    set: opt.Set = None,
    numbers: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="Numbers beside the boxes: params, macs, shapes or none.",
            autocompletion=completion.NUMBERS,
        ),
    ] = "params,macs",
    match: Annotated[
        str | None,
        typer.Option(
            metavar="MEASURE",
            help="Draw the others at the width that costs as much as the first: "
            "weights, params, macs, activations or memory.",
            autocompletion=completion.MEASURES,
        ),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(min=1, help="Levels to open: 1 for stages, 2 for blocks, 3 for their contents.")
    ] = None,
    direction: Annotated[
        str, typer.Option(help="Direction of the flow: down or right.", autocompletion=completion.DIRECTIONS)
    ] = "down",
    theme: Annotated[
        str, typer.Option(help="SVG colours: light, dark or print.", autocompletion=completion.THEMES)
    ] = "light",
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="svg, text, mermaid, dot or tikz (default: by --output).",
            autocompletion=completion.DRAWINGS,
        ),
    ] = None,
    output: opt.Output = None,
) -> None:
    """Draw a block as in papers, or a network as its stages."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.draw import DIRECTIONS, FORMATS, THEMES, draw, render

    usual = "text" if output is None and on_terminal() else "svg"
    suffix = os.path.splitext(output or "")[1]
    chosen = check_format(format or SUFFIXES.get(suffix, usual), output, FORMATS)
    one_of(theme, THEMES, "theme")
    if theme != THEMES[0] and chosen != "svg":
        raise typer.BadParameter(f"--theme is for SVG (got --format {chosen})", param_hint="--theme")
    one_of(direction, DIRECTIONS, "direction")
    asked = settings(input, channels, in_channels, set)
    found = draw([(name, load(name)) for name in specs], asked, at, words(numbers), match, depth, direction)
    style = style_of(output)
    write(render(found, chosen, theme, style.plain, style.width), output)
