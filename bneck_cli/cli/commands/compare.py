"""``bneck compare``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, flops, put, settings
from bneck_cli.formats import FORMATS

GROUP = "Figures"
EXAMPLES = (
    "bneck compare basic bottleneck --channels 256",
    "bneck compare 'bottleneck 256' 'resnext 256 groups=8' --match weights --vary group_width --nearest",
    "bneck compare basic bottleneck --symbolic",
    "bneck compare resnet50 resnet50_v1 --format markdown",
)


def command(
    specs: opt.Specifications,
    input: opt.Input = None,
    channels: opt.Channels = None,
    in_channels: opt.InChannels = None,
    stride: Annotated[int | None, typer.Option(min=1, help="The blocks' stride.")] = None,
    set: opt.Set = None,
    match: Annotated[
        str | None,
        typer.Option(
            metavar="MEASURE",
            help="Find the width at which the others cost as much as the first: "
            "weights, params, macs, activations or memory.",
            autocompletion=completion.MEASURES,
        ),
    ] = None,
    vary: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[=VALUES]",
            help="With --match: the parameter to vary, instead of the channels: group_width, width=0.1:2:0.05.",
            autocompletion=completion.names,
        ),
    ] = None,
    nearest: Annotated[
        bool, typer.Option("--nearest", help="With --match: the nearest cost, not the largest that is no higher.")
    ] = False,
    multiple_of: Annotated[
        int | None, typer.Option(min=1, help="With --match: step between values (8 for channels).")
    ] = None,
    assume: opt.Assume = None,
    symbolic: opt.Symbolic = False,
    symbol: opt.Symbols = None,
    batch: opt.Batch = 1,
    unit: opt.Unit = None,
    format: opt.AnyFormat = None,
    output: opt.Output = None,
) -> None:
    """Show blocks or networks side by side, and state the difference in words."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.compare import compare_programs, in_flops, report

    if len(specs) < 2:
        raise typer.BadParameter("name at least two blocks or networks")
    for option, given in (("--multiple-of", multiple_of), ("--vary", vary), ("--nearest", nearest)):
        if given and match is None:
            raise typer.BadParameter(f"{option} needs --match", param_hint=option)
    chosen = check_format(format, output, FORMATS)
    values = [*(set or []), *([f"stride={stride}"] if stride else [])]
    asked = settings(input, channels, in_channels, values, assume, batch, symbolic, symbol)
    programs = [(name, load(name)) for name in specs]
    if match:
        from bneck_cli.questions.match import compare_matched

        comparison, _ = compare_matched(programs, asked, match, multiple_of, vary=vary or "channels", nearest=nearest)
    else:
        comparison = compare_programs(programs, asked)
    if flops(unit):
        comparison = in_flops(comparison)
    put(report(comparison), chosen, output)
