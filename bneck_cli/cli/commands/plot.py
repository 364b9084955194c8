"""``bneck plot``."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, one_of, settings
from bneck_cli.output import write
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.report import Records

GROUP = "Understanding"
EXAMPLES = (
    "bneck plot resnet50 -o cost.svg",
    "bneck plot -o library.pdf",
    "bneck plot basic bottleneck --channels 8..512 -o width.png",
    "bneck plot resnet50 --kind receptive --format csv",
)
FORMATS = ("svg", "pdf", "png", "csv")
MOST = 1 << 16


def command(
    specs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[A] ...", help="A network, or blocks; none for the library.", autocompletion=completion.BLOCKS
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="cost, receptive, roofline, width or library.", autocompletion=completion.PLOTS
        ),
    ] = None,
    input: opt.Input = None,
    channels: Annotated[
        str | None, typer.Option(metavar="N", help="A block's channels; for widths a range, 8..512.")
    ] = None,
    set: opt.Set = None,
    device: opt.Device = None,
    own: Annotated[
        list[str] | None, typer.Option("--with", metavar="SPEC", help="Your own network among the library's.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format", "-f", metavar="FORMAT", help="svg, pdf, png, or csv for the points (default: by --output)."
        ),
    ] = None,
    output: opt.Output = None,
) -> None:
    """Plot where the cost is, what a position sees, what bounds a layer, blocks over their width, or the library."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.plot import plot

    suffix = os.path.splitext(output or "")[1].lstrip(".").lower()
    chosen = (
        one_of(format, FORMATS, "format")
        if format
        else suffix
        if suffix in FORMATS
        else check_format(None, None, FORMATS)
    )
    widths = _range(channels)
    asked = settings(input, None if widths else channels, None, set)
    found = plot([(name, load(name)) for name in specs or []], asked, kind, widths, device, own or ())
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
