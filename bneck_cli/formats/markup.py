"""Markdown and LaTeX: the same rows as the table, for a page or a paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.formats.table import Cells, report_columns
from bneck_cli.questions.analyze import build_report, grouped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.formats import Style
    from bneck_cli.questions.analyze import Report, View


def render_markdown(analysis: Analysis, view: View, _style: Style) -> Iterator[str]:
    """Write a Markdown table with its title, its totals and the counting rule."""
    report = build_report(analysis, view)
    yield f"**{escape_markdown(report.title)}**, {escape_markdown(report.subtitle)}\n\n"
    columns = [
        column._replace(cells=_indented(column, report, "&nbsp;&nbsp;"))
        for column in report_columns(report, bars=False)
    ]
    yield from markdown_table(columns)
    yield "\n" + "\n".join(f"{line}  " for line in footer(report)).rstrip() + "\n"


def markdown_table(columns: Sequence[Cells]) -> Iterator[str]:
    """Write columns as a Markdown table; numbers align to the right."""
    yield f"| {' | '.join(column.title for column in columns)} |\n"
    yield f"|{'|'.join('---:' if column.right else '---' for column in columns)}|\n"
    for line in zip(*[column.cells for column in columns], strict=True):
        yield f"| {' | '.join(escape_markdown(cell) for cell in line)} |\n"


def escape_markdown(cell: str) -> str:
    """Keep a cell from breaking its row."""
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("\n", " ")


def render_latex(analysis: Analysis, view: View, _style: Style) -> Iterator[str]:
    """Write a LaTeX table (booktabs) with its caption."""
    report = build_report(analysis, view)
    columns = [
        column._replace(cells=_indented(column, report, "\\quad "))
        for column in report_columns(report, bars=False, write=mathematics)
    ]
    yield "\\begin{table}\n\\centering\n"
    yield f"\\caption{{{escape_latex(report.title)}, input {escape_latex(report.subtitle)}. "
    yield f"{escape_latex(report.rule[:1].upper() + report.rule[1:])}.}}\n"
    yield from latex_table(columns, rule_before_last=not report.flat)
    yield "\\end{table}\n"


def latex_table(columns: Sequence[Cells], rule_before_last: bool = False) -> Iterator[str]:
    """Write columns as a booktabs tabular; cells in dollars are mathematics already."""
    yield f"\\begin{{tabular}}{{{''.join('r' if column.right else 'l' for column in columns)}}}\n\\toprule\n"
    yield " & ".join(escape_latex(column.title) for column in columns) + " \\\\\n\\midrule\n"
    lines = list(zip(*[column.cells for column in columns], strict=True))
    for index, line in enumerate(lines):
        if rule_before_last and index == len(lines) - 1:
            yield "\\midrule\n"
        yield " & ".join(_latex_cell(cell) for cell in line) + " \\\\\n"
    yield "\\bottomrule\n\\end{tabular}\n"


def mathematics(value: Any) -> str:
    """Write a number for people, a symbolic size as LaTeX's mathematics."""
    if isinstance(value, (int, str)) or value is None:
        return grouped(value)
    from bneck_cli.sizes.dim import latex

    return f"${latex(value)}$"


def _latex_cell(cell: str) -> str:
    if cell.startswith("$") and cell.endswith("$"):
        return cell
    if cell.startswith("\\quad "):
        return "\\quad " + _latex_cell(cell[6:])
    if cell.replace(",", "").isdigit():
        return cell.replace(",", "{,}")
    return escape_latex(cell)


def escape_latex(text: str) -> str:
    """Write text so that LaTeX prints it as it is."""
    special = {
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "×": "$\\times$",
        "·": "$\\cdot$",
    }
    special |= {character: f"\\{character}" for character in "&%$#_{}"}
    special |= {"⌊": "$\\lfloor$", "⌋": "$\\rfloor$", "²": "$^2$", "³": "$^3$", "→": "$\\to$"}
    return "".join(special.get(character, character) for character in text)


def _indented(column: Cells, report: Report, indent: str) -> list[str]:
    """Show the level of a row in its first cell."""
    if column.key != "layer" or report.flat:
        return column.cells
    labels = [indent * row.level + row.label for row in report.rows]
    return [*labels, *column.cells[len(labels) :]]


def footer(report: Report) -> Iterator[str]:
    """State the counting rule, what it leaves out, and the notes."""
    yield f"Rule: {report.rule}."
    left = ", ".join(f"{label} {grouped(size)}" for label, size in report.uncounted.items() if size != 0)
    if left:
        yield f"Not counted, in elements: {left}."
    yield from (f"Note: {note}." for note in report.notes)
