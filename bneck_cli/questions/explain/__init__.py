"""An analysis in words: what each layer does and why, with every number from the analysis itself.

First facts are computed (``facts``, ``place``, ``compared``), then sentences are made of them. A sentence is made
where what it says has been checked on the block at hand, and left out where it has not, so a block that nobody has seen
before is explained as far as it is understood.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.network import Layer, Series, entries, inner
from bneck_cli.engine.settings import Settings
from bneck_cli.errors import BneckError
from bneck_cli.questions.bars import bars
from bneck_cli.questions.draw import figure
from bneck_cli.questions.explain import attention, block, compared, network
from bneck_cli.questions.explain.facts import is_numeric
from bneck_cli.questions.explain.place import found
from bneck_cli.questions.explain.sentences import layer_lines
from bneck_cli.questions.notes import describe_input
from bneck_cli.report import Prose, Records, Report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.language.library import Program
    from bneck_cli.report import Figure, Table


class Section(NamedTuple):
    """A heading and what stands below it: sentences, each a line of its own."""

    title: str
    lines: tuple[str, ...]


class Explanation(NamedTuple):
    """A title and its sections; those that have nothing to say are left out."""

    title: str
    sections: tuple[Section, ...]
    figure: Figure | None = None
    shares: Table | None = None


def explain(program: Program, settings: Settings = Settings(), at: str | None = None) -> Explanation:
    """Explain a block, a network, or with ``at`` what stands in it at that path: a stage, a block or a layer.

    Raises BneckError for a path that is not there, and where sizes are symbols.
    """
    return explain_analysis(analyze_program(program, settings), at)


def explain_analysis(analysis: Analysis, at: str | None = None) -> Explanation:
    """Explain what has been analysed, as ``explain`` does."""
    if not is_numeric(analysis.root):
        raise BneckError(
            "an explanation needs numbers; the sizes have symbols", hint="give --channels 256 --input 56x56"
        )
    if at is None and analysis.program.block is None:
        return _network(analysis)
    return _part(analysis, at)


def _explanation(title: str, sections: Iterable[tuple[str, Iterable[str]]]) -> Explanation:
    made = (Section(heading, tuple(lines)) for heading, lines in sections)
    return Explanation(title, tuple(section for section in made if section.lines))


def _part(analysis: Analysis, at: str | None) -> Explanation:
    """Explain a block, or a part of a network."""
    subject = found(analysis, at)
    node = subject.node
    name = inner(node).name if isinstance(node, Series) else node.op if isinstance(node, Layer) else ""
    name = name or subject.path or analysis.name
    title = f"{name} · {subject.arrives} to {node.out}" + (f" · {subject.path} of {analysis.name}" if at else "")
    facts = None if isinstance(node, Layer) else compared.compare(name, analysis.program, analysis.settings, subject)
    told = _explanation(
        title,
        [
            ("Reading the figure", block.legend(subject)),
            ("In short", (*block.summary(name, subject), *block.copies(subject, analysis))),
            ("Layer by layer", layer_lines(subject.layers)),
            ("What it adds up to", block.sums(subject)),
            ("What the numbers mean", block.numbers(subject)),
            ("The stride", block.stride(subject)),
            ("Attention", attention.growth(subject)),
            ("Depthwise and pointwise", block.separable(subject)),
            ("The gate", block.gates(subject)),
            ("Where the map comes from", block.origin(analysis, subject) if at else ()),
            ("What it sees", block.sight(analysis, subject)),
            (f"Compared with {facts.other}", compared.sentences(facts, subject)) if facts else ("", ()),
        ],
    )
    if isinstance(node, Series) and any(isinstance(each.layer, Layer) for each in subject.layers):
        return told._replace(figure=figure(analysis, node))
    return told


def _network(analysis: Analysis) -> Explanation:
    """Explain a network: where its map shrinks, where its weights and multiply-adds are, what it sees."""
    stem = os.path.splitext(os.path.basename(analysis.program.spec.file))[0]
    told = _explanation(
        f"{analysis.name} · {describe_input(analysis)}",
        [
            ("In short", network.summary(analysis)),
            ("Where the map changes", network.shrinking(analysis)),
            ("Its stages", network.stages(analysis)),
            ("Why they are so", network.design(analysis)),
            ("Where the cost is", (*network.concentration(analysis), *network.gates(analysis))),
            ("Others in the library", network.variants(analysis, stem)),
        ],
    )
    drawn = figure(analysis, None) if next(entries(analysis.root), None) else None
    return told._replace(figure=drawn, shares=bars(analysis))


def report(explanation: Explanation) -> Report:
    """Lay out an explanation."""
    sections = explanation.sections
    return Report(
        "explain",
        explanation.title,
        "",
        parts=lambda: [
            *([explanation.figure] if explanation.figure else []),
            *([explanation.shares] if explanation.shares else []),
            *(Prose(section.lines, section.title, listed=True) for section in sections),
        ],
        records=lambda: Records(
            ["section", "sentence"],
            [(section.title, line.strip()) for section in sections for line in section.lines],
        ),
        data=lambda: {
            "title": explanation.title,
            "sections": [
                {"title": section.title, "sentences": [line.strip() for line in section.lines]} for section in sections
            ],
        },
    )
