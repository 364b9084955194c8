"""Findings to text, in each format: a line for each place of the spec, as compilers and linters print them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.formats.delimited import delimited
from bneck_cli.formats.markup import escape_markdown, markdown_table
from bneck_cli.formats.table import Cells
from bneck_cli.questions.analyze import grouped
from bneck_cli.questions.lint import REASONS, RULES, groups, totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bneck_cli.formats import Style
    from bneck_cli.questions.lint import Finding, Group, Lint

SCHEMA = 1
SHOWN = 4
"""So many layers of a group are named; how many more there are is said."""
CELLS: dict[str, Callable[[Finding], Any]] = {
    "file": lambda finding: finding.place.location().file,
    "line": lambda finding: finding.place.location().line,
    "column": lambda finding: finding.place.location().column,
    "rule": lambda finding: finding.rule,
    "path": lambda finding: finding.path,
    "copies": lambda finding: finding.copies,
    "cost": lambda finding: finding.cost,
    "unit": lambda finding: finding.unit,
    "message": lambda finding: finding.message,
    "reason": lambda finding: finding.reason,
}


def render_text(lint: Lint, style: Style) -> Iterator[str]:
    """Print a line for each rule at each place, with its reason once and its layers; then the sums."""
    from textwrap import wrap

    bold, plain = ("\x1b[1m", "\x1b[0m") if style.color else ("", "")
    width = max(40, min(style.width or 100, 120))

    def indented(text: str) -> str:
        lines = wrap(text, width, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
        return "\n".join(lines) + "\n"

    yield f"{bold}{lint.title}{plain}\n\n"
    explained = set()
    for group in groups(lint):
        yield f"{bold}{group.location}{plain}: {group.rule}: {group.worst.message}\n"
        if group.rule not in explained:
            explained.add(group.rule)
            yield indented(group.worst.reason)
        yield indented(_layers(group))
    if lint.findings:
        yield "\n"
    yield f"{bold}{_summary(lint)}{plain}\n"
    sums = totals(lint)
    if sums:
        names = max(map(len, sums))
        counts = max(len(grouped(copies)) for copies, _, _ in sums.values())
        costs = max(len(grouped(cost)) for _, cost, _ in sums.values())
        for rule, (copies, cost, unit) in sums.items():
            yield f"  {rule:{names}}  {grouped(copies):>{counts}}  {grouped(cost):>{costs}} {unit}\n"
    for line in _notes(lint):
        yield "\n".join(wrap(line, width, subsequent_indent="  ", break_on_hyphens=False)) + "\n"


def _layers(group: Group) -> str:
    """Name the layers that a group is about, with what they cost together."""
    paths = [f"{path} (×{grouped(copies)})" if copies > 1 else path for _, _, path, copies, *_ in group.findings]
    named = ", ".join(paths[:SHOWN]) + (f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else "")
    if group.copies == 1:
        return f"at {named}"
    return f"at {named}: {grouped(group.copies)} layers, {grouped(group.cost)} {group.worst.unit}"


def _summary(lint: Lint) -> str:
    """Count the findings: a layer each, and the places of the spec that they come from."""
    count = sum(finding.copies for finding in lint.findings)
    if not count:
        return "0 findings"
    places = len({str(group.location) for group in groups(lint)})
    return f"{grouped(count)} finding{'s' * (count != 1)} at {grouped(places)} place{'s' * (places != 1)}"


def _notes(lint: Lint) -> Iterator[str]:
    """Say how findings are silenced, and what was not looked at or not shown."""
    if lint.findings:
        yield f"silence with --ignore {','.join(totals(lint))}"
    if lint.ignored:
        yield f"silent: {grouped(lint.ignored)} finding{'s' * (lint.ignored != 1)} (--all shows those of quiet rules)"
    if lint.skipped:
        yield f"skipped, as sizes are symbolic: {', '.join(lint.skipped)}"


def render_json(lint: Lint, _style: Style) -> Iterator[str]:
    """Write one JSON object: every finding, the sums by rule, what was ignored and skipped."""
    import json

    sums = totals(lint)
    document = {
        "schema": SCHEMA,
        "title": lint.title,
        "findings": [{key: cell(finding) for key, cell in CELLS.items()} for finding in lint.findings],
        "totals": {rule: {"layers": count, "cost": cost, "unit": unit} for rule, (count, cost, unit) in sums.items()},
        "ignored": lint.ignored,
        "skipped": list(lint.skipped),
    }
    yield json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def render_csv(lint: Lint, delimiter: str = ",") -> Iterator[str]:
    """Write a header and a row for each finding; `cost` is that of all its copies."""
    rows = ([cell(finding) for cell in CELLS.values()] for finding in lint.findings)
    return delimited([list(CELLS)], delimiter, rows)


def render_markdown(lint: Lint, _style: Style) -> Iterator[str]:
    """Write a Markdown table of the places, and the reasons below it."""
    yield f"**{escape_markdown(lint.title)}**: {_summary(lint)}\n"
    found = groups(lint)
    if found:
        yield "\n"
        yield from markdown_table(
            [
                Cells("place", "place", [str(group.location) for group in found], False),
                Cells("rule", "rule", [group.rule for group in found], False),
                Cells("message", "finding", [group.worst.message for group in found], False),
                Cells("layers", "layers", [grouped(group.copies) for group in found], True),
                Cells("cost", "cost", [f"{grouped(group.cost)} {group.worst.unit}" for group in found], True),
            ]
        )
        yield "\n"
        for rule in totals(lint):
            yield f"- {escape_markdown(rule)}: {escape_markdown(REASONS[rule])}\n"
    for line in _notes(lint):
        yield f"\n{escape_markdown(line)}\n"


def describe_rules() -> Iterator[str]:
    """List the rules, each with what it is about."""
    width = max(map(len, RULES))
    for name, (_, summary) in RULES.items():
        yield f"{name:{width}}  {summary}\n"


LINTS: dict[str, Callable[[Lint, Style], Iterator[str]]] = {
    "text": render_text,
    "json": render_json,
    "csv": lambda lint, _: render_csv(lint),
    "markdown": render_markdown,
}
