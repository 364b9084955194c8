"""The report of a lint: findings by rule and place, their totals, and how to silence them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.questions.lint import RULES, groups, totals
from bneck_cli.report import Column, Facts, Prose, Records, Report, Row, Table
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bneck_cli.questions.lint import Finding, Group, Lint
    from bneck_cli.report import Part

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


def report(lint: Lint) -> Report:
    """Lay out findings: each rule's at each place with its layers, its reason once, and the sums."""
    return Report(
        "lint",
        lint.title,
        "",
        parts=lambda: _parts(lint),
        records=lambda: Records(list(CELLS), ([cell(each) for cell in CELLS.values()] for each in lint.findings)),
        data=lambda: _data(lint),
    )


def _parts(lint: Lint) -> Iterator[Part]:
    explained = set()
    lines = []
    for group in groups(lint):
        lines.append(f"{group.location}: {group.rule}: {group.worst.message}")
        if group.rule not in explained:
            explained.add(group.rule)
            lines.append(f"  {group.worst.reason}")
        if group.worst.path:
            lines.append(f"  {_layers(group)}")
    if lines:
        yield Prose(lines, listed=True)
    sums = totals(lint)
    if sums:
        columns = (
            Column("rule", "rule", "name"),
            Column("layers", "layers", "number"),
            Column("cost", "cost", "number"),
            Column("unit", "", "word"),
        )
        rows = [Row([rule, copies, cost, unit]) for rule, (copies, cost, unit) in sums.items()]
        yield Table(columns, rows, _summary(lint))
    else:
        yield Prose([_summary(lint)])
    notes = tuple(_notes(lint))
    if notes:
        yield Facts(notes)


def _layers(group: Group) -> str:
    """Name the layers that a group is about, with what they cost together."""
    paths = [f"{found.path} (×{people(found.copies)})" if found.copies > 1 else found.path for found in group.findings]
    named = ", ".join(paths[:SHOWN]) + (f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else "")
    if group.copies == 1:
        return f"at {named}"
    return f"at {named}: {people(group.copies)} layers, {people(group.cost)} {group.worst.unit}"


def _summary(lint: Lint) -> str:
    """Count the findings: a layer each, and the places of the spec that they come from."""
    count = sum(finding.copies for finding in lint.findings)
    if not count:
        return "0 findings"
    places = len({str(group.location) for group in groups(lint)})
    return f"{people(count)} finding{'s' * (count != 1)} at {people(places)} place{'s' * (places != 1)}"


def _notes(lint: Lint) -> Iterator[tuple[str, str]]:
    """Say how findings are silenced, and what was not looked at or not shown."""
    if lint.findings:
        yield "silence with", f"--ignore {','.join(totals(lint))}"
        yield "or in the spec", "`# bneck: allow RULE` on the line or above it"
    if lint.allowed:
        yield "allowed in the spec", f"{people(lint.allowed)} finding{'s' * (lint.allowed != 1)}"
    if lint.ignored:
        yield (
            "silent",
            f"{people(lint.ignored)} finding{'s' * (lint.ignored != 1)} (--all shows rules that are off by default)",
        )
    if lint.skipped:
        yield "skipped, as sizes are symbolic", ", ".join(lint.skipped)


def _data(lint: Lint) -> dict[str, Any]:
    """Return every finding, the sums by rule, what was ignored and skipped."""
    sums = totals(lint)
    return {
        "title": lint.title,
        "findings": [{key: cell(finding) for key, cell in CELLS.items()} for finding in lint.findings],
        "totals": {rule: {"layers": count, "cost": cost, "unit": unit} for rule, (count, cost, unit) in sums.items()},
        "ignored": lint.ignored,
        "allowed": lint.allowed,
        "skipped": lint.skipped,
    }


def rules_report() -> Report:
    """List the rules, each with what it is about."""
    lines = [(rule.name, rule.finds) for rule in RULES.values()]
    columns = (Column("rule", "rule", "name"), Column("finds", "what it finds", "words"))
    return Report(
        "lint",
        "rules of lint",
        "",
        parts=lambda: [Table(columns, [Row(line) for line in lines])],
        records=lambda: Records(["rule", "finds"], lines),
        data=lambda: {"rules": dict(lines)},
    )
