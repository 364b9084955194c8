"""Comma-separated values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.formats._delimited import delimited

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.formats import Style
    from bneck_cli.report import Report


def write(report: Report, _style: Style) -> Iterator[str]:
    """Write the report's records between commas."""
    return delimited(report.records(), ",")
