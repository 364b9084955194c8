"""``bneck list``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, put

GROUP = "Reference"
EXAMPLES = ("bneck list", "bneck list --max-macs 1G --sort params")


def command(
    format: opt.Format = None,
    max_macs: Annotated[
        str | None, typer.Option(metavar="N", help="At most this many multiply-adds: 300M, 1.5G.")
    ] = None,
    max_params: Annotated[str | None, typer.Option(metavar="N", help="At most this many parameters: 5M.")] = None,
    family: Annotated[str | None, typer.Option(help="Only this family.", autocompletion=completion.FAMILIES)] = None,
    task: Annotated[
        str | None, typer.Option(help="Only this task: language, detection ...", autocompletion=completion.TASKS)
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Sort by name, family, year, params, macs or top1.",
            autocompletion=completion.LIST_SORTS,
        ),
    ] = None,
    output: opt.Output = None,
) -> None:
    """List the bundled networks and blocks with their published figures."""
    from bneck_cli.questions.catalog import catalog, list_report

    chosen = check_format(format, output)
    put(list_report(catalog(family, max_macs, max_params, sort, task), sort), chosen, output)
