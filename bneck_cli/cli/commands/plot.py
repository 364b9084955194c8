"""``bneck plot``."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, one_of, settings, words
from bneck_cli.output import write
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.settings import Settings
    from bneck_cli.questions.plot import Plot
    from bneck_cli.report import Records

GROUP = "Understanding"
EXAMPLES = (
    "bneck plot resnet50 -o cost.svg",
    "bneck plot -o library.pdf",
    "bneck plot basic bottleneck --channels 8..512 -o width.png",
    "bneck plot resnet50 --kind receptive --format csv",
    "bneck plot mobilenet_v2 --vary width=0.25:1.4:0.05 --vary side=128:224:32 -o family.svg",
)
FORMATS = ("svg", "pdf", "png", "csv")
MOST = 1 << 16


def command(
    specs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[A] ...", help="A network, or blocks; without one, the library.", autocompletion=completion.BLOCKS
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="cost, memory, receptive, roofline, width or library.", autocompletion=completion.PLOTS
        ),
    ] = None,
    input: opt.Input = None,
    channels: Annotated[
        str | None, typer.Option(metavar="N", help="A block's channels; a range for --kind width: 8..512.")
    ] = None,
    set: opt.Set = None,
    device: opt.Device = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="Plot a sweep; values as for `bneck sweep`.",
            autocompletion=completion.names,
        ),
    ] = None,
    x: Annotated[str | None, typer.Option("--x", metavar="NAME", help="Horizontal axis of a sweep.")] = None,
    y: Annotated[str | None, typer.Option("--y", metavar="NAME", help="Vertical axis of a sweep.")] = None,
    pareto: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME",
            help="Draw the Pareto front of two totals of a sweep.",
            autocompletion=completion.TOTALS,
        ),
    ] = None,
    maximize: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The total of the front for which more is better.", autocompletion=completion.TOTALS
        ),
    ] = None,
    own: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="SPEC", help="Add your own network to the plot of the library."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="svg, pdf, png, or csv for the points (default: by the suffix of --output).",
        ),
    ] = None,
    output: opt.Output = None,
) -> None:
    """Plot cost, memory, receptive field or a roofline by layer, blocks over their width, or the library."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.plot import plot
    from bneck_cli.questions.plot_sweep import is_table

    suffix = os.path.splitext(output or "")[1].lstrip(".").lower()
    chosen = (
        one_of(format, FORMATS, "format")
        if format
        else suffix
        if suffix in FORMATS
        else check_format(None, None, FORMATS)
    )
    if vary or (specs and len(specs) == 1 and is_table(specs[0])):
        for option, given in (("--kind", kind), ("--device", device), ("--with", own)):
            if given:
                raise typer.BadParameter(f"{option} does not go with the plot of a sweep", param_hint=option)
        if not vary and (input or channels or set):
            raise typer.BadParameter("--input, --channels and --set are for a spec, and this is the file of a sweep")
        found = _swept(specs or [], settings(input, channels, None, set), vary, (x, y), words(pareto), maximize or "")
        _put(found, chosen, output)
        return
    if x or y or pareto or maximize:
        raise typer.BadParameter("--x, --y, --pareto and --maximize need a sweep: --vary, or a sweep's file")
    widths = _range(channels)
    asked = settings(input, None if widths else channels, None, set)
    found = plot([(name, load(name)) for name in specs or []], asked, kind, widths, device, own or ())
    _put(found, chosen, output)


def _swept(
    specs: list[str],
    asked: "Settings",
    vary: list[str] | None,
    across: tuple[str | None, str | None],
    pareto: tuple[str, ...],
    most: str,
) -> "Plot":
    """Plot a sweep of one spec, or a file that holds one."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.plot_sweep import plot_of_file, plot_of_sweep

    if len(specs) != 1:
        raise typer.BadParameter("a sweep is plotted for one spec at a time")
    if not vary:
        return plot_of_file(specs[0], *across, pareto, most)
    return plot_of_sweep(specs[0], load(specs[0]), asked, vary, *across, pareto, most)


def _put(found: "Plot", chosen: str, output: str | None) -> None:
    """Write a plot, or its points."""
    if chosen == "csv":
        write(_csv(found.points), output)
        return
    from bneck_cli.pictures.chart import chart

    data = chart(found.title, (found.x, found.y), found.log, found.series, found.bands, chosen)
    write([data.decode("latin-1")], output, "latin-1")


def _range(text: str | None) -> "range | None":
    """Read ``8..512``, widths from the first to the last in steps of the first."""
    first, dots, last = (text or "").partition("..")
    if not dots:
        return None
    if not (first.isdecimal() and last.isdecimal() and 0 < int(first[:9]) <= int(last[:9]) <= MOST):
        raise typer.BadParameter(f"widths read 8..512, up to {people(MOST)}", param_hint="--channels")
    return range(int(first), int(last) + 1, int(first))


def _csv(points: "Records") -> "Iterator[str]":
    from bneck_cli.formats._delimited import delimited

    yield from delimited(points, ",")
