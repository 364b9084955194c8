"""Options with several values, ``--set width=0.5,1 --input 128..224:32``: they become axes of a table."""

import typer

from bneck_cli.cli.edge import check_format, put, settings, words


def put_table(
    spec: str,
    varied: list[str],
    input: str | None,
    channels: str | None,
    in_channels: str | None,
    values: list[str],
    batch: int,
    past: str | None,
    columns: str | None,
    format: str | None,
    output: str | None,
) -> None:
    """Write the table of a sweep over the axes."""
    from bneck_cli.cli.watching import watched
    from bneck_cli.language.library import load
    from bneck_cli.questions.sweep import USUAL, report, sweep

    chosen = check_format(format, output)
    names = {each.partition("=")[0].strip() for each in varied}
    asked = settings(
        None if "side" in names else input, None if "channels" in names else channels, in_channels, values,
        batch=batch, past=past,
    )  # fmt: skip
    found = sweep(spec, load(spec), asked, varied, totals=words(columns) or USUAL)
    with watched(found.space.designs.number) as watch:
        put(report(found, watch), chosen, output)
    if found.tally.stopped:
        raise typer.Exit(130)
