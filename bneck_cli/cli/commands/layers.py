"""``bneck layers``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, put

GROUP = "Reference"
EXAMPLES = ("bneck layers", "bneck layers conv")


def command(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", autocompletion=completion.KINDS)] = None,
    format: opt.Format = None,
    output: opt.Output = None,
) -> None:
    """List the layer kinds of the language, or describe one with its arguments and options."""
    from bneck_cli.questions.layers import kind_report, kinds_report

    put(kind_report(kind) if kind else kinds_report(), check_format(format, output), output)
