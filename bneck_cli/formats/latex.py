"""LaTeX: a longtable for each table, within the text width of an article, and the sentences below it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bneck_cli.formats._layout import fitted
from bneck_cli.report import Beside, Chapter, Facts, Figure, Source, Table
from bneck_cli.shown import shown
from bneck_cli.words.values import mathematics, people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.formats import Style
    from bneck_cli.formats._layout import Lane
    from bneck_cli.report import Part, Report, Row

WIDTH = 78
"""Characters of \\footnotesize in the 345 points of an article's text, with gaps of two."""
BREAK = re.compile(r"[./](?=\w)|\\_")
EM = 0.52
"""The width of a character, on average."""
SPECIAL = (
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "<": "\\textless{}",
        ">": "\\textgreater{}",
        "|": "\\textbar{}",
        '"': "\\textquotedbl{}",
        "×": "$\\times$",
        "·": "$\\cdot$",
        "⌊": "$\\lfloor$",
        "⌋": "$\\rfloor$",
        "→": "$\\to$",
        "≤": "$\\le$",
        "≥": "$\\ge$",
        "√": "$\\surd$",
        "−": "$-$",
        "–": "--",
        "—": "---",
        "…": "\\ldots{}",
        "’": "'",
        "µ": "$\\mu$",
    }
    | {character: f"$^{index}$" for index, character in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
)
PREAMBLE = """% Needs \\usepackage[T1]{fontenc}, \\usepackage{longtable}, \\usepackage{booktabs}, \\usepackage{array}
"""


def write(report: Report, _style: Style) -> Iterator[str]:
    """Write each table with its caption and label, then what stands below it."""
    parts = list(report.parts())  # an error comes before any text
    yield PREAMBLE
    title = f"{report.title}, {report.subtitle}" if report.subtitle else report.title
    count = 0
    for part in parts:
        for table in part.tables if isinstance(part, Beside) else (part,):
            if isinstance(table, Table):
                count += 1
                yield from _table(table, title, f"{_label(report)}{f'-{count}' if count > 1 else ''}")
            else:
                yield from _words(table)


def _label(report: Report) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", report.title.lower()).strip("-")
    return f"tab:{report.command}-{name}" if name else f"tab:{report.command}"


def _table(table: Table, title: str, label: str) -> Iterator[str]:
    """Write a longtable; its headings stand on every page."""
    caption = f"{title}: {table.title}" if table.title and title else table.title or title
    for number, part in enumerate(fitted(table, WIDTH, bars=False)):
        heading = " & ".join(escape(lane.title.replace("\n", " ").strip()) for lane in part) + " \\\\\n"
        yield "{\\footnotesize\\setlength{\\tabcolsep}{3pt}\n"
        yield f"\\begin{{longtable}}{{@{{}}{''.join(map(_column, part))}@{{}}}}\n"
        yield f"\\caption{{{escape(caption)}}}\\label{{{label}{chr(97 + number) if number else ''}}}\\\\\n"
        yield f"\\toprule\n{heading}\\midrule\n\\endfirsthead\n"
        yield f"\\toprule\n{heading}\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n"
        totals = False
        for index, row in enumerate(table.rows):
            if row.total and not totals:
                yield "\\midrule\n"
                totals = True
            cells = [_cell(lane, index, row) for lane in part]
            yield " & ".join(cells) + " \\\\\n"
        yield "\\end{longtable}}\n"


def _column(lane: Lane) -> str:
    """Align a column; one whose words are wrapped gets a width of its own."""
    right = lane.number or lane.column.kind == "share"
    if not any("\n" in cell for cell in lane.cells):
        return "r" if right else "l"
    side = "\\raggedleft" if right else "\\raggedright"
    return f">{{{side}\\arraybackslash}}p{{{lane.width * EM:.1f}em}}"


def _cell(lane: Lane, index: int, row: Row) -> str:
    value: Any = lane.values[index]
    text = mathematics(value)
    if text is None and "\n" in lane.cells[index]:
        text = BREAK.sub(r"\g<0>\\allowbreak{}", escape(people(value)))
    elif text is None:
        text = _number(lane.cells[index]) or escape(lane.cells[index].strip())
    return "\\quad " * row.level + text if lane.column.kind == "name" else text


def _number(text: str) -> str:
    """Keep the commas of a number from being spaced like those of a sentence."""
    return text.replace(",", "{,}") if text.replace(",", "").isdecimal() else ""


def _words(part: Part) -> Iterator[str]:
    if isinstance(part, Table | Beside | Source | Chapter):
        return
    if isinstance(part, Figure):
        yield f"\n{part.draw('tikz', None, False)}"
        return
    if part.title:
        yield f"\n\\paragraph{{{escape(part.title)}}}\n"
    yield "\n{\\raggedright\n"
    if isinstance(part, Facts):
        yield "".join(f"\n\\noindent {escape(name)}: {_fact(value)}\n" for name, value in part.pairs)
    else:
        yield "".join(f"\n\\noindent {escape(line.strip())}\n" for line in part.lines)
    yield "\n\\par}\n"


def _fact(value: Any) -> str:
    return mathematics(value) or escape(people(value))


def escape(text: str) -> str:
    """Write text so that LaTeX prints it as it is; a character that its fonts lack is named."""
    return "".join(SPECIAL.get(character) or _plain(character) for character in shown(text))


def _plain(character: str) -> str:
    return character if character < "\u0180" else f"U+{ord(character):04X}"
