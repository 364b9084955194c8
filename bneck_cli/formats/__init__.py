"""Output formats: one file each with ``write(report, style)``, imported when used."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.folder import modules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.report import Report

ALIASES = {"table": "text"}
"""Other names by which formats are known."""
FORMULAS = ("python",)
"""Formats for reports that have formulas."""


class Style(NamedTuple):
    """How the place that the text goes to shows it.

    ``width`` is in characters (None: as wide as it needs); ``page`` says after how many rows a table's headings are
    repeated (None: never).
    """

    width: int | None = None
    color: bool = False
    page: int | None = None
    plain: bool = False
    """Whether there are no characters but ASCII."""


PIPE = Style()
"""What is no terminal: as wide as it needs, without colours."""


FORMATS = tuple(sorted(modules(os.path.dirname(__file__)), key=lambda name: name != "text"))
DATA_FORMATS = tuple(name for name in FORMATS if name not in FORMULAS)


def render(report: Report, name: str, style: Style = PIPE) -> Iterator[str]:
    """Write a report in the format of that name, chunk by chunk.

    Raises BneckError for a format that this report cannot be written in.
    """
    from importlib import import_module

    module = import_module(f"bneck_cli.formats.{ALIASES.get(name, name)}")
    return module.write(report, style)  # type: ignore[no-any-return]


def as_text(report: Report, name: str, style: Style = PIPE) -> str:
    """Return the whole of a report in a format."""
    return "".join(render(report, name, style))
