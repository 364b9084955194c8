"""One page about a spec: its drawing, its costs, its explanation and its own text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.network import Layer, Series, children, entries
from bneck_cli.engine.settings import Settings, among, require_used
from bneck_cli.errors import BneckError
from bneck_cli.questions.analyze import report as analyzed
from bneck_cli.questions.analyze import table
from bneck_cli.questions.bars import bars
from bneck_cli.questions.draw import figure
from bneck_cli.questions.notes import describe_input
from bneck_cli.questions.rows import View, shown_rows
from bneck_cli.report import Chapter, Facts, Prose, Records, Report, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Node
    from bneck_cli.language.library import Program
    from bneck_cli.report import Figure, Part


class Subject(NamedTuple):
    """A spec by the name that it was asked for, and its analysis."""

    name: str
    program: Program
    analysis: Analysis


def page(programs: Sequence[tuple[str, Program]], settings: Settings = Settings()) -> Report:
    """Lay out a page on one spec, or on several with their comparison first. Raises BneckError as an analysis does."""
    require_used([program for _, program in programs], settings)
    subjects = [Subject(name, program, analyze_program(*among(program, settings))) for name, program in programs]
    first = subjects[0].analysis
    alone = len(subjects) == 1
    title = first.name if alone else " and ".join(subject.analysis.name for subject in subjects)

    def parts() -> Iterator[Part]:
        if alone:
            yield from _chapters(subjects[0], "r0")
            return
        yield Chapter("Comparison", tuple(_compared(programs, settings)))
        for index, subject in enumerate(subjects):
            yield Chapter(subject.analysis.name, tuple(_chapters(subject, f"r{index}")))

    return Report(
        "report",
        title,
        describe_input(first) if alone else "",
        parts=parts,
        records=lambda: Records([], []),
        data=dict,
    )


def _compared(programs: Sequence[tuple[str, Program]], settings: Settings) -> Iterator[Part]:
    from bneck_cli.questions.compare import compare_programs
    from bneck_cli.questions.compare import report as comparison

    yield from comparison(compare_programs(list(programs), settings)).parts()


def _chapters(subject: Subject, key: str) -> Iterator[Part]:
    """Yield what there is to say of one spec; a question that its sizes do not answer is left out."""
    analysis, program = subject.analysis, subject.program
    drawn = _drawn(analysis, key)
    if drawn:
        yield drawn
    shares = bars(analysis) if program.block is None else None
    if shares:
        yield Chapter("Where the cost is", (shares,))
    yield from _explained(analysis)
    yield Chapter("Layer by layer", tuple(_layers(analysis, key)), folded=True)
    yield Chapter("Lint", tuple(_linted(analysis)), folded=True)
    yield Chapter("Memory", tuple(_measured(analysis)), folded=True)
    yield Chapter("The spec", (Source(_text(program)),), folded=True)
    yield _made(program)


def _drawn(analysis: Analysis, key: str) -> Figure | None:
    """Return the drawing, its boxes leading to the rows of the layers."""
    rows, _ = shown_rows(analysis, View())
    anchors = {row.path: f"{key}-{index}" for index, row in enumerate(rows)}
    links: dict[int, str] = {}
    for entry in entries(analysis.root):
        if entry.path in anchors:
            links.setdefault(id(entry.layer), anchors[entry.path])
    for child in children(analysis.root):
        for node in _same(child.node):
            links.setdefault(id(node), anchors.get(child.label, ""))
    return figure(analysis, analysis.root if analysis.program.block is not None else None, links)


def _same(node: Node) -> Iterator[Node]:
    """Yield a stage and what it consists of down to its blocks: all of it stands at the stage's row."""
    yield node
    if isinstance(node, Series) and node.kind != "block":
        for run in node.runs:
            if not isinstance(run.node, Layer):
                yield from _same(run.node)


def _explained(analysis: Analysis) -> Iterator[Part]:
    from bneck_cli.questions.explain import explain_analysis

    try:
        found = explain_analysis(analysis)
    except BneckError:  # sizes with symbols
        return
    for section in found.sections:
        yield Chapter(section.title, (Prose(section.lines),))


def _layers(analysis: Analysis, key: str) -> Iterator[Part]:
    rows, _ = shown_rows(analysis, View())
    found = table(analysis, View(), rows)
    lines = [
        row._replace(anchor=f"{key}-{index}") if index < len(rows) else row for index, row in enumerate(found.rows)
    ]
    yield found._replace(rows=lines)
    yield from (part for part in analyzed(analysis).parts() if isinstance(part, Facts))


def _linted(analysis: Analysis) -> Iterator[Part]:
    from bneck_cli.questions.lint import USUAL, lint
    from bneck_cli.questions.lint_report import report

    yield from report(lint(analysis, USUAL)).parts()


def _measured(analysis: Analysis) -> Iterator[Part]:
    from bneck_cli.questions.footprint import footprint
    from bneck_cli.questions.footprint_report import report

    yield from report(footprint(analysis)).parts()


def _text(program: Program) -> str:
    """Return the spec's own text, as it was read."""
    definition = program.blocks.get(program.block) if program.block is not None else program.net
    return definition.place.node.source.text if definition is not None else ""


def _made(program: Program) -> Facts:
    from hashlib import sha256

    from bneck_cli.version import __version__

    digest = sha256(_text(program).encode()).hexdigest()[:12]
    return Facts((("made by", f"bneck {__version__} from {program.spec.file} (sha256 {digest})"),))
