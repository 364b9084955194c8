"""Values between commas or tabs for spreadsheets: one header line, one number per cell, no total row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.shown import shown
from bneck_cli.words.values import data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.report import Records

FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
CHUNK = 1 << 15


def delimited(records: Records, delimiter: str) -> Iterator[str]:
    """Write lines of cells, quoted where needed; text that a spreadsheet would run as a formula is made harmless."""
    import csv
    import io
    from itertools import chain

    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
    for line in chain([records.header], records.rows):
        writer.writerow([cell if type(cell) is int else _cell(cell) for cell in line])
        if buffer.tell() > CHUNK:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _cell(value: Any) -> str:
    """Write a cell: nothing for None, a float to six digits, the sizes of a shape with an x between them."""
    if not isinstance(value, str):
        value = data(value)
        if value is None:
            return ""
        if isinstance(value, float):
            return f"{value:.6g}"
        if isinstance(value, list):
            return "x".join(map(str, value))
    return harmless(shown(str(value)))


def harmless(cell: str) -> str:
    """Put a quote before what a spreadsheet reads as a formula; a number stays a number."""
    return f"'{cell}" if cell[:1] in FORMULA and cell and not cell[1:].isdigit() else cell
