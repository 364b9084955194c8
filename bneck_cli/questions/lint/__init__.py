"""What a careful reviewer would say of a network: each finding names its rule, its place, what it costs and why.

The rules look at the flow of tensors, and say nothing if they cannot be sure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.flow.tensors import follow
from bneck_cli.questions.notes import describe_input

from bneck_cli.questions.lint import windows, layers  # isort: skip  # noqa: F401  (in the order of their rules)
from bneck_cli.questions.lint.allowed import NAME, Allowed
from bneck_cli.questions.lint.rule import RULES, Finding, SymbolicError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.errors import Location

__all__ = ["RULES", "USUAL", "Finding", "Group", "Lint", "groups", "lint", "totals"]

USUAL = tuple(rule.name for rule in RULES.values() if rule.usual)
"""Rules that most networks of today break on purpose, and that are silent unless asked for."""


class Lint(NamedTuple):
    """The findings, by rule and in execution order; how many were ignored; the rules that symbolic sizes ruled out.

    ``allowed`` counts those that a comment of the spec allows.
    """

    title: str
    findings: tuple[Finding, ...]
    ignored: int = 0
    skipped: tuple[str, ...] = ()
    allowed: int = 0


class Group(NamedTuple):
    """The findings of one rule at one place of the spec."""

    rule: str
    location: Location
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Finding:
        """The finding that costs most in a single copy; of several the first."""
        return max(self.findings, key=lambda finding: finding.cost // finding.copies)

    @property
    def copies(self) -> int:
        """How many layers it is about."""
        return sum(finding.copies for finding in self.findings)

    @property
    def cost(self) -> int:
        """What all of them cost."""
        return sum(finding.cost for finding in self.findings)


def lint(analysis: Analysis, ignore: Iterable[str] = ()) -> Lint:
    """Apply every rule to an analysed network.

    Raises BneckError if ``ignore``, or a comment of the spec, names a rule that there is not.
    """
    silent = frozenset(ignore)
    for name in sorted(silent.difference(RULES)):
        hint = nearest(name, RULES) or f"they are {listed(RULES, 'and')}"
        raise BneckError(f"--ignore: unknown rule '{name}'", hint=hint)
    flow = follow(analysis)
    permitted = Allowed(analysis)
    findings: list[Finding] = []
    skipped, ignored, allowed = [], 0, 0
    for name, rule in RULES.items():
        try:
            found = rule.findings(flow)
        except SymbolicError:
            if name not in silent:
                skipped.append(name)
            continue
        if name in silent:
            ignored += len(found)
        else:
            told = [finding for finding in found if not permitted.allows(finding)]
            allowed += len(found) - len(told)
            findings += told
    if NAME not in silent:
        findings += permitted.needless(RULES.keys() - silent - set(skipped))
    return Lint(f"{analysis.name} · {describe_input(analysis)}", tuple(findings), ignored, tuple(skipped), allowed)


def groups(lint: Lint) -> list[Group]:
    """Gather the findings of a rule at the same place of the spec, in the order of the text."""
    gathered: dict[tuple[str, str], tuple[Location, list[Finding]]] = {}
    known: dict[tuple[int, int], Location] = {}
    for finding in lint.findings:
        at = (id(finding.place.node), finding.place.offset)
        location = known.get(at) or known.setdefault(at, finding.place.location())
        gathered.setdefault((finding.rule, str(location)), (location, []))[1].append(finding)
    listed_groups = [Group(rule, location, tuple(found)) for (rule, _), (location, found) in gathered.items()]
    return sorted(listed_groups, key=lambda group: (group.location.file, group.location.line, group.location.column))


def totals(lint: Lint) -> dict[str, tuple[int, int, str]]:
    """Sum the findings of each rule that has any: the layers, what they cost, and its unit."""
    sums: dict[str, tuple[int, int, str]] = {}
    for finding in lint.findings:
        copies, cost, _ = sums.get(finding.rule, (0, 0, ""))
        sums[finding.rule] = (copies + finding.copies, cost + finding.cost, finding.unit)
    return sums
