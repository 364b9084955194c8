"""The report of the counting rules: their weights, and how each was established."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.data.rules import load_rule, rule_names
from bneck_cli.engine.layers.quantities import QUANTITIES
from bneck_cli.engine.rule import FORMS, LABELS, PARAMETERS
from bneck_cli.errors import listed
from bneck_cli.report import Column, Facts, Records, Report, Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bneck_cli.engine.rule import CountingRule
    from bneck_cli.report import Part

COLUMNS = (
    Column("rule", "rule", "name"),
    Column("unit", "counts", "words", 1),
    Column("weight", "a multiply-add", "words"),
    Column("also", "and also"),
)


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
        yield Table(COLUMNS, [Row([rule.name, rule.unit, _multiply_add(rule), _also(rule)]) for rule in rules])
        return
    (rule,) = rules
    yield Facts((("counts", rule.unit), ("source", rule.source), ("how", rule.how)))
    yield _matrix(rule)
    nothing = [FORMS[form] for form, weights in rule.forms.items() if not weights]
    said = [("not counted", listed(nothing, "or"))] if nothing else []
    said += [*(("note", note) for note in rule.notes.values()), *(("refused", why) for why in rule.refused.values())]
    if said:
        yield Facts(said)


def _multiply_add(rule: CountingRule) -> str:
    """Say what a multiply-add of each kind counts, where it is not the same for all."""
    names = {"conv": "convolution", "linear": "linear", "linear_weights": "linear weight", "attention": "attention"}
    once = "linear_weights" if rule.weight("linear_weights") else "linear"
    weights = {key: rule.weight(key) for key in ("conv", once, "attention")}
    if once == "linear" and len(set(weights.values())) == 1:
        return str(weights["conv"])
    return ", ".join(f"{weight} {names[key]}" for key, weight in weights.items())


def _also(rule: CountingRule) -> str:
    """Name what else the rule counts, in the footer's words."""
    return ", ".join(label for label, keys in LABELS.items() if any(rule.weight(key) for key in keys)) or "nothing"


def _matrix(rule: CountingRule) -> Table:
    """Compare what each unit counts, by how the code calls it (`written` in a spec)."""
    forms = ("module", *(form for form, each in rule.forms.items() if each))
    weights = (rule.counts, *rule.forms.values())
    keys = [key for key in QUANTITIES if any(key in each for each in weights)]
    columns = [Column("per", "a unit")]
    columns += [Column(form, form, "number") for form in forms]
    rows = [Row([" ".join(QUANTITIES[key][:2]), *(rule.weight(key, form) for form in forms)]) for key in keys]
    rows += [Row([PARAMETERS[key], weight, *("" for _ in forms[1:])]) for key, weight in rule.params.items()]
    return Table(columns, rows)


def _weights(rule: CountingRule) -> str:
    return rule.words().split(": ", 1)[1]
