"""``bneck rules``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, put

GROUP = "Reference"
EXAMPLES = ("bneck rules", "bneck rules fvcore")


def command(
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", autocompletion=completion.COUNTING_RULES)] = None,
    format: opt.Format = None,
    output: opt.Output = None,
) -> None:
    """List the counting rules, or show one and how it was established."""
    from bneck_cli.questions.counting_rules import report

    put(report([rule] if rule else []), check_format(format, output), output)
