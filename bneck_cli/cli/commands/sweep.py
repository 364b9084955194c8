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
            help="What to vary: a parameter (width=0.25:2:0.25), an item of a list (depths[2]=4:12), a size of the "
            "input (side, H, W, L), batch or past; values with commas, or first:last:step.",
            autocompletion=completion.names,
        ),
    ],
    input: opt.Input = None,
    channels: opt.Channels = None,
    in_channels: opt.InChannels = None,
    set: opt.Set = None,
    batch: opt.Batch = 1,
    zip: Annotated[bool, typer.Option("--zip", help="Pair the values up instead of combining all.")] = False,
    random: Annotated[int | None, typer.Option(min=1, metavar="N", help="N random designs.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed for --random.", show_default="0")] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Totals to compute.", autocompletion=completion.TOTALS),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION", help="Keep only designs that meet a condition: 'macs < 600M and params < 5M'."
        ),
    ] = None,
    pareto: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Keep only the Pareto front of these totals (less is better).",
            autocompletion=completion.TOTALS,
        ),
    ] = None,
    best: Annotated[int | None, typer.Option(min=1, metavar="N", help="Keep only the best N.")] = None,
    minimize: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Total that ranks the best, least first.", autocompletion=completion.TOTALS),
    ] = None,
    maximize: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Total that ranks the best, most first.", autocompletion=completion.TOTALS),
    ] = None,
    refused: Annotated[bool, typer.Option("--refused", help="List the illegal designs, with reasons.")] = False,
    save: Annotated[str | None, typer.Option(metavar="FILE", help="Write the first design kept as a spec.")] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Compute only this part of the designs: 3/100, for parallel jobs.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Compute on a Dask cluster: tcp://host:8786 (extra `dask`)."),
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
    """Compute every combination of widths, depths and sizes at once, and choose among them."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.sweep import report, saved, sweep

    chosen = check_format(format, output, KNOWN)
    if chosen == "parquet" and output is None and on_terminal():
        raise typer.BadParameter("Parquet is binary: give --output FILE", param_hint="--format")
    for wrong, message in (
        (zip and random, "--zip and --random exclude each other"),
        (minimize and maximize, "--minimize and --maximize exclude each other"),
        (seed is not None and not random, "--seed needs --random"),
        ((minimize or maximize) and not (best or pareto), "--minimize and --maximize need --best or --pareto"),
        (zip and len(vary) < 2, "--zip takes the values of several --vary side by side, and there is one"),
        (refused and (keep or best or pareto or save), "--refused lists illegal designs, which cannot be kept"),
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
