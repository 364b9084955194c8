"""JSON: the command, the version of its schema, and what the question found. specs/SCHEMA.md names every key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bneck_cli.words.values import data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.formats import Style
    from bneck_cli.report import Report

HIDDEN = re.compile(r"[\x7f-\xa0\u00ad\u061c\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]")
"""What JSON allows in a text, and a terminal does not show."""


def write(report: Report, _style: Style) -> Iterator[str]:
    """Write one JSON object; symbolic sizes are strings that Python can evaluate."""
    import json

    document = {"schema": report.schema, "command": report.command, **data(report.data())}
    text = json.dumps(document, indent=2, ensure_ascii=False)
    yield HIDDEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text) + "\n"
