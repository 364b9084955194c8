"""Blocks or networks side by side: their layers, their totals as ratios to the first, and what that comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.analysis import Analysis, analyze_program
from bneck_cli.engine.network import part_params
from bneck_cli.engine.settings import among, require_used
from bneck_cli.errors import BneckError, listed
from bneck_cli.flow.follow import depth
from bneck_cli.questions.analyze import table
from bneck_cli.questions.notes import ACTIVATIONS, describe_input, requirements, rule_of, units_of
from bneck_cli.questions.rows import View, shown_rows
from bneck_cli.report import Beside, Column, Facts, Prose, Records, Report, Row, Table, telling
from bneck_cli.words.comparing import against, quotient
from bneck_cli.words.values import Ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.network import Size
    from bneck_cli.engine.settings import Settings
    from bneck_cli.language.library import Program
    from bneck_cli.report import Part
    from bneck_cli.sizes.dim import Dim


class Metric(NamedTuple):
    """A total that is compared: the same figure of every candidate."""

    key: str
    title: str
    values: tuple[Size, ...]

    def ratio(self, index: int) -> Any:
        """Return a value over the first: a number, 1 for equal formulas, None if there is no such number."""
        first, value = self.values[0], self.values[index]
        if isinstance(first, int) and isinstance(value, int):
            return quotient(value, first)
        if first == value:
            return 1.0
        from bneck_cli.sizes.dim import proportion
        from bneck_cli.sizes.number import parts

        found = proportion(value, first)
        return None if found is None else quotient(*parts(found))


class Candidate(NamedTuple):
    """One of those compared, by the name it was asked for."""

    name: str
    analysis: Analysis


class Match(NamedTuple):
    """One of those compared at the value ``at`` of ``vary`` at which its ``measure`` is the first's, or nearly so.

    That is the largest at which it is at most the first's, or the one at which it is nearest.
    """

    name: str
    measure: str
    noun: str
    target: int
    vary: str
    at: Any
    value: int
    step: Any
    """From one value that is legal to the next, about the one found."""
    below: tuple[Any, int] | None
    """The legal value below, and its measure."""
    above: tuple[Any, int] | None
    formula: Dim | None
    """The measure over the channels, C, where it has a closed form."""
    solution: float | None
    """The width, not whole in general, at which the formula equals the target."""


class Comparison(NamedTuple):
    """Candidates, their totals, and the sentences that conclude; a match for each candidate but the first, if any."""

    title: str
    candidates: tuple[Candidate, ...]
    metrics: tuple[Metric, ...]
    conclusion: tuple[str, ...]
    blocks: bool
    notes: tuple[str, ...]
    matches: tuple[Match, ...] = ()


def compare_programs(programs: list[tuple[str, Program]], settings: Settings) -> Comparison:
    """Analyse each program under the same settings and compare the totals.

    Raises BneckError for a mixture of blocks and networks, and for whatever an analysis raises.
    """
    blocks = [program.block is not None for _, program in programs]
    if any(blocks) and not all(blocks):
        names: dict[bool, list[str]] = {True: [], False: []}
        for (name, _), block in zip(programs, blocks, strict=True):
            names[block].append(name)
        raise BneckError(
            f"cannot compare a block with a network ({names[True][0]} is a block, {names[False][0]} a network)"
        )
    require_used([program for _, program in programs], settings)
    return compared([analyzed(name, program, settings) for name, program in programs])


def in_flops(found: Comparison) -> Comparison:
    """Return the comparison in FLOPs, two for each multiply-add."""
    from bneck_cli.flow.counting import in_flops as doubled

    anew = compared([one._replace(analysis=doubled(one.analysis)) for one in found.candidates])
    matched = found.conclusion[len(anew.conclusion) :]
    return anew._replace(conclusion=(*anew.conclusion, *matched), matches=found.matches)


def analyzed(name: str, program: Program, settings: Settings) -> Candidate:
    """Analyse one of those compared, by the name that it was asked for; an error says which."""
    try:
        return Candidate(name, analyze_program(*among(program, settings)))
    except BneckError as error:
        if error.location is None and not error.message.startswith(name):
            raise BneckError(f"{name}: {error.message}", hint=error.hint) from None
        raise


def compared(candidates: list[Candidate]) -> Comparison:
    """Compare the totals of what has been analysed."""
    names_seen = [candidate.name for candidate in candidates]
    candidates = [
        candidate._replace(name=f"{candidate.name} ({index + 1})")
        if names_seen.count(candidate.name) > 1
        else candidate
        for index, candidate in enumerate(candidates)
    ]
    metrics = tuple(_metrics(candidates))
    inputs = {describe_input(candidate.analysis) for candidate in candidates}
    title = " and ".join(candidate.name for candidate in candidates)
    if len(inputs) == 1:
        title += f" · {inputs.pop()}"
    notes = sorted({note for candidate in candidates for note in requirements(candidate.analysis)})
    conclusion = tuple(_conclusion(candidates, metrics))
    blocks = all(candidate.analysis.program.block is not None for candidate in candidates)
    return Comparison(title, tuple(candidates), metrics, conclusion, blocks, tuple(notes))


def _metrics(candidates: list[Candidate]) -> list[Metric]:
    """Gather every total; one that is 0 for all is left out."""
    rows: list[tuple[str, str, list[Any]]] = [
        ("conv_params", "params in convolutions", [part_params(c.analysis.root, "conv") for c in candidates]),
        ("linear_params", "params in linear layers", [part_params(c.analysis.root, "linear") for c in candidates]),
        ("attention_params", "params in attention", [part_params(c.analysis.root, "attention") for c in candidates]),
        ("norm_params", "params in normalisation", [part_params(c.analysis.root, "norm") for c in candidates]),
        ("params", "params", [c.analysis.cost.params for c in candidates]),
        ("macs", _title(candidates), [c.analysis.cost.macs * c.analysis.batch for c in candidates]),
        ("activations", "activations", [c.analysis.cost.activations * c.analysis.batch for c in candidates]),
        ("depth", "depth", [depth(c.analysis) for c in candidates]),
    ]
    return [Metric(key, title, tuple(values)) for key, title, values in rows if any(value != 0 for value in values)]


def weights(analysis: Analysis) -> Size:
    """Count the parameters without those of normalisation."""
    return analysis.cost.params - part_params(analysis.root, "norm")


def _title(candidates: list[Candidate]) -> str:
    rule = candidates[0].analysis.rule
    return "MACs" if rule is None else rule.title


# The conclusion in words


NOUNS = {
    "conv_params": "weights in convolutions",
    "params": "parameters",
    "macs": "multiply-adds",
    "activations": "activations",
}


def _conclusion(candidates: list[Candidate], metrics: tuple[Metric, ...]) -> list[str]:
    """Say, for each candidate after the first, how its weights, multiply-adds and activations compare."""
    by_key = {metric.key: metric for metric in metrics}
    weights = "conv_params" if "conv_params" in by_key and "linear_params" not in by_key else "params"
    macs = NOUNS["macs"] if candidates[0].analysis.rule is None else _title(candidates)
    nouns = {weights: NOUNS[weights], "macs": macs, "activations": NOUNS["activations"]}
    sentences = []
    for index in range(1, len(candidates)):
        parts = [_said(by_key[key], index, noun) for key, noun in nouns.items() if key in by_key]
        if parts:
            sentences.append(
                f"Compared with {candidates[0].name}, {candidates[index].name} has {listed(parts, 'and')}."
            )
    return sentences


def _said(metric: Metric, index: int, noun: str) -> str:
    """Say how one value compares with the first, with both numbers."""
    return against(metric.values[index], metric.values[0], noun, metric.ratio(index))


# The report

BLOCK_COLUMNS = ("layer", "output", "kernel", "stride", "groups", "params", "macs")
STAGE_COLUMNS = ("layer", "output", "params", "macs")


def report(comparison: Comparison) -> Report:
    """Lay out a comparison: the candidates' layers side by side, their totals, and what they come to."""
    from bneck_cli.questions.source import compared_source

    return Report(
        "compare",
        comparison.title,
        "",
        parts=lambda: _parts(comparison),
        records=lambda: _records(comparison),
        data=lambda: _data(comparison),
        schema=3,
        source=lambda: compared_source(comparison),
    )


def _parts(comparison: Comparison) -> Iterator[Part]:
    yield Beside([_layers(candidate, comparison.blocks) for candidate in comparison.candidates])
    yield _totals(comparison)
    if comparison.conclusion:
        yield Prose(comparison.conclusion)
    first = comparison.candidates[0].analysis
    yield Facts(
        (*(("note", note) for note in comparison.notes), *units_of(first), ("rule", f"{rule_of(first)}; {ACTIVATIONS}"))
    )


def _layers(candidate: Candidate, blocks: bool) -> Table:
    """Lay out one candidate: a block by its layers, a network by its stages."""
    analysis = candidate.analysis
    view = View(columns=BLOCK_COLUMNS) if blocks else View(columns=STAGE_COLUMNS, depth=1)
    found = table(analysis, view, shown_rows(analysis, view)[0])
    title = f"{candidate.name} · {describe_input(analysis)}"
    return telling(found, {"kernel": "", "stride": "1", "groups": 1})._replace(title=title)


def _totals(comparison: Comparison) -> Table:
    """Set the totals in columns: a metric a line, each candidate with its ratio to the first."""
    columns = [Column("metric", "", "words")]
    for index, candidate in enumerate(comparison.candidates):
        columns.append(Column(f"value {index}", candidate.name, "number"))
        if index:
            columns.append(Column(f"ratio {index}", "ratio", "number"))
    rows = []
    for metric in comparison.metrics:
        cells: list[Any] = [metric.title]
        for index, value in enumerate(metric.values):
            cells += [value, Ratio(metric.ratio(index))] if index else [value]
        rows.append(Row(cells, style="" if all(value == metric.values[0] for value in metric.values) else "changed"))
    return Table(columns, rows, "totals")


def _records(comparison: Comparison) -> Records:
    """Return a row for each candidate: its totals, and their ratios to the first's."""
    header = ["name", "input"]
    for metric in comparison.metrics:
        header += [metric.key, f"{metric.key}_ratio"]
    if comparison.matches:
        header += MATCHED
    rows = []
    for index, candidate in enumerate(comparison.candidates):
        row: list[Any] = [candidate.name, next(iter(candidate.analysis.inputs.values()))]
        for metric in comparison.metrics:
            row += [metric.values[index], metric.ratio(index)]
        if comparison.matches:
            row += _matched(comparison.matches[index - 1]).values() if index else [None] * len(MATCHED)
        rows.append(row)
    return Records(header, rows)


MATCHED = ["match", "target", "vary", "at", "value", "step", "formula", "solution"]


def _matched(match: Match) -> dict[str, Any]:
    """Return what a match found, by the names of its columns."""
    figures = (
        match.measure,
        match.target,
        match.vary,
        match.at,
        match.value,
        match.step,
        match.formula,
        match.solution,
    )
    return dict(zip(MATCHED, figures, strict=True))


def _data(comparison: Comparison) -> dict[str, Any]:
    from bneck_cli.questions.document import cost_fields, tree

    return {
        "title": comparison.title,
        "rule": rule_of(comparison.candidates[0].analysis),
        "requires": comparison.notes,
        "candidates": [
            {
                "name": candidate.name,
                "input": next(iter(candidate.analysis.inputs.values())),
                "totals": cost_fields(candidate.analysis.cost, candidate.analysis),
                "tree": tree(candidate.analysis, None if comparison.blocks else 1),
            }
            for candidate in comparison.candidates
        ],
        "metrics": {
            metric.key: {
                "values": metric.values,
                "ratios": [metric.ratio(index) for index in range(len(metric.values))],
            }
            for metric in comparison.metrics
        },
        **({"matches": [_matched(match) for match in comparison.matches]} if comparison.matches else {}),
        "conclusion": comparison.conclusion,
    }
