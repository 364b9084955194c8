"""The boundary of a command: option words become values, and the report goes to its output."""

import os
import sys
from typing import TYPE_CHECKING

import typer

from bneck_cli.formats import ALIASES, DATA_FORMATS
from bneck_cli.output import suffix_format, write
from bneck_cli.shown import bounded, shown
from bneck_cli.sizes.numerals import is_name, is_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.settings import Settings
    from bneck_cli.formats import Style
    from bneck_cli.report import Report

PAGE = 40
"""Rows of a table on a terminal before its headings are repeated."""


def settings(
    input: str | None = None,
    channels: str | None = None,
    in_channels: str | None = None,
    values: list[str] | None = None,
    assume: str | None = None,
    batch: int = 1,
    symbolic: bool = False,
    symbols: list[str] | None = None,
    past: str | None = None,
) -> "Settings":
    """Gather what is asked of the analysis."""
    from bneck_cli.engine.settings import read_settings

    varied, _ = axes(values or (), input, channels)
    if varied:
        raise typer.BadParameter(f"'{quoted(varied[0])}' has several values: `bneck analyze` tabulates them")
    pairs = []
    for text in values or []:
        name, equals, value = text.partition("=")
        if not equals or not is_name(name.strip()):
            raise typer.BadParameter(f"--set expects NAME=VALUE (got '{quoted(text)}')")
        pairs.append((name.strip(), value.strip()))
    return read_settings(input, channels, in_channels, pairs, assume, batch, symbolic, symbols or (), past)


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


def analysed(spec: str, asked: "Settings") -> "Analysis":
    """Load what a name stands for, and analyse it."""
    from bneck_cli.engine.analysis import analyze_program
    from bneck_cli.language.library import load

    return analyze_program(load(spec), asked)


def flops(unit: str | None) -> bool:
    """Return whether figures are asked for in FLOPs."""
    from bneck_cli.questions.notes import UNITS

    return unit is not None and one_of(unit.lower(), tuple(UNITS), "unit") == "flops"


def words(text: str | None) -> tuple[str, ...]:
    """Split a list given with commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip()) if text else ()


def check_format(name: str | None, output: str | None = None, known: tuple[str, ...] = DATA_FORMATS) -> str:
    """Return the format asked for, else the one that the output's suffix asks for, else the first of those known."""
    if name is None:
        return suffix_format(output, known) or known[0]
    return one_of(ALIASES.get(name, name), known, "format")


def one_of(word: str, known: tuple[str, ...], what: str) -> str:
    """Return a word of a closed set. Raises typer.BadParameter for any other, with the nearest of the set."""
    if word not in known:
        from bneck_cli.errors import nearest

        near = nearest(word, known) or f"one of {', '.join(known)}"
        raise typer.BadParameter(f"no {what} '{quoted(word)}': {near}", param_hint=f"--{what}")
    return word


def quoted(text: str) -> str:
    """Write a word of the command line as a message may hold it."""
    return shown(bounded(text, 100))


def put(report: "Report", format: str, output: str | None) -> None:
    """Write a report in a format, to standard output or to a file."""
    from bneck_cli.formats import render

    write(render(report, format, style_of(output)), output)


def on_terminal() -> bool:
    """Return whether standard output is there, and a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def style_of(output: str | None) -> "Style":
    """Find out how the text will be shown: a terminal has a width and colours, a pipe or a file has neither."""
    from bneck_cli.formats import Style

    plain = output is None and not (getattr(sys.stdout, "encoding", "") or "").lower().startswith("utf")
    if output is not None or not on_terminal():
        columns = os.environ.get("COLUMNS", "")
        return Style(int(columns) if is_number(columns) and output is None else None, plain=plain)
    from shutil import get_terminal_size

    color = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Style(get_terminal_size().columns, color, PAGE, plain)
