"""``bneck check``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, put

GROUP = "Reference"
EXAMPLES = ("bneck check", "bneck check my.yaml resnet50")


def command(
    specs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SPEC]...",
            help="What to check; everything bundled by default.",
            autocompletion=completion.NETWORKS,
        ),
    ] = None,
    format: opt.Format = None,
    output: opt.Output = None,
) -> None:
    """Compare every published figure in `expect` with what the analysis finds; exit 1 on a difference."""
    from bneck_cli.questions.catalog import check_report, check_specs

    chosen = check_format(format, output)
    checks = check_specs(specs or [])
    put(check_report(checks, bool(specs)), chosen, output)
    if any(check.wrong for check in checks):
        raise typer.Exit(1)
