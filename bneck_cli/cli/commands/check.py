"""``bneck check``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, put, settings

GROUP = "Reference"
EXAMPLES = (
    "bneck check",
    "bneck check my.yaml resnet50",
    "bneck check my.yaml --max-params 5M --max-macs 600M --max-memory 64MiB",
)


def command(
    specs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SPEC]...",
            help="Specs to check (default: all bundled ones).",
            autocompletion=completion.NETWORKS,
        ),
    ] = None,
    max_params: Annotated[str | None, typer.Option(metavar="AMOUNT", help="Parameter budget: 5M.")] = None,
    max_macs: Annotated[str | None, typer.Option(metavar="AMOUNT", help="Multiply-add budget: 600M.")] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(metavar="BYTES", help="Memory budget at inference, weights and tensors, as in footprint: 64MiB."),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="With --max-memory: fp32, fp16, int8 ...", autocompletion=completion.DTYPES)
    ] = None,
    input: opt.Input = None,
    channels: opt.Channels = None,
    set: opt.Set = None,
    batch: opt.Batch = 1,
    format: opt.Format = None,
    output: opt.Output = None,
) -> None:
    """Check published figures (`expect`) against the analysis, and the analysis against budgets; exit 1 on failure."""
    from bneck_cli.questions.check import check_budgets, check_report, check_specs, read_limits

    chosen = check_format(format, output)
    limits = read_limits(max_params, max_macs, max_memory)
    if limits and not specs:
        raise typer.BadParameter("name the specs to check against the budget")
    if not limits and (input or channels or set or batch != 1):
        raise typer.BadParameter("published figures are checked as published: these options need a budget")
    if dtype and "memory" not in limits:
        raise typer.BadParameter("--dtype needs --max-memory", param_hint="--dtype")
    checks = check_specs(specs or [])
    budgets = check_budgets(specs or [], limits, settings(input, channels, values=set, batch=batch), dtype or "fp32")
    put(check_report(checks, bool(specs), budgets), chosen, output)
    if any(check.wrong for check in checks) or any(budget.over for budget in budgets):
        raise typer.Exit(1)
