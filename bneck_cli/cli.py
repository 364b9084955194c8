"""The command line: options to calls to text. The only place that catches the error, and the only one that prints."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from typer.models import CommandInfo

from bneck_cli import completion
from bneck_cli.budget import one_budget
from bneck_cli.errors import BneckError
from bneck_cli.formats import ALIASES, DATA_FORMATS, FORMATS
from bneck_cli.output import degrade_gracefully, suffix_format, write
from bneck_cli.shown import bounded, shown
from bneck_cli.sizes.numerals import is_name, is_number

if TYPE_CHECKING:
    from bneck_cli.engine.settings import Settings
    from bneck_cli.formats import Style
    from bneck_cli.report import Report

app = typer.Typer(
    name="bneck",
    help="Exact sizes, weights and multiply-adds of a neural network, from a text file.",
    epilog="Try: bneck analyze resnet50 · bneck compare basic bottleneck --channels 256 · bneck list",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


Specification = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help="A file, `-` for standard input, FILE:BLOCK, or the name of a bundled network or block; options may "
        "follow, as in a spec: 'basic 64 stride=2'.",
        autocompletion=completion.NETWORKS,
    ),
]
InputOption = Annotated[
    str | None, typer.Option("--input", metavar="CxHxW", help="Input sizes; a size may be a symbol: 3xHxW, 56x56.")
]
ChannelsOption = Annotated[
    str | None, typer.Option("--channels", metavar="N", help="A block's channels: a number or a symbol.")
]
InChannelsOption = Annotated[
    str | None, typer.Option("--in-channels", metavar="N", help="Channels that enter a block (default: --channels).")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a parameter of the net or the block.")
]
AssumeOption = Annotated[
    str | None, typer.Option("--assume", metavar="H%32==0,...", help="What symbols of the input are multiples of.")
]
SymbolicOption = Annotated[
    bool, typer.Option("--symbolic", help="Closed forms: N, H and W (and a block's channels, C) stay symbols.")
]
SymbolOption = Annotated[
    list[str] | None, typer.Option("--symbol", metavar="NAME", help="Keep this parameter as a symbol, too.")
]
BatchOption = Annotated[int, typer.Option("--batch", min=1, help="Inputs at once: multiplies MACs, not parameters.")]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format", "-f", metavar="FORMAT", help=f"One of {', '.join(FORMATS)}.", autocompletion=completion.ALL_FORMATS
    ),
]
DataFormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help=f"One of {', '.join(DATA_FORMATS)}.",
        autocompletion=completion.REPORT_FORMATS,
    ),
]
CountOption = Annotated[
    str | None,
    typer.Option(
        "--count-like",
        metavar="RULE",
        help="Count as another tool does (`bneck rules`), or as a rule's file says.",
        autocompletion=completion.COUNTING_RULES,
    ),
]
UnitOption = Annotated[
    str | None,
    typer.Option(
        "--unit",
        metavar="UNIT",
        help="Count in macs (the default) or flops: 2 for each multiply-add.",
        autocompletion=completion.UNITS,
    ),
]
OutputOption = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE", help="Write here, whole or not at all.")
]


@app.command(
    epilog="Examples: bneck analyze resnet50 · bneck analyze my.yaml --input 3xHxW --assume H%32==0,W%32==0 · "
    "bneck analyze bottleneck --channels 256 --format csv > block.csv"
)
def analyze(
    spec: Specification,
    input: InputOption = None,
    channels: ChannelsOption = None,
    in_channels: InChannelsOption = None,
    set: SetOption = None,
    assume: AssumeOption = None,
    symbolic: SymbolicOption = False,
    symbol: SymbolOption = None,
    batch: BatchOption = 1,
    depth: Annotated[int | None, typer.Option(min=1, help="Levels to show: 1 for stages, 2 for blocks.")] = None,
    expand: Annotated[bool, typer.Option("--expand", help="Open identical blocks, which are folded.")] = False,
    fold: Annotated[
        bool, typer.Option("--fold", help="CSV and TSV: one row for identical layers, with `repeat`.")
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,...", help="Only layers of these kinds (`bneck layers`).", autocompletion=completion.KINDS
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Sort layers by params, macs or activations.",
            autocompletion=completion.SORTS,
        ),
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Only the first N layers.")] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Choose the columns, receptive_field, jump and start among them.",
            autocompletion=completion.COLUMNS,
        ),
    ] = None,
    count_like: CountOption = None,
    unit: UnitOption = None,
    format: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Show every layer's shapes, stride, weights and multiply-adds."""
    from bneck_cli.engine.analysis import analyze_program
    from bneck_cli.language.library import load
    from bneck_cli.questions.analyze import View, report

    chosen = check_format(format, output, FORMATS)
    asked = settings(input, channels, in_channels, set, assume, batch)
    asked = asked._replace(symbolic=symbolic, symbols=tuple(symbol or ()))
    analysis = analyze_program(load(spec), asked)
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


@app.command(
    epilog="Examples: bneck compare basic bottleneck --channels 256 · bneck compare basic bottleneck --channels C · "
    "bneck compare resnet50 resnet50_v1 --format markdown"
)
def compare(
    specs: Annotated[
        list[str],
        typer.Argument(
            metavar="A B ...",
            help="Blocks or networks, from the library or files; a block with channels of its own: 'basic 64'.",
            autocompletion=completion.BLOCKS,
        ),
    ],
    input: InputOption = None,
    channels: ChannelsOption = None,
    in_channels: InChannelsOption = None,
    stride: Annotated[int | None, typer.Option(min=1, help="The blocks' stride.")] = None,
    set: SetOption = None,
    match: Annotated[
        str | None,
        typer.Option(
            metavar="MEASURE",
            help="Find the width at which the others cost as much as the first: "
            "weights, params, macs, activations or memory.",
            autocompletion=completion.MEASURES,
        ),
    ] = None,
    multiple_of: Annotated[int | None, typer.Option(min=1, help="With --match: widths in steps of this (8).")] = None,
    assume: AssumeOption = None,
    batch: BatchOption = 1,
    unit: UnitOption = None,
    format: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Set blocks or networks side by side, and say what the difference is."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.compare import compare_programs, in_flops, report

    if len(specs) < 2:
        raise typer.BadParameter("name two blocks or networks, or more")
    if multiple_of is not None and match is None:
        raise typer.BadParameter("--multiple-of goes with --match", param_hint="--multiple-of")
    chosen = check_format(format, output)
    values = [*(set or []), *([f"stride={stride}"] if stride else [])]
    asked = settings(input, channels, in_channels, values, assume, batch)
    programs = [(name, load(name)) for name in specs]
    if match:
        from bneck_cli.questions.match import compare_matched

        comparison, _ = compare_matched(programs, asked, match, multiple_of or 8)
    else:
        comparison = compare_programs(programs, asked)
    if flops(unit):
        comparison = in_flops(comparison)
    put(report(comparison), chosen, output)


@app.command("list", epilog="Examples: bneck list · bneck list --max-macs 1G --sort params")
def list_command(
    format: DataFormatOption = None,
    max_macs: Annotated[
        str | None, typer.Option(metavar="N", help="At most so many multiply-adds: 300M, 1.5G.")
    ] = None,
    max_params: Annotated[str | None, typer.Option(metavar="N", help="At most so many parameters: 5M.")] = None,
    family: Annotated[
        str | None,
        typer.Option(
            help="Only this family.",
            autocompletion=completion.FAMILIES,
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Sort by name, family, year, params, macs or top1.",
            autocompletion=completion.LIST_SORTS,
        ),
    ] = None,
    output: OutputOption = None,
) -> None:
    """Show the bundled networks and blocks with their published figures."""
    from bneck_cli.questions.catalog import catalog, list_report

    chosen = check_format(format, output)
    put(list_report(catalog(family, max_macs, max_params, sort)), chosen, output)


@app.command(epilog="Examples: bneck explain bottleneck --channels 256 · bneck explain resnet50 --at layer2")
def explain(
    spec: Specification,
    at: Annotated[str | None, typer.Option(metavar="PATH", help="A stage or a block of a network: layer2.")] = None,
    input: InputOption = None,
    channels: ChannelsOption = None,
    in_channels: InChannelsOption = None,
    set: SetOption = None,
    format: DataFormatOption = None,
    output: OutputOption = None,
) -> None:
    """Say in words what a block or a network does, and why, with every number worked out."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.explain import explain as explained
    from bneck_cli.questions.explain import report

    chosen = check_format(format, output)
    found = explained(load(spec), settings(input, channels, in_channels, set, None, 1), at)
    put(report(found), chosen, output)


@app.command(
    epilog="Examples: bneck draw bottleneck --channels 256 --format text · bneck draw resnet50 -o resnet50.svg · "
    "bneck draw 'basic 64' 'bottleneck 256' -o figure.svg · bneck draw bottleneck --format mermaid"
)
def draw(
    specs: Annotated[
        list[str],
        typer.Argument(
            metavar="A ...",
            help="Blocks or networks, drawn side by side; a block with channels of its own: 'basic 64'.",
            autocompletion=completion.BLOCKS,
        ),
    ],
    at: Annotated[str | None, typer.Option(metavar="PATH", help="A stage or a block of a network: layer2.")] = None,
    input: InputOption = None,
    channels: ChannelsOption = None,
    in_channels: InChannelsOption = None,
    set: SetOption = None,
    numbers: Annotated[
        str, typer.Option(metavar="NAME,...", help="What stands beside boxes: params, macs, shapes or none.")
    ] = "params,macs",
    match: Annotated[
        str | None,
        typer.Option(
            metavar="MEASURE",
            help="Draw the others as wide as the first is dear: weights, params, macs, activations or memory.",
            autocompletion=completion.MEASURES,
        ),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(min=1, help="Open so many levels: 1 stages, 2 blocks, 3 what they hold.")
    ] = None,
    theme: Annotated[str, typer.Option(help="Colours of an SVG: light, dark or print.")] = "light",
    format: Annotated[
        str | None,
        typer.Option(
            "--format", "-f", metavar="FORMAT", help="svg, text, mermaid, dot or tikz (default: by --output)."
        ),
    ] = None,
    output: OutputOption = None,
) -> None:
    """Draw a block as the papers' figures do, or a network as its stages."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.draw import FORMATS as DRAWINGS
    from bneck_cli.questions.draw import THEMES, render
    from bneck_cli.questions.draw import draw as drawn

    suffix = os.path.splitext(output)[1] if output else ""
    usual = "text" if output is None and _on_terminal() else "svg"
    asked_for = format or {".mmd": "mermaid", ".dot": "dot", ".gv": "dot", ".tex": "tikz", ".txt": "text"}.get(
        suffix, usual
    )
    chosen = check_format(asked_for, output, DRAWINGS)
    if theme not in THEMES:
        raise typer.BadParameter(f"no theme '{_quoted(theme)}': one of {', '.join(THEMES)}", param_hint="--theme")
    asked = settings(input, channels, in_channels, set, None, 1)
    found = drawn([(name, load(name)) for name in specs], asked, at, words(numbers), match, depth)
    style = style_of(output)
    write(render(found, chosen, theme, style.plain, style.width), output)


@app.command(
    epilog="Examples: bneck footprint resnet50 · bneck footprint resnet50 --batch 32 --dtype fp16 --device a100 · "
    "bneck footprint my.yaml --device 100GFLOPS,20GB/s"
)
def footprint(
    spec: Specification,
    input: InputOption = None,
    channels: ChannelsOption = None,
    set: SetOption = None,
    batch: BatchOption = 1,
    dtype: Annotated[
        str,
        typer.Option(
            help="fp64, fp32, fp16, bf16 or int8.",
            autocompletion=completion.DTYPES,
        ),
    ] = "fp32",
    device: Annotated[
        str | None,
        typer.Option(
            help="A device by name (a100), or its peaks: 100GFLOPS,20GB/s; its times are an estimate.",
            autocompletion=completion.DEVICES,
        ),
    ] = None,
    optimizer: Annotated[
        str,
        typer.Option(
            help="For training: sgd, momentum or adam.",
            autocompletion=completion.OPTIMIZERS,
        ),
    ] = "adam",
    attention: Annotated[
        str, typer.Option(help="Scores of attention: fused (never written), plain, or usual (plain within windows).")
    ] = "usual",
    inplace: Annotated[
        bool, typer.Option("--inplace", help="Activations write over what they take, where PyTorch can.")
    ] = False,
    layers: Annotated[bool, typer.Option("--layers", help="Every layer, not stages alone.")] = False,
    format: DataFormatOption = None,
    output: OutputOption = None,
) -> None:
    """Say what a design costs beside weights and multiply-adds: tensors, memory, bytes moved, time."""
    from bneck_cli.engine.analysis import analyze_program
    from bneck_cli.language.library import load
    from bneck_cli.questions.footprint import footprint as measured
    from bneck_cli.questions.footprint_report import report

    chosen = check_format(format, output)
    analysis = analyze_program(load(spec), settings(input, channels, None, set, None, batch))
    found = measured(analysis, dtype, device, optimizer, attention, inplace)
    put(report(found, layers), chosen, output)


@app.command(
    epilog="Examples: bneck diff resnet50 resnet50_v1 · bneck diff resnet50 resnet50 --input-b 320x320 · "
    "bneck diff resnet50 my.yaml"
)
def diff(
    one: Annotated[
        str, typer.Argument(metavar="A", help="A spec, as for analyze.", autocompletion=completion.NETWORKS)
    ],
    other: Annotated[
        str, typer.Argument(metavar="B", help="Another, or the same.", autocompletion=completion.NETWORKS)
    ],
    input: InputOption = None,
    input_b: Annotated[str | None, typer.Option(metavar="CxHxW", help="The input of B, where it is another.")] = None,
    channels: ChannelsOption = None,
    set: SetOption = None,
    set_b: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of B alone; --set is for both.")
    ] = None,
    format: DataFormatOption = None,
    output: OutputOption = None,
) -> None:
    """Say what changed from one network to another, layer by layer, and what it costs."""
    from bneck_cli.engine.analysis import analyze_program
    from bneck_cli.language.library import load
    from bneck_cli.questions.diff import diff as difference
    from bneck_cli.questions.diff_report import report

    chosen = check_format(format, output)
    first = settings(input, channels, None, set, None, 1)
    own = any(text.partition("=")[0].strip() == "channels" for text in set_b or [])
    second = settings(input_b or input, None if own else channels, None, [*(set or []), *(set_b or [])], None, 1)
    names = (one, other if one != other else f"{other} (B)")
    found = difference(analyze_program(load(one), first), analyze_program(load(other), second), names)
    put(report(found), chosen, output)


@app.command(epilog="Examples: bneck lint resnet50_v1 · bneck lint mobilenet_v2 --all · bneck lint --rules")
def lint(
    spec: Annotated[str | None, typer.Argument(metavar="SPEC", autocompletion=completion.NETWORKS)] = None,
    input: InputOption = None,
    channels: ChannelsOption = None,
    set: SetOption = None,
    ignore: Annotated[
        str | None,
        typer.Option(
            metavar="RULE,...", help="Rules to keep silent (--rules lists them).", autocompletion=completion.LINT_RULES
        ),
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="Also the rules that most networks break on purpose.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules and stop.")] = False,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0, findings or none.")] = False,
    format: DataFormatOption = None,
    output: OutputOption = None,
) -> None:
    """Say what a careful reviewer would: what a design pays for and does not use.

    Exit 1 where there are findings, 2 for a wrong spec or option.
    """
    from bneck_cli.questions.lint import USUAL
    from bneck_cli.questions.lint import lint as linted
    from bneck_cli.questions.lint_report import report, rules_report

    chosen = check_format(format, output)
    if rules:
        put(rules_report(), chosen, output)
        return
    if spec is None:
        raise typer.BadParameter("name a SPEC to lint, or --rules")
    from bneck_cli.engine.analysis import analyze_program
    from bneck_cli.language.library import load

    analysis = analyze_program(load(spec), settings(input, channels, None, set, None, 1))
    found = linted(analysis, (*words(ignore), *(() if all else USUAL)))
    put(report(found), chosen, output)
    if found.findings and not exit_zero:
        raise typer.Exit(1)


@app.command(
    epilog="Examples: bneck reconcile resnet50 4.11G · bneck reconcile resnet50 25,636,712 · bneck reconcile vgg16 15G"
)
def reconcile(
    spec: Specification,
    figure: Annotated[str, typer.Argument(metavar="FIGURE", help="As it is stated: 4.11G, 25.6M, 4089184256.")],
    input: InputOption = None,
    channels: ChannelsOption = None,
    set: SetOption = None,
    format: DataFormatOption = None,
    output: OutputOption = None,
) -> None:
    """Find the counting rule and the variant of a network that give a stated figure."""
    from bneck_cli.questions.reconcile import reconcile as reconciled
    from bneck_cli.questions.reconcile_report import report

    chosen = check_format(format, output)
    found = reconciled(spec, figure, settings(input, channels, None, set, None, 1))
    put(report(found), chosen, output)


@app.command(epilog="Examples: bneck rules · bneck rules fvcore")
def rules(
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", autocompletion=completion.COUNTING_RULES)] = None,
    format: DataFormatOption = None,
    output: OutputOption = None,
) -> None:
    """Show the counting rules, or one of them with how it was established."""
    from bneck_cli.questions.counting_rules import report

    put(report([rule] if rule else []), check_format(format, output), output)


@app.command(epilog="Examples: bneck check · bneck check my.yaml resnet50")
def check(
    specs: Annotated[
        list[str] | None, typer.Argument(metavar="[SPEC]...", help="What to check; everything bundled by default.")
    ] = None,
    format: DataFormatOption = None,
    output: OutputOption = None,
) -> None:
    """Compare every published figure in `expect` with what the analysis finds; exit 1 on a difference."""
    from bneck_cli.questions.catalog import check_report, check_specs

    chosen = check_format(format, output)
    checks = check_specs(specs or [])
    put(check_report(checks, bool(specs)), chosen, output)
    if any(check.wrong for check in checks):
        raise typer.Exit(1)


@app.command(epilog="Examples: bneck layers · bneck layers conv")
def layers(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", autocompletion=completion.KINDS)] = None,
    format: DataFormatOption = None,
    output: OutputOption = None,
) -> None:
    """Show the layer kinds of the language, or one of them with its arguments and options."""
    from bneck_cli.questions.layers import kind_report, kinds_report

    put(kind_report(kind) if kind else kinds_report(), check_format(format, output), output)


def version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        from bneck_cli.version import __version__

        typer.echo(f"bneck {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Exact sizes, weights and multiply-adds of a neural network, from a text file."""


# From options to calls, and from text to its place


def settings(
    input: str | None,
    channels: str | None,
    in_channels: str | None,
    values: list[str] | None,
    assume: str | None,
    batch: int,
) -> "Settings":
    """Gather what is asked of the analysis."""
    from bneck_cli.engine.settings import read_settings

    pairs = []
    for text in values or []:
        name, equals, value = text.partition("=")
        if not equals or not is_name(name.strip()):
            raise typer.BadParameter(f"--set reads NAME=VALUE (got '{_quoted(text)}')")
        pairs.append((name.strip(), value.strip()))
    return read_settings(input, channels, in_channels, pairs, assume, batch)


def flops(unit: str | None) -> bool:
    """Tell whether figures are asked for in FLOPs."""
    from bneck_cli.questions.analyze import UNITS

    if unit is not None and unit.lower() not in UNITS:
        raise typer.BadParameter(f"'{_quoted(unit)}' is no unit: macs, or flops", param_hint="--unit")
    return unit is not None and unit.lower() == "flops"


def words(text: str | None) -> tuple[str, ...]:
    """Split a list given with commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip()) if text else ()


def check_format(name: str | None, output: str | None = None, known: tuple[str, ...] = DATA_FORMATS) -> str:
    """Return the format asked for, else the one that the output's suffix asks for, else the first of those known."""
    if name is None:
        return suffix_format(output, known) or known[0]
    name = ALIASES.get(name, name)
    if name not in known:
        from bneck_cli.errors import nearest

        near = nearest(name, known)
        raise typer.BadParameter(
            f"no format '{_quoted(name)}': {near or 'one of ' + ', '.join(known)}", param_hint="--format"
        )
    return name


def _quoted(text: str) -> str:
    """Write a word of the command line as a message may hold it."""
    return shown(bounded(text, 100))


def put(report: "Report", format: str, output: str | None) -> None:
    """Write a report in a format, to standard output or to a file."""
    from bneck_cli.formats import render

    write(render(report, format, style_of(output)), output)


PAGE = 40
"""Rows of a table on a terminal before its headings are repeated."""


def _on_terminal() -> bool:
    """Tell whether standard output is there, and a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def style_of(output: str | None) -> "Style":
    """Find out how the text will be shown: a terminal has a width and colours, a pipe or a file has neither."""
    from bneck_cli.formats import Style

    plain = output is None and not (getattr(sys.stdout, "encoding", "") or "").lower().startswith("utf")
    if output is not None or not _on_terminal():
        columns = os.environ.get("COLUMNS", "")
        return Style(int(columns) if is_number(columns) and output is None else None, plain=plain)
    from shutil import get_terminal_size

    color = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Style(get_terminal_size().columns, color, PAGE, plain)


def main() -> None:
    """Run the command; report an error on standard error, and leave with its exit code.

    The process ends without taking the interpreter apart object by object, which would take longer than an analysis.
    """
    code = run()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:  # the reader has what it wanted (`| head`)
            pass
        except OSError:
            code = code or 1
    os._exit(code)


def _name(command: CommandInfo) -> str:
    """Give the word that runs a command."""
    return command.name or str(getattr(command.callback, "__name__", ""))


LONGEST_WORD = 4096
"""Characters of a word of the command line: as many as a path may have."""


def run() -> int:
    """Run the command and return its exit code."""
    degrade_gracefully()
    columns = os.environ.get("COLUMNS", "1")
    if not (is_number(columns) and 0 < int(columns[:9]) < 10_000):
        del os.environ["COLUMNS"]  # whoever reads it next would take it for a number
    longest = max(map(len, sys.argv))
    if longest > LONGEST_WORD:
        print(
            f"error: a word of the command line has {longest:,} characters, at most {LONGEST_WORD:,} are read",
            file=sys.stderr,
        )
        return 2
    asked = [command for command in app.registered_commands if _name(command) in sys.argv[1:2]]
    app.registered_commands = asked or app.registered_commands  # to build one takes 0.4 ms, and only one is run
    try:
        with one_budget():
            app()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except (BneckError, OSError) as error:
        print("\n".join(shown(line) for line in bounded(f"error: {error}").split("\n")), file=sys.stderr)
        return 2 if "lint" in map(_name, asked) else 1  # 1 is for its findings
    return 0
