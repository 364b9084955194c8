"""Python source: the formulas of a report as functions of its symbols, to compute with or to plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.formats import Style
    from bneck_cli.report import Report


def write(report: Report, _style: Style) -> Iterator[str]:
    """Write the report's module."""
    if report.source is None:
        raise BneckError(
            f"--format python writes formulas, and {report.command} has none", hint="use analyze or compare"
        )
    return report.source()
