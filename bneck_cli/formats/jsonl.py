"""JSON lines: one object for each record, by the names of its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.words.values import data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.formats import Style
    from bneck_cli.report import Report

CHUNK = 1 << 10
"""Lines that are written together."""


def write(report: Report, _style: Style) -> Iterator[str]:
    """Write the report's records, each on a line of its own; as many as there are, in little memory."""
    import json
    from itertools import islice

    records = report.records()
    rows = iter(records.rows)
    while lines := [
        json.dumps({name: data(cell) for name, cell in zip(records.header, row, strict=True)}) + "\n"
        for row in islice(rows, CHUNK)
    ]:
        yield "".join(lines)
