"""The report of the counting rules: what each one weighs, and how it was established."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.data.rules import load_rule, rule_names
from bneck_cli.report import Column, Facts, Records, Report, Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bneck_cli.data.rules import CountingRule
    from bneck_cli.report import Part

COLUMNS = (Column("rule", "rule", "name"), Column("unit", "counts", "word", 1), Column("words", "what it weighs"))


def report(names: Sequence[str]) -> Report:
    """Describe the counting rules of these names, or all of them. Raises BneckError for an unknown one."""
    rules = [load_rule(name) for name in names or rule_names()]
    return Report(
        "rules",
        "counting rules" if len(rules) != 1 else rules[0].name,
        "",
        parts=lambda: _parts(rules),
        records=lambda: Records(
            ["rule", "unit", "source", "how", "weights"],
            [(rule.name, rule.unit, rule.source, rule.how, _weights(rule)) for rule in rules],
        ),
        data=lambda: {"rules": [rule._asdict() for rule in rules]},
    )


def _parts(rules: list[CountingRule]) -> Iterator[Part]:
    if len(rules) > 1:
        yield Table(COLUMNS, [Row([rule.name, rule.unit, _weights(rule)]) for rule in rules])
        return
    (rule,) = rules
    yield Facts(
        (
            ("counts", rule.unit),
            ("weights", _weights(rule)),
            ("source", rule.source),
            ("how", rule.how),
            *(("note", note) for note in rule.notes.values()),
            *(("refused", reason) for reason in rule.refused.values()),
        )
    )


def _weights(rule: CountingRule) -> str:
    return rule.words().split(": ", 1)[1]
