"""Findings that a spec allows: ``# bneck: allow RULE`` on a line, above it, or at the top of the file for all of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.errors import BneckError, Location, listed, nearest
from bneck_cli.language.document import Place, Scalar
from bneck_cli.questions.lint.rule import RULES, Finding, rule

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.flow.tensors import Flow
    from bneck_cli.language.document import Node, Source

COMMENT = re.compile(r"(?:^|\s)#\s*bneck\s*:(.*)$")
WORDS = re.compile(r"\s*(?P<verb>[^\s:(]*)\s*(?P<rules>[\w-]+(?:\s*,\s*[\w-]+)*)?\s*(?P<rest>.*)$")
NAME = "needless-allow"


class Allowance(NamedTuple):
    """One rule that a comment allows: where the comment stands, and the line that it is about, None for all of them."""

    rule: str
    source: Source
    line: int
    column: int
    about: int | None

    @property
    def place(self) -> Place:
        """Where the rule is named."""
        return Place(Scalar(self.source, self.line, self.column, self.rule), 0, len(self.rule))


@rule(
    NAME,
    finds="a comment in the spec allows a finding that is not there",
    reason="The design or its input has changed since, or the comment stands at another line than the finding; "
    "what it would hide later is not what was looked at when it was written.",
)
def needless(flow: Flow) -> Iterator[Finding]:  # noqa: ARG001  (as every rule)
    """Find nothing in the flow: ``Allowed.needless`` knows which comments were of no use once all rules have spoken."""
    yield from ()


class Allowed:
    """What the files of a network allow. Raises BneckError for a comment that names no rule."""

    def __init__(self, analysis: Analysis) -> None:
        own = [source for source in _sources(analysis) if source.file in analysis.program.extended]
        self.known = {source.file: _allowances(source) for source in own}
        self.everywhere = [one for found in self.known.values() for one in found if one.about is None]
        self.own = [one for found in self.known.values() for one in found]
        self.used: set[Allowance] = set()

    def allows(self, finding: Finding) -> bool:
        """Return whether a comment allows a finding: at its line, at the line where its step begins, or everywhere."""
        node = finding.place.node
        if node.source.file not in self.known:
            self.known[node.source.file] = _allowances(node.source)
        here = self.known[node.source.file]
        if not here and not self.everywhere:
            return False
        lines = (None, node.line, finding.place.location().line - 1)
        found = [one for one in (*self.everywhere, *here) if one.rule == finding.rule and one.about in lines]
        self.used.update(found)
        return bool(found)

    def needless(self, spoken: Collection[str]) -> list[Finding]:
        """Return the comments of the spec's own files that allow nothing, of rules that have spoken."""
        return [
            Finding(
                one.place,
                "",
                1,
                f"nothing {'here' if one.about is None else 'on this line'} breaks {one.rule}",
                1,
                "comments",
                NAME,
                RULES[NAME].reason,
            )
            for one in self.own
            if one not in self.used and one.rule in spoken
        ]


def _sources(analysis: Analysis) -> Iterator[Source]:
    """Yield the files of a network's own: the spec, and those that it extends."""
    program = analysis.program
    nodes: list[Node] = [*program.spec.include, *(key for key, _ in program.spec.settings.values())]
    nodes += [one.place.node for one in (program.net, *program.blocks.values(), *program.spec.inputs) if one]
    nodes += [program.spec.extends] if program.spec.extends else []
    yield from {node.source.file: node.source for node in nodes}.values()


def _allowances(source: Source) -> list[Allowance]:
    """Read the comments of a file."""
    if "bneck" not in source.text:
        return []
    found = []
    begun = False
    above: list[tuple[str, int, int]] = []
    for number, line in enumerate(source.lines()):
        alone = line.lstrip().startswith("#")
        said = list(_named(source, number, line)) if "#" in line else []
        if alone:
            above += said
            found += [] if begun else [Allowance(*one[:1], source, *one[1:], None) for one in said]
        elif line.strip():
            if begun:
                found += [Allowance(name, source, at, column, number) for name, at, column in above]
            found += [Allowance(name, source, at, column, number) for name, at, column in said]
            begun, above = True, []
    return found


def _named(source: Source, number: int, line: str) -> Iterator[tuple[str, int, int]]:
    """Yield the rules that a line's comment names, with the line and column of each."""
    match = COMMENT.search(line)
    if match is None:
        return
    start = match.start(1)
    words = WORDS.match(match[1])
    verb = words["verb"] if words else ""
    if words is None or verb != "allow":
        location = _at(source, number, start + (words.start("verb") if words else 0), len(verb))
        raise BneckError(f"a comment for bneck says `allow RULE` (got '{verb}')", location, nearest(verb, ["allow"]))
    if words["rules"] is None or (words["rest"] and words["rest"][0] not in ":("):
        where = words.start("rest") if words["rules"] else words.end("verb")
        location = _at(source, number, start + where, len(words["rest"]))
        hint = "`# bneck: allow dropped-border, strided-1x1: as in the paper`"
        raise BneckError("write the rules, separated by commas, then a colon and the reason", location, hint)
    for each in re.finditer(r"[\w-]+", words["rules"]):
        name, column = each[0], start + words.start("rules") + each.start()
        if name not in RULES:
            hint = nearest(name, RULES) or f"they are {listed(RULES, 'and')}"
            raise BneckError(f"unknown lint rule '{name}'", _at(source, number, column, len(name)), hint)
        yield name, number, column


def _at(source: Source, line: int, column: int, width: int) -> Location:
    return source.location(line, column, max(width, 1))
