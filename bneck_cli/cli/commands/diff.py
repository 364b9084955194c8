"""``bneck diff``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, flops, put, settings

GROUP = "Figures"
EXAMPLES = (
    "bneck diff resnet50 resnet50_v1",
    "bneck diff resnet50 resnet50 --input-b 320x320",
    "bneck diff resnet50 my.yaml",
)


def command(
    one: Annotated[
        str, typer.Argument(metavar="A", help="The first spec, as for analyze.", autocompletion=completion.NETWORKS)
    ],
    other: Annotated[
        str,
        typer.Argument(metavar="B", help="The second spec; may be the same one.", autocompletion=completion.NETWORKS),
    ],
    input: opt.Input = None,
    input_b: Annotated[str | None, typer.Option(metavar="CxHxW", help="Input of B (default: as for A).")] = None,
    channels: opt.Channels = None,
    set: opt.Set = None,
    set_b: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Change a parameter of B only; --set changes both.",
            autocompletion=completion.parameters,
        ),
    ] = None,
    depth: Annotated[int | None, typer.Option(min=1, help="Group changes: 1 by stage, 2 by block.")] = None,
    unit: opt.Unit = None,
    format: opt.Format = None,
    output: opt.Output = None,
) -> None:
    """Show what changed between two networks, layer by layer, and what it costs."""
    from bneck_cli.engine.analysis import analyze_program
    from bneck_cli.engine.settings import among, require_used
    from bneck_cli.language.library import load
    from bneck_cli.questions.diff import diff
    from bneck_cli.questions.diff_report import report

    chosen = check_format(format, output)
    first = settings(input, channels, values=set)
    own = any(text.partition("=")[0].strip() == "channels" for text in set_b or [])
    second = settings(input_b or input, None if own else channels, values=[*(set or []), *(set_b or [])])
    names = (one, other if one != other else f"{other} (B)")
    programs = load(one), load(other)
    require_used(programs, first)
    require_used(programs[1:], settings(values=set_b))
    both = analyze_program(*among(programs[0], first)), analyze_program(*among(programs[1], second))
    if flops(unit):
        from bneck_cli.flow.counting import in_flops

        both = in_flops(both[0]), in_flops(both[1])
    put(report(diff(*both, names), depth), chosen, output)
