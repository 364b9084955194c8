"""An analysis to text, in each format; ``RENDERERS`` names them. A renderer is imported when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.questions.analyze import View


class Style(NamedTuple):
    """How the place that the text goes to shows it: ``width`` in characters (None: as wide as it needs), and colour."""

    width: int | None = None
    color: bool = False
    fold: bool = False


def _table(analysis: Analysis, view: View, style: Style) -> Iterator[str]:
    from bneck_cli.formats.table import render_table

    return render_table(analysis, view, style)


def _csv(analysis: Analysis, view: View, style: Style) -> Iterator[str]:
    from bneck_cli.formats.delimited import render_delimited

    return render_delimited(analysis, view, style, ",")


def _tsv(analysis: Analysis, view: View, style: Style) -> Iterator[str]:
    from bneck_cli.formats.delimited import render_delimited

    return render_delimited(analysis, view, style, "\t")


def _json(analysis: Analysis, view: View, style: Style) -> Iterator[str]:
    from bneck_cli.formats.structured import render_json

    return render_json(analysis, view, style)


def _markdown(analysis: Analysis, view: View, style: Style) -> Iterator[str]:
    from bneck_cli.formats.markup import render_markdown

    return render_markdown(analysis, view, style)


def _latex(analysis: Analysis, view: View, style: Style) -> Iterator[str]:
    from bneck_cli.formats.markup import render_latex

    return render_latex(analysis, view, style)


def _python(analysis: Analysis, view: View, style: Style) -> Iterator[str]:
    from bneck_cli.formats.python import render_python

    return render_python(analysis, view, style)


RENDERERS: dict[str, Callable[[Analysis, View, Style], Iterator[str]]] = {
    "table": _table,
    "csv": _csv,
    "tsv": _tsv,
    "json": _json,
    "markdown": _markdown,
    "latex": _latex,
    "python": _python,
}
