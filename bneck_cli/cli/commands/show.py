"""``bneck show``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.output import write

GROUP = "Reference"
EXAMPLES = ("bneck show resnet50", "bneck show bottleneck", "bneck show resnet50 -o mine.yaml")


def command(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="A bundled network or block.", autocompletion=completion.NETWORKS)
    ],
    output: opt.Output = None,
) -> None:
    """Print a bundled spec, to learn from or to start from."""
    from bneck_cli.language.library import find
    from bneck_cli.shown import shown

    source, _ = find(spec)
    write((f"{shown(line)}\n" for line in source.text.rstrip().split("\n")), output)
