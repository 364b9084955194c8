"""The report of an explanation: a section for each thing that is said, a sentence a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.report import Prose, Records, Report

if TYPE_CHECKING:
    from bneck_cli.questions.explain import Explanation


def report(found: Explanation) -> Report:
    """Lay an explanation out."""
    return Report(
        "explain",
        found.title,
        "",
        parts=lambda: [Prose(section.lines, section.title, listed=True) for section in found.sections],
        records=lambda: Records(
            ["section", "sentence"],
            [(section.title, line.strip()) for section in found.sections for line in section.lines],
        ),
        data=lambda: {
            "title": found.title,
            "sections": [
                {"title": section.title, "sentences": [line.strip() for line in section.lines]}
                for section in found.sections
            ],
        },
    )
