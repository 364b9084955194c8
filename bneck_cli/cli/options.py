"""The arguments and options that several commands have, each declared once."""

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
        help="Blocks or networks, from the library or files; a block with channels of its own: 'basic 64'.",
        autocompletion=completion.BLOCKS,
    ),
]
Input = Annotated[
    str | None, typer.Option("--input", metavar="CxHxW", help="Input sizes; a size may be a symbol: 3xHxW, 56x56.")
]
Channels = Annotated[str | None, typer.Option(metavar="N", help="A block's channels: a number or a symbol.")]
InChannels = Annotated[str | None, typer.Option(metavar="N", help="Channels that enter a block (default: --channels).")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change a parameter of the net or the block.",
        autocompletion=completion.parameters,
    ),
]
Assume = Annotated[str | None, typer.Option(metavar="H%32==0,C>=16,...", help="What is known of symbols.")]
Symbolic = Annotated[
    bool, typer.Option("--symbolic", help="Closed forms: N, H and W (and a block's channels, C) stay symbols.")
]
Symbols = Annotated[
    list[str] | None,
    typer.Option(
        "--symbol", metavar="NAME", help="Keep this parameter as a symbol, too.", autocompletion=completion.names
    ),
]
Batch = Annotated[int, typer.Option(min=1, help="Inputs at once: multiplies MACs, not parameters.")]
Past = Annotated[
    str | None, typer.Option(metavar="P", help="Positions that causal attention has seen before: a number or a symbol.")
]
At = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="A stage or a block of a network: layer2.", autocompletion=completion.paths),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="A device by name (a100), or its peaks: 100GFLOPS,20GB/s,16GB; its times are an estimate.",
        autocompletion=completion.DEVICES,
    ),
]
Unit = Annotated[
    str | None,
    typer.Option(
        metavar="UNIT",
        help="Count in macs (the default) or flops: 2 for each multiply-add.",
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
    typer.Option("--output", "-o", metavar="FILE", help="Write to a file, atomically; its suffix chooses the format."),
]
Call = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="Arguments of the callable: weights=None,width=64.")
]
