"""Arguments and options shared by several commands, each declared once."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.formats import DATA_FORMATS, FORMATS

Specification = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help="A file, `-` for standard input, FILE:BLOCK, or the name of a bundled network or block; options may "
        "follow, as in a spec: 'basic 64 stride=2'.",
        autocompletion=completion.NETWORKS,
    ),
]
Specifications = Annotated[
    list[str],
    typer.Argument(
        metavar="A B ...",
        help="Blocks or networks, bundled or from files; options may follow: 'basic 64'.",
        autocompletion=completion.BLOCKS,
    ),
]
Input = Annotated[
    str | None, typer.Option("--input", metavar="CxHxW", help="Input sizes; a size may be a symbol: 3xHxW, 56x56.")
]
Channels = Annotated[str | None, typer.Option(metavar="N", help="A block's channels: a number or a symbol.")]
InChannels = Annotated[str | None, typer.Option(metavar="N", help="Input channels of a block (default: --channels).")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change a parameter of the net or the block.",
        autocompletion=completion.parameters,
    ),
]
Assume = Annotated[str | None, typer.Option(metavar="H%32==0,C>=16,...", help="Assumptions about symbols.")]
Symbolic = Annotated[
    bool, typer.Option("--symbolic", help="Closed forms: N, H and W (and a block's channels, C) stay symbols.")
]
Symbols = Annotated[
    list[str] | None,
    typer.Option(
        "--symbol", metavar="NAME", help="Keep this parameter as a symbol too.", autocompletion=completion.names
    ),
]
Batch = Annotated[int, typer.Option(min=1, help="Batch size: multiplies MACs, not parameters.")]
Past = Annotated[
    str | None,
    typer.Option(metavar="P", help="Earlier positions in the cache of causal attention: a number or a symbol."),
]
At = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="A stage or a block of a network: layer2.", autocompletion=completion.paths),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="A device by name (a100) or by its peaks: 100GFLOPS,20GB/s,16GB. Times are estimates.",
        autocompletion=completion.DEVICES,
    ),
]
Unit = Annotated[
    str | None,
    typer.Option(
        metavar="UNIT",
        help="macs (the default) or flops: 2 per multiply-add.",
        autocompletion=completion.UNITS,
    ),
]
AnyFormat = Annotated[
    str | None,
    typer.Option(
        "--format", "-f", metavar="FORMAT", help=f"One of {', '.join(FORMATS)}.", autocompletion=completion.ALL_FORMATS
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help=f"One of {', '.join(DATA_FORMATS)}.",
        autocompletion=completion.REPORT_FORMATS,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Output file, replaced atomically; its suffix chooses the format."
    ),
]
Call = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Arguments for the model's constructor: weights=None,width=64."),
]
