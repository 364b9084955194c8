"""Results of the library's functions: they print briefly, display as tables, and give their data."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar

from bneck_cli.errors import BneckError, listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.engine.analysis import Analysis  # noqa: F401  (named in a base class)
    from bneck_cli.engine.network import Cost, Series, Size
    from bneck_cli.questions.plot import Plot
    from bneck_cli.report import Report
    from bneck_cli.sizes.shape import Shape

T = TypeVar("T")


class Answer(Generic[T]):
    """The answer to a question, as the command of the same name gives it.

    ``found`` is what was computed; its attributes are the answer's own. A notebook shows the tables, ``print`` the
    text of the command.
    """

    def __init__(self, found: T, report: Callable[[T], Report]) -> None:
        self.found = found
        self._report = report

    def __getattr__(self, name: str) -> Any:
        if name in ("found", "_report"):  # not there yet: an answer that is being copied
            raise AttributeError(name)
        return getattr(self.found, name)

    @property
    def report(self) -> Report:
        """The report: titled parts with exact values, before any format."""
        return self._report(self.found)

    def __repr__(self) -> str:
        report = self.report
        return f"<bneck {report.command}: {' · '.join(part for part in (report.title, report.subtitle) if part)}>"

    def __str__(self) -> str:
        return self.text().rstrip("\n")

    def _repr_html_(self) -> str:
        return self.text("html")

    def text(self, format: str = "text") -> str:
        """Return the whole answer in a format.

        Raises BneckError for an unknown format.
        """
        from bneck_cli.formats import ALIASES, FORMATS, as_text

        if ALIASES.get(format, format) not in FORMATS:
            raise BneckError(f"unknown format '{format}'", hint=f"the formats are {listed(FORMATS, 'and')}")
        return as_text(self.report, format)

    def records(self) -> list[dict[str, Any]]:
        """Return the rows of the CSV as records, numbers as numbers: ``pandas.DataFrame(answer.records())``."""
        header, rows = self.report.records()
        return [{key: None if cell == "" else cell for key, cell in zip(header, row, strict=True)} for row in rows]

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON shows, as Python's own values."""
        import json

        return dict(json.loads(self.text("json")))

    def write(self, format: str | None = None, file: str | os.PathLike[str] | IO[str] = "-") -> None:
        """Write the answer to a path, a text stream or (``-``) standard output; without a format the suffix says it.

        Raises BneckError for an unknown format, and where the file cannot be written.
        """
        from bneck_cli.formats import FORMATS
        from bneck_cli.output import suffix_format, write

        if isinstance(file, (str, os.PathLike)):
            path = os.fspath(file)
            write([self.text(format or suffix_format(path, FORMATS) or "text")], path)
        else:
            file.write(self.text(format or "text"))


class Network(Answer["Analysis"]):
    """An analysed network or block; figures are those of one input."""

    @property
    def name(self) -> str:
        """The name of the network or the block."""
        return self.found.name

    @property
    def inputs(self) -> dict[str, Shape]:
        """The input shapes, by name."""
        return self.found.inputs

    @property
    def outputs(self) -> dict[str, Shape]:
        """The output shapes, by name."""
        return self.found.outputs

    @property
    def root(self) -> Series:
        """The tree of stages, blocks and layers."""
        return self.found.root

    @property
    def cost(self) -> Cost:
        """Parameters and multiply-adds in their parts, of one input."""
        return self.found.cost

    @property
    def params(self) -> Size:
        """Learned parameters."""
        return self.cost.params

    @property
    def macs(self) -> Size:
        """Multiply-adds of the whole batch."""
        return self.found.macs

    @property
    def activations(self) -> Size:
        """Output elements of convolutions, linear layers and attention, of the whole batch."""
        return self.found.activations

    def layers(self, fold: bool = False) -> list[dict[str, Any]]:
        """Return a record for every layer, the columns of the CSV; with ``fold`` one for identical layers.

        Raises BneckError if there are more layers than rows.
        """
        from bneck_cli.questions.analyze import report
        from bneck_cli.questions.rows import View

        return Answer(self.found, lambda found: report(found, View(fold=fold))).records()

    def _repr_html_(self) -> str:
        """Show the drawing above the table, as a page of the command `report` has them."""
        from bneck_cli.formats import as_text
        from bneck_cli.questions.draw import figure

        report = self.report
        drawn = figure(self.found, self.root if self.found.program.block is not None else None)
        return as_text(report._replace(parts=lambda: [*([drawn] if drawn else []), *report.parts()]), "html")

    def __repr__(self) -> str:
        from bneck_cli.questions.notes import describe_input
        from bneck_cli.words.values import people

        given = describe_input(self.found)
        return f"<bneck analyze: {self.name} · {given} · {people(self.params)} params, {people(self.macs)} MACs>"


class Drawing(Answer[Any]):
    """A drawing: a notebook shows it, ``print`` draws it in characters."""

    def __init__(self, found: Any) -> None:
        super().__init__(found, _no_report)

    def __repr__(self) -> str:
        return f"<bneck draw: {self.found.title}>"

    def _repr_html_(self) -> str:
        return self.text("svg")

    def text(self, format: str = "text") -> str:
        """Return the drawing as ``text``, ``svg``, ``mermaid``, ``dot`` or ``tikz``."""
        from bneck_cli.questions.draw import FORMATS, render

        if format not in FORMATS:
            raise BneckError(f"unknown drawing '{format}'", hint=f"the drawings are {listed(FORMATS, 'and')}")
        return "".join(render(self.found, format))


class Chart(Answer["Plot"]):
    """A plot: a notebook shows it, ``records()`` are its points, ``write`` draws it as SVG, PDF or PNG."""

    def __init__(self, found: Plot) -> None:
        super().__init__(found, _no_report)

    def __repr__(self) -> str:
        return f"<bneck plot: {self.found.title}>"

    def _repr_html_(self) -> str:
        return self.text("svg")

    def records(self) -> list[dict[str, Any]]:
        """Return the points."""
        header, rows = self.found.points
        return [dict(zip(header, row, strict=True)) for row in rows]

    def text(self, format: str = "csv") -> str:
        """Return the points as ``csv``, or the drawing as ``svg``.

        Raises BneckError for another format, and where matplotlib is not installed.
        """
        return self._drawn(format, ("csv", "svg")).decode()

    def write(self, format: str | None = None, file: str | os.PathLike[str] | IO[str] = "-") -> None:
        """Write the plot to a path (``cost.svg``, ``.pdf``, ``.png``, or ``.csv`` for the points) or a text stream.

        Raises BneckError for an unknown format, and where the file cannot be written.
        """
        from bneck_cli.output import write

        if not isinstance(file, (str, os.PathLike)):
            file.write(self.text(format or "csv"))
            return
        path = os.fspath(file)
        known = ("csv", "svg", "pdf", "png")
        suffix = os.path.splitext(path)[1].lstrip(".").lower()
        chosen = format or (suffix if suffix in known else "csv")
        write([self._drawn(chosen, known).decode("latin-1")], path, "latin-1")

    def _drawn(self, format: str, known: tuple[str, ...]) -> bytes:
        if format not in known:
            raise BneckError(f"unknown plot '{format}'", hint=f"the plots are {listed(known, 'and')}")
        if format == "csv":
            from bneck_cli.formats._delimited import delimited

            return "".join(delimited(self.found.points, ",")).encode()
        from bneck_cli.pictures.chart import chart

        found = self.found
        return chart(found.title, (found.x, found.y), found.log, found.series, found.bands, format)


def _no_report(_: object) -> Report:
    raise BneckError("a drawing has no rows", hint="`analyze` has the figures")
