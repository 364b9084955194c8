"""``bneck sweep``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, on_terminal, put, settings, words
from bneck_cli.cli.watching import watched
from bneck_cli.formats import DATA_FORMATS
from bneck_cli.output import write

GROUP = "Design"
KNOWN = (*DATA_FORMATS, "parquet")
EXAMPLES = (
    "bneck sweep bottleneck --vary channels=64:512:64 --vary side=7,14,28,56",
    "bneck sweep mobilenet_v2 --vary width=0.25:1.4:0.05 --vary side=128:224:32 --keep 'macs < 300M'",
    "bneck sweep resnet50 --vary side=64:512 --format csv -o sides.csv",
)


def command(
    spec: opt.Specification,
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=VALUES",
            help="What varies: a parameter (width=0.25:2:0.25), an item of a list (depths[2]=4:12), a size of the "
            "input (side, H, W, L), batch or past; values with commas, or first:last:step.",
            autocompletion=completion.names,
        ),
    ],
    input: opt.Input = None,
    channels: opt.Channels = None,
    in_channels: opt.InChannels = None,
    set: opt.Set = None,
    batch: opt.Batch = 1,
    zip: Annotated[bool, typer.Option("--zip", help="Values side by side, not every combination.")] = False,
    random: Annotated[int | None, typer.Option(min=1, metavar="N", help="N designs by chance.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="What chance begins with.", show_default="0")] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Totals to work out.", autocompletion=completion.TOTALS),
    ] = None,
    keep: Annotated[
        str | None, typer.Option(metavar="CONDITION", help="Only designs that meet it: 'macs < 600M and params < 5M'.")
    ] = None,
    pareto: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Only designs that no other beats in all of these (less is better).",
            autocompletion=completion.TOTALS,
        ),
    ] = None,
    best: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the best N.")] = None,
    minimize: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What the best have least of.", autocompletion=completion.TOTALS),
    ] = None,
    maximize: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What the best have most of.", autocompletion=completion.TOTALS),
    ] = None,
    refused: Annotated[bool, typer.Option("--refused", help="List the designs that are refused, with why.")] = False,
    save: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the first design that is kept as a spec.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only this part of all designs: 3/100, for jobs side by side.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Let a Dask cluster work it out: tcp://host:8786 (extra `dask`)."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help=f"One of {', '.join(KNOWN)} (extra `parquet`).",
            autocompletion=completion.SWEEP_FORMATS,
        ),
    ] = None,
    output: opt.Output = None,
) -> None:
    """Work out every combination of widths, depths and sizes at once, and choose among them."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.sweep import report, saved, sweep

    chosen = check_format(format, output, KNOWN)
    if chosen == "parquet" and output is None and on_terminal():
        raise typer.BadParameter("Parquet is no text: give --output FILE", param_hint="--format")
    for wrong, message in (
        (zip and random, "--zip and --random exclude each other"),
        (minimize and maximize, "--minimize and --maximize exclude each other"),
        (seed is not None and not random, "--seed is for --random"),
        ((minimize or maximize) and not (best or pareto), "--minimize and --maximize are for --best and --pareto"),
        (refused and (keep or best or pareto or save), "--refused lists what is no design: none of those is kept"),
    ):
        if wrong:
            raise typer.BadParameter(message)
    found = sweep(
        spec,
        load(spec),
        settings(input, channels, in_channels, set, batch=batch),
        vary,
        way="zip" if zip else "random" if random else "grid",
        count=random or 0,
        seed=seed or 0,
        totals=words(columns) or ("params", "macs"),
        keep=keep,
        best=best,
        by=minimize or maximize,
        maximize=maximize is not None,
        pareto=words(pareto),
        refused=refused,
        shard=shard,
        dask=dask,
    )
    with watched(found.space.designs.number) as watch:
        if chosen == "parquet":
            from bneck_cli.questions.sweep_parquet import ENCODING, parquet

            write(parquet(found, watch), output, ENCODING)
        else:
            put(report(found, watch), chosen, output)
        if save:
            write(saved(found, save), save)
    if found.tally.stopped:
        raise typer.Exit(130)
