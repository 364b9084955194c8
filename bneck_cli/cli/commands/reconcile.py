"""``bneck reconcile``."""

from typing import Annotated

import typer

from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, put, settings

GROUP = "Figures"
EXAMPLES = (
    "bneck reconcile resnet50 4.11G",
    "bneck reconcile resnet50 25,636,712",
    "bneck reconcile vgg16 15G",
)


def command(
    spec: opt.Specification,
    figure: Annotated[str, typer.Argument(metavar="FIGURE", help="The published figure: 4.11G, 25.6M, 4089184256.")],
    input: opt.Input = None,
    channels: opt.Channels = None,
    set: opt.Set = None,
    format: opt.Format = None,
    output: opt.Output = None,
) -> None:
    """Find the counting rule and the variant of a network behind a published figure."""
    from bneck_cli.questions.reconcile import reconcile
    from bneck_cli.questions.reconcile_report import report

    chosen = check_format(format, output)
    put(report(reconcile(spec, figure, settings(input, channels, values=set))), chosen, output)
