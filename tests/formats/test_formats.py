"""What holds of every answer in every format: it fits, no number is broken, and no text from outside does harm."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from reports import ANSWERS, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.formats import DATA_FORMATS, Style, as_text
from bneck_cli.questions import analyze
from bneck_cli.questions.rows import View
from bneck_cli.report import Facts, Prose, Table
from bneck_cli.sizes.dim import symbol
from bneck_cli.sizes.shape import Shape
from bneck_cli.words.values import Bytes, Percent, Ratio, Seconds, Share, Signed, data, mathematics, people

WIDTHS = (60, 80, 120, 200)
NUMBER = re.compile(r"\d[\d,.]*\d|\d")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ANSWERS)
def test_text_fits_and_breaks_no_number(name: str, width: int) -> None:
    """No line of any answer is wider than the terminal, and every number in it is a number of the unbroken text."""
    text, whole = as_text(answer(name), "text", Style(width)), as_text(answer(name), "text")
    assert max(map(len, text.splitlines())) <= width
    assert set(NUMBER.findall(text)) <= set(NUMBER.findall(whole))


@pytest.mark.parametrize("name", ANSWERS)
def test_no_conclusion_is_lost(name: str) -> None:
    """At 60 columns every sentence, every fact and every total is there in full."""
    text = "".join(as_text(answer(name), "text", Style(60)).split())
    for part in answer(name).parts():
        if isinstance(part, Prose):
            assert all("".join(line.split()) in text for line in part.lines)
        elif isinstance(part, Facts):
            assert all("".join(f"{key}: {people(value)}".split()) in text for key, value in part.pairs)
        elif isinstance(part, Table):
            kept = [index for index, column in enumerate(part.columns) if not column.gives]
            cells = [people(row.cells[index]) for row in part.rows if row.total for index in kept]
            assert all("".join(cell.split()) in text for cell in cells)


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("name", ANSWERS)
def test_colours_change_no_character(name: str, width: int) -> None:
    """What rich styles is, without the colours, what is written elsewhere."""
    styled = COLOUR.sub("", as_text(answer(name), "text", Style(width, color=True)))
    plain = as_text(answer(name), "text", Style(width))
    assert [line.rstrip() for line in styled.splitlines()] == plain.splitlines()
    assert "\x1b" not in plain


class Page(HTMLParser):
    """Reads a page, and checks that every tag is closed in its order."""

    void = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows = 0
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember what is open."""
        self.tags.add(tag)
        self.rows += tag == "tr"
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened last."""
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_is_a_page(name: str) -> None:
    """HTML is well formed and asks for nothing from elsewhere, and each row of each table is there."""
    text = as_text(answer(name), "html")
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert not re.search(r"(?:src|href)=|@import|url\(", text)
    tables = [table for part in answer(name).parts() for table in getattr(part, "tables", [part])]
    assert page.rows == sum(len(table.rows) + 1 for table in tables if isinstance(table, Table))


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_is_data(name: str) -> None:
    """CSV and TSV hold the same rows, as many cells as headings; JSON names its command and its version."""
    rows = list(csv.reader(io.StringIO(as_text(answer(name), "csv"))))
    assert list(csv.reader(io.StringIO(as_text(answer(name), "tsv")), delimiter="\t")) == rows
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(set(rows[0])) == len(rows[0])
    document = json.loads(as_text(answer(name), "json"))
    assert list(document)[:2] == ["schema", "command"]
    assert document["command"] == name.split(maxsplit=1)[0]
    assert list(digits(document)) == []


def digits(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts that are numbers, but for names: a block may be called ``0``."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from digits(each, name) if name != "rules" else ()  # of a layer kind, in words
    elif isinstance(value, list):
        for each in value:
            yield from digits(each, key)
    elif isinstance(value, str) and value.isdecimal() and key not in ("name", "path", "label"):
        yield key, value


@pytest.mark.parametrize("name", ["analyze", "analyze symbols", "analyze columns", "compare", "list", "lint", "rules"])
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
def test_latex_compiles_within_the_text_width(name: str, tmp_path: Path) -> None:
    """With the packages that its first line names, LaTeX sets every table in an article, and no line sticks out."""
    text = as_text(answer(name), "latex")
    packages = "".join(re.findall(r"\\usepackage(?:\[\w+\])?\{\w+\}", text.split("\n")[0]))
    document = f"\\documentclass{{article}}{packages}\\begin{{document}}{text}\\end{{document}}"
    (tmp_path / "page.tex").write_text(document, encoding="utf-8")
    line = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert b"Overfull" not in done.stdout


def test_latex_tables_have_captions_and_labels() -> None:
    """Each table is a longtable with its caption and a label of its own."""
    text = as_text(answer("compare blocks"), "latex")
    labels = re.findall(r"\\label\{([a-z0-9:-]+)\}", text)
    assert len(labels) == len(set(labels)) == text.count("\\begin{longtable}") == text.count("\\caption{")
    assert labels[0] == "tab:compare-basic-and-bottleneck-and-resnext-256-56-56-channels-256"


# Text from outside

HOSTILE = "e\x1b[31mvil\u202e</td><script>alert(1)</script>[x](http://x.org)|&_*`$\\%"
SPEC = 'name: "=e\\e[31mvil\\u202e</td><script>alert(1)</script>[x](http://x.org)|&_*`$\\\\%"\n'
SPEC += "input: 3 x 8 x 8\nnet: conv 3x3 8 -> relu\n"


@pytest.mark.parametrize("form", DATA_FORMATS)
def test_names_do_no_harm(form: str) -> None:
    """What a spec's name holds is shown as text: no control character, no tag, no link, no formula."""
    analysis = bneck_cli.analyze(SPEC)
    assert analysis.name == f"={HOSTILE}"
    text = as_text(analyze.report(analysis), form)
    assert all(line.replace("\t", "").isprintable() for line in text.split("\n"))
    if form in ("html", "markdown"):
        assert "<script" not in text
    if form == "markdown":
        assert not re.search(r"(?<!\\)\]\(|://", text)
    if form == "latex":
        assert "\\textless{}script" in text
        assert re.search(r"(?<!\\)%", text.split("\n", 1)[1]) is None


def test_names_in_data_are_themselves() -> None:
    """JSON escapes a name, and gives it back as it was."""
    assert json.loads(as_text(analyze.report(bneck_cli.analyze(SPEC)), "json"))["name"] == f"={HOSTILE}"


def test_errors_are_bounded_and_escaped() -> None:
    """A message that quotes a spec shows no control character, and of 500,000 characters the first few."""
    error = BneckError(f"no block '\x1b]0;x\x07{'x' * 500_000}'", hint="a\u202eb")
    text = str(error)
    assert len(text) < 3_000
    assert all(line.isprintable() for line in text.split("\n"))
    assert "500," in text


@pytest.mark.parametrize("names", [("lambda", "None"), ("H", "W"), ("class", "class_"), ("if", "is")])
def test_python_spells_every_symbol(names: tuple[str, str]) -> None:
    """Symbols that are no names in Python are renamed, and the source gives the figures of the network."""
    analysis = bneck_cli.analyze(f"input: 3 x {names[0]} x {names[1]}\nnet: conv 3x3 8 stride=2 -> bn\n")
    source = as_text(analyze.report(analysis), "python")
    scope: dict[str, object] = {}
    exec(compile(source, "source", "exec"), scope)
    signature = re.search(r"def macs\((.*)\)", source)
    assert signature is not None
    spelled = {name: f" {name} is (\\w+) here" for name in names}
    arguments = {
        (found.group(1) if (found := re.search(rf"^{name} is (\w+) here", source, re.MULTILINE)) else name): size
        for name, size in zip(spelled, (33, 18), strict=True)
    }
    assert set(signature.group(1).split(", ")) == set(arguments)
    macs = scope["macs"]
    assert (
        macs(**arguments)
        == bneck_cli.analyze(  # type: ignore[operator]
            "input: 3 x 33 x 18\nnet: conv 3x3 8 stride=2 -> bn\n"
        ).cost.macs
    )


def test_python_is_refused_where_there_are_no_formulas() -> None:
    """A list has no formulas to write."""
    with pytest.raises(BneckError, match="writes formulas"):
        as_text(answer("list"), "python")


# Values


@pytest.mark.parametrize(
    ("value", "words", "plain"),
    [
        (4_089_184_256, "4,089,184,256", 4_089_184_256),
        (None, "", None),
        (Share(0.2345), "23.4%", 0.2345),
        (Ratio(0.05917), "0.059", 0.05917),
        (Ratio(1204.4), "1,204", 1204.4),
        (Ratio(None), "", None),
        (Signed(-1024), "-1,024", -1024),
        (Signed(0), "0", 0),
        (Percent(-12.54), "-12.5%", -12.54),
        (Percent(0.012), "+0.01%", 0.012),
        (Bytes(102_228_128), "97.5 MiB", 102_228_128),
        (Seconds(0.00153), "1.53 ms", 0.00153),
        (Shape(64, (56, 56)), "64×56×56", [64, 56, 56]),
    ],
)
def test_each_type_of_value_is_written_once(value: object, words: str, plain: object) -> None:
    """For people with commas and units; as data the bare number."""
    assert people(value) == words
    assert data(value) == plain


def test_a_sum_in_a_shape_stands_in_parentheses() -> None:
    """``3×(⌊H/2⌋ + 1)×(⌊W/2⌋ + 1)``, in text and in LaTeX: without them the product would be another."""
    sides = tuple(symbol(name) // 2 + 1 for name in "HW")
    assert str(Shape(3, sides)) == "3×(⌊H/2⌋ + 1)×(⌊W/2⌋ + 1)"
    assert str(mathematics(Shape(3, sides))).count("(\\left\\lfloor") == 2
    text = as_text(analyze.report(bneck_cli.analyze("input: 3 x H x W\nnet: conv 2x2 3 stride=2 pad=1\n")), "text")
    assert "3×(⌊H/2⌋ + 1)×(⌊W/2⌋ + 1)" in text


# Rows and sums


def test_some_rows_have_their_sum_before_the_total() -> None:
    """``--only linear`` adds up what it shows, and names the whole network's total beside it."""
    analysis = bneck_cli.analyze("vgg16")
    table = next(iter(analyze.report(analysis, View(only=("linear",))).parts()))
    assert isinstance(table, Table)
    keys = [column.key for column in table.columns]
    shown = [row.cells for row in table.rows if not row.total]
    subtotal, total = (row.cells for row in table.rows if row.total)
    for key in ("params", "macs"):
        index = keys.index(key)
        assert subtotal[index] == sum(cells[index] for cells in shown)
        assert total[index] == getattr(analysis.cost, key)
    share = keys.index("share")
    assert subtotal[share].value == pytest.approx(sum(cells[share].value for cells in shown))
    assert (subtotal[0], total[0]) == ("3 rows", "total")


def test_a_folded_row_shows_all_its_copies() -> None:
    """The figures of a row with × and its share are those of all of its copies."""
    analysis = bneck_cli.analyze("resnet50")
    table = next(iter(analyze.report(analysis, View(sort="macs", top=3)).parts()))
    assert isinstance(table, Table)
    keys = [column.key for column in table.columns]
    first = dict(zip(keys, table.rows[0].cells, strict=True))
    assert (first["layer"], first["repeat"]) == ("layer3.1-5.conv2", 5)
    assert (first["params"], first["macs"]) == (5 * 589_824, 5 * 115_605_504)
    assert first["share"].value == first["macs"] / analysis.cost.macs


# The schema of JSON

SCHEMA = Path(__file__).parents[2] / "specs" / "SCHEMA.md"
NAMED = frozenset({"settings", "uncounted", "metrics", "rules", "counts", "params", "forms", "notes", "refused"})
"""Keys whose values are named by a spec, or by what is in the library."""


def keys(value: object) -> Iterator[str]:
    """Yield every key of a document that the schema names."""
    for each in value if isinstance(value, list) else ():
        yield from keys(each)
    for name, held in value.items() if isinstance(value, dict) else ():
        yield name
        if name == "forms":  # by form, then by quantity
            continue
        named = name in NAMED or (name in ("input", "output") and isinstance(held, dict))
        named = named or (name == "totals" and any(isinstance(total, dict) for total in held.values()))
        yield from keys([*held.values()] if named and isinstance(held, dict) else held)


@pytest.mark.parametrize("name", ANSWERS)
def test_the_schema_names_every_key(name: str) -> None:
    """Each key that a command writes stands in its section of the schema, under the version that it writes."""
    document = json.loads(as_text(answer(name), "json"))
    head, *sections = re.split(r"^## ", SCHEMA.read_text(encoding="utf-8"), flags=re.MULTILINE)
    section = next(
        text for text in sections if text.startswith(f"{document['command']}, schema {document['schema']}\n")
    )
    known = set(re.findall(r"`(\w+)`", head + section))
    if "as for analyze" in section:
        known |= set(re.findall(r"`(\w+)`", sections[0]))
    assert set(keys(document)) <= known
