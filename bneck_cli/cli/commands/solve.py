"""``bneck solve``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, put, settings

GROUP = "Design"
EXAMPLES = (
    "bneck solve resnet50 --vary side --for macs=4.9G",
    "bneck solve mobilenet_v2 --vary width=0.25:2:0.01 --for macs=200M --for params=3M",
    "bneck solve resnet50 --vary H --input 3xHx512 --for memory=10M",
)


def command(
    spec: opt.Specification,
    vary: Annotated[
        str,
        typer.Option(
            metavar="NAME[=VALUES]",
            help="What to vary, as in sweep: side, H, channels, depths[2], width=0.25:2:0.05; without values, whole "
            "numbers from 1.",
            autocompletion=completion.names,
        ),
    ],
    targets: Annotated[
        list[str],
        typer.Option(
            "--for",
            metavar="TOTAL=AMOUNT",
            help="Budget: macs=4.9G; several must all be met (memory in elements).",
            autocompletion=completion.TOTALS,
        ),
    ],
    input: opt.Input = None,
    channels: opt.Channels = None,
    in_channels: opt.InChannels = None,
    set: opt.Set = None,
    batch: opt.Batch = 1,
    format: opt.Format = None,
    output: opt.Output = None,
) -> None:
    """Find the largest input, width or depth that fits a budget, and the cost of its neighbours."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.solve import report, solve

    chosen = check_format(format, output)
    asked = settings(input, channels, in_channels, set, batch=batch)
    put(report(solve(spec, load(spec), asked, vary, targets)), chosen, output)
