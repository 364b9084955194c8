"""``bneck analyze``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli import several
from bneck_cli.cli.edge import analysed, axes, check_format, flops, put, settings, words
from bneck_cli.formats import FORMATS

GROUP = "Figures"
EXAMPLES = (
    "bneck analyze resnet50",
    "bneck analyze my.yaml --input 3xHxW --assume H%32==0,W%32==0",
    "bneck analyze mobilenet_v1 --set width=0.25,0.5,0.75,1 --input 128..224:32",
    "bneck analyze bottleneck --channels 256 --format csv > block.csv",
)


def command(
    spec: opt.Specification,
    input: opt.Input = None,
    channels: opt.Channels = None,
    in_channels: opt.InChannels = None,
    set: opt.Set = None,
    assume: opt.Assume = None,
    symbolic: opt.Symbolic = False,
    symbol: opt.Symbols = None,
    batch: opt.Batch = 1,
    past: opt.Past = None,
    depth: Annotated[int | None, typer.Option(min=1, help="Levels to show: 1 for stages, 2 for blocks.")] = None,
    expand: Annotated[
        bool, typer.Option("--expand", help="List every copy of a repeated block, not just one.")
    ] = False,
    fold: Annotated[
        bool, typer.Option("--fold", help="CSV and TSV: one row for identical layers, with a `repeat` column.")
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,...", help="Show only these layer kinds (`bneck layers`).", autocompletion=completion.KINDS
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="Sort layers by params, macs or activations.", autocompletion=completion.SORTS
        ),
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Show only the first N layers.")] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Columns to show; also receptive_field, jump and start.",
            autocompletion=completion.COLUMNS,
        ),
    ] = None,
    count_like: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Count as another tool does (`bneck rules`), or by a rule file of your own.",
            autocompletion=completion.COUNTING_RULES,
        ),
    ] = None,
    unit: opt.Unit = None,
    format: opt.AnyFormat = None,
    output: opt.Output = None,
) -> None:
    """Show every layer's shapes, stride, weights and multiply-adds."""
    from bneck_cli.questions.analyze import report
    from bneck_cli.questions.rows import View

    varied, single = axes(set or (), input, channels)
    if varied:
        if symbolic or symbol or assume or depth or expand or fold or only or sort or top or count_like or unit:
            raise typer.BadParameter(
                f"'{varied[0]}' has several values, so the result is a table of totals: choose them with --columns"
            )
        several.put_table(spec, varied, input, channels, in_channels, single, batch, past, columns, format, output)
        return
    chosen = check_format(format, output, FORMATS)
    analysis = analysed(spec, settings(input, channels, in_channels, set, assume, batch, symbolic, symbol, past))
    if count_like:
        from bneck_cli.data.rules import load_rule
        from bneck_cli.flow.counting import recount

        analysis = recount(analysis, load_rule(count_like))
        if unit:
            raise typer.BadParameter("a counting rule has a unit of its own", param_hint="--unit")
    elif flops(unit):
        from bneck_cli.flow.counting import in_flops

        analysis = in_flops(analysis)
    put(report(analysis, View(depth, expand, words(only), sort, top, words(columns), fold)), chosen, output)
