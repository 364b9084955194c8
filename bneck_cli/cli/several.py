"""Options with several values, ``--set width=0.5,1 --input 128..224:32``: axes, which give the table of a sweep."""

from typing import TYPE_CHECKING

import typer

from bneck_cli.cli.edge import check_format, put, settings, words

if TYPE_CHECKING:
    from collections.abc import Iterable


def has_several(text: str) -> bool:
    """Return whether an option's value is several: ``64,128``, ``128..224:32``; a list is one, ``[2, 2]``."""
    return ("," in text or ".." in text) and not any(mark in text for mark in "[]()=<>")


def axes(values: "Iterable[str]", input: str | None, channels: str | None) -> tuple[list[str], list[str]]:
    """Return the axes among the options, as ``--vary`` has them, and the values that are single.

    Several inputs are those of every side.
    """
    varied: list[str] = []
    single: list[str] = []
    for text in values:
        (varied if has_several(text.partition("=")[2]) else single).append(text)
    for name, several in (("channels", channels), ("side", input)):
        if several is not None and has_several(several):
            varied.append(f"{name}={several}")
    return varied, single


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
