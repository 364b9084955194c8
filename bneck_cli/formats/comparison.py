"""A comparison to text: the layers side by side or stacked as the width allows, the totals, and the conclusion."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from bneck_cli.formats.delimited import delimited
from bneck_cli.formats.markup import escape_latex, escape_markdown, latex_table, markdown_table, mathematics
from bneck_cli.formats.structured import cost_fields, number, tree
from bneck_cli.formats.table import Cells, print_table, report_columns
from bneck_cli.questions.analyze import RULE, View, build_report, grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bneck_cli.formats import Style
    from bneck_cli.questions.compare import Candidate, Comparison, Metric

BLOCK_COLUMNS = ("layer", "output", "kernel", "stride", "groups", "params", "macs")
STAGE_COLUMNS = ("layer", "output", "params", "macs")
APART = "     "


def _report(candidate: Candidate, blocks: bool) -> tuple[str, list[Cells], list[bool]]:
    """Lay out one candidate: a block by its layers, a network by its stages."""
    view = View(columns=BLOCK_COLUMNS) if blocks else View(columns=STAGE_COLUMNS, depth=1)
    report = build_report(candidate.analysis, view)
    columns = [
        column
        for column in report_columns(report, bars=False)
        if column.key not in ("kernel", "stride", "groups") or any(cell not in ("", "1") for cell in column.cells)
    ]
    return f"{candidate.name} · {report.subtitle}", columns, [not row.is_layer for row in report.rows]


def _totals(comparison: Comparison, write: Callable[[Any], str] = grouped) -> list[Cells]:
    """Set the totals in columns: a metric a line, each candidate with its ratio to the first."""
    columns = [Cells("metric", "", [metric.title for metric in comparison.metrics], False)]
    for index, candidate in enumerate(comparison.candidates):
        values = [write(metric.values[index]) for metric in comparison.metrics]
        columns.append(Cells(candidate.name, candidate.name, values, True))
        if index:
            ratios = [_ratio(metric, index) for metric in comparison.metrics]
            columns.append(Cells(f"ratio {index}", "ratio", ratios, True))
    return columns


def _ratio(metric: Metric, index: int) -> str:
    ratio = metric.ratio(index)
    return "" if ratio is None else f"{ratio:.3f}" if ratio < 1000 else f"{ratio:,.0f}"


def render_table(comparison: Comparison, style: Style) -> Iterator[str]:
    """Print the candidates' layers, then the totals, then what they come to."""
    from textwrap import wrap

    texts = []
    for candidate in comparison.candidates:
        title, columns, bold = _report(candidate, comparison.blocks)
        texts.append("".join(print_table(title, columns, style, bold, total=True)).splitlines())
    widths = [max(len(_plain(line)) for line in text) for text in texts]
    if style.width is not None and sum(widths) + len(APART) * (len(widths) - 1) <= style.width:
        for lines in zip_longest(*texts, fillvalue=""):
            padded = [line + " " * (width - len(_plain(line))) for line, width in zip(lines, widths, strict=True)]
            yield APART.join(padded).rstrip() + "\n"
        yield "\n"
    else:
        for text in texts:
            yield "\n".join(text) + "\n\n"
    yield from print_table("totals", _totals(comparison), style)
    width = min(style.width or 100, 120)
    yield "\n"
    for sentence in (*comparison.conclusion, *(f"note: {note}" for note in comparison.notes), f"rule: {RULE}"):
        yield "\n".join(wrap(sentence, width, subsequent_indent="  ", break_long_words=False)) + "\n"


def _plain(line: str) -> str:
    """Drop the colours of a line, to know its width."""
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def render_csv(comparison: Comparison, delimiter: str) -> Iterator[str]:
    """Write a row for each candidate: its totals, and their ratios to the first's."""
    header = ["name", "input"]
    for metric in comparison.metrics:
        header += [metric.key, f"{metric.key}_ratio"]
    lines = []
    for index, candidate in enumerate(comparison.candidates):
        line: list[Any] = [candidate.name, "x".join(map(str, _shape(candidate)))]
        for metric in comparison.metrics:
            ratio = metric.ratio(index)
            line += [metric.values[index], "" if ratio is None else f"{ratio:.6g}"]
        lines.append(line)
    return delimited([header], delimiter, lines)


def _shape(candidate: Candidate) -> list[Any]:
    shape = next(iter(candidate.analysis.inputs.values()))
    return [number(size) for size in (shape.channels, *shape.spatial)]


def render_json(comparison: Comparison, _style: Style) -> Iterator[str]:
    """Write one JSON object: candidates with totals and trees, ratios to the first, the conclusion."""
    import json

    document = {
        "schema": 1,
        "title": comparison.title,
        "rule": RULE,
        "requires": list(comparison.notes),
        "candidates": [
            {
                "name": candidate.name,
                "input": _shape(candidate),
                "totals": cost_fields(candidate.analysis.cost, candidate.analysis),
                "tree": tree(candidate.analysis, None if comparison.blocks else 1),
            }
            for candidate in comparison.candidates
        ],
        "metrics": {
            metric.key: {
                "values": [number(value) for value in metric.values],
                "ratios": [metric.ratio(index) for index in range(len(metric.values))],
            }
            for metric in comparison.metrics
        },
        "conclusion": list(comparison.conclusion),
    }
    yield json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def render_markdown(comparison: Comparison, _style: Style) -> Iterator[str]:
    """Write Markdown: a table a candidate, the totals, the conclusion."""
    for candidate in comparison.candidates:
        title, columns, _ = _report(candidate, comparison.blocks)
        yield f"**{escape_markdown(title)}**\n\n"
        yield from markdown_table(columns)
        yield "\n"
    yield "**Totals**\n\n"
    yield from markdown_table(_totals(comparison))
    for sentence in (*comparison.conclusion, f"Rule: {RULE}."):
        yield f"\n{escape_markdown(sentence)}\n"


def render_latex(comparison: Comparison, _style: Style) -> Iterator[str]:
    """Write the totals as a LaTeX table, the conclusion as its caption."""
    caption = " ".join((*comparison.conclusion, f"Rule: {RULE}."))
    yield f"\\begin{{table}}\n\\centering\n\\caption{{{escape_latex(caption)}}}\n"
    yield from latex_table(_totals(comparison, mathematics))
    yield "\\end{table}\n"


COMPARISONS: dict[str, Callable[[Comparison, Style], Iterator[str]]] = {
    "table": render_table,
    "csv": lambda comparison, _: render_csv(comparison, ","),
    "tsv": lambda comparison, _: render_csv(comparison, "\t"),
    "json": render_json,
    "markdown": render_markdown,
    "latex": render_latex,
}
