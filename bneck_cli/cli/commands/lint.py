"""``bneck lint``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import analysed, check_format, put, settings, words

GROUP = "Understanding"
EXAMPLES = ("bneck lint resnet50_v1", "bneck lint mobilenet_v2 --all", "bneck lint --rules")
FAILURE = 2  # 1 is for its findings


def command(
    spec: Annotated[str | None, typer.Argument(metavar="SPEC", autocompletion=completion.NETWORKS)] = None,
    input: opt.Input = None,
    channels: opt.Channels = None,
    set: opt.Set = None,
    ignore: Annotated[
        str | None,
        typer.Option(
            metavar="RULE,...", help="Rules to ignore (--rules lists them).", autocompletion=completion.LINT_RULES
        ),
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="Include rules that most networks break on purpose.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules and exit.")] = False,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit 0 even if there are findings.")] = False,
    format: opt.Format = None,
    output: opt.Output = None,
) -> None:
    """Find what a design pays for and does not use.

    Exit 1 if there are findings, 2 for a wrong spec or option.
    """
    from bneck_cli.questions.lint import USUAL, lint
    from bneck_cli.questions.lint_report import report, rules_report

    chosen = check_format(format, output)
    if rules:
        put(rules_report(), chosen, output)
        return
    if spec is None:
        raise typer.BadParameter("name a SPEC to lint, or --rules")
    found = lint(analysed(spec, settings(input, channels, values=set)), (*words(ignore), *(() if all else USUAL)))
    put(report(found), chosen, output)
    if found.findings and not exit_zero:
        raise typer.Exit(1)
